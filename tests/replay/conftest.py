"""What the replay room's tests share: a conversation between a service and an app, both pure, in time that jumps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Optional, Tuple

import pytest

from evi_harness.session.events import Closed, Event, Handshake, Note, Opened, Received, Sent
from evi_harness.session.header import Header
from evi_harness.session.protocols import Abort, Close, Remark, Send
from evi_harness.session.session import Session

HEADER = Header("live", "replay", "2026-01-01T00:00:00Z", "evi")


@dataclass
class Talk:
    """What a conversation yielded.

    Attributes:
        events: Its events, with a ``due`` note for what was received and each remark as a note, as carriers write them.
        sends: What the service sent, by the seq that it repeats: when, and the action.
    """

    events: List[Event] = field(default_factory=list)
    sends: Dict[Optional[int], Tuple[int, Send]] = field(default_factory=dict)

    @property
    def session(self) -> Session:
        return Session(HEADER, tuple(self.events))

    @property
    def remarks(self) -> List[Tuple[str, Dict[str, Any]]]:
        return [(note.name, dict(note.data)) for note in self.session.notes if note.name != "due"]


class _Driver:
    """Alternates between a service and an app; holds the service to what it says about the time."""

    def __init__(self, service: Any, app: Any, handshake: Handshake) -> None:
        self._service = service
        self._app = app
        self._handshake = handshake
        self._now_ns = 0
        self._is_over = False
        self.talk = Talk()

    def run(self, n_most: int) -> Talk:
        self._service.take(self._write(Opened, handshake=self._handshake), 0)
        for _ in range(n_most):
            self._step()
            times = [at_ns for at_ns in (self._service.next_at_ns(), self._app.next_at_ns()) if at_ns is not None]
            if self._is_over or not times:
                return self.talk
            self._jump(max(self._now_ns, min(times)))
        raise AssertionError(f"no end after {n_most} steps, at {self._now_ns} ns")

    def _jump(self, at_ns: int) -> None:
        next_ns = self._service.next_at_ns()
        before_ns = at_ns - 1 if next_ns is None else min(at_ns, next_ns - 1)
        if before_ns >= self._now_ns:
            assert self._service.due(before_ns) == [], "nothing is due before next_at_ns"
        self._now_ns = at_ns

    def _step(self) -> None:
        self._ask()
        for action in self._app.due(self._now_ns) if not self._is_over else ():
            if isinstance(action, Send):
                self._service.take(self._write(Sent, frame=action.frame), self._now_ns)
            else:
                self._service.take(self._write(Closed, by="app", code=action.code, reason=action.reason), self._now_ns)
                self._is_over = True
            self._ask()

    def _ask(self) -> None:
        next_ns = self._service.next_at_ns()
        actions = self._service.due(self._now_ns)
        if next_ns is not None and next_ns <= self._now_ns:
            assert actions, "what next_at_ns announced is done"
        after_ns = self._service.next_at_ns()
        assert after_ns is None or after_ns > self._now_ns, "all that is due is done"
        for action in actions:
            self._do(action)

    def _do(self, action: Any) -> None:
        if isinstance(action, Remark):
            self._write(Note, name=action.kind.name, data=action.data)
        elif isinstance(action, Send):
            assert not self._is_over, "nothing is sent after the close"
            received = self._write(Received, frame=action.frame)
            data = {"recorded_seq": action.recorded_seq, "due_ns": action.due_ns, "held_ns": action.held_ns}
            self._write(Note, name="due", of=received.seq, data=data)
            self.talk.sends[action.recorded_seq] = (self._now_ns, action)
            self._app.take(received, self._now_ns)
        elif isinstance(action, Abort):
            self._write(Closed, by="network")
            self._is_over = True
        elif isinstance(action, Close):
            self._write(Closed, by="service", code=action.code, reason=action.reason)
            self._is_over = True

    def _write(self, kind: Any, **fields: Any) -> Any:
        self.talk.events.append(kind(len(self.talk.events), self._now_ns, **fields))
        return self.talk.events[-1]


@pytest.fixture(scope="session")
def converse() -> Callable[..., Talk]:
    """Let a service and an app talk to the end, the handshake being the recording's."""

    def run(service: Any, app: Any, recorded: Session) -> Talk:
        n_most = 20 * len(recorded.events) + 100
        return _Driver(service, app, recorded.handshake or Handshake("/")).run(n_most)

    return run


class Clockwork:
    """An app that sends what it is told to at the times that it is told, whatever it receives.

    Args:
        actions: Times and actions.
    """

    def __init__(self, actions: List[Tuple[int, Any]]) -> None:
        self._actions = sorted(actions, key=lambda timed: timed[0])

    def take(self, event: Event, at_ns: int) -> None: ...

    def due(self, at_ns: int) -> List[Any]:
        found = [action for when_ns, action in self._actions if when_ns <= at_ns]
        del self._actions[: len(found)]
        return found

    def next_at_ns(self) -> Optional[int]:
        return self._actions[0][0] if self._actions else None


@pytest.fixture(scope="session")
def clockwork() -> Callable[[List[Tuple[int, Any]]], Clockwork]:
    """Make an app that goes by the clock alone."""
    return Clockwork
