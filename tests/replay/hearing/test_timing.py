"""Tests of evi_harness.replay.hearing.timing."""

from __future__ import annotations

from array import array

import pytest

from evi_harness.replay.hearing.faults import Interruption
from evi_harness.replay.hearing.match import matched
from evi_harness.replay.hearing.streams import Chunk, Piece, ReceivedAudio, ReplyAudio, played_streams
from evi_harness.replay.hearing.timing import TAIL_NS, UNDERRUN_NS, heard_chunks, plays_on, underruns
from evi_harness.session.wav import Pcm

MS = 1_000_000
MONO = Pcm(24000, 1)
CHUNK_MS = 100
N = 24 * CHUNK_MS


def sound(number):
    """100 ms that are told from all others; number 0 is silence."""
    if not number:
        return bytes(2 * N)
    return array("h", [((number * N + at) * 40503 + 9000) % 65536 - 32768 for at in range(N)]).tobytes()


def chunk(number, at_ms=0, reply=1):
    """A chunk that came, whose seq is its number."""
    return Chunk(number, at_ms * MS, MONO, sound(number), reply)


def heard(number, at_ms, ms=CHUNK_MS, stream=0, samples=None):
    """So much of a chunk, as it was heard."""
    samples = sound(number) if samples is None else samples
    return Piece(at_ms * MS, (at_ms + ms) * MS, MONO, samples[: 48 * ms], stream, number)


def handed(number, at_ms, item):
    """A chunk as it was handed on."""
    return Piece(at_ms * MS, at_ms * MS, MONO, sound(number), 0, item)


def in_turn(*numbers, from_ms=0):
    """Pieces without a gap between them."""
    return [heard(number, from_ms + at * CHUNK_MS) for at, number in enumerate(numbers)]


def match_of(chunks, pieces):
    """What was played beside what was received."""
    return matched(ReceivedAudio(chunks), played_streams(pieces))


THREE = [chunk(1), chunk(2), chunk(3)]


# When each chunk was heard.


@pytest.mark.parametrize(
    ("chunks", "pieces", "expected"),
    [
        ([], [], []),
        (THREE, [], []),
        (THREE, in_turn(1, 2, 3), [(1, 0, 100), (2, 100, 200), (3, 200, 300)]),
        (THREE, in_turn(3, 1), [(1, 100, 200), (3, 0, 100)]),
        (THREE, in_turn(1, 1, 2), [(1, 0, 100), (2, 200, 300)]),
        (THREE, [heard(1, 0), heard(2, 500)], [(1, 0, 100), (2, 500, 600)]),
        (THREE, [heard(1, 0), heard(2, 100, ms=30)], [(1, 0, 100), (2, 100, 130)]),
        (THREE, [heard(1, 0, stream=0), heard(2, 40, stream=1)], [(1, 0, 100), (2, 40, 140)]),
        (THREE, [heard(1, 0, samples=sound(1) + sound(2) + sound(3), ms=300)], [(1, 0, 100), (2, 100, 200), (3, 200, 300)]),
        (
            THREE,
            [heard(1, 0, samples=sound(1)[:2400], ms=50), heard(1, 400, samples=sound(1)[2400:], ms=50), heard(2, 450)],
            [(1, 0, 450), (2, 450, 550)],
        ),
        ([chunk(1), chunk(0), chunk(2)], [heard(1, 0), heard(2, 100)], [(1, 0, 100), (2, 100, 200)]),
        (THREE, in_turn(7, 2), [(2, 100, 200)]),
    ],
    ids=[
        "nothing",
        "nothing was played",
        "in turn",
        "in another order",
        "one of them twice",
        "with a gap",
        "the last was cut off",
        "streams at once",
        "all in one piece",
        "in two parts",
        "silence that was left out",
        "a sound of the app's own",
    ],
)
def test_when_each_chunk_was_heard(chunks, pieces, expected):
    """For the first time, from its first sample to its last, in the order in which they came."""
    assert [(one.seq, round(one.at_ns / MS), round(one.until_ns / MS)) for one in heard_chunks(match_of(chunks, pieces))] == expected


# Where the speaker ran dry.


def dry(chunks, pieces, interruptions=()):
    """Chunk and time of each place where the speaker ran dry."""
    found = underruns(match_of(chunks, pieces), [Interruption(90, at_ms * MS) for at_ms in interruptions])
    return [(fault.kind.name, fault.seq, round(fault.at_ns / MS)) for fault in found]


@pytest.mark.parametrize(
    ("came_ms", "replies", "heard_ms", "expected"),
    [
        (0, (1, 1), 200, [("underrun", 2, 100)]),
        (0, (1, 1), 199, []),
        (100, (1, 1), 200, [("underrun", 2, 100)]),
        (101, (1, 1), 200, []),
        (150, (1, 1), 400, [("underrun", 2, 150)]),
        (0, (1, 2), 200, []),
        (0, (0, 0), 200, []),
    ],
    ids=["just dry", "just not", "came as it ran dry", "came later", "came while it was dry", "another reply", "of no reply"],
)
def test_a_speaker_that_runs_dry(came_ms, replies, heard_ms, expected):
    """The next audio of the reply was there and was not played: for a tenth of a second or more."""
    assert UNDERRUN_NS == 100 * MS
    assert dry([chunk(1, 0, replies[0]), chunk(2, came_ms, replies[1])], [heard(1, 0), heard(2, heard_ms)]) == expected


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([], []),
        (in_turn(1), []),
        (in_turn(1, 2, 3), []),
        ([heard(1, 0), heard(2, 300), heard(3, 400)], [("underrun", 2, 100)]),
        ([heard(1, 0), heard(2, 300), heard(3, 600)], [("underrun", 2, 100), ("underrun", 3, 400)]),
        ([heard(1, 0), heard(0, 100), heard(0, 200), heard(2, 300)], []),
        ([heard(1, 0), heard(7, 100), heard(8, 200), heard(2, 300)], []),
        ([heard(1, 0), heard(7, 100), heard(2, 400)], [("underrun", 2, 100)]),
        ([heard(1, 0), heard(1, 100), heard(1, 200), heard(2, 300)], []),
        ([heard(1, 0), heard(2, 400, stream=1)], [("underrun", 2, 100)]),
        ([heard(1, 0), heard(2, 50, stream=1)], []),
        ([heard(1, 0), heard(3, 400)], [("underrun", 3, 100)]),
        ([heard(3, 0), heard(1, 400)], [("underrun", 1, 100)]),
        (
            [heard(1, 0, samples=sound(1)[:2400], ms=50), heard(1, 400, samples=sound(1)[2400:], ms=50), heard(2, 450)],
            [("underrun", 1, 50)],
        ),
    ],
    ids=[
        "nothing was played",
        "the last",
        "without a gap",
        "once",
        "twice",
        "silence was played",
        "something else was played",
        "something else was played for a while",
        "the same was played again",
        "in another stream",
        "streams at once",
        "a chunk was lost",
        "backwards",
        "within a chunk",
    ],
)
def test_what_was_there_to_play_is_no_gap(pieces, expected):
    """A speaker is dry only as long as nothing is played."""
    assert dry(THREE, pieces) == expected


@pytest.mark.parametrize(
    ("interrupted_ms", "n"),
    [(50, 1), (100, 0), (300, 0), (500, 0), (501, 1)],
    ids=["before", "as it began", "within", "as it ended", "behind"],
)
def test_an_interruption_excuses_a_gap(interrupted_ms, n):
    """The app stops, and may go on."""
    assert len(dry(THREE, [heard(1, 0), heard(2, 500)], [interrupted_ms])) == n


# What was played on.


def played_on(chunks, pieces, interruption, *, is_handed_on, interrupted=(1,)):
    """Event, time in milliseconds and pieces of what was played on."""
    replies = [ReplyAudio(number, "", interruption.at_ns if number in interrupted else None) for number in (1, 2)]
    found = plays_on(match_of(chunks, pieces), replies, [interruption], is_handed_on=is_handed_on)
    assert TAIL_NS == 500 * MS
    return [(fault.kind.name, fault.seq, round(fault.at_ns / MS), fault.pieces) for fault in found]


TAKEN = Interruption(50, 150 * MS, 155 * MS, 1)


@pytest.mark.parametrize(
    ("handed_on", "interruption", "expected"),
    [
        ([(1, 100), (2, 160), (3, 170)], TAKEN, [("plays_on", 50, 160, (1, 2))]),
        ([(1, 100), (2, 110), (3, 120)], Interruption(50, 150 * MS, 155 * MS, 3), []),
        ([(1, 100)], TAKEN, []),
        ([(1, 100), (1, 160)], TAKEN, []),
        ([(1, 100), (7, 160)], TAKEN, []),
        ([(1, 100), (2, 160)], Interruption(50, 150 * MS, None, 1), []),
        ([(1, 100), (4, 300)], TAKEN, []),
        ([(1, 100), (4, 300), (2, 310)], TAKEN, [("plays_on", 50, 310, (2,))]),
        ([], Interruption(50, 150 * MS, 155 * MS, 0), []),
        ([(1, 160)], Interruption(50, 150 * MS, 155 * MS, 0), [("plays_on", 50, 160, (0,))]),
    ],
    ids=[
        "the rest of the reply",
        "it was handed on before",
        "dropped",
        "audio that was handed on, once more",
        "a sound of the app's own",
        "it never dealt with the interruption",
        "the next reply",
        "behind the next reply",
        "nothing was handed on",
        "all of it",
    ],
)
def test_what_is_handed_on_behind_an_interruption(handed_on, interruption, expected):
    """What had come by then of the interrupted reply, once, with when it began and which items it was."""
    pieces = [handed(number, at_ms, item) for item, (number, at_ms) in enumerate(handed_on)]
    assert played_on([*THREE, chunk(4, 250, reply=2)], pieces, interruption, is_handed_on=True) == expected


def test_only_what_had_come_counts():
    """What came behind the interruption is not what the app should have dropped, though it is of the same reply."""
    chunks = [chunk(1), chunk(2), chunk(3, 200)]
    pieces = [handed(1, 100, 0), handed(3, 210, 1)]
    assert played_on(chunks, pieces, TAKEN, is_handed_on=True) == []


@pytest.mark.parametrize(
    ("begins_ms", "expected"),
    [(0, []), (550, []), (600, [("plays_on", 50, 655)]), (655, [("plays_on", 50, 655)]), (2000, [("plays_on", 50, 2000)])],
    ids=["before", "its player's tail", "beyond that", "just behind that", "long behind that"],
)
def test_what_an_apps_own_player_plays_on(begins_ms, expected):
    """It may still hold half a second."""
    found = played_on(THREE, [heard(1, begins_ms)], TAKEN, is_handed_on=False)
    assert [one[:3] for one in found] == expected


@pytest.mark.parametrize(
    ("ends_ms", "expected"),
    [(600, []), (655, []), (700, [("plays_on", 50, 655, 45)]), (900, [("plays_on", 50, 655, 245)])],
    ids=["before its tail is over", "with its tail", "soon behind that", "long behind that"],
)
def test_what_is_played_in_one_go_plays_on_from_where_it_is_late(ends_ms, expected):
    """A stream that was never stopped began before the interruption: of it counts what was heard half a second behind that."""
    samples = b"".join(sound(number) for number in range(1, 10))
    chunks = [Chunk(1, 0, MONO, samples, 1)]
    pieces = [Piece(0, ends_ms * MS, MONO, samples[: 48 * ends_ms], 0, 1)]
    found = plays_on(match_of(chunks, pieces), [ReplyAudio(1, "", TAKEN.at_ns)], [TAKEN], is_handed_on=False)
    assert [(fault.kind.name, fault.seq, round(fault.at_ns / MS), fault.facts["held_ns"] // MS) for fault in found] == expected


def test_what_nobody_interrupted_is_not_played_on():
    """An interruption that belongs to no reply."""
    pieces = [handed(1, 100, 0), handed(2, 160, 1)]
    assert played_on(THREE, pieces, TAKEN, is_handed_on=True, interrupted=()) == []


def test_each_interruption_is_its_own():
    """An app that plays on twice is told so twice."""
    chunks = [chunk(1, 0, 1), chunk(2, 0, 1), chunk(3, 400, 2), chunk(4, 400, 2)]
    pieces = [handed(1, 10, 0), handed(2, 120, 1), handed(3, 410, 2), handed(4, 520, 3)]
    interruptions = [Interruption(50, 100 * MS, 101 * MS, 1), Interruption(60, 500 * MS, 501 * MS, 3)]
    replies = [ReplyAudio(1, "", 100 * MS), ReplyAudio(2, "", 500 * MS)]
    found = plays_on(match_of(chunks, pieces), replies, interruptions, is_handed_on=True)
    assert [(fault.seq, fault.at_ns // MS, fault.pieces) for fault in found] == [(50, 120, (1,)), (60, 520, (3,))]
