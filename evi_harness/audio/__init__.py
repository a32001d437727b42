"""Sound: speech detectors, resampling, the software microphone and speaker."""
