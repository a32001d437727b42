from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from evi_harness.live.callers import callers, is_called_by_library


def here(depth):
    """``file:line in name`` of a calling frame."""
    frame = sys._getframe(depth + 1)
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"


def test_the_developers_own_frames_are_told_innermost_first():
    """What stands between, of the standard library here, is left out."""

    def called(_):
        return callers(), here(0)

    def calls():
        return json.loads("[1]", parse_int=called)[0]

    (first, second, *_), line = calls()
    assert first == line
    assert second.endswith(" in calls")


def test_who_runs_the_loop_is_not_told():
    """Behind a step of the loop stands the loop, in a coroutine as deep as it goes."""

    async def inner():
        return callers()

    async def outer():
        return await inner()

    assert [place.rpartition(" ")[2] for place in asyncio.run(outer())] == ["inner", "outer"]


def test_where_there_is_nobody_there_is_nothing():
    """A thread of an executor that runs library code alone has no place."""
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(callers).result() == ()


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Installs a module for the length of a test, and imports it."""

    def install(name, text):
        folder = tmp_path / "site-packages"
        package = folder / name
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(text)
        monkeypatch.syspath_prepend(str(folder))
        return importlib.import_module(name)

    yield install
    for name in [name for name, module in sys.modules.items() if str(tmp_path) in str(getattr(module, "__file__", ""))]:
        del sys.modules[name]


CALLS = "def within(call):\n    return call()\n\ndef begins(call):\n    return within(call)\n"


def test_an_installed_app_has_places(installed):
    """What was called first stands for the developer where nothing of theirs does; a library that it calls is left out."""
    app, library = installed("an_app_in_a_container", CALLS), installed("a_library_of_two_functions", CALLS)
    with ThreadPoolExecutor(1) as pool:
        places = pool.submit(app.begins, partial(library.begins, callers)).result()
    assert [place.rpartition(os.sep)[2] for place in places] == ["__init__.py:2 in within", "__init__.py:5 in begins"]
    assert all("an_app_in_a_container" in place for place in places)


def test_the_sdk_is_told_where_nobody_else_is(installed, monkeypatch):
    """The outermost place in it: that one was called first."""
    monkeypatch.delitem(sys.modules, "httpcore", raising=False)
    sdk = installed("httpcore", CALLS)
    with ThreadPoolExecutor(1) as pool:
        (place,) = pool.submit(sdk.begins, callers).result()
    assert place.endswith("__init__.py:5 in begins")


def test_whether_a_library_makes_the_call(installed):
    """The nearest decides: the developer's own function calls, be it called by a library; where there is nobody, no library does."""
    library = installed("a_library_of_two_functions", CALLS)

    def calls():
        return is_called_by_library()

    assert library.begins(is_called_by_library)
    assert not library.begins(calls)
    with ThreadPoolExecutor(1) as pool:
        assert not pool.submit(is_called_by_library).result()
