from __future__ import annotations

import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from evi_harness.acts.replay import replay_session
from evi_harness.settings.versions import app, software
from evi_harness.verdicts.loading import load_session
from evi_harness.version import __version__

TYPED = Path(__file__).resolve().parents[2] / "sessions" / "typed"


def test_versions_are_those_of_what_runs():
    """The harness, Python, the platform, the SDK and what it stands on."""
    found = software()
    assert found["evi_harness"] == __version__
    assert found["python"] == platform.python_version()
    assert found["hume"] == metadata.version("hume")
    assert "websockets" in found


def test_another_sdk_stands_in_its_place():
    """Once, where it is the library below."""
    assert set(software("pytest")) == {"evi_harness", "python", "platform", "pytest", "websockets"}
    assert set(software("websockets")) == {"evi_harness", "python", "platform", "websockets"}


def test_a_package_that_is_absent_is_left_out(tmp_path, monkeypatch):
    """It is not called unknown."""
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert set(software()) == {"evi_harness", "python", "platform"}


def git(folder, *words):
    """Run git in a folder."""
    named = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com"]
    return subprocess.run([*named, *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository with one commit, as the current folder."""
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "a").write_text("1")
    for words in (["init", "-q"], ["add", "a"], ["commit", "-q", "-m", "first"]):
        git(folder, *words)
    monkeypatch.chdir(folder)
    return folder


def test_the_commit_is_that_of_the_current_folder(repository):
    """With whether anything has changed since; a file that git does not know is no change."""
    clean = {"git_commit": git(repository, "rev-parse", "HEAD"), "git_dirty": False}
    assert app() == clean
    (repository / "b").write_text("1")
    assert app() == clean
    (repository / "a").write_text("2")
    assert app() == {**clean, "git_dirty": True}
    git(repository, "add", "a")
    assert app() == {**clean, "git_dirty": True}
    git(repository, "commit", "-q", "-m", "second")
    assert app() == {"git_commit": git(repository, "rev-parse", "HEAD"), "git_dirty": False}


def test_a_worktree_and_packed_references_are_read_as_git_reads_them(repository, monkeypatch):
    """The commit of the worktree is its own."""
    first = git(repository, "rev-parse", "HEAD")
    git(repository, "worktree", "add", "-q", "../other", "-b", "other")
    (repository / "a").write_text("2")
    git(repository, "commit", "-q", "-a", "-m", "second")
    git(repository, "pack-refs", "--all")
    assert app() == {"git_commit": git(repository, "rev-parse", "HEAD"), "git_dirty": False}
    monkeypatch.chdir(repository.parent / "other")
    assert app() == {"git_commit": first, "git_dirty": False}


def test_before_the_first_commit_there_is_none(tmp_path, monkeypatch):
    """And nothing to be told."""
    git(tmp_path, "init", "-q")
    monkeypatch.chdir(tmp_path)
    assert app() == {}


def test_a_session_that_is_written_has_the_commit(repository):
    """One that is only run has not: asking git takes longer than a short replay."""
    result = replay_session(TYPED, handler="recorded", out="kept")
    assert result.session.header.app == {}
    assert load_session(result.report.folder).header.app == {"git_commit": git(repository, "rev-parse", "HEAD"), "git_dirty": False}


def test_where_git_says_nothing_nothing_is_known(tmp_path, monkeypatch):
    """No repository, or no git at all."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert app() == {}
    monkeypatch.setenv("PATH", str(tmp_path))
    assert app() == {}
