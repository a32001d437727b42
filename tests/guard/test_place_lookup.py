"""Tests of evi_harness.guard.place_lookup."""

from __future__ import annotations

import asyncio
import functools
import json
import sys
from unittest.mock import MagicMock

import pytest

from evi_harness.guard.place_lookup import (
    N_PLACES,
    defined_at,
    frame_stack,
    places_of,
    raised_at,
    raised_stack,
    stack_of,
    told,
    told_places,
    waits_at,
)
from evi_harness.session.places import places_in

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


def test_an_exception_is_told_with_the_source_of_its_places():
    """The line in the middle; a note has the form that is read back."""
    try:
        json.loads("{")
    except ValueError as error:
        facts = told(error, "on_message", str)
    (place,) = places_in(facts)
    assert str(place) == facts["detail"][0]
    assert dict(place.source)[place.line].strip() == 'json.loads("{")'


def test_a_function_that_calls_itself_is_told_once():
    """And of many places the innermost few."""

    def falls(n):
        return rises(n - 1) if n else 1 / 0

    def rises(n):
        return falls(n)

    def dives(n):
        return dives(n - 1) if n else 1 / 0

    for function, n_told in ((falls, N_PLACES), (dives, 2)):
        try:
            function(50)
        except ZeroDivisionError as error:
            places = told_places(raised_stack(error))
            assert (len(places), places[0]["function"]) == (n_told, function.__name__)


def test_what_a_place_quotes_holds_no_secret():
    """Neither its names nor its source: by value, and by the name before it."""
    api_key = "k9Jq2vXw7LmZ4"  # The name tells.
    value = "by-value"
    (place, *_) = told_places(frame_stack(sys._getframe()), lambda text: text.replace("by-value", "[redacted]").replace("quotes", "…"))
    said = json.dumps(place)
    assert (api_key in said, value in said, "value = " in said) == (False, False, True)
    assert "what_a_place_…" in place["function"]


class Handler:
    """Has callbacks of every form."""

    def method(self): ...

    @staticmethod
    def static(): ...

    @functools.lru_cache(maxsize=1)  # noqa: B019 - what it wraps is found
    def cached(self): ...

    def __call__(self): ...


def wrapping(function):
    """A decorator that says what it wraps."""

    @functools.wraps(function)
    def wrapped(*args):
        return function(*args)

    return wrapped


def function():
    """Do nothing."""


@pytest.mark.parametrize(
    ("callback", "name"),
    [
        (function, "function"),
        (lambda: None, "<lambda>"),
        (Handler().method, "method"),
        (Handler.static, "static"),
        (Handler().cached, "cached"),
        (Handler(), "__call__"),
        (functools.partial(functools.partial(function)), "function"),
        (wrapping(wrapping(function)), "function"),
        (wrapping(Handler().method), "method"),
        ([].append, None),
        (MagicMock(), None),
        (print, None),
    ],
)
def test_where_a_callback_is_defined(callback, name):
    """Below its decorators, at its first line; what is not written in Python is nowhere, and a mock is nobody's."""
    places = [place["function"] for place in told_places(defined_at(callback), or_library=False)]
    assert places == ([] if name is None else [name])


def test_callbacks_that_wrap_one_another_come_to_an_end():
    """A mistake in a decorator is no reason to hang."""

    def wraps_itself(): ...

    wraps_itself.__wrapped__ = wraps_itself
    assert len(defined_at(wraps_itself)) == 1


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
    facts = told(error, "on_message", lambda text: text.replace("k9Jq", "[redacted]"))
    assert facts == {"what": what, "detail": [], "places": []}
