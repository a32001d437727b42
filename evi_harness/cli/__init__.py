"""The command line: one thin module a command. A door: it parses, calls the harness, prints, returns a code."""
