"""The time axis of a replayed session, as a user gives it: which part, and how fast.

Rules of living here: words in, a recording out; what they mean is decided in the replay room.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Optional, Union

from evi_harness.dialects import dialect_of
from evi_harness.replay.cutting import Window, cut
from evi_harness.replay.moments import place_of
from evi_harness.replay.pace import Pace, max_gap_of, paced, speed_of
from evi_harness.replay.played_recording import AS_RECORDED, PlayedRecording
from evi_harness.session.session import Session
from evi_harness.verdicts.speech import heard_speech

__all__ = ["Axis"]

Said = Union[str, float, None]


@dataclass(frozen=True)
class Axis:
    """Which part of a session, and at which pace.

    Attributes:
        pace: How fast.
        window: Which part.
        said: What the user said, by option, for headers.
    """

    pace: Pace
    window: Window
    said: Dict[str, Optional[str]]

    @staticmethod
    def of(speed: Said = None, max_gap: Said = None, first: Said = None, last: Said = None) -> Axis:
        """Read what a user said; None where nothing was.

        Args:
            speed: A factor, or ``max``.
            max_gap: A length of time.
            first: The place to begin at.
            last: The place to end at.

        Raises:
            UsageError: One of them is invalid.
        """
        texts = {"speed": speed, "max_gap": max_gap, "from": first, "until": last}
        said = {name: None if value is None else str(value) for name, value in texts.items()}
        pace = Pace(
            AS_RECORDED if said["speed"] is None else speed_of(said["speed"]),
            None if said["max_gap"] is None else max_gap_of(said["max_gap"]),
        )
        window = Window(
            None if said["from"] is None else place_of(said["from"], "first"),
            None if said["until"] is None else place_of(said["until"], "last"),
        )
        return Axis(pace, window, said)

    @property
    def is_part(self) -> bool:
        """Whether something of the session may be left out."""
        return self.window != Window(None, None)

    def recording(self, session: Session) -> PlayedRecording:
        """The session on this axis.

        Args:
            session: The session as it was recorded.

        Raises:
            UsageError: A place is not in the session, or nothing lies between the two.
        """
        dialect = dialect_of(session)
        part = cut(PlayedRecording.of(session, dialect), dialect, self.window)
        # Whether somebody speaks matters only where silence is shortened.
        speech = heard_speech(part.session) if self.pace.max_gap_ns is not None else ()
        return paced(part, dialect, self.pace, speech)

    def told(self) -> Dict[str, Any]:
        """What a header tells of it; empty for a session as it was recorded."""
        return {name: text for name, text in self.said.items() if text is not None}
