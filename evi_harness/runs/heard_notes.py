"""Compare the audio that an app received and played: notes of missing, repeated, misordered, changed or wrong audio.

The app is judged by what it handed on, and by what its own streams played. What the SDK's player made of the audio that it was handed is a
note, since the app is not at fault for it. When each chunk was heard, and where the speaker ran dry, is read off what the speaker played.

Rules of living here: what is wrong is decided by ``replay.hearing``; this brings all sides to one clock and one form.
"""

from __future__ import annotations

from array import array
from dataclasses import replace
from typing import Any, Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from evi_harness.audio.cadence import AT_ITS_RATE
from evi_harness.audio.software_speaker import Playback
from evi_harness.carriers.journal import Journal
from evi_harness.guard.place_lookup import told_places
from evi_harness.replay.hearing.faults import IDLE_NS, LOST_NS, Fault, Interruption, faults
from evi_harness.replay.hearing.match import Unmatched, matched
from evi_harness.replay.hearing.streams import QUIET, Chunk, Piece, ReceivedAudio, ReplyAudio, peak, played_streams
from evi_harness.replay.hearing.timing import heard_chunks, plays_on, underruns
from evi_harness.replay.hearing.truncation import Truncation, truncations
from evi_harness.session.encoded_audio import CONTAINERS, base64_bytes
from evi_harness.session.events import TEXT, Closed, Event, Received, Sent
from evi_harness.session.g711 import linear_samples
from evi_harness.session.notes import (
    CANCELS_TASKS,
    EXITS,
    HANDLER_RETURNED,
    HEARD,
    PLAYER_CHANGES,
    PLAYS_NOTHING,
    SENT_FROM,
    STOPS_LOOP,
    UNJUDGED_AUDIO,
    UNSEEN,
    FindingFacts,
    of_kinds,
)
from evi_harness.session.protocols import RECEIVED, AudioPlace, Dialect, FrameAudio
from evi_harness.session.session_audio import SessionAudio
from evi_harness.session.turn import Turn
from evi_harness.session.wav import Pcm, split
from evi_harness.watch.handed import HandedOn

__all__ = ["Incoming", "chunks_of", "incoming", "note_heard", "pieces_of"]

# Notes that tell that the app took itself out of a conversation that may go on without it; where ``ended`` is true, for certain.
_ENDINGS = (CANCELS_TASKS, EXITS, STOPS_LOOP)
# What is not more than this between two matched samples is the SDK's player's doing, and its note.
_PLAYERS_NS = 20_000_000


class Incoming(NamedTuple):
    """The assistant's audio as it came.

    Attributes:
        chunks: What could be decoded, in the order in which it came.
        unknown: Messages with audio that could not, by seq, and why.
    """

    chunks: List[Chunk]
    unknown: List[Tuple[int, int, str]]


def note_heard(
    journal: Journal,
    playbacks: Sequence[Playback],
    dialect: Dialect,
    handed: Optional[HandedOn] = None,
    *,
    is_players: Callable[[Any], bool] = lambda _: False,
    headerless: Optional[Pcm] = None,
    redact: Callable[[str], str] = str,
) -> None:
    """Note what is wrong with what was played, once the run is over.

    Args:
        journal: The run, to its close. Its clock is the speaker's.
        playbacks: What the speaker played.
        dialect: What the messages are in.
        handed: What the app handed on to the SDK's player, None where that was not observed.
        is_players: Whether a callback that fills a speaker's blocks is the SDK's player.
        headerless: What audio without a header is played as where nothing says what it is; None where that is not known.
        redact: Takes secrets out of the source that places show.
    """
    if journal.opened_at_ns is None:
        return
    _Listening(journal, playbacks, dialect, handed or HandedOn(), is_players, headerless).note(journal, redact)


class _Listening:
    def __init__(
        self,
        journal: Journal,
        playbacks: Sequence[Playback],
        dialect: Dialect,
        handed: HandedOn,
        is_players: Callable[[Any], bool],
        headerless: Optional[Pcm],
    ) -> None:
        events = journal.events
        self._handed = handed
        self._end_ns = next((event.at_ns for event in events if isinstance(event, Closed)), journal.now_ns)
        turns = dialect.turns(events)
        self._incoming = incoming(events, dialect, turns, headerless)
        at_ns = {event.seq: event.at_ns for event in events}
        self._interruptions = list(_interruptions(turns, at_ns, events, handed))
        self._replies = [
            ReplyAudio(turn.number, turn.reply_text, None if turn.interrupted_by is None else at_ns[turn.interrupted_by]) for turn in turns
        ]
        gone_ns = _gone_ns(events, lambda end: end.ended)
        # An app may have cancelled what brings it its messages, and so have got none of what came later.
        self._deaf_ns = _gone_ns(events, lambda _: True)
        # What came behind its own end was not the app's to play.
        self._received = ReceivedAudio([chunk for chunk in self._incoming.chunks if gone_ns is None or chunk.at_ns < gone_ns])
        opened_at_ns = journal.opened_at_ns or 0
        players = [playback for playback in playbacks if handed.is_watched and is_players(playback.callback)]
        own = [playback for playback in playbacks if not any(playback is one for one in players)]
        # Stream 0 is what was handed on.
        self._by_player = _streams(players, opened_at_ns, 1)
        self._own = _streams(own, opened_at_ns, 1 + len(players))
        self._heard = matched(self._received, played_streams([*self._by_player, *self._own]))
        # What the app is judged by, once it was.
        self._by_app = self._heard
        self._truncations = _Truncations(events, dialect)
        self._cut_off_by_app()
        self._held_ns = max((playback.held_ns for playback in playbacks), default=0)
        self._is_at_its_rate = all(playback.speed == AT_ITS_RATE for playback in playbacks)

    def note(self, journal: Journal, redact: Callable[[str], str]) -> None:
        """Write the notes."""
        for heard in heard_chunks(self._heard):
            journal.note(HEARD, of=heard.seq, at_ns=heard.at_ns, until_ns=heard.until_ns)
        for fault in self._faults():
            _note_fault(journal, fault, self._places(fault, redact))
        wrong, unjudged = self._truncated()
        for fault in wrong:
            _note_fault(journal, fault, self._truncations.places.get(fault.seq, []))
        what = self._players_doing()
        if what:
            journal.note(PLAYER_CHANGES, what=what)
        for kind, sentence in (*self._not_seen(), *unjudged):
            journal.note(UNSEEN, kind=kind, what=sentence)

    def _cut_off_by_app(self) -> None:
        """What an app truncates is interrupted, also where no message says that: of push to talk, its button does."""
        said = self._truncations
        numbers = {said.items.get(chunk.seq): chunk.reply for chunk in self._incoming.chunks if chunk.reply}
        for one in said.all:
            for index, reply in enumerate(self._replies):
                if reply.number == numbers.get(one.item) and reply.interrupted_ns is None:
                    self._replies[index] = replace(reply, interrupted_ns=one.at_ns)
                    self._interruptions.append(Interruption(one.seq, one.at_ns, one.at_ns, 0))

    def _truncated(self) -> Tuple[List[Fault], List[Tuple[str, str]]]:
        """What the app said wrongly of what was heard; and, as of what is not seen, what of it nobody can judge."""
        said = self._truncations
        if not said.all:
            return [], []
        faults: List[Fault] = []
        unjudged = said.all
        if not self._own and not self._by_player:
            why = "what it plays is not heard"
        elif not self._is_at_its_rate:
            why = "it is replayed at another speed"
        else:
            faults, unjudged = truncations(self._heard, said.items, said.all, self._held_ns)
            why = "what it played is not the audio as it was received"
        if not unjudged:
            return faults, []
        n = len(unjudged)
        what = f"the app says how much of a reply was heard, {n} time{'' if n == 1 else 's'}: whether so much was is not known, since {why}"
        return faults, [("truncation", what)]

    def _places(self, fault: Fault, redact: Callable[[str], str]) -> List[Dict[str, Any]]:
        """Where the first piece was handed on of which it is known."""
        numbers = (number for number in fault.pieces if number < len(self._handed.items))
        stacks = (self._handed.items[number].standing for number in numbers)
        return next(filter(None, (told_places(stack, redact, or_library=False) for stack in stacks)), [])

    def _faults(self) -> Iterator[Fault]:
        yield from self._undecoded()
        if not self._received.n_samples:
            return
        pieces = self._handed_on()
        if not pieces and not self._own:
            yield from self._plays_nothing()
            return
        match = self._by_app = matched(self._received, played_streams([*pieces, *self._own])) if pieces else self._heard
        yield from faults(match, self._replies, self._interruptions, self._end_ns, is_handed_on=bool(pieces))
        yield from plays_on(match, self._replies, self._interruptions, is_handed_on=bool(pieces))
        yield from underruns(self._heard, self._interruptions)

    def _handed_on(self) -> List[Piece]:
        """What was handed on, as pieces; each number is the item's."""
        items = enumerate(self._handed.items)
        return [Piece(item.at_ns, item.at_ns, item.pcm, item.samples, 0, number) for number, item in items if item.pcm is not None]

    def _undecoded(self) -> Iterator[Fault]:
        """Audio of which nobody can say whether it was played."""
        off = "never_played, played_twice, out_of_order_audio, wrong_audio, wrong_length, plays_on, underrun, to_speaker"
        if self._incoming.unknown:
            seq, at_ns, why = self._incoming.unknown[0]
            n = len(self._incoming.unknown)
            what = f"the audio of {n} message{'' if n == 1 else 's'} cannot be judged: {why}"
            yield Fault(UNJUDGED_AUDIO, seq, at_ns, what, (f"not checked there: {off}",))
        unknown = [(number, item) for number, item in enumerate(self._handed.items) if item.pcm is None]
        if unknown:
            number, item = unknown[0]
            n = len(unknown)
            what = f"{n} piece{'' if n == 1 else 's'} of the audio passed on cannot be judged:  {item.why}"
            yield Fault(UNJUDGED_AUDIO, None, item.at_ns, what, (f"not checked there: {off}",), (number,))

    def _plays_nothing(self) -> Iterator[Fault]:
        """Of an app that plays nothing at all it is told where it has a stream to play, and there was time enough."""
        chunks = (chunk for chunk in self._received.chunks if self._deaf_ns is None or chunk.at_ns < self._deaf_ns)
        sounding = [chunk for chunk in chunks if any(chunk.samples)]
        if not sounding or not self._handed.has_stream or self._handed.items or self._end_ns - sounding[0].at_ns < IDLE_NS:
            return
        n, came_ns = len(sounding), sum(chunk.length_ns for chunk in sounding)
        came = f"{came_ns / 1e9:.2f} s of audio came in {n} message{'' if n == 1 else 's'}"
        hint = "if the app plays elsewhere, or is silent on purpose, use --severity plays_nothing=warning"
        what = f"{came}, and the handler put nothing into its byte_strs"
        yield Fault(PLAYS_NOTHING, sounding[0].seq, sounding[0].at_ns + IDLE_NS, what, (hint,))

    def _not_seen(self) -> Iterator[Tuple[str, str]]:
        """What cannot be judged of what was played: the kind, and a sentence."""
        if not self._received.n_samples:
            return
        if not self._own and not self._handed.has_stream and not self._handed.items:
            known = "put nothing into byte_strs or a stream, and opened no stream of sounddevice, PyAudio or simpleaudio"
            yield "playback", f"the app {known}: what it plays elsewhere is not checked"
            return
        lost_ns = sum(self._received.length_ns(*span) for span in self._too_late_to_play())
        if lost_ns >= LOST_NS:
            what = f"{lost_ns / 1e9:.2f} s of audio came in the last second and was not played: whether it would have been is not known"
            yield "last_audio", what

    def _too_late_to_play(self) -> Iterator[Tuple[int, int]]:
        """What came right before the end and was not played, in samples; not what an interruption may have dropped."""
        since = self._received.arrived(self._end_ns - IDLE_NS)
        for first, stop in self._by_app.unplayed:
            start = max(first, since)
            if start < stop and peak(self._received.samples(start, stop)) > QUIET:
                came_ns = self._received.chunk_at(start).at_ns
                if not any(came_ns <= one.at_ns for one in self._interruptions):
                    yield start, stop

    def _players_doing(self) -> str:
        """What the SDK's player lost of what it was handed, or added to it, in places too short for a fault; empty for nothing."""
        if not self._by_player or not self._handed.items:
            return ""
        # Something was heard before and behind what the player left out, and the app had handed it on.
        heard_until = max((one.until for one in self._heard.matched), default=0)
        inside = (span for span in self._heard.unplayed if span[0] > 0 and span[1] < heard_until)
        short = (span for span in inside if self._is_short(self._received.length_ns(*span)))
        losses = [span for span in short if not self._by_app.unplayed_within(*span)]
        lost_ns = sum(self._received.length_ns(*span) for span in losses)
        # What the app itself had handed on besides is not the player's.
        is_apps = any(not part.is_silent for part in self._by_app.unmatched)
        strange = [] if is_apps else [part for part in self._heard.unmatched if not part.is_silent]
        added = list(filter(self._is_short, map(self._part_ns, strange)))
        told = []
        if losses:
            told.append(f"left out {lost_ns / 1e6:.1f} ms of audio in {_places(len(losses))}")
        if added:
            told.append(f"played {sum(added) / 1e6:.1f} ms that is not audio (parts of WAV headers) in {_places(len(added))}")
        told += self._at_another_rate()
        return f"the SDK's player {', and '.join(told)}: your app did not cause that" if told else ""

    def _part_ns(self, part: Unmatched) -> int:
        pcm = self._heard.played[part.stream].pcm
        return pcm.length_ns((part.stop - part.start) * pcm.frame_bytes)

    @staticmethod
    def _is_short(length_ns: int) -> bool:
        return 0 < length_ns < _PLAYERS_NS

    def _at_another_rate(self) -> Iterator[str]:
        """The player takes the rate of the first item for all."""
        handed = {item.pcm.rate for item in self._handed.items if item.pcm is not None}
        played = {stream.pcm.rate for stream in self._by_player}
        if len(handed) > 1 and len(played) == 1:
            yield f"played all of it at {played.pop() / 1000:g} kHz although it was handed audio of {_rates(handed)}"


def _note_fault(journal: Journal, fault: Fault, places: List[Dict[str, Any]]) -> None:
    told = {"detail": list(fault.detail), "places": places}
    facts = {**fault.facts, **{name: value for name, value in told.items() if value}}
    journal.note(fault.kind, of=fault.seq, at_ns=fault.at_ns, what=fault.what, **facts)


class _Truncations:
    """What an app says of how much was heard, in the messages of one run.

    Attributes:
        all: What it says, in time; without what the service refuses, which is another finding.
        items: The item that each message with audio belongs to, by seq.
        places: Where each was sent, by seq.
    """

    def __init__(self, events: Sequence[Event], dialect: Dialect) -> None:
        self.all: List[Truncation] = []
        self.items: Dict[int, str] = {}
        self.places: Dict[Optional[int], List[Dict[str, Any]]] = {}
        truncated = dialect.truncations(events)
        if not truncated:
            return
        refused = dialect.rejected(events)
        sent = [event for event in events if isinstance(event, Sent)]
        said = (event for event in sent if event.seq in truncated and event.seq not in refused)
        self.all = [Truncation(event.seq, event.at_ns, *truncated[event.seq]) for event in said]
        for one in events:
            if isinstance(one, Received) and one.frame.is_text:
                self.items[one.seq] = dialect.identity(dialect.read(RECEIVED, one.frame)) or ""
        places = {facts.number: facts.places for _, facts in SENT_FROM.all_in(events)}
        self.places = {event.seq: [dict(one) for one in places.get(number, ())] for number, event in enumerate(sent)}


def incoming(
    events: Sequence[Event], dialect: Dialect, turns: Optional[Sequence[Turn]] = None, headerless: Optional[Pcm] = None
) -> Incoming:
    """The assistant's audio, in the order in which it came.

    What has no header is in the format of the audio before it, as in a stream whose first chunk alone has one.

    Args:
        events: All events of a session, in time.
        dialect: What its messages are in.
        turns: Its turns, where they are known.
        headerless: The format of audio without a header before which none had one; None where that is not known.
    """
    turns = dialect.turns(events) if turns is None else turns
    replies = {seq: turn.number for turn in turns for seq in turn.reply}
    # The app's binary frames are the user's audio: they say nothing of the assistant's.
    audio = SessionAudio([event for event in events if not isinstance(event, Sent) or event.frame.opcode == TEXT], dialect.reader)
    found = Incoming([], [])
    before = headerless
    for event in events:
        if not isinstance(event, Received) or event not in audio:
            continue
        in_force = audio.pcm(event.seq)
        before = before if in_force is None else in_force
        data = _bytes_in(event, audio.frames[event.seq])
        if data is None:
            found.unknown.append((event.seq, event.at_ns, "it is not base64"))
            continue
        wav = split(data)
        if wav is None and (before is None or data.startswith((b"RIFF", *CONTAINERS))):
            found.unknown.append((event.seq, event.at_ns, "it is not WAV of linear PCM, and what format it is in is not known"))
            continue
        pcm = before if wav is None else wav.pcm
        assert pcm is not None
        before = pcm
        samples = data[: len(data) // pcm.frame_bytes * pcm.frame_bytes] if wav is None else wav.samples
        place = dialect.chunk(dialect.read(RECEIVED, event.frame))
        number = replies.get(event.seq, 0)
        samples, linear = linear_samples(samples, pcm)
        found.chunks.append(Chunk(event.seq, event.at_ns, Pcm(pcm.rate, pcm.channels), _in_16_bits(samples, linear.width), number, place))
    return found


def chunks_of(events: Sequence[Event], dialect: Dialect) -> List[Chunk]:
    """The assistant's audio that can be decoded, in the order in which it came."""
    return incoming(events, dialect).chunks


def pieces_of(playback: Playback, opened_at_ns: int, stream: int = 0) -> Iterator[Piece]:
    """What one stream played, as it was handed to it piece by piece; where that is not known, from silence to silence.

    Args:
        playback: The stream's.
        opened_at_ns: When the session was opened, on the speaker's clock.
        stream: A number for it.
    """
    # Slices that are no copies: what is heard in an hour is a third of a gigabyte.
    samples = memoryview(playback.samples)
    begins = {span.start for span in playback.spans if not span.is_silence}
    starts = sorted(start for start in {*playback.chunks, *begins} if start < len(samples))
    for start, end in zip(starts, [*starts[1:], len(samples)]):
        at_ns, last_ns = playback.heard_ns(start), playback.heard_ns(end - 1)
        if at_ns is not None and last_ns is not None:
            yield Piece(at_ns - opened_at_ns, last_ns - opened_at_ns, playback.pcm, samples[start:end], stream, _NO_ITEM)


# The number of a piece that no item was handed on as.
_NO_ITEM = 1 << 62


def _streams(playbacks: Sequence[Playback], opened_at_ns: int, first: int) -> List[Piece]:
    numbered = enumerate(playbacks, first)
    return [piece for number, playback in numbered for piece in pieces_of(playback, opened_at_ns, number)]


def _gone_ns(events: Sequence[Event], counts: Callable[[FindingFacts], bool]) -> Optional[int]:
    """When the app first did what ends its own run, None where it did not; of those notes that count."""
    ends = ((note, end) for note, end in of_kinds(events, _ENDINGS) if counts(end))
    return min((note.at_ns if end.at_ns is None else end.at_ns for note, end in ends), default=None)


def _interruptions(turns: Sequence[Turn], at_ns: Dict[int, int], events: Sequence[Event], handed: HandedOn) -> Iterator[Interruption]:
    """When the user interrupted, and when the app had dealt with it."""
    taken = {one.seq: one for one in handed.taken}
    returned = {note.of: note.at_ns for note in HANDLER_RETURNED.notes_in(events)}
    for seq in sorted((turn.interrupted_by for turn in turns if turn.interrupted_by is not None), key=lambda seq: at_ns[seq]):
        one = taken.get(seq)
        taken_ns = returned.get(seq) if one is None else one.at_ns
        yield Interruption(seq, at_ns[seq], taken_ns, 0 if one is None else one.n_handed)


def _bytes_in(event: Received, audio: FrameAudio) -> Optional[bytes]:
    stored = event.frame.audio
    if stored is not None:
        return stored
    found = [_bytes_at(event.frame.payload, place) for place in audio.places]
    known = [one for one in found if one is not None]
    return b"".join(known) if known and len(known) == len(found) else None


def _bytes_at(payload: bytes, place: AudioPlace) -> Optional[bytes]:
    raw = payload[place.start : place.stop]
    return base64_bytes(raw) if place.base64 else raw


def _in_16_bits(samples: bytes, width: int) -> bytes:
    """Samples of any width as those of 16 bits: their upper ones."""
    if width == 2:
        return samples
    if width == 1:
        return array("h", [(value - 128) * 256 for value in samples]).tobytes()
    upper = bytearray(len(samples) // width * 2)
    upper[0::2], upper[1::2] = samples[width - 2 :: width], samples[width - 1 :: width]
    return bytes(upper)


def _places(n: int) -> str:
    return f"{n} place{'' if n == 1 else 's'}"


def _rates(rates: Iterable[int]) -> str:
    return " and ".join(f"{rate / 1000:g} kHz" for rate in sorted(rates))
