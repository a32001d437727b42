"""The report of a comparison: two sessions, or two folders of them, turn by turn. Data first, words after.

Rules of living here: nothing is judged here; what is the same is said in a line, what differs with both sides; every number has a unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

from evi_harness.replay.judging.differences import Difference
from evi_harness.replay.judging.session_comparison import ComparedTurn, Parting, SessionComparison, Took
from evi_harness.report.plain import printable
from evi_harness.report.result import verdict_line
from evi_harness.report.values import difference_json, sides
from evi_harness.session.json_value import Json

__all__ = ["SCHEMA", "ComparedPair", "ComparisonReport", "comparison_json", "comparison_lines", "difference_lines"]

# Version of the JSON, whose schema is docs/reference/comparison-report.schema.json.
SCHEMA = 1

SAME, DIFFERENT, COULD_NOT_READ = 0, 1, 3

_WIDE = 11
_KIND = 13
_SHOWN = 160
_SHOWN_DIFFERENCES = 6
# Of more turns than these only those that differ are shown.
_SHOWN_TURNS = 30


@dataclass(frozen=True)
class ComparedPair:
    """Two sessions with the same name, or one without a counterpart.

    Attributes:
        name: Their name.
        first: The first session's folder, None if there is none.
        second: The second one's, likewise.
        comparison: The comparison; None if a session has no counterpart or cannot be read.
        refused: Why a session cannot be read, with its folder; empty if both can.
    """

    name: str
    first: Optional[str]
    second: Optional[str]
    comparison: Optional[SessionComparison] = None
    refused: str = ""

    @property
    def is_same(self) -> bool:
        """Whether there are two sessions without differences."""
        return self.comparison is not None and self.comparison.is_same

    @property
    def verdict(self) -> str:
        """The result in a few words."""
        if self.refused:
            return f"cannot be read: {self.refused}"
        if self.comparison is None:
            return f"only in the {'first' if self.second is None else 'second'}"
        return _verdict(self.comparison)

    def json(self) -> Dict[str, Json]:
        """The pair as JSON values."""
        told = {} if self.comparison is None else comparison_json(self.comparison)
        return {
            "name": self.name,
            "first": self.first,
            "second": self.second,
            "same": self.is_same,
            "refused": self.refused or None,
            "comparison": told or None,
        }


@dataclass(frozen=True)
class ComparisonReport:
    """The report of a comparison.

    Attributes:
        first: The first argument.
        second: The second argument.
        pairs: The sessions of each name.
        is_of_folders: Whether folders of sessions were compared, rather than two sessions.
    """

    first: str
    second: str
    pairs: Tuple[ComparedPair, ...]
    is_of_folders: bool = False

    @property
    def passed(self) -> bool:
        """Whether all is the same."""
        return self.exit_code == SAME

    @property
    def exit_code(self) -> int:
        """0 the same, 1 different, 3 if something cannot be read."""
        if any(pair.refused for pair in self.pairs):
            return COULD_NOT_READ
        return SAME if all(pair.is_same for pair in self.pairs) else DIFFERENT

    @property
    def verdict_text(self) -> str:
        """The verdict in a few words, which agree with the exit code."""
        if not self.is_of_folders:
            return self.pairs[0].verdict
        n_same = sum(pair.is_same for pair in self.pairs)
        n_alone = sum(None in (pair.first, pair.second) and not pair.refused for pair in self.pairs)
        n_refused = sum(bool(pair.refused) for pair in self.pairs)
        counts = {
            "the same": n_same,
            "different": len(self.pairs) - n_same - n_alone - n_refused,
            "on one side only": n_alone,
            "cannot be read": n_refused,
        }
        told = ", ".join(f"{n} {what}" for what, n in counts.items() if n)
        return f"{len(self.pairs)} session{'' if len(self.pairs) == 1 else 's'}: {told}"

    def lines(self) -> List[str]:
        """The report for people; the last line is the verdict."""
        return [printable(line) for line in self._lines()]

    def json(self) -> Dict[str, Json]:
        """The report for programs; docs/reference/comparison-report.schema.json is its schema."""
        return {
            "schema": SCHEMA,
            "first": self.first,
            "second": self.second,
            "same": self.passed,
            "exit_code": self.exit_code,
            "verdict": self.verdict_text,
            "pairs": [pair.json() for pair in self.pairs],
        }

    def _lines(self) -> Iterator[str]:
        yield f"{'first':<{_WIDE}}{self.first}"
        yield f"{'second':<{_WIDE}}{self.second}"
        if not self.is_of_folders:
            if self.pairs[0].comparison is not None:
                yield from comparison_lines(self.pairs[0].comparison)
            yield verdict_line(self.verdict_text)
            return
        width = max((len(pair.name) for pair in self.pairs), default=0)
        yield from (f"{pair.name:<{width}}  {pair.verdict}" for pair in self.pairs)
        for pair in self.pairs:
            if pair.comparison is not None and not pair.is_same:
                yield from ("", pair.name, *(f"  {line}" for line in comparison_lines(pair.comparison)))
        yield from self._notes_of_the_same()
        yield from ("", self.verdict_text)

    def _notes_of_the_same(self) -> Iterator[str]:
        """What was not compared of sessions of which nothing else is told, each sentence once."""
        of: Dict[str, List[str]] = {}
        for pair in self.pairs:
            if pair.comparison is not None and pair.is_same:
                for remark in pair.comparison.remarks:
                    of.setdefault(remark, []).append(pair.name)
        if of:
            yield ""
        for remark, names in of.items():
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            yield f"{'note':<{_WIDE}}{names[0]}{more}: {remark}"


def comparison_lines(one: SessionComparison) -> Iterator[str]:
    """A comparison as lines, without its verdict."""
    yield from (f"{'note':<{_WIDE}}{remark}" for remark in one.remarks)
    yield from _partings("opening", one.opening)
    shown = one.turns if len(one.turns) <= _SHOWN_TURNS else tuple(turn for turn in one.turns if turn.partings)
    for turn in shown:
        yield from _turn(turn)
    if len(shown) < len(one.turns):
        n = len(one.turns) - len(shown)
        yield f"{'':<{_WIDE}}{n} {'turn is' if n == 1 else 'turns are'} the same and not shown"
    yield from _partings("ending", one.ending)
    if one.tolerance_ms is not None and any(turn.took for turn in one.turns):
        yield f"{'times':<{_WIDE}}are the same where they differ by at most {one.tolerance_ms:g} ms"


def _verdict(one: SessionComparison) -> str:
    if one.is_same:
        return "the same"
    n, n_turns = len(one.partings), sum(bool(turn.partings) for turn in one.turns)
    return f"different: {n} {'difference' if n == 1 else 'differences'}, in {n_turns} of {len(one.turns)} turns"


def _turn(turn: ComparedTurn) -> Iterator[str]:
    numbers = [number for number in (turn.first, turn.second) if number is not None]
    label = f"turn {'/'.join(map(str, dict.fromkeys(numbers)))}"
    took = _times(turn.took)
    yield f"{label:<{_WIDE}}{_quoted(turn.user) if turn.user else 'a greeting'}{f': {took}' if took else ''}"
    for parting in turn.partings:
        if parting.kind != "took":
            yield from _parting(parting)


def _times(took: Sequence[Took]) -> str:
    """How long it took, on both sides; what differs is marked."""
    each = [(one.metric, *("-" if ms is None else f"{ms:.0f}" for ms in (one.first_ms, one.second_ms)), one.differs) for one in took]
    return ", ".join(f"{metric} {first} → {second} ms{' (DIFFERS)' if differs else ''}" for metric, first, second, differs in each)


def _partings(label: str, partings: Sequence[Parting]) -> Iterator[str]:
    if partings:
        yield f"{label:<{_WIDE}}"
    for parting in partings:
        yield from _parting(parting)


def _parting(one: Parting) -> Iterator[str]:
    label = f"{'':<{_WIDE}}  {one.kind:<{_KIND}}"
    below = " " * len(label)
    if one.kind == "turn":
        yield f"{label}only in the {'first' if one.second is None else 'second'}"
        return
    if one.differences:
        yield f"{label}{_cut(one.first or one.second or '')}"
        yield from (f"{below}  {line}" for line in difference_lines(one.differences, ("first", "second")))
        return
    yield f"{label}first   {_side(one.first)}"
    yield f"{below}second  {_side(one.second)}"


def difference_lines(differences: Sequence[Difference], names: Tuple[str, str]) -> Iterator[str]:
    """Where two messages differ, a line each; of many the first ones.

    Args:
        differences: Where they differ.
        names: What to call the two sides.
    """
    for difference in differences[:_SHOWN_DIFFERENCES]:
        first, second = sides(difference)
        yield f"{difference.path}: {names[0]} {first}, {names[1]} {second}"
    left = len(differences) - _SHOWN_DIFFERENCES
    if left > 0:
        yield f"and in {left} more {'place' if left == 1 else 'places'}"


def _side(text: Optional[str]) -> str:
    return "nothing" if text is None else _cut(text)


def _quoted(text: str) -> str:
    return f'"{_cut(text)}"'


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def comparison_json(one: SessionComparison) -> Dict[str, Json]:
    """A comparison as JSON values."""
    return {
        "same": one.is_same,
        "tolerance_ms": one.tolerance_ms,
        "remarks": list(one.remarks),
        "opening": [_parting_json(each) for each in one.opening],
        "turns": [
            {
                "first": turn.first,
                "second": turn.second,
                "user": turn.user,
                "differences": [_parting_json(each) for each in turn.partings],
                "took": [each._asdict() for each in turn.took],
            }
            for turn in one.turns
        ],
        "ending": [_parting_json(each) for each in one.ending],
    }


def _parting_json(one: Parting) -> Dict[str, Json]:
    told = [difference_json(each) for each in one.differences]
    return {
        "kind": one.kind,
        "first": one.first,
        "second": one.second,
        "first_seq": one.first_seq,
        "second_seq": one.second_seq,
        "fields": [
            {"path": each["path"], **{side: each[name] for side, name in (("first", "recorded"), ("second", "live")) if name in each}}
            for each in told
        ],
    }
