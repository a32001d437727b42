"""webm, and any other Matroska, that comes in pieces cut anywhere: the Opus packets of its first audio track.

Browsers write such streams (``MediaRecorder``): segments and clusters without a size, whose end shows only by what comes next. So the tree
is not built: what holds others is entered, what holds data is awaited whole, and the rest is skipped as it comes. No element that matters
has two meanings.

Sources: RFC 8794 (EBML), RFC 9559 (Matroska: elements, lacing), https://www.webmproject.org/docs/container/.
"""

from __future__ import annotations

from typing import Iterator, List, Optional, Tuple, Union

from evi_harness.containers.opus_packets import OpusHead, OpusRun, added, head_of
from evi_harness.containers.packet_stream import PacketStream
from evi_harness.errors import ContainerError

__all__ = ["EBML", "WebmStream"]

# What a stream begins with.
EBML = b"\x1aE\xdf\xa3"

_EBML, _DOC_TYPE = 0x1A45DFA3, 0x4282
_SEGMENT, _CLUSTER, _BLOCK_GROUP = 0x18538067, 0x1F43B675, 0xA0
_SIMPLE_BLOCK, _BLOCK = 0xA3, 0xA1
_TRACKS, _TRACK, _TRACK_NUMBER, _TRACK_TYPE = 0x1654AE6B, 0xAE, 0xD7, 0x83
_CODEC, _CODEC_PRIVATE, _ENCODINGS = 0x86, 0x63A2, 0x6D80
_ENTERED = frozenset((_SEGMENT, _CLUSTER, _BLOCK_GROUP))
_AWAITED = frozenset((_EBML, _TRACKS, _SIMPLE_BLOCK, _BLOCK))
_AUDIO = 2
# A block of audio has some hundred bytes, one of video a picture; what is skipped may be an attachment.
_MAX_AWAITED = 4 << 20
_MAX_SKIPPED = 64 << 20
_CUT = "a webm block is cut off"


class WebmStream(PacketStream):
    """A stream of webm."""

    def __init__(self) -> None:
        super().__init__()
        self._n_to_skip = 0
        self._has_begun = False
        self._track: Optional[int] = None
        self._head: Optional[OpusHead] = None

    def _step(self, runs: List[OpusRun]) -> bool:
        """Read the next element; False where more has to come first."""
        if self._n_to_skip:
            n = min(self._n_to_skip, len(self._data))
            del self._data[:n]
            self._n_to_skip -= n
            return n > 0 and not self._n_to_skip
        opening = _opening(self._data, 0)
        if opening is None:
            return False
        element, size, start = opening
        if not self._has_begun and element != _EBML:
            raise ContainerError("it does not begin as webm does")
        if element in _ENTERED:
            del self._data[:start]
            return True
        if size is None:
            raise ContainerError(f"the webm element {element:X} has no size")
        if element not in _AWAITED:
            if size > _MAX_SKIPPED:
                raise ContainerError(f"the webm element {element:X} has {size} bytes")
            del self._data[:start]
            self._n_to_skip = size
            return size == 0 or self._step(runs)
        if size > _MAX_AWAITED:
            raise ContainerError(f"the webm element {element:X} has {size} bytes")
        if len(self._data) < start + size:
            return False
        content = bytes(self._data[start : start + size])
        del self._data[: start + size]
        self._take(element, content, runs)
        return True

    def _take(self, element: int, content: bytes, runs: List[OpusRun]) -> None:
        if element == _EBML:
            kinds = [value for child, value in _children(content) if child == _DOC_TYPE]
            if kinds and kinds[0].rstrip(b"\0") not in (b"webm", b"matroska"):
                raise ContainerError("it is EBML, but not webm")
            self._has_begun, self._track, self._head = True, None, None
        elif element == _TRACKS:
            self._track, self._head = _audio_track(content)
        elif self._head is None:
            raise ContainerError("it has audio or video before its track descriptions")
        else:
            track, packets = _packets(content)
            if track == self._track:
                added(runs, self._head, [packet for packet in packets if packet])


def _audio_track(content: bytes) -> Tuple[int, OpusHead]:
    """The number and the header of the first audio track."""
    for element, track in _children(content):
        fields = dict(_children(track)) if element == _TRACK else {}
        if int.from_bytes(fields.get(_TRACK_TYPE, b""), "big") != _AUDIO:
            continue
        codec = fields.get(_CODEC, b"").rstrip(b"\0").decode("ascii", "replace")
        if codec != "A_OPUS":
            raise ContainerError(f"its audio is {codec[:20] or 'of an unnamed codec'}, not Opus")
        if _ENCODINGS in fields:
            raise ContainerError("its audio is also compressed or encrypted inside the container")
        return int.from_bytes(fields.get(_TRACK_NUMBER, b""), "big"), head_of(fields.get(_CODEC_PRIVATE, b""))
    raise ContainerError("it has no audio track")


def _packets(block: bytes) -> Tuple[int, List[bytes]]:
    """The track of a block, and its frames, laced or not."""
    track, place = _known(block, 0)
    if len(block) < place + 3:
        raise ContainerError(_CUT)
    # Behind the track a relative time, of two bytes, which says nothing that the packets do not.
    lacing = block[place + 2] >> 1 & 3
    place += 3
    if not lacing:
        return track, [block[place:]]
    if len(block) <= place:
        raise ContainerError(_CUT)
    n_behind = block[place]
    sizes, place = (_xiph, _fixed, _ebml)[lacing - 1](block, place + 1, n_behind)
    last = len(block) - place - sum(sizes)
    if last < 0 or min(sizes, default=0) < 0:
        raise ContainerError(_CUT)
    frames = []
    for size in (*sizes, last):
        frames.append(block[place : place + size])
        place += size
    return track, frames


def _xiph(block: bytes, place: int, n_sizes: int) -> Tuple[List[int], int]:
    """Sizes as sums of bytes, of which the last is less than 255."""
    sizes = []
    for _ in range(n_sizes):
        size = 0
        while place < len(block) and block[place] == 255:
            size, place = size + 255, place + 1
        if place >= len(block):
            raise ContainerError(_CUT)
        sizes.append(size + block[place])
        place += 1
    return sizes, place


def _fixed(block: bytes, place: int, n_sizes: int) -> Tuple[List[int], int]:
    """All of one size."""
    size, rest = divmod(len(block) - place, n_sizes + 1)
    if rest:
        raise ContainerError(_CUT)
    return [size] * n_sizes, place


def _ebml(block: bytes, place: int, n_sizes: int) -> Tuple[List[int], int]:
    """The first size, then differences, with the middle of their range as zero."""
    sizes: List[int] = []
    for _ in range(n_sizes):
        value, behind = _known(block, place)
        sizes.append(sizes[-1] + value - ((1 << 7 * (behind - place) - 1) - 1) if sizes else value)
        place = behind
    return sizes, place


def _children(content: bytes) -> Iterator[Tuple[int, bytes]]:
    """The elements in one that is whole."""
    place = 0
    while place < len(content):
        element, size, start = _opening(content, place) or (0, None, 0)
        if size is None or start + size > len(content):
            raise ContainerError("a webm element is cut off")
        yield element, content[start : start + size]
        place = start + size


def _opening(data: Union[bytes, bytearray], place: int) -> Optional[Tuple[int, Optional[int], int]]:
    """The id and the size (None: unknown) of the element at a place, and where its content begins; None where more has to come first."""
    if len(data) <= place:
        return None
    n = 9 - data[place].bit_length()
    if n > 4:
        raise ContainerError("a webm element has no id")
    found = _number(data, place + n)
    if found is None:
        return None
    return int.from_bytes(data[place : place + n], "big"), found[0], found[1]


def _number(data: Union[bytes, bytearray], place: int) -> Optional[Tuple[Optional[int], int]]:
    """A number of one to eight bytes (None: all ones, which is unknown) and what is behind it; None where more has to come first."""
    if len(data) <= place:
        return None
    n = 9 - data[place].bit_length()
    if n > 8:
        raise ContainerError("a webm element has no size that can be read")
    if len(data) < place + n:
        return None
    ones = (1 << 7 * n) - 1
    value = int.from_bytes(data[place : place + n], "big") & ones
    return None if value == ones else value, place + n


def _known(block: bytes, place: int) -> Tuple[int, int]:
    """A number within a block, and what is behind it."""
    value, behind = _number(block, place) or (None, 0)
    if value is None:
        raise ContainerError(_CUT)
    return value, behind
