"""A baseline: saved measurements to compare with, and their format. The storage room reads and writes the file.

::

    {"format": "evi-harness baseline", "version": 1, "made": "2026-11-22T10:00:00Z", "by": "0.1.0",
     "runs": [{"detector": {"name": …, "version": …, "threshold": …} or null,
               "sessions": [{"session": "weather", "recording": "1fae…", "clock": "virtual", "axis": {"--speed": "2"}}, …],
               "metrics": {"handle": {"unit": "ms", "exact": true,
                                      "samples": [{"session": "weather", "turn": 1, "of": 7, "value": 0.25}, … {…, "why": "…"}]}}}]}

Version 1 (2026-11) is the first. A run is one time that everything was measured: one replay of one session, or of many; of several runs
of the same, each is kept. Rules of living here: unknown members are passed over, unknown metrics are kept, and what is not as above is
refused with its place: a baseline that cannot be understood is never taken for an empty one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Callable, Dict, FrozenSet, List, Mapping, Optional, Sequence, Tuple

from evi_harness.errors import EviHarnessError
from evi_harness.measure.measuring import Measured
from evi_harness.measure.metrics import CLIENT, EXACT, METRICS
from evi_harness.measure.origin import Origin, origin_of
from evi_harness.measure.samples import Sample
from evi_harness.session.json_value import Json
from evi_harness.session.session import Session

__all__ = [
    "BASELINE_NAME",
    "BASELINE_VERSION",
    "Baseline",
    "Detector",
    "MeasuredRun",
    "baseline_json",
    "is_played",
    "merged",
    "read_baseline_json",
    "renamed",
    "run_of",
]

BASELINE_NAME = "evi-harness baseline"
BASELINE_VERSION = 1
_HINT = "Write it again with --save-baseline, or pytest's --evi-save-baseline."


@dataclass(frozen=True)
class Detector:
    """Who heard where the user speaks.

    Attributes:
        name: Of the speech detector.
        version: Of its package.
        threshold: From which probability on there is speech, 0 to 1.
    """

    name: str
    version: Optional[str]
    threshold: Optional[float]

    def __str__(self) -> str:
        """As reports have it."""
        return f"{self.name} {self.version} at {self.threshold:g}" if self.threshold is not None else f"{self.name} {self.version}"


@dataclass(frozen=True)
class MeasuredRun:
    """What was measured at one time.

    Attributes:
        samples: All of it.
        exact: Ids of the metrics that another run of the same code would give to the nanosecond.
        detector: Who heard the user, None where nobody did.
        origins: Where its sessions come from; of a baseline that does not say, names alone.
    """

    samples: Tuple[Sample, ...]
    exact: FrozenSet[str] = field(default_factory=frozenset)
    detector: Optional[Detector] = None
    origins: Tuple[Origin, ...] = ()

    def __post_init__(self) -> None:
        """Have an origin of every session."""
        known = {one.session for one in self.origins}
        unknown = dict.fromkeys(sample.session for sample in self.samples if sample.session not in known)
        object.__setattr__(self, "origins", (*self.origins, *map(Origin, unknown)))


@dataclass(frozen=True)
class Baseline:
    """Runs that were kept.

    Attributes:
        runs: At least one.
        made: When, in UTC; empty where it is not from a file.
        by: The version of evi-harness that did.
    """

    runs: Tuple[MeasuredRun, ...]
    made: str = ""
    by: str = ""


def is_played(session: Session) -> bool:
    """Whether a session's service is a recording: then what the service took is what it took then, and no news."""
    return session.header.service == "player"


def run_of(measured: Sequence[Measured]) -> MeasuredRun:
    """What was measured of sessions, as one run.

    Args:
        measured: Sessions with names of their own. A metric is exact where it is in each of them that has a value of it.

    Returns:
        The run, without what the service took where that is a recording.
    """
    kept = [
        (one, sample) for one in measured for sample in one.samples if not is_played(one.session) or METRICS[sample.metric].family == CLIENT
    ]
    samples = tuple(sample for _, sample in kept)
    sampled = {sample.metric for one, sample in kept if sample.value is not None and one.certainty(sample.metric) != EXACT}
    heard = next((one.heard for one in measured if one.heard.detector is not None), None)
    detector = None if heard is None else Detector(heard.detector or "", heard.version, heard.threshold)
    exact = frozenset({sample.metric for sample in samples if sample.value is not None} - sampled)
    return MeasuredRun(samples, exact, detector, tuple(origin_of(one.session, one.name) for one in measured))


def merged(runs: Sequence[MeasuredRun]) -> MeasuredRun:
    """Several runs of different things, as one run of all of them. A metric is exact where it is in each that has a value of it."""
    sampled = {sample.metric for run in runs for sample in run.samples if sample.value is not None and sample.metric not in run.exact}
    exact = frozenset(metric for run in runs for metric in run.exact) - sampled
    detector = next((run.detector for run in runs if run.detector is not None), None)
    origins = {one.session: one for run in runs for one in run.origins}
    return MeasuredRun(tuple(sample for run in runs for sample in run.samples), exact, detector, tuple(origins.values()))


def renamed(run: MeasuredRun, rename: Callable[[str], str]) -> MeasuredRun:
    """A run with other names for its sessions.

    Args:
        run: The run.
        rename: Gives the name for a name.
    """
    samples = tuple(replace(one, session=rename(one.session)) for one in run.samples)
    return replace(run, samples=samples, origins=tuple(replace(one, session=rename(one.session)) for one in run.origins))


def baseline_json(baseline: Baseline) -> Dict[str, Json]:
    """The baseline as JSON values; docs/reference/baseline.schema.json is their schema."""
    return {
        "format": BASELINE_NAME,
        "version": BASELINE_VERSION,
        "made": baseline.made,
        "by": baseline.by,
        "runs": [_run_json(run) for run in baseline.runs],
    }


def _run_json(run: MeasuredRun) -> Dict[str, Json]:
    metrics: Dict[str, Dict[str, Json]] = {}
    for sample in run.samples:
        row = METRICS.get(sample.metric)
        unit = "" if row is None else row.unit
        metrics.setdefault(sample.metric, {"unit": unit, "exact": sample.metric in run.exact, "samples": []})["samples"].append(
            _sample_json(sample)
        )
    detector = run.detector
    named = None if detector is None else {"name": detector.name, "version": detector.version, "threshold": detector.threshold}
    return {"detector": named, "sessions": [_origin_json(one) for one in run.origins], "metrics": metrics}


def _origin_json(origin: Origin) -> Dict[str, Json]:
    return {"session": origin.session, "recording": origin.recording, "clock": origin.clock, "axis": dict(origin.axis)}


def _sample_json(sample: Sample) -> Dict[str, Json]:
    told: Dict[str, Json] = {"session": sample.session, "turn": sample.turn, "of": sample.of}
    return {**told, "why": sample.why} if sample.value is None else {**told, "value": sample.value}


def read_baseline_json(value: Json, where: str) -> Baseline:
    """Read a baseline's JSON values.

    Args:
        value: As ``baseline_json`` makes them.
        where: The file, for errors.

    Raises:
        EviHarnessError: They are not a baseline, or one of a version that is not known here.
    """
    read = _Reader(where)
    found = read.member(value, "format", str, "")
    if found != BASELINE_NAME:
        raise EviHarnessError(f'it is not a baseline: it has no "format": "{BASELINE_NAME}"', where=where, hint=_HINT)
    version = read.member(value, "version", int, "")
    if version != BASELINE_VERSION:
        what = f"the baseline is of version {version}, and this evi-harness reads version {BASELINE_VERSION}"
        raise EviHarnessError(what, where=where, hint=_HINT)
    runs = [read.run(run, f"runs[{index}]") for index, run in enumerate(read.member(value, "runs", list, ""))]
    if not runs:
        raise EviHarnessError("the baseline has no runs", where=where, hint=_HINT)
    return Baseline(tuple(runs), str(value.get("made", "")), str(value.get("by", "")))


class _Reader:
    """Reads values that may be anything; names the place of what is not as it should be."""

    def __init__(self, where: str) -> None:
        self._where = where

    def member(self, value: Json, name: str, kind: Json, place: str) -> Json:
        found = value.get(name) if isinstance(value, dict) else None
        # A bool is an int to Python and none in JSON.
        if not isinstance(found, kind) or (isinstance(found, bool) and kind is not bool):
            self.refuse(f"{place}.{name}" if place else name, "is missing or of the wrong kind")
        return found

    def run(self, value: Json, place: str) -> MeasuredRun:
        samples: List[Sample] = []
        exact = []
        for metric, row in self.member(value, "metrics", dict, place).items():
            here = f"{place}.metrics.{metric}"
            if self.member(row, "exact", bool, here):
                exact.append(metric)
            rows = self.member(row, "samples", list, here)
            samples += [self._sample(metric, one, f"{here}.samples[{index}]") for index, one in enumerate(rows)]
        detector = self._detector(value.get("detector"), f"{place}.detector")
        # A baseline that was kept before this was has none.
        origins = self.member(value, "sessions", list, place) if "sessions" in value else []
        return MeasuredRun(
            tuple(samples),
            frozenset(exact),
            detector,
            tuple(self._origin(one, f"{place}.sessions[{index}]") for index, one in enumerate(origins)),
        )

    def _origin(self, value: Json, place: str) -> Origin:
        session = self.member(value, "session", str, place)
        recording = self._optional(value, "recording", (str,), place)
        axis = self.member(value, "axis", dict, place)
        told = tuple(sorted((option, self.member(axis, option, str, f"{place}.axis")) for option in axis))
        return Origin(session, recording, self.member(value, "clock", str, place), told)

    def _sample(self, metric: str, value: Json, place: str) -> Sample:
        session = self.member(value, "session", str, place)
        turn, of = (self._optional(value, name, (int,), place) for name in ("turn", "of"))
        number = self._number(value, "value", place)
        why = "" if number is not None else self.member(value, "why", str, place)
        if number is None and not why:
            self.refuse(f"{place}.why", "is empty, although the value is missing")
        return Sample(metric, number, session, turn, of, why)

    def _detector(self, value: Json, place: str) -> Optional[Detector]:
        if value is None:
            return None
        name = self.member(value, "name", str, place)
        return Detector(name, self._optional(value, "version", (str,), place), self._number(value, "threshold", place))

    def _number(self, value: Mapping[str, Json], name: str, place: str) -> Optional[float]:
        found = self._optional(value, name, (int, float), place)
        try:
            number = None if found is None else float(found)
        except OverflowError:
            # JSON has integers that are beyond any float.
            number = math.inf
        if number is not None and not math.isfinite(number):
            self.refuse(f"{place}.{name}", "is not a number")
        return number

    def _optional(self, value: Mapping[str, Json], name: str, kinds: Tuple[type, ...], place: str) -> Json:
        return None if value.get(name) is None else self.member(value, name, kinds, place)

    def refuse(self, place: str, what: str) -> None:
        raise EviHarnessError(f"the baseline cannot be read: {place} {what}", where=self._where, hint=_HINT)
