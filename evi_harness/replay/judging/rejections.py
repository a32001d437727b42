"""Messages of the app that the service does not accept, by the dialect's rules.

Rules of living here: the dialect decides what is wrong with a message. What the recording did as well is not reported: the recording sends
it in place of the app, or the real service has put up with it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Counter as Counts
from typing import List, Sequence, Tuple

from evi_harness.replay.judging.code_places import senders
from evi_harness.replay.judging.findings import Finding
from evi_harness.session.events import NOTHING, Event, Opened
from evi_harness.session.notes import SENT_FROM
from evi_harness.session.places import Sources
from evi_harness.session.protocols import SENT, Dialect
from evi_harness.session.session import Session

__all__ = ["rejections"]


def rejections(recorded: Session, live: Session, dialect: Dialect, *, handshake_by_app: bool = False) -> List[Finding]:
    """Find the messages that a replay's app sent and that the service does not take.

    Args:
        recorded: The recording.
        live: The session that the replay yielded.
        dialect: What both are in.
        handshake_by_app: Whether the app itself opened the connection. Else what the recorded handshake says of the audio holds, also where
            the installed SDK cannot say it.

    Returns:
        One finding a message, in time, with the rules that it breaks, and where it was sent as far as notes tell. A fault is not told as
        often as the recording has the same.
    """
    rejected = dialect.rejected(live.events if handshake_by_app else _opened_as_recorded(recorded, live))
    if not rejected:
        return []
    known: Counts[str] = Counter(why for one in dialect.rejected(recorded.events).values() for why in one)
    sent = {event.seq: event for event in live.sent}
    notes, sources = senders(live), Sources(live.notes)
    found = []
    for seq, reasons in rejected.items():
        new = [why for why in reasons if not known[why]]
        known.subtract(set(reasons) - set(new))
        if new:
            event = sent[seq]
            said = dialect.describe(SENT, dialect.read(SENT, event.frame))
            note = notes.get(seq)
            facts = None if note is None else SENT_FROM.read(note)
            detail = (*new[1:], *_sent_at(() if facts is None else facts.detail))
            what, places = f"{said}: {new[0]}", sources.of(NOTHING if note is None else note.data)
            found.append(Finding("rejected", what, at_ns=event.at_ns, live_seq=seq, detail=detail, places=places))
    return found


def _opened_as_recorded(recorded: Session, live: Session) -> Sequence[Event]:
    handshake = recorded.handshake
    if handshake is None:
        return live.events
    return [replace(event, handshake=handshake) if isinstance(event, Opened) else event for event in live.events]


def _sent_at(detail: Sequence[str]) -> Tuple[str, ...]:
    """Where in the developer's code a message was sent, as text: the innermost place, and who called."""
    first, *others = tuple(detail) or (None,)
    return () if first is None else (f"sent at {first}", *others)
