"""Whether a function takes the connection or a message: by its annotation, its name, or its use.

A use that only a connection has is stronger than the name of a message; what is called ``on_message`` takes one, whatever it calls it.

Rules of living here: nothing of the developer's is called, and nothing is guessed: where none of the three tells, the answer is None.
"""

from __future__ import annotations

import ast
import inspect
import linecache
import re
import typing
from contextlib import suppress
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any, FrozenSet, Iterator, List, Mapping, Optional, Set, Tuple, Union

from evi_harness.sdk.making_handlers import parameters_of, unwrapped

__all__ = ["CONNECTION", "MESSAGE", "WEBSOCKET", "is_a_use", "taken_first"]

# What may be taken first: the SDK's connection, one of its messages, or the connection of the websockets library.
CONNECTION, MESSAGE, WEBSOCKET = "the connection", "a message", "a connection of websockets"

# The last word of a parameter's name, where that says what it is. The first three say it wherever they stand, the others of a handler.
_SOCKETS: Mapping[str, str] = dict.fromkeys(("socket", "websocket", "ws"), CONNECTION)
_NAMES: Mapping[str, str] = {
    **_SOCKETS,
    **dict.fromkeys(("connection", "conn", "chat"), CONNECTION),
    **dict.fromkeys(("message", "msg", "event"), MESSAGE),
}
# The last words of a type's name: the SDK's own name for its connection, by version, and for any of its messages.
_TYPES: Mapping[str, str] = {
    **dict.fromkeys(("ChatSocketClient", "ChatWebsocketConnection"), CONNECTION),
    "SubscribeEvent": MESSAGE,
    **dict.fromkeys(("ClientConnection", "WebSocketClientProtocol"), WEBSOCKET),
}
_MODULES: Mapping[str, str] = {"hume.empathic_voice": MESSAGE, "websockets": WEBSOCKET}

# What a connection has and no message: reading by ``async for`` stands for the first of them.
_ITERATES = "__aiter__"
_READS = frozenset({_ITERATES, "recv", "start_listening"})
_SENDS = "send_"
_ITERATING = frozenset({"aiter", "anext"})

# So many calls deep is looked for a use: a main hands its connection on to what reads it.
_DEPTH = 4
# What Hume's guide calls the function that takes a message.
_TAKES_A_MESSAGE = "on_message"

_AnyFunctionDef = (ast.FunctionDef, ast.AsyncFunctionDef)


def taken_first(function: Any) -> Optional[str]:
    """What a function takes first: ``CONNECTION``, ``MESSAGE`` or ``WEBSOCKET``; None where nothing tells.

    Args:
        function: A function, a method, a partial, or an object that can be called.
    """
    parameters = parameters_of(function)
    if not parameters:
        return None
    first = next(iter(parameters.values()))
    plain, bound = unwrapped(function)
    said = _said_by(first, plain)
    if said == CONNECTION and first.annotation is first.empty and getattr(plain, "__name__", None) == _TAKES_A_MESSAGE:
        said = MESSAGE
    is_open = said is None or (said == MESSAGE and first.annotation is first.empty)
    if is_open and isinstance(plain, FunctionType) and _Looking(bound).is_used(plain, frozenset({first.name})):
        return CONNECTION
    return said


def is_a_use(attribute: str) -> bool:
    """Whether an attribute is one that the SDK's connection has, by which it is read or sent on, and none of its messages."""
    return attribute in _READS or attribute.startswith(_SENDS)


def _said_by(parameter: inspect.Parameter, function: Any, names: Mapping[str, str] = _NAMES) -> Optional[str]:
    """What a parameter's annotation says, else its name."""
    annotation = parameter.annotation
    if isinstance(annotation, str):
        # An annotation need not be one that can be evaluated here.
        with suppress(Exception):
            annotation = typing.get_type_hints(function)[parameter.name]
    said = None if annotation is parameter.empty else _said_by_type(annotation)
    return said or names.get(parameter.name.rpartition("_")[2].lower())


def _said_by_type(annotation: Any) -> Optional[str]:
    if isinstance(annotation, str):
        found = (_TYPES[end] for word in re.findall(r"\w+", annotation) for end in _TYPES if word.endswith(end))
        return next(found, None)
    if typing.get_args(annotation):
        parts = [_said_by_type(one) for one in typing.get_args(annotation)]
        return next((part for part in parts if part is not None), None)
    if not inspect.isclass(annotation):
        return _said_by_type(str(annotation)) if annotation is not None else None
    named = _said_by_type(annotation.__name__)
    if named is not None:
        return named
    # A protocol or a wrapper of the developer's own.
    if any(hasattr(annotation, one) for one in _READS):
        return WEBSOCKET if annotation.__module__.startswith("websockets.") else CONNECTION
    return next((what for module, what in _MODULES.items() if annotation.__module__.startswith(f"{module}.")), None)


class _Looking:
    """Looks in the source of a function for a use of what it takes, and in that of what it hands it on to.

    Args:
        bound: The object whose method the function is, None where it is none.
    """

    def __init__(self, bound: Any) -> None:
        self._bound = bound
        self._seen: Set[Tuple[CodeType, FrozenSet[str]]] = set()

    def is_used(self, function: FunctionType, names: FrozenSet[str], depth: int = 0) -> bool:
        """Whether one of these names, as the source has them, is used as a connection in a function."""
        if depth > _DEPTH or (function.__code__, names) in self._seen:
            return False
        self._seen.add((function.__code__, names))
        tree = _source_of(function.__code__)
        if tree is None:
            return False
        known = _with_aliases(tree, names)
        return any(_is_use(node, known) for node in ast.walk(tree)) or any(
            self._is_handed_on(call, function, tree, known, depth) for call in ast.walk(tree) if isinstance(call, ast.Call)
        )

    def _is_handed_on(self, call: ast.Call, function: FunctionType, tree: ast.AST, known: FrozenSet[str], depth: int) -> bool:
        """Whether a call gives a connection to what takes one, or to what uses it as one."""
        if isinstance(call.func, ast.Name) and any(_is_nested(node, call.func.id) for node in ast.walk(tree)):
            # Its body has been looked at, with what its parameters stand for.
            return False
        called = self._called(call.func, function)
        if called is None:
            return False
        plain, _ = unwrapped(called)
        given = _given(call, parameters_of(called) or {}, known)
        if any(_said_by(parameter, plain, _SOCKETS) == CONNECTION for parameter in given):
            return True
        names = {parameter.name for parameter in given}
        if isinstance(plain, type):
            return bool(names) and self._is_kept(plain, frozenset(names), depth)
        if isinstance(call.func, ast.Attribute) and _text(call.func.value) == "self":
            # What the object keeps is at hand in its other methods.
            names |= {name for name in known if name.startswith("self.")}
        return bool(names) and isinstance(plain, FunctionType) and self.is_used(plain, frozenset(names), depth + 1)

    def _is_kept(self, made: type, names: FrozenSet[str], depth: int) -> bool:
        """Whether a class whose object gets a connection under these names uses it as one, in whichever of its methods."""
        build = vars(made).get("__init__")
        tree = _source_of(build.__code__) if isinstance(build, FunctionType) else None
        # A dataclass keeps what it gets under the same names.
        kept = (
            {f"self.{name}" for name in names} if tree is None else {one for one in _with_aliases(tree, names) if one.startswith("self.")}
        )
        methods = [one for base in made.__mro__ for one in vars(base).values() if isinstance(one, FunctionType)]
        in_building = isinstance(build, FunctionType) and self.is_used(build, names, depth + 1)
        own = frozenset(name for name in kept if name.startswith("self."))
        return in_building or any(self.is_used(one, own, depth + 1) for one in methods)

    def _called(self, node: ast.AST, function: FunctionType) -> Any:
        """What a name, or names with dots between them, stand for in a function; None where that is known only when it runs."""
        if isinstance(node, ast.Name):
            if node.id == "self":
                return self._bound
            free = dict(zip(function.__code__.co_freevars, function.__closure__ or ()))
            with suppress(ValueError):
                return free[node.id].cell_contents if node.id in free else function.__globals__.get(node.id)
            return None
        if not isinstance(node, ast.Attribute):
            return None
        owner = self._called(node.value, function)
        if owner is not None and owner is self._bound:
            # Of its class, so that no property of the developer's is run.
            found = inspect.getattr_static(type(owner), node.attr, None)
            return MethodType(found, owner) if isinstance(found, FunctionType) else None
        with suppress(Exception):
            # A module may make its names when they are asked for, and fail.
            return getattr(owner, node.attr, None) if isinstance(owner, (ModuleType, type)) else None
        return None


def _source_of(code: CodeType) -> Optional[Union[ast.FunctionDef, ast.AsyncFunctionDef]]:
    """The source of a function, parsed; None where it cannot be had."""
    linecache.checkcache(code.co_filename)
    try:
        tree = ast.parse("".join(linecache.getlines(code.co_filename)))
    except (SyntaxError, ValueError, RecursionError):
        return None
    named = (node for node in ast.walk(tree) if isinstance(node, _AnyFunctionDef) and node.name == code.co_name)
    return next((node for node in named if _first_line(node) == code.co_firstlineno), None)


def _first_line(node: Union[ast.FunctionDef, ast.AsyncFunctionDef]) -> int:
    """Where the code of a function begins: with its first decorator."""
    return min([node.lineno, *(one.lineno for one in node.decorator_list)])


def _with_aliases(tree: ast.AST, names: FrozenSet[str]) -> FrozenSet[str]:
    """The names by which the same thing is known in a function: what it is assigned to, and parameters of functions in it that get it."""
    known, n_before = set(names), 0
    while len(known) > n_before:
        n_before = len(known)
        for node in ast.walk(tree):
            if isinstance(node, (ast.Assign, ast.AnnAssign, ast.NamedExpr)) and node.value is not None and _text(node.value) in known:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                known |= {text for text in map(_text, targets) if text is not None}
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                known |= set(_nested_parameters(tree, node, frozenset(known)))
    return frozenset(known)


def _nested_parameters(tree: ast.AST, call: ast.Call, known: FrozenSet[str]) -> Iterator[str]:
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    for node in ast.walk(tree):
        if _is_nested(node, name):
            arguments = [*node.args.posonlyargs, *node.args.args]  # type: ignore[attr-defined]
            yield from (one.arg for one, given in zip(arguments, call.args) if _text(given) in known)
            by_name = {keyword.arg for keyword in call.keywords if _text(keyword.value) in known}
            yield from (one.arg for one in [*arguments, *node.args.kwonlyargs] if one.arg in by_name)  # type: ignore[attr-defined]


def _is_nested(node: ast.AST, name: str) -> bool:
    return isinstance(node, _AnyFunctionDef) and node.name == name


def _given(call: ast.Call, parameters: Mapping[str, inspect.Parameter], known: FrozenSet[str]) -> List[inspect.Parameter]:
    """The parameters that get one of the names in a call."""
    positional = [one for one in parameters.values() if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    found = [one for one, argument in zip(positional, call.args) if _text(argument) in known]
    named = [keyword.arg for keyword in call.keywords if _text(keyword.value) in known]
    return found + [parameters[name] for name in named if name is not None and name in parameters]


def _is_use(node: ast.AST, known: FrozenSet[str]) -> bool:
    if isinstance(node, ast.AsyncFor) or (isinstance(node, ast.comprehension) and node.is_async):
        return _text(node.iter) in known
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _ITERATING:
        return any(_text(one) in known for one in node.args)
    return isinstance(node, ast.Attribute) and is_a_use(node.attr) and _text(node.value) in known


def _text(node: ast.AST) -> Optional[str]:
    """A name, or names with dots between them, as text; None for any other expression."""
    if isinstance(node, ast.Name):
        return node.id
    owner = _text(node.value) if isinstance(node, ast.Attribute) else None
    return f"{owner}.{node.attr}" if isinstance(node, ast.Attribute) and owner is not None else None
