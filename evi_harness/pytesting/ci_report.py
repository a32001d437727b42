"""What tests that replayed tell when all have run: a CI server a case for each, with the file and line to mark; people what was accepted.

Rules of living here: a test's results are plain data, since they may come from another process. Without a CI server, nothing is collected.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence

from evi_harness.acts.ci_outputs import ci_for, tell_ci
from evi_harness.acts.replay import ReplayResult
from evi_harness.measure.thresholds import FAILED, PASSED
from evi_harness.pytesting.testing import CheckedReplay
from evi_harness.report.ci import Case
from evi_harness.report.gate_report import GateReport
from evi_harness.report.plain import printable

__all__ = ["accepted", "tell_tests", "told_test"]


def accepted(results: Iterable[ReplayResult]) -> List[str]:
    """What replays with ``update`` made of what their sessions expect: the session, what became of its file, each change.

    Args:
        results: The replays; of those in which all was sent that is expected, nothing is told.
    """
    return [line for result in results for line in _accepted(result)]


def _accepted(result: ReplayResult) -> List[str]:
    first, *changes = result.changes() or [""]
    return [f"{result.redactor.string(printable(result.report.recorded.name))}: {first}", *changes] if first else []


def told_test(
    name: str, results: Sequence[CheckedReplay], *, error: Optional[str], seconds: float, file: str, line: Optional[int]
) -> Dict[str, Any]:
    """What there is to tell of one test, as plain data.

    Args:
        name: The test's name.
        results: Its replays.
        error: What it failed with, None where it passed. Behind a test's own assert it is told what is wrong with its replay.
        seconds: How long it took, in real time.
        file: Its file, from the top of the project.
        line: The line to be marked, from 1; None where nobody knows.
    """
    lines = [line for result in results if error is not None and not result.passed for line in result.lines()]
    what = "" if error is None else _what(error, results)
    outcome = PASSED if error is None else FAILED
    told = {"name": name, "outcome": outcome, "what": what, "detail": lines, "seconds": seconds, "file": file, "line": line}
    found = (result.report.first_line for result in results if error is not None and not result.passed)
    return {**told, "marked": next((list(line) for line in found if line is not None), None)}


def _what(error: str, results: Sequence[CheckedReplay]) -> str:
    """The first line of an error; behind one that is not a replay's own, what is wrong with the first replay that failed."""
    first = "".join(error.splitlines()[:1])
    headlines = [result.headline for result in results if not result.passed]
    told = [] if first in headlines else headlines[:1]
    return "; ".join(line for line in [first, *told] if line)


def tell_tests(told: Iterable[Mapping[str, Any]], gates: Sequence[GateReport], write: Callable[[str], object]) -> None:
    """Tell the CI server that runs this, if one does.

    Args:
        told: What ``told_test`` told of each test.
        gates: What all of them were compared with.
        write: Takes the lines that a CI server reads on standard output.

    Raises:
        EviHarnessError: What is to be written cannot be.
    """
    tell_ci(ci_for(), [_case(one) for one in told], gates, write)


def _case(told: Mapping[str, Any]) -> Case:
    marked = told["marked"]
    return Case("test", **{**told, "detail": tuple(told["detail"]), "marked": None if marked is None else tuple(marked)})
