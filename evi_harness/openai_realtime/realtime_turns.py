"""The turns of a Realtime session.

A commit of the user's audio begins a turn, whether the service made it or the app. What was typed begins one with the response that answers
it: an app may give a history of many messages first. A response that continues from a tool's answer belongs to the turn of the call; one
with nothing from the user before it is a separate turn.

Rules of living here: only seqs go into a turn; every part of a response is in exactly one turn.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, List, Mapping, Optional, Sequence

from evi_harness.json_dialects.json_messages import member
from evi_harness.openai_realtime.realtime_audio import RealtimeReader
from evi_harness.openai_realtime.realtime_causes import BufferTimes, calls_tool
from evi_harness.openai_realtime.realtime_reading import item_of, ms_ns, objects, read, string
from evi_harness.session.events import Event, Received, Sent
from evi_harness.session.protocols import RECEIVED, SENT, Message
from evi_harness.session.turn import Speech, Turn, TurnDraft

__all__ = ["text_of_item", "turns"]


def turns(events: Sequence[Event]) -> List[Turn]:
    """Divide a session into turns.

    Args:
        events: All events, ordered in time.

    Returns:
        The turns in the order of their beginning; none for a session in which nobody said anything.
    """
    walk = _Walk()
    for event in events:
        if isinstance(event, Sent):
            audio = walk.reader.read(SENT, event.frame)
            if audio is not None:
                walk.times.add(event.at_ns, audio.length_ns)
            else:
                walk.sent(read(SENT, event.frame))
        elif isinstance(event, Received):
            walk.reader.read(RECEIVED, event.frame)
            walk.received(event.seq, read(RECEIVED, event.frame))
    walk.take_typed()
    return [draft.turn(number) for number, draft in enumerate(walk.drafts, start=1)]


def text_of_item(item: Mapping[str, object]) -> str:
    """What an item says: its texts and transcripts, joined by a space."""
    parts = (string(part, "text") or string(part, "transcript") for part in objects(item, "content"))
    return " ".join(filter(None, parts))


@dataclass
class _Draft(TurnDraft):
    """A turn in the making."""

    said: Dict[str, str] = field(default_factory=dict)
    # What came in parts, by the same: of a reply that is cut off, nothing else comes.
    parts: Dict[str, str] = field(default_factory=dict)
    # Whether a tool is to be answered before the reply goes on.
    is_calling: bool = False

    @property
    def reply_text(self) -> str:
        return " ".join(filter(None, {**self.parts, **self.said}.values()))

    def add(self, seq: int, message: Message) -> None:
        self.reply.append(seq)
        if message.type == "response.output_audio.delta" and self.first_audio is None:
            self.first_audio = seq
        elif message.type in ("response.output_audio_transcript.done", "response.output_text.done"):
            self.said[_place(message)] = string(message.fields, "transcript") or string(message.fields, "text") or ""
        elif message.type in ("response.output_audio_transcript.delta", "response.output_text.delta"):
            place = _place(message)
            self.parts[place] = self.parts.get(place, "") + (string(message.fields, "delta") or "")
        elif calls_tool(message):
            self.tool_calls.append(seq)
            self.is_calling = True


def _place(message: Message) -> str:
    return f"{item_of(message)} {message.fields.get('content_index')}"


class _Walk:
    """One pass over a session."""

    def __init__(self) -> None:
        self.reader = RealtimeReader()
        self.times = BufferTimes()
        self.drafts: List[_Draft] = []
        self._by_item: Dict[str, _Draft] = {}
        self._by_response: Dict[str, _Draft] = {}
        # Where speech of an item began and ended, in what was written to the buffer.
        self._begins: Dict[str, int] = {}
        self._ends: Dict[str, int] = {}
        self._transcripts: Dict[str, str] = {}
        # What was typed and has no response yet: the latest message, and its words.
        self._typed: Optional[int] = None
        self._typed_text: List[str] = []
        self._active: Optional[_Draft] = None
        # The turn that an item of the assistant's is of, and the latest speech of the user's to begin.
        self._by_spoken: Dict[str, _Draft] = {}
        self._speech_began: Optional[int] = None

    def sent(self, message: Message) -> None:
        if message.type != "conversation.item.truncate":
            return
        # The service may have been done long before the reply was played: then the app alone says that it was cut off.
        draft, seq = self._by_spoken.get(item_of(message) or ""), self._speech_began
        if draft is not None and draft.interrupted_by is None and seq is not None and draft.first_audio is not None:
            draft.interrupted_by = seq if seq > draft.first_audio else None

    def received(self, seq: int, message: Message) -> None:
        name = message.type or ""
        if name == "input_audio_buffer.speech_started":
            self._speech_started(seq, message)
        elif name == "input_audio_buffer.speech_stopped":
            end_ns = ms_ns(message.fields.get("audio_end_ms"))
            if end_ns is not None:
                # It counts the silence that was waited for.
                self._ends[item_of(message) or ""] = max(0, end_ns - (self.reader.told.end_of_turn_ns or 0))
        elif name == "input_audio_buffer.committed":
            self._committed(seq, message)
        elif name == "conversation.item.input_audio_transcription.completed":
            self._transcribed(message)
        elif name in ("conversation.item.added", "conversation.item.created"):
            self._item(seq, message)
        elif name.startswith("response."):
            self._response(seq, message)

    def take_typed(self) -> None:
        """What was typed and is not answered begins a turn too."""
        if self._typed is not None:
            self.drafts.append(_Draft(user=self._typed, user_text=" ".join(self._typed_text)))
            self._typed, self._typed_text = None, []

    def _speech_started(self, seq: int, message: Message) -> None:
        begin_ns = ms_ns(message.fields.get("audio_start_ms"))
        if begin_ns is not None:
            self._begins[item_of(message) or ""] = begin_ns
        self._speech_began = seq
        # The service goes on while what it has sent is played, and nobody but the app knows for how long.
        if self._active is not None and self._active.interrupted_by is None:
            self._active.interrupted_by = seq

    def _committed(self, seq: int, message: Message) -> None:
        self.take_typed()
        identity = item_of(message) or ""
        draft = _Draft(user=seq, user_text=self._transcripts.get(identity, ""), speech=self._speech(identity))
        self.drafts.append(draft)
        self._by_item[identity] = draft

    def _speech(self, identity: str) -> Optional[Speech]:
        begin_ns, end_ns = self._begins.get(identity), self._ends.get(identity)
        begin_ns = None if begin_ns is None else self.times.position_ns(begin_ns)
        end_ns = None if end_ns is None else self.times.position_ns(end_ns)
        return Speech(begin_ns, end_ns) if begin_ns is not None and end_ns is not None and begin_ns <= end_ns else None

    def _transcribed(self, message: Message) -> None:
        identity, said = item_of(message) or "", string(message.fields, "transcript") or ""
        # Some services send several for an item, each with all of it.
        self._transcripts[identity] = said
        if identity in self._by_item:
            self._by_item[identity].user_text = said

    def _item(self, seq: int, message: Message) -> None:
        item = member(message.fields, "item")
        said = text_of_item(item)
        if item.get("role") == "user" and item_of(message) not in self._by_item and said:
            self._typed_text.append(said)
            self._typed = seq
        elif item.get("role") == "assistant" and self._active is None:
            # History: what the user had said before it was answered then.
            self._typed, self._typed_text = None, []

    def _response(self, seq: int, message: Message) -> None:
        identity = string(message.fields, "response_id") or string(member(message.fields, "response"), "id") or ""
        draft = self._by_response.get(identity) or self._begin(identity)
        draft.add(seq, message)
        if message.type == "response.output_audio.delta":
            self._by_spoken[item_of(message) or ""] = draft
        if message.type == "response.done":
            draft.end = None if draft.is_calling else seq
            self._active = None

    def _begin(self, identity: str) -> _Draft:
        is_typed = self._typed is not None
        self.take_typed()
        latest = self.drafts[-1] if self.drafts else None
        if latest is None or not (is_typed or not latest.reply or latest.is_calling):
            latest = _Draft()
            self.drafts.append(latest)
        latest.is_calling = False
        self._by_response[identity] = self._active = latest
        return latest
