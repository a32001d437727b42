"""Tests of evi_harness.verdicts.judging: from what happened to a report, without a run. Verdicts and updates have tests of their own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from evi_harness.carriers.lateness import Lateness
from evi_harness.report.replay_report import ReplayReport
from evi_harness.runs.replay_options import REAL, VIRTUAL
from evi_harness.runs.run import Run
from evi_harness.session.events import TEXT, Frame
from evi_harness.session.session import Session
from evi_harness.verdicts.comparing import Rules
from evi_harness.verdicts.expected import Expected
from evi_harness.verdicts.judging import Judging, Replayed, judged
from evi_harness.verdicts.redacted_views import redactor_for

KEY = "k9Jq2vXw7LmZ"
AS_USUAL = Judging()


def report(recorded: Session, run: Run, clock: str = VIRTUAL, judging: Judging = AS_USUAL, **facts: Any) -> ReplayReport:
    """The report of a run, for a session in memory."""
    return judged(Replayed(Expected(recorded, None, None, recorded), recorded, run, clock, **facts), judging, redactor_for(recorded))


def test_a_recording_that_happens_again_passes(weather: Session) -> None:
    """Its session has an id of its own, its events in time, and says where it comes from."""
    found = report(weather, Run("App", tuple(reversed(weather.events))), source={"seed": 7})
    assert found.passed
    assert found.handler == "App"
    assert found.live.events == weather.events
    header = found.live.header
    assert (header.made_by, header.complete, header.software["hume"]) == ("replay", True, found.sdk)
    assert header.id != weather.header.id
    assert dict(header.source, causes=None) == {
        "session": weather.header.id,
        "handler": "App",
        "clock": VIRTUAL,
        "causes": None,
        "deterministic": True,
        "seed": 7,
    }


@pytest.mark.parametrize(("clock", "jobs", "is_so"), [(VIRTUAL, (), True), (VIRTUAL, ("job",), False), (REAL, (), False)])
def test_what_is_deterministic(weather: Session, clock: str, jobs: Any, is_so: bool) -> None:
    """Virtual time, unless the clock did not wait for something."""
    found = report(weather, Run("App", weather.events, overdue_jobs=jobs), clock)
    assert found.live.header.source["deterministic"] is is_so
    assert found.overdue_jobs == jobs


def test_how_late_the_server_was_is_told_in_nanoseconds(weather: Session) -> None:
    """In virtual time nothing is."""
    run = Run("App", weather.events)
    assert report(weather, run).lateness_ns is None
    assert report(weather, run, REAL, lateness=Lateness.of([1, 5, 3])).lateness_ns == {"n": 3, "p50": 3, "p99": None, "max": 5}


def test_the_handshake_is_compared_where_it_is_the_apps(weather: Session) -> None:
    """What the harness asked for is nobody's deviation."""
    opened = replace(weather.opened, handshake=replace(weather.handshake, query=(("voice_id", "another"),)))
    run = Run("App", (opened, *weather.events[1:]))
    assert report(weather, run).passed
    by_app = report(weather, replace(run, handshake_by_app=True))
    assert [deviation.kind for deviation in by_app.verdict.deviations] == ["different"]
    assert (report(weather, run).handshake_by, by_app.handshake_by) == ("harness", "app")


def test_what_is_left_out_is_told(weather: Session) -> None:
    """Each path with whether anything stood there, and whether the comparison was strict."""
    rules = Rules.of(["tool_response:$.content", "$.nowhere"], strict=True)
    late = report(weather, Run("App", weather.events), judging=Judging(rules, max_late_ns=5))
    assert (late.strict, late.max_late_ns) == (True, 5)
    assert late.ignored == (("tool_response:$.content", True), ("$.nowhere", False))


def test_a_verdict_holds_no_secret(weather: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key of the environment is taken out of what the app sent in another way."""
    monkeypatch.setenv("HUME_API_KEY", KEY)
    events = tuple(_with_key(event) for event in weather.events)
    found = report(weather, Run("App", events))
    assert not found.passed
    assert KEY not in repr(found.verdict)


def _with_key(event: Any) -> Any:
    if event.kind != "sent" or b"tool_response" not in event.frame.payload:
        return event
    return replace(event, frame=Frame(TEXT, event.frame.payload.replace(b"sunny", KEY.encode())))
