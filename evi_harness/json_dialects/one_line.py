"""Values of messages in a line for people.

Rules of living here: no line break and no control character comes out, whatever goes in, and of a text at most ``WIDTH`` characters.
"""

from __future__ import annotations

import json
from typing import Container, Mapping

from evi_harness.session.json_value import Json

__all__ = ["WIDTH", "clean", "names_of", "plain", "quoted"]

WIDTH = 72
# The no-break spaces of French, and what joins emoji.
_HARMLESS = "\u00a0\u202f\u200d"


def clean(text: str) -> str:
    """As much of a text as fits, what a terminal would act on escaped."""
    text = text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"
    return "".join(one if one.isprintable() or one in _HARMLESS else one.encode("unicode_escape").decode() for one in text)


def quoted(value: Json) -> str:
    """A text in quotation marks; another value as JSON."""
    return f'"{clean(value)}"' if isinstance(value, str) else plain(value)


def plain(value: Json) -> str:
    """A value that names something: without quotation marks."""
    return clean(value if isinstance(value, str) else json.dumps(value))


def names_of(fields: Mapping[str, Json], left_out: Container[str] = ("type",)) -> str:
    """The names of fields but some."""
    return clean(", ".join(name for name in fields if name not in left_out)) or "no fields"
