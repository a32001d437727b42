"""The settings room: what is set outside a run, and where its output goes."""
