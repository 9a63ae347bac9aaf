"""What a plugin sees: protocols, models, examples, parameters, streams. Read this room first."""
