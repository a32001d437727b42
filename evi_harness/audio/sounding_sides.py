"""The audible sides of a session as voices on its time axis: the user, and what a speaker played or would have played.

Rules of living here: session time 0 is time 0 of the axis. Where time goes by N times as fast, so do the samples: they sound N times as
high. At the greatest speed audio takes no time; there each piece lasts as long as ever, and begins when the one before it is over.
What cannot be decoded is left out and counted, never guessed. Audio is read when it is mixed, and not before.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import Callable, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from evi_harness.audio.cadence import Speed
from evi_harness.audio.mixing import Part, Voice
from evi_harness.audio.software_speaker import Playback, Span
from evi_harness.audio.sources import samples_of
from evi_harness.errors import SessionError
from evi_harness.session.events import Event, Frame, Received, Sent, order
from evi_harness.session.position import JITTER_NS, Positions, captured
from evi_harness.session.protocols import Dialect, FrameAudio
from evi_harness.session.session import Session
from evi_harness.session.sounding import sounding
from evi_harness.session.wav import Pcm

__all__ = ["MAX_RATE", "SILENT_RATE", "Side", "arrived", "mix_rate", "played", "said", "would_play"]

# Above this, editors and browsers do not play a file. Only a replay at many times its speed comes there.
MAX_RATE = 192_000
# Of a mix in which nothing sounds: the lowest that every program plays.
SILENT_RATE = 8_000

_SECOND_NS = 1_000_000_000
_AT_ONCE = Fraction(1)


@dataclass(frozen=True)
class Side:
    """One side of a conversation.

    Attributes:
        voices: What sounds.
        rate: The rate of it, in frames a second of the axis; None where nothing sounds.
        n_left_out: How many frames hold audio that cannot be decoded, or is missing.
        first_left_out: The first of them, by seq.
    """

    voices: Tuple[Voice, ...] = ()
    rate: Optional[Fraction] = None
    n_left_out: int = 0
    first_left_out: Optional[int] = None


def mix_rate(user: Side, other: Side) -> int:
    """The rate of a file with both sides: the highest that was played on the other side, so that what was heard stands in it as it was.

    Args:
        user: What the user said. Its rate counts where nothing was played.
        other: What was played.

    Returns:
        Frames a second of the axis: at N times the speed, audio of one rate goes by at N times that rate. At most ``MAX_RATE``;
        ``SILENT_RATE`` where neither side says anything.
    """
    rate = other.rate or user.rate or Fraction(SILENT_RATE)
    return max(1, min(MAX_RATE, -(-rate.numerator // rate.denominator)))


def played(playbacks: Iterable[Playback], opened_at_ns: int, silenced: Callable[[bytes], bytes] = bytes) -> Side:
    """What a software speaker played: a voice for each stream.

    Args:
        playbacks: The streams. Those that still play are taken as far as they are.
        opened_at_ns: Session time 0 on the speaker's clock.
        silenced: Takes out of samples what may not be written, as zeros.

    Returns:
        The side. Its rate is the highest at which anything was played; silence because nothing was there is nothing.
    """
    voices: List[Voice] = []
    rates: List[Fraction] = []
    for playback in playbacks:
        spans = [span for span in list(playback.spans) if not span.is_silence]
        if spans:
            rates.append(playback.pcm.rate * _factor(playback.speed))
            voices.append(_voice_of(playback, spans, opened_at_ns, silenced))
    return Side(tuple(voices), max(rates, default=None))


def _voice_of(playback: Playback, spans: Sequence[Span], opened_at_ns: int, silenced: Callable[[bytes], bytes]) -> Voice:
    pcm, rate = playback.pcm, playback.pcm.rate * _factor(playback.speed)
    byte_ns = Fraction(_SECOND_NS, pcm.frame_bytes) / rate
    began_ns, free_ns = playback.began_ns - opened_at_ns, Fraction(spans[0].at_ns - opened_at_ns)
    begins: List[Fraction] = []
    for span in spans:
        # Where audio takes time, from where the stream began and not from the time of the span: that is rounded, and the samples of a
        # stream keep step with one another.
        at_once = playback.speed is None
        begins.append(max(free_ns, Fraction(span.at_ns - opened_at_ns)) if at_once else began_ns + span.offset * byte_ns)
        free_ns = begins[-1] + span.n_bytes * byte_ns

    def parts() -> Iterator[Part]:
        for begins_ns, span in zip(begins, spans):
            for start, samples in _pieces(playback, span, silenced):
                yield Part(pcm, rate, samples, begins_ns if start == span.start else None)

    return Voice(begins[0], free_ns, parts)


# What may not be written is looked for in what is around a piece, too: it may stand across its end.
_AROUND_BYTES = 4096


def _pieces(playback: Playback, span: Span, silenced: Callable[[bytes], bytes]) -> Iterator[Tuple[int, bytes]]:
    """The samples of a span, about a second at a time, each with where it begins."""
    step, stop = playback.pcm.frame_bytes * playback.pcm.rate, span.start + span.n_bytes
    for start in range(span.start, stop, step):
        end, before = min(start + step, stop), max(0, start - _AROUND_BYTES)
        around = silenced(playback.piece(before, end + _AROUND_BYTES))
        yield start, around[start - before : end - before]


class _Frames(NamedTuple):
    """Frames of audio, each with when it begins on the axis and how long it lasts there."""

    events: Sequence[Sent]
    begins_ns: Sequence[int]
    lengths_ns: Sequence[int]


def said(session: Session, dialect: Dialect, speed: Speed) -> Side:
    """What the user said, as the app sent it: a frame ends when it was sent, and frames that were sent late stand where they were heard.

    Args:
        session: The session, at the speed. What the app did not get out was not said.
        dialect: What its messages are in.
        speed: How many times as fast as their rate the samples went out.

    Returns:
        The side. Its rate is the one at which the user's audio begins.
    """
    audio = session.audio(dialect)
    positions, lengths, left_out = Positions(), _Lengths(speed), []
    events: List[Sent] = []
    lengths_ns: List[int] = []
    positions_ns: List[int] = []
    for event in audio.said:
        length_ns: Optional[int] = None
        with suppress(SessionError):
            # The folder may not hold it.
            length_ns = audio.length_ns(event.seq)
        if length_ns is None:
            left_out.append(event.seq)
            continue
        events.append(event)
        lengths_ns.append(lengths.next_ns(length_ns))
        positions_ns.append(positions.add(event.at_ns, lengths_ns[-1]))
    if not events:
        return Side((), None, len(left_out), left_out[0] if left_out else None)
    began_ns = max(0, events[0].at_ns - lengths_ns[0])
    frames = _Frames(events, _begins(captured(positions_ns, lengths_ns), lengths_ns, began_ns, speed), lengths_ns)

    def parts() -> Iterator[Part]:
        return _said_parts(session, dialect, frames, _factor(speed))

    first = next(parts(), None)
    voice = Voice(Fraction(frames.begins_ns[0]), Fraction(frames.begins_ns[-1] + lengths_ns[-1]), parts)
    rate = None if first is None else first.rate
    return Side((voice,), rate, len(left_out), left_out[0] if left_out else None)


def _begins(heard_ns: Sequence[int], lengths_ns: Sequence[int], began_ns: int, speed: Speed) -> List[int]:
    """When each frame begins on the axis; those between which no more than the jitter of sending lies follow one another at once."""
    jitter_ns = int(JITTER_NS / max(_factor(speed), _AT_ONCE))
    begins_ns, free_ns = [], 0
    for begin_ns, length_ns in zip(heard_ns, lengths_ns):
        if begin_ns - free_ns > jitter_ns:
            free_ns = begin_ns
        begins_ns.append(began_ns + free_ns)
        free_ns += length_ns
    return begins_ns


def _said_parts(session: Session, dialect: Dialect, frames: _Frames, factor: Fraction) -> Iterator[Part]:
    begins_ns = {event.seq: begin_ns for event, begin_ns in zip(frames.events, frames.begins_ns)}
    ends_ns = {event.seq: begin_ns + length_ns for event, begin_ns, length_ns in zip(*frames)}
    audio = session.audio(dialect)
    # Of hours of small frames, what is the same for all is worked out once.
    rates: Dict[Pcm, Fraction] = {}
    free_ns: Optional[int] = None
    for event in frames.events:
        found = _decoded(event.frame, audio.frames[event.seq])
        if found is None:
            continue
        samples, pcm = found
        begin_ns = begins_ns[event.seq]
        if pcm not in rates:
            rates[pcm] = pcm.rate * factor
        yield Part(pcm, rates[pcm], samples, None if begin_ns == free_ns else Fraction(begin_ns))
        free_ns = ends_ns[event.seq]


class _Chunk(NamedTuple):
    """A piece of the assistant's audio as a speaker would play it: until when, and whether that is all of it."""

    event: Received
    begins_ns: int
    ends_ns: int
    is_whole: bool


def would_play(session: Session, dialect: Dialect, speed: Speed) -> Side:
    """What a speaker would have played of the audio that came: each piece once it is there and the one before it is over.

    An interruption silences what sounds, and what is still to come of the reply.

    Args:
        session: The session, at the speed.
        dialect: What its messages are in.
        speed: How many times as fast as their rate the samples went by.

    Returns:
        The side. Its rate is the highest of the audio that came.
    """
    audio = session.audio(dialect)
    lengths, left_out, rates = _Lengths(speed), [], []
    silences = _Silences(session.events, dialect)
    chunks: List[_Chunk] = []
    free_ns = 0
    for event in session.received:
        if event not in audio:
            continue
        found = _decoded(event.frame, audio.frames[event.seq])
        if found is None:
            left_out.append(event.seq)
            continue
        samples, pcm = found
        if not samples:
            continue
        rates.append(pcm.rate * _factor(speed))
        length_ns = lengths.next_ns(pcm.length_ns(len(samples)))
        for begin_ns, end_ns in sounding([(max(free_ns, event.at_ns), length_ns)], silences.behind(event)):
            chunks.append(_Chunk(event, begin_ns, end_ns, end_ns - begin_ns == length_ns))
            free_ns = end_ns
    rate = max(rates, default=None)
    voices = (_replies_voice(session, dialect, chunks, _factor(speed)),) if chunks else ()
    return Side(voices, rate, len(left_out), left_out[0] if left_out else None)


def _replies_voice(session: Session, dialect: Dialect, chunks: Sequence[_Chunk], factor: Fraction) -> Voice:
    def parts() -> Iterator[Part]:
        audio = session.audio(dialect)
        free_ns: Optional[int] = None
        for chunk in chunks:
            found = _decoded(chunk.event.frame, audio.frames[chunk.event.seq])
            if found is None:
                continue
            samples, pcm = found
            rate = pcm.rate * factor
            if not chunk.is_whole:
                n_frames = int((chunk.ends_ns - chunk.begins_ns) * rate // _SECOND_NS)
                samples = samples[: n_frames * pcm.frame_bytes]
            yield Part(pcm, rate, samples, None if chunk.begins_ns == free_ns else Fraction(chunk.begins_ns))
            free_ns = chunk.ends_ns

    return Voice(Fraction(chunks[0].begins_ns), Fraction(chunks[-1].ends_ns), parts)


class _Piece(NamedTuple):
    """A piece of the assistant's audio as it arrived."""

    event: Received
    audio: FrameAudio
    begins_ns: int
    ends_ns: int


def arrived(session: Session, dialect: Dialect, speed: Speed) -> Side:
    """The assistant's audio as it came: each reply from its first piece on, whole, whatever else sounds and whoever interrupts.

    Args:
        session: The session, at the speed.
        dialect: What its messages are in.
        speed: How many times as fast as their rate the samples went by.

    Returns:
        The side, a voice for each reply; replies overlap where one came while the one before it would still sound.
    """
    audio, of_reply = session.audio(dialect), {}
    for turn in dialect.turns(session.events):
        of_reply.update(dict.fromkeys(turn.reply, turn.number))
    lengths, left_out, rates = _Lengths(speed), [], []
    replies: Dict[Optional[int], List[_Piece]] = {}
    for event in session.received:
        one = audio.frames.get(event.seq)
        if one is None:
            continue
        found = _decoded(event.frame, one)
        if found is None:
            left_out.append(event.seq)
        elif found[0]:
            samples, pcm = found
            rates.append(pcm.rate * _factor(speed))
            pieces = replies.setdefault(of_reply.get(event.seq), [])
            begins_ns = max(event.at_ns, pieces[-1].ends_ns if pieces else 0)
            pieces.append(_Piece(event, one, begins_ns, begins_ns + lengths.next_ns(pcm.length_ns(len(samples)))))
    voices = tuple(_pieces_voice(pieces, _factor(speed)) for pieces in replies.values())
    return Side(voices, max(rates, default=None), len(left_out), left_out[0] if left_out else None)


def _pieces_voice(pieces: Sequence[_Piece], factor: Fraction) -> Voice:
    def parts() -> Iterator[Part]:
        free_ns: Optional[int] = None
        for piece in pieces:
            found = _decoded(piece.event.frame, piece.audio)
            if found is None:
                continue
            samples, pcm = found
            yield Part(pcm, pcm.rate * factor, samples, None if piece.begins_ns == free_ns else Fraction(piece.begins_ns))
            free_ns = piece.ends_ns

    return Voice(Fraction(pieces[0].begins_ns), Fraction(pieces[-1].ends_ns), parts)


class _Silences:
    """When a speaker falls silent: at each interruption, which drops what is to come of the reply that it interrupts as well."""

    def __init__(self, events: Sequence[Event], dialect: Dialect) -> None:
        by_seq = {event.seq: event for event in events}
        turns = [turn for turn in dialect.turns(events) if turn.interrupted_by is not None]
        self._interruptions = sorted((by_seq[turn.interrupted_by] for turn in turns if turn.interrupted_by is not None), key=order)
        self._of_reply: Mapping[int, int] = {
            seq: by_seq[turn.interrupted_by].at_ns for turn in turns for seq in turn.reply if turn.interrupted_by is not None
        }

    def behind(self, event: Received) -> Optional[int]:
        """When what came is not heard any more, None for never."""
        own_ns = self._of_reply.get(event.seq)
        later_ns = next((one.at_ns for one in self._interruptions if order(one) > order(event)), None)
        return min((at_ns for at_ns in (own_ns, later_ns) if at_ns is not None), default=None)


class _Lengths:
    """How long audio lasts on the axis, piece by piece; what rounding takes from one piece the next one gets."""

    def __init__(self, speed: Speed) -> None:
        self._factor = _factor(speed)
        self._spoken_ns = 0

    def next_ns(self, length_ns: int) -> int:
        before_ns = self._spoken_ns * self._factor.denominator // self._factor.numerator
        self._spoken_ns += length_ns
        return self._spoken_ns * self._factor.denominator // self._factor.numerator - before_ns


def _factor(speed: Speed) -> Fraction:
    return _AT_ONCE if speed is None else speed


def _decoded(frame: Frame, audio: FrameAudio) -> Optional[Tuple[bytes, Pcm]]:
    """The samples of a frame and their format; None where they cannot be decoded."""
    try:
        # Audio of no length has no format either, and nothing is missing.
        if audio.places and all(place.start >= place.stop for place in audio.places):
            return b"", (audio.pcm or Pcm(SILENT_RATE, 1)).linear
        return samples_of(frame, audio)
    except (SessionError, ValueError):
        # The folder does not hold it, or it is not what it says that it is.
        return None
