"""Tests of evi_harness.session.position."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.session.position import JITTER_NS, Positions, captured

# Frames as (sent at, length), and the position at each; all in one unit.
CASES = {
    "one frame: its length": ([(500, 20)], [20]),
    "steady: time and bytes agree": ([(100, 20), (120, 20), (140, 20)], [20, 40, 60]),
    "dropped frames: time goes on": ([(0, 20), (20, 20), (100, 20)], [20, 40, 120]),
    "a burst: bytes count": ([(0, 20), (0, 20), (0, 20)], [20, 40, 60]),
    "a burst, then a gap shorter than what was ahead": ([(0, 100), (0, 100), (150, 20)], [100, 200, 220]),
    "a shorter frame never goes back": ([(0, 100), (5, 1)], [100, 101]),
    "empty frames": ([(0, 0), (7, 0)], [0, 7]),
    "unknown lengths: time alone": ([(10, None), (60, None)], [0, 50]),
    "unknown from here on: bytes no longer count": ([(0, 100), (0, 100), (10, None), (300, 20), (310, 500)], [100, 200, 200, 320, 810]),
}

FRAMES = st.lists(st.tuples(st.integers(0, 60), st.one_of(st.none(), st.integers(0, 60))), max_size=20)


def added(frames):
    """Positions to which frames were added, and what each adding gave."""
    positions = Positions()
    return positions, [positions.add(at_ns, length_ns) for at_ns, length_ns in frames]


def in_time(gaps):
    """Frames by their gaps as frames by their times."""
    at_ns, frames = 0, []
    for gap_ns, length_ns in gaps:
        at_ns += gap_ns
        frames.append((at_ns, length_ns))
    return frames


@pytest.mark.parametrize(("frames", "expected"), CASES.values(), ids=CASES)
def test_position_at_a_frame(frames, expected):
    """The position is the larger of what was sent and the time since the first frame with its own length."""
    positions, found = added(frames)
    assert found == expected
    assert positions.now_ns == expected[-1]
    assert positions.first_at_ns == frames[0][0]


def test_no_audio_no_position():
    """Before the first frame there is no position, and none is reached."""
    positions = Positions()
    assert (positions.first_at_ns, positions.now_ns, positions.at(5), positions.reached_at_ns(0)) == (None, None, None, None)


@given(FRAMES)
def test_position_never_goes_back(gaps):
    """Whatever was sent, positions rise or stay."""
    _, found = added(in_time(gaps))
    assert found == sorted(found)


@given(FRAMES, st.integers(0, 3000))
def test_reached_at_is_the_first_frame_at_or_beyond(gaps, position_ns):
    """A position was reached at the first frame whose position is no less; one beyond all of them never was."""
    frames = in_time(gaps)
    positions, found = added(frames)
    expected = next((at_ns for (at_ns, _), position in zip(frames, found) if position >= position_ns), None)
    assert positions.reached_at_ns(position_ns) == expected


@given(FRAMES, st.integers(-1, 1300))
def test_at_and_reached_at_undo_one_another(gaps, at_ns):
    """What was the position at a time had been reached by then; nothing more had."""
    positions, _ = added(in_time(gaps))
    position_ns = positions.at(at_ns)
    if position_ns is None:
        assert positions.first_at_ns is None or at_ns < positions.first_at_ns
        return
    assert positions.reached_at_ns(position_ns) <= at_ns
    beyond_at_ns = positions.reached_at_ns(position_ns + 1)
    assert beyond_at_ns is None or beyond_at_ns > at_ns


@pytest.mark.parametrize(
    ("position_ns", "expected"),
    [(0, 0), (100, 100), (300, 300), (301, 2_901), (2_000, 2_901), (2_900, 2_901), (2_950, 2_950), (3_000, 3_000), (9_000, 9_000)],
)
def test_a_position_at_which_nothing_was_sent_is_where_the_sending_went_on(position_ns, expected):
    """Three frames, a gap, one frame: within a frame, and beyond the last, a position is itself."""
    unit = JITTER_NS // 100
    positions, _ = added([(at * unit, 100 * unit) for at in (100, 200, 300, 3_000)])
    found = positions.behind_gap(position_ns * unit)
    assert found == (expected * unit if expected == position_ns else (expected - 1) * unit + 1)
    assert positions.reached_at_ns(found) == positions.reached_at_ns(position_ns * unit)


def test_a_frame_without_length_behind_a_gap():
    """A position in the gap is where that frame is, and not beyond it."""
    positions, _ = added([(0, JITTER_NS), (9 * JITTER_NS, 0)])
    assert positions.behind_gap(2 * JITTER_NS) == 9 * JITTER_NS


def test_what_is_a_gap_depends_on_how_late_a_send_may_be():
    """A stretch without audio as long as that is none."""
    positions, _ = added([(0, 100), (300, 100)])
    assert [positions.behind_gap(150, jitter_ns) for jitter_ns in (200, 199)] == [150, 301]


@pytest.mark.parametrize(
    "frames", [[(0, None), (9 * JITTER_NS, None)], [(0, 10), (JITTER_NS, 10)], []], ids=["no lengths", "jitter", "none"]
)
def test_what_is_no_gap_is_left_alone(frames):
    """Where lengths are not known there is no telling; a frame that is late is none that was left out."""
    positions, _ = added(frames)
    assert positions.behind_gap(20) == 20


@pytest.mark.parametrize(
    ("frames", "begins"),
    [
        ([], []),
        ([(500, 20)], [0]),
        ([(100, 20), (120, 20), (140, 20)], [0, 20, 40]),
        # The app was busy: what it sent at 200 had been heard one after another until then.
        ([(100, 20), (200, 20), (200, 20), (200, 20)], [0, 60, 80, 100]),
        # The second frame was late and the third was not: so the second was heard before it.
        ([(100, 20), (135, 20), (140, 20)], [0, 20, 40]),
        ([(100, 20), (300, 20)], [0, 200]),
    ],
)
def test_when_the_microphone_heard_what_was_sent(frames, begins):
    """Each frame ends when it was sent, or before the one behind it begins."""
    positions = Positions()
    assert captured([positions.add(*frame) for frame in frames], [length for _, length in frames]) == begins


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(1, 60)), max_size=30))
def test_what_was_heard_does_not_overlap(frames):
    """No frame begins before the one before it is over, and none ends behind its position."""
    positions, at_ns = Positions(), 0
    found, lengths = [], []
    for gap, length in frames:
        at_ns += gap
        found.append(positions.add(at_ns, length))
        lengths.append(length)
    begins = captured(found, lengths)
    assert all(begin + length <= position for begin, length, position in zip(begins, lengths, found))
    assert all(begin + length <= after for begin, length, after in zip(begins, lengths, begins[1:]))


@given(lengths=st.lists(st.integers(0, 100), min_size=600, max_size=700), at=st.integers(0, 60_000))
def test_what_is_forgotten_changes_nothing_that_may_be_asked(lengths, at):
    """Neither what is added then, nor what was reached when from there on."""
    whole, short = Positions(), Positions()
    for place, length in enumerate(lengths):
        assert short.add(place * 50, length) == whole.add(place * 50, length)
        short.forget(min(at, whole.now_ns))
    later = [at + more for more in range(0, 10_000, 500)]
    assert [short.reached_at_ns(one) for one in later] == [whole.reached_at_ns(one) for one in later]
    assert (short.first_at_ns, short.now_ns) == (whole.first_at_ns, whole.now_ns)


def test_what_is_forgotten_is_not_kept():
    """Of a conversation that goes on for hours there are some frames."""
    positions = Positions()
    for place in range(10_000):
        positions.forget(positions.add(place * 20, 20))
    assert len(positions._positions) <= 300
