from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from evi_harness.runs.merging import merged
from evi_harness.session.events import TEXT, Closed, Frame, Note, Opened, Received, Sent

FRAME = Frame(TEXT, b"{}")


def said(events):
    """Kind or name, time, and what it is of."""
    return [(getattr(event, "name", event.kind), event.at_ns, getattr(event, "of", None)) for event in events]


def test_notes_of_both_sides_refer_to_the_same_messages():
    """The app's second message is the server's second; both sides' seqs are given anew, in time."""
    kept = [
        Opened(0, 0),
        Received(1, 10, FRAME),
        Note(2, 10, "due", 1, {"recorded_seq": 7}),
        Sent(3, 20, FRAME),
        Received(4, 30, FRAME),
        Note(5, 31, "due", 4),
        Closed(6, 50),
    ]
    observed = [
        Opened(0, 0),
        Received(1, 12, FRAME),
        Note(2, 12, "handler_entered", 1),
        Sent(3, 14, FRAME),
        Note(4, 20, "handler_returned", 1),
        Received(5, 32, FRAME),
        Note(6, 33, "handler_entered", 5),
        Note(7, 60, "longest_step"),
    ]
    events = merged(kept, observed, 3)
    assert said(events) == [
        ("opened", 0, None),
        ("received", 10, None),
        ("due", 10, 1),
        ("handler_entered", 15, 1),
        ("sent", 20, None),
        ("handler_returned", 23, 1),
        ("received", 30, None),
        ("due", 31, 6),
        ("handler_entered", 36, 6),
        ("closed", 50, None),
        ("longest_step", 63, None),
    ]
    assert [event.seq for event in events] == list(range(11))
    assert events[2].data == {"recorded_seq": 7}


def test_the_times_that_a_note_of_the_app_holds_are_moved_with_it():
    """A time in its data is a session time too; what is not a time, and what the server noted, stays."""
    kept = [Opened(0, 0), Received(1, 10, FRAME), Note(2, 10, "due", 1, {"at_ns": 9})]
    observed = [
        Opened(0, 0),
        Received(1, 12, FRAME),
        Note(2, 20, "heard", 1, {"at_ns": 13, "until_ns": 19, "late_ns": 4}),
        Note(3, 21, "x"),
    ]
    due, heard, other = merged(kept, observed, 3)[2:]
    assert (due.data, heard.at_ns, heard.data, other.data) == (
        {"at_ns": 9},
        23,
        {"at_ns": 16, "until_ns": 22, "late_ns": 4},
        {},
    )


def test_nothing_lies_before_the_opening():
    """Where the app saw its opening first, what it observed at once stands behind the server's, at its time."""
    events = merged([Opened(0, 0), Received(1, 4, FRAME)], [Opened(0, 0), Note(1, 2, "handler_entered")], -5)
    assert said(events) == [("opened", 0, None), ("handler_entered", 0, None), ("received", 4, None)]


def test_where_nobody_connected_there_are_notes_alone():
    """And where nothing was observed, the server's events as they are."""
    assert said(merged([], [Note(1, 2, "stuck")], 0)) == [("stuck", 2, None)]
    kept = [Opened(0, 0), Closed(1, 5)]
    assert merged(kept, [], 9) == kept
    assert merged([], [], 0) == []


@given(st.lists(st.integers(0, 40), max_size=8), st.lists(st.integers(0, 40), max_size=8), st.integers(-5, 5))
def test_a_note_keeps_what_it_is_about(kept_ns, observed_ns, ahead_ns):
    """Whatever the times, and though the app may have taken fewer or more than the server tells."""
    kept = [Received(seq, at_ns, FRAME) for seq, at_ns in enumerate(sorted(kept_ns))]
    observed = []
    for number, at_ns in enumerate(sorted(observed_ns)):
        observed += [Received(2 * number, at_ns, FRAME), Note(2 * number + 1, at_ns, f"n{number}", 2 * number)]
    events = merged(kept, observed, ahead_ns)
    received = [event.seq for event in events if isinstance(event, Received)]
    assert [event.at_ns for event in events] == sorted(event.at_ns for event in events)
    assert [event.seq for event in events] == list(range(len(kept) + len(observed_ns)))
    abouts = {event.name: event.of for event in events if isinstance(event, Note)}
    assert abouts == {f"n{number}": received[number] if number < len(received) else None for number in range(len(observed_ns))}
