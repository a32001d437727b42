"""The carriers room: what connects a service to an app, in virtual time, on a port, or from a process of its own."""
