"""The demos: a bundled conversation with the simulator of one dialect, recorded and replayed."""
