"""The report of a check: for people, one line for all problems with the same cause; for programs, every problem.

Rules of living here: for one session, its folder precedes each problem; several have a section each; no folder hides another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Iterator, List, Sequence, Tuple

from evi_harness.report.plain import printable
from evi_harness.session.json_value import Json
from evi_harness.session.problem import Problem

__all__ = ["SCHEMA", "CheckReport", "Checked", "in_few_words"]

# Version of the JSON, whose schema is docs/reference/check-report.schema.json.
SCHEMA = 1

# So many problems of one cause are told one by one. A text editor goes to as many lines by hand, and to no more.
_SHOWN = 10
_SOUND = "nothing wrong"


@dataclass(frozen=True)
class Checked:
    """The problems of one session folder.

    Attributes:
        folder: The folder.
        problems: The problems, causes first; empty for a sound folder.
        n_lost: How many losses from a repair its header lists; they are not problems of the folder.
    """

    folder: str
    problems: Tuple[Problem, ...] = ()
    n_lost: int = 0

    def lines(self) -> List[str]:
        """For people, if it is the only one: one line per problem, beginning with the folder."""
        return [printable(f"{self.folder}: {told}") for told in in_few_words(self.problems) or [self._sound()]]

    def section(self) -> List[str]:
        """For people, among others: the folder, and below it one line per problem."""
        n_problems = len(self.problems)
        verdict = f"{n_problems} problem{'' if n_problems == 1 else 's'}" if n_problems else self._sound()
        return [printable(f"{self.folder}: {verdict}"), *(f"  {printable(told)}" for told in in_few_words(self.problems))]

    def _sound(self) -> str:
        if not self.n_lost:
            return _SOUND
        losses = "1 loss remains" if self.n_lost == 1 else f"{self.n_lost} losses remain"
        return f"{_SOUND} with the folder; it was repaired, and {losses} in it (evi-harness show lists what was lost)"

    def json(self) -> Dict[str, Json]:
        """For programs: one entry per problem."""
        told = [{"kind": one.kind, "file": one.file, "line": one.line, "what": one.what, "hint": one.hint} for one in self.problems]
        return {"folder": self.folder, "problems": told}


@dataclass(frozen=True)
class CheckReport:
    """The problems of some session folders.

    Attributes:
        checked: One per session, in the given order.
        left_out: Session folders inside of these, which are not checked.
    """

    checked: Tuple[Checked, ...]
    left_out: Tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether no session has a problem."""
        return not self.exit_code

    @property
    def exit_code(self) -> int:
        """0 if no session has a problem, else 1."""
        return int(any(one.problems for one in self.checked))

    def lines(self) -> List[str]:
        """For people: the problems of a single session; for several, a section each and a summary."""
        if len(self.checked) == 1:
            return self.checked[0].lines()
        return [*(line for one in self.checked for line in one.section()), "", self.sum()]

    def sum(self) -> str:
        """The last line for people."""
        n_sessions, n_wrong = len(self.checked), sum(bool(one.problems) for one in self.checked)
        parts = [f"{n_sessions - n_wrong} with nothing wrong", *([f"{n_wrong} with problems"] if n_wrong else [])]
        return f"{n_sessions} session{'' if n_sessions == 1 else 's'}: {', '.join(parts)}"

    def json(self) -> Dict[str, Json]:
        """The report for programs; docs/reference/check-report.schema.json is its schema."""
        return {
            "schema": SCHEMA,
            "passed": not self.exit_code,
            "exit_code": self.exit_code,
            "sessions": [one.json() for one in self.checked],
            "left_out": list(self.left_out),
        }


def in_few_words(problems: Sequence[Problem]) -> List[str]:
    """Problems as sentences with their places: of more than ten of one cause the first, how many more there are, and the last."""
    return [told for alike in _alike(problems) for told in _of_one_cause(alike)]


def _alike(problems: Sequence[Problem]) -> List[List[Problem]]:
    """Problems of one cause together where they are too many to be told, in the order in which each first came."""
    by_cause: Dict[Tuple[str, str], List[Problem]] = {}
    for one in problems:
        by_cause.setdefault((one.kind, one.about), []).append(one)
    groups: List[List[Problem]] = []
    for one in problems:
        alike = by_cause[one.kind, one.about]
        if len(alike) <= _SHOWN:
            groups.append([one])
        elif one is alike[0]:
            groups.append(alike)
    return groups


def _of_one_cause(alike: Sequence[Problem]) -> Iterator[str]:
    first, last = alike[0], alike[-1]
    if len(alike) == 1:
        yield str(first)
    else:
        yield f"{first} {len(alike) - 1} more like it, the last is {last.place}: {last.what}"
