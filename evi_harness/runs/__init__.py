"""Runs: one run of a handler or an app, on either clock."""
