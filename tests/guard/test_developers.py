"""Tests of evi_harness.guard.developers: whose code is whose."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from evi_harness.guard import developers as module
from evi_harness.guard.developers import DEVELOPER, HARNESS, NO_FILE, PYTHON, developers, is_library, owner
from evi_harness.session.places import Place

HERE = __file__
STRING = "<string>"


def installed(*parts: str, folder: str = "site-packages") -> str:
    """The file of something that is installed."""
    return str(Path(os.sep, "v", "lib", "python3.11", folder, *parts))


APP, TOOLS, REDIS, HUME = (installed(*parts) for parts in (("app", "main.py"), ("app", "tools.py"), ("redis", "x.py"), ("hume", "x.py")))


@pytest.mark.parametrize(
    ("file", "whose"),
    [
        (HERE, DEVELOPER),
        ("app.py", DEVELOPER),
        (installed("app", "main.py"), "app"),
        (installed("one.py"), "one.py"),
        (installed("apt", "x.py", folder="dist-packages"), "apt"),
        (installed("outer", "site-packages", "inner", "x.py"), "inner"),
        (str(Path(asyncio.__file__).parents[1] / "site-packages" / "app" / "main.py"), "app"),
        (module.__file__, HARNESS),
        (str(Path(module.__file__).parents[1] / "sdk" / "openai" / "realtime_demo_app.py"), DEVELOPER),
        (asyncio.__file__, PYTHON),
        (json.__file__, PYTHON),
        ("<frozen importlib._bootstrap>", PYTHON),
        (STRING, NO_FILE),
    ],
)
def test_whose_a_file_is(file: str, whose: str) -> None:
    """The developer's unless it is this package's, Python's own or installed; what is installed is a library's."""
    assert owner(file) == whose
    assert is_library(Place(file, 1, "f")) is (whose not in (DEVELOPER, HARNESS, PYTHON, NO_FILE))


@pytest.mark.parametrize(
    ("files", "counting"),
    [
        ([], []),
        ([HERE], [HERE]),
        ([REDIS, HERE, asyncio.__file__, "app.py"], [HERE, "app.py"]),
        ([HERE, STRING, HERE], [HERE, HERE]),
        ([HERE, APP], [HERE]),
        ([REDIS, TOOLS, APP], [TOOLS, APP]),
        ([TOOLS, REDIS, APP, HUME, module.__file__], [TOOLS, APP]),
        ([REDIS, STRING], [STRING]),
        ([STRING, APP], [APP]),
        ([HUME, json.__file__, module.__file__], []),
    ],
    ids=[
        "nothing",
        "own",
        "libraries between",
        "made",
        "called back",
        "installed",
        "and called back",
        "no file",
        "made and installed",
        "SDK",
    ],
)
def test_which_places_are_the_developers(files: list, counting: list) -> None:
    """Their own files where there are any, else the installed package that was called first; never the SDK."""
    assert developers(Place(file, 7, "f") for file in files) == [f"{file}:7 in f" for file in counting]
