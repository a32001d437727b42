"""What differs between the queries of two handshakes.

Rules of living here: the value of a secret is never read and never told; values are compared by what they mean (``True`` and ``true``,
``1`` and ``1.0``, an object as one JSON text or in brackets), because the SDK's versions write the same thing in different forms.
"""

from __future__ import annotations

import re
from typing import Any, Dict, FrozenSet, Iterable, Iterator, List, Tuple

from evi_harness.evi.reading import parse
from evi_harness.evi.secrets import FOLDED, is_secret

__all__ = ["differences"]

# An id that the app gives each run anew.
_VOLATILE = frozenset({"custom_session_id", "session_settings[custom_session_id]"})
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?\Z")

Query = Iterable[Tuple[str, str]]


def differences(recorded: Query, live: Query) -> List[str]:
    """Compare two queries.

    Args:
        recorded: Names and values of the recorded handshake, decoded, in order.
        live: Those of the live one.

    Returns:
        What differs, a sentence each, by name; empty where nothing does. The order of different names does not count, that of the
        values of one name does. What is under a folded name counts only where both sides have it in a known form.
    """
    recorded, live = list(recorded), list(live)
    unknown = _unknown(recorded) | _unknown(live)
    before, now = _values(recorded, unknown), _values(live, unknown)
    return [
        f"query {name}: recorded {_told(before.get(name))}, live {_told(now.get(name))}"
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name)
    ]


def _unknown(query: List[Tuple[str, str]]) -> FrozenSet[str]:
    """Folded names whose value is in no known form."""
    return frozenset(name.lower() for name, value in query if name.lower() in FOLDED and not isinstance(parse(value.encode()), dict))


def _values(query: List[Tuple[str, str]], unknown: FrozenSet[str]) -> Dict[str, List[str]]:
    values: Dict[str, List[str]] = {}
    for name, value in query:
        if name.split("[", 1)[0].lower() in unknown:
            continue
        for path, plain in _unfolded(name, value):
            if not _is_left_out(path):
                values.setdefault(path, []).append(_meaning(plain))
    return values


def _unfolded(name: str, value: str) -> Iterator[Tuple[str, str]]:
    inner = parse(value.encode()) if value[:1] == "{" else None
    if isinstance(inner, dict):
        yield from _members(name, inner)
    else:
        yield name, value


def _members(name: str, fields: Dict[str, Any]) -> Iterator[Tuple[str, str]]:
    for key, value in fields.items():
        path = f"{name}[{key}]"
        if isinstance(value, dict):
            yield from _members(path, value)
        else:
            yield path, str(value)


def _is_left_out(path: str) -> bool:
    leaf = path.rsplit("[", 1)[-1].rstrip("]")
    return path in _VOLATILE or is_secret(path) or is_secret(leaf)


def _meaning(value: str) -> str:
    if value in ("True", "False"):
        return value.lower()
    if _NUMBER.match(value) and "." in value:
        value = value.rstrip("0").rstrip(".")
    return "0" if value == "-0" else value


def _told(values: Any) -> str:
    return "absent" if values is None else ", ".join(repr(value) for value in values)
