"""Tests of HAR files as such; what becomes of them is tested with acts.imports and acts.exports."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.har import OWN, HarMessage, HarSocket, NotHar, crossed, har_pieces, iso_of, sockets_in
from evi_harness.session.events import BINARY, TEXT, Frame

START_NS = 1_764_468_000_250_000_000
FRAMES = st.one_of(
    st.builds(Frame, st.just(TEXT), st.text(max_size=40).map(lambda text: text.encode("utf-8", "replace"))),
    st.builds(Frame, st.sampled_from([TEXT, BINARY]), st.binary(max_size=40)),
)


def written(messages):
    """The text of a HAR file with some messages."""
    socket = HarSocket("", "wss://h/v0/evi/chat?a=%26&b=", (("Host", "h"),), START_NS, (), None, {"version": 1})
    return "".join(har_pieces(socket, messages, length_ns=5 * 10**9, version="1", comment="made"))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 10**13), FRAMES), max_size=6))
def test_what_is_written_is_read_back(rows):
    """Frames, directions and times, to the nanosecond; the text is ASCII, whatever the frames hold."""
    messages = [HarMessage(is_sent, at_ns, frame, {}) for is_sent, at_ns, frame in sorted(rows, key=lambda row: row[1])]
    text = written(messages)
    assert text.isascii()
    (socket,) = sockets_in(json.loads(text))
    assert (socket.url, socket.headers, socket.started_ns, socket.own) == (
        "wss://h/v0/evi/chat?a=%26&b=",
        (("Host", "h"),),
        START_NS,
        {"version": 1},
    )
    assert socket.query == (("a", "&"), ("b", ""))
    if messages:
        found = crossed(socket)
        assert [(one.is_sent, one.at_ns, one.frame) for one in found.messages] == [(one.is_sent, one.at_ns, one.frame) for one in messages]
        assert (found.opened_ns, found.unit, found.is_opening_known) == (START_NS, "seconds", True)


def test_what_is_written_has_all_that_the_form_asks_for():
    """Every member that HAR 1.2 has no default for, and the type that developer tools know a WebSocket by."""
    log = json.loads(written([HarMessage(True, 10**9, Frame(TEXT, b"x"), {})]))["log"]
    (entry,) = log["entries"]
    assert {"version", "creator", "entries"} <= set(log)
    assert {"startedDateTime", "time", "request", "response", "cache", "timings"} <= set(entry)
    of_both = {"httpVersion", "cookies", "headers", "headersSize", "bodySize"}
    assert {"method", "url", "queryString", *of_both} <= set(entry["request"])
    assert {"status", "statusText", "content", "redirectURL", *of_both} <= set(entry["response"])
    assert {"send", "wait", "receive"} <= set(entry["timings"])
    assert (entry["_resourceType"], entry[OWN]) == ("websocket", {"version": 1})
    (row,) = entry["_webSocketMessages"]
    assert (row["type"], row["time"], row["opcode"], row["data"]) == ("send", 1_764_468_001.25, 1, "x")


def test_times_are_told_as_people_read_them():
    """UTC, with microseconds."""
    assert iso_of(START_NS) == "2025-11-30T02:00:00.250000Z"


def test_an_error_says_its_place():
    """As a path of members; of the whole file nothing."""
    assert str(NotHar("wrong", "log.entries[3]")) == "log.entries[3]: wrong"
    with pytest.raises(NotHar, match="a HAR file"):
        sockets_in({"log": 1})
