"""The audio that an app passed on for playback, as observed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import List, Optional

from evi_harness.guard.place_lookup import Stack
from evi_harness.session.wav import Pcm

__all__ = ["Handed", "HandedOn", "Taken"]


@dataclass(frozen=True)
class Handed:
    """One item that an app handed on.

    Attributes:
        at_ns: When, in session time.
        samples: Its samples, or all of it where it has no header.
        pcm: The format in which its player is to play it, None where that is not known.
        standing: Where in the code it was handed on; empty where that is not known.
        why: Why its samples are not known, empty where they are.
    """

    at_ns: int
    samples: bytes
    pcm: Optional[Pcm]
    standing: Stack = ()
    why: str = ""


@dataclass(frozen=True)
class Taken:
    """An interruption that the handler has dealt with.

    Attributes:
        seq: The message that says so.
        at_ns: When the handler had returned, in session time.
        n_handed: How many items had been handed on by then.
    """

    seq: int
    at_ns: int
    n_handed: int


@dataclass
class HandedOn:
    """All that was observed of what one app handed on.

    Attributes:
        items: What was handed on, in order.
        taken: Interruptions, in time.
        is_watched: Whether all that the SDK's player was handed was watched.
        has_stream: Whether the handler has a stream whose items are played: it is to play.
    """

    items: List[Handed] = field(default_factory=list)
    taken: List[Taken] = field(default_factory=list)
    is_watched: bool = False
    has_stream: bool = False
