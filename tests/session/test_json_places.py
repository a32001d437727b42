"""Tests of evi_harness.session.json_places."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.session.json_places import members, nesting, string_value, top_level_strings

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)

NOT_STRICT = [
    b"",
    b" ",
    b"{",
    b"}",
    b"]",
    b'{"a":1',
    b'{"a":1]',
    b'["a":1]',
    b'{"a"}',
    b'{"a":}',
    b'{"a":1,}',
    b"[1,]",
    b"[,1]",
    b"{1:2}",
    b"NaN",
    b'{"a":NaN}',
    b'{"a":Infinity}',
    b"01",
    b"+1",
    b"1.",
    b".5",
    b"1e",
    b"0x1",
    b"tru",
    b"True",
    b'"a',
    b'"\\x41"',
    b'"\\u12"',
    b'"a\nb"',
    b'"\x00"',
    b"'a'",
    b'{"a":1}{"b":2}',
    b'{"a":1} x',
    b'\xef\xbb\xbf{"a":1}',
    b'"\xff"',
    b'"\xed\xa0\x80"',
    b"[1}",
    b"{]",
    b"\x0b1",
]


def _walk(value, depth=1):
    """What ``members`` must give, by an independent recursion."""
    if isinstance(value, list):
        for inner in value:
            yield from _walk(inner, depth + 1)
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _walk(inner, depth + 1)
            yield depth, name, inner


@pytest.mark.parametrize("text", NOT_STRICT)
def test_what_is_not_strict_json_is_refused(text):
    """members raises ValueError and top_level_strings yields nothing for text that is not strict JSON."""
    with pytest.raises(ValueError):
        list(members(text))
    assert list(top_level_strings(text)) == []


@pytest.mark.parametrize("text", [b"1", b"-0.5e+3", b"null", b'"x"', b"[]", b" {} ", b"[[],{}]", b"[1, 2]\r\n\t "])
def test_values_without_members_have_none(text):
    """Strict JSON with no members yields none and raises nothing."""
    assert list(members(text)) == []


@given(JSON, st.booleans(), st.sampled_from([None, 1]))
def test_members_stand_where_they_are_said_to_stand(value, ascii_only, indent):
    """Each place holds the JSON of the member's value, at its depth, in the order in which values end."""
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()
    found = [(member.depth, member.name, json.loads(text[member.start : member.stop])) for member in members(text)]
    assert found == list(_walk(value))


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=5), st.booleans())
def test_top_level_strings_are_those_of_the_outermost_object(value, ascii_only):
    """Exactly the string members of the outermost object are found, between their quotes."""
    text = json.dumps(value, ensure_ascii=ascii_only).encode()
    found = [(name, json.loads(b'"' + text[start:stop] + b'"')) for name, start, stop in top_level_strings(text)]
    assert found == [(name, inner) for name, inner in value.items() if isinstance(inner, str)]


@given(st.binary(max_size=30))
def test_any_bytes_are_judged_as_json_judges_them(text):
    """What the standard library refuses is refused here; what passes here the standard library reads."""
    try:
        list(members(text))
    except ValueError:
        return
    json.loads(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b'{"a":"x","a":"y"}', [("a", b"x"), ("a", b"y")]),
        (rb'{"\u0061\/":"\u00e9\"\/"}', [("a/", rb"\u00e9\"\/")]),
        (rb'{"\ud800":"\udc00"}', [("\ud800", rb"\udc00")]),
        (b'{ "a" : [ {"b":"c"} ] , "d" : "" }', [("d", b"")]),
        (b'[{"a":"x"}]', []),
        (b'"a"', []),
        (b'{"a":null,"b":{"c":"x"},"d":"\x7f"}', [("d", b"\x7f")]),
    ],
)
def test_top_level_strings_of_odd_objects(text, expected):
    """Repeated and escaped names, lone surrogates, spaces and nesting are as strict JSON has them."""
    assert [(name, text[start:stop]) for name, start, stop in top_level_strings(text)] == expected


def test_long_and_deep_texts_are_read_in_one_pass():
    """Megabytes of escapes and a hundred thousand levels neither overflow nor slow down out of proportion."""
    text = b'{"a":"' + b"\\/" * 1_000_000 + b'"}'
    assert list(top_level_strings(text)) == [("a", 6, 6 + 2_000_000)]
    deep = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
    assert sum(1 for _ in members(deep)) == 100_000


@pytest.mark.parametrize(("text", "depth"), [(b"1", 0), (b"[]", 1), (b'{"a":[{}],"b":[]}', 3), (b'["[["]', 3)])
def test_nesting_is_an_upper_bound(text, depth):
    """Nesting counts open brackets, those in strings too."""
    assert nesting(text) == depth


def test_string_value_reads_a_literal_and_nothing_else():
    """A string literal is decoded; another value is refused."""
    text = rb'{"a":"\u00e9","b":1}'
    first, second = members(text)
    assert string_value(text, first.start, first.stop) == "é"
    with pytest.raises(ValueError, match="string"):
        string_value(text, second.start, second.stop)
