"""The house: what is argued, described and said once, and what stands in no file of the project."""

from __future__ import annotations

import ast
import configparser
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Set, Tuple, cast

import pytest

import evi_harness
from evi_harness.quiet_loading import loading

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = ROOT / "pyproject.toml"

# Names that are imported by another name than they are installed by.
IMPORTED_AS = {"python-dotenv": "dotenv", "pyyaml": "yaml", "pytest-xdist": "xdist", "webvtt-py": "webvtt"}

# Written in two parts, so that this file does not hold them.
REGISTRY_HOSTS = ["pypi" + ".org", "pythonhosted" + ".org", "pypi." + "python.org", "anaconda" + ".org"]
MACHINE_PATH = re.compile(r"(?<![\w.:/<-])/(?:work|tmp|root|home|Users)/")

ARGUED_TABLES = ("dependencies", "optional-dependencies", "ignore", "per-file-ignores", "filterwarnings", "requires")


def configuration() -> Dict[str, Any]:
    """pyproject.toml, read."""
    return tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))


def source_files() -> List[Path]:
    """Every file that git has or would take; all of them where there is no git."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=str(ROOT), capture_output=True, check=False
    )
    if listed.returncode == 0:
        paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    else:
        # As .gitignore has it, what was recorded into sessions/ is not part of the project.
        recorded = set(ROOT.glob("sessions/20*"))
        paths = [
            path
            for path in ROOT.rglob("*")
            if not any(part.startswith(".") for part in path.relative_to(ROOT).parts) and recorded.isdisjoint(path.parents)
        ]
    return [path for path in paths if path.is_file() and not path.is_symlink()]


def text_files() -> Iterator[Tuple[Path, str]]:
    """Every source file that is text, with its text; a zero byte makes it none."""
    for path in source_files():
        content = path.read_bytes()
        if b"\0" not in content:
            yield path, content.decode("utf-8", "replace")


def unargued_lines(text: str) -> List[str]:
    """Lines of the tables that need an argument and give none.

    An entry of a list that opens over several lines carries its comment on its own line; a one-line list, at its end.
    """
    bare, key, table = [], "", ""
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("["):
            table, key = line.strip("[] "), ""
        opened = re.match(r'([\w-]+|"[^"]+") = \[(.*)', line)
        if opened:
            key = opened[1].strip('"')
        argued = key in ARGUED_TABLES or table.split(".")[-1] in ARGUED_TABLES
        is_entry = re.match(r"""\s+["']""", line) or (opened and opened[2].strip().startswith(('"', "'")))
        if argued and is_entry and not re.search(r"""["'\]],? # \S""", line) and '"error"' not in line:
            bare.append(f"pyproject.toml:{number}: {line.strip()}")
    return bare


def test_every_dependency_and_exception_is_argued() -> None:
    """Each dependency, lint exception and allowed warning carries its reason on its line."""
    assert unargued_lines(PYPROJECT.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("text", "n_bare"),
    [
        ('dependencies = [\n    "a>=1",\n    "b", # why\n]', 1),
        ('[project.optional-dependencies]\ntest = [\n    "a",\n]', 1),
        ('[tool.x]\nignore = [\n    "A1",\n    "A2",\n]', 2),
        ('[tool.ruff.lint.per-file-ignores]\n"tests/**" = [\n    "S",\n]', 1),
        ('requires = ["a"]', 1),
        ('requires = ["a"] # why', 0),
        ('[tool.x]\nselect = [\n    "E",\n]', 0),
        ("filterwarnings = [\n    \"error\",\n    'ignore:x',\n]", 1),
    ],
)
def test_a_bare_line_is_seen(text: str, n_bare: int) -> None:
    """The test above can fail: a line with no reason is told."""
    assert len(unargued_lines(text)) == n_bare


def test_every_tox_environment_is_described() -> None:
    """``tox list`` says of each chore what it is; each environment of the default run is one of them."""
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini", encoding="utf-8")
    chores = [name for name in tox.sections() if name.startswith("testenv")]
    # "word: text" would be text for the environments named word alone.
    assert [name for name in chores if re.match(r"$|\S+:", tox[name].get("description", ""))] == []
    listed = tox["tox"]["env_list"].replace("py{39,310,311,312,313}", "py39, py310, py311, py312, py313")
    assert {f"testenv:{name.strip()}" for name in listed.split(",")} <= set(chores)


def test_the_pythons_agree() -> None:
    """Classifiers and tox name the same Pythons, and the first of them is the one required."""
    project = configuration()["project"]
    found = [line.rsplit(" ", 1)[1] for line in project["classifiers"] if re.search(r":: 3\.\d+$", line)]
    tox = (ROOT / "tox.ini").read_text(encoding="utf-8")
    assert [f"[testenv:py{version.replace('.', '')}]" in tox for version in found] == [True] * len(found)
    assert project["requires-python"] == f">={found[0]}"


def test_the_changelog_tells_of_this_version() -> None:
    """Its newest version is the version of the code; only what is not released yet may stand above it."""
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[headings[0] == "Unreleased"] == evi_harness.__version__


def test_the_long_description_leads_nowhere_that_is_not_there() -> None:
    """On the page of a package index a link to a file of the project, or a picture of it, would be broken; the words of README stay."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    hook = configuration()["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]
    assert hook["fragments"] == [{"path": "README.md"}]
    for rule in hook["substitutions"]:
        text = re.sub(rule["pattern"], rule["replacement"], text)
    places = re.findall(r"\]\(([^)]*)\)|(?:src|srcset|href)=\"([^\"]*)\"", text)
    assert [place for found in places for place in found if place and not place.startswith(("https:", "http:"))] == []
    assert "evi-harness demo" in text
    assert text.count("```") == (ROOT / "README.md").read_text(encoding="utf-8").count("```")


def names_of(requirements: List[str]) -> Set[str]:
    """The import names of a list of requirements."""
    names = [re.split(r"[\[<>=;~! ]", requirement)[0] for requirement in requirements]
    return {IMPORTED_AS.get(name, name).replace("-", "_") for name in names}


def third_party_imports(folder: Path) -> Dict[str, str]:
    """Top-level name of each package that the code in a folder imports and Python does not bring → where."""
    standard = cast(Iterable[str], getattr(sys, "stdlib_module_names", ()))
    # pytest brings the first.
    own = {"_pytest", "evi_harness", "conftest", "targets", *(path.stem for path in (ROOT / "tests" / "wire").glob("*.py"))}
    found: Dict[str, str] = {}
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, (ast.Import, ast.ImportFrom)):
                continue
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            for name in (one.split(".")[0] for one in names):
                if name not in standard and name not in own:
                    found.setdefault(name, f"{path.relative_to(ROOT)}:{node.lineno}")
    return found


@pytest.mark.skipif(sys.version_info < (3, 10), reason="Python 3.9 has no list of its own modules")
@pytest.mark.parametrize(
    ("folder", "extras"),
    [
        ("evi_harness", ["pytest", "dask", "openai", "wall-clock"]),
        ("tests", ["pytest", "dask", "openai", "wall-clock", "test", "browser", "fuzz"]),
    ],
)
def test_what_is_imported_is_declared(folder: str, extras: List[str]) -> None:
    """No import works only because some other package happens to bring it."""
    project = configuration()["project"]
    declared = names_of(project["dependencies"])
    for extra in extras:
        declared |= names_of(project["optional-dependencies"][extra])
    with loading():
        assert {name: where for name, where in third_party_imports(ROOT / folder).items() if name not in declared} == {}


def test_no_file_names_a_registry() -> None:
    """Where packages come from is the business of who installs them."""
    found = [f"{path.relative_to(ROOT)}: {host}" for path, text in text_files() for host in REGISTRY_HOSTS if host in text]
    assert found == []


def test_no_machine_path_stands_in_the_product() -> None:
    """Code, pages and configuration name no place of one machine."""
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path, text in text_files()
        if path.relative_to(ROOT).parts[0] != "tests"
        for number, line in enumerate(text.splitlines(), 1)
        if MACHINE_PATH.search(line)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("line", "is_told"),
    [('open("/tmp/x")', True), ("see /home/me/x", True), ("https://example.com/work/x", False), ("a.b/tmp/c", False), ("work/", False)],
)
def test_a_machine_path_is_seen(line: str, is_told: bool) -> None:
    """The test above can fail, and takes no address for a path."""
    assert bool(MACHINE_PATH.search(line)) is is_told


def test_the_check_of_everything_can_be_run() -> None:
    """``.ci/run`` is executable and is bash that parses."""
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    subprocess.run(["bash", "-n", str(script)], check=True)


def test_shared_data_is_readable_where_it_is(shared_data: Path) -> None:
    """The real capture stands where tests look for it; without it they skip, and say why."""
    assert list(shared_data.glob("evi-capture-*.jsonl"))


# A flag within a command that is to be typed.
TYPED = re.compile(r"\b(?:ab|record|replay|serve|pip install)(?: [A-Za-z][\w./:]*)*(?: --[a-z][\w-]*(?: [A-Za-z][\w./:]*)*)+")
FLAG = re.compile(r"(?<![\w-])--[a-z]")
# These speak to somebody at a command line, and nobody else calls them so.
DOORS = ("cli/", "pytest_plugin.py")
A_REPORT = "a report, a note and a reason are data, the same for whoever asked"
IN_THE_APP = "raised in the app under replay, whose own words for it become a finding, which is data"
ALL_DOORS = "names what each door calls it"
GIT = "git's own"
COMMAND = "a command that is to be typed"
FLAGS_ALLOWED = {
    "acts/ab.py": GIT,
    "acts/afterwards/shortening.py": COMMAND,
    "acts/checkouts.py": GIT,
    "acts/demos/demonstrating.py": COMMAND,
    "acts/record_live.py": COMMAND + ", and a report",
    "acts/repeating.py": A_REPORT,
    "acts/replay.py": A_REPORT,
    "acts/replay_live.py": A_REPORT + "; and whoever is asked whether to send sits at a command line",
    "carriers/admission.py": "an answer over HTTP, to whoever serves at a command line",
    "carriers/door.py": "likewise, for the log of the command",
    "clocks/virtual.py": IN_THE_APP,
    "guard/network.py": IN_THE_APP,
    "measure/baseline.py": ALL_DOORS,
    "measure/reasons.py": A_REPORT,
    "pytesting/offline.py": "pytest's own option, and nothing but pytest shuts the network so",
    "replay/judging/unseen.py": A_REPORT,
    "report/explaining/gate_advice.py": COMMAND + ", where the gate was one of the command line",
    "report/latency_report.py": A_REPORT,
    "report/next_steps.py": A_REPORT + ", by the door that the replay was asked for at",
    "report/replay_report.py": A_REPORT,
    "runs/heard_notes.py": A_REPORT,
    "runs/sandbox.py": A_REPORT,
    "settings/versions.py": GIT,
    "storage/baseline_file.py": ALL_DOORS,
    "tap/relay.py": "likewise, for the log of the command",
    "verdicts/invoking.py": COMMAND + ": it makes the one that replays a session again",
    "verdicts/wholeness.py": ALL_DOORS,
}


def flags_in(source: str) -> List[str]:
    """The texts of a source file that mention a flag, but for docstrings and commands that are to be typed."""
    if "--" not in source:
        return []
    tree = ast.parse(source)
    docs = {id(node.body[0].value) for node in ast.walk(tree) if hasattr(node, "body") and _is_text(node.body)}
    texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs]
    return [node.value for node in texts if FLAG.search(TYPED.sub("", node.value))]


def _is_text(body: Any) -> bool:
    return isinstance(body, list) and bool(body) and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant)


def test_inner_rooms_mention_no_flags() -> None:
    """An error names the parameter, and the door that knows its flag calls it so; what is excepted has a flag, and a reason."""
    package = ROOT / "evi_harness"
    files = {path.relative_to(package).as_posix(): path for path in package.rglob("*.py")}
    with loading():
        found = {name for name, path in files.items() if not name.startswith(DOORS) and flags_in(path.read_text(encoding="utf-8"))}
    assert found == set(FLAGS_ALLOWED)


@pytest.mark.parametrize(
    ("source", "is_told"),
    [
        ('raise UsageError("--speed is none")', True),
        ('x = f"{a} --arg {b}"', True),
        ('"""--speed"""\nx = 1', False),
        ('x = "The simulator: evi-harness serve --simulate"', False),
        ('x = "replay SESSION --out DIR makes one, or --live"', True),
        ('x = "a -- b"', False),
    ],
)
def test_a_flag_is_seen(source: str, is_told: bool) -> None:
    """The test above can fail, and takes no command for a flag."""
    assert bool(flags_in(source)) is is_told
