"""A session in the formats of other programs: captions, labels, tables, traces. Pure: a session in, text out."""
