"""The process that runs resampling and speech detection for all chats of a server, on its own processor core.

Rules of living here: chats take turns, a slice of audio each, so that one that sends minutes at once does not hold up the others.
"""

from __future__ import annotations

import selectors
import socket
import struct
from collections import deque
from typing import TYPE_CHECKING, Callable, Deque, Dict, List, Optional, Sequence, Tuple, cast

from evi_harness.acts.serve.own_end import named_channel, own_channel
from evi_harness.session.protocols import Mark
from evi_harness.session.wav import Pcm

if TYPE_CHECKING:
    from evi_harness.audio.ear import Ear, Judging

__all__ = ["HEARD", "MARK", "PIECE", "hear_channel"]

# A piece of audio: whose, where it begins, its format, how many bytes follow. No bytes and no rate: this ear is needed no more.
PIECE = struct.Struct("!IqIHBI")
# What was heard in pieces: whose, how many bytes of audio that was, how many marks follow.
HEARD = struct.Struct("!III")
MARK = struct.Struct("!qqd")

# About a third of a second of mono at 48 kHz.
SLICE_BYTES = 32 * 1024
READ_BYTES = 256 * 1024
# How far what lies one behind the other may seem to lie apart.
ROUNDING_NS = 1000

# Where it begins, its format, and what is still to be heard of it.
_Piece = Tuple[int, Pcm, memoryview]


def hear_channel(descriptor: int) -> None:
    """Be the process: hear what comes over a channel, until it ends.

    Args:
        descriptor: This end of the channel.
    """
    with own_channel(descriptor) as channel:
        make, name = _ears()
        named_channel(channel, name)
        _Listeners(channel, make).run()


def _ears() -> Tuple[Callable[[], Ear], str]:
    """What makes an ear, and the name of its detector; all that it needs is loaded."""
    from evi_harness.audio.ear import Ear
    from evi_harness.audio.silero import detector_maker

    make = detector_maker()
    first = Ear(make())
    # The libraries that are imported where they are needed.
    first.hear(bytes(9600), Pcm(48_000, 1), 0)
    return lambda: Ear(make()), first.name


class _Listeners:
    """The ears of all chats and what they have still to hear."""

    def __init__(self, channel: socket.socket, make: Callable[[], Ear]) -> None:
        self._channel = channel
        self._make = make
        self._ears: Dict[int, Ear] = {}
        self._waiting: Dict[int, Deque[_Piece]] = {}
        self._read = bytearray()

    def run(self) -> None:
        """Hear until the channel ends."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._channel, selectors.EVENT_READ)
            while True:
                if selector.select(0 if self._waiting else None):
                    data = self._channel.recv(READ_BYTES)
                    if not data:
                        return
                    self._read += data
                    self._sort()
                self._round()

    def _sort(self) -> None:
        """Give what has come to the ears that it is for."""
        at = 0
        while len(self._read) - at >= PIECE.size:
            number, start_ns, rate, channels, width, size = PIECE.unpack_from(self._read, at)
            if len(self._read) - at - PIECE.size < size:
                break
            samples = bytes(self._read[at + PIECE.size : at + PIECE.size + size])
            at += PIECE.size + size
            if rate:
                self._waiting.setdefault(number, deque()).append((start_ns, Pcm(rate, channels, width), memoryview(samples)))
            else:
                self._waiting.pop(number, None)
                self._ears.pop(number, None)
        del self._read[:at]

    def _round(self) -> None:
        """Let each chat be heard for a slice, all of them together, and say what was heard."""
        begun: List[Tuple[int, int, Ear, Judging]] = []
        for number, pieces in list(self._waiting.items()):
            ear = self._ears.get(number)
            if ear is None:
                ear = self._ears[number] = self._make()
            start_ns, pcm, samples = _slice(pieces)
            begun.append((number, len(samples), ear, ear.judging(samples, pcm, start_ns)))
            if not pieces:
                del self._waiting[number]
        marks = _judge([(ear, judging) for _, _, ear, judging in begun])
        said: List[bytes] = []
        for (number, n_bytes, _, _), heard in zip(begun, marks):
            said.append(HEARD.pack(number, n_bytes, len(heard)))
            said.extend(MARK.pack(mark.start_ns, mark.end_ns, mark.probability) for mark in heard)
        if said:
            self._channel.sendall(b"".join(said))


def _judge(begun: Sequence[Tuple[Ear, Judging]]) -> List[List[Mark]]:
    """Go through what several ears have to hear, block by block, with the blocks of all of them judged together; gives each one's marks."""
    from evi_harness.audio.silero import judge_together

    found: List[List[Mark]] = [[] for _ in begun]
    answers: Dict[int, Optional[float]] = dict.fromkeys(range(len(begun)))
    while answers:
        blocks: Dict[int, bytes] = {}
        for place, answer in answers.items():
            try:
                # A generator that has not begun takes None.
                blocks[place] = begun[place][1].send(cast(float, answer))
            except StopIteration as end:
                found[place] = end.value
        heard = judge_together([(begun[place][0].detector, block) for place, block in blocks.items()])
        answers = dict(zip(blocks, heard))
    return found


def _slice(pieces: Deque[_Piece]) -> Tuple[int, Pcm, bytes]:
    """Take what is to be heard next: pieces that lie one behind the other as one, since each call costs as much as their sound."""
    start_ns, pcm, view = pieces.popleft()
    size = max(SLICE_BYTES // pcm.frame_bytes, 1) * pcm.frame_bytes
    if len(view) > size:
        pieces.appendleft((start_ns + pcm.length_ns(size), pcm, view[size:]))
        return start_ns, pcm, bytes(view[:size])
    samples = bytes(view)
    while pieces and len(samples) < size and pieces[0][1] == pcm:
        # Lengths are rounded down, each of them.
        if abs(pieces[0][0] - start_ns - pcm.length_ns(len(samples))) > ROUNDING_NS:
            break
        samples += pieces.popleft()[2]
    return start_ns, pcm, samples
