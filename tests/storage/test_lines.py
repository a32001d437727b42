"""Tests of evi_harness.storage.lines."""

from __future__ import annotations

import msgspec
import pytest

from evi_harness.storage.lines import (
    KINDS,
    ClosedLine,
    Cut,
    Form,
    HandshakeFields,
    NoteLine,
    OpenedLine,
    ReceivedLine,
    SentLine,
    Slice,
    UnknownLine,
    decode,
    decode_block,
    encode,
    known_fields,
    with_extra,
    without_extra,
)

LINES = [
    OpenedLine(0, 0, HandshakeFields("/", (("a", "b"),), (("c", "d"),)), ("x",)),
    SentLine(1, 2, "text", took_ns=3, outcome="failed", text=""),
    SentLine(
        1,
        2,
        "binary",
        audio=Cut("user", "user.wav", 0, 4, form=Form("url", False, 76, "\\n", True, True), head=b"h", tail=b"t", size=9, at=1),
    ),
    ReceivedLine(1, 2, "binary", base64=b"\xff"),
    ReceivedLine(1, 2, "text", taken_ns=0, payload=Slice("payloads/frame.1.bin", 0, 9)),
    ClosedLine(1, 2, "network"),
    NoteLine(1, 2, "x", 0, {"a": [None, 1.5]}),
]


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("extra", [{}, {"new": {"a": [1]}}])
def test_decode_is_the_inverse_of_encode(line, extra):
    """A record and the fields beside it come back; the line holds no newline."""
    text = encode(line, extra)
    got, beside = decode(text)
    if isinstance(line, (SentLine, ReceivedLine)):
        assert bytes(got.json) == bytes(line.json) == b""
        got.json = line.json
    assert (got, beside) == (line, extra)
    assert b"\n" not in text


def test_a_body_of_null_is_a_body():
    """The JSON text null is told from no body at all."""
    line, _ = decode(b'{"event":"sent","seq":0,"at_ns":0,"frame":"text","json":null}')
    assert bytes(line.json) == b"null"
    assert b'"json":null' in encode(line)


def test_an_unknown_kind_keeps_all_its_fields():
    """A line of a kind that is not known is handed on whole."""
    text = b'{"event":"x","seq":1,"at_ns":2,"json":[1],"deep":{"a":1}}'
    line, extra = decode(text)
    assert line == UnknownLine("x", 1, 2)
    assert decode(encode(line, extra)) == (line, extra)
    assert msgspec.json.decode(encode(line, extra)) == msgspec.json.decode(text)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"1",
        b"[]",
        b"{}",
        b'{"event":"sent"}',
        b'{"event":1,"seq":0,"at_ns":0}',
        b'{"event":"x"}',
        b"\xff",
        b'{"event":"closed","seq":0,"at_ns":0,"by":"me"}',
    ],
)
def test_what_is_no_line_is_a_value_error(text):
    """Whatever is wrong, one kind of error says it."""
    with pytest.raises(ValueError):
        decode(text)


def test_a_block_is_read_at_once_or_not_at_all():
    """Whole known lines are read together; anything else is left to be read one by one."""
    line = encode(LINES[0]) + b"\n"
    assert decode_block(line * 3) == [LINES[0]] * 3
    for odd in (b"\n", line.rstrip() * 2 + b"\n", b"x\n", b"\xff\n", b'{"event":"x","seq":0,"at_ns":0}\n', line[:9] + b"\n" + line[9:]):
        assert decode_block(line + odd) is None


def test_extra_fields_go_into_the_objects_they_came_from():
    """without_extra and with_extra are inverse at every depth, and what a record has itself is never replaced."""
    fields = {"event": "sent", "seq": 0, "new": 1, "audio": {"track": "user", "more": 2, "form": {"odd": 3}}}
    known, extra = without_extra(fields, SentLine)
    assert known == {"event": "sent", "seq": 0, "audio": {"track": "user", "form": {}}}
    assert extra == {"new": 1, "audio": {"more": 2, "form": {"odd": 3}}}
    assert msgspec.json.decode(with_extra(msgspec.json.encode(known), extra, SentLine)) == fields
    assert with_extra(b'{"seq":1}', {"seq": 2}) == b'{"seq":1}'


@pytest.mark.parametrize(
    "extra",
    [{"code": 5}, {"by": "me"}, {"reason": {"why": 1}}, {"redacted": 5}],
    ids=lambda extra: next(iter(extra)),
)
def test_what_a_record_could_have_itself_is_no_extra(extra):
    """Not even where it has none: the line would say what nobody wrote, or could not be read."""
    line = ClosedLine(1, 2, "app")
    assert decode(encode(line, extra)) == (line, {})


def test_an_object_that_is_not_there_gets_no_extra():
    """Audio that a newer version said more about, in a copy that keeps the frame whole; and data, whose names are its own."""
    assert decode(encode(SentLine(1, 2, "text", text="x"), {"audio": {"more": 1}})) == (SentLine(1, 2, "text", text="x"), {})
    assert decode(encode(NoteLine(1, 2, "x", data={"a": 1}), {"data": {"b": 2}})) == (NoteLine(1, 2, "x", data={"a": 1}), {})


def test_every_kind_knows_its_tag():
    """The name of a kind is one of its known fields, and structs within it are known as such."""
    assert all("event" in known_fields(kind) for kind in KINDS.values())
    assert known_fields(SentLine)["audio"] is Cut
    assert known_fields(Cut)["form"] is Form
