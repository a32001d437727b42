"""Tests of evi_harness.pages.plain_json."""

from __future__ import annotations

import pytest

from evi_harness.pages.plain_json import plain_json, value_text


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (
            'tool call c1: get_weather "{"location": "Bath", "n": 2, "ok": true}" (#5)',
            "tool call c1: get_weather (location: Bath, n: 2, ok: true) (#5)",
        ),
        ('one "{"a": "x"}" and "{"b": null}"', "one (a: x) and (b: null)"),
        ('cut "{"a": "x…}"', 'cut {"a": "x…}'),
        ('nested "{"a": {"b": 1}}"', 'nested "{"a": {"b": 1}}"'),
        ('a list "{"a": [1]}"', 'a list {"a": [1]}'),
        ('empty "{}"', "empty {}"),
        ('user: "Hello {you}"', 'user: "Hello {you}"'),
    ],
)
def test_a_sentence_quotes_no_json(text, plain):
    """An object is told by its members; what is none, or is not flat, keeps its form."""
    assert plain_json(text) == plain


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('{"sky": "rain"}', '{"sky": "rain"}'),
        ("rain", '"rain"'),
        (3, "3"),
        (None, "null"),
        ('a "b"\n', '"a \\"b\\"\\n"'),
        ({"a": "é"}, '{"a": "é"}'),
        ("\\", '"\\\\"'),
    ],
)
def test_a_value_is_json_but_for_a_text_of_json(value, text):
    """That one would be full of backslashes."""
    assert value_text(value) == text
