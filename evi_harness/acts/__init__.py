"""One function an act: what a door calls. Any room may be used here but the doors."""
