"""What a session expects instead of what was recorded, and how that changed, for people and programs.

Rules of living here: old and new values are shown unchanged; only what differs is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Iterator, Mapping, Optional, Tuple

from evi_harness.replay.judging.deviations import Deviation
from evi_harness.report.values import difference_json, sides
from evi_harness.session.events import Sent
from evi_harness.session.json_value import Json
from evi_harness.session.protocols import Dialect
from evi_harness.session.session import Session

__all__ = [
    "COMPARED",
    "PROPOSED",
    "REFUSED",
    "REMOVED",
    "UNCHANGED",
    "WRITTEN",
    "ExpectationReport",
    "Proposal",
    "expectation_json",
    "expectation_lines",
]

COMPARED = "compared"
WRITTEN = "written"
REMOVED = "removed"
PROPOSED = "proposed"
UNCHANGED = "unchanged"
REFUSED = "refused"

# Kind of deviation of what is expected now from what was expected before → what became of the message, and its mark in a diff.
_CHANGES: Mapping[str, Tuple[str, str]] = {
    "unexpected": ("added", "+"),
    "missing": ("removed", "-"),
    "different": ("changed", "~"),
    "out_of_order": ("moved", ">"),
}


@dataclass(frozen=True)
class Proposal:
    """What an update would do to a session's expectation: plain data, which may cross to another process.

    Attributes:
        folder: The session's folder.
        text: What the file would hold; None where it would be taken away.
    """

    folder: str
    text: Optional[bytes]


@dataclass(frozen=True)
class ExpectationReport:
    """What became of an expectation in one replay.

    Attributes:
        file: Its name in the session's folder.
        outcome: ``compared`` where it was only compared with; of an update ``written``, ``removed`` (what was recorded is expected again),
            ``unchanged``, ``refused``, or ``proposed``: nothing is written, since nobody has accepted it.
        n_messages: How many messages are expected now.
        before: The recording with what was expected before.
        after: The recording with what is expected now.
        changes: How what is expected now deviates from what was expected before.
        why: Why an update was refused, None where it was not.
        had_one: Whether there was an expectation before; where an update changed nothing, there is one now if there was.
        proposal: Where it is only proposed, what would be done.
        is_shown: Whether people have been shown the changes, and need not be again.
    """

    file: str
    outcome: str
    n_messages: int
    before: Session
    after: Session
    changes: Tuple[Deviation, ...] = ()
    why: Optional[str] = None
    had_one: bool = False
    proposal: Optional[Proposal] = None
    is_shown: bool = False

    @property
    def is_compared_with(self) -> bool:
        """Whether what was sent is compared with what is expected, and not with what was recorded."""
        return self.outcome in (COMPARED, WRITTEN) or (self.had_one and self.outcome in (UNCHANGED, REFUSED, PROPOSED))


def expectation_lines(told: ExpectationReport, dialect: Dialect) -> Iterator[str]:
    """It as lines: the outcome, and then each change."""
    messages = f"{told.n_messages} message{'' if told.n_messages == 1 else 's'}"
    yield {
        COMPARED: f"compared with {told.file}, {messages}, instead of the recording",
        WRITTEN: f"{told.file} is written: {messages}. Delete it to compare with the recording",
        REMOVED: f"{told.file} is removed: the recorded messages are sent again",
        UNCHANGED: "nothing to update: everything expected was sent",
        REFUSED: f"not updated: {told.why}",
        PROPOSED: f"{told.file} {_would(told, messages)} (nothing is written yet)",
    }[told.outcome]
    for change in () if told.is_shown else told.changes:
        yield from _change_lines(change, told, dialect)


def _would(told: ExpectationReport, messages: str) -> str:
    is_removal = told.proposal is not None and told.proposal.text is None
    return "would be removed: the recorded messages are sent again" if is_removal else f"would be written: {messages}"


def _change_lines(change: Deviation, told: ExpectationReport, dialect: Dialect) -> Iterator[str]:
    _, mark = _CHANGES[change.kind]
    then, now = _said(told.before, change.recorded_seq, dialect), _said(told.after, change.live_seq, dialect)
    yield f"  {mark} {now or then}"
    if change.kind == "out_of_order":
        yield f"      was {then}"
    if change.kind == "different":
        for one in change.differences:
            was, is_now = sides(one)
            yield f"      {one.path}: was {was}, is {is_now}"


def _said(session: Session, seq: Optional[int], dialect: Dialect) -> str:
    event = next((event for event in session.events if event.seq == seq), None)
    if event is None:
        return ""
    what = dialect.describe(event.kind, dialect.read(event.kind, event.frame)) if isinstance(event, Sent) else "handshake"
    return f"#{event.seq} at {event.at_ns / 1e9:.3f} s {what}"


def expectation_json(told: Optional[ExpectationReport]) -> Optional[Dict[str, Json]]:
    """It as JSON values, None where nothing but the recording is expected."""
    if told is None:
        return None
    return {
        "file": told.file,
        "outcome": told.outcome,
        "would": None if told.proposal is None else REMOVED if told.proposal.text is None else WRITTEN,
        "why": told.why,
        "n_messages": told.n_messages,
        "changes": [
            {
                "change": _CHANGES[change.kind][0],
                "before_seq": change.recorded_seq,
                "after_seq": change.live_seq,
                "differences": [difference_json(one) for one in change.differences] if change.kind == "different" else [],
            }
            for change in told.changes
        ],
    }
