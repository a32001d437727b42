"""The adapter of Hume's SDK, the package hume."""
