"""The channel between a replayed command and the app's process: the plan one way, reports the other.

Reports go through a pipe, the plan through a file without a name. Both are inherited, so they reach the app through whatever starts it.

Rules of living here: of the standard library alone, since an app's environment need not have more.
"""

from __future__ import annotations

import fcntl
import os
import pickle
import struct
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Mapping, Optional, Tuple, Union

from evi_harness.audio.software_speaker import Heard, Playback
from evi_harness.guard.pickling import dumps
from evi_harness.guard.program_end import really_exit
from evi_harness.guard.variables import variables_in
from evi_harness.replay.played_recording import PlayedRecording
from evi_harness.runs.app_command import Hosts
from evi_harness.runs.replay_options import ReplayOptions
from evi_harness.session.protocols import Dialect
from evi_harness.session.wav import Pcm
from evi_harness.watch.handed import HandedOn

__all__ = [
    "BEGAN",
    "CHANNEL",
    "EVENT",
    "FAILED",
    "FINISHED",
    "FORKED",
    "INPUT",
    "IS_TERMINATED",
    "LISTENS",
    "NEVER_ENDS",
    "NOTED",
    "OWNS",
    "PLAYED",
    "REACHED",
    "REFUSED",
    "SECOND",
    "SITE",
    "SOUND",
    "WARNED",
    "ActedSession",
    "AppOutcome",
    "AppPlan",
    "AppSound",
    "InputLine",
    "PointedPlan",
    "ReportReader",
    "Reports",
    "SoundState",
    "identity_of",
    "read_plan",
    "with_site",
]

# Where the module is that Python imports at its start.
SITE = Path(__file__).parent.parent / "injected" / "site"
# The environment variable that says which two file descriptors these are.
CHANNEL = "EVI_HARNESS_COMMAND"

_LENGTH = struct.Struct("!Q")
_HEAD = 1 + _LENGTH.size
# What is reported: that the injected part has begun (process id, executable); an event; what the app does that cannot be replayed; what is
# worth a line; that the app was told to end by SIGTERM; that a thread keeps it from ending, which is noted; what was heard, at the end; and
# that the injected part has failed, as text.
BEGAN, EVENT, REFUSED, WARNED, IS_TERMINATED, NEVER_ENDS, FINISHED, FAILED = b"b", b"e", b"r", b"w", b"t", b"n", b"h", b"f"
# Of processes that the app starts beside itself, each by its process id: that one was forked; that one has opened the connection, and the
# session is its own from now on; and that another one wanted to.
FORKED, OWNS, SECOND = b"c", b"o", b"s"
# While a command is replayed in real time, each with the process id and the time by the machine's monotonic clock: that the app is about to
# connect to the service, and what was observed, a note.
REACHED, NOTED = b"a", b"k"
# While a command is recorded or replayed in real time, and something is to call the app: the address and the port on which it listens now.
LISTENS = b"l"
# While a command is recorded: that the app has read a line of its input; the state of its software sound; and at the end all that the
# software speaker played, as ``Playback``\ s.
INPUT, SOUND, PLAYED = b"i", b"q", b"p"

# The first byte of the plan's file, for the part that only begins: whether an app in which nothing of ours can begin is ended, since it
# would reach the real service, or left alone, since a recording needs only that the app takes the proxy's address.
_ENDS, _GOES_ON = b"e", b"g"
# Behind the plan in its file: the process that owns the session, 0 for none.
_OWNER = struct.Struct("!Q")


@dataclass(frozen=True)
class AppPlan:
    """What the app's process acts out.

    Attributes:
        recording: The recording, on the axis on which it is to be acted out.
        dialect: What it speaks.
        pairing: What pairs sent messages.
        asked: What was asked for.
        hosts: Where the app finds the service: hosts, each with its port, None for any.
        redact: Takes secrets out of what notes quote.
        has_own_input: Whether the app is given an input of its own, so that it does not get what the recorded user typed.
        follows: Whether the run begins in the Python programs that the app starts, too.
        together: The recordings of all connections that the app opens, this one among them; none where it opens one.
        place: Where among them this one is.
    """

    recording: PlayedRecording
    dialect: Dialect
    pairing: Dialect
    asked: ReplayOptions
    hosts: Hosts
    redact: Callable[[str], str]
    has_own_input: bool = False
    follows: bool = True
    together: Tuple[PlayedRecording, ...] = ()
    place: int = 0

    def write(self) -> int:
        """Write it into a file without a name; gives its file descriptor."""
        return _write(self)


@dataclass(frozen=True)
class ActedSession:
    """What the process of an app is told that is replayed in real time, where a server acts out the recording.

    Attributes:
        recording: The recording, on the axis on which it is acted out.
        asked: What was asked for.
        redact: Takes secrets out of what notes quote.
        follows: Whether the Python programs that the app starts are told, too.
    """

    recording: PlayedRecording
    asked: ReplayOptions
    redact: Callable[[str], str]
    follows: bool = True


@dataclass(frozen=True)
class PointedPlan:
    """What the process of an app is told that runs in real time: one that is recorded, or replayed.

    Attributes:
        hosts: Where the app looks for the service.
        proxy: Where it is to find it: address and port of the proxy, or of the server that acts out a recording.
        dialect: What is spoken.
        pcm: The format of what the microphone plays; None leaves the machine's sound as it is.
        samples: What it plays.
        stdin: The device and the inode of the standard input whose lines are to be told; None for no lines.
        acted: Of an app that is replayed; None for one that is recorded.
        tells_listening: Whether it is to be told where the app listens.
    """

    hosts: Hosts
    proxy: Tuple[str, int]
    dialect: Dialect
    pcm: Optional[Pcm] = None
    samples: bytes = b""
    stdin: Optional[Tuple[int, int]] = None
    acted: Optional[ActedSession] = None
    tells_listening: bool = False

    def write(self) -> int:
        """Write it into a file without a name; gives its file descriptor."""
        return _write(self)


@dataclass(frozen=True)
class InputLine:
    """A line that an app has read from its standard input.

    Attributes:
        text: The line, without its end; None for the end of the input.
        read_ns: When it was read, by the machine's monotonic clock.
        prompt: What ``input()`` showed before it, empty for other ways to read.
        is_hidden: Whether it was not to be seen while it was typed.
    """

    text: Optional[str]
    read_ns: int
    prompt: str = ""
    is_hidden: bool = False


@dataclass(frozen=True)
class SoundState:
    """The software sound of an app that is recorded.

    Attributes:
        at_s: When, by the machine's monotonic clock.
        is_quiet: Whether the microphone's file is over, and nothing is played.
    """

    at_s: float
    is_quiet: bool


@dataclass(frozen=True)
class AppSound:
    """What the process of an app that was replayed in real time played, and handed on to be played.

    Attributes:
        playbacks: What the software speaker played.
        by_player: Of each, whether it was the SDK's player.
        handed: What the app handed on to that.
        opened_at_ns: What its times count from, by the machine's monotonic clock; None if it never reached the service.
    """

    playbacks: Tuple[Playback, ...]
    by_player: Tuple[bool, ...]
    handed: HandedOn
    opened_at_ns: Optional[int]


@dataclass(frozen=True)
class AppOutcome:
    """What is told at the end of the app.

    Attributes:
        heard: What the software speaker played.
        overdue_jobs: Jobs that the clock did not wait for.
        failures: What the player raised.
        sdk: The version of the SDK that the app had loaded, empty for none.
        sound: In real time, what it played.
    """

    heard: Optional[Heard] = None
    overdue_jobs: Tuple[str, ...] = ()
    failures: Tuple[str, ...] = ()
    sdk: str = ""
    sound: Optional[AppSound] = None


def _write(what: object) -> int:
    plan = _nameless()
    begins = _GOES_ON if isinstance(what, PointedPlan) and what.acted is None else _ENDS
    view = memoryview(begins + dumps(what) + _OWNER.pack(0))
    while view:
        view = view[os.write(plan, view) :]
    return plan


def _nameless() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("evi-harness")
    from tempfile import mkstemp

    plan, name = mkstemp(prefix="evi-harness-")
    Path(name).unlink()
    return plan


def identity_of(descriptor: int) -> Optional[Tuple[int, int]]:
    """Device and inode of a file descriptor; None if it is not open."""
    try:
        found = os.fstat(descriptor)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def with_site(environment: Mapping[str, str], channel: str) -> Dict[str, str]:
    """The environment of a process that the run is to begin in.

    Args:
        environment: What it has besides.
        channel: What it is told of the two ends.
    """
    variables = variables_in(environment)
    folders = [str(SITE), *filter(None, [variables.get("PYTHONPATH")])]
    return {**variables, "PYTHONPATH": os.pathsep.join(folders), CHANNEL: channel}


def read_plan(plan: int) -> Union[AppPlan, PointedPlan]:
    """Read the plan; any process may, again and again."""
    parts, at = [], 0
    while True:
        part = os.pread(plan, 1 << 24, at)
        if not part:
            break
        parts.append(part)
        at += len(part)
    found: Union[AppPlan, PointedPlan] = pickle.loads(memoryview(b"".join(parts))[1:])  # noqa: S301 - from the command that started this process
    return found


class Reports:
    """The app's end of the pipe. A forked child has none, unless it takes the session over.

    Args:
        pipe: Its file descriptor.
        plan: That of the plan.
        ends_alone: Whether the process ends where nobody is left to report to.
    """

    def __init__(self, pipe: int, plan: int, *, ends_alone: bool = True) -> None:
        self._pipe = pipe
        self._plan = plan
        self._ends_alone = ends_alone
        self._process = os.getpid()
        self._mine = threading.RLock()

    def send(self, kind: bytes, what: Any, *, by_a_fork: bool = False) -> None:
        """Report something. Where nobody is left to be told, the process ends, or goes on without."""
        if os.getpid() != self._process and not by_a_fork:
            return
        message = dumps(what)
        view = memoryview(kind + _LENGTH.pack(len(message)) + message)
        try:
            with self._alone():
                while view:
                    view = view[os.write(self._pipe, view) :]
        except BrokenPipeError:
            if self._ends_alone:
                really_exit(1)

    def forked(self) -> None:
        """Take, in a child, that it was forked."""
        self._mine = threading.RLock()
        self.send(FORKED, os.getpid(), by_a_fork=True)

    def claim(self) -> bool:
        """Make this process the one that the session is of; whether it is."""
        with self._alone():
            place = os.fstat(self._plan).st_size - _OWNER.size
            (owner,) = _OWNER.unpack(os.pread(self._plan, _OWNER.size, place))
            if not owner:
                os.pwrite(self._plan, _OWNER.pack(os.getpid()), place)
        if not owner:
            self._process = os.getpid()
            self.send(OWNS, os.getpid())
        return owner in (0, os.getpid())

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep out this process's other threads, and other processes: what starts them may be none of ours, such as a shell."""
        with self._mine:
            fcntl.lockf(self._plan, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.lockf(self._plan, fcntl.LOCK_UN)


class ReportReader:
    """Puts reports together from the bytes that come through the pipe."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> Iterator[Tuple[bytes, Any]]:
        """Take the next bytes, and give the reports that are complete with them."""
        self._data += data
        while len(self._data) >= _HEAD:
            end = _HEAD + _LENGTH.unpack_from(self._data, 1)[0]
            if len(self._data) < end:
                return
            kind, message = bytes(self._data[:1]), bytes(self._data[_HEAD:end])
            del self._data[:end]
            yield kind, message.decode(errors="replace") if kind == FAILED else pickle.loads(message)  # noqa: S301 - from our own part
