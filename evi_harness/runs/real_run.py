"""One replay in real time: the server in its own process, the handler in this one, over a real socket.

The server's process keeps what crossed the wire, and its clock is not bent by what the handler does. What is observed of the handler is
stamped here, by the same clock, and both are brought together at the end.

Rules of living here: the handler is imported and built inside the running loop. Nothing is judged here. A run that gets stuck or is
interrupted ends the server's process too.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Optional, Sequence, Union

from evi_harness.audio.software_speaker import Heard, Playback
from evi_harness.carriers.arrivals import Arrivals
from evi_harness.carriers.journal import Journal
from evi_harness.carriers.server_process import ServerProcess
from evi_harness.clocks.clock import RealClock
from evi_harness.clocks.exits import AppExits
from evi_harness.clocks.known_waits import KnownWaits
from evi_harness.clocks.stepping import LOOK_UP_S, SteppingLoop, run_stepping
from evi_harness.guard.ending import Ending
from evi_harness.replay.played_recording import PlayedRecording
from evi_harness.replay.player import Player
from evi_harness.replay.wrapping import ClosingUser, FollowingUser
from evi_harness.runs.handler_run import Stage, run_guarded, run_handler, run_null
from evi_harness.runs.merging import merged
from evi_harness.runs.own_server import Served
from evi_harness.runs.playing import chat_paths_of, play_recording
from evi_harness.runs.replay_options import RECORDED, has_app
from evi_harness.runs.run import Run, RunOptions, longest_s, name_of, recording_of
from evi_harness.runs.sandbox import Outside
from evi_harness.sdk.app import App, run_app
from evi_harness.session.events import Event, Opened
from evi_harness.session.protocols import Service
from evi_harness.session.session import Session
from evi_harness.tap.app_side import AppSide
from evi_harness.watch.long_steps import THRESHOLD_NS, LongSteps
from evi_harness.watch.step_sampler import StepSampler

__all__ = ["run_in_real_time"]

# How long after the server the app's side gives up.
BEHIND_NS = 500_000_000


def run_in_real_time(recorded: Union[Session, PlayedRecording], handler: Any, options: RunOptions) -> Run:
    """Replay a recording to a handler once. It takes as long as the recording, and the start of a process.

    Args:
        recorded: The recording: as it was, or on the axis on which it is to be acted out.
        handler: None for the built-in one, ``"recorded"``, a SPEC, or the handler itself.
        options: See there.

    Returns:
        The run. A stuck one ends with a ``stuck`` note.

    Raises:
        UsageError: An event loop runs on this thread already.
        HandlerError, NotAHandler, SpecError: The handler cannot be loaded or is invalid.
        EviHarnessError: The server's process does not start, or has gone.
        StuckError: Nothing moved before the handler was connected.
    """
    return _RealRun(recording_of(recorded, options.dialect), handler, options).go()


class _RealRun:
    def __init__(self, recording: PlayedRecording, handler: Any, options: RunOptions) -> None:
        self._recording = recording
        self._handler = handler
        self._options = options
        self._clock = RealClock()
        self._arrivals = Arrivals()
        self._journal = Journal(self._clock, self._arrivals.tell if options.watch is id else self._watched)
        self._exits = AppExits(Ending(options.redact))
        self._loop: Optional[SteppingLoop] = None
        self._following: Optional[FollowingUser] = None
        self._app: Optional[App] = None
        self._sampler: Optional[StepSampler] = None
        self._playbacks: Optional[Sequence[Playback]] = None

    def go(self) -> Run:
        dialect = self._options.pairing
        play = play_recording(self._recording, self._options.asked.patience, dialect)
        paths = chat_paths_of(play.session, dialect)
        server = Served(
            ServerProcess(
                play,
                chat_paths=paths,
                token_path=dialect.token_path,
                token_answer=dialect.token_answer,
                subprotocol=dialect.subprotocol,
                service_name="player",
            )
        )
        with server:
            self._run_beside(server.url)
        opened_at_ns, here_ns = server.opened_at_ns, self._journal.opened_at_ns
        ahead_ns = 0 if opened_at_ns is None or here_ns is None else here_ns - opened_at_ns
        # The server's process has the same clock as the speaker, and its opening is time 0 of the session.
        heard = Heard.of(self._playbacks, here_ns if opened_at_ns is None else opened_at_ns, self._recording.speed)
        events = merged(server.events, self._journal.events, ahead_ns)
        return Run(name_of(self._handler), events, heard=heard, has_app=has_app(self._handler))

    def _run_beside(self, url: str) -> None:
        outside = Outside(self._recording.session, self._options.asked, url=url, redact=self._options.redact)
        run_guarded(
            lambda: self._run_loop(outside, url),
            outside,
            self._exits,
            self._options,
            progress=self._progress,
            app=lambda: self._app,
            loop=lambda: self._loop,
            max_run_s=longest_s(self._recording, self._options, is_real=True),
            sampler=lambda: self._sampler,
            journal=lambda: None if self._journal.opened_at_ns is None else self._journal,
        )

    def _run_loop(self, outside: Outside, url: str) -> None:
        # What it replaces is put back here, also where a coroutine does not come to its end.
        with KnownWaits() as waits:
            # A watchdog takes a loop that looks up for one that moves.
            run_stepping(lambda loop: self._main(loop, outside, url, waits), look_up_s=min(LOOK_UP_S, self._options.asked.timeout_s / 4))

    async def _main(self, loop: SteppingLoop, outside: Outside, url: str, waits: KnownWaits) -> None:
        self._loop = loop
        waits.watch(loop.steps)
        outside.follow(loop, self._journal, self._handling)
        self._exits.follow(loop, self._journal, self._handling)
        side = AppSide(self._journal, lambda event: self._happened(event, loop, outside))
        threshold_ns = THRESHOLD_NS if self._options.asked.blocked_ns is None else self._options.asked.blocked_ns
        sampler = self._sampler = StepSampler(loop.steps, self._handling)
        long_steps = LongSteps(
            self._journal, loop.steps, threshold_ns, self._options.adapter.kind_of_step, sampler.sample, self._options.redact
        )
        if self._handler == RECORDED:
            await run_null(self._recording.session, self._options.dialect, url, self._journal, self._clock, side.opened)
        else:
            stage = Stage(
                url,
                self._clock,
                self._journal,
                self._arrivals,
                closing=self._closing,
                run=self._run_app,
                exits=self._exits,
                opened=side.opened,
                plays=self._plays,
            )
            await run_handler(self._recording, self._handler, self._options, stage)
        long_steps.finish()

    def _closing(self, user: Service) -> ClosingUser:
        # The server gives up first: an app that closed in the same instant would hide what it waited for.
        patience = replace(self._options.asked.patience, message_ns=self._options.asked.patience.message_ns + BEHIND_NS)
        following = self._following = FollowingUser(user, Player(self._recording, self._options.pairing, patience))
        return ClosingUser(following, following.player, following.has_all)

    async def _run_app(self, app: App) -> None:
        self._app = app
        await run_app(app)

    def _plays(self, playbacks: Sequence[Playback]) -> None:
        self._playbacks = playbacks

    def _happened(self, event: Event, loop: SteppingLoop, outside: Outside) -> None:
        if self._following is None:
            # The null test's user keeps its own time.
            return
        if isinstance(event, Opened):
            # Importing and connecting are not the app's running.
            loop.steps.forget()
            outside.opened()
        self._following.follow(event)
        if self._app is not None and self._app.pump is not None:
            self._app.pump.wake()

    def _watched(self, event: Event) -> None:
        self._arrivals.tell(event)
        self._options.watch(event)

    def _progress(self) -> int:
        # In real time nothing need happen for minutes; a loop that still looks for it is alive.
        return 0 if self._loop is None else self._loop.n_looks

    def _handling(self) -> Optional[int]:
        return None if self._app is None else self._app.handling
