"""What runs inside an app's own process when a command is replayed."""
