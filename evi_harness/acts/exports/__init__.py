"""Acts that write a session in the formats of other programs."""
