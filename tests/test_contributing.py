"""What contributors meet: the quick check, the hooks, the workflow and the templates are whole, and CONTRIBUTING.md says what is so."""

from __future__ import annotations

import ast
import configparser
import shlex
from pathlib import Path
from typing import Any, Dict, List

import pytest

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


def test_the_quick_check_names_tests_that_are_there() -> None:
    """Each path of its run of pytest is a file or a folder."""
    (command,) = (line for line in tox("quick") if "-m pytest" in line)
    named = [word for word in shlex.split(command.replace("}", " ")) if word.startswith("tests/")]
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


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
