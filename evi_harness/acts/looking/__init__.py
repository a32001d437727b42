"""The acts that show what is in a session, and change nothing."""
