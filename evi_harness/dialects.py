"""Known dialects and SDK adapters, by the name in a session's header; each is loaded when needed.

An installed package brings one by an entry point of the group ``evi_harness.dialects``, which has the dialect's name and leads to an object
that is a ``Dialect``; and the adapter of an SDK that speaks it by one of the same name in the group ``evi_harness.adapters``. The names of
those that are built in are not to be had.

Rules of living here: a name from a header chooses among what is installed, and leads nowhere else.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Dict, FrozenSet, Iterable, Mapping, Optional, Tuple

from evi_harness.errors import EviHarnessError, UsageError
from evi_harness.installed_packages import metadata_now

if TYPE_CHECKING:
    from importlib import metadata

    from evi_harness.sdk.adapter import Adapter
    from evi_harness.session.protocols import Dialect, UserActs
    from evi_harness.session.session import Session

__all__ = [
    "ADAPTERS_GROUP",
    "DEFAULT",
    "GROUP",
    "adapter_for",
    "default_dialect",
    "default_secret_names",
    "dialect_named",
    "dialect_of",
    "dialects_of",
    "forget",
    "is_built_in",
    "key_variables",
    "known_dialects",
    "spoken_by",
    "spoken_here",
    "user_acts_of",
]

# What a session speaks where nobody says.
DEFAULT = "evi"
# Of the entry points by which other packages bring theirs.
GROUP = "evi_harness.dialects"
# Of the entry points by which they bring the adapters of SDKs, under the names of the dialects that these speak.
ADAPTERS_GROUP = "evi_harness.adapters"

_BUILT_IN: Mapping[str, str] = {
    "evi": "evi_harness.evi.dialect:EVI",
    "openai-realtime": "evi_harness.openai_realtime.realtime_dialect:OPENAI_REALTIME",
}
# Their secret names alone, for whoever prints: a command that shows a line is not to load a dialect for it.
_NAMES_OF_SECRETS = "evi_harness.evi.secrets"
# Where the variables with their keys are named, likewise.
_NAMES_OF_VARIABLES = ("evi_harness.evi.evi_variables", "evi_harness.openai_realtime.realtime_variables")
# The adapters of SDKs, by dialect; what is not here, and not installed, is spoken without an SDK.
_ADAPTERS: Mapping[str, str] = {
    "evi": "evi_harness.sdk.hume.hume_adapter:HUME",
    "openai-realtime": "evi_harness.sdk.openai.openai_adapter:REALTIME",
}
# What users do in them, by dialect.
_USERS: Mapping[str, str] = {
    "evi": "evi_harness.evi.evi_user:EVI_USER",
    "openai-realtime": "evi_harness.openai_realtime.realtime_user:REALTIME_USER",
}
# What the connections of some SDKs speak, by the package that these are.
_SPOKEN_BY: Mapping[str, str] = {"openai": "openai-realtime"}
_NO_SDK = "evi_harness.sdk.plain_client:PLAIN"


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


def default_secret_names() -> Tuple[FrozenSet[str], FrozenSet[str]]:
    """The ``secret_names`` and ``folded_names`` of the default dialect, without loading it."""
    names = import_module(_NAMES_OF_SECRETS)
    return names.NAMES, names.FOLDED


@cache
def key_variables() -> Tuple[str, ...]:
    """The environment variables that hold keys of the services whose dialects are built in, without loading these."""
    return tuple(name for place in _NAMES_OF_VARIABLES for name in import_module(place).KEY_VARIABLES)


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


def adapter_for(dialect: Dialect) -> Adapter:
    """The adapter of the SDK by which apps speak a dialect; that of the websockets library alone where nobody brings one.

    Raises:
        EviHarnessError: The package that brings it cannot be imported.
    """
    return _adapter(dialect.name)


def user_acts_of(dialect: Dialect) -> UserActs:
    """What users and apps do in a dialect.

    Raises:
        UsageError: Nobody knows: it is not built in.
    """
    place = _USERS.get(dialect.name)
    if place is None:
        what = f"a conversation cannot be carried over to or from {dialect.name!r}"
        raise UsageError(what, hint=f"It can between: {', '.join(_USERS)}.")
    found: UserActs = _at(place)
    return found


def spoken_by(connection: object) -> str:
    """The name of the dialect that a connection speaks, by the SDK whose it is; the default one for any other connection."""
    return _SPOKEN_BY.get(type(connection).__module__.partition(".")[0], DEFAULT)


def spoken_here() -> Tuple[str, ...]:
    """The default dialect, and those of the SDKs that this process has loaded."""
    return (DEFAULT, *(name for package, name in _SPOKEN_BY.items() if package in sys.modules))


def known_dialects() -> Tuple[str, ...]:
    """The names of the dialects that are built in or installed, in alphabetical order."""
    return tuple(sorted({*_BUILT_IN, *_installed(GROUP)}))


def is_built_in(name: str) -> bool:
    """Whether a dialect comes with the harness, and so does a simulator that speaks it."""
    return name in _BUILT_IN


@cache
def _loaded(name: str) -> Dialect:
    place = _BUILT_IN.get(name)
    if place is not None:
        built_in: Dialect = _at(place)
        return built_in
    entry = _installed(GROUP).get(name)
    if entry is None:
        raise UsageError(f"there is no dialect {name!r}", hint=f"A dialect is a service's protocol: {', '.join(known_dialects())}.")
    brought: Dialect = _brought(entry, f"the dialect {name!r}")
    given: Optional[str] = getattr(brought, "name", None)
    if given != name:
        what = f"the dialect {name!r} comes from {entry.value}, whose name is {given!r}"
        raise EviHarnessError(what, hint="An entry point must have the name of its dialect.")
    return brought


@cache
def _adapter(name: str) -> Adapter:
    entry = None if name in _ADAPTERS else _installed(ADAPTERS_GROUP).get(name)
    found: Adapter = _at(_ADAPTERS.get(name, _NO_SDK)) if entry is None else _brought(entry, f"the adapter of the dialect {name!r}")
    return found


def _at(place: str) -> Any:
    module, _, attribute = place.partition(":")
    return getattr(import_module(module), attribute)


def _brought(entry: metadata.EntryPoint, what: str) -> Any:
    try:
        return entry.load()
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        hint = "Fix or remove the package that provides it."
        raise EviHarnessError(f"{what} cannot be loaded from {entry.value}: {why}", hint=hint) from error


def forget() -> None:
    """Look again for what is installed, and load it anew."""
    _loaded.cache_clear()
    _adapter.cache_clear()


def _installed(group: str) -> Dict[str, metadata.EntryPoint]:
    """The entry points of other packages in a group, by name; of two with one name the first.

    Raises:
        EviHarnessError: What is installed cannot be read.
    """
    installed = metadata_now()
    found: Dict[str, metadata.EntryPoint] = {}
    try:
        entries = installed.entry_points(group=group) if sys.version_info >= (3, 10) else installed.entry_points().get(group, ())
    except OSError as error:
        what = f"cannot read which packages are installed: {error}"
        raise EviHarnessError(what, hint="Try again, or reinstall the packages.") from error
    for entry in entries:
        found.setdefault(entry.name, entry)
    return found
