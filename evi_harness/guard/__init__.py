"""The guard room: whose code it is that runs, and what an app under replay may meet: network, exits, chance, the time of day."""
