"""The example in the docstring of each public name runs, and prints what it says."""

from __future__ import annotations

import asyncio
import contextlib
import doctest
import inspect
import io
import re
import shutil
import sys
from pathlib import Path

import hume
import pytest

import evi_harness

ROOT = Path(__file__).resolve().parents[2]
# What has no example: a name that is not called.
NOT_CALLED = {"EviHarnessError", "Session", "__version__"}
EXAMPLES = sorted(set(evi_harness.__all__) - NOT_CALLED)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder as the examples find it: two sessions, an app, and a file from a browser."""
    for name in ("typed", "weather"):
        shutil.copytree(ROOT / "sessions" / name, tmp_path / "sessions" / name)
    app = (ROOT / "fixtures" / "handlers" / "weather.py").read_text(encoding="utf-8")
    # What an app prints itself is no part of an example.
    (tmp_path / "app.py").write_text(app.replace("print(", "str("), encoding="utf-8")
    shutil.copy(ROOT / "fixtures" / "speech" / "user-1.flac", tmp_path / "hello.flac")
    shutil.copy(ROOT / "fixtures" / "har" / "playwright.har", tmp_path / "browser.har")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return tmp_path


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_prints_what_it_says(project, name):
    """Each in a folder of its own, with the modules that it names."""
    names = {"evi_harness": evi_harness, "hume": hume, "asyncio": asyncio, "contextlib": contextlib, "io": io, "sys": sys}
    example = doctest.DocTestParser().get_doctest(inspect.getdoc(getattr(evi_harness, name)) or "", names, name, None, 0)
    assert example.examples, f"{name} has no example"
    told = []
    doctest.DocTestRunner(verbose=False).run(example, out=told.append)
    assert not told, "".join(told)


def test_the_pages_first_example_runs(project):
    """Its folder is the same as that of the docstrings' examples."""
    page = (ROOT / "docs" / "reference" / "api.md").read_text(encoding="utf-8")
    names = {}
    exec(re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0], names)
    assert names["result"].passed
