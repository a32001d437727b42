"""What a user and an app do in a Realtime session, read off one and said in one: this protocol's end of a migration.

The client that speaks here does what one owes the service over a WebSocket: it asks for each response that the service does not begin by
itself, one at a time, and when speech begins while a reply plays, it says how much of it was played.

Rules of living here: nothing is made up. What the protocol has no word for is lost and said to be; what only it has is foreign.
"""

from __future__ import annotations

import base64
import json
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from evi_harness.errors import Parameter, UsageError, Words
from evi_harness.json_dialects.json_messages import member
from evi_harness.openai_realtime.realtime_audio import RealtimeReader, turn_detection
from evi_harness.openai_realtime.realtime_causes import calls_tool, tool_output
from evi_harness.openai_realtime.realtime_describing import typed
from evi_harness.openai_realtime.realtime_messages import AUDIO, CLIENT
from evi_harness.openai_realtime.realtime_reading import item_of, objects, read, string
from evi_harness.session.events import TEXT, Event, Frame, Received, Sent
from evi_harness.session.g711 import encoded_samples
from evi_harness.session.protocols import (
    ANSWERS,
    CHORE,
    FOREIGN,
    RECEIVED,
    SENT,
    SETS_UP,
    TYPES,
    Message,
    ToolSpec,
    ToolUse,
    UserAct,
    UserSetup,
)
from evi_harness.session.sounding import sounding
from evi_harness.session.wav import Pcm

__all__ = ["DEFAULT_MODEL", "REALTIME_USER", "RealtimeUser"]

# Asked for where nobody names one, and what transcribes the user then: without a transcript there is nothing to compare.
DEFAULT_MODEL = "gpt-realtime-2"
_TRANSCRIBER = "whisper-1"
_FORM = "It is a JSON object with the fields of a session, or a session.update message."
_CREATE = "response.create"
# Of a session: what is carried over, what says nothing of the conversation, and what the new client says itself.
_PLAIN = frozenset(
    {
        *("type", "object", "id", "model", "instructions", "tools", "audio", "modalities", "output_modalities", "include", "tracing"),
        *("input_audio_format", "output_audio_format", "input_audio_transcription", "turn_detection", "expires_at", "event_id"),
    }
)
# Of a response.create: what changes nothing of what is answered.
_PLAIN_RESPONSE = frozenset({"metadata", "modalities", "output_modalities", "audio", "max_output_tokens", "conversation"})
# What is nothing without this protocol: other services end turns, forget, and cut off by themselves.
_CHORES = frozenset({"input_audio_buffer.commit", "conversation.item.truncate", "conversation.item.retrieve", _CREATE})


class RealtimeUser:
    """The protocol's ``UserActs``. ``REALTIME_USER`` is the one that is needed."""

    def acts(self, events: Sequence[Event]) -> Dict[int, UserAct]:
        """What each sent message does that is no audio, by seq.

        Texts that a response answers together are one act, that of the last of them.
        """
        found: Dict[int, UserAct] = {}
        waiting: Optional[int] = None
        for event in events:
            if not isinstance(event, Sent) or event.outcome != "sent":
                continue
            message = read(SENT, event.frame)
            if message.type in (AUDIO, "input_audio_buffer.append"):
                continue
            act = found[event.seq] = _act(message)
            if act.kind == TYPES:
                if waiting is not None:
                    found[event.seq] = UserAct(TYPES, f"{found[waiting].text}\n{act.text}", lost=act.lost)
                    found[waiting] = UserAct(CHORE, lost=found[waiting].lost)
                waiting = event.seq
            elif message.type == _CREATE:
                waiting = None
            elif member(message.fields, "item").get("role") == "assistant" and waiting is not None:
                # History: what was typed before it had been answered.
                found[waiting] = UserAct(CHORE, lost=(*found[waiting].lost, "an earlier exchange"))
                waiting = None
        return found

    def calls(self, events: Sequence[Event]) -> Dict[int, ToolUse]:
        """What each call of a tool asks for, by seq of the message that has all its arguments."""
        client, found = _Names(), {}
        for event in events:
            if isinstance(event, Received):
                message = read(RECEIVED, event.frame)
                client.take(message)
                if calls_tool(message):
                    found[event.seq] = client.use(message)
        return found

    def client(self, setup: UserSetup, given: Mapping[str, Any], said: Optional[Pcm], *, greets: bool) -> RealtimeClient:  # noqa: ARG002 - the protocol's: the session says the format
        """The client of one new session."""
        return RealtimeClient(setup, given, greets=greets)


class _Names:
    """The tools that calls are for: not every service says it again with the arguments."""

    def __init__(self) -> None:
        self._by_call: Dict[str, str] = {}

    def take(self, message: Message) -> None:
        item = member(message.fields, "item")
        call, name = string(item, "call_id"), string(item, "name")
        if call is not None and name is not None:
            self._by_call[call] = name

    def use(self, call: Message) -> ToolUse:
        name = string(call.fields, "name") or self._by_call.get(string(call.fields, "call_id") or "", "")
        return ToolUse(name, string(call.fields, "arguments") or "")


class RealtimeClient:
    """The protocol's ``ClientSide``.

    Args:
        setup: What the recorded app set up.
        given: Fields of a session, which count before it; ``model`` is what the handshake asks for.
        greets: Whether the assistant is to speak first.
    """

    def __init__(self, setup: UserSetup, given: Mapping[str, Any], *, greets: bool) -> None:
        session = member(given, "session") if given.get("type") == "session.update" else given
        if session.get("type", "realtime") != "realtime" or (given.get("type") == "session.update" and not session):
            raise UsageError(Words(Parameter("setup"), " is not the configuration of a conversation"), hint=_FORM)
        detection = turn_detection(session)
        if detection is not None and not detection:
            what = Words(Parameter("setup"), " turns turn detection off, and the recorded user ends a turn by silence")
            raise UsageError(what, hint="Leave turn_detection out, or give server_vad or semantic_vad.")
        model = session.get("model", DEFAULT_MODEL)
        self.query: Tuple[Tuple[str, str], ...] = (("model", str(model)),)
        self._n_asked = 0
        self._update = _merged(_usual_session(setup), {name: value for name, value in session.items() if name != "model"})
        update = _frame({"type": "session.update", "session": self._update})
        reader = RealtimeReader()
        reader.read(SENT, update)
        told = reader.told.user
        if told is None:
            what = Words(Parameter("setup"), " gives the user's audio a format that is neither PCM nor G.711")
            raise UsageError(what, hint='Leave audio.input.format out, or give {"type": "audio/pcm", "rate": 24000}.')
        self.pcm: Pcm = told
        self._reader = reader
        self.opening: Tuple[Frame, ...] = (update, self._asks()) if greets else (update,)
        self._names = _Names()
        # Whether a response is on its way, as far as this side can know.
        self._is_active = False
        # What plays: the item, and when each piece of it came and how long it plays.
        self._item: Optional[str] = None
        self._pieces: List[Tuple[int, int]] = []

    def sets_up(self, setup: UserSetup) -> Sequence[Frame]:
        """A session.update with what changes."""
        return [_frame({"type": "session.update", "session": {"type": "realtime", **_fields(setup)}})]

    def says(self, samples: bytes) -> Frame:
        """An input_audio_buffer.append."""
        audio = base64.b64encode(encoded_samples(samples, self.pcm)).decode()
        return _frame({"type": "input_audio_buffer.append", "audio": audio})

    def types(self, text: str) -> Sequence[Frame]:
        """An item of the user's, and a response.create."""
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
        return [_frame({"type": "conversation.item.create", "item": item}), self._asks()]

    def answers(self, call: Message, text: str, *, is_error: bool) -> Sequence[Frame]:  # noqa: ARG002 - an output is an output here
        """A function_call_output, and a response.create."""
        item = {"type": "function_call_output", "call_id": string(call.fields, "call_id") or "", "output": text}
        return [_frame({"type": "conversation.item.create", "item": item}), self._asks()]

    def call_of(self, call: Message) -> ToolUse:
        """The tool's name, which an item may have said before, and the arguments."""
        return self._names.use(call)

    def take(self, event: Event, at_ns: int) -> Sequence[Frame]:
        """Follow the response; where speech begins while it plays, say how much of it was played."""
        assert isinstance(event, Received)
        message = read(RECEIVED, event.frame)
        audio = self._reader.read(RECEIVED, event.frame)
        self._names.take(message)
        name = message.type or ""
        if name == "response.created":
            self._is_active = True
        elif name == "response.done":
            self._is_active = False
        elif name == "error":
            if (string(member(message.fields, "error"), "event_id") or "").startswith(_ASKED):
                self._is_active = False
        elif audio is not None:
            if item_of(message) != self._item:
                self._item, self._pieces = item_of(message), []
            self._pieces.append((at_ns, audio.length_ns or 0))
        elif name == "input_audio_buffer.speech_started":
            return self._cut_off(at_ns)
        return ()

    def sent(self, frame: Frame) -> None:
        """A response that was asked for is on its way."""
        if read(SENT, frame).type == _CREATE:
            self._is_active = True

    def must_wait(self, frame: Frame) -> bool:
        """Whether it asks for a response while another is on its way."""
        return self._is_active and read(SENT, frame).type == _CREATE

    def _asks(self) -> Frame:
        # With an id, so that an error says which request it is about.
        self._n_asked += 1
        return _frame({"type": _CREATE, "event_id": f"{_ASKED}{self._n_asked}"})

    def _cut_off(self, at_ns: int) -> Sequence[Frame]:
        spans = sounding(self._pieces)
        item, self._item, self._pieces = self._item, None, []
        if item is None or not spans or spans[-1][1] <= at_ns:
            return ()
        played_ns = sum(min(end_ns, at_ns) - begin_ns for begin_ns, end_ns in spans if begin_ns < at_ns)
        cut = {"type": "conversation.item.truncate", "item_id": item, "content_index": 0, "audio_end_ms": played_ns // 1_000_000}
        return [_frame(cut)]


_ASKED = "evi-harness-"


def _usual_session(setup: UserSetup) -> Dict[str, Any]:
    pcm = {"type": "audio/pcm", "rate": 24_000}
    heard = {"format": pcm, "transcription": {"model": _TRANSCRIBER}, "turn_detection": {"type": "server_vad"}}
    return {"type": "realtime", "output_modalities": ["audio"], "audio": {"input": heard, "output": {"format": pcm}}, **_fields(setup)}


def _fields(setup: UserSetup) -> Dict[str, Any]:
    """What an app set up, as fields of a session."""
    fields: Dict[str, Any] = {}
    if setup.instructions is not None:
        fields["instructions"] = setup.instructions
    if setup.tools is not None:
        fields["tools"] = [_tool(one) for one in setup.tools]
    return fields


def _tool(tool: ToolSpec) -> Dict[str, Any]:
    fields: Dict[str, Any] = {"type": "function", "name": tool.name, "parameters": tool.parameters or {"type": "object", "properties": {}}}
    return fields if tool.description is None else {**fields, "description": tool.description}


def _merged(before: Mapping[str, Any], change: Mapping[str, Any]) -> Dict[str, Any]:
    """One configuration changed by another: objects by their members, but for one of another type; everything else as a whole."""
    found = dict(before)
    for name, value in change.items():
        old = found.get(name)
        is_change = isinstance(value, dict) and isinstance(old, dict) and value.get("type", old.get("type")) == old.get("type")
        found[name] = _merged(old, value) if is_change and isinstance(old, dict) else value
    return found


def _act(message: Message) -> UserAct:
    fields = message.fields
    if message.type is None or message.type not in CLIENT:
        return UserAct(CHORE, lost=(message.type or "a text that is no message",))
    if message.type == "session.update":
        return _settings(member(fields, "session"))
    if message.type == "conversation.item.create":
        return _item(message)
    if message.type == _CREATE:
        asked = member(fields, "response")
        if asked.get("conversation") == "none":
            return UserAct(FOREIGN, lost=("a response beside the conversation",))
        return UserAct(CHORE, lost=tuple(f"response.{name}" for name in sorted(asked) if name not in _PLAIN_RESPONSE))
    return UserAct(CHORE, lost=() if message.type in _CHORES else (message.type,))


def _item(message: Message) -> UserAct:
    output = tool_output(message)
    if output:
        return UserAct(ANSWERS, str(output.get("output") or ""))
    item = member(message.fields, "item")
    said = typed(message)
    others = [str(part.get("type")) for part in objects(item, "content") if part.get("type") != "input_text"]
    if item.get("role") == "user" and said is None:
        return UserAct(FOREIGN, lost=tuple(others) or ("an item of the user's without a text",))
    if said is not None:
        return UserAct(TYPES, said, lost=tuple(others))
    return UserAct(CHORE, lost=(f"an item of the {item.get('role') or item.get('type')}",))


def _settings(session: Mapping[str, Any]) -> UserAct:
    given = session.get("tools")
    others = [name for name in sorted(session) if name not in _PLAIN]
    tools: Optional[List[ToolSpec]] = None
    if isinstance(given, list):
        tools = list(_tools(given))
        others += ["a tool of a server's"] * (len(tools) < len(given))
    instructions = string(session, "instructions")
    return UserAct(SETS_UP, setup=UserSetup(instructions, None if tools is None else tuple(tools)), lost=tuple(others))


def _tools(given: Sequence[Any]) -> Iterator[ToolSpec]:
    for one in given:
        if isinstance(one, dict) and one.get("type", "function") == "function" and isinstance(one.get("name"), str):
            yield ToolSpec(one["name"], string(one, "description"), one.get("parameters"))


def _frame(fields: Mapping[str, Any]) -> Frame:
    return Frame(TEXT, json.dumps(dict(fields)).encode())


REALTIME_USER = RealtimeUser()
