from __future__ import annotations

import pytest
from raw_client import frame

from evi_harness.session.events import Closed, Handshake, Note, Received, Sent
from evi_harness.session.notes import CONNECTED, STDIN_ENDED, STDIN_LINE, UNREAD
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


def lines_in(events):
    """The lines that the app read: when each was, what it is, and how early it was."""
    lines = [(event.seq, event.at_ns, facts.text, facts.early_ns) for event, facts in STDIN_LINE.all_in(events)]
    ends = [(event.seq, event.at_ns, None, facts.early_ns) for event, facts in STDIN_ENDED.all_in(events)]
    return sorted([*lines, *ends])


def test_lines_that_the_app_read_stand_before_what_came_of_them():
    """Each at its time, before the next event; one that was read later waits for the one behind that, or for the end."""
    log, events, _ = begun()
    log.read_line("early", 90)
    log.read_line("one", 105)
    log.read_line("two", 125)
    log.from_app(frame(1, b"{}"), 120)
    log.from_service(told(1, b"[]"), 130)
    log.read_line(None, 135)
    log.over(140)
    assert [event.kind for event in events] == ["opened", "note", "note", "note", "sent", "note", "received", "note", "closed"]
    assert lines_in(events) == [(2, 0, "early", 10), (3, 5, "one", None), (5, 25, "two", None), (7, 35, None, None)]


def test_a_line_that_is_told_late_stands_at_the_time_of_the_event_before_it():
    """The lines of a session are in the order of their times; nothing is read behind an end that was seen."""
    log, events, _ = begun()
    log.from_service(told(1, b"[]"), 130)
    log.read_line("late", 120)
    log.over(140)
    assert lines_in(events) == [(3, 30, "late", None)]
    assert [event.seq for event in events] == [0, 1, 2, 3, 4]


def test_what_the_next_message_shows_to_be_a_secret_is_taken_out():
    """Only what was read before it, and only by what the app sends."""
    events = []
    redact = lambda line, sent: line.replace(sent.payload.decode(), "*")  # noqa: E731 - it is handed on
    log = WireLog(events.append, lambda *_: None, max_bytes=1000, redact=redact)
    log.opened(Handshake("/"), 100, 100)
    log.read_line("key", 110)
    log.from_app(frame(1, b"key"), 120)
    log.read_line("key", 130)
    log.from_service(told(1, b"key"), 140)
    assert [text for *_, text, _ in lines_in(events)] == ["*", "key"]
