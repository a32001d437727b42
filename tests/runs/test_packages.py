"""Tests of evi_harness.runs.packages: as which module of which package a file is imported, and from where."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from evi_harness.runs.packages import membership_of


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path):
    """The current folder is an empty one, it is on ``sys.path``, and what is imported is forgotten."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


def plant(*files, **texts):
    """Make empty files below the current folder, and one of a text."""
    for file in files:
        path = Path(file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(texts.get("text", "") if file == files[-1] else "", encoding="utf-8")


def found(file):
    """The module that a file is, and the folder that it is imported from, as it stands below the current folder."""
    membership = membership_of(Path.cwd() / file)
    return None if membership is None else (membership.name, str(membership.root.relative_to(Path.cwd())))


@pytest.mark.parametrize(
    ("files", "text", "expected"),
    [
        # A folder with __init__.py is a package, and the one above the outermost is where it is imported from.
        (["app.py"], "", None),
        (["scripts/app.py"], "", None),
        (["pkg/__init__.py", "pkg/app.py"], "", ("pkg.app", ".")),
        (["pkg/__init__.py", "pkg/sub/__init__.py", "pkg/sub/app.py"], "", ("pkg.sub.app", ".")),
        (["src/pkg/__init__.py", "src/pkg/app.py"], "", ("pkg.app", "src")),
        (["src/pkg/__init__.py", "src/pkg/app.py"], "from . import other", ("pkg.app", "src")),
        (["backend/pkg/__init__.py", "backend/pkg/app.py"], "", ("pkg.app", "backend")),
        (["my-project/pkg/__init__.py", "my-project/pkg/app.py"], "", ("pkg.app", "my-project")),
        (["pkg/__init__.py"], "", ("pkg", ".")),
        (["pkg/__init__.py", "pkg/sub/__init__.py"], "", ("pkg.sub", ".")),
        (["pkg/__init__.py", "pkg/__main__.py"], "", ("pkg.__main__", ".")),
        # What no import statement can name is no package.
        (["my-app/__init__.py", "my-app/app.py"], "", None),
        (["pkg/__init__.py", "pkg/my.app.py"], "", None),
        # A namespace package has none: the file's own imports tell.
        (["space/other.py", "space/app.py"], "from . import other", ("space.app", ".")),
        (["src/space/other.py", "src/space/app.py"], "from . import other", ("space.app", "src")),
        (["space/other.py", "space/sub/app.py"], "from .. import other", ("space.sub.app", ".")),
        (["src/space/sub/other.py", "src/space/sub/app.py"], "from .other import x", ("space.sub.app", "src")),
        (["space/other.py", "space/app.py"], "from space.other import x", ("space.app", ".")),
        (["space/other.py", "space/app.py"], "import space.other", ("space.app", ".")),
        (["space/other.py", "space/app.py"], "from space import other", ("space.app", ".")),
        (["space/other.py", "space/app.py"], "def f():\n    from space import other", ("space.app", ".")),
        (["src/space/pkg/__init__.py", "src/space/pkg/app.py"], "from space.pkg import app", ("space.pkg.app", "src")),
        (["src/space/pkg/__init__.py", "src/space/pkg/app.py"], "from ..other import x", ("space.pkg.app", "src")),
        (["src/pkg/__init__.py", "src/pkg/app.py"], "from src.pkg import app", ("src.pkg.app", ".")),
        # Scripts find their siblings by bare names, whatever else is there.
        (["scripts/other.py", "scripts/app.py"], "from other import x", None),
        (["weather/weather.py", "weather/app.py"], "from weather import WeatherApp", None),
        (["pkg/__init__.py", "pkg/other_one.py", "pkg/app.py"], "from other_one import x", None),
        (["pkg/__init__.py", "pkg/json.py", "pkg/app.py"], "import json", ("pkg.app", ".")),
        (["pkg/__init__.py", "pkg/colorsys.py", "pkg/app.py"], "import colorsys", ("pkg.app", ".")),
        (["pkg/__init__.py", "pkg/other_one.py", "pkg/app.py"], "import other_one\nfrom . import x", ("pkg.app", ".")),
        # What does not parse is imported all the same, and says what is wrong.
        (["pkg/__init__.py", "pkg/app.py"], "def (:", ("pkg.app", ".")),
        (["scripts/app.py"], "def (:", None),
    ],
)
def test_where_a_file_belongs(files, text, expected):
    """By the folders that it is in, and by what it imports itself."""
    plant(*files, text=text)
    assert found(files[-1]) == expected


def test_a_folder_of_sys_path_is_where_a_package_is_imported_from(monkeypatch):
    """The nearest one, as when a project is installed for development; not the current folder, which holds more than packages."""
    plant("lib/space/pkg/__init__.py", "lib/space/pkg/app.py")
    assert found("lib/space/pkg/app.py") == ("pkg.app", "lib/space")
    monkeypatch.syspath_prepend(str(Path.cwd() / "lib"))
    assert found("lib/space/pkg/app.py") == ("space.pkg.app", "lib")


def test_what_is_imported_already_is_that_module():
    """By whatever name: it is not to be there twice."""
    plant("space/sub/app.py")
    importlib.import_module("space.sub.app")
    assert found("space/sub/app.py") == ("space.sub.app", ".")
    plant("pkg/__init__.py")
    importlib.import_module("pkg")
    assert found("pkg/__init__.py") == ("pkg", ".")


def test_more_dots_than_folders(tmp_path, monkeypatch):
    """It is left to the import to fail."""
    folder = tmp_path / "not-a-name"
    folder.mkdir()
    monkeypatch.chdir(folder)
    plant("pkg/app.py", text="from .... import x")
    assert membership_of(Path.cwd() / "pkg" / "app.py") is None
