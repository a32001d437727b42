from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from evi_harness.guard.callers import callers, callers_now, callers_of, has_developers, is_called_by_library
from evi_harness.guard.place_lookup import told_places


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


def test_who_calls_is_captured_and_told_later():
    """The stack is a key, holds no frame of Python's own or of the harness's, and is told as it was when it was captured."""

    def called(_):
        return callers_now(), here(0)

    stack, line = json.loads("[1]", parse_int=called)[0]
    assert {stack: 1}[stack] == 1
    assert callers_of(stack)[0] == line
    assert {file for file, _, _ in stack if "json" in file or "evi_harness" + os.sep in file} == set()
    place = told_places(stack)[0]
    assert f"{place['file']}:{place['line']} in {place['function']}" == line
    assert any("callers_now(), here(0)" in shown["text"] for shown in place["source"])


def test_whether_the_developers_code_calls(installed):
    """Libraries alone are not it, but for an installed app that was called first; the SDK never is."""
    app = installed("an_app_in_a_container", CALLS)
    assert has_developers(callers_now())
    with ThreadPoolExecutor(1) as pool:
        assert has_developers(pool.submit(app.begins, callers_now).result())
        assert not has_developers(pool.submit(callers_now).result())
    assert not has_developers((("site-packages/hume/x.py".join(("/", "")), 1, "f"),))


def test_an_installed_app_has_source_and_a_library_has_none(installed, monkeypatch):
    """What stands for the developer where nobody else does is no code of theirs."""
    app = installed("an_app_in_a_container", CALLS)
    monkeypatch.delitem(sys.modules, "httpcore", raising=False)
    sdk = installed("httpcore", CALLS)
    with ThreadPoolExecutor(1) as pool:
        stacks = [pool.submit(module.begins, callers_now).result() for module in (app, sdk)]
    (inner, outer), (place,) = map(told_places, stacks)
    assert [{"line": 2, "text": "    return call()"} in inner["source"], outer["line"]] == [True, 5]
    assert (place["line"], place["function"], place["source"]) == (5, "begins", [])
    assert told_places(stacks[1], or_library=False) == []
