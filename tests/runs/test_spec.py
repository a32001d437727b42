from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import pytest

from evi_harness.errors import HandlerError, SpecError
from evi_harness.guard.ending import UsersInterrupt
from evi_harness.guard.process_state import restored_process
from evi_harness.runs.spec import load, split_spec
from evi_harness.sdk.hume.hume_adapter import HUME


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path):
    """The current folder is an empty one, and what is imported is forgotten."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


def put(name, text):
    """Write a file into the current folder."""
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        ("app.py:App", ("app.py", "App")),
        ("some/where/app.py:App.handler", ("some/where/app.py", "App.handler")),
        ("package.module:name", ("package.module", "name")),
        ("module:name", ("module", "name")),
        ("C:/app.py:App", ("C:/app.py", "App")),
    ],
)
def test_a_spec_is_a_place_and_a_name(spec, parts):
    """The last colon separates them; the disk is not looked at."""
    assert split_spec(spec) == parts


@pytest.mark.parametrize(
    "spec", ["", ":", "app.py", "app.py:", ":App", "app.py:1st", "app.py:a b", "some/where:App", "a..b:c", "app.py:a..b", "app.py: App"]
)
def test_what_is_no_spec_is_a_usage_error(spec):
    """It quotes the value and shows the form."""
    with pytest.raises(SpecError) as raised:
        load(spec)
    assert repr(spec) in str(raised.value)
    assert "FILE.py:NAME" in str(raised.value)
    assert raised.value.exit_code == 2


def test_a_call_in_a_spec_is_not_evaluated():
    """The error says how else the class gets what it takes."""
    with pytest.raises(SpecError) as raised:
        load("some/app.py:App(3, voice='x')")
    assert raised.value.hint.endswith("some/app.py:handler:\n    def handler():\n        return App(3, voice='x')")


def test_a_file_without_a_name_suggests_what_it_has():
    """Each as a SPEC."""
    put("app.py", "class A: ...\nclass B: ...")
    for spec in ("app.py", "app.py:"):
        with pytest.raises(SpecError) as raised:
            load(spec)
        assert re.search(r" app\.py:A or app\.py:B\?$", raised.value.hint)


def test_a_name_in_a_file_is_found():
    """Also one in a class, and from another folder."""
    put("some/app.py", "class App:\n    inner = 5\n")
    assert load("some/app.py:App.inner") == 5
    assert load(f"{Path('some/app.py').resolve()}:App").__name__ == "App"


def test_a_name_in_a_module_of_the_current_folder_is_found():
    """As under ``python -m``."""
    put("bundle/__init__.py", "")
    put("bundle/inner.py", "value = 7\n")
    assert load("bundle.inner:value") == 7


def test_a_modules_own_getattr_is_the_developers():
    """What it fails with is told with its line, and it is not asked for the names to be suggested."""
    put("lazy.py", "def here(message): ...\n\n\ndef __getattr__(name):\n    raise KeyError(name)\n")
    with pytest.raises(HandlerError) as caught:
        load("lazy.py:App")
    assert caught.value.where == f"{Path('lazy.py').resolve()}:5"
    assert "KeyError" in str(caught.value)
    put("lazier.py", "def here(message): ...\n\n\ndef __dir__():\n    return ['here', 'gone']\n")
    with pytest.raises(HandlerError) as caught:
        load("lazier.py:App")
    assert "here" in caught.value.hint


def test_a_file_finds_its_siblings():
    """As under ``python FILE.py``."""
    put("folder/sibling_of_app.py", "value = 9\n")
    put("folder/app.py", "from sibling_of_app import value\n")
    assert load("folder/app.py:value") == 9


def test_each_load_of_a_file_is_a_fresh_import():
    """What its module keeps is not shared by two runs."""
    put("app.py", "kept = []\n")
    load("app.py:kept").append(1)
    assert load("app.py:kept") == []


def test_a_file_that_is_called_like_a_module_does_not_replace_it():
    """Whoever imported json before still has it."""
    put("json.py", "import dataclasses\n@dataclasses.dataclass\nclass App:\n    value: int = 3\n")
    real = sys.modules["json"]
    assert load("json.py:App")().value == 3
    assert sys.modules["json"] is real


@pytest.mark.parametrize(
    ("spec", "text", "says"),
    [
        ("gone.py:App", None, "gone.py is not there"),
        ("x" * 5000 + ".py:App", None, "is not there"),
        (
            "app.py:Missing",
            "import json\nfrom json import loads\nclass App: ...\ndef other(): ...\n_hidden = 1\n",
            "no 'Missing' in app.py\nIt has: App, other, loads.",
        ),
        ("app.py:Missing", "", "It has: nothing public."),
        ("app.py:value.real.Missing", "value = 5\n", "no 'Missing'"),
        ("app.py:App", "def broken(:\n", "app.py:1: app.py .*import: SyntaxError"),
        (
            "app.py:App",
            "import gone_elsewhere\n",
            "app.py:1: app.py .*import: ModuleNotFoundError: No module named 'gone_elsewhere'",
        ),
        ("app.py:App", "\nraise ValueError('no')\n", "app.py:2: app.py .*import: ValueError: no"),
        ("app.py:App", "raise ValueError\n", "app.py:1: app.py .*import: ValueError: no message"),
        ("app.py:App", "raise SystemExit(3)\n", "app.py:1: app.py .*import: SystemExit: 3"),
        ("app.py:App", "\nimport json\njson.loads('{')\n", "app.py:3: app.py .*import: JSONDecodeError"),
        ("app.py:App", "def f():\n    f()\nf()\n", "not import: RecursionError"),
        ("gone_module:App", None, "gone_module .*import: ModuleNotFoundError"),
    ],
)
def test_what_cannot_be_loaded_is_told_with_its_place(spec, text, says):
    """It names the line in the developer's file, or what there is instead; it exits with 3."""
    if text is not None:
        put("app.py", text)
    with pytest.raises(HandlerError) as raised:
        load(spec)
    assert re.search(says, str(raised.value))
    assert raised.value.exit_code == 3
    assert "evi_harness" not in str(raised.value)
    assert "importlib" not in str(raised.value)


def test_a_broken_sibling_is_told_by_its_own_line():
    """Not by the line that imports it."""
    put("broken_sibling.py", "\n\nx = = 1\n")
    put("app.py", "import broken_sibling\n")
    with pytest.raises(HandlerError, match=r"broken_sibling\.py:3: app\.py .*import: SyntaxError"):
        load("app.py:App")


def test_a_file_that_is_no_text_is_told():
    """Bytes that are no Python are the developer's error."""
    Path("app.py").write_bytes(b"\x00\xff\xfe")
    with pytest.raises(HandlerError, match=r"app\.py does not import"):
        load("app.py:App")


def test_what_does_not_import_leaves_no_module():
    """A half-made module is not found by the next import."""
    put("half_made.py", "raise ValueError\n")
    with pytest.raises(HandlerError):
        load("half_made.py:App")
    assert "half_made" not in sys.modules


def test_an_interrupt_at_import_is_an_interrupt():
    """Ctrl+C is nobody's error; a KeyboardInterrupt of the handler's own is the handler's."""
    put("app.py", "from evi_harness.guard.ending import UsersInterrupt\nraise UsersInterrupt\n")
    with pytest.raises(UsersInterrupt):
        load("app.py:App")
    put("app.py", "raise KeyboardInterrupt\n")
    with pytest.raises(HandlerError):
        load("app.py:App")


@pytest.mark.parametrize("spec", ["Recorded", "RECORDED", " recorded"])
def test_the_null_test_in_another_case_is_guessed(spec):
    """The hint names it."""
    with pytest.raises(SpecError) as raised:
        split_spec(spec)
    assert "mean recorded" in raised.value.hint


def test_a_files_code_says_where_it_stands(tmp_path, monkeypatch):
    """On every Python, however the SPEC names the file: what is shown of its source is looked up by that."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "an_app_of_ours.py").write_text("def f(message): ...\n")
    for name in ("in/an_app_of_ours.py", "./in/an_app_of_ours.py", str(tmp_path / "in" / "an_app_of_ours.py")):
        assert Path(load(f"{name}:f").__code__.co_filename).is_absolute()


def test_an_import_that_fails_is_the_sdks_to_explain(tmp_path, monkeypatch):
    """Where it is of the SDK; of any other package the SDK says nothing."""
    monkeypatch.chdir(tmp_path)
    hints = []
    for name, module in (("ours", "hume.empathic_voice.chat.socket_client"), ("others", "json")):
        (tmp_path / f"{name}.py").write_text(f"from {module} import NoSuchThing\n", encoding="utf-8")
        with pytest.raises(HandlerError, match="import name 'NoSuchThing'") as refused:
            load(f"{name}.py:App", HUME)
        hints.append("pip install 'hume" in str(refused.value))
    assert hints == [True, False]


@pytest.mark.parametrize(
    ("file", "name", "text"),
    [
        ("pkg_a/handlers.py", "pkg_a.handlers", "from . import state\nfrom .state import value\n"),
        ("src/pkg_b/sub/handlers.py", "pkg_b.sub.handlers", "from .. import state\nfrom pkg_b.state import value\n"),
        ("src/space_c/handlers.py", "space_c.handlers", "from . import state\nimport space_c.state\nvalue = space_c.state.value\n"),
    ],
)
def test_a_file_of_a_package_is_imported_as_part_of_it(file, name, text):
    """With relative imports, below src, in a namespace package; and once, whoever else imports it."""
    package = Path(file).parents[name.count(".") - 1]
    if not name.startswith("space"):
        for folder in (package, *(one for one in [Path(file).parent] if one != package)):
            put(folder / "__init__.py", "")
    put(package / "state.py", "value = 8\n")
    put(file, f"{text}class App: ...\n")
    app = load(f"{file}:App")
    assert (app.__module__, load(f"{file}:value")) == (name, 8)
    assert load(f"{Path(file).resolve()}:App") is app
    assert importlib.import_module(name).App is app
    assert load(f"{name}:App") is app
    own = [found for found, module in sys.modules.items() if str(getattr(module, "__file__", "")).startswith(str(Path.cwd()))]
    assert [found for found in own if found.rpartition(".")[2] == "handlers"] == [name]


def test_a_package_itself_is_a_file_too():
    """Its __init__.py."""
    put("pkg_d/__init__.py", "from .inner import value\n")
    put("pkg_d/inner.py", "value = 4\n")
    assert load("pkg_d/__init__.py:value") == 4
    assert "pkg_d" in sys.modules


def test_a_package_whose_name_another_one_has():
    """It would be two packages of one name: told, with where the other one is."""
    put("one/pkg_e/__init__.py", "")
    put("one/pkg_e/app.py", "")
    put("two/pkg_e/__init__.py", "")
    put("two/pkg_e/app.py", "")
    load("one/pkg_e/app.py:__name__")
    with pytest.raises(HandlerError, match=r"two/pkg_e/app\.py .* pkg_e\.app\b(?s:.*)one/pkg_e/app\.py"):
        load("two/pkg_e/app.py:__name__")


def test_a_package_is_found_before_another_one_of_its_name(monkeypatch):
    """Though the other one's folder comes first on sys.path: which file is meant has been said."""
    put("one/pkg_f/__init__.py", "")
    put("one/pkg_f/app.py", "value = 1\n")
    put("two/pkg_f/__init__.py", "")
    put("two/pkg_f/app.py", "value = 2\n")
    monkeypatch.setattr(sys, "path", [str(Path("one").resolve()), str(Path("two").resolve()), *sys.path])
    assert load("two/pkg_f/app.py:value") == 2


def test_a_module_that_is_below_src_is_named():
    """Which the current folder does not find."""
    put("src/pkg_g/app.py", "")
    with pytest.raises(HandlerError, match=r"src/pkg_g/app\.py .*FILE\.py:NAME"):
        load("pkg_g.app:App")


def test_what_a_package_fails_with_is_told_with_its_place():
    """As of a script."""
    put("pkg_h/__init__.py", "")
    put("pkg_h/app.py", "\nfrom .gone import x\n")
    with pytest.raises(HandlerError, match=r"app\.py:2: pkg_h/app\.py .*import: ModuleNotFoundError"):
        load("pkg_h/app.py:App")


def test_each_run_imports_a_package_anew_and_leaves_what_was_there(monkeypatch):
    """Though its folder is on sys.path, as in a test run; what somebody has imported before stays theirs, and is what the run gets."""
    monkeypatch.syspath_prepend(str(Path("src").resolve()))
    put("src/pkg_i/__init__.py", "")
    put("src/pkg_i/state.py", "kept = []\n")
    put("src/pkg_i/app.py", "from .state import kept\nkept.append(len(kept))\n")
    seen = []
    for _ in range(2):
        with restored_process():
            seen.append(load("src/pkg_i/app.py:kept"))
        assert not [name for name in sys.modules if name.startswith("pkg_i")]
    assert seen == [[0], [0]]
    state = importlib.import_module("pkg_i.state")
    with restored_process():
        assert load("src/pkg_i/app.py:kept") is state.kept
    assert sys.modules["pkg_i.state"] is state
    assert not hasattr(sys.modules["pkg_i"], "app")
    importlib.import_module("pkg_i.app")
    assert state.kept == [0, 1]
