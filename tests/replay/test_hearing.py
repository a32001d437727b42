"""Tests of evi_harness.replay.hearing."""

from __future__ import annotations

import pytest

from evi_harness.replay.hearing import IDLE_NS, UNDERRUN_NS, Chunk, Piece, faults
from evi_harness.session.wav import Pcm

MS = 1_000_000
MONO = Pcm(24000, 1)
CHUNK_MS = 100
END_NS = 60_000 * MS


def samples(number, ms=CHUNK_MS):
    """Samples that tell a chunk from every other; number 0 is silence."""
    return number.to_bytes(2, "little") * (24 * ms)


def chunk(number, at_ms=0, reply=1, **more):
    """A chunk that came, whose seq is its number."""
    return Chunk(number, at_ms * MS, MONO, samples(number), reply=reply, **more)


def piece(number, at_ms, ms=CHUNK_MS, is_last=False):
    """So much of a chunk, as it was heard."""
    return Piece(at_ms * MS, (at_ms + ms) * MS, samples(number, ms), is_last)


def in_turn(*numbers, from_ms=0):
    """Pieces without a gap between them."""
    return [piece(number, from_ms + at * CHUNK_MS) for at, number in enumerate(numbers)]


def found(chunks, pieces, interruptions=(), end_ns=END_NS):
    """Kind and chunk of each fault."""
    return [(fault.kind, fault.seq) for fault in faults(chunks, pieces, [at_ms * MS for at_ms in interruptions], end_ns)]


THREE = [chunk(1), chunk(2), chunk(3)]


@pytest.mark.parametrize(
    ("chunks", "pieces"),
    [
        ([], []),
        (THREE, []),
        ([], in_turn(7)),
        (THREE, in_turn(1, 2, 3)),
        (THREE, [*in_turn(1, 2), piece(3, 200, ms=40, is_last=True)]),
        ([chunk(0), *THREE, chunk(0)], in_turn(1, 2, 3)),
        ([chunk(0), chunk(1)], in_turn(0, 1, 0, 0)),
        ([*THREE, Chunk(9, 0, MONO, samples(1), reply=1)], in_turn(1, 2, 3, 1)),
        (THREE, in_turn(4, 2, 5)),
        (THREE, [*in_turn(1, 2, 3), *in_turn(8, 8)]),
    ],
    ids=[
        "nothing",
        "nothing was played here",
        "what came from elsewhere",
        "all in order",
        "the last was cut off",
        "silence is not missed",
        "silence may be repeated",
        "two chunks that are equal",
        "what the app has changed",
        "a sound of the app's own",
    ],
)
def test_nothing_is_wrong(chunks, pieces):
    """All was heard, once and in order, or it cannot be known."""
    assert found(chunks, pieces) == []


def test_a_chunk_that_was_passed_over():
    """It is clear as soon as a later one is heard."""
    (fault,) = faults(THREE, in_turn(1, 3), [], END_NS)
    assert (fault.kind, fault.seq, fault.at_ns) == ("never_played", 2, 100 * MS)
    assert fault.what == "0.10 s of audio came at 0.000 s and was never played"


@pytest.mark.parametrize(("end_ns", "told"), [(300 * MS + IDLE_NS, [("never_played", 4)]), (300 * MS + IDLE_NS - 1, [])])
def test_a_chunk_behind_the_last(end_ns, told):
    """The speaker must have had the time to play it."""
    assert found([*THREE, chunk(4)], in_turn(1, 2, 3), end_ns=end_ns) == told


@pytest.mark.parametrize(
    ("interruptions", "told"),
    [([150], []), ([50], []), ([0], []), ([300], [("never_played", 2)]), ([], [("never_played", 2)])],
    ids=["between", "during the first", "as it came", "when it was passed over already", "none"],
)
def test_what_the_user_interrupted_is_dropped(interruptions, told):
    """An interruption before anything later was heard excuses what had come by then."""
    pieces = [piece(1, 0), piece(3, 200)]
    assert found([chunk(1), chunk(2), chunk(3, at_ms=180)], pieces, interruptions) == told


def test_nothing_is_missing_where_a_piece_is_not_known():
    """The app may have made it of the missing one."""
    assert found(THREE, in_turn(1, 7, 3)) == []


def test_a_chunk_that_was_played_twice():
    """With both times."""
    (fault,) = faults(THREE, in_turn(1, 2, 2, 3), [], END_NS)
    assert (fault.kind, fault.seq, fault.at_ns) == ("played_twice", 2, 200 * MS)
    assert fault.what == "0.10 s of audio was played at 0.100 s and again at 0.200 s"


def test_what_is_very_short_may_be_equal_by_chance():
    """It is no fault to hear it again."""
    short = Chunk(1, 0, MONO, samples(1, 10), reply=1)
    assert found([short], [piece(1, 0, ms=10), piece(1, 10, ms=10)]) == []


def test_chunks_in_another_order():
    """Told about the one that came first and was heard last."""
    (fault,) = faults(THREE, in_turn(1, 3, 2), [], END_NS)
    assert (fault.kind, fault.seq, fault.at_ns) == ("out_of_order_audio", 2, 200 * MS)
    assert fault.what == "audio that came at 0.000 s was played after audio that came behind it, at 0.000 s"


@pytest.mark.parametrize(("heard", "told"), [((1, 2, 3), []), ((1, 3, 2), []), ((3, 1, 2), [("out_of_order_audio", 1)])])
def test_an_app_may_sort_by_the_places_in_the_reply(heard, told):
    """Chunks that came in another order than their places say may be heard in either."""
    chunks = [chunk(1, place=("s", 0)), chunk(2, place=("s", 2)), chunk(3, place=("s", 1))]
    assert found(chunks, in_turn(*heard)) == told


def test_equal_chunks_have_no_order():
    """Which was heard first cannot be known."""
    chunks = [chunk(1), Chunk(2, 0, MONO, samples(1), reply=1), chunk(3)]
    assert found(chunks, in_turn(1, 3, 1)) == []


@pytest.mark.parametrize(
    ("came_ms", "reply", "heard_ms", "told"),
    [
        (0, 1, 200, [("underrun", 2)]),
        (0, 1, 199, []),
        (100, 1, 200, [("underrun", 2)]),
        (101, 1, 200, []),
        (0, 2, 200, []),
        (0, 0, 200, []),
    ],
    ids=["just dry", "just not", "came as it ran dry", "came later", "another reply", "of no reply"],
)
def test_a_speaker_that_runs_dry(came_ms, reply, heard_ms, told):
    """The next audio of the reply was there and was not played: for a tenth of a second or more."""
    assert UNDERRUN_NS == 100 * MS
    assert found([chunk(1, reply=min(reply, 1)), chunk(2, came_ms, reply)], [piece(1, 0), piece(2, heard_ms)]) == told


def test_an_interruption_excuses_a_gap():
    """The app stops, and may go on."""
    assert found([chunk(1), chunk(2)], [piece(1, 0), piece(2, 500)], interruptions=[50]) == []


def test_a_player_that_only_cuts_off_the_header():
    """What stands behind the samples in a message is played too, and is part of its chunk."""
    with_tail = Chunk(1, 0, MONO, samples(1), tail=b"\0", reply=1)
    assert found([with_tail, chunk(2)], [Piece(0, 100 * MS, samples(1) + b"\0"), piece(2, 100)]) == []


def test_faults_stand_in_time():
    """Of every kind."""
    chunks = [chunk(1), chunk(2), chunk(3), chunk(4)]
    assert found(chunks, [piece(1, 0), piece(1, 100), piece(4, 500), piece(3, 600)]) == [
        ("played_twice", 1),
        ("underrun", 4),
        ("never_played", 2),
        ("out_of_order_audio", 3),
    ]
