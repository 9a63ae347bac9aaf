"""Widgets, one family a file. A widget is shown a view; it asks nothing of the app and posts what the user meant."""
