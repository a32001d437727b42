"""EVI behind the Dialect protocol: the one object through which the other rooms know EVI.

Rules of living here: no rules beyond a line or two; each member calls the module that holds the table.
"""

from __future__ import annotations

from typing import Any, Dict, FrozenSet, List, Mapping, Optional, Sequence, Tuple, Union

from evi_harness.evi import causes, evi_variables, queries, secrets, tools, turns
from evi_harness.evi import refused_messages as sending
from evi_harness.evi.audio_frames import EviReader
from evi_harness.evi.credentials import KeyCheck, credentials
from evi_harness.evi.describing import describe, telling
from evi_harness.evi.failures import ERRORS, explain
from evi_harness.evi.history_answers import PATHS, history_answer
from evi_harness.evi.made_up_times import given_ids
from evi_harness.evi.messages import ALWAYS_VOLATILE, MESSAGES
from evi_harness.evi.reading import read
from evi_harness.evi.sayings import saying
from evi_harness.json_dialects.json_messages import without_members
from evi_harness.session.events import Event, Frame, Handshake
from evi_harness.session.protocols import Cause, FrameAudio, HttpAnswer, Message, Saying, ToldSession, Truncated, Variables
from evi_harness.session.turn import Turn

__all__ = ["EVI", "NO_OBJECT", "Evi"]

_FAMILIES = {"tool_response": "tool_answer", "tool_error": "tool_answer"}
_AWAITED = causes.STEERING | {"user_input"}
_SETTING_UP = frozenset({"chat_metadata", "session_settings"})
# The one field that what is no JSON object is compared by.
NO_OBJECT = "no JSON object"


class Evi:
    """The dialect of Hume's Empathic Voice Interface. ``EVI`` is the one that is needed.

    The members are those of ``session.protocols.Dialect``, where they are documented.

    Args:
        strict: Whether what is given anew in each run must be equal too.
    """

    name: str = "evi"
    version: int = causes.VERSION
    hosts: Tuple[str, ...] = ("api.hume.ai",)
    chat_paths: Tuple[str, ...] = ("/v0/evi/chat", "/v0/assistant/chat")
    token_path: str = "/oauth2-cc/token"  # noqa: S105 - a path, no password
    history_paths: Tuple[str, ...] = PATHS
    service_url: str = "https://api.hume.ai"
    # What SDKs and examples call the base differs by how much of the chat's path is in it.
    bases: Tuple[str, ...] = ("/v0/evi", "/v0/assistant", "/v0")
    variables: Variables = Variables(evi_variables.API_KEY, evi_variables.BASE_URL, evi_variables.SECRET_KEY, evi_variables.CONFIG_ID)
    secret_names: FrozenSet[str] = secrets.NAMES
    folded_names: FrozenSet[str] = secrets.FOLDED
    # The SDK's from 0.13.0 on; its own before, and the service's as far as its documentation says.
    message_limits: Tuple[int, ...] = (1024 * 1024, sending.MAX_BYTES)

    def __init__(self, *, strict: bool = False) -> None:
        self._strict = strict

    def strictly(self) -> Evi:
        """EVI, in which what is given anew in each run must be equal too."""
        return Evi(strict=True)

    def read(self, kind: str, frame: Frame) -> Message:
        """What a frame says; a binary frame sent is ``audio``."""
        return read(kind, frame)

    def reader(self, handshake: Optional[Handshake] = None) -> EviReader:
        """A reader of one chat.

        Args:
            handshake: The opening, whose query may give the format of the user's audio.
        """
        return EviReader(handshake)

    def causes(self, events: Sequence[Event], audio: Optional[Mapping[int, FrameAudio]] = None) -> Dict[int, Cause]:
        """The cause of each received event and of a close by service or network, by seq."""
        return causes.causes(events, audio)

    def prompts(self, events: Sequence[Event]) -> Dict[int, Cause]:
        """What each sent event and a close by the app answered, by seq."""
        return causes.prompts(events)

    def is_awaited(self, message: Message) -> bool:
        """Whether EVI answers a sent message. An echoed session_settings is told by ``causes``, not here."""
        return message.type in _AWAITED

    def sets_audio(self, message: Message) -> bool:
        """Whether a sent message is the session_settings that carries ``audio``."""
        return causes.sets_audio(message)

    def gives_format(self, message: Message) -> bool:
        """Whether a sent message is a session_settings with ``audio`` and nothing else, as the SDK's microphone sends it."""
        return causes.sets_audio(message) and message.fields.keys() == {"type", "audio"}

    def sets_up(self, message: Message) -> bool:
        """Whether a message is the chat's metadata, settings or their echo."""
        return message.type in _SETTING_UP

    def is_call(self, message: Message) -> bool:
        """Whether a received message is a tool_call that the app is to answer."""
        return message.type == "tool_call" and message.fields.get("response_required") is not False

    def answer_to(self, call: Message, answer: Frame) -> Frame:
        """A recorded tool_response or tool_error with the id of another call."""
        return tools.readdressed(answer, call.fields.get("tool_call_id"))

    def is_error(self, message: Message) -> bool:
        """Whether a received message is an ``error``."""
        return message.type == "error"

    def ended_by(self, message: Message) -> Optional[str]:
        """The code of an ``error`` behind which EVI closes the chat, such as E0714."""
        row = ERRORS.get(str(message.fields.get("code"))) if self.is_error(message) else None
        return row.code if row is not None and row.ends_chat else None

    def explain(self, code: Union[str, int]) -> str:
        """What an error's code, a status or a close code means."""
        return explain(code)

    def ids(self, message: Message) -> Mapping[str, str]:
        """The ids of the chat and of its group, from chat_metadata."""
        return given_ids(message)

    def is_known(self, message: Message) -> bool:
        """Whether a message is of a type that stands in the table."""
        return message.type in MESSAGES

    def key_check(self, api_key: Optional[str], secret_key: Optional[str], *, token_seconds: int, token_name: str) -> KeyCheck:
        """A check of API keys and access tokens as EVI takes them."""
        return KeyCheck(api_key, secret_key, token_seconds=token_seconds, token_name=token_name)

    def keys_in(self, handshake: Handshake) -> Tuple[str, ...]:
        """The API keys and access tokens in the query and the headers."""
        given = credentials(handshake)
        return given.api_keys + given.tokens

    def subprotocol(self, handshake: Handshake) -> None:
        """None: EVI has no subprotocols."""

    def token_answer(self, token: str, body: bytes, issued_s: int, expires_in_s: int) -> Mapping[str, Any]:  # noqa: ARG002 - the protocol's
        """The token and for how long it is right."""
        return {"access_token": token, "token_type": "Bearer", "expires_in": expires_in_s}

    def call_text(self, call: Message) -> str:
        """The name of the tool that a tool_call calls, and with what."""
        return tools.text_of_call(call.fields)

    def family(self, message: Message) -> str:
        """``tool_answer`` for a tool's response and a tool's error, else the type; empty where there is none."""
        name = message.type or ""
        return _FAMILIES.get(name, name)

    def identity(self, message: Message) -> Optional[str]:
        """The id of the tool call, or of the sentence, that a message is about."""
        row = MESSAGES.get(message.type or "")
        value = message.fields.get(row.identity) if row is not None and row.identity is not None else None
        return value if isinstance(value, str) else None

    def truncations(self, events: Sequence[Event]) -> Dict[int, Truncated]:  # noqa: ARG002 - the protocol's
        """Empty: EVI finds out by itself when the user interrupts."""
        return {}

    def must_equal(self, message: Message) -> Mapping[str, Any]:
        """All fields but secrets (at any depth), audio and, unless ``strict``, what is given anew in each run."""
        if message.text is not None:
            return {NO_OBJECT: message.text}
        row = MESSAGES.get(message.type or "")
        left_out = {*(() if self._strict else ALWAYS_VOLATILE)}
        if row is not None:
            left_out |= {row.audio or "", *(() if self._strict or not row.sent else row.volatile)}
        kept = {name: value for name, value in message.fields.items() if name not in left_out}
        compared: Mapping[str, Any] = without_members(kept, secrets.is_secret)
        return compared

    def rejected(self, events: Sequence[Event]) -> Dict[int, Tuple[str, ...]]:
        """Why EVI does not take some sent messages, by seq."""
        return sending.rejected(events)

    def chunk(self, message: Message) -> Optional[Tuple[str, int]]:
        """Of which sentence an audio_output is, and its index."""
        sentence, index = message.fields.get("id"), message.fields.get("index")
        if message.type != "audio_output" or not isinstance(sentence, str) or not isinstance(index, int):
            return None
        return sentence, index

    def comparable_handshakes(self, recorded: Handshake, live: Handshake) -> Tuple[Mapping[str, Any], Mapping[str, Any]]:
        """The queries, without secrets, what names an SDK or a configuration, and what is given anew in each run.

        If ``strict``, what is given anew counts, and so do the paths.
        """
        then, now = queries.comparable(recorded.query, live.query, () if self._strict else ALWAYS_VOLATILE)
        paths = ({"path": recorded.path}, {"path": live.path}) if self._strict else ({}, {})
        return {**paths[0], "query": then}, {**paths[1], "query": now}

    def resumed(self, handshake: Handshake) -> Optional[str]:
        """The chat group that a handshake resumes."""
        return dict(handshake.query).get("resumed_chat_group_id") or None

    def turns(self, events: Sequence[Event]) -> List[Turn]:
        """The turns of a session."""
        return turns.turns(events)

    def describe(self, kind: str, message: Message) -> str:
        """One short line for people: who says what."""
        return describe(kind, message)

    def saying(self, kind: str, message: Message) -> Optional[Saying]:
        """The words of a message with their emotions; the words of a tool's answer are its content."""
        return saying(kind, message)

    def history(self, request: Handshake, sessions: Sequence[ToldSession]) -> Optional[HttpAnswer]:
        """Hume's chat history of the sessions: the chats, their events and their groups."""
        return history_answer(request, sessions)

    def typed(self, message: Message) -> Optional[str]:
        """The text of a user_input."""
        text = message.fields.get("text") if message.type == "user_input" else None
        return text if isinstance(text, str) else None

    def telling(self, kind: str, message: Message) -> int:  # noqa: ARG002 - the protocol's: a type alone tells
        """The assistant's words first, then calls of tools, the user's words, and all else."""
        return telling(message)

    def is_aside(self, message: Message) -> bool:  # noqa: ARG002 - the protocol's
        """False: each of EVI's messages is part of the conversation."""
        return False


EVI = Evi()
