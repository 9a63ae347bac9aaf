"""The TUI: shows a live or recorded run, which it knows only through the run's directory.

A reader thread folds the event log into one frozen `View`. Screens show views, and post messages about what the user
wants. Requests to the trainer go through the run's control inbox.
"""
