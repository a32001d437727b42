"""An expectation: messages that a developer accepted in place of the recorded ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Tuple

from evi_harness.session.events import Handshake, Sent

__all__ = ["Expectation"]


@dataclass(frozen=True)
class Expectation:
    """What an app is to send in a replay of one session.

    Attributes:
        session: The id of the session.
        sent: All messages but audio, in time, each at its place among the recorded events. One that stands for a recorded message has its
            seq; one that the recording does not have has a seq beyond all recorded ones.
        handshake: What the app is to ask for at the opening, None where that is what was recorded.
    """

    session: str
    sent: Tuple[Sent, ...]
    handshake: Optional[Handshake] = None
