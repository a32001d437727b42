"""Pace: how fast the time of a recording passes, mapped once for everything that depends on it.

What comes out is the recording itself at other times: player, recorded user, comparison and reports read it and know of no other axis. The
microphone and the speaker keep step by their cadence, which is ``speed`` times as fast.

Rules of living here: whole nanoseconds. A time at a speed is the recorded one divided by it, rounded down, so a delay is that of the
recording to within a nanosecond. Silence is shortened first, in recorded time, and what is left of it goes by at the speed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Iterable, Optional

from evi_harness.errors import Parameter, UsageError, Words
from evi_harness.replay.durations import duration_ns
from evi_harness.replay.played_recording import AS_RECORDED, MAX, PlayedRecording, Speed, moved
from evi_harness.replay.silences import with_short_silences
from evi_harness.session.protocols import Dialect
from evi_harness.session.turn import Speech

__all__ = ["Pace", "at_speed_ns", "max_gap_of", "paced", "speed_of"]


@dataclass(frozen=True)
class Pace:
    """How fast a recording goes by.

    Attributes:
        speed: How many times as fast as it was recorded; ``MAX`` (None) where nothing waits but for its cause.
        max_gap_ns: What a span in which nobody speaks and nothing is received is shortened to, in recorded time; None to leave all.

    Raises:
        ValueError: The speed is not above 0, or the gap is below 0.
    """

    speed: Speed = AS_RECORDED
    max_gap_ns: Optional[int] = None

    def __post_init__(self) -> None:
        if self.speed is not None and self.speed <= 0:
            raise ValueError(f"a speed is above 0, and {self.speed} is not")
        if self.max_gap_ns is not None and self.max_gap_ns < 0:
            raise ValueError(f"a gap is not below 0, and {self.max_gap_ns} ns is")


def paced(recording: PlayedRecording, dialect: Dialect, pace: Pace, speech: Iterable[Speech] = ()) -> PlayedRecording:
    """Put a recording at a pace.

    Args:
        recording: The recording, at the speed at which it was recorded.
        dialect: What its messages are in.
        pace: The pace; as recorded, it gives the recording back.
        speech: Where else the user speaks, on the position axis, besides what the service said: what a speech detector found.

    Returns:
        The recording on its new axis. At the greatest speed the axis is the order alone, a nanosecond a step.

    Raises:
        ValueError: The recording has a pace already.
    """
    if recording.speed != AS_RECORDED:
        raise ValueError("this recording already has a pace")
    if pace.max_gap_ns is not None:
        recording = with_short_silences(recording, dialect, pace.max_gap_ns, speech)
    if pace.speed == AS_RECORDED:
        return recording
    return moved(recording, dialect, lambda at_ns: at_speed_ns(at_ns, pace.speed), speed=pace.speed)


def at_speed_ns(at_ns: int, speed: Speed) -> int:
    """When something comes at a speed: the time divided by it, rounded down; at once at the greatest.

    Args:
        at_ns: When it came in the recording.
        speed: The speed.
    """
    return 0 if speed is None else at_ns * speed.denominator // speed.numerator


def speed_of(text: str) -> Speed:
    """Read a speed.

    Args:
        text: A factor above 0, such as ``2`` or ``0.5``, with or without an ``x`` behind it, or ``max``.

    Raises:
        UsageError: It is none of these.
    """
    said = text.strip().lower()
    if said == "max":
        return MAX
    if re.fullmatch(r"\d{1,18}(\.\d{1,18})?x?", said, re.ASCII) and Fraction(said.rstrip("x")) > 0:
        return Fraction(said.rstrip("x"))
    raise UsageError(Words(Parameter("speed"), f" {text!r} is not a speed"), hint="Give a factor above 0, such as 2 or 0.5, or max.")


def max_gap_of(text: str) -> int:
    """Read what spans are shortened to: nanoseconds.

    Args:
        text: A length of time, as ``duration_ns`` reads it.

    Raises:
        UsageError: It is invalid.
    """
    return duration_ns(text, "max_gap")
