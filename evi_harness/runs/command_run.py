"""One run of an app that a command starts; the part inside the app's process reports to this one.

Rules of living here: the command runs as it would without evi-harness, with the terminal, the folder and the environment that it is started
with. The app reports what it does immediately, so nothing is lost however it ends. No process is left behind.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from codecs import getincrementaldecoder
from dataclasses import dataclass, field, replace
from typing import Any, List, Optional, Tuple

from evi_harness.errors import CommandError, NotVirtual, Parameter, Words
from evi_harness.guard.ending import UsersInterrupt
from evi_harness.replay.played_recording import PlayedRecording
from evi_harness.runs.app_channel import (
    BEGAN,
    EVENT,
    FAILED,
    FINISHED,
    FORKED,
    IS_TERMINATED,
    NEVER_ENDS,
    OWNS,
    REFUSED,
    SECOND,
    WARNED,
    AppOutcome,
    AppPlan,
    ReportReader,
    with_site,
)
from evi_harness.runs.app_command import AppCommand, led_to
from evi_harness.runs.app_process import END_S, LOOK_MS, end_by, ends_within, how_ended, is_alive, send_signal, signal_name, start_app
from evi_harness.runs.replay_options import REAL
from evi_harness.runs.run import Run, RunOptions, longest_s
from evi_harness.session.events import Event, Opened
from evi_harness.session.notes import APP_ENDED, CRASHED, LEAKED_THREAD, NETWORK, NEVER_RETURNS, OVER_TIME, STUCK

__all__ = ["run_command"]

# What does in real time what cannot be done in virtual time.
_IN_REAL_TIME = Words(
    "Replay it in real time, with ", Parameter("clock", REAL), "; an app that waits for callers also needs ", Parameter("drive"), "."
)


def run_command(recording: PlayedRecording, handler: Any, options: RunOptions) -> Run:
    """Run a command once, in virtual time.

    Args:
        recording: The recording, on the axis on which it is to be acted out.
        handler: The command, an ``AppCommand``.
        options: Of the run.

    Returns:
        The run; its last event says how the app ended.

    Raises:
        CommandError: The command cannot be started, no app reports in, or the app does what cannot be replayed. ``NotVirtual`` if it may
            be replayed in real time.
        UsersInterrupt: Ctrl+C.
    """
    for one in options.together or (recording,):
        handler = led_to(handler, options.dialect.hosts, one.session.header.endpoint)
    plan = AppPlan(
        recording,
        options.dialect,
        options.pairing,
        replace(options.asked, handler=None, arguments=None),
        handler.hosts,
        options.redact,
        has_own_input=handler.stdin is not None,
        follows=handler.follows,
        together=options.together,
        place=options.place,
    ).write()
    heard, reports = os.pipe()
    try:
        environment = with_site(os.environ, f"{reports},{plan}")
        # The order of sets of strings is the same from run to run, unless whoever runs this wants another.
        environment.setdefault("PYTHONHASHSEED", "0")
        app = start_app(handler, environment, (reports, plan))
    except BaseException:
        os.close(heard)
        raise
    finally:
        os.close(plan)
        os.close(reports)
    try:
        return _Command(app, heard, handler, recording, options).outcome()
    finally:
        os.close(heard)
        if app.stdout is not None:
            app.stdout.close()


@dataclass
class _Command:
    """A command that runs.

    Attributes:
        app: Its process.
        heard: The pipe on which the app reports.
    """

    app: subprocess.Popen[bytes]
    heard: int
    command: AppCommand
    recording: PlayedRecording
    options: RunOptions
    events: List[Event] = field(default_factory=list)
    began: List[Tuple[int, str]] = field(default_factory=list)
    forked: List[int] = field(default_factory=list)
    owner: Optional[int] = None
    n_seconds: int = 0
    is_heard: bool = True
    finished: Optional[AppOutcome] = None
    refused: Optional[str] = None
    failed: Optional[str] = None
    has_left: bool = False
    terminated_s: Optional[float] = None
    # Why it was ended, if that was before it connected.
    given_up: Optional[str] = None

    def outcome(self) -> Run:
        """Wait for the end, and tell what became of it."""
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
        status = self.app.wait()
        self._require_run(status)
        self._note_end(status)
        ended = self.finished or AppOutcome()
        return Run(
            str(self.command), self.events, ended.overdue_jobs, handshake_by_app=True, heard=ended.heard, by_command=True, sdk=ended.sdk
        )

    def _listen(self) -> None:
        reader, looks = ReportReader(), select.poll()
        looks.register(self.heard, select.POLLIN)
        printed = None if self.app.stdout is None else self.app.stdout.fileno()
        text = getincrementaldecoder("utf-8")("replace")
        if printed is not None:
            looks.register(printed, select.POLLIN)
        now_s = time.monotonic()
        ended_s: Optional[float] = None
        moved_s, ends_s = now_s, now_s + longest_s(self.recording, self.options, is_real=False)
        while True:
            # Asked before looking: what it wrote before it ended is in the pipe, which processes of its own may hold for longer.
            has_ended = self.app.poll() is not None
            ready = looks.poll(0 if has_ended else LOOK_MS)
            for pipe, _ in ready:
                data = os.read(pipe, 1 << 16)
                if not data:
                    # Nobody reports, or prints, any more; the command may still run.
                    looks.unregister(pipe)
                    self.is_heard = self.is_heard and pipe != self.heard
                elif pipe == printed:
                    sys.stdout.write(text.decode(data))
                else:
                    moved_s = time.monotonic()
                    for kind, what in reader.feed(data):
                        self._take(kind, what)
            if self.refused is not None or self.failed is not None:
                self._end((signal.SIGTERM, signal.SIGKILL))
                return
            now_s = time.monotonic()
            if has_ended and not ready:
                ended_s = now_s if ended_s is None else ended_s
                if self._went_on():
                    self.has_left = True
                    self._end((signal.SIGKILL,))
                    return
                if not self._may_connect() or now_s > ended_s + END_S:
                    return
                time.sleep(LOOK_MS / 1000)
            if has_ended:
                continue
            if self.terminated_s is not None and now_s > self.terminated_s + END_S:
                self._note(NEVER_RETURNS, f"the app ignored SIGTERM for {END_S:g} s, and was killed")
                self._end((signal.SIGKILL,))
            elif now_s > ends_s:
                longest = longest_s(self.recording, self.options, is_real=False)
                self._note(OVER_TIME, f"the run was not over after {longest:g} s of real time, and was ended")
                self._end((signal.SIGINT, signal.SIGTERM, signal.SIGKILL))
            elif self.began and now_s > moved_s + self.options.asked.timeout_s:
                self._note(STUCK, f"no progress for {self.options.asked.timeout_s:g} s of real time; the app was ended")
                self._end((signal.SIGINT, signal.SIGTERM, signal.SIGKILL))

    def _went_on(self) -> bool:
        """Whether the process that has the session outlives the command; one that the command waited for has told of its end before."""
        return self.owner not in (None, self.app.pid) and self.finished is None and is_alive(self.owner)

    def _may_connect(self) -> bool:
        """Whether nobody has connected, and another process of the app's is there that may."""
        others = {*self.forked, *(pid for pid, _ in self.began)} - {self.app.pid}
        return self.owner is None and self.is_heard and any(is_alive(pid) for pid in others)

    def _take(self, kind: bytes, what: Any) -> None:
        if kind == EVENT:
            self.events.append(what)
            self.options.watch(what)
        elif kind == BEGAN:
            # One process may have become another; what that one yields is what counts.
            self.began.append(what)
            if self.owner in (None, what[0]):
                self.finished = None
        elif kind == FORKED:
            self.forked.append(what)
        elif kind == OWNS:
            self.owner, self.finished = what, None
        elif kind == SECOND:
            self.n_seconds += 1
        elif kind == REFUSED:
            self.refused = self.refused or what
        elif kind == FAILED:
            self.failed = what
        elif kind == WARNED:
            self.options.write(what)
        elif kind == IS_TERMINATED:
            self.terminated_s = time.monotonic()
        elif kind == NEVER_ENDS:
            self._end((signal.SIGTERM, signal.SIGKILL))
        elif kind == FINISHED and self.owner in (None, what[0]):
            self.finished = what[1]

    def _require_run(self, status: int) -> None:
        """Refuse to judge if nothing ran: that must never pass."""
        command = str(self.command)
        if self.failed is not None:
            raise CommandError(f"the part of evi-harness that runs in the app's process cannot start: {self.failed}", where=command)
        if self.refused is not None:
            raise NotVirtual(self.refused, where=command, hint=_IN_REAL_TIME)
        if self.has_left:
            what = (
                "the command has ended, and the app goes on in another process, as a daemon does: only what runs for as long as its command"
            )
            raise CommandError(f"{what} can be replayed", where=command)
        if not self.began:
            raise NotVirtual(
                f"no Python process of the command reported in, and it ended {how_ended(status)}: nothing was replayed",
                where=command,
                hint=Words(
                    "Python skips sitecustomize with -S, -I and -E, and a script may reset PYTHONPATH; a program that is not Python can be "
                    "replayed in real time, with ",
                    Parameter("clock", REAL),
                    ".",
                ),
            )
        if not any(isinstance(event, Opened) for event in self.events):
            if self.owner is not None:
                raise CommandError(
                    f"the app ended {how_ended(status)} and did not open the connection of this session, only others",
                    where=command,
                    hint="Each session of a run is one connection. Does the app connect again when it should?",
                )
            hosts = ", ".join(host if port is None else f"{host}:{port}" for host, port in self.command.hosts)
            elsewhere = f"If it connects to another host, name that in {self.options.dialect.variables.base_url}."
            if self.given_up is not None:
                raise CommandError(
                    f"the app never connected to the service ({hosts}): {self.given_up}",
                    where=command,
                    hint=Words(elsewhere, " If it needs longer: ", Parameter("timeout_s"), "."),
                )
            raise CommandError(
                f"the app ended {how_ended(status)} and never connected to the service ({hosts})",
                where=command,
                hint=f"See what it printed. {elsewhere}" if status else elsewhere,
            )
        if self.finished is not None and self.finished.failures:
            raise CommandError(f"the replay failed: {self.finished.failures[0]}", where=command)

    def _note_end(self, status: int) -> None:
        for _ in range(self.n_seconds):
            what = "another process of the app opened a connection to the service; one process has the recorded ones, so it was refused"
            self._note(NETWORK, what)
        if self.finished is None and not self._is_ours(status):
            self._note(CRASHED, f"the process of the app ended {how_ended(status)}, without Python shutting down", ended=True)
        code = status if status >= 0 else None
        name = "" if status >= 0 else signal_name(-status)
        self.events.append(APP_ENDED.make(self._seq(), self._at_ns(), None, exit_code=code, signal=name))

    def _is_ours(self, status: int) -> bool:
        """Whether it was we who killed it, which is told."""
        return status in (-signal.SIGKILL, -signal.SIGTERM) and any(
            kind.notes_in(self.events) for kind in (LEAKED_THREAD, NEVER_RETURNS, OVER_TIME, STUCK)
        )

    def _note(self, kind: Any, what: str, **facts: Any) -> None:
        if not any(isinstance(event, Opened) for event in self.events):
            self.given_up = self.given_up or what
        else:
            self.events.append(kind.make(self._seq(), self._at_ns(), None, what=what, **facts))

    def _seq(self) -> int:
        return max((event.seq for event in self.events), default=-1) + 1

    def _at_ns(self) -> int:
        return max((event.at_ns for event in self.events), default=0)

    def _end(self, numbers: Tuple[int, ...]) -> None:
        """End the app by one signal after another, and the command with it."""
        if not end_by(self.app, numbers, self._signal_all):
            self.app.wait()

    def _signal_all(self, number: int) -> None:
        for process in {self.app.pid, *self.forked, *(pid for pid, _ in self.began)}:
            send_signal(process, number)
