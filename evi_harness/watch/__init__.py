"""Watchers: they observe an app's tasks, threads, coroutines, sockets and long steps, which findings come from."""
