"""The gate as an act: thresholds and a baseline read before anything runs, sessions judged after it.

Rules of living here: what the command line says comes before what pyproject.toml says. A threshold that nothing measured could meet or miss
is refused, not passed: in a replay the recording plays the service, so its times are already known. A setting of the project that is about
something not measured in this run is skipped, with a note. A failed run is not a reference for later ones, and its baseline is not kept.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Callable, Dict, Mapping, Optional, Sequence, Tuple, TypeVar

from evi_harness.acts.asked_of_gate import GateOptions
from evi_harness.bounds import Bounds, require_number, require_word
from evi_harness.errors import EviHarnessError, Parameter, UsageError, Words, value_of
from evi_harness.measure.baseline import Baseline, MeasuredRun, baseline_json, is_played, read_baseline_json, run_of
from evi_harness.measure.comparison import Comparison, ComparisonRules, compare_jobs
from evi_harness.measure.effect import LEAST_EFFECT, parse_effect
from evi_harness.measure.measuring import Measured
from evi_harness.measure.metrics import CLIENT, CONVERSATION, METRICS
from evi_harness.measure.observed import observed_in_both, observed_metrics
from evi_harness.measure.thresholds import FAILED, Threshold, distinct_samples, judge_threshold, parse_threshold
from evi_harness.report.gate_report import FAIL, PASS, GateCommand, GateReport, replayed_with_gate, with_gate
from evi_harness.runs.replay_options import BUILTIN, RECORDED
from evi_harness.session.header import BY_DEFAULT
from evi_harness.session.json_value import Json
from evi_harness.settings.configuration import Configuration, load_configuration
from evi_harness.settings.new_folder import near, now_utc
from evi_harness.settings.sink import redacted
from evi_harness.storage.baseline_file import load_json_file, replace_json_file
from evi_harness.verdicts.invoking import told_command
from evi_harness.verdicts.redacted_views import redactor_for
from evi_harness.version import __version__

__all__ = [
    "SAVE_BASELINE",
    "Gate",
    "GateReport",
    "asked_by",
    "gate_for",
    "gate_from",
    "load_baseline",
    "replayed_with_gate",
    "rules_for",
    "save_baseline",
    "with_gate",
]

# Names, to what is run, a folder that every run below it saves its baseline to: this is how `ab` gets at what its commands measure.
SAVE_BASELINE = "EVI_HARNESS_SAVE_BASELINE"
_T = TypeVar("_T")

# Why a baseline is not written.
_FAILED_RUN = "the run that was measured failed"
_FAILED_THRESHOLD = "a threshold does not hold"
_REGRESSED = "something became slower; to accept that, write it without comparing it"


class Gate:
    """A gate, ready to judge.

    Args:
        thresholds: What metrics are held to.
        rules: How to compare.
        baseline: What to compare with, None for nothing.
        inconclusive: What is done about the inconclusive.
        old: What the baseline is called.
        save_to: Where to write what is measured, None for nowhere.
        passed_over: Thresholds of the configuration that are about what will not be measured.
        sets_thresholds: Whether the thresholds are the configuration's, so that some may be about what was not measured.
        sets_baseline: Whether the baseline is, likewise.
        configured_in: The file of the configuration, as it is shown; empty for none.
    """

    def __init__(
        self,
        thresholds: Sequence[Threshold],
        rules: ComparisonRules,
        baseline: Optional[Baseline] = None,
        *,
        inconclusive: str = FAIL,
        old: str = "",
        save_to: Optional[Path] = None,
        passed_over: Tuple[str, ...] = (),
        sets_thresholds: bool = False,
        sets_baseline: bool = False,
        configured_in: str = "",
    ) -> None:
        self._thresholds = tuple(thresholds)
        self._rules = rules
        self._baseline = baseline
        self._inconclusive = inconclusive
        self._old = old
        self._save_to = save_to
        self._passed_over = passed_over
        self._sets_thresholds = sets_thresholds
        self._sets_baseline = sets_baseline
        self._configured_in = configured_in

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to judge, to keep or to tell."""
        return bool(self._thresholds or self._passed_over or self._baseline is not None or self._save_to is not None)

    @property
    def _is_about_an_app(self) -> bool:
        """Whether a threshold or the baseline is about an app's own code."""
        return any(one.family == CLIENT for one in self._thresholds) or _is_of_an_app(self._baseline)

    def judge(self, measured: Sequence[Measured]) -> GateReport:
        """Judge what was measured, and keep it where it is to be kept.

        Args:
            measured: Sessions, measured, with names of their own.

        Returns:
            The report. What the service took in a replay is neither judged nor kept.

        Raises:
            UsageError: A threshold that was asked for is about the service, and a session is a replay, whose service is the recording; or
                the gate is about an app's code, and a session is a replay for which no handler was given.
            EviHarnessError: The baseline cannot be written.
        """
        played = [one.name for one in measured if is_played(one.session)]
        about_service = [] if self._sets_thresholds else [one for one in self._thresholds if one.family == CONVERSATION]
        if played and about_service:
            raise _judges_the_recording(about_service[0], f"{played[0]} is a replay")
        of_no_app = [one.name for one in measured if one.session.header.built_in == BY_DEFAULT]
        if of_no_app and (self._is_about_an_app or self._save_to is not None):
            raise _judges_no_app(f"{of_no_app[0]} was replayed without a handler")
        return self.judge_runs([run_of(measured)], redactor_for(*(one.session for one in measured)).string)

    def judge_runs(self, runs: Sequence[MeasuredRun], redact: Optional[Callable[[str], str]] = None, *, keep: bool = True) -> GateReport:
        """Judge runs, and keep them where they are to be kept; see ``judge``.

        What is inconclusive may be kept: it is too few values or too much noise, and no word against the code.

        Args:
            runs: At least one; of several of the same, a threshold is held to all samples together, and to those of an exact metric once.
            redact: Removes secrets from the report; None for what knows those that have come up so far.
            keep: Whether they may be kept at all; not where what was measured failed.

        Returns:
            The report. Nothing is kept either where a threshold does not hold or something regressed.
        """
        redact = redact or redacted
        observed = observed_metrics(runs)
        thresholds = [one for one in self._thresholds if one.metric in observed or not self._sets_thresholds]
        comparisons = self._compared(runs)
        passed_over = [one.text for one in self._thresholds if one not in thresholds]
        if self._baseline is not None and self._sets_baseline and not comparisons:
            passed_over.append(self._old)
        report = GateReport(
            thresholds=tuple(judge_threshold(one, distinct_samples(one.metric, runs)) for one in thresholds),
            comparisons=comparisons,
            seed=self._rules.seed,
            false_alarm=self._rules.false_alarm,
            inconclusive=self._inconclusive,
            old=self._old,
            new="this run",
            passed_over=(*self._passed_over, *passed_over),
            thresholds_from=self._configured_in if self._sets_thresholds and thresholds else "",
            baseline_from=self._configured_in if self._sets_baseline and comparisons else "",
            redact=redact,
        )
        if self._save_to is None:
            return report
        why = _unkept(report) if keep else _FAILED_RUN
        if why:
            return replace(report, not_saved=f"{near(self._save_to)}: {why}")
        return replace(report, saved=near(save_baseline(self._save_to, runs, redact)))

    def _compared(self, runs: Sequence[MeasuredRun]) -> Tuple[Comparison, ...]:
        """Runs beside the baseline; of the configuration's only what both are about: it may be one of the other family."""
        if self._baseline is None:
            return ()
        old = self._baseline.runs
        found = compare_jobs(old, runs, self._rules)
        common = observed_in_both(old, runs) if self._sets_baseline else METRICS
        return tuple(one for one in found if one.metric in common)


def _unkept(report: GateReport) -> str:
    """Why what was judged is not to be kept; empty where it may be."""
    if report.verdict != FAILED:
        return ""
    return _FAILED_THRESHOLD if any(one.verdict == FAILED for one in report.thresholds) else _REGRESSED


def gate_for(options: GateOptions, *, is_replay: bool, folder: Optional[Path] = None, names_no_handler: bool = False) -> Gate:
    """Make a gate ready, before anything runs.

    Args:
        options: What is asked for.
        is_replay: Whether a replay without ``--live`` is to be judged, in which the service is the recording.
        folder: Where the search for pyproject.toml begins; None for the current folder.
        names_no_handler: Whether the built-in handler is replayed to because none was named, so that no app is judged.

    Raises:
        UsageError: A threshold cannot be read, or is about the service in a replay; there is no app to be judged; the configuration
            is invalid.
        EviHarnessError: The baseline cannot be read.
    """
    return gate_from(options, load_configuration(folder), is_replay=is_replay, names_no_handler=names_no_handler)


def gate_from(options: GateOptions, configured: Configuration, *, is_replay: bool, names_no_handler: bool = False) -> Gate:
    """Make a gate ready of a configuration that was read already; see ``gate_for``."""
    with value_of("gate"):
        thresholds = [parse_threshold(text) for text in options.gate]
    if is_replay:
        for threshold in thresholds:
            if threshold.family == CONVERSATION:
                raise _judges_the_recording(threshold, Words("this is a replay without ", Parameter("live")))
    passed_over: Tuple[str, ...] = ()
    if not options.gate:
        ours = [_configured(text, configured) for text in configured.gate]
        thresholds = [one for one in ours if not is_replay or one.family == CLIENT]
        passed_over = tuple(one.text for one in ours if one not in thresholds)
    file = options.baseline or _to_compare_with(options, configured)
    rules = rules_for(options, configured)
    baseline = None if file is None else _loaded(file, named_in=None if options.baseline is not None else configured.where)
    if names_no_handler and (thresholds or options.baseline or options.save_baseline or _is_of_an_app(baseline)):
        raise _judges_no_app()
    return Gate(
        thresholds,
        rules,
        baseline,
        inconclusive=options.inconclusive or configured.inconclusive or FAIL,
        old=str(file or ""),
        save_to=options.save_baseline,
        passed_over=passed_over,
        sets_thresholds=not options.gate,
        sets_baseline=options.baseline is None,
        configured_in="" if configured.where is None else near(configured.where),
    )


def _is_of_an_app(baseline: Optional[Baseline]) -> bool:
    """Whether an app's own code was measured in a baseline."""
    return baseline is not None and any(METRICS[one].family == CLIENT for one in observed_metrics(baseline.runs))


def _judges_no_app(why: str = "no handler is given") -> UsageError:
    what = f"a gate judges your app, and {why}: the built-in handler runs, so none of your code would be judged"
    way = Words("Name yours with ", Parameter("handler", "FILE.py:NAME"), "; ")
    meant = Words(Parameter("handler", BUILTIN), " judges the built-in handler, ", Parameter("handler", RECORDED), " the replay itself.")
    return UsageError(what, hint=Words(way, meant))


def _to_compare_with(options: GateOptions, configured: Configuration) -> Optional[Path]:
    """The configured baseline, unless it is the one that is to be written: it may not be there yet, or be meant to be replaced."""
    written, file = options.save_baseline, configured.baseline
    is_written = written is not None and file is not None and written.resolve() == file.resolve()
    return None if is_written else file


def _loaded(file: Path, *, named_in: Optional[Path]) -> Baseline:
    """The baseline; an error says what names it: what was given, or the configuration's file."""
    try:
        return load_baseline(file)
    except EviHarnessError as error:
        named = Words(Parameter("baseline")) if named_in is None else f"baseline of {near(named_in)}"
        error.what = Words(named, ": ", error.what)
        raise


def _configured(text: str, configured: Configuration) -> Threshold:
    try:
        return parse_threshold(text)
    except UsageError as error:
        raise UsageError(error.what, where=f"{configured.where}: gate", hint=error.hint) from None


def _judges_the_recording(threshold: Threshold, what: str) -> UsageError:
    hint = (
        "Judge a recording with `evi-harness latency`, and a service with `replay --live`; a replay judges metrics of the app's own code."
    )
    return UsageError(
        Words(f"{threshold.text!r} is about the service, and ", what, ": there, the recording answers in place of the service"), hint=hint
    )


def asked_by(found: GateReport, by_gate: str, by_baseline: str, again: Callable[[], Sequence[str]]) -> GateReport:
    """A gate's report that says what gave its limits and, where it did not pass, which command judges the same again.

    Args:
        found: What the gate found.
        by_gate: What gave the thresholds, empty where the configuration did.
        by_baseline: What gave the baseline, likewise.
        again: Makes the words of the command behind the program's name.
    """
    found = replace(found, thresholds_from=by_gate or found.thresholds_from, baseline_from=by_baseline or found.baseline_from)
    return found if found.passed else replace(found, command=GateCommand(*told_command(again())))


def rules_for(options: GateOptions, configured: Configuration) -> ComparisonRules:
    """How to compare: what is asked for, else what is configured, else the default.

    Raises:
        UsageError: A value is invalid.
    """
    default = ComparisonRules()
    false_alarm = _first(options.false_alarm, configured.false_alarm, default.false_alarm)
    require_number("false_alarm", false_alarm, Bounds(above=0, below=0.5))
    if options.job_noise is not None:
        require_number("job_noise", options.job_noise, Bounds(least=0, most=10))
    if options.inconclusive is not None:
        require_word("inconclusive", options.inconclusive, (FAIL, PASS))
    with value_of("least_effect"):
        asked = None if options.least_effect is None else parse_effect(options.least_effect)
    return ComparisonRules(
        false_alarm=false_alarm,
        least=_first(asked, configured.least, LEAST_EFFECT),
        least_by_metric={} if asked is not None else configured.least_by_metric,
        job_noise=_first(options.job_noise, configured.job_noise, default.job_noise),
        seed=_first(options.gate_seed, configured.seed, default.seed),
    )


def _first(*values: Optional[_T]) -> _T:
    return next(value for value in values if value is not None)


def load_baseline(file: Path) -> Baseline:
    """Read a baseline.

    Raises:
        EviHarnessError: It is not there, cannot be read or is not a baseline.
    """
    return read_baseline_json(load_json_file(file), str(file))


def save_baseline(place: Path, runs: Sequence[MeasuredRun], redact: Callable[[str], str] = str) -> Path:
    """Keep runs as a baseline.

    Args:
        place: The file; in a folder, a new file is made.
        runs: At least one.
        redact: Takes secrets out of names and reasons.

    Returns:
        The file.

    Raises:
        EviHarnessError: It cannot be written.
    """
    file = place / f"{time.time_ns()}-{os.getpid()}.json" if place.is_dir() else place
    told = baseline_json(Baseline(tuple(runs), now_utc(), __version__))
    try:
        replace_json_file(file, _redacted(told, redact))
    except EviHarnessError as error:
        error.what = Words(Parameter("save_baseline"), ": ", error.what)
        raise
    return file


def _redacted(value: Json, redact: Callable[[str], str]) -> Json:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        found: Dict[str, Json] = {key: _redacted(one, redact) for key, one in value.items()}
        return found
    return [_redacted(one, redact) for one in value] if isinstance(value, list) else value
