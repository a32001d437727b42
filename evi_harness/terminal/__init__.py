"""What a terminal is shown: lines laid out to its width and coloured, and how far something that takes long has got."""
