"""A handler's run on either clock: the order in which it is set up and watched.

A clock brings a ``Stage``: where the service is, and what is its own. All else is here.

Rules of living here: the handler is imported and built inside the running loop. What a run observed is in its events; nothing is judged.
"""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass
from typing import Any, Callable, Coroutine, List, Optional, Sequence

from evi_harness.audio.software_speaker import Playback
from evi_harness.carriers.arrivals import Arrivals
from evi_harness.carriers.journal import Journal
from evi_harness.clocks.app_loop import AppLoop, host
from evi_harness.clocks.clock import Clock
from evi_harness.clocks.exits import AppExits
from evi_harness.clocks.steps import own_work
from evi_harness.clocks.virtual import VirtualLoop
from evi_harness.clocks.watchdog import Watchdog
from evi_harness.errors import Parameter, StuckError, Words
from evi_harness.guard.garbage import callbacks_put_back
from evi_harness.guard.place_lookup import Stack, frame_stack
from evi_harness.guard.process_state import restored_process
from evi_harness.replay.played_recording import PlayedRecording
from evi_harness.replay.user import RecordedUser
from evi_harness.replay.wrapping import ClosingUser
from evi_harness.runs.handler_setup import Standing, callbacks_for, note_over_time, note_sound_failures, note_stuck
from evi_harness.runs.heard_notes import note_heard
from evi_harness.runs.revision import require_revision
from evi_harness.runs.run import RunOptions, name_of
from evi_harness.runs.sandbox import Outside
from evi_harness.runs.user_audio import replay_sound, sent_by, user_audio
from evi_harness.sdk.adapter import Adapter
from evi_harness.sdk.app import App
from evi_harness.sdk.recorded import run_recorded
from evi_harness.sdk.user_voice import AUTO, OFF, UserVoice
from evi_harness.session.events import Handshake, Received
from evi_harness.session.protocols import RECEIVED, Dialect, Service
from evi_harness.session.session import Session
from evi_harness.watch.left_behind import LeftBehind
from evi_harness.watch.step_sampler import EVERY_S, StepSampler

__all__ = ["Stage", "run_guarded", "run_handler", "run_null"]


@dataclass(frozen=True)
class Stage:
    """What a clock brings to a run.

    Attributes:
        url: The endpoint of the service.
        clock: What keeps the time: the virtual loop itself, or the machine's clock.
        journal: Takes the events and notes of the run.
        arrivals: Told of them.
        closing: Given what speaks for the user, who else closes when the recorded app would close now.
        run: Runs the app, with what watches it on this clock.
        exits: Knows whether the app has ended the run.
        opened: Called with the connection of the websockets library as soon as it is open.
        plays: Called with the streams of the speaker, to which each is added when it begins, before the handler is built.
        end: Ends the run, to be run again; None where that cannot be.
    """

    url: str
    clock: Clock
    journal: Journal
    arrivals: Arrivals
    closing: Callable[[Service], ClosingUser]
    run: Callable[[App], Coroutine[Any, Any, None]]
    exits: AppExits
    opened: Callable[[Any], object] = id
    plays: Callable[[Sequence[Playback]], object] = id
    end: Optional[Callable[[], object]] = None


def run_guarded(
    act: Callable[[], object],
    outside: Outside,
    exits: AppExits,
    options: RunOptions,
    *,
    progress: Callable[[], int],
    app: Callable[[], Optional[App]],
    journal: Callable[[], Optional[Journal]],
    loop: Callable[[], Optional[AppLoop]],
    max_run_s: float,
    sampler: Callable[[], Optional[StepSampler]] = lambda: None,
    waits: Callable[[], Stack] = tuple,
) -> None:
    """Run a loop with its safeguards: the network is shut, an exit of the app's ends the app alone, a standstill ends the run.

    So does the end of its time.

    Args:
        act: Runs the loop.
        outside: What the app meets besides the service.
        exits: What takes an exit of the app's.
        options: Of the run.
        progress: A count that grows while the run moves.
        app: The app, None as long as there is none.
        loop: The loop, None as long as there is none.
        max_run_s: How long all of it may take, in real seconds.
        journal: Where a standstill is noted, None as long as nothing can be yielded; then it is raised.
        sampler: What samples the steps of the loop, None as long as nothing does.
        waits: Where the app waits when a loop has ended without being interrupted, since nothing can happen any more.

    Raises:
        StuckError: Nothing moved before there was anything to yield, or the time was over by then.
    """
    stuck: List[Standing] = []
    hint = Words("Give ", Parameter("max_run_s"), " more.")
    over = StuckError(f"the run was not over after {max_run_s:g} s of real time, and was ended", hint=hint)
    watched = threading.get_ident()

    def stand(stack: str) -> None:
        stuck.append(Standing.seen(stack, app(), frame_stack(sys._current_frames().get(watched))))

    def in_vain() -> None:
        noted = journal()
        if options.give_up is None or noted is None or not stuck:
            return
        if looking.is_over:
            note_over_time(noted, over, stuck[-1], redact=options.redact)
        else:
            note_stuck(noted, StuckError("it cannot be interrupted"), stuck[0], timeout_s=options.asked.timeout_s, redact=options.redact)
        options.give_up()

    def look() -> None:
        samples = sampler()
        if samples is not None:
            samples.look()

    def end() -> None:
        running = loop()
        if running is not None:
            running.over = over

    looking = Watchdog(
        progress,
        stand,
        timeout_s=options.asked.timeout_s,
        in_vain=in_vain,
        beside=look,
        every_s=EVERY_S,
        total_s=max_run_s,
        on_over=end,
    )
    try:
        with restored_process(), outside, exits, looking, callbacks_put_back():
            act()
    except StuckError as error:
        noted = journal()
        if noted is None and looking.is_over:
            raise over from error
        if noted is None:
            raise
        if looking.is_over:
            note_over_time(noted, over, stuck[-1] if stuck else None, redact=options.redact)
            return
        standing = stuck[0] if stuck else None
        note_stuck(noted, error, standing, timeout_s=options.asked.timeout_s, redact=options.redact, waits=waits())


async def run_handler(recording: PlayedRecording, handler: Any, options: RunOptions, stage: Stage) -> None:
    """Build a handler, run it from open to close, and note what it leaves behind.

    The sound is in place before the handler is imported, since that may look for devices; what is left behind is watched from before the
    handler is built, and seen to while the sound still plays.

    Args:
        recording: The recording, on the axis on which it is acted out.
        handler: None for the built-in one, a SPEC, or the handler itself.
        options: Of the run.
        stage: See there.

    Raises:
        EviHarnessError: The handler cannot be had, or is not of the revision that this process is to run.
    """
    journal, redact, dialect = stage.journal, options.redact, options.dialect
    adapter, audio = options.adapter, user_audio(recording, dialect, options.adapter)
    with replay_sound(audio, adapter, journal, stage.clock if isinstance(stage.clock, VirtualLoop) else None) as sound:
        stage.plays(sound.speaker.playbacks)
        with LeftBehind(journal, dialect, redact) as left_behind:
            given = options.asked.arguments or {}
            callbacks = callbacks_for(adapter, handler, name_of(handler), write=options.write, redact=redact, arguments=given)
            require_revision(handler)
            voice = UserVoice(is_off=options.asked.microphone == OFF)
            speaking = sent_by(recording.session, dialect, adapter, audio, callbacks, sound, journal, voice, built_in=handler is None)
            if voice.is_off:
                speaking.note_off(journal, is_again=options.is_again)

            def opened(websocket: Any) -> None:
                stage.opened(websocket)
                left_behind.opened(websocket)

            app = App(
                base_url=stage.url,
                adapter=adapter,
                callbacks=callbacks,
                user=stage.closing(speaking.service),
                journal=journal,
                clock=stage.clock,
                arrivals=stage.arrivals,
                handshake=recording.session.handshake,
                redact=redact,
                opened=opened,
                microphone=speaking.microphone,
                own_audio=speaking.own_audio(adapter, sound, journal, stage.end) if options.asked.microphone == AUTO else None,
                heard_ns=lambda: sound.speaker.heard_ns,
                may_be_answered=_answered(recording.session, dialect, adapter),
                ending=stage.exits.ending,
            )
            await host(stage.run(app), app.ending)
            await left_behind.finish(has_ended=app.ending.has_ended)
        with own_work():
            # What it has imported since.
            require_revision(handler)
            note_sound_failures(journal, sound.speaker.failures, redact)
            note_heard(
                journal,
                sound.speaker.playbacks,
                dialect,
                app.handed,
                is_players=adapter.is_players,
                headerless=adapter.headerless,
                redact=redact,
            )


def _answered(session: Session, dialect: Dialect, adapter: Adapter) -> Callable[[Received], bool]:
    """Which messages the app may have to answer: calls, interruptions, and those of a type that the recorded app answered.

    What runs for a message is looked at by Python's profiling hook, which would make everything dearer if it were set for all of them.
    """
    sent = frozenset(event.seq for event in session.sent)
    answered = {cause.seq for seq, cause in session.prompts(dialect).items() if seq in sent}
    types = {dialect.read(RECEIVED, event.frame).type for event in session.received if event.seq in answered}

    def may_be_answered(event: Received) -> bool:
        message = dialect.read(RECEIVED, event.frame)
        return message.type in types or dialect.is_call(message) or adapter.is_interruption(event)

    return may_be_answered


async def run_null(
    recorded: Session, dialect: Dialect, url: str, journal: Journal, clock: Clock, opened: Callable[[Any], object] = id
) -> None:
    """Run the null test, in which the recording meets itself: no handler, and nothing that watches one.

    Args:
        recorded: The recording.
        dialect: What it speaks.
        url: The endpoint of the service.
        journal: Takes the events.
        clock: What the journal is stamped by.
        opened: See ``Stage``.
    """
    user = RecordedUser(recorded, dialect, only_microphone=False, closes=True)
    await run_recorded(url, recorded.handshake or Handshake(dialect.chat_paths[0]), user, journal, clock, opened)
