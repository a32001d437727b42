"""A page as an act: the sessions and the report that it shows, its sound, and the file.

Rules of living here: a page is written whole or not at all, and only its owner may read it. What is in it holds no secrets; nothing is run.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Mapping, Optional, Tuple, Union

from evi_harness.acts.exports.whole_file import write_pieces
from evi_harness.acts.latency import measure_session
from evi_harness.acts.paging.page_place import page_place
from evi_harness.acts.paging.page_tracks_of import LONG_NS, Sounding, Sounds
from evi_harness.acts.repeating import RepeatedReplay
from evi_harness.acts.replay import ReplayResult
from evi_harness.audio.page_tracks import OGG
from evi_harness.audio.software_speaker import Heard
from evi_harness.dialects import dialect_of
from evi_harness.pages.every_text import every_text
from evi_harness.pages.page_document import RECORDED, REPLAYED, SESSION, PageSide, page_document
from evi_harness.pages.page_file import PageAssets, page_parts
from evi_harness.pages.problem_list import verdict_told
from evi_harness.pages.told_besides import verdict_with_gate
from evi_harness.redacting.redaction import Redactor
from evi_harness.report.drift_report import LiveReport
from evi_harness.report.plain import printable
from evi_harness.session.json_value import Json
from evi_harness.session.session import Session
from evi_harness.settings.new_folder import near
from evi_harness.settings.program import as_started
from evi_harness.settings.sink import redaction
from evi_harness.verdicts.redacted_views import Discreet, discreet_session, redactor_for
from evi_harness.verdicts.speech import AUTO, NOBODY
from evi_harness.version import __version__

__all__ = [
    "Page",
    "PageSubject",
    "ShownSession",
    "nobody_asks",
    "page_of_replay",
    "page_of_result",
    "page_of_session",
    "write_page",
    "write_text_file",
]

ASSETS = Path(__file__).resolve().parents[2] / "assets" / "page"

Progress = Callable[[int, int], object]


def nobody_asks(done: int, total: int) -> None:
    """Nobody wants to know how far it is."""


@dataclass(frozen=True)
class ShownSession:
    """A session that a page shows.

    Attributes:
        id: What the page calls it.
        label: The same for people.
        session: The session.
        folder: Its folder, None where it is in memory.
        heard: What was heard in it, where that is in memory.
        paced_as: The session that says how fast time went by in this one; None for itself.
    """

    id: str
    label: str
    session: Session
    folder: Optional[Path] = None
    heard: Optional[Heard] = None
    paced_as: Optional[Session] = None


@dataclass(frozen=True)
class PageSubject:
    """What a page is of.

    Attributes:
        title: Its title.
        shown: One or two sessions.
        report: The report of a replay as JSON, with its gate's as ``gate`` where there was one; None where there is none.
        verdict: The verdict in words, empty likewise.
        redactor: Knows secrets besides those of the sessions; None for none.
        remarks: What there is to say besides, a sentence each.
    """

    title: str
    shown: Tuple[ShownSession, ...]
    report: Optional[Mapping[str, Json]] = None
    verdict: str = ""
    redactor: Optional[Redactor] = None
    remarks: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Page:
    """A page that was written.

    Attributes:
        file: The file.
        n_bytes: How large it is.
    """

    file: Path
    n_bytes: int

    def lines(self) -> List[str]:
        """What to tell people."""
        return [f"{'page':<11}{printable(near(self.file))}"]


def page_of_session(session: Session, folder: Optional[Path] = None) -> PageSubject:
    """The page of a session alone.

    Args:
        session: The session.
        folder: Its folder, None where it is in memory.
    """
    return PageSubject(session.name or session.header.id, (ShownSession(SESSION, "Session", session, folder),))


def page_of_replay(result: ReplayResult) -> PageSubject:
    """The page of a replay that has just been made.

    Args:
        result: The replay. What was heard is in it, unless it was let go of.
    """
    report, told = result.report, result.json()
    recorded = ShownSession(RECORDED, "Recorded", report.recorded, _recorded_folder(told), paced_as=report.live)
    # What was heard in it is of another axis, where this is not the recorded one.
    recorded = replace(recorded, folder=None) if report.axis else recorded
    replayed = ShownSession(REPLAYED, "Replayed", report.live, heard=result.heard)
    title = f"{report.recorded.name}, replayed with {report.handler}"
    return PageSubject(title, (recorded, replayed), told, result.verdict_text, result.redactor)


def page_of_result(result: Union[ReplayResult, RepeatedReplay, LiveReport], gate: Optional[Mapping[str, Json]] = None) -> PageSubject:
    """The page of what ``evi-harness replay`` yields of one session: of several runs, of the one that the report is of.

    Args:
        result: What was found.
        gate: The report, as JSON, of a gate on it; None where there was none.
    """
    subject = _of_result(result)
    if gate is None:
        return subject
    report = {**(subject.report or {}), "gate": gate}
    return replace(subject, report=report, verdict=verdict_with_gate(subject.verdict, report))


def _of_result(result: Union[ReplayResult, RepeatedReplay, LiveReport]) -> PageSubject:
    if isinstance(result, LiveReport):
        name, folder = result.recorded.name, result.invocation.path
        recorded = ShownSession(RECORDED, "Recorded", result.recorded, None if folder is None else Path(folder))
        live = ShownSession(REPLAYED, "Live", result.live, Path(result.folder))
        told = {"passed": result.passed, "command": result.json()["command"], "faults": list(result.faults)}
        return PageSubject(f"{name}, repeated with {result.endpoint}", (recorded, live), told, result.verdict_text)
    if isinstance(result, RepeatedReplay):
        return replace(page_of_replay(result.shown), remarks=(f"{result.verdict_text}; this is the first that failed, or the first",))
    return page_of_replay(result)


def _recorded_folder(told: Mapping[str, Json]) -> Optional[Path]:
    path, cwd = told["recording"]["path"], told["command"]["cwd"]
    return None if path is None else Path(cwd or ".", path)


def write_page(subject: PageSubject, file: Path, *, audio_format: str = OGG, progress: Progress = nobody_asks) -> Page:
    """Write a page.

    Args:
        subject: What it is of.
        file: The file; a page that is there is replaced. Its folder must be there.
        audio_format: What its sound is compressed to: see ``audio.page_tracks.FORMATS``.
        progress: Called with how many seconds of sound are done, and how many there are.

    Raises:
        UsageError: The file may not be written: see ``page_place``.
        SessionUnreadable: What a page shows cannot be read.
        EviHarnessError: The sound cannot be compressed, or the file cannot be written.
    """
    page_place(file)
    sessions = [one.session for one in subject.shown]
    redactor = redactor_for(*sessions) if subject.redactor is None else subject.redactor
    sounds = Sounds(audio_format, redactor, progress)
    tracks = sounds.tracks([Sounding(one.session, one.folder, one.heard, one.paced_as) for one in subject.shown])
    sides = [_side(one, redactor, subject.report) for one in subject.shown]
    document = page_document(
        subject.title,
        [replace(side, tracks=found) for side, found in zip(sides, tracks)],
        redactor,
        made_with=__version__,
        report=_as_started(subject.report),
        verdict=subject.verdict or ("" if subject.report is None else verdict_told(subject.report)),
        remarks=subject.remarks,
    )
    return Page(file, write_text_file(file, page_parts(_discreet(document), sounds.found, _assets())))


def _as_started(report: Optional[Mapping[str, Json]]) -> Optional[Mapping[str, Json]]:
    """A report whose command starts this program as it was started now: it is copied from the page, and typed as it stands."""
    command = None if report is None else report.get("command")
    again = command.get("again") if isinstance(command, Mapping) else None
    if report is None or not isinstance(command, Mapping) or not isinstance(again, list) or not all(isinstance(one, str) for one in again):
        return report
    cwd = command.get("cwd")
    return {**report, "command": {**command, "again": list(as_started(again, cwd if isinstance(cwd, str) else None))}}


def _side(one: ShownSession, redactor: Redactor, report: Optional[Mapping[str, Json]]) -> PageSide:
    session, dialect = discreet_session(one.session, redactor), Discreet(dialect_of(one.session), redactor)
    late = [] if report is None or one.id != REPLAYED else [each for each in report.get("late") or () if isinstance(each, Mapping)]
    folder = None if one.folder is None else near(one.folder)
    # To listen to half an hour takes longer than all the rest; where the service says when the user spoke, its word is enough.
    detector = NOBODY if session.duration_ns > LONG_NS else AUTO
    return PageSide(one.id, one.label, session, dialect, measure_session(session, detector=detector), folder=folder, late=late)


def _discreet(document: Dict[str, Json]) -> Dict[str, Json]:
    """The document without what is known to be secret by now, but for what is drawn: in that a few letters may stand by chance."""
    tracks = [side.pop("tracks") for side in document["sides"]]
    whole: Dict[str, Json] = every_text(document, redaction())
    for side, found in zip(whole["sides"], tracks):
        side["tracks"] = found
    return whole


def _assets() -> PageAssets:
    template, style = ((ASSETS / name).read_text(encoding="utf-8") for name in ("page.html", "page.css"))
    # The scripts only declare, so any order will do; always the same one makes the same page.
    scripts = (path.read_text(encoding="utf-8") for path in sorted(ASSETS.glob("*.js")))
    return PageAssets(template, style, "\n".join(scripts))


def write_text_file(file: Path, parts: Iterator[str]) -> int:
    """Write a page, or an index of pages, whole or not at all. Only its owner may read it.

    Args:
        file: The file.
        parts: Its text, piece by piece, without secrets.

    Returns:
        How large it is, in bytes.

    Raises:
        UsageError: It may not be written: see ``page_place``.
        EviHarnessError: It cannot be written.
    """
    page_place(file)
    return write_pieces(file, parts, "the page")
