"""The TUI: watches a run through its directory, live or recorded, and knows no trainer.

A reader thread folds the event log into one frozen `View`; screens show views and post what the person meant; whatever
is asked of a run goes through its control inbox.
"""
