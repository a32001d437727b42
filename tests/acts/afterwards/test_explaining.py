from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from evi_harness.acts.afterwards.explaining import explain_report, explained
from evi_harness.acts.replay import replay_session
from evi_harness.errors import ReportError

SESSIONS = Path(__file__).resolve().parents[3] / "sessions"

APP = """
class App:
    async def on_message(self, message):
        if message.type == "chat_metadata":
            raise ValueError("日本語" * 5000)
"""


@pytest.fixture
def app(tmp_path, monkeypatch):
    """A handler that raises an enormous error in a script that is not ASCII, in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app.py").write_text(APP, encoding="utf-8")
    return "app.py:App"


def test_a_replay_that_failed(app, tmp_path):
    """Its error is cut in bytes; its line, the command and the versions are there."""
    report = replay_session(SESSIONS / "typed", handler=app, write=lambda _: None).json()
    (tmp_path / "report.json").write_text(json.dumps(report), encoding="utf-8")
    text = explain_report("report.json")
    assert len(text.encode()) < 2000
    assert "\n1. raised (finding)" in text
    assert "\n  at        app.py:5 in on_message\n" in text
    assert [line.split("> 5")[1].strip() for line in text.splitlines() if "> 5" in line] == ['raise ValueError("日本語" * 5000)']
    assert f" && evi-harness replay {SESSIONS / 'typed'} --handler app.py:App\n" in text
    assert text.splitlines()[-1].startswith("  versions  evi_harness ")
    # Of many sessions too.
    many = {"passed": False, "n_workers": 1, "sessions": [told_of(n, report) for n in range(500)]}
    assert len(explained(many).encode()) < 2000
    assert "\n1. raised (finding), 500 times" in explained(many)


def told_of(number, report):
    """One session of many."""
    return {"folder": f"sessions/雨{number}", "exit_code": 1, "verdict": "failed", "report": report}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not UTF-8 text"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"schema": ' + b"1" * 10_000 + b"}", ""),
        (b'{"schema": 1}', "not a report"),
        (b"[]", "not a report"),
        (b"{}\0", "null bytes"),
        (b'{"format": "evi-harness baseline", "version": 1, "runs": []}', "not a report"),
    ],
)
def test_what_is_no_report_is_refused(tmp_path, content, said):
    """By one kind of error, with its file and what makes a report."""
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(ReportError) as raised:
        explain_report(tmp_path / "x.json")
    assert said in raised.value.what
    assert "x.json" in raised.value.where
    assert raised.value.hint


def test_what_cannot_be_read_is_refused(tmp_path):
    """What is not there, a folder, a pipe: at once."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "gone.json", tmp_path, tmp_path / "pipe"):
        with pytest.raises(ReportError) as raised:
            explain_report(path)
        assert raised.value.where == str(path)
