"""Carriers: they connect a service to an app, in virtual time, on a port, or from a separate process."""
