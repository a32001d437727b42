"""Tests of evi_harness.replay.hearing.streams."""

from __future__ import annotations

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.replay.hearing.streams import KEY_BYTES, Chunk, Piece, PlayedAudio, ReceivedAudio, folded, peak, played_streams
from evi_harness.session.wav import Pcm

MS = 1_000_000
MONO = Pcm(24000, 1)
STEREO = Pcm(24000, 2)
SLOW = Pcm(1000, 1)

SAMPLES = st.lists(st.integers(-32768, 32767), max_size=40)


def pcm16(values):
    """Samples as bytes."""
    return array("h", values).tobytes()


def loud(n, first=0):
    """Samples of which no two are equal, most of them loud."""
    return pcm16([((first + number) * 40503 + 9000) % 65536 - 32768 for number in range(n)])


def chunk(samples, seq=1, at_ms=0, pcm=MONO):
    """A chunk that came."""
    return Chunk(seq, at_ms * MS, pcm, samples)


def piece(samples, at_ms=0, end_ms=None, pcm=SLOW, **more):
    """A piece; one that was handed on where no end is given."""
    return Piece(at_ms * MS, (at_ms if end_ms is None else end_ms) * MS, pcm, samples, **more)


# Folding.


@pytest.mark.parametrize(
    ("samples", "n_channels", "expected"),
    [
        (b"", 1, []),
        (b"", 2, []),
        (pcm16([1, -2, 3]), 1, [1, -2, 3]),
        (pcm16([1, -2]) + b"\x07", 1, [1, -2]),
        (pcm16([5, 5, -6, -6]), 2, [5, -6]),
        (pcm16([5, 5, -6, -6]) + b"\x07\x07", 2, [5, -6]),
        (pcm16([10, 20, -3, -4]), 2, [15, -4]),
        (pcm16([32767, 32767, -32768, -32768]), 2, [32767, -32768]),
        (pcm16([32767, -32768]), 2, [-1]),
        (pcm16([6, 0, 0, 0, 0, 0]), 6, [1]),
        (b"\x01", 2, []),
    ],
    ids=[
        "nothing",
        "nothing in stereo",
        "mono",
        "an odd byte",
        "a copy",
        "a broken frame",
        "two that differ",
        "extremes",
        "opposites",
        "six channels",
        "less than a frame",
    ],
)
def test_channels_are_folded_into_their_mean(samples, n_channels, expected):
    """A broken last frame is left out."""
    assert folded(samples, n_channels) == pcm16(expected)


@given(SAMPLES, st.integers(1, 6))
def test_a_copy_on_every_channel_is_the_original(values, n_channels):
    """So stereo copies match their mono original sample by sample."""
    assert folded(pcm16([value for value in values for _ in range(n_channels)]), n_channels) == pcm16(values)


@given(st.binary(max_size=60), st.integers(1, 4))
def test_folding_agrees_with_a_loop(data, n_channels):
    """Whatever the bytes are."""
    values = array("h")
    values.frombytes(data[: len(data) // 2 * 2])
    n_frames = len(data) // (2 * n_channels)
    expected = [sum(values[at * n_channels : (at + 1) * n_channels]) // n_channels for at in range(n_frames)]
    assert folded(data, n_channels) == pcm16(expected)


@pytest.mark.parametrize(
    ("values", "expected"), [([], 0), ([0, 0], 0), ([3, -2], 3), ([3, -4], 4), ([-32768, 32767], 32768), ([-5, -3], 5), ([2, 7], 7)]
)
def test_the_peak_is_the_largest_magnitude(values, expected):
    """Of either sign; of no samples it is 0."""
    assert peak(array("h", values)) == expected


# What was received.


def test_nothing_was_received():
    """No chunks are no samples, at any time."""
    received = ReceivedAudio([])
    assert (received.n_samples, received.data, received.starts, received.table) == (0, b"", [0], {})
    assert received.arrived(10**18) == 0
    assert received.length_ns(0, 0) == 0


@pytest.mark.parametrize(
    ("pcm", "samples", "length_ns"),
    [(MONO, loud(2400), 100 * MS), (STEREO, loud(2400), 50 * MS), (Pcm(44100, 1), loud(1), 22675), (MONO, b"", 0)],
    ids=["mono", "stereo", "rounded down", "empty"],
)
def test_a_chunk_plays_as_long_as_its_frames(pcm, samples, length_ns):
    """In its own format."""
    assert chunk(samples, pcm=pcm).length_ns == length_ns


def test_chunks_become_one_stream_of_mono_samples():
    """Each folded, a broken frame left out; an empty one has no sample of its own."""
    received = ReceivedAudio(
        [chunk(loud(10), 1), chunk(b"", 2), chunk(pcm16([7, 7, 9, 9]), 3, pcm=STEREO), chunk(loud(3, first=50) + b"\x01", 4), chunk(b"", 5)]
    )
    assert received.starts == [0, 10, 10, 12, 15, 15]
    assert received.data == loud(10) + pcm16([7, 9]) + loud(3, first=50)
    assert [received.chunk_at(at).seq for at in (0, 9, 10, 11, 12, 14)] == [1, 1, 3, 3, 4, 4]
    assert received.samples(9, 12).tobytes() == loud(1, first=9) + pcm16([7, 9])


def test_what_had_arrived_by_a_time():
    """A chunk has come whole at its time; of those that came at once, all have."""
    received = ReceivedAudio([chunk(loud(10), 1, 5), chunk(loud(20), 2, 5), chunk(loud(30), 3, 8)])
    assert [received.arrived(at_ms * MS) for at_ms in (0, 4, 5, 7, 8, 100)] == [0, 0, 30, 30, 60, 60]
    assert received.arrived(5 * MS - 1) == 0


def test_a_length_is_by_the_rate_of_each_chunk():
    """Across chunks of several rates, and within them."""
    received = ReceivedAudio([chunk(loud(240), 1), chunk(loud(480), 2, pcm=Pcm(48000, 1)), chunk(loud(80), 3, pcm=Pcm(8000, 1))])
    assert received.length_ns(0, 800) == 30 * MS
    assert received.length_ns(120, 480) == 10 * MS
    assert received.length_ns(700, 760) == (20 * 1_000_000_000 // 48000) + 5 * MS
    assert received.length_ns(300, 300) == received.length_ns(300, 200) == 0


def test_the_table_has_a_block_every_10_ms_of_each_chunk():
    """By its first samples, which may be those of the next chunk too; the last blocks are left out where too few samples follow."""
    received = ReceivedAudio([chunk(loud(300), 1), chunk(loud(300, first=300), 2)])
    assert sorted(at for places in received.table.values() for at in places) == [0, 240, 300]
    assert all(received.data[2 * at : 2 * at + KEY_BYTES] == key for key, places in received.table.items() for at in places)


def test_equal_blocks_share_a_row_of_the_table():
    """Their places are in order."""
    received = ReceivedAudio([chunk(loud(240), number) for number in range(4)])
    assert list(received.table.values()) == [[0, 240, 480, 720]]


@pytest.mark.parametrize(
    "samples",
    [bytes(2000), pcm16([5000] * 1000), pcm16([-256, 255] * 500), loud(79), b""],
    ids=["zeros", "constant", "quiet", "too short", "empty"],
)
def test_what_could_be_found_anywhere_is_in_no_table(samples):
    """Silence, what is quiet, what stands still, and what is shorter than a key."""
    assert ReceivedAudio([chunk(samples)]).table == {}


# What was played.


def test_a_sample_that_was_handed_on_has_the_time_of_its_piece():
    """All of it was handed on at once."""
    played = PlayedAudio([piece(loud(10), 5), piece(loud(10), 7)])
    assert [played.time_ns(at) for at in (0, 9, 10, 19)] == [5 * MS, 5 * MS, 7 * MS, 7 * MS]
    assert (played.begins_ns, played.ends_ns, played.n_samples) == (5 * MS, 7 * MS, 20)


def test_a_sample_that_was_heard_has_a_time_of_its_own():
    """From the beginning of its piece on, and never behind its end."""
    played = PlayedAudio([piece(loud(10), 100, 110), piece(loud(10), 200, 205)])
    assert [played.time_ns(at) // MS for at in (0, 9, 10, 14, 15, 19)] == [100, 109, 200, 204, 205, 205]


@st.composite
def streams(draw):
    """Pieces of any lengths in bytes, each behind the one before, in one to three channels."""
    pcm = Pcm(1000, draw(st.integers(1, 3)))
    at_ms, pieces = 0, []
    for number, n_bytes in enumerate(draw(st.lists(st.integers(0, 25), min_size=1, max_size=8))):
        at_ms += draw(st.integers(0, 30))
        end_ms = at_ms + draw(st.integers(0, 30))
        pieces.append(piece(bytes(n_bytes), at_ms, end_ms, pcm, number=number))
        at_ms = end_ms
    return PlayedAudio(pieces)


@given(streams())
def test_times_never_run_back(played):
    """Whatever the pieces are, odd bytes and empty ones among them."""
    times = [played.time_ns(at) for at in range(played.n_samples)]
    assert times == sorted(times)
    assert all(played.begins_ns <= at_ns <= played.ends_ns for at_ns in times)


@given(streams(), st.data())
def test_a_span_is_cut_where_pieces_end(played, data):
    """The parts follow one another from end to end, none is empty, and all samples of one are of the piece that it begins in."""
    if not played.n_samples:
        return
    start = data.draw(st.integers(0, played.n_samples - 1))
    stop = data.draw(st.integers(start + 1, played.n_samples))
    spans = played.spans_pieces(start, stop)
    assert [place for span in spans for place in span][1:-1] == [place for _, end in spans[:-1] for place in (end, end)]
    assert (spans[0][0], spans[-1][1]) == (start, stop)
    numbers = [{played.piece_at(at).number for at in range(*span)} for span in spans]
    assert all(len(each) == 1 for each in numbers)
    assert all(one != other for one, other in zip(numbers, numbers[1:]))


def test_a_sample_belongs_to_the_piece_of_its_first_byte():
    """Pieces need not end with whole frames."""
    whole = loud(6)
    played = PlayedAudio([piece(whole[:3], 0, number=1), piece(whole[3:4], 1, number=2), piece(whole[4:], 2, number=3)])
    assert played.data == whole
    assert [played.piece_at(at).number for at in range(6)] == [1, 1, 3, 3, 3, 3]


def test_how_long_nothing_was_there_to_play():
    """Between the pieces of two samples, all gaps together; pieces that overlap have none."""
    played = PlayedAudio([piece(loud(10), 0, 10), piece(loud(10), 15, 25), piece(loud(10), 20, 30), piece(loud(10), 100, 110)])
    assert [played.dry_ns(*ends) // MS for ends in ((0, 9), (9, 10), (5, 25), (0, 39), (30, 39))] == [0, 5, 5, 75, 0]


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([], []),
        ([(0, 0, MONO), (0, 5, MONO)], [(0, 2)]),
        ([(0, 0, MONO), (0, 5, STEREO), (0, 9, MONO)], [(0, 1), (5, 1), (9, 1)]),
        ([(1, 3, MONO), (0, 0, MONO), (1, 4, MONO)], [(0, 1), (3, 2)]),
        ([(0, 0, MONO), (0, 1, Pcm(16000, 1))], [(0, 1), (1, 1)]),
    ],
    ids=["nothing", "one stream", "a format that comes back", "streams at once", "another rate"],
)
def test_pieces_are_put_together_by_stream_and_format(pieces, expected):
    """In the order in which the runs began."""
    found = played_streams([piece(loud(10), at_ms, pcm=pcm, stream=stream) for stream, at_ms, pcm in pieces])
    assert [(one.begins_ns // MS, len(one.pieces)) for one in found] == expected


def test_raw_bytes_are_kept_as_they_were_played():
    """What something looks like is read off them; its samples are folded."""
    played = PlayedAudio([piece(pcm16([1, 1, 2, 2]), pcm=STEREO), piece(pcm16([3, 3]) + b"\x01", pcm=STEREO)])
    assert played.raw == pcm16([1, 1, 2, 2, 3, 3]) + b"\x01"
    assert played.samples(0, 3) == array("h", [1, 2, 3])
