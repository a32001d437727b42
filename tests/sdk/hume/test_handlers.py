from __future__ import annotations

import asyncio
import functools
import inspect
import math
import unittest.mock

import pytest

from evi_harness.errors import HandlerError, NotAHandler
from evi_harness.sdk.adapter import call
from evi_harness.sdk.hume.handlers import callbacks_of


def function(message):
    """The plainest handler."""
    return message


async def coroutine_function(message):
    """The same, to be awaited."""
    return message


def function_of_two(message, other):
    """The other is a stream, unless something gives it."""
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


CALLBACKS = ("set_socket", "on_open", "on_message", "on_close", "on_error")


class OnlyOpen:
    """Any of the callbacks will do."""

    async def on_open(self): ...


class OnlyClose:
    def on_close(self): ...


class OnlyError:
    def on_error(self, error): ...


class OnlySocket:
    def set_socket(self, socket): ...


class AsyncCalled:
    async def __call__(self, socket): ...


async def app(socket, place="Bath"):
    """Takes the connection."""
    return socket, place


async def annotated(it: AsyncChatSocketClient):  # noqa: F821 - an annotation need not be imported
    """By its annotation."""


async def listen(socket, stream):
    """Takes the connection and a stream."""
    stream.queue.put_nowait(socket)


async def reads(link):
    """By how it uses what it takes."""
    async for _ in link:
        pass


def decorated(function):
    """A decorator that is not async."""

    @functools.wraps(function)
    def around(*args):
        return function(*args)

    return around


class Service:
    """Methods of an object."""

    async def run(self, socket):
        self.seen = socket

    async def each(self, message):
        self.seen = message


def closure(phone):
    """Makes a function that takes the connection."""

    async def bridge(line):
        phone.append(await line.recv())

    return bridge


class WithArguments(OnlyMessage):
    def __init__(self, place, unit="C"):
        self.place, self.unit = place, unit


def makes(place="Bath"):
    """A function that returns a handler."""
    return WithArguments(place)


def takes_anything(**arguments):
    """A function that returns one, whatever it is given."""
    return WithArguments(**arguments)


def in_a_loop(handler, name):
    """The callbacks of a handler, made as in a replay: on Python 3.9 a queue belongs to the loop that runs when it is made."""

    async def make():
        return callbacks_of(handler, name)

    return asyncio.run(make())


@pytest.mark.parametrize(
    ("handler", "has"),
    [
        (Whole, set(CALLBACKS)),
        (Whole(), set(CALLBACKS)),
        (OnlyMessage, {"on_message"}),
        (OnlyOpen, {"on_open"}),
        (OnlyClose, {"on_close"}),
        (OnlyError, {"on_error"}),
        (OnlySocket, {"set_socket"}),
        (function, {"on_message"}),
        (coroutine_function, {"on_message"}),
        (function_of_two, {"on_message"}),
        (lambda message: None, {"on_message"}),
        (lambda *arguments: None, {"on_message"}),
        (lambda message=None: None, {"on_message"}),
        ([].append, {"on_message"}),
        (OnlyMessage().on_message, {"on_message"}),
        (functools.partial(function_of_two, other=1), {"on_message"}),
        (Called(), {"on_message"}),
        (Called, {"on_message"}),
        (app, {"main"}),
        (annotated, {"main"}),
        (functools.partial(app, place="Rome"), {"main"}),
        (AsyncCalled, {"main"}),
        (listen, {"main"}),
        (reads, {"main"}),
        (decorated(reads), {"main"}),
        (closure([]), {"main"}),
        (functools.partial(listen, stream=1), {"main"}),
        (Service().run, {"main"}),
        (Service().each, {"on_message"}),
        (functools.partial(Service().run), {"main"}),
        (lambda socket: app(socket, "Rome"), {"main"}),
        (lambda: Service().run, {"main"}),
        (lambda: closure([]), {"main"}),
        (lambda: function, {"on_message"}),
        (lambda: app, {"main"}),
        (lambda: OnlyMessage, {"on_message"}),
        (makes, {"on_message"}),
    ],
)
def test_every_form_becomes_callbacks(handler, has):
    """Functions, objects, classes, coroutines and what makes them alike; what a handler has not is None."""
    callbacks = in_a_loop(handler, "app.py:it")
    assert callbacks.name == "app.py:it"
    assert {name for name in (*CALLBACKS, "main") if getattr(callbacks, name)} == has


@pytest.mark.parametrize(
    ("handler", "only_hears"),
    [(function, True), (function_of_two, False), (OnlyMessage, False), (app, False), (lambda: function, True)],
)
def test_a_function_of_messages_only_hears(handler, only_hears):
    """All others have a connection, or something to be played."""
    assert in_a_loop(handler, "it").only_hears is only_hears


def test_a_second_parameter_is_the_stream_that_is_played():
    """The SDK's own; it is the handler's byte_strs."""

    def hands_on(message, stream):
        stream.queue.put_nowait(message)

    async def main():
        callbacks = callbacks_of(hands_on, "it")
        await call(callbacks.on_message, b"audio")
        return await callbacks.byte_strs.queue.get()

    assert asyncio.run(main()) == b"audio"


def test_a_second_parameter_behind_the_connection_is_that_stream_too():
    """It has something to be played, so it does not only hear."""

    async def main():
        callbacks = callbacks_of(listen, "it")
        await call(callbacks.main, b"audio")
        return callbacks.main.__name__, callbacks.only_hears, await callbacks.byte_strs.queue.get()

    assert asyncio.run(main()) == ("listen", False, b"audio")


class HasNone(OnlyMessage):
    byte_strs = None


class HasAList(OnlyMessage):
    byte_strs = ()


class HasOneThatFails(OnlyMessage):
    @property
    def byte_strs(self):
        raise OSError("no")


@pytest.mark.parametrize("handler", [OnlyMessage, HasNone, HasAList, HasOneThatFails, function, app])
def test_what_is_no_stream_is_not_played(handler):
    """And is no fault."""
    assert callbacks_of(handler, "it").byte_strs is None


@pytest.mark.parametrize("handler", [WithArguments, takes_anything])
def test_arguments_build_a_handler(handler):
    """A class gets them, and a function that returns a handler."""
    owner = callbacks_of(handler, "it", {"place": "Rome", "unit": "F"}).owner
    assert (owner.place, owner.unit) == ("Rome", "F")
    assert callbacks_of(makes, "it", {"place": "Rome"}).owner.place == "Rome"


def test_arguments_go_with_each_call_of_a_function():
    """By name, besides the message or the connection."""
    assert callbacks_of(function_of_two, "it", {"other": 1}).on_message("hello") == "hello"
    assert asyncio.run(callbacks_of(app, "it", {"place": "Rome"}).main("socket")) == ("socket", "Rome")


@pytest.mark.parametrize(
    ("handler", "says"),
    [
        (WithArguments, "it takes .*plac(?s:.*)It takes: place, unit."),
        (app, "it takes .*plac(?s:.*)It takes: place."),
        (function, "it takes .*plac(?s:.*)It takes none."),
        (OnlyMessage(), "it takes no .*: .*an object"),
    ],
)
def test_an_argument_that_nobody_takes_is_told(handler, says):
    """With those that are taken."""
    with pytest.raises(NotAHandler, match=says):
        callbacks_of(handler, "it", {"plac": "Rome"})


@pytest.mark.parametrize(
    ("handler", "says"),
    [
        (math, "a module"),
        (5, "of type int"),
        ("on_message", "of type str"),
        (lambda one, two, three: None, "a function .*neither with"),
        (lambda: None, "returned .*: .*of type NoneType"),
        (lambda: dict, "returned .*: the class .*set_socket"),
        (dict, "the class .*set_socket, on_open, on_message, on_close, on_error"),
        (WithWrongClose, "it\\.on_close .*called: .*type str"),
    ],
)
def test_what_is_no_handler_is_told_what_would_be_one(handler, says):
    """The message names the thing, and the hint names every form."""
    with pytest.raises(NotAHandler, match=says) as raised:
        callbacks_of(handler, "it")
    for form in ("on_message(message)", "on_message(message, stream)", "set_socket(socket)", "async def main(socket)", "arguments="):
        assert form in str(raised.value)
    assert raised.value.exit_code == 2


def needs_a_place(place):
    """It makes a handler, and nothing in its head says so."""
    return WithArguments(place)


def needs_two(place, unit):
    """The same, and could take a message and a stream."""
    return WithArguments(place, unit)


async def needs_to_be_awaited(place):
    """Makes one, and is async."""
    return WithArguments(place)


def gives_a_class(place):
    """Makes a class."""
    return WithArguments


def gives_a_coroutine_function(place):
    """Makes one that takes the connection."""
    return app


@pytest.mark.parametrize(
    ("handler", "hint"),
    [
        (needs_a_place, "with arguments={'place': 'VALUE'}."),
        (needs_two, "with arguments={'place': 'VALUE', 'unit': 'VALUE'}."),
        (needs_to_be_awaited, "is not async"),
        (gives_a_class, "with arguments={'place': 'VALUE'}."),
        (gives_a_coroutine_function, "with arguments={'place': 'VALUE'}."),
    ],
)
def test_a_function_that_returns_a_handler_for_a_message_makes_handlers(handler, hint):
    """It is known when it does so, and told what to give it."""

    async def main():
        await call(callbacks_of(handler, "it").on_message, "message")

    with pytest.raises(NotAHandler, match=r"\breturned a .*\bgiven .*message") as raised:
        asyncio.run(main())
    assert hint in str(raised.value)


async def yields(socket):
    """An asynchronous generator: calling it runs nothing."""
    async for message in socket:
        yield message


def yields_too(message):
    """A generator."""
    yield message


async def takes_more(socket, stream, phone):
    """More than anybody gives it."""


async def of_websockets(websocket: websockets.ClientConnection):  # noqa: F821 - an annotation need not be imported
    """A client of the websockets library."""


@pytest.mark.parametrize(
    ("handler", "says"),
    [
        (yields, "contains yield"),
        (yields_too, "contains yield"),
        (takes_more, "more than .*: stream, phone(?s:.*)arguments={'KEY': 'VALUE'}"),
        (of_websockets, r"websockets library, (?s:.*)evi_harness\.websocket_of\(socket\)"),
        (Service.run, "a method(?s:.*)Name its class"),
        (Service.each, "a method"),
    ],
)
def test_what_would_do_nothing_or_something_else_is_refused_before_anything_runs(handler, says):
    """With what it would have to be."""
    with pytest.raises(NotAHandler, match=says):
        in_a_loop(handler, "it")


def without_its_source(text):
    """A function whose source cannot be had, as after ``python -c``."""
    names = {}
    exec(compile(text, "<text>", "exec"), names)
    return names["it"]


@pytest.mark.parametrize("use", ["async for _ in it: pass", "await it.recv()", "await it.send_publish(5)"])
def test_a_message_that_is_taken_for_the_connection_is_told(use):
    """Where nothing tells before it runs: at the first message, with what would tell."""
    handler = without_its_source(f"async def it(it):\n    {use}\n")
    message = type("ChatMetadata", (), {})()
    with pytest.raises(NotAHandler, match=r"\bmessage, .*\bconnection(?s:.*)first parameter socket"):
        asyncio.run(call(callbacks_of(handler, "it").on_message, message))


@pytest.mark.parametrize("fails", ["it.speech", "len(it)", "[].recv", "None.send_publish"])
def test_what_else_fails_for_a_message_is_the_handlers_own(fails):
    """An attribute that neither has, or of another object."""
    handler = without_its_source(f"async def it(it):\n    {fails}\n")
    with pytest.raises((AttributeError, TypeError)):
        asyncio.run(call(callbacks_of(handler, "it").on_message, type("ChatMetadata", (), {})()))


@pytest.mark.parametrize(
    ("handler", "says"),
    [
        (lambda socket: None, "returned without reading"),
        (lambda socket: OnlyMessage(), "returned a handler"),
    ],
)
def test_a_function_that_takes_the_connection_and_does_not_read_it_is_told(handler, says):
    """When it has returned."""
    with pytest.raises(NotAHandler, match=says):
        asyncio.run(call(callbacks_of(handler, "it").main, "socket"))


@pytest.mark.parametrize("result", [None, 5, [], unittest.mock.MagicMock(), unittest.mock.AsyncMock(), print, function, dict])
def test_what_else_a_function_returns_for_a_message_is_nobodys_affair(result):
    """Also what has every attribute, and what could be called."""
    assert callbacks_of(lambda message: result, "it").on_message("message") is result


def with_a_type(place: str):
    """Its parameter is no message."""


def with_its_result(place) -> OnlyMessage:
    """It makes a handler."""


def with_a_default(message: str = "hello"):
    """Named as a message, whatever its type."""


@pytest.mark.parametrize(
    ("handler", "arguments", "says"),
    [
        (with_a_type, {}, "takes place: str, "),
        (with_its_result, {}, "returns a handler, "),
        (needs_two, {"unit": "C", "place": "Rome"}, None),
        (needs_two, {"place": "Rome"}, "is given place, "),
        (with_a_default, {}, None),
    ],
)
def test_a_function_that_plainly_makes_handlers_is_told_before_anything_runs(handler, arguments, says):
    """By its annotations, or by what it is given."""
    if says is None:
        callbacks_of(handler, "it", arguments)
        return
    with pytest.raises(NotAHandler, match=says) as raised:
        callbacks_of(handler, "it", arguments)
    left = "unit" if arguments else "place"
    assert f"arguments={{'{left}': 'VALUE'}}" in raised.value.hint


def test_an_app_that_connects_by_itself_is_no_handler():
    """An async function without parameters is none that makes a handler."""

    async def main(): ...

    with pytest.raises(NotAHandler):
        callbacks_of(main, "it")


@pytest.mark.parametrize(
    ("handler", "says"),
    [(NeedsAnArgument, "missing 1 required positional argument"), (CannotBeBuilt, "OSError: no device"), (Exits, "SystemExit: 2")],
)
def test_a_class_that_cannot_be_built_is_the_developers_error(handler, says):
    """It says what was raised and exits with 3."""
    with pytest.raises(HandlerError, match=says) as raised:
        callbacks_of(handler, "it")
    assert raised.value.exit_code == 3


def test_how_a_class_gets_more_than_text_is_told():
    """By a function of the developer's own, with the class's name and what it wants; of a class that was given, by an instance."""
    with pytest.raises(HandlerError) as raised:
        callbacks_of(NeedsAnArgument, "app.py:NeedsAnArgument")
    (wanted,) = inspect.signature(NeedsAnArgument).parameters
    hint = raised.value.hint
    assert f"arguments={{'{wanted}': 'VALUE'}}" in hint
    assert "app.py:handler:" in hint
    assert hint.endswith(f"    def handler():\n        return NeedsAnArgument({wanted}=…)")
    with pytest.raises(HandlerError) as raised:
        callbacks_of(NeedsAnArgument, "NeedsAnArgument")
    assert f"an instance, NeedsAnArgument({wanted}=…)" in raised.value.hint


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
