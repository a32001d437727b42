"""The queries of two handshakes as fields that can be compared.

Rules of living here: the value of a secret is never read and never reported; values are compared by what they mean (``True`` and ``true``,
``1`` and ``1.0``, an object as one JSON text or in brackets), because the SDK's versions write the same thing in different forms. Which SDK
asks, and for which configuration, is never compared: what the app does is.
"""

from __future__ import annotations

import re
from typing import Any, Collection, Dict, FrozenSet, Iterable, Iterator, List, Mapping, Tuple

from evi_harness.evi.reading import parse
from evi_harness.evi.secrets import FOLDED, is_secret
from evi_harness.json_dialects.json_messages import member

__all__ = ["audio_settings", "comparable", "session_settings_of"]

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?\Z")
_SETTINGS = "session_settings"
_BRACKETED = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])+)\Z")
# Parameters by which an SDK names itself (a browser has no headers to do it in), and those that name a configuration of one account: the
# same app has others with another SDK, or deployed elsewhere. Letters alone: they are spelled in camelCase, with hyphens and underscores.
_OF_THE_CLIENT = re.compile(r"x?fern(sdk|language|runtime|platform).*|(sdk|user)(agent|name|version)|config(id|version)")

Query = Iterable[Tuple[str, str]]
# A name and the names in brackets behind it.
Path = Tuple[str, ...]


def comparable(recorded: Query, live: Query, left_out: Collection[str] = ()) -> Tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Bring two queries into a form in which they are equal where they mean the same.

    Args:
        recorded: Names and values of the recorded handshake, decoded, in order.
        live: Those of the live one.
        left_out: Names that are not compared, as parameters and in ``session_settings``.

    Returns:
        The fields of both, those in brackets as objects; a value is a string, or the list of them where a name comes more than once. The
        order of different names does not count, that of the values of one name does. What is under a folded name is there only where
        both sides have it in a known form.
    """
    recorded, live = list(recorded), list(live)
    unknown = _unknown(recorded) | _unknown(live)
    return _fields(recorded, unknown, left_out), _fields(live, unknown, left_out)


def audio_settings(query: Query) -> Mapping[str, Any]:
    """The format of the user's audio as a handshake gives it: the ``audio`` of its ``session_settings``.

    Args:
        query: Names and values of the handshake, decoded, in order.

    Returns:
        Its members (``encoding``, ``sample_rate``, ``channels``), in brackets or as JSON text; a value is a string. Empty where the query
        gives none, or none in a known form.
    """
    return member(session_settings_of(query), "audio")


def session_settings_of(query: Query) -> Mapping[str, Any]:
    """The ``session_settings`` that a handshake gives, in brackets or as JSON text; values are strings. Empty where it gives none."""
    settings = [(name, value) for name, value in query if name.startswith(_SETTINGS)]
    if not settings:
        return {}
    unknown = _unknown(settings)
    known = [(name, value) for name, value in settings if name not in unknown]
    return member(_fields(known, frozenset(), ()), _SETTINGS)


def _unknown(query: List[Tuple[str, str]]) -> FrozenSet[str]:
    """Folded names whose value is in no known form."""
    return frozenset(name.lower() for name, value in query if name.lower() in FOLDED and not isinstance(parse(value.encode()), dict))


def _fields(query: List[Tuple[str, str]], unknown: FrozenSet[str], left_out: Collection[str]) -> Dict[str, Any]:
    values: Dict[Path, List[str]] = {}
    for name, value in query:
        path = _path(name)
        if path[0].lower() in unknown:
            continue
        for inner, plain in _unfolded(path, value):
            if not _is_left_out(inner, left_out):
                values.setdefault(inner, []).append(_meaning(plain))
    fields: Dict[str, Any] = {}
    for path, found in values.items():
        _put(fields, path, found[0] if len(found) == 1 else found)
    return fields


def _path(name: str) -> Path:
    bracketed = _BRACKETED.match(name)
    return (name,) if bracketed is None else (bracketed[1], *bracketed[2][1:-1].split("]["))


def _unfolded(path: Path, value: str) -> Iterator[Tuple[Path, str]]:
    inner = parse(value.encode()) if value[:1] == "{" else None
    if isinstance(inner, dict):
        yield from _members(path, inner)
    else:
        yield path, value


def _members(path: Path, fields: Dict[str, Any]) -> Iterator[Tuple[Path, str]]:
    for name, value in fields.items():
        if isinstance(value, dict):
            yield from _members((*path, name), value)
        else:
            yield (*path, name), str(value)


def _is_left_out(path: Path, left_out: Collection[str]) -> bool:
    if len(path) == 1 and _OF_THE_CLIENT.fullmatch(re.sub("[^a-z]", "", path[0].lower())):
        return True
    is_setting = len(path) == 1 or (len(path) == 2 and path[0] in FOLDED)
    return (is_setting and path[-1] in left_out) or any(map(is_secret, path))


def _put(fields: Dict[str, Any], path: Path, value: Any) -> None:
    """Put a value into objects in objects; where a name has a value of its own already, the rest stands beside it as one name."""
    for depth, name in enumerate(path[:-1]):
        inner = fields.setdefault(name, {})
        if not isinstance(inner, dict):
            path = ("".join((path[depth], *(f"[{rest}]" for rest in path[depth + 1 :]))),)
            break
        fields = inner
    fields[path[-1]] = value


def _meaning(value: str) -> str:
    if value in ("True", "False"):
        return value.lower()
    if _NUMBER.match(value) and "." in value:
        value = value.rstrip("0").rstrip(".")
    return "0" if value == "-0" else value
