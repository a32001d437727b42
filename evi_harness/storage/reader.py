"""Read a session folder, even one whose writer was killed, and say what is missing.

What a crash leaves is put up with: an incomplete header, a last line that was cut, audio that is shorter than the lines say; in a session
that is not complete also lines of which the disk had only parts when the power went. What no crash leaves is an error: a damaged line of
a complete session, a number that comes twice, a version that is not known. Nothing unreadable passes as read.

Rules of living here: lines are read, audio is not: a frame reads its own when asked, so memory grows with the events alone.
"""

from __future__ import annotations

import itertools
import os
from dataclasses import replace
from operator import attrgetter
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple, Union

import msgspec

from evi_harness.errors import SessionUnreadable
from evi_harness.session import notes, wav
from evi_harness.session.events import NOTHING, Closed, Event, Frame, Unknown
from evi_harness.session.foreign_text import MAX_VALUES
from evi_harness.session.header import FORMAT_VERSION, Header, TrackFile
from evi_harness.session.json_places import nesting
from evi_harness.session.plausible_times import PlausibleTimes
from evi_harness.session.session import Session
from evi_harness.storage import codec, header_file, upgrades
from evi_harness.storage.frames import StoredFrame
from evi_harness.storage.layout import (
    EVENTS_FILE,
    HEADER_FILE,
    MAX_FRAME_BYTES,
    MAX_HEADER_BYTES,
    MAX_LINE_BYTES,
    MAX_NESTING,
    PAYLOADS,
    is_inside,
)
from evi_harness.storage.lines import KINDS, NO_JSON, AnyLine, NoteLine, ReceivedLine, SentLine, UnknownLine, decode, decode_block
from evi_harness.storage.opening import Folder, sessions_below

__all__ = [
    "DROPPED",
    "KILLED",
    "body_problem",
    "data_problem",
    "dropped_told",
    "dropped_until",
    "end_told",
    "gap_told",
    "line_blocks",
    "line_texts",
    "over_at_ns",
    "read_header",
    "read_session",
]

# The note of a recorder that stands in the place of events that it had to drop.
DROPPED = "dropped"
# Why a header can be incomplete and say no reason.
KILLED = "the writer was killed, is still at work, or had no room to say why"
# So many damages of the lines are told one by one.
_SHOWN = 10
# Where a file can be read at all.
_MAX_OFFSET = 2**63 - 1
_HINT = "evi-harness check FOLDER lists everything that is wrong with it."


def read_session(folder: Union[str, os.PathLike[str]]) -> Session:
    """Read a session folder.

    Args:
        folder: The folder.

    Returns:
        The session. ``missing`` says in sentences what a crash or a cut took away; the frames read their audio when asked for it.

    Raises:
        SessionUnreadable: It is not a session folder, or it cannot be understood; the message names file and line.
    """
    place = Folder(folder)
    header, version = read_header(place)
    reading = _Reading(place, version, PlausibleTimes(header), is_sealed=header.is_sealed)
    events = reading.events()
    if not header.is_sealed:
        header = replace(header, tracks=_tracks_found(reading))
    missing = (
        *_missing_in_header(header),
        *reading.missing,
        *_missing_events(header, len(events)),
        *_missing_end(header, events, reading.n_dropped),
        *_missing_audio(reading),
    )
    return Session(header, tuple(events), missing, place.name)


def read_header(place: Folder) -> Tuple[Header, int]:
    """Read session.json.

    Args:
        place: The folder.

    Returns:
        The header, and the format version that the folder's lines are of.

    Raises:
        SessionUnreadable: There is none, or it cannot be understood.
    """
    try:
        return header_file.decode(place.whole(HEADER_FILE, MAX_HEADER_BYTES))
    except OSError as error:
        what = f"this is not a session folder: {HEADER_FILE}: {error.strerror}"
        raise SessionUnreadable(what, where=str(place.path), hint=sessions_below(place.path) or None) from error
    except ValueError as error:
        raise SessionUnreadable(f"the header cannot be read: {error}", where=place.where(HEADER_FILE)) from error


def line_blocks(place: Folder) -> Iterator[Tuple[bytes, int]]:
    """The lines of a folder, many at once.

    Args:
        place: The folder.

    Yields:
        Whole lines with their newlines, and the number of the first; at last what stands behind the last newline, if anything does.

    Raises:
        SessionUnreadable: There are none, or a line is longer than may be.
    """
    rest, number = b"", 1
    try:
        for block in place.blocks(EVENTS_FILE):
            rest += block
            stop = rest.rfind(b"\n") + 1
            if stop:
                yield rest[:stop], number
                number += rest.count(b"\n", 0, stop)
                rest = rest[stop:]
            if len(rest) > MAX_LINE_BYTES:
                raise SessionUnreadable(f"the line is longer than {MAX_LINE_BYTES} bytes", where=place.where(EVENTS_FILE, number))
    except OSError as error:
        raise SessionUnreadable(f"this is not a session folder: {EVENTS_FILE}: {error.strerror}", where=str(place.path)) from error
    if rest:
        yield rest, number


def line_texts(place: Folder) -> Iterator[Tuple[int, bytes, bool]]:
    """The lines of a folder, one by one.

    Yields:
        Number, from 1; text without its newline; and whether it had one.

    Raises:
        SessionUnreadable: See ``line_blocks``.
    """
    for block, first in line_blocks(place):
        texts = block.split(b"\n")
        last = texts.pop()
        for number, text in enumerate(texts, first):
            yield number, text, True
        if last:
            yield first + len(texts), last, False


def body_problem(line: AnyLine) -> Optional[str]:
    """What is wrong with where a frame's body stands; None where nothing is."""
    if not isinstance(line, (SentLine, ReceivedLine)):
        return None
    n_bodies = (line.json is not NO_JSON) + (line.text is not None) + (line.base64 is not None) + (line.payload is not None)
    if n_bodies > 1:
        return "it has more than one of json, text, base64 and payload"
    cut, used = line.audio, line.audio or line.payload
    if used is not None and (used.length > MAX_FRAME_BYTES or used.offset + used.length > _MAX_OFFSET):
        return f"it refers to {used.length} bytes from {used.offset} on, and a message has at most {MAX_FRAME_BYTES}"
    if cut is None:
        if not n_bodies:
            return "it has no body: none of json, text, base64, payload and audio"
    elif line.payload is not None:
        return "it has both a payload and audio"
    elif cut.at and cut.at > len(codec.body_of(line)):
        return f"its audio belongs at byte {cut.at} of a body of {len(codec.body_of(line))} bytes"
    if line.json is not NO_JSON and _is_too_deep(bytes(line.json)):
        return f"its JSON is nested more than {MAX_NESTING} deep"
    return None


def over_at_ns(line: AnyLine) -> int:
    """When what a line tells of was over: it is written when the send returned, when the app took the frame."""
    if isinstance(line, SentLine):
        return line.at_ns + (line.took_ns or 0)
    return max(line.at_ns, line.taken_ns or 0) if isinstance(line, ReceivedLine) else line.at_ns


def data_problem(line: AnyLine, extra: Mapping[str, Any]) -> Optional[str]:
    """What is wrong with what a line holds beside a frame; None where nothing is."""
    if (isinstance(line, NoteLine) and codec.is_too_deep(line.data)) or (extra and codec.is_too_deep(dict(extra))):
        return f"its JSON is nested more than {MAX_NESTING} deep"
    if (isinstance(line, NoteLine) and codec.has_too_much(line.data)) or (extra and codec.has_too_much(dict(extra))):
        return f"its JSON has more than {MAX_VALUES} values"
    return None


def dropped_until(line: AnyLine) -> Optional[int]:
    """The seq of the last event that was dropped in the place of a line; None where none was."""
    facts = notes.DROPPED.facts.read(line.data) if isinstance(line, NoteLine) and line.name == notes.DROPPED.name else None
    return facts.last_seq if facts is not None and facts.last_seq >= line.seq else None


def dropped_told(line: AnyLine, last_seq: int) -> str:
    """The sentence about events that were dropped in the place of a line."""
    return f"{last_seq - line.seq + 1} events were dropped here, seq {line.seq} to {last_seq}: memory or disk did not keep up"


def end_told(n_lines: int, at_ns: int, n_dropped: int) -> str:
    """The sentence about the end of a session that nobody completed and whose close is not there.

    Args:
        n_lines: How many lines there are.
        at_ns: The time of the last event.
        n_dropped: How many events are known to have come later; 0 or less where that is not known.
    """
    if not n_lines:
        return "there is no event in it"
    how_much = f" ({n_dropped} events)" if n_dropped > 0 else ""
    return f"it ends here, at {at_ns / 1e9:.3f} s; what came later{how_much}, the connection's end included, is not in the session"


def gap_told(before: int, seq: int) -> str:
    """That numbers are missing between two that are there."""
    n_missing = seq - before - 1
    return f"{n_missing} event{'s are' if n_missing > 1 else ' is'} missing before seq {seq}."


class _Reading:
    """One pass over the lines of a folder."""

    def __init__(self, place: Folder, version: int, times: PlausibleTimes, *, is_sealed: bool) -> None:
        self.place = place
        self._times = times
        self._is_sealed = is_sealed
        self._damaged: List[int] = []
        # By file: how far the lines reach into it, and whose track it is.
        self.extents: Dict[str, int] = {}
        self.tracks: Dict[str, Optional[str]] = {}
        self.missing: List[str] = []
        self.n_dropped = 0
        self._is_old = version < FORMAT_VERSION
        self._version = version
        self._last_seq = -1
        self._dropped_until = -1
        self._events: List[Event] = []

    def events(self) -> List[Event]:
        """All events, in time."""
        for block, number in line_blocks(self.place):
            known = decode_block(block) if not self._is_old and block.endswith(b"\n") else None
            if known is not None:
                for line in known:
                    self._take(line, NOTHING, number)
                    number += 1
            else:
                self._take_one_by_one(block, number)
        self.missing += _damage_told(self._damaged)
        for name in self.extents:
            if not is_inside(name):
                raise SessionUnreadable(f"{name!r} is not the name of a file in a session folder", where=self.place.where(EVENTS_FILE))
        self._events.sort(key=attrgetter("at_ns", "seq"))
        return self._events

    def lines_beyond(self, name: str, size: int) -> List[int]:
        """The numbers of the lines that reach beyond so many bytes of a file."""
        numbers = []
        damaged = set(self._damaged)
        in_order = (number for number in itertools.count(1) if number not in damaged)
        for number, event in zip(in_order, sorted(self._events, key=attrgetter("seq"))):
            frame = getattr(event, "frame", None)
            used = frame.used if isinstance(frame, StoredFrame) else None
            if used is not None and used.file == name and used.offset + used.length > size:
                numbers.append(number)
        return numbers

    def _take_one_by_one(self, block: bytes, number: int) -> None:
        for text in block.split(b"\n")[: block.count(b"\n")]:
            try:
                line, extra = self._decoded(text)
            except ValueError as error:
                self._lose(error, number)
            else:
                self._take(line, extra, number)
            number += 1
        last = block[block.rfind(b"\n") + 1 :]
        if last:
            self._take_last(last, number)

    def _lose(self, error: ValueError, number: int) -> None:
        """Go on behind a line that cannot be read: the disk had not all of it when the power went."""
        if self._is_sealed:
            raise SessionUnreadable(f"the line is damaged: {error}", where=self.place.where(EVENTS_FILE, number), hint=_HINT) from error
        self._damaged.append(number)

    def _take_last(self, text: bytes, number: int) -> None:
        """Take what stands behind the last newline: the writer was killed within it, or between its end and the newline."""
        try:
            line, extra = self._decoded(text)
        except ValueError:
            self.missing.append(f"{EVENTS_FILE}, line {number}: the line was cut after {len(text)} bytes; the event is lost.")
            return
        self._take(line, extra, number)

    def _decoded(self, text: bytes) -> Tuple[AnyLine, Mapping[str, Any]]:
        if self._is_old:
            fields = msgspec.json.decode(text, type=Dict[str, Any])
            text = msgspec.json.encode(upgrades.upgraded_line(fields, self._version, FORMAT_VERSION))
        return decode(text)

    def _take(self, line: AnyLine, extra: Mapping[str, Any], number: int) -> None:
        seq = line.seq
        if seq != self._last_seq + 1:
            self._note_gap(seq, number)
        self._last_seq = seq
        frame: Optional[Frame] = None
        kind = type(line)
        self._refuse(self._times.problem(line.at_ns, over_at_ns(line)), number)
        if kind is NoteLine or extra:
            self._refuse(data_problem(line, extra), number)
        if kind is SentLine or kind is ReceivedLine:
            self._judge(line, number)
            # The line is kept for as long as its frame is, and nobody asks for this again.
            line.digest = None
            frame = StoredFrame(line, self.place)  # type: ignore[arg-type]
        elif kind is UnknownLine:
            self.missing.append(f"{EVENTS_FILE}, line {number}: {line.event!r} is not a kind of event that this version knows; it is kept.")  # type: ignore[union-attr]
        elif kind is NoteLine:
            self._look_for_dropped(line, number)
        self._events.append(codec.event_of(line, extra, frame))

    def _look_for_dropped(self, line: AnyLine, number: int) -> None:
        last_seq = dropped_until(line)
        if last_seq is not None:
            self._dropped_until = last_seq
            self.n_dropped += last_seq - line.seq + 1
            self.missing.append(f"{EVENTS_FILE}, line {number}: {dropped_told(line, last_seq)}.")

    def _note_gap(self, seq: int, number: int) -> None:
        if seq <= self._last_seq:
            what = f"seq {seq} comes after seq {self._last_seq}: it is there twice or out of order"
            raise SessionUnreadable(what, where=self.place.where(EVENTS_FILE, number), hint=_HINT)
        if seq != self._dropped_until + 1:
            self.missing.append(f"{EVENTS_FILE}, line {number}: {gap_told(self._last_seq, seq)}")

    def _judge(self, line: Any, number: int) -> None:
        """Refuse a frame whose line contradicts itself; remember how far it reaches into its file."""
        cut = line.audio
        # Most lines of a session are microphone frames with nothing but audio; this is what they cost.
        is_plain = cut is not None and not cut.at and line.text is line.base64 is line.payload is None and line.json is NO_JSON
        if not is_plain:
            self._refuse(body_problem(line), number)
        used = cut if cut is not None else line.payload
        if used is not None:
            stop = used.offset + used.length
            if is_plain and (used.length > MAX_FRAME_BYTES or stop > _MAX_OFFSET):
                self._refuse(body_problem(line), number)
            if stop > self.extents.get(used.file, -1):
                self.extents[used.file] = stop
                self.tracks[used.file] = cut.track if cut is not None else None

    def _refuse(self, problem: Optional[str], number: int) -> None:
        if problem is not None:
            raise SessionUnreadable(f"the line is damaged: {problem}", where=self.place.where(EVENTS_FILE, number), hint=_HINT)


def _is_too_deep(text: bytes) -> bool:
    return text.count(b"{") + text.count(b"[") > MAX_NESTING and nesting(text) > MAX_NESTING


def _damage_told(numbers: List[int]) -> Iterator[str]:
    """A sentence for each run of damaged lines, the last one for all that are too many to be told."""
    # Of a run of numbers, what each is more than its place among them is the same.
    runs = [[number for _, number in run] for _, run in itertools.groupby(enumerate(numbers), lambda pair: pair[1] - pair[0])]
    for run in runs[:_SHOWN]:
        is_one = len(run) == 1
        which, lost = (f"line {run[0]}", "the event is") if is_one else (f"lines {run[0]} to {run[-1]}", "the events are")
        yield f"{EVENTS_FILE}, {which}: {'the line is' if is_one else 'they are'} damaged; {lost} lost."
    if len(runs) > _SHOWN:
        yield f"{EVENTS_FILE}: {sum(map(len, runs[_SHOWN:]))} more lines are damaged; their events are lost."


def _missing_in_header(header: Header) -> List[str]:
    repaired = [f"{HEADER_FILE}: the session was repaired, and this was lost: {sentence}" for sentence in header.repaired or ()]
    if header.complete:
        return repaired
    why = f": {header.abandoned}" if header.abandoned else f"; {KILLED}"
    return [f"{HEADER_FILE}: the session is not complete{why}.", *repaired]


def _missing_events(header: Header, n_events: int) -> List[str]:
    n_counted = sum(n for kind, n in header.counts.items() if kind in KINDS or kind == Unknown.kind)
    if not header.counts or n_events >= n_counted:
        return []
    lost = f"{n_counted - n_events} of the {n_counted} events that {HEADER_FILE} counts are lost"
    return [f"{EVENTS_FILE}, line {n_events + 1}: the file ends here; {lost}."]


def _missing_end(header: Header, events: List[Event], n_told: int) -> List[str]:
    if header.complete or any(isinstance(event, Closed) for event in events):
        return []
    told = end_told(len(events), events[-1].at_ns if events else 0, header.counts.get(DROPPED, 0) - n_told)
    return [f"{EVENTS_FILE}{f', line {len(events)}' if events else ''}: {told}."]


def _missing_audio(reading: _Reading) -> List[str]:
    missing = []
    for name, stop in sorted(reading.extents.items()):
        size = reading.place.size(name)
        if size is None:
            missing.append(f"{name}: it is missing, but {EVENTS_FILE} refers to {stop} bytes of it.")
        elif size < stop:
            lines = reading.lines_beyond(name, size)
            missing.append(
                f"{name}: it ends at byte {size} of {stop}; {len(lines)} frames have no audio, the first in {EVENTS_FILE}, line {lines[0]}."
            )
    return missing


def _tracks_found(reading: _Reading) -> Tuple[TrackFile, ...]:
    """The audio files of a session whose header does not list them yet."""
    found = []
    for name, track in sorted(reading.tracks.items()):
        size = reading.place.size(name)
        if track is None or size is None:
            continue
        riff = wav.split(reading.place.head(name)) if PAYLOADS not in name else None
        pcm = (riff.pcm.rate, riff.pcm.channels, riff.pcm.width) if riff else (None, None, None)
        found.append(TrackFile(track, name, size, *pcm))
    return tuple(found)
