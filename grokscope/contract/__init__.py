"""Everything that a plugin uses: protocols, models, examples, parameters and streams. Read this room first."""
