"""Figures, tables and one page about runs, with the missing parts, their reasons, and the commands of the runs."""
