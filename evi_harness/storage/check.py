"""Everything that is wrong with a session folder, not just the first thing.

Rules of living here: never raises on what is in a folder, however damaged; never prints a secret; a problem says where it is and what
can be done. Modes of files are not looked at: version control does not keep them.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Tuple, Union

from evi_harness.errors import SessionError
from evi_harness.redacting.redaction import GENERAL_NAMES, Redactor
from evi_harness.session.events import Closed, Unknown
from evi_harness.session.header import FORMAT_MINOR, FORMAT_VERSION, HEARD, MINOR_OF_LINE_DIGESTS, Header
from evi_harness.session.plausible_times import PlausibleTimes, expected_problem
from evi_harness.session.problem import FILE_CUT, Problem
from evi_harness.session.protocols import Dialect
from evi_harness.storage import codec, header_file
from evi_harness.storage.expected_file import ExpectedLine, expected_lines
from evi_harness.storage.frames import StoredFrame
from evi_harness.storage.layout import EVENTS_FILE, EXPECTED_FILE, HEADER_FILE, HEARD_FILE, MAX_HEADER_BYTES, PAYLOADS, is_inside
from evi_harness.storage.line_digests import changed_lines, wav_lengths_problem
from evi_harness.storage.lines import KINDS, AnyLine, OpenedLine, ReceivedLine, SentLine, UnknownLine, decode
from evi_harness.storage.opening import Folder, sessions_below
from evi_harness.storage.reader import (
    DROPPED,
    KILLED,
    body_problem,
    data_problem,
    dropped_told,
    dropped_until,
    end_told,
    gap_told,
    line_texts,
    over_at_ns,
    read_header,
)
from evi_harness.storage.verifying import has_digest, has_line_digests

__all__ = ["check_folder"]

# What can be done about a file that nothing refers to, where its name says more than that it is nobody's.
_UNUSED = {HEARD_FILE: "Its writer was killed before it was complete: delete it. The session is complete without it."}


class _Span(NamedTuple):
    """Bytes of a file that a line refers to."""

    start: int
    stop: int
    line: int
    seq: int


def check_folder(folder: Union[str, os.PathLike[str]], dialect: Optional[Dialect] = None) -> List[Problem]:
    """List everything that is wrong with a session folder.

    Args:
        folder: The folder.
        dialect: Tells which names are secret; without it, names that are secret anywhere are looked for.

    Returns:
        The problems: what is the cause of others first, then those of the whole folder, then by file and line; empty for a sound folder.
    """
    checking = _Checking(Folder(folder), dialect)
    checking.run()
    return sorted(checking.problems, key=_order)


def _order(one: Problem) -> Tuple[Any, ...]:
    """Causes first, then by place; of two sentences that differ in a number, the smaller first."""
    # A sentence may quote a stranger, and Python reads no number of some thousand digits.
    words = re.split(r"([0-9]{1,18})", one.what)
    return (one.kind != FILE_CUT, one.file, one.line or 0, [int(word) if at % 2 else word for at, word in enumerate(words)])


class _Checking:
    """One look at one folder."""

    def __init__(self, place: Folder, dialect: Optional[Dialect]) -> None:
        self.problems: List[Problem] = []
        self._place = place
        names = dialect.secret_names if dialect is not None else GENERAL_NAMES
        self._redactor = Redactor(names, dialect.folded_names if dialect is not None else ())
        self._header: Optional[Header] = None
        self._times = PlausibleTimes(None)
        self._files: List[str] = []
        self._spans: Dict[str, List[_Span]] = {}
        self._counts: Dict[str, int] = {}
        self._n_damaged = 0
        self._is_readable = True
        self._last_seq = -1
        self._latest_ns = 0
        self._dropped_until = -1
        self._n_dropped = 0
        # Frames that the app never took are written when the recording ends: at the end of the file it is no fault of theirs.
        self._too_early: List[Problem] = []

    def run(self) -> None:
        """Look at everything."""
        refused = _refused(self._place.path)
        if isinstance(refused, (FileNotFoundError, NotADirectoryError)):
            self._say("not_a_session", "", None, _what_is_there(self._place.path))
            return
        if refused is not None:
            self._say("folder_unreadable", "", None, f"it cannot be read: {refused.strerror}.")
            return
        if not any(os.path.lexists(self._place.path / name) for name in (HEADER_FILE, EVENTS_FILE)):
            # Somebody's own folder: nothing else in it is this module's affair.
            what = f"this is not a session folder: it holds neither {HEADER_FILE} nor {EVENTS_FILE}."
            self._say("not_a_session", "", None, what, sessions_below(self._place.path))
            return
        self._files = list(self._regular_files())
        self._check_header()
        self._times = PlausibleTimes(self._header)
        for number, text, is_whole in self._lines():
            self._check_line(number, text, is_whole)
        self._check_end()
        for name in sorted(self._spans):
            self._check_spans(name)
        if self._header is not None:
            self._check_against_header(self._header)
        self._check_expectation()
        for name in self._files:
            if name not in self._spans and name not in (HEADER_FILE, EVENTS_FILE, EXPECTED_FILE) and not self._is_heard(name):
                self._say("unused_file", name, None, "nothing refers to this file.", _UNUSED.get(name, "It is not part of the session."))

    def _is_heard(self, name: str) -> bool:
        """Whether the header lists a file as what was heard: no line refers to that."""
        return self._header is not None and any(track.track == HEARD and track.file == name for track in self._header.tracks)

    @property
    def _is_repaired(self) -> bool:
        """Whether the header itself lists what a repair could not recover, so that nothing is wrong with the folder for lacking it."""
        return self._header is not None and bool(self._header.repaired)

    def _say(self, kind: str, file: str, line: Optional[int], what: str, hint: str = "", *, about: str = "") -> None:
        self.problems.append(Problem(file, line, what, hint, kind, about))

    def _regular_files(self) -> Iterator[str]:
        """The names of the files in the folder; what is not a file of a session folder is a problem."""
        for entry, name in self._entries():
            try:
                mode = entry.stat(follow_symlinks=False).st_mode
            except OSError as error:
                self._say("file_unreadable", name, None, f"it cannot be looked at: {error.strerror}.")
                continue
            if stat.S_ISLNK(mode):
                what = "this is a symbolic link, which readers do not follow."
                self._say("symbolic_link", name, None, what, "Replace it with the file itself.")
            elif name == PAYLOADS and stat.S_ISDIR(mode):
                continue
            elif not stat.S_ISREG(mode):
                self._say("not_a_regular_file", name, None, "this is not a regular file.", "It is not part of a session.")
            elif not is_inside(name):
                self._say("strange_name", name, None, "no file of a session folder has such a name.", "It is not part of the session.")
            else:
                yield name

    def _entries(self) -> Iterator[Tuple[os.DirEntry[str], str]]:
        """What is in the folder and in its folder of payloads, with names as lines use them."""
        yield from ((entry, entry.name) for entry in self._listed(self._place.path))
        payloads = self._place.path / PAYLOADS
        # Path's own methods raise where a disk is broken.
        if os.path.isdir(payloads) and not os.path.islink(payloads):  # noqa: PTH112, PTH114
            yield from ((entry, f"{PAYLOADS}/{entry.name}") for entry in self._listed(payloads))

    def _listed(self, path: Path) -> List[os.DirEntry[str]]:
        try:
            with os.scandir(path) as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            self._say("folder_unreadable", "", None, f"its contents cannot be listed: {error.strerror}.")
            return []

    def _check_header(self) -> None:
        try:
            header, version = read_header(self._place)
        except SessionError as error:
            self._say("header_unreadable", HEADER_FILE, None, f"{error.what}.")
            return
        self._header = header
        self._check_header_digest()
        if version < FORMAT_VERSION:
            what = f"the folder is of version {version}; its lines are checked by the rules of version {FORMAT_VERSION}."
            self._say("old_version", HEADER_FILE, None, what)
        if not header.is_sealed:
            why = header.abandoned or KILLED
            self._say("incomplete", HEADER_FILE, None, f"the session is not complete: {why}.")
        before = header_file.encode(header)
        if header_file.encode(header_file.redacted(header, self._redactor)) != before:
            self._say("secret", HEADER_FILE, None, "this looks like a secret.", "Replace it with [redacted], and revoke it.")

    def _check_header_digest(self) -> None:
        try:
            problem = header_file.digest_problem(self._place.whole(HEADER_FILE, MAX_HEADER_BYTES))
        except (OSError, SessionError):
            # It was read a moment ago, and is being written.
            return
        if problem is not None:
            self._say("digest_differs", HEADER_FILE, None, f"it was changed after the recording: {problem.replace('its', 'the', 1)}.")

    def _lines(self) -> Iterator[Tuple[int, bytes, bool]]:
        """Number and text of each line, and whether it ends with a newline."""
        try:
            yield from line_texts(self._place)
        except SessionError as error:
            self._is_readable = False
            self._say("events_unreadable", EVENTS_FILE, None, f"{error.what}.")

    def _check_line(self, number: int, text: bytes, is_whole: bool) -> None:
        if not is_whole:
            what = f"the file ends within the line, after {len(text)} bytes of it."
            self._say("line_cut", EVENTS_FILE, number, what, "The writer was killed at this point.")
        try:
            line, extra = decode(text)
        except ValueError as error:
            self._n_damaged += 1
            if is_whole:
                self._say("line_damaged", EVENTS_FILE, number, f"the line cannot be read: {error}.")
            return
        self._check_order(number, line)
        self._check_time(number, line)
        problem = data_problem(line, extra)
        if problem is not None:
            self._count(Unknown.kind if isinstance(line, UnknownLine) else str(line.__struct_config__.tag))
            self._say("body_damaged", EVENTS_FILE, number, f"{problem}.")
            return
        if isinstance(line, UnknownLine):
            self._count(Unknown.kind)
            if self._header is None or self._header.minor <= FORMAT_MINOR:
                what = f"{line.event!r} is not a kind of event of version {FORMAT_VERSION}.{FORMAT_MINOR}."
                self._say("unknown_event", EVENTS_FILE, number, what, about=line.event)
            return
        self._count(str(line.__struct_config__.tag))
        if isinstance(line, (SentLine, ReceivedLine)):
            self._check_frame(number, line)
        else:
            self._check_secrets_beside_frames(number, line, extra)

    def _count(self, kind: str) -> None:
        self._counts[kind] = self._counts.get(kind, 0) + 1

    def _check_order(self, number: int, line: AnyLine) -> None:
        if line.seq <= self._last_seq:
            self._say("out_of_order", EVENTS_FILE, number, f"seq {line.seq} comes after seq {self._last_seq}.")
        elif line.seq > self._last_seq + 1 and line.seq != self._dropped_until + 1 and not self._is_repaired:
            self._say("events_missing", EVENTS_FILE, number, gap_told(self._last_seq, line.seq))
        self._last_seq = max(self._last_seq, line.seq)
        last_seq = dropped_until(line)
        if last_seq is not None:
            self._dropped_until = last_seq
            self._n_dropped += last_seq - line.seq + 1
            self._say("events_dropped", EVENTS_FILE, number, f"{dropped_told(line, last_seq)}.")

    def _check_time(self, number: int, line: AnyLine) -> None:
        """Whether the line was over before the one before it began: it is written when the send returned, when the app took the frame."""
        over_ns = over_at_ns(line)
        problem = self._times.problem(line.at_ns, over_ns)
        if problem is not None:
            self._say("implausible_time", EVENTS_FILE, number, f"{problem}.")
            return
        before_ns, self._latest_ns = self._latest_ns, max(self._latest_ns, line.at_ns)
        is_untaken = isinstance(line, ReceivedLine) and line.taken_ns is None
        if not is_untaken:
            self.problems.extend(self._too_early)
            self._too_early = []
        if over_ns < before_ns:
            what = f"it ended at {over_ns} ns, before the previous line began, at {before_ns} ns."
            (self._too_early if is_untaken else self.problems).append(Problem(EVENTS_FILE, number, what, kind="time_goes_back"))

    def _check_end(self) -> None:
        """Where a session that nobody completed ends."""
        header = self._header
        if header is None or header.is_sealed or self._counts.get(Closed.kind):
            return
        n_events = sum(self._counts.values())
        told = end_told(n_events, self._latest_ns, header.counts.get(DROPPED, 0) - self._n_dropped)
        self._say("ends_here", EVENTS_FILE, n_events or None, f"{told}.")

    def _check_frame(self, number: int, line: Union[SentLine, ReceivedLine]) -> None:
        problem = body_problem(line)
        if problem is not None:
            self._say("body_damaged", EVENTS_FILE, number, f"{problem}.")
            return
        for edit in self._redactor.edits(codec.body_of(line)):
            self._say_secret(number, edit.what)
        used = line.audio or line.payload
        if used is None:
            return
        if not is_inside(used.file):
            what = f"{used.file!r} is not the name of a file in a session folder."
            self._say("name_leaves_the_folder", EVENTS_FILE, number, what, about=used.file)
            return
        self._spans.setdefault(used.file, []).append(_Span(used.offset, used.offset + used.length, number, line.seq))
        self._check_frame_size(number, StoredFrame(line, self._place))

    def _check_frame_size(self, number: int, frame: StoredFrame) -> None:
        try:
            size = len(frame.payload)
        except SessionError:
            # The file is absent or too short: told once, for the file.
            return
        if size != frame.size:
            self._say("frame_size", EVENTS_FILE, number, f"the line says that the frame has {frame.size} bytes, and it has {size}.")

    def _check_secrets_beside_frames(self, number: int, line: Any, extra: Mapping[str, Any], file: str = EVENTS_FILE) -> None:
        line.redacted = ()
        again, _ = codec.other_line(codec.event_of(line, extra, None), self._redactor)
        for what in getattr(again, "redacted", ()):
            self._say_secret(number, what, file)

    def _say_secret(self, number: int, what: str, file: str = EVENTS_FILE) -> None:
        told = f"this looks like a secret: {what}."
        self._say("secret", file, number, told, "Replace it with [redacted], and revoke it.", about=f"{file} {what}")

    def _check_expectation(self) -> None:
        try:
            for line in expected_lines(self._place):
                self._check_expected_line(line)
        except SessionError as error:
            self._say("expectation_unreadable", EXPECTED_FILE, None, f"{error.what}.")

    def _check_expected_line(self, line: ExpectedLine) -> None:
        if line.problem is not None:
            self._say("expectation_damaged", EXPECTED_FILE, line.number, f"{line.problem}.")
        elif isinstance(line.record, SentLine):
            for edit in self._redactor.edits(codec.body_of(line.record)):
                self._say_secret(line.number, edit.what, EXPECTED_FILE)
            problem = expected_problem(line.record.at_ns, self._latest_ns)
            if problem is not None:
                self._say("implausible_time", EXPECTED_FILE, line.number, f"{problem}.")
        elif isinstance(line.record, OpenedLine):
            self._check_secrets_beside_frames(line.number, line.record, {}, EXPECTED_FILE)
        elif self._header is not None and line.record != self._header.id:
            what = f"it is for session {line.record}, and this is {self._header.id}."
            self._say("expectation_of_another", EXPECTED_FILE, line.number, what)

    def _check_spans(self, name: str) -> None:
        """Whether the lines account for every byte of a file, once."""
        size = self._size(name)
        spans = sorted(self._spans[name])
        if size is None:
            what = f"the file cannot be read, and {len(spans)} lines refer to it, the first is line {spans[0].line}."
            self._say("file_unreadable", name, None, what)
            return
        self._check_end_of(name, size, [span for span in spans if span.stop > size])
        at = 0
        for span in spans:
            if span.start > at:
                self._say("bytes_unused", name, None, f"no line refers to bytes {at} to {span.start}.", about=name)
            elif span.start < at and span.stop > span.start:
                what = f"another line refers to bytes {span.start} to {min(at, span.stop)} of {name} as well."
                self._say("bytes_shared", EVENTS_FILE, span.line, what, about=name)
            at = max(at, span.stop)
        if at < size:
            hint = "The recording ended after the audio and before its line."
            self._say("bytes_unused", name, None, f"no line refers to bytes {at} to {size}.", hint, about=name)

    def _check_end_of(self, name: str, size: int, beyond: List[_Span]) -> None:
        """Tell that a file was cut, once, and each line that refers to what is beyond its end."""
        if not beyond:
            return
        first = min(beyond, key=lambda span: span.line)
        stop = max(span.stop for span in beyond)
        whose = f"those from #{first.seq} on ({EVENTS_FILE}, line {first.line}) are cut short or have none"
        what = f"it ends at byte {size}, and events refer to {stop} bytes of it: {whose}."
        self._say(FILE_CUT, name, None, what, "Replace it with a complete copy.")
        for span in beyond:
            what = f"it refers to bytes {span.start} to {span.stop} of {name}, which ends at {size}."
            self._say("beyond_the_end", EVENTS_FILE, span.line, what, about=name)

    def _size(self, name: str) -> Optional[int]:
        try:
            return self._place.size(name)
        except SessionError:
            return None

    def _check_against_header(self, header: Header) -> None:
        for track in header.tracks:
            self._check_track(track.file, track.n_bytes)
        if has_line_digests(header):
            self._check_line_digests()
            self._check_wav_lengths()
        if not header.is_sealed:
            return
        counted = {kind: n for kind, n in header.counts.items() if kind in (*KINDS, Unknown.kind)}
        if counted != self._counts and not self._n_damaged:
            self._say("counts_differ", HEADER_FILE, None, f"it counts {_told(counted)}, and there are {_told(self._counts)}.")
        for name in [one for one in self._files if one not in (HEADER_FILE, EXPECTED_FILE) and one not in header.digests]:
            self._say("no_digest", HEADER_FILE, None, f"it has no digest of {name}.")
        for name, digest in sorted(header.digests.items()):
            # What is no text of lines is another file, and may be a hole of any size: nobody reads it to be told so once more.
            if name != EVENTS_FILE or self._is_readable:
                self._check_digest(name, digest)

    def _check_track(self, name: str, n_bytes: int) -> None:
        size = self._size(name)
        if size is None:
            self._say("file_unreadable", name, None, f"the file cannot be read, and {HEADER_FILE} lists it.", about=HEADER_FILE)
            return
        if size != n_bytes and self._header is not None and self._header.is_sealed:
            self._say("track_size", name, None, f"it holds {size} bytes of audio, and {HEADER_FILE} says {n_bytes}.")
        if PAYLOADS not in name:
            try:
                stated = self._place.stated_size(name)
            except OSError as error:
                self._say("file_unreadable", name, None, f"its own header cannot be read: {error.strerror}.")
                return
            if stated != size:
                says = "does not say how many bytes of samples there are" if stated is None else f"says {stated} bytes of samples"
                what = f"its own header {says}, and there are {size}."
                self._say("wav_size", name, None, what, "Audio editors can fix that.")

    def _check_digest(self, name: str, digest: str) -> None:
        try:
            is_same = has_digest(self._place, name, digest, self._header)
        except (OSError, SessionError):
            self._say("file_unreadable", name, None, f"the file cannot be read, and {HEADER_FILE} has its digest.", about="digest")
            return
        if not is_same:
            where = self._first_changed_line() if name == EVENTS_FILE else ""
            self._say("digest_differs", name, None, f"it was changed after the recording: the digest differs{where}.")

    def _first_changed_line(self) -> str:
        if self._header is None or self._header.minor < MINOR_OF_LINE_DIGESTS:
            return ""
        with contextlib.suppress(SessionError):
            for change in changed_lines(self._place, line_texts(self._place)):
                return f"; line {change.number} is the first that is not as it was written"
        return ""

    def _check_line_digests(self) -> None:
        # That the lines cannot be read is told already.
        with contextlib.suppress(SessionError):
            for change in changed_lines(self._place, line_texts(self._place)):
                self._say("digest_differs", EVENTS_FILE, change.number, f"{change.what}.", about=EVENTS_FILE)

    def _check_wav_lengths(self) -> None:
        for name in sorted(name for name in self._spans if PAYLOADS not in name):
            with contextlib.suppress(OSError, SessionError):
                problem = wav_lengths_problem(self._place.head(name))
                if problem is not None:
                    self._say("wav_size", name, None, f"{problem}.", "Audio editors can fix that.")


def _refused(path: Path) -> Optional[OSError]:
    """Why the system does not let the folder be read; None where it does."""
    try:
        os.scandir(path).close()
    except OSError as error:
        return error
    return None


def _what_is_there(path: Path) -> str:
    if path.is_symlink() and not path.exists():
        return f"this link leads to {str(path.readlink())!r}, and nothing is there."
    return "this is a file, and a session is a folder." if os.path.lexists(path) else "there is no such folder."


def _told(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {kind}" for kind, n in sorted(counts.items()) if n) or "no events"
