"""Sessions: events, header, WAV audio, and the protocols between the rooms. Pure: no I/O, no clock."""
