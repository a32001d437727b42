"""The command line: one thin module per command, which parses, calls the harness, prints and returns an exit code."""
