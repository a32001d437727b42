from __future__ import annotations

import platform
import subprocess
from importlib import metadata

from evi_harness.harness.software import app, software
from evi_harness.version import __version__


def test_versions_are_those_of_what_runs():
    """The harness, Python, the platform, the SDK and what it stands on."""
    found = software()
    assert found["evi_harness"] == __version__
    assert found["python"] == platform.python_version()
    assert found["hume"] == metadata.version("hume")
    assert "websockets" in found


def test_a_package_that_is_absent_is_left_out(monkeypatch):
    """It is not called unknown."""

    def absent(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", absent)
    assert set(software()) == {"evi_harness", "python", "platform"}


def test_the_commit_is_that_of_the_current_folder(tmp_path, monkeypatch):
    """With whether anything has changed since."""
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com"]
    for words in (["init", "-q"], ["add", "a"], ["commit", "-q", "-m", "first"]):
        (tmp_path / "a").write_text("1")
        subprocess.run([*git, *words], cwd=tmp_path, check=True)
    monkeypatch.chdir(tmp_path)
    clean = app()
    assert len(clean["git_commit"]) == 40
    assert clean["git_dirty"] is False
    (tmp_path / "a").write_text("2")
    assert app() == {**clean, "git_dirty": True}


def test_where_git_says_nothing_nothing_is_known(tmp_path, monkeypatch):
    """No repository, or no git at all."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert app() == {}
    monkeypatch.setenv("PATH", str(tmp_path))
    assert app() == {}
