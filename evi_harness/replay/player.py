"""The player: a service that does what the recorded one did, at the recorded times and in answer to what the app really does.

Rules of living here: steps go out in their recorded order, each when its cause has come and its delay has passed, never before the one
before it, and a step that was kept waiting in vain keeps those behind it waiting; times are the ideal ones (a carrier's lateness is not
handed on to later steps); nothing waits forever. A step whose cause will not come is given up with all that hangs on it, in one remark, and
the rest goes on.

Remarks: ``unmet`` (an awaited message did not come), ``audio_patience`` (a position was not reached in time), ``closed_by_grace`` (the app
did not close), ``end_unknown`` (the recording does not say how it ended), ``left_early`` (the app closed before the end).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from dataclasses import dataclass
from typing import Deque, Dict, List, Optional, Sequence, Set, Tuple, Union

from evi_harness.replay.app_ids import AppIds, naming
from evi_harness.replay.judging.pairing import Pairing
from evi_harness.replay.plan import Plan, PlannedStep
from evi_harness.replay.played_recording import Lengths, PlayedRecording
from evi_harness.session.events import Closed, Event, Frame, Opened, Received, Sent, order
from evi_harness.session.notes import AUDIO_PATIENCE, CLOSED_BY_GRACE, END_UNKNOWN, LEFT_EARLY, UNMET
from evi_harness.session.position import Positions
from evi_harness.session.protocols import NO_STATUS, POSITION, RECEIVED, SENT, Abort, Action, Cause, Close, Dialect, Message, Send, remark
from evi_harness.session.session import Session

__all__ = ["Patience", "Player"]

_SECOND = 1_000_000_000
# Where the end is not known: how long after the last thing that the app did, so that it is heard before the close.
JUST_AFTER_NS = 1_000_000


@dataclass(frozen=True)
class Patience:
    """How long the player waits for the app, in nanoseconds of session time.

    Attributes:
        message_ns: For an awaited message, after the time at which it should have come.
        audio_ns: For a position, after the time at which the recording had it.
        close_ns: For the app's close, after the time at which it should have come; as much too early is not a remark either.
    """

    message_ns: int = 30 * _SECOND
    audio_ns: int = 2 * _SECOND
    close_ns: int = 5 * _SECOND


DEFAULT_PATIENCE = Patience()


@dataclass(frozen=True)
class _Come:
    """The cause came at this time."""

    at_ns: int


@dataclass(frozen=True)
class _Waiting:
    """The cause has not come; at this time it is given up."""

    until_ns: int


class Player:
    """A recording, acted out: a ``Service``.

    Args:
        recorded: The recording: as it was, on the axis on which it is to be acted out, or ready, as its plan. Many players may share one.
        dialect: What its messages are in.
        patience: How long it waits for the app, on whatever axis that is.
    """

    def __init__(self, recorded: Union[Session, PlayedRecording, Plan], dialect: Dialect, patience: Patience = DEFAULT_PATIENCE) -> None:
        self._plan = recorded if isinstance(recorded, Plan) else Plan.of(recorded, dialect)
        self._dialect = dialect
        self._patience = patience
        self._reader = dialect.reader()
        self._positions = Positions()
        self._lengths = Lengths(self._plan.speed)
        names = naming(dialect) if self._plan.given_ids.by_seq else None
        self._ids = None if names is None else AppIds(self._plan.given_ids, names)
        self._names_ids = self._plan.given_ids.named_by
        self._pairing = Pairing(self._messages(), dialect, self._ids)
        self._next = 0
        # The steps that went out, by their recorded time and seq, with their live times, and where order stands now.
        self._out: List[Tuple[int, int]] = []
        self._out_at_ns: Dict[int, int] = {}
        self._floor_ns = 0
        # The awaited messages from the first that has neither come nor been given up, and when the latest before it came.
        self._awaiting: Deque[int] = deque(self._plan.awaited)
        self._settled_ns = 0
        self._unsent: List[int] = [*self._plan.messages]
        # The messages that a step waits for.
        self._answered = {step.cause.seq for step in self._plan.steps if step.cause.kind == SENT}
        # What was given up: awaited messages, steps that hang on them, and positions with the time they count as reached.
        self._unmet: Set[int] = set()
        self._skipped: Set[int] = set()
        self._assumed_ns: Dict[int, int] = {}
        self._pending: List[Action] = []
        self._over = False
        close = self._plan.close
        self._closes_by_app = close if close is not None and close.by == "app" else None
        # What _when says, until something happens: it is asked twice for each frame of audio. And the position that it waits for, if any.
        self._when_ns: Optional[int] = None
        self._awaited_position_ns: Optional[int] = None

    @property
    def is_over(self) -> bool:
        """Whether it has nothing more to do: one side has closed."""
        return self._over

    @property
    def recorded_close(self) -> Optional[Closed]:
        """How the recording ended, None where that is not known."""
        return self._plan.close

    @property
    def app_closes_at_ns(self) -> Optional[int]:
        """When the app should close, in live time; None while steps are left, and where the recording did not end so."""
        if self._closes_by_app is None or self._over or self._step() is not None or self._awaited() is not None:
            return None
        close = self._closes_by_app
        return max(self._close_expected_ns(close), self._floor_ns, self._settled_ns)

    def take(self, event: Event, at_ns: int) -> Optional[bool]:
        """Take an event of the app's; see ``Service.take``."""
        if isinstance(event, Sent):
            self._take_sent(event, at_ns)
            return self._when_ns is None
        self._when_ns = None
        if isinstance(event, Opened):
            self._reader = self._dialect.reader(event.handshake)
        elif isinstance(event, Closed) and not self._over:
            self._take_closed(at_ns)
        return True

    def due(self, at_ns: int) -> Sequence[Action]:
        """What to do now; see ``Service.due``."""
        actions, self._pending = self._pending, []
        while not self._over:
            when = self._when()
            if when > at_ns:
                break
            actions.extend(self._advance(when))
        return actions

    def next_at_ns(self) -> Optional[int]:
        """When something is due next; see ``Service.next_at_ns``."""
        if self._pending:
            return self._floor_ns
        return None if self._over else self._when()

    # What comes in.

    def _take_sent(self, event: Sent, at_ns: int) -> None:
        audio = self._reader.read(SENT, event.frame)
        if audio is not None:
            is_first = self._positions.first_at_ns is None
            position_ns = self._positions.add(at_ns, self._lengths.next_ns(audio.length_ns))
            # Most frames change nothing: only the first one, and the one that reaches the position that the next step waits for.
            if is_first or (self._awaited_position_ns is not None and position_ns >= self._awaited_position_ns):
                self._when_ns = None
        else:
            self._when_ns = None
            self._meet(event.frame, at_ns)

    def _messages(self) -> Dict[int, Message]:
        """The recorded messages, as those of the app are compared with them."""
        if self._ids is None:
            return self._plan.messages
        found = {}
        for seq in self._plan.messages:
            event = self._plan.events[seq]
            assert isinstance(event, Sent)
            found[seq] = self._dialect.read(SENT, self._ids.as_compared(event.frame))
        return found

    def _meet(self, frame: Frame, at_ns: int) -> None:
        if self._ids is None:
            self._pairing.meet(self._dialect.read(SENT, frame), at_ns)
        else:
            self._pairing.meet(self._dialect.read(SENT, self._ids.compared(frame)), at_ns, self._ids.given(frame))

    def _take_closed(self, at_ns: int) -> None:
        events = [step.event for step in self._plan.steps[self._next :]]
        left = [event.seq for event in events if event.seq not in self._skipped and not self._is_aside(event)]
        if not left:
            # Nothing that the app could have waited for: what counts is how long the recorded one stayed.
            self._next = len(self._plan.steps)
        should_ns = self.app_closes_at_ns
        self._over = True
        if left:
            self._pending.append(remark(LEFT_EARLY, left=left))
        elif should_ns is not None and at_ns < should_ns - self._patience.close_ns:
            self._pending.append(remark(LEFT_EARLY, left=left, early_ns=should_ns - at_ns))

    def _is_aside(self, event: Event) -> bool:
        return isinstance(event, Received) and self._dialect.is_aside(self._dialect.read(RECEIVED, event.frame))

    # What goes out.

    def _step(self) -> Optional[PlannedStep]:
        """The next step that was not given up."""
        steps = self._plan.steps
        while self._next < len(steps):
            step = steps[self._next]
            if step.event.seq not in self._skipped:
                return step
            self._next += 1
        return None

    def _when(self) -> int:
        """The next instant at which ``_advance`` has something to do if the app does nothing."""
        if self._when_ns is None:
            self._awaited_position_ns = None
            step = self._step()
            self._when_ns = max(self._end_at_ns() if step is None else self._step_at_ns(step), self._floor_ns)
        return self._when_ns

    def _step_at_ns(self, step: PlannedStep) -> int:
        state = self._state(step)
        return state.until_ns if isinstance(state, _Waiting) else state.at_ns + step.delay_ns

    def _advance(self, at_ns: int) -> List[Action]:
        self._when_ns = None
        step = self._step()
        if step is None:
            return self._end(at_ns)
        state = self._state(step)
        if isinstance(state, _Come):
            return self._perform(step, state.at_ns)
        # What is behind a cause that is given up now was held back until now.
        self._floor_ns = max(self._floor_ns, at_ns)
        if isinstance(step.event, Closed):
            return [self._miss(self._awaited())]
        if step.cause.kind == POSITION:
            return [self._assume(step.cause.position_ns)]
        return [self._miss(step.cause.seq)]

    def _perform(self, step: PlannedStep, cause_ns: int) -> List[Action]:
        due_ns = cause_ns + step.delay_ns
        held_ns = max(0, self._floor_ns - due_ns)
        self._floor_ns = max(due_ns, self._floor_ns)
        self._next += 1
        event = step.event
        if step.cause.kind == SENT and step.cause.seq is not None:
            self._accept_instead(step.cause.seq)
        if isinstance(event, Received):
            self._out.append(order(event))
            self._out_at_ns[event.seq] = self._floor_ns
            # It may give the format of the audio that comes next.
            self._reader.read(RECEIVED, event.frame)
            frame = event.frame
            if self._ids is not None and event.seq in self._names_ids:
                frame = self._ids.to_live(RECEIVED, frame)
            return [Send(frame, due_ns=due_ns, cause_ns=cause_ns, recorded_seq=event.seq, held_ns=held_ns)]
        self._over = True
        return [Abort() if event.by == "network" else Close(NO_STATUS if event.code is None else event.code, event.reason)]

    # Causes in live time.

    def _state(self, step: PlannedStep) -> Union[_Come, _Waiting]:
        cause = step.cause
        if isinstance(step.event, Closed):
            return self._closing_state(step.event, step.delay_ns)
        if cause.kind == POSITION:
            return self._position_state(cause)
        if cause.kind == SENT:
            return self._message_state(cause.seq)
        return _Come(0 if cause.seq is None else self._out_at_ns[cause.seq])

    def _closing_state(self, close: Closed, delay_ns: int) -> Union[_Come, _Waiting]:
        # A service that closes has been given its due answers first; and it closes though what it sent before was given up.
        awaited = self._awaited()
        if awaited is not None:
            return self._message_state(awaited)
        return _Come(self._close_expected_ns(close) - delay_ns)

    def _position_state(self, cause: Cause) -> Union[_Come, _Waiting]:
        position_ns = cause.position_ns
        assert position_ns is not None
        if position_ns in self._assumed_ns:
            return _Come(self._assumed_ns[position_ns])
        reached_ns = self._positions.reached_at_ns(position_ns)
        if reached_ns is not None:
            return _Come(reached_ns)
        self._awaited_position_ns = position_ns
        return _Waiting(self._position_expected_ns(position_ns) + self._patience.audio_ns)

    def _position_expected_ns(self, position_ns: int) -> int:
        """The live time at which the recording had a position: the user's audio may have begun later or earlier than it did then."""
        recorded = self._plan.positions
        reached_ns = recorded.reached_at_ns(position_ns)
        assert reached_ns is not None
        assert recorded.first_at_ns is not None
        shift_ns = 0 if self._positions.first_at_ns is None else self._positions.first_at_ns - recorded.first_at_ns
        return reached_ns + shift_ns

    def _message_state(self, seq: Optional[int]) -> Union[_Come, _Waiting]:
        assert seq is not None
        met_ns = self._pairing.met_at_ns(seq)
        if met_ns is not None:
            return _Come(met_ns)
        expected_ns = self._expected_ns(self._plan.events[seq])
        twin = self._twin(seq)
        instead_ns = self._pairing.stand_in_at_ns(seq) if twin is None else self._pairing.met_at_ns(twin)
        if instead_ns is not None:
            # What came too early for this message may be one too many, or its twin come late: the right one has its time to come.
            return _Come(max(instead_ns, expected_ns))
        return _Waiting(expected_ns + self._patience.message_ns)

    def _twin(self, seq: int) -> Optional[int]:
        """An earlier message that says the same and has come, but only when it was this one's turn; None where there is no such.

        Then it was this one that came, and the earlier one did not: nothing waits for that one, so nobody could tell until now. It was this
        one's turn behind a message that was recorded between the two, and behind the received event that prompts this one.
        """
        twin = next((twin for twin in self._pairing.twins_before(seq) if twin not in self._answered), None)
        if twin is None:
            return None
        if self._pairing.is_overtaken(twin, seq):
            return twin
        before, met_ns = self._out_before(self._plan.events[seq]), self._pairing.met_at_ns(twin)
        if before is None or before < order(self._plan.events[twin]) or met_ns is None:
            return None
        return twin if met_ns >= self._out_at_ns[before[1]] else None

    def _accept_instead(self, seq: int) -> None:
        """Let what may have come for a message be that message; changes nothing where it has come or nothing has."""
        twin = self._twin(seq)
        if twin is None:
            self._pairing.accept_stand_in(seq)
        else:
            self._pairing.hand_over(twin, seq)

    def _expected_ns(self, event: Event) -> int:
        """When the app should send or close: as long after the received event before it as it did then."""
        before = self._out_before(event)
        return event.at_ns if before is None else self._out_at_ns[before[1]] + event.at_ns - before[0]

    def _out_before(self, event: Event) -> Optional[Tuple[int, int]]:
        """The received event before an event of the recording, of those that went out: its recorded time and seq."""
        index = bisect_left(self._out, order(event))
        return self._out[index - 1] if index else None

    def _close_expected_ns(self, close: Closed) -> int:
        """When the end should come: not before the app has had its time to send what it sent before it."""
        self._unsent = [seq for seq in self._unsent if seq not in self._unmet and self._pairing.met_at_ns(seq) is None]
        unsent = [self._plan.events[seq] for seq in self._unsent]
        return max([self._expected_ns(close), *(self._expected_ns(event) + close.at_ns - event.at_ns for event in unsent)])

    def _awaited(self) -> Optional[int]:
        """The first awaited message that has neither come nor been given up. Asked when no step is left that waits for one."""
        while self._awaiting and self._is_settled(self._awaiting[0]):
            self._awaiting.popleft()
        return self._awaiting[0] if self._awaiting else None

    def _is_settled(self, seq: int) -> bool:
        self._accept_instead(seq)
        met_ns = self._pairing.met_at_ns(seq)
        if met_ns is not None:
            self._settled_ns = max(self._settled_ns, met_ns)
        return met_ns is not None or seq in self._unmet

    # Giving up.

    def _assume(self, position_ns: Optional[int]) -> Action:
        assert position_ns is not None
        self._assumed_ns[position_ns] = self._position_expected_ns(position_ns)
        return remark(AUDIO_PATIENCE, position_ns=position_ns, waited_until_ns=self._floor_ns)

    def _miss(self, seq: Optional[int]) -> Action:
        assert seq is not None
        self._unmet.add(seq)
        self._pairing.give_up(seq)
        lost = {seq}
        for step in self._plan.steps[self._next :]:
            if isinstance(step.event, Received) and step.cause.seq in lost:
                lost.add(step.event.seq)
        lost.discard(seq)
        self._skipped |= lost
        # What they prompt, the app has no reason to send.
        self._unsent = [one for one in self._unsent if self._plan.prompts[one].seq not in lost]
        return remark(UNMET, awaited=seq, skipped=sorted(lost))

    # The end.

    def _end_at_ns(self) -> int:
        awaited = self._awaited()
        if awaited is not None:
            return self._expected_ns(self._plan.events[awaited]) + self._patience.message_ns
        closes_ns = self.app_closes_at_ns
        if closes_ns is not None:
            return closes_ns + self._patience.close_ns
        # How it ended is not known; the connection stood at the least until the app had sent the last that is there.
        last = max((event for event in self._plan.events.values() if isinstance(event, Sent)), key=order, default=None)
        return self._floor_ns if last is None else max(self._floor_ns, self._expected_ns(last) + JUST_AFTER_NS)

    def _end(self, at_ns: int) -> List[Action]:
        awaited = self._awaited()
        if awaited is not None:
            self._floor_ns = max(self._floor_ns, at_ns)
            return [self._miss(awaited)]
        self._over = True
        return [remark(END_UNKNOWN if self._plan.close is None else CLOSED_BY_GRACE), Close(1000, "")]
