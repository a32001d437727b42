from __future__ import annotations

import pytest
from raw_client import frame

from evi_harness.session.events import Closed, Handshake, Note, Received, Sent
from evi_harness.session.notes import CONNECTED, UNREAD
from evi_harness.tap.wire_log import MAX_TOLD, WireLog, asked_for

BYE = b"\x03\xe8bye"


def told(opcode, payload=b"", **options):
    """A frame of the service's."""
    return frame(opcode, payload, masked=False, **options)


def begun():
    """A log that was opened at 100, its events behind the opening, and what was dropped."""
    events, dropped = [], []
    log = WireLog(events.append, lambda event, n_bytes: dropped.append((event.kind, event.seq, n_bytes)), max_bytes=1000)
    log.opened(Handshake("/v0/evi/chat"), 100, 40)
    return log, events, dropped


def test_messages_of_both_sides_in_the_order_of_the_wire():
    """Each at the time of its last byte, since the opening; the numbers have no gap."""
    log, events, _ = begun()
    log.from_app(frame(1, b"{}")[:3], 110)
    log.from_service(told(1, b"[]"), 120)
    log.from_app(frame(1, b"{}")[3:], 130)
    log.over(140)
    assert [(event.kind, event.seq, event.at_ns) for event in events] == [
        ("opened", 0, 0),
        ("note", 1, 0),
        ("received", 2, 20),
        ("sent", 3, 30),
        ("closed", 4, 40),
    ]
    assert CONNECTED.read(events[1]).took_ns == 60
    assert (log.n_sent, log.n_received, log.n_unread, log.last_ns) == (1, 1, 0, 40)


@pytest.mark.parametrize(
    ("steps", "closed"),
    [
        (["app", "service"], ("app", 1000, "bye", 20)),
        (["service", "app"], ("service", 1000, "bye", 20)),
        (["app"], ("app", 1000, "bye", 900)),
        ([], ("network", None, "", 900)),
    ],
)
def test_who_closed(steps, closed):
    """The first close frame's side, when both have sent one, or when it is over."""
    log, events, _ = begun()
    for number, side in enumerate(steps):
        take, data = (log.from_app, frame(8, BYE)) if side == "app" else (log.from_service, told(8, BYE))
        take(data, 110 + 10 * number)
    log.over(1000)
    (found,) = [event for event in events if isinstance(event, Closed)]
    assert (found.by, found.code, found.reason, found.at_ns) == closed
    assert log.closed is found


def test_an_end_that_nobody_saw():
    """The one who relayed has ended it: there is no close; where one was under way, there is."""
    log, events, _ = begun()
    log.over(200, is_seen=False)
    assert log.closed is None
    assert not any(isinstance(event, Closed) for event in events)
    log, _, _ = begun()
    log.from_app(frame(8, BYE), 150)
    log.over(200, is_seen=False)
    assert log.closed.by == "app"


def test_what_breaks_a_rule_is_a_note_with_its_bytes():
    """Of whom, how many, and the first of them as text; what was not complete at the end too."""
    log, events, _ = begun()
    log.from_service(told(3, b"a\xff\n") + told(1, b"cut", fin=False), 110)
    log.over(120)
    facts = [UNREAD.read(event) for event in events if UNREAD.matches(event)]
    assert [(one.sent_by, one.n_bytes, one.begins) for one in facts] == [("service", 3, "a\\xff\n"), ("service", 3, "cut")]


def test_so_many_that_break_a_rule_are_told_and_the_rest_is_counted():
    """Whoever sends nothing else does not fill the disk."""
    log, events, _ = begun()
    log.from_app(frame(3) * 5000, 110)
    log.over(120)
    notes = [event for event in events if isinstance(event, Note) and UNREAD.matches(event)]
    assert len(notes) == MAX_TOLD + 1
    assert notes[-1].data["what"].startswith("4900 more")


def test_a_message_that_is_too_large_is_dropped():
    """It has a number, which is in no line."""
    log, events, dropped = begun()
    log.from_app(frame(2, bytes(1001)) + frame(2, b"x"), 110)
    assert dropped == [("sent", 2, 1001)]
    assert [event.seq for event in events if isinstance(event, (Sent, Received))] == [3]


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/v0/evi/chat?a=b&c=&a=%C3%A9", "/v0/evi/chat", (("a", "b"), ("c", ""), ("a", "é"))),
        ("http://127.0.0.1:1/chat?a=b", "/chat", (("a", "b"),)),
        ("/", "/", ()),
    ],
)
def test_what_was_asked_for(target, path, query):
    """Path and query as a handshake has them."""
    assert asked_for(target, [("A", "b")]) == Handshake(path, query, (("A", "b"),))
