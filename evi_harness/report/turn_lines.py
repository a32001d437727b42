"""A session for people, turn by turn: who spoke when, what was said, which tools were called, what was interrupted, how long it took.

Rules of living here: times are session time; if a time is unknown, a sentence replaces the bar or the figure. The assistant sounds where a
speaker would have played what came, as soon as it could.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

from evi_harness.measure.conversation_family import PARTS
from evi_harness.measure.measuring import Measured
from evi_harness.measure.metrics import METRICS
from evi_harness.measure.samples import Sample
from evi_harness.measure.session_times import Call, Reading
from evi_harness.measure.spans import merged
from evi_harness.replay.judging.findings import FINDINGS
from evi_harness.report.latency_report import ASSUMED_MARK, HAPPENED, assumptions
from evi_harness.report.plain import printable
from evi_harness.session.events import Closed, Event, Note, Received, Sent
from evi_harness.session.figures import figure
from evi_harness.session.json_value import Json
from evi_harness.session.notes import sentence_of
from evi_harness.session.protocols import RECEIVED, SENT, Dialect
from evi_harness.session.session import Session
from evi_harness.session.sounding import Span
from evi_harness.session.turn import Turn

__all__ = ["BAR", "PLAIN_SIGNS", "SIGNS", "Happening", "ShownTurn", "as_json", "as_lines", "shown_turns"]

# How many places a bar has where no terminal says how many there are, and at least.
BAR = 60
_LEAST_BAR = 10
_WIDE = 13
# What stands for a place of which somebody spoke in at least half, in some, in none; and where those cannot be written.
SIGNS, PLAIN_SIGNS = "█▄·", "#+."
_GAP = "turn_gap"
# What is told of a turn besides its gap.
_BESIDE = ("response", *HAPPENED, "tool.app")


@dataclass(frozen=True)
class Happening:
    """Something in a turn.

    Attributes:
        at_ns: When.
        who: ``user``, ``assistant``, ``tool``, ``interrupted``, ``error``, ``closed``, or ``found``.
        text: What was said, or what it was.
        seq: The event.
        until_ns: When a tool was answered; None for everything else, and for one that was not.
    """

    at_ns: int
    who: str
    text: str
    seq: int
    until_ns: Optional[int] = None


@dataclass(frozen=True)
class ShownTurn:
    """What there is to show of one turn.

    Attributes:
        number: Its number; None of a session that has no turns.
        begin_ns: Where it begins.
        end_ns: Where the next one begins, or its own audio ends where that is later.
        user: When the user spoke between these; None where nobody knows.
        assistant: When the assistant would have been heard, likewise.
        happenings: What happened, in order.
        samples: What was measured in it.
    """

    number: Optional[int]
    begin_ns: int
    end_ns: int
    user: Optional[Tuple[Span, ...]]
    assistant: Optional[Tuple[Span, ...]]
    happenings: Tuple[Happening, ...]
    samples: Tuple[Sample, ...] = ()


def shown_turns(measured: Measured, session: Session, dialect: Dialect) -> List[ShownTurn]:
    """What there is to show of each turn of a session.

    Args:
        measured: The session, measured.
        session: The session as people may see it.
        dialect: What it is in, likewise.

    Returns:
        The turns in order; of a session without any, one that is all of it.
    """
    reading = Reading(session, dialect)
    user = _user_spans(measured, reading)
    played = [reading.sounding(turn) for turn in reading.turns]
    assistant = None if any(one is None for one in played) else merged(span for one in played for span in one or ())
    begins = _begins(reading, user)
    happenings = sorted(_happenings(reading), key=lambda one: (one.at_ns, one.seq))
    found = []
    for index, begin_ns in enumerate(begins):
        turn = reading.turns[index] if reading.turns else None
        next_ns = begins[index + 1] if index + 1 < len(begins) else session.duration_ns
        own = played[index] if played else None
        end_ns = max(next_ns, own[-1][1] if own else 0)
        is_last = index + 1 == len(begins)
        within = tuple(one for one in happenings if begin_ns <= one.at_ns and (one.at_ns < next_ns or is_last))
        number = None if turn is None else turn.number
        samples = tuple(sample for sample in measured.samples if number is not None and sample.turn == number)
        found.append(
            ShownTurn(number, begin_ns, end_ns, _within(user, begin_ns, end_ns), _within(assistant, begin_ns, end_ns), within, samples)
        )
    return found


def _within(spans: Optional[Iterable[Span]], begin_ns: int, end_ns: int) -> Optional[Tuple[Span, ...]]:
    if spans is None:
        return None
    cut = ((max(begin_ns, a), min(end_ns, b)) for a, b in spans)
    return tuple(span for span in cut if span[0] < span[1])


def _user_spans(measured: Measured, reading: Reading) -> Optional[List[Span]]:
    """When the user spoke: as a detector heard it, else as the service says; None where neither does."""
    speech = measured.heard.speech
    if speech is None:
        told = tuple(turn.speech for turn in reading.turns if turn.speech is not None)
        if not told:
            return None
        speech = told
    spans = (reading.spoken.span(one) for one in speech)
    return merged(span for span in spans if span is not None)


def _begins(reading: Reading, user: Optional[Sequence[Span]]) -> List[int]:
    """Where each turn begins: the first with the session, the others with what the user says, else with their first message."""
    begins = [0]
    for before, turn in zip(reading.turns, reading.turns[1:]):
        first_ns = min(reading.at_ns[seq] for seq in _seqs(turn))
        # What the user said before the answer to the turn before began belongs to that one.
        since_ns = max(begins[-1], min(reading.at_ns[seq] for seq in before.reply or _seqs(before)))
        spoke = [begin_ns for begin_ns, _ in user or () if since_ns < begin_ns <= first_ns]
        begins.append(max(begins[-1], min(spoke, default=first_ns) if turn.user is not None else first_ns))
    return begins


def _seqs(turn: Turn) -> List[int]:
    return [*([] if turn.user is None else [turn.user]), *turn.reply] or [seq for seq in (turn.end, turn.interrupted_by) if seq is not None]


def _happenings(reading: Reading) -> Iterator[Happening]:
    events: Dict[int, Event] = {event.seq: event for event in reading.session.events}
    calls = {call.seq: call for call in reading.calls}
    for turn in reading.turns:
        if turn.user is not None:
            yield Happening(reading.at_ns[turn.user], "user", turn.user_text, turn.user)
        if turn.reply_text:
            first = _first_of_reply(turn, calls)
            yield Happening(reading.at_ns[first], "assistant", turn.reply_text, first)
        if turn.interrupted_by is not None:
            yield Happening(reading.at_ns[turn.interrupted_by], "interrupted", "the user spoke over the assistant", turn.interrupted_by)
        for seq in turn.tool_calls:
            yield _tool(seq, calls.get(seq), events, reading)
    for event in reading.session.events:
        if isinstance(event, Closed):
            code = "no code" if event.code is None else f"code {event.code}"
            yield Happening(event.at_ns, "closed", f"by {event.by}, {code}{': ' + event.reason if event.reason else ''}", event.seq)
        elif isinstance(event, Note) and event.name in FINDINGS:
            yield Happening(event.at_ns, "found", f"{event.name}: {sentence_of(event) or FINDINGS[event.name].says}", event.seq)
        elif isinstance(event, Received) and _is_error(event, reading.dialect):
            yield Happening(event.at_ns, "error", _described(RECEIVED, event, reading.dialect), event.seq)


def _first_of_reply(turn: Turn, calls: Dict[int, Call]) -> int:
    """The first message of a reply that is not a call of a tool."""
    said = [seq for seq in turn.reply if seq not in calls and seq not in turn.tool_calls]
    return (said or list(turn.reply))[0]


def _is_error(event: Received, dialect: Dialect) -> bool:
    return event.frame.is_text and dialect.is_error(dialect.read(RECEIVED, event.frame))


def _tool(seq: int, call: Optional[Call], events: Dict[int, Event], reading: Reading) -> Happening:
    asked = _described(RECEIVED, events[seq], reading.dialect)
    at_ns = reading.at_ns[seq]
    if call is None:
        return Happening(at_ns, "tool", asked, seq)
    if call.answer is None:
        return Happening(at_ns, "tool", f"{asked}; never answered", seq)
    until_ns = reading.at_ns[call.answer]
    answer = _described(SENT, events[call.answer], reading.dialect)
    return Happening(at_ns, "tool", f"{asked}; after {figure((until_ns - at_ns) / 1e6)} ms {answer}", seq, until_ns)


def _described(kind: str, event: Event, dialect: Dialect) -> str:
    return dialect.describe(kind, dialect.read(kind, event.frame)) if isinstance(event, (Received, Sent)) else ""


def as_lines(turns: Sequence[ShownTurn], measured: Measured, width: Optional[int] = None, signs: str = SIGNS) -> Iterator[str]:
    """The turns for people.

    Args:
        turns: Some turns of the session.
        measured: The session, measured.
        width: How many places a line of the terminal has, None where there is none.
        signs: What bars are made of, see ``SIGNS``.
    """
    n_cells = BAR if width is None else max(_LEAST_BAR, width - _WIDE)
    for turn in turns:
        name = "no turns" if turn.number is None else f"turn {turn.number}"
        yield f"{name:<{_WIDE}}{turn.begin_ns / 1e9:.3f} s to {turn.end_ns / 1e9:.3f} s"
        for who, spans, why in (
            ("user", turn.user, measured.heard.why),
            ("assistant", turn.assistant, "how long its audio plays is not known"),
        ):
            yield f"  {who:<{_WIDE - 2}}{_bar(spans, turn, n_cells, signs) if spans is not None else f'not known: {printable(why)}'}"
        for one in turn.happenings:
            yield f"{one.at_ns / 1e9:>9.3f} s  {one.who:<{_WIDE}}{printable(one.text)}"
        latency = _latency(turn)
        if latency:
            yield f"  {'latency':<{_WIDE - 2}}{latency}"
        yield ""
    if measured.untimed is not None:
        yield f"{'latency':<{_WIDE}}not measured: {printable(measured.untimed)}"
    elif any(METRICS[sample.metric].is_assumed for turn in turns for sample in turn.samples):
        yield from assumptions(measured.assumed, [measured.assumed])


def _bar(spans: Sequence[Span], turn: ShownTurn, n_cells: int, signs: str) -> str:
    """Where somebody spoke: at least half of the time of a place, some of it, none."""
    length_ns = max(1, turn.end_ns - turn.begin_ns)
    cells = [0.0] * n_cells
    for begin_ns, end_ns in spans:
        first, last = (n_cells * (at_ns - turn.begin_ns) / length_ns for at_ns in (begin_ns, end_ns))
        for cell in range(int(first), min(n_cells, int(last) + 1)):
            cells[cell] += max(0.0, min(last, cell + 1) - max(first, cell))
    full, some, none = tuple(signs)
    return "".join(full if share >= 0.5 else some if share > 0 else none for share in cells)


def _latency(turn: ShownTurn) -> str:
    by_metric: Dict[str, List[Sample]] = {}
    for sample in turn.samples:
        by_metric.setdefault(sample.metric, []).append(sample)
    parts = [
        f"{metric.partition('.')[2]} {_figure(sample)}"
        for metric in PARTS
        for sample in by_metric.get(metric, ())
        if sample.value is not None
    ]
    told = []
    for sample in by_metric.get(_GAP, ()):
        if sample.value is None:
            told.append(f"{_GAP} not known: {printable(sample.why)}")
        else:
            told.append(f"{_GAP} {_figure(sample)} ms{' = ' + ' + '.join(parts) if parts else ''}")
    for metric in _BESIDE:
        told += [f"{metric} {_figure(sample)} ms" for sample in by_metric.get(metric, ()) if sample.value]
    return ", ".join(told)


def _figure(sample: Sample) -> str:
    return f"{figure(sample.value or 0.0)}{ASSUMED_MARK if METRICS[sample.metric].is_assumed else ''}"


def as_json(turns: Sequence[ShownTurn]) -> List[Dict[str, Json]]:
    """The turns for programs; docs/reference/show.schema.json is their schema."""
    return [
        {
            "number": turn.number,
            "begin_ns": turn.begin_ns,
            "end_ns": turn.end_ns,
            "user_ns": None if turn.user is None else [list(span) for span in turn.user],
            "assistant_ns": None if turn.assistant is None else [list(span) for span in turn.assistant],
            "happenings": [
                {"at_ns": one.at_ns, "until_ns": one.until_ns, "seq": one.seq, "who": one.who, "text": one.text} for one in turn.happenings
            ],
            "latency": [{"metric": one.metric, "value": one.value, "of": one.of, "why": one.why or None} for one in turn.samples],
        }
        for turn in turns
    ]
