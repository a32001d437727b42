"""A dialect that wraps another: each member calls the inner one unless it is overridden.

Rules of living here: the members of ``Dialect`` are repeated here, and nothing else; a test keeps the two equal.
"""

from __future__ import annotations

from typing import Dict, FrozenSet, List, Mapping, Optional, Sequence, Tuple, Union

from evi_harness.session.events import Event, Frame, Handshake
from evi_harness.session.json_value import Json
from evi_harness.session.protocols import (
    AccessCheck,
    Cause,
    Dialect,
    FrameAudio,
    HttpAnswer,
    Message,
    Saying,
    ToldSession,
    Truncated,
    Variables,
    WireReader,
)
from evi_harness.session.turn import Turn

__all__ = ["WrappedDialect", "answering"]


class WrappedDialect:
    """As the dialect within. The members are those of ``session.protocols.Dialect``, where they are documented.

    Args:
        within: The dialect that is asked.
    """

    def __init__(self, within: Dialect) -> None:
        self.within = within
        self.name: str = within.name
        self.version: int = within.version
        self.hosts: Tuple[str, ...] = within.hosts
        self.chat_paths: Tuple[str, ...] = within.chat_paths
        self.token_path: Optional[str] = within.token_path
        self.history_paths: Tuple[str, ...] = within.history_paths
        self.service_url: str = within.service_url
        self.bases: Tuple[str, ...] = within.bases
        self.variables: Variables = within.variables
        self.secret_names: FrozenSet[str] = within.secret_names
        self.folded_names: FrozenSet[str] = within.folded_names
        self.message_limits: Tuple[int, ...] = within.message_limits

    def strictly(self) -> Dialect:
        """The one within, strictly."""
        return self.within.strictly()

    def read(self, kind: str, frame: Frame) -> Message:
        """What a frame says."""
        return self.within.read(kind, frame)

    def reader(self, handshake: Optional[Handshake] = None) -> WireReader:
        """A reader of one connection."""
        return self.within.reader(handshake)

    def causes(self, events: Sequence[Event], audio: Optional[Mapping[int, FrameAudio]] = None) -> Dict[int, Cause]:
        """The cause of each received event, by seq."""
        return self.within.causes(events, audio)

    def prompts(self, events: Sequence[Event]) -> Dict[int, Cause]:
        """What each sent event answered, by seq."""
        return self.within.prompts(events)

    def is_awaited(self, message: Message) -> bool:
        """Whether the service answers a sent message."""
        return self.within.is_awaited(message)

    def sets_audio(self, message: Message) -> bool:
        """Whether a sent message gives the format of the audio."""
        return self.within.sets_audio(message)

    def gives_format(self, message: Message) -> bool:
        """Whether a sent message gives the format of the audio, and nothing else."""
        return self.within.gives_format(message)

    def sets_up(self, message: Message) -> bool:
        """Whether a message sets a session up."""
        return self.within.sets_up(message)

    def is_call(self, message: Message) -> bool:
        """Whether a received message calls a tool."""
        return self.within.is_call(message)

    def answer_to(self, call: Message, answer: Frame) -> Frame:
        """A tool's answer to an earlier call, made the answer to this one."""
        return self.within.answer_to(call, answer)

    def is_error(self, message: Message) -> bool:
        """Whether a received message says that something went wrong."""
        return self.within.is_error(message)

    def ended_by(self, message: Message) -> Optional[str]:
        """The code of a received error that ends the conversation."""
        return self.within.ended_by(message)

    def explain(self, code: Union[str, int]) -> str:
        """What a code means."""
        return self.within.explain(code)

    def ids(self, message: Message) -> Mapping[str, str]:
        """The ids that the service gives the session in a received message."""
        return self.within.ids(message)

    def is_known(self, message: Message) -> bool:
        """Whether a message is of a type that the dialect knows."""
        return self.within.is_known(message)

    def key_check(self, api_key: Optional[str], secret_key: Optional[str], *, token_seconds: int, token_name: str) -> Optional[AccessCheck]:
        """A check of the keys that apps present."""
        return self.within.key_check(api_key, secret_key, token_seconds=token_seconds, token_name=token_name)

    def keys_in(self, handshake: Handshake) -> Tuple[str, ...]:
        """The keys that a handshake gives."""
        return self.within.keys_in(handshake)

    def subprotocol(self, handshake: Handshake) -> Optional[str]:
        """The subprotocol by which the service opens."""
        return self.within.subprotocol(handshake)

    def token_answer(self, token: str, body: bytes, issued_s: int, expires_in_s: int) -> Mapping[str, Json]:
        """The service's answer to a request for an access token."""
        return self.within.token_answer(token, body, issued_s, expires_in_s)

    def call_text(self, call: Message) -> str:
        """What a call of a tool asks for."""
        return self.within.call_text(call)

    def family(self, message: Message) -> str:
        """Which sent messages may replace one another."""
        return self.within.family(message)

    def identity(self, message: Message) -> Optional[str]:
        """What a sent message is about."""
        return self.within.identity(message)

    def truncations(self, events: Sequence[Event]) -> Dict[int, Truncated]:
        """How much of an item the app says was heard, by seq."""
        return self.within.truncations(events)

    def must_equal(self, message: Message) -> Mapping[str, Json]:
        """The fields of a sent message that a replay compares."""
        return self.within.must_equal(message)

    def rejected(self, events: Sequence[Event]) -> Dict[int, Tuple[str, ...]]:
        """Why the service does not take some sent messages, by seq."""
        return self.within.rejected(events)

    def chunk(self, message: Message) -> Optional[Tuple[str, int]]:
        """Of which sentence a received message holds the audio, and its place in it."""
        return self.within.chunk(message)

    def comparable_handshakes(self, recorded: Handshake, live: Handshake) -> Tuple[Mapping[str, Json], Mapping[str, Json]]:
        """What a replay compares of two handshakes."""
        return self.within.comparable_handshakes(recorded, live)

    def resumed(self, handshake: Handshake) -> Optional[str]:
        """The id of the conversation that a handshake resumes."""
        return self.within.resumed(handshake)

    def turns(self, events: Sequence[Event]) -> List[Turn]:
        """The turns of a session."""
        return self.within.turns(events)

    def describe(self, kind: str, message: Message) -> str:
        """One short line for people."""
        return self.within.describe(kind, message)

    def saying(self, kind: str, message: Message) -> Optional[Saying]:
        """What a message adds to the transcript."""
        return self.within.saying(kind, message)

    def history(self, request: Handshake, sessions: Sequence[ToldSession]) -> Optional[HttpAnswer]:
        """The answer to a request about conversations."""
        return self.within.history(request, sessions)

    def typed(self, message: Message) -> Optional[str]:
        """The text that a user typed."""
        return self.within.typed(message)

    def telling(self, kind: str, message: Message) -> int:
        """How much a message tells people of a conversation."""
        return self.within.telling(kind, message)

    def is_aside(self, message: Message) -> bool:
        """Whether a received message is no part of the conversation."""
        return self.within.is_aside(message)


def answering(dialect: Dialect, member: str) -> Dialect:
    """The dialect that answers where a member is asked: the innermost one, unless one around it answers in another way."""
    while isinstance(dialect, WrappedDialect) and getattr(type(dialect), member) is getattr(WrappedDialect, member):
        dialect = dialect.within
    return dialect
