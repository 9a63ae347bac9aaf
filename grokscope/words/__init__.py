"""One vocabulary: numbers, durations, names and tables, worded once for every medium: terminal, page, file and screen.

Every medium says the same fact in the same words because no medium has words of its own.
"""
