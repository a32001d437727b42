from __future__ import annotations

import pytest

from evi_harness.report.plain import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Grüße, 你好 👋", "Grüße, 你好 👋"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x9b31m\x07\x7f", "\\x9b31m\\x07\\x7f"),
        ("\u202eabc", "\\u202eabc"),
        ("\ud800", "\\ud800"),
        ("", ""),
    ],
    ids=["words", "white space", "escape", "C1 controls", "direction", "surrogate", "nothing"],
)
def test_what_a_terminal_acts_on_is_escaped(text, shown):
    """One line comes out, with all that people write left alone."""
    assert printable(text) == shown
