"""The verdicts room: what a run is judged by, and what may be told of it."""
