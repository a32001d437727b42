"""The verdict on a replay: its deviations and findings, each cause counted once. Read off two sessions and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import List, Mapping, Optional, Sequence, Tuple

from evi_harness.replay.given_formats import without_microphones
from evi_harness.replay.judging.code_places import handled, placed
from evi_harness.replay.judging.deviations import Deviation, Late, SentComparison, compare_sent, handshake_deviation, late_deviations
from evi_harness.replay.judging.falling_behind import falling_behind
from evi_harness.replay.judging.findings import Finding, findings, recorded_seqs, weighed
from evi_harness.replay.judging.keeping_up import keeping_up
from evi_harness.replay.judging.rejections import rejections
from evi_harness.replay.pace import speed_of
from evi_harness.replay.played_recording import AS_RECORDED, Speed
from evi_harness.session.events import NOTHING, Note
from evi_harness.session.notes import LEFT_EARLY, OVER_TIME, STUCK, FindingFacts, of_kinds
from evi_harness.session.places import places_in
from evi_harness.session.protocols import Dialect
from evi_harness.session.session import Session
from evi_harness.session.too_large import too_large

__all__ = ["Verdict", "judge"]


@dataclass(frozen=True)
class Verdict:
    """The result of a replay.

    Attributes:
        deviations: Where it differed from the recording, first divergence first.
        findings: Faults regardless of the recording, in chronological order.
        late: What was sent later than due, in the order of the recording; a deviation only where it is later than was allowed.
        remarks: Worth a note, but not a fault, one sentence each.
    """

    deviations: Tuple[Deviation, ...]
    findings: Tuple[Finding, ...]
    late: Tuple[Late, ...] = ()
    remarks: Tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether it has no differences, and no findings other than warnings."""
        return not self.deviations and not any(finding.fails for finding in self.findings)


_NOTHING_COMPARED = SentComparison((), (), (), ())


def judge(
    recorded: Session,
    live: Session,
    dialect: Dialect,
    *,
    handshake_by_app: bool = False,
    max_late_ns: Optional[int] = None,
    severities: Mapping[str, str] = NOTHING,
) -> Verdict:
    """Compare a replay with its recording.

    Args:
        recorded: The recording.
        live: The session that the replay yielded, with its notes.
        dialect: What both are in.
        handshake_by_app: Whether the app itself opened the connection; what somebody else asked for is not compared.
        max_late_ns: How late a message may be sent, None for as late as it likes.
        severities: What findings weigh, by kind, where that is not as ``FINDINGS`` has it.

    Returns:
        The verdict. An early close that a failing finding or a stuck app brought about is that one's consequence and no deviation; a
        recording that does not know what was sent compares nothing that was sent. An unexpected message that the service does not take is
        the finding and no deviation.

    Raises:
        UsageError: There is no such finding, or no such severity.
    """
    kept_up = keeping_up(live, dialect, _speed(live))
    rejected = rejections(recorded, live, dialect, handshake_by_app=handshake_by_app)
    every = [*findings(live), *falling_behind(live), *kept_up.findings, *rejected]
    found = weighed(handled(every, live), severities)
    deviations = [_stuck(note, facts, recorded_seqs(live)) for note, facts in of_kinds(live.notes, (STUCK, OVER_TIME))]
    left = _left(live)
    compared = compare_sent(recorded, live, dialect, left) if recorded.header.recorded.sent else _NOTHING_COMPARED
    if left is not None:
        not_done = (*left, *compared.unsent)
        ended = next((index for index, finding in enumerate(found) if finding.ended and finding.fails), None)
        if ended is not None:
            found[ended] = replace(found[ended], consequences=not_done)
        elif deviations:
            deviations[0] = replace(deviations[0], consequences=not_done)
        else:
            deviations.append(_closed_early(left, not_done, live, dialect))
    handshake = handshake_deviation(recorded, live, dialect) if handshake_by_app and recorded.header.recorded.sent else None
    if handshake is not None:
        deviations.append(handshake)
    if max_late_ns is not None:
        deviations += late_deviations(compared.late, max_late_ns)
    at_ns = _Times(recorded, live)
    counted, remarks = without_microphones([*deviations, *_not_refused(compared.deviations, found)], recorded, live, dialect)
    in_order = sorted(counted, key=at_ns.place)
    return Verdict(
        deviations=tuple(placed(in_order, recorded, live, dialect)),
        findings=tuple(found),
        late=compared.late,
        remarks=(*filter(None, (kept_up.remark,)), *remarks),
    )


def _not_refused(deviations: Sequence[Deviation], found: Sequence[Finding]) -> List[Deviation]:
    """Deviations without those unexpected messages that are findings: that the service does not take them says more, and is said once."""
    refused = {one.live_seq for one in found if one.kind == "rejected" and one.fails}
    return [one for one in deviations if one.kind != "unexpected" or one.live_seq not in refused]


def _speed(live: Session) -> Speed:
    """How many times as fast as recorded a session was replayed."""
    said = live.header.source.get("axis", {}).get("speed")
    return AS_RECORDED if said is None else speed_of(str(said))


def _left(live: Session) -> Optional[Tuple[int, ...]]:
    noted = next(iter(live.noted(LEFT_EARLY)), None)
    return None if noted is None else tuple(noted[1].left)


def _closed_early(left: Tuple[int, ...], not_done: Tuple[int, ...], live: Session, dialect: Dialect) -> Deviation:
    closed = live.closed
    why = too_large(closed, live.events, lambda one: dialect.describe(one.kind, dialect.read(one.kind, one.frame)), dialect.message_limits)
    at_ns = live.duration_ns if closed is None else closed.at_ns
    to_come = "1 recorded event was" if len(left) == 1 else f"{len(left)} recorded events were"
    rest = f"{to_come} still to come" if left else "the recorded app stayed longer"
    return Deviation(
        kind="closed_early",
        what=f"the connection was closed from the app's side at {at_ns / 1e9:.3f} s{f' with 1009: {why}' if why else ''}; {rest}",
        live_seq=None if closed is None else closed.seq,
        recorded_seq=left[0] if left else None,
        consequences=not_done,
    )


def _stuck(note: Note, facts: FindingFacts, repeats: Mapping[int, int]) -> Deviation:
    recorded_seq = None if note.of is None else repeats.get(note.of)
    detail, places = tuple(facts.detail), places_in(note.data)
    return Deviation(kind=note.name, what=facts.what, recorded_seq=recorded_seq, live_seq=note.of, detail=detail, places=places)


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
