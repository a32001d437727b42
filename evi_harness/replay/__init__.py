"""Decisions of a replay: when events are due, which messages match, and what differs. Pure: no I/O, no clock."""
