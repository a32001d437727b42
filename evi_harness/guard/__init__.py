"""The guard: whose code is running, and what an app may use during a replay: network, exits, random numbers, the time of day."""
