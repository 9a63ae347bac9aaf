"""One vocabulary: numbers, durations, names and tables, worded once for terminal, page, file and TUI.

Every medium shows the same fact in the same words, because only this room words facts.
"""
