"""What tests that replayed tell a CI server."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import List

import pytest

from evi_harness.acts.replay import replay_session
from evi_harness.pytesting.ci_report import tell_tests, told_test
from evi_harness.pytesting.testing import CheckedReplay
from evi_harness.session.session import Session

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def failed(weather: Session, monkeypatch: pytest.MonkeyPatch) -> CheckedReplay:
    """A replay that failed: its handler only listens."""
    monkeypatch.chdir(ROOT)
    found = replay_session(weather, handler=lambda message: None)
    return CheckedReplay(found.report, found.redactor)


def test_what_is_told_is_plain(failed: CheckedReplay) -> None:
    """A failure has its first line and the reports of replays that failed; a test that passed has neither."""
    bad = told_test("t", [failed], error="one\ntwo", seconds=1.5, file="t.py", line=3)
    assert json.loads(json.dumps(bad)) == bad
    assert (bad["outcome"], bad["detail"]) == ("failed", failed.lines())
    # The handler's, though the test has a line of its own.
    assert bad["marked"] == ["tests/pytesting/test_ci_report.py", failed.deviations[0].places[0].line]
    good = told_test("t", [failed], error=None, seconds=1.5, file="t.py", line=3)
    assert (good["outcome"], good["what"], good["detail"], good["marked"]) == ("passed", "", [], None)
    assert told_test("t", [], error="", seconds=0.0, file="t.py", line=None)["what"] == ""


def test_behind_a_test_s_own_words_stands_what_is_wrong_with_its_replay(failed: CheckedReplay, weather: Session) -> None:
    """An error that does not begin as the replay's own does has its headline behind it; where no replay failed, nothing."""
    found = replay_session(weather, handler="recorded")
    passed = CheckedReplay(found.report, found.redactor)
    headline = failed.headline
    assert re.match(r"replay of made .*: 1 deviation; missing: tool response", headline)
    for error, what in {
        "assert False\n +  where False": f"assert False; {headline}",
        "": headline,
        f"{headline}\nsession": headline,
    }.items():
        assert told_test("t", [passed, failed], error=error, seconds=0.0, file="t.py", line=1)["what"] == what
    assert told_test("t", [passed], error="assert False", seconds=0.0, file="t.py", line=1)["what"] == "assert False"


def test_only_a_ci_server_is_told(failed: CheckedReplay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the environment names no server nothing is written; on GitHub a mark and a summary are."""
    lines: List[str] = []
    told = [told_test("t", [failed], error="one", seconds=1.5, file="t.py", line=3)]
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    tell_tests(told, [], lines.append)
    assert lines == []
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    tell_tests(told, [], lines.append)
    line = failed.deviations[0].places[0].line
    assert lines == [f"::error file=tests/pytesting/test_ci_report.py,line={line},title=test%3A t::one; {failed.headline}"]
    told = [told_test("t", [], error="one", seconds=1.5, file="t.py", line=3)]
    tell_tests(told, [], lines.append)
    assert lines[1:] == ["::error file=t.py,line=3,title=test%3A t::one"]
    assert "1 failed" in (tmp_path / "summary.md").read_text(encoding="utf-8")
