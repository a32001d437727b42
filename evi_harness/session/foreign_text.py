"""Parse untrusted JSON and TOML, with limits on the numbers in it.

Python makes an integer of as many digits as there are, in a time that grows with their square, or refuses some thousand of them, as of what
release it is; and where it has made one, printing it can fail. So numbers are bounded here, before anything is made of them.

Rules of living here: what is refused is a ValueError, as for any text that cannot be read; nesting too deep for Python stays a
RecursionError.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Dict, Iterator, List

from evi_harness.session.json_value import Json

__all__ = ["MAX_DIGITS", "MAX_VALUES", "has_more_values", "json_value", "strict_json_value", "toml_tables"]

# As Python 3.11 has it by default. Nothing that is counted, timed or measured has twenty.
MAX_DIGITS = 4300
# Of one message; EVI's have some hundreds. A byte of JSON can be a value that takes a hundred in memory, and everything walks over them.
MAX_VALUES = 200_000
# TOML has integers of 64 bits.
_MAX_INTEGER = 2**63


def json_value(text: str, most: int = MAX_VALUES) -> Json:
    """Read a JSON text.

    Args:
        text: The text.
        most: How many values it may have.

    Raises:
        ValueError: It is not JSON, has more values, or a number of more than ``MAX_DIGITS`` digits.
        RecursionError: It is nested too deeply.
    """
    if has_more_values(text, most):
        raise ValueError(f"it has more than {most} values")
    return _DECODER.decode(text)


def has_more_values(text: str, most: int) -> bool:
    """Whether a JSON text has more values than so many, about: each but the first follows a bracket or a comma.

    Args:
        text: The text; of what is not JSON the answer means nothing.
        most: How many it may have.
    """
    if len(text) <= most or _n_values(text) <= most:
        return False
    # What stands in strings is no value.
    return _n_values(_STRING.sub("", text)) > most


def _n_values(text: str) -> int:
    return text.count(",") + text.count("[") + text.count("{")


def strict_json_value(text: str) -> Json:
    """Read a JSON text, and refuse besides what Python takes for JSON and nobody else does: NaN and infinities.

    Raises:
        ValueError, RecursionError: As for ``json_value``, but that it may have any number of values.
    """
    return _STRICT.decode(text)


def toml_tables(text: str) -> Dict[str, Json]:
    """Read a TOML text.

    Raises:
        ValueError: It is not TOML, or has an integer of more than 64 bits.
        RecursionError: It is nested too deeply.
    """
    # Imported here: this room is also loaded in an app's process, where Python 3.9 has nothing that reads TOML.
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    tables = tomllib.loads(text)
    for value in _values(tables):
        if isinstance(value, int) and not -_MAX_INTEGER <= value < _MAX_INTEGER:
            raise ValueError("an integer has more than 64 bits")
    return tables


def _values(tables: Dict[str, Json]) -> Iterator[Json]:
    waiting: List[Json] = [tables]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
        else:
            yield one


def _whole(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a number has {len(digits)} digits, and at most {MAX_DIGITS} are read")
    return int(digits)


def _no_number(name: str) -> Json:
    raise ValueError(f"{name} is not JSON")


_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_DECODER = json.JSONDecoder(parse_int=_whole)
_STRICT = json.JSONDecoder(parse_int=_whole, parse_constant=_no_number)
