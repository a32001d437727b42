"""Error codes, refusals, close codes."""

from __future__ import annotations

import pytest

from evi_harness.evi.failures import CLOSE_CODES, ERRORS, REFUSALS, explain


@pytest.mark.parametrize("code", [*ERRORS, *REFUSALS, *CLOSE_CODES])
def test_every_code_of_the_tables_is_explained(code):
    """A known code has a sentence of its own."""
    sentence = explain(code)
    assert sentence.endswith(".")
    assert "in the table" not in sentence


@pytest.mark.parametrize(
    ("code", "part"),
    [
        ("e0714", "said nothing"),
        ("E9999", "the configuration"),
        ("I9999", "inside the service"),
        ("W0001", "warning"),
        ("X1", "in the table"),
        ("", "empty code"),
        (200, "opens no WebSocket"),
        (302, "another address"),
        (308, "another address"),
        (418, "HTTP status 418"),
        (1006, "connection was lost"),
        (4001, "application's own"),
        (2999, "in the table"),
    ],
)
def test_explain(code, part):
    """An unknown code is explained by its prefix or its range, and said to be unknown."""
    assert part in explain(code)


def test_codes_that_end_the_chat_say_how():
    """The timeouts and the failed transcription close with 1000, which an app cannot tell from a good end."""
    closing = {row.code: row.close_code for row in ERRORS.values() if row.close_code is not None}
    assert closing == {"E0714": 1000, "E0715": 1000, "I0116": 1000}
    assert ERRORS["E0101"].ends_chat is False
