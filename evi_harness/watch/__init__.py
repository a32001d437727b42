"""The watch room: what findings come from: tasks, threads, coroutines, sockets and long steps of the app's."""
