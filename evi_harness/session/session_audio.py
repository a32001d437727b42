"""Where there is audio in a session, from one walk over it that all who ask share."""

from __future__ import annotations

from copy import copy
from functools import cached_property
from typing import Callable, Dict, Optional, Sequence, Tuple

from evi_harness.errors import AudioMissing
from evi_harness.session.events import Event, Handshake, Opened, Received, Sent
from evi_harness.session.position import Positions
from evi_harness.session.protocols import FrameAudio, Told, WireReader
from evi_harness.session.wav import Pcm

__all__ = ["SessionAudio"]


class SessionAudio:
    """What a dialect's reader says of the events of a session. ``Session.audio`` keeps the one of a session.

    Args:
        events: All events, ordered in time. The opening, if there is one, counts for what is behind it.
        new_reader: Makes a reader; see ``Dialect.reader``.

    Attributes:
        frames: The audio of each frame that holds some, by seq, whether or not the app got it out.
        told: What the session said of itself by its end.
    """

    def __init__(self, events: Sequence[Event], new_reader: Callable[[Optional[Handshake]], WireReader]) -> None:
        self._events = events
        self.frames: Dict[int, FrameAudio] = {}
        reader = new_reader(None)
        for event in events:
            if isinstance(event, (Sent, Received)):
                # What the app did not get out changes nothing for what comes behind it.
                reads = copy(reader) if isinstance(event, Sent) and event.outcome != "sent" else reader
                try:
                    audio = reads.read(event.kind, event.frame)
                except AudioMissing:
                    # Who needs the message itself will see that it is missing.
                    continue
                if audio is not None:
                    self.frames[event.seq] = audio
            elif isinstance(event, Opened):
                reader = new_reader(event.handshake)
        self.told: Told = reader.told

    def __contains__(self, event: object) -> bool:
        """Whether an event holds audio."""
        return isinstance(event, Event) and event.seq in self.frames

    def length_ns(self, seq: int) -> Optional[int]:
        """How long the audio of an event plays; None where it holds none, or that cannot be known.

        Raises:
            AudioMissing: As for ``FrameAudio.length_ns``.
        """
        audio = self.frames.get(seq)
        return None if audio is None else audio.length_ns

    def pcm(self, seq: int) -> Optional[Pcm]:
        """The format in force behind the audio of an event; None where it holds none, or that is not known."""
        audio = self.frames.get(seq)
        return None if audio is None else audio.pcm

    @cached_property
    def said(self) -> Tuple[Sent, ...]:
        """The user's audio that the app got out, frame by frame, in chronological order."""
        frames = self.frames
        return tuple(event for event in self._events if isinstance(event, Sent) and event.seq in frames and event.outcome == "sent")

    @cached_property
    def positions(self) -> Positions:
        """The position at each frame of ``said``. Nobody may add to it.

        Raises:
            AudioMissing: As for ``length_ns``.
        """
        positions, frames = Positions(), self.frames
        for event in self.said:
            positions.add(event.at_ns, frames[event.seq].length_ns)
        return positions
