"""Tests of evi_harness.redacting.escapes."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.redacting.escapes import levels

PLAIN = st.text(st.characters(codec="utf-8", exclude_characters="\\%"), min_size=1, max_size=12)
WRITERS = [
    lambda text: json.dumps(text)[1:-1],
    lambda text: json.dumps(json.dumps(text)[1:-1])[1:-1],
    lambda text: quote(text, safe=""),
    lambda text: json.dumps(quote(text))[1:-1].replace("/", "\\/"),
]


@given(st.text("ab{} ", max_size=5), PLAIN, st.text("ab{} ", max_size=5), st.sampled_from(WRITERS))
def test_an_escaped_text_is_found_at_its_place(before, text, after, write):
    """Some level holds the text, and its origin is exactly where its escaped form stands."""
    written = write(text).encode()
    whole = before.encode() + written + after.encode()
    if written == text.encode():
        return
    places = []
    for level in levels(whole):
        at = level.text.find(text.encode(), len(before))
        if at >= 0:
            places.append(level.origin(at, at + len(text.encode())))
    assert (len(before), len(before) + len(written)) in places


@pytest.mark.parametrize("text", [b"", b"plain", b"100% sure", b"\\x", b"\\u12", b"%zz"])
def test_text_without_escapes_has_no_levels(text):
    """Nothing that differs is yielded; half an escape is none."""
    assert list(levels(text)) == []


def test_levels_are_bounded():
    """However often a text is escaped, a few passes are the end."""
    text = "x/"
    for _ in range(12):
        text = json.dumps(text).replace("/", "\\/")
    assert len(list(levels(text.encode()))) == 4


@given(st.binary(max_size=40))
def test_any_bytes_map_back_into_themselves(text):
    """Every byte of every level comes from somewhere in the text."""
    for level in levels(text):
        for at in range(len(level.text)):
            start, stop = level.origin(at, at + 1)
            assert 0 <= start < stop <= len(text)
