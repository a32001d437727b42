"""Pure: audio in containers that come in pieces: webm and Ogg with Opus, read; Ogg, written."""
