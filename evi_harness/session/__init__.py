"""What a session is: events, header, audio in WAV, and the protocols between the rooms. Pure: no I/O, no clock."""
