"""The cause of each event of an EVI session.

A received event answers something that the app did: opened the socket, sent a message, or got with its audio to a position. A sent message
answers something that it received. Neither is on the wire; both follow from the tables here.

Rules of living here: a cause comes before its effect, in ``(at_ns, seq)``; of several candidates the latest in recorded time counts;
derived at replay and never stored, so ``VERSION`` goes up with every change of what comes out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Dict, List, Mapping, Optional, Sequence

from evi_harness.evi.audio_frames import EviReader
from evi_harness.evi.messages import AUDIO
from evi_harness.evi.reading import milliseconds_ns, read, text_of
from evi_harness.json_dialects.json_messages import member
from evi_harness.session.events import TEXT, Closed, Event, Received, Sent
from evi_harness.session.position import Positions
from evi_harness.session.protocols import OPENED, POSITION, RECEIVED, SENT, Cause, FrameAudio, Message
from evi_harness.session.session_audio import SessionAudio

__all__ = ["STEERING", "VERSION", "causes", "is_final", "prompts", "sets_audio"]

# History of the table:
#   1 (2026-11): the first.
VERSION = 1

# Sent messages that the assistant goes on from.
STEERING = frozenset({"tool_response", "tool_error", "assistant_input", "resume_assistant_message"})

_OPENED = Cause(OPENED)


def causes(events: Sequence[Event], audio: Optional[Mapping[int, FrameAudio]] = None) -> Dict[int, Cause]:
    """Find the cause of each received event and of a close by the service or the network.

    Args:
        events: All events of a session, ordered in time.
        audio: The audio of each of its frames that holds some, by seq; None where that is not known yet.

    Returns:
        The causes by seq. Where no audio was sent before an event, a position cause becomes ``opened``.
    """
    walk = _Walk(SessionAudio(events, EviReader).frames if audio is None else audio)
    found: Dict[int, Cause] = {}
    for event in events:
        if isinstance(event, Sent):
            walk.sent(event)
        elif isinstance(event, Received):
            found[event.seq] = walk.received(event)
        elif isinstance(event, Closed) and event.by != "app":
            found[event.seq] = walk.previous()
    return found


def prompts(events: Sequence[Event]) -> Dict[int, Cause]:
    """Find what each sent event and a close by the app answered.

    A tool's result answers the call with its id, everything else what was received before it; audio and the message that gives its
    format answer the opening alone.

    Args:
        events: All events of a session, ordered in time.

    Returns:
        ``opened`` or ``received`` causes by seq.
    """
    calls: Dict[str, Cause] = {}
    latest = _OPENED
    found: Dict[int, Cause] = {}
    for event in events:
        if isinstance(event, Received):
            latest = Cause(RECEIVED, seq=event.seq)
            message = read(RECEIVED, event.frame)
            identity = message.fields.get("tool_call_id")
            if message.type == "tool_call" and isinstance(identity, str):
                calls[identity] = latest
        elif isinstance(event, Sent):
            # Nearly all that is sent is audio in binary frames, which need no reading.
            found[event.seq] = _prompt(read(SENT, event.frame), calls, latest) if event.frame.opcode == TEXT else _OPENED
        elif isinstance(event, Closed) and event.by == "app":
            found[event.seq] = latest
    return found


def sets_audio(message: Message) -> bool:
    """Whether a sent message says in which format the audio comes."""
    return message.type == "session_settings" and bool(member(message.fields, "audio"))


def is_final(message: Message) -> bool:
    """Whether a user_message is final: the service goes on from it. One that does not say is."""
    return not message.fields.get("interim")


def _prompt(message: Message, calls: Mapping[str, Cause], latest: Cause) -> Cause:
    if message.type in (AUDIO, "audio_input") or sets_audio(message):
        return _OPENED
    identity = message.fields.get("tool_call_id")
    if message.type in ("tool_response", "tool_error") and isinstance(identity, str):
        return calls.get(identity, latest)
    return latest


@dataclass
class _Input:
    """A user_input that was sent."""

    seq: int
    text: str
    answered: bool = False


class _Walk:
    """One pass over a session: what the causes of what comes next depend on."""

    def __init__(self, audio: Mapping[int, FrameAudio]) -> None:
        self._audio = audio
        self._positions = Positions()
        self._times: Dict[int, int] = {}
        self._settings: List[int] = []
        self._n_echoes = 0
        self._inputs: List[_Input] = []
        self._user: Optional[Cause] = None
        self._steering: Optional[Cause] = None
        self._opened = self._latest = _OPENED

    def sent(self, event: Sent) -> None:
        audio = self._audio.get(event.seq)
        if audio is not None:
            self._positions.add(event.at_ns, audio.length_ns)
            return
        self._times[event.seq] = event.at_ns
        message = read(SENT, event.frame)
        if message.type == "session_settings":
            self._settings.append(event.seq)
        elif message.type == "user_input":
            self._inputs.append(_Input(event.seq, str(message.fields.get("text", ""))))
        elif message.type in STEERING:
            self._steering = Cause(SENT, seq=event.seq)

    def received(self, event: Received) -> Cause:
        message = read(RECEIVED, event.frame)
        rule = _TABLE.get(message.type or "", _Walk.previous)
        cause = self._user_message(message) if message.type == "user_message" else rule(self)
        self._latest = Cause(RECEIVED, seq=event.seq)
        return cause

    def previous(self) -> Cause:
        return self._latest

    def _start(self) -> Cause:
        return self._opened

    def _echo(self) -> Cause:
        self._n_echoes += 1
        if self._n_echoes > len(self._settings):
            return _OPENED
        return Cause(SENT, seq=self._settings[self._n_echoes - 1])

    def _user_message(self, message: Message) -> Cause:
        cause = self._typed(message) if message.fields.get("from_text") is True else self._spoken(message)
        if is_final(message):
            self._user = cause
        return cause

    def _typed(self, message: Message) -> Cause:
        text = text_of(message.fields)
        same = (one for one in self._inputs if one.text == text and not one.answered)
        chosen = next(same, self._inputs[-1] if self._inputs else None)
        if chosen is None:
            return _OPENED
        chosen.answered = chosen.answered or is_final(message)
        return Cause(SENT, seq=chosen.seq)

    def _spoken(self, message: Message) -> Cause:
        now_ns = self._positions.now_ns
        end_ns = milliseconds_ns(member(message.fields, "time").get("end"))
        if now_ns is not None and end_ns is not None and 0 < end_ns <= now_ns:
            return Cause(POSITION, position_ns=end_ns)
        return self._here()

    def _here(self) -> Cause:
        now_ns = self._positions.now_ns
        return _OPENED if now_ns is None else Cause(POSITION, position_ns=now_ns)

    def _reply(self) -> Cause:
        # max keeps the first of equals: at one instant the message is the better cause than the audio.
        candidates = [cause for cause in (self._steering, self._user) if cause is not None]
        return max(candidates, key=self._at_ns, default=_OPENED)

    def _at_ns(self, cause: Cause) -> int:
        """Recorded time of a cause."""
        if cause.seq is not None:
            return self._times[cause.seq]
        if cause.position_ns is not None:
            return self._positions.reached_at_ns(cause.position_ns) or 0
        return 0


# One row a received type; what is not in it answers what was received before it. A user_message has to be read to be placed.
_TABLE: Mapping[str, Callable[[_Walk], Cause]] = {
    "chat_metadata": _Walk._start,
    "session_settings": _Walk._echo,
    "user_interruption": _Walk._here,
    "assistant_message": _Walk._reply,
    "audio_output": _Walk._reply,
    "assistant_prosody": _Walk._reply,
    "tool_call": _Walk._reply,
    "assistant_end": _Walk._reply,
}
