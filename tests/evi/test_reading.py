"""What a frame says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.evi.reading import member, milliseconds_ns, read, text_of
from evi_harness.session.events import BINARY, TEXT, Frame
from evi_harness.strategies import frames


@pytest.mark.parametrize(
    ("kind", "opcode", "payload", "name", "fields"),
    [
        ("sent", BINARY, b"\0\0", "audio", {}),
        ("sent", BINARY, b'{"type":"user_input"}', "audio", {}),
        ("received", BINARY, b'{"type":"assistant_end"}', "assistant_end", {"type": "assistant_end"}),
        ("received", BINARY, b"\xff\xfe", None, {}),
        ("sent", TEXT, b'{"text": "a", "type": "user_input"}', "user_input", {"text": "a", "type": "user_input"}),
        ("received", TEXT, b'{"type":"assistant\\u005fend"}', "assistant_end", {"type": "assistant_end"}),
        ("received", TEXT, b'{"type":"a","type":"b"}', "b", {"type": "b"}),
        ("received", TEXT, b'{"type":7}', None, {"type": 7}),
        ("received", TEXT, b"{}", None, {}),
        ("received", TEXT, b"[1]", None, {}),
        ("received", TEXT, b"", None, {}),
        ("received", TEXT, b"[" * 100_000, None, {}),
        ("received", TEXT, b"9" * 10_000, None, {}),
        ("received", TEXT, b"{\0}\0", None, {}),
    ],
)
def test_read(kind, opcode, payload, name, fields):
    """Type and fields come from the object; without one there are none; a binary frame sent is audio whatever it holds."""
    message = read(kind, Frame(opcode, payload))
    assert (message.type, message.fields) == (name, fields)


@given(st.sampled_from(("sent", "received")), frames())
def test_read_never_raises(kind, frame):
    """Any frame can be read."""
    assert isinstance(read(kind, frame).fields, dict) or not read(kind, frame).fields


class Outlined(Frame):
    @property
    def payload(self) -> bytes:
        raise AssertionError("the payload was loaded")

    @property
    def outline(self) -> bytes:
        return b'{"type":"audio_output","data":""}'


def test_read_takes_the_outline():
    """The payload, with its audio, stays where it is."""
    assert read("received", Outlined(TEXT, b"")).type == "audio_output"


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, 0), (8210, 8_210_000_000), (1.5, 1_500_000), (-1, -1_000_000), (True, None), ("1", None), (None, None)],
)
def test_milliseconds(value, expected):
    """Milliseconds become nanoseconds; what is no number becomes None."""
    assert milliseconds_ns(value) == expected


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_milliseconds_without_end(value):
    """A number that is not finite is none."""
    assert milliseconds_ns(value) is None


def test_member_and_text():
    """What is not there, or not an object, is empty."""
    assert member({"time": 1}, "time") == {}
    assert text_of({"message": {"content": "Hello."}}) == "Hello."
    assert text_of({"message": {"content": None}}) == text_of({}) == ""


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (Frame("text", b"hello"), "hello"),
        (Frame("text", b"[1, 2]"), "[1, 2]"),
        (Frame("text", b""), ""),
        (Frame("text", b"\xff"), "\\xff"),
        (Frame("text", b"{}"), None),
        (Frame("binary", b"hello"), None),
    ],
)
@pytest.mark.parametrize("kind", ["sent", "received"])
def test_what_is_no_object_has_its_text(kind, frame, text):
    """As it is; an object and a binary frame have none."""
    assert read(kind, frame).text == text
