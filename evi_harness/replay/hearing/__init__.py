"""Comparison of the audio played with the audio received: matched by samples, correlated where they differ, judged reply by reply."""
