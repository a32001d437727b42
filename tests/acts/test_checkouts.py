"""Tests of evi_harness.acts.checkouts, with real repositories, and processes that are really ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evi_harness.acts.checkouts import checkouts, git, run_here
from evi_harness.errors import EviHarnessError

# Checks out two commits, says where, and waits in a process of its own for what will come.
HOLDS = """
import sys
from evi_harness.acts.checkouts import checkouts, git, run_here
ids = [git("rev-parse", one) for one in ("HEAD~1", "HEAD")]
with checkouts(ids) as places:
    print(places[0].parent, flush=True)
    run_here([sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(600)"])
"""


def act(*words):
    """Run git with a name of its own."""
    asked = ["git", "-c", "user.name=n", "-c", "user.email=e@example.com", "-c", "commit.gpgsign=false", *words]
    return subprocess.run(asked, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository with two commits of a file, and a folder for what is temporary."""
    folder = tmp_path / "repository"
    folder.mkdir()
    (tmp_path / "scratch").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.chdir(folder)
    act("init", "--quiet")
    for text in ("old", "new"):
        (folder / "version").write_text(text, encoding="utf-8")
        act("add", ".")
        act("commit", "--quiet", "-m", text)
    return folder


def left(repository):
    """What is left of checkouts: in the folder for what is temporary, and in git."""
    scratch = sorted(one.name for one in (repository.parent / "scratch").iterdir())
    return scratch, len(act("worktree", "list").splitlines()) - 1, (repository / ".git" / "worktrees").exists()


NOTHING = ([], 0, False)


def holding(repository):
    """A process that holds two checkouts; itself, the folder of these, and the id of the process that it waits for."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip()), int(process.stdout.readline())


def is_gone(pid):
    """Whether a process that was somebody else's child has ended; it may be about to."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z"


def test_commits_are_checked_out_and_taken_away(repository):
    """Whatever happens in the block."""
    ids = [git("rev-parse", one) for one in ("HEAD~1", "HEAD", "HEAD")]
    with checkouts(ids) as places:
        assert [(place / "version").read_text(encoding="utf-8") for place in places] == ["old", "new", "new"]
    assert left(repository) == NOTHING
    with pytest.raises(KeyboardInterrupt), checkouts(ids):
        raise KeyboardInterrupt
    assert left(repository) == NOTHING
    with pytest.raises(EviHarnessError, match="git worktree failed"), checkouts([*ids, "0" * 40]):
        pass
    assert left(repository) == NOTHING


def test_other_worktrees_are_left_alone(repository, tmp_path):
    """Those of the developer's, one whose folder is gone among them."""
    for name in ("mine", "gone"):
        act("worktree", "add", "--quiet", "--detach", str(tmp_path / name))
    (tmp_path / "gone").rename(tmp_path / "elsewhere")
    before = act("worktree", "list")
    with checkouts([git("rev-parse", "HEAD")]):
        pass
    assert act("worktree", "list") == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda one: one.name)
def test_a_signal_leaves_nothing_behind(repository, number):
    """Neither checkouts nor the process that ran in them; the program ends by the signal."""
    process, scratch, runs = holding(repository)
    assert scratch.is_dir()
    with process:
        process.send_signal(number)
        code = process.wait(120)
    # Python itself ends by SIGINT so, where nobody takes the exception.
    assert code == -number
    assert left(repository) == NOTHING
    # A process that was killed may take a moment to be gone.
    while not is_gone(runs):
        time.sleep(0.001)


def test_what_a_kill_leaves_is_taken_away_by_the_next(repository):
    """And nothing is taken from one that still runs."""
    killed, killeds, orphan = holding(repository)
    alive, alives, _ = holding(repository)
    with killed, alive:
        killed.kill()
        killed.wait(120)
        os.kill(orphan, signal.SIGKILL)
        assert left(repository)[1] == 4
        # A worktree of which git has only begun to know something.
        begun = repository / ".git" / "worktrees" / "evi-harness-ab-begun-0"
        begun.mkdir()
        with checkouts([git("rev-parse", "HEAD")]) as places:
            assert not killeds.exists()
            assert not begun.exists()
            assert sorted(one.name for one in alives.iterdir()) == [*(f"{alives.name}-{number}" for number in (0, 1)), "lock"]
        assert not places[0].exists()
        assert left(repository)[:2] == ([alives.name], 2)
        alive.send_signal(signal.SIGTERM)
        alive.wait(120)
    assert left(repository) == NOTHING


def test_a_process_takes_as_long_as_it_may():
    """Then it is ended."""
    done = run_here([sys.executable, "-c", "print(3); raise SystemExit(4)"], stdout=subprocess.PIPE, text=True)
    assert (done.returncode, done.stdout) == (4, "3\n")
    with pytest.raises(subprocess.TimeoutExpired):
        run_here([sys.executable, "-c", "import os; os.read(os.pipe()[0], 1)"], timeout=0.01)
