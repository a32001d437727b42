"""The session folder: layout, codec, redaction, writer, reader, check. Files, and nothing else."""
