"""The command line: one module for each command group, and no logic. Commands do their heavy imports when they run."""
