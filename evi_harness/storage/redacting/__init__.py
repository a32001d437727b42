"""What keeps secrets out of stored sessions: of events, of source lines, of audio in base64."""
