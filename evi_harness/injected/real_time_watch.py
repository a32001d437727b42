"""What is observed of an app in its own process while a command is replayed in real time, where a server acts out the recording.

That is less than in virtual time: what nobody handles, what the app plays through software sound, and what it reaches besides the service.
When it reads its messages, and what its loop, tasks and threads do besides, is not.

Rules of living here: real time, real sockets and the app's own loops; nothing is judged. What is observed is reported at once, by the
machine's monotonic clock, which is that of the server too.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import signal
import sys
import threading
import time
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Callable, Dict, Optional, Type

from evi_harness.carriers.journal import Journal
from evi_harness.clocks.clock import RealClock
from evi_harness.dialects import adapter_for
from evi_harness.guard.allowed import Allowed, address_of, name_of
from evi_harness.guard.callers import callers_now, callers_of
from evi_harness.guard.network import NetworkGuard, Refusal, was_refused
from evi_harness.guard.place_lookup import Stack, told, told_places
from evi_harness.guard.seeds import seeded
from evi_harness.guard.wall_clock import WallClock
from evi_harness.injected.children import follow_becoming
from evi_harness.runs.app_channel import (
    BEGAN,
    FINISHED,
    NOTED,
    REACHED,
    ActedSession,
    AppOutcome,
    AppSound,
    PointedPlan,
    Reports,
)
from evi_harness.runs.app_command import Hosts, is_among
from evi_harness.runs.handler_setup import note_sound_failures
from evi_harness.runs.replay_options import RECORDED_HOURS
from evi_harness.runs.user_audio import SoundDevices, replay_sound, user_audio
from evi_harness.sdk.installed import version_of
from evi_harness.session.events import Note
from evi_harness.session.note_kind import NoteKind, ParamSpec
from evi_harness.session.notes import NETWORK, RAISED, SWALLOWED, UNSEEN

__all__ = ["RealTimeWatch"]

P = ParamSpec("P")

# Exceptions by which a session ends in an app that does not look: by name, since their package may not be there.
_CLOSED = ("ConnectionClosed", "ConnectionClosedOK", "ConnectionClosedError", "WebSocketConnectionClosedException")


class _Reporting(Journal):
    """A journal whose notes are reported as they are written."""

    def __init__(self, report: Callable[[Note], object]) -> None:
        super().__init__(RealClock())
        self._report = report

    def note(self, kind: NoteKind[P, object], /, of: Optional[int] = None, *_: P.args, **data: P.kwargs) -> Note:
        """Report something observed; see ``Journal.note``."""
        note = self.unwritten(kind, of, *_, **data)
        self._report(note)
        return note


class _Guard(NetworkGuard):
    """A guard that lets the service's name be looked up: it leads to the server, whose address alone can be reached.

    Args:
        hosts: Where the app looks for the service.
        given: As of ``NetworkGuard``.
    """

    def __init__(self, hosts: Hosts, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._hosts = hosts

    def look_up(self, call: str, host: object, port: object = None) -> None:
        """Judge the lookup of a name; see ``NetworkGuard.look_up``."""
        if not is_among(self._hosts, name_of(host), port if isinstance(port, int) else None):
            super().look_up(call, host, port)


class RealTimeWatch:
    """Watches one process.

    Args:
        plan: Where the service is looked for, and where the server is.
        acted: What is acted out there.
        reports: Where to tell.
        channel: What the environment of a process says of it.
    """

    def __init__(self, plan: PointedPlan, acted: ActedSession, reports: Reports, channel: str) -> None:
        self._plan = plan
        self._acted = acted
        self._reports = reports
        self._channel = channel
        self._process = os.getpid()
        self._adapter = adapter_for(plan.dialect)
        self._journal = _Reporting(lambda note: self._send(NOTED, (os.getpid(), time.monotonic_ns(), note)))
        self._handing = self._adapter.handing_watch(lambda: None, self._journal, None, callers_now)
        asked = acted.asked
        self._server = Allowed(name_of(plan.proxy[0]), plan.proxy[1])
        allowed = [self._server, *map(Allowed.parse, asked.allow_hosts)]
        self._guard = _Guard(plan.hosts, allowed, self._refused, on_reached=self._reached_beside, on_started=self._started)
        self._wall = WallClock(acted.recording.session.header.start) if asked.wall_clock == RECORDED_HOURS else None
        self._sound: Optional[SoundDevices] = None
        self._stack = ExitStack()
        self._is_finished = self._is_handing = False
        self._unseen: Dict[str, None] = {}

    def begin(self) -> None:
        """Put in place what the app is to find, and watch from now on."""
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            # As behind a shell's ``&``; a recorded app was interrupted all the same.
            signal.signal(signal.SIGINT, signal.default_int_handler)
        self._stack.enter_context(seeded(self._acted.asked.seed))
        if self._wall is not None:
            self._stack.enter_context(self._wall)
        self._stack.enter_context(self._guard)
        audio = user_audio(self._acted.recording, self._plan.dialect, self._adapter)
        self._sound = self._stack.enter_context(replay_sound(audio, self._adapter, self._journal))
        self._take_ends()
        self._send(BEGAN, (os.getpid(), sys.executable))

    def _send(self, kind: bytes, what: Any) -> None:
        # A fork that connects, as one of multiprocessing's does, is watched from then on.
        self._reports.send(kind, what, by_a_fork=True)

    def reached(self, address: Any) -> None:
        """Take that a socket is about to be connected; to the server, it is the connection of the session, or soon will be."""
        if not isinstance(address, tuple) or tuple(address[:2]) != self._plan.proxy:
            return
        if os.getpid() != self._process:
            self._process, self._is_finished = os.getpid(), False
            atexit.register(self.finish)
        if not self._has_sounded:
            # What comes before it, such as a request for a token, was not yet it.
            self._journal.opened_at_ns = time.monotonic_ns()
            if self._wall is not None:
                self._wall.go(0)
        if self._adapter.package in sys.modules and not (self._is_finished or self._is_handing):
            self._is_handing = True
            self._handing.begin()
        self._send(REACHED, (os.getpid(), time.monotonic_ns()))

    @property
    def _has_sounded(self) -> bool:
        return self._sound is not None and (self._sound.microphone.is_open or bool(self._sound.speaker.playbacks))

    # What the app reaches.

    def _refused(self, refusal: Refusal) -> None:
        self._journal.note(
            NETWORK,
            what=self._redact(refusal.what),
            host=self._redact(refusal.host),
            port=refusal.port,
            call=refusal.call,
            detail=[self._redact(place) for place in callers_of(refusal.stack)],
            places=told_places(refusal.stack, self._redact),
        )

    def _reached_beside(self, host: str, port: int) -> None:
        if not self._server.covers(host, port):
            where = address_of(host, port)
            what = f"the app reached {where}, which is allowed: it answers as it does now, not as it did when this was recorded"
            self._not_seen("peer", what)

    def _started(self, program: str, stack: Stack) -> None:
        started = f"started {program}" if program else "forked a process"
        place = next((f" at {one}" for one in callers_of(stack)), "")
        self._not_seen("program", f"the app {started}{place}: what that reaches is not guarded, and what it does is not seen")

    def _not_seen(self, kind: str, what: str) -> None:
        if what not in self._unseen:
            self._unseen[what] = None
            self._journal.note(UNSEEN, sample=True, kind=kind, what=self._redact(what))

    # What nobody handles, and the end.

    def _take_ends(self) -> None:
        atexit.register(self.finish)
        os.register_at_fork(after_in_child=self._forked)
        real_exit = os._exit
        earlier, earlier_of_threads = sys.excepthook, threading.excepthook
        real_handling = asyncio.BaseEventLoop.call_exception_handler

        def exit_at_once(status: int) -> None:
            self.finish()
            real_exit(status)

        def uncaught(kind: Type[BaseException], error: BaseException, trace: Optional[TracebackType]) -> None:
            if self._is_worth_a_note(error):
                self._journal.note(RAISED, ended=True, **told(error, "the app", self._redact))
            # Ctrl+C is how the recorded app ended, and a traceback would tell of nothing that is the app's.
            if not isinstance(error, KeyboardInterrupt):
                earlier(kind, error, trace)

        def uncaught_in_a_thread(args: Any) -> None:
            if args.exc_value is not None and self._is_worth_a_note(args.exc_value):
                self._journal.note(SWALLOWED, **told(args.exc_value, "a thread", self._redact))
            earlier_of_threads(args)

        def handle(loop: Any, context: Dict[str, Any]) -> None:
            error = context.get("exception")
            if error is not None and loop.get_exception_handler() is None and self._is_worth_a_note(error):
                self._journal.note(SWALLOWED, **told(error, "a task or a callback of the loop", self._redact))
            real_handling(loop, context)

        os._exit = exit_at_once  # type: ignore[assignment]
        follow_becoming(self._channel, lambda: self._acted.follows or os.getpid() == self._process, self.finish)
        sys.excepthook = uncaught
        threading.excepthook = uncaught_in_a_thread
        asyncio.BaseEventLoop.call_exception_handler = handle  # type: ignore[method-assign, assignment]

    def _is_worth_a_note(self, error: BaseException) -> bool:
        """Whether an exception is neither how a session ends, nor told of already."""
        is_normal = isinstance(error, (KeyboardInterrupt, SystemExit, asyncio.CancelledError)) or type(error).__name__ in _CLOSED
        return not (is_normal or self._is_finished or was_refused(error))

    def _forked(self) -> None:
        atexit.unregister(self.finish)
        self._is_finished = True
        if self._acted.follows:
            self._reports.forked()

    def finish(self) -> None:
        """Tell what is told at the end, once."""
        if self._is_finished or os.getpid() != self._process:
            return
        self._is_finished = True
        handed = self._handing.finish()
        # A stream that the SDK's player was given is there to play what is received.
        handed.has_stream = handed.has_stream or handed.is_watched
        sound = None
        if self._sound is not None:
            speaker = self._sound.speaker
            note_sound_failures(self._journal, speaker.failures, self._redact)
            by_player = tuple(self._adapter.is_players(one.callback) for one in speaker.playbacks)
            sound = AppSound(tuple(speaker.playbacks), by_player, handed, self._journal.opened_at_ns)
        sdk = version_of(self._adapter.package) if self._adapter.package in sys.modules else None
        self._send(FINISHED, (os.getpid(), AppOutcome(sdk=sdk or "", sound=sound)))

    def _redact(self, text: str) -> str:
        return self._acted.redact(text)
