"""The process that makes the voices of a server's chats.

A voice is made by nothing but Python, for milliseconds a second of it. In a thread of the server's that would halve the pace of all chats:
both would have to take turns with the interpreter, every few microseconds.

Rules of living here: one voice after another; which is next is for the parent to say.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Optional

from evi_harness.acts.serve.own_end import named_channel, own_channel
from evi_harness.session.wav import Pcm
from evi_harness.simulate.voice import spoken

if TYPE_CHECKING:
    import socket

__all__ = ["MADE", "WANTED", "make_voices"]

# A voice that is wanted: its seed, its format, how many bytes of text follow, in UTF-8 with surrogates.
WANTED = struct.Struct("!qIHBI")
# A voice that is made: how many bytes of samples follow.
MADE = struct.Struct("!I")


def make_voices(descriptor: int) -> None:
    """Be the process: make what is wanted over a channel, until it ends.

    Args:
        descriptor: This end of the channel.
    """
    with own_channel(descriptor) as channel:
        named_channel(channel, "voice")
        while True:
            head = _exactly(channel, WANTED.size)
            if head is None:
                return
            seed, rate, channels, width, size = WANTED.unpack(head)
            text = _exactly(channel, size)
            if text is None:
                return
            samples = spoken(text.decode("utf-8", "surrogatepass"), seed, Pcm(rate, channels, width))
            channel.sendall(MADE.pack(len(samples)) + samples)


def _exactly(channel: socket.socket, size: int) -> Optional[bytes]:
    """So many bytes, None where the parent has gone."""
    read = bytearray()
    while len(read) < size:
        data = channel.recv(size - len(read))
        if not data:
            return None
        read += data
    return bytes(read)
