"""The Realtime protocol behind the Dialect protocol: the one object through which the other rooms know it.

Rules of living here: no rules beyond a line or two; each member calls the module that holds the table.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, Dict, FrozenSet, List, Mapping, Optional, Sequence, Tuple, Union

from evi_harness.json_dialects.dialect_defaults import NO_OBJECT, DialectDefaults
from evi_harness.json_dialects.json_messages import in_one_order, member, without_members
from evi_harness.openai_realtime import (
    realtime_audio,
    realtime_causes,
    realtime_describing,
    realtime_failures,
    realtime_ids,
    realtime_keys,
    realtime_turns,
)
from evi_harness.openai_realtime import realtime_variables as names
from evi_harness.openai_realtime.realtime_audio import TRUNCATE, RealtimeReader, input_format
from evi_harness.openai_realtime.realtime_messages import ASIDES, AUDIO, AWAITED, is_known
from evi_harness.openai_realtime.realtime_reading import item_of, read, string
from evi_harness.session.events import TEXT, Event, Frame, Handshake
from evi_harness.session.json_places import members
from evi_harness.session.protocols import Cause, FrameAudio, Message, NamedId, Saying, Truncated, Variables
from evi_harness.session.turn import Turn

__all__ = ["OPENAI_REALTIME", "OpenaiRealtime"]

_SECRET_NAMES: FrozenSet[str] = frozenset(
    {
        # Headers. A browser's key is in a subprotocol, and is found by its value: what stands beside it there is no secret.
        *("authorization", "proxy-authorization", "api-key", "x-api-key", "cookie", "set-cookie"),
        # Of the query and of messages: a client secret, and what a tool's server asks for.
        *("api_key", "apikey", "access_token", "accesstoken", "client_secret", "headers"),
    }
)
# An append of 15 MiB, in base64, with what is around it.
_MAX_BYTES = 20 * 1024 * 1024 + 1024
_SETTING_UP = frozenset({"session.created", "session.update", "session.updated", "conversation.created"})
# What names the conversation that is asked for, and no account or SDK.
_COMPARED_QUERY = ("model", "intent", "deployment")


class OpenaiRealtime(DialectDefaults):
    """The dialect of OpenAI's Realtime protocol. ``OPENAI_REALTIME`` is the one that is needed.

    The members are those of ``session.protocols.Dialect`` and ``NamesIds``, where they are documented.

    Args:
        strict: Whether what is given anew in each run must be equal too.
    """

    name: str = "openai-realtime"
    version: int = realtime_causes.VERSION
    # Of those that have one for all; at others each account has its own.
    hosts: Tuple[str, ...] = ("api.openai.com", "api.x.ai")
    chat_paths: Tuple[str, ...] = ("/v1/realtime", "/realtime", "/openai/v1/realtime", "/openai/realtime", "/voice-live/realtime")
    token_path: str = "/realtime/client_secrets"  # noqa: S105 - a path, no password
    service_url: str = "https://api.openai.com"
    # What the SDK calls the base, and Azure's; each account has a host of its own there.
    bases: Tuple[str, ...] = ("/openai/v1", "/openai", "/voice-live", "/v1")
    variables: Variables = Variables(names.API_KEY, names.BASE_URL, other_keys=names.OTHER_KEYS, base_path="/v1")
    secret_names: FrozenSet[str] = _SECRET_NAMES
    message_limits: Tuple[int, ...] = (_MAX_BYTES,)

    def __init__(self, *, strict: bool = False) -> None:
        self._strict = strict

    def strictly(self) -> OpenaiRealtime:
        """The same, in which what is given anew in each run must be equal too."""
        return OpenaiRealtime(strict=True)

    def read(self, kind: str, frame: Frame) -> Message:
        """What a frame says, under today's name of its type."""
        return read(kind, frame)

    def reader(self, handshake: Optional[Handshake] = None) -> RealtimeReader:  # noqa: ARG002 - the protocol's: a handshake gives no format
        """A reader of one connection."""
        return RealtimeReader()

    def causes(self, events: Sequence[Event], audio: Optional[Mapping[int, FrameAudio]] = None) -> Dict[int, Cause]:
        """The cause of each received event and of a close by service or network, by seq."""
        return realtime_causes.causes(events, audio)

    def prompts(self, events: Sequence[Event]) -> Dict[int, Cause]:
        """What each sent event and a close by the app answered, by seq."""
        return realtime_causes.prompts(events)

    def is_awaited(self, message: Message) -> bool:
        """Whether the service answers a sent message: all but audio."""
        return message.type in AWAITED

    def sets_audio(self, message: Message) -> bool:
        """Whether a sent message gives the format of the user's audio."""
        return message.type == "session.update" and input_format(member(message.fields, "session"))

    def sets_up(self, message: Message) -> bool:
        """Whether a message is the session's configuration, or begins the conversation."""
        return message.type in _SETTING_UP

    def is_call(self, message: Message) -> bool:
        """Whether a received message has the arguments of a call, all of them."""
        return realtime_causes.calls_tool(message)

    def answer_to(self, call: Message, answer: Frame) -> Frame:
        """A recorded output of a tool with the id of another call."""
        call_id = string(call.fields, "call_id")
        with suppress(ValueError):
            places = [one for one in members(answer.payload) if one.name == "call_id" and one.depth == 2]
            if call_id is not None and places:
                start, stop = places[-1].start, places[-1].stop
                return Frame(TEXT, answer.payload[:start] + json.dumps(call_id).encode() + answer.payload[stop:])
        return answer

    def ended_by(self, message: Message) -> Optional[str]:
        """The code of an error behind which the session ends."""
        code = member(message.fields, "error").get("code") if self.is_error(message) else None
        return code if isinstance(code, str) and code in realtime_failures.ENDS else None

    def explain(self, code: Union[str, int]) -> str:
        """What an error's code, a status or a close code means."""
        return realtime_failures.explain(code)

    def ids(self, message: Message) -> Mapping[str, str]:
        """The id of the session, from session.created or, where somebody joined a call, session.updated."""
        given = string(member(message.fields, "session"), "id") if message.type in ("session.created", "session.updated") else None
        return {} if given is None else {"session_id": given}

    def is_known(self, message: Message) -> bool:
        """Whether a message is of a type that the protocol has, or had."""
        return is_known(message.type or "")

    def key_check(
        self,
        api_key: Optional[str],
        secret_key: Optional[str],  # noqa: ARG002 - the protocol's: there is none
        *,
        token_seconds: int,  # noqa: ARG002 - the protocol's: whoever asks for a client secret says how long
        token_name: str,
    ) -> realtime_keys.RealtimeKeyCheck:
        """A check of the key, wherever one of the services takes it, and of client secrets."""
        return realtime_keys.RealtimeKeyCheck(api_key, token_name=token_name)

    def keys_in(self, handshake: Handshake) -> Tuple[str, ...]:
        """The keys and client secrets in the headers, the query and the subprotocols."""
        return realtime_keys.keys_in(handshake)

    def subprotocol(self, handshake: Handshake) -> Optional[str]:
        """The first subprotocol offered that holds no key."""
        return realtime_keys.subprotocol(handshake)

    def token_answer(self, token: str, body: bytes, issued_s: int, expires_in_s: int) -> Mapping[str, Any]:
        """A client secret, with the session that it is for."""
        return realtime_keys.token_answer(token, body, issued_s, expires_in_s)

    def call_text(self, call: Message) -> str:
        """The tool's name, which not every service says here, and its arguments with sorted names."""
        return f"{call.fields.get('name') or ''} {in_one_order(call.fields.get('arguments'))}".strip()

    def family(self, message: Message) -> str:
        """``tool_answer`` for a tool's output, else the type; empty where there is none."""
        return "tool_answer" if realtime_causes.tool_output(message) else message.type or ""

    def identity(self, message: Message) -> Optional[str]:
        """The id of the call that a message answers, or of the item that it is about."""
        output = realtime_causes.tool_output(message)
        if output or self.is_call(message):
            return string(output or message.fields, "call_id")
        return item_of(message) if message.type != "conversation.item.create" else None

    def truncations(self, events: Sequence[Event]) -> Dict[int, Truncated]:
        """The items that the app truncated, with their ``audio_end_ms``, by seq."""
        return realtime_audio.truncations(events)

    def must_equal(self, message: Message) -> Mapping[str, Any]:
        """All fields but secrets (at any depth), audio and, unless ``strict``, the ids that the app makes up and what it says was heard.

        How much the user has heard differs from run to run by milliseconds; a replay judges it by what it heard itself.
        """
        if message.text is not None:
            return {NO_OBJECT: message.text}
        if message.type in (AUDIO, "input_audio_buffer.append"):
            return {"type": message.type}
        fields: Dict[str, Any] = without_members(dict(message.fields), _is_secret)
        if not self._strict:
            fields.pop("event_id", None)
            if message.type == TRUNCATE:
                fields.pop("audio_end_ms", None)
            if message.type == "conversation.item.create" and isinstance(fields.get("item"), dict):
                fields["item"] = {name: value for name, value in fields["item"].items() if name != "id"}
        return fields

    def named_ids(self, kind: str, frame: Frame) -> Sequence[NamedId]:
        """The ids at places where an app may have chosen them; none if ``strict``, since they must be equal then."""
        return () if self._strict else realtime_ids.named_ids(kind, frame)

    def renamed(self, kind: str, frame: Frame, ids: Mapping[Tuple[str, str], str]) -> Frame:
        """A frame with other ids at these places."""
        return frame if self._strict else realtime_ids.renamed(kind, frame, ids)

    def rejected(self, events: Sequence[Event]) -> Dict[int, Tuple[str, ...]]:
        """Why the service does not take some sent messages, by seq."""
        return realtime_failures.rejected(events)

    def comparable_handshakes(self, recorded: Handshake, live: Handshake) -> Tuple[Mapping[str, Any], Mapping[str, Any]]:
        """What is asked for: the model, or what else the query names. If ``strict``, the paths too."""
        if not recorded.query:
            # That of an imported log: nobody knows what was asked for.
            return {}, {}
        then, now = ({name: value for name, value in one.query if name in _COMPARED_QUERY} for one in (recorded, live))
        paths = ({"path": recorded.path}, {"path": live.path}) if self._strict else ({}, {})
        return {**paths[0], "query": then}, {**paths[1], "query": now}

    def turns(self, events: Sequence[Event]) -> List[Turn]:
        """The turns of a session."""
        return realtime_turns.turns(events)

    def describe(self, kind: str, message: Message) -> str:  # noqa: ARG002 - the protocol's: a type alone tells
        """One short line for people: who says what."""
        return realtime_describing.describe(message)

    def saying(self, kind: str, message: Message) -> Optional[Saying]:
        """The words of a message."""
        return realtime_describing.saying(kind, message)

    def typed(self, message: Message) -> Optional[str]:
        """The text of an item of the user's."""
        return realtime_describing.typed(message)

    def telling(self, kind: str, message: Message) -> int:  # noqa: ARG002 - the protocol's: a type alone tells
        """The assistant's words first, then calls of tools, the user's words, and all else."""
        return realtime_describing.telling(message)

    def is_aside(self, message: Message) -> bool:
        """What is left of the limits, which comes behind a response, and a sign of life."""
        return message.type in ASIDES


def _is_secret(name: str) -> bool:
    return name.lower() in _SECRET_NAMES


OPENAI_REALTIME = OpenaiRealtime()
