"""The recorded user: sends what the app sent, each message after its prompt. The mirror image of the player.

It plays the client's part: ``take`` takes received events, ``due`` hands out what to send. Used where nobody else speaks for the user
(the audio, for a handler that only listens) and for the null test, in which the recording meets itself.

Rules of living here: what was prompted by a received event goes out as long after it as it did then; audio goes by the clock and waits
for nothing; an event that never comes prompts nothing and keeps nothing waiting.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import AbstractSet, Deque, Dict, List, Optional, Sequence, Tuple, Union

from evi_harness.session.events import Closed, Event, Received, Sent
from evi_harness.session.protocols import NO_STATUS, OPENED, RECEIVED, Action, Cause, Close, Dialect, Send
from evi_harness.session.session import Session

__all__ = ["RecordedUser"]


_AT_OPEN = Cause(OPENED)


@dataclass(frozen=True)
class _Line:
    event: Union[Sent, Closed]
    prompt: Cause


class RecordedUser:
    """What the app of a recording sent: a ``Service`` on the client's side.

    Args:
        session: The recording.
        dialect: What its messages are in.
        only_microphone: Send only what a microphone sends: the audio, and the message that says in which format it comes.
        closes: Whether to close as the recorded app did, where it did.
        left_out: Seqs of recorded messages that somebody else sends.
    """

    def __init__(
        self, session: Session, dialect: Dialect, *, only_microphone: bool, closes: bool, left_out: AbstractSet[int] = frozenset()
    ) -> None:
        self._events = {event.seq: event for event in session.events}
        self._received: Deque[Received] = deque(session.received)
        self._came_at_ns: Dict[int, int] = {}
        # Two lanes: audio does not wait behind a message whose prompt has not come.
        self._clocked: Deque[_Line] = deque()
        self._prompted: Deque[_Line] = deque()
        self._known_head: Optional[Tuple[int, int, Deque[_Line]]] = None
        self._is_head_known = False
        for line in _lines(session, dialect, only_microphone, closes):
            if line.event.seq in left_out:
                continue
            (self._prompted if line.prompt.kind == RECEIVED else self._clocked).append(line)

    def take(self, event: Event, at_ns: int) -> None:
        """Take a received event: the recorded one that it repeats has come; those before it that were left out will not."""
        self._is_head_known = False
        # A microphone alone is prompted by nothing, and comparing frames costs more than all else here.
        if not isinstance(event, Received) or not self._prompted:
            return
        for index, recorded in enumerate(self._received):
            if recorded.frame.size == event.frame.size and recorded.frame == event.frame:
                self._came_at_ns[recorded.seq] = at_ns
                left_out = {self._received.popleft().seq for _ in range(index + 1)} - {recorded.seq}
                if left_out:
                    self._prompted = deque(line for line in self._prompted if line.prompt.seq not in left_out)
                return

    def due(self, at_ns: int) -> Sequence[Action]:
        """What to send now, in the recorded order where times are equal."""
        actions: List[Action] = []
        while True:
            head = self._head()
            if head is None or head[0] > at_ns:
                return actions
            due_ns, _, lane = head
            event = lane.popleft().event
            self._is_head_known = False
            if isinstance(event, Sent):
                actions.append(Send(event.frame, due_ns=due_ns, recorded_seq=event.seq))
            else:
                actions.append(Close(NO_STATUS if event.code is None else event.code, event.reason))

    def next_at_ns(self) -> Optional[int]:
        """When something is to be sent next, None while that depends on the service, and at the end."""
        head = self._head()
        return None if head is None else head[0]

    def _head(self) -> Optional[Tuple[int, int, Deque[_Line]]]:
        """What is to be sent next: when, its seq, and the lane it heads."""
        # Asked several times a frame of audio; it changes when something is taken or sent.
        if not self._is_head_known:
            clocked, prompted = self._in_lane(self._clocked), self._in_lane(self._prompted)
            known = [head for head in (clocked, prompted) if head is not None]
            self._known_head = min(known, key=lambda head: head[:2]) if known else None
            self._is_head_known = True
        return self._known_head

    def _in_lane(self, lane: Deque[_Line]) -> Optional[Tuple[int, int, Deque[_Line]]]:
        due_ns = self._due_ns(lane[0]) if lane else None
        return None if due_ns is None else (due_ns, lane[0].event.seq, lane)

    def _due_ns(self, line: _Line) -> Optional[int]:
        if line.prompt.kind != RECEIVED:
            return line.event.at_ns
        assert line.prompt.seq is not None
        came_at_ns = self._came_at_ns.get(line.prompt.seq)
        if came_at_ns is None:
            return None
        return came_at_ns + line.event.at_ns - self._events[line.prompt.seq].at_ns


def _lines(session: Session, dialect: Dialect, only_microphone: bool, closes: bool) -> List[_Line]:
    prompts, audio = session.prompts(dialect), session.audio(dialect)
    lines = []
    for event in session.events:
        prompt = prompts.get(event.seq, _AT_OPEN)
        if isinstance(event, Sent) and event.outcome == "sent":
            if event in audio or not only_microphone or dialect.sets_audio(dialect.read(event.kind, event.frame)):
                lines.append(_Line(event, prompt))
        elif isinstance(event, Closed) and event.by == "app" and closes:
            lines.append(_Line(event, prompt))
    return lines
