"""HTML pages: their content, their sound, their files, and which ones to make for given reports and sessions."""
