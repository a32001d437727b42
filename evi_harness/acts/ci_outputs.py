"""CI outputs as an act: write files, print annotations, append to a step summary.

On GitHub Actions annotations and summary are written automatically: environment variables show that a job runs there, and where its summary
goes. An output that cannot be written is an error, since a missing report looks like a passed one. The writers are loaded only when
something is written, which most runs do not need.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Dict, List, Mapping, Optional, Sequence

from evi_harness.errors import EviHarnessError
from evi_harness.guard.variables import variables_in
from evi_harness.settings.redrawing import CI_VARIABLES, is_set
from evi_harness.settings.sink import redacted, write_file

if TYPE_CHECKING:
    from evi_harness.acts.measured_runs import Replayed
    from evi_harness.acts.replay import ReplayResult
    from evi_harness.report.check_report import CheckReport
    from evi_harness.report.ci import Case
    from evi_harness.report.corpus_report import Outcome
    from evi_harness.report.drift_report import LiveReport
    from evi_harness.report.gate_report import GateReport

__all__ = [
    "CiOptions",
    "cases_of_check",
    "cases_of_result",
    "ci_for",
    "handler_file",
    "is_unattended",
    "replay_case",
    "tell_ci",
    "tell_failure",
    "without_ci",
]

_SUMMARY = "GITHUB_STEP_SUMMARY"
_ACTIONS = "GITHUB_ACTIONS"
_PROGRAM = "evi-harness"
# What CI servers set, and what pytest itself sets.
_UNATTENDED = (*CI_VARIABLES, "PYTEST_CURRENT_TEST", "PYTEST_VERSION")


@dataclass(frozen=True)
class CiOptions:
    """The outputs for a CI server, and where they go.

    Attributes:
        junit: The JUnit file, None for none; written anew.
        summary: The Markdown file, None for none; added to.
        annotate: Whether marks are printed for GitHub.
    """

    junit: Optional[Path] = None
    summary: Optional[Path] = None
    annotate: bool = False

    @property
    def is_needed(self) -> bool:
        """Whether there is any output."""
        return self.junit is not None or self.summary is not None or self.annotate


def ci_for(
    junit_file: Optional[Path] = None, summary_file: Optional[Path] = None, environment: Optional[Mapping[str, str]] = None
) -> CiOptions:
    """What is to be told here: what is asked for, and on GitHub Actions marks and summary.

    Args:
        junit_file: The JUnit file, None for none.
        summary_file: The Markdown file, None for the one that the environment names.
        environment: None for the process's own.
    """
    here = os.environ if environment is None else environment
    named = here.get(_SUMMARY)
    return CiOptions(junit_file, summary_file or (Path(named) if named else None), here.get(_ACTIONS) == "true")


def is_unattended(environment: Optional[Mapping[str, str]] = None) -> bool:
    """Whether nobody is there to be asked, even on a terminal: a CI server or pytest runs this.

    Args:
        environment: None for the process's own.
    """
    here = os.environ if environment is None else environment
    return any(is_set(here, name) for name in _UNATTENDED)


def without_ci(environment: Mapping[str, str]) -> Dict[str, str]:
    """An environment for what is run many times, and is to tell a CI server nothing."""
    return {name: value for name, value in variables_in(environment).items() if name not in (_SUMMARY, _ACTIONS)}


def replay_case(result: ReplayResult, *, file: Optional[str] = None, line: Optional[int] = None) -> Case:
    """A replay as a case.

    Args:
        result: What it found.
        file: The file to mark, such as the handler's.
        line: The line in it.
    """
    from evi_harness.measure.thresholds import FAILED, PASSED
    from evi_harness.report.ci import Case

    outcome = PASSED if result.passed else FAILED
    case = Case("replay", _name(result), outcome, result.summary, tuple(result.lines()), result.report.real_s, file, line)
    return replace(case, marked=result.report.first_line)


def cases_of_result(result: Replayed, handler: object) -> List[Case]:
    """The cases of what ``evi-harness replay`` did, each with the handler's file.

    Args:
        result: Of one replay, of one session several times, of many sessions or of a live one.
        handler: The handler, as it was given.
    """
    from evi_harness.acts.repeating import RepeatedReplay
    from evi_harness.measure.thresholds import FAILED
    from evi_harness.report.ci import Case
    from evi_harness.report.corpus_report import CorpusReport
    from evi_harness.report.drift_report import LiveReport
    from evi_harness.report.migration_table import MigrationTable

    file = handler_file(handler)
    if isinstance(result, CorpusReport):
        return [_outcome_case(one, file) for one in result.outcomes]
    if isinstance(result, RepeatedReplay):
        return [replace(replay_case(one, file=file), name=f"{_name(one)} run {number}") for number, one in enumerate(result.results, 1)]
    if isinstance(result, LiveReport):
        return [_live_case(result)]
    if isinstance(result, MigrationTable):
        held = (Case("live", one.name, FAILED, one.refused) if one.report is None else _live_case(one.report) for one in result.sessions)
        return list(held)
    return [replay_case(result, file=file)]


def _live_case(report: LiveReport) -> Case:
    from evi_harness.measure.thresholds import FAILED, PASSED
    from evi_harness.report.ci import Case

    return Case("live", report.recorded.name, PASSED if report.passed else FAILED, report.verdict_text, tuple(report.lines()))


def cases_of_check(report: CheckReport) -> List[Case]:
    """The cases of ``evi-harness check``: each session, with the file and the line of its first problem."""
    from evi_harness.measure.thresholds import FAILED, PASSED
    from evi_harness.report.ci import Case

    cases = []
    for one in report.checked:
        first, n_more = next(iter(one.problems), None), len(one.problems) - 1
        more = f" And {n_more} more problem{'' if n_more == 1 else 's'}." if n_more > 0 else ""
        file = None if first is None else str(Path(one.folder, first.file))
        line, what = (None, "") if first is None else (first.line, f"{first}{more}")
        cases.append(Case("check", one.folder, PASSED if first is None else FAILED, what, tuple(one.lines()), file=file, line=line))
    return cases


def _outcome_case(outcome: Outcome, file: Optional[str]) -> Case:
    from evi_harness.measure.thresholds import FAILED, PASSED
    from evi_harness.report.ci import ERROR, Case

    found = {0: PASSED, 1: FAILED}.get(outcome.exit_code, ERROR)
    told = (*outcome.lines, *outcome.printed)
    return Case("replay", outcome.folder, found, outcome.verdict, told, outcome.real_s, file, marked=outcome.first_line)


def _name(result: ReplayResult) -> str:
    return result.redactor.string(result.report.recorded.name or result.report.recorded.header.id)


def handler_file(handler: object) -> Optional[str]:
    """The file of a handler's SPEC, where it names one."""
    name = handler.rpartition(":")[0] if isinstance(handler, str) else ""
    return name if name.endswith(".py") else None


def tell_ci(
    options: CiOptions, cases: Sequence[Case] = (), gates: Sequence[GateReport] = (), write: Callable[[str], object] = print
) -> List[Case]:
    """Tell a CI server.

    Args:
        options: What, and where.
        cases: Replays and tests.
        gates: Gates, whose cases are added.
        write: Takes the lines that GitHub reads on standard output.

    Returns:
        All cases.

    Raises:
        EviHarnessError: A file cannot be written.
    """
    from evi_harness.report.ci import gate_cases, github_annotations, junit, summary

    told = [_discreet(case) for case in (*cases, *(case for report in gates for case in gate_cases(report)))]
    if options.junit is not None:
        write_file(options.junit, junit(told))
    if options.summary is not None and told:
        write_file(options.summary, summary(told, gates), "a")
    if options.annotate:
        for line in github_annotations(told):
            write(line)
    return told


def tell_failure(options: CiOptions, command: str, exit_code: int, told: str, write: Callable[[str], object] = print) -> None:
    """Tell a CI server that a command could not do its work. Raises nothing: the error itself is told by whoever runs this.

    Args:
        options: What, and where.
        command: Its name.
        exit_code: What it exits with.
        told: The error in the words of its users.
        write: Takes the lines that GitHub reads.
    """
    from evi_harness.measure.thresholds import FAILED
    from evi_harness.report.ci import ERROR, Case

    lines = redacted(told).splitlines()
    with suppress(EviHarnessError):
        outcome = FAILED if exit_code == 1 else ERROR
        tell_ci(options, [Case(_PROGRAM, command, outcome, lines[0], tuple(lines))], write=write)


def _discreet(case: Case) -> Case:
    """A case without secrets, before what reads it has its own way of escaping."""
    return replace(
        case,
        suite=redacted(case.suite),
        name=redacted(case.name),
        what=redacted(case.what),
        detail=tuple(map(redacted, case.detail)),
        file=None if case.file is None else redacted(case.file),
        marked=None if case.marked is None else (redacted(case.marked[0]), case.marked[1]),
    )
