"""The report of several conversations that were held again with a service of another dialect: a table, a session a row.

Rules of living here: nothing is judged here; every number has a unit; the last line agrees with the exit code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Iterator, List, Optional, Tuple

from evi_harness.report.drift_report import METRICS, LiveReport, median_change_ns
from evi_harness.report.plain import printable
from evi_harness.report.result import verdict_line
from evi_harness.session.json_value import Json

__all__ = ["MigrationTable", "MovedSession"]

_HEAD = ("session", "turns", "understood", "called", "replied", *(name for name, _ in METRICS), "verdict")


@dataclass(frozen=True)
class MovedSession:
    """One session of several.

    Attributes:
        name: What it is called.
        folder: Its folder.
        report: What came of it, None where it could not be held again.
        refused: Why not; empty where it could.
    """

    name: str
    folder: str
    report: Optional[LiveReport] = None
    refused: str = ""


@dataclass(frozen=True)
class MigrationTable:
    """The report.

    Attributes:
        sessions: The sessions, in the order in which they were held again.
    """

    sessions: Tuple[MovedSession, ...]

    @property
    def reports(self) -> Tuple[LiveReport, ...]:
        """The reports of those that could be held again."""
        return tuple(one.report for one in self.sessions if one.report is not None)

    @property
    def passed(self) -> bool:
        """Whether each conversation reached its end."""
        return not self.exit_code

    @property
    def exit_code(self) -> int:
        """0 passed, 1 failed, 3 where a session could not be held again and no other failed."""
        if any(not one.passed for one in self.reports):
            return 1
        return 3 if len(self.reports) < len(self.sessions) else 0

    @property
    def verdict_text(self) -> str:
        """The verdict in a few words."""
        n, n_refused = len(self.sessions), len(self.sessions) - len(self.reports)
        n_failed = sum(not one.passed for one in self.reports)
        parts = [f"{count} of {n} {what}" for count, what in ((n_failed, "failed"), (n_refused, "could not be repeated")) if count]
        return f"failed: {', '.join(parts)}" if parts else f"passed: {n} session{'' if n == 1 else 's'}"

    def lines(self) -> List[str]:
        """The report for people."""
        return [*self.body(), verdict_line(self.verdict_text)]

    def body(self) -> List[str]:
        """The report for people without its last line, the verdict."""
        rows = [_HEAD, *map(_row, self.sessions)]
        if len(self.reports) > 1:
            rows.append(_all(self.reports))
        widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
        # Numbers stand below one another by their ends.
        table = [[_put(cell, width, column) for column, (cell, width) in enumerate(zip(row, widths))] for row in rows]
        return [*(printable("  ".join(row).rstrip()) for row in table), *map(printable, self._faults())]

    def json(self) -> Dict[str, Json]:
        """The report for programs."""
        return {
            "passed": self.passed,
            "verdict": self.verdict_text,
            "sessions": [
                {
                    "name": one.name,
                    "folder": one.folder,
                    "refused": one.refused or None,
                    "report": None if one.report is None else one.report.json(),
                }
                for one in self.sessions
            ],
        }

    def _faults(self) -> Iterator[str]:
        for one in self.sessions:
            if one.refused:
                yield f"{one.name}: {one.refused}"
            for fault in one.report.faults if one.report is not None else ():
                yield f"{one.name}: FAULT {fault}"


def _put(cell: str, width: int, column: int) -> str:
    return cell.ljust(width) if column in (0, len(_HEAD) - 1) else cell.rjust(width)


def _row(one: MovedSession) -> Tuple[str, ...]:
    report = one.report
    if report is None or report.migration is None:
        return (one.name, *[""] * (len(_HEAD) - 2), "not repeated")
    alike = [str(report.migration.n_alike(kind)) for kind in ("said", "called", "replied")]
    changes = [median_change_ns(report.latencies, field) for _, field in METRICS]
    return one.name, str(report.migration.n_recorded), *alike, *map(_change, changes), report.verdict_text


def _all(reports: Tuple[LiveReport, ...]) -> Tuple[str, ...]:
    moved = [one.migration for one in reports if one.migration is not None]
    alike = [str(sum(one.n_alike(kind) for one in moved)) for kind in ("said", "called", "replied")]
    pairs = tuple(pair for one in reports for pair in one.latencies)
    changes = [median_change_ns(pairs, field) for _, field in METRICS]
    return "all", str(sum(one.n_recorded for one in moved)), *alike, *map(_change, changes), ""


def _change(ns: Optional[float]) -> str:
    return "" if ns is None else f"{ns / 1e6:+.0f} ms"
