"""Forms of a session that other programs open: captions, labels, tables, traces. Pure: a session in, text out."""
