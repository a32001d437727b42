"""Tests of evi_harness.acts.ab."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from evi_harness.acts.ab import OneSide, commands, compare_sides, revisions
from evi_harness.acts.asked_of_gate import GateOptions
from evi_harness.errors import EviHarnessError, UsageError

ROOT = Path(__file__).resolve().parents[2]

# A program that measures what it is told to, as a replay would, and writes down in which order it was run.
MEASURES = """
import os, random, sys
from pathlib import Path
from evi_harness.acts.gate import save_baseline
from evi_harness.measure.baseline import MeasuredRun
from evi_harness.measure.samples import Sample
name, ms, journal = sys.argv[1], float(sys.argv[2]), Path(sys.argv[3])
assert "GITHUB_ACTIONS" not in os.environ
with journal.open("a") as stream:
    stream.write(name)
noise = random.Random(len(journal.read_text()))
samples = [Sample("handle", ms * (1 + noise.gauss(0, 0.01)), "s", turn) for turn in range(1, 11)]
save_baseline(Path(os.environ["EVI_HARNESS_SAVE_BASELINE"]), [MeasuredRun(tuple(samples))])
"""


def sides(tmp_path, old_ms, new_ms):
    """Two programs that measure so much."""
    (tmp_path / "measures.py").write_text(MEASURES, encoding="utf-8")
    program = (sys.executable, str(tmp_path / "measures.py"))
    return tuple(OneSide(name, (*program, name, str(ms), str(tmp_path / "order"))) for name, ms in (("A", old_ms), ("B", new_ms)))


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """Where no configuration is, as on GitHub Actions."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])))


@pytest.mark.slow
def test_both_are_run_in_turns_and_compared(tmp_path):
    """A first run of each does not count; which is first changes; what is slower is found."""
    told = []
    report = compare_sides(sides(tmp_path, 100.0, 120.0), n_runs=8, options=GateOptions(gate_seed=3), tell=told.append)
    assert (tmp_path / "order").read_text(encoding="utf-8") == "BA" + "ABBA" * 4
    assert {one.statistic: one.verdict for one in report.comparisons} == {"med": "regressed", "p(95)": "regressed"}
    assert (report.exit_code, report.seed, report.old, report.new) == (1, 3, "A", "B")
    assert {one.n_runs for one in report.comparisons} == {8}
    assert "warming" in told[0]
    assert "1 of 8" in told[1]


@pytest.mark.slow
def test_too_few_runs_are_inconclusive(tmp_path):
    """With how many more would do; and that may be let pass."""
    report = compare_sides(sides(tmp_path, 100.0, 100.0), n_runs=2, n_warm=0, metrics=("handle",))
    assert report.exit_code == 4
    assert re.search(r"\bneeds 8 runs, .*\b2\b", report.comparisons[0].why)
    (tmp_path / "pyproject.toml").write_text('[tool.evi-harness]\ninconclusive = "pass"\n', encoding="utf-8")
    assert compare_sides(sides(tmp_path, 100.0, 100.0), n_runs=1, n_warm=0).exit_code == 0


def test_several_measurements_in_a_run_are_one(tmp_path):
    """A command may replay many sessions."""
    both = sides(tmp_path, 100.0, 100.0)
    script = " && ".join(shlex.join(both[0].command) for _ in range(2))
    report = compare_sides((OneSide("twice", ("sh", "-c", script)), OneSide("twice too", ("sh", "-c", script))), n_runs=1, n_warm=0)
    assert report.comparisons[0].n_pairs == 20


def test_what_measures_nothing_that_could_be_compared_did_not_run(tmp_path):
    """Two empty runs are no two equal ones."""
    (tmp_path / "measures.py").write_text(MEASURES.replace("range(1, 11)", "()"), encoding="utf-8")
    side = OneSide("A", (sys.executable, str(tmp_path / "measures.py"), "A", "1", str(tmp_path / "order")))
    with pytest.raises(EviHarnessError, match=r"can be compared"):
        compare_sides((side, side), n_runs=1, n_warm=0)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("sh", "-c", "echo oh; exit 3"), ["exited with code 3", "oh"]),
        (("sh", "-c", "true"), ["measured nothing"]),
        (("no-such-program",), ["cannot be run"]),
        (("sleep", "30"), ["took longer than 0.2 s", "timeout_s"]),
    ],
)
def test_a_run_that_fails_measures_nothing(command, words):
    """The comparison ends with what it said."""
    side = OneSide("side", command)
    with pytest.raises(EviHarnessError) as broken:
        compare_sides((side, side), n_runs=1, timeout_s=0.2 if command[0] == "sleep" else 60.0)
    assert [word for word in words if word not in str(broken.value)] == []


def test_commands_are_split_as_a_shell_does():
    """Without one."""
    old, new = commands("evi-harness replay 'my session'", "true")
    assert old.command == ("evi-harness", "replay", "my session")
    assert new.name == "true"


@pytest.mark.parametrize(("a", "words"), [("", "is empty"), ("echo 'x", "not a command")])
def test_what_is_no_command(a, words):
    """A usage error."""
    with pytest.raises(UsageError, match=words):
        commands(a, "true")


def git(*words):
    """Run git in the current folder."""
    asked = ["git", "-c", "user.name=n", "-c", "user.email=e@example.com", "-c", "commit.gpgsign=false", *words]
    return subprocess.run(asked, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository with two commits of a file in a folder, which is the current one."""
    folder = tmp_path / "repository" / "app"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    git("init", "--quiet")
    for text in ("old", "new"):
        (folder / "version").write_text(text, encoding="utf-8")
        git("add", ".")
        git("commit", "--quiet", "-m", text)
    return folder


def interrupted_in_revisions():
    """Ctrl+C while both are checked out."""
    with revisions("HEAD", "HEAD~1", ("true",)):
        raise KeyboardInterrupt


def test_two_revisions_are_checked_out_and_taken_away(repository):
    """Each in the folder that this one is in it, whatever happens in the block."""
    with revisions("HEAD~1", "HEAD", ("cat", "version")) as (old, new):
        assert [(side.folder / "version").read_text(encoding="utf-8") for side in (old, new)] == ["old", "new"]
        assert old.name.startswith("HEAD~1 (")
        assert old.command == ("cat", "version")
    assert not old.folder.exists()
    with pytest.raises(KeyboardInterrupt):
        interrupted_in_revisions()
    assert len(git("worktree", "list").splitlines()) == 1


def test_each_side_runs_the_code_of_its_revision(repository, tmp_path, monkeypatch):
    """Also where Python finds the worktree's without being asked, which has neither."""
    top = repository
    (tmp_path / "measures.py").write_text(MEASURES.replace("sys.argv[2]", "__import__('voiceapp').MS"), encoding="utf-8")
    (top / "src").mkdir()
    for ms in (100, 150):
        (top / "src" / "voiceapp.py").write_text(f"MS = {ms}\n", encoding="utf-8")
        git("add", str(top))
        git("commit", "--quiet", "-m", str(ms))
    (top / "src" / "voiceapp.py").write_text("MS = 1\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(top / "src"), str(ROOT)]))
    with revisions("HEAD~1", "HEAD", (sys.executable, str(tmp_path / "measures.py"), "x", "-", str(tmp_path / "order"))) as both:
        report = compare_sides(both, n_runs=1, n_warm=0, metrics=("handle",))
    one = next(one for one in report.comparisons if one.statistic == "med")
    assert (one.old, one.new) == (pytest.approx(100, rel=0.1), pytest.approx(150, rel=0.1))


def test_no_such_revision(repository):
    """Which of the two, and what to do."""
    with pytest.raises(EviHarnessError, match=r"no commit 'gone'[\s\S]*shallow"), revisions("HEAD", "gone", ("true",)):
        pass
    with pytest.raises(UsageError, match="no command"), revisions("HEAD", "HEAD", ()):
        pass


def test_no_repository(tmp_path):
    """Likewise."""
    with pytest.raises(EviHarnessError, match=r"git rev-parse .*: .*\bgit repository"), revisions("a", "b", ("true",)):
        pass
