"""The session folder on disk: layout, codec, redaction, writer, reader, check."""
