"""What this machine can do: what is installed, whether its arithmetic is right, what things cost."""
