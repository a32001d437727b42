"""The report of many replays: a line for each session, failures last, a report for each cause, and the totals.

Rules of living here: sessions stand in the order in which they were given, so that two reports can be compared line by line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from evi_harness.report.expected_changes import Proposal
from evi_harness.report.plain import printable
from evi_harness.report.replay_report import WITH_BUILT_IN
from evi_harness.report.result import verdict_line
from evi_harness.session.json_value import Json

if TYPE_CHECKING:
    from evi_harness.measure.baseline import MeasuredRun

__all__ = ["NORMAL", "QUIET", "VERBOSE", "CorpusReport", "Outcome"]

PASSED, FAILED = 0, 1
# How much people are told: the causes and the sum; a report for each cause as well; the report of each session that did not pass.
QUIET, NORMAL, VERBOSE = -1, 0, 1
# So many sessions are named in all, and of each cause at least so many: they and the sum fit a terminal of 24 lines. All of them stand
# above, but where only causes are told.
_SHOWN, _SHOWN_EACH, _SHOWN_ALONE = 12, 3, 20


@dataclass(frozen=True)
class Outcome:
    """The outcome of one session.

    Attributes:
        folder: The session folder.
        exit_code: The exit code that ``evi-harness replay`` would have for this session alone.
        verdict: The verdict in a few words.
        lines: Its report, if it did not pass.
        printed: The last lines that the handler printed, if it did not pass.
        real_s: Real time that the replay took, in seconds.
        recorded_ns: How long the recording is.
        json: Its report for programs, if requested.
        run: What was measured, where that was asked for.
        first_line: See ``ReplayReport.first_line``.
        changes: The changes that an update makes to the expectation, if they are not in the report.
        proposal: What is to be accepted of it, None where nothing is.
        accepted: What becomes of the session once that is accepted.
        cause: Why it did not pass, in the same words for all sessions with that cause; empty to use the verdict.
        page: The path of its page, if one was requested.
        no_page: Why there is no page, if one was requested.
        missing: The first thing that is missing in the recording, where that fails it.
        is_built_in: Whether the built-in handler ran instead of the developer's app.
        names_no_handler: Whether that was because no handler was named.
    """

    folder: str
    exit_code: int
    verdict: str
    lines: Tuple[str, ...] = ()
    printed: Tuple[str, ...] = ()
    real_s: float = 0.0
    recorded_ns: int = 0
    json: Optional[Mapping[str, Json]] = None
    run: Optional[MeasuredRun] = None
    first_line: Optional[Tuple[str, Optional[int]]] = None
    changes: Tuple[str, ...] = ()
    proposal: Optional[Proposal] = None
    accepted: Optional[Outcome] = None
    cause: str = ""
    page: Optional[str] = None
    no_page: str = ""
    missing: str = ""
    is_built_in: bool = False
    names_no_handler: bool = False


@dataclass(frozen=True)
class CorpusReport:
    """The report of replaying many sessions.

    Attributes:
        outcomes: One per session, in the given order.
        n_workers: How many sessions were replayed at a time.
        real_s: Real time of the whole run, in seconds.
        n_left: How many sessions were not replayed because an earlier one did not pass.
        told: How much people are told: ``QUIET``, ``NORMAL`` or ``VERBOSE``.
    """

    outcomes: Tuple[Outcome, ...]
    n_workers: int = 1
    real_s: float = 0.0
    n_left: int = 0
    told: int = NORMAL

    @property
    def passed(self) -> bool:
        """Whether every session passed."""
        return all(outcome.exit_code == PASSED for outcome in self.outcomes)

    @property
    def exit_code(self) -> int:
        """0 if all passed; 1 if all ran and at least one failed; else the code of a session that could not run."""
        return max((outcome.exit_code for outcome in self.outcomes), default=PASSED)

    @property
    def verdict_text(self) -> str:
        """The verdict in a few words, which agree with the exit code."""
        n_all, n_failed, n_rest = len(self.outcomes) + self.n_left, self._n_of(FAILED), self._n_neither
        beside = [f"{self.n_left} not replayed"] if self.n_left else []
        if self.passed:
            told = ", ".join(["passed", *beside])
        elif not n_rest:
            told = ", ".join([f"failed: {_of_all(n_failed, n_all)}", *beside])
        else:
            told = ", ".join([f"could not run: {_of_all(n_rest, n_all)}", *([f"{n_failed} failed"] if n_failed else []), *beside])
        return f"{told}{WITH_BUILT_IN if any(one.is_built_in for one in self.outcomes) else ''}"

    @property
    def sum(self) -> str:
        """How many passed, failed and could not run, in one line."""
        n_passed, n_failed, n_rest = self._n_of(PASSED), self._n_of(FAILED), self._n_neither
        parts = [f"{n_passed} passed", *([f"{n_failed} failed"] if n_failed else []), *([f"{n_rest} could not run"] if n_rest else [])]
        parts += [f"{self.n_left} not replayed"] if self.n_left else []
        n_sessions = len(self.outcomes) + self.n_left
        return f"{n_sessions} session{'' if n_sessions == 1 else 's'}: {', '.join(parts)} ({self.real_s:.1f} s, {self.n_workers} at a time)"

    def _n_of(self, exit_code: int) -> int:
        return [one.exit_code for one in self.outcomes].count(exit_code)

    @property
    def _n_neither(self) -> int:
        return len(self.outcomes) - self._n_of(PASSED) - self._n_of(FAILED)

    def lines(self) -> List[str]:
        """The report for people."""
        return [*self.body(), verdict_line(self.verdict_text)]

    def body(self) -> List[str]:
        """The report for people without its last line, the verdict; it ends with the sum."""
        return [*self._lines(), self.sum]

    def json(self) -> Dict[str, Json]:
        """The report for programs."""
        return {
            "passed": self.passed,
            "exit_code": self.exit_code,
            "n_workers": self.n_workers,
            "n_not_replayed": self.n_left,
            "sessions": [
                {"folder": one.folder, "exit_code": one.exit_code, "verdict": one.verdict, "real_s": one.real_s, "report": one.json}
                for one in self.outcomes
            ],
        }

    def _lines(self) -> Iterator[str]:
        width = max((len(one.folder) for one in self.outcomes), default=0)
        well, badly = (tuple(one for one in self.outcomes if (one.exit_code == PASSED) is is_well) for is_well in (True, False))
        for one in (*well, *badly) if self.told > QUIET else ():
            yield printable(f"{one.folder:<{width}}  {_times(one)}  {one.verdict}")
        for one in (*well, *badly):
            if one.no_page:
                yield printable(f"no page    {one.folder}: {one.no_page}")
        for one in well:
            if one.changes:
                yield from ("", printable(one.folder), *(f"  {printable(line)}" for line in one.changes))
        causes = _causes(badly)
        for cause in causes if self.told == NORMAL else ():
            # What an update changes is for somebody to accept, and each session's is its own.
            own = [one for one in cause if one.changes or one.proposal is not None]
            alike = [one for one in cause if one not in own]
            for one in own:
                yield from _section(one)
            if alike:
                yield from _section(alike[0], len(alike) - 1)
        for one in badly if self.told == VERBOSE else ():
            yield from _section(one)
        if badly:
            yield from ("", "not passed, by cause")
            yield from _by_cause(causes, _SHOWN_ALONE if self.told == QUIET else max(_SHOWN_EACH, _SHOWN // len(causes)))
        elif any(one.changes for one in well):
            yield ""


def _of_all(n: int, n_all: int) -> str:
    return f"{n} of {n_all} session{'' if n_all == 1 else 's'}"


def _section(one: Outcome, n_alike: int = 0) -> Iterator[str]:
    """All that is said of a session that did not pass; and how many others did not pass for its cause."""
    alike = f" and {n_alike} more for the same cause" if n_alike else ""
    yield from ("", f"{printable(one.folder)}{alike}", *(f"  {printable(line)}" for line in one.lines))
    if one.printed:
        yield from ("  printed, at the end", *(f"    {printable(line)}" for line in one.printed))
    if one.page is not None:
        yield printable(f"  page       {one.page}")


def _causes(outcomes: Sequence[Outcome]) -> List[List[Outcome]]:
    """Sessions of one cause together, the commonest cause first."""
    causes: Dict[str, List[Outcome]] = {}
    for one in outcomes:
        causes.setdefault(one.cause or one.verdict, []).append(one)
    return sorted(causes.values(), key=lambda found: -len(found))


def _by_cause(causes: Sequence[Sequence[Outcome]], n_shown: int) -> Iterator[str]:
    """Causes, each with so many of the sessions that it was in; one that is the same everywhere is one line."""
    for found in causes:
        yield printable(f"  {len(found)} session{'' if len(found) == 1 else 's'}: {found[0].cause or found[0].verdict}")
        yield from (printable(f"      {one.folder}{f': {one.missing}' if one.missing else ''}") for one in found[:n_shown])
        if any(one.missing for one in found):
            yield "      evi-harness check lists everything that is wrong with a recording"
        if len(found) > n_shown:
            yield f"      and {len(found) - n_shown} more"


def _times(one: Outcome) -> str:
    return f"{one.recorded_ns / 1e9:8.1f} s in {one.real_s:6.2f} s"
