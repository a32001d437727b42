"""Settings from outside a run, and the way out for its output."""
