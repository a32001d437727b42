"""What an app received beside what its speaker played: the notes of audio that is missing, repeated, out of order or late.

Rules of living here: what is wrong is decided by ``replay.hearing``; this brings both sides to one clock and one form.
"""

from __future__ import annotations

from typing import Dict, Iterator, List, Optional, Sequence

from evi_harness.audio.speaker import Playback
from evi_harness.evi.audio import base64_bytes
from evi_harness.live.journal import Journal
from evi_harness.replay.hearing import Chunk, Piece, faults, first_heard
from evi_harness.session.events import Closed, Event, Handshake, Opened, Received
from evi_harness.session.protocols import RECEIVED, AudioPlaces, Dialect
from evi_harness.session.wav import split

__all__ = ["chunks_of", "note_heard", "pieces_of"]


def note_heard(journal: Journal, playbacks: Sequence[Playback], dialect: Dialect) -> None:
    """Note what is wrong with what was heard, once the run is over.

    Args:
        journal: The run, to its close. Its clock is the speaker's.
        playbacks: What the speaker played.
        dialect: What the messages are in.
    """
    if journal.opened_at_ns is None:
        return
    events = journal.events
    interruptions = _interruptions(events, dialect)
    end_ns = next((event.at_ns for event in events if isinstance(event, Closed)), journal.now_ns)
    pieces = [piece for one in playbacks for piece in pieces_of(one, journal.opened_at_ns)]
    chunks = list(chunks_of(events, dialect))
    for seq, piece in sorted(first_heard(chunks, pieces).items()):
        journal.note("heard", of=seq, at_ns=piece.at_ns, until_ns=piece.end_ns)
    for fault in faults(chunks, pieces, interruptions, end_ns):
        journal.note(fault.kind, of=fault.seq, at_ns=fault.at_ns, what=fault.what)


def chunks_of(events: Sequence[Event], dialect: Dialect) -> Iterator[Chunk]:
    """The assistant's audio, in the order in which it came; what is no WAV is passed over, and then never recognised.

    Args:
        events: All events of a session, in time.
        dialect: What its messages are in.
    """
    replies = _replies(events, dialect)
    places = dialect.audio_places(_handshake(events))
    for event in events:
        if isinstance(event, Received) and places.is_audio(RECEIVED, event.frame):
            chunk = _chunk(event, places, dialect, replies.get(event.seq, 0))
            if chunk is not None:
                yield chunk


def _chunk(event: Received, places: AudioPlaces, dialect: Dialect, reply: int) -> Optional[Chunk]:
    place = places.find(RECEIVED, event.frame)
    raw = b"" if place is None else event.frame.payload[place.start : place.stop]
    wav = split((base64_bytes(raw) if place is not None and place.base64 else raw) or b"")
    if wav is None:
        return None
    return Chunk(event.seq, event.at_ns, wav.pcm, wav.samples, wav.tail, reply, dialect.chunk(dialect.read(RECEIVED, event.frame)))


def pieces_of(playback: Playback, opened_at_ns: int) -> Iterator[Piece]:
    """What one stream played, as it was handed to it piece by piece; all of it as one where that is not known.

    Args:
        playback: The stream's.
        opened_at_ns: When the session was opened, on the speaker's clock.
    """
    samples = playback.samples
    starts = [start for start in playback.chunks if start < len(samples)] or ([0] if samples else [])
    for start, end in zip(starts, [*starts[1:], len(samples)]):
        at_ns, last_ns = playback.heard_ns(start), playback.heard_ns(end - 1)
        if at_ns is not None and last_ns is not None:
            yield Piece(at_ns - opened_at_ns, last_ns - opened_at_ns, samples[start:end], is_last=end == len(samples))


def _handshake(events: Sequence[Event]) -> Optional[Handshake]:
    return next((event.handshake for event in events if isinstance(event, Opened)), None)


def _replies(events: Sequence[Event], dialect: Dialect) -> Dict[int, int]:
    """To which turn each received event belongs, by seq."""
    return {seq: turn.number for turn in dialect.turns(events) for seq in turn.reply}


def _interruptions(events: Sequence[Event], dialect: Dialect) -> List[int]:
    """When the user interrupted."""
    times = {event.seq: event.at_ns for event in events}
    return sorted(times[turn.interrupted_by] for turn in dialect.turns(events) if turn.interrupted_by is not None)
