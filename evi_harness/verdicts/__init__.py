"""Verdicts: everything needed to judge a run, and to report it without secrets."""
