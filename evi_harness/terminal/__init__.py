"""Terminal output: lines laid out to its width and coloured, and progress."""
