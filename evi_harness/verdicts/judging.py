"""The outcome of a replay: its session, verdict and report, for a handler that ran here and for a test's own app.

Rules of living here: nothing is run; the report contains no secrets.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any, Mapping, Optional, Tuple

from evi_harness.carriers.lateness import Lateness
from evi_harness.dialects import adapter_for, dialect_of
from evi_harness.redacting.redaction import Redactor
from evi_harness.replay.judging.unseen import APP_BY_COMMAND, APP_RAN_ELSEWHERE, APP_RAN_HERE, NO_APP, Unseen, unseen
from evi_harness.replay.judging.verdict import Verdict, judge
from evi_harness.report.expected_changes import ExpectationReport
from evi_harness.report.replay_report import ReplayReport
from evi_harness.runs.replay_options import VIRTUAL
from evi_harness.runs.run import BUILT_IN, Run
from evi_harness.session.events import NOTHING, order
from evi_harness.session.header import Anchor, Header, Recorded
from evi_harness.session.protocols import Dialect
from evi_harness.session.session import Session
from evi_harness.settings.new_folder import now_utc
from evi_harness.settings.versions import software
from evi_harness.verdicts.axis import Axis
from evi_harness.verdicts.comparing import AS_USUAL, Rules, matched
from evi_harness.verdicts.expected import Expected, Update, accept, accepted
from evi_harness.verdicts.redacted_views import Discreet, discreet_verdict

__all__ = ["Judgement", "Judging", "Replayed", "judge_replay", "judged"]


@dataclass(frozen=True)
class Judging:
    """By what a replay is judged.

    Attributes:
        rules: How what was sent is compared.
        max_late_ns: How late a message may be sent, None for as late as it likes.
        severities: What findings weigh, by kind, where that is not as usual.
        update: Whether what was sent is accepted as what is expected from now on.
    """

    rules: Rules = AS_USUAL
    max_late_ns: Optional[int] = None
    severities: Mapping[str, str] = NOTHING
    update: bool = False


@dataclass(frozen=True)
class Replayed:
    """A replay that has been run, yet to be judged.

    Attributes:
        expected: The recording, and what is expected of its replays.
        played: What was played of it, on its axis.
        run: What happened.
        clock: What it ran on.
        lateness: How late the server sent its messages; None in virtual time, where nothing is late.
        axis: The axis.
        source: What the header of its session tells besides of where it comes from.
        differs: Whether two runs of it differed.
        is_incomplete: Whether the recording is incomplete or damaged, and fails the replay.
    """

    expected: Expected
    played: Session
    run: Run
    clock: str
    lateness: Optional[Lateness] = None
    axis: Axis = field(default_factory=Axis.of)
    source: Mapping[str, Any] = NOTHING
    differs: bool = False
    is_incomplete: bool = False


@dataclass(frozen=True)
class Judgement:
    """A replay, judged; and where it proposes to expect something else from now on, also as it is judged once that is accepted.

    Attributes:
        report: By what is expected now. It holds the session that the replay yielded.
        accepted: By what is proposed; None where nothing is.
    """

    report: ReplayReport
    accepted: Optional[ReplayReport] = None


def judged(replayed: Replayed, judging: Judging, redactor: Redactor) -> ReplayReport:
    """Judge a replay, and accept what was sent where that is asked for. The report holds the session that it yielded.

    Args:
        replayed: The replay.
        judging: By what.
        redactor: Knows the secrets to remove.

    Raises:
        SdkError: The SDK is not installed.
        SessionUnwritable: What was sent is to be accepted, and the session's folder cannot be written.
    """
    judgement = judge_replay(replayed, judging, redactor)
    proposed = judgement.report.expectation
    if judgement.accepted is None or proposed is None or proposed.proposal is None:
        return judgement.report
    accept(proposed.proposal)
    return judgement.accepted


def judge_replay(replayed: Replayed, judging: Judging, redactor: Redactor) -> Judgement:
    """Judge a replay, and write nothing.

    Args:
        replayed: The replay.
        judging: By what.
        redactor: Knows the secrets to remove.

    Raises:
        SdkError: The SDK is not installed.
        SessionUnwritable: What was sent is to be accepted, and is more than an expectation may hold.
    """
    spoken = dialect_of(replayed.expected.recorded)
    adapter = adapter_for(spoken)
    run, live, dialect = replayed.run, _session(replayed, spoken, adapter.package), Discreet(spoken, redactor, judging.rules)
    by_app, late_ns, severities = run.handshake_by_app, judging.max_late_ns, judging.severities

    def verdict_by(played: Session) -> Verdict:
        found = judge(played, live, dialect, handshake_by_app=by_app, max_late_ns=late_ns, severities=severities)
        return discreet_verdict(found, redactor)

    def report_by(played: Session, verdict: Verdict, expectation: Optional[ExpectationReport]) -> ReplayReport:
        late = replayed.lateness
        return ReplayReport(
            recorded=played,
            live=live,
            handler=run.handler,
            package=adapter.package,
            sdk=adapter.version() if run.sdk is None else run.sdk,
            verdict=verdict,
            clock=replayed.clock,
            lateness_ns=None if late is None else {"n": late.n, "p50": late.p50_ns, "p99": late.p99_ns, "max": late.max_ns},
            overdue_jobs=run.overdue_jobs,
            handshake_by="app" if by_app else "harness",
            max_late_ns=late_ns,
            strict=judging.rules.strict,
            ignored=matched(spoken, judging.rules, played, live),
            expectation=expectation,
            recorded_ns=replayed.expected.recorded.duration_ns,
            is_incomplete=replayed.is_incomplete,
            unseen=_unseen(replayed, live, verdict, spoken),
            has_app=run.has_app and not by_app,
            is_built_in=run.handler == BUILT_IN,
        )

    verdict = verdict_by(replayed.played)
    if not judging.update:
        return Judgement(report_by(replayed.played, verdict, replayed.expected.report()))
    update = Update(replayed.expected, redactor, dialect, by_app, replayed.differs, replayed.is_incomplete)
    told = update.propose(live, verdict)
    report = report_by(replayed.played, verdict, told)
    if told.proposal is None:
        return Judgement(report)
    played = replayed.axis.recording(told.after).session
    return Judgement(report, report_by(played, verdict_by(played), accepted(told)))


def _unseen(replayed: Replayed, live: Session, verdict: Verdict, dialect: Dialect) -> Tuple[Unseen, ...]:
    recorded = replayed.played
    if replayed.expected.expectation is not None:
        # What the service answered it answered to what was recorded.
        recorded = replayed.axis.recording(replayed.expected.recorded).session
    run = replayed.run
    elsewhere = APP_BY_COMMAND if run.by_command else APP_RAN_ELSEWHERE
    app = elsewhere if run.handshake_by_app else APP_RAN_HERE if run.has_app else NO_APP
    told = {one.live_seq for one in verdict.deviations if one.live_seq is not None}
    return unseen(recorded, live, dialect, app=app, told=told)


def _session(replayed: Replayed, dialect: Dialect, sdk: str) -> Session:
    """What crossed the wire, and was noted, as a session of its own."""
    recorded, run, clock, now = replayed.expected.recorded, replayed.run, replayed.clock, now_utc()
    header = Header(
        id=str(uuid.uuid4()),
        made_by="replay",
        created=now,
        dialect=dialect.name,
        service="player",
        software=software(sdk),
        recorded=Recorded(),
        complete=True,
        start=Anchor(0, now),
        source={
            "session": recorded.header.id,
            "handler": run.handler,
            "clock": clock,
            "causes": dialect.version,
            "deterministic": clock == VIRTUAL and not run.overdue_jobs,
            **replayed.source,
        },
    )
    return Session(header, tuple(sorted(run.events, key=order)), name=f"replay of {recorded.name}")
