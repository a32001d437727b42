"""Tests of evi_harness.runs.revision: environments with a project installed in every way, and what Python really loads in them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sysconfig
import venv
from pathlib import Path
from types import SimpleNamespace

import pytest

import evi_harness
from evi_harness.acts.corpus import replay_corpus
from evi_harness.acts.replay import replay_session
from evi_harness.errors import EviHarnessError
from evi_harness.runs.replay_options import ReplayOptions
from evi_harness.runs.revision import REVISION, Revision, environment_of, require_revision, revision_here

pytestmark = pytest.mark.slow

PACKAGES = Path(evi_harness.__file__).parents[1]
PROJECT = '[project]\nname = "Voice_App"\nversion = "1"\n'
APP = "from voiceapp.work import NAME\n\n\ndef on_message(message):\n    pass\n"
# As meson-python and scikit-build-core install in place: a finder that comes before the path.
FINDER = """
import sys
from importlib.machinery import PathFinder
class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return PathFinder.find_spec(name, [{folder!r}]) if name == "voiceapp" else None
sys.meta_path.insert(0, Finder)
"""
# What ab does, and what a command does then: it loads the handler, and looks.
AB = """
import json, os, sys
from pathlib import Path
from evi_harness.runs.revision import Revision, environment_of
folder, here, worktree, *words = sys.argv[1:]
os.chdir(here)
revision = Revision("old", Path(folder), Path(here), (Path(worktree),))
os.execve(sys.executable, [sys.executable, *words], environment_of(revision, os.environ))
"""
LOADS = """
import sys
from evi_harness.runs.revision import require_revision
from evi_harness.runs.spec import load
from evi_harness.errors import EviHarnessError
load(sys.argv[1])
try:
    require_revision(sys.argv[1])
except EviHarnessError as error:
    print(error.what.partition(": ")[2])
else:
    print(sys.modules["voiceapp.work"].__file__)
"""


def write(file, text):
    """Write a file, and the folders that it is in."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


@pytest.fixture
def made(tmp_path):
    """A project in a worktree and in a checkout, and an environment in the worktree; ``made("src")`` has its package below src."""

    def make(layout):
        base = tmp_path.resolve()
        worktree, checkout = base / "worktree", base / "checkout"
        for top in (worktree, checkout):
            for name, text in (("__init__", ""), ("app", APP), ("work", "NAME = __name__\n")):
                write(top / layout / "voiceapp" / f"{name}.py", text)
            write(top / "pyproject.toml", PROJECT)
            write(top / "run.py", "from voiceapp.app import on_message\n")
        venv.create(worktree / ".venv", with_pip=False, symlinks=True)
        python = worktree / ".venv" / "bin" / "python"
        asked = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
        site = Path(subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip())
        own = [str(PACKAGES), *(sysconfig.get_path(name) for name in ("purelib", "platlib"))]
        write(site / "tests.pth", "\n".join(dict.fromkeys(own)) + "\n")
        return SimpleNamespace(worktree=worktree, checkout=checkout, python=str(python), site=site, layout=layout)

    return make


def installed(made, how):
    """Install the project of the worktree, as pip leaves it."""
    source = made.worktree / made.layout
    info = made.site / "Voice_App-1.dist-info"
    write(info / "METADATA", "Metadata-Version: 2.1\nName: Voice_App\nVersion: 1\n")
    record = "Voice_App-1.dist-info/METADATA,,\n"
    if how == "in place, by the path":
        write(made.site / "voiceapp.pth", f"{source}\n")
    elif how == "in place, by a finder":
        write(made.site / "_voiceapp_finder.py", FINDER.format(folder=str(source)))
        write(made.site / "voiceapp.pth", "import _voiceapp_finder\n")
    elif how == "a copy":
        shutil.copytree(source / "voiceapp", made.site / "voiceapp")
        record += "".join(f"voiceapp/{file.name},,\n" for file in source.glob("voiceapp/*.py"))
    url = {"url": made.worktree.as_uri(), "dir_info": {"editable": True} if how.startswith("in place") else {}}
    write(info / "direct_url.json", json.dumps(url))
    write(info / "RECORD", record)


def loaded(made, spec, *options, path="", program=("-c", LOADS)):
    """What a command in the checkout says that it has loaded: a file of the project's, or why it is refused."""
    words = [made.python, "-c", AB, str(made.checkout), str(made.checkout), str(made.worktree), *options, *program, spec]
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", REVISION)}
    environment = {**environment, **({"PYTHONPATH": path} if path else {})}
    done = subprocess.run(words, check=False, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


MODULE, FILE = "voiceapp.app:on_message", "run.py:on_message"


@pytest.mark.parametrize(
    ("layout", "how", "spec"),
    [
        ("src", "in place, by the path", MODULE),
        ("src", "in place, by the path", FILE),
        ("src", "a copy", MODULE),
        ("src", "a copy", FILE),
        ("src", "not at all", FILE),
        (".", "in place, by the path", FILE),
        (".", "a copy", MODULE),
        # Nobody could guess the folder, but the environment says it.
        ("python/lib", "in place, by the path", MODULE),
    ],
)
def test_the_checkout_is_what_is_loaded(made, layout, how, spec):
    """However the worktree is installed."""
    one = made(layout)
    installed(one, how)
    assert loaded(one, spec) == str(one.checkout / layout / "voiceapp" / "work.py")


def test_a_console_script_of_an_environment_in_the_worktree_is_no_code_of_it(made):
    """It is the main module of whatever the command is; a script of the worktree's own is code of it."""
    one = made("src")
    installed(one, "in place, by the path")
    script = Path(one.python).parent / "tool"
    write(script, LOADS)
    assert loaded(one, MODULE, program=(str(script),)) == str(one.checkout / "src" / "voiceapp" / "work.py")
    write(one.worktree / "tool.py", LOADS)
    assert loaded(one, MODULE, program=(str(one.worktree / "tool.py"),)) == f"__main__ is {one.worktree}/tool.py"


@pytest.mark.parametrize("path", ["python/lib", "{worktree}/python/lib"])
def test_a_path_that_is_said_is_meant_of_the_checkout(made, path):
    """Relative or of the worktree; it is the way out where nothing tells the folder."""
    one = made("python/lib")
    installed(one, "a copy")
    assert loaded(one, MODULE, path=path.format(worktree=one.worktree)) == str(one.checkout / "python" / "lib" / "voiceapp" / "work.py")


@pytest.mark.parametrize(
    ("layout", "how", "spec", "options", "refused"),
    [
        ("src", "in place, by a finder", MODULE, (), "voiceapp is {worktree}/src/voiceapp/__init__.py"),
        ("src", "in place, by a finder", FILE, (), "voiceapp is {worktree}/src/voiceapp/__init__.py"),
        ("python/lib", "a copy", MODULE, (), "voiceapp is {site}/voiceapp/__init__.py"),
        ("python/lib", "a copy", FILE, (), "voiceapp is {site}/voiceapp/__init__.py"),
        # Who ignores the environment ignores the path.
        ("src", "in place, by the path", FILE, ("-E",), "voiceapp is {worktree}/src/voiceapp/__init__.py"),
        ("src", "a copy", MODULE, ("-E",), "voiceapp is {site}/voiceapp/__init__.py"),
        # A full path is the same file in both.
        ("src", "a copy", "{worktree}/run.py:on_message", (), "run is {worktree}/run.py"),
    ],
)
def test_what_is_loaded_from_elsewhere_is_refused(made, layout, how, spec, options, refused):
    """With the file that would have been used."""
    one = made(layout)
    installed(one, how)
    places = {"worktree": one.worktree, "site": one.site}
    assert loaded(one, spec.format_map(places), *options) == refused.format_map(places)


@pytest.mark.parametrize("imports", ["", "import agent\n"], ids=["alone", "imports its neighbour"])
def test_the_advice_for_a_full_path_is_another_path(made, imports):
    """No PYTHONPATH would help: what the file imports is found beside it."""
    one = made(".")
    write(one.worktree / "agent.py", "")
    write(one.worktree / "run.py", f"{imports}def on_message(message):\n    pass\n")
    program = LOADS.replace('error.what.partition(": ")[2]', "error.hint")
    assert "handler's file relative" in loaded(one, f"{one.worktree}/run.py:on_message", program=("-c", program))


def test_a_copy_of_before_that_does_not_say_its_source(made):
    """As one from an index: it is the project by its name."""
    one = made("python/lib")
    installed(one, "a copy")
    (one.site / "Voice_App-1.dist-info" / "direct_url.json").unlink()
    assert loaded(one, MODULE) == f"voiceapp is {one.site}/voiceapp/__init__.py"
    (one.checkout / "pyproject.toml").unlink()
    write(one.checkout / "setup.cfg", "[metadata]\nname = voice.app\n")
    assert loaded(one, FILE) == f"voiceapp is {one.site}/voiceapp/__init__.py"


def test_another_clone_that_is_installed_in_place(made, tmp_path):
    """It is the same project, and not of the revision."""
    one = made("python/lib")
    installed(one, "in place, by the path")
    clone = tmp_path.resolve() / "clone"
    (one.worktree / "python").rename(clone)
    write(one.site / "voiceapp.pth", f"{clone / 'lib'}\n")
    write(one.site / "Voice_App-1.dist-info" / "direct_url.json", json.dumps({"url": clone.as_uri(), "dir_info": {"editable": True}}))
    assert loaded(one, MODULE) == f"voiceapp is {clone}/lib/voiceapp/__init__.py"


def test_a_handler_that_has_nothing_of_the_repository(made, tmp_path):
    """The two sides would run the same."""
    one = made("src")
    elsewhere = tmp_path.resolve() / "elsewhere.py"
    write(elsewhere, "def on_message(message):\n    pass\n")
    told = f"the handler is {elsewhere}, and nothing that it imports is in the repository"
    assert loaded(one, f"{elsewhere}:on_message") == told
    write(elsewhere, "from voiceapp.app import on_message\n")
    assert loaded(one, f"{elsewhere}:on_message") == str(one.checkout / "src" / "voiceapp" / "work.py")
    assert loaded(one, "json:loads").startswith("json is ")


def test_a_folder_that_hides_pythons_own_modules_is_not_put_first(tmp_path):
    """Python would not start; a package that is called like Python's tests does no harm."""
    for name in ("plain/app.py", "hides/token.py", "hides/src/app.py", "hides/packages/json/__init__.py", "plain/src/test/__init__.py"):
        write(tmp_path / name, "")

    def path(top, here=""):
        return environment_of(Revision("x", tmp_path / top, tmp_path / top / here, ()), {})["PYTHONPATH"].split(os.pathsep)

    assert path("plain") == [str(tmp_path / "plain"), str(tmp_path / "plain" / "src")]
    assert path("hides", "packages") == [str(tmp_path / "hides" / "src")]


def test_what_else_is_on_the_path_stays_behind(tmp_path):
    """In its order, but for what is the worktree's."""
    for name in ("checkout/lib", "worktree/lib", "worktree/.venv/site-packages", "other"):
        (tmp_path / name).mkdir(parents=True)
    revision = Revision("x", tmp_path / "checkout", tmp_path / "checkout", (tmp_path / "worktree",))
    said = [tmp_path / "other", tmp_path / "worktree" / "lib", "", "relative", tmp_path / "worktree" / "gone"]
    found = environment_of(revision, {"PYTHONPATH": os.pathsep.join(map(str, said)), "A": "b"})
    assert found["A"] == "b"
    assert found["PYTHONPATH"].split(os.pathsep) == [
        str(tmp_path / "checkout" / "lib"),
        str(tmp_path / "checkout"),
        str(tmp_path / "other"),
        "relative",
    ]


@pytest.fixture
def told(tmp_path, monkeypatch):
    """This process is to run a revision: the folder of its checkout, which is the current one, and that of a worktree."""
    checkout, worktree = tmp_path.resolve() / "checkout", tmp_path.resolve() / "worktree"
    checkout.mkdir()
    worktree.mkdir()
    monkeypatch.chdir(checkout)
    places = {"folder": str(checkout), "here": str(checkout), "worktrees": [str(worktree)]}
    monkeypatch.setenv(REVISION, json.dumps({"name": "old (0123456789)", **places}))
    return checkout, worktree


def test_where_no_revision_is_told_nothing_is_looked_at(monkeypatch):
    """And of the built-in handler nothing could be."""
    monkeypatch.delenv(REVISION, raising=False)
    assert revision_here() is None
    require_revision(print)


@pytest.mark.parametrize("clock", ["virtual", "real"])
@pytest.mark.parametrize("child", [False, True])
def test_what_is_imported_while_the_handler_runs_is_looked_at_too(told, session_of, clock, child):
    """A replay is refused for it, in whatever process it ran."""
    checkout, worktree = told
    write(worktree / "late_one.py", "")
    late = f"import sys\n\n\ndef on_message(message):\n    sys.path.insert(0, {str(worktree)!r})\n    import late_one\n"
    write(checkout / "app.py", late)
    session = session_of(
        [("received", 5, {"type": "chat_metadata", "chat_id": "c", "chat_group_id": "g"}), ("closed", 9, ("app", 1000, ""))]
    )
    with pytest.raises(EviHarnessError, match="late_one is ") as refused:
        replay_session(session, handler="app.py:on_message", clock=clock, child=child)
    assert refused.value.what.endswith(f"late_one is {worktree / 'late_one.py'}")
    assert (refused.value.where, refused.value.exit_code) == ("old (0123456789)", 3)
    write(checkout / "app.py", "def on_message(message):\n    pass\n")
    assert replay_session(session, handler="app.py:on_message", clock=clock, child=child).passed
    assert replay_session(session, write=lambda _: None, clock=clock, child=child).passed
    assert replay_session(session, handler="recorded", clock=clock, child=child).passed


@pytest.mark.usefixtures("told")
def test_workers_elsewhere_do_not_run_the_revision():
    """They have not got its checkout, nor this environment."""
    with pytest.raises(EviHarnessError, match="an executor"):
        replay_corpus(["session"], ReplayOptions(handler="app.py:on_message"), executor="dask://127.0.0.1:1")
