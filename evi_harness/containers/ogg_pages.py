"""Ogg pages written: an Ogg Opus file out of packets, for a decoder that takes only files.

Sources: RFC 3533 (pages, their checksum), RFC 7845 (the two headers, granule positions).
"""

from __future__ import annotations

import struct
import zlib
from typing import List, Sequence

from evi_harness.containers.opus_packets import OpusHead, n_frames
from evi_harness.errors import ContainerError

__all__ = ["OGG", "checksum", "opus_file"]

# What every page begins with.
OGG = b"OggS"
_PAGE = struct.Struct("<4sBBqIIIB")
_CHECKSUM = slice(22, 26)
_SERIAL = 1
_FIRST, _LAST = 2, 4
_MAX_SEGMENTS = 255
_TAGS = b"OpusTags" + struct.pack("<I", 0) + struct.pack("<I", 0)
# Each byte with its bits in the other order.
_TURNED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def checksum(page: bytes) -> int:
    """The checksum of a page, whose own field counts as zeros.

    It is zlib's polynomial with the bits of every byte, and of the result, in the other order, and with no bit turned before or after.
    """
    turned = (page[: _CHECKSUM.start] + bytes(4) + page[_CHECKSUM.stop :]).translate(_TURNED)
    value = zlib.crc32(turned, 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(value.to_bytes(4, "little").translate(_TURNED), "big")


def opus_file(head: OpusHead, pre_skip: int, packets: Sequence[bytes]) -> bytes:
    """Write a file.

    Args:
        head: The stream that the packets are of.
        pre_skip: So many frames at 48 kHz of them are to be left out at the beginning, in place of the stream's own.
        packets: At least one.

    Returns:
        The file.

    Raises:
        ContainerError: A packet is not Opus, or too long for a page.
    """
    pages = [_page(_FIRST, 0, 0, [head.content(pre_skip)]), _page(0, 0, 1, [_TAGS])]
    batch: List[bytes] = []
    n_segments = at = 0
    for number, packet in enumerate(packets):
        its = len(packet) // 255 + 1
        if its > _MAX_SEGMENTS:
            raise ContainerError(f"a packet in it has {len(packet)} bytes")
        if n_segments + its > _MAX_SEGMENTS:
            pages.append(_page(0, at, len(pages), batch))
            batch, n_segments = [], 0
        batch.append(packet)
        n_segments += its
        at += n_frames(packet)
        if number == len(packets) - 1:
            pages.append(_page(_LAST, at, len(pages), batch))
    return b"".join(pages)


def _page(flags: int, granule: int, number: int, packets: Sequence[bytes]) -> bytes:
    """A page of whole packets, whose last one ends at a granule position."""
    sizes = b"".join(b"\xff" * (len(packet) // 255) + bytes([len(packet) % 255]) for packet in packets)
    head = _PAGE.pack(OGG, 0, flags, granule, _SERIAL, number, 0, len(sizes))
    page = head + sizes + b"".join(packets)
    return page[: _CHECKSUM.start] + struct.pack("<I", checksum(page)) + page[_CHECKSUM.stop :]
