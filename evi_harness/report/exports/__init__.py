"""What exports of a session say, as text that other programs read."""
