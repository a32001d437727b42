"""What a run before this one reported is gone where this one ends early."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evi_harness.cli.main import main
from evi_harness.cli.options.stale_reports import remove_stale_reports

JUNIT = '<?xml version="1.0" encoding="utf-8"?>\n<testsuites tests="1" failures="0" />\n'
PAGE = '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="default-src ">'
GREEN = {"r.json": '{"passed": true}', "r.xml": JUNIT, "r.html": PAGE, "pages/index.html": PAGE}
ALL = ["--json", "r.json", "--junit=r.xml", "--html", "r.html"]


@pytest.fixture(autouse=True)
def green(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The reports of a run that passed."""
    monkeypatch.chdir(tmp_path)
    Path("pages").mkdir()
    for name, text in GREEN.items():
        Path(name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "code", "gone"),
    [
        (["replay", "nowhere", *ALL], 2, {"r.json", "r.xml", "r.html"}),
        (["replay", ".", "--no-such-option", "--html", "pages"], 2, {"pages/index.html"}),
        (["check", ".", "--min-sessions", "3", "--json", "r.json"], 3, {"r.json"}),
        (["ab", "--a", "x", "--junit", "r.xml"], 2, {"r.xml"}),
        (["latency", "nowhere", "--json=r.json", "--", "--junit", "r.xml"], 2, {"r.json"}),
        (["replay", "--help", *ALL], 0, set()),
        (["explain", "r.json", "--json", "r.json"], None, set()),
    ],
)
def test_what_ends_early_leaves_no_old_verdict(words, code, gone) -> None:
    """Whatever the reason; what the command line also names as something else stays, and so does all that help is asked of."""
    if code is None:
        remove_stale_reports(words)
    else:
        assert main(words) == code
    # A JUnit file may be there again, with the error in it.
    assert {name for name, text in GREEN.items() if not Path(name).exists() or Path(name).read_text(encoding="utf-8") != text} == gone


LIVE = {"session": 'a "name" of c:\\\\x', "session_id": "1", "endpoint": "ws://127.0.0.1:1", "passed": True}


@pytest.mark.parametrize(
    ("told", "is_ours"),
    [
        (LIVE, True),
        ({"schema": 1}, True),
        ({"passed": True}, True),
        ({"format": "evi-harness latency"}, True),
        ({"session": "x", "name": "y"}, False),
        ({"format": "evi-harness baseline"}, False),
        ({"session": {"session_id": 1}}, False),
    ],
)
def test_each_report_is_known_by_how_it_begins(told, is_ours) -> None:
    """That of a live replay as well; a baseline, and what is anybody's, is not one."""
    Path("r.json").write_text(json.dumps(told, indent=2), encoding="utf-8")
    remove_stale_reports(["replay", "s", "--live", "--json", "r.json"])
    assert Path("r.json").exists() is not is_ours


def test_a_report_of_what_could_not_run_is_new(capsys) -> None:
    """Where the file can be written, the error is in it."""
    Path("empty").mkdir()
    assert main(["replay", "empty", "--handler", "recorded", "--junit", "r.xml"]) == 3
    told = Path("r.xml").read_text(encoding="utf-8")
    assert ("<error" in told, 'errors="1"' in told) == (True, True)


@pytest.mark.parametrize(
    ("name", "text"),
    [("mine.json", '{"name": 1}'), ("mine.xml", "<project/>"), ("mine.html", "<!doctype html><title>mine</title>"), ("mine.csv", "a,b")],
)
def test_what_is_no_report_stays(name: str, text: str) -> None:
    """A path that was mistyped may be anybody's file; and nothing is told of one that cannot be read."""
    Path(name).write_text(text, encoding="utf-8")
    flag = {"json": "--json", "xml": "--junit", "html": "--html", "csv": "--csv"}[name.rpartition(".")[2]]
    remove_stale_reports(["latency", "x", flag, name, "--json", "-", "--html", "\0", "--csv"])
    assert Path(name).read_text(encoding="utf-8") == text
    assert json.loads(Path("r.json").read_text()) == {"passed": True}
