"""Recover what can be recovered of a damaged session folder, and list what was lost.

Rules of living here: the folder is only read, and no damage is raised on. An event is whole or lost: nothing is made up in the place of
what is gone. Readable parts that were changed are kept, and reported.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Sequence, Set, Tuple

import msgspec

from evi_harness.errors import SessionError, SessionUnreadable
from evi_harness.session import wav
from evi_harness.session.events import Closed, Event, Unknown
from evi_harness.session.header import FORMAT_MINOR, FORMAT_VERSION, HEARD, MINOR_OF_LINE_DIGESTS, Header
from evi_harness.session.loss import Loss
from evi_harness.session.session import Session
from evi_harness.storage import codec, header_file, upgrades
from evi_harness.storage.frames import StoredFrame
from evi_harness.storage.header_salvage import is_newer, salvaged_header, was_changed
from evi_harness.storage.layout import EVENTS_FILE, HEADER_FILE, MAX_HEADER_BYTES, PAYLOADS, is_inside
from evi_harness.storage.line_digests import changed_lines
from evi_harness.storage.lines import KINDS, AnyLine, ReceivedLine, SentLine, UnknownLine, decode
from evi_harness.storage.opening import Folder
from evi_harness.storage.reader import body_problem, data_problem, dropped_until, line_texts, over_at_ns, read_header
from evi_harness.storage.verifying import file_digest

__all__ = ["Salvage", "salvage"]


@dataclass(frozen=True)
class Salvage:
    """What was recovered.

    Attributes:
        session: The events that are whole, by seq, with the header, as far as it could be read.
        losses: Losses and changes, by file and line.
        has_ended: Whether it was recorded to its end: it was complete, or its close is there.
    """

    session: Session
    losses: Tuple[Loss, ...]
    has_ended: bool


class _Found(NamedTuple):
    """A line that can be read.

    Attributes:
        number: Of the line, from 1.
        text: The line.
        record: What it says.
        extra: The fields that this version does not know.
    """

    number: int
    text: bytes
    record: AnyLine
    extra: Mapping[str, Any]

    @property
    def is_untaken(self) -> bool:
        """Whether it is a frame that the app never took."""
        return isinstance(self.record, ReceivedLine) and self.record.taken_ns is None

    @property
    def over_ns(self) -> int:
        """When the event was over, which is when its line was written."""
        return over_at_ns(self.record)


def salvage(place: Folder, dialect: str, known: Sequence[str] = ()) -> Salvage:
    """Recover what can be recovered.

    Args:
        place: The folder.
        dialect: The name of the dialect of a session that does not say its own any more.
        known: The names of all dialects that there are, besides this one.

    Returns:
        What was recovered; a session without events where nothing was.

    Raises:
        SessionUnreadable: It is of a newer version of the format, or of another dialect, and not because it was damaged.
    """
    work = _Salvaging(place, dialect, known)
    events = work.events()
    work.compare()
    losses = sorted(work.losses, key=lambda one: (one.file != HEADER_FILE, one.file, one.line or 0))
    has_ended = work.header.complete or any(isinstance(event, Closed) for event in events)
    return Salvage(Session(work.header, tuple(events), (), place.name), tuple(losses), has_ended)


class _Salvaging:
    """One pass over one folder."""

    def __init__(self, place: Folder, dialect: str, known: Sequence[str]) -> None:
        self.losses: List[Loss] = []
        self._place = place
        # Numbers of the lines that were given up, so that each is told of once.
        self._lost: Set[int] = set()
        # Of each line that can be read: its seq, its number, how many before it cannot be read, and up to where it stands for dropped ones.
        self._places: List[Tuple[int, int, int, int]] = []
        self._n_lines = 0
        self._is_header_whole = True
        self.header, self._version = self._header(dialect, known)

    def _header(self, dialect: str, known: Sequence[str]) -> Tuple[Header, int]:
        try:
            text = self._place.whole(HEADER_FILE, MAX_HEADER_BYTES)
        except (OSError, SessionError):
            text = b""
        try:
            header, version = read_header(self._place)
            is_other = header.dialect not in (dialect, *known)
            if not is_other:
                return header, version
            what = f"its protocol, or dialect, is {header.dialect!r}, and this version knows {', '.join(map(repr, known or (dialect,)))}"
        except SessionError as error:
            is_other, what = is_newer(text), error.what
        if is_other and not was_changed(text):
            raise SessionUnreadable(what, where=self._place.where(HEADER_FILE), hint="Was it written by a newer evi-harness?")
        self._is_header_whole = False
        header, lost = salvaged_header(text, dialect, known)
        what = f"lost: {', '.join(lost)}" if lost else "all of its content was recovered"
        self.losses.append(Loss("header", HEADER_FILE, None, f"it cannot be read as it is; {what}."))
        return header, FORMAT_VERSION

    def events(self) -> List[Event]:
        """The events that are whole, by seq."""
        found = list(self._read())
        kept = self._in_time(self._once(found))
        self._tell_gaps()
        whole = [event for one in kept for event in self._event(one)]
        self._tell_lost_end()
        return whole

    def _lose(self, kind: str, number: int, what: str, n_bytes: int, audio_ns: int = 0) -> None:
        self._lost.add(number)
        self.losses.append(Loss(kind, EVENTS_FILE, number, what, n_events=1, n_bytes=n_bytes, audio_ns=audio_ns))

    def _read(self) -> Iterator[_Found]:
        """All lines that can be read."""
        n_unread = 0
        try:
            for number, text, is_whole in line_texts(self._place):
                self._n_lines = number
                try:
                    record, extra = self._decoded(text)
                except ValueError:
                    n_unread += 1
                    kind, what = ("line_damaged", "it cannot be read") if is_whole else ("line_cut", "the file ends within it")
                    self._lose(kind, number, f"{what}; its event is lost, {len(text)} bytes.", len(text))
                    continue
                self._places.append((record.seq, number, n_unread, dropped_until(record) or record.seq))
                n_unread = 0
                if self._is_sound(number, text, record, extra):
                    yield _Found(number, text, record, extra)
        except SessionError:
            what = f"it cannot be read {f'behind line {self._n_lines}' if self._n_lines else 'at all'}; the events there are lost."
            self.losses.append(Loss("events_unreadable", EVENTS_FILE, None, what))

    def _decoded(self, text: bytes) -> Tuple[AnyLine, Mapping[str, Any]]:
        if self._version < FORMAT_VERSION:
            try:
                fields = msgspec.json.decode(text, type=Dict[str, Any])
                text = msgspec.json.encode(upgrades.upgraded_line(fields, self._version, FORMAT_VERSION))
            except (msgspec.MsgspecError, KeyError, RecursionError) as error:
                raise ValueError(str(error)) from error
        return decode(text)

    def _is_sound(self, number: int, text: bytes, record: AnyLine, extra: Mapping[str, Any]) -> bool:
        if isinstance(record, UnknownLine) and self.header.minor <= FORMAT_MINOR:
            self._lose("unknown_event", number, "it is not a kind of event that this version knows; it is left out.", len(text))
            return False
        used = getattr(record, "audio", None) or getattr(record, "payload", None)
        leaves = used is not None and not is_inside(used.file)
        if leaves or body_problem(record) is not None or data_problem(record, extra) is not None:
            self._lose("line_damaged", number, f"it contradicts itself; its event is lost, {len(text)} bytes.", len(text))
            return False
        return True

    def _once(self, found: Iterable[_Found]) -> List[_Found]:
        """The lines by seq, each number once: the one that stands first."""
        by_seq: Dict[int, _Found] = {}
        for one in found:
            first = by_seq.setdefault(one.record.seq, one)
            if first is not one and first.text != one.text:
                what = f"line {first.number} has its number, {one.record.seq}, too; this one is left out."
                # Where it stands in the place of another event, that one's number is missing.
                self._lost.add(one.number)
                self.losses.append(Loss("number_twice", EVENTS_FILE, one.number, what, n_bytes=len(one.text)))
        return [by_seq[seq] for seq in sorted(by_seq)]

    def _in_time(self, found: Sequence[_Found]) -> List[_Found]:
        """The lines without those whose time cannot be: each event was over after those before it began."""
        kept: List[_Found] = []
        # Each beginning that was later than all before it, and its line.
        latest: List[Tuple[int, int]] = [(-1, -1)]
        # What the app never took is written when the recording ends, whenever it came.
        n_judged = max((at for at, one in enumerate(found, 1) if not one.is_untaken), default=0)
        wrong: Set[int] = set()
        for one, following in zip_longest(found[:n_judged], found[1:n_judged]):
            if one.over_ns < latest[-1][0]:
                # A time that is far too late is followed by nothing but events that seem to be too early.
                if one.over_ns < latest[-2][0] or (following is not None and following.over_ns >= latest[-1][0]):
                    wrong.add(one.number)
                    continue
                wrong.add(latest.pop()[1])
            if one.record.at_ns >= latest[-1][0]:
                latest.append((one.record.at_ns, one.number))
        for one in found:
            if one.number in wrong:
                self._lose("impossible_time", one.number, "its time contradicts the times around it; it is left out.", len(one.text))
            else:
                kept.append(one)
        return kept

    def _tell_gaps(self) -> None:
        """Events that are not there, nor lines in which they could have stood."""
        before = -1
        for seq, number, n_unread, until in sorted(self._places):
            n_missing = seq - before - 1 - n_unread
            if n_missing > 0:
                what = f"{n_missing} event{'s are' if n_missing > 1 else ' is'} missing before it."
                self.losses.append(Loss("events_missing", EVENTS_FILE, number, what, n_events=n_missing))
            before = max(before, until)

    def _tell_lost_end(self) -> None:
        """Events that the header counts and that stand behind the last line that is there."""
        n_counted = sum(n for kind, n in self.header.counts.items() if kind in KINDS or kind == Unknown.kind)
        n_missing = n_counted - self._n_lines - sum(one.n_events for one in self.losses if one.kind == "events_missing")
        if self.header.is_sealed and n_missing > 0:
            what = f"it ends here, and {HEADER_FILE} counts {n_missing} more event{'s' * (n_missing > 1)}."
            self.losses.append(Loss("events_missing", EVENTS_FILE, self._n_lines + 1, what, n_events=n_missing))

    def _event(self, one: _Found) -> Iterator[Event]:
        record = one.record
        frame = StoredFrame(record, self._place) if isinstance(record, (SentLine, ReceivedLine)) else None
        if frame is not None and frame.used is not None:
            try:
                _ = frame.payload
            except SessionError:
                length_ns = self._length_ns(frame)
                how_long = f", {length_ns / 1e9:.3f} s" if length_ns else ""
                what = f"{frame.used.length} bytes of {frame.used.file} that it refers to are not all there{how_long}; its event is lost."
                self._lose("audio_missing", one.number, what, len(one.text), length_ns)
                return
        yield codec.event_of(record, one.extra, frame)

    def _length_ns(self, frame: StoredFrame) -> int:
        """How long the audio of a frame is, as far as its file says, or the header."""
        used = frame.used
        assert used is not None
        for track in self.header.tracks:
            if track.file == used.file and track.rate and track.channels and track.width:
                return wav.Pcm(track.rate, track.channels, track.width).length_ns(used.length)
        try:
            riff = wav.split(self._place.head(used.file)) if PAYLOADS not in used.file else None
        except (OSError, SessionError):
            return 0
        return riff.pcm.length_ns(used.length) if riff is not None else 0

    def compare(self) -> None:
        """Tell what is kept and is not as it was recorded, by the digests."""
        if self._is_header_whole:
            try:
                problem = header_file.digest_problem(self._place.whole(HEADER_FILE, MAX_HEADER_BYTES))
            except (OSError, SessionError):
                problem = "it disappeared while it was read"
            if problem is not None:
                self.losses.append(Loss("changed", HEADER_FILE, None, f"it is not as it was recorded: {problem}; it is kept as it is."))
        if self.header.is_sealed and self._is_header_whole:
            self._compare_files()
        elif self.header.minor >= MINOR_OF_LINE_DIGESTS:
            self._compare_lines()

    def _compare_files(self) -> None:
        has_lines = self.header.minor >= MINOR_OF_LINE_DIGESTS
        changed = [name for name, digest in sorted(self.header.digests.items()) if self._is_changed(name, digest)]
        of_lines = {EVENTS_FILE, *(track.file for track in self.header.tracks if track.track != HEARD)}.intersection(changed)
        if has_lines and of_lines:
            n_before = len(self.losses)
            self._compare_lines()
            # Each change has its line: what else there was, such as the lengths in a WAV file's header, is made anew.
            told = len(self.losses) > n_before or bool(self._lost)
            changed = [name for name in changed if name not in of_lines or not told]
        for name in changed:
            self.losses.append(Loss("changed", name, None, "it is not as it was recorded: its digest differs; what can be read is kept."))

    def _is_changed(self, name: str, digest: str) -> bool:
        try:
            return file_digest(self._place, name) != digest
        except OSError as error:
            return error.errno != errno.ENOENT
        except SessionError:
            return True

    def _compare_lines(self) -> None:
        try:
            for change in changed_lines(self._place, line_texts(self._place)):
                if change.number not in self._lost:
                    self.losses.append(Loss("changed", EVENTS_FILE, change.number, f"{change.what}; what can be read is kept."))
        except SessionError:
            return
