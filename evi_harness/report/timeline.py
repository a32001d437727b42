"""A session for people: its header, then one line per event, or the lines around a place.

Rules of living here: audio frames that follow one another are one line, unless each is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Callable, Iterator, List, Mapping, Sequence, Tuple

from evi_harness.report.plain import printable
from evi_harness.session.events import Closed, Event, Frame, Note, Opened, Received, Sent, Unknown, order
from evi_harness.session.header import Times
from evi_harness.session.json_value import Json
from evi_harness.session.places import PLACES, places_in
from evi_harness.session.protocols import Dialect
from evi_harness.session.session import Session
from evi_harness.session.session_audio import SessionAudio

__all__ = ["Row", "around", "as_lines", "event_rows", "header_lines"]

_WIDE = 12


@dataclass(frozen=True)
class Row:
    """One line of a timeline.

    Attributes:
        seq: The event, the first of some frames of audio.
        last_seq: The last of them; ``seq`` for everything else.
        at_ns: When.
        kind: Its kind.
        what: What it says.
    """

    seq: int
    last_seq: int
    at_ns: int
    kind: str
    what: str

    def __str__(self) -> str:
        arrow = {"sent": "→", "received": "←"}.get(self.kind, " ")
        return f"{self.at_ns / 1e9:>9.3f} s  #{self.seq:<5} {arrow} {self.kind:<9} {printable(self.what)}"


def as_lines(session: Session, dialect: Dialect) -> List[str]:
    """Header and timeline of a session, one line each."""
    return [*header_lines(session, dialect), "", *(str(row) for row, _ in event_rows(session, dialect))]


def header_lines(session: Session, dialect: Dialect) -> List[str]:
    """What the header of a session says, one line each."""
    return list(_header(session, dialect))


def event_rows(
    session: Session, dialect: Dialect, *, each_frame: bool = False, is_in: Callable[[Event], bool] = lambda _: True
) -> Iterator[Tuple[Row, Tuple[Event, ...]]]:
    """The rows of a timeline, each with the events that it is of.

    Args:
        session: The session.
        dialect: What it is in.
        each_frame: Give each frame of audio a row of its own.
        is_in: Whether an event is wanted; the others are left out.
    """
    audio = session.audio(dialect)
    for wanted, span in groupby(session.events, key=is_in):
        for group in _groups(list(span), audio) if wanted else ():
            for part in [[event] for event in group] if each_frame else [group]:
                yield _row_of(part, audio, dialect), tuple(part)


def around(session: Session, at: Tuple[int, int], dialect: Dialect, n_rows: int = 3) -> List[Row]:
    """What crossed the wire around a place: so many rows up to it, and as many behind it.

    Args:
        session: The session; its notes are left out.
        at: The time and the seq of the place; an event that stands there is the last row before it.
        dialect: What the session is in.
        n_rows: How many rows on each side, at most.
    """
    audio = session.audio(dialect)
    groups = list(_groups([event for event in session.events if not isinstance(event, (Note, Unknown))], audio))
    n_before = sum(order(group[0]) <= at for group in groups)
    return [_row_of(group, audio, dialect) for group in groups[max(0, n_before - n_rows) : n_before + n_rows]]


def _header(session: Session, dialect: Dialect) -> Iterator[str]:
    header = session.header
    yield _row("session", session.name or header.id)
    yield _row("made by", f"{header.made_by}, {header.created}, {_versions(header.software)}")
    if header.endpoint:
        yield _row("endpoint", header.endpoint)
    yield _row("service", header.service)
    yield _row("recorded", _recorded(session))
    n_turns = len(dialect.turns(session.events))
    yield _row("length", f"{session.duration_ns / 1e9:.3f} s, {n_turns} turn{'' if n_turns == 1 else 's'}")
    n_sent, n_received, n_notes = (sum(event.kind == kind for event in session.events) for kind in ("sent", "received", "note"))
    yield _row("events", f"{n_sent} sent, {n_received} received, {n_notes} note{'' if n_notes == 1 else 's'}")
    for track in header.tracks:
        form = f"{track.rate} Hz, {track.channels} ch, {(track.width or 0) * 8} bit" if track.rate else "as it came"
        yield _row(track.track, f"{track.file}: {form}, {track.n_bytes} bytes")
    # What was written to its end can still have holes.
    yield _row("complete", "yes" if header.complete and not header.counts.get("dropped") else "no")
    for sentence in session.missing:
        yield _row("missing", sentence)


def _versions(software: Json) -> str:
    return ", ".join(f"{name} {version}" for name, version in software.items()) or "versions unknown"


_TIMES: Mapping[Times, str] = {"measured": "measured", "synthesised": "made up, not measured", "taken": "when the app read each message"}


def _recorded(session: Session) -> str:
    recorded = session.header.recorded
    sent = "sent and received" if recorded.sent else "received only; the app's messages are unknown"
    closed = "" if recorded.closed else "; the end is unknown"
    return f"{sent}{closed}; times are {_TIMES[recorded.times]}"


def _row(label: str, text: str) -> str:
    return f"{printable(label):<{_WIDE}}{printable(text)}"


def _groups(events: Sequence[Event], audio: SessionAudio) -> Iterator[List[Event]]:
    """Events that are told in one line: frames of audio that follow one another, and everything else alone."""
    for is_audio, group in groupby(events, key=lambda event: _is_audio(event, audio)):
        if is_audio:
            yield list(group)
        else:
            yield from ([event] for event in group)


def _is_audio(event: Event, audio: SessionAudio) -> bool:
    return isinstance(event, Sent) and event in audio


def _row_of(group: List[Event], audio: SessionAudio, dialect: Dialect) -> Row:
    event = group[0]
    if _is_audio(event, audio):
        return _audio(group, audio)
    return Row(event.seq, event.seq, event.at_ns, *_told(event, dialect))


def _audio(events: List[Event], audio: SessionAudio) -> Row:
    frames = [event.frame for event in events if isinstance(event, Sent)]
    lengths = [audio.length_ns(event.seq) for event in events]
    known = [length for length in lengths if length is not None]
    length = f"{sum(known) / 1e9:.3f} s of audio" if len(known) == len(lengths) else f"{sum(frame.size for frame in frames)} bytes of audio"
    frames_told = "1 frame" if len(frames) == 1 else f"{len(frames)} frames until {events[-1].at_ns / 1e9:.3f} s"
    return Row(events[0].seq, events[-1].seq, events[0].at_ns, "sent", f"{length}, {frames_told}")


def _told(event: Event, dialect: Dialect) -> Tuple[str, str]:
    if isinstance(event, (Sent, Received)):
        failed = f" ({event.outcome})" if isinstance(event, Sent) and event.outcome != "sent" else ""
        # With its audio, so that the length of it can be told.
        whole = Frame(event.frame.opcode, event.frame.payload)
        return event.kind, dialect.describe(event.kind, dialect.read(event.kind, whole)) + failed
    if isinstance(event, Opened):
        query = "&".join(f"{name}={value}" for name, value in event.handshake.query)
        return "opened", event.handshake.path + (f"?{query}" if query else "")
    if isinstance(event, Closed):
        code = "no code" if event.code is None else f"code {event.code}"
        return "closed", f"by {event.by}, {code}{': ' + event.reason if event.reason else ''}"
    if isinstance(event, Unknown):
        return "unknown", f"{event.name}; this version knows no such kind of event"
    assert isinstance(event, Note)
    # Of places the innermost, without its source: one line is one event.
    told = {name: value for name, value in event.data.items() if name != PLACES}
    data = " ".join([*(f"{name}={value}" for name, value in told.items()), *(f"at {place}" for place in places_in(event.data)[:1])])
    about = "" if event.of is None else f" #{event.of}"
    return "note", f"{event.name}{about} {data}".rstrip()
