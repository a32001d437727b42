"""The handlers that a file may have, for a SPEC that names only the file: the file is parsed, not run."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import List

from evi_harness.input_file import file_problem

__all__ = ["likely_names"]


def likely_names(place: str) -> List[str]:
    """The classes and functions of a file that may be handlers, the likeliest first; none where it cannot be read.

    Classes with a callback ``on_…`` come first; where there is none, other classes, then public functions.

    Args:
        place: The file.
    """
    try:
        if file_problem(place, "handler") is not None:
            return []
        tree = ast.parse(Path(place).read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
    functions = [
        node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and not node.name.startswith("_")
    ]
    return [node.name for node in classes if _has_callback(node)] or [node.name for node in classes] or functions


def _has_callback(node: ast.ClassDef) -> bool:
    return any(isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef)) and one.name.startswith("on_") for one in node.body)
