"""The acts that serve a session or the simulator to apps that come by themselves."""
