"""When words were heard: the user's by the service's own times, the assistant's by when its audio sounded.

Rules of living here: what a replay heard at the speaker is heard then; elsewhere audio sounds as soon as it came and what was before it is
over. A sentence whose audio never sounded has no time, and is not one of which nothing is known.
"""

from __future__ import annotations

from typing import Dict, List, Mapping, Optional, Set, Tuple

from evi_harness.measure.session_times import Reading
from evi_harness.session.notes import HEARD
from evi_harness.session.protocols import RECEIVED, Saying
from evi_harness.session.sounding import Span, sounding

__all__ = ["SaidTimes"]

_ASSISTANT = "assistant"


class SaidTimes:
    """When each message was heard.

    Args:
        reading: The session.
    """

    def __init__(self, reading: Reading) -> None:
        self._spoken: Dict[int, Span] = dict(_spoken(reading))
        self._heard, self._voiced = _sentences(reading)

    def span(self, seq: int, saying: Saying) -> Optional[Span]:
        """From when until when it was heard; None where it never was, or nobody knows.

        Args:
            seq: The message.
            saying: What it says.
        """
        if saying.who == _ASSISTANT and saying.about is not None:
            return self._heard.get(saying.about)
        return self._spoken.get(seq)

    def is_unheard(self, saying: Saying) -> bool:
        """Whether its audio came and never sounded, not even in part."""
        return saying.who == _ASSISTANT and saying.about in self._voiced and saying.about not in self._heard


def _spoken(reading: Reading) -> List[Tuple[int, Span]]:
    """When the user said what the turns begin with, as far as the service says so."""
    spans = [(turn.user, reading.spoken.span(turn.speech)) for turn in reading.turns if turn.speech is not None]
    return [(seq, span) for seq, span in spans if seq is not None and span is not None]


def _sentences(reading: Reading) -> Tuple[Dict[str, Span], Set[str]]:
    """From when until when each sentence of the assistant's was heard, by its name; and the names of all that came as audio."""
    names = _names(reading)
    noted = {note.of: (heard.at_ns, heard.until_ns) for note, heard in reading.session.noted(HEARD) if note.of is not None}
    spans = noted or _computed(reading, names)
    heard: Dict[str, Span] = {}
    for seq, name in names.items():
        if seq in spans:
            begin_ns, end_ns = spans[seq]
            first, last = heard.get(name, (begin_ns, end_ns))
            heard[name] = (min(first, begin_ns), max(last, end_ns))
    return heard, set(names.values())


def _names(reading: Reading) -> Dict[int, str]:
    """The sentence that each piece of audio is of, by seq; of those whose length is known."""
    found: Dict[int, str] = {}
    frames = {event.seq: event.frame for event in reading.session.received}
    for turn in reading.turns:
        for seq in turn.reply:
            if reading.length_ns(seq) is not None:
                chunk = reading.dialect.chunk(reading.dialect.read(RECEIVED, frames[seq]))
                if chunk is not None:
                    found[seq] = chunk[0]
    return found


def _computed(reading: Reading, names: Mapping[int, str]) -> Dict[int, Span]:
    """When each piece would sound at a speaker that nobody noted."""
    found: Dict[int, Span] = {}
    free_ns = 0
    for turn in reading.turns:
        seqs = [seq for seq in turn.reply if seq in names]
        pieces = [(max(free_ns, reading.at_ns[seq]), reading.length_ns(seq) or 0) for seq in seqs]
        silenced_ns = None if turn.interrupted_by is None else reading.at_ns[turn.interrupted_by]
        for seq, span in zip(seqs, sounding(pieces, silenced_ns)):
            found[seq] = span
            free_ns = span[1]
    return found
