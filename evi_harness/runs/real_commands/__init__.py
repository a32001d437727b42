"""Runs of a command in real time: a server in a process of its own acts out the recording, and the app connects to it."""
