"""The user's audio in containers: webm as browsers record it, and Ogg, both with Opus.

A container comes in pieces that are cut anywhere, and what follows its beginning does not say that it belongs to it. So a container goes
on until something else begins: another one, or audio with a header.
"""

from __future__ import annotations

from typing import Callable, List, Optional, Protocol, Sequence, Tuple

from evi_harness.containers.ogg_pages import OGG
from evi_harness.containers.ogg_stream import OggStream
from evi_harness.containers.opus_packets import OPUS_RATE, OpusHead, OpusRun, n_frames
from evi_harness.containers.packet_stream import PacketStream
from evi_harness.containers.webm_stream import EBML, WebmStream
from evi_harness.errors import ContainerError
from evi_harness.session.wav import Pcm

__all__ = ["MAX_MESSAGE_S", "EncodedUplink", "OpusDecoding"]

# No recorder sends so much at once, and some kilobytes of packets can hold hours.
MAX_MESSAGE_S = 10
_STARTS = (EBML, OGG)
_OPENED = "the simulator opens only WAV, and webm and Ogg with Opus"
# What else is known by its first bytes, at which of them, and what it is.
_OTHERS: Tuple[Tuple[int, bytes, str], ...] = (
    (4, b"ftyp", "MP4, as Safari's MediaRecorder writes it"),
    (0, b"fLaC", "FLAC"),
    (0, b"ID3", "MP3"),
    (0, b"\xff\xfb", "MP3"),
    (0, b"\xff\xf1", "AAC"),
)


class OpusDecoding(Protocol):
    """Decodes one stream of Opus packets, piece by piece.

    Attributes:
        pcm: What it decodes to.
    """

    pcm: Pcm

    def decode(self, packets: Sequence[bytes]) -> bytes:
        """The samples of the packets that follow those before; ``ContainerError`` where they cannot be decoded."""


class EncodedUplink:
    """Opens the containers in the audio of one session.

    Args:
        open_decoder: Makes the decoder of a stream.
    """

    def __init__(self, open_decoder: Callable[[OpusHead], OpusDecoding]) -> None:
        self._open_decoder = open_decoder
        self._stream: Optional[PacketStream] = None
        self._start = b""
        self._head: Optional[OpusHead] = None
        self._decoder: Optional[OpusDecoding] = None

    def forget(self) -> None:
        """Audio that is in no container has come: what comes next continues none."""
        self._stream, self._start, self._head, self._decoder = None, b"", None, None

    def take(self, data: bytes) -> List[Tuple[Pcm, bytes]]:
        """Take the next piece of a container.

        Args:
            data: Not empty.

        Returns:
            What can be heard by now and could not before: formats and whole frames. Often nothing.

        Raises:
            ContainerError: It is in no container, in one that is not opened, or cannot be read.
        """
        if self._stream is None or data.startswith(EBML) or (data.startswith(OGG) and not isinstance(self._stream, OggStream)):
            data = self._start + data
            if len(data) < len(EBML) and any(start.startswith(data) for start in _STARTS):
                self._start = data
                return []
            self.forget()
            self._stream = _stream(data)
        runs = self._stream.feed(data)
        if sum(map(n_frames, (packet for run in runs for packet in run.packets))) > MAX_MESSAGE_S * OPUS_RATE:
            raise ContainerError(f"more than {MAX_MESSAGE_S} s of it came in one message")
        return [heard for run in runs for heard in self._decoded(run)]

    def _decoded(self, run: OpusRun) -> List[Tuple[Pcm, bytes]]:
        if self._decoder is None or run.head is not self._head:
            self._head, self._decoder = run.head, self._open_decoder(run.head)
        samples = self._decoder.decode(run.packets)
        return [(self._decoder.pcm, samples)] if samples else []


def _stream(data: bytes) -> PacketStream:
    if data.startswith(EBML):
        return WebmStream()
    if data.startswith(OGG):
        return OggStream()
    for place, start, kind in _OTHERS:
        if data[place:].startswith(start):
            raise ContainerError(f"it looks like {kind}, and {_OPENED}")
    raise ContainerError(f"no format was declared for it, or an impossible one, and {_OPENED}")
