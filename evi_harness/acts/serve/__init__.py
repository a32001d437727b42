"""Acts that serve a session or the simulator to apps that connect over the network."""
