"""The acts that make sessions of files that other programs wrote."""
