"""Acts: one function for each thing that a command or a call does. They may use any room except the doors."""
