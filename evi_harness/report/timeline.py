"""A session for people: its header, then one line an event. Audio frames that follow one another are one line."""

from __future__ import annotations

from itertools import groupby
from typing import Any, Iterator, List, Tuple

from evi_harness.report.plain import printable
from evi_harness.session.events import Closed, Event, Frame, Note, Opened, Received, Sent, Unknown
from evi_harness.session.protocols import AudioPlaces, Dialect
from evi_harness.session.session import Session

__all__ = ["as_lines"]

_WIDE = 12


def as_lines(session: Session, dialect: Dialect) -> List[str]:
    """Header and timeline of a session, one line each."""
    return [*_header(session, dialect), "", *_timeline(session, dialect)]


def _header(session: Session, dialect: Dialect) -> Iterator[str]:
    header = session.header
    yield _row("session", session.name or header.id)
    yield _row("made by", f"{header.made_by}, {header.created}, {_versions(header.software)}")
    if header.endpoint:
        yield _row("endpoint", header.endpoint)
    yield _row("service", header.service)
    yield _row("recorded", _recorded(session))
    yield _row("length", f"{session.duration_ns / 1e9:.3f} s, {len(dialect.turns(session.events))} turns")
    counts = {kind: sum(event.kind == kind for event in session.events) for kind in ("sent", "received", "note")}
    yield _row("events", ", ".join(f"{count} {kind}" for kind, count in counts.items()))
    for track in header.tracks:
        form = f"{track.rate} Hz, {track.channels} ch, {(track.width or 0) * 8} bit" if track.rate else "as it came"
        yield _row(track.track, f"{track.file}: {form}, {track.n_bytes} bytes")
    yield _row("complete", "yes" if header.complete else "no")
    for sentence in session.missing:
        yield _row("missing", sentence)


def _versions(software: Any) -> str:
    return ", ".join(f"{name} {version}" for name, version in software.items()) or "versions unknown"


def _recorded(session: Session) -> str:
    recorded = session.header.recorded
    sent = "sent and received" if recorded.sent else "received only; what was sent is not known"
    closed = "" if recorded.closed else "; the end is not known"
    return f"{sent}{closed}; times are {recorded.times}"


def _row(label: str, text: str) -> str:
    return f"{printable(label):<{_WIDE}}{printable(text)}"


def _timeline(session: Session, dialect: Dialect) -> Iterator[str]:
    places = dialect.audio_places(session.handshake)
    marked = [(event, isinstance(event, Sent) and places.is_audio(event.kind, event.frame)) for event in session.events]
    for is_audio, group in groupby(marked, key=lambda one: one[1]):
        events = [event for event, _ in group]
        if is_audio:
            yield _audio(events, places)
        else:
            for event in events:
                if isinstance(event, (Sent, Received)):
                    places.length_ns(event.kind, event.frame)
                yield _line(event, dialect)


def _audio(events: List[Event], places: AudioPlaces) -> str:
    frames = [event.frame for event in events if isinstance(event, Sent)]
    lengths = [places.length_ns("sent", frame) for frame in frames]
    known = [length for length in lengths if length is not None]
    length = f"{sum(known) / 1e9:.3f} s of audio" if len(known) == len(lengths) else f"{sum(frame.size for frame in frames)} bytes of audio"
    frames_told = "1 frame" if len(frames) == 1 else f"{len(frames)} frames until {events[-1].at_ns / 1e9:.3f} s"
    return _stamped(events[0], "sent", f"{length}, {frames_told}")


def _line(event: Event, dialect: Dialect) -> str:
    kind, text = _told(event, dialect)
    return _stamped(event, kind, text)


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
    data = " ".join(f"{name}={value}" for name, value in event.data.items())
    about = "" if event.of is None else f" #{event.of}"
    return "note", f"{event.name}{about} {data}".rstrip()


def _stamped(event: Event, kind: str, text: str) -> str:
    arrow = {"sent": "→", "received": "←"}.get(kind, " ")
    return f"{event.at_ns / 1e9:>9.3f} s  #{event.seq:<5} {arrow} {kind:<9} {printable(text)}"
