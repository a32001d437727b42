"""The report of a gate: which thresholds held, and what became slower. Data first, words after.

Rules of living here: nothing is judged here but the sum: if one failed, all fail; otherwise, if one is inconclusive, all are. Every number
has a unit, and the seed is always shown. The text is for people, the JSON for programs, both from the same dataclass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from evi_harness.measure.comparison import REGRESSED, Comparison
from evi_harness.measure.metrics import FLAG, METRICS
from evi_harness.measure.samples import Sample
from evi_harness.measure.thresholds import FAILED, INCONCLUSIVE, PASSED, Judged, Threshold
from evi_harness.report.plain import printable
from evi_harness.report.result import ReplayedResult, verdict_line
from evi_harness.session.figures import SIGNIFICANT, milliseconds, milliseconds_apart
from evi_harness.session.json_value import Json

__all__ = [
    "FAIL",
    "PASS",
    "SCHEMA",
    "GateCommand",
    "GateReport",
    "amount",
    "change",
    "comparison_line",
    "replayed_with_gate",
    "threshold_line",
    "unit_of",
    "with_gate",
]

# Version of the JSON, whose schema is docs/reference/gate-report.schema.json.
SCHEMA = 1
# What is done about the inconclusive.
FAIL = "fail"
PASS = "pass"  # noqa: S105 - a word of the command line

_WIDE = 11
_VERDICT_WIDE = 14
_CODES: Mapping[str, int] = {PASSED: 0, FAILED: 1}
_INCONCLUSIVE_CODE = 4
_SHOWN_NAMES = 3
# Fewer comparisons of other sessions than these are told one by one, too.
_FEW = 2
# So many times the old value a difference may be to be told as a share of it.
_MOST_TIMES = 10
# What a verdict ends with where a gate judged nothing.
_NOTHING_APPLIED = ", no threshold applied"
# The order in which people are told; all else comes last.
_RANKS: Mapping[str, int] = {FAILED: 0, REGRESSED: 0, INCONCLUSIVE: 1}


class GateCommand(NamedTuple):
    """A command that judges the same again.

    Attributes:
        again: Its words, the program first; without what writes a file.
        cwd: The folder to run it in, None where that is gone.
        is_redacted: Whether a secret was taken out, and has to be put back first.
    """

    again: Tuple[str, ...]
    cwd: Optional[str] = None
    is_redacted: bool = False


@dataclass(frozen=True)
class GateReport:
    """The report of one gate.

    Attributes:
        thresholds: The result of each threshold.
        comparisons: The result of each compared metric.
        seed: Seed of the resampling.
        false_alarm: Probability that all comparisons together yield a false "regressed".
        inconclusive: ``fail`` or ``pass``: how results count that statistics leave undecided; with nothing to judge, nothing passes.
        old, new: The compared files, commands or revisions; empty if nothing was compared.
        saved: Where the baseline was written, None if it was not.
        not_saved: The file that the baseline was not written to, and why; None if it was written or not requested.
        passed_over: Thresholds or a baseline in the configuration that do not apply to the measurements.
        thresholds_from, baseline_from: What the thresholds and the baseline were given by, or the file of the configuration that they are
            in; empty if unknown.
        command: The command that repeats what was judged; None if no command can, or nothing failed.
        redact: Removes secrets from what people and programs read.
    """

    thresholds: Tuple[Judged, ...] = ()
    comparisons: Tuple[Comparison, ...] = ()
    seed: int = 1
    false_alarm: float = 0.01
    inconclusive: str = FAIL
    old: str = ""
    new: str = ""
    saved: Optional[str] = None
    not_saved: Optional[str] = None
    passed_over: Tuple[str, ...] = ()
    thresholds_from: str = ""
    baseline_from: str = ""
    command: Optional[GateCommand] = None
    redact: Callable[[str], str] = str

    @property
    def verdict(self) -> str:
        """``passed``, ``failed`` or ``inconclusive``."""
        verdicts = {one.verdict for one in self.thresholds} | {one.verdict for one in self.comparisons}
        if verdicts & {FAILED, REGRESSED}:
            return FAILED
        return INCONCLUSIVE if INCONCLUSIVE in verdicts else PASSED

    @property
    def passed(self) -> bool:
        """Whether everything passed, counting inconclusive results as ``inconclusive`` says."""
        return not self.exit_code

    @property
    def exit_code(self) -> int:
        """0 passed, 1 failed, 4 inconclusive unless ``inconclusive`` is ``pass``."""
        if self.lets_pass:
            return 0
        return _CODES.get(self.verdict, _INCONCLUSIVE_CODE)

    @property
    def verdict_text(self) -> str:
        """The verdict in a few words, which agree with the exit code."""
        if self.verdict == PASSED:
            return f"{PASSED}{_NOTHING_APPLIED if self.applies_nothing else ''}"
        if self.lets_pass:
            return f"{PASSED}: {self.not_held}, and may pass"
        return f"{self.verdict}: {self.not_held}"

    @property
    def not_held(self) -> str:
        """What did not pass, in a few words; empty if everything did."""
        n_failed = sum(one.verdict == FAILED for one in self.thresholds)
        n_slower = sum(one.verdict == REGRESSED for one in self.comparisons)
        n_open, n_nothing = self._n_undecided, self._n_inconclusive - self._n_undecided
        parts = [f"{n_failed} threshold{' does' if n_failed == 1 else 's do'} not hold"] if n_failed else []
        parts += [f"{n_slower} regressed"] if n_slower else []
        parts += [f"{n_open} cannot be decided"] if n_open else []
        return ", ".join([*parts, *([f"{n_nothing} with nothing to judge"] if n_nothing else [])])

    @property
    def lets_pass(self) -> bool:
        """Whether nothing failed and all that is inconclusive is undecided by its statistics, and that is to pass."""
        return self.verdict == INCONCLUSIVE and self.inconclusive == PASS and self._n_undecided == self._n_inconclusive

    @property
    def applies_nothing(self) -> bool:
        """Whether the configuration has a gate that applies to none of the measurements."""
        return bool(self.passed_over) and not self.thresholds and not self.comparisons

    @property
    def _n_undecided(self) -> int:
        return sum(one.is_undecided for one in self.thresholds) + sum(one.is_undecided for one in self.comparisons)

    @property
    def _n_inconclusive(self) -> int:
        return [*(one.verdict for one in self.thresholds), *(one.verdict for one in self.comparisons)].count(INCONCLUSIVE)

    def lines(self) -> List[str]:
        """The report for people; empty if there was nothing to judge."""
        return [self.redact(printable(line)) for line in self._lines()]

    def _lines(self) -> Iterator[str]:
        if self.applies_nothing:
            yield f"{'gate':<{_WIDE}}no threshold applied"
        # What fails comes first.
        for judged in sorted(self.thresholds, key=lambda one: _RANKS.get(one.verdict, len(_RANKS))):
            yield _row("gate", _marked(judged.verdict), threshold_line(judged))
        if self.comparisons:
            yield f"{'compared':<{_WIDE}}{self.new}"
            yield f"{'with':<{_WIDE}}{self.old}"
            yield f"{'seed':<{_WIDE}}{self.seed}; false alarm {self.false_alarm:g}"
        # Of metrics that only other sessions leave open, what is to be done is the same, and told once.
        strange = [one for one in self.comparisons if one.gone or one.added]
        alone = strange if len(strange) < _FEW else []
        for comparison in sorted(self.comparisons, key=lambda one: _RANKS.get(one.verdict, len(_RANKS))):
            if comparison not in strange or comparison in alone:
                yield _row("", _marked(comparison.verdict), comparison_line(comparison))
        if strange:
            yield _row("", INCONCLUSIVE, _other_sessions(strange))
        for text in self.passed_over:
            yield f"{'note':<{_WIDE}}{text!r} in the configuration is about something that is not measured here"
        if self.saved is not None:
            yield f"{'baseline':<{_WIDE}}written to {self.saved}"
        if self.not_saved is not None:
            yield f"{'baseline':<{_WIDE}}not written to {self.not_saved}"

    def json(self) -> Dict[str, Json]:
        """The report for programs; docs/reference/gate-report.schema.json is its schema."""
        return {
            "schema": SCHEMA,
            "verdict": self.verdict,
            "exit_code": self.exit_code,
            "inconclusive": self.inconclusive,
            "seed": self.seed,
            "false_alarm": self.false_alarm,
            "old": self.redact(self.old),
            "new": self.redact(self.new),
            "saved": self.saved,
            "not_saved": None if self.not_saved is None else self.redact(self.not_saved),
            "passed_over": [self.redact(one) for one in self.passed_over],
            "thresholds_from": self.redact(self.thresholds_from),
            "baseline_from": self.redact(self.baseline_from),
            "command": None if self.command is None else {**self.command._asdict(), "again": list(self.command.again)},
            "thresholds": [self._threshold_json(one) for one in self.thresholds],
            "comparisons": [self._comparison_json(one) for one in self.comparisons],
        }

    def _threshold_json(self, judged: Judged) -> Dict[str, Json]:
        threshold = judged.threshold
        return {
            "threshold": threshold.text,
            "metric": threshold.metric,
            "statistic": threshold.statistic.name,
            "comparison": threshold.comparison,
            "limit": threshold.limit,
            "unit": unit_of(threshold),
            "verdict": judged.verdict,
            "value": judged.value,
            "n": judged.n,
            "why": self.redact(judged.why),
            "worst": [self._sample_json(one) for one in judged.worst],
        }

    def _sample_json(self, one: Sample) -> Dict[str, Json]:
        at_ns, message = one.at_ns, one.message
        named = {"session": self.redact(one.session), "turn": one.turn, "of": one.of, "at_ns": at_ns, "type": self.redact(message)}
        return {**named, "value": one.value}

    def _comparison_json(self, one: Comparison) -> Dict[str, Json]:
        return {
            "metric": one.metric,
            "statistic": one.statistic,
            "unit": METRICS[one.metric].unit,
            "verdict": one.verdict,
            "old": one.old,
            "new": one.new,
            "difference": one.difference,
            "low": one.low,
            "high": one.high,
            "least": one.least,
            "alpha": one.alpha,
            "n_runs": one.n_runs,
            "n_pairs": one.n_pairs,
            "more_runs": one.more_runs,
            "where": self.redact(one.where),
            "worst": None if one.worst is None else self._sample_json(one.worst),
            "why": self.redact(one.why),
        }


def with_gate(lines: Sequence[str], gate: GateReport) -> List[str]:
    """A report that has no verdict of its own, with what a gate found, and last the gate's verdict where it judged anything.

    Args:
        lines: The report.
        gate: The gate.
    """
    is_judged = bool(gate.thresholds or gate.comparisons or gate.passed_over)
    return [*lines, *gate.lines(), *([verdict_line(gate.verdict_text)] if is_judged else [])]


def replayed_with_gate(result: ReplayedResult, gate: GateReport) -> List[str]:
    """The report of what was replayed, with what a gate found, and last the verdict on both, which agrees with the exit code."""
    text = f"{result.verdict_text}{_NOTHING_APPLIED if gate.applies_nothing else ''}"
    if not gate.passed:
        text = f"{text}, {gate.not_held}" if result.exit_code else gate.verdict_text
    return [*result.body(), *gate.lines(), verdict_line(text)]


def _other_sessions(strange: Sequence[Comparison]) -> str:
    """What is told, once, of comparisons that other sessions leave open."""
    gone, added = (_few(names) for names in ([one.gone for one in strange], [one.added for one in strange]))
    told = [f"the baseline has {gone}, this run does not"] if gone else []
    told += [f"this run has {added}, the baseline does not"] if added else []
    n = "1 metric" if len(strange) == 1 else f"{len(strange)} metrics"
    return f"{n}: {'; '.join(told)}: write the baseline again, without comparing with it"


def _few(of_each: Sequence[Sequence[str]]) -> str:
    names = list(dict.fromkeys(name for names in of_each for name in names))
    more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
    return f"{', '.join(names[:_SHOWN_NAMES])}{more}"


def _row(label: str, verdict: str, text: str) -> str:
    return f"{label:<{_WIDE}}{verdict:<{_VERDICT_WIDE}}{text}"


def _marked(verdict: str) -> str:
    return verdict.upper() if verdict in (FAILED, REGRESSED) else verdict


def unit_of(threshold: Threshold) -> str:
    """The unit of a threshold's limit and value: ``ms``, ``share`` or, for a number, nothing."""
    return {"rate": "share", "count": ""}.get(threshold.statistic.name, METRICS[threshold.metric].unit)


def threshold_line(judged: Judged) -> str:
    """One threshold in a line."""
    threshold = judged.threshold
    if judged.value is None:
        return f"{threshold.text}: {judged.why}"
    is_flag = threshold.statistic.is_counting
    value = f"{judged.value:.1%}" if threshold.statistic.name == "rate" else f"{judged.value:g}" if is_flag else milliseconds(judged.value)
    told = [f"{value} of {judged.n} value{'' if judged.n == 1 else 's'}"]
    told += [f"worst: {', '.join(map(_worst, judged.worst))}"] if judged.worst else []
    told += [judged.why] if judged.why else []
    return f"{threshold.text}: {'; '.join(told)}"


def _worst(sample: Sample) -> str:
    value = "" if sample.value is None or METRICS[sample.metric].unit == FLAG else f" {milliseconds(sample.value)}"
    turn = "" if sample.turn is None else f" turn {sample.turn}"
    return f"{sample.session}{turn}{'' if sample.of is None else f' #{sample.of}'}{value}"


def comparison_line(one: Comparison) -> str:
    """One comparison in a line."""
    name = f"{one.metric} {one.statistic}".strip()
    if one.old is None or one.new is None:
        return f"{name}: {one.why}"
    digits = milliseconds_apart(one.old, one.new)
    told = [f"{amount(one, one.old, digits=digits)} → {amount(one, one.new, digits=digits)} ({change(one)})"]
    if one.where:
        told.append(f"at {one.where}")
    if one.low is not None and one.high is not None and one.low != one.high:
        told.append(f"the difference is between {amount(one, one.low, '+')} and {amount(one, one.high, '+')}")
    tolerance = one.least or METRICS[one.metric].chance_ms
    if tolerance and one.difference and one.verdict == PASSED:
        told.append(f"within the tolerance of {amount(one, tolerance)}")
    elif tolerance:
        told.append(f"the tolerance is {amount(one, tolerance)}")
    told += [one.why] if one.why else []
    return f"{name}: {'; '.join(told)}"


def amount(one: Comparison, value: float, sign: str = "", digits: int = SIGNIFICANT) -> str:
    """A value of a comparison, with its unit."""
    return f"{value:{sign}.1%}" if METRICS[one.metric].unit == FLAG else milliseconds(value, sign, digits)


def change(one: Comparison) -> str:
    """The difference, and its share of the old value."""
    difference = one.difference
    if difference is None:
        return ""
    # Of next to nothing, a share says nothing.
    is_told = one.old and METRICS[one.metric].unit != FLAG and abs(difference) < _MOST_TIMES * one.old
    share = f", {difference / one.old:+.1%}" if is_told and one.old else ""
    return f"{amount(one, difference, '+')}{share}"
