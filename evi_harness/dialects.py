"""Which dialects there are, by the name that a session's header gives; each is loaded when it is asked for.

An installed package brings one by an entry point of the group ``evi_harness.dialects``, which has the dialect's name and leads to an object
that is a ``Dialect``. The names of those that are built in are not to be had.

Rules of living here: a name from a header chooses among what is installed, and leads nowhere else.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module, metadata
from typing import Dict, Iterable, Mapping, Optional, Tuple

from evi_harness.errors import EviHarnessError, UsageError
from evi_harness.session.protocols import Dialect
from evi_harness.session.session import Session

__all__ = ["DEFAULT", "GROUP", "default_dialect", "dialect_named", "dialect_of", "dialects_of", "forget", "known_dialects"]

# What a session speaks where nobody says.
DEFAULT = "evi"
# Of the entry points by which other packages bring theirs.
GROUP = "evi_harness.dialects"

_BUILT_IN: Mapping[str, str] = {"evi": "evi_harness.evi.dialect:EVI"}


def dialect_named(name: str = DEFAULT) -> Dialect:
    """The dialect of a name.

    Args:
        name: As in a session's header.

    Raises:
        UsageError: There is none of that name; the known ones are listed.
        EviHarnessError: The package that brings it cannot be imported, or what it brings has another name.
    """
    return _loaded(name)


def default_dialect() -> Dialect:
    """The dialect that is spoken where nobody says which."""
    return _loaded(DEFAULT)


def dialect_of(session: Session) -> Dialect:
    """The dialect that a session's header names.

    Raises:
        UsageError, EviHarnessError: See ``dialect_named``.
    """
    return _loaded(session.header.dialect)


def dialects_of(sessions: Iterable[Session]) -> Tuple[Dialect, ...]:
    """The dialects of some sessions and the default one, each once; what knows secrets has to know those of all of them.

    Raises:
        UsageError, EviHarnessError: See ``dialect_named``.
    """
    return tuple(map(_loaded, dict.fromkeys((DEFAULT, *(session.header.dialect for session in sessions)))))


def known_dialects() -> Tuple[str, ...]:
    """The names of the dialects that are built in or installed, in alphabetical order."""
    return tuple(sorted({*_BUILT_IN, *_installed()}))


@cache
def _loaded(name: str) -> Dialect:
    place = _BUILT_IN.get(name)
    if place is not None:
        module, _, attribute = place.partition(":")
        built_in: Dialect = getattr(import_module(module), attribute)
        return built_in
    entry = _installed().get(name)
    if entry is None:
        raise UsageError(f"there is no dialect {name!r}", hint=f"There are: {', '.join(known_dialects())}.")
    try:
        brought: Dialect = entry.load()
    except Exception as error:
        what = f"the dialect {name!r} cannot be loaded from {entry.value}: {type(error).__name__}: {error}"
        raise EviHarnessError(what, hint="Mend or remove the package that brings it.") from error
    given: Optional[str] = getattr(brought, "name", None)
    if given != name:
        what = f"the dialect {name!r} comes from {entry.value}, and that is called {given!r}"
        raise EviHarnessError(what, hint="An entry point has the name of its dialect.")
    return brought


def forget() -> None:
    """Look again for what is installed, and load it anew."""
    _loaded.cache_clear()


def _installed() -> Dict[str, metadata.EntryPoint]:
    """The entry points of other packages, by name; of two with one name the first."""
    found: Dict[str, metadata.EntryPoint] = {}
    for entry in metadata.entry_points(group=GROUP) if sys.version_info >= (3, 10) else metadata.entry_points().get(GROUP, ()):
        found.setdefault(entry.name, entry)
    return found
