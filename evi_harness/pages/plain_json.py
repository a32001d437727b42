"""Values and sentences of a report without JSON's quotation marks and backslashes, for people.

Rules of living here: only how something is written changes. What is not JSON stays as it is.
"""

from __future__ import annotations

import json
import re
from typing import Match

from evi_harness.session.json_value import Json

__all__ = ["plain_json", "value_text"]

# An object in quotation marks, as a message quotes what a tool was asked or answered; of nested ones the outer.
_QUOTED_OBJECT = re.compile(r'"(\{[^{}]*\})"')
_MOST_MEMBERS = 12


def plain_json(text: str) -> str:
    """A sentence with objects as ``name: value, name: value``, where it quotes them as JSON."""
    return _QUOTED_OBJECT.sub(_members, text)


def _members(found: Match[str]) -> str:
    try:
        value = json.loads(found[1])
    except ValueError:
        # Such as one that was cut.
        return found[1]
    if not isinstance(value, dict) or not 0 < len(value) <= _MOST_MEMBERS or any(isinstance(one, (dict, list)) for one in value.values()):
        return found[1]
    return f"({', '.join(f'{name}: {_plain(one)}' for name, one in value.items())})"


def _plain(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def value_text(value: Json) -> str:
    """A value as JSON; one that is a text with quotation marks in it as it is, for escaped ones are hard to read."""
    if isinstance(value, str) and '"' in value and "\\" not in value and value.isprintable():
        return value
    return json.dumps(value, ensure_ascii=False)
