"""The problems of a page, ranked, with where to look and where to listen.

Rules of living here: read off a report's JSON, which may come from a stranger: anything that does not have the form of a finding or a
deviation is skipped. Problems with the same cause are listed once, with the other times below.
"""

from __future__ import annotations

from typing import Any, Dict, Hashable, List, Mapping, Optional, Sequence

from evi_harness.pages.axis_ms import ms, seek_ms
from evi_harness.pages.plain_json import plain_json, value_text
from evi_harness.pages.problem_spans import Spans
from evi_harness.pages.told_besides import told_besides, verdict_with_gate
from evi_harness.replay.judging.code_places import is_silent_return
from evi_harness.replay.judging.deviations import DEVIATIONS
from evi_harness.replay.judging.findings import FINDINGS
from evi_harness.report.one_cause import cause_key
from evi_harness.report.plain import printable
from evi_harness.report.source import from_folder
from evi_harness.session.json_value import Json
from evi_harness.session.places import PLACES, Place, place_json, places_in

__all__ = ["place_shown", "problem_list", "verdict_told"]

_ABSENT = object()
NO_SPANS: Spans = {}
NO_WAITS: Mapping[int, float] = {}
_FALLS_BEHIND = "falls_behind"
_UNDERRUN = "underrun"
# What waits less than this waits for nobody.
_WAITED_MS = 20.0
_MAX_WHOLE = 1 << 62


def problem_list(
    report: Mapping[str, Json],
    side: str,
    recorded_side: str,
    recorded_at_ns: Optional[Mapping[int, int]] = None,
    spans: Spans = NO_SPANS,
    waited_ms: Mapping[int, float] = NO_WAITS,
) -> List[Dict[str, Json]]:
    """The problems that a replay's report tells of.

    Args:
        report: The report; docs/reference/replay-report.schema.json is its schema.
        side: Which side of the page they are on.
        recorded_side: On which side the recording is; the same where the replay's own session is not there.
        recorded_at_ns: When each event of the recording was, by seq; None for an empty one. Where the replay's own session is not there, a
            finding stands where what it is about was in the recording, and one about nothing in particular has no time.
        spans: From when until when findings lasted, on the replay's axis.
        waited_ms: How long messages of the replay waited for the handler, by seq.

    Returns:
        What fails first: what ended the replay, then the rest in time; then what only warns. What only follows from another one is behind
        it, ``because_of`` is the rank of that one, and its ``number`` is that one's and its own: 1.1. What did not happen because of it is
        in ``consequences``.
    """
    cwd = _text(_mapping(report.get("command")).get("cwd"))
    there = (recorded_at_ns or {}) if side == recorded_side else None
    found = [_finding(one, side, cwd, there, spans) for one in _mappings(report.get("findings"))]
    found += [_deviation(one, side, recorded_side, cwd) for one in _mappings(report.get("deviations"))]
    found += [_incomplete(report)] if report.get("incomplete") is True else []
    found += [
        _problem(told, what, None, severity=severity, side=side, at_ms=None, ended=False) for what, severity, told in told_besides(report)
    ]
    return _ranked(_folded(sorted(found, key=_weight)), waited_ms)


def verdict_told(report: Mapping[str, Json]) -> str:
    """The verdict of a report, and of its gate, in words, as far as its JSON holds it."""
    return verdict_with_gate(_replay_verdict(report), report)


def _replay_verdict(report: Mapping[str, Json]) -> str:
    told_so = report.get("verdict")
    if isinstance(told_so, str) and told_so:
        return told_so
    severities = [one.get("severity") for one in _mappings(report.get("findings"))]
    counts = {
        "finding": sum(one != "warning" for one in severities),
        "deviation": len(_mappings(report.get("deviations"))),
        "warning": severities.count("warning"),
    }
    told = [f"{n} {what}{'' if n == 1 else 's'}" for what, n in counts.items() if n]
    if report.get("passed") is True:
        return ", ".join(["passed", *(f"with {one}" for one in told[-1:] if counts["warning"])])
    twice = _mapping(report.get("twice"))
    first = ["the recording is incomplete or damaged"] if report.get("incomplete") is True else []
    return f"failed: {', '.join([*first, *told, *(['two runs differ'] if twice.get('identical') is False else [])])}"


def _weight(problem: Mapping[str, Json]) -> Any:
    at_ms = problem["at_ms"]
    return problem["severity"] != "error", problem["what"] != "incomplete", not problem["ended"], at_ms is None, at_ms or 0.0


def _ranked(problems: Sequence[Dict[str, Json]], waited_ms: Mapping[int, float]) -> List[Dict[str, Json]]:
    """Each with its rank; what did not happen because of another one directly behind that."""
    causes: Dict[int, Dict[str, Json]] = {}
    for one in problems:
        causes.update({seq: one for seq in one["consequences"] if seq not in causes and seq != one["recorded_seq"]})
    behind = next((one for one in problems if one["kind"] == _FALLS_BEHIND), None)
    found = [(one, behind if _waited(one, waited_ms) else causes.get(one["recorded_seq"])) for one in problems]
    # A stranger's report may let two follow from one another; what follows from something that follows is not looked at.
    roots = [one for one, cause in found if cause is None]
    under = {id(root): [one for one, cause in found if cause is root] for root in roots}
    placed = {id(one) for ones in under.values() for one in ones} | {id(one) for one in roots}
    ranked: List[Dict[str, Json]] = []
    n_roots = 0
    for root in [*roots, *(one for one in problems if id(one) not in placed)]:
        rank, n_roots = len(ranked) + 1, n_roots + 1
        ranked.append({"rank": rank, "number": f"{n_roots}", "because_of": None, **root})
        ranked += [
            {"rank": rank + index, "number": f"{n_roots}.{index}", "because_of": rank, **one}
            for index, one in enumerate(under.get(id(root), ()), 1)
        ]
    return ranked


def _waited(problem: Mapping[str, Json], waited_ms: Mapping[int, float]) -> bool:
    """Whether the speaker ran dry since messages with audio waited for the handler, each time: that is what falling behind is."""
    return problem["kind"] == _UNDERRUN and all(_ran_dry_by_waiting(one, waited_ms) for one in (problem, *problem["more"]))


def _ran_dry_by_waiting(moment: Mapping[str, Json], waited_ms: Mapping[int, float]) -> bool:
    seq, at_ms, until_ms = moment["replayed_seq"], moment["at_ms"], moment["until_ms"]
    dry_ms = 0.0 if at_ms is None or until_ms is None else until_ms - at_ms
    return seq in waited_ms and waited_ms[seq] >= max(dry_ms / 2, _WAITED_MS)


def _folded(problems: Sequence[Dict[str, Json]]) -> List[Dict[str, Json]]:
    """Those of one cause as one, the first of them, with what is another in the others."""
    by_cause: Dict[Hashable, Dict[str, Json]] = {}
    for one in problems:
        first = by_cause.setdefault(_cause(one), one)
        if first is not one:
            differences = one["differences"] if one["differences"] != first["differences"] else []
            moment = {name: one[name] for name in ("at_ms", "until_ms", "seek_ms", "recorded_seq", "replayed_seq")}
            first["more"].append({**moment, "differences": differences})
            for name in ("lost", "consequences"):
                first[name] += [row for row in one[name] if row not in first[name]]
    return list(by_cause.values())


def _cause(one: Mapping[str, Json]) -> Hashable:
    words = one["sentence"] or one["title"]
    if one["what"] not in ("finding", "deviation"):
        return one["what"], one["kind"], one["severity"], words
    places = places_in({PLACES: one["places"]})
    paths = (each["path"] for each in one["differences"])
    return one["what"], cause_key(one["kind"], words, places[0] if places else None, paths, fails=one["severity"] == "error")


def _finding(
    one: Mapping[str, Json], side: str, cwd: Optional[str], recorded_at_ns: Optional[Mapping[int, int]], spans: Spans
) -> Dict[str, Json]:
    at_ns = _whole(one.get("at_ns"))
    replayed_ms = ms(at_ns)
    at_ms = replayed_ms if recorded_at_ns is None else ms(recorded_at_ns.get(_whole(one.get("recorded_seq")) or -1))
    lasted = spans.get((_text(one.get("kind")) or "", _whole(one.get("live_seq")), at_ns)) if at_ns is not None else None
    until_ms = None
    if lasted is not None and recorded_at_ns is None:
        at_ms, until_ms = ms(lasted[0]), ms(lasted[1])
    return _problem(
        one,
        "finding",
        cwd,
        severity="error" if one.get("severity") != "warning" else "warning",
        side=side,
        at_ms=at_ms,
        until_ms=until_ms,
        replayed_ms=replayed_ms,
        ended=one.get("ended") is True,
    )


def _deviation(one: Mapping[str, Json], side: str, recorded_side: str, cwd: Optional[str]) -> Dict[str, Json]:
    recorded_ms, replayed_ms = ms(_whole(one.get("recorded_at_ns"))), ms(_whole(one.get("live_at_ns")))
    is_live = replayed_ms is not None and side != recorded_side
    return _problem(
        one,
        "deviation",
        cwd,
        severity="error",
        side=side if is_live else recorded_side,
        at_ms=replayed_ms if is_live else recorded_ms,
        recorded_ms=recorded_ms,
        replayed_ms=replayed_ms,
        ended=one.get("kind") in ("stuck", "over_time", "closed_early"),
    )


def _problem(
    one: Mapping[str, Json],
    what: str,
    cwd: Optional[str],
    *,
    severity: str,
    side: str,
    at_ms: Optional[float],
    until_ms: Optional[float] = None,
    recorded_ms: Optional[float] = None,
    replayed_ms: Optional[float] = None,
    ended: bool,
) -> Dict[str, Json]:
    return {
        "what": what,
        "kind": _text(one.get("kind")) or "",
        "severity": severity,
        "title": _says(what, one) or _plain(one.get("what")) or "",
        "sentence": _plain(one.get("what")) if _says(what, one) else None,
        "observed": _plain(one.get("observed")),
        "expected": _plain(one.get("expected")),
        "to_try": _text(one.get("to_try")),
        "detail": [plain_json(line) for line in _list(one.get("detail")) if isinstance(line, str)],
        "side": side,
        "at_ms": at_ms,
        "until_ms": until_ms,
        "seek_ms": seek_ms(at_ms),
        "recorded_seq": _whole(one.get("recorded_seq")),
        "replayed_seq": _whole(one.get("live_seq")),
        "recorded_ms": recorded_ms,
        "replayed_ms": replayed_ms,
        "differences": [_difference(each) for each in _mappings(one.get("differences"))],
        "places": [place_shown(each, cwd) for each in places_in({PLACES: one.get(PLACES)})],
        "lost": [_plain(row.get("what")) or "" for row in _mappings(one.get("lost"))],
        "more": [],
        "consequences": [seq for seq in map(_whole, _list(one.get("consequences"))) if seq is not None],
        "ended": ended,
        "is_silent_return": what == "deviation" and is_silent_return([line for line in _list(one.get("detail")) if isinstance(line, str)]),
    }


def _says(what: str, one: Mapping[str, Json]) -> Optional[str]:
    """What is wrong, in the words of its kind, for what was measured is told below; None for a kind that is not known here."""
    kind = _text(one.get("kind")) or ""
    if what == "finding":
        return FINDINGS[kind].says if kind in FINDINGS else None
    return DEVIATIONS.get(kind) if what == "deviation" else None


def _incomplete(report: Mapping[str, Json]) -> Dict[str, Json]:
    missing = [line for line in _list(_mapping(report.get("recorded")).get("missing")) if isinstance(line, str)]
    told = {"kind": "incomplete", "what": "the recording is incomplete or damaged", "detail": missing}
    return _problem(told, "incomplete", None, severity="error", side="recorded", at_ms=None, ended=False)


def _difference(one: Mapping[str, Json]) -> Dict[str, Json]:
    sides = {name: one.get(key, _ABSENT) for name, key in (("recorded", "recorded"), ("replayed", "live"))}
    told = {name: None if value is _ABSENT else value_text(value) for name, value in sides.items()}
    return {"path": _text(one.get("path")) or "", **told}


def place_shown(place: Place, cwd: Optional[str]) -> Dict[str, Json]:
    """A place as JSON values, with its path as it is shown.

    Args:
        place: The place.
        cwd: The folder below which paths are shown from there, None for none.
    """
    return {"shown": printable(from_folder(place.file, cwd) or place.file), **place_json(place)}


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


def _mappings(value: Json) -> List[Mapping[str, Json]]:
    return [one for one in _list(value) if isinstance(one, Mapping)]


def _list(value: Json) -> Sequence[Json]:
    return value if isinstance(value, (list, tuple)) else ()


def _plain(value: Json) -> Optional[str]:
    return plain_json(value) if isinstance(value, str) else None


def _text(value: Json) -> Optional[str]:
    return value if isinstance(value, str) else None


def _whole(value: Json) -> Optional[int]:
    # true and false are numbers to Python; and beyond this no time is.
    return value if type(value) is int and abs(value) < _MAX_WHOLE else None
