"""Comparison of a replay with its recording, and the rules for deviations and findings."""
