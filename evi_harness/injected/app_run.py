"""Run an app in its own process: the player acts out the recording, and the journal is reported while it is written.

Rules of living here: the app's code runs as it would; nothing is judged. What is observed is in the journal. A child that the app forks has
no part in it.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import signal
import sys
import threading
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any, Callable, List, Optional, Type, cast
from weakref import WeakSet

from evi_harness.audio.software_speaker import Heard
from evi_harness.carriers.journal import Journal
from evi_harness.carriers.plain_server import PlainServer
from evi_harness.clocks.blocking import Charge
from evi_harness.clocks.virtual import VirtualLoop
from evi_harness.dialects import adapter_for
from evi_harness.errors import StuckError
from evi_harness.guard.callers import callers_now
from evi_harness.guard.network import Refusal, was_refused
from evi_harness.guard.place_lookup import told
from evi_harness.injected.blocking_http import BlockingHttp
from evi_harness.injected.children import follow, follow_becoming
from evi_harness.injected.ending_as_recorded import AFTERMATH_NS, EndingAsRecorded
from evi_harness.injected.leading import lead
from evi_harness.injected.left_by_app import LeftByApp
from evi_harness.injected.loops import AppTime, InjectedLoop, install_loops
from evi_harness.injected.several_connections import OwnNotes, SeveralConnections, WaitingSource, handshakes_of
from evi_harness.injected.taken_messages import TakenMessages
from evi_harness.injected.tls_left_out import leave_tls_out
from evi_harness.injected.typed_input import TypedInput
from evi_harness.replay.player import Player
from evi_harness.replay.wrapping import AnnouncedService, RefusingService
from evi_harness.runs.app_channel import (
    BEGAN,
    EVENT,
    FINISHED,
    IS_TERMINATED,
    NEVER_ENDS,
    REFUSED,
    SECOND,
    WARNED,
    AppOutcome,
    AppPlan,
    Reports,
)
from evi_harness.runs.app_command import is_among
from evi_harness.runs.handler_setup import note_sound_failures, note_stuck
from evi_harness.runs.heard_notes import note_heard
from evi_harness.runs.playing import chat_paths_of
from evi_harness.runs.sandbox import Outside
from evi_harness.runs.session_history import SessionHistory, told_session
from evi_harness.runs.user_audio import SoundDevices, replay_sound, user_audio
from evi_harness.sdk.installed import version_of
from evi_harness.session.events import Closed, Event, Handshake, Opened, Received, Sent
from evi_harness.session.notes import NETWORK, RAISED, UNSEEN
from evi_harness.session.protocols import RECEIVED, SENT, Service, ToldSession, WireReader
from evi_harness.watch.blocked import THRESHOLD_NS, BlockedNotes
from evi_harness.watch.computing import THRESHOLD_NS as COMPUTING_NS
from evi_harness.watch.computing import Computing
from evi_harness.watch.step_sampler import StepSampler
from evi_harness.watch.threads import ENDING_S as THREADS_END_S

__all__ = ["AppRun"]

# Where virtual time ends, beyond twice the recording: for an app that waits on for ever, timer by timer.
LIMIT_NS = 3600 * 1_000_000_000
# Exceptions by which a session ends in an app that does not look: by name, since their package may not be there.
_CLOSED = ("ConnectionClosed", "ConnectionClosedOK", "ConnectionClosedError")


class AppRun:
    """One app, from its start to its end. It is what its loops are run by.

    Args:
        plan: What to act out.
        reports: Where to.
        channel: What the environment of a process says of both.

    Attributes:
        thread_wait_ns, limit_ns: Of each loop.
    """

    def __init__(self, plan: AppPlan, reports: Reports, channel: str) -> None:
        self._plan = plan
        self._reports = reports
        self._channel = channel
        self._process = os.getpid()
        session, asked = plan.recording.session, plan.asked
        self._recordings = plan.together or (plan.recording,)
        self.thread_wait_ns = asked.thread_wait_ns
        self.limit_ns = 2 * sum(one.session.duration_ns for one in self._recordings) + LIMIT_NS
        self._time = AppTime()
        handshakes = handshakes_of([one.session.handshake for one in self._recordings], plan.dialect)
        self._several = SeveralConnections(handshakes, plan.place, plan.dialect)
        # What crosses the judged connection stands in it whatever else goes on; what is observed, where it is that connection's.
        self._carried = Journal(self._time, self._wrote)
        self._is_settling = False
        self._journal = OwnNotes(self._carried, lambda: self._is_settling or self._several.is_judged_now)
        self._next_journal: Journal = self._carried
        self._typed = TypedInput(self._recordings[0].session, plan.dialect, self._time, self._journal, has_own=plan.has_own_input)
        self._ending = EndingAsRecorded(self._time, self._journal, self._terminated)
        self._adapter = adapter_for(plan.dialect)
        self._handing = self._adapter.handing_watch(lambda: None, self._journal, self._heard_ns, callers_now)
        self._taken = self._new_taken()
        self._transports: WeakSet[Any] = WeakSet()
        self._has_left = False
        self._left = LeftByApp(
            self._journal,
            plan.redact,
            is_over=lambda: self._is_over,
            is_interrupted=lambda: self._has_left or self._ending.has_interrupted,
            is_service=self._transports.__contains__,
            on_task=lambda task, of, stack: self._taken.began(task, of, stack),
        )
        self._is_over = False
        self._is_settled = False
        self._heard: Optional[Heard] = None
        # How many playbacks there were before the judged connection opened.
        self._n_earlier = 0
        self._player: Optional[Player] = None
        # What has been opened, for whoever asks about it.
        self._told: List[ToldSession] = []
        self._server = PlainServer(
            self._opening,
            clock=self._time,
            chat_paths=tuple(dict.fromkeys(path for one in self._recordings for path in chat_paths_of(one.session, plan.dialect))),
            token_path=plan.dialect.token_path,
            token_answer=plan.dialect.token_answer,
            subprotocol=plan.dialect.subprotocol,
            journal_for=lambda _: self._next_journal,
            service_name="player",
            history=SessionHistory(plan.dialect, self._told),
            on_unknown=self._unknown,
        )
        self._outside = Outside(
            session,
            asked,
            blocked_ns=asked.blocked_ns,
            redact=plan.redact,
            carried=plan.hosts[0][0],
            has_own_loops=False,
            on_refused=self._refused,
        )
        self._blocked = self._new_blocked()
        self._computing: List[Computing] = []
        self._sound: Optional[SoundDevices] = None
        self._stack = ExitStack()
        self._last_loop: Optional[InjectedLoop] = None
        self._is_finished = False
        # When the app has sent messages besides audio, and what tells them apart.
        self._others_ns: List[int] = []
        self._reader: Optional[WireReader] = None

    def begin(self) -> None:
        """Put in place what the app is to find."""
        plan = self._plan
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            # As behind a shell's ``&``; a recorded app was interrupted all the same.
            signal.signal(signal.SIGINT, signal.default_int_handler)
        self._stack.enter_context(self._outside)
        audio = user_audio(plan.recording, plan.dialect, self._adapter)
        if plan.together:
            audio = replace(audio, source=WaitingSource(audio.source, lambda: self._has_spoken_by_now(audio.begins_ns or 0)))
        self._sound = self._stack.enter_context(
            replay_sound(audio, self._adapter, self._journal, cast(VirtualLoop, self._time), others_ns=self._others_ns)
        )
        leave_tls_out(self.serves)
        lead(self.serves, BlockingHttp(self._server, self.not_supported).place)
        install_loops(self, self._time, self._uvloop)
        self._take_ends()
        # Called in the order in which they stand here: each is called before those that were registered earlier.
        import concurrent.futures.thread  # noqa: F401 - it registers itself, and waits for its threads

        threading._register_atexit(self._threads_end)  # type: ignore[attr-defined]
        self._typed.put_in_place([one.session for one in self._recordings[1:]])
        self._left.begin()
        if plan.follows:
            follow(self._channel)
        self._reports.send(BEGAN, (os.getpid(), sys.executable))

    def serves(self, host: str, port: Optional[int]) -> bool:
        """Whether the service is at a host; None for any port."""
        return is_among(self._plan.hosts, host, port)

    def connection(self) -> asyncio.Protocol:
        """The service's end of a new connection."""
        return self._server.connection()

    def connected(self, transport: Any, protocol: Any) -> None:
        """Take the app's end of a new connection to the service."""
        self._transports.add(transport)
        if self._plan.together:
            if self._player is not None:
                return
            # Those before the judged one are of others.
            self._taken.drop()
            self._taken = self._new_taken()
        self._taken.watch(protocol)

    def loop_began(self, loop: InjectedLoop) -> None:
        """Take a new loop."""
        self._last_loop = loop
        self._outside.follow(loop, self._journal, lambda: self._taken.handling)
        self._left.loop_began(loop)
        asked, redact = self._plan.asked, self._plan.redact
        threshold_ns = COMPUTING_NS if asked.blocked_ns is None else asked.blocked_ns
        self._computing.append(Computing(self._journal, loop.steps, StepSampler(loop.steps), threshold_ns, redact))
        self._ending.loop_began()

    def loop_ends(self, loop: InjectedLoop) -> None:
        """Take that Python is about to cancel what is pending on a loop."""
        self._left.loop_ends(loop)

    def loop_ended(self, loop: InjectedLoop) -> None:
        """Take that a loop is closed; a connection that still stands on it is gone."""
        self._left.loop_ended(loop)
        self._server.lose(loop)

    def charged(self, loop: InjectedLoop, charge: Charge) -> None:
        """Take a time for which the app blocked a loop."""
        self._blocked.charged(loop, charge)

    def runs_job(self, is_out: Callable[[], bool]) -> None:
        """Take that the calling thread runs a job of a loop's."""
        self._typed.runs_job(is_out)

    def is_parked(self, thread: Optional[int]) -> bool:
        """Whether a thread waits for a line of input."""
        return self._typed.is_parked(thread)

    def ends_input(self) -> None:
        """Take that nothing more is typed."""
        self._typed.end()

    def not_supported(self, what: str) -> None:
        """Take that the app does what cannot be replayed: the command ends it."""
        self._reports.send(REFUSED, what)

    def _opening(self, handshake: Handshake) -> Service:
        place = self._several.match(handshake)
        if place is None:
            n = self._several.n_recorded
            what = "the app opened a second connection to the service; the recorded session has one, so it was refused"
            if n > 1:
                kind = "resuming another conversation" if self._plan.dialect.resumed(handshake) else "for a new conversation"
                asked = self._plan.redact(f"{handshake.path}, {kind}")
                what = f"the app opened another connection to the service ({asked}) after all {n} recorded ones, so it was refused"
            if os.getpid() == self._process:
                self._journal.note(NETWORK, what=what)
            else:
                self._reports.send(SECOND, os.getpid(), by_a_fork=True)
            return RefusingService()
        if not self._reports.claim():
            self._reports.send(SECOND, os.getpid(), by_a_fork=True)
            return RefusingService()
        if os.getpid() != self._process:
            # A fork that connects, as one of multiprocessing's does, has the session from now on.
            self._process = os.getpid()
            self._is_finished = False
            atexit.register(self.finish)
        player = Player(self._recordings[place], self._plan.pairing, self._plan.asked.patience)
        if place == self._plan.place:
            self._begin_judged(player)
            journal = self._carried
        else:
            self._begin_beside()
            journal = Journal(self._time, partial(self._wrote_beside, place))
        self._next_journal = journal
        self._told.append(told_session(self._recordings[place].session, journal.events))
        self._several.opened(place)
        self._ending.opened()
        if self._plan.together:
            self._typed.converse(self._recordings[place].session, journal)

        def moved() -> None:
            opened_ns = self._time.now_ns() if journal.opened_at_ns is None else journal.opened_at_ns
            closes_ns = None if player.app_closes_at_ns is None else opened_ns + player.app_closes_at_ns
            self._ending.closes_at(self._several.interrupts_ns(place, closes_ns))

        return AnnouncedService(player, moved)

    def _begin_judged(self, player: Player) -> None:
        """The connection opens that the verdict is on."""
        self._player = player
        if self._several.latest is not None:
            # An earlier conversation's are not this one's.
            for computing in self._computing:
                computing.forget()
            self._blocked = self._new_blocked()
            self._n_earlier = 0 if self._sound is None else self._sound.speaker.part()

    def _begin_beside(self) -> None:
        """Another one opens: what is observed from now on is its, unless the judged one is still open."""
        if self._player is None:
            self._journal.forget()
        elif self._is_over:
            self._settle()

    def _wrote_beside(self, place: int, event: Event) -> None:
        """Take an event of a connection that is acted out beside the judged one."""
        self._typed.take(event)
        if isinstance(event, Closed):
            self._closed(place)

    def _closed(self, place: int) -> None:
        self._several.closed(place)
        if self._several.next_waiting is not None and not self._several.is_open and not self._typed.has_more:
            # What is typed before the next one opens.
            self._typed.converse(self._recordings[self._several.next_waiting].session, Journal(self._time))
        if not self._several.is_open:
            # An app may take its time before it connects again.
            self._ending.closed(LIMIT_NS if self._several.is_more_to_come else AFTERMATH_NS)

    def _has_spoken_by_now(self, begins_ns: int) -> bool:
        """Whether it is time for the user's audio of the judged connection."""
        opened_ns = self._carried.opened_at_ns
        return opened_ns is not None and self._time.now_ns() >= opened_ns + begins_ns

    def _new_taken(self) -> TakenMessages:
        return TakenMessages(self._journal, self._adapter, self._handing, self._plan.dialect, self._plan.redact)

    def _new_blocked(self) -> BlockedNotes:
        asked_ns = self._plan.asked.blocked_ns
        threshold_ns = THRESHOLD_NS if asked_ns is None else asked_ns
        return BlockedNotes(self._journal, lambda: self._taken.handling, threshold_ns, self._plan.redact)

    def _wrote(self, event: Event) -> None:
        self._reports.send(EVENT, event)
        self._typed.take(event)
        self._taken.tell(event)
        if isinstance(event, Opened):
            self._reader = self._plan.dialect.reader(event.handshake)
            if self._adapter.package in sys.modules:
                self._handing.begin()
        elif isinstance(event, (Sent, Received)) and self._reader is not None:
            kind = SENT if isinstance(event, Sent) else RECEIVED
            if self._reader.read(kind, event.frame) is None and kind == SENT:
                self._others_ns.append(self._time.now_ns())
        elif isinstance(event, Closed):
            self._is_over = True
            self._closed(self._plan.place)

    def _heard_ns(self) -> int:
        return 0 if self._sound is None else self._sound.speaker.heard_ns

    def _refused(self, refusal: Refusal) -> None:
        name = refusal.host if self._last_loop is None else self._last_loop.name_of(refusal.host)
        if self.serves(name, refusal.port):
            # The loop has looked the name up, and something else connects.
            is_beside = name != refusal.host
            how, who = ("a socket of its own", "tornado does") if is_beside else ("a blocking socket", "synchronous clients do")
            what = f"the app reaches the service through {how} ({refusal.call}), as {who}"
            self.not_supported(f"{what}; virtual time supports only connections of event loops")

    def _unknown(self, asked: str) -> None:
        dialect = self._plan.dialect
        chat, histories = (f"GET {path} (WebSocket)" for path in dialect.chat_paths[:1]), (f"GET {path}" for path in dialect.history_paths)
        tokens = () if dialect.token_path is None else (f"POST {dialect.token_path}",)
        there = ", ".join([*chat, *tokens, *histories])
        what = f"the app asked the service for {asked}, which a session does not contain; it answers only {there}"
        self._journal.note(NETWORK, what=self._plan.redact(what))

    def _uvloop(self) -> None:
        self._reports.send(WARNED, "uvloop was replaced by an event loop on virtual time")

    # The end.

    def _take_ends(self) -> None:
        atexit.register(self.finish)
        os.register_at_fork(after_in_child=self._forked)
        real, earlier = os._exit, sys.excepthook

        def exit_at_once(status: int) -> None:
            self._has_left = True
            self.finish()
            real(status)

        def uncaught(kind: Type[BaseException], error: BaseException, trace: Optional[TracebackType]) -> None:
            self._uncaught(error)
            # Where it was interrupted from here, a traceback would tell of nothing that is the app's.
            if not (isinstance(error, KeyboardInterrupt) and self._ending.has_interrupted):
                earlier(kind, error, trace)

        os._exit = exit_at_once  # type: ignore[assignment]
        follow_becoming(self._channel, self._begins_again, self.finish)
        sys.excepthook = uncaught

    def _begins_again(self) -> bool:
        """Whether the run begins again in a program that this process becomes: unless the app has connected.

        A fork that becomes another program is one that the app starts beside itself.
        """
        is_fork = os.getpid() != self._process
        return self._plan.follows if is_fork else self._several.latest is None

    def _uncaught(self, error: BaseException) -> None:
        """Note what the app's main thread raised, where that is not how a session ends."""
        if isinstance(error, (KeyboardInterrupt, SystemExit)) or type(error).__name__ in _CLOSED or was_refused(error):
            return
        if self._is_finished or (isinstance(error, asyncio.CancelledError) and self._ending.has_interrupted):
            return
        if isinstance(error, StuckError):
            waits = () if self._last_loop is None else self._last_loop.stuck_at
            note_stuck(self._journal, error, None, timeout_s=0.0, redact=self._plan.redact, waits=waits)
            return
        self._has_left = True
        if not self._taken.raised(error):
            self._journal.note(RAISED, of=self._taken.handling, ended=True, **told(error, "the app", self._plan.redact))

    def _threads_end(self) -> None:
        """The main thread is done: Python waits for the others, however long they take."""
        is_ours = os.getpid() == self._process and not self._is_finished and self._several.latest is not None
        if is_ours and self._left.wait_for_threads(THREADS_END_S):
            self.finish()
            self._reports.send(NEVER_ENDS, None)

    def _terminated(self) -> None:
        self._has_left = True
        self.finish()
        self._reports.send(IS_TERMINATED, None)

    def _forked(self) -> None:
        atexit.unregister(self.finish)
        self._is_finished = True
        if self._plan.follows:
            self._reports.forked()

    def finish(self) -> None:
        """Write what is told at the end, once."""
        if self._is_finished or os.getpid() != self._process:
            return
        self._is_finished = True
        self._server.lose(None)
        self._settle(is_last=True)
        jobs = () if self._last_loop is None else self._last_loop.overdue_jobs
        failures = [f"{type(one).__name__}: {one}" for one in self._server.failures]
        sdk = version_of(self._adapter.package) if self._adapter.package in sys.modules else None
        outcome = AppOutcome(self._heard, tuple(jobs), tuple(failures), sdk or "")
        self._reports.send(FINISHED, (os.getpid(), outcome))

    def _settle(self, *, is_last: bool = False) -> None:
        """Write what is told once the judged connection is over.

        Args:
            is_last: Whether the app is over, too.
        """
        is_settled, self._is_settled = self._is_settled, True
        if is_settled:
            self._left.finish()
            self._is_settling = True
            self._stack.close()
            return
        self._is_settling = True
        journal, plan = self._journal, self._plan
        if journal.opened_at_ns is not None:
            for computing in self._computing:
                computing.finish()
            if self._last_loop is not None:
                self._blocked.finish(self._last_loop)
            if self._ending.has_interrupted:
                what = "the app was interrupted, as the recorded one was: tasks and sockets that it left then are not counted"
                journal.note(UNSEEN, sample=True, kind="interrupted", what=what, at_ns=journal.now_ns)
        self._taken.finish()
        if is_last:
            # What is left at the end is the last connection's.
            self._is_settling = False
            self._left.finish()
            self._is_settling = True
        handed = self._handing.finish()
        # A stream that the SDK's player was given is there to play what is received.
        handed.has_stream = handed.has_stream or handed.is_watched
        if is_last:
            self._stack.close()
        if self._sound is not None and journal.opened_at_ns is not None:
            speaker = self._sound.speaker
            n_played = len(speaker.playbacks) if is_last else speaker.part()
            playbacks = speaker.playbacks[self._n_earlier : n_played]
            note_sound_failures(journal, speaker.failures, plan.redact)
            note_heard(
                journal,
                playbacks,
                plan.dialect,
                handed,
                is_players=self._adapter.is_players,
                headerless=self._adapter.headerless,
                redact=plan.redact,
            )
            self._heard = Heard.of(playbacks, journal.opened_at_ns, plan.recording.speed)
        self._is_settling = False
