"""A dialect that nobody speaks: an information desk, in a dozen messages of text.

The app says ``hello``, asks (``ask``), answers the desk's calls (``result``, ``failure``) and may ``rename`` itself or say ``bye``. The
desk says ``welcome`` and ``renamed``, answers an ask in ``word`` after ``word`` up to ``done``, may ``call`` for something meanwhile, and
says ``sorry`` where it does not understand. Any message may hold sound.

Tests bring it to evi-harness as a package would: by an entry point. No module of evi-harness knows it.
"""

from __future__ import annotations

import json
from typing import Any, Dict, FrozenSet, List, Mapping, Optional, Sequence, Tuple, Union

from evi_harness.session.events import BINARY, Closed, Event, Frame, Handshake, Received, Sent
from evi_harness.session.frame_audio import ASSISTANT, USER, MessageAudio
from evi_harness.session.json_places import members
from evi_harness.session.protocols import (
    OPENED,
    RECEIVED,
    SENT,
    AudioPlace,
    Cause,
    FrameAudio,
    HttpAnswer,
    Message,
    Saying,
    Told,
    ToldSession,
    Truncated,
    Variables,
)
from evi_harness.session.turn import Turn
from evi_harness.session.wav import A_LAW, LINEAR, MU_LAW, Pcm

APP = ("hello", "ask", "result", "failure", "rename", "bye")
DESK = ("welcome", "renamed", "word", "done", "call", "sorry")
_OPENED = Cause(OPENED)
# By which field a message of the app's and the desk's answer to it are about the same.
_ABOUT = {"ask": "ask", "word": "ask", "done": "ask", "call": "call", "result": "call", "failure": "call"}


_SOUND = "sound"
_LAWS = {"linear": LINEAR, "mu": MU_LAW, "a": A_LAW}


class ToyReader:
    """Reads one visit. Sound is base64 in any string named ``sound``; in which format the desk says, in a member ``sounds``, for both."""

    def __init__(self) -> None:
        self._pcm: Optional[Pcm] = None
        self._patience_ms: Optional[int] = None

    @property
    def told(self) -> Told:
        end_ns = None if self._patience_ms is None else self._patience_ms * 1_000_000
        return Told(end_of_turn_ns=end_ns, user=self._pcm, assistant=self._pcm)

    def read(self, kind: str, frame: Frame) -> Optional[MessageAudio]:
        if frame.opcode == BINARY:
            return None
        message = TOY.read(kind, frame)
        sounds = message.fields.get("sounds")
        if kind == RECEIVED and isinstance(sounds, dict):
            law = _LAWS[sounds["law"]]
            self._pcm = Pcm(sounds["rate"], 1, 2 if law == LINEAR else 1, law)
            self._patience_ms = sounds.get("patience_ms", self._patience_ms)
        if message.type is None or b'"sound"' not in frame.outline:
            return None
        track, pcm = USER if kind == SENT else ASSISTANT, self._pcm

        def find(payload: bytes) -> Tuple[AudioPlace, ...]:
            found = (one for one in members(payload) if one.name == _SOUND and payload[one.start : one.start + 1] == b'"')
            return tuple(AudioPlace(track, one.start + 1, one.stop - 1, base64=True, pcm=pcm) for one in found)

        return MessageAudio(frame, find, track, pcm)


class Toy:
    """The dialect; its members are those of ``Dialect``."""

    name = "toy"
    version = 1
    hosts: Tuple[str, ...] = ("desk.example.com",)
    chat_paths: Tuple[str, ...] = ("/desk",)
    token_path = "/desk/token"
    history_paths: Tuple[str, ...] = ("/desk/asked/{id}",)
    service_url = "https://desk.example.com"
    bases: Tuple[str, ...] = ()
    variables = Variables("DESK_BADGE", "DESK_URL")
    secret_names: FrozenSet[str] = frozenset({"badge"})
    folded_names: FrozenSet[str] = frozenset()
    message_limits: Tuple[int, ...] = (65536,)

    def __init__(self, *, strict: bool = False) -> None:
        self._strict = strict

    def strictly(self) -> Toy:
        return Toy(strict=True)

    def read(self, kind: str, frame: Frame) -> Message:
        if frame.opcode == BINARY:
            return Message(None)
        try:
            fields = json.loads(frame.outline)
        except (ValueError, RecursionError):
            fields = None
        if not isinstance(fields, dict):
            return Message(None, text=frame.outline.decode("utf-8", "replace"))
        name = fields.get("type")
        return Message(name if isinstance(name, str) else None, fields)

    def reader(self, handshake: Optional[Handshake] = None) -> ToyReader:
        return ToyReader()

    def causes(self, events: Sequence[Event], audio: Optional[Mapping[int, FrameAudio]] = None) -> Dict[int, Cause]:
        found: Dict[int, Cause] = {}
        latest, by_ask = _OPENED, {}
        for event in events:
            if isinstance(event, Sent):
                message = self.read(SENT, event.frame)
                latest = Cause(SENT, seq=event.seq)
                if message.type == "ask":
                    by_ask[message.fields.get("ask")] = latest
                elif message.type in ("result", "failure"):
                    # What the desk was asked it goes on with.
                    by_ask = dict.fromkeys(by_ask, latest)
            elif isinstance(event, Received):
                message = self.read(RECEIVED, event.frame)
                found[event.seq] = by_ask.get(message.fields.get("ask"), latest)
            elif isinstance(event, Closed) and event.by != "app":
                found[event.seq] = latest
        return found

    def prompts(self, events: Sequence[Event]) -> Dict[int, Cause]:
        found: Dict[int, Cause] = {}
        latest, calls = _OPENED, {}
        for event in events:
            if isinstance(event, Received):
                latest = Cause(RECEIVED, seq=event.seq)
                message = self.read(RECEIVED, event.frame)
                if message.type == "call":
                    calls[message.fields.get("call")] = latest
            elif isinstance(event, Sent):
                message = self.read(SENT, event.frame)
                is_answer = message.type in ("result", "failure")
                found[event.seq] = calls.get(message.fields.get("call"), latest) if is_answer else latest
            elif isinstance(event, Closed) and event.by == "app":
                found[event.seq] = latest
        return found

    def is_awaited(self, message: Message) -> bool:
        return message.type in ("hello", "ask", "result", "failure", "rename")

    def sets_audio(self, message: Message) -> bool:
        return False

    def gives_format(self, message: Message) -> bool:
        return False

    def sets_up(self, message: Message) -> bool:
        return message.type in ("hello", "welcome")

    def is_call(self, message: Message) -> bool:
        return message.type == "call"

    def answer_to(self, call: Message, answer: Frame) -> Frame:
        fields = {**json.loads(answer.payload), "call": call.fields.get("call")}
        return Frame(answer.opcode, json.dumps(fields).encode())

    def is_error(self, message: Message) -> bool:
        return message.type == "sorry"

    def ended_by(self, message: Message) -> Optional[str]:
        return "closing_time" if message.type == "sorry" and message.fields.get("why") == "closing_time" else None

    def explain(self, code: Union[str, int]) -> str:
        return f"The desk does not say what {code} means."

    def ids(self, message: Message) -> Mapping[str, str]:
        visit = message.fields.get("visit")
        return {"visit": visit} if message.type == "welcome" and isinstance(visit, str) else {}

    def is_known(self, message: Message) -> bool:
        return message.type in (*APP, *DESK)

    def key_check(self, api_key: Optional[str], secret_key: Optional[str], *, token_seconds: int, token_name: str) -> None:
        """The desk asks nobody for a key."""

    def keys_in(self, handshake: Handshake) -> Tuple[str, ...]:
        return tuple(value for name, value in handshake.query if name == "badge")

    def subprotocol(self, handshake: Handshake) -> Optional[str]:
        return None

    def token_answer(self, token: str, body: bytes, issued_s: int, expires_in_s: int) -> Mapping[str, Any]:
        return {"badge": token}

    def call_text(self, call: Message) -> str:
        return str(call.fields.get("wants"))

    def family(self, message: Message) -> str:
        return "answer" if message.type in ("result", "failure") else message.type or ""

    def identity(self, message: Message) -> Optional[str]:
        value = message.fields.get(_ABOUT.get(message.type or "", ""))
        return value if isinstance(value, str) else None

    def truncations(self, events: Sequence[Event]) -> Dict[int, Truncated]:
        """Nothing is heard at a desk."""
        return {}

    def must_equal(self, message: Message) -> Mapping[str, Any]:
        if message.text is not None:
            return {"text": message.text}
        # An ask is numbered anew in each run.
        left_out = {"badge", *(() if self._strict else ("nonce",))}
        return {name: value for name, value in message.fields.items() if name not in left_out}

    def rejected(self, events: Sequence[Event]) -> Dict[int, Tuple[str, ...]]:
        sent = ((event.seq, self.read(SENT, event.frame)) for event in events if isinstance(event, Sent))
        return {seq: ("the desk knows no such message",) for seq, message in sent if message.type not in APP}

    def chunk(self, message: Message) -> Optional[Tuple[str, int]]:
        return None

    def comparable_handshakes(self, recorded: Handshake, live: Handshake) -> Tuple[Mapping[str, Any], Mapping[str, Any]]:
        then, now = ({name: value for name, value in one.query if name not in self.secret_names} for one in (recorded, live))
        return {"query": then}, {"query": now}

    def resumed(self, handshake: Handshake) -> Optional[str]:
        return None

    def turns(self, events: Sequence[Event]) -> List[Turn]:
        drafts: List[Dict[str, Any]] = []
        for event in events:
            if not isinstance(event, (Sent, Received)):
                continue
            message = self.read(event.kind, event.frame)
            if message.type == "ask":
                drafts.append(
                    {"user": event.seq, "text": str(message.fields.get("text")), "reply": [], "said": [], "calls": [], "end": None}
                )
            elif isinstance(event, Received) and drafts and message.type in ("word", "call", "done"):
                drafts[-1]["reply"].append(event.seq)
                drafts[-1]["said"] += [str(message.fields.get("text"))] if message.type == "word" else []
                drafts[-1]["calls"] += [event.seq] if message.type == "call" else []
                drafts[-1]["end"] = event.seq if message.type == "done" else drafts[-1]["end"]
        return [
            Turn(
                number=number,
                user=draft["user"],
                user_text=draft["text"],
                speech=None,
                reply=tuple(draft["reply"]),
                reply_text=" ".join(draft["said"]),
                first_audio=None,
                tool_calls=tuple(draft["calls"]),
                interrupted_by=None,
                end=draft["end"],
            )
            for number, draft in enumerate(drafts, 1)
        ]

    def describe(self, kind: str, message: Message) -> str:
        said = message.fields.get("text") or message.fields.get("wants") or message.fields.get("is") or message.text or ""
        return f"{message.type or 'no message'} {said}".strip()

    def saying(self, kind: str, message: Message) -> Optional[Saying]:
        said = message.fields.get("text")
        who = {"ask": "user", "word": "assistant"}.get(message.type or "")
        return Saying(who, said) if who is not None and isinstance(said, str) else None

    def history(self, request: Handshake, sessions: Sequence[ToldSession]) -> Optional[HttpAnswer]:
        sent = [event for one in sessions for event in one.events if isinstance(event, Sent)]
        asked = sum(self.read(SENT, event.frame).type == "ask" for event in sent)
        return HttpAnswer({"asked": asked}) if request.path == "/desk/asked/all" else None

    def typed(self, message: Message) -> Optional[str]:
        return None

    def telling(self, kind: str, message: Message) -> int:
        return 0 if message.type in ("ask", "word") else 1

    def is_aside(self, message: Message) -> bool:
        return False


TOY = Toy()
