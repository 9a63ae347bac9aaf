"""From signals to detections: memorization, onset, grokking, each by a named rule."""
