"""What each event of a Realtime session answered.

Rules of living here: a cause lies before what it caused, in ``(at_ns, seq)``; derived at replay and never stored, so ``VERSION`` goes up
with every change of what comes out. Services leave messages out, name items before they announce them, and answer late: what is missing
is never a reason for another rule, only for the next best cause.

Sources: sections 2 and 3 of the protocol's facts: what answers what, and the order in sessions of five services.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Callable, Deque, Dict, List, Mapping, Optional, Sequence, Tuple

from evi_harness.json_dialects.json_messages import member
from evi_harness.openai_realtime.realtime_audio import RealtimeReader
from evi_harness.openai_realtime.realtime_reading import item_of, ms_ns, read, string
from evi_harness.session.events import Closed, Event, Received, Sent
from evi_harness.session.position import Positions
from evi_harness.session.protocols import OPENED, POSITION, RECEIVED, SENT, Cause, FrameAudio, Message
from evi_harness.session.session_audio import SessionAudio

__all__ = ["VERSION", "BufferTimes", "calls_tool", "causes", "prompts", "tool_output"]

# History of the table:
#   1 (2026-11): the first.
VERSION = 1

_OPENED = Cause(OPENED)
_ACTIVE = "conversation_already_has_active_response"


def causes(events: Sequence[Event], audio: Optional[Mapping[int, FrameAudio]] = None) -> Dict[int, Cause]:
    """Find the cause of each received event and of a close by the service or the network.

    Args:
        events: All events of a session, ordered in time.
        audio: The audio of each of its frames that holds some, by seq; None where that is not known yet.

    Returns:
        The causes by seq. Where no audio was sent before an event, a position cause becomes ``opened``.
    """
    walk = _Walk(SessionAudio(events, lambda _: RealtimeReader()).frames if audio is None else audio)
    found: Dict[int, Cause] = {}
    for event in events:
        if isinstance(event, Sent):
            walk.sent(event)
        elif isinstance(event, Received):
            found[event.seq] = walk.received(event)
        elif isinstance(event, Closed) and event.by != "app":
            found[event.seq] = walk.latest
    return found


def prompts(events: Sequence[Event]) -> Dict[int, Cause]:
    """Find what each sent event and a close by the app answered.

    A tool's output answers the call with its id, audio the opening alone, and everything else what was received before it.

    Args:
        events: All events of a session, ordered in time.
    """
    calls: Dict[str, Cause] = {}
    latest = _OPENED
    found: Dict[int, Cause] = {}
    for event in events:
        if isinstance(event, Received):
            latest = Cause(RECEIVED, seq=event.seq)
            message = read(RECEIVED, event.frame)
            call_id = string(message.fields, "call_id")
            if calls_tool(message) and call_id is not None:
                calls[call_id] = latest
        elif isinstance(event, Sent):
            message = read(SENT, event.frame)
            if message.type in ("audio", "input_audio_buffer.append"):
                found[event.seq] = _OPENED
            else:
                found[event.seq] = calls.get(string(tool_output(message), "call_id") or "", latest)
        elif isinstance(event, Closed) and event.by == "app":
            found[event.seq] = latest
    return found


def calls_tool(message: Message) -> bool:
    """Whether a received message calls a tool of the app's: it is the one that has the whole call, and every service sends it."""
    return message.type == "response.function_call_arguments.done"


def tool_output(message: Message) -> Mapping[str, Any]:
    """The item with which a sent message answers a tool's call; empty where it answers none."""
    item = member(message.fields, "item")
    return item if message.type == "conversation.item.create" and item.get("type") == "function_call_output" else {}


class BufferTimes:
    """The service's own milliseconds, which count the audio that was written to its buffer, on our axis of positions."""

    def __init__(self) -> None:
        self.positions = Positions()
        # Where the audio so far ends: in what was written, and on our axis.
        self._ends: List[Tuple[int, int]] = []
        self._written_ns = 0

    def add(self, at_ns: int, length_ns: Optional[int]) -> None:
        """Count a piece of the user's audio."""
        position_ns = self.positions.add(at_ns, length_ns)
        self._written_ns += length_ns or 0
        self._ends.append((self._written_ns, position_ns))

    def position_ns(self, written_ns: int) -> Optional[int]:
        """Where on our axis so much had been written; None where so much was not."""
        low, high = 0, len(self._ends)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if self._ends[middle][0] < written_ns else (low, middle)
        if low == len(self._ends):
            return None
        end_ns, position_ns = self._ends[low]
        return max(0, position_ns - (end_ns - written_ns))


class _Walk:
    """One pass over a session: what the causes of what comes next depend on."""

    def __init__(self, audio: Mapping[int, FrameAudio]) -> None:
        self._audio = audio
        self._times = BufferTimes()
        self.latest = _OPENED
        # What was sent and is not answered, by type, the oldest first: the cause, and the message.
        self._waiting: Dict[str, Deque[Tuple[Cause, Message]]] = {}
        self._by_event_id: Dict[str, Cause] = {}
        # What is known of an item, and of a response, answers what began it.
        self._items: Dict[str, Cause] = {}
        self._committed_items: Dict[str, Cause] = {}
        self._responses: Dict[str, Cause] = {}
        self._response: Optional[Cause] = None
        # What the service takes for the user's turn, and where it last heard speech begin.
        self._turn: Optional[Cause] = None
        self._stopped: Optional[Cause] = None
        self._started: Optional[Cause] = None
        self._cancel: Optional[Cause] = None

    def sent(self, event: Sent) -> None:
        audio = self._audio.get(event.seq)
        if audio is not None:
            self._times.add(event.at_ns, audio.length_ns)
            return
        message, cause = read(SENT, event.frame), Cause(SENT, seq=event.seq)
        self._waiting.setdefault(message.type or "", deque()).append((cause, message))
        identity = string(message.fields, "event_id")
        if identity is not None:
            self._by_event_id[identity] = cause
        if message.type == "response.cancel":
            self._cancel = cause

    def received(self, event: Received) -> Cause:
        message = read(RECEIVED, event.frame)
        name = message.type or ""
        rule = _TABLE.get(name)
        if rule is not None:
            cause = rule(self, message)
        elif string(message.fields, "response_id") is not None and name.startswith(("response.", "output_audio_buffer.")):
            cause = self._of_response(message)
        elif name.startswith("conversation.item.input_audio_transcription."):
            # Before the commit it answers what was said so far; behind it, however late, the turn.
            cause = self._committed_items.get(item_of(message) or "") or self._here()
        else:
            cause = self.latest
        self.latest = Cause(RECEIVED, seq=event.seq)
        return cause

    def _start(self, _: Message) -> Cause:
        return _OPENED

    def _updated(self, _: Message) -> Cause:
        return self._oldest("session.update") or _OPENED

    def _oldest(self, name: str, fits: Callable[[Message], bool] = lambda _: True) -> Optional[Cause]:
        """The oldest unanswered message of a type that fits; it is answered now."""
        waiting = self._waiting.get(name, deque())
        for index, (cause, message) in enumerate(waiting):
            if fits(message):
                del waiting[index]
                return cause
        return None

    def _here(self) -> Cause:
        now_ns = self._times.positions.now_ns
        return _OPENED if now_ns is None else Cause(POSITION, position_ns=now_ns)

    def _speech_started(self, message: Message) -> Cause:
        # Its own time lies before the speech was detected: before the padding.
        self._started = self._here()
        self._know(message, self._started)
        return self._started

    def _speech_stopped(self, message: Message) -> Cause:
        end_ns = ms_ns(message.fields.get("audio_end_ms"))
        position_ns = None if end_ns is None else self._times.position_ns(end_ns)
        self._stopped = self._here() if not position_ns else Cause(POSITION, position_ns=position_ns)
        self._know(message, self._stopped)
        return self._stopped

    def _timeout(self, message: Message) -> Cause:
        self._stopped = self._here()
        self._know(message, self._stopped)
        return self._stopped

    def _committed(self, message: Message) -> Cause:
        by_app = self._oldest("input_audio_buffer.commit")
        self._turn = by_app or self._stopped or self._here()
        self._stopped = None
        identity = item_of(message)
        if identity is not None:
            self._items[identity] = self._committed_items[identity] = self._turn
        return self._turn

    def _cleared(self, _: Message) -> Cause:
        return self._oldest("input_audio_buffer.clear") or self.latest

    def _item(self, message: Message) -> Cause:
        item = member(message.fields, "item")
        known = self._items.get(item_of(message) or "")
        if known is not None:
            return known
        cause = self._oldest("conversation.item.create", lambda sent: _is_same(member(sent.fields, "item"), item))
        if cause is None:
            is_of_response = self._response is not None and item.get("role") != "user" and item.get("type") != "function_call_output"
            cause = self._response if is_of_response and self._response is not None else self._turn or self._here()
        self._know(message, cause)
        return cause

    def _about_item(self, name: str) -> Callable[[Message], Cause]:
        def rule(message: Message) -> Cause:
            identity = item_of(message)
            return self._oldest(name, lambda sent: item_of(sent) == identity) or self.latest

        return rule

    def _truncated(self, message: Message) -> Cause:
        return self._about_item("conversation.item.truncate")(message)

    def _deleted(self, message: Message) -> Cause:
        return self._about_item("conversation.item.delete")(message)

    def _retrieved(self, message: Message) -> Cause:
        return self._about_item("conversation.item.retrieve")(message)

    def _response_begins(self, identity: Optional[str]) -> Cause:
        self._response = self._oldest("response.create") or self._turn or self._here()
        if identity is not None:
            self._responses[identity] = self._response
        return self._response

    def _response_created(self, message: Message) -> Cause:
        return self._response_begins(string(member(message.fields, "response"), "id"))

    def _response_done(self, message: Message) -> Cause:
        response = member(message.fields, "response")
        identity = string(response, "id") or ""
        begun = self._responses.get(identity) or self._response or self._response_begins(identity)
        self._response = None
        if response.get("status") == "cancelled":
            # Some services say why in a string.
            reason = member(response, "status_details").get("reason")
            if reason == "client_cancelled":
                return self._cancel or begun
            if reason == "turn_detected":
                return self._started or begun
        return begun

    def _of_response(self, message: Message) -> Cause:
        identity = string(message.fields, "response_id") or ""
        cause = self._responses.get(identity)
        if cause is None:
            # Weaker services announce no response.
            cause = self._response_begins(identity)
        self._know(message, cause)
        return cause

    def _error(self, message: Message) -> Cause:
        error = member(message.fields, "error")
        by_id = self._by_event_id.get(string(error, "event_id") or "")
        if error.get("code") == _ACTIVE:
            # The request is answered by this, and begins no response.
            waiting = self._waiting.get("response.create", deque())
            if by_id is not None:
                self._waiting["response.create"] = deque(one for one in waiting if one[0] != by_id)
            elif waiting:
                by_id = waiting.pop()[0]
        return by_id or self.latest

    def _know(self, message: Message, cause: Cause) -> None:
        identity = item_of(message)
        if identity is not None:
            self._items[identity] = cause


def _is_same(sent: Mapping[str, Any], item: Mapping[str, Any]) -> bool:
    """Whether an item that the service tells of is one that the app has sent: by its id, its call, or what it is."""
    for name in ("id", "call_id"):
        if string(sent, name) is not None:
            return string(sent, name) == string(item, name)
    return sent.get("role") == item.get("role") and sent.get("type", "message") == item.get("type", "message")


# One row a received type; what is not in it and names no response answers what was received before it.
_TABLE: Mapping[str, Callable[[_Walk, Message], Cause]] = {
    "session.created": _Walk._start,
    "conversation.created": _Walk._start,
    "session.updated": _Walk._updated,
    "input_audio_buffer.speech_started": _Walk._speech_started,
    "input_audio_buffer.speech_stopped": _Walk._speech_stopped,
    "input_audio_buffer.timeout_triggered": _Walk._timeout,
    "input_audio_buffer.committed": _Walk._committed,
    "input_audio_buffer.cleared": _Walk._cleared,
    "conversation.item.added": _Walk._item,
    "conversation.item.created": _Walk._item,
    "conversation.item.done": _Walk._item,
    "conversation.item.truncated": _Walk._truncated,
    "conversation.item.deleted": _Walk._deleted,
    "conversation.item.retrieved": _Walk._retrieved,
    "response.created": _Walk._response_created,
    "response.done": _Walk._response_done,
    "error": _Walk._error,
}
