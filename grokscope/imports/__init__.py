"""Turns logs of other tools into run directories, so that every command accepts these runs.

`sources` finds the files and decides which sheets belong to one run; a sheet is a table with named columns, which
`delimited`, `documents`, `printed`, `tensorboard`, `mlruns`, `databases` and `offline` read from a file. `recipe` holds
the user's options, and `names` the usual names of columns. `choice` selects the columns from both. `reading` makes
runs, and `writing` makes run directories.
"""
