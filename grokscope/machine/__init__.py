"""This machine: the installed backends, the accuracy of their arithmetic, and the cost of operations."""
