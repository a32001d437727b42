"""Decide which pages reports and session folders need: a report names its recording and the session of its replay.

Rules of living here: a report may come from a stranger, or from another machine. What it names and is not there is said on the page, and
what cannot be read is an error.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Callable, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

from evi_harness.acts.paging.page_folder import INDEX, PageNames, made_folder, write_index
from evi_harness.acts.paging.page_making import Page, PageSubject, ShownSession, nobody_asks, page_of_session, write_page
from evi_harness.acts.paging.page_place import page_place
from evi_harness.audio.page_tracks import OGG
from evi_harness.errors import EviHarnessError, ReportError, SessionError, SessionUnreadable, UsageError
from evi_harness.input_file import read_file
from evi_harness.pages.index_file import FAILED, NO_PAGE, PASSED, Indexed
from evi_harness.pages.page_document import RECORDED, REPLAYED
from evi_harness.pages.problem_list import verdict_told
from evi_harness.pages.told_besides import is_passed, not_held
from evi_harness.report.plain import printable
from evi_harness.report.replay_report import SCHEMA
from evi_harness.session.foreign_text import json_value
from evi_harness.session.json_value import Json
from evi_harness.session.session import Session
from evi_harness.settings.new_folder import near
from evi_harness.storage.digest import recording_digest
from evi_harness.storage.layout import HEADER_FILE
from evi_harness.verdicts.axis import Axis
from evi_harness.verdicts.loading import find_sessions, load_session

__all__ = ["NamedSubject", "PagesWritten", "named_subjects", "write_named_pages"]

_REPORT = "report"
_MAX_VALUES = 5_000_000
_HINT = "evi-harness replay --json FILE writes one."
_NOT_KEPT = "the replay was not kept as a session, so the page shows and plays the recording"
_GONE = "the session of the replay no longer exists, so the page shows and plays the recording"
_CHANGED = "the recording has changed since the replay: its digest differs"
_OTHER = "another session is in the recording's place, so only the replay is shown"


@dataclass(frozen=True)
class NamedSubject:
    """A page that is to be made.

    Attributes:
        name: What to call its file.
        subject: What it is of.
        judged: The verdict of a gate on this and other sessions that does not hold; empty for none.
    """

    name: str
    subject: PageSubject
    judged: str = ""


def named_subjects(places: Sequence[Path]) -> Iterator[NamedSubject]:
    """The pages that are meant by some places, one after the other: no more than one page's sessions are in memory.

    Args:
        places: Reports as JSON files, session folders, and folders of them.

    Raises:
        SessionUnreadable: A session cannot be read.
        ReportError: A file is not a report of a replay, or cannot be read.
    """
    for one in _meant(places):
        if isinstance(one, _Unreadable):
            raise one.error
        yield one


@dataclass(frozen=True)
class _Unreadable:
    """A session that cannot be read: its folder, or what a report calls it."""

    shown: str
    error: EviHarnessError


def _meant(places: Sequence[Path]) -> Iterator[Union[NamedSubject, _Unreadable]]:
    for place in places:
        if place.is_file() and not (place.parent / HEADER_FILE).is_file():
            told = _read(place)
            gate = told.get("gate")
            judged = not_held(gate) if isinstance(gate, Mapping) and isinstance(told.get("sessions"), list) else ""
            remarks_of_gate = (f"the gate on all sessions: {judged}",) if judged else ()
            for report, remarks in _reports_in(told, place):
                try:
                    named = _of_report(report, place, (*remarks_of_gate, *remarks))
                except SessionError as error:
                    yield _Unreadable(str(report.get("session")), error)
                else:
                    yield replace(named, judged=judged)
        else:
            for folder in find_sessions([place], damaged=True):
                try:
                    session = load_session(folder)
                except EviHarnessError as error:
                    yield _Unreadable(near(folder), error)
                else:
                    yield NamedSubject(folder.name, page_of_session(session, folder))


@dataclass(frozen=True)
class PagesWritten:
    """Pages that were written.

    Attributes:
        pages: The pages, in order.
        index: Their index, None where there is one page alone.
        refused: Of each session that cannot be read and so has no page, which it is and why.
    """

    pages: Tuple[Page, ...]
    index: Optional[Path] = None
    refused: Tuple[str, ...] = ()

    @property
    def first(self) -> Path:
        """What to look at first: the index, or the page."""
        return self.pages[0].file if self.index is None else self.index

    def lines(self) -> List[str]:
        """What to tell people: each page with its size, and the index."""
        told = [f"{printable(near(page.file))}: {page.n_bytes / 1e6:.1f} MB" for page in self.pages]
        return told if self.index is None else [*told, printable(near(self.index))]


def write_named_pages(
    places: Sequence[Path], out: Path, *, audio_format: str = OGG, progress: Callable[[int, int], object] = nobody_asks
) -> PagesWritten:
    """Write the pages that are meant by some places.

    Args:
        places: See ``named_subjects``.
        out: The file; where there are several pages, or it is a folder already, the folder, which is made where it is not there.
        audio_format: What the sound is compressed to: see ``audio.page_tracks.FORMATS``.
        progress: Called, page by page, with how many seconds of sound are done, and how many there are.

    Raises:
        UsageError: Several pages are to go to one file, or no page may be written there: see ``page_place``.
        SessionError: The only session, or its audio, cannot be read. Among several it has a row in the index, and no page.
        ReportError: A file is not a report of a replay, or cannot be read.
        EviHarnessError: A page cannot be written.
    """
    page_place(out / INDEX if out.is_dir() else out)
    subjects = _meant(places)
    first = next(subjects, None)
    if first is None:
        raise ReportError("no session of the report was replayed, so there is nothing to show", where=str(places[0]))
    second = next(subjects, None)
    if second is None and isinstance(first, _Unreadable):
        raise first.error
    if second is None and isinstance(first, NamedSubject) and not out.is_dir():
        return PagesWritten((write_page(first.subject, out, audio_format=audio_format, progress=progress),))
    if out.exists() and not out.is_dir():
        raise UsageError(
            f"several pages need a folder, and {near(out)} is a file", hint="Name a folder; it is created if it does not exist."
        )
    folder, names = made_folder(out), PageNames()
    pages: List[Page] = []
    rows: List[Indexed] = []
    refused: List[str] = []
    judged = ""
    for one in chain([first], [] if second is None else [second], subjects):
        unread = one if isinstance(one, _Unreadable) else None
        if isinstance(one, NamedSubject):
            judged = judged or one.judged
            file = folder / names.file(one.name)
            try:
                pages.append(write_page(one.subject, file, audio_format=audio_format, progress=progress))
                rows.append(indexed(one.subject, file.name))
            except SessionError as error:
                # It was loaded, and its audio is read only now.
                unread = _Unreadable(one.subject.title, error)
        if unread is not None:
            rows.append(Indexed(unread.shown, f"it cannot be read: {unread.error.what}", NO_PAGE))
            told = str(unread.error).partition("\n")[0]
            refused.append(printable(f"{unread.shown}: no page: {told}"))
    return PagesWritten(tuple(pages), write_index(folder, "Sessions", rows, judged), tuple(refused))


def indexed(subject: PageSubject, file: str) -> Indexed:
    """The row of an index that a page gets."""
    is_failed = subject.report is not None and not is_passed(subject.report)
    return Indexed(subject.title, subject.verdict, FAILED if is_failed else PASSED, file)


def _read(file: Path) -> Mapping[str, Json]:
    try:
        told = json_value(read_file(file, _REPORT, ReportError, hint=_HINT).decode("utf-8"), _MAX_VALUES)
    except OSError as error:
        raise ReportError(f"it cannot be read: {error.strerror}", where=str(file)) from None
    except (ValueError, RecursionError) as error:
        raise ReportError(f"it is not readable JSON: {error}", where=str(file), hint=_HINT) from None
    if not isinstance(told, Mapping):
        raise _no_report(file)
    return told


def _no_report(file: Path) -> ReportError:
    return ReportError("it is not the report of a replay", where=str(file), hint=_HINT)


def _reports_in(told: Mapping[str, Json], file: Path) -> List[Tuple[Mapping[str, Json], Tuple[str, ...]]]:
    """The reports of single replays in a report, each with what there is to say of it."""
    sessions = told.get("sessions")
    if isinstance(sessions, list) and "exit_code" in told:
        inner = [one.get("report") for one in sessions if isinstance(one, Mapping)]
        return [found for one in inner if isinstance(one, Mapping) for found in _reports_in(one, file)]
    runs = told.get("runs")
    if isinstance(runs, list) and runs:
        reports = [one.get("report") for one in runs if isinstance(one, Mapping)]
        read = [one for one in reports if isinstance(one, Mapping)]
        if not read:
            raise _no_report(file)
        number, shown = next(((n, one) for n, one in enumerate(read, 1) if one.get("passed") is not True), (1, read[0]))
        n_failed = sum(one.get("passed") is not True for one in read)
        shown = {**shown, "gate": told.get("gate")}
        return [(shown, (f"of {len(read)} runs {n_failed} failed; this is run {number}",))]
    schema = told.get("schema")
    if type(schema) is int and schema > SCHEMA:
        hint = "Was it written by a newer evi-harness?"
        raise ReportError(f"its schema is {schema}, and this version knows {SCHEMA}", where=str(file), hint=hint)
    if schema != SCHEMA or not isinstance(told.get("findings"), list) or not isinstance(told.get("deviations"), list):
        raise _no_report(file)
    return [(told, ())]


def _of_report(report: Mapping[str, Json], file: Path, remarks: Tuple[str, ...]) -> NamedSubject:
    name = report.get("session")
    title = f"{name}, replayed with {report.get('handler')}"
    recorded_at, live_at = _folder(_member(report, "recording").get("path"), report, file), _folder(report.get("folder"), report, file)
    said: List[str] = list(remarks)
    recorded, live = _recorded(recorded_at, report, said), _live(live_at, report, said)
    shown = [] if recorded is None else [ShownSession(RECORDED, "Recorded", recorded, recorded_at, paced_as=live)]
    shown += [] if live is None else [ShownSession(REPLAYED, "Replayed", live, live_at)]
    if not shown:
        raise SessionUnreadable(
            "neither the recording nor the session of the replay is where the report says",
            where=str(file),
            hint=f"The recording was {_member(report, 'recording').get('path')}, seen from {_member(report, 'command').get('cwd')}.",
        )
    subject = PageSubject(title, tuple(shown), report, verdict_told(report), remarks=tuple(said))
    return NamedSubject(str(name) if live_at is None else live_at.name, subject)


def _member(report: Mapping[str, Json], name: str) -> Mapping[str, Json]:
    value = report.get(name)
    return value if isinstance(value, Mapping) else {}


def _folder(said: Json, report: Mapping[str, Json], file: Path) -> Optional[Path]:
    """A session folder that a report names: seen from where it was run, from here, or from the report."""
    if not isinstance(said, str) or not said or "\0" in said:
        return None
    cwd = _member(report, "command").get("cwd")
    from_places = [Path(cwd)] if isinstance(cwd, str) and "\0" not in cwd else []
    for place in (*from_places, Path(), file.parent):
        folder = place / said
        folder = folder.parent if folder.name == HEADER_FILE else folder
        if (folder / HEADER_FILE).is_file():
            return folder
    return None


def _recorded(folder: Optional[Path], report: Mapping[str, Json], said: List[str]) -> Optional[Session]:
    """The recording on the axis on which it was replayed."""
    if folder is None:
        said.append("the recording has moved, so only the replay is shown")
        return None
    session = load_session(folder)
    if session.header.id != report.get("session_id"):
        said.append(_OTHER)
        return None
    digest = _member(report, "recording").get("sha256")
    if isinstance(digest, str) and recording_digest(folder) != digest:
        said.append(_CHANGED)
    options = _member(report, "options")
    asked = [options.get(name) for name in ("speed", "max_gap", "first", "last")]
    if not any(isinstance(one, (str, int, float)) for one in asked):
        return session
    try:
        return Axis.of(*(one if isinstance(one, (str, int, float)) else None for one in asked)).recording(session).session
    except EviHarnessError as error:
        said.append(f"the recording is shown as a whole: {error.what}")
        return session


def _live(folder: Optional[Path], report: Mapping[str, Json], said: List[str]) -> Optional[Session]:
    if folder is None:
        said.append(_NOT_KEPT if report.get("folder") is None else _GONE)
        return None
    return load_session(folder)
