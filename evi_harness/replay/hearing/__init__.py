"""Whether what was played is what was received: matched by samples, compared where they differ, judged a reply at a time."""
