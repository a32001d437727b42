"""What can be wrong with a voice app, as changes of its source: each operator finds the places where it applies, and changes one of them.

An operator is a row of ``OPERATORS``. It looks at the syntax tree of one file and gives its sites in the order of the file; a site changes
the tree that it was found in. Statements are put in as text, so that a row reads as the mistake that it is.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import partial
from typing import Callable, Dict, Iterator, List, Tuple, Union

__all__ = ["OPERATORS", "Operator", "Site"]

Function = Union[ast.FunctionDef, ast.AsyncFunctionDef]
Body = List[ast.stmt]
# Changes the tree.
Site = Callable[[], None]

# What sends a message, what answers a call, what hands on audio: as the apps call it.
SENDS = frozenset({"send_publish", "send_tool_response", "send", "answer", "apologize", "on_tool_call"})
PUTS = frozenset({"put", "put_nowait"})
RESPONSES = frozenset({"ToolResponseMessage", "ToolErrorMessage"})


@dataclass(frozen=True)
class Operator:
    """One way to go wrong.

    Attributes:
        name: What the table calls it.
        sites: The places in a file at which it applies.
        needs: The modules that what is put in uses.
    """

    name: str
    sites: Callable[[ast.Module], Iterator[Site]]
    needs: Tuple[str, ...] = ()


def bodies(tree: ast.AST) -> Iterator[Tuple[Function, Body]]:
    """Every block of statements in functions, with the innermost function that it is in."""

    def within(node: ast.AST, function: Union[Function, None]) -> Iterator[Tuple[Function, Body]]:
        inner = node if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) else function
        for name in ("body", "orelse", "finalbody"):
            body = getattr(node, name, None)
            # ``elif`` is an ``if`` alone in ``orelse``, and is looked at as that.
            is_elif = name == "orelse" and isinstance(node, ast.If) and len(body or ()) == 1 and isinstance((body or [None])[0], ast.If)
            if inner is not None and isinstance(body, list) and body and not is_elif:
                yield inner, body
        for child in ast.iter_child_nodes(node):
            yield from within(child, inner)

    yield from within(tree, None)


def called(node: ast.AST) -> str:
    """The last name of what a call calls; empty for anything else."""
    if isinstance(node, ast.Await):
        node = node.value
    if not isinstance(node, ast.Call):
        return ""
    return node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id if isinstance(node.func, ast.Name) else ""


def statements(tree: ast.Module, names: frozenset[str] = frozenset()) -> Iterator[Tuple[Body, int, ast.Expr]]:
    """Statements that call something, of these names where any are given: the block, where in it, and the statement.

    A ``sleep`` is none: in these apps it stands for the time that others take.
    """
    for _, body in bodies(tree):
        for index, one in enumerate(body):
            name = called(one.value) if isinstance(one, ast.Expr) else ""
            if isinstance(one, ast.Expr) and name not in ("", "sleep") and (not names or name in names):
                yield body, index, one


def parsed(text: str) -> Body:
    return ast.parse(text).body


def put_in(text: str, *, only_async: bool = True) -> Callable[[ast.Module], Iterator[Site]]:
    """An operator's sites: at the beginning of each block that runs in a conversation, the statements are put in."""

    def sites(tree: ast.Module) -> Iterator[Site]:
        for function, body in bodies(tree):
            is_async = isinstance(function, ast.AsyncFunctionDef)
            if (is_async or not only_async) and function.name not in ("__init__", "microphone"):
                yield lambda body=body: body.__setitem__(slice(0, 0), parsed(text))  # type: ignore[misc]

    return sites


def around_call(names: frozenset[str], change: Callable[[Body, int, ast.Expr], None]) -> Callable[[ast.Module], Iterator[Site]]:
    """An operator's sites: statements that call something of these names, changed."""

    def sites(tree: ast.Module) -> Iterator[Site]:
        for body, index, one in statements(tree, names):
            yield lambda body=body, index=index, one=one: change(body, index, one)  # type: ignore[misc]

    return sites


def puts(tree: ast.Module) -> Iterator[Tuple[Body, int, ast.Expr, ast.Call]]:
    """Statements that hand on a piece of audio: the block, where in it, the statement, and the call, whose argument is the piece."""
    for body, index, one in statements(tree, PUTS):
        call = one.value.value if isinstance(one.value, ast.Await) else one.value
        if isinstance(call, ast.Call) and len(call.args) == 1 and _is_audio(call.args[0]):
            yield body, index, one, call


def audio(text: str) -> Callable[[ast.Module], Iterator[Site]]:
    """An operator's sites: what is handed on, as ``wav``, replaced."""

    def change(call: ast.Call) -> None:
        expression = ast.parse(f"(lambda wav: {text})(0)", mode="eval").body
        assert isinstance(expression, ast.Call)
        expression.args, call.args = call.args, [expression]

    def sites(tree: ast.Module) -> Iterator[Site]:
        for _, _, _, call in puts(tree):
            yield partial(change, call)

    return sites


def pieces(text: str) -> Callable[[ast.Module], Iterator[Site]]:
    """An operator's sites: the statement that hands on a piece, replaced by a loop over ``CHOSEN(wav)``, which says what is put instead."""

    def change(tree: ast.Module, body: Body, index: int, one: ast.Expr, call: ast.Call) -> None:
        loop = parsed("for chosen in CHOSEN(0):\n    pass")[0]
        assert isinstance(loop, ast.For)
        assert isinstance(loop.iter, ast.Call)
        loop.iter.args, call.args = call.args, [ast.Name("chosen", ast.Load())]
        body[index], loop.body = loop, [one]
        tree.body[_imports(tree) : _imports(tree)] = parsed(f"KEPT = []\ndef CHOSEN(wav):\n    KEPT.append(wav)\n    {text}")

    def sites(tree: ast.Module) -> Iterator[Site]:
        for found in puts(tree):
            yield partial(change, tree, *found)

    return sites


def _is_audio(node: ast.AST) -> bool:
    return called(node) == "b64decode" or any(isinstance(one, ast.Name) and one.id == "wav" for one in ast.walk(node))


def _imports(tree: ast.Module) -> int:
    """Where a file's imports end."""
    return max((at + 1 for at, one in enumerate(tree.body) if isinstance(one, (ast.Import, ast.ImportFrom))), default=0)


def keywords(name: str, text: str, calls: frozenset[str] = RESPONSES) -> Callable[[ast.Module], Iterator[Site]]:
    """An operator's sites: an argument of a message, as ``was``, replaced."""

    def sites(tree: ast.Module) -> Iterator[Site]:
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and called(node) in calls:
                for keyword in node.keywords:
                    if keyword.arg == name:

                        def change(keyword: ast.keyword = keyword) -> None:
                            expression = ast.parse(f"(lambda was: {text})(0)", mode="eval").body
                            assert isinstance(expression, ast.Call)
                            expression.args = [keyword.value]
                            keyword.value = expression

                        yield change

    return sites


def awaits_removed(tree: ast.Module) -> Iterator[Site]:
    """``await f()`` as a statement becomes ``f()``."""
    for _, _, one in statements(tree):
        if isinstance(one.value, ast.Await):
            yield lambda one=one: setattr(one, "value", one.value.value)  # type: ignore[misc]


def tasks_instead(tree: ast.Module) -> Iterator[Site]:
    """``await f()`` as a statement becomes a task that nobody awaits."""
    for _, _, one in statements(tree):
        if isinstance(one.value, ast.Await):

            def change(one: ast.Expr = one) -> None:
                call = parsed("asyncio.ensure_future(0)")[0]
                assert isinstance(call, ast.Expr)
                assert isinstance(call.value, ast.Call)
                assert isinstance(one.value, ast.Await)
                call.value.args = [one.value.value]
                one.value = call.value

            yield change


def conditions_negated(tree: ast.Module) -> Iterator[Site]:
    """``if x`` becomes ``if not x``."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.If, ast.While, ast.IfExp)) and not isinstance(node.test, ast.Constant):
            yield lambda node=node: setattr(node, "test", ast.UnaryOp(ast.Not(), node.test))  # type: ignore[misc]


def types_misspelt(tree: ast.Module) -> Iterator[Site]:
    """A message type that is compared with is misspelt: its branch is never taken."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            for one in ast.walk(node):
                if isinstance(one, ast.Constant) and isinstance(one.value, str):
                    yield lambda one=one: setattr(one, "value", one.value + "s")  # type: ignore[misc]


def figures_changed(tree: ast.Module) -> Iterator[Site]:
    """A number or a text that is sent, waited for or computed with is another one."""
    for _, body in bodies(tree):
        for one in body:
            if isinstance(
                one, (ast.If, ast.For, ast.While, ast.Try, ast.With, ast.AsyncFor, ast.AsyncWith, ast.FunctionDef, ast.AsyncFunctionDef)
            ):
                continue
            for node in ast.walk(one):
                if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
                    yield lambda node=node: setattr(node, "value", node.value + 1)  # type: ignore[misc]
    for one in tree.body:
        if isinstance(one, ast.Assign):
            for node in ast.walk(one.value):
                if isinstance(node, ast.Constant) and isinstance(node.value, (int, float, str)):
                    changed = node.value + 1 if isinstance(node.value, (int, float)) else node.value + "s"
                    yield lambda node=node, changed=changed: setattr(node, "value", changed)  # type: ignore[misc]


def swallows(tree: ast.Module) -> Iterator[Site]:
    """A block that fails, in a ``try`` that says nothing of it."""
    for function, body in bodies(tree):
        if isinstance(function, ast.AsyncFunctionDef) and function.name not in ("microphone",):

            def change(body: Body = body) -> None:
                block = parsed("try:\n    raise OSError('the weather service is away')\nexcept Exception:\n    pass")[0]
                assert isinstance(block, ast.Try)
                block.body += body
                body[:] = [block]

            yield change


def _remove(body: Body, index: int, _: ast.Expr) -> None:
    body[index] = ast.Pass()


def _twice(body: Body, index: int, one: ast.Expr) -> None:
    body.insert(index, one)


def _late(seconds: float) -> Callable[[Body, int, ast.Expr], None]:
    def change(body: Body, index: int, _: ast.Expr) -> None:
        body[index:index] = parsed(f"import asyncio\nawait asyncio.sleep({seconds})")

    return change


def removed(tree: ast.Module) -> Iterator[Site]:
    """A statement that neither answers nor plays is removed: what ends a thread, cancels a task, empties a queue."""
    for body, index, one in statements(tree):
        if called(one.value) not in SENDS | PUTS | {"print"}:
            yield lambda body=body, index=index, one=one: _remove(body, index, one)  # type: ignore[misc]


def late_audio(tree: ast.Module) -> Iterator[Site]:
    """Audio is handed on late, where that can be awaited."""
    for function, body in bodies(tree):
        for index, one in enumerate(body):
            if isinstance(function, ast.AsyncFunctionDef) and isinstance(one, ast.Expr) and called(one.value) in PUTS:
                yield lambda body=body, index=index, one=one: _late(1.5)(body, index, one)  # type: ignore[misc]


_EVERY_THIRD = "return [] if len(KEPT) % 3 == 2 else [wav]"
_SWAPPED = "return [] if len(KEPT) % 3 == 1 else [wav, KEPT[-2]] if len(KEPT) % 3 == 2 else [wav]"
_OF_TWO_BYTES = "b''.join(wav[at : at + 2] * {} for at in range(44, len(wav), {}))"

_ROWS: Dict[str, Tuple[Callable[[ast.Module], Iterator[Site]], Tuple[str, ...]]] = {
    "not answered": (around_call(SENDS, _remove), ()),
    "answered twice": (around_call(SENDS, _twice), ()),
    "answered 2 s late": (around_call(SENDS, _late(2)), ()),
    "wrong id": (keywords("tool_call_id", "was + '0'"), ()),
    "wrong content": (keywords("content", "was.replace(':', ';')"), ()),
    "wrong text": (keywords("text", "was + '!'", frozenset({"UserInput", "AssistantInput"})), ()),
    "sends besides": (
        put_in("from hume.empathic_voice.types import UserInput\nawait self.socket.send_publish(UserInput(text='Hello?'))"),
        (),
    ),
    "await removed": (awaits_removed, ()),
    "task instead of await": (tasks_instead, ("asyncio",)),
    "condition negated": (conditions_negated, ()),
    "message type misspelt": (types_misspelt, ()),
    "figure changed": (figures_changed, ()),
    "clean-up removed": (removed, ()),
    "base64 played": (audio("base64.b64encode(wav)"), ("base64",)),
    "hex played": (audio("wav.hex().encode()"), ()),
    "header cut off": (audio("wav[44:]"), ()),
    "header as audio": (audio("wav[:44] + wav"), ()),
    "off by one byte": (audio("wav[:44] + wav[45:] + b'\\0'"), ()),
    "bytes swapped": (audio("wav[:44] + bytes(wav[at ^ 1] for at in range(44, len(wav)))"), ()),
    "zeros": (audio("wav[:44] + bytes(len(wav) - 44)"), ()),
    "every second sample": (audio(f"wav[:44] + {_OF_TWO_BYTES.format(1, 4)}"), ()),
    "samples doubled": (audio(f"wav[:44] + {_OF_TWO_BYTES.format(2, 2)}"), ()),
    "wrong rate": (audio("wav[:24] + (48000).to_bytes(4, 'little') + wav[28:]"), ()),
    "last 5 ms cut": (audio("wav[:44] + wav[44:-240]"), ()),
    "somebody else's": (audio("wav[:44] + wav[:43:-1]"), ()),
    "chunk lost": (pieces(_EVERY_THIRD), ()),
    "chunk played twice": (pieces("return [wav, wav] if len(KEPT) == 2 else [wav]"), ()),
    "chunk played three times": (pieces("return [wav, wav, wav] if len(KEPT) == 1 else [wav]"), ()),
    "chunks swapped": (pieces(_SWAPPED), ()),
    "nothing played": (around_call(PUTS, _remove), ()),
    "played 1.5 s late": (late_audio, ()),
    "sleeps on the loop": (put_in("import time\ntime.sleep(0.6)"), ()),
    "computes on the loop": (put_in("import time\nend_s = time.thread_time() + 1.3\nwhile time.thread_time() < end_s:\n    pass"), ()),
    "raises": (put_in("raise ValueError('no such place')", only_async=False), ()),
    "swallows an exception": (swallows, ()),
    "never returns": (put_in("import asyncio\nawait asyncio.Event().wait()"), ()),
    "leaves a task": (
        put_in("import asyncio\nasync def ticks():\n    while True:\n        await asyncio.sleep(60)\nasyncio.ensure_future(ticks())"),
        (),
    ),
    "leaves a thread": (
        put_in("import threading\nthreading.Thread(target=threading.Event().wait, name='left').start()", only_async=False),
        (),
    ),
    "leaves a socket": (put_in("import socket\nLEFT.append(socket.create_server(('127.0.0.1', 0)))", only_async=False), ("LEFT",)),
    # In a thread it would end that thread alone.
    "exits": (put_in("import sys\nsys.exit()"), ()),
    "stops the loop": (put_in("import asyncio\nasyncio.get_running_loop().stop()"), ()),
}

OPERATORS: Tuple[Operator, ...] = tuple(Operator(name, sites, needs) for name, (sites, needs) in _ROWS.items())


def mutated(source: str, operator: Operator, number: int) -> ast.Module:
    """A file with one site changed.

    Args:
        source: The file.
        operator: Which change.
        number: Which of its sites, from 0.
    """
    tree = ast.parse(source)
    sites = list(operator.sites(tree))
    sites[number]()
    at = _imports(tree)
    tree.body[at:at] = parsed("\n".join("LEFT = []" if name == "LEFT" else f"import {name}" for name in operator.needs))
    return ast.fix_missing_locations(tree)
