from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from evi_harness.acts.afterwards.explaining import explained
from evi_harness.acts.afterwards.shortening import shorter_command
from evi_harness.acts.replay import replay_session
from evi_harness.report.explaining.told_causes import ToldCause, ToldReport, read_report_json

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def report():
    """The JSON of a replay whose app answers a tool otherwise than it did."""
    handler = f"{ROOT / 'fixtures' / 'handlers' / 'wrong_answer.py'}:App"
    return replay_session(ROOT / "sessions" / "weather", handler=handler, write=lambda _: None).json()


@pytest.mark.slow
def test_a_part_that_fails_in_the_same_way(report):
    """Up to the message that differs; it stands below the whole command."""
    words = (*report["command"]["again"], "--until", "#158")
    assert shorter_command(read_report_json(report, "x")) == words
    lines = explained(report, shorten=True).splitlines()
    assert lines[-3].endswith("--until '#158'")
    assert "the same way" in lines[-2]


@pytest.mark.slow
def test_a_part_that_does_not_show_it(report):
    """What fails otherwise, or not at all, is not the same failure, and no command is given."""
    told = read_report_json(report, "x")
    other = replace(told, causes=(replace(told.causes[0], kind="unexpected"),))
    assert shorter_command(other) == ()
    hidden = replace(told, causes=(replace(told.causes[0], recorded_seq=3),))
    assert shorter_command(hidden) == ()


AGAIN = ("evi-harness", "replay", "nowhere")
CAUSE = ToldCause("finding", "raised", "x", recorded_seq=3)


@pytest.mark.parametrize(
    "told",
    [
        ToldReport("x"),
        ToldReport("x", (ToldCause("finding", "raised", "x"),), AGAIN),
        ToldReport("x", (replace(CAUSE, what="warning"),), AGAIN),
        ToldReport("x", (CAUSE,), (*AGAIN, "--until=t3")),
        ToldReport("x", (CAUSE,), (*AGAIN, "--from", "3")),
        ToldReport("x", (CAUSE,), ("rm", "-r", "x")),
        ToldReport("x", (CAUSE,), ("evi-harness", "serve", "x")),
        ToldReport("x", (CAUSE,), (*AGAIN, "elsewhere")),
        ToldReport("x", (CAUSE,), (*AGAIN, "--out", "x")),
        ToldReport("x", (CAUSE,), (*AGAIN, "--html=x")),
        ToldReport("x", (CAUSE,), (*AGAIN, "--handler")),
        ToldReport("x", (CAUSE,), (*AGAIN, "--", "--json")),
        ToldReport("x", (CAUSE,), ("evi-harness", "replay", "--json", "x")),
        ToldReport("x", (CAUSE,), ("evi-harness", "replay")),
        ToldReport("x", (CAUSE,), (*AGAIN, "--handler", "app:App"), cwd="/"),
        ToldReport("x", (CAUSE,), (*AGAIN, "--handler", "app:App"), cwd="\0"),
        ToldReport("x", (CAUSE,), AGAIN, is_redacted=True),
    ],
)
def test_what_is_not_run(told, monkeypatch):
    """Where there is no part, one was asked for already, or the command is no replay of ours."""
    monkeypatch.setattr("subprocess.run", lambda *_, **__: pytest.fail("it was run"))
    assert shorter_command(told) == ()


def test_nothing_but_the_handler_comes_from_the_folder_of_a_report(report, tmp_path, monkeypatch):
    """A hostile folder has modules of our names, and ways in which Python runs code at its start; the report's own handler still fails."""
    for name in ("evi_harness", "click", "sitecustomize", "usercustomize", "json", "numpy"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'harm')!r}, 'a').write({name!r})\n")
    monkeypatch.setenv("PYTHONPATH", ".")
    words = (*report["command"]["again"], "--until", "#158")
    assert shorter_command(replace(read_report_json(report, "x"), cwd=str(tmp_path))) == words
    assert not (tmp_path / "harm").exists()


def test_what_cannot_be_run(tmp_path):
    """A session, or a folder, that is gone since."""
    assert shorter_command(ToldReport("x", (CAUSE,), AGAIN)) == ()
    assert shorter_command(ToldReport("x", (CAUSE,), AGAIN, cwd=str(tmp_path / "gone"))) == ()
