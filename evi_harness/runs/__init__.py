"""The runs room: one run of a handler or of an app, on either clock."""
