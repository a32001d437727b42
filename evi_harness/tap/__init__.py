"""The tap room: what records around a connection that somebody else has opened."""
