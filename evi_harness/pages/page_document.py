"""The content of a page as one JSON document, which is all that the page's script reads. docs/how-to/report.md describes it.

Rules of living here: no sound is in it but by name; nothing that a report, a session or a measurement does not hold is in it.
"""

from __future__ import annotations

import base64
import shlex
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from evi_harness.measure.client_family import due_ns
from evi_harness.measure.measuring import Measured
from evi_harness.measure.session_times import Reading
from evi_harness.pages.axis_ms import ms
from evi_harness.pages.conversation_lanes import interruptions_lane, tools_lane, transcript, turns_lane
from evi_harness.pages.every_text import every_text
from evi_harness.pages.handler_lane import handled, handler_lane, late_lane
from evi_harness.pages.latency_bars import latency_bars, samples_by_metric
from evi_harness.pages.lost_audio import lost_audio
from evi_harness.pages.messages_lane import messages_lane
from evi_harness.pages.noticed import noticed
from evi_harness.pages.problem_facts import ProblemFacts, with_holes
from evi_harness.pages.problem_list import place_shown, problem_list
from evi_harness.pages.problem_spans import problem_spans
from evi_harness.pages.told_besides import is_passed
from evi_harness.redacting.redaction import Redactor
from evi_harness.replay.judging.turn_alignment import align_turns, said_turns
from evi_harness.session.json_value import Json
from evi_harness.session.protocols import Dialect
from evi_harness.session.session import Session

__all__ = ["ARRIVED", "FORMAT", "HEARD", "RECORDED", "REPLAYED", "SESSION", "USER", "VERSION", "PageSide", "TrackShown", "page_document"]

FORMAT = "evi-harness page"
VERSION = 1

# Sides. A page of one session has one; of two, the first is what the second is compared with.
SESSION = "session"
RECORDED = "recorded"
REPLAYED = "replayed"

# Tracks of a side.
USER = "user"
HEARD = "heard"
ARRIVED = "arrived"
_LABELS = {USER: "User", HEARD: "Heard", ARRIVED: "Arrived"}


@dataclass(frozen=True)
class TrackShown:
    """A track of sound as a page shows it.

    Attributes:
        role: ``USER``, ``HEARD`` or ``ARRIVED``.
        how: How it came about, in a few words.
        is_computed: Whether nobody heard it: it is computed from when the audio came.
        sound: The name of its sound, None where it is only drawn.
        mime: What kind of file the sound is, None likewise.
        why: Why there is no sound, None where there is.
        rate: Frames a second, None where there is no audio.
        length_ns: How long it is.
        peaks: Waveforms: how many milliseconds a bin has, and the greatest sample in each; the finest first.
        remarks: What is missing in it, in sentences.
    """

    role: str
    how: str
    is_computed: bool = False
    sound: Optional[str] = None
    mime: Optional[str] = None
    why: Optional[str] = None
    rate: Optional[int] = None
    length_ns: int = 0
    peaks: Tuple[Tuple[int, bytes], ...] = ()
    remarks: Tuple[str, ...] = ()

    def json(self) -> Dict[str, Json]:
        """The track as JSON values."""
        return {
            "role": self.role,
            "label": _LABELS[self.role],
            "how": self.how,
            "is_computed": self.is_computed,
            "is_collapsed": self.role == ARRIVED,
            "sound": self.sound,
            "why": self.why,
            "mime": self.mime,
            "rate": self.rate,
            "length_ms": ms(self.length_ns),
            "peaks": [{"bin_ms": bin_ms, "data": base64.b64encode(peaks).decode()} for bin_ms, peaks in self.peaks],
            "remarks": list(self.remarks),
        }


@dataclass(frozen=True)
class PageSide:
    """A session on a page.

    Attributes:
        id: What the page calls it, such as ``RECORDED``.
        label: The same for people.
        session: The session, without secrets but in its frames.
        dialect: What it is in; it tells no secrets.
        measured: The session, measured.
        tracks: Its sound, in the order in which it is shown.
        folder: Where it is kept, None where it is not.
        late: What a report says that came late on this side.
    """

    id: str
    label: str
    session: Session
    dialect: Dialect
    measured: Measured
    tracks: Tuple[TrackShown, ...] = ()
    folder: Optional[str] = None
    late: Sequence[Mapping[str, Json]] = ()


def page_document(
    title: str,
    sides: Sequence[PageSide],
    redactor: Redactor,
    *,
    made_with: str,
    report: Optional[Mapping[str, Json]] = None,
    verdict: str = "",
    remarks: Sequence[str] = (),
) -> Dict[str, Json]:
    """The document of a page, without its sounds.

    Args:
        title: What the page is of.
        sides: One or two sessions.
        redactor: Knows the secrets to remove.
        made_with: The version of the harness.
        report: A replay's report as JSON, with its gate's as ``gate`` where there was one; None for a session alone.
        verdict: The verdict of the replay in words, empty likewise.
        remarks: What there is to say besides, a sentence each.
    """
    # Secrets are known by how JSON writes them, so they go before anything is written otherwise.
    told: Mapping[str, Json] = {} if report is None else every_text(report, redactor.string)
    lengths = [side.session.duration_ns for side in sides] + [track.length_ns for side in sides for track in side.tracks]
    state = "none" if report is None else "passed" if is_passed(told) else "failed"
    shown_sides = [_side(side, redactor, beside_replay=sides[-1].id == REPLAYED) for side in sides]
    pairs = _paired_turns(sides)
    document: Dict[str, Json] = {
        "format": FORMAT,
        "version": VERSION,
        "made_with": made_with,
        "title": title,
        "length_ms": ms(max(lengths, default=0)),
        "verdict": {"state": state, "text": verdict},
        "sides": shown_sides,
        "paired_turns": pairs,
        "n_found": sum(len(found) for found in (told.get("findings"), told.get("deviations")) if isinstance(found, list)),
        "problems": [] if report is None else _problems(told, sides, shown_sides, pairs),
        "remarks": [*remarks, *_remarks(told)],
        "command": _command(told),
        "versions": _versions(told, sides[-1].session),
    }
    whole: Dict[str, Json] = every_text(document, redactor.string)
    # What is drawn is no text, and a secret of a few letters may stand in it by chance.
    for shown, side in zip(whole["sides"], sides):
        shown["tracks"] = [track.json() for track in side.tracks]
    return whole


def _side(side: PageSide, redactor: Redactor, *, beside_replay: bool) -> Dict[str, Json]:
    session, dialect = side.session, side.dialect
    reading, had, samples = Reading(session, dialect), handled(session), samples_by_metric(side.measured)
    lane = messages_lane(session, dialect, redactor, had)
    return {
        "id": side.id,
        "label": side.label,
        "session": _session(session, len(reading.turns), side.folder),
        "length_ms": ms(session.duration_ns),
        "tracks": [],
        "turns": turns_lane(reading),
        "messages": lane.messages,
        "density": lane.density,
        "tools": tools_lane(reading, dialect),
        "interruptions": interruptions_lane(reading, samples, due_ns(session)),
        "handler": handler_lane(session, reading.types, had),
        "late": late_lane(session, reading.types, side.late),
        "lost_audio": lost_audio(reading),
        "transcript": transcript(reading, dialect),
        "latency": latency_bars(side.measured, reading, samples, from_message=beside_replay and side.id == RECORDED),
    }


def _paired_turns(sides: Sequence[PageSide]) -> List[List[Optional[int]]]:
    """The turns in order, paired as in a comparison: the number of each on each side, None where a side has no such turn."""
    turns = [side.dialect.turns(side.session.events) for side in sides]
    if len(sides) == 1:
        return [[turn.number] for turn in turns[0]]
    said = [said_turns(side.session, its, side.dialect) for side, its in zip(sides, turns)]
    pairs = align_turns(said[0], said[1])
    return [[None if index is None else its[index].number for index, its in zip(pair, turns)] for pair in pairs]


def _session(session: Session, n_turns: int, folder: Optional[str]) -> Dict[str, Json]:
    header, clock = session.header, session.header.source.get("clock")
    return {
        "name": session.name or header.id,
        "id": header.id,
        "created": header.created,
        "made_by": header.made_by,
        "dialect": header.dialect,
        "service": header.service,
        "clock": clock if isinstance(clock, str) else None,
        "times": header.recorded.times,
        "is_complete": header.complete and not header.counts.get("dropped") and not session.missing,
        "missing": list(session.missing),
        "folder": folder,
        "n_events": len(session.events),
        "n_turns": n_turns,
    }


def _problems(
    report: Mapping[str, Json], sides: Sequence[PageSide], shown: Sequence[Mapping[str, Any]], pairs: Sequence[Sequence[Optional[int]]]
) -> List[Dict[str, Json]]:
    at_ns = {event.seq: event.at_ns for event in sides[0].session.events}
    replayed = shown[-1]
    silent_ns = {one["seq"]: round(one["silent_ms"] * 1e6) for one in replayed["interruptions"] if one["silent_ms"] is not None}
    lost_ns = {one["seq"]: (round(one["begin_ms"] * 1e6), round(one["end_ms"] * 1e6)) for one in replayed["lost_audio"]}
    waited_ms = {
        one["seq"]: one["end_ms"] - one["begin_ms"]
        for one in replayed["handler"]["spans"]
        if one["kind"] == "waiting" and one["seq"] is not None
    }
    found = problem_list(report, sides[-1].id, sides[0].id, at_ns, problem_spans(sides[-1].session, silent_ns, lost_ns), waited_ms)
    # Two sessions that are compared differ, and neither is what the user should have heard.
    is_replay = sides[0].id in (RECORDED, REPLAYED)
    found = [with_holes(one, replayed["lost_audio"]) for one in found] if replayed["id"] == REPLAYED else found
    sounded_ms = {one["seq"]: one["silent_ms"] - one["at_ms"] for one in replayed["interruptions"] if one["silent_ms"] is not None}
    facts = ProblemFacts(sides[-1].session, sounded_ms)
    cwd = _command(report)["cwd"]
    folder = cwd if isinstance(cwd, str) else None
    return [
        {
            **one,
            **_besides(one, facts, folder),
            "noticed": noticed(one, one["consequences"], shown, pairs) if is_replay else None,
        }
        for one in found
    ]


def _besides(problem: Mapping[str, Any], facts: ProblemFacts, cwd: Optional[str]) -> Dict[str, Json]:
    """What the session of a replay tells of a problem besides its report."""
    handled, split = facts.handled(problem), facts.split(problem)
    return {
        # Of one length there is one number on a page: what was heard, of which this names the parts.
        "sentence": problem["sentence"] if split is None else split,
        "waited": facts.waited(problem),
        "handled": None if handled is None else {"words": handled.words, "places": [place_shown(one, cwd) for one in handled.places]},
    }


def _remarks(report: Mapping[str, Json]) -> List[str]:
    """What was not looked at, what could not be, and what might help."""
    found: List[str] = []
    for name in ("notes", "unseen", "hints"):
        value = report.get(name)
        for one in value if isinstance(value, list) else ():
            text = one.get("what") if isinstance(one, Mapping) else one
            found += [text] if isinstance(text, str) else []
    return found


def _command(report: Mapping[str, Json]) -> Dict[str, Json]:
    found = report.get("command")
    told: Mapping[str, Json] = found if isinstance(found, Mapping) else {}
    argv: Json = told.get("again")
    is_command = isinstance(argv, list) and all(isinstance(one, str) for one in argv)
    return {
        "again": " ".join(shlex.quote(one) for one in argv) if is_command else None,
        "cwd": told.get("cwd") if isinstance(told.get("cwd"), str) else None,
        "is_redacted": told.get("is_redacted") is True,
        "test": told.get("test") if isinstance(told.get("test"), str) else None,
    }


def _versions(report: Mapping[str, Json], session: Session) -> Dict[str, str]:
    found = report.get("versions")
    told = found if isinstance(found, Mapping) else session.header.software
    return {str(name): str(version) for name, version in told.items()}
