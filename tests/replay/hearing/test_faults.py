"""Tests of evi_harness.replay.hearing.faults."""

from __future__ import annotations

import base64
from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evi_harness.audio.resampling import convert
from evi_harness.replay.hearing.faults import (
    CHECKS_OFF,
    IDLE_NS,
    LENGTH_NS,
    LOST_NS,
    N_APPEARANCES,
    UNJUDGED_NS,
    Interruption,
    _audible,
    _audible_ns,
    faults,
)
from evi_harness.replay.hearing.match import matched
from evi_harness.replay.hearing.streams import Chunk, Piece, ReceivedAudio, ReplyAudio, played_streams
from evi_harness.session import wav
from evi_harness.session.wav import Pcm

MS = 1_000_000
MONO = Pcm(24000, 1)
STEREO = Pcm(24000, 2)
CHUNK_MS = 100
N = 24 * CHUNK_MS
END_NS = 60_000 * MS


def pcm16(values):
    """Samples as bytes."""
    return array("h", values).tobytes()


def samples_of(data):
    """Bytes as samples."""
    values = array("h")
    values.frombytes(data[: len(data) // 2 * 2])
    return values


def sound(number, ms=CHUNK_MS):
    """Samples that are told from those of every other number; number 0 is silence."""
    if not number:
        return bytes(48 * ms)
    return pcm16([((number * N + at) * 40503 + 9000) % 65536 - 32768 for at in range(24 * ms)])


def noise(n, seed=1, peak=9000):
    """Noise, the same every time."""
    values, state = array("h"), seed
    for _ in range(n):
        state = (1103515245 * state + 12345) % 2**31
        values.append((state >> 12) % (2 * peak) - peak)
    return values.tobytes()


def chunk(number, at_ms=0, reply=1, samples=None, **more):
    """A chunk that came, whose seq is its number."""
    return Chunk(number, at_ms * MS, more.pop("pcm", MONO), sound(number) if samples is None else samples, reply, **more)


def piece(number, at_ms, samples=None, stream=0, item=0, pcm=MONO):
    """A chunk as it was heard from a time on; its end follows from its length."""
    data = sound(number) if samples is None else samples
    return Piece(at_ms * MS, at_ms * MS + pcm.length_ns(len(data)), pcm, data, stream, item)


def in_turn(*numbers, from_ms=0):
    """Pieces without a gap between them; each item is its place."""
    return [piece(number, from_ms + at * CHUNK_MS, item=at) for at, number in enumerate(numbers)]


def judged(chunks, pieces, interruptions=(), end_ns=END_NS, interrupted=None):
    """All faults."""
    numbers = dict.fromkeys(chunk.reply for chunk in chunks)
    replies = [ReplyAudio(number, f"Reply {number}.", (interrupted or {}).get(number)) for number in numbers if number]
    interrupting = [one if isinstance(one, Interruption) else Interruption(99, one * MS) for one in interruptions]
    return faults(matched(ReceivedAudio(chunks), played_streams(pieces)), replies, interrupting, end_ns)


def told(chunks, pieces, interruptions=(), end_ns=END_NS):
    """Kind, chunk and time in milliseconds of each fault."""
    return [(fault.kind.name, fault.seq, round(fault.at_ns / MS)) for fault in judged(chunks, pieces, interruptions, end_ns)]


def kinds(chunks, pieces, **more):
    """Kind and chunk of each fault."""
    return [(fault.kind.name, fault.seq) for fault in judged(chunks, pieces, **more)]


THREE = [chunk(1), chunk(2), chunk(3)]


# Nothing is wrong.


@pytest.mark.parametrize(
    ("chunks", "pieces"),
    [
        ([], []),
        (THREE, in_turn(1, 2, 3)),
        (THREE, [piece(1, 0, samples=sound(1) + sound(2) + sound(3))]),
        (THREE, [piece(at, 5 * at, (sound(1) + sound(2) + sound(3))[at * 240 : at * 240 + 240]) for at in range(60)]),
        (THREE, [piece(1, 0, pcm16([value for value in samples_of(sound(1) + sound(2) + sound(3)) for _ in "lr"]), pcm=STEREO)]),
        ([chunk(0), *THREE, chunk(0)], in_turn(1, 2, 3)),
        ([chunk(0), chunk(1)], in_turn(0, 1, 0, 0)),
        ([chunk(0), chunk(0)], []),
        ([chunk(0), chunk(0)], in_turn(0, 0, 0)),
        ([*THREE, chunk(9, samples=sound(1))], in_turn(1, 2, 3, 1)),
        ([chunk(1, samples=b"")], []),
        ([chunk(1, samples=b""), chunk(2), chunk(3, samples=b"\x01")], in_turn(2)),
        ([chunk(1, samples=noise(N, peak=150)), chunk(2)], in_turn(2)),
        ([chunk(1, samples=pcm16([90] * N)), chunk(2)], in_turn(2)),
        ([chunk(1, reply=0), chunk(2, reply=0)], in_turn(1, 2)),
        ([chunk(1, reply=1), chunk(2, reply=2)], [piece(1, 0, stream=0), piece(2, 50, stream=1)]),
        (THREE, [piece(1, 0), piece(2, 300), piece(3, 900)]),
        (THREE, [piece(1, 0, samples=sound(1) + bytes(960) + sound(2) + bytes(960) + sound(3))]),
        ([chunk(1), chunk(2, pcm=Pcm(48000, 1))], [piece(1, 0), piece(2, 100, pcm=Pcm(48000, 1))]),
        (THREE, [piece(1, 0, b""), *in_turn(1, 2, 3), piece(1, 300, b"")]),
        (THREE, [piece(1, 0, samples=(sound(1) + sound(2))[:4801]), piece(2, 101, samples=(sound(1) + sound(2) + sound(3))[4801:])]),
    ],
    ids=[
        "nothing",
        "all in order",
        "all in one piece",
        "in pieces of 5 ms",
        "a stereo copy",
        "silence is not missed",
        "silence may be repeated",
        "nothing but silence, none of it played",
        "nothing but silence, more of it played",
        "two chunks that are equal",
        "an empty chunk",
        "empty chunks beside one",
        "very quiet audio is not missed",
        "an offset is not missed",
        "of no reply",
        "streams at once",
        "with gaps",
        "with silence put in between",
        "chunks of several rates",
        "empty pieces",
        "cut within a sample",
    ],
)
def test_nothing_is_wrong(chunks, pieces):
    """All was heard, once and in order, or there is nothing to be heard."""
    assert judged(chunks, pieces) == []


@settings(max_examples=30)
@given(st.lists(st.integers(1, 30000), max_size=6), st.integers(1, 3))
def test_how_it_is_cut_means_nothing(cuts, n_channels):
    """Any cut, in any number of equal channels."""
    frames = pcm16([value for number in range(1, 4) for value in samples_of(sound(number)) for _ in range(n_channels)])
    places = [0, *sorted({cut for cut in cuts if cut < len(frames)}), len(frames)]
    pcm = Pcm(24000, n_channels)
    pieces = [Piece(MS, MS, pcm, frames[start:stop], 0, start) for start, stop in zip(places, places[1:])]
    assert judged(THREE, pieces) == []


# What was lost.


@pytest.mark.parametrize(
    ("chunks", "pieces", "expected"),
    [
        (THREE, in_turn(1, 3), [("never_played", 2, 100)]),
        (THREE, in_turn(2, 3), [("never_played", 1, 0)]),
        (THREE, in_turn(1, 2), [("never_played", 3, 1200)]),
        (THREE, in_turn(2), [("never_played", 1, 0)]),
        (THREE, [], [("never_played", 1, 1000)]),
        ([*THREE, chunk(4, reply=2)], in_turn(1, 2, 3), [("never_played", 4, 1300)]),
        ([*THREE, chunk(4, reply=2), chunk(5, reply=2)], in_turn(4, 5), [("never_played", 1, 0)]),
        (
            [chunk(1, reply=1), chunk(2, reply=1), chunk(3, reply=2), chunk(4, reply=2)],
            in_turn(1, 4),
            [("never_played", 2, 100), ("never_played", 3, 100)],
        ),
        (THREE, [piece(1, 0), piece(2, 100, sound(2)[: 48 * 70]), piece(3, 170)], [("never_played", 2, 170)]),
        (THREE, [piece(1, 0), piece(2, 100, sound(2)[48 * 30 :]), piece(3, 170)], [("never_played", 2, 100)]),
        ([chunk(1, samples=sound(5)), chunk(2, samples=sound(5)), chunk(3, samples=sound(5))], in_turn(5, 5), [("never_played", 3, 1200)]),
        ([chunk(1, pcm=Pcm(8000, 1)), chunk(2), chunk(3)], in_turn(2, 3), [("never_played", 1, 0)]),
        ([chunk(number, reply=0) for number in (1, 2, 3)], in_turn(1, 3), [("never_played", 2, 100)]),
    ],
    ids=[
        "one",
        "the first",
        "the last",
        "the first and the last",
        "all of it",
        "a reply",
        "the first reply",
        "one of each reply",
        "the end of one",
        "the beginning of one",
        "one of equal ones",
        "at another rate",
        "of no reply",
    ],
)
def test_what_is_never_played(chunks, pieces, expected):
    """One fault a reply, about its first chunk of which something is lost; as soon as a later one is heard, or a second after the last."""
    assert told(chunks, pieces) == expected


@pytest.mark.parametrize(("off_ns", "n"), [(0, 1), (-1, 0)])
def test_a_chunk_behind_the_last(off_ns, n):
    """The speaker must have had the time to play it."""
    assert len(told([*THREE, chunk(4)], in_turn(1, 2, 3), end_ns=300 * MS + IDLE_NS + off_ns)) == n


@pytest.mark.parametrize(
    ("interruptions", "expected"),
    [([150], []), ([50], []), ([0], []), ([300], [("never_played", 2)]), ([], [("never_played", 2)])],
    ids=["between", "during the first", "as it came", "when it was passed over already", "none"],
)
def test_what_the_user_interrupted_is_dropped(interruptions, expected):
    """An interruption before anything later was heard excuses what had come by then."""
    chunks = [chunk(1), chunk(2), chunk(3, at_ms=180)]
    assert kinds(chunks, [piece(1, 0), piece(3, 200)], interruptions=interruptions) == expected


def test_what_comes_behind_the_interruption_of_its_reply_may_be_dropped():
    """The service sends on for a while what nobody wants any more."""
    chunks = [chunk(1), chunk(2, 200), chunk(3, 3000, reply=2)]
    pieces = [piece(1, 0), piece(3, 3000)]
    assert kinds(chunks, pieces, interruptions=[100], interrupted={1: 100 * MS}) == []
    assert kinds(chunks, pieces, interruptions=[100]) == [("never_played", 2)]


def test_a_lost_chunk_is_told_with_where_else_something_is_missing():
    """One fault, and the others of its reply as details."""
    chunks = [chunk(number) for number in range(1, 8)]
    (fault,) = judged(chunks, in_turn(1, 3, 5, 7))
    assert (fault.kind.name, fault.seq, len(fault.detail)) == ("never_played", 2, 2)


@pytest.mark.parametrize(("n_equal", "lost"), [(1, False), (5, True)])
def test_of_equal_chunks_it_is_said_how_many_there_are(n_equal, lost):
    """Which of them is lost nobody can know."""
    chunks = [chunk(number, samples=sound(9 if number <= n_equal else number)) for number in range(1, 7)]
    played = b"".join(one.samples for index, one in enumerate(chunks) if index != (2 if lost else 5))
    (fault,) = judged(chunks, [piece(1, 0, played)])
    assert fault.kind.name == "never_played"
    assert ("5 equal" in fault.what) is lost


def cut(chunks, ms, where="end"):
    """Each chunk without so much of it."""
    n = 48 * ms
    parts = [one.samples[:-n] if where == "end" else one.samples[n:] for one in chunks]
    return [piece(1, 0, b"".join(parts))]


@pytest.mark.parametrize(
    ("n", "ms", "expected"),
    [
        (10, 5, [("wrong_length", 1)]),
        (30, 5, [("wrong_length", 1)]),
        (10, 19, [("wrong_length", 1)]),
        (10, 20, [("never_played", 1)]),
        (3, 1, [("wrong_length", 1)]),
        (2, 5, []),
    ],
    ids=["of ten", "of thirty", "just short", "a stretch each", "of the fewest", "of two"],
)
@pytest.mark.parametrize("where", ["end", "beginning"])
def test_a_little_of_every_chunk_is_missing(n, ms, expected, where):
    """Each loss is too short to be missed; as a habit, or where they add up, they make a reply shorter."""
    assert LOST_NS == 20 * MS
    chunks = [chunk(number) for number in range(1, n + 1)]
    assert kinds(chunks, cut(chunks, ms, where)) == expected


def test_a_habit_is_told_once_for_all_replies():
    """About the first of them."""
    chunks = [chunk(number, reply=1 + (number - 1) // 5) for number in range(1, 16)]
    assert kinds(chunks, cut(chunks, 5)) == [("wrong_length", 1)]


# What was played again.


@pytest.mark.parametrize(
    ("chunks", "played", "expected"),
    [
        (THREE, (1, 2, 2, 3), [("played_twice", 2, 200, (2,))]),
        (THREE, (1, 2, 2, 2, 3), [("played_twice", 2, 200, (2, 3))]),
        (THREE, (1, 2, 3, 1), [("played_twice", 1, 300, (3,))]),
        (THREE, (1, 2, 3, 1, 2, 3), [("played_twice", 1, 300, (3,))]),
        (THREE, (1, 1, 2, 2, 3), [("played_twice", 1, 100, (1, 3))]),
        ([chunk(number, samples=sound(5)) for number in (1, 2, 3)], (5, 5, 5, 5), [("played_twice", 3, 300, (3,))]),
        ([chunk(1), chunk(2, reply=2)], (1, 1, 2, 2), [("played_twice", 1, 100, (1,)), ("played_twice", 2, 300, (3,))]),
    ],
    ids=["one", "three times", "at the end", "all of it", "two of them", "equal ones", "of each reply"],
)
def test_what_is_played_more_than_once(chunks, played, expected):
    """One fault a reply, about its first chunk that is, when it was played again, and as which pieces."""
    found = judged(chunks, in_turn(*played))
    assert [(one.kind.name, one.seq, round(one.at_ns / MS), one.pieces) for one in found] == expected


@pytest.mark.parametrize("ms", [10, 19])
def test_what_is_very_short_may_be_equal_by_chance(ms):
    """It is no fault to hear it again."""
    assert judged([chunk(1, samples=sound(1, ms))], [piece(1, 0, sound(1, ms)), piece(1, ms, sound(1, ms))]) == []


def test_stretches_that_are_repeated_within_chunks_add_up():
    """10 ms of each of 20 chunks, twice: the reply plays 0.2 s longer."""
    chunks = [chunk(number) for number in range(1, 21)]
    stuttered = b"".join(one.samples[:2400] + one.samples[1920:2400] + one.samples[2400:] for one in chunks)
    assert kinds(chunks, [piece(1, 0, stuttered)]) == [("wrong_length", 1)]
    assert judged(chunks[:5], [piece(1, 0, stuttered[: 5 * 5280])]) == []


# What was played in another order.


@pytest.mark.parametrize(
    ("chunks", "played", "expected"),
    [
        (THREE, (1, 3, 2), [("out_of_order_audio", 2, 200)]),
        (THREE, (2, 1, 3), [("out_of_order_audio", 1, 100)]),
        (THREE, (3, 2, 1), [("out_of_order_audio", 2, 100)]),
        ([chunk(1, reply=1), chunk(2, reply=2)], (2, 1), [("out_of_order_audio", 1, 100)]),
        ([chunk(1), chunk(2, samples=sound(1)), chunk(3)], (1, 3, 1), []),
        ([chunk(1), chunk(0), chunk(3)], (1, 3, 0), []),
    ],
    ids=["the last two", "the first two", "backwards", "of two replies", "equal chunks have no order", "silence has no order"],
)
def test_chunks_in_another_order(chunks, played, expected):
    """Told once a reply, about the one that came first and was heard behind what comes after it."""
    assert told(chunks, in_turn(*played)) == expected


@pytest.mark.parametrize(
    ("played", "expected"),
    [((1, 2, 3), []), ((1, 3, 2), []), ((3, 1, 2), [("out_of_order_audio", 1)]), ((2, 1, 3), [("out_of_order_audio", 1)])],
)
def test_an_app_may_sort_by_the_places_in_the_reply(played, expected):
    """Chunks that came in another order than their places say may be heard in either."""
    chunks = [chunk(1, place=("s", 0)), chunk(2, place=("s", 2)), chunk(3, place=("s", 1))]
    assert kinds(chunks, in_turn(*played)) == expected


def test_halves_of_a_chunk_in_another_order():
    """A cut within a chunk is none for the listener."""
    assert told([chunk(1)], [piece(1, 0, sound(1)[2400:] + sound(1)[:2400])]) == [("out_of_order_audio", 1, 50)]


def test_an_interruption_excuses_another_order():
    """What comes after it may well be played first."""
    assert kinds([chunk(1), chunk(2)], in_turn(2, 1), interruptions=[50]) == []


# Any one slip, however it is cut.


@st.composite
def cuts(draw):
    """Cuts a stream anywhere, odd bytes among them; all pieces are handed on at once."""
    sizes = draw(st.lists(st.integers(1, 7000), min_size=1, max_size=4))

    def pieces(data):
        places, at = [0], 0
        while at < len(data):
            at += sizes[len(places) % len(sizes)]
            places.append(min(at, len(data)))
        return [Piece(MS, MS, MONO, data[start:stop], 0, start) for start, stop in zip(places, places[1:])]

    return pieces


EIGHT = [chunk(number, reply=1 + (number - 1) // 4) for number in range(1, 9)]


@settings(max_examples=40)
@given(cuts(), st.integers(1, 8))
def test_any_one_chunk_is_missed(cut_up, number):
    """It, and nothing else."""
    assert kinds(EIGHT, cut_up(b"".join(sound(each) for each in range(1, 9) if each != number))) == [("never_played", number)]


@settings(max_examples=40)
@given(cuts(), st.integers(1, 8), st.integers(2, 4))
def test_any_one_chunk_is_heard_again(cut_up, number, n_times):
    """It, and nothing else, however often."""
    whole = b"".join(sound(each) * (n_times if each == number else 1) for each in range(1, 9))
    assert kinds(EIGHT, cut_up(whole)) == [("played_twice", number)]


@settings(max_examples=40)
@given(cuts(), st.integers(1, 7))
def test_any_two_chunks_may_be_swapped(cut_up, number):
    """It is told about the one that came first."""
    order = [*range(1, number), number + 1, number, *range(number + 2, 9)]
    assert kinds(EIGHT, cut_up(b"".join(map(sound, order)))) == [("out_of_order_audio", number)]


# What is not what was received, by the samples alone.


@pytest.mark.parametrize("rate", [48000, 16000, 8000])
def test_samples_that_play_at_another_rate(rate):
    """The very samples, too fast or too slow: one fault, about the first chunk."""
    pieces = [Piece(5 * MS, 5 * MS, Pcm(rate, 1), sound(number), 0, number) for number in (1, 2, 3)]
    (fault,) = judged(THREE, pieces)
    assert (fault.kind.name, fault.seq, fault.at_ns, fault.pieces) == ("wrong_audio", 1, 5 * MS, (1,))
    assert "24 kHz" in fault.what
    assert f"{rate // 1000} kHz" in fault.what


@pytest.mark.parametrize("n_replies", [1, 3])
def test_a_reply_that_is_played_as_zeros(n_replies):
    """One fault for all of them."""
    chunks = [chunk(number, reply=1 + (number - 1) * n_replies // 6) for number in range(1, 7)]
    assert kinds(chunks, in_turn(*[0] * 6)) == [("wrong_audio", 1)]


def test_an_interruption_of_another_reply_excuses_no_zeros():
    """Of three replies the second is interrupted: the other two are told, together."""
    chunks = [chunk(number, at_ms=at, reply=number) for number, at in ((1, 0), (2, 1000), (3, 2000))]
    zeros = [piece(0, at, item=item) for item, at in enumerate((0, 1000, 2000))]
    (fault,) = judged(chunks, zeros, interruptions=(1050,), interrupted={2: 1050 * MS})
    assert (fault.kind.name, fault.seq, "2 of 3 replies" in fault.what) == ("wrong_audio", 1, True)


def test_a_reply_that_is_played_as_a_little_silence_is_lost():
    """It is not as long as the reply."""
    assert kinds(THREE, in_turn(0)) == [("never_played", 1)]


@pytest.mark.parametrize("n", [1, 3])
def test_headers_that_are_played(n):
    """Though the samples behind them are what was received."""
    parts = [(wav.header(MONO, 4800) if number <= n else b"") + sound(number) for number in (1, 2, 3)]
    assert told(THREE, [piece(1, 0, b"".join(parts))]) == [("wrong_audio", 1, 0)]


@pytest.mark.parametrize(
    ("chunks", "pieces", "expected"),
    [
        (THREE, [piece(9, 0, noise(4800)), *in_turn(1, 2, 3, from_ms=200)], [("own_sound", 1, 0)]),
        (THREE, [*in_turn(1, 2, 3), piece(9, 300, noise(4800))], [("own_sound", 1, 300)]),
        (THREE, [piece(1, 0), piece(9, 100, noise(4800)), *in_turn(2, 3, from_ms=300)], [("own_sound", 1, 100)]),
        (THREE, [*in_turn(1, 2, 3), piece(9, 300, noise(470))], []),
        (THREE, [*in_turn(1, 2, 3), piece(9, 300, noise(4800, peak=10))], []),
        ([chunk(1, 500)], [piece(9, 0, noise(4800)), piece(1, 500)], [("own_sound", None, 0)]),
        ([chunk(1, 500)], [piece(1, 500), piece(9, 550, noise(4800), stream=1)], [("own_sound", 1, 550)]),
        ([], [piece(9, 0, noise(4800))], [("own_sound", None, 0)]),
    ],
    ids=["before", "behind", "between", "very short", "very quiet", "before anything came", "in a stream of its own", "where nothing came"],
)
def test_a_sound_of_the_apps_own_is_no_fault(chunks, pieces, expected):
    """Beside a reply that was played whole: it is noted."""
    assert told(chunks, pieces) == expected


def test_what_is_inaudible_is_no_sound_of_the_apps_own():
    """As the floor of a recording is, or dither."""
    assert judged(THREE, [*in_turn(1, 2, 3), piece(9, 300, noise(4800, peak=150))]) == []


def test_a_chunk_is_lost_though_something_else_is_played():
    """An app that plays most of a reply as it is has not made that of the rest."""
    chunks = [chunk(number) for number in range(1, 7)]
    assert kinds(chunks, [*in_turn(1, 2), piece(9, 200, noise(N)), *in_turn(4, 5, 6, from_ms=300)]) == [
        ("own_sound", 1),
        ("never_played", 3),
    ]


@pytest.mark.parametrize("played", [noise(3 * N, 5), noise(3 * N, 5, peak=100)], ids=["as long", "very quiet"])
def test_noise_for_noise_cannot_be_judged(played):
    """It holds no voice that could be compared: a warning that says what is not checked."""
    (fault,) = judged(THREE, [piece(9, 0, played)])
    assert (fault.kind.name, fault.seq, fault.at_ns) == ("unjudged_audio", 1, 0)
    assert all(check in " ".join(fault.detail) for check in CHECKS_OFF)


def test_what_is_much_too_short_was_not_made_of_the_reply():
    """Ten milliseconds of something in place of 300 are not what an app made of them: the reply is lost."""
    assert kinds(THREE, [piece(9, 0, noise(240, 5))]) == [("never_played", 1)]


# Speech that is not played sample by sample.


def spoken(data, reply=1, at_ms=0, first=1, ms=200):
    """Chunks of a reply, all at once."""
    return [chunk(first + at // (48 * ms), at_ms, reply, data[at : at + 48 * ms]) for at in range(0, len(data), 48 * ms)]


def gained(data, factor):
    """Louder or quieter, clipped at the extremes."""
    return pcm16([max(-32768, min(32767, round(value * factor))) for value in samples_of(data)])


def faded(data, n=7200):
    """In and out within so many samples."""
    values = samples_of(data)
    last = len(values) - 1
    return pcm16([round(value * min(1.0, at / n, (last - at) / n)) for at, value in enumerate(values)])


def paused(data):
    """20 ms of silence behind every 200, and a tenth quieter."""
    return b"".join(gained(data[at : at + 9600], 0.9) + bytes(960) for at in range(0, len(data), 9600))


CHANGES = {
    "half as loud": (lambda data: gained(data, 0.5), MONO),
    "twice as loud, clipped": (lambda data: gained(data, 2), MONO),
    "very quiet": (lambda data: gained(data, 0.02), MONO),
    "at 48 kHz": (lambda data: convert(data, MONO, Pcm(48000, 1)), Pcm(48000, 1)),
    "at 16 kHz": (lambda data: convert(data, MONO, Pcm(16000, 1)), Pcm(16000, 1)),
    "at 44.1 kHz, in stereo": (
        lambda data: pcm16([value for value in samples_of(convert(data, MONO, Pcm(44100, 1))) for _ in "lr"]),
        Pcm(44100, 2),
    ),
    "with pauses": (paused, MONO),
    "later": (lambda data: bytes(24000) + gained(data, 0.5), MONO),
}


@pytest.mark.parametrize("name", ["springs", "water"])
@pytest.mark.parametrize(("change", "pcm"), CHANGES.values(), ids=CHANGES)
def test_what_the_app_changed_is_a_warning(speech, name, change, pcm):
    """Alike, and as long: what can no longer be checked is named."""
    (fault,) = judged(spoken(speech(name)), [piece(1, 5, change(speech(name)), pcm=pcm)])
    assert (fault.kind.name, fault.seq) == ("changed_audio", 1)
    assert all(check in " ".join(fault.detail) for check in CHECKS_OFF)


def test_a_fade_changes_a_part(speech):
    """At most a warning: what lies between its ends is what was received."""
    found = kinds(spoken(speech("springs")), [piece(1, 0, faded(speech("springs")))])
    assert found in ([], [("changed_audio", 1)])


def test_a_fade_at_both_ends_of_every_chunk_is_a_change(speech):
    """Also where a reply begins with what is all but silent, which is found nowhere: it is compared with its own place."""
    data = speech("user")[: 48_000 * 4]
    chunks = [*spoken(speech("water"), reply=1), *spoken(data, reply=2, at_ms=9000, first=100)]
    pieces = [Piece(one.at_ns, one.at_ns, MONO, faded(one.samples, 480), 0, at) for at, one in enumerate(chunks)]
    assert kinds(chunks, pieces) == [("changed_audio", 1)]


def test_parts_that_are_too_short_to_compare_may_be_known_all_the_same(speech):
    """Each chunk without its first byte: every second one is in step again."""
    chunks = spoken(speech("springs"))
    found = kinds(chunks, [piece(1, 0, b"".join(one.samples[1:] for one in chunks))])
    assert ("wrong_audio", 1) in found


WRONG = {
    "base64": (base64.b64encode, MONO),
    "hex": (lambda data: data.hex().encode(), MONO),
    "shifted": (lambda data: data[1:], MONO),
    "exchanged": (lambda data: b"".join(data[at + 1 : at + 2] + data[at : at + 1] for at in range(0, len(data), 2)), MONO),
    "thinned": (lambda data: pcm16(samples_of(data)[::2]), MONO),
    "doubled": (lambda data: pcm16([value for value in samples_of(data) for _ in "ab"]), MONO),
    "at another rate": (lambda data: gained(data, 0.5), Pcm(48000, 1)),
    "backwards": (lambda data: pcm16(samples_of(data)[::-1]), MONO),
    "noise": (lambda data: noise(len(data) // 2), MONO),
}


@pytest.mark.parametrize("name", ["springs", "water"])
@pytest.mark.parametrize(("slip", "pcm"), WRONG.values(), ids=WRONG)
def test_what_is_not_what_was_received_is_an_error(speech, name, slip, pcm):
    """One for all of it, about the first chunk."""
    found = judged(spoken(speech(name)), [piece(1, 5, slip(speech(name)), item=7, pcm=pcm)])
    assert [(fault.kind.name, fault.seq, round(fault.at_ns / MS), fault.pieces) for fault in found] == [("wrong_audio", 1, 5, (7,))]


@pytest.mark.parametrize(
    ("name", "other"), [("springs", "water"), ("water", "springs"), ("water", "assistant-1"), ("assistant-1", "water")]
)
def test_somebody_elses_speech_is_an_error(speech, name, other):
    """In the place of a reply."""
    assert kinds(spoken(speech(name)), [piece(1, 0, speech(other))]) == [("wrong_audio", 1)]


def test_replies_that_are_wrong_in_the_same_way_are_one_error(speech):
    """However many there are: behind the first few, the others are taken for the same."""
    names = ["springs", "water", "rain", "goodbye", "assistant-3"]
    chunks, pieces = [], []
    for number, name in enumerate(names, 1):
        at_ms = 5000 * number
        chunks += spoken(speech(name), number, at_ms, first=100 * number)
        pieces.append(piece(1, at_ms, base64.b64encode(speech(name)), item=number))
    assert len(names) > N_APPEARANCES
    found = judged(chunks, pieces)
    assert [(fault.kind.name, fault.seq, fault.pieces) for fault in found] == [("wrong_audio", 100, (1, 2, 3, 4, 5))]


def test_two_kinds_of_wrong_are_two_errors(speech):
    """Each with its own looks."""
    chunks = [*spoken(speech("springs"), 1, 0, 100), *spoken(speech("water"), 2, 9000, 200)]
    pieces = [piece(1, 0, base64.b64encode(speech("springs"))), piece(1, 9000, speech("water")[1:])]
    assert kinds(chunks, pieces) == [("wrong_audio", 100), ("wrong_audio", 200)]


def test_changed_replies_are_one_warning(speech):
    """About the first."""
    names = ["springs", "water", "rain"]
    chunks = [one for number, name in enumerate(names, 1) for one in spoken(speech(name), number, 5000 * number, 100 * number)]
    pieces = [piece(1, 5000 * number, gained(speech(name), 0.5)) for number, name in enumerate(names, 1)]
    assert kinds(chunks, pieces) == [("changed_audio", 100)]


def test_changed_replies_that_are_held_back_are_told_apart(speech):
    """All are played when all have come: each is compared with its own."""
    names = ["springs", "water", "rain"]
    chunks = [one for number, name in enumerate(names, 1) for one in spoken(speech(name), number, 5000 * number, 100 * number)]
    pieces = [piece(1, 30_000, b"".join(gained(speech(name), 0.5) for name in names))]
    assert kinds(chunks, pieces) == [("changed_audio", 100)]


LENGTHS = {
    "the end is cut off": lambda data: gained(data[: len(data) * 4 // 5 // 2 * 2], 0.5),
    "the beginning is cut off": lambda data: gained(data[len(data) // 5 // 2 * 2 :], 0.5),
    "the end is played twice": lambda data: gained(data + data[-len(data) // 4 // 2 * 2 :], 0.5),
    "20 ms of every 200 are missing": lambda data: b"".join(gained(data[at : at + 8640], 0.5) for at in range(0, len(data), 9600)),
}


@pytest.mark.parametrize("change", LENGTHS.values(), ids=LENGTHS)
def test_what_is_alike_and_plays_for_another_length(speech, change):
    """An error beside the warning that it was changed."""
    found = kinds(spoken(speech("springs")), [piece(1, 0, change(speech("springs")))])
    assert sorted(found) == [("changed_audio", 1), ("wrong_length", 1)]


def test_what_was_interrupted_is_not_too_short(speech):
    """The app dropped the rest, as it should."""
    chunks = spoken(speech("springs"))
    pieces = [piece(1, 0, gained(speech("springs")[:96000], 0.5))]
    assert kinds(chunks, pieces, interruptions=[1500], interrupted={1: 1500 * MS}) == [("changed_audio", 1)]


def test_wrong_lengths_are_told_once(speech):
    """The first, with how many others there are, and all pieces."""
    names = ["springs", "water", "rain"]
    chunks = [one for number, name in enumerate(names, 1) for one in spoken(speech(name), number, 6000 * number, 100 * number)]
    pieces = [
        piece(1, 6000 * number, LENGTHS["the end is played twice"](speech(name)), item=number) for number, name in enumerate(names, 1)
    ]
    found = [fault for fault in judged(chunks, pieces) if fault.kind.name == "wrong_length"]
    assert [(fault.seq, fault.pieces) for fault in found] == [(100, (1, 2, 3))]


@pytest.mark.parametrize("off_ms", [-90, 90])
def test_a_small_difference_in_length_is_none(speech, off_ms):
    """Of less than a tenth of a second, or of 2% of the reply."""
    assert LENGTH_NS == 100 * MS
    data = speech("springs")
    changed = gained(data[: 48 * off_ms] if off_ms < 0 else data + noise(24 * off_ms, peak=3000), 0.5)
    assert kinds(spoken(data), [piece(1, 0, changed)]) == [("changed_audio", 1)]


def test_too_little_of_something_else_cannot_be_judged(speech):
    """Less than 300 ms of speech: nothing says what it is."""
    assert UNJUDGED_NS == 300 * MS
    data, other = speech("springs")[48_000 : 48_000 + 9600], speech("water")[48_000 : 48_000 + 9600]
    assert kinds(spoken(data), [piece(1, 0, other)]) == [("unjudged_audio", 1)]


def test_faults_are_in_time():
    """Of every kind."""
    chunks = [chunk(1), chunk(2), chunk(3), chunk(4)]
    found = told(chunks, [piece(1, 0), piece(1, 100), piece(4, 500), piece(3, 600)])
    assert [one[:2] for one in found] == [("played_twice", 1), ("never_played", 2), ("out_of_order_audio", 3)]
    assert [one[2] for one in found] == sorted(one[2] for one in found)


# What is audible.


@given(st.lists(st.sampled_from([0, 100, -199, 199, 200, -200, 5000, -32768]), max_size=200).map(lambda values: array("h", values)))
def test_from_where_to_where_samples_are_audible(samples):
    """Agrees with a loop; None where none is."""
    loud = [at for at, value in enumerate(samples) if abs(value) >= 200]
    assert _audible(samples) == ((loud[0], loud[-1] + 1) if loud else None)


@pytest.mark.parametrize(
    ("values", "expected_ms"),
    [
        ([], 0),
        ([0] * 2400, 0),
        ([5000] * 2400, 100),
        ([5000] * 1200 + [0] * 1200, 50),
        ([5000] * 1200 + [50] * 1200, 50),
        ([5000] * 1200 + [51] * 1200, 100),
    ],
    ids=["nothing", "silence", "all of it", "half of it", "40 dB below", "just above that"],
)
def test_how_long_the_audible_parts_are(values, expected_ms):
    """By the peak of the whole, in steps of 10 ms."""
    assert _audible_ns(array("h", values), 24000) == expected_ms * MS
