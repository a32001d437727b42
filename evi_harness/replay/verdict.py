"""The verdict on a replay: its deviations and findings, each cause counted once. Read off two sessions and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Mapping, Optional, Tuple

from evi_harness.replay.deviations import Deviation, sent_deviations
from evi_harness.replay.findings import Finding, findings, recorded_seqs
from evi_harness.session.events import Note
from evi_harness.session.protocols import Dialect
from evi_harness.session.session import Session

__all__ = ["Verdict", "judge"]


@dataclass(frozen=True)
class Verdict:
    """What a replay found.

    Attributes:
        deviations: Where it differed from the recording, first divergence first.
        findings: What is wrong in itself, in time.
    """

    deviations: Tuple[Deviation, ...]
    findings: Tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing was found."""
        return not self.deviations and not self.findings


def judge(recorded: Session, live: Session, dialect: Dialect) -> Verdict:
    """Compare a replay with its recording.

    Args:
        recorded: The recording.
        live: The session that the replay yielded, with its notes.
        dialect: What both are in.

    Returns:
        The verdict. An early close that a finding or a stuck app brought about is that one's consequence and no deviation; a recording
        that does not know what was sent compares nothing that was sent.
    """
    found = findings(live)
    deviations = [_stuck(note, recorded_seqs(live)) for note in live.notes if note.name == "stuck"]
    left = _left(live)
    compared, unsent = sent_deviations(recorded, live, dialect, left) if recorded.header.recorded.sent else ([], ())
    if left is not None:
        not_done = (*left, *unsent)
        ended = next((index for index, finding in enumerate(found) if finding.ended), None)
        if ended is not None:
            found[ended] = replace(found[ended], consequences=not_done)
        elif deviations:
            deviations[0] = replace(deviations[0], consequences=not_done)
        else:
            deviations.append(_closed_early(left, not_done, live))
    at_ns = _Times(recorded, live)
    return Verdict(tuple(sorted([*deviations, *compared], key=at_ns.place)), tuple(found))


def _left(live: Session) -> Optional[Tuple[int, ...]]:
    note = next((note for note in live.notes if note.name == "left_early"), None)
    return None if note is None else tuple(note.data["left"])


def _closed_early(left: Tuple[int, ...], not_done: Tuple[int, ...], live: Session) -> Deviation:
    closed = live.closed
    at_ns = live.duration_ns if closed is None else closed.at_ns
    to_come = "1 recorded event was" if len(left) == 1 else f"{len(left)} recorded events were"
    rest = f"{to_come} still to come" if left else "the recorded app stayed longer"
    return Deviation(
        kind="closed_early",
        what=f"the connection was closed from the app's side at {at_ns / 1e9:.3f} s; {rest}",
        live_seq=None if closed is None else closed.seq,
        recorded_seq=left[0] if left else None,
        consequences=not_done,
    )


def _stuck(note: Note, repeats: Mapping[int, int]) -> Deviation:
    recorded_seq = None if note.of is None else repeats.get(note.of)
    detail = tuple(note.data.get("detail", ()))
    return Deviation(kind="stuck", what=str(note.data["what"]), recorded_seq=recorded_seq, live_seq=note.of, detail=detail)


class _Times:
    """Where in time a deviation stands: by the recording's clock, else by the replay's."""

    def __init__(self, recorded: Session, live: Session) -> None:
        self._recorded = {event.seq: event.at_ns for event in recorded.events}
        self._live = {event.seq: event.at_ns for event in live.events}

    def place(self, deviation: Deviation) -> Tuple[int, int]:
        if deviation.recorded_seq is not None:
            return self._recorded.get(deviation.recorded_seq, 0), deviation.recorded_seq
        seq = -1 if deviation.live_seq is None else deviation.live_seq
        return self._live.get(seq, 0), seq
