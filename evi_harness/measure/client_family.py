"""The time that the app's own code took: the ``client`` family, from the notes of a replay.

A message is due when the service would have sent it, whatever the app was doing then. Everything here is measured from there on: where a
slow callback blocks the loop, the messages that it keeps waiting are as late as it made them, though none of them was slow itself.

Rules of living here: the session that a replay yielded, and nothing else. What was not noted is unavailable.
"""

from __future__ import annotations

from typing import Dict, Iterable, Mapping, Optional, Sequence, Tuple, Union

from evi_harness.measure import reasons
from evi_harness.measure.collecting import Samples
from evi_harness.measure.conversation_family import UNTIMED
from evi_harness.measure.metrics import CLIENT, TABLE
from evi_harness.measure.session_times import Reading
from evi_harness.session.events import Note, Received
from evi_harness.session.note_kind import KindOf
from evi_harness.session.notes import (
    APP_ENDED,
    BLOCKED,
    CHANGED_AUDIO,
    DUE,
    HANDLER_CPU,
    HANDLER_ENTERED,
    HANDLER_RETURNED,
    HEARD,
    LONGEST_BLOCK,
    PLAYBACK_STALL,
    PLAYER_TAIL,
    PLAYS_ON,
    UNJUDGED_AUDIO,
    UNSEEN,
    WRONG_AUDIO,
    WRONG_LENGTH,
    BlockedFacts,
    HeardFacts,
    LongestBlockFacts,
    of_kinds,
)
from evi_harness.session.session import Session

__all__ = ["due_ns", "measure_client", "unobserved"]

_REPLAY = "replay"
# What a replay may be told instead of a handler: then there is none.
_RECORDED = "recorded"
_BLOCKING: Tuple[KindOf[Union[BlockedFacts, LongestBlockFacts]], ...] = (BLOCKED, PLAYBACK_STALL, LONGEST_BLOCK)
# Both ends of it cross the wire.
_IN_ANY_SESSION = "tool.app"
_PER_MESSAGE = ("queue", "handle", "handle.own")
# Notes of audio that was played, and not as it came.
_PLAYED_OTHERWISE = (CHANGED_AUDIO, WRONG_AUDIO, WRONG_LENGTH, UNJUDGED_AUDIO)


def unobserved(session: Session) -> Optional[str]:
    """Why nothing of an app's own code was observed in a session, None where it was."""
    if session.header.made_by != _REPLAY:
        return reasons.NO_REPLAY
    return reasons.NO_HANDLER if session.header.source.get("handler") == _RECORDED else None


def due_ns(session: Session) -> Dict[int, int]:
    """When each received message of a replay was due: by its own cause, and what the messages before it held it back. By seq."""
    return {note.of: due.due_ns + due.held_ns for note, due in session.noted(DUE) if note.of is not None}


def measure_client(reading: Reading, found: Samples) -> None:
    """Measure how long the app took, message by message.

    Args:
        reading: A session; what is not a replay has calls of tools, and nothing else to measure here.
        found: Takes the samples.
    """
    _tools(reading, found)
    why = unobserved(reading.session)
    if why is not None:
        for row in TABLE:
            if row.family == CLIENT and row.id != _IN_ANY_SESSION:
                found.unavailable(row.id, why)
        return
    observed = _Observed(reading)
    for event in reading.session.received:
        observed.message(event, found)
    for turn in reading.turns:
        if turn.interrupted_by is not None:
            observed.interruption(turn.number, turn.interrupted_by, turn.reply, found)
    _stall(reading.session, found)
    _cpu(reading, found)


class _Observed:
    """What the notes of a replay say of single messages."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._due_ns = due_ns(reading.session)
        session = reading.session
        # Whether a command started the app: then callbacks are not known, and what the app takes of its connection is.
        self._is_command = bool(session.notes_of(APP_ENDED))
        unseen = {facts.kind for _, facts in session.noted(UNSEEN)} if self._is_command else frozenset()
        self._is_unwatched, self._is_unclear = "app_command" in unseen, not unseen.isdisjoint(("app_command", "handed_on"))
        self._entered = _first(session.notes_of(HANDLER_ENTERED))
        self._returned = _first(reversed(session.notes_of(HANDLER_RETURNED)))
        self._heard = {note.of: heard for note, heard in session.noted(HEARD) if note.of is not None}
        self._free_ns = _free_ns(self._heard)
        self._played_on = {note.of for note in session.notes_of(PLAYS_ON)}
        self._is_played = bool(self._heard) or any(map(session.notes_of, _PLAYED_OTHERWISE))
        self._silent_by_ns = {note.of: note.at_ns + tail.tail_ns for note, tail in session.noted(PLAYER_TAIL)}

    def message(self, event: Received, found: Samples) -> None:
        """Measure what happened with one message."""
        seq, turn = event.seq, self._reading.turn_of.get(event.seq)
        due = self._due(seq)
        entered, returned = self._entered.get(seq), self._returned.get(seq)
        if entered is None:
            for metric in _PER_MESSAGE:
                found.unavailable(metric, self._why_not_begun(), turn, seq)
        else:
            found.took("queue", entered - due, turn, seq)
            for metric, from_ns in (("handle", due), ("handle.own", entered)):
                if returned is None or self._is_unclear:
                    found.unavailable(metric, self._why_not_returned(), turn, seq)
                else:
                    found.took(metric, returned - from_ns, turn, seq)
        if self._reading.has_audio(seq):
            self._to_speaker(seq, turn, due, found)

    def interruption(self, turn: int, seq: int, reply: Sequence[int], found: Samples) -> None:
        """Measure how long the app took to fall silent."""
        due, returned = self._due(seq), self._returned.get(seq)
        if seq in self._played_on:
            found.unavailable("interruption.taken", reasons.PLAYED_ON, turn, seq)
        elif seq not in self._entered:
            found.unavailable("interruption.taken", self._why_not_begun(), turn, seq)
        elif returned is None or self._is_unclear:
            found.unavailable("interruption.taken", self._why_not_returned(), turn, seq)
        else:
            found.took("interruption.taken", returned - due, turn, seq)
        silent_ns = self._silent_ns(seq, reply)
        if silent_ns is None:
            found.unavailable("interruption.silent", self._why_unheard(), turn, seq)
        else:
            found.took("interruption.silent", max(0, silent_ns - due), turn, seq)

    def _due(self, seq: int) -> int:
        """When a message was due; when it came, where no carrier says."""
        return self._due_ns.get(seq, self._reading.at_ns[seq])

    def _silent_ns(self, seq: int, reply: Sequence[int]) -> Optional[int]:
        """When the last of an interrupted reply was heard, None where nobody noted that."""
        heard = [self._heard[one].until_ns for one in reply if one in self._heard]
        if heard:
            return max(heard)
        return None if seq in self._played_on else self._silent_by_ns.get(seq)

    def _to_speaker(self, seq: int, turn: Optional[int], due: int, found: Samples) -> None:
        heard = self._heard.get(seq)
        if heard is not None:
            found.took("to_speaker", heard.at_ns - max(due, self._free_ns[seq]), turn, seq)
        else:
            found.unavailable("to_speaker", self._why_unheard(), turn, seq)

    def _why_not_begun(self) -> str:
        if self._is_unwatched:
            return reasons.NOT_WATCHED
        return reasons.NOT_TAKEN if self._is_command else reasons.NOT_BEGUN

    def _why_not_returned(self) -> str:
        if self._is_unclear:
            return reasons.NOT_WATCHED if self._is_unwatched else reasons.HANDED_ON
        return reasons.NOT_DONE if self._is_command else reasons.NOT_RETURNED

    def _why_unheard(self) -> str:
        return reasons.NOT_HEARD if self._is_played else reasons.NOT_NOTED_SOUND


def _free_ns(heard: Mapping[int, HeardFacts]) -> Dict[int, int]:
    """From when on the speaker had nothing else to play, for each piece of audio that was heard, by its seq."""
    found: Dict[int, int] = {}
    over_ns = 0
    for seq, facts in sorted(heard.items(), key=lambda one: one[1].at_ns):
        # A piece that sounded over another one had not to wait for it.
        found[seq] = min(over_ns, facts.at_ns)
        over_ns = max(over_ns, facts.until_ns)
    return found


def _first(notes: Iterable[Note]) -> Dict[int, int]:
    """When each message had the first of some notes, by the message's seq."""
    found: Dict[int, int] = {}
    for note in notes:
        if note.of is not None:
            found.setdefault(note.of, note.at_ns)
    return found


def _tools(reading: Reading, found: Samples) -> None:
    """How long the app took to answer calls."""
    due = due_ns(reading.session)
    unknown = UNTIMED.get(reading.session.header.recorded.times)
    for call in reading.calls:
        if unknown is not None:
            found.unavailable("tool.app", unknown, call.turn, call.seq)
        elif call.answer is None:
            found.unavailable("tool.app", reasons.NEVER_ANSWERED, call.turn, call.seq)
        else:
            found.took("tool.app", reading.at_ns[call.answer] - due.get(call.seq, reading.at_ns[call.seq]), call.turn, call.seq)


def _stall(session: Session, found: Samples) -> None:
    """The longest time for which the loop was blocked; what is too short to be noted is not known."""
    blocks = of_kinds(session.notes, _BLOCKING)
    noted = [(block.blocked_ns, note.of) for note, block in blocks if block.blocked_ns is not None]
    if noted:
        longest_ns, of = max(noted, key=lambda one: one[0])
        found.took("stall", longest_ns, of=of)
    else:
        found.unavailable("stall", reasons.NOT_NOTED_BLOCK)


def _cpu(reading: Reading, found: Samples) -> None:
    noted = list(reading.session.noted(HANDLER_CPU))
    if not noted:
        found.unavailable("cpu", reasons.NOT_NOTED_CPU)
    for note, facts in noted:
        found.took("cpu", facts.cpu_ns, None if note.of is None else reading.turn_of.get(note.of), note.of)
