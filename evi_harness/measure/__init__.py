"""Latency: samples, summaries, comparisons and the gate. Pure: no I/O, no clock."""
