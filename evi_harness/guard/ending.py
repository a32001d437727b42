"""The ways in which an app ends its own run: exits, stopping the event loop, cancelling tasks that are not its own.

Other modules notice it (``exits``, ``app_loop``, the caller of the handler); here it becomes one finding, and the run ends. Only the first
ending counts: what an app does after it would have been gone is not reported.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from dataclasses import dataclass
from typing import Any, Callable, Deque, Dict, List, Optional, Protocol, Tuple

from evi_harness.guard.callers import callers_of
from evi_harness.guard.developers import DEVELOPER, NO_FILE, owner
from evi_harness.guard.place_lookup import Stack, raised_at, raised_stack, told_places
from evi_harness.session.note_kind import KindOf, NoteKind, ParamSpec
from evi_harness.session.notes import CANCELS_TASKS, EXITS, EXITS_AT_END, FORKED_CHILD, STOPS_LOOP, FindingFacts

__all__ = ["AppEnds", "Ending", "Notes", "UsersInterrupt", "ends_app"]


P = ParamSpec("P")


class AppEnds(SystemExit):
    """Raised where the app ends the process in a way that does not unwind, such as ``os._exit``: it is noted already."""


class UsersInterrupt(KeyboardInterrupt):
    """Ctrl+C, as opposed to a ``KeyboardInterrupt`` that the app raises itself."""


class Notes(Protocol):
    """Takes what is noted: a journal, or who records."""

    @property
    def now_ns(self) -> int:
        """Session time."""

    def note(self, kind: NoteKind[P, object], /, of: Optional[int] = None, *_: P.args, **data: P.kwargs) -> object:
        """Take a finding: ``what``, ``detail``, ``places``, ``ended``."""


def ends_app(error: BaseException) -> bool:
    """Whether an exception ends an app that it leaves: an exit, or another of the app that is not an ``Exception``, since nothing takes it.

    One that is a library's is for whoever runs that: pytest, and what limits its time, end a test by such.
    """
    if isinstance(error, (SystemExit, KeyboardInterrupt, GeneratorExit)):
        return True
    if isinstance(error, (Exception, asyncio.CancelledError)):
        return False
    group = getattr(error, "exceptions", None)
    if isinstance(group, tuple):
        return any(map(ends_app, group))
    # By all that it is: pytest says of some of its own that they are Python's.
    return all(_whose(kind) in (DEVELOPER, NO_FILE) for kind in type(error).__mro__ if kind not in (BaseException, object))


def _whose(kind: type) -> str:
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    return NO_FILE if file is None else owner(file)


@dataclass
class _Cancelled:
    """When the app cancelled what is not its own, about which event, where, and whether that ended the conversation."""

    at_ns: int
    of: Optional[int]
    stack: Stack
    ended: bool = False


class Ending:
    """Notes how an app ends its run. Notes from other threads wait for the loop's.

    Args:
        redact: Takes secrets out of what notes quote.

    Attributes:
        has_ended: Whether the app has ended the run.
        is_interrupted: Whether Ctrl+C has come out of the app's code.
        is_over: Whether the conversation is over and the handler has been given all of it; who then leaves does nobody harm.
    """

    def __init__(self, redact: Callable[[str], str] = str) -> None:
        self.has_ended = False
        self.is_interrupted = False
        self.is_over = False
        self._redact = redact
        self._journal: Optional[Notes] = None
        self._loop: Optional[asyncio.AbstractEventLoop] = None
        self._handling: Callable[[], Optional[int]] = lambda: None
        self._end: Callable[[], object] = lambda: None
        self._waiting: Deque[Callable[[Notes], object]] = deque()
        self._taken: List[BaseException] = []
        self._cancelled: Dict[Tuple[str, ...], _Cancelled] = {}

    def follow(self, loop: asyncio.AbstractEventLoop, journal: Notes, handling: Callable[[], Optional[int]] = lambda: None) -> None:
        """Follow a run, on its running loop.

        Args:
            loop: The loop.
            journal: Where notes go.
            handling: The seq of the event that the handler is busy with, None while it is not.
        """
        self._loop, self._journal, self._handling = loop, journal, handling
        self.write()

    def ends(self, end: Callable[[], object]) -> None:
        """Have a function called, on the loop's thread, when the app ends the run; at once where it has."""
        self._end = end
        if self.has_ended:
            end()

    def take(self, error: BaseException, who: Optional[str] = None, of: Optional[int] = None, stack: Stack = ()) -> None:
        """Take an exit that came out of the app's code.

        Args:
            error: A ``SystemExit``, a ``KeyboardInterrupt`` or another that is not an ``Exception``: nothing handles it on its way out.
            who: What raised it, None for the app at large.
            of: The seq of the event that it is about.
            stack: Where, if the exception has no place in the developer's code.

        Raises:
            UsersInterrupt: It is the user's.
        """
        if isinstance(error, UsersInterrupt):
            self.is_interrupted = True
            raise error
        if any(error is one for one in self._taken) or isinstance(error, AppEnds):
            return
        self._taken.append(error)
        said = f"{type(error).__name__}{f': {error}' if str(error) else ''}"
        what = f"{who or 'the app'} raised {said}, which ends the app"
        kind = EXITS_AT_END if self.is_over and isinstance(error, SystemExit) else EXITS
        own = raised_at(error)
        # Folded, since a function that calls itself may have been in a thousand frames.
        self._tell(kind, what, own or list(callers_of(stack)), self._told(raised_stack(error) if own else stack), of)

    def cancels(self, stack: Stack, *, ended: bool = False) -> None:
        """Take that the app has cancelled a task that is not its own; from any thread. Once for each place, and noted by ``over``.

        Args:
            stack: Where, as ``callers_now`` captures it; empty where only what came of it is known.
            ended: Whether it ended the conversation.
        """
        places = callers_of(stack)
        if not places and self._cancelled:
            # What came of it: by way of a task that is waited for.
            places = next(reversed(self._cancelled))
        at_ns = 0 if self._journal is None else self._journal.now_ns
        first = self._cancelled.setdefault(places, _Cancelled(at_ns, self._handling(), stack))
        first.ended = first.ended or ended

    @property
    def has_cancelled(self) -> bool:
        """Whether the app has cancelled a task that is not its own."""
        return bool(self._cancelled)

    def over(self) -> None:
        """Note what the app has cancelled, now that it is known what came of it."""
        while self._cancelled and self._journal is not None and not self.has_ended:
            places, first = self._cancelled.popitem()
            what = "the app cancelled tasks that it did not start: those that run its connection"
            detail, told = [self._redact(place) for place in places], self._told(first.stack)
            self._journal.note(CANCELS_TASKS, of=first.of, what=what, detail=detail, places=told, ended=first.ended, at_ns=first.at_ns)

    def forked(self, stack: Stack) -> None:
        """Note that a child which the app forked came back into the run, and where it was forked."""
        what = "a child that the app forked returned into the conversation, and was ended there"
        if self._journal is not None:
            detail = [self._redact(place) for place in callers_of(stack)]
            self._journal.note(FORKED_CHILD, what=what, detail=detail, places=self._told(stack))

    def tell(self, kind: KindOf[FindingFacts], what: str, stack: Stack, of: Optional[int] = None) -> None:
        """Tell of an ending; from any thread.

        Args:
            kind: The finding: ``EXITS`` and ``STOPS_LOOP`` end the run, ``EXITS_AT_END`` does not.
            what: One sentence.
            stack: Where, as ``callers_now`` captures it.
            of: The seq of the event that it is about, None for the one that the handler is busy with.
        """
        self._tell(kind, what, list(callers_of(stack)), self._told(stack), of)

    def _told(self, stack: Stack) -> List[Dict[str, Any]]:
        return told_places(stack, self._redact)

    def _tell(self, kind: KindOf[FindingFacts], what: str, where: List[str], places: List[Dict[str, Any]], of: Optional[int]) -> None:
        is_end = kind in (EXITS, STOPS_LOOP)
        if self.has_ended:
            return
        self.has_ended = is_end
        data = {"what": self._redact(what), "detail": [self._redact(place) for place in where], "places": places, "ended": is_end}
        self._waiting.append(lambda journal: self._note(journal, kind, of, data))
        if self._loop is None or asyncio._get_running_loop() is self._loop:
            self.write()
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.write)

    def _note(self, journal: Notes, kind: KindOf[FindingFacts], of: Optional[int], data: Dict[str, Any]) -> None:
        journal.note(kind, of=self._handling() if of is None else of, **data)
        if self.has_ended:
            self._end()

    def write(self) -> None:
        """Write the notes that wait: on the loop's thread, or when it has ended."""
        while self._journal is not None and self._waiting:
            self._waiting.popleft()(self._journal)
