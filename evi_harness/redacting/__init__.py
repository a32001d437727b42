"""The redacting room: secrets, found by name and by value, in messages, source code and audio; pure."""
