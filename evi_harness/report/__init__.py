"""Results as data and as people read them: terminal, HTML, CI outputs."""
