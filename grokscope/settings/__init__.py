"""The settings of a run: its configuration, the grammar of its schedule, and values as people type them."""
