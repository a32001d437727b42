"""The versions, the platform and the app's commit, for the header of a new session."""

from __future__ import annotations

import platform
import subprocess
from dataclasses import replace
from typing import Any, Dict

from evi_harness.sdk.installed import version_of
from evi_harness.session.session import Session
from evi_harness.version import __version__

__all__ = ["app", "of_app", "software"]

GIT_S = 2.0
# How git begins the line that names the commit.
_COMMIT = "# branch.oid "


def software(sdk: str = "hume") -> Dict[str, str]:
    """Versions by name; a package that is not installed is left out.

    Args:
        sdk: The package of the app's SDK.
    """
    found = {"evi_harness": __version__, "python": platform.python_version(), "platform": f"{platform.system()}-{platform.machine()}"}
    versions = {package: version_of(package) for package in dict.fromkeys((sdk, "websockets"))}
    return {**found, **{package: version for package, version in versions.items() if version is not None}}


def app() -> Dict[str, Any]:
    """The commit of the repository that the current folder is in and whether it has changes; empty where git says nothing.

    Git is asked each time: whether anything has changed is known by nothing that would be cheaper to look at, and a wrong "clean" is
    worse than none. So ask where a session is written, not for each that is run.
    """
    try:
        told = _git("status", "--porcelain=v2", "--branch", "--untracked-files=no").splitlines()
    except (OSError, subprocess.SubprocessError):
        return {}
    commit = next((line[len(_COMMIT) :] for line in told if line.startswith(_COMMIT)), "")
    # A repository without a commit calls it (initial).
    if commit.startswith("(") or not commit:
        return {}
    return {"git_commit": commit, "git_dirty": any(not line.startswith("#") for line in told)}


def of_app(session: Session) -> Session:
    """A session that is about to be written, with the commit of the app in its header."""
    return replace(session, header=replace(session.header, app=app()))


def _git(*args: str) -> str:
    done = subprocess.run(["git", *args], capture_output=True, text=True, check=True, timeout=GIT_S)  # noqa: S603, S607 - no input of anybody's
    return done.stdout.strip()
