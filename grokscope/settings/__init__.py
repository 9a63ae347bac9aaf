"""What a run depends on: its configuration, the schedule's grammar, values as people type them."""
