from __future__ import annotations

import pytest

from evi_harness.carriers.lateness import Lateness, lateness_ns
from evi_harness.session.events import TEXT, Frame, Note, Opened, Received, Sent

MS = 1_000_000


def due(seq, of, due_ns, held_ns=0):
    """A note of a carrier's."""
    return Note(seq, due_ns, "due", of, {"due_ns": due_ns, "cause_ns": 0, "held_ns": held_ns, "recorded_seq": None})


def test_lateness_is_counted_from_when_a_message_could_go():
    """From its due time, or from when the messages before it let it go; events without a note are not counted."""
    frame = Frame(TEXT, b"x")
    events = [
        Opened(0, 0),
        Received(1, 5 * MS, frame),
        due(2, 1, 5 * MS),
        Sent(3, 6 * MS, frame),
        Received(4, 9 * MS, frame),
        due(5, 4, 3 * MS, held_ns=4 * MS),
        Received(6, 10 * MS, frame),
        Note(7, 10 * MS, "undelivered", 6),
        due(8, None, 0),
    ]
    assert lateness_ns(events) == [0, 2 * MS]


@pytest.mark.parametrize(
    ("values", "summed_up", "told"),
    [
        ([], Lateness(0, None, None, None), "nothing sent"),
        ([81_234], Lateness(1, 81_234, None, 81_234), "p50 0.0812 ms, max 0.0812 ms"),
        ([3 * MS], Lateness(1, 3 * MS, None, 3 * MS), "p50 3 ms, max 3 ms"),
        ([2, 1], Lateness(2, 1, None, 2), "p50 0.000001 ms, max 0.000002 ms"),
        (range(1, 100), Lateness(99, 50, None, 99), "p50 0.00005 ms, max 0.000099 ms"),
        ([ms * MS for ms in range(100, 0, -1)], Lateness(100, 50 * MS, 99 * MS, 100 * MS), "p50 50 ms, p99 99 ms, max 100 ms"),
    ],
)
def test_figures_are_given_where_there_are_enough(values, summed_up, told):
    """Nearest rank; no 99th percentile of fewer than a hundred, and nothing of nothing."""
    assert Lateness.of(values) == summed_up
    assert str(summed_up) == told
