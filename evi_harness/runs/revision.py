"""The revision whose code a replay runs: what goes first on Python's path, and what was still loaded from elsewhere.

``ab`` runs one command in two checkouts. With an editable install, a src layout or an installed package Python would find the same code in
both, and the comparison would be of that code with itself. So the checkout goes first on the path; and the process that has loaded the
handler, which alone knows what Python found, looks at where it came from.

Rules of living here: the environment says which revision is to run, so that it reaches every process that the command starts. Without it, a
process checks nothing.
"""

from __future__ import annotations

import functools
import json
import os
import re
import site
import sys
import sysconfig
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Dict, FrozenSet, Iterator, List, Mapping, Optional, Sequence, Tuple
from urllib.parse import unquote, urlsplit

from evi_harness.errors import EviHarnessError, Parameter, Words
from evi_harness.guard.variables import variables_in
from evi_harness.input_file import read_file
from evi_harness.installed_packages import metadata_now

if TYPE_CHECKING:
    from importlib.metadata import Distribution

__all__ = ["Revision", "environment_of", "require_revision", "revision_here"]

# Names the revision whose checkout a command runs in, for whatever it starts.
REVISION = "EVI_HARNESS_REVISION"
_PATH = "PYTHONPATH"
_SOURCES = "src"
# Below these, code is installed and not developed, wherever they are: an environment may lie in the repository.
_INSTALLED = frozenset({"site-packages", "dist-packages"})
# A folder that is called like this module of Python's hides it from nobody who needs it.
_MAY_BE_HIDDEN = frozenset({"test"})
_BY_FULL_PATH = "Name the handler's file relative to where the command runs: a full path is the same file in every revision."
_HINT = Words(
    "An editable install, an installed copy or a path in the code comes before the revision. Put the folder of the repository that holds "
    "the package on PYTHONPATH, relative to where the command runs (PYTHONPATH=lib), or give ",
    Parameter("a"),
    " and ",
    Parameter("b"),
    ", a command for each version.",
)


@dataclass(frozen=True)
class Revision:
    """A revision that is checked out, as the processes that run in it know it.

    Attributes:
        name: What reports call it.
        folder: Where it is checked out.
        here: The folder in it that commands run in.
        worktrees: The other folders in which the repository is checked out: the developer's own.
    """

    name: str
    folder: Path
    here: Path
    worktrees: Tuple[Path, ...]


def environment_of(revision: Revision, environment: Mapping[str, str]) -> Dict[str, str]:
    """The environment in which a command runs a revision's code.

    Args:
        revision: The revision.
        environment: That of this process. What its PYTHONPATH says of a worktree is meant of the checkout.
    """
    said = [entry for entry in environment.get(_PATH, "").split(os.pathsep) if entry]
    here = revision.here
    # As developers lay projects out, and as this Python finds the worktree: an editable install is an entry of its path.
    folders = [here, here / _SOURCES, revision.folder, revision.folder / _SOURCES]
    folders = [*_in_checkout(revision, said), *folders, *_in_checkout(revision, sys.path)]
    usable = [str(folder) for folder in folders if folder.is_dir() and not _hides_pythons_own(folder)]
    others = [entry for entry in said if _relative(entry, revision.worktrees) is None]
    places = {"folder": str(revision.folder), "here": str(here), "worktrees": [str(one) for one in revision.worktrees]}
    told = {"name": revision.name, **places}
    return {**variables_in(environment), _PATH: os.pathsep.join(dict.fromkeys([*usable, *others])), REVISION: json.dumps(told)}


def _in_checkout(revision: Revision, entries: Sequence[str]) -> List[Path]:
    """What stands in a checkout where an entry of the path stands in a worktree."""
    found = [_relative(entry, revision.worktrees) for entry in entries if not _is_installed(entry)]
    return [revision.folder / one for one in found if one is not None]


def _relative(entry: str, worktrees: Sequence[Path]) -> Optional[Path]:
    """Where in a worktree an absolute entry of the path is; None where it is in none."""
    if not Path(entry).is_absolute():
        return None
    path = Path(entry).resolve()
    # Worktrees may lie in one another; the innermost is meant.
    inside = [top for top in worktrees if top == path or top in path.parents]
    return path.relative_to(max(inside, key=lambda top: len(top.parts))) if inside else None


def _hides_pythons_own(folder: Path) -> bool:
    """Whether a module of Python's own would not be found with this folder on the path: at its start Python itself would fail."""
    own = Path(sysconfig.get_path("stdlib"))
    names = [entry.stem if entry.suffix == ".py" else entry.name for entry in folder.iterdir() if _is_module(entry)]
    return any(name not in _MAY_BE_HIDDEN and (_is_module(own / f"{name}.py") or _is_module(own / name)) for name in names)


def _is_module(place: Path) -> bool:
    return place.is_file() if place.suffix == ".py" else (place / "__init__.py").is_file()


def revision_here() -> Optional[Revision]:
    """The revision that this process is to run, None if none is given."""
    told = os.environ.get(REVISION)
    if not told:
        return None
    fields = json.loads(told)
    return Revision(fields["name"], Path(fields["folder"]), Path(fields["here"]), tuple(map(Path, fields["worktrees"])))


def require_revision(handler: Any) -> None:
    """Look at where what is loaded now came from, in a process that is to run a revision; elsewhere, do nothing.

    Args:
        handler: What was loaded: a SPEC, or the handler itself; None for the built-in one, which is not a revision's.

    Raises:
        EviHarnessError: Code of the repository's was loaded from another place than the checkout, or none from there; names the file.
    """
    revision = revision_here()
    if revision is None or handler is None:
        return
    files = dict(_loaded())
    # What such a file imports is found beside it, whatever the path says.
    hint = _BY_FULL_PATH if _is_elsewhere(handler, revision) else _HINT
    own = _Own.of(revision)
    for name, file in sorted(files.items()):
        if own.has(file):
            raise _refused(revision, f"{name} is {file}", hint)
    module = _module_of(handler)
    handlers = files.get(module or "")
    if handlers is not None and revision.folder not in handlers.parents:
        raise _refused(revision, f"{module} is {handlers}")
    if not any(revision.folder in file.parents for file in files.values()):
        told = _file_of(handler) or handlers or "defined elsewhere"
        raise _refused(revision, f"the handler is {told}, and nothing that it imports is in the repository", hint)


def _refused(revision: Revision, what: str, hint: str = _HINT) -> EviHarnessError:
    return EviHarnessError(f"the code that would run is not from the revision: {what}", where=revision.name, hint=hint)


def _loaded() -> Iterator[Tuple[str, Path]]:
    """Every module that was loaded from a file, and the file."""
    for name, module in list(sys.modules.items()):
        file = vars(module).get("__file__") if isinstance(module, ModuleType) else None
        if isinstance(file, str):
            yield name, _real_folder(Path(file).parent) / Path(file).name


@functools.cache
def _real_folder(folder: Path) -> Path:
    return folder.resolve()


def _module_of(handler: Any) -> Optional[str]:
    """The module that a SPEC names; None for a file, and for an object."""
    place = handler.rpartition(":")[0] if isinstance(handler, str) else ""
    return place if place and not place.endswith(".py") else None


def _is_elsewhere(handler: Any, revision: Revision) -> bool:
    """Whether a SPEC names a file by its full path, and not in the checkout."""
    file = _file_of(handler)
    return file is not None and Path(handler).is_absolute() and revision.folder not in file.parents


def _file_of(handler: Any) -> Optional[Path]:
    """The file that a SPEC names; None for a module, and for an object."""
    place = handler.rpartition(":")[0] if isinstance(handler, str) else ""
    return Path(place).resolve() if place.endswith(".py") else None


@dataclass(frozen=True)
class _Own:
    """Where code of the repository is besides the checkout: in worktrees, and where it is installed.

    Attributes:
        revision: The revision.
        folders: Folders whose code is the repository's: worktrees, and other clones of it that are installed in place.
        files: Files of it that are installed.
    """

    revision: Revision
    folders: Tuple[Path, ...]
    files: FrozenSet[Path]

    @classmethod
    def of(cls, revision: Revision) -> _Own:
        names = _project_names(revision)
        folders: List[Path] = list(revision.worktrees)
        files: List[Any] = []
        for one in metadata_now().distributions():
            source, is_editable = _source_of(one)
            is_own = _name_of(one) in names or (source is not None and _is_below(source, revision.worktrees))
            if is_own and is_editable and source is not None:
                folders.append(source)
            if is_own:
                # A console script is made when a project is installed, and holds none of its code.
                files += [file for file in map(one.locate_file, one.files or ()) if not _is_below(Path(str(file)).resolve(), [_scripts()])]
        return cls(revision, tuple(folders), frozenset(Path(str(file)).resolve() for file in files))

    def has(self, file: Path) -> bool:
        if self.revision.folder in file.parents:
            return False
        return file in self.files or (_is_below(file, self.folders) and not _is_installed(str(file)))


def _is_below(path: Path, folders: Sequence[Path]) -> bool:
    return any(folder == path or folder in path.parents for folder in folders)


def _is_installed(place: str) -> bool:
    """Whether a place is in an environment, and not in somebody's sources."""
    path = Path(place)
    return not _INSTALLED.isdisjoint(path.parts) or _is_below(path, _environment_folders())


@functools.cache
def _scripts() -> Path:
    return Path(sysconfig.get_path("scripts")).resolve()


@functools.cache
def _environment_folders() -> Tuple[Path, ...]:
    paths = sysconfig.get_paths()
    # With the scripts, of which a console script such as ours is the main module.
    found = [paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib", "scripts")]
    # In some environments site has only a part of its functions.
    found += getattr(site, "getsitepackages", list)()
    return tuple(Path(one).resolve() for one in found)


def _source_of(one: Distribution) -> Tuple[Optional[Path], bool]:
    """The file or folder that a distribution was installed from, and whether it is used in place (PEP 610)."""
    try:
        told = json.loads(one.read_text("direct_url.json") or "{}")
        url = urlsplit(told.get("url", ""))
        is_editable = bool(told.get("dir_info", {}).get("editable"))
    except (ValueError, AttributeError):
        return None, False
    return (Path(unquote(url.path)).resolve(), is_editable) if url.scheme == "file" else (None, False)


def _name_of(one: Distribution) -> str:
    # What is half removed has no metadata.
    metadata: Any = one.metadata
    return _plain_name((metadata and metadata["Name"]) or "")


def _project_names(revision: Revision) -> FrozenSet[str]:
    """What the projects are called that a command runs in: at the top of the checkout, and from there to where the command runs."""
    folders = [one for one in (revision.here, *revision.here.parents) if _is_below(one, [revision.folder])]
    return frozenset(_plain_name(name) for folder in folders for name in _names_in(folder) if name)


def _names_in(folder: Path) -> Iterator[str]:
    # Nearly no run has a revision, and an app waits for what is loaded before it.
    from configparser import ConfigParser
    from configparser import Error as ConfigError

    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    with suppress(OSError, ValueError, AttributeError, EviHarnessError):
        table = tomllib.loads(read_file(folder / "pyproject.toml", "configuration").decode("utf-8"))
        for name in (table.get("project", {}).get("name"), table.get("tool", {}).get("poetry", {}).get("name")):
            if isinstance(name, str):
                yield name
    with suppress(OSError, ValueError, ConfigError, EviHarnessError):
        parser = ConfigParser(interpolation=None)
        parser.read_string(read_file(folder / "setup.cfg", "configuration").decode("utf-8"))
        yield parser["metadata"]["name"] if parser.has_option("metadata", "name") else ""


def _plain_name(name: str) -> str:
    """A distribution's name as packages compare them (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
