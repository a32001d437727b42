"""The EVI dialect: messages, causes, turns, what each SDK parses, errors and close codes, secrets. Pure: no I/O, no clock."""
