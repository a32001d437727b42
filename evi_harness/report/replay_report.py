"""The report of a replay, for terminals, programs and tests. Data first, words after.

Rules of living here: nothing is judged here; every number has a unit; a place is named in both sessions where it has one; consequences are
listed under their cause. What was sent is compared with what was recorded, or with what is expected in its place, and is called
accordingly; what was received is always recorded. The text is for people, the JSON for programs, both from the same dataclass.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Dict, Hashable, Iterable, Iterator, List, Mapping, Optional, Sequence, Set, Tuple

from evi_harness.replay.judging.deviations import DEVIATIONS, Deviation
from evi_harness.replay.judging.differences import Difference
from evi_harness.replay.judging.findings import FINDINGS, Finding
from evi_harness.replay.judging.unseen import Unseen
from evi_harness.replay.judging.verdict import Verdict
from evi_harness.replay.pace import speed_of
from evi_harness.replay.played_recording import MAX
from evi_harness.report.expected_changes import ExpectationReport, expectation_json, expectation_lines
from evi_harness.report.explaining.remedies import advice, explained_deviation, explained_finding
from evi_harness.report.invocation import UNKNOWN, Invocation, invocation_json
from evi_harness.report.lost import lost, lost_text
from evi_harness.report.next_steps import MAY_BE_MEANT, ways_to_accept
from evi_harness.report.one_cause import QUOTE_AN_EXCEPTION, cause_key
from evi_harness.report.plain import printable
from evi_harness.report.result import verdict_line
from evi_harness.report.source import Shown, is_named_in, line_in
from evi_harness.report.surroundings import surroundings
from evi_harness.report.timeline import Row
from evi_harness.report.values import SHOWN, difference_json, sides
from evi_harness.session.events import Closed, Event, Note, Received, Sent
from evi_harness.session.figures import milliseconds
from evi_harness.session.json_value import Json
from evi_harness.session.note_kind import KindOf
from evi_harness.session.notes import (
    APP_ENDED,
    AUDIO_PATIENCE,
    CLOSED_BY_GRACE,
    DUE,
    END_UNKNOWN,
    MICROPHONE_OFF,
    OWN_SOUND,
    PLAYBACK_STALL,
    PLAYER_CHANGES,
    PLAYER_TAIL,
    SENT_AS_RECORDED,
    UNMET,
    DueFacts,
    of_kinds,
    sentence_of,
)
from evi_harness.session.places import Place, place_json
from evi_harness.session.protocols import RECEIVED, Dialect
from evi_harness.session.session import Session

__all__ = [
    "INCOMPLETE",
    "SCHEMA",
    "WITH_BUILT_IN",
    "ReplayReport",
    "as_json",
    "as_text",
    "body_text",
    "found_lines",
    "remarks",
    "verdict_text",
]

# Version of the JSON, whose schema is docs/reference/replay-report.schema.json. A member that is added changes nothing for who reads it;
# one that goes, or means something else, is a new version.
SCHEMA = 1

_WIDE = 11
_SHOWN_LINES = 12
_SHOWN_PLACES = 5
# So many of the differences of one message, and of the messages that were late, are shown to people.
_SHOWN_DIFFERENCES = 12
_SHOWN_LATE = 3
# Findings with which the handling of a message breaks off, so that an answer to it may never be sent.
_BREAK_OFF = ("raised", "swallowed", "never_awaited")
# So many deviations of one cause are told whole.
_SHOWN_ALIKE = 3
# What a header tells of the axis of a replay that was not as recorded → the option that says so.
_AXIS: Mapping[str, str] = {"from": "--from", "until": "--until", "max_gap": "--max-gap", "speed": "--speed"}
_INCOMPLETE = "incomplete recording"
# The verdict where there is nothing else to tell.
INCOMPLETE = f"failed: {_INCOMPLETE}"
_TWO_DIFFER = "two runs differ"
# What every verdict on what was not replayed to an app ends with.
WITH_BUILT_IN = ", with the built-in handler"
# What the times of a recording are, where they are neither measured nor made up.
_TIMES: Mapping[str, str] = {"taken": "received messages have the times at which the app read them"}
_NOTHING_COMPARED = "the sent messages are unknown and not compared"
# Earlier than this nobody calls a message late: it is the machine's, and hardly anybody hears it.
_NOTED_LATE_NS = 1_000_000


@dataclass(frozen=True)
class ReplayReport:
    """What there is to tell of one replay.

    Attributes:
        recorded: The recording.
        live: The session that the replay yielded.
        handler: What the handler is called.
        sdk: Version of the SDK.
        package: What the SDK is called.
        verdict: What was found.
        clock: What it ran on: ``virtual`` or ``real``.
        lateness_ns: In real time, how late the server sent its messages: ``n`` messages, ``p50``, ``p99`` and ``max`` in nanoseconds, None
            where there are too few; None in virtual time, where nothing is late.
        upgraded: Recorded seq and what was added, for each message that was upgraded.
        hints: What the developer may do next, one sentence each.
        twice: None where it ran once; else the first lines in which two traces differ, empty where they are identical.
        overdue_jobs: Jobs that the clock did not wait for.
        real_s: Real time that the replay took, in seconds.
        folder: Where the replay's session was written, if it was.
        heard: The file in it that has what was heard, None where there is none.
        remarks: What there is to say of the run besides its notes, a sentence each.
        handshake_by: Who opened the connection: ``app``, whose handshake is then compared, or ``harness``.
        max_late_ns: How late a message may be sent, None for as late as it likes.
        strict: Whether what is given anew in each run was compared too.
        ignored: What was left out of the comparison, each path with whether anything stood there.
        expectation: What is expected in place of what was recorded, None where nothing is.
        recorded_ns: How long the session is as it was recorded, all of it, where ``recorded`` is on another axis; None for what its header
            says.
        invocation: How the replay was asked for.
        is_incomplete: Whether the recording is incomplete or damaged, and fails the replay for that.
        unseen: What the replay could not see.
        has_app: Whether a handler of the developer's ran, on a connection that the harness opened for it.
        is_built_in: Whether it was the built-in handler that ran, and no app of the developer's.
    """

    recorded: Session
    live: Session
    handler: str
    sdk: str
    package: str
    verdict: Verdict
    clock: str = "virtual"
    lateness_ns: Optional[Mapping[str, Optional[int]]] = None
    upgraded: Tuple[Tuple[int, Tuple[str, ...]], ...] = ()
    hints: Tuple[str, ...] = ()
    twice: Optional[Tuple[str, ...]] = None
    overdue_jobs: Tuple[str, ...] = ()
    real_s: float = 0.0
    folder: Optional[str] = None
    heard: Optional[str] = None
    remarks: Tuple[str, ...] = ()
    handshake_by: str = "harness"
    max_late_ns: Optional[int] = None
    strict: bool = False
    ignored: Tuple[Tuple[str, bool], ...] = ()
    expectation: Optional[ExpectationReport] = None
    recorded_ns: Optional[int] = None
    invocation: Invocation = UNKNOWN
    is_incomplete: bool = False
    unseen: Tuple[Unseen, ...] = ()
    has_app: bool = False
    is_built_in: bool = False

    @property
    def names_no_handler(self) -> bool:
        """Whether the built-in handler ran because none was named, so that nothing of it says anything of an app."""
        return self.is_built_in and self.invocation.spec is None

    @property
    def passed(self) -> bool:
        """Whether the recording is whole or may be as it is, nothing was found or left to accept, and two runs were identical."""
        return self.verdict.passed and not self.twice and not self.is_incomplete and not self.is_proposed

    @property
    def is_proposed(self) -> bool:
        """Whether it proposes to expect something else from now on, which nobody has accepted."""
        return self.expectation is not None and self.expectation.proposal is not None

    @property
    def incomplete(self) -> Tuple[str, ...]:
        """What is missing in the recording, as sentences, where that fails the replay."""
        return self.recorded.missing if self.is_incomplete else ()

    @property
    def first_line(self) -> Optional[Tuple[str, Optional[int]]]:
        """The first line of the developer's code, in a file below the working directory, that something that fails is about."""
        failing = [finding.places for finding in self.verdict.findings if finding.fails]
        failing += [deviation.places for deviation in self.verdict.deviations]
        found = (line_in(places, self.invocation.cwd) for places in failing)
        return next((line for line in found if line is not None), None)

    @property
    def cause(self) -> str:
        """The first thing for which the replay failed, in words that are the same for another session; empty where it passed."""
        found = [(one.kind, FINDINGS[one.kind].says) for one in self.verdict.findings if one.fails]
        found += [(one.kind, DEVIATIONS[one.kind]) for one in self.verdict.deviations]
        if self.passed:
            return ""
        if self.is_incomplete or not found:
            return _INCOMPLETE if self.is_incomplete else _TWO_DIFFER
        line = self.first_line
        at = "" if line is None else f"; {line[0]}" if line[1] is None else f"; {line[0]}:{line[1]}"
        return f"{found[0][0]}: {found[0][1]}{at}"

    @property
    def sent_side(self) -> str:
        """What stands on the other side of what was sent: ``expected``, or ``recorded``."""
        return "expected" if self.expectation is not None and self.expectation.is_compared_with else "recorded"

    @property
    def whole_ns(self) -> Optional[int]:
        """How long the session is as it was recorded, all of it; None where nobody knows."""
        if not self.axis:
            return self.recorded.duration_ns
        end = self.recorded.header.end
        return self.recorded_ns if end is None or self.recorded_ns is not None else end.at_ns

    @property
    def axis(self) -> Mapping[str, str]:
        """Which part was replayed and at what pace, as it was said, by option; empty for a replay as recorded."""
        told = self.live.header.source.get("axis", {})
        return {option: str(told[name]) for name, option in _AXIS.items() if name in told}


def remarks(live: Session, n_alike: Optional[int] = None) -> List[str]:
    """What a replay noted that is not a fault, one sentence each.

    Args:
        live: What was replayed.
        n_alike: How many of one kind are told, before the others are counted; None for all.
    """
    told: List[str] = []
    kinds: Dict[str, List[Note]] = {}
    for note, _ in of_kinds(live.notes, _REMARKED):
        # Where all are told, in their order.
        kinds.setdefault("" if n_alike is None else note.name, []).append(note)
    for alike in kinds.values():
        told += map(_remark, alike[:n_alike])
        if n_alike is not None and len(alike) > n_alike:
            told.append(f"{len(alike) - n_alike} more like it; --json has all")
    held = [(note.at_ns, due) for note, due in live.noted(DUE) if due.held_ns]
    if held:
        at_ns, most = max(held, key=lambda one: one[1].held_ns)
        by = f"by at most {_ms(most.held_ns)} (recorded #{most.recorded_seq})"
        told.append(f"{_count(len(held), 'event')} came later than due, {by}: {_held_back(live, at_ns, most)}")
    return told


def _held_back(live: Session, at_ns: int, due: DueFacts) -> str:
    """Why an event came later than due."""
    given_up = [(note.at_ns, facts.awaited) for note, facts in live.noted(UNMET) if due.due_ns < note.at_ns <= at_ns]
    if not given_up:
        return "earlier events had not happened yet"
    until_ns, awaited = given_up[-1]
    return f"the replay waited until {until_ns / 1e9:.3f} s for #{awaited}, which was not sent, and then went on"


def _ms(ns: int) -> str:
    return milliseconds(ns / 1e6)


def _lateness(report: ReplayReport) -> Iterator[str]:
    """What was sent later than due, the worst of it by name; what is a deviation is told as one."""
    is_told = {deviation.recorded_seq for deviation in report.verdict.deviations if deviation.kind == "late"}
    late = [one for one in report.verdict.late if one.late_ns >= _NOTED_LATE_NS and one.recorded_seq not in is_told]
    if late:
        worst = sorted(late, key=lambda one: -one.late_ns)[:_SHOWN_LATE]
        told = ", ".join(f"{report.sent_side} #{one.recorded_seq} by {_ms(one.late_ns)}" for one in worst)
        most = ", most of all" if len(late) > len(worst) else ":"
        yield f"{_count(len(late), 'message')} {'was' if len(late) == 1 else 'were'} sent later than due{most} {told}"


def _ignored(report: ReplayReport) -> Iterator[str]:
    then = "in the recording" if report.sent_side == "recorded" else "in what is expected"
    for path, matched in report.ignored:
        if not matched:
            yield f"--ignore {path} matched nothing that is compared, {then} or now"


# What of an app a replay of its handler does not run, where the harness speaks for its user, and where the handler does. The JSON has it as
# ``handshake_by``: it holds for every such replay, so a list of what is special about one would only be longer for it.
_THE_REST_OF_THE_APP: Mapping[bool, str] = {
    False: "your main() did not run: the replay itself connects and runs the microphone",
    True: "your main() did not run: the replay itself connects",
}
# Notes that are told as they are; what stands elsewhere in the report is not told twice.
_REMARKED: Tuple[KindOf[object], ...] = (
    *(AUDIO_PATIENCE, CLOSED_BY_GRACE, END_UNKNOWN, MICROPHONE_OFF, OWN_SOUND),
    *(PLAYBACK_STALL, PLAYER_CHANGES, PLAYER_TAIL, SENT_AS_RECORDED),
)
# What is told of those that have no sentence of their own.
_SAID: Mapping[str, str] = {
    CLOSED_BY_GRACE.name: "the app did not close the connection; the service closed it",
    END_UNKNOWN.name: "the recording does not say how it ended; the service closed after the last event",
}


def _remark(note: Note) -> str:
    patience = AUDIO_PATIENCE.read(note)
    if patience is None:
        return _SAID.get(note.name) or sentence_of(note) or note.name
    position, until = _ms(patience.position_ns), _ms(patience.waited_until_ns)
    return f"the app had not sent {position} of the user's audio in time; the replay went on at {until}"


def as_text(report: ReplayReport, dialect: Dialect) -> List[str]:
    """The report as lines for a terminal; the last one is the verdict."""
    return [*body_text(report, dialect), verdict_line(verdict_text(report))]


def body_text(report: ReplayReport, dialect: Dialect) -> List[str]:
    """The report as lines for a terminal, without the verdict."""
    return list(_lines(report, dialect))


def found_lines(report: ReplayReport, dialect: Dialect) -> List[str]:
    """What was found, in the words of the whole report; for where the rest of it is known or too much."""
    lines = [*(_row("missing", sentence) for sentence in report.incomplete), *_found(report, dialect)]
    if not report.recorded.header.recorded.sent:
        lines.append(_row("note", _NOTHING_COMPARED))
    return [*lines, *(_row("note", line) for line in _ignored(report)), *(_row("next", hint) for hint in _ways_to_accept(report, dialect))]


def _lines(report: ReplayReport, dialect: Dialect) -> Iterator[str]:
    recorded = report.recorded
    yield _row("session", f"{recorded.name}: {_size(report, dialect)}{_made_up(recorded)}")
    for sentence in recorded.missing:
        yield _row("missing", sentence)
    on = f" on {report.package} {report.sdk}" if report.sdk else ""
    yield _row("replayed", f"with {report.handler}{on}, {_clock(report)}")
    for _, ended in report.live.noted(APP_ENDED):
        how = f"exited with code {ended.exit_code}" if ended.exit_code is not None else f"was ended by {ended.signal}"
        yield _row("app", how)
    if report.lateness_ns is not None:
        yield _row("late", _late(report.lateness_ns))
    if report.upgraded:
        names = sorted({name for _, added in report.upgraded for name in added})
        yield _row("upgraded", f"{_count(len(report.upgraded), 'message')}: added {', '.join(names)}")
    yield from _found(report, dialect, with_surroundings=True)
    if report.expectation is not None:
        yield from _labelled("expected", expectation_lines(report.expectation, dialect))
    for line in [*remarks(report.live, _SHOWN_ALIKE), *report.verdict.remarks, *report.remarks, *_lateness(report), *_ignored(report)]:
        yield _row("note", line)
    for job in report.overdue_jobs:
        yield _row("note", f"not deterministic: the clock did not wait for {job}")
    for one in report.unseen:
        yield _row("not seen", Shown(report.invocation.cwd).text(one.what))
    if report.passed and report.has_app:
        yield _row("not seen", _THE_REST_OF_THE_APP[bool(report.live.notes_of(MICROPHONE_OFF))])
    yield from _twice(report.twice)
    for hint in _hints(report, dialect):
        yield _row("next", hint)
    if report.folder:
        yield _row("written", report.folder)


def _hints(report: ReplayReport, dialect: Dialect) -> List[str]:
    return [*report.hints, *_ways_to_accept(report, dialect)]


def _ways_to_accept(report: ReplayReport, dialect: Dialect) -> List[str]:
    if report.is_proposed:
        return []
    is_part = "--from" in report.axis or "--until" in report.axis
    return list(ways_to_accept(report.verdict.deviations, report.live, dialect, report.invocation, is_part=is_part))


def _found(report: ReplayReport, dialect: Dialect, *, with_surroundings: bool = False) -> Iterator[str]:
    """What fails first: findings, then deviations, the first of them with what was around it where that is asked for; then warnings."""
    shown = Shown(report.invocation.cwd)
    failing, warnings = _by_weight(report.verdict.findings)
    yield from _findings(failing, report, dialect, shown)
    more: Dict[Hashable, List[Deviation]] = {}
    failed_at = {one.recorded_seq for one in failing if one.kind in _BREAK_OFF and one.recorded_seq is not None}
    prompts = report.recorded.prompts(dialect) if failed_at else {}

    def answered_seq(deviation: Deviation) -> Optional[int]:
        """The received message that a missing one answers; None where nobody knows."""
        found = prompts.get(deviation.recorded_seq) if deviation.kind == "missing" and deviation.recorded_seq is not None else None
        return found.seq if found is not None and found.kind == RECEIVED else None

    tried: Set[str] = set(MAY_BE_MEANT)
    for number, deviation in enumerate(report.verdict.deviations):
        key = cause_key(deviation.kind, deviation.what, _innermost(deviation.places), (one.path for one in deviation.differences))
        alike = more.setdefault(key, [])
        alike.append(deviation)
        if len(alike) > _SHOWN_ALIKE:
            continue
        answered = answered_seq(deviation) if failed_at else None
        if answered in failed_at:
            yield from _explained_above(deviation, answered, report, dialect)
            continue
        yield from _deviation(deviation, report, dialect, shown)
        # Of what may be meant, the line ``next`` says how to go on.
        if deviation.kind not in tried:
            tried.add(deviation.kind)
            yield _row("", f"  try: {advice(deviation)}")
        if number == 0 and with_surroundings:
            yield from _surroundings(deviation, report, dialect)
    for alike in more.values():
        yield from _and_more_deviations(alike[_SHOWN_ALIKE:])
    yield from _findings(warnings, report, dialect, shown)


def _explained_above(deviation: Deviation, answered: int, report: ReplayReport, dialect: Dialect) -> Iterator[str]:
    """A message that was not sent, whose reason stands above: handling the message that it answers came to no good end."""
    recorded = _by_seq(report.recorded, deviation.recorded_seq)
    said = dialect.describe(recorded.kind, dialect.read(recorded.kind, recorded.frame)) if isinstance(recorded, Sent) else "it"
    yield _row("DEVIATION", f"{deviation.kind}{_places(deviation, report)}")
    yield _row("", f"{said} was not sent: see the finding above, on the message that it answers (#{answered})")


def _and_more_deviations(deviations: Sequence[Deviation]) -> Iterator[str]:
    if deviations:
        seqs = [
            seq for seq in (one.recorded_seq if one.recorded_seq is not None else one.live_seq for one in deviations) if seq is not None
        ]
        told = ", ".join(f"#{seq}" for seq in seqs[:_SHOWN_PLACES])
        more = ", …" if len(seqs) > _SHOWN_PLACES else ""
        yield _row("DEVIATION", f"{deviations[0].kind}: {len(deviations)} more like it{f', {told}{more}' if told else ''}; --json has all")


def _by_weight(findings: Iterable[Finding]) -> Tuple[List[Finding], List[Finding]]:
    """Those that fail the replay, and those that do not."""
    parts: Tuple[List[Finding], List[Finding]] = ([], [])
    for one in findings:
        parts[0 if one.fails else 1].append(one)
    return parts


def _findings(findings: Sequence[Finding], report: ReplayReport, dialect: Dialect, shown: Shown) -> Iterator[str]:
    for alike in _alike(findings):
        # What did not happen because of any of them is told once, under the first.
        lost_seqs = tuple(sorted({seq for one in alike for seq in one.consequences}))
        yield from _finding(replace(alike[0], consequences=lost_seqs), report, dialect, shown)
        yield from _and_more(alike)


def _row(label: str, text: str) -> str:
    return f"{label:<{_WIDE}}{printable(text)}"


def _labelled(label: str, lines: Iterable[str]) -> Iterator[str]:
    """Lines of which the first has a label."""
    for number, line in enumerate(lines):
        yield _row(label if number == 0 else "", line)


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _size(report: ReplayReport, dialect: Dialect) -> str:
    events = report.recorded.events
    return f"{_count(len(dialect.turns(events)), 'turn')}, {_count(len(events), 'event')}, {_length(report)}"


def _length(report: ReplayReport) -> str:
    """How long what was replayed is; where the axis is not the recorded one also how long the session was."""
    length, axis = f"{report.recorded.duration_ns / 1e9:.3f} s", report.axis
    if not axis:
        return length
    if "--speed" in axis and speed_of(axis["--speed"]) is MAX:
        length = "as fast as it goes"
    whole = "" if report.whole_ns is None else f"; {report.whole_ns / 1e9:.3f} s as recorded"
    return f"{length} with {' '.join(f'{option} {said}' for option, said in axis.items())}{whole}"


def _made_up(session: Session) -> str:
    recorded = session.header.recorded
    parts = []
    if recorded.times != "measured":
        parts.append(_TIMES.get(recorded.times, "times are made up, not measured"))
    if not recorded.sent:
        parts.append(_NOTHING_COMPARED)
    return f" ({'; '.join(parts)})" if parts else ""


def _clock(report: ReplayReport) -> str:
    if report.clock == "virtual":
        return f"in virtual time ({report.real_s:.2f} s of real time)"
    return f"in {report.clock} time ({report.real_s:.2f} s)"


def _late(lateness_ns: Mapping[str, Optional[int]]) -> str:
    """How late the server was; a figure that there are too few messages for is left out."""
    figures = [(name, lateness_ns.get(name)) for name in ("p50", "p99", "max")]
    told = ", ".join(f"{name} {milliseconds(ns / 1e6)}" for name, ns in figures if ns is not None)
    return f"the server itself, in {_count(lateness_ns.get('n') or 0, 'message')}{': ' if told else ''}{told}"


def _finding(finding: Finding, report: ReplayReport, dialect: Dialect, shown: Shown) -> Iterator[str]:
    place = _event_place(finding, report, dialect)
    yield _row("FINDING" if finding.fails else "WARNING", f"{finding.kind} at {finding.at_ns / 1e9:.3f} s{place}")
    yield from _explained(finding.what, finding.detail, finding.places, FINDINGS[finding.kind].found_at, shown)
    yield from _consequences(finding.consequences, report, dialect)


def _alike(findings: Sequence[Finding]) -> List[List[Finding]]:
    """Findings of one cause together, in the order in which each first came."""
    found: Dict[Hashable, List[Finding]] = {}
    for finding in findings:
        key = cause_key(finding.kind, finding.what, _innermost(finding.places), fails=finding.fails)
        found.setdefault(key, []).append(finding)
    return list(found.values())


def _innermost(places: Sequence[Place]) -> Optional[Place]:
    return places[0] if places else None


def _and_more(alike: Sequence[Finding]) -> Iterator[str]:
    """How often a finding came again, of some of one cause."""
    again = alike[1:]
    if again:
        places = [f"#{one.recorded_seq}" for one in again if one.recorded_seq is not None][:_SHOWN_PLACES]
        more = ", …" if places and len(again) > len(places) else ""
        on = f", on recorded {', '.join(places)}{more}" if places else ""
        is_quoted = alike[0].kind in QUOTE_AN_EXCEPTION and any(one.what != alike[0].what for one in again)
        words = ", worded differently" if is_quoted else ""
        yield _row("", f"  the same {_count(len(again), 'time')} more{words}, until {again[-1].at_ns / 1e9:.3f} s{on}")


def _event_place(finding: Finding, report: ReplayReport, dialect: Dialect) -> str:
    said = _message_of(finding, report, dialect)
    return "" if said is None else f", on recorded #{finding.recorded_seq} {said}"


def _message_of(finding: Finding, report: ReplayReport, dialect: Dialect) -> Optional[str]:
    """What the recorded message says that a finding is about, None where it is about none."""
    event = _by_seq(report.recorded, finding.recorded_seq)
    return dialect.describe(event.kind, dialect.read(event.kind, event.frame)) if isinstance(event, Received) else None


def _deviation(deviation: Deviation, report: ReplayReport, dialect: Dialect, shown: Shown) -> Iterator[str]:
    yield _row("DEVIATION", f"{deviation.kind}{_places(deviation, report)}")
    differences = [_difference(report.sent_side, one) for one in deviation.differences[:_SHOWN_DIFFERENCES]]
    left = len(deviation.differences) - len(differences)
    more = [f"and in {_count(left, 'more place')}; --json has all"] if left else []
    # Of a message that nothing was expected for, what differs is from the nearest one, which is named first.
    # A stack is shown as the places that it is of, where these are known.
    detail = tuple(map(str, deviation.places)) if deviation.kind in ("stuck", "over_time") and deviation.places else deviation.detail
    parts = (*detail, *differences, *more) if deviation.nearest_seq is not None else (*differences, *more, *detail)
    yield from _explained(deviation.what, parts, deviation.places, _brought_about(deviation), shown)
    yield from _consequences(deviation.consequences, report, dialect)


def _brought_about(deviation: Deviation) -> str:
    if deviation.kind == "closed_early":
        return "closed at"
    return "sent at" if deviation.live_seq is not None else "handled at"


def _difference(then: str, difference: Difference) -> str:
    before, now = sides(difference)
    return f"{difference.path}: {then} {before}, now {now}"


def _surroundings(deviation: Deviation, report: ReplayReport, dialect: Dialect) -> Iterator[str]:
    """The events around the first divergence, on both sides."""
    then, now = surroundings(deviation, report.recorded, report.live, dialect)
    for name, seq, rows in ((report.sent_side, deviation.recorded_seq, then), ("in the replay", deviation.live_seq, now)):
        lines = [f"  {'> ' if seq is not None and row.seq <= seq <= row.last_seq else '  '}{row}" for row in rows]
        yield from _labelled("", [f"around it, {name}:", *lines] if lines else [])


def _explained(what: str, detail: Sequence[str], places: Sequence[Place], where: str, shown: Shown) -> Iterator[str]:
    """A sentence, which may quote lines of an exception's, and what stands under it; the source stands where its place is named."""
    waiting = list(places[:1])
    for indent, line in [*(("", line) for line in what.splitlines()[:_SHOWN_LINES]), *(("  ", line) for line in detail)]:
        yield _row("", f"{indent}{shown.text(line)}")
        if waiting and is_named_in(line, waiting[0]):
            yield from (_row("", f"    {one}") for one in shown.source(waiting.pop()))
    for place in waiting:
        yield _row("", f"  {where} {shown.text(str(place))}" if where else f"  {shown.text(str(place))}")
        yield from (_row("", f"    {one}") for one in shown.source(place))


def _places(deviation: Deviation, report: ReplayReport) -> str:
    recorded = _by_seq(report.recorded, deviation.recorded_seq)
    live = _by_seq(report.live, deviation.live_seq)
    then = "recorded" if isinstance(recorded, (Received, Closed)) else report.sent_side
    told = [f"{then} #{recorded.seq} at {recorded.at_ns / 1e9:.3f} s"] if recorded is not None else []
    told += [f"in the replay #{live.seq} at {live.at_ns / 1e9:.3f} s"] if live is not None else []
    return f": {', '.join(told)}" if told else ""


def _consequences(seqs: Sequence[int], report: ReplayReport, dialect: Dialect) -> Iterator[str]:
    if seqs:
        # What is expected now may stand in no recording.
        what = "recorded event" if report.sent_side == "recorded" else "event"
        told = f"{lost_text(seqs, report.recorded, dialect)} ({_ranges(seqs, report.recorded)})"
        yield _row("", f"  {_count(len(seqs), what)} did not happen because of it: {told}")


def _ranges(seqs: Sequence[int], session: Session) -> str:
    """Seqs as ranges of what follows one another among the messages: audio between two of them does not break a range."""
    messages = [event.seq for event in session.events if not isinstance(event, Note)]
    places = {seq: index for index, seq in enumerate(messages)}
    ranges: List[List[int]] = []
    for seq in sorted(seqs):
        if ranges and places.get(seq, -1) == places.get(ranges[-1][-1], -3) + 1:
            ranges[-1][1:] = [seq]
        else:
            ranges.append([seq])
    return ", ".join(f"#{one[0]}" if len(one) == 1 else f"#{one[0]} to #{one[1]}" for one in ranges)


def _twice(twice: Optional[Tuple[str, ...]]) -> Iterator[str]:
    if twice is None:
        return
    yield _row("twice", "two runs were identical" if not twice else "two runs differ; first in")
    yield from (_row("", f"  {line[:SHOWN]}") for line in twice)


def verdict_text(report: ReplayReport) -> str:
    """The verdict, how much was found, and whose handler it is about where that is not the developer's."""
    return f"{_verdict_text(report)}{WITH_BUILT_IN if report.is_built_in else ''}"


def _verdict_text(report: ReplayReport) -> str:
    failing = [finding for finding in report.verdict.findings if finding.fails]
    n_warnings = len(report.verdict.findings) - len(failing)
    if report.passed:
        beside = [f"with {_count(n_warnings, 'warning')}"] if n_warnings else []
        return ", ".join(["passed", *beside, *(["of an incomplete recording"] if report.recorded.missing else [])])
    parts = [_INCOMPLETE] if report.is_incomplete else []
    if failing:
        parts.append(_count(len(failing), "finding"))
    if report.verdict.deviations:
        parts.append(_count(len(report.verdict.deviations), "deviation"))
    if report.twice:
        parts.append(_TWO_DIFFER)
    if report.is_proposed and report.expectation is not None:
        parts.append(f"{_count(len(report.expectation.changes), 'change')} not accepted")
    if n_warnings:
        parts.append(_count(n_warnings, "warning"))
    return f"failed: {', '.join(parts)}"


def _by_seq(session: Session, seq: Optional[int]) -> Optional[Event]:
    return None if seq is None else next((event for event in session.events if event.seq == seq), None)


def as_json(report: ReplayReport, dialect: Dialect) -> Dict[str, Json]:
    """The report as JSON values; docs/explanation/replay.md lists the fields, docs/reference/replay-report.schema.json is their schema."""
    first = report.verdict.deviations[0] if report.verdict.deviations else None
    return {
        "schema": SCHEMA,
        "session": report.recorded.name,
        "session_id": report.recorded.header.id,
        "handler": report.handler,
        "sdk": report.sdk,
        "clock": report.clock,
        "lateness_ns": None if report.lateness_ns is None else dict(report.lateness_ns),
        "times": report.recorded.header.recorded.times,
        "recorded": _recorded_json(report, dialect),
        "sent_compared": report.recorded.header.recorded.sent,
        "passed": report.passed,
        "verdict": verdict_text(report),
        "incomplete": report.is_incomplete,
        "handshake_by": report.handshake_by,
        "strict": report.strict,
        "ignored": [{"path": path, "matched": matched} for path, matched in report.ignored],
        "max_late_ns": report.max_late_ns,
        "expectation": expectation_json(report.expectation),
        "deviations": [_deviation_json(deviation, report, dialect) for deviation in report.verdict.deviations],
        "first_divergence": None if first is None else _around_json(first, report, dialect),
        "findings": [_finding_json(finding, report, dialect) for finding in report.verdict.findings],
        "late": [
            {"recorded_seq": one.recorded_seq, "live_seq": one.live_seq, "late_ns": one.late_ns, "what": one.what}
            for one in report.verdict.late
        ],
        "notes": [*remarks(report.live), *report.verdict.remarks, *report.remarks],
        "unseen": [{"kind": one.kind, "what": one.what} for one in report.unseen],
        "upgraded": [{"recorded_seq": seq, "added": list(added)} for seq, added in report.upgraded],
        "twice": None if report.twice is None else {"identical": not report.twice, "first_difference": list(report.twice)},
        "overdue_jobs": list(report.overdue_jobs),
        "hints": list(_hints(report, dialect)),
        "real_s": report.real_s,
        "n_sent": sum(isinstance(event, Sent) for event in report.live.events),
        "n_received": sum(isinstance(event, Received) for event in report.live.events),
        "duration_ns": report.live.duration_ns,
        "folder": report.folder,
        "heard": report.heard,
        **invocation_json(report.invocation, report.live.header.software),
    }


def _recorded_json(report: ReplayReport, dialect: Dialect) -> Dict[str, Json]:
    recorded = report.recorded
    return {
        "n_turns": len(dialect.turns(recorded.events)),
        "n_events": len(recorded.events),
        "duration_ns": recorded.duration_ns,
        "whole_duration_ns": report.whole_ns,
        "axis": {option.lstrip("-").replace("-", "_"): said for option, said in report.axis.items()},
        "missing": list(recorded.missing),
    }


def _deviation_json(deviation: Deviation, report: ReplayReport, dialect: Dialect) -> Dict[str, Json]:
    recorded, live = _by_seq(report.recorded, deviation.recorded_seq), _by_seq(report.live, deviation.live_seq)
    return {
        "kind": deviation.kind,
        "what": deviation.what,
        "recorded_seq": deviation.recorded_seq,
        "recorded_at_ns": None if recorded is None else recorded.at_ns,
        "live_seq": deviation.live_seq,
        "live_at_ns": None if live is None else live.at_ns,
        "nearest_seq": deviation.nearest_seq,
        **explained_deviation(deviation, recorded, live, _by_seq(report.recorded, deviation.nearest_seq), dialect)._asdict(),
        "differences": [difference_json(difference) for difference in deviation.differences],
        "late_ns": deviation.late_ns,
        "detail": list(deviation.detail),
        "places": [place_json(place) for place in deviation.places],
        "consequences": list(deviation.consequences),
        "lost": [_row_json(row) for row in lost(deviation.consequences, report.recorded, dialect)],
    }


def _around_json(deviation: Deviation, report: ReplayReport, dialect: Dialect) -> Dict[str, Json]:
    recorded, live = surroundings(deviation, report.recorded, report.live, dialect)
    return {"recorded": [_row_json(row) for row in recorded], "live": [_row_json(row) for row in live]}


def _row_json(row: Row) -> Dict[str, Json]:
    return {"seq": row.seq, "last_seq": row.last_seq, "at_ns": row.at_ns, "kind": row.kind, "what": row.what}


def _finding_json(finding: Finding, report: ReplayReport, dialect: Dialect) -> Dict[str, Json]:
    return {
        "kind": finding.kind,
        "severity": finding.severity,
        "what": finding.what,
        "at_ns": finding.at_ns,
        "recorded_seq": finding.recorded_seq,
        "recorded_what": _message_of(finding, report, dialect),
        "live_seq": finding.live_seq,
        "ended": finding.ended,
        **explained_finding(finding)._asdict(),
        "detail": list(finding.detail),
        "places": [place_json(place) for place in finding.places],
        "consequences": list(finding.consequences),
        "lost": [_row_json(row) for row in lost(finding.consequences, report.recorded, dialect)],
    }
