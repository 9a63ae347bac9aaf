"""What can be looked at along a run: a plugin each, as anybody else's would be."""
