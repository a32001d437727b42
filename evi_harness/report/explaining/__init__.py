"""An explanation of a report: a few causes in a few lines, for readers without a screen."""
