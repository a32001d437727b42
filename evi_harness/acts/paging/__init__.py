"""Pages: what is on them, their sound, their files, and which are meant by reports and sessions."""
