"""Tests of evi_harness.sdk.openai.event_handlers: which form a handler has, and what is none."""

from __future__ import annotations

import asyncio
import functools
from functools import partial
from types import SimpleNamespace
from typing import Any, List

import pytest

from evi_harness.errors import HandlerError, NotAHandler
from evi_harness.sdk.openai.event_handlers import CONNECTION, EVENT, WEBSOCKET, event_callbacks, first_taken

KNOWN = frozenset({"session.created", "response.done", "of.a.newer.sdk"})
CREATED, DONE = SimpleNamespace(type="session.created"), SimpleNamespace(type="response.done")


def of(handler: Any, **arguments: Any) -> Any:
    """The callbacks of a handler."""
    return event_callbacks(handler, "app.py:it", arguments, KNOWN)


async def main(connection: Any) -> None:
    """Take the connection by its name."""


async def chat(conn: AsyncRealtimeConnection) -> None:  # type: ignore[name-defined] # noqa: F821
    """Take it by its annotation, which need not be there."""


async def raw(websocket: Any) -> None:
    """Take the connection below the SDK's."""


def on_event(data: Any) -> None:
    """Take an event by the function's own name."""


def reacts(event: Any, connection: Any) -> None:
    """Take both."""


@pytest.mark.parametrize(
    ("function", "taken"),
    [
        (main, CONNECTION),
        (chat, CONNECTION),
        (raw, WEBSOCKET),
        (on_event, EVENT),
        (reacts, EVENT),
        (lambda it: it, None),
        (lambda: 1, None),
    ],
)
def test_what_a_function_takes_is_said_by_annotation_or_name(function: Any, taken: Any) -> None:
    """Of the parameter, or of the function."""
    assert first_taken(function) == taken
    assert first_taken(functools.partial(function)) == taken


def test_a_function_of_the_connection_reads_it() -> None:
    """It is no callback, and has no messages of its own."""
    for function in (main, chat, raw):
        callbacks = of(function)
        assert callbacks.main is not None
        assert callbacks.on_message is None


def test_a_function_of_an_event_has_nothing_to_send_on() -> None:
    """And one of both has."""
    alone, both = of(on_event), of(reacts)
    assert (alone.cannot_send, both.cannot_send) == (True, False)
    seen: List[Any] = []
    callbacks = of(lambda event, connection: seen.append((event, connection)))
    callbacks.set_socket("the connection")
    callbacks.for_message(DONE)(DONE)
    assert seen == [(DONE, "the connection")]


class App:
    """Methods for two types, and for every event."""

    def __init__(self, name: str = "x") -> None:
        self.seen: List[Any] = [name]

    def on_session_created(self, event: Any) -> None:
        self.seen.append("created")

    async def on_response_done(self, event: Any, connection: Any) -> None:
        self.seen.append(("done", connection))

    def on_of_a_newer_sdk(self, event: Any) -> None:
        self.seen.append("newer")

    async def on_event(self, event: Any) -> None:
        self.seen.append(event.type)


async def _given(callbacks: Any, *events: Any) -> None:
    for event in events:
        result = callbacks.for_message(event)(event)
        if result is not None:
            await result


def test_an_object_has_a_method_for_each_type() -> None:
    """As dispatch_events does: first that of the type, then what is for every event."""
    app = App()
    callbacks = of(app)
    callbacks.set_socket("c")
    asyncio.run(_given(callbacks, CREATED, DONE, SimpleNamespace(type="rate_limits.updated"), SimpleNamespace(type="of.a.newer.sdk")))
    assert app.seen == [
        *("x", "created", "session.created", ("done", "c"), "response.done"),
        *("rate_limits.updated", "newer", "of.a.newer.sdk"),
    ]
    assert not callbacks.cannot_send


def test_without_on_event_other_events_are_for_nobody() -> None:
    """Nothing is called then; and without a connection nothing can be sent."""

    class Few:
        def on_response_done(self, event: Any) -> None:
            """Nothing."""

    callbacks = of(Few)
    assert callbacks.for_message(CREATED) is None
    assert callbacks.for_message(SimpleNamespace()) is None
    assert callbacks.cannot_send


def test_classes_and_functions_without_parameters_make_one() -> None:
    """With what they are given by name."""
    assert of(App, name="y").owner.seen == ["y"]
    assert of(lambda: App("z")).owner.seen == ["z"]
    assert of(lambda: App).owner.seen == ["x"]
    assert of(lambda: main).main is not None


def _yields(event: Any) -> Any:
    yield event


class Misspelt:
    def on_respnse_done(self, event: Any) -> None:
        """Would never be called."""


class TakesThree:
    def on_response_done(self, one: Any, two: Any, three: Any) -> None:
        """Cannot be called."""


def _takes_more(connection: Any, more: Any) -> None:
    """Take what nobody gives."""


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        (Misspelt, "on_respnse_done"),
        (TakesThree, "on_response_done"),
        (lambda it: it, "which"),
        (_yields, "yield"),
        (_takes_more, "more"),
        (asyncio, "module"),
        (7, "int"),
        (object, "object"),
    ],
)
def test_what_is_no_handler_is_refused(handler: Any, said: str) -> None:
    """A method for no event too: it would never be called."""
    with pytest.raises(NotAHandler, match=said):
        of(handler)


def _iterates(connection: Any) -> None:
    for event in connection:
        del event


def _receives(connection: Any) -> None:
    while connection.recv():
        pass


def _hands_on(connection: Any) -> None:
    _iterates(connection)


@pytest.mark.parametrize("handler", [_iterates, _receives, partial(_iterates)])
def test_what_reads_as_the_synchronous_client_is_read_is_refused(handler: Any) -> None:
    """Before anything runs, with the command that replays it."""
    with pytest.raises(NotAHandler) as raised:
        of(handler)
    assert "--clock real" in str(raised.value.hint)


def test_what_hands_the_connection_on_to_such_is_refused_when_it_does() -> None:
    """What else it raises is its own."""
    with pytest.raises(NotAHandler):
        asyncio.run(of(_hands_on).main(Connection()))

    def fails(connection: Any) -> None:
        raise TypeError(f"{connection} is not what I like")

    with pytest.raises(TypeError):
        asyncio.run(of(fails).main(Connection()))


def test_arguments_that_nobody_takes_are_refused() -> None:
    """By a class, and for an object, which is there already."""
    for handler in (App, App()):
        with pytest.raises(NotAHandler, match="argument"):
            of(handler, colour="red")


def test_a_class_that_cannot_be_built_is_told() -> None:
    """With what it raised."""

    class Breaks:
        def __init__(self) -> None:
            raise KeyError("nothing here")

        def on_event(self, event: Any) -> None:
            """Nothing."""

    with pytest.raises(HandlerError, match="KeyError"):
        of(Breaks)


class Connection:
    """What a handler may register callbacks with."""

    def __init__(self, *, dispatches: bool = True) -> None:
        self._event_handler_registry = SimpleNamespace(_handlers={})
        self.dispatched = 0
        if dispatches:
            self.dispatch_events = self._dispatch

    def on(self, kind: str, handler: Any) -> None:
        """Register."""
        self._event_handler_registry._handlers[kind] = [handler]

    async def _dispatch(self) -> None:
        self.dispatched += 1


def _registers(connection: Any) -> None:
    connection.on("response.done", on_event)


def test_events_are_dispatched_for_what_only_registers() -> None:
    """Once."""
    connection = Connection()
    asyncio.run(of(_registers).main(connection))
    assert connection.dispatched == 1


@pytest.mark.parametrize(("function", "dispatches"), [(_registers, False), (lambda connection: None, True), (lambda websocket: None, True)])
def test_what_neither_reads_nor_registers_is_no_handler(function: Any, dispatches: bool) -> None:
    """Nor does it help to register where the SDK is too old to dispatch."""
    connection = Connection(dispatches=dispatches)
    connection._connection = object()  # type: ignore[attr-defined]
    with pytest.raises(NotAHandler, match="reading"):
        asyncio.run(of(function).main(connection))
