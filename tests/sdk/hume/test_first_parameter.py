"""Tests of evi_harness.sdk.hume.first_parameter: what the annotation, the name and the use of a first parameter say."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
from typing import Any, Optional, Protocol, Union

import pytest

import evi_harness
from evi_harness.sdk.hume.first_parameter import CONNECTION, MESSAGE, WEBSOCKET, taken_first


class Reader(Protocol):
    """A protocol of an app's own."""

    async def recv(self) -> Any: ...


class Subscribed:
    """Called like a type of the SDK's at its end only."""


def annotated(annotation):
    """A function whose parameter has an annotation, and no name that says anything."""

    async def it(what): ...

    it.__annotations__["what"] = annotation
    return it


@pytest.mark.parametrize(
    ("annotation", "said"),
    [
        ("AsyncChatSocketClient", CONNECTION),
        ("ChatWebsocketConnection", CONNECTION),
        ("socket_client.ChatSocketClient", CONNECTION),
        ("Optional[AsyncChatSocketClient]", CONNECTION),
        (Optional[Reader], CONNECTION),
        (Reader, CONNECTION),
        ("SubscribeEvent", MESSAGE),
        ("websockets.ClientConnection", WEBSOCKET),
        ("websockets.WebSocketClientProtocol", WEBSOCKET),
        (Subscribed, None),
        ("NotKnownAnywhere", None),
        (Any, None),
        (None, None),
        (str, None),
    ],
)
def test_an_annotation_says_what_is_taken(annotation, said):
    """A class, its name, or a type with either in it."""
    assert taken_first(annotated(annotation)) == said


def test_the_sdks_own_types():
    """A message of any type, one of several, and the connection, as the installed version has them."""
    from hume.empathic_voice.chat import socket_client
    from hume.empathic_voice.types import AssistantMessage, AudioOutput

    names = ("AsyncChatSocketClient", "ChatWebsocketConnection")
    connection = next(getattr(socket_client, name) for name in names if hasattr(socket_client, name))
    assert taken_first(annotated(AssistantMessage)) == MESSAGE
    assert taken_first(annotated(Union[AssistantMessage, AudioOutput])) == MESSAGE
    assert taken_first(annotated(connection)) == CONNECTION


@pytest.mark.parametrize(
    ("name", "said"),
    [
        *((name, CONNECTION) for name in ("socket", "websocket", "ws", "connection", "conn", "chat", "chat_socket", "evi_ws", "WS")),
        *((name, MESSAGE) for name in ("message", "msg", "event", "chat_message")),
        *((name, None) for name in ("data", "it", "_", "sockets", "websocket_data")),
    ],
)
def test_a_name_says_what_is_taken(name, said):
    """By its last word."""
    names = {}
    exec(f"async def it({name}): ...", names)
    assert taken_first(names["it"]) == said


def test_an_annotation_counts_before_the_name():
    """What is called chat may be a message."""

    async def it(chat: SubscribeEvent): ...  # noqa: F821 - it need not be imported

    assert taken_first(it) == MESSAGE


def test_what_is_called_on_message_takes_a_message():
    """Whatever it calls it; unless an annotation or a use says otherwise."""

    def on_message(chat):
        return chat.type

    assert taken_first(on_message) == MESSAGE

    async def on_message(chat):
        async for _ in chat:
            pass

    assert taken_first(on_message) == CONNECTION

    async def on_message(chat: ChatSocketClient): ...  # noqa: F821 - it need not be imported

    assert taken_first(on_message) == CONNECTION


class MicrophoneLike:
    @classmethod
    async def start(cls, socket, byte_stream): ...


async def iterates(it):
    """By async for."""
    async for _ in it:
        pass


async def comprehends(it):
    """In a comprehension."""
    return [one async for one in it]


async def receives(it):
    """By recv."""
    await it.recv()


async def listens(it):
    """By start_listening."""
    it.on("message", print)
    await it.start_listening()


async def iterates_by_hand(it):
    """By aiter."""
    messages = aiter(it)  # noqa: F821 - it is never run, and Python 3.9 has none
    await messages.__anext__()


async def by_another_name(it):
    """Under another name."""
    line = same = it
    del same
    async for _ in line:
        pass


async def in_a_function_of_its_own(it):
    """In a function that it defines."""

    async def pump(line, n=0):
        async for _ in line:
            n += 1

    await asyncio.gather(pump(it), pump(line=it))


async def handed_on(it):
    """By another function of the module."""
    await asyncio.gather(in_a_function_of_its_own(it), says_nothing(it))


async def handed_on_by_name(what):
    """Likewise, as a keyword."""
    await iterates(it=what)


async def to_the_microphone(it):
    """By what is annotated or named so."""
    await MicrophoneLike.start(it, byte_stream=None)


async def below_the_sdk(it):
    """Below the SDK."""
    return evi_harness.websocket_of(it)


async def says_nothing(it):
    """It could be anything."""
    repr(it)


async def reads_a_message(it):
    """As a message is read."""
    repr((it.type, it.message))
    return [one.name for one in it.models]


async def iterates_over_something_else(it):
    """A part of it is no connection."""
    async for _ in it.parts:
        pass


async def calls_itself(it, n):
    """Whoever looks comes to an end."""
    await calls_itself(it, n - 1)


def about_it(chat):
    """A function of a message; the name of its parameter says so to nobody who does not know that it is no handler."""
    return chat.type


async def hands_a_message_on(it):
    """To a function of messages."""
    about_it(it)


def outer(reader):
    """A closure."""

    async def it(what):
        await reader(what)

    return it


class Service:
    """Keeps the connection, and reads it in another method."""

    async def run(self, it):
        self.line = it
        await self.pump()

    async def pump(self):
        async for _ in self.line:
            pass

    async def each(self, it):
        self.last = it
        await self.tell()

    async def tell(self):
        repr(self.last.type)

    @property
    def fails(self):
        raise AssertionError("nobody is to ask for it")

    async def asks(self, it):
        self.fails(it)

    async def __call__(self, it):
        await self.run(it)


def wrapped(function):
    """Decorated by what is not async."""

    @functools.wraps(function)
    def around(*args):
        return function(*args)

    return around


@pytest.mark.parametrize(
    "function",
    [
        *(iterates, comprehends, receives, listens, iterates_by_hand, by_another_name, in_a_function_of_its_own, handed_on),
        *(handed_on_by_name, to_the_microphone, below_the_sdk, outer(iterates), Service().run, Service(), wrapped(iterates)),
        *(wrapped(wrapped(receives)), functools.partial(iterates), functools.partial(Service().run)),
    ],
)
def test_a_use_says_that_the_connection_is_taken(function):
    """In the function itself, in one that it makes, in another that it hands it on to, in another method of the object."""
    assert taken_first(function) == CONNECTION


@pytest.mark.parametrize(
    "function",
    [
        *(says_nothing, reads_a_message, iterates_over_something_else, calls_itself, hands_a_message_on, outer(says_nothing)),
        *(Service().each, Service().asks, print, [].append, len, 5, lambda it: it, lambda: None),
    ],
)
def test_where_nothing_tells_nothing_is_said(function):
    """And nothing of it is called."""
    assert taken_first(function) is None


def test_a_source_that_cannot_be_read_says_nothing(tmp_path):
    """It was made of text, or its file has changed since."""
    file = tmp_path / "changed.py"
    text = "async def it(what):\n    async for _ in what: pass\n"
    names: dict = {}
    exec(compile(text, "<text>", "exec"), names)
    assert taken_first(names["it"]) is None
    exec(compile(text, str(file), "exec"), names)
    file.write_text(text, encoding="utf-8")
    assert taken_first(names["it"]) == CONNECTION
    for changed in ("\n\n" + text, "def it(:", ""):
        file.write_text(changed, encoding="utf-8")
        assert taken_first(names["it"]) is None


class Keeps:
    """Keeps what it is built with, and reads it in a method."""

    def __init__(self, it):
        self.line = it

    async def run(self):
        async for _ in self.line:
            pass


@dataclasses.dataclass
class KeepsAsData:
    it: Any

    async def run(self):
        await self.it.recv()


class OnlyKeeps:
    def __init__(self, it):
        self.line = it

    def text(self):
        return self.line.content


async def gives_it_to_an_object(it):
    """Its object reads."""
    await Keeps(it).run()


async def gives_it_to_a_dataclass(it):
    """Likewise."""
    await KeepsAsData(it=it).run()


async def keeps_a_message(it):
    """No use of it is one of a connection."""
    return OnlyKeeps(it).text()


async def called_a_message(event):
    """It is none."""
    async for _ in event:
        pass


async def annotated_as_a_message(event: SubscribeEvent):  # noqa: F821 - an annotation need not be one that can be evaluated
    """The app's own word for it."""
    async for _ in event:
        pass


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (gives_it_to_an_object, CONNECTION),
        (gives_it_to_a_dataclass, CONNECTION),
        (keeps_a_message, None),
        (called_a_message, CONNECTION),
        (annotated_as_a_message, MESSAGE),
    ],
)
def test_what_an_object_keeps_is_used_in_its_methods(function, said):
    """Whoever is built with the connection; and a use is stronger than the name of a message, not than its annotation."""
    assert taken_first(function) == said
