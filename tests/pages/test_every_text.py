"""Tests of evi_harness.pages.every_text."""

from __future__ import annotations

from evi_harness.pages.every_text import every_text


def test_each_text_is_made_another_one_and_nothing_else():
    """At every depth; names of members, numbers and nothing stay, and a text that comes again is made once."""
    asked = []

    def made(text):
        asked.append(text)
        return text.upper()

    document = {"a": ["x", {"b": "x", "n": 1.5}], "c": None, "d": ("y", True), "e": "z" * 200, "f": "z" * 200}
    assert every_text(document, made) == {"a": ["X", {"b": "X", "n": 1.5}], "c": None, "d": ["Y", True], "e": "Z" * 200, "f": "Z" * 200}
    assert asked == ["x", "y", "z" * 200, "z" * 200]
