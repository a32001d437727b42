"""Pages of a comparison: both sessions of a pair on one axis, with their differences, and an index for folders."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, Dict, Iterator, List, Mapping, Optional

from evi_harness.acts.paging.page_folder import PageNames, made_folder, write_index
from evi_harness.acts.paging.page_making import PageSubject, ShownSession, nobody_asks, page_of_session, write_page
from evi_harness.acts.paging.page_reports import indexed
from evi_harness.audio.page_tracks import OGG
from evi_harness.errors import UsageError
from evi_harness.pages.index_file import FAILED, NO_PAGE, Indexed
from evi_harness.replay.judging.session_comparison import KINDS, Parting, SessionComparison
from evi_harness.report.comparison_report import ComparedPair, ComparisonReport
from evi_harness.report.plain import printable
from evi_harness.report.values import difference_json
from evi_harness.session.json_value import Json
from evi_harness.session.session import Session
from evi_harness.settings.new_folder import near
from evi_harness.verdicts.loading import load_session

__all__ = ["differences_told", "write_comparison_pages"]

FIRST, SECOND = "a", "b"


def write_comparison_pages(
    report: ComparisonReport, place: Path, *, audio_format: str = OGG, progress: Callable[[int, int], object] = nobody_asks
) -> List[str]:
    """Write what was compared as pages.

    Args:
        report: The comparison.
        place: The file; of folders the folder, which is made where it is not there, with a page for each pair and an index.
        audio_format: What the sound is compressed to: see ``audio.page_tracks.FORMATS``.
        progress: Called, page by page, with how many seconds of sound are done, and how many there are.

    Returns:
        What to tell people.

    Raises:
        UsageError: Folders were compared, and the place is a file; or two sessions were, and it is a folder; or no page may be written
            there: see ``page_place``.
        SessionUnreadable: A session cannot be read any more.
        EviHarnessError: A page cannot be written.
    """
    if not report.is_of_folders and place.is_dir():
        raise UsageError(f"one page needs a file, and {near(place)} is a folder", hint="Name a file.")
    if not report.is_of_folders:
        subject = _subject(report.pairs[0])
        return [] if subject is None else write_page(subject, place, audio_format=audio_format, progress=progress).lines()
    if place.exists() and not place.is_dir():
        raise UsageError(
            f"several pages need a folder, and {near(place)} is a file", hint="Name a folder; it is created if it does not exist."
        )
    folder, names = made_folder(place), PageNames()
    rows = []
    for pair in report.pairs:
        subject = _subject(pair)
        if subject is None:
            rows.append(Indexed(pair.name, pair.verdict, NO_PAGE, None))
            continue
        file = folder / names.file(pair.name)
        write_page(subject, file, audio_format=audio_format, progress=progress)
        row = indexed(subject, file.name)
        rows.append(row if pair.comparison is not None else Indexed(pair.name, pair.verdict, FAILED, file.name))
    index = write_index(folder, f"{report.first} and {report.second}", rows)
    return [f"{'pages':<11}{printable(near(index))}"]


def _subject(pair: ComparedPair) -> Optional[PageSubject]:
    """What the page of a pair is of; None where a session cannot be read."""
    if pair.refused:
        return None
    folders = [Path(folder) for folder in (pair.first, pair.second) if folder is not None]
    sessions = [load_session(folder) for folder in folders]
    if pair.comparison is None:
        return page_of_session(sessions[0], folders[0])
    shown = tuple(
        ShownSession(name, label, session, folder)
        for name, label, session, folder in zip((FIRST, SECOND), ("First", "Second"), sessions, folders)
    )
    told = {"passed": pair.is_same, "deviations": differences_told(pair.comparison, sessions[0], sessions[1])}
    return PageSubject(f"{sessions[0].name} and {sessions[1].name}", shown, told, pair.verdict, remarks=pair.comparison.remarks)


def differences_told(comparison: SessionComparison, first: Session, second: Session) -> List[Dict[str, Json]]:
    """What differs, as a page takes the deviations of a report.

    Args:
        comparison: The comparison.
        first: Its first session, for the times of events.
        second: Its second one.
    """
    at_ns = [{event.seq: event.at_ns for event in session.events} for session in (first, second)]
    found = [_told(one, "the opening", *at_ns) for one in comparison.opening]
    for turn in comparison.turns:
        number = turn.second if turn.first is None else turn.first
        found += [_told(one, f"turn {number}", *at_ns) for one in turn.partings]
    return [*found, *(_told(one, "the end", *at_ns) for one in comparison.ending)]


def _told(one: Parting, where: str, first: Mapping[int, int], second: Mapping[int, int]) -> Dict[str, Json]:
    return {
        "kind": one.kind,
        "what": f"{where}: {KINDS[one.kind]}",
        "recorded_seq": one.first_seq,
        "recorded_at_ns": None if one.first_seq is None else first.get(one.first_seq),
        "live_seq": one.second_seq,
        "live_at_ns": None if one.second_seq is None else second.get(one.second_seq),
        "differences": [difference_json(each) for each in one.differences],
        "detail": list(_detail(one)),
    }


def _detail(one: Parting) -> Iterator[str]:
    for side, text in (("first", one.first), ("second", one.second)):
        yield f"{side}: {'nothing' if text is None else text}"
