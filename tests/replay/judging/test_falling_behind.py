"""Tests of evi_harness.replay.judging.falling_behind."""

from __future__ import annotations

import re

import pytest

from evi_harness.replay.judging.falling_behind import falling_behind
from evi_harness.session.events import Note, Opened, Received, order
from evi_harness.session.header import Header
from evi_harness.session.session import Session

HEADER = Header("live", "replay", "now", "evi")
MS = 1_000_000


def handled(come_ms, callbacks, *more):
    """A session in which messages come at these times, and a callback begins and ends with each in turn."""
    events = [Opened(0, 0)]
    for seq, at_ms in enumerate(come_ms, 1):
        events.append(Received(seq, at_ms * MS))
        events.append(Note(500 + seq, at_ms * MS, name="due", of=seq, data={"due_ns": 0, "recorded_seq": 40 + seq}))
    for seq, (from_ms, to_ms) in enumerate(callbacks, 1):
        events.append(Note(1000 + 2 * seq, from_ms * MS, name="handler_entered", of=seq, data={"callback": "on_message"}))
        events.append(Note(1001 + 2 * seq, to_ms * MS, name="handler_returned", of=seq, data={"callback": "on_message"}))
    return Session(HEADER, tuple(sorted([*events, *more], key=order)))


def one_after_another(n, each_ms, begin_ms=0):
    """Spans of callbacks without a pause."""
    return [(begin_ms + at * each_ms, begin_ms + (at + 1) * each_ms) for at in range(n)]


@pytest.mark.parametrize(
    ("come_ms", "callbacks"),
    [
        ([], []),
        ([0, 100, 200], one_after_another(3, 100)),
        ([0, 10, 20, 30], [(0, 3000), *one_after_another(3, 1, 3000)]),
        ([0, 0, 0, 0], one_after_another(4, 400)),
        ([at * 1000 for at in range(20)], [(at * 1000, at * 1000 + 999) for at in range(20)]),
        ([0, 10, 20], one_after_another(3, 100, 3000)),
        ([0, 0, 0], [(0, 100), (2000, 2100), (4000, 4100)]),
    ],
    ids=[
        "nothing came",
        "keeps up",
        "one slow callback",
        "below a second in all",
        "slow, but never behind",
        "a process that was stopped before the first",
        "and between them",
    ],
)
def test_a_handler_that_keeps_up_is_no_finding(come_ms, callbacks):
    """Whatever one callback takes: only what several add up to counts."""
    assert falling_behind(handled(come_ms, callbacks)) == []


def test_a_burst_that_takes_longer_than_it_plays():
    """Ten messages at once, 300 ms each: the last begins 2.7 s late. Told once, about that one."""
    (finding,) = falling_behind(handled([0] * 10, one_after_another(10, 300)))
    assert (finding.kind, finding.live_seq, finding.recorded_seq, finding.at_ns) == ("falls_behind", 10, 50, 2700 * MS)
    assert re.fullmatch(r".*\bmessage .*\b2\.700 s .*\b9 .*callbacks; .*\b1 message was waiting", finding.what)


def waiting(of, at_ms, *places):
    """A note of where a callback waits."""
    data = {"callback": "on_message", "at_ns": at_ms * MS, "detail": list(places)}
    return Note(7000 + of + at_ms, 9000 * MS, name="handler_waits", of=of, data=data)


def test_what_took_the_longest_is_told_with_its_place():
    """The callback, its message and its length; where it waited, where a note of that very callback tells."""
    spans = [(0, 300), (300, 1100), *one_after_another(4, 300, 1100)]
    notes = (
        waiting(1, 100, "app.py:1 in other"),
        waiting(2, 1200, "app.py:2 in later"),
        waiting(2, 400, "app.py:7 in ask", "app.py:3 in on_message"),
    )
    (finding,) = falling_behind(handled([0] * 6, spans, *notes))
    took, waited, caller = finding.detail
    assert re.search(r"\blongest .*\bon_message .*#42: 0\.800 s$", took)
    assert re.search(r"\bwaited .*\bapp\.py:7 in ask$", waited)
    assert caller == "app.py:3 in on_message"
    (finding,) = falling_behind(handled([0] * 6, spans, notes[0]))
    assert finding.detail == (took,)


def test_the_edge_is_exact():
    """A second, less the longest callback, is behind; a nanosecond less is not."""
    session = handled([0] * 6, one_after_another(6, 250))
    assert [one.at_ns for one in falling_behind(session)] == [1250 * MS]
    assert falling_behind(session, 1000 * MS + 1) == []


def test_each_stretch_is_told_once():
    """A message that need not wait ends a stretch."""
    come = [0] * 6 + [5000] + [6000] * 6
    spans = [*one_after_another(6, 300), (5000, 5001), *one_after_another(6, 300, 6000)]
    assert [one.live_seq for one in falling_behind(handled(come, spans))] == [6, 13]


def test_what_the_loop_was_blocked_is_not_counted_again():
    """It is a finding of its own."""
    blocked = Note(5000, 3000 * MS, name="blocked", data={"what": "blocked", "blocked_ns": 2500 * MS})
    come, spans = [0] * 10, one_after_another(10, 300)
    assert falling_behind(handled(come, spans, blocked)) == []


def test_how_long_the_longest_block_was_says_nothing_of_when():
    """Its note stands at the end of the run, whenever the block was."""
    longest = Note(5000, 3000 * MS, name="longest_block", data={"blocked_ns": 2500 * MS})
    come, spans = [0] * 10, one_after_another(10, 300)
    assert [one.live_seq for one in falling_behind(handled(come, spans, longest))] == [10]


def test_what_a_callback_calls_within_itself_is_part_of_it():
    """An on_error that on_message led to is no second callback; messages that were never begun wait for nothing."""
    inner = [
        Note(1002, 100 * MS, name="handler_entered", data={"callback": "on_error"}),
        Note(1003, 2900 * MS, name="handler_returned", data={"callback": "on_error"}),
    ]
    assert falling_behind(handled([0, 0, 0], [(0, 3000), (3000, 3001)], *inner)) == []
