"""A container that comes in pieces cut anywhere: what reading webm and Ogg have in common."""

from __future__ import annotations

from typing import List

from evi_harness.containers.opus_packets import OpusRun

__all__ = ["PacketStream"]


class PacketStream:
    """Reads one stream, or several that follow one another."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> List[OpusRun]:
        """Take the next piece.

        Args:
            data: The bytes that follow those before.

        Returns:
            The packets that are whole by now and were not before.

        Raises:
            ContainerError: It is damaged, of another kind, or its audio is not Opus. Nothing more can be read then.
        """
        self._data += data
        runs: List[OpusRun] = []
        while self._step(runs):
            pass
        return runs

    def _step(self, runs: List[OpusRun]) -> bool:
        """Read the next element; False where more has to come first."""
        raise NotImplementedError
