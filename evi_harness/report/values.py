"""Values of messages in reports: short for people, strict JSON for programs."""

from __future__ import annotations

import math
from typing import Dict, Mapping, Tuple

from evi_harness.replay.judging.differences import ABSENT, Difference
from evi_harness.session.json_value import Json

__all__ = ["SHOWN", "difference_json", "sides", "strict"]

# So many characters of a value are shown to people, and so many of them before the first one that differs.
SHOWN = 160
_BEFORE = 40


def sides(difference: Difference) -> Tuple[str, str]:
    """Both values for people. Of two long strings, what is around the first character that differs."""
    recorded, live = difference.recorded, difference.live
    if isinstance(recorded, str) and isinstance(live, str) and max(len(recorded), len(live)) > SHOWN:
        start = max(0, _first_difference(recorded, live) - _BEFORE)
        if start:
            return f"…{_shown(recorded[start:])}", f"…{_shown(live[start:])}"
    return _shown(recorded), _shown(live)


def _first_difference(one: str, other: str) -> int:
    return next((index for index, (a, b) in enumerate(zip(one, other)) if a != b), min(len(one), len(other)))


def _shown(value: Json) -> str:
    text = "absent" if value is ABSENT else repr(value) if isinstance(value, str) else str(_plain(value))
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def _plain(value: Json) -> Json:
    return {True: "true", False: "false", None: "null"}.get(value, value) if isinstance(value, (bool, type(None))) else value


def difference_json(difference: Difference) -> Dict[str, Json]:
    """A difference as JSON values. A side that is absent has no member: null is a value."""
    both = {"recorded": difference.recorded, "live": difference.live}
    return {"path": difference.path, **{name: strict(value) for name, value in both.items() if value is not ABSENT}}


def strict(value: Json) -> Json:
    """A value as strict JSON has it.

    What Python reads and JSON has no number for (NaN, Infinity) becomes a string; an item that was left out of a comparison becomes null.
    """
    if isinstance(value, Mapping):
        return {name: strict(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [strict(inner) for inner in value]
    if value is ABSENT:
        return None
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
