"""Write a session folder event by event, so that the process can be killed at any time.

Rules of living here:

- A folder never exists without a header: it is made under a hidden name and renamed.
- Audio is written before the line that refers to it. When ``write`` returns, both have been handed to the operating system; the disk
  is asked to hold them at most once a second, audio first.
- A line is read back and compared with its frame before it is written; what would not come back exactly is kept verbatim.
- Nothing is written before it has been redacted.
- No threads, and none of the app's time: whoever records queues the events and calls this from a thread of its own.
- The folder is held by a descriptor: moved, it is gone on with where it is then; what stands in its place is never touched.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import hashlib
import os
import shutil
import time
import uuid
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Set, Tuple, Type, Union

import msgspec

from evi_harness.errors import SessionUnwritable
from evi_harness.redacting.redaction import Redactor, apply, moved
from evi_harness.session.events import Event, Opened, Received, Sent
from evi_harness.session.header import FORMAT_MINOR, FORMAT_VERSION, MINOR_OF_LINE_DIGESTS, Header
from evi_harness.session.plausible_times import PlausibleTimes
from evi_harness.session.protocols import AudioPlace, Dialect
from evi_harness.session.session import Session
from evi_harness.session.wav import header as wav_header
from evi_harness.storage import codec, header_file, lines
from evi_harness.storage.append import AppendFile, replace_file, sync_folder, write_new
from evi_harness.storage.held_folder import HeldFolder
from evi_harness.storage.layout import (
    EVENTS_FILE,
    HEADER_FILE,
    MAX_HEADER_BYTES,
    MAX_INLINE_BYTES,
    MAX_LINE_BYTES,
    MAX_TRACK_BYTES,
    payload_name,
)
from evi_harness.storage.line_digests import SEAL_BYTES, LineDigests, format_bytes
from evi_harness.storage.lines import Cut, Slice
from evi_harness.storage.reader import body_problem, data_problem, over_at_ns
from evi_harness.storage.tracks import AudioFiles, Slot

__all__ = ["SessionWriter", "write_session"]

_SYNC_EVERY_NS = 1_000_000_000
_LEAVE_ALONE = "Leave a session's folder alone until it is complete."
PathLike = Union[str, "os.PathLike[str]"]


class _Disturbed(OSError):
    """Another program has done something to a file that is being written."""


class _Stored(NamedTuple):
    """A line that is ready, and the bytes that must be in their file before it.

    Attributes:
        line: The line without its newline.
        data: The bytes, none where the line holds all.
        slot: Where audio goes.
        body: The file that a body goes to.
    """

    line: bytes
    data: bytes = b""
    slot: Optional[Slot] = None
    body: Optional[str] = None


class SessionWriter:
    """Writes one session folder. A context manager: an exception leaves the session incomplete.

    Args:
        folder: Where; nothing or an empty folder may be there. Missing parents are made.
        header: The header as far as it is known.
        dialect: Tells where audio is in a frame and which names are secret.
        secrets: Values that must not be written wherever they occur; those shorter than 8 characters are not searched for.
        max_track_bytes: Bytes of audio after which a track goes on in another file.
        syncs_on_write: Whether ``write`` also has the disk hold what was written, once a second; if not, only ``tend`` does.

    Raises:
        SessionUnwritable: There is something already, nothing can be made there, or the header is one that nobody could read again.
    """

    def __init__(
        self,
        folder: PathLike,
        header: Header,
        dialect: Dialect,
        *,
        secrets: Iterable[str] = (),
        max_track_bytes: int = MAX_TRACK_BYTES,
        syncs_on_write: bool = True,
    ) -> None:
        path = Path(folder).absolute()
        self._redactor = Redactor(dialect.secret_names, dialect.folded_names, secrets)
        self._dialect = dialect
        self._reader = dialect.reader()
        self._header = _begun(header)
        self._times = PlausibleTimes(self._header)
        self._counts: Dict[str, int] = Counter()
        self._next_seq = 0
        self._n_bodies = 0
        self._line_digests = LineDigests()
        self._over: Optional[str] = None
        self._synced_ns = time.monotonic_ns()
        self._syncs_on_write = syncs_on_write
        # How many events a sync that succeeded was for, and whether one has failed.
        self._n_synced = 0
        self._has_sync_failed = False
        self._has_failed = False
        self._is_there = True
        try:
            self._held, self._events = _make_folder(path, self._header_text(self._header))
        except OSError as error:
            raise _unwritable(path, error, "Name a new folder, in a place that can be written.") from error
        self._audio = AudioFiles(self._held.fd, max_track_bytes)

    @property
    def folder(self) -> Path:
        """The folder, as an absolute path, where it was when it was last looked for."""
        return self._held.path

    @property
    def is_there(self) -> bool:
        """Whether there is still a session; False once its folder or its events were found to be deleted."""
        return self._is_there

    @property
    def n_events(self) -> int:
        """How many events have been written."""
        return sum(self._counts.values())

    def write(self, event: Event) -> int:
        """Write one event. When it returns, the line and its audio have been handed to the operating system.

        Args:
            event: The event. Its own seq stands in the line: it must be larger than that of the event before. A gap says that events
                were dropped, and is reported by whoever reads the folder.

        Returns:
            The seq.

        Raises:
            ValueError: The seq is not larger than the one before, or the event is one that nobody could read again, such as one before
                time zero; nothing is written, and other events can be.
            SessionUnwritable: The disk is full or gone, or the session is over. All that was written before stays readable.
        """
        self._check_open()
        if event.seq < self._next_seq:
            raise ValueError(f"the event has seq {event.seq}, and {self._next_seq} is the least that can come now")
        try:
            stored = self._readable(event)
            if stored.slot is not None:
                self._audio.store(stored.slot, stored.data)
            elif stored.body is not None:
                self._audio.store_body(stored.body, stored.data)
            self._events.append(self._line_digests.seal(stored.line, *_covered(stored)) + b"\n")
            self._next_seq = event.seq + 1
            self._counts[event.kind] += 1
            if self._syncs_on_write and time.monotonic_ns() - self._synced_ns >= _SYNC_EVERY_NS:
                self._sync()
        except OSError as error:
            raise self._failed(error) from error
        return event.seq

    def sync(self) -> None:
        """Have the disk hold all that was written; ``write`` does so at most once a second, an idle recorder may ask for it.

        Raises:
            SessionUnwritable: The disk refuses, or the session is over. What was written since the last sync that succeeded may be lost,
                whatever the disk does from now on, so the session is over.
        """
        self._check_open()
        try:
            self._sync()
        except OSError as error:
            raise self._failed(error) from error

    def _sync(self) -> None:
        try:
            self._audio.sync()
            self._events.sync()
        except OSError:
            self._has_sync_failed = True
            raise
        self._n_synced = self.n_events
        self._synced_ns = time.monotonic_ns()

    def tend(self) -> Optional[str]:
        """See whether the folder is where it was and as it was written; to be called about twice a second. ``close`` does it too.

        Returns:
            A sentence where the folder was moved, once; None else.

        Raises:
            SessionUnwritable: The folder or a file of it was deleted, replaced or changed by another program; the session is over.
        """
        self._check_open()
        try:
            notice = self._look()
            if time.monotonic_ns() - self._synced_ns >= _SYNC_EVERY_NS:
                self._sync()
        except OSError as error:
            raise self._failed(error) from error
        return notice

    def close(self, **header_changes: Any) -> None:
        """Complete the session: counts, digests and tracks go into the header, which is replaced at once.

        Does nothing to one that is complete or was abandoned.

        Args:
            header_changes: Fields of the header to set; ``end``, where there is a clock, is the caller's to give. What was ``repaired``
                can be sealed without being ``complete``.

        Raises:
            SessionUnwritable: The header cannot be replaced, or the folder is no longer as it was written; what is there stays readable and
                incomplete. Or writing has failed before.
        """
        if self._has_failed:
            self._check_open()
        if self._over is not None:
            return
        try:
            self._look()
            self._sync()
            self._end("it is complete")
            digests = _digests(self._held.fd, [EVENTS_FILE, *self._audio.names()])
            self._replace_header(**{"complete": True, "digests": digests, **header_changes})
        except OSError as error:
            raise self._failed(error) from error
        self._held.close()

    def abandon(self, reason: str, **header_changes: Any) -> None:
        """End the writing before the session's end; the header stays incomplete and says why. Raises nothing.

        Once more only makes the changes, such as how many events were dropped, which is known later. Does nothing to a complete session.

        Args:
            reason: Why, in a few words.
            header_changes: Fields of the header to set.
        """
        if self._header.is_sealed or not self._is_there:
            return
        reason = self._header.abandoned or reason
        if self._over is None and not self._has_sync_failed:
            with contextlib.suppress(OSError):
                self._sync()
        self._end(reason)
        self._header = dataclasses.replace(self._header, abandoned=reason, **header_changes)
        # What cannot be said in the header is still seen: it is incomplete.
        with contextlib.suppress(OSError):
            self._replace_header()

    def __enter__(self) -> SessionWriter:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon(f"{kind.__name__} ended it")

    def _check_open(self) -> None:
        if self._over is not None:
            raise SessionUnwritable(f"no event can be written any more: {self._over}", where=str(self.folder))

    def _look(self) -> Optional[str]:
        """See what other programs have done to the folder."""
        before = self._held.path
        try:
            is_moved = self._held.look()
        except FileNotFoundError:
            self._is_there = False
            raise
        disturbed = self._events.disturbed()
        if disturbed in ("deleted", "replaced"):
            self._is_there = False
        found = self._audio.disturbed() if disturbed is None else (EVENTS_FILE, disturbed)
        if found is not None:
            raise _Disturbed(f"{found[0]} was {found[1]} by another program while it was being written")
        if not is_moved:
            return None
        stranger = "; another folder has taken its place" if before.exists() else ""
        return f"the session folder was moved to {self._held.path}{stranger}; the recording continues there"

    def _end(self, why: str) -> None:
        self._over = why
        self._audio.close()
        self._events.close()

    def _failed(self, error: OSError) -> SessionUnwritable:
        self._has_failed = True
        try:
            self._look()
        except OSError as found:
            # What another program has done is why it failed.
            error = found
        what = error.strerror or str(error)
        if not self._is_there:
            return self._gone(what)
        self.abandon(f"writing failed: {what}{self._unsure()}")
        kept = f"{self.n_events} events are kept" + (f", the last is seq {self._next_seq - 1}" if self._next_seq else "") + self._unsure()
        way_out = _LEAVE_ALONE if isinstance(error, _Disturbed) else "Make room, or give a folder on another disk."
        return SessionUnwritable(
            f"the session cannot be written any further: {what}; {kept}", where=str(self.folder), hint=f"The folder is readable. {way_out}"
        )

    def _unsure(self) -> str:
        """What nobody knows behind a sync that failed, for the end of a sentence."""
        if not self._has_sync_failed or self._n_synced == self.n_events:
            return ""
        return f"; whether {self.n_events - self._n_synced} events are on the disk is not known"

    def _gone(self, what: str) -> SessionUnwritable:
        self._end(what)
        self._held.close()
        return SessionUnwritable(f"the session is lost: {what}", where=str(self.folder), hint=_LEAVE_ALONE)

    def _header_text(self, header: Header) -> bytes:
        try:
            text = header_file.encode(header_file.redacted(header, self._redactor))
        except ValueError as error:
            raise OSError(errno.EINVAL, f"its header could not be read again: {error}") from error
        if len(text) > MAX_HEADER_BYTES:
            raise OSError(errno.EFBIG, f"its header has {len(text)} bytes, and at most {MAX_HEADER_BYTES} are read")
        return text

    def _replace_header(self, **changes: Any) -> None:
        counts = {**changes.pop("counts", self._header.counts), **self._counts}
        header = dataclasses.replace(self._header, counts=counts, tracks=tuple(self._audio.track_files()), **changes)
        replace_file(Path(HEADER_FILE), self._header_text(header), self._held.fd)
        self._header = header
        self._held.sync()

    def _readable(self, event: Event) -> _Stored:
        """The line of an event, read as a reader reads it."""
        try:
            stored = self._stored(event)
            problem = _problem(stored.line, event, self._times)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            problem = str(error)
        if problem is not None:
            raise ValueError(f"the {event.kind} event with seq {event.seq} could not be read again, and is not written: {problem}")
        return stored

    def _stored(self, event: Event) -> _Stored:
        if isinstance(event, (Sent, Received)):
            return self._stored_frame(event)
        if isinstance(event, Opened):
            self._reader = self._dialect.reader(event.handshake)
        line, extra = codec.other_line(event, self._redactor)
        return _Stored(lines.encode(line, extra))

    def _stored_frame(self, event: Union[Sent, Received]) -> _Stored:
        payload = event.frame.payload
        read = self._reader.read(event.kind, event.frame)
        places = () if read is None else read.places
        # A line has room for one piece of audio; a frame with several is kept as it is.
        place = places[0] if len(places) == 1 else None
        audio = codec.cut(payload, place) if place is not None else None
        if place is not None and audio is not None:
            stored = self._with_audio(event, place, audio)
            if stored is not None:
                return stored
        edits = self._redactor.edits(payload)
        return self._without_audio(event, apply(payload, edits), {edit.what for edit in edits})

    def _with_audio(self, event: Union[Sent, Received], place: AudioPlace, audio: codec.Audio) -> Optional[_Stored]:
        """The line of a frame whose audio is stored in a track; None where the frame would not come back exactly."""
        edits = self._redactor.edits(audio.body)
        at = moved(audio.at, edits)
        # What is said to be audio can be JSON that was sent as binary by mistake, with a key in it.
        if at is None or len(audio.body) > MAX_INLINE_BYTES or self._redactor.names_in(audio.data):
            return None
        body, data = apply(audio.body, edits), self._redactor.samples(audio.data)
        found = {edit.what for edit in edits} | ({"value in audio"} if data != audio.data else set())
        parts = codec.pieces(data, place)
        slot = self._audio.plan(place.track, parts)
        cut = _cut(slot, parts, at, audio.form, data)
        inline = codec.body_fields(body) if body or event.frame.is_text else {}
        line = codec.frame_line(event, audio=cut, **inline, redacted=self._listed(event, found))
        expected = codec.put_together(body, at, data, audio.form)
        if not found and expected != event.frame.payload:
            return None
        text = lines.encode(line, self._extra(event, found))
        return _Stored(text, parts.samples, slot) if _comes_back(text, parts.samples, expected) else None

    def _without_audio(self, event: Union[Sent, Received], payload: bytes, found: Set[str]) -> _Stored:
        """The line of a frame that is kept as it is; one that is too large goes to a file of its own."""
        redacted = self._listed(event, found)
        extra = self._extra(event, found)
        if len(payload) > MAX_INLINE_BYTES:
            self._n_bodies += 1
            name = payload_name("frame", self._n_bodies, "json" if codec.is_readable_json(payload) else "bin")
            line = codec.frame_line(event, payload=Slice(name, 0, len(payload)), redacted=redacted)
            return _Stored(lines.encode(line, extra), payload, body=name)
        text = lines.encode(codec.frame_line(event, **codec.body_fields(payload), redacted=redacted), extra)
        if not _comes_back(text, b"", payload):
            text = lines.encode(codec.frame_line(event, base64=payload, redacted=redacted), extra)
        return _Stored(text)

    def _listed(self, event: Event, found: Set[str]) -> Tuple[str, ...]:
        return tuple(sorted(found.union(codec.event_extra(event).get("redacted", ()))))

    def _extra(self, event: Event, found: Set[str]) -> Dict[str, Any]:
        extra = codec.event_extra(event)
        if not extra:
            return {}
        kept = codec.plain({name: value for name, value in extra.items() if name != "redacted"})
        redacted: Dict[str, Any] = self._redactor.data(kept, found)
        return redacted


def write_session(folder: PathLike, session: Session, dialect: Dialect, *, secrets: Iterable[str] = ()) -> Path:
    """Write a whole session into a new folder, its events by seq.

    Args:
        folder: Where; nothing or an empty folder may be there.
        session: The session. Its header's end, source and relations are kept; counts, tracks and digests are made anew. One that was
            read from an incomplete folder is incomplete again; one that was made in memory is complete. A heard.wav that it has is not
            copied: what was heard belongs to the run that played it, on the axis of that run.
        dialect: The dialect that its messages are in.
        secrets: Values that must not be written.

    Returns:
        The folder, as an absolute path.

    Raises:
        SessionUnwritable: It cannot be written.
        ValueError: Two events have the same seq.
    """
    with SessionWriter(folder, session.header, dialect, secrets=secrets) as writer:
        for event in sorted(session.events, key=lambda one: one.seq):
            writer.write(event)
        if session.missing and not session.header.complete:
            writer.abandon(session.header.abandoned or "the session that this is a copy of is not complete")
    return writer.folder


def _begun(header: Header) -> Header:
    """A header as it is before the first event: nothing is counted, and the minor is the lowest that has what this module writes.

    What a newer evi-harness wrote keeps its own minor, since what it brought is kept.
    """
    counts = {name: n for name, n in header.counts.items() if name not in lines.KINDS}
    minor = header.minor if header.minor > FORMAT_MINOR else MINOR_OF_LINE_DIGESTS
    return dataclasses.replace(
        header, complete=False, abandoned=None, repaired=None, counts=counts, tracks=(), digests={}, version=FORMAT_VERSION, minor=minor
    )


def _make_folder(folder: Path, header: bytes) -> Tuple[HeldFolder, AppendFile]:
    """Make a folder with a header and no events, at once; give it back, held, with its open file of events."""
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise FileExistsError(errno.EEXIST, "something is already there")
    # What is new in them is on the disk only once they are synced themselves.
    parents = [folder.parent, *(parent.parent for parent in folder.parents if not parent.exists())]
    folder.parent.mkdir(parents=True, exist_ok=True)
    hidden = folder.parent / f".{folder.name}.{uuid.uuid4().hex[:8]}.new"
    hidden.mkdir(0o700)
    try:
        held = HeldFolder(hidden)
        write_new(Path(HEADER_FILE), header, held.fd)
        events = AppendFile(Path(EVENTS_FILE), held.fd)
        try:
            # A sync of the files says nothing about their names.
            held.sync()
            hidden.rename(folder)
        except OSError:
            events.close()
            raise
    except OSError:
        shutil.rmtree(hidden, ignore_errors=True)
        raise
    held.path = folder
    for parent in parents:
        with contextlib.suppress(OSError):
            sync_folder(parent)
    return held, events


def _unwritable(folder: Path, error: OSError, hint: str) -> SessionUnwritable:
    return SessionUnwritable(f"a session folder cannot be created here: {error.strerror or error}", where=str(folder), hint=hint)


def _cut(slot: Slot, parts: codec.Pieces, at: int, form: Optional[lines.Form], data: bytes) -> Cut:
    track: Any = slot.track
    size = None if form is None else len(codec.put_together(b"", 0, data, form))
    return Cut(track, slot.file, slot.offset, len(parts.samples), at=at, size=size, form=form, head=parts.head, tail=parts.tail)


def _covered(stored: _Stored) -> Tuple[bytes, ...]:
    """The bytes of other files that the digest of a line is of."""
    slot = stored.slot
    if slot is not None and slot.pcm is not None and slot.offset == 0:
        return format_bytes(wav_header(slot.pcm, 0)), stored.data
    return (stored.data,)


def _problem(text: bytes, event: Event, times: PlausibleTimes) -> Optional[str]:
    """Why a reader would refuse the line of an event, or take it for that of another; None where it does neither."""
    if len(text) + SEAL_BYTES >= MAX_LINE_BYTES:
        return f"its line has {len(text) + SEAL_BYTES} bytes, and at most {MAX_LINE_BYTES} are read"
    line, extra = lines.decode(text)
    if type(line) is not lines.KINDS.get(event.kind, lines.UnknownLine):
        return "it has the name of a kind that is known"
    return body_problem(line) or data_problem(line, extra) or times.problem(line.at_ns, over_at_ns(line))


def _comes_back(text: bytes, samples: bytes, expected: bytes) -> bool:
    """Whether a line, read as a reader reads it, gives a frame's bytes."""
    try:
        line, _ = lines.decode(text)
    except ValueError:
        return False
    assert isinstance(line, (lines.SentLine, lines.ReceivedLine))
    return codec.payload_of(line, samples) == expected


def _digests(folder: int, names: List[str]) -> Dict[str, str]:
    digests = {}
    for name in names:
        digest = hashlib.sha256()
        try:
            fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        except OSError as error:
            raise OSError(error.errno, f"{name}: {error.strerror}") from error
        with os.fdopen(fd, "rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                digest.update(block)
        digests[name] = digest.hexdigest()
    return digests
