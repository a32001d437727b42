"""Opus decoded piece by piece by libsndfile, which decodes files only.

Every piece is written as a separate file, after the packets before it: after some packets, a decoder that starts in the middle of a stream
gives the same output as one that has decoded all of it. With sixteen (320 ms of what browsers send) both differ by at most one step of 16
bits; in Opus's mode for speech at low rates, which remembers more, by up to a hundredth of full scale, which no detector minds.
"""

from __future__ import annotations

import io
from collections import deque
from typing import Deque, Sequence

from evi_harness.containers.ogg_pages import opus_file
from evi_harness.containers.opus_packets import OPUS_RATE, OpusHead, n_frames
from evi_harness.errors import ContainerError
from evi_harness.session.wav import Pcm

__all__ = ["RUN_UP", "OpusDecoder"]

# How many packets are decoded once more before each piece.
RUN_UP = 16


class OpusDecoder:
    """Decodes one stream.

    Args:
        head: The stream's identification header.

    Attributes:
        pcm: What it decodes to: 16 bits at 48 kHz, with the channels of the stream.
    """

    def __init__(self, head: OpusHead) -> None:
        self.pcm = Pcm(OPUS_RATE, head.channels)
        self._head = head
        self._latest: Deque[bytes] = deque(maxlen=RUN_UP)
        self._n_packets = 0
        # Frames of the packets so far, those included that are no sound of the stream's.
        self._n_frames = 0

    def decode(self, packets: Sequence[bytes]) -> bytes:
        """Decode the packets that follow those before.

        Args:
            packets: At least one.

        Returns:
            Their samples; those of all pieces together are the stream's.

        Raises:
            ContainerError: They cannot be decoded.
        """
        run = [*self._latest, *packets]
        pre_skip = self._head.pre_skip if self._n_packets <= RUN_UP else 0
        before = max(0, self._n_frames - self._head.pre_skip)
        self._n_frames += sum(map(n_frames, packets))
        self._n_packets += len(packets)
        self._latest.extend(packets)
        n_new = max(0, self._n_frames - self._head.pre_skip) - before
        if not n_new:
            return b""
        samples = _decoded(opus_file(self._head, pre_skip, run))
        n_bytes = n_new * self.pcm.frame_bytes
        if len(samples) < n_bytes:
            raise ContainerError("its Opus cannot be decoded")
        return samples[-n_bytes:]


def _decoded(file: bytes) -> bytes:
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(file)) as sound:
            return bytes(sound.buffer_read(dtype="int16"))
    except (soundfile.SoundFileError, RuntimeError):
        raise ContainerError("its Opus cannot be decoded") from None
