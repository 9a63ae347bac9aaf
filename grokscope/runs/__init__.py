"""The run directory: event log, snapshots, checkpoints, control inbox, heartbeat."""
