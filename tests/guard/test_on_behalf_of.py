"""Tests of evi_harness.guard.on_behalf_of."""

from __future__ import annotations

import asyncio
import contextvars

import pytest

from evi_harness.guard.on_behalf_of import Behalf, behalf, behalf_in, on_behalf, on_behalf_from_now_on, on_our_own


def test_nobody_is_the_handler_unless_it_is_said():
    """The innermost block counts, and behind it what was before."""
    assert behalf() is None
    with on_behalf("on_message", 3):
        assert behalf() == Behalf("on_message", 3)
        with on_our_own():
            assert behalf() is None
        with on_behalf("on_error"):
            assert behalf() == Behalf("on_error", None)
        assert behalf() == Behalf("on_message", 3)
    with pytest.raises(ValueError, match="no"), on_behalf("on_message"):
        raise ValueError("no")
    assert behalf() is None


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("", "started by on_open"),
        ("app.py:3 in on_open", "started by on_open at app.py:3"),
        ("app.py:3 in App.on_open", "started by on_open at app.py:3"),
        ("app.py:9 in begin", "started by on_open at app.py:9 in begin"),
        ("a folder in on/app.py:9 in begin", "started by on_open at a folder in on/app.py:9 in begin"),
    ],
)
def test_a_place_in_the_callback_names_it_once(place, told):
    """What was called from it is named as it is."""
    assert Behalf("on_open").started(place) == told


def test_what_is_begun_on_somebodys_behalf_stays_so():
    """A task, a callback and a thread, also when the callback that began them has returned."""

    async def main():
        loop = asyncio.get_running_loop()
        told = []

        async def tell():
            await asyncio.sleep(0)
            told.append(behalf())

        with on_behalf("on_message", 3):
            task = asyncio.ensure_future(tell())
            loop.call_soon(lambda: told.append(behalf()))
            thread = contextvars.copy_context().run
        assert behalf() is None
        await task
        return [*told, await loop.run_in_executor(None, thread, behalf)]

    assert asyncio.run(main()) == [Behalf("on_message", 3)] * 3


def test_one_that_takes_its_messages_by_itself():
    """From each message on it is about that one, also behind the function that took it; behind the block all is as before."""

    async def take(seq):
        on_behalf_from_now_on("main", seq)

    async def main():
        told = []
        with on_behalf("main"):
            for seq in (3, 4):
                await take(seq)
                told.append(behalf())
        return [*told, behalf()]

    assert asyncio.run(main()) == [Behalf("main", 3), Behalf("main", 4), None]


def test_a_context_can_be_asked():
    """Whatever runs in it by then; of none nothing is known."""
    with on_behalf("on_message", 3):
        context = contextvars.copy_context()
    assert behalf_in(context) == Behalf("on_message", 3)
    assert behalf_in(contextvars.Context()) is None
    assert behalf_in(None) is None
