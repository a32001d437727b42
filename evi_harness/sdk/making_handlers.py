"""What a SPEC names, made a handler: what a function takes, how a class is built, what an error says of it.

Rules of living here: nothing of one SDK; nothing of the developer's is called but what builds a handler.
"""

from __future__ import annotations

import functools
import inspect
import traceback
from types import FunctionType, MethodType
from typing import Any, Callable, Dict, Mapping, Optional, Tuple

from evi_harness.errors import HandlerError, NotAHandler, Parameter, Words
from evi_harness.guard.ending import UsersInterrupt

__all__ = [
    "GIVEN",
    "MESSAGES",
    "NAMED",
    "built",
    "by_a_function",
    "is_wanted",
    "parameters_of",
    "takes",
    "unwrapped",
    "with_arguments",
]

# What a handler takes besides.
GIVEN = Parameter("arguments", {"KEY": "VALUE"})
# The kinds of parameter that can be given by name.
NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
# What the parameter of a message may be called, where nothing but its name tells.
MESSAGES = ("message", "msg", "event")

_CALL = "__call__"
_MOST_DECORATORS = 20


def by_a_function(place: str, call: str) -> str:
    """Say how to name a function that returns the handler, with an example.

    Args:
        place: The file or module, as a SPEC has it.
        call: What builds the handler, such as ``App(name=…)``.
    """
    name = "my_handler" if call.startswith("handler(") else "handler"
    return (
        f"For anything else, write a function that returns the handler, and give {place}:{name}:\n    def {name}():\n        return {call}"
    )


def parameters_of(function: Any) -> Optional[Dict[str, inspect.Parameter]]:
    """The parameters that are left to be given; None for what is written in C and does not say."""
    try:
        return dict(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return None


def unwrapped(function: Any) -> Tuple[Any, Any]:
    """The function below partials, methods, decorators and ``__call__``; and the object whose method it is, if it is one."""
    bound: Any = None
    for _ in range(_MOST_DECORATORS):
        if isinstance(function, functools.partial):
            function = function.func
        elif isinstance(function, MethodType):
            function, bound = function.__func__, function.__self__
        elif "__wrapped__" in getattr(function, "__dict__", ()):
            function = function.__wrapped__
        elif isinstance(function, FunctionType) or not isinstance(inspect.getattr_static(type(function), _CALL, None), FunctionType):
            break
        else:
            function, bound = getattr(type(function), _CALL), function
    return function, bound


def takes(function: Any, n_arguments: int) -> bool:
    """Whether a function can be called with so many arguments, and nothing else."""
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


def is_wanted(parameter: inspect.Parameter) -> bool:
    """Whether a parameter has to be given, or is that of a message."""
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.POSITIONAL_ONLY):
        return True
    has_default = parameter.default is not parameter.empty
    return parameter.kind is not parameter.VAR_KEYWORD and (not has_default or parameter.name in MESSAGES)


def with_arguments(arguments: Mapping[str, Any], function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The function with the arguments that it is given besides.

    Raises:
        NotAHandler: It takes no such argument.
    """
    if not arguments:
        return function
    # The first parameter is the message, or the connection.
    _check_arguments(function, name, arguments, n_given=1)
    return functools.partial(function, **arguments)


def built(handler: Callable[..., Any], name: str, arguments: Mapping[str, Any]) -> Any:
    """What a class or a function of the developer's makes.

    Raises:
        NotAHandler: It takes no such argument.
        HandlerError: It raised.
    """
    _check_arguments(handler, name, arguments)
    try:
        return handler(**arguments)
    except UsersInterrupt:
        raise
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        raise HandlerError(
            f"{name} cannot be built: {type(error).__name__}: {error}",
            where=_place(error),
            hint=_how_to_build(handler, name, arguments),
        ) from error


def _how_to_build(handler: Any, name: str, arguments: Mapping[str, Any]) -> Words:
    """How a class gets what it takes: as text, or from the developer's own code, with an example of it."""
    own = getattr(handler, "__name__", None) or "App"
    wanted = [one.name for one in (parameters_of(handler) or {}).values() if one.kind in NAMED and is_wanted(one)]
    call = f"{own}({', '.join(f'{one}=…' for one in wanted) or '…'})"
    give = Parameter("arguments", dict.fromkeys([one for one in wanted if one not in arguments] or ["KEY"], "VALUE"))
    place, colon, _ = name.rpartition(":")
    if not colon:
        return Words(f"Give an instance, {call}, or its arguments with ", give, ".")
    return Words(give, " gives it text. ", by_a_function(place, call))


def _check_arguments(function: Any, name: str, arguments: Mapping[str, Any], n_given: int = 0) -> None:
    parameters = parameters_of(function)
    if parameters is None or any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
        return
    left = list(parameters.values())[n_given:]
    named = [one.name for one in left if one.kind in NAMED]
    unknown = sorted(set(arguments) - set(named))
    if unknown:
        taken = f"It takes: {', '.join(named)}." if named else "It takes none."
        raise NotAHandler(f"{name} takes no argument {', '.join(unknown)}", hint=taken)


def _place(error: BaseException) -> Optional[str]:
    """Where in the developer's class it was raised; None where the class never ran."""
    frames = traceback.extract_tb(error.__traceback__)[1:]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else None
