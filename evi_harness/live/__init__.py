"""The live room: clocks, carriers and the recorder; here things happen, elsewhere it is decided what."""
