"""The only way out for text: standard output, standard error and report files pass through here and lose their secrets.

While a command runs, ``sys.stdout`` and ``sys.stderr`` are streams of ours above the process's own, so that a command's lines, a handler's
``print``, a traceback, a warning and any log are checked. What is secret: the values of the environment and .env that ``keys_here`` knows,
what is learned on the way (from sessions, a handler's arguments, tokens), in every form that ``Redactor`` finds, and values of secret
names.

Rules of living here: no other module of the harness opens a report file or writes to the process's streams themselves; a test says so. A
line is looked at whole, so the end of an unfinished one is kept until its end or a flush comes. What an app writes past Python's streams,
by ``os.write``, in C or in a process of its own, does not come by here.
"""

from __future__ import annotations

import io
import os
import sys
import threading
import weakref
from collections import deque
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, ContextManager, Deque, Iterable, Iterator, List, Optional, Tuple

from evi_harness.errors import EviHarnessError

if TYPE_CHECKING:
    from evi_harness.redacting.redaction import Redactor

__all__ = [
    "Sink",
    "erase_by",
    "keep_streams_discreet",
    "learn",
    "redacted",
    "redacted_data",
    "redaction",
    "streams_kept_discreet",
    "write_file",
]

_STREAMS = ("stdout", "stderr")
# An unfinished line is kept up to so many bytes; then it goes out but for its end, which may be the beginning of a key.
_MAX_KEPT = 1 << 20
_END_KEPT = 4096


class Sink:
    """Takes secrets out of text; it knows those of the environment, as it is at the time, and what it is told."""

    def __init__(self) -> None:
        self._redactor: Optional[Redactor] = None
        self._environment: Tuple[Any, ...] = ()
        # Any thread may learn, and any may print: no lock, which a forked child could find taken.
        self._untold: Deque[str] = deque()

    def learn(self, values: Iterable[str]) -> None:
        """Take values as secret from now on."""
        self._untold.extend(values)

    def text(self, text: str) -> str:
        """A text without secrets."""
        return "".join(map(self._ready().string, text.splitlines(keepends=True)))

    def data(self, value: Any) -> Any:
        """JSON values without secrets, at every depth."""
        return self._ready().data(value)

    def printed(self, text: bytes) -> bytes:
        """Lines that are printed without secrets."""
        return self._ready().printed(text)

    def _ready(self) -> Redactor:
        # A handler may load a .env of its own, and print what it has found there.
        from evi_harness.dialects import key_variables

        now = (len(os.environ), *map(os.environ.get, key_variables()))
        if self._redactor is None or now != self._environment:
            # Not before there is something to look at: a command that prints nothing loads none of it.
            from evi_harness.dialects import default_secret_names
            from evi_harness.redacting.redaction import Redactor
            from evi_harness.settings.keys_here import environment_secrets

            self._environment = now
            self._redactor = self._redactor or Redactor(*default_secret_names(), is_prose=True)
            self._untold.extend(environment_secrets())
        with suppress(IndexError):
            while self._untold:
                self._redactor.learn(self._untold.popleft())
        return self._redactor


# That of the command that runs in this process, or of a worker.
_CURRENT: List[Sink] = []


def learn(values: Iterable[str]) -> None:
    """Have what is printed from now on hold none of some values. Does nothing where no command runs: then others print."""
    known = list(values)
    for sink in _CURRENT:
        sink.learn(known)


def redacted(text: str) -> str:
    """A text without secrets."""
    return _here().text(text)


def redaction() -> Callable[[str], str]:
    """What ``redacted`` does, for many texts: where no command runs, each call of that looks for the secrets anew."""
    return _here().text


def redacted_data(value: Any) -> Any:
    """JSON values without secrets, at every depth, by name as well."""
    return _here().data(value)


def _here() -> Sink:
    return _CURRENT[-1] if _CURRENT else Sink()


def write_file(file: Path, text: str, mode: str = "w", where: Optional[str] = None) -> None:
    """Write the text of a report whose secrets are out: by ``redacted``, or, of what is escaped in it, by ``redacted_data`` before that.

    Args:
        file: The file.
        text: Its text.
        mode: ``w`` writes it anew, ``a`` adds to it.
        where: What to call the file in an error, None for its path.

    Raises:
        EviHarnessError: It cannot be written.
    """
    try:
        if mode == "w":
            file.write_text(text, encoding="utf-8")
            return
        with file.open(mode, encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise EviHarnessError(f"the report cannot be written: {error.strerror or error}", where=where or str(file)) from None


@contextmanager
def streams_kept_discreet() -> Iterator[Sink]:
    """For as long as the block runs, nothing secret goes out through ``sys.stdout`` and ``sys.stderr``."""
    before = {name: getattr(sys, name) for name in _STREAMS}
    sink = keep_streams_discreet()
    ours = {name: getattr(sys, name) for name in _STREAMS}
    try:
        yield sink
    finally:
        for name in _STREAMS:
            with suppress(OSError, ValueError, AttributeError):
                ours[name].flush()
            # A handler may have put in one of its own, to stay.
            if getattr(sys, name) is ours[name]:
                setattr(sys, name, before[name])
        _CURRENT.remove(sink)


def keep_streams_discreet() -> Sink:
    """From now on and to the end of the process, as ``streams_kept_discreet``."""
    sink = Sink()
    _CURRENT.append(sink)
    for name in _STREAMS:
        stream = getattr(sys, name)
        if _can_write(stream):
            setattr(sys, name, _stream_above(stream, sink.printed))
    return sink


def _can_write(stream: Any) -> bool:
    try:
        return stream is not None and bool(getattr(stream, "writable", lambda: True)())
    except ValueError:
        return False


def _stream_above(stream: Any, look: Callable[[bytes], bytes]) -> Any:
    """A text stream that is as another one, whose lines are looked at before they come there."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    below = getattr(stream, "buffer", None)
    takes_bytes = below is not None
    with suppress(OSError, ValueError, AttributeError):
        stream.flush()
    errors = getattr(stream, "errors", None) or "strict"
    is_line_buffered = not takes_bytes or bool(getattr(stream, "line_buffering", True))
    looking = _Looking(below if takes_bytes else _TextBelow(stream, encoding), stream, look)
    # Written through: else a piece of text would be cut where its buffer is full, and what is written as bytes get in between.
    return io.TextIOWrapper(looking, encoding=encoding, errors=errors, line_buffering=is_line_buffered, write_through=True)


# What erases a line at the bottom of the terminal.
_ERASING: List[Callable[[], object]] = []


def erase_by(act: Optional[Callable[[], object]]) -> None:
    """Do something before anything is written to a terminal, or no longer.

    Args:
        act: Erases what is drawn there; None to forget the one before.
    """
    if act is None:
        _ERASING.pop()
    else:
        _ERASING.append(act)


class _TextBelow:
    """The binary side of a stream that has none: it takes text alone."""

    def __init__(self, stream: Any, encoding: str) -> None:
        self._stream = stream
        self._encoding = encoding

    def write(self, data: bytes) -> None:
        self._stream.write(data.decode(self._encoding, "replace"))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Looking(io.BufferedIOBase):
    """Writes to what is below it, a line at a time.

    Args:
        below: The binary stream.
        stream: The text stream that it belongs to, which would close it when it is forgotten.
        look: Gives back some lines without what is not to be seen.
    """

    def __init__(self, below: Any, stream: Any, look: Callable[[bytes], bytes]) -> None:
        self._below = below
        self._stream = stream
        self._look = look
        self._kept = b""
        self._writing = threading.RLock()
        _ALL.add(self)

    def writable(self) -> bool:
        return True

    @property
    def closed(self) -> bool:
        return bool(self._below.closed)

    @property
    def name(self) -> Any:
        return self._below.name

    @property
    def mode(self) -> Any:
        return self._below.mode

    def fileno(self) -> int:
        return int(self._below.fileno())

    def isatty(self) -> bool:
        return bool(self._below.isatty())

    def write(self, data: Any) -> int:
        data = bytes(data)
        with self._alone():
            kept = self._kept + data
            at = kept.rfind(b"\n") + 1
            if not at and len(kept) > _MAX_KEPT:
                at = len(kept) - _END_KEPT
            self._kept = kept[at:]
            if at:
                self._erase_what_is_drawn()
                self._below.write(self._look(kept[:at]))
        return len(data)

    def flush(self) -> None:
        with self._alone():
            kept, self._kept = self._kept, b""
            if kept:
                self._erase_what_is_drawn()
                self._below.write(self._look(kept))
            self._below.flush()

    def close(self) -> None:
        """What is below belongs to the process and stays open."""
        if not self.closed:
            self.flush()

    def _erase_what_is_drawn(self) -> None:
        if _ERASING:
            with suppress(ValueError, OSError):
                if self.isatty():
                    _ERASING[-1]()

    def _alone(self) -> ContextManager[object]:
        # When the interpreter ends, no other thread runs any more, and one that stopped within a write never gives the lock back.
        return nullcontext() if sys.is_finalizing() else self._writing

    def hold(self) -> None:
        """Wait until no other thread is writing, and let none begin: it would be missing in a child, and what it holds below be held on."""
        self._writing.acquire()

    def go_on(self) -> None:
        """Let threads write again."""
        self._writing.release()


_ALL: weakref.WeakSet[_Looking] = weakref.WeakSet()
# Those that are held for the sake of a fork.
_HELD: List[_Looking] = []


def _before_fork() -> None:
    for one in list(_ALL):
        one.hold()
        _HELD.append(one)


def _after_fork() -> None:
    while _HELD:
        _HELD.pop().go_on()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
