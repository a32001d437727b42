"""Tests of ``webm_stream``: packets out of webm however it is cut, sized and laced; and what is refused."""

from __future__ import annotations

import pytest
from container_files import UNKNOWN, block, element, simple_blocks, webm
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.containers.webm_stream import WebmStream
from evi_harness.errors import ContainerError

HEAD = b"OpusHead\x01\x02\x38\x01\x80\xbb\x00\x00\x00\x00\x00"
PACKETS = [bytes([0xFC, number]) * (1 + number * 7 % 200) for number in range(40)]


def fed(stream, data, size=None):
    """All packets of data that comes in pieces."""
    pieces = [data] if size is None else [data[at : at + size] for at in range(0, len(data), size)]
    return [packet for piece in pieces for run in stream.feed(piece) for packet in run.packets]


@pytest.mark.parametrize("is_sized", [False, True])
@pytest.mark.parametrize("size", [1, 3, 50, 1000, None])
def test_packets_come_out_however_it_is_cut(size, is_sized):
    """Each is there once, in order; the pictures of the track beside it are not."""
    assert fed(WebmStream(), webm(HEAD, simple_blocks(PACKETS), is_sized=is_sized), size) == PACKETS


def test_a_packet_is_there_as_soon_as_it_is_whole():
    """Not only when the next one begins: a user's last word would come late."""
    file = webm(HEAD, [element(0xA3, block([packet])) for packet in PACKETS])
    stream = WebmStream()
    assert fed(stream, file[:-1]) == PACKETS[:-1]
    assert fed(stream, file[-1:]) == PACKETS[-1:]


@pytest.mark.parametrize("lacing", ["xiph", "ebml"])
@given(sizes=st.lists(st.integers(1, 700), min_size=1, max_size=20))
def test_lacing(lacing, sizes):
    """Several packets in a block, in both ways that have sizes: bytes are summed up, or differences are."""
    packets = [bytes([index + 1]) * size for index, size in enumerate(sizes)]
    assert fed(WebmStream(), webm(HEAD, [element(0xA3, block(packets, lacing=lacing))])) == packets


def test_lacing_without_sizes():
    """All packets are of one size."""
    packets = [bytes([index]) * 33 for index in range(8)]
    assert fed(WebmStream(), webm(HEAD, [element(0xA3, block(packets, lacing="fixed"))])) == packets


def test_blocks_in_groups():
    """As writers put them that give a length beside."""
    contents = [element(0xA1, block([packet])) + element(0x9B, b"\x14") for packet in PACKETS]
    for size in (None, UNKNOWN):
        assert fed(WebmStream(), webm(HEAD, [element(0xA0, content, size=size) for content in contents]), 100) == PACKETS


def test_a_recorder_that_begins_anew():
    """Another header begins another stream, whatever its track."""
    stream = WebmStream()
    runs = stream.feed(webm(HEAD, simple_blocks(PACKETS[:5])) + webm(HEAD, simple_blocks(PACKETS[5:])))
    assert [run.packets for run in runs] == [PACKETS[:5], PACKETS[5:]]
    assert runs[0].head is not runs[1].head


def test_what_is_not_needed_is_skipped_as_it_comes():
    """Cues, tags and an attachment of more than is ever kept, behind the audio and in front of more."""
    more = element(0x1941A469, bytes(5 << 20)) + element(0x1C53BB6B, b"\0" * 9) + element(0x1F43B675, b"".join(simple_blocks(PACKETS[:3])))
    stream = WebmStream()
    assert fed(stream, webm(HEAD, simple_blocks(PACKETS), more=more), 1 << 16) == [*PACKETS, *PACKETS[:3]]


@pytest.mark.parametrize(
    ("file", "named"),
    [
        (webm(HEAD, [], codec=b"A_VORBIS"), "A_VORBIS"),
        (webm(HEAD, [], kind=1), "audio track"),
        (webm(HEAD, [], doc_type=b"other"), "webm"),
        (webm(b"OpusHead", [element(0xA3, block([b"x"]))]), "Opus header"),
        (webm(HEAD[:8] + b"\x10" + HEAD[9:], []), "Opus header"),
        (webm(HEAD, [], encodings=element(0x6D80, b"")), "inside the container"),
        (webm(HEAD, [element(0xA3, b"\x81")]), "cut off"),
        (webm(HEAD, [element(0xA3, block([b"a", b"b" * 9], lacing="xiph")[:5] + b"\xff")]), "cut off"),
        (webm(HEAD, [element(0xA3, block([b"a"] * 3, lacing="fixed")[:-1])]), "cut off"),
        (webm(HEAD, [element(0xA3, block([b"a" * 9, b"b" * 99, b"c"], lacing="ebml")[:20])]), "cut off"),
        (webm(HEAD, [element(0xA3, b"", size=UNKNOWN)]), "A3"),
        (webm(HEAD, [element(0xA3, b"", size=5 << 20)]), str(5 << 20)),
        (webm(HEAD, [], more=element(0x1941A469, b"", size=1 << 40)), str(1 << 40)),
        (webm(HEAD, [], more=b"\x00"), "id"),
        (webm(HEAD, [], more=b"\xec\x00"), "size"),
        (element(0x1A45DFA3, b"\x42\x82\x8f") + b"", "cut off"),
        (element(0x1A45DFA3, b"") + element(0xA3, block([b"x"])), "before"),
        (b"\x18\x53\x80\x67\xff", "begin"),
    ],
)
def test_what_is_refused(file, named):
    """Each in words that say what is wrong with it."""
    with pytest.raises(ContainerError) as caught:
        fed(WebmStream(), file)
    assert named in caught.value.what
