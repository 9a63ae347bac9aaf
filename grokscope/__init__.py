"""grokscope: is grokking coming, when, and why? Measured from the geometry of the loss landscape."""

__version__ = "0.1.0"
