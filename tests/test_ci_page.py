"""The workflows of docs/how-to/ci.md: they are YAML, they are what their servers take, and their commands run as they stand."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List, Tuple
from xml.etree import ElementTree

import pytest

from evi_harness.cli.main import main

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed; the extra 'test' has it")

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "how-to" / "ci.md").read_text(encoding="utf-8")

# What is not to be tried here: the index is not ours, and one run of each side is enough to see that it runs.
INSTALLING = re.compile(r"python -m pip install \.\s*$")
FEWER = ("--runs 20", "--runs 1 --warm-up 0 --inconclusive pass")


def workflows() -> List[Dict[Any, Any]]:
    """Both, parsed."""
    return [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]


def github() -> Tuple[Dict[str, str], List[str]]:
    """Variables and commands of the one for GitHub."""
    job = workflows()[0]["jobs"]["replay"]
    return job["env"], [step["run"] for step in job["steps"] if "run" in step]


def gitlab() -> Tuple[Dict[str, str], List[str]]:
    """Variables and commands of the one for GitLab."""
    job = workflows()[1]["replay"]
    return job["variables"], job["script"]


def test_the_workflows_have_the_shape_that_their_servers_take() -> None:
    """Steps that use or run something, permissions to read alone; a job with a script of texts, and its reports."""
    ours, theirs = workflows()
    # YAML 1.1 reads the key "on" as true.
    assert set(ours[True]) == {"push", "pull_request"}
    assert ours["permissions"] == {"contents": "read"}
    assert all(("uses" in step) != ("run" in step) for step in ours["jobs"]["replay"]["steps"])
    assert all(isinstance(line, str) for line in theirs["replay"]["script"])
    assert theirs["replay"]["artifacts"]["reports"]["junit"] == ["replay.xml", "ab.xml"]


def git(folder: Path, *words: str) -> str:
    """Run git in a folder."""
    identity = ["-c", "user.name=n", "-c", "user.email=e@example.com", "-c", "commit.gpgsign=false", "-c", "init.defaultBranch=main"]
    return subprocess.run(["git", "-C", str(folder), *identity, *words], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A clone of a project with what the workflows name, on a branch beside main."""
    origin = tmp_path / "origin"
    origin.mkdir()
    git(origin, "init", "--quiet")
    git(origin, "checkout", "--quiet", "-B", "main")
    for name in ("sessions/weather", "fixtures/handlers/weather.py"):
        (origin / name).parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-r", str(ROOT / name), str(origin / name)], check=True)
    (origin / "pyproject.toml").touch()
    git(origin, "add", ".")
    git(origin, "commit", "--quiet", "-m", "main")
    subprocess.run(["git", "clone", "--quiet", str(origin), str(tmp_path / "clone")], check=True)
    git(tmp_path / "clone", "checkout", "--quiet", "-b", "change")
    git(tmp_path / "clone", "commit", "--quiet", "--allow-empty", "-m", "change")
    return tmp_path / "clone"


def environment(checkout: Path, variables: Dict[str, str]) -> Dict[str, str]:
    """What the servers set, and the command in the path."""
    tools = checkout.parent / "bin"
    tools.mkdir()
    (tools / "evi-harness").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m evi_harness "$@"\n', encoding="utf-8")
    (tools / "evi-harness").chmod(0o755)
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    served = {"GITHUB_BASE_REF": "main", "CI_MERGE_REQUEST_DIFF_BASE_SHA": git(checkout, "rev-parse", "main")}
    told = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(checkout / "summary.md")}
    path = os.pathsep.join([str(tools), os.environ["PATH"]])
    return {**os.environ, **served, **told, **variables, "PYTHONPATH": paths, "PATH": path}


@pytest.mark.slow
@pytest.mark.parametrize("of", [github, gitlab])
def test_the_commands_run_as_they_stand(checkout: Path, of: Any) -> None:
    """One after the other, in a shell that ends at the first error; afterwards the reports are there."""
    variables, commands = of()
    assert [bool(INSTALLING.match(command)) for command in commands] == [True, False, False]
    here = environment(checkout, variables)
    for command in commands[1:]:
        line = command.replace(*FEWER)
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", line], cwd=checkout, env=here, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    for name, case in (("replay.xml", "handle: max<250ms"), ("ab.xml", "handle each")):
        cases = {found.get("name"): found for found in ElementTree.parse(checkout / name).getroot().iter("testcase")}
        assert cases[case].find("failure") is None
    assert "| handle each |" in (checkout / "summary.md").read_text(encoding="utf-8")
    assert git(checkout, "worktree", "list").count("\n") == 0


def test_the_recipe_for_a_folder_of_recordings_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the baseline that it says how to write; a recording that is gone fails both commands."""
    for name in ("a", "b", "c"):
        shutil.copytree(ROOT / "sessions" / "weather", tmp_path / "recordings" / name)
    (tmp_path / "perf").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HANDLER", f"{ROOT}/fixtures/handlers/weather.py:WeatherApp")
    (block,) = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    check, replay = (shlex.split(os.path.expandvars(line))[1:] for line in block.splitlines())
    replay += ["-j", "1", "--no-child"]
    assert main(["--save-baseline" if word == "--baseline" else word for word in replay]) == 0
    assert main(check) == 0
    # Processor time is a sample: on a busy machine it may have changed, or be undecided.
    assert main(replay) not in (2, 3)
    assert (tmp_path / "pages" / "index.html").is_file()
    assert ElementTree.parse("replay.xml").getroot().get("errors") == "0"
    shutil.rmtree("recordings/c")
    assert [main(check), main(replay)] == [3, 3]
