"""What can be done to a run while it trains: kick, noise, project, penalty, and the control rescale."""
