"""Replay as decisions: what is due when, what meets what, what differed. Pure: no I/O, no clock."""
