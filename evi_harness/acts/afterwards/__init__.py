"""Acts on existing sessions and reports; they neither record nor replay."""
