"""Which package a file belongs to, so that it is not imported a second time under another name.

A folder with an ``__init__.py`` is a package. One without may be part of a namespace package, or a folder of scripts that find one another
by their bare names: the file's own imports tell. The folder that a package is imported from is one of ``sys.path`` as a rule; of a source
tree that is not installed it is the one above the outermost package, such as ``src``.

Rules of living here: nothing is imported, and nothing is changed.
"""

from __future__ import annotations

import ast
import os
import sys
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Iterator, List, Optional, Sequence, Set, Tuple

__all__ = ["Membership", "membership_of"]

_INIT = "__init__"
_SRC = "src"


@dataclass(frozen=True)
class Membership:
    """What a file is in a package.

    Attributes:
        name: The module's name, with dots.
        root: The folder that the package is imported from.
    """

    name: str
    root: Path


def membership_of(path: Path) -> Optional[Membership]:
    """What a file is in a package; None where it is a script, which finds its siblings by their bare names.

    Args:
        path: The file, as a whole name.
    """
    loaded = _loaded_as(path)
    if loaded is not None:
        return loaded
    if "." in path.stem:
        # No module can be called so.
        return None
    folders = list(_possible_packages(path))
    n_regular = next((n for n, folder in enumerate(folders) if not _is_regular(folder)), len(folders))
    relative, absolute = _imports(path)
    n_named = max((n for n, folder in enumerate(folders, 1) if _names(absolute, folder, path)), default=0)
    n_known = max(relative, n_named)
    if not n_known and (not n_regular or _is_script(absolute, path)):
        return None
    count = max(n_known, n_regular)
    if not n_named:
        count = _imported_from(folders, count, is_regular=n_regular >= relative)
    return _membership(path, folders[:count]) if 0 < count <= len(folders) else None


def _membership(path: Path, packages: Sequence[Path]) -> Membership:
    parts = [folder.name for folder in reversed(packages)] + ([] if path.stem == _INIT else [path.stem])
    return Membership(".".join(parts), packages[-1].parent)


def _loaded_as(path: Path) -> Optional[Membership]:
    """As what module of a package a file has been imported already."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None) if "." in name else None
        if isinstance(file, str) and os.path.basename(file) == path.name and _is_same(path, file):  # noqa: PTH119 - of all modules
            n_above = name.count(".") + (path.stem == _INIT)
            if name.rpartition(".")[2] in (path.stem, path.parent.name) and n_above < len(path.parents):
                return Membership(name, path.parents[n_above])
    return None


def _is_same(path: Path, file: str) -> bool:
    try:
        return path.samefile(file)
    except OSError:
        return False


def _possible_packages(path: Path) -> Iterator[Path]:
    """The folders above a file, the innermost first, as far as they can be packages by their names."""
    for folder in path.parents:
        if not folder.name.isidentifier():
            return
        yield folder


def _is_regular(folder: Path) -> bool:
    return (folder / f"{_INIT}.py").is_file()


def _imports(path: Path) -> Tuple[int, Set[str]]:
    """By how many dots a file imports at most, and the whole names that it imports without any."""
    relative, absolute = 0, set()
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        # Importing it says what is wrong.
        return 0, set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            absolute |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level:
            relative = max(relative, node.level)
        elif isinstance(node, ast.ImportFrom) and node.module:
            absolute |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return relative, absolute


def _names(absolute: Set[str], folder: Path, path: Path) -> bool:
    """Whether a file imports by a name that begins with a folder which it is in, and that leads to a module there."""
    if _is_module(path.parent, folder.name):
        # That is what a script gets by this name.
        return False
    inner = {name.split(".")[1] for name in absolute if name.startswith(f"{folder.name}.")}
    return any(_is_module(folder, one) for one in inner)


def _is_module(folder: Path, name: str) -> bool:
    return (folder / f"{name}.py").is_file() or (folder / name).is_dir()


def _is_script(absolute: Set[str], path: Path) -> bool:
    """Whether a file imports a sibling by its bare name, as a script does, and it is nothing else by that name."""
    tops = {name.partition(".")[0] for name in absolute}
    return any(_is_module(path.parent, top) and not _is_found_elsewhere(top, path.parent) for top in tops)


def _is_found_elsewhere(name: str, folder: Path) -> bool:
    """Whether an import finds a module of this name that is not one of a folder."""
    loaded = sys.modules.get(name)
    if loaded is not None:
        file = getattr(loaded, "__file__", None)
        return file is None or folder not in Path(file).parents
    places = [entry for entry in sys.path if Path(entry).absolute() != folder]
    return name in sys.builtin_module_names or PathFinder.find_spec(name, places) is not None


def _imported_from(folders: Sequence[Path], count: int, *, is_regular: bool) -> int:
    """How many folders above a file are packages, where it is so many at least and the file does not say.

    Args:
        folders: Those that may be.
        count: So many are.
        is_regular: Whether each of these has an ``__init__.py``, so that there need be no more.
    """
    here = Path.cwd()
    places = {entry for entry in (Path(os.path.normpath(here / entry)) for entry in sys.path) if entry != here}
    roots: List[int] = []
    for n in range(count, len(folders) + 1):
        root = folders[n - 1].parent
        if root in places or (root.name == _SRC and not is_regular):
            roots.append(n)
        if root.name == _SRC and not _is_regular(root):
            # By convention it is the place of packages, and none itself.
            break
    return roots[0] if roots else count
