"""Acts on what is there already, sessions and reports: nothing is recorded or replayed."""
