"""One run of an app that a command starts, in real time: any program, in any language, over a real socket.

A server in a process of its own acts out the recording and keeps what crosses. The app is led there as a recorded one is led to the proxy:
by its environment and its words, and a Python program also by the service's name. Here, a second player follows what the first one does,
and so tells when the recorded app would be interrupted now, and when its user types.

Rules of living here: the command runs as it would without evi-harness. Nothing is judged; what cannot be seen in real time is told as not
seen. No process is left behind.
"""

from __future__ import annotations

import os
import select
import shlex
import signal
import stat
import subprocess
import sys
import time
from codecs import getincrementaldecoder
from dataclasses import dataclass, field, replace
from typing import Any, Callable, List, Mapping, Optional, Sequence, Tuple
from urllib.parse import urlsplit

from evi_harness.audio.software_speaker import Heard
from evi_harness.carriers.journal import Journal
from evi_harness.carriers.server_process import ServerProcess
from evi_harness.clocks.clock import RealClock
from evi_harness.errors import CommandError, NotVirtual, Parameter, Words
from evi_harness.guard.ending import UsersInterrupt
from evi_harness.guard.variables import variables_in
from evi_harness.replay.played_recording import PlayedRecording
from evi_harness.replay.player import Player
from evi_harness.replay.typed_lines import TypedLines
from evi_harness.replay.wrapping import ClosingUser, FollowingUser
from evi_harness.runs.app_channel import (
    BEGAN,
    FAILED,
    FINISHED,
    FORKED,
    LISTENS,
    NOTED,
    REACHED,
    WARNED,
    ActedSession,
    AppOutcome,
    AppSound,
    PointedPlan,
    ReportReader,
    with_site,
)
from evi_harness.runs.app_command import PLACE, AppCommand, address_for, admission_for, led_to
from evi_harness.runs.app_process import (
    END_S,
    end_by,
    ends_within,
    family,
    how_ended,
    is_alive,
    send_signal,
    signal_family,
    signal_name,
    start_app,
)
from evi_harness.runs.command_run import run_command
from evi_harness.runs.heard_notes import note_heard
from evi_harness.runs.playing import chat_paths_of, play_recording
from evi_harness.runs.real_commands.driver import Driver
from evi_harness.runs.real_commands.listening_places import address_of_app, listening_places
from evi_harness.runs.real_commands.one_connection import OneConnection
from evi_harness.runs.replay_options import REAL, VIRTUAL
from evi_harness.runs.run import Run, RunOptions, longest_s
from evi_harness.session.events import Closed, Event, Note, Opened, Received, Sent
from evi_harness.session.notes import APP_ENDED, CRASHED, NETWORK, NEVER_RETURNS, OVER_TIME, RAISED, UNSEEN
from evi_harness.session.protocols import Close, Send
from evi_harness.watch.handed import Handed, HandedOn

__all__ = ["run_command_in_real_time", "run_command_on_either_clock"]

_SECOND = 1_000_000_000
# How often it is looked what has happened, in milliseconds.
LOOK_MS = 20
# How long after the recorded time an app may close by itself before it is interrupted: no two runs in real time take equally long.
JUST_AFTER_NS = 500_000_000
# How long an app may go on after its connection has closed, and how long it may take to end once it was interrupted for that.
AFTERMATH_NS = 30 * _SECOND
GRACE_NS = 5 * _SECOND
# How long nothing of an app's may begin behind one that was interrupted, until what has started it is interrupted too; as in a recording.
BEHIND_APP_NS = 5 * _SECOND
# How long after the server the player here gives up.
BEHIND_NS = 500_000_000

_UNWATCHED = (
    "in real time an app's process is hardly watched: a blocked event loop, messages that the SDK cannot parse, and what the app leaves "
    "behind (tasks, threads, sockets, coroutines) are not seen"
)
_READING = "in real time it is not known when the app reads each message, and how long it handles it"
_NO_PYTHON = (
    "no Python process of the app reported in: what it raises, what it plays, and what it reaches besides the service, are not seen"
)
_LOST = "the app's process ended before it could say what it played: whether that is what it received is not seen"


def run_command_in_real_time(recording: PlayedRecording, handler: Any, options: RunOptions) -> Run:
    """Run a command once, in real time. It takes as long as the recording, and the start of two processes.

    Args:
        recording: The recording, on the axis on which it is to be acted out.
        handler: The command, an ``AppCommand``.
        options: Of the run.

    Returns:
        The run; its last event says how the app ended.

    Raises:
        CommandError: The command cannot be started, the app never connects, or it goes on behind its command.
        EviHarnessError: The server's process does not start, or has gone.
        UsersInterrupt: Ctrl+C.
    """
    command, dialect = led_to(handler, options.dialect.hosts, recording.session.header.endpoint), options.pairing
    play = play_recording(recording, options.asked.patience, dialect)
    one = OneConnection(play)
    server = ServerProcess(
        one,
        chat_paths=chat_paths_of(play.session, dialect),
        token_path=dialect.token_path,
        token_answer=dialect.token_answer,
        subprotocol=dialect.subprotocol,
        service_name="player",
        # Where Python apps look for the service, they find the server.
        admission=admission_for(command.hosts),
        history=one.history(),
    )
    with server:
        running = _RealCommand(command, server, recording, options)
        running.go()
    return running.run()


def run_command_on_either_clock(recording: PlayedRecording, handler: Any, options: RunOptions) -> Run:
    """Run a command in virtual time, and where that does not carry the app, once more in real time.

    Args:
        recording: The recording, on the axis on which it is to be acted out.
        handler: The command, an ``AppCommand``.
        options: Of the run.

    Returns:
        The run that counts; it says what it ran on.

    Raises:
        CommandError: It can be run in neither.
        UsersInterrupt: Ctrl+C.
    """
    try:
        return replace(run_command(recording, handler, options), clock=VIRTUAL)
    except NotVirtual as refusal:
        options.write(f"note: {refusal.what}; replaying in real time")
        again = replace(options, not_virtual=refusal.what)
    return replace(run_command_in_real_time(recording, handler, again), clock=REAL)


@dataclass
class _RealCommand:
    """A command that runs, or has run.

    Attributes:
        command: The command.
        server: What acts out the recording.
    """

    command: AppCommand
    server: ServerProcess
    recording: PlayedRecording
    options: RunOptions
    began: List[int] = field(default_factory=list)
    forked: List[int] = field(default_factory=list)
    # The processes that were about to connect to the service, each with when; by the machine's monotonic clock, as the rest.
    reached: List[Tuple[int, int]] = field(default_factory=list)
    outcomes: List[Tuple[int, AppOutcome]] = field(default_factory=list)
    # What was observed, when, and in which process; None for here.
    observed: List[Tuple[Optional[int], int, Note]] = field(default_factory=list)
    failed: Optional[str] = None
    refused: Optional[str] = None
    status: int = 0
    is_over_time: bool = False
    # Whether it had not connected in time.
    is_late: bool = False
    has_interrupted: bool = False
    # Since when the interrupted app is gone and its command is not, and whether that was interrupted too.
    _left_ns: Optional[int] = None
    _has_interrupted_all: bool = False
    _n_seen: int = 0
    _closed_ns: Optional[int] = None
    # What is to be done next, and when, by the machine's clock.
    _deadline_ns: Optional[int] = None
    _act: Optional[Callable[[], None]] = None
    _typing: int = -1
    _driver: Optional[Driver] = None
    # Whether what called the app is over.
    _is_driven: bool = False

    def go(self) -> None:
        """Start the app, and wait for its end."""
        self._lines = TypedLines.of(self.recording.session, self.options.dialect)
        patience = self.options.asked.patience
        player = Player(self.recording, self.options.pairing, replace(patience, message_ns=patience.message_ns + BEHIND_NS))
        self._following = FollowingUser(self._lines.user, player)
        self._user = ClosingUser(self._following, player, self._following.has_all)
        place = urlsplit(self.server.url)
        assert place.hostname is not None
        assert place.port is not None
        acted = ActedSession(self.recording, replace(self.options.asked, handler=None), self.options.redact, self.command.follows)
        server, is_driven = (place.hostname, place.port), bool(self.command.drive)
        plan = PointedPlan(self.command.hosts, server, self.options.dialect, acted=acted, tells_listening=is_driven).write()
        self._heard, reports = os.pipe()
        read = -1
        try:
            try:
                if self._types():
                    read, self._typing = os.pipe()
                self.app = self._started(reports, plan, read)
            finally:
                os.close(plan)
                os.close(reports)
                if read >= 0:
                    os.close(read)
            self._wait()
        finally:
            self._hang_up()
            os.close(self._heard)
            if self._driver is not None:
                self._driver.stop()

    def _started(self, reports: int, plan: int, read: int) -> subprocess.Popen[bytes]:
        url, dialect = self.server.url, self.options.dialect
        given = self.command.base_url or os.environ.get(dialect.variables.base_url)
        environment = with_site({**variables_in(), **address_for(url, dialect, given)}, f"{reports},{plan}")
        environment.setdefault("PYTHONHASHSEED", "0")
        command = replace(self.command, words=tuple(word.replace(PLACE, url) for word in self.command.words))
        return start_app(command, environment, (reports, plan), typed=None if read < 0 else read)

    def _types(self) -> bool:
        """Whether the app is given what the recorded user typed, since it is given no other input."""
        if self.command.stdin is not None or not self._lines:
            return False
        try:
            return stat.S_ISCHR(os.fstat(0).st_mode)
        except OSError:
            return True

    def _wait(self) -> None:
        try:
            self._listen()
        except KeyboardInterrupt:
            # A terminal has interrupted the app too, and a second time would cut short what it does about that.
            if not ends_within(self.app, END_S):
                self._end((signal.SIGTERM, signal.SIGKILL))
            raise UsersInterrupt from None
        except BaseException:
            self._end((signal.SIGTERM, signal.SIGKILL))
            raise
        finally:
            if self.app.stdout is not None:
                self.app.stdout.close()
        self.status = self.app.wait()

    def _listen(self) -> None:
        looks, reader = select.poll(), ReportReader()
        looks.register(self._heard, select.POLLIN)
        printed = None if self.app.stdout is None else self.app.stdout.fileno()
        if printed is not None:
            looks.register(printed, select.POLLIN)
        text = getincrementaldecoder("utf-8")("replace")
        self._began_ns = time.monotonic_ns()
        over_ns = self._began_ns + round(longest_s(self.recording, self.options, is_real=True) * 1e9)
        for line in self._lines.early:
            self._type(line)
        ended_ns: Optional[int] = None
        while True:
            # Asked before looking: what it wrote before it ended is in the pipe, which processes of its own may hold for longer.
            has_ended = self.app.poll() is not None
            ready = looks.poll(0 if has_ended else LOOK_MS)
            for pipe, _ in ready:
                data = os.read(pipe, 1 << 16)
                if not data:
                    looks.unregister(pipe)
                elif pipe == printed:
                    sys.stdout.write(text.decode(data))
                else:
                    for kind, what in reader.feed(data):
                        self._take(kind, what)
            self._follow()
            self._drive()
            now_ns = time.monotonic_ns()
            if self.failed is not None:
                self._end((signal.SIGTERM, signal.SIGKILL))
            if self.failed is not None or self.is_late:
                return
            if has_ended and not ready:
                ended_ns = now_ns if ended_ns is None else ended_ns
                if self._is_settled(now_ns - ended_ns):
                    return
                time.sleep(LOOK_MS / 1000)
            if not has_ended:
                self._look_after(now_ns, over_ns)

    def _is_settled(self, since_ns: int) -> bool:
        """Whether nothing more is to come of a command that has ended: its connection is closed, and nobody goes on behind it."""
        others = {*self.forked, *self.began} - {self.app.pid}
        if self._opened_ns is None:
            return not any(map(is_alive, others)) or since_ns > END_S * 1e9
        if self._closed_ns is not None and not (self.owner in others and is_alive(self.owner)):
            return True
        if since_ns <= END_S * 1e9:
            return False
        if self._closed_ns is None or is_alive(self.owner):
            self.refused = (
                "the command has ended, and the app goes on in another process, as a daemon does: only what runs for as long as"
                " its command can be replayed"
            )
            self._end((signal.SIGKILL,))
        return True

    def _look_after(self, now_ns: int, over_ns: int) -> None:
        """Do what is to be done now to a command that runs."""
        if self.has_interrupted and not self._has_interrupted_all:
            self._interrupt_others(now_ns)
        if self._deadline_ns is not None and now_ns >= self._deadline_ns:
            act, self._deadline_ns, self._act = self._act, None, None
            assert act is not None
            act()
        elif now_ns > over_ns and not self.is_over_time:
            self.is_over_time = True
            longest = longest_s(self.recording, self.options, is_real=True)
            self._note(OVER_TIME, what=f"the run was not over after {longest:g} s of real time, and was ended")
            self._end((signal.SIGINT, signal.SIGTERM, signal.SIGKILL))
        elif self._opened_ns is None and now_ns > self._began_ns + self.options.asked.timeout_s * 1e9:
            self.is_late = True
            self._end((signal.SIGINT, signal.SIGTERM, signal.SIGKILL))

    def _take(self, kind: bytes, what: Any) -> None:
        if kind in (BEGAN, FORKED):
            # It may be one more that connects, which would be told.
            self._left_ns = None
        if kind == BEGAN:
            self.began.append(what[0])
        elif kind == FORKED:
            self.forked.append(what)
        elif kind == REACHED:
            self.reached.append(what)
        elif kind == LISTENS:
            self._listens(*what)
        elif kind == NOTED:
            self.observed.append(what)
        elif kind == FINISHED:
            self.outcomes.append(what)
        elif kind == WARNED:
            self.options.write(what)
        elif kind == FAILED:
            self.failed = what

    # What crosses, and what comes of it.

    @property
    def _opened_ns(self) -> Optional[int]:
        return self.server.served[0].opened_at_ns if self.server.served else None

    @property
    def owner(self) -> Optional[int]:
        """The process that has the session: the last that connected before it opened; None where that is not known."""
        opened_ns = self._opened_ns
        return next((pid for pid, at_ns in reversed(self.reached) if opened_ns is None or at_ns <= opened_ns), None)

    def _events(self) -> List[Event]:
        return self.server.served[0].events if self.server.served else []

    def _follow(self) -> None:
        """Follow what has crossed since the last time, and do what the recorded user would do now."""
        self.server.look()
        events = self._events()
        for event in events[self._n_seen :]:
            self.options.watch(event)
            if isinstance(event, (Opened, Sent)):
                self._following.follow(event)
            elif isinstance(event, Received):
                self._user.take(event, event.at_ns)
            elif isinstance(event, Closed):
                self._closed_ns = time.monotonic_ns()
                if self._is_driven:
                    self._hung_up()
                else:
                    self._plan(self._closed_ns + AFTERMATH_NS, self._never_returned)
        self._n_seen = len(events)
        if self._opened_ns is None:
            return
        for action in self._user.due(time.monotonic_ns() - self._opened_ns):
            if isinstance(action, Send) and action.recorded_seq in self._lines.lines:
                self._type(self._lines.lines.pop(action.recorded_seq))
            elif isinstance(action, Close) and not self.command.drive and self._may_be_interrupted:
                self._plan(time.monotonic_ns() + JUST_AFTER_NS, self._interrupt)
        if self._closed_ns is not None and not self._lines.lines:
            # Nobody types any more; who still waits for it would wait for ever.
            self._hang_up()

    @property
    def _may_be_interrupted(self) -> bool:
        """Whether the app has not closed, and nothing was planned about it."""
        return self._closed_ns is None and self._act is None and not self.has_interrupted

    # What calls it.

    def _listens(self, host: str, port: int) -> None:
        """Take that the app listens: now it can be called."""
        if self._driver is None and self.command.drive:
            self._driver = Driver.start(self.command.drive, address_of_app(host, port))
            self._began_ns = time.monotonic_ns()

    def _drive(self) -> None:
        """See to what calls the app: whether it can begin, and whether it is over, and with it the run."""
        if not self.command.drive:
            return
        if self._driver is None:
            if not self.began and self.app.poll() is None:
                # Nothing of ours is in it that would tell.
                for place in listening_places(family(self.app.pid))[:1]:
                    self._listens(*place)
        elif not self._is_driven and self.app.poll() is None and self._driver.has_ended:
            self._is_driven = True
            if self._opened_ns is None or self._closed_ns is not None:
                self._hung_up()
            else:
                # The app still has to take that nobody is there any more.
                self._plan(time.monotonic_ns() + GRACE_NS, self._hung_up)

    def _hung_up(self) -> None:
        """Nobody calls any more: the app, which would wait for the next, is interrupted."""
        self._interrupt()
        self._plan(time.monotonic_ns() + GRACE_NS, self._ignored)

    def _type(self, line: Optional[str]) -> None:
        """Give the app a line; None ends its input."""
        if line is None:
            self._hang_up()
        elif self._typing >= 0:
            try:
                os.write(self._typing, f"{line}\n".encode())
            except BrokenPipeError:
                self._hang_up()

    def _hang_up(self) -> None:
        if self._typing >= 0:
            os.close(self._typing)
            self._typing = -1

    # How it ends.

    def _plan(self, at_ns: int, act: Callable[[], None]) -> None:
        self._deadline_ns, self._act = at_ns, act

    def _interrupt(self) -> None:
        self.has_interrupted = True
        self._hang_up()
        # As a terminal does, if it is not known which of the processes is the app.
        owner = self.owner
        for process in family(self.app.pid) if owner is None or not is_alive(owner) else [owner]:
            send_signal(process, signal.SIGINT)

    def _interrupt_others(self, now_ns: int) -> None:
        """Interrupt what goes on behind an app that has ended: a terminal's Ctrl+C reaches what has started the app as well.

        A shell ends with its app. A server with several workers, or one that starts them again when a file changes, waits for this.
        """
        if self.owner is None or is_alive(self.owner):
            return
        self._left_ns = now_ns if self._left_ns is None else self._left_ns
        if self._deadline_ns is not None:
            # What was not interrupted yet has not ignored it.
            self._deadline_ns = max(self._deadline_ns, self._left_ns + BEHIND_APP_NS + GRACE_NS)
        if now_ns >= self._left_ns + BEHIND_APP_NS:
            self._has_interrupted_all = True
            self._signal_all(signal.SIGINT)
            if self._act is not None:
                self._plan(now_ns + GRACE_NS, self._ignored)

    def _never_returned(self) -> None:
        who = "the caller" if self.command.drive else "the app"
        what = f"{who} was still running {AFTERMATH_NS / 1e9:.0f} s after the connection was closed, and was interrupted"
        self._note(NEVER_RETURNS, what=what)
        self._interrupt()
        self._plan(time.monotonic_ns() + GRACE_NS, self._ignored)

    def _ignored(self) -> None:
        self._note(NEVER_RETURNS, what=f"the app ignored SIGINT for {GRACE_NS / 1e9:.0f} s, and was ended by SIGTERM")
        self._signal_all(signal.SIGTERM)
        self._plan(time.monotonic_ns() + GRACE_NS, self._killed)

    def _killed(self) -> None:
        self._note(NEVER_RETURNS, what=f"the app ignored SIGTERM for {GRACE_NS / 1e9:.0f} s, and was killed")
        self._end((signal.SIGKILL,))

    def _end(self, numbers: Sequence[int]) -> None:
        """End the app by one signal after another, and the command with it."""
        if not end_by(self.app, numbers, self._signal_all):
            self.app.wait()

    def _signal_all(self, number: int) -> None:
        signal_family(self.app.pid, number, others=(*self.forked, *self.began))

    def _note(self, kind: Any, **facts: Any) -> None:
        self.observed.append((None, time.monotonic_ns(), kind.make(-1, 0, None, **facts)))

    # What became of it.

    def run(self) -> Run:
        """What the run yielded, once the server has stopped.

        Raises:
            CommandError: Nothing was replayed.
        """
        self._require_run()
        opened_ns, outcome = self._opened_ns, self._outcome()
        assert opened_ns is not None
        self._note_wire()
        if self._is_driven and self._driver is not None and self._driver.status:
            self._note(RAISED, what=f"the caller ended {how_ended(self._driver.status)}", detail=[shlex.join(self.command.drive)])
        if self.began and outcome is None and not self._is_ours():
            self._note(CRASHED, what=f"the process of the app ended {how_ended(self.status)}, without Python shutting down", ended=True)
        events = list(self._events())
        for pid, at_ns, note in sorted(self.observed, key=lambda one: one[1]):
            # What another process of the app's does is its own affair, as in virtual time.
            if pid in (None, self.owner):
                self._add(events, max(0, at_ns - opened_ns), note)
        sound = None if outcome is None else outcome.sound
        if sound is not None:
            self._note_heard(events, opened_ns, sound)
        last_ns = max((event.at_ns for event in events), default=0)
        for kind, what in self._not_seen(outcome):
            self._add(events, last_ns, UNSEEN.make(-1, last_ns, None, sample=True, kind=kind, what=what))
        code, name = (self.status, "") if self.status >= 0 else (None, signal_name(-self.status))
        self._add(events, last_ns, APP_ENDED.make(-1, last_ns, None, exit_code=code, signal=name))
        heard = None if sound is None else Heard.of(sound.playbacks, opened_ns, self.recording.speed)
        sdk = "" if outcome is None else outcome.sdk
        return Run(str(self.command), events, handshake_by_app=True, heard=heard, by_command=True, sdk=sdk)

    def _require_run(self) -> None:
        command, how = str(self.command), how_ended(self.status)
        if self.failed is not None:
            raise CommandError(f"the part of evi-harness that runs in the app's process cannot start: {self.failed}", where=command)
        if self.refused is not None:
            raise CommandError(self.refused, where=command)
        if self.command.drive and self._driver is None:
            until = f"within {self.options.asked.timeout_s:g} s, and was ended" if self.is_late else f"and ended {how}"
            hint = Words(
                "The command in ",
                Parameter("drive"),
                " is started once the app listens on a port. That a program other than Python listens is seen on Linux only.",
            )
            raise CommandError(f"the app did not listen for callers {until}", where=command, hint=hint)
        if self._opened_ns is not None:
            return
        if self._driver is not None and self._driver.status is not None:
            what = f"the caller ended {how_ended(self._driver.status)}, and the app never connected to the service"
            see = "See what the two printed. In the caller's command, {app} is the address at which the app listens."
            raise CommandError(what, where=shlex.join(self.command.drive), hint=see)
        variables = self.options.dialect.variables
        address = (
            f"A program that is not Python needs the address: write {PLACE} in the command, or read {variables.base_url} in the program."
        )
        if self.is_late:
            waits = Words() if self.command.drive else Words(" If it waits for callers: ", Parameter("drive"), ".")
            raise CommandError(
                f"the app did not connect to the service within {self.options.asked.timeout_s:g} s, and was ended",
                where=command,
                hint=Words(address, waits, " If it needs longer: ", Parameter("timeout_s"), "."),
            )
        why = f"See what it printed. {address}" if self.status else address
        raise CommandError(f"the app ended {how} and never connected to the service ({self.server.url})", where=command, hint=why)

    def _outcome(self) -> Optional[AppOutcome]:
        """What the process of the session told at its end; that of another one where that process did not last."""
        told = dict(self.outcomes)
        if self.owner is not None:
            return told.get(self.owner)
        return next(reversed(list(told.values())), None)

    def _is_ours(self) -> bool:
        """Whether it was we who ended it, which is told."""
        names = {note.name for _, _, note in self.observed}
        # Of a process that the command has started, only the command knows how it ended.
        is_interrupt = self.has_interrupted and (self.status == -signal.SIGINT or self.owner != self.app.pid)
        return is_interrupt or not names.isdisjoint({NEVER_RETURNS.name, OVER_TIME.name})

    def _note_wire(self) -> None:
        """Note what the server has refused the app."""
        for _ in range(self.server.n_refused):
            what = "the app opened a second connection to the service; the recorded session has one, so it was refused"
            self._note(NETWORK, what=what)
        for line in self.server.unknown:
            self._note(NETWORK, what=self.options.redact(f"the app asked for what a session does not contain: {line}"))

    def _not_seen(self, outcome: Optional[AppOutcome]) -> List[Tuple[str, str]]:
        why = self.options.not_virtual
        found = [("app_real_time", f"{why}, so it was replayed in real time; {_UNWATCHED}" if why else _UNWATCHED)]
        found.append(("app_command", _READING))
        if not self.began:
            found.append(("app_not_python", _NO_PYTHON))
        elif outcome is None:
            found.append(("playback", _LOST))
        return found

    def _note_heard(self, events: List[Event], opened_ns: int, sound: AppSound) -> None:
        """Note what is wrong with what the app played. Its own process did not see what it received, and so could not tell."""
        shift_ns = 0 if sound.opened_at_ns is None else sound.opened_at_ns - opened_ns
        items: List[Handed] = [replace(one, at_ns=one.at_ns + shift_ns) for one in sound.handed.items]
        handed = HandedOn(items, [], sound.handed.is_watched, sound.handed.has_stream)
        adapter = self.options.adapter
        for playback, is_players in zip(sound.playbacks, sound.by_player):
            playback.callback = _PLAYER if is_players else None
        note_heard(
            Journal.of(events, opened_ns, RealClock()),
            sound.playbacks,
            self.options.dialect,
            handed,
            is_players=lambda callback: callback is _PLAYER,
            headerless=adapter.headerless,
            redact=self.options.redact,
        )

    @staticmethod
    def _add(events: List[Event], at_ns: int, note: Note) -> None:
        seq = max((event.seq for event in events), default=-1) + 1
        data: Mapping[str, Any] = {**note.data, "at_ns": at_ns} if "at_ns" in note.data else note.data
        events.append(replace(note, seq=seq, at_ns=at_ns, data=data))


# Stands for the callback of the SDK's player, which is another process's.
_PLAYER = object()
