"""The table of docs/how-to/guide.md on apps as people write them: each needs what it says, and passes with it."""

from __future__ import annotations

import inspect
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import List, NamedTuple

import pytest

from evi_harness.sdk.hume.installed_sdk import import_sdk

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "how-to" / "guide.md").read_text(encoding="utf-8")
SESSIONS = ("weather", "typed")


class Row(NamedTuple):
    """An app of the table."""

    app: str
    as_it_is: str
    then: str


def rows() -> List[Row]:
    """The rows of the table; one without a name is about the app of the row before."""
    table = PAGE[PAGE.index("| app | how it is written |") :].split("\n\n", 1)[0].splitlines()[2:]
    found: List[Row] = []
    for line in table:
        app, _, as_it_is, _, then = (cell.strip() for cell in line.strip("|").split("|"))
        found.append(Row(app.strip("`") or found[-1].app, as_it_is, then.strip("`")))
    return found


def takes_settings() -> bool:
    """Whether the installed SDK takes session_settings in the handshake, and a base_url."""
    import_sdk()
    from hume.client import AsyncHumeClient

    chat = AsyncHumeClient(api_key="none").empathic_voice.chat
    return "session_settings" in inspect.signature(chat.connect).parameters and "base_url" in inspect.signature(AsyncHumeClient).parameters


def has_callbacks() -> bool:
    """Whether the installed SDK is one of those that Hume's guide was written for."""
    import_sdk()
    from hume.client import AsyncHumeClient

    return hasattr(AsyncHumeClient(api_key="none").empathic_voice.chat, "connect_with_callbacks")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the apps and the sessions, in which the commands are run."""
    for name in SESSIONS:
        shutil.copytree(ROOT / "sessions" / name, tmp_path / "sessions" / name)
    shutil.copytree(ROOT / "fixtures" / "apps", tmp_path / "fixtures" / "apps", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of the page, with what is tested here in place of what is installed."""
    before, _, words = command.rpartition(" && ")
    if before:
        folder /= before.partition("cd ")[2]
    program, *rest = shlex.split(words)
    given = {}
    while "=" in program:
        given[program.partition("=")[0]] = program.partition("=")[2]
        program, *rest = rest
    if program == "evi-harness":
        rest = ["-m", "evi_harness", *rest]
    else:
        assert (program, rest[:2]) == ("python", ["-m", "pytest"])
        rest = [*rest, "-p", "evi_harness.pytest_plugin", "-p", "no:cacheprovider"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "GITHUB_", "HUME_"))}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    # What a command of the page calls python is this one.
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment.update(given)
    return subprocess.run([sys.executable, *rest], cwd=folder, env=environment, capture_output=True, text=True, check=False)


def error_of(done: subprocess.CompletedProcess[str]) -> List[str]:
    """The lines of a command's error. What SDKs up to 0.8.6 warn of comes before it, where ffmpeg is not installed."""
    lines = done.stderr.splitlines()
    return lines[next(number for number, line in enumerate(lines) if line.startswith("error: ")) :]


@pytest.mark.parametrize("row", [row for row in rows() if row.as_it_is.startswith("`")], ids=lambda row: row.app)
def test_as_it_is_it_is_refused(row: Row, project: Path) -> None:
    """With the exit code that the page says, and with what to do next."""
    told = re.fullmatch(r"`(.*)` exits with (\d)", row.as_it_is)
    assert told is not None
    done = run(told[1], project)
    assert done.returncode == int(told[2]), done.stdout + done.stderr
    assert len(error_of(done)) > 1
    assert done.stdout == ""


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.then.split()[-1])
def test_with_what_it_needs_it_passes(row: Row, project: Path) -> None:
    """Whatever the app is written like."""
    if "pytest" in row.then and not takes_settings():
        pytest.skip("the installed SDK takes no session_settings, or no base_url")
    if row.app == "guide.py" and not has_callbacks():
        pytest.skip("the installed SDK has no connect_with_callbacks")
    if row.app == "quickstart.py":
        put_the_two_lines_in(project, row.then)
    done = run(row.then, project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout.splitlines()[-1]


def put_the_two_lines_in(project: Path, command: str) -> None:
    """Do what the error says: put the two lines that it shows in place of the one that it names."""
    error = error_of(run(command, project))
    where = re.match(r"error: (.*?):(\d+): .*: (.*)$", error[0])
    assert where is not None
    file, number, quoted = Path(where[1]), int(where[2]), where[3]
    lines = file.read_text(encoding="utf-8").splitlines()
    assert lines[number - 1] == quoted
    lines[number - 1 : number] = error[-2:]
    file.write_text("\n".join([*lines, ""]), encoding="utf-8")


def test_each_app_is_in_the_table() -> None:
    """And each in the table is there; one that is recorded, its tests, broken ways, packages, callers and another service are not."""
    there = {path.name for path in (ROOT / "fixtures" / "apps").glob("*.py")} - {
        "ending.py",
        "test_concierge.py",
        "typing_app.py",
        "leaving_app.py",
        "phone_caller.py",
        "phone_exchange.py",
        "pyaudio_client.py",
        "realtime_client.py",
    }
    assert {row.app for row in rows()} == there
    assert all("passes" in row.as_it_is or "`" in row.as_it_is or not row.as_it_is for row in rows())
