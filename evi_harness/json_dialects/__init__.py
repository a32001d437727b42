"""Pure: what dialects whose messages are JSON objects have in common."""
