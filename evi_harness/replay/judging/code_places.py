"""The developer's code behind a verdict: where a message was sent or handled, and where the connection was closed.

Of a message that was never sent no line is known. Told is the path that the message took which it should have answered: what the callback
took, and which functions ran.

Rules of living here: only notes are read; nothing is looked up. A session without such notes, one that a test's own app held, say, has no
places.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

from evi_harness.replay.judging.deviations import Deviation
from evi_harness.replay.judging.findings import Finding, recorded_seqs
from evi_harness.session.events import Note
from evi_harness.session.figures import milliseconds
from evi_harness.session.notes import CLOSED_FROM, HANDLER_ENTERED, HANDLER_RAN, HANDLER_RETURNED, RAISED, SENT_FROM
from evi_harness.session.places import Place, Sources
from evi_harness.session.protocols import RECEIVED, Dialect
from evi_harness.session.session import Session

# What takes less takes no time in virtual time but that of what is waited for.
_AT_ONCE_NS = 1_000_000
# How ``_path`` ends the line about a callback that did.
_SILENT_RETURNS = (" returned, and sent nothing", " returned at once and sent nothing")

__all__ = ["handled", "is_silent_return", "placed", "senders"]


def senders(live: Session) -> Dict[int, Note]:
    """The note of who sent each message, by the seq of what was sent; what nobody noted is not there.

    Args:
        live: The session that a replay yielded.
    """
    sent = [event.seq for event in live.sent]
    return {sent[facts.number]: note for note, facts in live.noted(SENT_FROM) if 0 <= facts.number < len(sent)}


def placed(deviations: List[Deviation], recorded: Session, live: Session, dialect: Dialect) -> List[Deviation]:
    """Deviations with where in the code each was brought about.

    Args:
        deviations: The deviations.
        recorded: The recording.
        live: The session that the replay yielded, with its notes.
        dialect: What both are in.
    """
    if not deviations:
        return []
    code = _Code(recorded, live, dialect)
    return [code.placed(one) for one in deviations]


def handled(found: Iterable[Finding], live: Session) -> List[Finding]:
    """Findings with where in the code each was brought about: those of which no note says so, with the callback that had their message.

    Args:
        found: The findings.
        live: The session that the replay yielded, with its notes.
    """
    found = list(found)
    if all(one.places for one in found):
        return found
    handlers, sources = _handlers(live), Sources(live.notes)
    notes = [None if one.places or one.live_seq is None else handlers.get(one.live_seq) for one in found]
    return [one if note is None else replace(one, places=sources.of(note.data)) for one, note in zip(found, notes)]


def is_silent_return(detail: Sequence[str]) -> bool:
    """Whether the detail of a deviation says that the callback returned, without an exception, and sent nothing.

    Args:
        detail: The lines of detail.
    """
    return any(line.endswith(_SILENT_RETURNS) for line in detail)


class _Code:
    def __init__(self, recorded: Session, live: Session, dialect: Dialect) -> None:
        self._sources = Sources(live.notes)
        self._senders = senders(live)
        self._closed = next(iter(live.notes_of(CLOSED_FROM)), None)
        self._handlers = _handlers(live)
        self._live = live
        self._prompts = recorded.prompts(dialect)
        self._came = {recorded_seq: live_seq for live_seq, recorded_seq in recorded_seqs(live).items()}

    def placed(self, deviation: Deviation) -> Deviation:
        """A deviation with its places, as far as notes tell; what was not sent has the path of its message besides."""
        if deviation.places:
            return deviation
        note = self._note(deviation)
        if note is None:
            return deviation
        places = self._sources.of(note.data)
        if not HANDLER_ENTERED.matches(note):
            return replace(deviation, places=places)
        ran = next((one for one in self._live.notes_of(HANDLER_RAN) if one.of == note.of), None)
        path = () if ran is None else self._sources.of(ran.data)
        whole = (*path, *(place for place in places if all(_line(place) != _line(one) for one in path)))
        return replace(deviation, places=whole, detail=(*deviation.detail, *_path(note, ran, path, self._live)))

    def _note(self, deviation: Deviation) -> Optional[Note]:
        if deviation.kind == "closed_early":
            return self._closed
        if deviation.live_seq is None:
            # What was not sent, somebody did not send: who had the message that it should have answered.
            return self._handlers.get(self._prompt(deviation.recorded_seq))
        return self._senders.get(deviation.live_seq)

    def _prompt(self, recorded_seq: Optional[int]) -> Optional[int]:
        """The message of the replay that a recorded one was to answer, None where that answered none, or it did not come."""
        prompt = None if recorded_seq is None else self._prompts.get(recorded_seq)
        return self._came.get(prompt.seq) if prompt is not None and prompt.kind == RECEIVED and prompt.seq is not None else None


def _line(place: Place) -> Tuple[str, Optional[int]]:
    return place.file, place.line


def _path(entered: Note, ran: Optional[Note], path: Sequence[Place], live: Session) -> Iterator[str]:
    """What a callback did with a message that it did not answer, a line each."""
    entered_facts, ran_facts = HANDLER_ENTERED.read(entered), None if ran is None else HANDLER_RAN.read(ran)
    if entered_facts is None:
        return
    returned = next((note for note in live.notes_of(HANDLER_RETURNED) if note.of == entered.of and note.at_ns >= entered.at_ns), None)
    if returned is not None:
        took_ns = returned.at_ns - entered.at_ns
        end = "raised an exception" if any(note.of == entered.of for note in live.notes_of(RAISED)) else "returned"
        n_sent = sum(note.of == entered.of for note in live.notes_of(SENT_FROM))
        sent = "nothing" if not n_sent else "another message" if n_sent == 1 else f"{n_sent} other messages"
        took = f"took {milliseconds(took_ns / 1e6)}, {end}," if took_ns >= _AT_ONCE_NS else f"{end} at once"
        yield f"{entered_facts.callback} {took} and sent {sent}"
    else:
        yield f"{entered_facts.callback} had not returned at the end"
    if ran_facts is not None and path:
        names = [f"{place.function} ({place.file}:{place.line})" for place in path]
        yield (
            f"functions that ran for it: {', then '.join(names[::-1])}"
            if ran_facts.traced
            else f"which functions ran for it is not known; the handler's class defines {', '.join(names)}"
        )


def _handlers(live: Session) -> Dict[Optional[int], Note]:
    """The note of the callback that had each received message, by seq; of several the first."""
    found: Dict[Optional[int], Note] = {}
    for note in live.notes_of(HANDLER_ENTERED):
        if note.of is not None:
            found.setdefault(note.of, note)
    return found
