"""One replay in virtual time: player, server, SDK and handler on one loop whose clock jumps.

Rules of living here: nothing is judged here. A run that gets stuck or is interrupted yields what it has.
"""

from __future__ import annotations

import asyncio
from typing import Any, Optional, Sequence, Union

from evi_harness.audio.software_speaker import Heard, Playback
from evi_harness.carriers.arrivals import Arrivals
from evi_harness.carriers.journal import Journal
from evi_harness.carriers.server import ChatServer
from evi_harness.carriers.virtual_carrier import VirtualCarrier
from evi_harness.clocks.blocking import Charge
from evi_harness.clocks.exits import AppExits
from evi_harness.clocks.virtual import VirtualLoop, run_virtual
from evi_harness.guard.ending import Ending
from evi_harness.replay.played_recording import PlayedRecording
from evi_harness.replay.player import Player
from evi_harness.replay.wrapping import AnnouncedService, ClosingUser
from evi_harness.runs.handler_run import Stage, run_guarded, run_handler, run_null
from evi_harness.runs.playing import chat_paths_of
from evi_harness.runs.replay_options import RECORDED, has_app
from evi_harness.runs.run import Run, RunOptions, longest_s, name_of, recording_of
from evi_harness.runs.sandbox import Outside
from evi_harness.sdk.app import App, run_app
from evi_harness.session.events import Event
from evi_harness.session.session import Session
from evi_harness.watch.blocked import THRESHOLD_NS, BlockedNotes
from evi_harness.watch.computing import THRESHOLD_NS as COMPUTING_NS
from evi_harness.watch.computing import Computing
from evi_harness.watch.step_sampler import StepSampler

__all__ = ["run_in_virtual_time"]

# How long the carrier may take to see the end once the app has returned, in seconds of virtual time.
END_WAIT_S = 20.0
# Where virtual time ends, beyond twice the recording: for an app that waits on for ever, timer by timer.
LIMIT_NS = 3600 * 1_000_000_000


def run_in_virtual_time(recorded: Union[Session, PlayedRecording], handler: Any, options: RunOptions) -> Run:
    """Replay a recording to a handler once.

    Args:
        recorded: The recording: as it was, or on the axis on which it is to be acted out.
        handler: None for the built-in one, ``"recorded"``, a SPEC, or the handler itself.
        options: See there.

    Returns:
        The run. Its events are whole but for a stuck run, which ends with a ``stuck`` note.

    Raises:
        HandlerError, NotAHandler, SpecError: The handler cannot be loaded or is invalid.
    """
    return _VirtualRun(recording_of(recorded, options.dialect), handler, options).go()


class _VirtualRun:
    def __init__(self, recording: PlayedRecording, handler: Any, options: RunOptions) -> None:
        self._recording = recording
        self._handler = handler
        self._options = options
        self._loop: Optional[VirtualLoop] = None
        self._journal: Optional[Journal] = None
        self._blocked: Optional[BlockedNotes] = None
        self._app: Optional[App] = None
        self._sampler: Optional[StepSampler] = None
        self._playbacks: Optional[Sequence[Playback]] = None
        self._is_to_end = False
        self._outside = Outside(recording.session, options.asked, blocked_ns=options.asked.blocked_ns, redact=options.redact)
        self._exits = AppExits(Ending(options.redact))

    def go(self) -> Run:
        run_guarded(
            lambda: run_virtual(self._main, thread_wait_ns=self._options.asked.thread_wait_ns, on_charge=self._charged),
            self._outside,
            self._exits,
            self._options,
            progress=self._progress,
            app=lambda: self._app,
            journal=lambda: self._journal,
            loop=lambda: self._loop,
            max_run_s=longest_s(self._recording, self._options, is_real=False),
            sampler=lambda: self._sampler,
            waits=lambda: () if self._loop is None else self._loop.stuck_at,
        )
        assert self._loop is not None
        assert self._journal is not None
        heard = Heard.of(self._playbacks, self._journal.opened_at_ns, self._recording.speed)
        return Run(name_of(self._handler), self._journal.events, self._loop.overdue_jobs, heard=heard, has_app=has_app(self._handler))

    async def _main(self, loop: VirtualLoop) -> None:
        self._loop = loop
        loop.limit_ns = loop.now_ns() + 2 * self._recording.session.duration_ns + LIMIT_NS
        over = asyncio.Event()
        arrivals = Arrivals(over.set)

        def watched(event: Event) -> None:
            arrivals.tell(event)
            self._options.watch(event)

        # Most events are frames of audio, and most runs are watched by nobody.
        journal = self._journal = Journal(loop, arrivals.tell if self._options.watch is id else watched)
        self._outside.follow(loop, journal, self._handling)
        self._exits.follow(loop, journal, self._handling)
        player = Player(self._recording, self._options.pairing, self._options.asked.patience)
        service = AnnouncedService(player, lambda: self._player_moved(player))
        server = ChatServer(
            lambda _: service,
            clock=loop,
            chat_paths=chat_paths_of(self._recording.session, self._options.dialect),
            token_path=self._options.dialect.token_path,
            token_answer=self._options.dialect.token_answer,
            subprotocol=self._options.dialect.subprotocol,
            journal_for=lambda _: journal,
            service_name="player",
        )
        async with VirtualCarrier(loop, server) as carrier:
            if self._handler == RECORDED:
                await run_null(self._recording.session, self._options.dialect, carrier.url, journal, loop)
            else:
                stage = Stage(
                    carrier.url,
                    loop,
                    journal,
                    arrivals,
                    closing=lambda user: ClosingUser(user, player, must_close=lambda: self._is_to_end),
                    run=lambda app: self._run_app(app, loop, journal),
                    exits=self._exits,
                    plays=self._plays,
                    end=self._end,
                )
                await run_handler(self._recording, self._handler, self._options, stage)
            if journal.opened_at_ns is not None:
                await asyncio.wait({asyncio.ensure_future(over.wait())}, timeout=END_WAIT_S)
        if self._blocked is not None:
            self._blocked.finish(loop)

    async def _run_app(self, app: App, loop: VirtualLoop, journal: Journal) -> None:
        self._app, blocked_ns = app, self._options.asked.blocked_ns
        self._blocked = BlockedNotes(journal, self._handling, THRESHOLD_NS if blocked_ns is None else blocked_ns, self._options.redact)
        # Importing the handler is not the app's running.
        loop.steps.forget()
        self._sampler = StepSampler(loop.steps, self._handling)
        threshold_ns = COMPUTING_NS if blocked_ns is None else blocked_ns
        computing = Computing(journal, loop.steps, self._sampler, threshold_ns, self._options.redact)
        await run_app(app)
        computing.finish()

    def _end(self) -> None:
        self._is_to_end = True
        self._wake()

    def _plays(self, playbacks: Sequence[Playback]) -> None:
        self._playbacks = playbacks

    def _progress(self) -> int:
        # Time that moves and frames that cross are progress; a loop that only spins makes none.
        # Beyond its end, time that an app passes by blocking is no progress.
        now_ns = 0 if self._loop is None else min(self._loop.now_ns(), self._loop.limit_ns or 0)
        return now_ns + (0 if self._journal is None else len(self._journal.events))

    def _player_moved(self, player: Player) -> None:
        if player.app_closes_at_ns is not None:
            self._wake()

    def _wake(self) -> None:
        if self._app is not None and self._app.pump is not None:
            self._app.pump.wake()

    def _handling(self) -> Optional[int]:
        return None if self._app is None else self._app.handling

    def _charged(self, charge: Charge) -> None:
        if self._blocked is not None and self._loop is not None:
            self._blocked.charged(self._loop, charge)
