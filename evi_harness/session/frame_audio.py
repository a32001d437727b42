"""The audio of a frame, as a dialect's reader gives it: known when the frame is read, or looked for in its message when it is asked for.

Rules of living here: no payload is kept, only what was found in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Iterable, Optional, Tuple

from evi_harness.session.encoded_audio import base64_bytes
from evi_harness.session.events import Frame
from evi_harness.session.protocols import AudioPlace
from evi_harness.session.wav import Pcm, samples_in

__all__ = ["ASSISTANT", "USER", "Find", "KnownAudio", "MessageAudio", "played_ns"]

USER = "user"
ASSISTANT = "assistant"
# Finds the audio in a payload.
Find = Callable[[bytes], Tuple[AudioPlace, ...]]


@dataclass(frozen=True)
class KnownAudio:
    """Audio of which all is known; see ``FrameAudio``."""

    places: Tuple[AudioPlace, ...]
    length_ns: Optional[int]
    pcm: Optional[Pcm] = None
    has_header: bool = False


class MessageAudio:
    """Audio in base64 in a message; see ``FrameAudio``.

    Args:
        frame: The frame.
        find: Finds it in the frame's payload.
        track: Whose it is.
        pcm: The format in force behind it, None where none is known.
        has_header: Whether the user's begins with a header of its own.
    """

    __slots__ = ("_find", "_frame", "_measured", "_places", "_track", "has_header", "pcm")

    def __init__(self, frame: Frame, find: Find, track: str, pcm: Optional[Pcm] = None, *, has_header: bool = False) -> None:
        self._frame = frame
        self._find = find
        self._track = track
        self.pcm = pcm
        self.has_header = has_header
        self._places: Optional[Tuple[AudioPlace, ...]] = None
        self._measured: Optional[Tuple[Optional[int]]] = None

    @property
    def places(self) -> Tuple[AudioPlace, ...]:
        """Where it is."""
        if self._places is None:
            self._places = self._find(self._frame.payload)
        return self._places

    @property
    def length_ns(self) -> Optional[int]:
        """How long it plays."""
        if self._measured is None:
            self._measured = (self._measure_ns(),)
        return self._measured[0]

    def _measure_ns(self) -> Optional[int]:
        # Stored beside its message: to put that together would be to code the audio, look for it and decode it again.
        data = self._frame.audio
        if data is not None:
            return played_ns(data, self._track, self.pcm, has_header=self.has_header)
        return _sum(_played_in(self._frame.payload, place) for place in self.places) if self.places else None


def played_ns(data: bytes, track: str, pcm: Optional[Pcm], *, has_header: bool) -> Optional[int]:
    """Tell how long audio plays.

    Args:
        data: The audio, decoded from base64.
        track: Whose it is. Each piece of the assistant's may have a header of its own.
        pcm: The format in force for what has no header, None where none is known.
        has_header: Whether the user's begins with one.

    Returns:
        Nanoseconds, rounded down; None where the format is not known, but 0 where the user's is empty.
    """
    found = samples_in(data, len(data)) if has_header or track != USER else None
    if found is not None:
        return found[0].length_ns(found[2])
    if pcm is None:
        return 0 if not data and track == USER else None
    return pcm.length_ns(len(data))


def _played_in(payload: bytes, place: AudioPlace) -> Optional[int]:
    raw = payload[place.start : place.stop]
    data = base64_bytes(raw) if place.base64 else raw
    return None if data is None else played_ns(data, place.track, place.pcm, has_header=place.has_header)


def _sum(lengths_ns: Iterable[Optional[int]]) -> Optional[int]:
    total_ns = 0
    for length_ns in lengths_ns:
        if length_ns is None:
            return None
        total_ns += length_ns
    return total_ns
