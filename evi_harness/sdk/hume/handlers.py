"""Unify the forms of a developer's handler: callbacks as in Hume's guide, or a function that takes the connection.

Rules of living here: a handler may be sync or async and may have any of the callbacks; for anything else, the error says what a handler is.
"""

from __future__ import annotations

import inspect
import re
import typing
from contextlib import suppress
from dataclasses import replace
from typing import Any, Callable, Mapping, Optional

from evi_harness.errors import NotAHandler, Parameter, Words
from evi_harness.sdk.adapter import Callbacks
from evi_harness.sdk.hume.first_parameter import CONNECTION, WEBSOCKET, is_a_use, taken_first
from evi_harness.sdk.hume.installed_sdk import import_sdk
from evi_harness.sdk.making_handlers import (
    GIVEN,
    MESSAGES,
    NAMED,
    built,
    is_wanted,
    parameters_of,
    takes,
    unwrapped,
    with_arguments,
)

__all__ = ["callbacks_of"]

# The callbacks, and how each is called.
_CALLS = {
    "set_socket": "set_socket(socket)",
    "on_open": "on_open()",
    "on_message": "on_message(message)",
    "on_close": "on_close()",
    "on_error": "on_error(error)",
}

_WHAT_WOULD_BE = Words(
    """A handler is one of these, or a class of such objects, or a function without parameters that returns one:
  a function on_message(message), or on_message(message, stream): what it puts into the stream is played
  an object with any of set_socket(socket), on_open(), on_message(message), on_close(), on_error(error), as in Hume's quickstart
  a function that takes the connection, async def main(socket) or main(socket, stream), and reads from it
Callbacks may be async. Other parameters of a class or a function get their values from """,
    GIVEN,
    """.
A class is inspected before it is instantiated: if only its objects have the callbacks, name a function that returns one.""",
)

_NAME_THE_CONNECTION = "Call its first parameter socket, or annotate it with the SDK's class, as in async def main(socket)."

# What no message is, by the annotation of the parameter that would take it.
_NO_MESSAGES = (str, int, float, bool, "str", "int", "float", "bool")

_NOTHING: Mapping[str, Any] = {}


def callbacks_of(handler: Any, name: str, arguments: Mapping[str, Any] = _NOTHING) -> Callbacks:
    """Make callbacks of whatever a SPEC names.

    Args:
        handler: A function of a message or of the connection, alone or with a stream; an object with callbacks; a class of such objects;
            or a function without parameters that returns one of these. Classes are built and such functions are called here, so call
            this inside the running loop: on Python 3.9 a queue belongs to the loop that runs when it is made.
        name: What to call it.
        arguments: What a class or a function takes besides, by name.

    Raises:
        NotAHandler: It is none of these, or takes no such argument.
        HandlerError: Building the class, or calling the function, failed.
    """
    if inspect.isclass(handler):
        return _of_class(handler, name, arguments)
    if _has_callbacks(handler) or not callable(handler):
        if arguments and _has_callbacks(handler):
            raise NotAHandler(f"{name} takes no arguments: it is already an object", hint="Name its class, or a function that builds it.")
        return _of_object(handler, name)
    if _is_factory(handler, arguments):
        made = built(handler, name, arguments)
        told = f"what {name} returned"
        return replace(_of_class(made, told) if inspect.isclass(made) else _of_object(made, told), name=name)
    _refuse_maker(handler, name, arguments)
    return _of_function(with_arguments(arguments, handler, name), name)


def _of_class(handler: Any, name: str, arguments: Mapping[str, Any] = _NOTHING) -> Callbacks:
    if not _has_callbacks(handler) and not _is_callable_class(handler):
        raise NotAHandler(f"{name} is not a handler: the class has none of {', '.join(_CALLS)}", hint=_WHAT_WOULD_BE)
    return _of_object(built(handler, name, arguments), name)


def _of_object(thing: Any, name: str) -> Callbacks:
    if _has_callbacks(thing):
        return Callbacks(name, owner=thing, **{method: _method(thing, method, name) for method in _CALLS})
    if callable(thing):
        return _of_function(thing, name)
    raise NotAHandler(f"{name} is not a handler: it is {_kind(thing)}", hint=_WHAT_WOULD_BE)


def _of_function(function: Callable[..., Any], name: str) -> Callbacks:
    first = taken_first(function)
    _refuse_what_cannot_run(function, name, first)
    if first == CONNECTION:
        return _of_main(function, name)
    if takes(function, 1):
        return Callbacks(name, on_message=_hearing(function, name))
    if takes(function, 2):
        streaming = _Streaming()
        return Callbacks(name, on_message=streaming.given_to(_hearing(function, name), "on_message"), owner=streaming)
    raise NotAHandler(f"{name} is not a handler: it is {_kind(function)}", hint=_WHAT_WOULD_BE)


def _of_main(function: Callable[..., Any], name: str) -> Callbacks:
    if takes(function, 1):
        return Callbacks(name, main=_conversing(function, name))
    if takes(function, 2):
        streaming = _Streaming()
        return Callbacks(name, main=streaming.given_to(_conversing(function, name), "main"), owner=streaming)
    more = ", ".join(list(parameters_of(function) or ())[1:])
    what = f"{name} takes more than the connection and a stream: {more}"
    raise NotAHandler(what, hint=Words("Its other parameters need a default, or a value given with ", GIVEN, "."))


def _refuse_what_cannot_run(function: Callable[..., Any], name: str, first: Optional[str]) -> None:
    """Refuse what could be called as a handler and would do nothing, or not what it is meant to."""
    plain, bound = unwrapped(function)
    if first == WEBSOCKET:
        hint = "async def main(socket): await it(evi_harness.websocket_of(socket)) works; see docs/how-to/guide.md of evi-harness."
        raise NotAHandler(f"{name} takes a connection of the websockets library, and a handler gets the SDK's", hint=hint)
    if inspect.isgeneratorfunction(plain) or inspect.isasyncgenfunction(plain):
        hint = "A handler sends its messages itself, and does not yield. " + _WHAT_WOULD_BE
        raise NotAHandler(f"{name} contains yield, so calling it does not run it", hint=hint)
    if bound is None and next(iter(parameters_of(function) or ()), None) == "self":
        hint = "Name its class; or a method of an object: APP.METHOD of an APP in your file, or a function that returns it."
        raise NotAHandler(f"{name} is a method of a class, and there is no object that it could be called on", hint=hint)


def _conversing(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """A function that takes the connection; where it returns at once it cannot have read it, and says so."""

    async def conversing(*args: Any) -> Any:
        result = function(*args)
        if inspect.isawaitable(result):
            return await result
        if _is_handler(result):
            raise _maker(function, name, "returned a handler when it was given the connection")
        raise NotAHandler(f"{name} takes the connection and returned without reading it", hint="Make it async def main(socket).")

    return _named_like(function, conversing, "main")


def _hearing(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """A function of a message; where it returns a handler, or takes the message for the connection, it is not such a thing, and says so."""

    def checked(result: Any) -> Any:
        if _is_handler(result):
            raise _maker(function, name, "returned a handler when it was given a message")
        return result

    async def awaited(result: Any, message: Any) -> Any:
        try:
            return checked(await result)
        except (AttributeError, TypeError) as error:
            if _takes_for_connection(error, message):
                what = f"{name} was given a message, and takes it for the connection: {error}"
                raise NotAHandler(what, hint=_NAME_THE_CONNECTION) from error
            raise

    def hearing(*args: Any) -> Any:
        result = function(*args)
        return awaited(result, args[0]) if inspect.isawaitable(result) else checked(result)

    return _named_like(function, hearing, "on_message")


def _takes_for_connection(error: Exception, message: Any) -> bool:
    """Whether an exception says that something was wanted of a message which only the connection has."""
    kind = re.escape(type(message).__name__)
    missing = re.match(rf"'{kind}' object has no attribute '(\w+)'", str(error))
    if missing is not None:
        return is_a_use(missing[1])
    return re.match(rf"'async for' requires an object with __aiter__ method, got {kind}$", str(error)) is not None


def _named_like(function: Callable[..., Any], around: Callable[..., Any], otherwise: str) -> Callable[..., Any]:
    """What calls a function: notes call a callback by its name, and say where it is defined."""
    around.__name__ = getattr(function, "__name__", otherwise)
    around.__wrapped__ = function  # type: ignore[attr-defined]
    return around


def _is_handler(result: Any) -> bool:
    """Whether what a function returned for a message can be nothing but a handler. Asked is its class: a mock has every attribute."""
    if result is None:
        # As a rule; it is asked for each message.
        return False
    kind = result if inspect.isclass(result) else type(result)
    has_callbacks = any(callable(getattr(kind, method, None)) for method in ("on_message", "set_socket"))
    return has_callbacks or (_is_async(result) and taken_first(result) == CONNECTION)


class _Streaming:
    """What has the stream that a function gets besides, as an object with callbacks has its own."""

    def __init__(self) -> None:
        import_sdk()
        from hume import Stream

        self.byte_strs: Any = Stream.new()

    def given_to(self, function: Callable[..., Any], otherwise: str) -> Callable[..., Any]:
        """A function of one argument less.

        Args:
            function: A function of something and a stream.
            otherwise: What to call it where it has no name.
        """

        def given(*args: Any) -> Any:
            return function(*args, self.byte_strs)

        return _named_like(function, given, otherwise)


def _has_callbacks(handler: Any) -> bool:
    return any(callable(getattr(handler, method, None)) for method in _CALLS)


def _is_callable_class(handler: Any) -> bool:
    # Every class can be called; whether its objects can be stands in the classes themselves.
    return any("__call__" in vars(base) for base in handler.__mro__)


def _is_factory(function: Callable[..., Any], arguments: Mapping[str, Any]) -> bool:
    """Whether a function is called to get the handler: it wants nothing but what it is given."""
    parameters = parameters_of(function)
    if parameters is None or _is_async(function):
        return False
    left = [one for one in parameters.values() if one.name not in arguments]
    # One that could take a message is taken for a handler, unless it is plain that it need not.
    return not any(is_wanted(one) for one in left)


def _refuse_maker(function: Callable[..., Any], name: str, arguments: Mapping[str, Any]) -> None:
    """Refuse a function that makes a handler and is not given all that it takes, where its arguments or annotations tell."""
    parameters = list((parameters_of(function) or {}).values())
    if not parameters or _is_async(function):
        return
    first = parameters[0]
    if first.name in arguments:
        raise _maker(function, name, f"is given {first.name}, which would otherwise be the message, and needs more arguments", arguments)
    if first.annotation in _NO_MESSAGES and first.name not in MESSAGES:
        annotation = getattr(first.annotation, "__name__", first.annotation)
        raise _maker(function, name, f"takes {first.name}: {annotation}, and that is not a message", arguments)
    if _has_callbacks(_returned(function)):
        raise _maker(function, name, "returns a handler, and some of its arguments are missing", arguments)


def _returned(function: Callable[..., Any]) -> Any:
    """What a function returns by its annotation; None where that says nothing."""
    with suppress(Exception):
        return typing.get_type_hints(function).get("return")
    return None


def _maker(function: Callable[..., Any], name: str, why: str, arguments: Mapping[str, Any] = _NOTHING) -> NotAHandler:
    """The error for a function that makes a handler, where it would be taken for one, or was."""
    if _is_async(function):
        return NotAHandler(f"{name} {why}", hint="A function that makes a handler is not async.")
    parameters = (parameters_of(function) or {}).values()
    left = [one.name for one in parameters if one.kind in NAMED and is_wanted(one) and one.name not in arguments]
    give = Parameter("arguments", dict.fromkeys(left, "VALUE")) if left else GIVEN
    return NotAHandler(f"{name} {why}", hint=Words("A function that makes a handler gets its arguments with ", give, "."))


def _is_async(function: Any) -> bool:
    return inspect.iscoroutinefunction(unwrapped(function)[0])


def _kind(thing: Any) -> str:
    if inspect.iscoroutinefunction(thing):
        return "a coroutine function that takes no connection; make it main(socket), or name the class that it uses"
    if callable(thing):
        return "a function that can be called neither with one message nor with a message and a stream"
    return "a module" if inspect.ismodule(thing) else f"of type {type(thing).__name__}"


def _method(handler: Any, method: str, name: str) -> Any:
    found = getattr(handler, method, None)
    if found is not None and not callable(found):
        raise NotAHandler(f"{name}.{method} cannot be called: it is of type {type(found).__name__}", hint=_WHAT_WOULD_BE)
    if found is not None and not takes(found, 0 if _CALLS[method].endswith("()") else 1):
        raise NotAHandler(f"{name}.{method} cannot be called as {_CALLS[method]}", hint=_WHAT_WOULD_BE)
    return found
