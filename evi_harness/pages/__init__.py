"""The HTML page of a session or a replay: its content as data, and its assembly into a single file."""
