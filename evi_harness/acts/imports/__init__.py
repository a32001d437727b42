"""Acts that turn files of other programs into sessions."""
