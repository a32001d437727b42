"""Replay as an act: load a recording, run a handler before it, judge, report."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from evi_harness.errors import UsageError
from evi_harness.evi import compat
from evi_harness.evi.dialect import EVI
from evi_harness.harness.discretion import Discreet, discreet_verdict, known_secrets, redactor_for
from evi_harness.harness.folders import new_folder, now_utc
from evi_harness.harness.real_run import run_in_real_time
from evi_harness.harness.run import Run, RunOptions, run_in_virtual_time
from evi_harness.harness.sessions import load_session
from evi_harness.harness.software import app, software
from evi_harness.live.lateness import Lateness, lateness_ns
from evi_harness.live.virtual import THREAD_WAIT_NS
from evi_harness.replay.player import DEFAULT_PATIENCE, Patience
from evi_harness.replay.trace import first_difference
from evi_harness.replay.verdict import Verdict, judge
from evi_harness.report.plain import printable
from evi_harness.report.replay import ReplayReport, as_json, as_text
from evi_harness.sdk.version import installed_version
from evi_harness.session.events import Event, Received, Sent, order
from evi_harness.session.header import Anchor, Header, Recorded
from evi_harness.session.session import Session
from evi_harness.storage.redaction import Redactor
from evi_harness.storage.writer import write_session

__all__ = ["CLOCKS", "ReplayResult", "replay_session"]

VIRTUAL = "virtual"
# Clock → what runs a handler on it.
CLOCKS: Mapping[str, Callable[[Session, Any, RunOptions], Run]] = {VIRTUAL: run_in_virtual_time, "real": run_in_real_time}

# Recorded seq and what was added to it, of each message that was upgraded.
Upgraded = Tuple[Tuple[int, Tuple[str, ...]], ...]


@dataclass(frozen=True)
class ReplayResult:
    """What a replay found.

    Attributes:
        report: All of it, as data.
        redactor: Knows what ``lines`` and ``json`` must not tell.
    """

    report: ReplayReport
    redactor: Redactor = field(repr=False)

    @property
    def passed(self) -> bool:
        """Whether there was no deviation and no finding, and two runs, where there were two, were identical."""
        return self.report.passed

    @property
    def verdict(self) -> Verdict:
        """Deviations and findings."""
        return self.report.verdict

    @property
    def session(self) -> Session:
        """The session that the replay yielded, with what was observed as notes."""
        return self.report.live

    @property
    def exit_code(self) -> int:
        """0 passed, 1 failed."""
        return 0 if self.passed else 1

    def lines(self) -> List[str]:
        """The report for people."""
        return [self.redactor.string(line) for line in as_text(self.report, Discreet(self.redactor))]

    def json(self) -> Dict[str, Any]:
        """The report for programs."""
        told: Dict[str, Any] = self.redactor.data(as_json(self.report))
        return told


def replay_session(
    session: Union[str, Path, Session],
    *,
    handler: Any = None,
    clock: str = VIRTUAL,
    upgrade: bool = False,
    twice: bool = False,
    out: Optional[Union[str, Path]] = None,
    patience: Patience = DEFAULT_PATIENCE,
    timeout_s: float = 60.0,
    thread_wait_s: float = THREAD_WAIT_NS / 1e9,
    write: Callable[[str], object] = print,
) -> ReplayResult:
    """Replay a session to a handler, through the installed SDK.

    Args:
        session: A session, or its folder.
        handler: None for the built-in handler, which prints a transcript and leaves what the app sent to the recording; ``"recorded"`` for
            the null test, in which the recording meets itself; a SPEC (``FILE.py:NAME`` or ``PACKAGE.MODULE:NAME``); or a function
            ``on_message(message)``, an object of the quickstart's shape, or a class of such objects. The user's audio is sent from the
            recording, and the connection closed when the recorded app closed it.
        clock: ``virtual`` for time that jumps, or ``real`` for the machine's clock, with the server in a process of its own.
        upgrade: Add to old messages what the installed SDK requires; reported.
        twice: Replay twice and compare the two runs byte for byte; in virtual time only.
        out: A folder of sessions that the replay's own session is written to.
        patience: How long the player waits for the app.
        timeout_s: After so many real seconds without progress the replay is stuck.
        thread_wait_s: How long, in real seconds, the virtual clock stands still for a job on another thread.
        write: Takes the lines that the built-in handler prints; they hold no secret and nothing that a terminal acts on.

    Returns:
        The result.

    Raises:
        UsageError: There is no such clock; two runs in real time are to be compared; an event loop runs on this thread.
        SessionUnreadable: The session cannot be read.
        HandlerError, NotAHandler, SpecError: The handler is at fault before anything runs.
        SdkError: The SDK is not installed.
        SessionUnwritable: ``out`` cannot be written.
    """
    run_once = _on(clock, twice)
    recorded = session if isinstance(session, Session) else load_session(session)
    sdk = installed_version()
    played, upgraded = _upgraded(recorded, sdk) if upgrade else (recorded, ())
    redactor = redactor_for(recorded)
    options = RunOptions(
        patience=patience,
        timeout_s=timeout_s,
        thread_wait_ns=round(thread_wait_s * 1e9),
        write=lambda line: write(printable(redactor.string(line))),
        redact=redactor.string,
    )
    began_s = time.perf_counter()
    run = run_once(played, handler, options)
    real_s = time.perf_counter() - began_s
    difference = _second(played, handler, options, run, Discreet(redactor)) if twice else None
    live = _live(recorded, run, sdk, upgraded, clock)
    verdict = discreet_verdict(judge(played, live, Discreet(redactor)), redactor)
    folder = None if out is None else new_folder(out, f"{recorded.name or 'session'}-replay")
    if folder is not None:
        write_session(folder, live, EVI, secrets=known_secrets(recorded, live))
    return ReplayResult(
        ReplayReport(
            recorded=played,
            live=live,
            handler=run.handler,
            sdk=sdk,
            clock=clock,
            lateness_ns=None if clock == VIRTUAL else _lateness_ns(live),
            verdict=verdict,
            upgraded=upgraded,
            hints=_hints(played, verdict, sdk),
            twice=difference,
            overdue_jobs=run.overdue_jobs,
            real_s=real_s,
            folder=None if folder is None else str(folder),
        ),
        redactor,
    )


def _on(clock: str, twice: bool) -> Callable[[Session, Any, RunOptions], Run]:
    if clock not in CLOCKS:
        raise UsageError(f"there is no clock {clock!r}", hint=f"There are: {', '.join(CLOCKS)}.")
    if twice and clock != VIRTUAL:
        raise UsageError(
            "two runs in real time are never the same to the nanosecond, so they are not compared",
            hint="Leave out --clock real, or --twice.",
        )
    return CLOCKS[clock]


def _lateness_ns(live: Session) -> Mapping[str, Optional[int]]:
    """How late the server sent its messages, summed up."""
    late = Lateness.of(lateness_ns(live.events))
    return {"n": late.n, "p50": late.p50_ns, "p99": late.p99_ns, "max": late.max_ns}


def _upgraded(session: Session, sdk: str) -> Tuple[Session, Upgraded]:
    events: List[Event] = []
    changes = []
    for event in session.events:
        found = compat.upgrade(event.frame, sdk) if isinstance(event, Received) else None
        if found is None or not isinstance(event, Received):
            events.append(event)
        else:
            frame, added = found
            changes.append((event.seq, tuple(added)))
            events.append(replace(event, frame=frame))
    return replace(session, events=tuple(events)), tuple(changes)


def _second(played: Session, handler: Any, options: RunOptions, first: Run, dialect: Discreet) -> Tuple[str, ...]:
    # The second run is to be compared, not watched.
    second = run_in_virtual_time(played, handler, replace(options, write=lambda _: None))
    lines = first_difference(first.events, second.events)
    if lines is None:
        return ()
    return tuple(f"{which}: {_said(line, run.events, dialect)}" for which, line, run in zip(("first", "second"), lines, (first, second)))


def _said(line: str, events: Sequence[Event], dialect: Discreet) -> str:
    """A line of a trace, and what the frame says where it is about one: a digest alone tells nobody anything."""
    seq = json.loads(line)["seq"] if line.startswith("{") else None
    event = next((event for event in events if event.seq == seq), None)
    if not isinstance(event, (Sent, Received)):
        return dialect.redact(line)
    said = dialect.describe(event.kind, dialect.read(event.kind, event.frame))
    digest = hashlib.sha256(event.frame.payload).hexdigest()[:12]
    return f"#{event.seq} at {event.at_ns / 1e9:.9f} s, {event.kind} {said} (sha256 {digest}…)"


def _live(recorded: Session, run: Run, sdk: str, upgraded: Upgraded, clock: str) -> Session:
    now = now_utc()
    header = Header(
        id=str(uuid.uuid4()),
        made_by="replay",
        created=now,
        dialect=EVI.name,
        service="player",
        software={**software(), "hume": sdk},
        app=app(),
        recorded=Recorded(),
        complete=True,
        start=Anchor(0, now),
        source={
            "session": recorded.header.id,
            "handler": run.handler,
            "clock": clock,
            "causes": EVI.version,
            "deterministic": clock == VIRTUAL and not run.overdue_jobs,
            "upgraded": [{"recorded_seq": seq, "added": list(added)} for seq, added in upgraded],
        },
    )
    return Session(header, tuple(sorted(run.events, key=order)), name=f"replay of {recorded.name}")


def _hints(played: Session, verdict: Verdict, sdk: str) -> Tuple[str, ...]:
    if not any(finding.kind == "unparseable" for finding in verdict.findings):
        return ()
    upgraded = [compat.upgrade(event.frame, sdk) for event in played.received]
    found = [one for one in upgraded if one is not None]
    # A hint that mends something else than what stopped the replay would lead nowhere.
    if not found or any(compat.problems(frame, sdk) for frame, _ in found):
        return ()
    added = sorted({name for _, names in found for name in names})
    return (f"--upgrade adds {', '.join(added)} to {len(found)} message{'' if len(found) == 1 else 's'} of this session",)
