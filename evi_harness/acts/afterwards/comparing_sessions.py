"""Compare as an act: two sessions, or two folders of sessions matched by name, turn by turn."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Callable, Dict, List, Optional, Tuple, Union

from evi_harness.bounds import TIME, require_number
from evi_harness.dialects import dialect_of
from evi_harness.errors import EviHarnessError, SessionUnreadable, UsageError
from evi_harness.measure.measuring import measure
from evi_harness.redacting.redaction import Redactor
from evi_harness.replay.judging.differences import Difference
from evi_harness.replay.judging.session_comparison import ComparedSide, Parting, SessionComparison, compare_sessions
from evi_harness.report.comparison_report import ComparedPair, ComparisonReport
from evi_harness.session.header import SYNTHESISED
from evi_harness.session.session import Session
from evi_harness.storage.layout import EVENTS_FILE, HEADER_FILE
from evi_harness.verdicts.loading import find_sessions, load_session
from evi_harness.verdicts.redacted_views import Discreet, discreet_session, redactor_for

__all__ = ["TOLERANCE_MS", "compare", "compared_sessions"]

# Replays of one recording in virtual time are within this of it, at any speed of the machine; nobody hears less.
TOLERANCE_MS = 100.0
# What is compared of how long things took. None of them needs a speech detector.
_METRICS = ("turn_gap.told", "response", "tool.app", "tool.service")
# What a new session's folder has before and behind the name of the one that it repeats.
_STAMP = re.compile(r"^\d{8}T\d{6}Z-")
_MADE_OF = re.compile(r"-(?:replay|live)(?:-\d+)?$")


def compare(
    first: Union[str, Path],
    second: Union[str, Path],
    *,
    tolerance_ms: Optional[float] = TOLERANCE_MS,
    on_part: Callable[[float], object] = lambda _: None,
) -> ComparisonReport:
    """Compare two sessions, or two folders of sessions.

    Args:
        first: A session folder, or a folder of them.
        second: The same. Sessions in folders are matched by name: the path below the folder, without the time before it and without
            ``-replay`` or ``-live`` behind it; of several of one name the n-th with the n-th.
        tolerance_ms: By how much two times may differ, in milliseconds; None to compare no times.
        on_part: Called with how much is done, 0 to 1, when a pair of two folders is compared.

    Returns:
        The report. A session of a folder that cannot be read is told there.

    Raises:
        UsageError: One is a session and the other a folder of them; the tolerance is below 0 or no number.
        SessionUnreadable: One of two sessions cannot be read; there is no session in a folder.
    """
    if tolerance_ms is not None:
        require_number("tolerance_ms", tolerance_ms, TIME)
    places = Path(first), Path(second)
    found = [find_sessions([place], damaged=True) for place in places]
    is_one = [sessions == [place] and _is_session(place) for sessions, place in zip(found, places)]
    for place, sessions in zip(places, found):
        if sessions == [place] and not _is_session(place) and place.is_dir():
            raise SessionUnreadable("there is no session here", where=str(place), hint="Name a session folder, or a folder of them.")
    if is_one[0] is not is_one[1]:
        session, folder = places if is_one[0] else places[::-1]
        raise UsageError(f"{session} is a session, and {folder} is a folder of sessions", hint="Name two sessions, or two folders of them.")
    if is_one[0]:
        comparison = compared_sessions(load_session(places[0]), load_session(places[1]), tolerance_ms)
        pair = ComparedPair(places[0].name, str(places[0]), str(places[1]), comparison)
        return ComparisonReport(str(first), str(second), (pair,))
    named = [_named(sessions, place) for sessions, place in zip(found, places)]
    names = sorted({*named[0], *named[1]})
    pairs = []
    for name in names:
        pairs.append(_pair(name, named[0].get(name), named[1].get(name), tolerance_ms))
        on_part(len(pairs) / len(names))
    return ComparisonReport(str(first), str(second), tuple(pairs), is_of_folders=True)


def compared_sessions(first: Session, second: Session, tolerance_ms: Optional[float] = TOLERANCE_MS) -> SessionComparison:
    """Compare two sessions; no secret is in what comes of it."""
    redactor = redactor_for(first, second)
    sides = []
    for session in (first, second):
        discreet = discreet_session(session, redactor)
        took, untimed = _took(session)
        sides.append(ComparedSide(discreet, Discreet(dialect_of(session), redactor), took, untimed))
    return _discreet(compare_sessions(sides[0], sides[1], tolerance_ms), redactor)


def _discreet(found: SessionComparison, redactor: Redactor) -> SessionComparison:
    """A comparison whose words and values hold no secrets."""

    def partings(of: Tuple[Parting, ...]) -> Tuple[Parting, ...]:
        return tuple(replace(one, first=word(one.first), second=word(one.second), differences=values(one.differences)) for one in of)

    def word(text: Optional[str]) -> Optional[str]:
        return None if text is None else redactor.string(text)

    def values(of: Tuple[Difference, ...]) -> Tuple[Difference, ...]:
        return tuple(Difference(redactor.string(one.path), redactor.data(one.recorded), redactor.data(one.live)) for one in of)

    turns = tuple(replace(turn, user=redactor.string(turn.user), partings=partings(turn.partings)) for turn in found.turns)
    remarks = tuple(map(redactor.string, found.remarks))
    return replace(found, opening=partings(found.opening), turns=turns, ending=partings(found.ending), remarks=remarks)


def _took(session: Session) -> Tuple[Dict[Tuple[int, str], Tuple[float, ...]], str]:
    """How long things took, by turn and metric; and why nobody knows."""
    measured = measure(session, dialect_of(session))
    # Times that somebody made up are nobody's; those of a replay are the app's own, where they are not the recording's.
    is_timed = session.header.recorded.times != SYNTHESISED
    took: Dict[Tuple[int, str], Tuple[float, ...]] = {}
    for sample in measured.samples:
        if is_timed and sample.metric in _METRICS and sample.turn is not None and sample.value is not None:
            key = (sample.turn, sample.metric)
            took[key] = (*took.get(key, ()), sample.value)
    return took, measured.untimed or ""


def _is_session(place: Path) -> bool:
    """Whether a place is one session; what is not a folder would have to be."""
    return not place.is_dir() or any((place / mark).is_file() for mark in (HEADER_FILE, EVENTS_FILE))


def _named(sessions: List[Path], top: Path) -> Dict[str, Path]:
    """Sessions by their names; of several of one name, the later ones have a number."""
    counts: Counter[str] = Counter()
    named = {}
    for session in sessions:
        below = session.relative_to(top)
        name = str(below.with_name(_MADE_OF.sub("", _STAMP.sub("", below.name)) or below.name))
        counts[name] += 1
        named[name if counts[name] == 1 else f"{name} ({counts[name]})"] = session
    return named


def _pair(name: str, first: Optional[Path], second: Optional[Path], tolerance_ms: Optional[float]) -> ComparedPair:
    folders = None if first is None else str(first), None if second is None else str(second)
    try:
        loaded = [load_session(folder) for folder in (first, second) if folder is not None]
        comparison = compared_sessions(loaded[0], loaded[1], tolerance_ms) if len(loaded) > 1 else None
    except EviHarnessError as error:
        return ComparedPair(name, *folders, refused=redactor_for().string(str(error).splitlines()[0]))
    return ComparedPair(name, *folders, comparison)
