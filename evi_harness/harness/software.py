"""What runs here: versions, platform, the app's commit; for the header of a new session."""

from __future__ import annotations

import platform
import subprocess
from importlib import metadata
from typing import Any, Dict

from evi_harness.version import __version__

__all__ = ["app", "software"]

GIT_S = 2.0


def software() -> Dict[str, str]:
    """Versions by name; a package that is not installed is left out."""
    found = {"evi_harness": __version__, "python": platform.python_version(), "platform": f"{platform.system()}-{platform.machine()}"}
    for package in ("hume", "websockets"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def app() -> Dict[str, Any]:
    """The commit of the repository that the current folder is in and whether it has changes; empty where git says nothing."""
    try:
        commit = _git("rev-parse", "HEAD")
        return {"git_commit": commit, "git_dirty": bool(_git("status", "--porcelain", "--untracked-files=no"))}
    except (OSError, subprocess.SubprocessError):
        return {}


def _git(*args: str) -> str:
    done = subprocess.run(["git", *args], capture_output=True, text=True, check=True, timeout=GIT_S)  # noqa: S603, S607 - no input of anybody's
    return done.stdout.strip()
