"""Tests of evi_harness.live.places."""

from __future__ import annotations

import asyncio
import json
import sys

import pytest

from evi_harness.live.places import places_of, raised_at, stack_of, told, waits_at

HERE = __file__


def test_where_a_frame_is():
    """The innermost place first, at most so many; none without a frame."""

    def inner():
        return sys._getframe()

    code = inner.__code__
    frame = inner()
    assert places_of(frame, 1) == [f"{HERE}:{code.co_firstlineno + 1} in inner"]
    assert len(places_of(frame)) <= 3
    assert places_of(None) == []


def test_a_stack_ends_at_the_step_of_its_loop():
    """Who runs the loop is not on the way: not asyncio, not this test."""

    async def outer():
        async def inner():
            return [place.function for place in stack_of(sys._getframe())]

        return await inner()

    assert asyncio.run(outer()) == ["inner", "outer"]


def test_where_a_task_waits():
    """The innermost coroutine first, through generators; a future that is no task waits nowhere."""

    async def inner():
        await asyncio.sleep(60)

    async def outer():
        await inner()

    async def main():
        task = asyncio.ensure_future(outer())
        await asyncio.sleep(0)
        waits = waits_at(task)
        task.cancel()
        return waits, waits_at(asyncio.get_running_loop().create_future())

    waits, nowhere = asyncio.run(main())
    assert waits == [f"{HERE}:{one.__code__.co_firstlineno + 1} in {one.__name__}" for one in (inner, outer)]
    assert nowhere == []


def test_where_an_exception_was_raised():
    """The innermost place first, without what Python's own library did."""
    try:
        json.loads("{")
    except ValueError as error:
        (place,) = raised_at(error)
    assert place.startswith(f"{HERE}:")
    assert place.endswith(" in test_where_an_exception_was_raised")


class Dumb(Exception):
    """Cannot even speak."""

    def __str__(self):
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (ValueError("key k9Jq"), "on_message raised ValueError: key [redacted]"),
        (ValueError(), "on_message raised ValueError"),
        (Dumb(), "on_message raised Dumb"),
    ],
)
def test_what_a_note_says_of_an_exception(error, what):
    """Who raised what, without secrets; one that was never raised has no place."""
    assert told(error, "on_message", lambda text: text.replace("k9Jq", "[redacted]")) == {"what": what, "detail": []}
