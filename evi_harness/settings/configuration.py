"""A project's settings for all its runs: the table ``[tool.evi-harness]`` of its pyproject.toml.

The file is the nearest one at or above the current folder. What the command line says comes before it. Rules of living here: an unknown
key is an error that lists those that are known, and so is a value of the wrong kind: a gate that was misspelt would let all pass.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Dict, Mapping, Optional, Tuple

from evi_harness.errors import EviHarnessError, UsageError
from evi_harness.input_file import read_file
from evi_harness.session.foreign_text import toml_tables

if TYPE_CHECKING:
    from evi_harness.measure.effect import Effect

__all__ = ["Configuration", "load_configuration"]

_FILE = "pyproject.toml"
_NAME = "evi-harness"
_TABLE = f"tool.{_NAME}"
# In the table of least effects, the one of all metrics that have none of their own.
_EVERY = "default"


@dataclass(frozen=True)
class Configuration:
    """What is set; None, or nothing, where it is not.

    Attributes:
        gate: Thresholds.
        baseline: The file to compare with.
        inconclusive: ``fail`` or ``pass``.
        seed: Of the resampling.
        false_alarm: How likely all comparisons together may yield one false "regressed", 0 to 0.5.
        job_noise: How much one job's machine differs from another's, as a share.
        least: The least effect that matters.
        least_by_metric: The same for some metrics.
        where: The file, None where there is none.
    """

    gate: Tuple[str, ...] = ()
    baseline: Optional[Path] = None
    inconclusive: Optional[str] = None
    seed: Optional[int] = None
    false_alarm: Optional[float] = None
    job_noise: Optional[float] = None
    least: Optional[Effect] = None
    least_by_metric: Mapping[str, Effect] = field(default_factory=dict)
    where: Optional[Path] = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is set."""
        return self == Configuration(where=self.where)


def load_configuration(folder: Optional[Path] = None) -> Configuration:
    """Read what a project sets.

    Args:
        folder: Where to begin; None for the current folder.

    Returns:
        The configuration; an empty one where no pyproject.toml is found, or none of its tables is ours.

    Raises:
        UsageError: A key is not known, or its value is invalid.
        EviHarnessError: The file cannot be read, or is not TOML.
    """
    start = (folder or Path.cwd()).resolve()
    file = next((place / _FILE for place in (start, *start.parents) if (place / _FILE).exists()), None)
    if file is None:
        return Configuration()
    table = _table(file)
    unknown = sorted(set(table) - set(_KEYS))
    if unknown:
        raise UsageError(f"[{_TABLE}] has no key {unknown[0]!r}", where=str(file), hint=f"There are: {', '.join(_KEYS)}.")
    found: Dict[str, Any] = {}
    for key, value in table.items():
        try:
            found.update(_KEYS[key](value, file.parent))
        except UsageError as error:
            raise UsageError(f"[{_TABLE}] {key}: {error.what}", where=str(file), hint=error.hint) from None
    return Configuration(**found, where=file)


def _table(file: Path) -> Mapping[str, Any]:
    try:
        tables = toml_tables(read_file(file, "configuration").decode("utf-8"))
    except RecursionError:
        raise EviHarnessError("the configuration cannot be read: it is nested too deeply", where=str(file)) from None
    except (OSError, ValueError) as error:
        raise EviHarnessError(f"the configuration cannot be read: {error}", where=str(file)) from None
    tools = tables.get("tool", {})
    table = tools.get(_NAME, {}) if isinstance(tools, dict) else tools
    for name in tools if isinstance(tools, dict) else ():
        if name != _NAME and re.sub("[-_. ]+", "", name.lower()) == _NAME.replace("-", ""):
            raise UsageError(f"evi-harness does not read [tool.{name}]", where=str(file), hint=f"Did you mean [{_TABLE}]?")
    if not isinstance(table, dict):
        what, hint = f"expected a table [{_TABLE}], found {table!r}", f"Write [{_TABLE}], and the settings below it, one a line."
        raise UsageError(what, where=str(file), hint=hint)
    return table


def _gate(value: Any, _: Path) -> Dict[str, Any]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise _wrong(value, "a list of thresholds, as in ['handle: max<50']")
    return {"gate": tuple(value)}


def _baseline(value: Any, folder: Path) -> Dict[str, Any]:
    if not isinstance(value, str) or not value:
        raise _wrong(value, "the name of a file, relative to the folder of pyproject.toml")
    return {"baseline": folder / value}


def _inconclusive(value: Any, _: Path) -> Dict[str, Any]:
    if value not in ("fail", "pass"):
        raise _wrong(value, "'fail' or 'pass'")
    return {"inconclusive": value}


def _seed(value: Any, _: Path) -> Dict[str, Any]:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong(value, "a whole number")
    return {"seed": value}


def _false_alarm(value: Any, _: Path) -> Dict[str, Any]:
    if not _is_number(value) or not 0 < value < 0.5:
        raise _wrong(value, "a number above 0 and below 0.5")
    return {"false_alarm": float(value)}


def _job_noise(value: Any, _: Path) -> Dict[str, Any]:
    if not _is_number(value) or not 0 <= value < 10:
        raise _wrong(value, "a share of 0 or more, such as 0.26")
    return {"job_noise": float(value)}


def _least_effect(value: Any, _: Path) -> Dict[str, Any]:
    from evi_harness.measure.effect import parse_effect
    from evi_harness.measure.metrics import METRICS

    if isinstance(value, str):
        return {"least": parse_effect(value)}
    if not isinstance(value, dict):
        raise _wrong(value, "a share or a time, as in '5%,1ms..50ms', or a table of them by metric")
    unknown = [name for name in value if name not in METRICS and name != _EVERY]
    if unknown:
        raise UsageError(f"there is no metric {unknown[0]!r}", hint=f"There are: {_EVERY}, {', '.join(METRICS)}.")
    effects = {name: parse_effect(str(text)) for name, text in value.items()}
    return {"least": effects.pop(_EVERY, None), "least_by_metric": effects}


def _wrong(value: Any, what: str) -> UsageError:
    return UsageError(f"it must be {what}, and is {value!r}")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


# Key → what reads it.
_KEYS: Mapping[str, Callable[[Any, Path], Dict[str, Any]]] = {
    "gate": _gate,
    "baseline": _baseline,
    "inconclusive": _inconclusive,
    "seed": _seed,
    "false-alarm": _false_alarm,
    "job-noise": _job_noise,
    "least-effect": _least_effect,
}
