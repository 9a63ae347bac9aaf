"""Other people's runs made into run directories, so that every command takes them like ours.

A file becomes sheets, tables with named columns (`delimited`, `documents`, `tensorboard`). `sources` finds the files
and says which sheets are one run. `recipe` is what a person said, `names` what columns are usually called, and `choice`
puts the two together. `reading` makes runs of all that, and `writing` run directories.
"""
