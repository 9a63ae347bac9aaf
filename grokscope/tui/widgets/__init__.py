"""Widgets, one family per file. A widget gets frames, and posts messages about what the user wants."""
