"""Figures, tables and one page about runs: what they say, what they cannot say, and the commands that made them."""
