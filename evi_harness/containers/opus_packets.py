"""Opus packets as their containers hold them, without their being decoded.

Sources: RFC 6716 section 3.1 (the first byte of a packet gives how long it plays), RFC 7845 section 5.1 (the identification header).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import List, NamedTuple

from evi_harness.errors import ContainerError

__all__ = ["OPUS_RATE", "OpusHead", "OpusRun", "added", "head_of", "n_frames"]

# Whatever was encoded, Opus counts, and is decoded here, at this rate.
OPUS_RATE = 48_000
_MAX_FRAMES = OPUS_RATE * 120 // 1000
_FIXED_HEAD = struct.Struct("<8sBBHIhB")
# Of one frame, in frames at 48 kHz: four configurations of SILK and CELT, two of the hybrid of both.
_SILK, _HYBRID, _CELT = (480, 960, 1920, 2880), (480, 960), (120, 240, 480, 960)


@dataclass(frozen=True)
class OpusHead:
    """The identification header of an Opus stream.

    Attributes:
        channels: How many.
        pre_skip: So many frames at 48 kHz at the beginning are not sound of the stream's.
        gain: What the decoder amplifies by, in 1/256 dB.
        mapping: The mapping family and its table, as the header has them.
    """

    channels: int
    pre_skip: int
    gain: int
    mapping: bytes

    def content(self, pre_skip: int) -> bytes:
        """The header's bytes, with another pre-skip, for an input of 48 kHz: libsndfile decodes at the rate that it finds there."""
        family = self.mapping[0]
        return _FIXED_HEAD.pack(b"OpusHead", 1, self.channels, pre_skip, OPUS_RATE, self.gain, family) + self.mapping[1:]


class OpusRun(NamedTuple):
    """Packets that follow one another in one stream.

    Attributes:
        head: The stream; another stream has another object.
        packets: The packets; none is empty.
    """

    head: OpusHead
    packets: List[bytes]


def head_of(content: bytes) -> OpusHead:
    """Read an identification header.

    Args:
        content: The first packet of a stream in Ogg, ``CodecPrivate`` in webm.

    Raises:
        ContainerError: It is not an Opus header, or of a version that did not exist in 2026.
    """
    if len(content) < _FIXED_HEAD.size or content[:8] != b"OpusHead":
        raise ContainerError("its Opus header cannot be read")
    _, version, channels, pre_skip, _, gain, family = _FIXED_HEAD.unpack_from(content)
    table = content[_FIXED_HEAD.size : _FIXED_HEAD.size + 2 + channels] if family else b""
    if version >= 16 or not channels or (family and len(table) != 2 + channels) or (not family and channels > 2):
        raise ContainerError("its Opus header cannot be read")
    return OpusHead(channels, pre_skip, gain, bytes([family]) + table)


def n_frames(packet: bytes) -> int:
    """Tell how long a packet plays.

    Returns:
        Frames at 48 kHz, 120 to 5760.

    Raises:
        ContainerError: It is not a packet of Opus.
    """
    if packet:
        config, code = packet[0] >> 3, packet[0] & 3
        one = _SILK[config & 3] if config < 12 else _HYBRID[config & 1] if config < 16 else _CELT[config & 3]
        count = (1, 2, 2, packet[1] & 63 if len(packet) > 1 else 0)[code]
        if 0 < one * count <= _MAX_FRAMES:
            return one * count
    raise ContainerError("a packet in it is not Opus")


def added(runs: List[OpusRun], head: OpusHead, packets: List[bytes]) -> None:
    """Add packets to the runs that were found, to the last one where it is of the same stream."""
    if runs and runs[-1].head is head:
        runs[-1].packets.extend(packets)
    elif packets:
        runs.append(OpusRun(head, packets))
