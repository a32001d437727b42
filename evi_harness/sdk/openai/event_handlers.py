"""Unify the forms of a developer's handler of Realtime events: functions, objects, and what takes the connection.

Rules of living here: nothing is guessed. What a function takes is said by its annotation, its name or that of its parameter; what could be
either is refused, and so is a method for an event that neither the SDK nor the protocol has.
"""

from __future__ import annotations

import dis
import functools
import inspect
from dataclasses import replace
from typing import AbstractSet, Any, Callable, Dict, List, Mapping, Optional

from evi_harness.errors import NotAHandler, Words
from evi_harness.openai_realtime.realtime_messages import server_types
from evi_harness.sdk.adapter import Callbacks
from evi_harness.sdk.making_handlers import GIVEN, built, parameters_of, takes, unwrapped, with_arguments

__all__ = ["CONNECTION", "EVENT", "WEBSOCKET", "event_callbacks", "first_taken"]

# What a function may take first.
CONNECTION, EVENT, WEBSOCKET = "the connection", "an event", "a connection of websockets"
_ON, _ANY = "on_", "on_event"

# The last word of a parameter's name.
_NAMES: Mapping[str, str] = {
    **dict.fromkeys(("connection", "conn", "realtime"), CONNECTION),
    **dict.fromkeys(("event", "message", "msg"), EVENT),
    **dict.fromkeys(("websocket", "ws", "socket"), WEBSOCKET),
}
# What a function's own name says.
_FUNCTIONS: Mapping[str, str] = {"main": CONNECTION, _ANY: EVENT, "on_message": EVENT}
# The ends of the names of types.
_TYPES: Mapping[str, str] = {
    "RealtimeConnection": CONNECTION,
    "RealtimeServerEvent": EVENT,
    "ClientConnection": WEBSOCKET,
    "WebSocketClientProtocol": WEBSOCKET,
}

# How the connection of the synchronous client is read; whoever only registers what is to be called reads nothing.
_READS = frozenset({"recv", "recv_bytes"})
_ITERATES = "GET_ITER"
_AS_IT_RUNS = (
    "Make it async def main(connection), or replay the app that connects by the synchronous client as it runs: "
    "evi-harness replay SESSION --clock real -- python app.py"
)

_WHAT_WOULD_BE = Words(
    """A handler is one of these, or a class of such objects, or a function without parameters that returns one:
  a coroutine main(connection) that reads the SDK's connection, or main(websocket) for the one of websockets below it
  a function register(connection) that only calls connection.on(…); dispatch_events() is then called for it
  a function on_event(event), or on_event(event, connection)
  an object with methods such as on_session_created(event) or on_response_done(event, connection), and on_event for every event
Functions and methods may be async. Other parameters of a class or a function get their values from """,
    GIVEN,
    ".",
)


def event_callbacks(handler: Any, name: str, arguments: Mapping[str, Any], known: AbstractSet[str]) -> Callbacks:
    """Make callbacks of whatever a SPEC names.

    Args:
        handler: One of the forms that the error lists where it is none.
        name: What to call it.
        arguments: What a class or a function takes besides, by name.
        known: The types of events that the installed SDK knows.

    Raises:
        NotAHandler: It is none of these, or takes no such argument.
        HandlerError: Building the class, or calling the function, failed.
    """
    if inspect.isclass(handler):
        return _of_object(built(handler, name, arguments), name, known)
    if _methods(handler) or not callable(handler):
        if arguments:
            raise NotAHandler(f"{name} takes no arguments: it is already an object", hint="Name its class, or a function that builds it.")
        return _of_object(handler, name, known)
    if _is_factory(handler, arguments):
        made = built(handler, name, arguments)
        of = built(made, name, {}) if inspect.isclass(made) else made
        told = f"what {name} returned"
        return replace(_of_object(of, told, known) if _methods(of) or not callable(of) else _of_function(of, told), name=name)
    return _of_function(with_arguments(arguments, handler, name), name)


def first_taken(function: Any) -> Optional[str]:
    """What a function takes first: ``CONNECTION``, ``EVENT`` or ``WEBSOCKET``; None where nothing tells.

    Args:
        function: A function, a method, a partial, or an object that can be called.
    """
    parameters = list((parameters_of(function) or {}).values())
    if not parameters:
        return None
    first = parameters[0]
    if first.annotation is not first.empty:
        written = first.annotation if isinstance(first.annotation, str) else getattr(first.annotation, "__name__", str(first.annotation))
        found = next((what for end, what in _TYPES.items() if end in written), None)
        if found is not None:
            return found
    by_name = _NAMES.get(first.name.rpartition("_")[2].lower())
    return by_name or _FUNCTIONS.get(getattr(unwrapped(function)[0], "__name__", ""))


def _of_function(function: Callable[..., Any], name: str) -> Callbacks:
    plain, _ = unwrapped(function)
    if inspect.isgeneratorfunction(plain) or inspect.isasyncgenfunction(plain):
        raise NotAHandler(f"{name} contains yield, so calling it does not run it", hint=_WHAT_WOULD_BE)
    first = first_taken(function)
    if first in (CONNECTION, WEBSOCKET):
        if not takes(function, 1):
            more = ", ".join(list(parameters_of(function) or ())[1:])
            hint = Words("Its other parameters need a default, or a value given with ", GIVEN, ".")
            raise NotAHandler(f"{name} takes more than the connection: {more}", hint=hint)
        if first == CONNECTION and _reads_synchronously(function):
            raise _synchronous(name)
        return Callbacks(name, main=_conversing(function, name, below=first == WEBSOCKET))
    if takes(function, 2) and not takes(function, 1):
        holder = _Holder()
        return Callbacks(name, on_message=holder.with_connection(function), set_socket=holder.hold, owner=holder)
    if first == EVENT and takes(function, 1):
        if not takes(function, 2):
            return Callbacks(name, on_message=function, cannot_send=True)
        holder = _Holder()
        return Callbacks(name, on_message=holder.with_connection(function), set_socket=holder.hold, owner=holder)
    if takes(function, 1):
        what = f"{name} may take an event or the connection, and nothing shows which"
        raise NotAHandler(what, hint="Call its parameter connection or event, or annotate it with the SDK's class.")
    raise NotAHandler(f"{name} is not a handler: {_kind(function)}", hint=_WHAT_WOULD_BE)


def _reads_synchronously(function: Callable[..., Any]) -> bool:
    """Whether a function, which takes the connection first, reads it as that of the synchronous client is read."""
    plain, _ = unwrapped(function)
    parameters = list(parameters_of(function) or ())
    code = getattr(plain, "__code__", None)
    if code is None or not parameters or inspect.iscoroutinefunction(plain):
        return False
    steps = list(dis.get_instructions(code))
    follow = [then for one, then in zip(steps, steps[1:]) if one.opname.startswith("LOAD_FAST") and one.argval == parameters[0]]
    return any(then.opname == _ITERATES or then.argval in _READS for then in follow)


def _synchronous(name: str) -> NotAHandler:
    return NotAHandler(f"{name} reads the connection of the synchronous client, and a handler gets the asynchronous one", hint=_AS_IT_RUNS)


def _conversing(function: Callable[..., Any], name: str, *, below: bool) -> Callable[..., Any]:
    """A coroutine that gives a function the connection, and dispatches events for one that only registers what is to be called.

    Args:
        function: The developer's.
        name: What to call it.
        below: Whether it takes the connection below the SDK's.
    """

    async def conversing(connection: Any) -> Any:
        try:
            result = function(connection._connection if below else connection)
        except TypeError as error:
            # Whoever hands the connection on to what iterates over it is known only now.
            if f"{type(connection).__name__!r} object is not iterable" in str(error):
                raise _synchronous(name) from error
            raise
        if inspect.isawaitable(result):
            return await result
        dispatch, registry = (getattr(connection, one, None) for one in ("dispatch_events", "_event_handler_registry"))
        if below or (dispatch is not None and not getattr(registry, "_handlers", True)):
            what = f"{name} takes the connection and returned without reading it"
            raise NotAHandler(what, hint="Make it async def main(connection), or have it call connection.on(…).")
        if dispatch is None:
            what = f"{name} returned without reading the connection, and the installed openai package has no dispatch_events"
            raise NotAHandler(what, hint="pip install 'openai>=2.35', or make it async def main(connection).")
        return await dispatch()

    return _named_like(function, conversing, "main")


def _of_object(thing: Any, name: str, known: AbstractSet[str]) -> Callbacks:
    methods = _methods(thing)
    if not methods:
        if callable(thing):
            return _of_function(thing, name)
        raise NotAHandler(f"{name} is not a handler: {_kind(thing)}", hint=_WHAT_WOULD_BE)
    types = {_ON + one.replace(".", "_"): one for one in sorted({*known, *server_types()})}
    unknown = [one for one in methods if one not in types and one != _ANY]
    if unknown:
        what = f"{name}.{unknown[0]} does not match an event: neither the installed SDK nor the protocol has one of that name"
        raise NotAHandler(what, hint=f"It is {_ON} and the event's type, with _ for each dot; {_ANY} gets every event.")
    holder = _Holder()
    called = {one: holder.taking(getattr(thing, one), f"{name}.{one}") for one in methods}
    every = called.pop(_ANY, None)
    by_type = {types[one]: callback for one, callback in called.items()}
    if every is not None:
        by_type = {kind: _both(callback, every) for kind, callback in by_type.items()}

    def choose(event: Any) -> Optional[Callable[[Any], Any]]:
        return by_type.get(getattr(event, "type", None) or "", every)

    # By the first of them it is known where it is defined.
    on_message = every or next(iter(called.values()))
    if not holder.is_wanted:
        return Callbacks(name, on_message=on_message, choose=choose, owner=thing, cannot_send=True)
    return Callbacks(name, on_message=on_message, choose=choose, set_socket=holder.hold, owner=thing)


class _Holder:
    """Has the connection for those that take it besides an event.

    Attributes:
        is_wanted: Whether any of them does.
    """

    def __init__(self) -> None:
        self.is_wanted = False
        self._connection: Any = None

    def hold(self, connection: Any) -> None:
        """Take the connection, which is open."""
        self._connection = connection

    def with_connection(self, function: Callable[..., Any]) -> Callable[[Any], Any]:
        """A function of an event alone."""
        self.is_wanted = True

        def given(event: Any) -> Any:
            return function(event, self._connection)

        return _named_like(function, given, _ANY)

    def taking(self, method: Callable[..., Any], name: str) -> Callable[[Any], Any]:
        """A method, as a function of an event alone.

        Raises:
            NotAHandler: It takes neither an event nor an event and the connection.
        """
        if takes(method, 2):
            return self.with_connection(method)
        if not takes(method, 1):
            raise NotAHandler(f"{name} can be called neither with an event nor with an event and the connection", hint=_WHAT_WOULD_BE)
        return method


def _both(first: Callable[[Any], Any], second: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """One function that calls two, as ``dispatch_events`` does: first what is for the type, then what is for every event."""

    async def both(event: Any) -> None:
        for one in (first, second):
            result = one(event)
            if inspect.isawaitable(result):
                await result

    return _named_like(first, both, _ANY)


def _named_like(function: Callable[..., Any], around: Callable[..., Any], otherwise: str) -> Callable[..., Any]:
    """What calls a function: notes call a callback by its name, and say where it is defined."""
    around.__name__ = getattr(function, "__name__", otherwise)
    around.__wrapped__ = function  # type: ignore[attr-defined]
    return around


def _methods(thing: Any) -> List[str]:
    """The names of an object's methods for events. Asked is its class: a mock has every attribute."""
    if inspect.isfunction(thing) or inspect.ismethod(thing) or inspect.ismodule(thing) or isinstance(thing, functools.partial):
        return []
    own: Dict[str, Any] = dict(getattr(thing, "__dict__", {}))
    names = {*dir(type(thing)), *own}
    return sorted(one for one in names if one.startswith(_ON) and callable(getattr(thing, one, None)))


def _is_factory(function: Callable[..., Any], arguments: Mapping[str, Any]) -> bool:
    """Whether a function is called to get the handler: it wants nothing but what it is given, and would not take an event."""
    parameters = parameters_of(function)
    if parameters is None or inspect.iscoroutinefunction(unwrapped(function)[0]):
        return False
    left = [one for one in parameters.values() if one.name not in arguments]
    if any(one.kind in (one.VAR_POSITIONAL, one.POSITIONAL_ONLY) for one in left):
        return False
    return all(one.default is not one.empty or one.kind is one.VAR_KEYWORD for one in left) and not (left and first_taken(function))


def _kind(thing: Any) -> str:
    if inspect.ismodule(thing):
        return "it is a module"
    if callable(thing):
        return "it can be called neither with an event, nor with an event and the connection, nor with the connection"
    return f"it is of type {type(thing).__name__}, and has no method for an event"
