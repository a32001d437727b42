from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.session.events import BINARY, TEXT, Frame, Handshake, Note, Received, Sent
from evi_harness.tap.event_log import TapLog, frame_of


def begun(**found):
    """A log that was opened at 100, and its events behind the opening."""
    events = []
    log = TapLog(events.append)
    log.opened(Handshake("/"), 100)
    log.found([frame_of(text) for text in found.pop("waiting", ())], **found)
    return log, events


def received(events):
    """Payload and both times of what was received."""
    return [(one.frame.payload, one.at_ns, one.taken_ns) for one in events if isinstance(one, Received)]


def test_times_count_from_the_opening():
    """Readings of the clock become session time, and a received event has both of its own."""
    log, events = begun()
    log.arrived(frame_of("one"), 110)
    log.sent(b"x", None, "sent", 120, 125)
    log.taken("one", 130)
    log.closed("app", 1000, "", 140)
    assert [(event.seq, event.kind, event.at_ns) for event in events] == [
        (0, "opened", 0),
        (1, "sent", 20),
        (2, "received", 10),
        (3, "closed", 40),
    ]
    assert (events[1].took_ns, events[2].taken_ns, log.last_ns, log.saw_close) == (5, 30, 40, True)


def test_how_long_connecting_took_stands_behind_the_opening():
    """From when connect was called until the opening, by the clock's readings."""
    log, events = begun()
    log.connecting(40)
    assert [(one.at_ns, one.name, dict(one.data)) for one in events if isinstance(one, Note)] == [(0, "connected", {"took_ns": 60})]


@given(st.lists(st.booleans(), max_size=30))
def test_what_arrives_is_recorded_once_in_order(takes):
    """However arriving and taking alternate, each frame is recorded once, in order, and taken ones come first."""
    log, events = begun()
    n_arrived = n_taken = 0
    for is_taking in takes:
        if is_taking and n_taken < n_arrived:
            log.taken(None, 1000)
            n_taken += 1
        else:
            log.arrived(frame_of(str(n_arrived)), 200)
            n_arrived += 1
    log.end()
    assert received(events) == [(b"%d" % n, 100, 900 if n < n_taken else None) for n in range(n_arrived)]


@pytest.mark.parametrize(
    ("found", "arriving", "taking", "expected"),
    [
        # (payload, whether its taken time is known)
        ({"waiting": ["a"]}, ["b"], ["a", "b"], [("a", True), ("b", True)]),
        ({"is_awaited": True}, ["a", "b"], ["b"], [("a", False), ("b", True)]),
        ({"is_awaited": True}, ["a", "a"], ["a"], [("a", False), ("a", True)]),
        ({"is_awaited": True}, ["a"], ["a"], [("a", True)]),
        ({"in_doubt": True}, ["b"], ["a", "b"], [("a", True), ("b", True)]),
        ({"in_doubt": True}, ["a", "b"], ["a", "b"], [("a", True), ("b", True)]),
    ],
)
def test_doubt_ends_with_the_first_message_that_fits(found, arriving, taking, expected):
    """What the app takes is compared with what was heard, until one fits: none is lost, doubled or given another's time."""
    log, events = begun(**found)
    for text in arriving:
        log.arrived(frame_of(text), 110)
    for text in taking:
        log.taken(text, 120)
    log.end()
    assert [(payload.decode(), taken_ns is not None) for payload, _, taken_ns in received(events)] == expected


def test_what_was_there_before_has_time_zero_and_a_note():
    """A note says how many frames were received before the recording; none where there were none."""
    log, events = begun(waiting=["a", "b"])
    log.end()
    assert [(one.name, dict(one.data)) for one in events if isinstance(one, Note)] == [("received_before", {"n_frames": 2})]
    assert received(events) == [(b"a", 0, None), (b"b", 0, None)]
    assert not any(isinstance(one, Note) for one in begun()[1])


@pytest.mark.parametrize(
    ("message", "text", "expected"),
    [
        ("é", None, Frame(TEXT, "é".encode())),
        (b"\0", None, Frame(BINARY, b"\0")),
        ("a", False, Frame(BINARY, b"a")),
        (b"a", True, Frame(TEXT, b"a")),
        (["a", "é"], None, Frame(TEXT, "aé".encode())),
        ([b"a", b"b"], True, Frame(TEXT, b"ab")),
        ("", None, Frame(TEXT, b"")),
        ("\ud800", None, Frame(TEXT, b"\xed\xa0\x80")),
        ([], None, None),
    ],
)
def test_a_message_sent_is_the_frame_that_crossed(message, text, expected):
    """Text and bytes, whole or in pieces, with or without the app's word on what it is; nothing where nothing was sent."""
    log, events = begun()
    log.sent(message, text, "sent", 110, 111)
    assert [one.frame for one in events if isinstance(one, Sent)] == ([] if expected is None else [expected])


def test_over_is_told_once_when_closed_and_taken():
    """Neither the close with a frame untaken nor a second close tells."""
    over = []
    log = TapLog(lambda _: None, lambda: over.append(True))
    log.opened(Handshake("/"), 0)
    log.arrived(frame_of("a"), 1)
    log.closed("service", 1000, "", 2)
    log.closed("app", 1000, "", 3)
    assert not over
    log.taken(None, 4)
    log.taken(None, 5)
    assert over == [True]
