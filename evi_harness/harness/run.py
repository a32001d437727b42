"""One replay in virtual time, from an empty loop to a session: player, server, SDK and handler brought together.

Rules of living here: the handler is imported and built inside the running loop. What the run observed is in its events; nothing is
judged here. A run that gets stuck or is interrupted yields what it has.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, List, Mapping, Optional, Sequence, Tuple

from evi_harness.errors import HandlerError, StuckError
from evi_harness.evi.dialect import EVI
from evi_harness.harness import spec
from evi_harness.live.blocked import THRESHOLD_NS, BlockedNotes
from evi_harness.live.blocking import Charge
from evi_harness.live.carrier import VirtualCarrier
from evi_harness.live.journal import Journal
from evi_harness.live.server import ChatServer
from evi_harness.live.virtual import THREAD_WAIT_NS, VirtualLoop, run_virtual
from evi_harness.live.watchdog import Watchdog
from evi_harness.replay.player import DEFAULT_PATIENCE, Patience, Player
from evi_harness.replay.user import RecordedUser
from evi_harness.sdk.app import App, run_app, told
from evi_harness.sdk.handlers import Callbacks, callbacks_of
from evi_harness.sdk.quickstart import Quickstart
from evi_harness.sdk.recorded import run_recorded
from evi_harness.sdk.version import import_sdk
from evi_harness.session.events import Closed, Event, Handshake
from evi_harness.session.protocols import Action, Close, Service
from evi_harness.session.session import Session

__all__ = ["BUILT_IN", "RECORDED", "Run", "RunOptions", "run_in_virtual_time"]

RECORDED = "recorded"
BUILT_IN = "quickstart (built in)"
# How long the carrier may take to see the end once the app has returned, in seconds of virtual time.
END_WAIT_S = 20.0
# Where virtual time ends, beyond twice the recording: for an app that waits on for ever, timer by timer.
LIMIT_NS = 3600 * 1_000_000_000


@dataclass(frozen=True)
class RunOptions:
    """What a run may be told.

    Attributes:
        patience: How long the player waits for the app.
        timeout_s: After so many real seconds without progress the run is stuck.
        blocked_ns: From how long on a step counts as blocking the loop.
        thread_wait_ns: How long, in real time, the clock stands still for a job that does not wake the loop.
        write: Takes the lines that the built-in handler prints.
        redact: Takes secrets out of what notes quote.
    """

    patience: Patience = DEFAULT_PATIENCE
    timeout_s: float = 60.0
    blocked_ns: int = THRESHOLD_NS
    thread_wait_ns: int = THREAD_WAIT_NS
    write: Callable[[str], object] = print
    redact: Callable[[str], str] = str


@dataclass
class Run:
    """What one run yielded.

    Attributes:
        handler: What the handler is called.
        events: The events of its session, in the order of writing.
        overdue_jobs: Jobs that the clock did not wait for; with one, two runs may differ.
        end_ns: Session time at the end of the run.
    """

    handler: str
    events: List[Event] = field(default_factory=list)
    overdue_jobs: Tuple[str, ...] = ()
    end_ns: int = 0


def run_in_virtual_time(recorded: Session, handler: Any, options: RunOptions) -> Run:
    """Replay a recording to a handler once.

    Args:
        recorded: The recording.
        handler: None for the built-in one, ``"recorded"``, a SPEC, or the handler itself.
        options: See there.

    Returns:
        The run. Its events are whole but for a stuck run, which ends with a ``stuck`` note.

    Raises:
        HandlerError, NotAHandler, SpecError: The handler is at fault before anything runs.
    """
    run = Run(_name(handler))
    _VirtualRun(recorded, handler, options, run).go()
    return run


class _VirtualRun:
    def __init__(self, recorded: Session, handler: Any, options: RunOptions, run: Run) -> None:
        self._recorded = recorded
        self._handler = handler
        self._options = options
        self._run = run
        self._loop: Optional[VirtualLoop] = None
        self._journal: Optional[Journal] = None
        self._blocked: Optional[BlockedNotes] = None
        self._app: Optional[App] = None

    def go(self) -> None:
        stacks: List[str] = []
        try:
            with Watchdog(self._progress, stacks.append, timeout_s=self._options.timeout_s):
                run_virtual(self._main, thread_wait_ns=self._options.thread_wait_ns, on_charge=self._charged)
        except StuckError as error:
            self._stuck(error, stacks)
        finally:
            self._collect()

    async def _main(self, loop: VirtualLoop) -> None:
        self._loop = loop
        loop.limit_ns = loop.now_ns() + 2 * self._recorded.duration_ns + LIMIT_NS
        loop.set_exception_handler(self._unhandled)
        over = asyncio.Event()
        journal = self._journal = Journal(loop, lambda event: over.set() if isinstance(event, Closed) else None)
        player = Player(self._recorded, EVI, self._options.patience)
        service = _Announced(player, lambda: self._player_moved(player))
        server = ChatServer(
            lambda _: service,
            clock=loop,
            chat_paths=EVI.chat_paths,
            token_path=EVI.token_path,
            journal_for=lambda _: journal,
            service_name="player",
        )
        async with VirtualCarrier(loop, server) as carrier:
            await self._client(carrier.url, player, journal, loop)
            if journal.opened_at_ns is not None:
                await asyncio.wait({asyncio.ensure_future(over.wait())}, timeout=END_WAIT_S)
        if self._blocked is not None:
            self._blocked.finish(loop)

    async def _client(self, url: str, player: Player, journal: Journal, loop: VirtualLoop) -> None:
        if self._handler == RECORDED:
            user = RecordedUser(self._recorded, EVI, only_microphone=False, closes=True)
            await run_recorded(url, self._recorded.handshake or Handshake(EVI.chat_paths[0]), user, journal, loop)
            return
        # With no handler of the developer's there is nobody but the recording to send what the app sent.
        user = RecordedUser(self._recorded, EVI, only_microphone=self._handler is not None, closes=False)
        callbacks = self._callbacks()
        self._app = App(
            base_url=url,
            callbacks=callbacks,
            user=_Leaving(user, player),
            journal=journal,
            clock=loop,
            options=_options(self._recorded.handshake),
            redact=self._options.redact,
        )
        self._blocked = BlockedNotes(journal, self._handling, self._options.blocked_ns)
        # Importing the handler is not the app's running.
        loop.steps.forget()
        await run_app(self._app)

    def _callbacks(self) -> Callbacks:
        if self._handler is None:
            return callbacks_of(Quickstart(self._options.write), BUILT_IN)
        # Before the handler imports it: what hides a broken sound system from it is ours.
        import_sdk()
        try:
            handler = spec.load(self._handler) if isinstance(self._handler, str) else self._handler
            return callbacks_of(handler, self._run.handler)
        except HandlerError as error:
            what = self._options.redact(error.what)
            if what == error.what:
                raise
            # The exception below it quotes the secret too, so nobody is led there.
            raise HandlerError(what, where=error.where, hint=error.hint) from None

    def _unhandled(self, loop: Any, context: Mapping[str, Any]) -> None:
        """Take what asyncio would only log: a task of the handler's own that failed with nobody there to see it is a finding too."""
        error = context.get("exception")
        if isinstance(error, Exception) and not isinstance(error, StuckError) and self._journal is not None:
            self._journal.note("raised", **told(error, "a task that nobody awaits", self._options.redact))
        elif error is None:
            loop.default_exception_handler(context)

    def _progress(self) -> int:
        # Time that moves and frames that cross are progress; a loop that only spins makes none.
        now_ns = 0 if self._loop is None else self._loop.now_ns()
        return now_ns + (0 if self._journal is None else len(self._journal.events))

    def _player_moved(self, player: Player) -> None:
        if player.app_closes_at_ns is not None and self._app is not None and self._app.pump is not None:
            self._app.pump.wake()

    def _handling(self) -> Optional[int]:
        return None if self._app is None else self._app.handling

    def _charged(self, charge: Charge) -> None:
        if self._blocked is not None and self._loop is not None:
            self._blocked.charged(self._loop, charge)

    def _stuck(self, error: StuckError, stacks: Sequence[str]) -> None:
        if self._journal is None:
            raise error
        what = f"nothing moved for {self._options.timeout_s:g} s of real time; interrupted here" if stacks else error.what
        detail = [line.strip() for text in stacks[:1] for line in developers_part(text)]
        self._journal.note("stuck", of=self._handling(), what=self._options.redact(what), detail=detail, ended=True)

    def _collect(self) -> None:
        if self._journal is not None and self._loop is not None:
            self._run.events = self._journal.events
            self._run.overdue_jobs = self._loop.overdue_jobs
            self._run.end_ns = self._journal.now_ns


class _Announced:
    """A service that says when it may have moved: the client's side watches when the player wants it to close."""

    def __init__(self, service: Service, moved: Callable[[], None]) -> None:
        self._service = service
        self._moved = moved

    def take(self, event: Event, at_ns: int) -> None:
        self._service.take(event, at_ns)
        self._moved()

    def due(self, at_ns: int) -> Sequence[Action]:
        actions = self._service.due(at_ns)
        self._moved()
        return actions

    def next_at_ns(self) -> Optional[int]:
        return self._service.next_at_ns()


class _Leaving:
    """The user's side, which closes when the recorded app did: for handlers whose connection is ours."""

    def __init__(self, user: RecordedUser, player: Player) -> None:
        self._user = user
        self._player = player

    def take(self, event: Event, at_ns: int) -> None:
        self._user.take(event, at_ns)

    def due(self, at_ns: int) -> Sequence[Action]:
        closes_at_ns = self._player.app_closes_at_ns
        actions = self._user.due(at_ns)
        if closes_at_ns is None or closes_at_ns > at_ns:
            return actions
        close = self._player.recorded_close
        return [*actions, Close(close.code or 1000, close.reason) if close is not None else Close()]

    def next_at_ns(self) -> Optional[int]:
        next_at_ns, closes_at_ns = self._user.next_at_ns(), self._player.app_closes_at_ns
        if next_at_ns is None or closes_at_ns is None:
            return closes_at_ns if next_at_ns is None else next_at_ns
        return min(next_at_ns, closes_at_ns)


def developers_part(stack: str) -> List[str]:
    """The lines of a formatted stack from below the last frame of this package on: what the handler was doing."""
    lines = stack.splitlines()
    # Each frame is a line "File …" and, where the source is there, the line of code.
    last = max((index for index, line in enumerate(lines) if line.lstrip().startswith(f'File "{_PACKAGE}')), default=-1)
    below = next((index for index in range(last + 1, len(lines)) if lines[index].lstrip().startswith("File ")), len(lines))
    return lines[below:] or lines


_PACKAGE = str(Path(__file__).resolve().parent.parent)

# The parameters of the handshake that every SDK version takes as an argument; the rest is not repeated.
_OPTIONS: Mapping[str, Callable[[str], Any]] = {
    "config_id": str,
    "config_version": int,
    "resumed_chat_group_id": str,
    "verbose_transcription": lambda text: text.lower() == "true",
}


def _options(handshake: Optional[Handshake]) -> Mapping[str, Any]:
    query = () if handshake is None else handshake.query
    return {name: _OPTIONS[name](value) for name, value in query if name in _OPTIONS}


def _name(handler: Any) -> str:
    if handler is None:
        return BUILT_IN
    if isinstance(handler, str):
        return handler
    return getattr(handler, "__qualname__", None) or type(handler).__qualname__
