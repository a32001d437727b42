"""The forms that a developer's handler comes in, made one: a set of callbacks as Hume's guide has them.

Rules of living here: a handler may be sync or async and may have any of the callbacks; what is no handler is told what would be one.
"""

from __future__ import annotations

import inspect
import traceback
from dataclasses import dataclass
from typing import Any, Callable, Optional

from evi_harness.errors import HandlerError, NotAHandler

__all__ = ["Callbacks", "call", "callbacks_of"]

# The callbacks, and how each is called.
_CALLS = {
    "set_socket": "set_socket(socket)",
    "on_open": "on_open()",
    "on_message": "on_message(message)",
    "on_close": "on_close()",
    "on_error": "on_error(error)",
}

_WHAT_WOULD_BE = (
    "A handler is a function on_message(message), or an object or a class (built without arguments) with on_message(message) and any of "
    "set_socket(socket), on_open(), on_close(), on_error(error), as in Hume's quickstart; each may be async."
)


@dataclass(frozen=True)
class Callbacks:
    """A handler's callbacks, None where it has none.

    Attributes:
        name: What reports call the handler.
        set_socket: Gets the SDK's connection.
        on_open: Called when the connection is open.
        on_message: Called with each parsed message.
        on_close: Called when the connection is closed.
        on_error: Called with an exception that ``on_message`` raised.
    """

    name: str
    on_message: Callable[[Any], Any]
    set_socket: Optional[Callable[[Any], Any]] = None
    on_open: Optional[Callable[[], Any]] = None
    on_close: Optional[Callable[[], Any]] = None
    on_error: Optional[Callable[[BaseException], Any]] = None


def callbacks_of(handler: Any, name: str) -> Callbacks:
    """Make callbacks of whatever a SPEC names.

    Args:
        handler: A function (or anything else that can be called with one message), an object of the quickstart's shape, or a class of
            such objects. Classes are built here, so call this inside the running loop: on Python 3.9 a queue belongs to the loop that
            runs when it is made.
        name: What to call it.

    Raises:
        NotAHandler: It is none of these.
        HandlerError: Building the class failed.
    """
    if inspect.isclass(handler):
        handler = _build(handler, name)
    if callable(getattr(handler, "on_message", None)):
        return Callbacks(name, **{method: _method(handler, method, name) for method in _CALLS})
    if callable(handler) and _takes(handler, 1):
        return Callbacks(name, on_message=handler)
    raise NotAHandler(f"{name} is no handler: it is {_kind(handler)}", hint=_WHAT_WOULD_BE)


async def call(callback: Optional[Callable[..., Any]], *args: Any) -> None:
    """Call a callback, sync or async; nothing where there is none."""
    if callback is None:
        return
    result = callback(*args)
    if inspect.isawaitable(result):
        await result


def _build(handler: Any, name: str) -> Any:
    if not callable(getattr(handler, "on_message", None)):
        raise NotAHandler(f"{name} is no handler: the class has no on_message", hint=_WHAT_WOULD_BE)
    try:
        return handler()
    except (Exception, SystemExit) as error:
        raise HandlerError(
            f"{name} cannot be built: {type(error).__name__}: {error}",
            where=_place(error),
            hint="A handler's class is built without arguments.",
        ) from error


def _place(error: BaseException) -> Optional[str]:
    """Where in the developer's class it was raised; None where the class never ran."""
    frames = traceback.extract_tb(error.__traceback__)[1:]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else None


def _kind(thing: Any) -> str:
    if callable(thing):
        return "a function that cannot be called with one message"
    return "a module" if inspect.ismodule(thing) else f"of type {type(thing).__name__}"


def _method(handler: Any, method: str, name: str) -> Any:
    found = getattr(handler, method, None)
    if found is not None and not callable(found):
        raise NotAHandler(f"{name}.{method} cannot be called: it is of type {type(found).__name__}", hint=_WHAT_WOULD_BE)
    if found is not None and not _takes(found, 0 if _CALLS[method].endswith("()") else 1):
        raise NotAHandler(f"{name}.{method} cannot be called as {_CALLS[method]}", hint=_WHAT_WOULD_BE)
    return found


def _takes(function: Any, n_arguments: int) -> bool:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        # Written in C, it may say nothing of itself.
        return False
    try:
        signature.bind(*(None,) * n_arguments)
    except TypeError:
        return False
    return True
