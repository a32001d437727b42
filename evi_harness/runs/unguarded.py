"""Files that run an event loop when imported, as Hume's guide ends: the line, and the change that makes them importable.

Rules of living here: the file is read and not run. What only a run can show comes from the exception that it raised.
"""

from __future__ import annotations

import ast
import inspect
import linecache
import re
import textwrap
from pathlib import Path
from types import TracebackType
from typing import Dict, Iterator, Optional, Union

from evi_harness.errors import HandlerError
from evi_harness.guard.developers import DEVELOPER, owner

__all__ = ["refused_run", "unguarded_run"]

# What runs an event loop to its end, by its whole name, or by the name of a method.
_RUNS = frozenset({"asyncio.run", "anyio.run", "trio.run", "uvloop.run"})
_METHODS = frozenset({"run_until_complete", "run_forever"})
# What these say where a loop runs already: asyncio, from 3.9 on, anyio, trio.
_RUNS_ALREADY = re.compile(
    r"from a running event loop|event loop is already running|another loop is running|Already running|from inside a run\(\)"
)
_GUARD = 'if __name__ == "__main__":'
_MODULE = "<module>"


def unguarded_run(path: Path, place: str) -> Optional[HandlerError]:
    """The error for a file that would run an event loop when it is imported; None where nothing of it plainly does.

    Args:
        path: The file.
        place: What to call it.
    """
    try:
        source = path.read_bytes().decode("utf-8")
        tree = ast.parse(source)
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        # Importing it says what is wrong.
        return None
    known = _imported_as(tree)
    for statement in _run_on_import(tree.body):
        if any(_is_run(node, known) for node in _evaluated(statement)):
            return _error(place, str(path), statement.lineno, ast.get_source_segment(source, statement) or "")
    return None


def refused_run(place: str, error: BaseException) -> Optional[HandlerError]:
    """The error for a file that did so; None where an import failed for another reason.

    Args:
        place: What to call what was imported.
        error: What importing it raised. Coroutines that are left in its frames, and that nobody will run, are closed.
    """
    if not isinstance(error, RuntimeError) or _RUNS_ALREADY.search(str(error)) is None:
        return None
    found: Optional[TracebackType] = None
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_name == _MODULE and owner(code.co_filename) == DEVELOPER:
            found = trace
        for value in list(trace.tb_frame.f_locals.values()):
            if inspect.iscoroutine(value) and inspect.getcoroutinestate(value) == inspect.CORO_CREATED:
                value.close()
        trace = trace.tb_next
    if found is None:
        return None
    file, line = found.tb_frame.f_code.co_filename, found.tb_lineno
    return _error(place, file, line, _statement_at(file, line))


def _error(place: str, file: str, line: int, statement: str) -> HandlerError:
    first, *more = statement.splitlines() or [""]
    quoted = "\n".join([first.strip(), *textwrap.dedent("\n".join(more)).splitlines()])
    fixed = f"{_GUARD}\n{textwrap.indent(textwrap.dedent(statement), '    ')}"
    return HandlerError(
        f"{place} does not import: it runs an event loop as soon as it is imported, and one is already running here: {quoted}",
        where=f"{file}:{line}",
        hint=f"With these two lines in its place the file still runs as a program, and can be imported:\n{fixed}",
    )


def _imported_as(tree: ast.Module) -> Dict[str, str]:
    """What the names of a module's imports stand for."""
    known: Dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            known.update({alias.asname or alias.name: alias.name for alias in node.names})
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            known.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
    return known


def _run_on_import(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run whenever a module is imported: not what is behind a condition, nor in a function."""
    for statement in body:
        if isinstance(statement, ast.Try):
            yield from _run_on_import([*statement.body, *statement.finalbody])
        elif isinstance(statement, (ast.With, ast.AsyncWith)):
            yield from _run_on_import(statement.body)
        elif isinstance(statement, (ast.Expr, ast.Assign, ast.AnnAssign, ast.AugAssign)):
            yield statement


def _evaluated(node: ast.AST) -> Iterator[ast.AST]:
    """What is evaluated with a statement: not what a lambda would do."""
    yield node
    for inner in ast.iter_child_nodes(node):
        if not isinstance(inner, ast.Lambda):
            yield from _evaluated(inner)


def _is_run(node: ast.AST, known: Dict[str, str]) -> bool:
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Attribute) and node.func.attr in _METHODS:
        return True
    return _whole_name(node.func, known) in _RUNS


def _whole_name(node: Union[ast.expr, ast.AST], known: Dict[str, str]) -> Optional[str]:
    if isinstance(node, ast.Name):
        return known.get(node.id)
    owner_ = _whole_name(node.value, known) if isinstance(node, ast.Attribute) else None
    return f"{owner_}.{node.attr}" if isinstance(node, ast.Attribute) and owner_ is not None else None


def _statement_at(file: str, line: int) -> str:
    """The innermost statement that begins at a line or goes over it."""
    source = "".join(linecache.getlines(file))
    try:
        statements = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.stmt)]
    except (SyntaxError, ValueError):
        statements = []
    over = [node for node in statements if node.lineno <= line <= (node.end_lineno or node.lineno)]
    innermost = max(over, key=lambda node: node.lineno, default=None)
    found = None if innermost is None else ast.get_source_segment(source, innermost)
    return found or linecache.getline(file, line).strip()
