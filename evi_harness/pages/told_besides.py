"""Problems of a report other than findings and deviations: a failed gate, a broken live replay, two runs that differ.

Rules of living here: read off a report's JSON, which may come from a stranger: what has not the form that it should have is passed over.
"""

from __future__ import annotations

from typing import Iterator, List, Mapping, NamedTuple, Optional

from evi_harness.measure.metrics import FLAG, METRICS
from evi_harness.measure.statistic import COUNTING
from evi_harness.session.figures import milliseconds
from evi_harness.session.json_value import Json

__all__ = ["Besides", "is_passed", "not_held", "told_besides", "verdict_with_gate"]

_PASSED = "passed"
_INCONCLUSIVE = "inconclusive"
# What is compared of what is exact.
_EACH = "each"
_MAX_NUMBER = 1e15


class Besides(NamedTuple):
    """One thing that is wrong.

    Attributes:
        what: What tells it: ``gate``, ``fault`` or ``twice``.
        severity: ``error`` or ``warning``.
        told: The same as a finding has it in a report's JSON.
    """

    what: str
    severity: str
    told: Mapping[str, Json]


def is_passed(report: Mapping[str, Json]) -> bool:
    """Whether what a report is of passed, and its gate holds where there is one."""
    gate = report.get("gate")
    return report.get("passed") is True and (not isinstance(gate, Mapping) or _holds(gate))


def told_besides(report: Mapping[str, Json]) -> List[Besides]:
    """What is wrong besides findings and deviations.

    Args:
        report: The report.
    """
    faults = [one for one in _list(report.get("faults")) if isinstance(one, str)]
    found = [Besides("fault", "error", {"kind": "fault", "what": one}) for one in faults]
    twice = report.get("twice")
    if isinstance(twice, Mapping) and twice.get("identical") is False:
        lines = [one for one in _list(twice.get("first_difference")) if isinstance(one, str)]
        found.append(Besides("twice", "error", {"kind": "twice", "what": "two runs differ", "detail": lines}))
    gate = report.get("gate")
    return [*found, *(_of_gate(gate) if isinstance(gate, Mapping) else ())]


def not_held(gate: Mapping[str, Json]) -> str:
    """The verdict of a gate that does not hold; empty for one that does, or may pass.

    Args:
        gate: The gate's report.
    """
    if _holds(gate):
        return ""
    n_failed, n_slower = (
        sum(one.get("verdict") == verdict for one in _mappings(gate.get(name)))
        for name, verdict in (("thresholds", "failed"), ("comparisons", "regressed"))
    )
    unclear = [one for name in ("thresholds", "comparisons") for one in _mappings(gate.get(name)) if one.get("verdict") == _INCONCLUSIVE]
    n_open = sum(map(_is_undecided, unclear))
    n_nothing = len(unclear) - n_open
    parts = [f"{n_failed} threshold{' does' if n_failed == 1 else 's do'} not hold"] if n_failed else []
    parts += [f"{n_slower} regressed"] if n_slower else []
    parts += [f"{n_open} cannot be decided"] if n_open else []
    parts += [f"{n_nothing} with nothing to judge"] if n_nothing else []
    verdict = _INCONCLUSIVE if gate.get("verdict") == _INCONCLUSIVE else "failed"
    return f"{verdict}: {', '.join(parts) or 'the gate does not hold'}"


def verdict_with_gate(text: str, report: Mapping[str, Json]) -> str:
    """The verdict on a replay and its gate, as the command's last line has it.

    Args:
        text: The verdict on the replay alone.
        report: The report.
    """
    gate = report.get("gate")
    told = not_held(gate) if isinstance(gate, Mapping) else ""
    if not told:
        return text
    return told if report.get("passed") is True else f"{text}, {told.partition(': ')[2]}"


def _is_undecided(one: Mapping[str, Json]) -> bool:
    """Whether statistics alone leave a threshold or a comparison open: there were values, and no exact ones."""
    n = one.get("n")
    if "threshold" in one:
        return type(n) is int and n > 0
    return one.get("statistic") != _EACH and one.get("old") is not None and one.get("new") is not None


def _holds(gate: Mapping[str, Json]) -> bool:
    return type(gate.get("exit_code")) is int and gate["exit_code"] == 0


def _of_gate(gate: Mapping[str, Json]) -> Iterator[Besides]:
    for name, words in (("thresholds", _threshold), ("comparisons", _comparison)):
        for one in _mappings(gate.get(name)):
            verdict = one.get("verdict")
            if isinstance(verdict, str) and verdict != _PASSED:
                may_pass = verdict == _INCONCLUSIVE and gate.get("inconclusive") == "pass" and _is_undecided(one)
                yield Besides("gate", "warning" if may_pass else "error", {"kind": verdict, **words(one)})


def _threshold(one: Mapping[str, Json]) -> Mapping[str, Json]:
    value, n, why = _number(one.get("value")), _number(one.get("n")), one.get("why")
    is_flag = one.get("statistic") in COUNTING or _is_flag(one)
    of = "" if n is None else f" of {n:g} value{'' if n == 1 else 's'}"
    detail = [f"worst: {_worst(each, is_flag)}" for each in _mappings(one.get("worst"))]
    state = "cannot be decided" if one.get("verdict") == _INCONCLUSIVE else "does not hold"
    return {
        "what": f"the threshold {_text(one.get('threshold'))} {state}",
        "observed": None if value is None else f"{_amount(value, is_flag)}{of}",
        "expected": _text(one.get("threshold")),
        "detail": [*detail, *([why] if isinstance(why, str) and why else [])],
    }


def _comparison(one: Mapping[str, Json]) -> Mapping[str, Json]:
    old, new, why = _number(one.get("old")), _number(one.get("new")), one.get("why")
    is_flag, name = _is_flag(one), f"{_text(one.get('metric'))} {_text(one.get('statistic'))}".strip()
    state = "cannot be compared with certainty" if one.get("verdict") == _INCONCLUSIVE else "is worse than in the baseline"
    return {
        "what": f"{name} {state}",
        "observed": None if new is None else _amount(new, is_flag),
        "expected": None if old is None else _amount(old, is_flag),
        "detail": [why] if isinstance(why, str) and why else [],
    }


def _worst(sample: Mapping[str, Json], is_flag: bool) -> str:
    value, turn, of = (_number(sample.get(name)) for name in ("value", "turn", "of"))
    parts = [
        _text(sample.get("session")),
        "" if turn is None else f"turn {turn:g}",
        "" if of is None else f"#{of:g}",
        "" if value is None or is_flag else milliseconds(value),
    ]
    return " ".join(filter(None, parts))


def _is_flag(one: Mapping[str, Json]) -> bool:
    metric = METRICS.get(_text(one.get("metric")))
    return metric is not None and metric.unit == FLAG


def _amount(value: float, is_flag: bool) -> str:
    return f"{value:g}" if is_flag else milliseconds(value)


def _number(value: Json) -> Optional[float]:
    # true and false are numbers to Python; and beyond this nothing was measured.
    return value if type(value) in (int, float) and abs(value) < _MAX_NUMBER else None


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""


def _mappings(value: Json) -> List[Mapping[str, Json]]:
    return [one for one in _list(value) if isinstance(one, Mapping)]


def _list(value: Json) -> List[Json]:
    return list(value) if isinstance(value, (list, tuple)) else []
