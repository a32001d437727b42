"""The turns of an EVI session.

A final user_message begins a turn; so does the assistant when it speaks unprompted (a greeting, an assistant_input). A turn ends with
assistant_end, but a tool's answer sent after that lets the same reply go on. What names an earlier sentence by its id belongs to that
sentence's turn, however late it comes.

Rules of living here: only seqs go into a turn; every part of a reply is in exactly one turn.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, List, Optional, Sequence

from evi_harness.evi.causes import is_final
from evi_harness.evi.reading import milliseconds_ns, read, text_of
from evi_harness.json_dialects.json_messages import member
from evi_harness.session.events import TEXT, Event, Received, Sent
from evi_harness.session.protocols import RECEIVED, SENT, Message
from evi_harness.session.turn import Speech, Turn, TurnDraft

__all__ = ["REPLY", "turns"]

# What a reply is made of. tool_response and tool_error are those of built-in tools, which the service answers itself.
REPLY = frozenset({"assistant_message", "audio_output", "assistant_prosody", "tool_call", "tool_response", "tool_error", "assistant_end"})
_TOOL_ANSWERS = frozenset({"tool_response", "tool_error"})
_OF_A_SENTENCE = frozenset({"audio_output", "assistant_prosody"})


def turns(events: Sequence[Event]) -> List[Turn]:
    """Divide a session into turns.

    Args:
        events: All events, ordered in time.

    Returns:
        The turns in the order of their beginning; none for a session in which nobody said anything.
    """
    walk = _Walk()
    for event in events:
        if isinstance(event, Received):
            walk.received(event.seq, read(RECEIVED, event.frame))
        elif isinstance(event, Sent) and event.frame.opcode == TEXT and read(SENT, event.frame).type in _TOOL_ANSWERS:
            walk.go_on()
    return [draft.turn(number) for number, draft in enumerate(walk.drafts, start=1)]


@dataclass
class _Draft(TurnDraft):
    """A turn in the making."""

    sentences: List[str] = field(default_factory=list)
    over: bool = False

    @property
    def reply_text(self) -> str:
        return " ".join(self.sentences)

    def add(self, seq: int, message: Message) -> None:
        self.reply.append(seq)
        if message.type == "assistant_message":
            self.sentences.extend(filter(None, [text_of(message.fields)]))
        elif message.type == "audio_output" and self.first_audio is None:
            self.first_audio = seq
        elif message.type == "tool_call":
            self.tool_calls.append(seq)
        elif message.type == "assistant_end":
            self.end = seq
            self.over = True


class _Walk:
    """One pass over a session."""

    def __init__(self) -> None:
        self.drafts: List[_Draft] = []
        self._by_sentence: Dict[str, _Draft] = {}

    def received(self, seq: int, message: Message) -> None:
        if message.type == "user_message" and is_final(message):
            said = text_of(message.fields)
            self.drafts.append(_Draft(user=seq, user_text=said, speech=_speech(message)))
        elif message.type == "user_interruption":
            self._interrupt(seq)
        elif message.type in REPLY:
            self._reply(seq, message)

    def go_on(self) -> None:
        if self.drafts:
            self.drafts[-1].over = False

    def _interrupt(self, seq: int) -> None:
        if self.drafts and self.drafts[-1].reply and self.drafts[-1].interrupted_by is None:
            self.drafts[-1].interrupted_by = seq

    def _reply(self, seq: int, message: Message) -> None:
        draft = self._of_sentence(message) or self._being_ended(message) or self._current(message)
        draft.add(seq, message)
        identity = message.fields.get("id")
        if message.type == "assistant_message" and isinstance(identity, str):
            self._by_sentence[identity] = draft

    def _of_sentence(self, message: Message) -> Optional[_Draft]:
        identity = message.fields.get("id")
        if message.type not in _OF_A_SENTENCE or not isinstance(identity, str):
            return None
        return self._by_sentence.get(identity)

    def _being_ended(self, message: Message) -> Optional[_Draft]:
        """The turn before, where this is the end of its interrupted reply and the user's next words overtook it."""
        if message.type != "assistant_end" or len(self.drafts) < 2 or self.drafts[-1].reply:
            return None
        before = self.drafts[-2]
        return before if before.interrupted_by is not None and before.end is None else None

    def _current(self, message: Message) -> _Draft:
        if not self.drafts or (self.drafts[-1].over and message.type != "assistant_end"):
            self.drafts.append(_Draft())
        return self.drafts[-1]


def _speech(message: Message) -> Optional[Speech]:
    if message.fields.get("from_text") is True:
        return None
    time = member(message.fields, "time")
    begin_ns, end_ns = milliseconds_ns(time.get("begin")), milliseconds_ns(time.get("end"))
    if begin_ns is None or end_ns is None or not 0 <= begin_ns <= end_ns:
        return None
    return Speech(begin_ns, end_ns)
