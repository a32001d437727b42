"""Latency as rows, summaries, comparison, the gate. Pure: no I/O, no clock."""
