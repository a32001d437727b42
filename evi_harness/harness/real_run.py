"""One replay in real time: the server in a process of its own, the handler in this one, on an ordinary event loop over a real socket.

The server's process keeps what crossed the wire, and its clock is not bent by what the handler does. What is observed of the handler is
stamped here, by the same clock, and both are brought together at the end.

Rules of living here: the handler is imported and built inside the running loop. Nothing is judged here. A run that gets stuck or is
interrupted ends the server's process too.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, List, Optional, Sequence, Union

from evi_harness.errors import StuckError
from evi_harness.evi.dialect import EVI
from evi_harness.harness.handling import Standing, callbacks_for, chat_options, note_sound_failures, note_stuck
from evi_harness.harness.leaving import Leaving
from evi_harness.harness.merging import merged
from evi_harness.harness.outside import Outside
from evi_harness.harness.run import RECORDED, Run, RunOptions, name_of, recording_of
from evi_harness.harness.serving import Served, play, served
from evi_harness.harness.user_audio import Sound, UserAudio, replay_sound, sent_by, user_audio
from evi_harness.live.app_side import AppSide
from evi_harness.live.clock import RealClock
from evi_harness.live.exits import telling_exit
from evi_harness.live.heard import note_heard
from evi_harness.live.journal import Journal
from evi_harness.live.left_behind import LeftBehind
from evi_harness.live.long_steps import THRESHOLD_NS, LongSteps
from evi_harness.live.step_sampler import StepSampler
from evi_harness.live.stepping import LOOK_UP_S, SteppingLoop, run_stepping
from evi_harness.live.watchdog import Watchdog
from evi_harness.replay.player import Player
from evi_harness.replay.recording import Recording
from evi_harness.replay.user import RecordedUser
from evi_harness.sdk.app import App, run_app
from evi_harness.sdk.playback_queue import kind_of_step
from evi_harness.sdk.recorded import run_recorded
from evi_harness.session.events import Event, Handshake, Opened
from evi_harness.session.protocols import Action, Send, Service
from evi_harness.session.session import Session

__all__ = ["run_in_real_time"]

# How long after the server the app's side gives up.
BEHIND_NS = 500_000_000


def run_in_real_time(recorded: Union[Session, Recording], handler: Any, options: RunOptions) -> Run:
    """Replay a recording to a handler once. It takes as long as the recording, and the start of a process.

    Args:
        recorded: The recording: as it was, or on the axis on which it is to be acted out.
        handler: None for the built-in one, ``"recorded"``, a SPEC, or the handler itself.
        options: See there.

    Returns:
        The run. A stuck one ends with a ``stuck`` note.

    Raises:
        UsageError: An event loop runs on this thread already.
        HandlerError, NotAHandler, SpecError: The handler is at fault before anything runs.
        EviHarnessError: The server's process does not start, or has gone.
        StuckError: Nothing moved before the handler was connected.
    """
    run = Run(name_of(handler))
    _RealRun(recording_of(recorded), handler, options, run).go()
    return run


class _RealRun:
    def __init__(self, recording: Recording, handler: Any, options: RunOptions, run: Run) -> None:
        self._recording = recording
        self._recorded = recording.session
        self._handler = handler
        self._options = options
        self._run = run
        self._clock = RealClock()
        self._journal = Journal(self._clock)
        self._loop: Optional[SteppingLoop] = None
        self._app: Optional[App] = None
        self._outside: Optional[Outside] = None

    def go(self) -> None:
        server = served(play(self._recording, self._options.patience, self._options.dialect))
        with server:
            self._run_handler(server.url)
        self._collect(server)

    def _run_handler(self, url: str) -> None:
        stuck: List[Standing] = []
        timeout_s, redact = self._options.timeout_s, self._options.redact
        outside = self._outside = Outside(self._recorded, self._options.outside, url=url, redact=redact)
        try:
            looking = Watchdog(self._progress, lambda stack: stuck.append(Standing.seen(stack, self._app)), timeout_s=timeout_s)
            with outside, looking, telling_exit(redact):
                # A watchdog takes a loop that looks up for one that moves.
                run_stepping(lambda loop: self._main(loop, url), look_up_s=min(LOOK_UP_S, timeout_s / 4))
        except StuckError as error:
            if self._journal.opened_at_ns is None:
                raise
            note_stuck(self._journal, error, stuck[0] if stuck else None, timeout_s=timeout_s, redact=redact)

    async def _main(self, loop: SteppingLoop, url: str) -> None:
        self._loop = loop
        assert self._outside is not None
        self._outside.follow(loop, self._journal, self._handling)
        threshold_ns = THRESHOLD_NS if self._options.blocked_ns is None else self._options.blocked_ns
        with StepSampler(loop.steps, self._handling) as sampler:
            long_steps = LongSteps(self._journal, loop.steps, threshold_ns, kind_of_step, sampler.places)
            if self._handler == RECORDED:
                await self._run_recorded(url)
            else:
                await self._run_watched(url, loop)
            long_steps.finish()

    async def _run_watched(self, url: str, loop: SteppingLoop) -> None:
        audio = user_audio(self._recording)
        with replay_sound(audio, self._journal) as sound:
            with LeftBehind(self._journal, EVI, self._options.redact) as left_behind:
                loop.set_exception_handler(left_behind.unhandled)
                await self._run_app(url, loop, audio, sound, left_behind)
                await left_behind.finish()
            note_sound_failures(self._journal, sound.speaker.failures, self._options.redact)
            note_heard(self._journal, sound.speaker.playbacks, EVI)

    async def _run_recorded(self, url: str) -> None:
        user = RecordedUser(self._recorded, EVI, only_microphone=False, closes=True)
        handshake = self._recorded.handshake or Handshake(EVI.chat_paths[0])
        side = AppSide(self._journal, lambda _: None)
        await run_recorded(url, handshake, user, self._journal, self._clock, side.opened)

    async def _run_app(self, url: str, loop: SteppingLoop, audio: UserAudio, sound: Sound, left_behind: LeftBehind) -> None:
        options = self._options
        callbacks = callbacks_for(self._handler, self._run.handler, write=options.write, redact=options.redact, arguments=options.arguments)
        user, microphone = sent_by(self._recorded, audio, callbacks, sound, self._journal, built_in=self._handler is None)
        # The server gives up first: an app that closed in the same instant would hide what it waited for.
        patience = replace(options.patience, message_ns=options.patience.message_ns + BEHIND_NS)
        following = _Following(user, Player(self._recording, options.dialect, patience))
        side = AppSide(self._journal, lambda event: self._happened(loop, following, event))

        def opened(websocket: Any) -> None:
            side.opened(websocket)
            left_behind.opened(websocket)

        self._app = App(
            base_url=url,
            callbacks=callbacks,
            user=Leaving(following, following.player, following.has_all),
            journal=self._journal,
            clock=self._clock,
            options=chat_options(self._recorded.handshake),
            redact=options.redact,
            opened=opened,
            microphone=microphone,
            heard_ns=lambda: sound.speaker.heard_ns,
        )
        await run_app(self._app)

    def _happened(self, loop: SteppingLoop, following: _Following, event: Event) -> None:
        if isinstance(event, Opened):
            # Importing and connecting are not the app's running.
            loop.steps.forget()
            assert self._outside is not None
            self._outside.opened()
        following.follow(event)
        if self._app is not None and self._app.pump is not None:
            self._app.pump.wake()

    def _progress(self) -> int:
        # In real time nothing need happen for minutes; a loop that still looks for it is alive.
        return 0 if self._loop is None else self._loop.n_looks

    def _handling(self) -> Optional[int]:
        return None if self._app is None else self._app.handling

    def _collect(self, server: Served) -> None:
        opened_at_ns, here_ns = server.opened_at_ns, self._journal.opened_at_ns
        ahead_ns = 0 if opened_at_ns is None or here_ns is None else here_ns - opened_at_ns
        self._run.events = merged(server.events, self._journal.events, ahead_ns)
        self._run.end_ns = self._run.events[-1].at_ns if self._run.events else 0


class _Following:
    """The user, and beside it a player of our own that follows the server's: what it would do now tells when the app should close.

    Both players decide by the same rules over the same messages, a fraction of a millisecond apart; so the app closes only when it has
    taken as many messages as this one has seen due.

    Args:
        user: What speaks for the user.
        player: A player of the recording; nothing that it sends is sent.
    """

    def __init__(self, user: Service, player: Player) -> None:
        self.player = player
        self._user = user
        self._n_due = 0
        self._n_taken = 0

    def has_all(self) -> bool:
        """Whether the app has taken all that was due so far."""
        return self._n_taken >= self._n_due

    def follow(self, event: Event) -> None:
        """Take the opening, or what the app sends."""
        self.player.take(event, event.at_ns)
        self._advance(event.at_ns)

    def take(self, event: Event, at_ns: int) -> None:
        """Take a message that the app has taken."""
        self._n_taken += 1
        self._user.take(event, at_ns)

    def due(self, at_ns: int) -> Sequence[Action]:
        """What to send now."""
        self._advance(at_ns)
        return self._user.due(at_ns)

    def next_at_ns(self) -> Optional[int]:
        """When something is due next, on either side."""
        known = [at_ns for at_ns in (self._user.next_at_ns(), self.player.next_at_ns()) if at_ns is not None]
        return min(known, default=None)

    def _advance(self, at_ns: int) -> None:
        self._n_due += sum(isinstance(action, Send) for action in self.player.due(at_ns))
