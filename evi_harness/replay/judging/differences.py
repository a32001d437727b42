"""The differences between two JSON values: the rule of equality for all comparisons of a replay.

Rules of living here: numbers compare by value (1 and 1.0 are equal, true and 1 are not), NaN equals itself, key order does not matter,
null and absent differ. Only what differs is reported.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Hashable, Iterator, List

from evi_harness.replay.judging.json_paths import ABSENT, item_of, member_of
from evi_harness.session.json_value import Json

__all__ = ["ABSENT", "Difference", "comparison_key", "differences"]


@dataclass(frozen=True)
class Difference:
    """One place in which two values differ.

    Attributes:
        path: Where, as a JSON path: ``$.audio.sample_rate``, ``$.tools[2]``; ``json_paths`` reads it.
        recorded: The recorded value, ``ABSENT`` where there is none.
        live: The live value, likewise.
    """

    path: str
    recorded: Json
    live: Json


def differences(recorded: Json, live: Json) -> List[Difference]:
    """Every place in which two JSON values differ, in the order of the recorded one.

    Args:
        recorded: What was recorded.
        live: What is there now.

    Returns:
        Empty where both are equal.
    """
    return list(_walk("$", recorded, live))


def comparison_key(value: Json) -> Hashable:
    """Stand in for a JSON value where many are compared: two keys are equal exactly where the values have no differences.

    Args:
        value: A JSON value.

    Returns:
        Something that can be hashed and compared, and is good for nothing else.
    """
    if isinstance(value, Mapping):
        return "object", frozenset((name, comparison_key(inner)) for name, inner in value.items())
    if isinstance(value, list):
        return "list", tuple(comparison_key(inner) for inner in value)
    if isinstance(value, bool) or value is None:
        return "literal", repr(value)
    if isinstance(value, float) and math.isnan(value):
        return "literal", "nan"
    return value  # type: ignore[no-any-return]


def _walk(path: str, recorded: Json, live: Json) -> Iterator[Difference]:
    if isinstance(recorded, Mapping) and isinstance(live, Mapping):
        names = [*recorded, *(name for name in live if name not in recorded)]
        for name in names:
            yield from _walk(member_of(path, name), recorded.get(name, ABSENT), live.get(name, ABSENT))
    elif isinstance(recorded, list) and isinstance(live, list):
        for index in range(max(len(recorded), len(live))):
            yield from _walk(item_of(path, index), _item(recorded, index), _item(live, index))
    elif not _scalars_equal(recorded, live):
        yield Difference(path, recorded, live)


def _item(values: List[Json], index: int) -> Json:
    return values[index] if index < len(values) else ABSENT


def _scalars_equal(recorded: Json, live: Json) -> bool:
    # bool is an int in Python, but true is no number in JSON.
    if isinstance(recorded, bool) or isinstance(live, bool):
        return recorded is live
    if isinstance(recorded, float) and isinstance(live, float) and math.isnan(recorded) and math.isnan(live):
        return True
    return bool(recorded == live)
