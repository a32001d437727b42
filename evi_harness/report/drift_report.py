"""The report of a live replay, for terminals and programs.

Rules of living here: nothing is judged here; every number has a unit; what differs is shown and nothing else.
"""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from evi_harness.measure.turn_latency import TurnLatency
from evi_harness.replay.judging.drift import Drift, TypeDrift
from evi_harness.replay.judging.endings import SessionEnding
from evi_harness.replay.judging.session_comparison import Parting, SessionComparison
from evi_harness.report.comparison_report import comparison_json, difference_lines
from evi_harness.report.invocation import UNKNOWN, Invocation, invocation_json
from evi_harness.report.migration_lines import Migration, migration_json, migration_rows
from evi_harness.report.plain import printable
from evi_harness.report.result import verdict_line
from evi_harness.session.figures import milliseconds
from evi_harness.session.json_value import Json
from evi_harness.session.session import Session

__all__ = ["METRICS", "LiveReport", "median_change_ns"]

_WIDE = 11
_SHOWN = 160
_SHOWN_FIELDS = 6
# The latencies that are compared: what people call each, and its field of ``TurnLatency``.
METRICS = (("response", "response_ns"), ("turn gap", "turn_gap_ns"))


@dataclass(frozen=True)
class LiveReport:
    """The report of one live replay.

    Attributes:
        recorded: The recording.
        live: The new session.
        endpoint: The endpoint of the service.
        cadence: How the user was paced: ``turn`` or ``clock``.
        faults: The faults that broke the conversation, one sentence each.
        drift: What differs.
        latencies: For each turn that both sides have: the recorded and the new latency.
        lateness_ns: How late this side sent its frames: ``n`` frames, ``p50``, ``p99`` and ``max`` in nanoseconds.
        folder: The folder of the new session.
        endings: How the recording and the new session ended.
        invocation: How the replay was asked for.
        comparison: Both sessions, compared turn by turn; None if they were not compared, or are in different dialects.
        migration: How the conversation came over, where the new session is in another dialect; None elsewhere.
    """

    recorded: Session
    live: Session
    endpoint: str
    cadence: str
    faults: Tuple[str, ...]
    drift: Drift
    latencies: Tuple[Tuple[TurnLatency, TurnLatency], ...]
    lateness_ns: Mapping[str, Optional[int]]
    folder: str
    endings: Tuple[SessionEnding, SessionEnding]
    invocation: Invocation = UNKNOWN
    comparison: Optional[SessionComparison] = None
    migration: Optional[Migration] = None

    @property
    def passed(self) -> bool:
        """Whether the conversation reached its end."""
        return not self.faults

    @property
    def exit_code(self) -> int:
        """0 passed, 1 failed."""
        return 0 if self.passed else 1

    @property
    def verdict_text(self) -> str:
        """The verdict in a few words."""
        return "passed" if self.passed else f"failed: {len(self.faults)} fault{'' if len(self.faults) == 1 else 's'}"

    def lines(self) -> List[str]:
        """The report for people."""
        return [*self.body(), verdict_line(self.verdict_text)]

    def body(self) -> List[str]:
        """The report for people without its last line, the verdict."""
        return list(self._lines())

    def json(self) -> Dict[str, Json]:
        """The report for programs."""
        return {
            "session": self.recorded.name,
            "session_id": self.recorded.header.id,
            "endpoint": self.endpoint,
            "service": self.live.header.service,
            "cadence": self.cadence,
            "passed": self.passed,
            "faults": list(self.faults),
            "drift": asdict(self.drift),
            "endings": {side: asdict(ending) for side, ending in zip(("recorded", "live"), self.endings)},
            "latencies": [{"recorded": asdict(then), "live": asdict(now)} for then, now in self.latencies],
            "median_change_ns": {name: median_change_ns(self.latencies, field) for name, field in METRICS},
            "lateness_ns": dict(self.lateness_ns),
            "folder": self.folder,
            "comparison": None if self.comparison is None else comparison_json(self.comparison),
            "migration": None if self.migration is None else migration_json(self.migration),
            **invocation_json(self.invocation, self.live.header.software),
        }

    def _lines(self) -> Iterator[str]:
        yield _row(
            "session", f"{self.recorded.name}: {self.recorded.duration_ns / 1e9:.1f} s; repeated in {self.live.duration_ns / 1e9:.1f} s"
        )
        yield _row("service", f"{self.live.header.service} at {self.endpoint}, the user paced by {self.cadence}")
        yield _row("late", f"{self.lateness_ns.get('n') or 0} frames were sent, late by {_lateness(self.lateness_ns)}")
        for fault in self.faults:
            yield _row("FAULT", fault)
        if self.migration is None:
            yield from self._drift()
        else:
            yield from (_row(label, text) for label, text in migration_rows(self.migration))
        yield from self._latency()
        yield _row("written", self.folder)

    def _drift(self) -> Iterator[str]:
        then, now = self.drift.n_turns
        if then != now:
            yield _row("drift", f"{then} turns in the recording, {now} now")
        for one in self.drift.types:
            yield _row("drift", _type(one))
        for text in self.drift.texts:
            yield _row("drift", f"turn {text.turn}, {text.what}:")
            yield _row("", f"  then {_shown(text.recorded)}")
            yield _row("", f"  now  {_shown(text.live)}")
        yield from self._apart()
        recorded, live = self.endings
        # What the service did otherwise is a fault, and told as one.
        if live.by == "app" and not live.is_like(recorded):
            yield _row("drift", "it ended differently:")
            yield _row("", f"  then {recorded}")
            yield _row("", f"  now  {live}")

    def _apart(self) -> Iterator[str]:
        """What was set up otherwise, turns that only one side has, and what was sent otherwise; what was said and called stands above."""
        if self.comparison is None:
            return
        for one in self.comparison.opening:
            yield from _parted(f"before the first turn, {one.kind}", one)
        for turn in self.comparison.turns:
            number = turn.second if turn.first is None else turn.first
            for one in turn.partings:
                if one.kind == "turn":
                    when = "only now" if one.first is None else "only in the recording"
                    yield _row("drift", f"turn {number} came {when}: {_shown(one.second or one.first or '')}")
                elif one.kind in ("sent", "interrupted"):
                    yield from _parted(f"turn {number}, {one.kind}", one)

    def _latency(self) -> Iterator[str]:
        for name, field in METRICS:
            change_ns = median_change_ns(self.latencies, field)
            if change_ns is None:
                yield from _alone(name, [(now.turn, getattr(now, field)) for _, now in self.latencies])
                continue
            both = [(then.turn, getattr(then, field), getattr(now, field)) for then, now in self.latencies]
            each = [f"turn {turn} {then / 1e6:.0f} → {now / 1e6:.0f} ms" for turn, then, now in both if None not in (then, now)]
            yield _row("latency", f"{name} {change_ns / 1e6:+.0f} ms (median): {', '.join(each)}")


def _parted(what: str, one: Parting) -> Iterator[str]:
    """One thing that is otherwise now: where two messages differ, else both."""
    if one.differences:
        yield _row("drift", f"{what}: {_shown(one.first or one.second or '')}")
        yield from (_row("", f"  {line}") for line in difference_lines(one.differences, ("then", "now")))
        return
    yield _row("drift", f"{what}:")
    yield _row("", f"  then {'nothing' if one.first is None else _shown(one.first)}")
    yield _row("", f"  now  {'nothing' if one.second is None else _shown(one.second)}")


def median_change_ns(latencies: Tuple[Tuple[TurnLatency, TurnLatency], ...], field: str) -> Optional[float]:
    """The median of the changes of a latency from then to now, in nanoseconds; None where it is nowhere known of both.

    Args:
        latencies: For each turn, the recorded and the new latency.
        field: The field of ``TurnLatency``.
    """
    pairs = [(getattr(then, field), getattr(now, field)) for then, now in latencies]
    changes = [now - then for then, now in pairs if then is not None and now is not None]
    return statistics.median(changes) if changes else None


def _alone(name: str, values: Sequence[Tuple[int, Optional[int]]]) -> Iterator[str]:
    """What is known of now alone: the times of a recording that nobody measured are nothing to compare with."""
    each = [f"turn {turn} {ns / 1e6:.0f} ms" for turn, ns in values if ns is not None]
    if each:
        yield _row("latency", f"{name}, which the recording does not have: {', '.join(each)}")


def _few(fields: Tuple[str, ...]) -> str:
    more = f" and {len(fields) - _SHOWN_FIELDS} more" if len(fields) > _SHOWN_FIELDS else ""
    return f"{', '.join(fields[:_SHOWN_FIELDS])}{more}"


def _row(label: str, text: str) -> str:
    return f"{label:<{_WIDE}}{printable(text)}"


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…")


def _lateness(lateness_ns: Mapping[str, Optional[int]]) -> str:
    figures = [(name, lateness_ns.get(name)) for name in ("p50", "p99", "max")]
    return ", ".join(f"{name} {milliseconds(ns / 1e6)}" for name, ns in figures if ns is not None) or "nothing"


def _type(one: TypeDrift) -> str:
    name = one.type or "(no type)"
    if not one.n_recorded:
        return f"{name}: new, {one.n_live} came"
    if not one.n_live:
        return f"{name}: gone, {one.n_recorded} came in the recording"
    parts = [f"{what} {_few(fields)}" for what, fields in (("new fields", one.new_fields), ("gone fields", one.gone_fields)) if fields]
    return f"{name}: {'; '.join(parts)}"
