"""Taps: recording of a connection that the app has opened."""
