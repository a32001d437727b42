"""One replay in virtual time, from an empty loop to a session: player, server, SDK and handler brought together.

Rules of living here: the handler is imported and built inside the running loop. What the run observed is in its events; nothing is
judged here. A run that gets stuck or is interrupted yields what it has.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Callable, List, Mapping, Optional, Sequence, Tuple, Union

from evi_harness.errors import StuckError
from evi_harness.evi.dialect import EVI, Evi
from evi_harness.harness.handling import Standing, callbacks_for, chat_options, note_sound_failures, note_stuck
from evi_harness.harness.leaving import Leaving
from evi_harness.harness.outside import Outside, OutsideOptions
from evi_harness.harness.user_audio import Sound, UserAudio, replay_sound, sent_by, user_audio
from evi_harness.live.blocked import THRESHOLD_NS, BlockedNotes
from evi_harness.live.blocking import Charge
from evi_harness.live.carrier import VirtualCarrier
from evi_harness.live.computing import THRESHOLD_NS as COMPUTING_NS
from evi_harness.live.computing import Computing
from evi_harness.live.exits import telling_exit
from evi_harness.live.heard import note_heard
from evi_harness.live.journal import Journal
from evi_harness.live.left_behind import LeftBehind
from evi_harness.live.server import ChatServer
from evi_harness.live.step_sampler import StepSampler
from evi_harness.live.virtual import THREAD_WAIT_NS, VirtualLoop, run_virtual
from evi_harness.live.watchdog import Watchdog
from evi_harness.replay.player import DEFAULT_PATIENCE, Patience, Player
from evi_harness.replay.recording import Recording
from evi_harness.replay.user import RecordedUser
from evi_harness.sdk.app import App, run_app
from evi_harness.sdk.recorded import run_recorded
from evi_harness.session.events import Closed, Event, Handshake
from evi_harness.session.protocols import Action, Service
from evi_harness.session.session import Session

__all__ = ["BUILT_IN", "RECORDED", "Run", "RunOptions", "name_of", "recording_of", "run_in_virtual_time"]

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
        blocked_ns: From how long on a step counts as blocking the loop, None for what the clock has for it.
        thread_wait_ns: How long, in real time, the clock stands still for a job that does not wake the loop.
        write: Takes the lines that the built-in handler prints.
        redact: Takes secrets out of what notes quote.
        arguments: What the handler's class or function takes besides, by name.
        dialect: How sent messages are compared, so that the player pairs them as the verdict does.
        outside: What the app meets besides the service.
    """

    patience: Patience = DEFAULT_PATIENCE
    timeout_s: float = 60.0
    blocked_ns: Optional[int] = None
    thread_wait_ns: int = THREAD_WAIT_NS
    write: Callable[[str], object] = print
    redact: Callable[[str], str] = str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    dialect: Evi = EVI
    outside: OutsideOptions = field(default_factory=OutsideOptions)


@dataclass
class Run:
    """What one run yielded.

    Attributes:
        handler: What the handler is called.
        events: The events of its session, in the order of writing.
        overdue_jobs: Jobs that the clock did not wait for; with one, two runs may differ.
        end_ns: Session time at the end of the run.
        handshake_by_app: Whether the app opened the connection itself, so that what it asked for is its own.
    """

    handler: str
    events: List[Event] = field(default_factory=list)
    overdue_jobs: Tuple[str, ...] = ()
    end_ns: int = 0
    handshake_by_app: bool = False


def run_in_virtual_time(recorded: Union[Session, Recording], handler: Any, options: RunOptions) -> Run:
    """Replay a recording to a handler once.

    Args:
        recorded: The recording: as it was, or on the axis on which it is to be acted out.
        handler: None for the built-in one, ``"recorded"``, a SPEC, or the handler itself.
        options: See there.

    Returns:
        The run. Its events are whole but for a stuck run, which ends with a ``stuck`` note.

    Raises:
        HandlerError, NotAHandler, SpecError: The handler is at fault before anything runs.
    """
    run = Run(name_of(handler))
    _VirtualRun(recording_of(recorded), handler, options, run).go()
    return run


class _VirtualRun:
    def __init__(self, recording: Recording, handler: Any, options: RunOptions, run: Run) -> None:
        self._recording = recording
        self._recorded = recording.session
        self._handler = handler
        self._options = options
        self._run = run
        self._loop: Optional[VirtualLoop] = None
        self._journal: Optional[Journal] = None
        self._blocked: Optional[BlockedNotes] = None
        self._app: Optional[App] = None
        self._outside = Outside(recording.session, options.outside, redact=options.redact)

    def go(self) -> None:
        stuck: List[Standing] = []
        timeout_s, redact = self._options.timeout_s, self._options.redact
        try:
            looking = Watchdog(self._progress, lambda stack: stuck.append(Standing.seen(stack, self._app)), timeout_s=timeout_s)
            with self._outside, looking, telling_exit(redact):
                run_virtual(self._main, thread_wait_ns=self._options.thread_wait_ns, on_charge=self._charged)
        except StuckError as error:
            self._stuck(error, stuck[0] if stuck else None)
        finally:
            self._collect()

    async def _main(self, loop: VirtualLoop) -> None:
        self._loop = loop
        loop.limit_ns = loop.now_ns() + 2 * self._recorded.duration_ns + LIMIT_NS
        over = asyncio.Event()
        journal = self._journal = Journal(loop, lambda event: over.set() if isinstance(event, Closed) else None)
        self._outside.follow(loop, journal, self._handling)
        player = Player(self._recording, self._options.dialect, self._options.patience)
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
            audio = user_audio(self._recording)
            with replay_sound(audio, journal, loop) as sound:
                await self._client(carrier.url, player, journal, loop, audio, sound)
            if journal.opened_at_ns is not None:
                await asyncio.wait({asyncio.ensure_future(over.wait())}, timeout=END_WAIT_S)
        if self._blocked is not None:
            self._blocked.finish(loop)

    async def _client(self, url: str, player: Player, journal: Journal, loop: VirtualLoop, audio: UserAudio, sound: Sound) -> None:
        if self._handler == RECORDED:
            everything = RecordedUser(self._recorded, EVI, only_microphone=False, closes=True)
            await run_recorded(url, self._recorded.handshake or Handshake(EVI.chat_paths[0]), everything, journal, loop)
            return
        with LeftBehind(journal, EVI, self._options.redact) as left_behind:
            loop.set_exception_handler(left_behind.unhandled)
            await self._handle(url, player, journal, loop, audio, sound, left_behind)
            await left_behind.finish()
        note_sound_failures(journal, sound.speaker.failures, self._options.redact)
        note_heard(journal, sound.speaker.playbacks, EVI)

    async def _handle(
        self,
        url: str,
        player: Player,
        journal: Journal,
        loop: VirtualLoop,
        audio: UserAudio,
        sound: Sound,
        left_behind: LeftBehind,
    ) -> None:
        options = self._options
        callbacks = callbacks_for(self._handler, self._run.handler, write=options.write, redact=options.redact, arguments=options.arguments)
        user, microphone = sent_by(self._recorded, audio, callbacks, sound, journal, built_in=self._handler is None)
        self._app = App(
            base_url=url,
            callbacks=callbacks,
            user=Leaving(user, player),
            journal=journal,
            clock=loop,
            options=chat_options(self._recorded.handshake),
            redact=options.redact,
            opened=left_behind.opened,
            microphone=microphone,
            heard_ns=lambda: sound.speaker.heard_ns,
        )
        self._blocked = BlockedNotes(journal, self._handling, THRESHOLD_NS if options.blocked_ns is None else options.blocked_ns)
        # Importing the handler is not the app's running.
        loop.steps.forget()
        with StepSampler(loop.steps, self._handling) as sampler:
            computing = Computing(journal, loop.steps, sampler, COMPUTING_NS if options.blocked_ns is None else options.blocked_ns)
            await run_app(self._app)
            computing.finish()

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

    def _stuck(self, error: StuckError, standing: Optional[Standing]) -> None:
        if self._journal is None:
            raise error
        note_stuck(self._journal, error, standing, timeout_s=self._options.timeout_s, redact=self._options.redact)

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


def recording_of(recorded: Union[Session, Recording]) -> Recording:
    """A recording on the axis on which it is to be acted out: a session is acted out as it was."""
    return recorded if isinstance(recorded, Recording) else Recording.of(recorded, EVI)


def name_of(handler: Any) -> str:
    """What to call a handler."""
    if handler is None:
        return BUILT_IN
    if isinstance(handler, str):
        return handler
    return getattr(handler, "__qualname__", None) or type(handler).__qualname__
