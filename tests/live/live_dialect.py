"""A skeleton of a dialect: GPT-Live, as far as the types of the openai package (``openai.types.live``, 3.57) document it.

The app starts a session and sends audio without end; the model decides when it speaks, and needs no request for it. Work that the model
delegates to a Responses model may call a tool of the app's: the app gives the output as an item, and asks the response to go on.
docs/how-to/adding-a-dialect.md explains it piece by piece. Nothing of it was tried with the service.
"""

from __future__ import annotations

import json
from typing import Any, Dict, FrozenSet, List, Mapping, Optional, Sequence, Tuple

from evi_harness.json_dialects.dialect_defaults import NO_OBJECT, DialectDefaults
from evi_harness.json_dialects.json_messages import member
from evi_harness.session.events import Closed, Event, Frame, Handshake, Received, Sent
from evi_harness.session.frame_audio import ASSISTANT, USER, MessageAudio
from evi_harness.session.json_places import top_level_strings
from evi_harness.session.position import Positions
from evi_harness.session.protocols import (
    OPENED,
    POSITION,
    RECEIVED,
    SENT,
    AudioPlace,
    Cause,
    FrameAudio,
    Message,
    Saying,
    Told,
    Variables,
)
from evi_harness.session.session_audio import SessionAudio
from evi_harness.session.turn import Turn, TurnDraft
from evi_harness.session.wav import A_LAW, MU_LAW, Pcm

# Messages.
APPEND = "session.input_audio.append"
CONTEXT = tuple(f"session.{what}.append" for what in ("instructions", "thinking", "commentary"))
APP = ("session.start", "session.update", APPEND, *CONTEXT, "response.item.create", "response.create", "session.close")
SAYS = {"session.input_transcript.delta": "user", "session.output_transcript.delta": "assistant"}
SERVICE = (
    *("session.started", "session.updated", "session.closed", "session.usage.updated", "info", "error"),
    *SAYS,
    *("session.output_audio.delta", "session.delegation.created", "response.event"),
    *(f"{name}ed" for name in CONTEXT),
)
# What answers a request of the app's, the oldest that is not answered.
ANSWERS = {
    "session.started": "session.start",
    "session.updated": "session.update",
    "session.closed": "session.close",
    **{f"{name}ed": name for name in CONTEXT},
}
LAWS = {"audio/pcmu": MU_LAW, "audio/pcma": A_LAW}


# Audio.


class LiveReader:
    """Reads one connection. The format is that of the session, for both directions; until the service says it, none is known."""

    def __init__(self) -> None:
        self._pcm: Optional[Pcm] = None

    @property
    def told(self) -> Told:
        return Told(user=self._pcm, assistant=self._pcm)

    def read(self, kind: str, frame: Frame) -> Optional[FrameAudio]:
        message = GPT_LIVE.read(kind, frame)
        if message.type in ("session.start", "session.started"):
            self._pcm = _pcm(member(message.fields, "session", "audio", "format")) or self._pcm
        field = {(SENT, APPEND): "audio", (RECEIVED, "session.output_audio.delta"): "delta"}.get((kind, message.type or ""))
        if field is None or not isinstance(message.fields.get(field), str):
            return None
        track, pcm = USER if kind == SENT else ASSISTANT, self._pcm

        def find(payload: bytes) -> Tuple[AudioPlace, ...]:
            places = {name: (start, stop) for name, start, stop in top_level_strings(payload)}
            return (AudioPlace(track, *places[field], base64=True, pcm=pcm),) if field in places else ()

        return MessageAudio(frame, find, track, pcm)


def _pcm(audio: Mapping[str, Any]) -> Optional[Pcm]:
    name, rate = audio.get("type"), audio.get("rate")
    if name in LAWS:
        return Pcm(8_000, 1, 1, LAWS[name])
    return Pcm(rate, 1) if name == "audio/pcm" and isinstance(rate, int) else None


# Causes.


class _Causes:
    """What each received event answered."""

    def __init__(self, audio: Mapping[int, FrameAudio]) -> None:
        self._audio = audio
        self._positions = Positions()
        self._waiting: List[Tuple[str, Cause]] = []
        self._responses: Dict[str, Cause] = {}
        self.latest = Cause(OPENED)

    def sent(self, event: Sent) -> None:
        audio = self._audio.get(event.seq)
        if audio is not None:
            self._positions.add(event.at_ns, audio.length_ns)
        else:
            self._waiting.append((GPT_LIVE.read(SENT, event.frame).type or "", Cause(SENT, seq=event.seq)))

    def received(self, event: Received) -> Cause:
        cause = self._cause(GPT_LIVE.read(RECEIVED, event.frame))
        self.latest = Cause(RECEIVED, seq=event.seq)
        return cause

    def _cause(self, message: Message) -> Cause:
        name = message.type or ""
        if name in ANSWERS:
            return self._oldest(ANSWERS[name]) or self.latest
        if name == "response.event":
            # A delegated response goes on once the app has asked for it; before that, it answers what was heard.
            delegation = str(message.fields.get("delegation_id"))
            asked = self._oldest("response.create")
            self._responses[delegation] = asked or self._responses.get(delegation) or self._here()
            return self._responses[delegation]
        if name in SAYS or name in ("session.output_audio.delta", "session.delegation.created"):
            # Full duplex: the model hears all the time, and speaks when it sees fit.
            return self._here()
        return self.latest

    def _oldest(self, name: str) -> Optional[Cause]:
        found = next((one for one in self._waiting if one[0] == name), None)
        if found is not None:
            self._waiting.remove(found)
        return None if found is None else found[1]

    def _here(self) -> Cause:
        now_ns = self._positions.now_ns
        return Cause(OPENED) if now_ns is None else Cause(POSITION, position_ns=now_ns)


def _called(message: Message) -> Mapping[str, Any]:
    """The call of a function in a delegated response, once it is whole; empty in every other message."""
    event = member(message.fields, "event") if message.type == "response.event" else {}
    item = member(event, "item") if event.get("type") == "response.output_item.done" else {}
    return item if item.get("type") == "function_call" else {}


def _output(message: Message) -> Mapping[str, Any]:
    """The item by which the app answers a call; empty in every other message."""
    item = member(message.fields, "item") if message.type == "response.item.create" else {}
    return item if item.get("type") == "function_call_output" else {}


# Turns.


class _Draft(TurnDraft):
    """A turn in the making."""

    words = ""

    @property
    def reply_text(self) -> str:
        return self.words


# The dialect.


class GptLive(DialectDefaults):
    """The dialect; its members are those of ``Dialect``."""

    name = "gpt-live"
    version = 1
    hosts: Tuple[str, ...] = ("api.openai.com",)
    chat_paths: Tuple[str, ...] = ("/v1/live/sessions",)
    service_url = "https://api.openai.com"
    variables = Variables("OPENAI_API_KEY", "OPENAI_BASE_URL", base_path="/v1")
    secret_names: FrozenSet[str] = frozenset({"authorization", "headers", "client_secret"})
    message_limits: Tuple[int, ...] = (20 * 1024 * 1024,)

    def __init__(self, *, strict: bool = False) -> None:
        self._strict = strict

    def strictly(self) -> GptLive:
        return GptLive(strict=True)

    def reader(self, handshake: Optional[Handshake] = None) -> LiveReader:
        return LiveReader()

    def causes(self, events: Sequence[Event], audio: Optional[Mapping[int, FrameAudio]] = None) -> Dict[int, Cause]:
        walk = _Causes(SessionAudio(events, self.reader).frames if audio is None else audio)
        found: Dict[int, Cause] = {}
        for event in events:
            if isinstance(event, Sent):
                walk.sent(event)
            elif isinstance(event, Received):
                found[event.seq] = walk.received(event)
            elif isinstance(event, Closed) and event.by != "app":
                found[event.seq] = walk.latest
        return found

    def prompts(self, events: Sequence[Event]) -> Dict[int, Cause]:
        found: Dict[int, Cause] = {}
        calls: Dict[Any, Cause] = {}
        latest = opened = Cause(OPENED)
        for event in events:
            if isinstance(event, Received):
                latest = Cause(RECEIVED, seq=event.seq)
                call = _called(self.read(RECEIVED, event.frame))
                calls.update({call["call_id"]: latest} if call else {})
            elif isinstance(event, Sent):
                message = self.read(SENT, event.frame)
                found[event.seq] = opened if message.type == APPEND else calls.get(_output(message).get("call_id"), latest)
            elif isinstance(event, Closed) and event.by == "app":
                found[event.seq] = latest
        return found

    def is_awaited(self, message: Message) -> bool:
        return message.type != APPEND

    def is_known(self, message: Message) -> bool:
        return message.type in (*APP, *SERVICE)

    def sets_audio(self, message: Message) -> bool:
        return message.type == "session.start" and "format" in member(message.fields, "session", "audio")

    def sets_up(self, message: Message) -> bool:
        return message.type in ("session.start", "session.started")

    def is_call(self, message: Message) -> bool:
        return bool(_called(message))

    def call_text(self, call: Message) -> str:
        return f"{_called(call).get('name')} {_called(call).get('arguments')}"

    def answer_to(self, call: Message, answer: Frame) -> Frame:
        fields = json.loads(answer.payload)
        fields["item"]["call_id"] = _called(call)["call_id"]
        return Frame(answer.opcode, json.dumps(fields).encode())

    def ids(self, message: Message) -> Mapping[str, str]:
        given = member(message.fields, "session").get("id") if message.type == "session.started" else None
        return {"session_id": given} if isinstance(given, str) else {}

    def family(self, message: Message) -> str:
        return "tool_answer" if _output(message) else message.type or ""

    def identity(self, message: Message) -> Optional[str]:
        return (_output(message) or _called(message)).get("call_id")

    def must_equal(self, message: Message) -> Mapping[str, Any]:
        if message.text is not None:
            return {NO_OBJECT: message.text}
        left_out = {"audio"} if message.type == APPEND else set(self.secret_names)
        return {name: value for name, value in message.fields.items() if name not in left_out and (self._strict or name != "event_id")}

    def turns(self, events: Sequence[Event]) -> List[Turn]:
        """The user's words begin a turn where the assistant has spoken since the last; the protocol itself has no turns."""
        drafts: List[_Draft] = []
        for event in events:
            message = self.read(RECEIVED, event.frame) if isinstance(event, Received) else Message(None)
            who, said = SAYS.get(message.type or ""), str(message.fields.get("delta"))
            if who == "user" and (not drafts or drafts[-1].reply):
                drafts.append(_Draft(user=event.seq))
            if who == "user":
                drafts[-1].user_text += said
            elif drafts and (who is not None or message.type in ("session.output_audio.delta", "response.event")):
                drafts[-1].reply.append(event.seq)
                drafts[-1].words += said if who is not None else ""
                drafts[-1].tool_calls += [event.seq] if _called(message) else []
                if message.type == "session.output_audio.delta" and drafts[-1].first_audio is None:
                    drafts[-1].first_audio = event.seq
        return [draft.turn(number) for number, draft in enumerate(drafts, 1)]

    def saying(self, kind: str, message: Message) -> Optional[Saying]:
        who = SAYS.get(message.type or "")
        return None if who is None else Saying(who, str(message.fields.get("delta")))


GPT_LIVE = GptLive()
