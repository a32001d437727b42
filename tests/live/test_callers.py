from __future__ import annotations

import asyncio
import json
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from evi_harness.live.callers import callers


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


def test_a_library_is_told_where_nobody_else_is(tmp_path, monkeypatch):
    """The outermost place in what is installed: that one was called first."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    (folder / "a_library_of_one_function.py").write_text(
        "def within(call):\n    return call()\n\ndef begins(call):\n    return within(call)\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    library = pytest.importorskip("a_library_of_one_function")
    with ThreadPoolExecutor(1) as pool:
        (place,) = pool.submit(library.begins, callers).result()
    assert place.endswith("a_library_of_one_function.py:5 in begins")
