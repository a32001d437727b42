"""What contributors meet: the quick check, the hooks, the workflow and the templates are whole, and CONTRIBUTING.md says what is so."""

from __future__ import annotations

import ast
import configparser
import importlib.util
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, List, Set, Tuple

import click
import pytest
from _pytest.assertion import rewrite

from evi_harness.cli.commands import evi_harness as root
from evi_harness.measure.metrics import METRICS
from evi_harness.quiet_loading import loading

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed; the extra 'test' has it")

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parents[1]
TEMPLATES = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


def tox(environment: str) -> List[str]:
    """The commands of a tox environment."""
    read = configparser.ConfigParser(interpolation=None)
    read.read(ROOT / "tox.ini", encoding="utf-8")
    return read[f"testenv:{environment}"]["commands"].strip().splitlines()


def hooks() -> Dict[str, Dict[str, Any]]:
    """The hooks of pre-commit, by what they run."""
    read = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    return {hook["entry"]: hook for repo in read["repos"] for hook in repo["hooks"]}


def test_the_workflow_runs_the_check_of_everything_on_linux_and_the_tests_on_macos() -> None:
    """``.ci/run`` on Linux; on macOS the oldest Python and a newer one; it may read, and nothing else."""
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    linux, macos = workflow["jobs"]["linux"], workflow["jobs"]["macos"]
    assert (linux["runs-on"], macos["runs-on"]) == ("ubuntu-latest", "macos-latest")
    assert ".ci/run" in [step.get("run") for step in linux["steps"]]
    assert {"3.9", "3.12"} <= set(macos["strategy"]["matrix"]["python-version"])
    assert any("-m pytest" in step.get("run", "") for step in macos["steps"])
    assert all(("uses" in step) != ("run" in step) for job in workflow["jobs"].values() for step in job["steps"])


def test_the_hooks_and_the_quick_check_run_the_same_linters() -> None:
    """And both run those of ``.ci/run``; a hook for single files leaves out what ruff leaves out."""
    ours = {entry.replace("python -m ", "").replace(" --force-exclude", "") for entry in hooks()}
    assert ours == {"ruff check", "ruff format", "mypy --strict"}
    script, quick = (ROOT / ".ci" / "run").read_text(encoding="utf-8"), "\n".join(tox("quick"))
    for linter in ours:
        assert f"-m {linter}" in script
        assert linter in quick


def in_quick_check() -> List[str]:
    """What the quick check gives pytest to run, and what it leaves out of that."""
    (command,) = (line for line in tox("quick") if "-m pytest" in line)
    words = [word.partition("=")[2] if word.startswith("--ignore=") else word for word in shlex.split(command.replace("}", " "))]
    named = [word for word in words if word.startswith("tests/")]
    assert named
    return named


def text_of(word: str) -> str:
    """The source of the file that a test's name begins with."""
    path = ROOT / word.partition("::")[0]
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def test_the_quick_check_names_tests_that_are_there() -> None:
    """Each path of its run of pytest is a file, a folder, or a test of a file."""
    assert [word for word in in_quick_check() if not (ROOT / word.partition("::")[0]).exists()] == []
    assert [word for word in in_quick_check() if not all(f"def {name}(" in text_of(word) for name in word.split("::")[1:])] == []


@pytest.mark.parametrize("path", [one for one in TEMPLATES if one.stem != "config"], ids=lambda path: path.stem)
def test_an_issue_template_asks_for_what_explain_prints(path: Path) -> None:
    """It is a form as GitHub takes it, with a field for it."""
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert {"name", "description", "body"} <= set(form)
    fields = {field["id"]: field for field in form["body"]}
    assert all(field["type"] == "textarea" for field in fields.values())
    assert "evi-harness explain" in fields["explain"]["attributes"]["label"]


def test_the_pull_request_template_asks_for_what_explain_prints() -> None:
    """And for the quick check, a test, and the pages."""
    text = (ROOT / ".github" / "pull_request_template.md").read_text(encoding="utf-8")
    assert [words for words in ("evi-harness explain", "tox -e quick", "A test fails", "CHANGELOG.md") if words not in text] == []


def test_ci_leaves_out_nothing_that_is_slow() -> None:
    """README's command takes all cores and leaves out what is slow; the check of everything runs that command, and asks for both."""
    (command,) = (line for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines() if "-m pytest" in line)
    assert command.endswith("-m pytest -n auto")
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "PYTEST_ADDOPTS=\"-m 'slow or not slow' ${3:-}\"" in script
    assert script.count("readme_says '-m pytest'") == 2


@pytest.mark.parametrize(
    ("words", "n_run"),
    [([], 1), (["-m", "slow"], 1), (["-m", "slow or not slow"], 2), (["tests/test_it.py"], 2), (["-n", "1"], 1)],
    ids=["neither", "a mark", "both", "a file", "a worker"],
)
def test_what_is_slow_is_left_out_unless_it_is_named(words: List[str], n_run: int, pytester: pytest.Pytester) -> None:
    """By its mark or by its file; workers are told the same."""
    pytester.makeini("[pytest]\ntestpaths = tests\nmarkers =\n    slow: takes long")
    made = pytester.mkdir("tests")
    text = (ROOT / "tests" / "conftest.py").read_text(encoding="utf-8")
    hook = next(node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef) and node.name == "pytest_configure")
    (made / "conftest.py").write_text(f"import pytest\n\n{ast.get_source_segment(text, hook)}\n", encoding="utf-8")
    (made / "test_it.py").write_text(
        "import pytest\n\n@pytest.mark.slow\ndef test_slow(): pass\n\ndef test_fast(): pass\n", encoding="utf-8"
    )
    found = pytester.runpytest_inprocess(*(f"-pno:{name}" for name in ("recording", "cassetter", "asyncio", "evi_harness")), *words)
    assert found.parseoutcomes()["passed"] == n_run


def test_tests_are_rewritten_before_there_are_workers(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is kept ahead is what pytest takes, assertions and all, also where an import keeps no bytecode."""
    file = tmp_path / "test_it.py"
    file.write_text("def test_it():\n    one = 1\n    assert one == 2\n", encoding="utf-8")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    request.config.pluginmanager.getplugin(str(ROOT / "tests" / "conftest.py")).rewrite_ahead(request.config, [file])
    monkeypatch.setattr(rewrite, "_rewrite_test", None)
    hook = next(one for one in sys.meta_path if isinstance(one, rewrite.AssertionRewritingHook))
    spec = importlib.util.spec_from_file_location("test_it", file, loader=hook)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    hook.exec_module(module)
    with pytest.raises(AssertionError, match="assert 1 == 2"):
        module.test_it()


PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def recipes() -> Dict[str, List[str]]:
    """The files that each recipe lists, by its heading."""
    sections = re.findall(r"^### (An? [^\n]*)\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return {title: re.findall(r"^\d+\. `([^`]+)`", text, re.MULTILINE) for title, text in sections}


@pytest.mark.parametrize("title", ["A finding", "A finding that the events show afterwards", "A metric", "An option of `replay`"])
def test_a_recipe_lists_at_most_seven_files_that_are_there(title: str) -> None:
    """What stands in capitals is the reader's to name."""
    files = recipes()[title]
    assert 3 <= len(files) <= 7
    # A folder stands for a file that is to be made in it.
    assert [name for name in files if not (ROOT / re.sub(r"[A-Z]+\.\w+$", "", name)).exists()] == []


def test_every_path_of_the_page_is_there() -> None:
    """Tests, scripts and pages that it names; what is linked as well."""
    named = set(re.findall(r"`((?:tests|docs|fixtures|benchmarks|sessions|evi_harness|\.ci|\.github)/[\w./-]+)`", PAGE))
    linked = {target.partition("#")[0] for target in re.findall(r"\]\(([^)]+)\)", PAGE) if "://" not in target}
    assert [name for name in sorted(named | linked) if name and not (ROOT / re.sub(r"[A-Z]+\.\w+$", "", name)).exists()] == []


def test_the_page_says_how_the_quick_check_is_chosen() -> None:
    """And names each part of it."""
    assert [word for word in in_quick_check() if f"`{word.partition('::')[0]}`" not in PAGE] == []


def literals(folder: Path, *, but: str = "") -> Set[str]:
    """Every text that stands in the code of a folder, and the names of arguments that are given by name."""
    found: Set[str] = set()
    for path in folder.rglob("*.py"):
        if path.name == but:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
            elif isinstance(node, ast.keyword) and node.arg:
                found.add(node.arg)
    return found


@pytest.mark.parametrize("folder", ["evi_harness/measure", "tests/measure"])
def test_every_metric_is_measured_and_has_a_test(folder: str) -> None:
    """A row of the table alone is not enough: a module of the room gives values under its id, and a test of the room names it."""
    there = literals(ROOT / folder, but="metrics.py")
    assert [metric for metric in METRICS if metric not in there] == []


def options() -> Iterator[Tuple[str, click.Option]]:
    """Every option of every command."""
    waiting: List[Tuple[str, click.Command]] = [("evi-harness", root)]
    while waiting:
        name, command = waiting.pop()
        if isinstance(command, click.Group):
            there = ((one, command.get_command(click.Context(command), one)) for one in command.list_commands(click.Context(command)))
            waiting += [(f"{name} {one}", found) for one, found in there if found is not None]
        yield from ((name, param) for param in command.params if isinstance(param, click.Option))


def test_every_option_has_a_test() -> None:
    """By its flag, alone or within a command, or by its parameter's name, as a call gives it. The page of options is compared elsewhere."""
    with loading():
        there = literals(ROOT / "tests")
    words = {word.partition("=")[0] for text in there for word in text.split()} | there
    untried = [f"{command} {max(one.opts, key=len)}" for command, one in options() if not words & {*one.opts, one.name or ""}]
    assert untried == []


def test_a_test_that_hangs_ends_its_process(tmp_path: Path) -> None:
    """By name, and with the line in which it waits: a check of everything has a failure to show then, in place of no end."""
    (tmp_path / "test_waiting.py").write_text("import threading\ndef test_hangs():\n    threading.Event().wait()\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-v", "-pno:recording", "-pno:cassetter", "-p", "conftest"]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}", "EVI_HARNESS_HUNG_S": "1"}
    done = subprocess.run(
        [*command, "test_waiting.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode != 0
    assert "test_waiting.py::test_hangs" in done.stdout
    assert re.search(r'test_waiting\.py", line 3 in test_hangs', done.stderr)
