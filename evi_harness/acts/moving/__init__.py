"""Acts that show the content of a session."""
