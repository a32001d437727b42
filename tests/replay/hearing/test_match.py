"""Tests of evi_harness.replay.hearing.match."""

from __future__ import annotations

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.replay.hearing.match import Match, Unmatched, _Coverage, _equal, _equal_back, _zeros, matched
from evi_harness.replay.hearing.streams import Chunk, Piece, ReceivedAudio, played_streams
from evi_harness.session.wav import Pcm

MS = 1_000_000
MONO = Pcm(24000, 1)
STEREO = Pcm(24000, 2)
# Nothing happens in rates below: they keep the tests of long audio small.
SLOW = Pcm(8000, 1)
LATER_MS = 60_000
CHUNK = 2400


def pcm16(values):
    """Samples as bytes."""
    return array("h", values).tobytes()


def loud(n, first=0):
    """Samples of which no two are equal within 2.7 s, most of them loud; they are told from others by where they begin."""
    return pcm16([((first + number) * 40503 + 9000) % 65536 - 32768 for number in range(n)])


def noise(n, seed=1, peak=9000):
    """Noise, the same every time."""
    values, state = [], seed
    for _ in range(n):
        state = (1103515245 * state + 12345) % 2**31
        values.append((state >> 12) % (2 * peak) - peak)
    return pcm16(values)


def received_of(*chunks, pcm=MONO, times_ms=None):
    """Chunks that came at 0, or at these times."""
    times_ms = times_ms or [0] * len(chunks)
    return ReceivedAudio([Chunk(seq, at_ms * MS, pcm, samples) for seq, (samples, at_ms) in enumerate(zip(chunks, times_ms), 1)])


def played_of(*pieces, at_ms=LATER_MS, pcm=MONO, stream=0):
    """Pieces that were handed on when all had come, or from another time on."""
    return [Piece((at_ms + number) * MS, (at_ms + number) * MS, pcm, samples, stream, number) for number, samples in enumerate(pieces)]


def match_of(chunks, pieces):
    """The match of chunks, or of audio that was received, with pieces, or with bytes that were played."""
    received = chunks if isinstance(chunks, ReceivedAudio) else received_of(*chunks)
    return matched(received, played_streams([one for each in pieces for one in (played_of(each) if isinstance(each, bytes) else [each])]))


def rows(match):
    """Start, place, number and whether it is a repetition, of all that is equal."""
    return [(one.start, one.at, one.n, one.is_again) for one in match.matched]


def besides(match):
    """From where to where, and whether it is silent, of all that is not."""
    return [(one.start, one.stop, one.is_silent) for one in match.unmatched]


CHUNKS = [loud(CHUNK, CHUNK * number) for number in range(6)]
WHOLE = b"".join(CHUNKS)


# What is equal.


@pytest.mark.parametrize(
    ("chunks", "pieces", "unplayed"),
    [([], [], []), (CHUNKS[:1], [], [(0, CHUNK)]), ([b""], [], []), ([b"", CHUNKS[0], b""], CHUNKS[:1], []), ([], [b""], [])],
    ids=["nothing", "nothing was played", "an empty chunk", "empty chunks beside one", "an empty piece"],
)
def test_where_there_is_nothing_nothing_goes_wrong(chunks, pieces, unplayed):
    """No chunks, no pieces, or none with a sample in it."""
    match = match_of(chunks, pieces)
    assert (match.unmatched, match.unplayed) == ([], unplayed)


def test_what_is_played_though_nothing_was_received_matches_nothing():
    """All of it, silence apart."""
    match = match_of([], [bytes(200) + CHUNKS[0]])
    assert rows(match) == []
    assert besides(match) == [(0, 100, True), (100, 100 + CHUNK, False)]
    assert {(one.after, one.before) for one in match.unmatched} == {(None, None)}


SOUNDS = st.one_of(
    st.builds(noise, st.integers(1, 1500), st.integers(1, 5)),
    st.builds(noise, st.integers(1, 1500), st.integers(1, 5), st.just(3)),
    st.builds(bytes, st.integers(0, 400).map(lambda n: 2 * n)),
    st.builds(lambda n, value: pcm16([value] * n), st.integers(1, 400), st.integers(-32768, 32767)),
    st.just(loud(700)),
)


@given(st.lists(SOUNDS, min_size=1, max_size=6), st.lists(st.integers(0, 20000), max_size=8), st.integers(1, 2))
def test_any_cut_of_what_was_received_is_all_of_it(chunks, cuts, n_channels):
    """Noise, silence, what stands still, what is quiet and what comes twice; cut anywhere, odd bytes and empty pieces among them."""
    whole = b"".join(chunks)
    played = pcm16([value for value in array("h", whole) for _ in range(n_channels)])
    places = sorted({0, len(played), *(cut for cut in cuts if cut < len(played))})
    pieces = [played[start:stop] for start, stop in zip(places, places[1:])]
    match = match_of(chunks, played_of(*pieces, pcm=Pcm(24000, n_channels)))
    assert rows(match) == ([(0, 0, len(whole) // 2, False)] if whole else [])
    assert (match.unmatched, match.unplayed) == ([], [])


@given(st.lists(st.integers(480, 3000), min_size=2, max_size=7), st.data(), st.sampled_from([loud, noise]))
def test_what_was_dropped_is_exactly_what_is_missing(lengths, data, sound):
    """One chunk of any, be it the first or the last."""
    whole = sound(sum(lengths))
    starts = [2 * sum(lengths[:number]) for number in range(len(lengths) + 1)]
    chunks = [whole[start:stop] for start, stop in zip(starts, starts[1:])]
    number = data.draw(st.integers(0, len(lengths) - 1))
    match = match_of(chunks, [b"".join(chunks[:number] + chunks[number + 1 :])])
    assert match.unplayed == [(starts[number] // 2, starts[number + 1] // 2)]
    assert match.unmatched == []
    assert not any(one.is_again for one in match.matched)


@given(st.permutations(range(6)))
def test_chunks_in_any_order_are_all_there(order):
    """Each where it belongs."""
    match = match_of(CHUNKS, [b"".join(CHUNKS[number] for number in order)])
    assert (match.unmatched, match.unplayed) == ([], [])
    places = [one.at + within for one in match.matched for within in range(one.n)]
    assert places == [number * CHUNK + within for number in order for within in range(CHUNK)]
    assert not any(one.is_again for one in match.matched)


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ([0, 1, 1, 2], [(0, 0, 2 * CHUNK, False), (2 * CHUNK, CHUNK, CHUNK, True), (3 * CHUNK, 2 * CHUNK, CHUNK, False)]),
        (
            [0, 0, 0, 1],
            [(0, 0, CHUNK, False), (CHUNK, 0, CHUNK, True), (2 * CHUNK, 0, CHUNK, True), (3 * CHUNK, CHUNK, CHUNK, False)],
        ),
        ([0, 1, 2, 0, 1, 2], [(0, 0, 3 * CHUNK, False), (3 * CHUNK, 0, 3 * CHUNK, True)]),
        ([2, 2], [(0, 2 * CHUNK, CHUNK, False), (CHUNK, 2 * CHUNK, CHUNK, True)]),
    ],
    ids=["one twice", "one three times", "all twice", "the last twice"],
)
def test_what_is_played_again_is_told_from_what_is_new(order, expected):
    """Wherever the repetition stands."""
    assert rows(match_of(CHUNKS[:3], [b"".join(CHUNKS[number] for number in order)])) == expected


@pytest.mark.parametrize("n_played", range(1, 8))
def test_equal_chunks_are_counted(n_played):
    """Which of them was played nobody can know: as many as were received are new, what is more is a repetition."""
    match = match_of([loud(CHUNK)] * 5, [loud(CHUNK) * n_played])
    n_new = sum(one.n for one in match.matched if not one.is_again)
    n_again = sum(one.n for one in match.matched if one.is_again)
    assert (n_new, n_again) == (min(n_played, 5) * CHUNK, max(0, n_played - 5) * CHUNK)
    assert sum(stop - start for start, stop in match.unplayed) == max(0, 5 - n_played) * CHUNK
    assert match.unmatched == []


def test_streams_at_once_share_what_was_received():
    """Each is followed by itself, and what one has played another need not."""
    pieces = [*played_of(CHUNKS[0], CHUNKS[2], stream=0), *played_of(CHUNKS[1], CHUNKS[3], stream=1)]
    match = match_of(CHUNKS[:4], pieces)
    assert match.unplayed == match.unmatched == []
    assert [(one.stream, one.at // CHUNK) for one in match.matched] == [(0, 0), (0, 2), (1, 1), (1, 3)]
    assert not any(one.is_again for one in match.matched)


def test_a_second_stream_that_plays_the_same_plays_it_again():
    """As two players do."""
    match = match_of(CHUNKS[:2], [*played_of(*CHUNKS[:2], stream=0), *played_of(*CHUNKS[:2], at_ms=LATER_MS + 5, stream=1)])
    assert [(one.stream, one.n, one.is_again) for one in match.matched] == [(0, 2 * CHUNK, False), (1, 2 * CHUNK, True)]


@pytest.mark.parametrize("pcm", [Pcm(48000, 1), Pcm(8000, 1)], ids=["48 kHz", "8 kHz"])
def test_samples_are_equal_at_any_rate(pcm):
    """How fast they play is judged elsewhere."""
    match = match_of(CHUNKS, played_of(*CHUNKS[1:], pcm=pcm))
    assert rows(match) == [(0, CHUNK, 5 * CHUNK, False)]
    assert match.unplayed == [(0, CHUNK)]


def test_chunks_of_several_rates_are_one_stream():
    """The samples follow one another whatever their rates are."""
    rates = (24000, 8000, 48000)
    received = ReceivedAudio([Chunk(seq, 0, Pcm(rate, 1), samples) for seq, (rate, samples) in enumerate(zip(rates, CHUNKS))])
    match = match_of(received, [CHUNKS[0] + CHUNKS[2] + CHUNKS[1]])
    assert match.unplayed == match.unmatched == []


def test_what_goes_on_where_it_was_played_already_may_be_something_new():
    """Of two equal chunks, the one that is not played yet is meant, though the other comes next."""
    first, same, middle, last = CHUNKS[:4]
    match = match_of([first, same, middle, same, last], [same + first + same])
    assert [(one.at // CHUNK, one.is_again) for one in match.matched] == [(1, False), (0, False), (3, False)]
    assert match.unplayed == [(2 * CHUNK, 3 * CHUNK), (4 * CHUNK, 5 * CHUNK)]


def test_a_short_piece_from_far_away_is_not_passed_over():
    """What comes next is near, but what comes before it stands somewhere too."""
    chunks = [loud(CHUNK, CHUNK * number) for number in range(16)]
    match = match_of(chunks, [chunks[0] + chunks[14][:960] + b"".join(chunks[1:14])])
    assert rows(match)[:3] == [(0, 0, CHUNK, False), (CHUNK, 14 * CHUNK, 480, False), (CHUNK + 480, CHUNK, 13 * CHUNK, False)]
    assert match.unmatched == []


@pytest.mark.parametrize(("n", "is_found"), [(100, False), (239, False), (240, True)])
def test_a_few_equal_samples_are_chance(n, is_found):
    """Unless they are a block of the table, or all that follows."""
    strange = CHUNKS[1][100 : 100 + 2 * n] + noise(3000, 7)
    match = match_of(CHUNKS, [CHUNKS[0] + strange])
    assert rows(match)[1:] == ([(CHUNK, CHUNK + 50, n, False)] if is_found else [])


# Silence.


@pytest.mark.parametrize(
    ("received", "played", "expected_besides", "unplayed"),
    [
        ([WHOLE], [CHUNKS[0], bytes(960), WHOLE[2 * CHUNK :]], [(CHUNK, CHUNK + 480, True)], []),
        ([WHOLE], [bytes(960), WHOLE], [(0, 480, True)], []),
        ([WHOLE], [WHOLE, bytes(960)], [(6 * CHUNK, 6 * CHUNK + 480, True)], []),
        ([CHUNKS[0], bytes(960), CHUNKS[1]], [CHUNKS[0], CHUNKS[1]], [], [(CHUNK, CHUNK + 480)]),
        ([CHUNKS[0], bytes(960), CHUNKS[1]], [CHUNKS[0], bytes(400), CHUNKS[1]], [], [(CHUNK + 200, CHUNK + 480)]),
        ([CHUNKS[0], bytes(960), CHUNKS[1]], [CHUNKS[0], bytes(1200), CHUNKS[1]], [(CHUNK + 480, CHUNK + 600, True)], []),
        ([bytes(960), CHUNKS[0], bytes(960)], [CHUNKS[0]], [], [(0, 480), (480 + CHUNK, 960 + CHUNK)]),
        ([bytes(9600)], [bytes(4800)], [], [(2400, 4800)]),
        ([bytes(4800)], [bytes(9600)], [(2400, 4800, True)], []),
        ([WHOLE], [bytes(9600)], [(0, 4800, True)], [(0, 6 * CHUNK)]),
    ],
    ids=[
        "put in between",
        "before",
        "behind",
        "left out",
        "made shorter",
        "made longer",
        "trimmed at both ends",
        "nothing but silence, less of it",
        "nothing but silence, more of it",
        "in place of sound",
    ],
)
def test_silence_is_passed_over(received, played, expected_besides, unplayed):
    """On either side; the sound behind it goes on where it did."""
    match = match_of(received, [b"".join(played)])
    assert besides(match) == expected_besides
    assert match.unplayed == unplayed
    assert not any(one.is_again for one in match.matched)


def test_a_pause_between_all_chunks_loses_nothing():
    """As a player puts it in that waits."""
    match = match_of(CHUNKS, [b"".join(one + bytes(960) for one in CHUNKS)])
    assert match.unplayed == []
    assert all(one.is_silent for one in match.unmatched)
    assert sum(one.stop - one.start for one in match.unmatched) == 6 * 480


@pytest.mark.parametrize("value", [1, -1, 3000], ids=["all but silent", "below zero", "loud"])
def test_what_stands_still_is_matched_in_its_place(value):
    """It could be found anywhere, so it is never looked up."""
    still = pcm16([value] * 1000)
    match = match_of([CHUNKS[0], still, CHUNKS[1]], [CHUNKS[0] + still + CHUNKS[1]])
    assert match.unplayed == match.unmatched == []


def test_very_quiet_audio_behind_a_lost_chunk_is_found():
    """It is in no table, and near."""
    quiet = [noise(CHUNK, seed, peak=40) for seed in (1, 2, 3)]
    match = match_of(quiet, [quiet[0] + quiet[2]])
    assert match.unplayed == [(CHUNK, 2 * CHUNK)]
    assert match.unmatched == []


# What matches nothing.


@pytest.mark.parametrize(
    ("played", "expected"),
    [
        ([noise(3000, 7), WHOLE], [(0, 3000, None, 0)]),
        ([WHOLE, noise(3000, 7)], [(6 * CHUNK, 6 * CHUNK + 3000, 6 * CHUNK, None)]),
        ([*CHUNKS[:2], noise(3000, 7), *CHUNKS[2:]], [(2 * CHUNK, 2 * CHUNK + 3000, 2 * CHUNK, 2 * CHUNK)]),
        ([*CHUNKS[:2], noise(CHUNK, 7), *CHUNKS[3:]], [(2 * CHUNK, 3 * CHUNK, 2 * CHUNK, 3 * CHUNK)]),
    ],
    ids=["before", "behind", "between", "in place of a chunk"],
)
def test_what_matches_nothing_stands_between_what_does(played, expected):
    """With where in what was received its neighbours are."""
    match = match_of(CHUNKS, [b"".join(played)])
    assert [(one.start, one.stop, one.after, one.before) for one in match.unmatched] == expected
    assert not any(one.is_again or one.n < 100 for one in match.matched)


def test_silence_before_a_strange_sound_is_no_part_of_it():
    """It is told apart."""
    match = match_of(CHUNKS[:2], [CHUNKS[0] + bytes(2000) + noise(3000, 7) + CHUNKS[1]])
    assert besides(match) == [(CHUNK, CHUNK + 1000, True), (CHUNK + 1000, CHUNK + 4000, False)]
    assert match.unplayed == []


def test_each_unmatched_part_is_of_its_own_stream():
    """Its neighbours are looked for in no other."""
    match = match_of(CHUNKS[:1], [*played_of(CHUNKS[0], stream=0), *played_of(noise(3000, 7), at_ms=LATER_MS + 1, stream=1)])
    assert match.unmatched == [Unmatched(1, 0, 3000, False)]


@pytest.mark.parametrize("n_unknown", [8000 * 9, 8000 * 11, 8000 * 20], ids=["9 s", "11 s", "20 s"])
def test_what_was_received_is_found_behind_long_unknown_audio(n_unknown):
    """Only a part of very long unknown audio is looked at; what comes behind it is found from its first sample on all the same."""
    unknown = noise(n_unknown, 7)
    match = match_of(received_of(*CHUNKS, pcm=SLOW), played_of(unknown, WHOLE, pcm=SLOW))
    assert match.unplayed == []
    assert besides(match) == [(0, n_unknown, False)]


# When it came.


def test_what_came_later_was_not_played_before():
    """Of equal audio, the one that had come is it."""
    received = received_of(CHUNKS[0], CHUNKS[1], CHUNKS[0], times_ms=[0, 10, 500])
    match = match_of(received, played_of(CHUNKS[1], CHUNKS[0], at_ms=100))
    assert [(one.at, one.n) for one in match.matched] == [(CHUNK, CHUNK), (0, CHUNK)]
    assert match.unplayed == [(2 * CHUNK, 3 * CHUNK)]


@pytest.mark.parametrize(("at_ms", "n_matched"), [(199, 0), (200, CHUNK)])
def test_nothing_can_be_played_before_it_came(at_ms, n_matched):
    """What is equal to it all the same is something else."""
    received = received_of(CHUNKS[0], CHUNKS[1], times_ms=[0, 200])
    match = match_of(received, played_of(noise(1000, 7) + CHUNKS[1], at_ms=at_ms))
    assert sum(one.n for one in match.matched) == n_matched


def test_of_equal_chunks_one_that_is_yet_to_come_is_not_played():
    """What is played in its stead is played again; else a chunk played twice and a later one lost would be as many as came."""
    received = received_of(CHUNKS[0], CHUNKS[0], CHUNKS[1], times_ms=[0, 500, 900])
    match = match_of(received, [*played_of(CHUNKS[0], CHUNKS[0], at_ms=100), *played_of(CHUNKS[1], at_ms=950)])
    assert rows(match) == [(0, 0, CHUNK, False), (CHUNK, 0, CHUNK, True), (2 * CHUNK, 2 * CHUNK, CHUNK, False)]
    assert match.unplayed == [(CHUNK, 2 * CHUNK)]


def test_a_device_may_be_filled_later_than_its_times_say():
    """They are those at which its blocks were due, which on a busy machine are too early: what goes on is still what was received."""
    received = received_of(CHUNKS[0], CHUNKS[1], times_ms=[0, 120])
    pieces = [Piece(0, 100 * MS, MONO, CHUNKS[0], 0, 0), Piece(100 * MS, 200 * MS, MONO, CHUNKS[1], 0, 1)]
    assert rows(match_of(received, pieces)) == [(0, 0, 2 * CHUNK, False)]


def test_a_repetition_is_taken_for_one_only_where_nothing_new_is_equal():
    """Two sentences that begin alike, the first of them lost."""
    received = received_of(CHUNKS[0], CHUNKS[1], CHUNKS[0], CHUNKS[2])
    match = match_of(received, [CHUNKS[0] + CHUNKS[1] + CHUNKS[0] + CHUNKS[2]])
    assert match.unplayed == match.unmatched == []
    assert not any(one.is_again for one in match.matched)


# Spans.


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 15)), max_size=6), st.integers(0, 80), st.integers(0, 80))
def test_what_was_not_played_between_two_places(spans, first, last):
    """Agrees with a set of places."""
    places = {at for start, n in spans for at in range(start, start + n)}
    starts = sorted(at for at in places if at - 1 not in places)
    stops = sorted(at + 1 for at in places if at + 1 not in places)
    match = Match(ReceivedAudio([]), [], [], [], list(zip(starts, stops)))
    found = match.unplayed_within(first, last)
    assert [at for span in found for at in range(*span)] == sorted(at for at in places if first <= at < last)
    assert all(start < stop for start, stop in found)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 15)), max_size=8), st.integers(0, 79))
def test_coverage_agrees_with_a_set(spans, at):
    """In whatever order it is added."""
    coverage, places = _Coverage(80), set()
    for start, n in spans:
        coverage.add(start, start + n)
        places.update(range(start, start + n))
    assert coverage.is_covered(at) == (at in places)
    assert [one for span in coverage.gaps() for one in range(*span)] == [one for one in range(80) if one not in places]
    assert coverage.first_gap() == next(one for one in range(81) if one not in places)
    assert coverage.change_at(at) == next((one for one in range(at, 80) if (one in places) != (at in places)), 80)


# Comparing.

FEW = st.lists(st.integers(0, 1), max_size=60).map(pcm16)


@given(FEW, FEW, st.integers(0, 60), st.integers(0, 60))
def test_what_is_equal_from_two_places_on(one, other, start, at):
    """Agrees with a loop."""
    start, at = min(start, len(one) // 2), min(at, len(other) // 2)
    most = min(len(one) // 2 - start, len(other) // 2 - at)
    n = 0
    while n < most and one[2 * (start + n) : 2 * (start + n + 1)] == other[2 * (at + n) : 2 * (at + n + 1)]:
        n += 1
    assert _equal(one, start, other, at, most) == n


@given(FEW, FEW, st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_what_is_equal_before_two_places(one, other, first, start, at):
    """Agrees with a loop, and goes no further back than to the first place."""
    start, at = min(start, len(one) // 2), min(at, len(other) // 2)
    first = min(first, start)
    n = 0
    while n < min(start - first, at) and one[2 * (start - n - 1) : 2 * (start - n)] == other[2 * (at - n - 1) : 2 * (at - n)]:
        n += 1
    assert _equal_back(one, first, start, other, at) == n


@given(st.integers(0, 9000), st.integers(0, 9000))
def test_a_difference_is_found_in_long_audio(at, n):
    """Stretches of doubling length are compared at once, so the difference may be anywhere in one."""
    one = array("h", noise(9000))
    other = array("h", one)
    if at < 9000:
        other[at] ^= 1
    assert _equal(one.tobytes(), 0, other.tobytes(), 0, n) == min(n, at)
    assert _equal_back(one.tobytes(), 0, n, other.tobytes(), n) == (n - at - 1 if at < n else n)


@given(st.lists(st.sampled_from([0, 0, 0, 1, 256]), max_size=30).map(pcm16), st.integers(0, 30))
def test_zeros_are_counted(data, start):
    """Of whole samples: one half of which is zero is none."""
    n = 0
    while 2 * (start + n) < len(data) and data[2 * (start + n) : 2 * (start + n) + 2] == b"\0\0":
        n += 1
    if 2 * start <= len(data):
        assert _zeros(data, start) == n
