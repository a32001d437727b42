"""Findings: faults regardless of the recording. The table of their kinds, and those in a replay's notes.

A finding is a note that the observing room wrote, made comparable; what follows from the events alone is found by ``falling_behind`` and
``rejections``. docs/reference/findings.md has a section for each kind.

Rules of living here: a kind is a row of ``FINDINGS``; how much it weighs is data, and can be set; no judgement is added but that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Dict, Iterable, List, Mapping, Optional, Tuple

from evi_harness.errors import UsageError
from evi_harness.session.events import NOTHING, Note
from evi_harness.session.notes import DUE, finding_facts
from evi_harness.session.places import Place, Sources
from evi_harness.session.session import Session

__all__ = [
    "ERROR",
    "FINDINGS",
    "OFF",
    "SEVERITIES",
    "WARNING",
    "Finding",
    "FindingKind",
    "findings",
    "recorded_seqs",
    "severities_of",
    "weighed",
]

# An error fails the replay, a warning is told and does not, what is off is not told.
ERROR = "error"
WARNING = "warning"
OFF = "off"
SEVERITIES = (ERROR, WARNING, OFF)


@dataclass(frozen=True)
class FindingKind:
    """A row of ``FINDINGS``.

    Attributes:
        says: What a finding of this kind says.
        severity: What it weighs unless somebody sets it: one of ``SEVERITIES``.
        has_note: Whether the run writes a note of this kind; without one, the judging finds it in the events afterwards.
        found_at: The words before its place in a report, where its own sentence does not name the place; else empty.
    """

    says: str
    severity: str = ERROR
    has_note: bool = True
    found_at: str = ""


FINDINGS: Mapping[str, FindingKind] = {
    "raised": FindingKind("the handler raised an exception"),
    "swallowed": FindingKind("nobody handled an exception: in a task that is never awaited, or in a callback of the event loop"),
    "exits": FindingKind("the handler ended its process"),
    # The conversation was over, and nobody was left to miss it.
    "exits_at_end": FindingKind("the handler ended its process after the conversation", WARNING),
    "stops_loop": FindingKind("the handler stopped the event loop that it runs on"),
    "cancels_tasks": FindingKind("the handler cancelled tasks that it did not start"),
    "crashed": FindingKind("the process died while the handler ran"),
    "forked_child": FindingKind("a child process that the handler forked went on with the conversation"),
    "unparseable": FindingKind("the installed SDK cannot parse a message", found_at="to be handled at"),
    # The app may do without what is missing, or know the messages of its service; and it may ask by itself how the connection was closed.
    "misread": FindingKind("the SDK made of a message what it is not, and did not say so", WARNING),
    "cut_off": FindingKind("the service ended the session early, and the SDK passed that off as its end", WARNING),
    "blocked": FindingKind("the event loop was blocked"),
    # The machine may have run something else meanwhile, and nobody is judged by that.
    "maybe_blocked": FindingKind("the event loop may have been blocked; only real time shows it, not processor time", WARNING),
    "falls_behind": FindingKind("messages wait longer and longer for the handler", has_note=False),
    # It is a sample of the processor of this machine.
    "too_slow": FindingKind("the app computes too much to keep up in real time", WARNING, has_note=False),
    "never_returns": FindingKind("a callback of the handler never returned"),
    "leaked_task": FindingKind("a task of the handler was still pending at the end"),
    "leaked_thread": FindingKind("a thread of the handler was still running at the end"),
    "never_awaited": FindingKind("a coroutine was created but never awaited"),
    "open_socket": FindingKind("a connection that the handler opened was still open at the end"),
    # Who closed a moment ago may not know yet; and the library raises, so that nothing is lost in silence.
    "sends_after_close": FindingKind("the handler sent a message after the connection had closed", WARNING),
    "network": FindingKind("the handler tried to use the network"),
    # It works, and only what it does is outside of the replay's time.
    "own_loop": FindingKind("the handler runs a second event loop, which ignores virtual time", WARNING),
    "rejected": FindingKind("a message was sent that the service does not accept", has_note=False, found_at="sent at"),
    "plays_on": FindingKind("the handler played on after an interruption"),
    "never_played": FindingKind("audio was received but never played"),
    "plays_nothing": FindingKind("audio was received, but none was passed on for playback"),
    "wrong_audio": FindingKind("the audio played is not the audio received"),
    "wrong_length": FindingKind("the audio played is the audio received, but its length differs"),
    "wrong_truncation": FindingKind("the app reported the wrong amount of a reply as heard"),
    # Whoever changes the volume or the rate has a reason; and what cannot be judged is not wrong for that.
    "changed_audio": FindingKind("the app changed the audio before it was played", WARNING),
    "unjudged_audio": FindingKind("the audio played cannot be compared with the audio received", WARNING),
    "played_twice": FindingKind("audio was played more than once"),
    "out_of_order_audio": FindingKind("audio was played out of order"),
    # An app may hold audio back for reasons of its own, and still be right.
    "underrun": FindingKind("playback paused although the next audio had already arrived", WARNING),
}


@dataclass(frozen=True)
class Finding:
    """A fault, regardless of the recording.

    Attributes:
        kind: One of ``FINDINGS``.
        what: One sentence.
        at_ns: When it happened, in live time.
        live_seq: The event of the replay's session that it concerns, if any.
        recorded_seq: The event of the recording that this one repeats, if any.
        ended: Whether it ended the connection.
        detail: More lines for people.
        consequences: Events of the recording that did not happen because of it, by seq; not counted.
        severity: ``error`` or ``warning``.
        places: Places in the developer's code, innermost first.
    """

    kind: str
    what: str
    at_ns: int
    live_seq: Optional[int] = None
    recorded_seq: Optional[int] = None
    ended: bool = False
    detail: Tuple[str, ...] = ()
    consequences: Tuple[int, ...] = ()
    severity: str = ERROR
    places: Tuple[Place, ...] = ()

    @property
    def fails(self) -> bool:
        """Whether it fails the replay."""
        return self.severity == ERROR


def recorded_seqs(live: Session) -> Dict[int, int]:
    """Which event of the recording each received event of a replay repeats, by seq."""
    found = ((note.of, due.recorded_seq) for note, due in live.noted(DUE))
    return {live_seq: seq for live_seq, seq in found if live_seq is not None and seq is not None}


def findings(live: Session) -> List[Finding]:
    """The findings that stand in the notes of a replay, in the order of these, each with the severity of its kind.

    Args:
        live: The session that the replay yielded. A note that is a finding has ``what``, and may have ``detail``, ``places`` and
            ``ended``, and ``at_ns`` where it was written later than what it tells of.
    """
    repeats, notes = recorded_seqs(live), live.notes
    sources = Sources(notes)
    return [_finding(note, repeats, sources) for note in notes if note.name in FINDINGS]


def _finding(note: Note, repeats: Mapping[int, int], sources: Sources) -> Finding:
    row = FINDINGS[note.name]
    facts = finding_facts(note)
    return Finding(
        kind=note.name,
        # What has not even a sentence is wrong all the same.
        what=facts.what or row.says,
        at_ns=note.at_ns if facts.at_ns is None else facts.at_ns,
        live_seq=note.of,
        recorded_seq=None if note.of is None else repeats.get(note.of),
        ended=facts.ended,
        detail=tuple(facts.detail),
        severity=row.severity,
        places=sources.of(note.data),
    )


def severities_of(given: Mapping[str, str]) -> Dict[str, str]:
    """The severity of each kind.

    Args:
        given: Severities that are set, by kind; the rest is as the table has it.

    Raises:
        UsageError: There is no such kind, or no such severity.
    """
    for kind, severity in given.items():
        if kind not in FINDINGS:
            raise UsageError(f"there is no finding {kind!r}", hint=f"There are: {', '.join(FINDINGS)}.")
        if severity not in SEVERITIES:
            raise UsageError(f"{severity!r} is not a severity, for {kind}", hint=f"There are: {', '.join(SEVERITIES)}.")
    return {**{kind: row.severity for kind, row in FINDINGS.items()}, **given}


def weighed(found: Iterable[Finding], given: Mapping[str, str] = NOTHING) -> List[Finding]:
    """Findings with their severities, without those that are off, in time.

    Args:
        found: The findings.
        given: Severities that are set, by kind.

    Raises:
        UsageError: There is no such kind, or no such severity.
    """
    severities = severities_of(given)
    kept = (replace(one, severity=severities[one.kind]) for one in found if severities[one.kind] != OFF)
    return sorted(kept, key=lambda one: one.at_ns)
