"""webm and Ogg files made for the tests: webm out of packets, in every way in which a writer may put them; Ogg by libsndfile."""

from __future__ import annotations

import io
import struct

import soundfile

from evi_harness.containers.ogg_stream import OggStream

UNKNOWN = object()
LACINGS = ("none", "xiph", "fixed", "ebml")


def opus_ogg(samples, rate=48_000, channels=1):
    """An Ogg Opus file as libsndfile writes it; the samples are 16 bits."""
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", samplerate=rate, channels=channels, format="OGG", subtype="OPUS") as sound:
        sound.buffer_write(samples, dtype="int16")
    return file.getvalue()


def decoded(file):
    """What libsndfile decodes a whole file to, as 16 bits."""
    with soundfile.SoundFile(io.BytesIO(file)) as sound:
        return bytes(sound.buffer_read(dtype="int16"))


def packets_of(file):
    """The identification header and the packets of an Ogg Opus file."""
    (run,) = OggStream().feed(file)
    return file[28 : 28 + 19], run.packets


def number(value, n=None):
    """A number as EBML writes it, in so many bytes."""
    if value is UNKNOWN:
        return b"\x01" + b"\xff" * 7
    n = n or next(n for n in range(1, 9) if value < (1 << 7 * n) - 1)
    return (value | 1 << 7 * n).to_bytes(n, "big")


def element(identity, content, *, size=None, n=None):
    """An element; its size may be stated otherwise, or not at all."""
    raw = identity.to_bytes((identity.bit_length() + 7) // 8, "big")
    return raw + number(len(content) if size is None else size, n) + content


def block(packets, *, track=1, lacing="none", at_ms=0):
    """The content of a block with the packets in it."""
    flags = 0x80 | LACINGS.index(lacing) << 1
    start = number(track) + struct.pack(">hB", at_ms, flags)
    if lacing == "none":
        (packet,) = packets
        return start + packet
    start += bytes([len(packets) - 1])
    sizes = [len(packet) for packet in packets]
    if lacing == "xiph":
        start += b"".join(b"\xff" * (size // 255) + bytes([size % 255]) for size in sizes[:-1])
    elif lacing == "ebml":
        start += b"".join(number(size) if not index else signed(size - sizes[index - 1]) for index, size in enumerate(sizes[:-1]))
    return start + b"".join(packets)


def signed(value):
    """A difference as EBML lacing writes it."""
    n = next(n for n in range(1, 9) if abs(value) < (1 << 7 * n - 1) - 1)
    return number(value + (1 << 7 * n - 1) - 1, n)


def webm(head, blocks, *, codec=b"A_OPUS", kind=2, is_sized=False, per_cluster=7, more=b"", doc_type=b"webm", encodings=b""):
    """A file of an audio track (number 1) and a video track before it (number 2), of blocks that are whole elements."""
    video = element(0xAE, element(0xD7, b"\2") + element(0x83, b"\1") + element(0x86, b"V_VP8"))
    audio = element(0xAE, element(0xD7, b"\1") + element(0x83, bytes([kind])) + element(0x86, codec) + element(0x63A2, head) + encodings)
    clusters = b""
    for first in range(0, len(blocks), per_cluster):
        content = element(0xE7, b"\0") + b"".join(blocks[first : first + per_cluster])
        clusters += element(0x1F43B675, content, size=None if is_sized else UNKNOWN)
    content = (
        element(0xEC, bytes(30)) + element(0x1549A966, element(0x4D80, b"a test")) + element(0x1654AE6B, video + audio) + clusters + more
    )
    return element(0x1A45DFA3, element(0x4282, doc_type)) + element(0x18538067, content, size=None if is_sized else UNKNOWN)


def simple_blocks(packets):
    """Each packet in a block, as browsers write them, with a picture in between."""
    return [element(0xA3, block([packet])) + element(0xA3, block([b"picture"], track=2)) for packet in packets]
