"""The Python interface: one module per command, which takes plain values, calls an act and returns its result."""
