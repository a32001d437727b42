"""Tests of evi_harness.redacting.redaction; that no secret reaches a file is tested with the writer."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.redacting.redaction import Edit, Redactor, apply, moved

NAMES = {"api_key", "apikey", "x-key", "llm_key"}
FOLDED = {"session_settings"}
KEY = "0123456789abcdef"


def redacted(text, *secrets, is_frame=True):
    """A text after redaction."""
    return apply(text, Redactor(NAMES, FOLDED, secrets).edits(text, is_frame=is_frame))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b'{"api_key":"abc"}', b'{"api_key":"[redacted]"}'),
        (b'{ "API_KEY" : "abc" , "b":1}', b'{ "API_KEY" : "[redacted]" , "b":1}'),
        (b'[{"a":{"apiKey":"abc"}}]', b'[{"a":{"apiKey":"[redacted]"}}]'),
        (b'{"\\u0061pi\\u005fkey":"abc"}', b'{"\\u0061pi\\u005fkey":"[redacted]"}'),
        (b'{"api_key":12}', b'{"api_key":"[redacted]"}'),
        (b'{"api_key":{"api_key":["x"]},"c":2}', b'{"api_key":"[redacted]","c":2}'),
        (b'{"api_key":"a","api_key":"b"}', b'{"api_key":"[redacted]","api_key":"[redacted]"}'),
        (b'{"api_key":null,"apikey":""}', b'{"api_key":null,"apikey":""}'),
        (b'{"my_api_key":"abc","text":"api_key: abc"}', b'{"my_api_key":"abc","text":"api_key: abc"}'),
        ('{"api_\u212aey":"abc"}'.encode(), '{"api_\u212aey":"[redacted]"}'.encode()),
        (b"api_key=abc&b=1", b"api_key=[redacted]&b=1"),
        (b'{"api_key":"abc"', b'{"api_key":"[redacted]"'),
        (b"{'x-key': 'a b c'}", b"{'x-key': '[redacted]'}"),
        (b"X-Key: Bearer abc\r\n", b"X-Key: [redacted]\r\n"),
        (b"\xff x-key=abc\xff", b"\xff x-key=[redacted]"),
        (b'{"u":"https://h/?a=1&apiKey=abc&b=2"}', b'{"u":"https://h/?a=1&apiKey=[redacted]&b=2"}'),
        (b"/?session_settings%5Bllm_key%5D=abc#f", b"/?session_settings%5Bllm_key%5D=[redacted]#f"),
        (b'{"u":"/?session_settings=x%3D1"}', b'{"u":"/?session_settings=[redacted]"}'),
        (b'{"a":"b"}', b'{"a":"b"}'),
        (b"", b""),
    ],
)
def test_values_are_replaced_by_name(text, expected):
    """Exactly the values of secret names are replaced, in JSON, in URLs and in other text; doing it again changes nothing."""
    assert redacted(text) == expected
    assert redacted(expected) == expected


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("api_key", "abc", "[redacted]"),
        ("apiKey", "abc", "[redacted]"),
        ("session_settings[llm_key]", "abc", "[redacted]"),
        ("session_settings[a][LLM_KEY]", "abc", "[redacted]"),
        ("session_settings[llm_key][x]", "abc", "[redacted]"),
        ("session_settings[audio][rate]", "16000", "16000"),
        ("session_settings[variables]", '{"a":1,"llm_key":"abc"}', '{"a":1,"llm_key":"[redacted]"}'),
        ("session_settings", "audio=Audio() llm_key='abc'", "[redacted]"),
        ("session_settings", '{"a":{"llm_key":"abc"}}', '{"a":{"llm_key":"[redacted]"}}'),
        ("session_settings", "[1]", "[redacted]"),
        ("Session_Settings.llm_key", "abc", "[redacted]"),
        ("session_settings[llm_key", "abc", "[redacted]"),
        ("session_settings", "", ""),
        ("session_settings_2", "abc", "abc"),
        ("config_id", "abc", "abc"),
        ("", "abc", "abc"),
    ],
)
def test_query_parameters_are_judged_by_name(name, value, expected):
    """Names in brackets count; a parameter that holds fields in an unknown form is redacted whole."""
    assert Redactor(NAMES, FOLDED).query([(name, value)]) == ((name, expected),)


@pytest.mark.parametrize(("name", "hidden"), [("X-KEY", True), ("authorization", True), ("Cookie", True), ("Host", False)])
def test_headers_are_judged_by_name(name, hidden):
    """The dialect's names and what carries credentials in HTTP are hidden."""
    assert Redactor(NAMES).headers([(name, KEY)]) == ((name, "[redacted]" if hidden else KEY),)


def test_what_is_found_by_name_is_known_from_then_on():
    """The token of a Bearer header and both halves of a Basic one are found later by value."""
    redactor = Redactor(NAMES)
    redactor.headers([("Authorization", "Bearer " + KEY), ("authorization", "Basic " + base64.b64encode(b"user-user:pass-pass").decode())])
    assert redactor.string(f"{KEY} user-user pass-pass") == "[redacted] [redacted] [redacted]"


@given(st.binary(max_size=20), st.binary(max_size=20), st.sampled_from([base64.b64encode, base64.urlsafe_b64encode]))
def test_a_value_is_found_inside_base64(before, after, encode):
    """Whatever stands around it, base64 of the value leaves none of its bytes."""
    value = "kéy?>~~0123"
    text = redacted(encode(before + value.encode() + after), value)
    assert b"[redacted]" in text
    raw = base64.b64encode(b"\0" * (len(before) % 3) + value.encode())
    assert raw[4:-4] not in text


@given(st.binary(max_size=20), st.binary(max_size=20))
def test_audio_keeps_its_length(before, after):
    """As many zero bytes stand where a secret stood, and all else stays."""
    data = before + KEY.encode() + after
    assert Redactor(NAMES, (), [KEY]).samples(data) == before + bytes(len(KEY)) + after


def test_audio_without_secrets_is_not_copied():
    """Nothing to do costs nothing."""
    data = bytes(640)
    assert Redactor(NAMES, (), [KEY]).samples(data) is data


@pytest.mark.parametrize(
    ("value", "is_key"),
    [
        ("sk-" + "abcdefghij1234567890", True),
        ("sk-proj-" + "Ab0_-" * 30, True),
        ("ek_" + "68af296e8e408191a1120ab6383263c2", True),
        ("xai-" + "0aB" * 20, True),
        ("sk-" + "short1", False),
        ("sk-" + "a-branch-name-without-a-number", False),
        ("task-" + "abcdefghij1234567890", False),
        ("AAsk-" + "abcdefghij1234567890", False),
    ],
)
def test_what_looks_like_a_key_is_one(value, is_key):
    """Wherever it stands, and in base64 behind that; a word, a part of a word and a part of url-safe base64 do not."""
    redactor = Redactor(NAMES)
    text = b'{"instructions": "use ' + value.encode() + b', and go on", "x": 1}'
    expected = text.replace(value.encode(), b"[redacted]") if is_key else text
    assert apply(text, redactor.edits(text)) == expected
    coded = base64.b64encode(b"key=" + value.encode() + b"&x")
    assert (apply(coded, redactor.edits(coded)) != coded) is is_key
    assert Redactor(()).string(value) == ("[redacted]" if is_key else value)


def test_records_of_our_own_are_redacted_at_every_depth():
    """Names, values and the user part of URLs are replaced in nested data; other values stay what they are."""
    found = set()
    data = {"api_key": KEY, "a": [1, None, {"t": f"x{KEY}y", "u": "ws://me@h/"}], "n": 1.5, "b": True, KEY: 1}
    assert Redactor(NAMES).data(data, found) == {
        "api_key": "[redacted]",
        "a": [1, None, {"t": "x[redacted]y", "u": "ws://[redacted]@h/"}],
        "n": 1.5,
        "b": True,
        "[redacted]": 1,
    }
    assert found == {"api_key", "value", "userinfo"}


@pytest.mark.parametrize("value", ["", "short", "1234567", "[redacted]"])
def test_short_values_are_not_searched_for(value):
    """What is shorter than eight characters stands in innocent places."""
    assert redacted(b'{"a":"[redacted] short 1234567"}', value) == b'{"a":"[redacted] short 1234567"}'


def test_one_value_within_another_leaves_nothing():
    """Overlapping values are replaced as one span."""
    assert redacted(b"xabcdefghijklx", "abcdefgh", "efghijkl", "cdefghij") == b"x[redacted]x"


@given(st.binary(max_size=40))
def test_text_without_secrets_stays_byte_for_byte(text):
    """Any bytes without a secret name or value have no edits."""
    if b"key" not in text.lower() and b"session" not in text.lower():
        assert Redactor(NAMES, FOLDED, [KEY]).edits(text) == []


def test_a_json_text_in_a_string_gives_its_secrets_away():
    """Secrets of JSON within JSON are learned by name and replaced by value."""
    inner = json.dumps({"a": {"api_key": KEY}, "b": 1})
    assert redacted(json.dumps({"p": inner}).encode()) == json.dumps({"p": inner.replace(KEY, "[redacted]")}).encode()


@pytest.mark.parametrize(("data", "expected"), [(b' {"api_key":"x"}', True), (b'{"a":1}', False), (b"api_key=x", False), (b"", False)])
def test_json_with_secret_names_is_recognised(data, expected):
    """Only a JSON text with such a member counts."""
    assert Redactor(NAMES).names_in(data) is expected


@pytest.mark.parametrize(("at", "expected"), [(0, 0), (2, 2), (3, None), (5, 11), (7, 13)])
def test_an_offset_moves_with_the_edits_before_it(at, expected):
    """What lies within an edit has no place any more."""
    edits = [Edit(2, 5, b"12345678 "[:9], "x")]
    assert moved(at, edits) == expected
    assert apply(b"abcdefg", edits) == b"ab12345678 fg"
