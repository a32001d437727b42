"""Tests of ``ogg_stream`` and ``ogg_pages``: packets out of Ogg however it is cut, and a file out of packets that libsndfile reads."""

from __future__ import annotations

import array
import math
import struct

import pytest
from container_files import decoded, opus_ogg, packets_of

from evi_harness.containers.ogg_pages import checksum, opus_file
from evi_harness.containers.ogg_stream import OggStream
from evi_harness.containers.opus_packets import head_of, n_frames
from evi_harness.errors import ContainerError

TONE = array.array("h", (round(9000 * math.sin(place / 20 + math.sin(place / 3000))) for place in range(96_000))).tobytes()


@pytest.fixture(scope="module")
def file():
    """Two seconds of a tone."""
    return opus_ogg(TONE)


def fed(data, size=None):
    """All packets of data that comes in pieces."""
    stream = OggStream()
    pieces = [data] if size is None else [data[at : at + size] for at in range(0, len(data), size)]
    return [packet for piece in pieces for run in stream.feed(piece) for packet in run.packets]


def page(packets, *, serial=1, flags=0, is_open=False):
    """A page; its last packet goes on in the next one if it is open."""
    sizes = b"".join(b"\xff" * (len(packet) // 255) + bytes([len(packet) % 255]) for packet in packets)
    sizes = sizes[:-1] if is_open else sizes
    raw = struct.pack("<4sBBqIIIB", b"OggS", 0, flags, 0, serial, 0, 0, len(sizes)) + sizes + b"".join(packets)
    return raw[:22] + struct.pack("<I", checksum(raw)) + raw[26:]


HEAD = b"OpusHead\x01\x01\x38\x01\x80\xbb\x00\x00\x00\x00\x00"
START = page([HEAD], flags=2) + page([b"OpusTags" + bytes(8)])


def test_the_checksum_is_that_of_another_writer(file):
    """Of a page that libsndfile wrote."""
    assert checksum(file[:47]) == int.from_bytes(file[22:26], "little")


@pytest.mark.parametrize("size", [1, 7, 100, 5000])
def test_packets_come_out_however_it_is_cut(file, size):
    """The same as of the whole, and as long as what was written."""
    packets = fed(file, size)
    assert packets == packets_of(file)[1]
    assert 96_000 <= sum(map(n_frames, packets)) < 98_000


def test_a_file_that_is_written_is_decoded_as_the_one_it_came_of(file):
    """By libsndfile; the original says that less of its last packet is to be heard."""
    head, packets = packets_of(file)
    assert decoded(opus_file(head_of(head), 312, packets))[: len(TONE)] == decoded(file)


def test_packets_over_pages():
    """A packet of which a part stands on each of three pages; one whose beginning never came is left out."""
    long = b"\xfc" * 255 * 3
    pages = [page([long[:255]], is_open=True), page([long[255:510]], flags=1, is_open=True), page([long[510:], b"\xfcnext"], flags=1)]
    assert fed(START + b"".join(pages), 10) == [long, b"\xfcnext"]
    assert fed(START + pages[2]) == [b"\xfcnext"]
    assert fed(START + pages[0] + page([b"\xfcnext"])) == [b"\xfcnext"]


def test_streams_beside_and_behind_one_another():
    """The first one of Opus is heard, of those that begin together; then the one that is chained behind it."""
    together = page([b"\x80theora"], serial=7, flags=2) + page([HEAD], serial=1, flags=2) + page([HEAD], serial=3, flags=2)
    behind = page([b"OpusTags"]) + page([b"\xfc1"]) + page([b"picture"], serial=7) + page([b"\xfcother"], serial=3)
    chained = page([HEAD], serial=9, flags=2) + page([b"OpusTags"], serial=9) + page([b"\xfc2"], serial=9)
    runs = OggStream().feed(together + behind + chained)
    assert [run.packets for run in runs] == [[b"\xfc1"], [b"\xfc2"]]


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"Oggs", "page"),
        (START[:30] + b"x" + START[31:], "damaged"),
        (START + b"\0" * 27, "page"),
        (page([b"\x01vorbis"], flags=2) + page([b"x"]), "Vorbis"),
        (page([b"?"], flags=2) + page([b"x"]), "unknown"),
        (page([HEAD[:12]], flags=2), "Opus header"),
        (START[:22] + struct.pack("<I", 0) + START[26:], "damaged"),
        (START + b"".join(page([bytes(255) * 250], flags=index > 0, is_open=True) for index in range(20)), str(1 << 20)),
    ],
)
def test_what_is_refused(data, named):
    """Each in words that say what is wrong with it."""
    with pytest.raises(ContainerError) as caught:
        fed(data)
    assert named in caught.value.what


@pytest.mark.parametrize(
    ("packet", "frames"),
    [
        (b"\x00", 480),
        (b"\x18", 2880),
        (b"\x1b\x02", 5760),
        (b"\x60", 480),
        (b"\x69", 1920),
        (b"\x80", 120),
        (b"\xfc", 960),
        (b"\xfd", 1920),
        (b"\xfe", 1920),
        (b"\xff\x06", 5760),
        (b"", None),
        (b"\xff", None),
        (b"\xff\x00", None),
        (b"\xff\x07", None),
    ],
)
def test_how_long_a_packet_plays(packet, frames):
    """By its first bytes, as RFC 6716 has it; none is longer than 120 ms."""
    if frames is None:
        with pytest.raises(ContainerError):
            n_frames(packet)
    else:
        assert n_frames(packet) == frames
