"""Numbers of a run for the trackers that people have, and notices of what happens in it.

`numbers` says what a tracker is told of an event; `tools` names the trackers, each of which is one module that imports
its package when it is opened. `background` keeps a slow or failing listener from holding up training, and `notify` runs
somebody's command.
"""
