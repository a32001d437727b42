"""A program of a user's, for type checkers alone: ``mypy --strict`` passes it, and would not if a name had no type."""

from __future__ import annotations

from pathlib import Path
from typing import List, Optional

import evi_harness
from evi_harness.errors import UsageError
from evi_harness.results import CorpusReport, GateReport, LatencyReport, ReplayResult, Sample
from evi_harness.session.events import Received


def replayed(folder: Path) -> ReplayResult:
    """Replay one session."""
    return evi_harness.replay_session(folder, handler="app.py:App", clock="real")


def all_replayed(folder: str) -> CorpusReport:
    """Replay a folder of sessions."""
    return evi_harness.replay_sessions([folder], n_jobs=1, seed=3)


def judged(result: ReplayResult) -> GateReport:
    """Apply a gate."""
    return evi_harness.judge_gate(result, gate="tool.app: max<500")


def slowest(report: LatencyReport) -> Optional[Sample]:
    """Read the slowest sample."""
    measured: List[Sample] = [one for one in report.samples if one.value is not None]
    return max(measured, key=lambda one: one.value or 0.0, default=None)


def received_ns(session: evi_harness.Session) -> List[int]:
    """Read the times of messages."""
    return [event.at_ns for event in session.events if isinstance(event, Received)]


# An error that is expected and not found is an error, too.
evi_harness.replay_sessions("sessions", seed="three")  # type: ignore[arg-type]
evi_harness.replay_session("sessions", clok="real")  # type: ignore[call-arg]
evi_harness.replayed_session  # type: ignore[attr-defined]  # noqa: B018
UsageError(what=1)  # type: ignore[arg-type]
