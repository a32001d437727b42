"""A recording, prepared for real time: one player per connection, with all messages in memory.

Rules of living here: what makes the players is pickled into a server's process, and is ready there before anybody connects.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Callable, Optional, Tuple

from evi_harness.replay.plan import Plan
from evi_harness.replay.played_recording import PlayedRecording
from evi_harness.replay.player import DEFAULT_PATIENCE, Patience, Player
from evi_harness.session.events import Event, Frame, Handshake, Received
from evi_harness.session.protocols import Dialect, Service
from evi_harness.session.session import Session

__all__ = ["Play", "chat_paths_of", "play_recording"]


@dataclass(frozen=True)
class Play:
    """Makes a player of one recording for each connection.

    Attributes:
        recording: The recording, on the axis on which it is acted out.
        dialect: How sent messages are compared.
        patience: How long a player waits for the app.
    """

    recording: PlayedRecording
    dialect: Dialect
    patience: Patience = DEFAULT_PATIENCE

    def __reduce__(self) -> Tuple[Callable[..., Play], Tuple[PlayedRecording, Dialect, Patience]]:
        """In another process, be ready before anybody connects: a chat must not wait for another one's plan."""
        return _ready, (self.recording, self.dialect, self.patience)

    @property
    def session(self) -> Session:
        """The session that is played."""
        return self.recording.session

    @cached_property
    def plan(self) -> Plan:
        """The plan of the recording, which all players share."""
        return Plan.of(self.recording, self.dialect)

    def __call__(self, _: Handshake) -> Service:
        """Make the player for one connection."""
        return Player(self.plan, self.dialect, self.patience)


def _ready(recording: PlayedRecording, dialect: Dialect, patience: Patience) -> Play:
    made = Play(recording, dialect, patience)
    # Asked for, it is worked out.
    _ = made.plan
    return made


def play_recording(recording: PlayedRecording, patience: Patience, dialect: Dialect) -> Play:
    """Make what plays a recording in real time: all that is to be sent is in memory before it is due.

    Args:
        recording: The recording, on the axis on which it is to be acted out.
        patience: How long a player waits for the app.
        dialect: How sent messages are compared.

    Raises:
        AudioMissing: Audio that is to be sent is not in the folder.
    """
    in_memory = replace(recording.session, events=tuple(map(_in_memory, recording.session.events)))
    # What a microphone would play is nothing to a server.
    return Play(replace(recording, session=in_memory, unhurried=in_memory), dialect, patience)


def _in_memory(event: Event) -> Event:
    return replace(event, frame=Frame(event.frame.opcode, event.frame.payload)) if isinstance(event, Received) else event


def chat_paths_of(session: Optional[Session], dialect: Dialect) -> Tuple[str, ...]:
    """The paths on which a client may open the socket.

    Args:
        session: The session that is served, which may have been recorded through a gateway with a path of its own; None for none.
        dialect: What is spoken.
    """
    handshake = None if session is None else session.handshake
    return dialect.chat_paths if handshake is None else tuple(dict.fromkeys((*dialect.chat_paths, handshake.path)))
