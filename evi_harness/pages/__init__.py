"""The page of a session or a replay: what it shows as data, and the one file that it is put together to."""
