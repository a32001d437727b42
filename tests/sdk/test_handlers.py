from __future__ import annotations

import asyncio
import functools
import math

import pytest

from evi_harness.errors import HandlerError, NotAHandler
from evi_harness.sdk.handlers import call, callbacks_of


def function(message):
    """The plainest handler."""
    return message


async def coroutine_function(message):
    """The same, to be awaited."""
    return message


def function_of_two(message, other):
    """No handler unless something gives the other."""
    return message


class Whole:
    """The shape of Hume's quickstart."""

    def set_socket(self, socket): ...

    async def on_open(self): ...

    async def on_message(self, message): ...

    async def on_close(self): ...

    async def on_error(self, error): ...


class OnlyMessage:
    def on_message(self, message): ...


class WithWrongClose(OnlyMessage):
    on_close = "later"


class NeedsAnArgument(OnlyMessage):
    def __init__(self, key): ...


class CannotBeBuilt(OnlyMessage):
    def __init__(self):
        raise OSError("no device")


class Exits(OnlyMessage):
    def __init__(self):
        raise SystemExit(2)


class Called:
    def __call__(self, message): ...


@pytest.mark.parametrize(
    ("handler", "has"),
    [
        (Whole, {"set_socket", "on_open", "on_message", "on_close", "on_error"}),
        (Whole(), {"set_socket", "on_open", "on_message", "on_close", "on_error"}),
        (OnlyMessage, {"on_message"}),
        (function, {"on_message"}),
        (coroutine_function, {"on_message"}),
        (lambda message: None, {"on_message"}),
        (OnlyMessage().on_message, {"on_message"}),
        (functools.partial(function_of_two, other=1), {"on_message"}),
        (Called(), {"on_message"}),
    ],
)
def test_every_form_becomes_callbacks(handler, has):
    """Functions, objects and classes alike; what a handler has not is None."""
    callbacks = callbacks_of(handler, "app.py:it")
    assert callbacks.name == "app.py:it"
    assert {name for name in ("set_socket", "on_open", "on_message", "on_close", "on_error") if getattr(callbacks, name)} == has


@pytest.mark.parametrize(
    ("handler", "says"),
    [
        (math, "it is a module"),
        (5, "it is of type int"),
        ("on_message", "it is of type str"),
        (function_of_two, "it is a function that cannot be called with one message"),
        (lambda: None, "it is a function that cannot be called with one message"),
        (dict, "the class has no on_message"),
        (WithWrongClose, "it.on_close cannot be called: it is of type str"),
    ],
)
def test_what_is_no_handler_is_told_what_would_be_one(handler, says):
    """The message names the thing, and the hint names every form."""
    with pytest.raises(NotAHandler, match=says) as raised:
        callbacks_of(handler, "it")
    assert "on_message(message)" in str(raised.value)
    assert raised.value.exit_code == 2


@pytest.mark.parametrize(
    ("handler", "says"),
    [(NeedsAnArgument, "missing 1 required positional argument"), (CannotBeBuilt, "OSError: no device"), (Exits, "SystemExit: 2")],
)
def test_a_class_that_cannot_be_built_is_the_developers_error(handler, says):
    """It says what was raised and exits with 3."""
    with pytest.raises(HandlerError, match=says) as raised:
        callbacks_of(handler, "it")
    assert raised.value.exit_code == 3


def test_where_building_failed_is_told():
    """The place is the developer's line."""
    with pytest.raises(HandlerError) as raised:
        callbacks_of(CannotBeBuilt, "it")
    line = CannotBeBuilt.__init__.__code__.co_firstlineno + 1
    assert raised.value.where == f"{__file__}:{line}"


def test_callbacks_are_called_sync_or_async():
    """What is awaitable is awaited, and None is nothing."""
    heard = []

    async def later(message):
        await asyncio.sleep(0)
        heard.append(message)

    async def run():
        await call(heard.append, 1)
        await call(later, 2)
        await call(None, 3)

    asyncio.run(run())
    assert heard == [1, 2]
