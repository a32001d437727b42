"""Results of exporting a session."""
