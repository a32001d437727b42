"""The report of a measurement, for terminals, programs and spreadsheets.

Rules of living here: nothing is measured or judged here. Every number has a unit. A value that is not there is a dash with its reason,
never a zero; what is assumed has a star. The two families stand in two tables.
"""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, dataclass
from statistics import median
from typing import AbstractSet, Callable, Container, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from evi_harness.measure.assumed import Assumed
from evi_harness.measure.conversation_family import PARTS
from evi_harness.measure.measuring import Measured
from evi_harness.measure.metrics import CLIENT, CONVERSATION, FLAG, METRICS, TABLE
from evi_harness.measure.samples import Sample
from evi_harness.measure.summary import Summary, needed, summarise, summarise_all
from evi_harness.report.plain import harmless, printable
from evi_harness.report.replay_report import WITH_BUILT_IN
from evi_harness.session.figures import figure, milliseconds
from evi_harness.session.json_value import Json
from evi_harness.session.turn import Turn

__all__ = ["ASSUMED_MARK", "HAPPENED", "LatencyReport", "assumptions"]

FORMAT = "evi-harness latency"
VERSION = 1

_WIDE = 12
_SAID = 40
ASSUMED_MARK = "*"
_GAP_COLUMNS = ("turn_gap", *PARTS, "turn_gap.told", "response")
# What is told below a turn, where it is there and not zero.
HAPPENED = ("interruption", "interruption.above_floor", "talk_over", "dead_air", "underrun", "tool.service")
_FLAGS = {"missed": "no audio came in answer", "unprompted": "nothing was left to answer"}
_SUMMARY_HEAD = ("n", "min", "med", "p95", "p99", "max")
_CSV = ("session", "turn", "metric", "family", "unit", "value", "of", "type", "certainty", "why")
_FAMILIES = {
    CONVERSATION: "what the service and the network took",
    CLIENT: "what your code took, counted from when each message was due",
}


@dataclass(frozen=True)
class LatencyReport:
    """The report of one measurement.

    Attributes:
        measured: The measured sessions.
        assumed: The assumed configuration of the service.
        redact: Removes secrets from what people and programs read.
    """

    measured: Tuple[Measured, ...]
    assumed: Assumed
    redact: Callable[[str], str] = str

    @property
    def samples(self) -> Tuple[Sample, ...]:
        """All samples of all sessions."""
        return tuple(sample for one in self.measured for sample in one.samples)

    def summaries(self) -> List[Summary]:
        """Every metric with samples, pooled over the sessions; exact and sampled values separately."""
        certain = ((one.certainty(sample.metric), sample) for one in self.measured for sample in one.samples)
        return summarise_all(certain, METRICS)

    def lines(self, width: Optional[int] = None) -> List[str]:
        """The report for people.

        Args:
            width: How many cells a line of the terminal has, None where there is none: what each turn took is then a table, however wide.
        """
        return [self.redact(printable(line)) for line in self._lines(width)]

    def json(self) -> Dict[str, Json]:
        """The report for programs; docs/reference/latency.schema.json is its schema."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "assumed": _assumed_ms(self.assumed),
            "metrics": [_row_json(row) for row in map(asdict, TABLE)],
            "sessions": [self._session_json(one) for one in self.measured],
            "samples": [self._sample_json(sample, one) for one in self.measured for sample in one.samples],
            "summary": [{**asdict(one), "unavailable": dict(one.unavailable)} for one in self.summaries()],
        }

    def csv(self) -> str:
        """The samples for a spreadsheet: one line each, with a header."""
        text = io.StringIO()
        writer = csv.DictWriter(text, _CSV, lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer.writeheader()
        for one in self.measured:
            for sample in one.samples:
                row = METRICS[sample.metric]
                cells = {"family": row.family, "unit": row.unit, **self._sample_json(sample, one)}
                writer.writerow({name: harmless(value) for name, value in cells.items()})
        return text.getvalue()

    def _session_json(self, one: Measured) -> Dict[str, Json]:
        header = one.session.header
        return {
            "name": self.redact(one.name),
            "id": header.id,
            "made_by": header.made_by,
            "service": header.service,
            "times": header.recorded.times,
            "clock": header.source.get("clock"),
            "built_in": header.built_in,
            "duration_ms": one.session.duration_ns / 1e6,
            "speech": {
                "detector": one.heard.detector,
                "version": one.heard.version,
                "threshold": one.heard.threshold,
                "why": self.redact(one.heard.why) or None,
                "n_stretches": None if one.heard.speech is None else len(one.heard.speech),
            },
            "not_measured": {CONVERSATION: one.untimed, CLIENT: one.unobserved},
            "harness_late_ms": _late_json(one.late_ns),
            "turns": [{"number": turn.number, "said": self.redact(turn.user_text)} for turn in one.turns],
            **_stated_json(one.assumed),
        }

    def _sample_json(self, sample: Sample, one: Measured) -> Dict[str, Json]:
        return {
            "metric": sample.metric,
            "value": sample.value,
            "session": self.redact(sample.session),
            "turn": sample.turn,
            "of": sample.of,
            "type": None if sample.of is None else one.types.get(sample.of),
            "certainty": one.certainty(sample.metric),
            "why": self.redact(sample.why) or None,
        }

    def _lines(self, width: Optional[int]) -> Iterator[str]:
        for one in self.measured:
            yield from _session_lines(one, width)
            yield ""
        many = f", {len(self.measured)} sessions together" if len(self.measured) > 1 else ""
        for family, what in _FAMILIES.items():
            yield from self._family_lines(family, f"{what}{many}")
        if any(one.untimed is None for one in self.measured):
            yield from assumptions(self.assumed, [one.assumed for one in self.measured if one.untimed is None])

    def _family_lines(self, family: str, what: str) -> Iterator[str]:
        summaries = [one for one in self.summaries() if METRICS[one.metric].family == family]
        there = [one for one in summaries if one.n]
        missing = _missing(summaries, {why for one in self.measured for why in (one.untimed, one.unobserved)})
        if there or missing:
            yield f"{family}, in ms: {what}"
            rows = [row for one in there for row in self._summary_rows(one)]
            yield from _table([("", *_SUMMARY_HEAD, ""), *rows], 1) if rows else ()
            if any(one.p95 is None or one.p99 is None for one in there):
                yield f"  p95 needs {needed(95)} values and p99 {needed(99)}; max and med work with any number"
            yield from (f"  not measured: {', '.join(metrics)}: {why}" for why, metrics in missing)
            yield ""

    def _summary_rows(self, one: Summary) -> Iterator[Tuple[str, ...]]:
        yield (_named(one.metric), *_figures(one), one.certainty if METRICS[one.metric].family == CLIENT else "")
        by_type = self._by_type(one.metric, one.certainty)
        # Where all took nothing there is nothing to tell apart.
        if len(by_type) > 1 and one.max:
            for name, samples in sorted(by_type.items()):
                yield (f"  {name or '(no type)'}", *_figures(summarise(one.metric, samples)), "")

    def _by_type(self, metric: str, certainty: str) -> Mapping[str, List[Sample]]:
        """The samples of a summary by the type of the message that they are about; only of metrics that there are many of a turn."""
        found: Dict[str, List[Sample]] = {}
        if METRICS[metric].family == CLIENT and METRICS[metric].per == "message":
            for one in self.measured:
                for sample in one.samples if one.certainty(metric) == certainty else ():
                    if sample.metric == metric and sample.of is not None and sample.value is not None:
                        found.setdefault(one.types.get(sample.of, ""), []).append(sample)
        return found


def _session_lines(one: Measured, width: Optional[int]) -> Iterator[str]:
    header = one.session.header
    clock = f" by the {header.source['clock']} clock" if "clock" in header.source else ""
    what = f"{one.session.duration_ns / 1e9:.1f} s, {len(one.turns)} turn{'' if len(one.turns) == 1 else 's'}"
    clock += WITH_BUILT_IN if header.built_in is not None else ""
    yield _labelled("session", f"{one.name}: {what}; {header.made_by}{clock}, service {header.service}, times {header.recorded.times}")
    yield from (_labelled("incomplete", missing) for missing in one.session.missing)
    if one.untimed is None:
        yield _labelled("speech", _speech(one))
    for family, why in ((CONVERSATION, one.untimed), (CLIENT, one.unobserved)):
        if why is not None:
            yield _labelled("unmeasured", f"{family}: {why}")
    if one.late_ns:
        late = f"{milliseconds(median(one.late_ns) / 1e6)} (median), {milliseconds(max(one.late_ns) / 1e6)} at most"
        yield _labelled("late", f"evi-harness itself sent late, by {late}")
    if one.untimed is None:
        yield from _turn_table(one, width)


def _speech(one: Measured) -> str:
    heard = one.heard
    if heard.speech is None:
        return f"not detected: {heard.why}"
    if heard.detector is None:
        return "no audio was sent"
    n = len(heard.speech)
    return f"{n} stretch{'' if n == 1 else 'es'} found by {heard.detector} {heard.version}, threshold {heard.threshold:g}"


def _turn_table(one: Measured, width: Optional[int]) -> Iterator[str]:
    """What each turn took, and below it what happened in it."""
    values = _Values(one.samples)
    turns = [turn for turn in one.turns if turn.user is not None or turn.reply]
    columns = [metric for metric in _GAP_COLUMNS if any(values.has(metric, turn.number) for turn in turns)]
    rows = [(str(turn.number), *(values.shown(metric, turn.number) for metric in columns), _said(turn)) for turn in turns]
    lines = list(_table([("turn", *(_column(metric) for metric in columns), ""), *rows], 0))
    is_narrow = width is not None and any(len(line) > width for line in lines)
    if is_narrow:
        lines = ["  turn by turn", *(_turn_row(row, columns) for row in rows)]
    yield from lines[:1]
    for turn, line in zip(turns, lines[1:]):
        yield line
        yield from (f"      {told}" for told in _happened(turn, values))
    for mark, why in values.footnotes():
        yield f"  -{mark}  {why}"


def _turn_row(row: Sequence[str], columns: Sequence[str]) -> str:
    """What a turn took where there is no room for a table."""
    number, *values, said = row
    told = ", ".join(f"{_column(metric)} {value}" for metric, value in zip(columns, values) if value)
    return f"  {number:>4}  {said}{': ' if told else ''}{told}"


class _Values:
    """The values of one session by metric and turn, as they are shown."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._by_place: Dict[Tuple[str, Optional[int]], List[Sample]] = {}
        for sample in samples:
            self._by_place.setdefault((sample.metric, sample.turn), []).append(sample)
        self._marks: Dict[str, str] = {}

    def has(self, metric: str, turn: int) -> bool:
        """Whether there are samples, be they values or reasons."""
        return (metric, turn) in self._by_place

    def all(self, metric: str, turn: int) -> List[float]:
        """The values that are there."""
        return [one.value for one in self._by_place.get((metric, turn), ()) if one.value is not None]

    def shown(self, metric: str, turn: int) -> str:
        """A value, or a dash with the mark of its reason; nothing where there can be none."""
        samples = self._by_place.get((metric, turn), [])
        if not samples:
            return ""
        first = samples[0]
        if first.value is None:
            return f"-{self._marks.setdefault(first.why, _mark(len(self._marks)))}"
        return f"{figure(first.value)}{ASSUMED_MARK if METRICS[metric].is_assumed else ''}"

    def footnotes(self) -> Iterator[Tuple[str, str]]:
        """Marks and reasons, as far as they were shown."""
        return ((mark, why) for why, mark in self._marks.items())


def _happened(turn: Turn, values: _Values) -> Iterator[str]:
    told = [f"{metric} {figure(value)}" for metric in HAPPENED for value in values.all(metric, turn.number) if value]
    told += [f"tool.app {figure(value)}" for value in values.all("tool.app", turn.number)]
    told += [f"{metric}: {what}" for metric, what in _FLAGS.items() if any(values.all(metric, turn.number))]
    if told:
        yield ", ".join(told)


def _said(turn: Turn) -> str:
    if turn.user is None:
        return "(the assistant, unprompted)"
    text = turn.user_text if len(turn.user_text) <= _SAID else f"{turn.user_text[: _SAID - 1]}…"
    return repr(text)


def _column(metric: str) -> str:
    """A part is named without what it is a part of."""
    head, dot, tail = metric.partition(".")
    return f"{dot}{tail}" if dot else head


def _named(metric: str) -> str:
    row = METRICS[metric]
    return f"{metric}{ASSUMED_MARK if row.is_assumed else ''}{f' ({FLAG})' if row.unit == FLAG else ''}"


def _figures(one: Summary) -> Tuple[str, ...]:
    return (str(one.n), *("-" if value is None else figure(value) for value in (one.min, one.med, one.p95, one.p99, one.max)))


def _missing(summaries: Sequence[Summary], told: Container[Optional[str]]) -> List[Tuple[str, List[str]]]:
    """Each reason for which there is no value, and of which metrics; how many of them where others are there.

    Args:
        summaries: Of one family.
        told: What was told with the sessions already.
    """
    found: Dict[str, List[str]] = {}
    for one in summaries:
        for why, n in one.unavailable.items():
            if why in told:
                continue
            found.setdefault(why, []).append(f"{one.metric} ({n} of {n + one.n})" if one.n else one.metric)
    return list(found.items())


def assumptions(assumed: Assumed, used: Sequence[Assumed]) -> Iterator[str]:
    """What the star behind a figure means, a line for what is assumed and one for what the sessions state.

    Args:
        assumed: What is assumed of sessions that state nothing.
        used: What each session was measured by.
    """
    silences = {one.end_of_turn_ns for one in used if one.states_end_of_turn}
    speeches = {one.min_interruption_ns for one in used if one.states_min_interruption}
    floors, waits = _assumed_ms(assumed), []
    if not all(one.states_end_of_turn for one in used):
        waits.append(f"for {floors['end_of_turn_ms']:g} ms of silence (--end-of-turn-ms)")
    if not all(one.states_min_interruption for one in used):
        waits.append(f"for {floors['min_interruption_ms']:g} ms of speech over the assistant (--min-interruption-ms)")
    if waits:
        yield f"{ASSUMED_MARK} assumed, not measured: the service waits {' and '.join(waits)}"
    stated = [f"for {_each_ms(silences)} of silence"] if silences else []
    stated += [f"for {_each_ms(speeches)} of speech over the assistant"] if speeches else []
    if stated:
        yield f"{ASSUMED_MARK} not measured, but stated in the session: the service waits {' and '.join(stated)}"


def _each_ms(times_ns: AbstractSet[int]) -> str:
    return f"{' or '.join(f'{one / 1e6:g}' for one in sorted(times_ns))} ms"


def _assumed_ms(assumed: Assumed) -> Dict[str, float]:
    return {"end_of_turn_ms": assumed.end_of_turn_ns / 1e6, "min_interruption_ms": assumed.min_interruption_ns / 1e6}


def _stated_json(assumed: Assumed) -> Dict[str, Json]:
    """What the session states, where it states something."""
    stated: Dict[str, Json] = {}
    if assumed.states_end_of_turn:
        stated["end_of_turn_ms"] = assumed.end_of_turn_ns / 1e6
    if assumed.states_min_interruption:
        stated["min_interruption_ms"] = assumed.min_interruption_ns / 1e6
    return {"stated": stated} if stated else {}


def _late_json(late_ns: Sequence[int]) -> Optional[Dict[str, float]]:
    if not late_ns:
        return None
    return {"n": len(late_ns), "med": median(late_ns) / 1e6, "max": max(late_ns) / 1e6}


def _row_json(row: Dict[str, Json]) -> Dict[str, Json]:
    names = {"begins": "from", "ends": "to", "is_assumed": "assumed"}
    return {names.get(name, name): list(value) if isinstance(value, tuple) else value for name, value in row.items()}


def _mark(number: int) -> str:
    """Letters in order: a, b, c; then aa, ab."""
    return (_mark(number // 26 - 1) if number >= 26 else "") + chr(ord("a") + number % 26)


def _labelled(label: str, text: str) -> str:
    return f"{label:<{_WIDE}}{text}"


def _table(rows: Sequence[Sequence[str]], n_left: int) -> Iterator[str]:
    """Rows in columns: the first ones and the last to the left, numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [cell.ljust(width) if at < n_left else cell.rjust(width) for at, (cell, width) in enumerate(zip(row[:-1], widths))]
        yield f"  {'  '.join(cells)}  {row[-1]}".rstrip()
