"""The acts that write a session in forms that other programs read."""
