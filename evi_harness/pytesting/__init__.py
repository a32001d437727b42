"""What the pytest plugin does, as acts: replays and servers as a test wants them."""
