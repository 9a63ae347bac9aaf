"""How things are worded and written, once: clean text, names, numbers, tables."""
