"""The causes of a failure, from a report's JSON: each once, the most important first.

Any report of a replay is read: of one session, of several runs, of many sessions, with a live service, and of a gate; and those of a check
and of a repair.

Rules of living here: a report is a file, and may hold anything; what has not its form is refused with its place in the file.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Callable, Dict, Hashable, Iterator, List, Mapping, Optional, Sequence, Tuple

from evi_harness.errors import ReportError
from evi_harness.measure.metrics import FLAG
from evi_harness.report.explaining.gate_advice import comparison_advice, threshold_advice
from evi_harness.report.one_cause import cause_key
from evi_harness.session.events import NOTHING
from evi_harness.session.figures import figure
from evi_harness.session.json_value import Json
from evi_harness.session.places import Place, places_in

__all__ = ["ToldCause", "ToldReport", "read_report_json"]

# What a finding weighs that fails no replay.
_WARNING = "warning"
# What of several may have one cause; anything else is told in its own words.
_JUDGED = ("finding", _WARNING, "deviation")
_COULD_NOT_RUN = 2
_HINT = "evi-harness replay --json FILE writes one."


@dataclass(frozen=True)
class ToldCause:
    """Something that a report tells, however often.

    Attributes:
        what: ``finding``, ``warning``, ``deviation``, ``fault``, ``gate``, ``recording``, ``determinism``, ``update``, ``not run``,
            ``problem`` or ``loss``.
        kind: Its kind, such as ``raised``; the metric of a gate.
        observed: What happened, the first time.
        expected: What was to happen; empty where the report does not say.
        to_try: What to do next, likewise.
        when: When it was first, and on which message; empty where it has no time.
        place: Where in the developer's code, None where nobody knows.
        session: The session that it was first in.
        n: How many times it was found.
        n_sessions: In how many sessions.
        recorded_seq: The event of the recording that it is about, None for none.
        words: The report's own sentence, for a finding and a deviation.
        paths: Where what was sent differs, for a deviation.
    """

    what: str
    kind: str
    observed: str
    expected: str = ""
    to_try: str = ""
    when: str = ""
    place: Optional[Place] = None
    session: str = ""
    n: int = 1
    n_sessions: int = 1
    recorded_seq: Optional[int] = None
    words: str = ""
    paths: Tuple[str, ...] = ()

    @property
    def key(self) -> Hashable:
        """What is equal for two of one cause."""
        if self.what not in _JUDGED:
            return self.what, self.kind, self.observed
        return self.what, cause_key(self.kind, self.words, self.place, self.paths, fails=self.fails)

    @property
    def fails(self) -> bool:
        """Whether it fails what was run."""
        return self.what != _WARNING


@dataclass(frozen=True)
class ToldReport:
    """What a report tells.

    Attributes:
        headline: What was run, and the verdict.
        causes: What there is to look at, what fails first.
        again: The command that runs the session of the first cause again; empty where none can.
        instead: What to do where there is no command; empty where nobody knows.
        cwd: The folder to run it in, None where nobody knows.
        is_redacted: Whether a secret has to be put back into the command first.
        page: The page of the report, None where it names none.
        versions: What it ran on, by name.
        is_of_many: Whether it is of more than one session.
    """

    headline: str
    causes: Tuple[ToldCause, ...] = ()
    again: Tuple[str, ...] = ()
    instead: str = ""
    cwd: Optional[str] = None
    is_redacted: bool = False
    page: Optional[str] = None
    versions: Mapping[str, str] = NOTHING
    is_of_many: bool = False


def read_report_json(value: Json, where: str) -> ToldReport:
    """Read the JSON of a report.

    Args:
        value: The values.
        where: The file, for errors.

    Raises:
        ReportError: They are not a report that is explained, or one of a form that is not known here.
    """
    read = _Reader(where)
    if not isinstance(value, Mapping):
        raise read.refusal("it is not a JSON object")
    shape = next((shape for shape in _SHAPES if all(member in value for member in shape.members)), None)
    inner = value.get("gate")
    if shape is None and isinstance(inner, Mapping) and all(member in inner for member in _SHAPES[-1].members):
        # What measures sessions has no verdict of its own but that of its gate.
        return read_report_json(inner, where)
    if shape is None and "pairs" in value:
        raise ReportError("it is the report of a comparison, which explain does not read", where=where, hint=_COMPARISON)
    if shape is None:
        raise read.refusal("it has none of the known fields")
    found = list(shape.found(value, read, ""))
    headline = shape.headline(value, read)
    gate, judged = value.get("gate"), value
    if gate is not None:
        judged = read.mapping(value, "gate", "")
        found += _of_gate(judged, read, "gate.")
        headline = f"{headline}; gate: {_gate_headline(judged, read, 'gate.')}"
    runs = [report for _, report in shape.runs(value, read, "")]
    causes = _grouped(found)
    first = next((report for cause, report in found if causes and report and cause.key == causes[0].key), runs[0] if runs else {})
    asked = _asked(first, read)
    if causes and causes[0].what == "gate" and isinstance(judged.get("command"), Mapping):
        # What fails is the gate: the command with it, and all sessions that it pools.
        asked = replace(_asked(judged, read), versions=asked.versions)
    again = asked.again or shape.again(causes)
    return replace(asked, again=again, headline=headline, causes=causes, is_of_many="sessions" in value, page=_page(value, first, read))


# A cause, and the report that tells of it.
_Found = Tuple[ToldCause, Mapping[str, Json]]
_Runs = Iterator[Tuple[str, Mapping[str, Json]]]


class _Reader:
    """Reads values that may be anything; names the place of what is not as it should be.

    Args:
        where: The file.
    """

    def __init__(self, where: str) -> None:
        self._where = where

    def refusal(self, why: str) -> ReportError:
        return ReportError(f"it is not a report of a replay, a gate, a check or a repair: {why}", where=self._where, hint=_HINT)

    def text(self, value: Mapping[str, Json], name: str, place: str, default: Optional[str] = None) -> str:
        found = self._member(value, name, (str,), place, default)
        return str(found)

    def number(self, value: Mapping[str, Json], name: str, place: str, default: Optional[float] = None) -> float:
        found = self._member(value, name, (int, float), place, default)
        try:
            number = float(found)
        except OverflowError:
            number = math.inf
        # Python reads NaN and what is too large for a number, and JSON has neither.
        if not math.isfinite(number):
            raise self.refusal(f"{place}{name} is not a valid number")
        return number

    def mapping(self, value: Mapping[str, Json], name: str, place: str) -> Mapping[str, Json]:
        found: Mapping[str, Json] = self._member(value, name, (dict,), place, None)
        return found

    def items(self, value: Mapping[str, Json], name: str, place: str) -> List[Tuple[str, Mapping[str, Json]]]:
        """The objects of a list, each with its place in the file."""
        found = self._member(value, name, (list,), place, None)
        for index, one in enumerate(found):
            if not isinstance(one, dict):
                raise self.refusal(f"{place}{name}[{index}] is not an object")
        return [(f"{place}{name}[{index}].", one) for index, one in enumerate(found)]

    def texts(self, value: Mapping[str, Json], name: str, place: str) -> List[str]:
        """The texts of a list; none where there is no such member, or null in its place."""
        if value.get(name) is None:
            return []
        found = self._member(value, name, (list,), place, None)
        if not all(isinstance(one, str) for one in found):
            raise self.refusal(f"{place}{name} is not a list of texts")
        return list(found)

    def _member(self, value: Mapping[str, Json], name: str, kinds: Tuple[type, ...], place: str, default: Json) -> Json:
        found = value.get(name)
        if found is None and default is not None:
            return default
        # A bool is an int to Python and none in JSON.
        if not isinstance(found, kinds) or (isinstance(found, bool) and bool not in kinds):
            raise self.refusal(f"{place}{name} is missing or of the wrong kind")
        return found


def _grouped(found: Sequence[_Found]) -> Tuple[ToldCause, ...]:
    """Each cause once: what fails first, then what most sessions have, then as they came."""
    groups: Dict[Hashable, List[ToldCause]] = {}
    for cause, _ in found:
        groups.setdefault(cause.key, []).append(cause)
    causes = [replace(ones[0], n=len(ones), n_sessions=len({one.session for one in ones})) for ones in groups.values()]
    return tuple(sorted(causes, key=lambda one: (not one.fails, -one.n_sessions)))


def _one_run(value: Mapping[str, Json], read: _Reader, place: str) -> _Runs:  # noqa: ARG001 - as the others are called
    yield place, value


def _repeated_runs(value: Mapping[str, Json], read: _Reader, place: str) -> _Runs:
    for at, one in read.items(value, "runs", place):
        yield f"{at}report.", read.mapping(one, "report", at)


def _many_runs(value: Mapping[str, Json], read: _Reader, place: str) -> _Runs:
    for at, one in read.items(value, "sessions", place):
        if one.get("report") is not None:
            report = read.mapping(one, "report", at)
            yield from (_repeated_runs if "runs" in report else _one_run)(report, read, f"{at}report.")


def _of_one(value: Mapping[str, Json], read: _Reader, place: str, session: str = "") -> Iterator[_Found]:
    """The causes of one replay; where it failed, at least one."""
    name = session or read.text(value, "session", place)
    n_failing = 0
    for cause in (*_of_findings(value, read, place), *_of_deviations(value, read, place), *_of_the_rest(value, read, place)):
        n_failing += cause.fails
        yield replace(cause, session=name), value
    if not n_failing and value.get("passed") is not True:
        yield ToldCause("replay", "failed", read.text(value, "verdict", place, "failed"), session=name), value


def _of_findings(value: Mapping[str, Json], read: _Reader, place: str) -> Iterator[ToldCause]:
    for at, one in read.items(value, "findings", place):
        what = _WARNING if one.get("severity") == _WARNING else "finding"
        when = f"at {read.number(one, 'at_ns', at, 0) / 1e9:.3f} s"
        said = read.text(one, "recorded_what", at, "")
        yield _explained(what, one, read, at, f"{when}, on {said}" if said else when)


def _of_deviations(value: Mapping[str, Json], read: _Reader, place: str) -> Iterator[ToldCause]:
    for at, one in read.items(value, "deviations", place):
        named = next((name for name in ("live_at_ns", "recorded_at_ns") if one.get(name) is not None), None)
        when = "" if named is None else f"at {read.number(one, named, at) / 1e9:.3f} s"
        seq = one.get("recorded_seq")
        on = "" if seq is None else f"recorded #{read.number(one, 'recorded_seq', at):.0f}"
        yield _explained("deviation", one, read, at, ", ".join(part for part in (when, on) if part))


def _explained(what: str, one: Mapping[str, Json], read: _Reader, at: str, when: str) -> ToldCause:
    observed = read.text(one, "observed", at, "") or read.text(one, "what", at)
    lost = one.get("consequences")
    if isinstance(lost, list) and lost:
        observed = f"{observed}; {len(lost)} {'event' if len(lost) == 1 else 'events'} did not happen because of it"
    places = places_in(one)
    return ToldCause(
        what,
        read.text(one, "kind", at),
        observed,
        read.text(one, "expected", at, ""),
        read.text(one, "to_try", at, ""),
        when,
        places[0] if places else None,
        recorded_seq=None if one.get("recorded_seq") is None else int(read.number(one, "recorded_seq", at)),
        words=read.text(one, "what", at, ""),
        paths=tuple(read.text(each, "path", where) for where, each in read.items(one, "differences", at)) if one.get("differences") else (),
    )


def _of_the_rest(value: Mapping[str, Json], read: _Reader, place: str) -> Iterator[ToldCause]:
    """What fails a replay besides: a recording that is not whole, two runs that differ, an update that nobody accepted."""
    if value.get("incomplete") is True:
        missing = read.texts(read.mapping(value, "recorded", place), "missing", f"{place}recorded.")
        to_try = "Record it again, repair it, or allow incomplete recordings."
        yield ToldCause("recording", "incomplete", "; ".join(missing) or "it is incomplete", "a complete recording", to_try)
    if value.get("twice") is not None:
        twice = read.mapping(value, "twice", place)
        if twice.get("identical") is not True:
            differs = "; ".join(read.texts(twice, "first_difference", f"{place}twice."))
            to_try = "Look for random numbers (a seed repeats them), the time of day, threads, or the order of a set."
            yield ToldCause("determinism", "twice", differs or "two runs differ", "two identical runs", to_try)
    if value.get("expectation") is not None:
        expectation = read.mapping(value, "expectation", place)
        if expectation.get("outcome") == "proposed":
            n_changes = len(read.items(expectation, "changes", f"{place}expectation."))
            what = f"{n_changes} {'change' if n_changes == 1 else 'changes'} of what the session expects, not accepted"
            yield ToldCause("update", "proposed", what, "nothing to update", "Accept the changes, or fix the app.")


def _of_repeated(value: Mapping[str, Json], read: _Reader, place: str, session: str = "") -> Iterator[_Found]:
    for at, report in _repeated_runs(value, read, place):
        yield from _of_one(report, read, at, session)


def _of_many(value: Mapping[str, Json], read: _Reader, place: str) -> Iterator[_Found]:
    for at, one in read.items(value, "sessions", place):
        folder, verdict = read.text(one, "folder", at), read.text(one, "verdict", at)
        if read.number(one, "exit_code", at) >= _COULD_NOT_RUN:
            yield ToldCause("not run", "could not run", verdict, session=folder), {}
        elif one.get("report") is not None:
            report = read.mapping(one, "report", at)
            yield from (_of_repeated if "runs" in report else _of_one)(report, read, f"{at}report.", folder)
        elif read.number(one, "exit_code", at):
            yield ToldCause("replay", "failed", verdict, session=folder), {}


def _of_live(value: Mapping[str, Json], read: _Reader, place: str) -> Iterator[_Found]:
    for fault in read.texts(value, "faults", place):
        yield (
            ToldCause("fault", "live", fault, "the conversation goes on to its end", _LIVE, session=read.text(value, "session", place)),
            value,
        )


def _of_gate(value: Mapping[str, Json], read: _Reader, place: str) -> Iterator[_Found]:
    by, against = read.text(value, "thresholds_from", place, ""), read.text(value, "baseline_from", place, "")
    old = read.text(value, "old", place, "")
    command = read.texts(read.mapping(value, "command", place), "again", f"{place}command.") if value.get("command") else []
    shown_by = command[1] if len(command) > 1 else ""
    for at, one in read.items(value, "thresholds", place):
        if read.text(one, "verdict", at) not in _FINE:
            yield _threshold(one, read, at, by, shown_by), {}
    for at, one in read.items(value, "comparisons", place):
        if read.text(one, "verdict", at) not in _FINE:
            yield _comparison(one, read, at, (against, old), shown_by), {}


def _threshold(one: Mapping[str, Json], read: _Reader, at: str, limit_from: str, shown_by: str) -> ToldCause:
    """A threshold that does not hold."""
    metric, verdict, name = read.text(one, "metric", at), read.text(one, "verdict", at), read.text(one, "statistic", at, "it")
    unit, why, n = read.text(one, "unit", at, ""), read.text(one, "why", at, ""), int(read.number(one, "n", at, 0))
    has_value = one.get("value") is not None
    of = f"of {n} {'value' if n == 1 else 'values'}"
    found = f"{name} is {_amount(read.number(one, 'value', at), unit)} {of}" if has_value else "" if why else "nothing measured"
    said = f"{verdict}: {'; '.join(filter(None, (found, why)))}"
    limit = "" if one.get("limit") is None else f"; the limit is {_amount(read.number(one, 'limit', at), unit)}"
    expected = f"{read.text(one, 'threshold', at)}{limit}{f', from {limit_from}' if limit_from else ''}"
    worst = read.items(one, "worst", at) if one.get("worst") is not None else []
    when = _sampled_at(worst[0][1], read, worst[0][0]) if worst else ""
    to_try = threshold_advice(metric, verdict, limit_from, n=n, shown_by=shown_by)
    return ToldCause("gate", metric, said, expected, to_try, when)


def _comparison(one: Mapping[str, Json], read: _Reader, at: str, compared_with: Tuple[str, str], shown_by: str) -> ToldCause:
    """A comparison that does not pass; compared with what gave the baseline, and its file."""
    baseline_from, baseline = compared_with
    metric, verdict = read.text(one, "metric", at), read.text(one, "verdict", at)
    unit, why = read.text(one, "unit", at, ""), read.text(one, "why", at, "")
    new, old = ("nothing" if one.get(side) is None else _amount(read.number(one, side, at), unit) for side in ("new", "old"))
    said = f"{verdict}: {new}, before {old}{f'; {why}' if why else ''}"
    least = read.number(one, "least", at, 0)
    by = f" ({baseline_from})" if baseline_from else ""
    expected = f"no more than before{f' in {baseline}{by}' if baseline else ''}{f', within {_amount(least, unit)}' if least else ''}"
    place = one.get("worst")
    when = _sampled_at(place, read, f"{at}worst.") if isinstance(place, Mapping) else read.text(one, "where", at, "")
    is_undecided = one.get("statistic") != _EACH and one.get("new") is not None and one.get("old") is not None
    to_try = comparison_advice(metric, verdict, baseline_from, is_undecided=is_undecided, shown_by=shown_by)
    return ToldCause("gate", metric, said, expected, to_try, when)


def _sampled_at(sample: Mapping[str, Json], read: _Reader, at: str) -> str:
    """Where a value was measured: the session, the turn, the time, the message."""
    parts = [f"in {read.text(sample, 'session', at)}"]
    if sample.get("turn") is not None:
        parts.append(f"turn {read.number(sample, 'turn', at):.0f}")
    if sample.get("at_ns") is not None:
        parts.append(f"at {read.number(sample, 'at_ns', at) / 1e9:.3f} s")
    if sample.get("of") is not None:
        parts.append(f"#{read.number(sample, 'of', at):.0f} {read.text(sample, 'type', at, '')}".rstrip())
    return ", ".join(parts)


def _amount(value: float, unit: str) -> str:
    """A figure of a gate with its unit; of what happens or does not, and of a share, in percent."""
    return f"{value:.1%}" if unit in (_SHARE, FLAG) else f"{figure(value)} {unit}".rstrip()


def _of_check(value: Mapping[str, Json], read: _Reader, place: str) -> Iterator[_Found]:
    for at, one in read.items(value, "sessions", place):
        folder = read.text(one, "folder", at)
        for problem_at, problem in read.items(one, "problems", at):
            what, to_try = read.text(problem, "what", problem_at), read.text(problem, "hint", problem_at, "")
            where = _in_file(problem, read, problem_at)
            yield ToldCause("problem", read.text(problem, "kind", problem_at), what, "", to_try or _REPAIR, where, session=folder), {}


def _of_repair(value: Mapping[str, Json], read: _Reader, place: str) -> Iterator[_Found]:
    folder = read.text(value, "folder", place)
    for at, one in read.items(value, "losses", place):
        what, where = read.text(one, "what", at), _in_file(one, read, at)
        is_gone = read.number(one, "n_events", at, 0) > 0 or read.number(one, "audio_s", at, 0) > 0
        yield ToldCause("loss", read.text(one, "kind", at), what, "", _LOST if is_gone else "", where, session=folder), {}


def _in_file(one: Mapping[str, Json], read: _Reader, at: str) -> str:
    """Where in a folder a problem is."""
    file = read.text(one, "file", at, "") or "the folder"
    return f"in {file}" if one.get("line") is None else f"in {file}, line {read.number(one, 'line', at):.0f}"


_REPAIR = "evi-harness repair FOLDER -o OUT recovers what can be recovered."
_LOST = "The new session does not have it. If you need it, record the session again."
_COMPARISON = "evi-harness compare prints what differs; explain reads reports of replay, ab, latency with a gate, check and repair."
_LIVE = "Listen to the new session, and look at its end; docs/how-to/live.md of evi-harness says what is a fault."
_EACH = "each"
_SHARE = "share"
_FINE = ("passed", "improved")


def _one_headline(value: Mapping[str, Json], read: _Reader) -> str:
    # What passed passed but for what nobody could see.
    unseen = [read.text(one, "kind", at) for at, one in read.items(value, "unseen", "")] if value.get("unseen") else []
    but = f"; not seen: {', '.join(dict.fromkeys(unseen))}" if unseen else ""
    return f"replay of {read.text(value, 'session', '')} with {read.text(value, 'handler', '')}: {_verdict(value, read)}{but}"


def _verdict(value: Mapping[str, Json], read: _Reader) -> str:
    return read.text(value, "verdict", "", "passed" if value.get("passed") is True else "failed")


def _repeated_headline(value: Mapping[str, Json], read: _Reader) -> str:
    runs = list(_repeated_runs(value, read, ""))
    n_failed = read.number(value, "n_failed", "")
    verdict = f"{n_failed:.0f} of {len(runs)} runs failed" if n_failed else f"passed: {len(runs)} of {len(runs)} runs"
    return verdict if not runs else f"replay of {read.text(runs[0][1], 'session', runs[0][0])}: {verdict}"


def _many_headline(value: Mapping[str, Json], read: _Reader) -> str:
    codes = [read.number(one, "exit_code", at) for at, one in read.items(value, "sessions", "")]
    n_failed, n_rest = sum(code == 1 for code in codes), sum(code >= _COULD_NOT_RUN for code in codes)
    parts = [f"{len(codes) - n_failed - n_rest} passed", *([f"{n_failed} failed"] if n_failed else [])]
    return f"replay of {len(codes)} sessions: {', '.join([*parts, *([f'{n_rest} could not run'] if n_rest else [])])}"


def _live_headline(value: Mapping[str, Json], read: _Reader) -> str:
    n_faults = len(read.texts(value, "faults", ""))
    verdict = "passed" if not n_faults else f"failed: {n_faults} {'fault' if n_faults == 1 else 'faults'}"
    return f"{read.text(value, 'session', '')}, repeated with {read.text(value, 'endpoint', '')}: {verdict}"


def _check_headline(value: Mapping[str, Json], read: _Reader) -> str:
    sound = [not read.items(one, "problems", at) for at, one in read.items(value, "sessions", "")]
    n_wrong = len(sound) - sum(sound)
    parts = [f"{sum(sound)} with nothing wrong", *([f"{n_wrong} with problems"] if n_wrong else [])]
    return f"check of {len(sound)} {'session' if len(sound) == 1 else 'sessions'}: {', '.join(parts)}"


def _repair_headline(value: Mapping[str, Json], read: _Reader) -> str:
    n_losses, n_lost, audio_s = (
        len(read.items(value, "losses", "")),
        read.number(value, "n_lost", ""),
        read.number(value, "audio_lost_s", ""),
    )
    audio = f" and {audio_s:.3f} s of audio" if audio_s else ""
    lost = f"lost {n_lost:.0f} {'event' if n_lost == 1 else 'events'}{audio}" if n_losses else "nothing was lost"
    return f"repair of {read.text(value, 'folder', '')} into {read.text(value, 'out', '')}: {lost}"


def _check_again(causes: Sequence[ToldCause]) -> Tuple[str, ...]:
    """The command that checks the first session with a problem; a repair is done once, into a new folder."""
    folders = [one.session for one in causes[:1] if one.what == "problem"]
    return ("evi-harness", "check", *(f"./{one}" if one.startswith("-") else one for one in folders)) if folders else ()


def _gate_headline(value: Mapping[str, Json], read: _Reader, place: str = "") -> str:
    return read.text(value, "verdict", place)


@dataclass(frozen=True)
class _Shape:
    """A form that a report has.

    Attributes:
        members: By which it is known.
        headline: Says what was run, and the verdict.
        found: Gives the causes.
        runs: Gives the reports of single replays in it.
        again: Gives the command that runs it again, where no report in it names one.
    """

    members: Tuple[str, ...]
    headline: Callable[[Mapping[str, Json], _Reader], str]
    found: Callable[[Mapping[str, Json], _Reader, str], Iterator[_Found]]
    runs: Callable[[Mapping[str, Json], _Reader, str], _Runs] = _one_run
    again: Callable[[Sequence[ToldCause]], Tuple[str, ...]] = lambda _: ()


_SHAPES = (
    _Shape(("sessions", "n_workers"), _many_headline, _of_many, _many_runs),
    _Shape(("runs", "n_failed"), _repeated_headline, _of_repeated, _repeated_runs),
    _Shape(("deviations", "findings", "session"), _one_headline, _of_one),
    _Shape(("faults", "drift", "session"), _live_headline, _of_live),
    _Shape(("schema", "sessions", "passed", "exit_code"), _check_headline, _of_check, again=_check_again),
    _Shape(("folder", "out", "losses"), _repair_headline, _of_repair),
    _Shape(("thresholds", "comparisons"), lambda value, read: f"gate: {_gate_headline(value, read)}", _of_gate),
)


def _asked(report: Mapping[str, Json], read: _Reader) -> ToldReport:
    """How a replay was asked for, and on what it ran; nothing where its report does not say."""
    versions = report.get("versions") or {}
    told = {str(name): str(version) for name, version in versions.items()} if isinstance(versions, Mapping) else {}
    command = report.get("command")
    if not isinstance(command, Mapping):
        return ToldReport("", versions=told)
    again, argv = (tuple(read.texts(command, name, "command.")) for name in ("again", "argv"))
    test, call = (read.text(command, name, "command.", "") for name in ("test", "call"))
    if test and not again:
        return ToldReport("", again=("pytest", test), cwd=read.text(command, "cwd", "command.", "") or None, versions=told)
    return ToldReport(
        "",
        again=again or argv,
        instead=call if not again and not argv else "",
        cwd=read.text(command, "cwd", "command.", "") or None,
        is_redacted=command.get("is_redacted") is True,
        versions=told,
    )


def _page(value: Mapping[str, Json], first: Mapping[str, Json], read: _Reader) -> Optional[str]:
    """The page of the report of the first cause, else of the whole report."""
    return read.text(first, "page", "", "") or read.text(value, "page", "", "") or None
