"""Replays and servers as a test wants them: asserts that say what went wrong, and reports that stay.

Rules of living here: nothing of the test runner is known here. What a test gets wrong is an error of ours; what the app gets wrong is an
``AssertionError``, whose first line tells the most important, and whose frames here are left out of tracebacks.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Callable, Iterable, List, Mapping, Optional, Sequence, Tuple

from evi_harness.acts.afterwards.explaining import explained
from evi_harness.acts.paging.page_making import page_of_replay, write_page
from evi_harness.acts.replay import ReplayResult, keep_replay, replay_asked
from evi_harness.acts.serve.serving import ServeOptions, served
from evi_harness.carriers.lateness import Lateness
from evi_harness.dialects import dialect_of
from evi_harness.errors import EviHarnessError, UsageError, Words
from evi_harness.guard.developers import DEVELOPER, owner
from evi_harness.measure.measuring import Measured, measure
from evi_harness.measure.metrics import CONVERSATION, METRICS
from evi_harness.measure.samples import Sample
from evi_harness.measure.thresholds import PASSED, Judged, Threshold, judge_threshold, metrics_like, parse_threshold
from evi_harness.pytesting.marked import spec_from
from evi_harness.replay.judging.unseen import Unseen
from evi_harness.report.explaining.gate_advice import threshold_advice
from evi_harness.report.gate_report import GateReport
from evi_harness.report.plain import printable
from evi_harness.runs.own_server import Served
from evi_harness.runs.replay_options import BUILTIN, REAL, ReplayOptions, has_app
from evi_harness.runs.run import Run
from evi_harness.session.events import Closed, Event, Received, Sent
from evi_harness.session.figures import figure, milliseconds
from evi_harness.settings.new_folder import near
from evi_harness.settings.sink import redacted, redacted_data, write_file
from evi_harness.verdicts.comparing import Rules
from evi_harness.verdicts.expected import load_expected
from evi_harness.verdicts.invoking import Command, handlerless_invocation
from evi_harness.verdicts.judging import Judging, Replayed, judged
from evi_harness.verdicts.redacted_views import Discreet, redactor_for

__all__ = [
    "CheckedReplay",
    "CheckedServer",
    "Replayer",
    "client_threshold",
    "explanation_of",
    "never_looked_at",
    "write_report",
    "write_test_page",
]

# What a report calls an app that a test runs by itself.
OWN_APP = "the test's own app"
# How long a conversation that the app has left may take to be seen closed; the service itself closes what is left open after five.
END_WAIT_S = 10.0
_LOOK_S = 0.01
# What gives the thresholds of a test.
_ASSERTED_BY = "assert_latency"
# The option that is about what a handler's class takes.
_ARGUMENTS = "arguments"
# Where a result keeps what ``assert_latency`` found.
_FAILED_GATES = "_gates"
# So many samples are shown of a threshold that does not hold.
_SHOWN_SAMPLES = 10
# What is said of the samples that count against a threshold, and of the others.
_OF_VALUES = ("beyond the limit", "within the limit")
_OF_COUNTS = ("counted", "0")
# What a replay may be told besides the session and the handler.
_OPTIONS = tuple(one.name for one in fields(ReplayOptions) if one.name != "handler")
_MAX_NAME = 120
_NEVER_LOOKED_AT = "The test did not look at this result: call assert_passed() on it, or read what it found, such as .passed or .findings."
_NOT_IN_A_NAME = re.compile(r"[^\w.\[\]-]")

# A replay stands in for the clock and the sound system of its whole process.
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class CheckedReplay(ReplayResult):
    """What a replay found, with asserts. It is true where the replay passed."""

    def __getattribute__(self, name: str) -> Any:
        if not name.startswith("_"):
            object.__setattr__(self, "_is_looked_at", True)
        return super().__getattribute__(name)

    def __bool__(self) -> bool:
        """Whether the replay passed: ``assert evi_replay(App)`` is meant so."""
        return self.passed

    def __repr__(self) -> str:
        return f"<replay of {self._name} {self.verdict_text}>"

    @property
    def _name(self) -> str:
        return printable(self.redactor.string(self.report.recorded.name))

    @property
    def headline(self) -> str:
        """What was replayed, the verdict, and the first thing that is wrong, in one line."""
        return f"replay of {self._name} {self.summary}"

    def assert_passed(self) -> None:
        """Assert that the replay was as recorded, or as accepted, and that nothing else is wrong.

        Raises:
            AssertionError: With the report; the first divergence stands with what was around it.
        """
        __tracebackhide__ = True
        if not self.passed:
            raise AssertionError("\n".join([self.headline, *self.lines()]))

    def assert_latency(self, *thresholds: str) -> None:
        """Assert that the app's own code was fast enough.

        Args:
            thresholds: In k6's words, such as ``queue: max<50`` or ``handle: p(95)<20ms``, on metrics of the ``client`` family. Times are
                in milliseconds unless a unit follows them.

        Raises:
            AssertionError: A threshold does not hold, or cannot be judged; with the samples, the worst first. Or the replay failed: an app
                that crashes is quick.
            UsageError: It is not a threshold, or not text; or its metric is of the ``conversation`` family, which is the service's,
                and here a recording's. Or no handler was given, so that no app was measured.
        """
        __tracebackhide__ = True
        if self.report.names_no_handler:
            hint = f"Give yours, as in evi_replay(MyHandler); evi_replay({BUILTIN!r}) measures the built-in one."
            raise UsageError("no handler is given: the built-in handler was replayed to, and none of your code was measured", hint=hint)
        if not thresholds:
            raise UsageError("no threshold is given, so nothing would be asserted", hint="Give one or more, such as 'queue: max<50'.")
        try:
            parsed = [client_threshold(text) for text in thresholds]
        except UsageError as error:
            raise error.with_traceback(None)  # noqa: B904 - it is the same exception
        judged = [judge_threshold(one, self.measured.samples) for one in parsed]
        failed = [one for one in judged if one.verdict != PASSED]
        if failed:
            gate = GateReport(tuple(judged), thresholds_from=_ASSERTED_BY, redact=self.redactor.string)
            object.__setattr__(self, _FAILED_GATES, (*self._failed_gates, gate))
        lines = [line for one in failed for line in self._told(one)]
        lines += [f"  again  pytest {self._test}"] if failed and self._test else []
        lines += [] if self.passed else [self.headline, *self.lines()]
        if lines:
            raise AssertionError("\n".join(lines))

    @property
    def _failed_gates(self) -> Tuple[GateReport, ...]:
        """What ``assert_latency`` found, for each call in which a threshold did not hold."""
        found: Tuple[GateReport, ...] = self.__dict__.get(_FAILED_GATES, ())
        return found

    @property
    def _test(self) -> str:
        """The id of the test that replayed it; empty for none."""
        return printable(self.report.invocation.test or "")

    def samples(self, metric: str) -> Tuple[Sample, ...]:
        """Every value of one metric of the ``client`` family, in time; or why there is none.

        Args:
            metric: Its id, such as ``queue``. docs/reference/latency.md has all of them.

        Raises:
            UsageError: There is no such metric, or it is of the ``conversation`` family.
        """
        __tracebackhide__ = True
        try:
            _require_client(metric)
        except UsageError as error:
            raise error.with_traceback(None)  # noqa: B904 - it is the same exception
        return tuple(sample for sample in self.measured.samples if sample.metric == metric)

    @cached_property
    def measured(self) -> Measured:
        """What was measured of the replay."""
        return measure(self.session, dialect_of(self.session))

    def _told(self, judged: Judged) -> List[str]:
        threshold, name = judged.threshold, self._name
        to_try = f"  try    {threshold_advice(threshold.metric, judged.verdict, _ASSERTED_BY, n=judged.n)}"
        if judged.value is None:
            return [f"replay of {name}: {threshold.text}: {judged.verdict}, {judged.why}", to_try]
        value = f"{judged.value:g}" if threshold.statistic.is_counting else milliseconds(judged.value)
        against, others = self._parted(threshold)
        shown = against[:_SHOWN_SAMPLES]
        rest = _rest(threshold, len(against) - len(shown), len(others), is_more=bool(shown))
        found = f"{threshold.statistic.name} is {value} of {judged.n} value{'' if judged.n == 1 else 's'}"
        return [
            f"replay of {name}: {threshold.text}: {judged.verdict}, {found}",
            *(f"  {self._place(sample)}" for sample in shown),
            *rest,
            to_try,
        ]

    def _parted(self, threshold: Threshold) -> Tuple[List[Sample], List[Sample]]:
        """The samples that are beyond the limit, or that are counted, the worst first; and the others."""
        there = [(sample.value, sample) for sample in self.samples(threshold.metric) if sample.value is not None]
        there.sort(key=lambda one: one[0], reverse=not threshold.comparison.startswith(">"))
        parts: Tuple[List[Sample], List[Sample]] = ([], [])
        for value, sample in there:
            is_against = value != 0 if threshold.statistic.is_counting else not threshold.holds(value)
            parts[0 if is_against else 1].append(sample)
        return parts

    def _place(self, sample: Sample) -> str:
        """A sample with the message that it is about, and where that stands in the replay."""
        assert sample.value is not None
        told = f"{figure(sample.value):>10} {METRICS[sample.metric].unit}"
        event = next((one for one in self.session.events if one.seq == sample.of), None)
        if not isinstance(event, (Sent, Received)):
            return told
        dialect = Discreet(dialect_of(self.session), self.redactor)
        said = dialect.describe(event.kind, dialect.read(event.kind, event.frame))
        return f"{told}  #{event.seq} at {event.at_ns / 1e9:.3f} s, {event.kind} {printable(said)}"


class Replayer:
    """Replays one session to handlers: what a test calls.

    Args:
        folder: The session's folder.
        defaults: What holds unless the test says otherwise.
        keep: Called with each result.
        test: The test's id, for reports.
        places: What the file of a handler's SPEC is relative to: the first of these where it is; none for the current folder.
    """

    def __init__(
        self,
        folder: Path,
        defaults: ReplayOptions,
        keep: Callable[[CheckedReplay], object],
        test: Optional[str] = None,
        places: Sequence[Path] = (),
    ) -> None:
        self.folder = folder
        self._defaults = defaults
        self._keep = keep
        self._test = test
        self._places = places

    def __call__(self, handler: Any = None, *, write: Callable[[str], object] = print, **options: Any) -> CheckedReplay:
        """Replay the session to a handler.

        Where an event loop runs on this thread, the replay runs on another one, and the loop stands still for as long.

        Args:
            handler: As ``replay_session`` takes it: a class, an object, a function, or its name (``FILE.py:NAME``); None for the
                built-in one. The file is found from the test's own folder, then from pytest's rootdir, as the session of the mark is.
            write: As ``replay_session`` has it.
            options: The others of ``replay_session``: ``clock``, ``ignore``, ``arguments``, ``max_late_ms`` …

        Returns:
            The result, which is yet to be asserted.

        Raises:
            UsageError: There is no such option, or the handler's file does not exist.
            EviHarnessError: See ``replay_session``.
        """
        __tracebackhide__ = True
        try:
            _require_known(options)
            if isinstance(handler, str) and has_app(handler) and self._places:
                handler = spec_from(handler, self._places)
            asked = _asked(self._defaults, {**options, "handler": handler})
            found = _off_the_loop(partial(_replay, self.folder, asked, write, Command.here(test=self._test)))
        except EviHarnessError as error:
            # Where in the harness it was noticed helps nobody; what it came from stays.
            raise _without_our_frames(_with_an_instance(error, handler))  # noqa: B904 - it is the same exception
        result = CheckedReplay(found.report, found.redactor, found.heard, found.secrets)
        self._keep(result)
        return _unseen(result)

    def __repr__(self) -> str:
        return f"<replays {self.folder}>"


def _with_an_instance(error: EviHarnessError, handler: Any) -> EviHarnessError:
    """An error about the arguments of a handler that was given as text: in a test, an object does as well."""
    hint = error.hint
    if isinstance(handler, str) and isinstance(hint, Words) and any(getattr(part, "name", "") == _ARGUMENTS for part in hint.parts):
        name = handler.rpartition(":")[2].partition("(")[0]
        error.hint = Words(hint, f"\nOr import it, and give an instance: evi_replay({name}(…)).")
    return error


def _without_our_frames(error: EviHarnessError) -> EviHarnessError:
    """An error whose traceback, and that of what it came from, begins in the developer's code; a cause that never got there is left out."""
    cause, below = error.__cause__, None
    if cause is not None:
        below = cause.__traceback__
        while below is not None and owner(below.tb_frame.f_code.co_filename) != DEVELOPER:
            below = below.tb_next
        error.__cause__ = None if below is None else cause.with_traceback(below)
    return error.with_traceback(None)


def _require_known(options: Mapping[str, Any]) -> None:
    for name in options:
        if name not in _OPTIONS:
            meant = get_close_matches(name, _OPTIONS)
            first = f"Did you mean {' or '.join(meant)}? " if meant else ""
            raise UsageError(f"a replay has no option {name!r}", hint=f"{first}There are: {', '.join((*_OPTIONS, 'write'))}.")


def _asked(defaults: ReplayOptions, said: Mapping[str, Any]) -> ReplayOptions:
    """The options of one replay: as the test says, else as the test run has them."""
    several = {name: tuple(said[name]) for name in ("ignore", "allow_hosts") if name in said}
    return replace(defaults, **{**said, **several})


def _replay(folder: Path, asked: ReplayOptions, write: Callable[[str], object], command: Command) -> ReplayResult:
    with _ONE_AT_A_TIME:
        return replay_asked(folder, asked, write=write, command=command)


def _off_the_loop(act: Callable[[], ReplayResult]) -> ReplayResult:
    """Do something that has an event loop of its own: here, or on another thread where one runs here already."""
    if asyncio._get_running_loop() is None:
        return act()
    done: Future[ReplayResult] = Future()

    def run() -> None:
        try:
            done.set_result(act())
        except BaseException as error:  # noqa: BLE001 - it is raised where it was asked for
            done.set_exception(error)

    # Who is interrupted while waiting, by a time limit of the test's, say, is not held up by it.
    threading.Thread(target=run, name="evi-harness replay", daemon=True).start()
    return done.result()


class CheckedServer:
    """The fake service of one session, in a process of its own, with the verdict on what the test's own app did to it.

    Args:
        folder: The session's folder.
        defaults: What holds unless the test says otherwise; ``update`` and ``allow_incomplete`` of it.
        keep: Called with each result.
        test: The test's id, for reports.
    """

    def __init__(self, folder: Path, defaults: ReplayOptions, keep: Callable[[CheckedReplay], object], test: Optional[str] = None) -> None:
        self.folder = folder
        self._test = test
        self._defaults = defaults
        self._keep = keep
        allow_incomplete = defaults.allow_incomplete
        self._expected = load_expected(folder, allow_incomplete=allow_incomplete)
        self._server: Served = served(self._expected.played, ServeOptions(allow_incomplete=allow_incomplete))

    @property
    def url(self) -> str:
        """Where it serves: the app's ``base_url``."""
        return self._server.url

    @property
    def sessions(self) -> Sequence[Sequence[Event]]:
        """The events of all conversations so far, in the order in which they were opened."""
        return self._server.sessions

    @property
    def events(self) -> Sequence[Event]:
        """The events of the first conversation so far."""
        return self._server.events

    @property
    def lateness(self) -> Lateness:
        """How late the server itself sent what was due."""
        return self._server.lateness

    def __enter__(self) -> CheckedServer:
        self._server.__enter__()
        return self

    def __exit__(self, *raised: Any) -> None:
        self._server.__exit__(*raised)

    def __repr__(self) -> str:
        return f"<serves {self.folder} on {self.url or 'no port yet'}>"

    def result(self, conversation: int = 1, *, ignore: Iterable[str] = (), strict: bool = False) -> CheckedReplay:
        """Compare a conversation that is over with the recording: all that the app sent, its handshake, and when it left.

        What happened inside the app is not seen, so there is no finding, and of the measures those that cross the wire alone.

        Args:
            conversation: Which one, from 1 in the order of opening.
            ignore: What is not compared, as ``replay_session`` has it.
            strict: Also compare values that usually differ in every run.

        Raises:
            UsageError: There is no such conversation, or it does not end.
        """
        __tracebackhide__ = True
        events = self._ended(conversation)
        expected, redactor = self._expected, redactor_for(self._expected.recorded)
        run = Run(OWN_APP, events, handshake_by_app=True)
        judging = Judging(Rules.of(ignore, strict), update=self._defaults.update)
        report = judged(Replayed(expected, expected.played, run, REAL, self.lateness), judging, redactor)
        options = {"ignore": [path.text for path in judging.rules.ignored], "strict": strict, **self._told()}
        asked = handlerless_invocation(Command.here(test=self._test), self.folder, options, redactor)
        others = _other_conversations(conversation, len(self.sessions))
        report = replace(report, unseen=(*report.unseen, *others))
        result = CheckedReplay(replace(report, real_s=report.live.duration_ns / 1e9, invocation=asked), redactor)
        self._keep(result)
        return _unseen(result)

    def _told(self) -> Mapping[str, Any]:
        return {"update": self._defaults.update, "allow_incomplete": self._defaults.allow_incomplete}

    def _ended(self, conversation: int) -> Sequence[Event]:
        __tracebackhide__ = True
        until_s = time.monotonic() + END_WAIT_S
        while True:
            sessions = self.sessions
            events = sessions[conversation - 1] if 0 < conversation <= len(sessions) else ()
            if any(isinstance(event, Closed) for event in events):
                return events
            if not events or time.monotonic() > until_s:
                variable = dialect_of(self._expected.recorded).variables.base_url
                raise _no_conversation(conversation, len(sessions), bool(events), self.url, variable)
            time.sleep(_LOOK_S)


def _unseen(result: CheckedReplay) -> CheckedReplay:
    """A result as the test gets it: whatever was read of it so far, the test has read nothing."""
    object.__setattr__(result, "_is_looked_at", False)
    return result


def never_looked_at(results: Sequence[CheckedReplay]) -> List[str]:
    """What there is to tell of replays that failed, and of whose result a test has read nothing; empty where there is none.

    Args:
        results: A test's replays. To be asked before anything else is read of them.
    """
    unread = [result for result in results if not getattr(result, "_is_looked_at", True)]
    return [f"{result.headline}\n{_NEVER_LOOKED_AT}" for result in unread if not result.passed]


def _other_conversations(conversation: int, n: int) -> Tuple[Unseen, ...]:
    if n < 2:
        return ()
    what = f"the app connected {n} times, and this is conversation {conversation} alone: result(conversation=…) judges each of the others"
    return (Unseen("other_conversation", what),)


def _rest(threshold: Threshold, n_against: int, n_others: int, *, is_more: bool) -> List[str]:
    """What is said of samples that are not shown, in a line; nothing where all are."""
    words = _OF_COUNTS if threshold.statistic.is_counting else _OF_VALUES
    left = [(n, word) for n, word in zip((n_against, n_others), words) if n]
    told = [f"{n}{' more' if is_more and not index else ''} {'is' if n == 1 else 'are'} {word}" for index, (n, word) in enumerate(left)]
    return [f"  {', '.join(told)}"] if told else []


def _no_conversation(conversation: int, n_opened: int, is_open: bool, url: str, variable: str) -> UsageError:
    if is_open:
        what = f"conversation {conversation} with the fake service is not over: the app has not closed it"
        return UsageError(what, hint="Let the app come to its end first; in an async test, await it.")
    said = "no app has connected to the fake service" if not n_opened else f"there is no conversation {conversation}, only {n_opened}"
    return UsageError(said, hint=f"Point the app at it: as base_url, or with {variable}={url} if the app reads that.")


def client_threshold(text: object) -> Threshold:
    """Read a threshold that a test, or a test run, holds its replays to.

    Args:
        text: As ``parse_threshold`` takes it.

    Raises:
        UsageError: It is not text or not a threshold; or its metric is the service's, and here a recording's.
    """
    if not isinstance(text, str):
        hint = "Give each separately, as in assert_latency('queue: max<50', 'handle: med<10ms')."
        raise UsageError(f"a threshold is text, and this is of type {type(text).__name__}: {text!r}", hint=hint)
    threshold = parse_threshold(text)
    _require_client(threshold.metric)
    return threshold


def _require_client(metric: object) -> None:
    row = METRICS.get(metric) if isinstance(metric, str) else None
    if row is None:
        raise UsageError(f"there is no metric {metric!r}", hint=metrics_like(str(metric)))
    if row.family == CONVERSATION:
        named = ", ".join(one.id for one in METRICS.values() if one.family != CONVERSATION)
        raise UsageError(
            f"{metric} is the service's, and here a recording plays the service: it would judge the recording",
            hint=f"Metrics of an app's own code: {named}.",
        )


def write_report(folder: Path, test: str, number: int, result: CheckedReplay) -> None:
    """Write what a replay found, for people and for programs; of one that failed, also the session that it yielded.

    Args:
        folder: Where to; it is made.
        test: The test's name; the files are named after it.
        number: Which replay of the test it is, from 1.
        result: The result.

    Raises:
        EviHarnessError: The folder cannot be written.
    """
    name = _file_name(test) + (f".{number}" if number > 1 else "")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lines, told = result.lines(), result.json()
        if not result.passed:
            recorded = result.report.recorded
            kept, file = keep_replay(folder, name, recorded, result.session, result.heard, result.redactor, result.secrets)
            lines += [*(f"note       {remark}" for remark in file.remarks), f"written    {kept}"]
            told = {**told, "folder": str(kept), "heard": None if file.file is None else str(file.file)}
    except OSError as error:
        raise EviHarnessError(f"the report cannot be written: {error.strerror}", where=str(folder)) from None
    write_file(folder / f"{name}.txt", redacted("\n".join([test, *lines, ""])), where=str(folder))
    write_file(folder / f"{name}.json", json.dumps(redacted_data(told), indent=2, allow_nan=False) + "\n", where=str(folder))


def write_test_page(folder: Path, test: str, results: Sequence[CheckedReplay]) -> Path:
    """Write the page of a test that failed: of the first of its replays that failed, or of its first one.

    Args:
        folder: Where to; it is made.
        test: The test's name; the file is named after it.
        results: The replays, in order; at least one.

    Returns:
        The file.

    Raises:
        EviHarnessError: It cannot be written.
    """
    shown = next((result for result in results if not result.passed), results[0])
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EviHarnessError(f"the page cannot be written: {error.strerror}", where=str(folder)) from None
    return write_page(page_of_replay(shown), folder / f"{_file_name(test)}.html").file


def explanation_of(results: Sequence[CheckedReplay], top: Path, page: Optional[Path] = None) -> str:
    """Explain the first of a test's replays that failed, or was too slow, in less than 2,000 bytes of plain text; empty where none was.

    Args:
        results: The replays, in order.
        top: The folder that the test's id is relative to.
        page: The test's page, None where there is none.
    """
    failed = next((result for result in results if not result.passed), None)
    slow = next((result for result in results if result._failed_gates), None)
    shown = slow if failed is None else failed
    if shown is None:
        return ""
    gate = {"gate": shown._failed_gates[0].json()} if shown._failed_gates else {}
    told = {**shown.json(), **gate, **({} if page is None else {"page": near(page)})}
    if told["command"]["again"] is None or (gate and shown is not failed):
        # What runs it again is then the test.
        told = {**told, "command": {**told["command"], "again": None, "cwd": str(top)}}
    return explained(told)


def _file_name(test: str) -> str:
    """A test's name as a file's; what a file name cannot say becomes a dash, and a digest keeps two of them apart."""
    name = re.sub(r"::|/", ".", test)
    plain = _NOT_IN_A_NAME.sub("-", name)[:_MAX_NAME]
    return plain if plain == name else f"{plain}-{hashlib.sha256(test.encode()).hexdigest()[:8]}"
