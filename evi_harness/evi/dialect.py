"""EVI behind the Dialect protocol: the one object through which the other rooms know EVI.

Rules of living here: no rule of its own beyond a line or two; each member asks the module that holds the table.
"""

from __future__ import annotations

from typing import Any, Dict, FrozenSet, Iterable, List, Mapping, Optional, Sequence, Tuple

from evi_harness.evi import causes, queries, secrets, turns
from evi_harness.evi.audio import Places
from evi_harness.evi.describing import describe
from evi_harness.evi.messages import MESSAGES
from evi_harness.evi.reading import read
from evi_harness.session.events import Event, Frame, Handshake
from evi_harness.session.protocols import Cause, Message
from evi_harness.session.turns import Turn

__all__ = ["EVI", "Evi"]

_FAMILIES = {"tool_response": "tool_answer", "tool_error": "tool_answer"}
_AWAITED = causes.STEERING | {"user_input"}
# Who talks to whom is no part of what is said.
_NOT_COMPARED = frozenset({"custom_session_id"})


class Evi:
    """The dialect of Hume's Empathic Voice Interface. Has no state; ``EVI`` is the one that is needed.

    The members are those of ``session.protocols.Dialect``, where they are documented.
    """

    name: str = "evi"
    version: int = causes.VERSION
    chat_paths: Tuple[str, ...] = ("/v0/evi/chat", "/v0/assistant/chat")
    token_path: str = "/oauth2-cc/token"  # noqa: S105 - a path, no password
    secret_names: FrozenSet[str] = secrets.NAMES
    folded_names: FrozenSet[str] = secrets.FOLDED

    def read(self, kind: str, frame: Frame) -> Message:
        """What a frame says; a binary frame sent is ``audio``."""
        return read(kind, frame)

    def audio_places(self, handshake: Optional[Handshake] = None) -> Places:
        """A finder of audio for one session.

        Args:
            handshake: The opening, whose query may give the format of the user's audio.
        """
        return Places(handshake)

    def causes(self, events: Sequence[Event]) -> Dict[int, Cause]:
        """The cause of each received event and of a close by service or network, by seq."""
        return causes.causes(events)

    def prompts(self, events: Sequence[Event]) -> Dict[int, Cause]:
        """What each sent event and a close by the app answered, by seq."""
        return causes.prompts(events)

    def is_awaited(self, message: Message) -> bool:
        """Whether EVI answers a sent message. An echoed session_settings is told by ``causes``, not here."""
        return message.type in _AWAITED

    def sets_audio(self, message: Message) -> bool:
        """Whether a sent message is the session_settings that carries ``audio``."""
        return causes.sets_audio(message)

    def family(self, message: Message) -> str:
        """``tool_answer`` for a tool's response and a tool's error, else the type; empty where there is none."""
        name = message.type or ""
        return _FAMILIES.get(name, name)

    def identity(self, message: Message) -> Optional[str]:
        """The id of the tool call, or of the sentence, that a message is about."""
        row = MESSAGES.get(message.type or "")
        value = message.fields.get(row.identity) if row is not None and row.identity is not None else None
        return value if isinstance(value, str) else None

    def must_equal(self, message: Message) -> Mapping[str, Any]:
        """All fields but secrets (at any depth), custom_session_id and audio."""
        row = MESSAGES.get(message.type or "")
        audio = row.audio if row is not None else None
        kept = {name: value for name, value in message.fields.items() if name not in _NOT_COMPARED and name != audio}
        return {name: _without_secrets(value) for name, value in kept.items() if not secrets.is_secret(name)}

    def same_query(self, recorded: Iterable[Tuple[str, str]], live: Iterable[Tuple[str, str]]) -> List[str]:
        """What differs between two handshakes' queries, as sentences without secrets."""
        return queries.differences(recorded, live)

    def turns(self, events: Sequence[Event]) -> List[Turn]:
        """The turns of a session."""
        return turns.turns(events)

    def describe(self, kind: str, message: Message) -> str:
        """One short line for people: who says what."""
        return describe(kind, message)


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_secrets(inner) for name, inner in value.items() if not secrets.is_secret(name)}
    if isinstance(value, list):
        return [_without_secrets(inner) for inner in value]
    return value


EVI = Evi()
