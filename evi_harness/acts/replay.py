"""Replay a recording to a handler, judge the result and report it."""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import dataclass, field, replace
from itertools import cycle
from pathlib import Path
from typing import Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple, Union

from evi_harness.acts.commanding import check_command, named_places
from evi_harness.audio.software_speaker import Heard
from evi_harness.carriers.lateness import Lateness, lateness_ns
from evi_harness.clocks.clock import THREAD_WAIT_NS
from evi_harness.dialects import adapter_for, dialect_of
from evi_harness.errors import Parameter, SessionUnreadable, UsageError, Words
from evi_harness.guard.garbage import earlier_objects_set_aside
from evi_harness.quiet_loading import loading
from evi_harness.redacting.redaction import Redactor
from evi_harness.replay.app_ids import naming
from evi_harness.replay.judging.deviations import Deviation
from evi_harness.replay.judging.findings import Finding
from evi_harness.replay.judging.verdict import Verdict
from evi_harness.replay.played_recording import PlayedRecording
from evi_harness.replay.trace import compared, first_difference
from evi_harness.report.expected_changes import COMPARED, UNCHANGED, Proposal, expectation_lines
from evi_harness.report.plain import printable
from evi_harness.report.replay_report import ReplayReport, as_json, body_text, verdict_text
from evi_harness.report.result import verdict_line
from evi_harness.runs.app_command import AppCommand
from evi_harness.runs.microphone_off import run_alone
from evi_harness.runs.replay_options import AUTO_CLOCK, MACHINE, REAL, VIRTUAL, ReplayOptions, is_built_in
from evi_harness.runs.run import Run, RunOptions
from evi_harness.sdk.adapter import Adapter
from evi_harness.sdk.user_voice import AUTO
from evi_harness.session.events import NOTHING, Event, Received, Sent
from evi_harness.session.header import BY_DEFAULT, BY_NAME
from evi_harness.session.json_value import Json
from evi_harness.session.notes import CRASHED
from evi_harness.session.session import Session
from evi_harness.settings.any_path import AnyPath
from evi_harness.settings.new_folder import WholeFolder, near
from evi_harness.settings.versions import of_app
from evi_harness.storage.writer import write_session
from evi_harness.verdicts.axis import Axis
from evi_harness.verdicts.comparing import Comparing, Rules
from evi_harness.verdicts.expected import Expected, accept, expected_of, load_recorded, require_folder
from evi_harness.verdicts.heard_audio import HeardFile, first_heard_difference, keep_heard
from evi_harness.verdicts.invoking import Command, invocation_of, secret_arguments, with_digest
from evi_harness.verdicts.judging import Judging, Replayed, judge_replay
from evi_harness.verdicts.redacted_views import Discreet, known_secrets, redactor_for
from evi_harness.verdicts.wholeness import refused_for_what_is_missing, way_out

__all__ = ["RUNS", "ReplayResult", "keep_replay", "replay_asked", "replay_session"]

RunOnce = Callable[[PlayedRecording, object, RunOptions], Run]


def _in_virtual_time() -> RunOnce:
    from evi_harness.runs.virtual_run import run_in_virtual_time

    return run_in_virtual_time


def _in_real_time() -> RunOnce:
    from evi_harness.runs.real_run import run_in_real_time

    return run_in_real_time


def _command_in_virtual_time() -> RunOnce:
    from evi_harness.runs.command_run import run_command

    return run_command


def _command_in_real_time() -> RunOnce:
    from evi_harness.runs.real_commands.real_command_run import run_command_in_real_time

    return run_command_in_real_time


def _command_on_either_clock() -> RunOnce:
    from evi_harness.runs.real_commands.real_command_run import run_command_on_either_clock

    return run_command_on_either_clock


# Clock → what loads and returns what runs a handler on it. A command in virtual time needs none of that, nor the server that comes with it.
RUNS: Mapping[str, Callable[[], RunOnce]] = {VIRTUAL: _in_virtual_time, REAL: _in_real_time}
# The same of a command.
COMMAND_RUNS: Mapping[str, Callable[[], RunOnce]] = {
    VIRTUAL: _command_in_virtual_time,
    REAL: _command_in_real_time,
    AUTO_CLOCK: _command_on_either_clock,
}

# Recorded seq and what was added to it, of each message that was upgraded.
Upgraded = Tuple[Tuple[int, Tuple[str, ...]], ...]


@dataclass(frozen=True)
class ReplayResult:
    """The result of a replay.

    Attributes:
        report: The whole report, as data.
        redactor: Knows what ``lines`` and ``json`` must not tell.
        heard: The audio that the software speaker played, for ``keep_heard``; None if there was none or it was not kept.
        secrets: What must not be told besides what the sessions themselves and the environment say to be secret.
        accepted: What ``accept`` makes of the report; None where there is nothing to accept.
    """

    report: ReplayReport
    redactor: Redactor = field(repr=False)
    heard: Optional[Heard] = field(default=None, repr=False)
    secrets: Tuple[str, ...] = field(default=(), repr=False)
    accepted: Optional[ReplayReport] = field(default=None, repr=False)

    @property
    def passed(self) -> bool:
        """Whether the recording is whole, no deviation or failing finding occurred, and two runs, if any, were identical."""
        return self.report.passed

    @property
    def verdict(self) -> Verdict:
        """Deviations and findings."""
        return self.report.verdict

    @property
    def deviations(self) -> Tuple[Deviation, ...]:
        """The differences from the recording or the expectation, first divergence first."""
        return self.verdict.deviations

    @property
    def findings(self) -> Tuple[Finding, ...]:
        """Faults regardless of the recording, in chronological order."""
        return self.verdict.findings

    @property
    def session(self) -> Session:
        """The replay's own session, with observations as notes."""
        return self.report.live

    @property
    def folder(self) -> Optional[Path]:
        """The folder of the replay's own session, None without ``out``."""
        return None if self.report.folder is None else Path(self.report.folder)

    @property
    def exit_code(self) -> int:
        """0 passed, 1 failed."""
        return 0 if self.passed else 1

    @property
    def summary(self) -> str:
        """The verdict and the first problem, in one line."""
        wrong = [(finding.kind, finding.what) for finding in self.findings if finding.fails]
        wrong += [(deviation.kind, deviation.what) for deviation in self.deviations]
        first = [*self.report.incomplete, *(f"{kind}: {line}" for kind, what in wrong for line in what.splitlines()[:1])]
        return self.redactor.string("; ".join([self.verdict_text, *map(printable, first[:1])]))

    @property
    def verdict_text(self) -> str:
        """The verdict and the number of problems, in a few words."""
        return verdict_text(self.report)

    @property
    def proposal(self) -> Optional[Proposal]:
        """What is to be accepted, None where nothing is."""
        return None if self.report.expectation is None else self.report.expectation.proposal

    def accept(self) -> ReplayResult:
        """Accept the proposed expectation for the session.

        Returns:
            The result by what is expected then; this one where there is nothing to accept.

        Raises:
            SessionUnwritable: The session's folder cannot be written.
            SessionUnreadable: What is there afterwards is not what was written.
        """
        if self.proposal is None:
            return self
        accept(self.proposal)
        return self.as_accepted()

    def as_accepted(self) -> ReplayResult:
        """The result as it is once what is proposed has been accepted, by whomever."""
        return self if self.accepted is None else replace(self, report=self.accepted, accepted=None)

    def changes(self) -> List[str]:
        """The changes of an update, for people: the effect on the file, and each change."""
        told = self.report.expectation
        if told is None or told.outcome in (COMPARED, UNCHANGED):
            return []
        return [self.redactor.string(printable(line)) for line in expectation_lines(told, self._discreet())]

    def _discreet(self) -> Discreet:
        return Discreet(dialect_of(self.report.recorded), self.redactor)

    def lines(self) -> List[str]:
        """The report for people."""
        return [*self.body(), verdict_line(self.verdict_text)]

    def body(self) -> List[str]:
        """The report for people without its last line, the verdict."""
        return [self.redactor.string(line) for line in body_text(self.report, self._discreet())]

    def json(self) -> Dict[str, Json]:
        """The report for programs."""
        report = replace(self.report, invocation=with_digest(self.report.invocation))
        told: Dict[str, Json] = self.redactor.data(as_json(report, self._discreet()))
        return told


def replay_session(
    session: Union[AnyPath, Session],
    *,
    handler: object = None,
    arguments: Optional[Mapping[str, object]] = None,
    clock: str = VIRTUAL,
    upgrade: bool = False,
    twice: bool = False,
    ignore: Iterable[str] = (),
    strict: bool = False,
    max_late_ms: Optional[float] = None,
    update: bool = False,
    dry_run: bool = False,
    out: Optional[AnyPath] = None,
    timeout_s: float = 60.0,
    max_run_s: Optional[float] = None,
    thread_wait_s: float = THREAD_WAIT_NS / 1e9,
    allow_hosts: Sequence[str] = (),
    wall_clock: str = MACHINE,
    seed: Optional[int] = None,
    severities: Mapping[str, str] = NOTHING,
    blocked_ms: Optional[float] = None,
    speed: Union[str, float, None] = None,
    max_gap: Union[str, float, None] = None,
    first: Union[str, float, None] = None,
    last: Union[str, float, None] = None,
    microphone: str = AUTO,
    child: bool = False,
    allow_incomplete: bool = False,
    defer: bool = False,
    write: Optional[Callable[[str], object]] = None,
) -> ReplayResult:
    """Replay a session to a handler, through the installed SDK.

    The app's messages are compared with the recorded ones, or with those accepted instead (see ``update``).

    Args:
        session: A session, or its folder.
        handler: None or ``"builtin"`` for the built-in handler, which prints a transcript and sends the recorded messages, so the result
            says nothing about your app; ``"recorded"`` for the null test, which replays the recording against itself; a name
            (``FILE.py:NAME`` or ``PACKAGE.MODULE:NAME``); or a function ``on_message(message)`` or ``on_message(message, stream)``, a
            function ``main(socket)`` or ``main(socket, stream)`` that reads the connection itself, an object of the quickstart's shape, a
            class of such objects, or a function that returns one of these. docs/explanation/replay.md says who sends the user's audio. The
            connection is closed when the recorded app closed it.
        arguments: Further arguments for the handler's class or function, by name.
        clock: ``virtual`` for time that jumps, or ``real`` for the machine's clock, with the server in a separate process. For an
            ``app_command`` also ``auto``: virtual time, and if that does not support the app, once more in real time.
        upgrade: Add to old messages the fields that the installed SDK requires; the report lists them.
        twice: Replay twice and compare the two runs byte for byte, but for ids that the app makes up; in virtual time only.
        ignore: JSON paths to exclude from the comparison, such as ``$.content`` or ``tool_response:$..time``. docs/explanation/replay.md
            lists all.
        strict: Also compare values that usually differ in every run.
        max_late_ms: How much later than due a message may be sent, in milliseconds; None for any delay, reported in a note.
        update: Accept the messages that the app sends now as those to expect from now on, in a file beside events.jsonl.
        dry_run: Only report what ``update`` would change, and write nothing; the replay fails if there are changes.
        out: Parent folder for the replay's own session.
        timeout_s: After this many real seconds without progress, the replay counts as stuck.
        max_run_s: After this many real seconds, a run is ended regardless, and the replay fails; None for an hour, plus twice the replayed
            length with the real clock.
        thread_wait_s: How many real seconds the virtual clock stops for a job on another thread.
        allow_hosts: Hosts that the app may reach besides the service, as ``HOST`` or ``HOST:PORT``.
        wall_clock: The time of day that the app sees: ``machine``, or ``recorded`` for that of the session.
        seed: Seed for ``random`` and ``numpy.random``, set before the handler is imported; None for no seeding.
        severities: Severities of findings by kind, to override the defaults in docs/reference/findings.md: ``error``, ``warning`` or
            ``off``.
        blocked_ms: How many milliseconds a step of the event loop may take before it counts as blocking; None for the clock's default.
        speed: Speed relative to the recording, or ``max``; None for as recorded. See docs/how-to/pace.md.
        max_gap: Shorten spans in which nobody speaks and nothing is received to this, in seconds or as ``250ms``; None to keep them.
        first: Where to begin: a time in seconds or as ``1m3s``, an event as ``#123``, a turn as ``t3``; None for the beginning.
        last: Where to end, likewise; inclusive.
        microphone: Who speaks for the user besides the app. ``auto``: the SDK's microphone, or the recorded audio if that is not possible,
            until the app sends its own audio; if another source had sent audio by then, a handler in virtual time is run again without it.
            ``sdk``: the same, whatever the app sends. ``off``: nobody.
        child: Run the handler in a child process, so that even a crash below Python is a finding, ``crashed``. The caller then does not see
            changes that the handler makes to itself or to the process.
        allow_incomplete: Accept an incomplete or damaged recording as it is; otherwise its replay fails.
        defer: Do not write the changes of ``update`` until ``ReplayResult.accept`` is called.
        write: Receives each line that the built-in handler prints, without secrets and control characters; None to drop them.

    Returns:
        The result: ``passed``, ``deviations``, ``findings``, ``session`` (the replay's own session), ``lines()`` for people and
        ``json()``, the report that ``replay --json`` writes.

    Raises:
        UsageError: The clock, a path in ``ignore``, a finding, a severity, a host, the wall clock or the microphone is invalid; ``twice``
            in real time; ``update`` of a session in memory; the null test with its microphone off; an event loop is running on this thread.
        SessionUnreadable: The session cannot be read, or holds no event.
        IncompleteRecording: The session is incomplete or damaged, which is not allowed, and too much is missing to replay it.
        HandlerError, NotAHandler, SpecError: The handler cannot be loaded or is invalid.
        SdkError: The SDK is not installed.
        SessionUnwritable: ``out`` cannot be written, or the folder of a session that is to be updated.

    Example:
        >>> result = evi_harness.replay_session("sessions/weather", handler="app.py:WeatherApp")
        >>> result.passed, result.deviations
        (True, ())
    """
    options = ReplayOptions(
        handler=handler,
        arguments=arguments,
        clock=clock,
        upgrade=upgrade,
        twice=twice,
        ignore=tuple(ignore),
        strict=strict,
        max_late_ms=max_late_ms,
        update=update,
        dry_run=dry_run,
        out=None if out is None else os.fspath(out),
        timeout_s=timeout_s,
        max_run_s=max_run_s,
        thread_wait_s=thread_wait_s,
        allow_hosts=tuple(allow_hosts),
        wall_clock=wall_clock,
        seed=seed,
        severities=severities,
        blocked_ms=blocked_ms,
        speed=speed,
        max_gap=max_gap,
        first=first,
        last=last,
        microphone=microphone,
        child=child,
        allow_incomplete=allow_incomplete,
        defer=defer,
    )
    what = session if isinstance(session, Session) else os.fspath(session)
    return replay_asked(what, options, write=write or _dropped)


def _dropped(line: str) -> None:
    """Receive a line of the built-in handler's that nobody asked for."""


def replay_asked(
    session: Union[str, Path, Session],
    asked: ReplayOptions,
    *,
    write: Callable[[str], object] = print,
    on_part: Callable[[float], object] = id,
    command: Optional[Command] = None,
) -> ReplayResult:
    """Replay a session as ``replay_session`` does, with its options in one object.

    Args:
        session: A session, or its folder.
        asked: The options.
        write: Takes the lines that the built-in handler prints.
        on_part: Called now and then with how much of it is replayed, 0 to 1, where the handler runs in a child process.
        command: What asked for the replay; None for this call.

    Raises:
        EviHarnessError: What ``replay_session`` raises.
    """
    command = Command.here() if command is None else command
    asked.check()
    check_command(asked)
    run_once = run_of(asked)
    axis = Axis.of(asked.speed, asked.max_gap, asked.first, asked.last)
    judging = Judging(Rules.of(asked.ignore, asked.strict), asked.max_late_ns, asked.severities, asked.update)
    expected = _loaded(session, axis, asked)
    secrets, dialect = secret_arguments(asked.arguments), dialect_of(expected.recorded)
    adapter, redactor = adapter_for(dialect), redactor_for(expected.recorded, secrets=secrets)
    if isinstance(asked.handler, AppCommand):
        asked = replace(asked, handler=named_places(asked.handler, dialect))
    else:
        # Without an SDK nothing is run; an app that a command starts has its own, or none.
        adapter.version()
    invocation = invocation_of(command, session, asked, redactor)
    options = RunOptions(
        dialect,
        adapter,
        asked,
        write=lambda line: write(printable(redactor.string(line))),
        redact=redactor.string,
        comparing=Comparing(dialect, judging.rules),
    )
    # By its name it is the same.
    handler, allow_incomplete = None if is_built_in(asked.handler) else asked.handler, asked.allow_incomplete
    whole, upgraded = _upgraded(expected.played, adapter) if asked.upgrade else (expected.played, ())
    # To the verdict and not only for the run: else the first full collection is of the whole process, and due right behind the run.
    with earlier_objects_set_aside(), refused_for_what_is_missing(expected.recorded, allow_incomplete=allow_incomplete):
        recording = axis.recording(whole)
        together, place = _together(session, recording, axis, asked, adapter)
        options = replace(options, together=together, place=place)
        if asked.child:
            options = replace(options, watch=_watching(recording.session.duration_ns * (2 if asked.twice else 1), on_part))
        began_s = time.perf_counter()
        run, options, earlier = run_alone(run_once, recording, handler, options)
        real_s = time.perf_counter() - began_s
        clock = run.clock or asked.clock
        difference = _second(recording, handler, options, run, run_once, Discreet(dialect, redactor)) if asked.twice else None
        replayed = Replayed(
            expected,
            recording.session,
            # Behind the comparison of two runs: neither of these had it.
            replace(run, events=[*run.events, *earlier]),
            clock,
            lateness=None if clock == VIRTUAL else Lateness.of(lateness_ns(run.events)),
            axis=axis,
            source={"axis": axis.told(), **asked.told_outside(), "upgraded": _told(upgraded), **_built_in(asked.handler)},
            differs=bool(difference),
            is_incomplete=bool(expected.recorded.missing) and not allow_incomplete,
        )
        judgement = judge_replay(replayed, judging, redactor)
    folder, file = _written(expected.recorded, judgement.report.live, asked.out, run.heard, redactor, secrets)
    heard = None if file.file is None else near(file.file)

    def whole_report(report: ReplayReport) -> ReplayReport:
        hints = _hints(report, invocation.path)
        report = replace(report, upgraded=upgraded, hints=hints, twice=difference, real_s=real_s, invocation=invocation)
        return replace(report, folder=folder, heard=heard, remarks=file.remarks)

    accepted = None if judgement.accepted is None else whole_report(judgement.accepted)
    result = ReplayResult(whole_report(judgement.report), redactor, run.heard, secrets, accepted)
    return result if asked.dry_run or asked.defer else result.accept()


def _together(
    session: Union[str, Path, Session], recording: PlayedRecording, axis: Axis, asked: ReplayOptions, adapter: Adapter
) -> Tuple[Tuple[PlayedRecording, ...], int]:
    """The recordings of all connections that an app opens in one run, and the place of this one among them; none where it opens one."""
    handler = asked.handler
    if not isinstance(handler, AppCommand) or not handler.sessions:
        return (), 0
    place, recordings = handler.sessions.index(str(session)), []
    for number, folder in enumerate(handler.sessions):
        if number == place:
            recordings.append(recording)
            continue
        other = _loaded(folder, axis, replace(asked, update=False))
        speaks, spoken = (dialect_of(one).name for one in (recording.session, other.recorded))
        if speaks != spoken:
            raise UsageError(f"{folder} is of the dialect {spoken}, and {session} is of {speaks}: one run speaks one dialect")
        recordings.append(axis.recording(_upgraded(other.played, adapter)[0] if asked.upgrade else other.played))
    return tuple(recordings), place


def run_of(asked: ReplayOptions) -> RunOnce:
    """What runs what is asked for."""
    is_command = isinstance(asked.handler, AppCommand)
    with loading():
        run_once = (COMMAND_RUNS if is_command else RUNS)[asked.clock]()
        if not asked.child or is_command:
            return run_once
        from evi_harness.runs.child_run import in_a_child
    return in_a_child(run_once)


def _built_in(handler: object) -> Dict[str, str]:
    """What a session says of the built-in handler: that it was named, or that none was; of another one nothing."""
    return {"built_in": BY_DEFAULT if handler is None else BY_NAME} if is_built_in(handler) else {}


def _watching(whole_ns: int, on_part: Callable[[float], object]) -> Callable[[Event], object]:
    """What tells, by the events of one run after another, how much is done."""
    before_ns = last_ns = 0

    def watch(event: Event) -> None:
        nonlocal before_ns, last_ns
        if event.at_ns == 0 and last_ns:
            before_ns, last_ns = before_ns + last_ns, 0
        last_ns = max(last_ns, event.at_ns)
        on_part(min(1.0, (before_ns + last_ns) / max(1, whole_ns)))

    return watch


def _loaded(session: Union[str, Path, Session], axis: Axis, asked: ReplayOptions) -> Expected:
    """Load a session that there is something in to replay, and that can be updated where it is to be."""
    if asked.update and axis.is_part:
        raise UsageError(
            "expected.jsonl cannot be updated from part of a session",
            hint=Words("Leave out ", Parameter("first"), " and ", Parameter("last"), ", or ", Parameter("update"), "."),
        )
    recorded = load_recorded(session)
    with refused_for_what_is_missing(recorded, allow_incomplete=asked.allow_incomplete):
        expected = expected_of(session, recorded)
        if asked.update:
            require_folder(expected)
        if not recorded.events:
            raise SessionUnreadable("this session has no events, so there is nothing to replay", where=recorded.name)
        return expected


def _upgraded(session: Session, adapter: Adapter) -> Tuple[Session, Upgraded]:
    events: List[Event] = []
    changes = []
    for event in session.events:
        found = adapter.upgrade(event.frame) if isinstance(event, Received) else None
        if found is None or not isinstance(event, Received):
            events.append(event)
        else:
            frame, added = found
            changes.append((event.seq, tuple(added)))
            events.append(replace(event, frame=frame))
    return replace(session, events=tuple(events)), tuple(changes)


def _told(upgraded: Upgraded) -> List[Mapping[str, Json]]:
    return [{"recorded_seq": seq, "added": list(added)} for seq, added in upgraded]


def _second(
    recording: PlayedRecording, handler: object, options: RunOptions, first: Run, run_once: RunOnce, dialect: Discreet
) -> Tuple[str, ...]:
    # The second run is to be compared, not watched.
    second = run_once(recording, handler, replace(options, write=lambda _: None))
    lines = first_difference(first.events, second.events, naming(dialect))
    told = [] if lines is None else [_said(line, run.events, dialect) for line, run in zip(lines, (first, second))]
    told += first_heard_difference(first.heard, second.heard) or ()
    return tuple(f"{which}: {line}" for which, line in zip(cycle(("first", "second")), told))


def _said(line: str, events: Sequence[Event], dialect: Discreet) -> str:
    """A line of a trace, and what the frame says where it is about one: a digest alone tells nobody anything."""
    number = json.loads(line)["seq"] if line.startswith("{") else None
    event = None if number is None else compared(events)[number]
    if not isinstance(event, (Sent, Received)):
        return dialect.redact(line)
    said = dialect.describe(event.kind, dialect.read(event.kind, event.frame))
    digest = hashlib.sha256(event.frame.payload).hexdigest()[:12]
    return f"#{event.seq} at {event.at_ns / 1e9:.9f} s, {event.kind} {said} (sha256 {digest}…)"


def _written(
    recorded: Session,
    live: Session,
    out: Optional[Union[str, Path]],
    heard: Optional[Heard],
    redactor: Redactor,
    secrets: Sequence[str],
) -> Tuple[Optional[str], HeardFile]:
    """Write the session that a replay yielded, and what was heard, to a folder of sessions, where there is one; say where they are."""
    if out is None:
        return None, HeardFile()
    folder, file = keep_replay(out, f"{recorded.name or 'session'}-replay", recorded, live, heard, redactor, secrets)
    return near(folder), file


def keep_replay(
    out: Union[str, Path],
    name: str,
    recorded: Session,
    live: Session,
    heard: Optional[Heard],
    redactor: Redactor,
    secrets: Sequence[str] = (),
) -> Tuple[Path, HeardFile]:
    """Write the session that a replay yielded, with what was heard, whole or not at all.

    Args:
        out: The folder of sessions.
        name: Name of the session.
        recorded: The recording.
        live: The session.
        heard: What was heard, None where no speaker was there or it was lost.
        redactor: Knows what may not be written.
        secrets: Values that must not be written, besides those of both sessions.

    Returns:
        The folder, and heard.wav in it.

    Raises:
        SessionUnwritable: It cannot be written.
    """
    with WholeFolder(out, name) as place:
        write_session(place.folder, of_app(live), dialect_of(live), secrets=[*known_secrets(recorded, live), *secrets])
        if live.notes_of(CRASHED):
            file = HeardFile(None, ("what the speaker played was lost when the process ended; the rest of the session is complete",))
        else:
            file = keep_heard(place.folder, heard, redactor)
    return place.folder, file if file.file is None else replace(file, file=place.folder / file.file.name)


def _hints(report: ReplayReport, path: Optional[str]) -> Tuple[str, ...]:
    return (*([way_out(path)] if report.is_incomplete else []), *_hints_to_upgrade(report))


def _hints_to_upgrade(report: ReplayReport) -> Tuple[str, ...]:
    if not any(finding.kind == "unparseable" for finding in report.verdict.findings):
        return ()
    adapter = adapter_for(dialect_of(report.recorded))
    upgraded = [adapter.upgrade(event.frame) for event in report.recorded.received]
    found = [one for one in upgraded if one is not None]
    # A hint that mends something else than what stopped the replay would lead nowhere.
    if not found or any(adapter.is_refused(frame) for frame, _ in found):
        return ()
    added = sorted({name for _, names in found for name in names})
    return (f"--upgrade adds {', '.join(added)} to {len(found)} message{'' if len(found) == 1 else 's'} of this session",)
