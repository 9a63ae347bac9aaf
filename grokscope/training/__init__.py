"""From a configuration to a recorded run: the loop, what it observes, and how it is launched."""
