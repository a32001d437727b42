"""The verdict on a served conversation: the app's messages compared with the recording.

Rules of living here: this runs when the conversation is over and nothing waits for it; the report contains no secrets.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Sequence, Tuple

from evi_harness.dialects import dialect_of
from evi_harness.report.replay_report import ReplayReport, found_lines, verdict_text
from evi_harness.report.result import verdict_line
from evi_harness.runs.replay_options import REAL
from evi_harness.runs.run import Run
from evi_harness.session.events import Event
from evi_harness.session.session import Session
from evi_harness.verdicts.comparing import AS_USUAL, Rules
from evi_harness.verdicts.expected import Expected
from evi_harness.verdicts.judging import Judging, Replayed, judged
from evi_harness.verdicts.redacted_views import Discreet, redactor_for

__all__ = ["Compared", "compare"]

# What a report calls an app of which nothing is known but what it sent.
_APP = "the app that connected"


@dataclass(frozen=True)
class Compared:
    """A conversation compared with the recording.

    Attributes:
        passed: Whether it has no differences, and no findings other than warnings.
        lines: The results and the verdict, for people.
        is_cut_off: Whether the server cut it off, so that only the part up to there was judged.
    """

    passed: bool
    lines: Tuple[str, ...]
    is_cut_off: bool = False


def compare(expected: Expected, events: Sequence[Event], *, rules: Rules = AS_USUAL, is_cut_off: bool = False) -> Compared:
    """Compare a conversation with the recording: all that the app sent, its handshake, and when it left.

    Args:
        expected: The session that was served, and what is expected of the app.
        events: The events of the conversation, in the order of writing.
        rules: How what was sent is compared.
        is_cut_off: Whether the server ended it: then it is not the app's fault that it went no further.
    """
    redactor = redactor_for(expected.recorded, Session(expected.recorded.header, tuple(events)))
    run = Run(_APP, events, handshake_by_app=True)
    report = judged(Replayed(expected, expected.played, run, REAL), Judging(rules), redactor)
    if is_cut_off:
        report = _as_far_as_it_went(report)
    verdict = verdict_line(f"{verdict_text(report)}, as far as it went" if is_cut_off else verdict_text(report))
    lines = [redactor.string(line) for line in (*found_lines(report, Discreet(dialect_of(expected.recorded), redactor, rules)), verdict)]
    return Compared(report.passed, tuple(lines), is_cut_off)


def _as_far_as_it_went(report: ReplayReport) -> ReplayReport:
    deviations = tuple(one for one in report.verdict.deviations if one.kind != "closed_early")
    return replace(report, verdict=replace(report.verdict, deviations=deviations))
