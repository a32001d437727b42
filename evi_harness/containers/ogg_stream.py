"""Ogg that comes in pieces cut anywhere: the Opus packets of its first Opus stream, and of those chained behind it.

Sources: RFC 3533 (pages, packets over pages, multiplexed and chained streams), RFC 7845 (Opus in Ogg).
"""

from __future__ import annotations

import struct
from typing import List, Optional

from evi_harness.containers.ogg_pages import OGG, checksum
from evi_harness.containers.opus_packets import OpusHead, OpusRun, added, head_of
from evi_harness.containers.packet_stream import PacketStream
from evi_harness.errors import ContainerError

__all__ = ["OggStream"]

_PAGE = struct.Struct("<4sBBqIIIB")
_CONTINUED, _FIRST = 1, 2
# Of a packet: none of Opus is longer, but the comments behind the header may hold a picture.
_MAX_PACKET = 1 << 20


class OggStream(PacketStream):
    """A stream of Ogg."""

    def __init__(self) -> None:
        super().__init__()
        # Streams begin together, before anything else of them comes; what begins behind that is the next in a chain.
        self._is_beginning = False
        self._serial: Optional[int] = None
        self._head: Optional[OpusHead] = None
        self._has_comments = False
        self._begun_packet: Optional[bytearray] = None
        self._other = "unknown"

    def _step(self, runs: List[OpusRun]) -> bool:
        """Read the next page; False where more has to come first."""
        if not OGG.startswith(bytes(self._data[:4])):
            raise ContainerError("an Ogg page is missing or damaged")
        if len(self._data) < _PAGE.size:
            return False
        _, version, flags, _, serial, _, given, n_segments = _PAGE.unpack_from(self._data)
        start = _PAGE.size + n_segments
        sizes = bytes(self._data[_PAGE.size : start])
        stop = start + sum(sizes)
        if len(sizes) < n_segments or len(self._data) < stop:
            return False
        page = bytes(self._data[:stop])
        del self._data[:stop]
        if version or checksum(page) != given:
            raise ContainerError("an Ogg page is missing or damaged")
        if flags & _FIRST:
            self._begin(serial, page[start:])
        else:
            self._is_beginning = False
            if self._head is None:
                raise ContainerError(f"its audio is {self._other}, not Opus")
            if serial == self._serial:
                added(runs, self._head, self._packets(page, start, sizes, is_continued=bool(flags & _CONTINUED)))
        return True

    def _begin(self, serial: int, content: bytes) -> None:
        if not self._is_beginning:
            self._is_beginning, self._head = True, None
        if self._head is None:
            if content[:8] == b"OpusHead":
                self._serial, self._head = serial, head_of(content)
                self._has_comments, self._begun_packet = False, None
            else:
                self._other = _kind(content)

    def _packets(self, page: bytes, place: int, sizes: bytes, *, is_continued: bool) -> List[bytes]:
        # A packet whose beginning, or end, did not come is none.
        packet = self._begun_packet if is_continued else bytearray()
        packets = []
        for size in sizes:
            if packet is not None:
                packet += page[place : place + size]
                if len(packet) > _MAX_PACKET:
                    raise ContainerError(f"a packet in it has more than {_MAX_PACKET} bytes")
            place += size
            if size < 255:
                if packet and self._has_comments:
                    packets.append(bytes(packet))
                self._has_comments = True
                packet = bytearray()
        self._begun_packet = packet if sizes and sizes[-1] == 255 else None
        return packets


def _kind(content: bytes) -> str:
    """What else may be in Ogg, by the first bytes of its first packet."""
    kinds = {b"\x01vorbis": "Vorbis", b"\x7fFLAC": "FLAC", b"Speex": "Speex", b"\x80theora": "Theora"}
    return next((kind for start, kind in kinds.items() if content.startswith(start)), "unknown")
