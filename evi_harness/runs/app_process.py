"""The process of an app that a command starts: how it is started, signalled, and looked for.

Rules of living here: of the processes of this machine, only those that the command has started.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from evi_harness.errors import CommandError
from evi_harness.runs.app_command import STANDARD_INPUT, AppCommand

__all__ = [
    "END_S",
    "LOOK_MS",
    "Family",
    "cannot_start",
    "end_by",
    "ends_within",
    "family",
    "how_ended",
    "is_alive",
    "send_signal",
    "signal_family",
    "signal_name",
    "start_app",
]

# How often it is looked whether the command is still there, in milliseconds.
LOOK_MS = 100
# How long the app may take to end by itself once it was told to, in real seconds.
END_S = 5.0
# Where Linux tells of processes.
_PROCESSES = Path("/proc")


def start_app(
    command: AppCommand, environment: Mapping[str, str], inherited: Tuple[int, ...], *, typed: Optional[int] = None
) -> subprocess.Popen[bytes]:
    """Start the app. Where this process prints to no file, ``stdout`` of what is given is a pipe with what the app prints.

    Args:
        command: The command.
        environment: The app's environment.
        inherited: The file descriptors that it inherits.
        typed: What it reads as its standard input; None for the command's file, or that of this process.

    Raises:
        CommandError: The command cannot be started, or its input cannot be read.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    out = _standing_out()
    if typed is not None or command.stdin in (None, STANDARD_INPUT):
        return _started(command, environment, inherited, typed, out)
    assert command.stdin is not None
    try:
        given = os.open(command.stdin, os.O_RDONLY)
    except OSError as error:
        raise CommandError(f"the app's input cannot be read: {error.strerror}", where=command.stdin) from error
    try:
        return _started(command, environment, inherited, given, out)
    finally:
        os.close(given)


def _started(
    command: AppCommand, environment: Mapping[str, str], inherited: Tuple[int, ...], typed: Optional[int], out: Optional[int]
) -> subprocess.Popen[bytes]:
    with _Interruptible():
        try:
            return subprocess.Popen(  # noqa: S603 - the developer's own command
                command.words, env=environment, pass_fds=inherited, stdin=typed, stdout=subprocess.PIPE if out is None else out
            )
        except OSError as error:
            raise cannot_start(command.words[0], error) from error


def cannot_start(program: str, error: OSError) -> CommandError:
    """The error for a command whose program cannot be started."""
    return CommandError(
        f"cannot start {program!r}: {error.strerror or error}",
        hint="Give the command as you type it in a shell, for example python app.py.",
    )


class _Interruptible:
    """Has a program that is started meanwhile take SIGINT as usual, where this process ignores it, as behind a shell's ``&``."""

    def __init__(self) -> None:
        self._before: Any = None

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            self._before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)


def _standing_out() -> Optional[int]:
    """Where the app is to print: where this process does at the moment, if that is a file; else what it prints is written there."""
    try:
        return sys.stdout.fileno()
    except (AttributeError, OSError, ValueError):
        return None


def send_signal(process: int, number: int) -> None:
    """Send a signal to a process, if it is there."""
    try:
        os.kill(process, number)
    except ProcessLookupError:
        return


def signal_family(process: int, number: int, *, others: Iterable[int] = ()) -> None:
    """Send a signal to a process, to all that come of it, and to others, as far as they run.

    Args:
        process: The process.
        number: The signal.
        others: Processes that are known to belong to it in another way.
    """
    for one in {*family(process), *others}:
        if one == process or is_alive(one):
            send_signal(one, number)


def ends_within(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Wait until a process has ended, at most so long; whether it has."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def end_by(process: subprocess.Popen[bytes], numbers: Sequence[int], send: Callable[[int], object]) -> bool:
    """End a process by one signal after another, each with ``END_S`` to take effect.

    Args:
        process: The process.
        numbers: The signals, the mildest first.
        send: Sends one to the process and whatever is to end with it.

    Returns:
        Whether it has ended.
    """
    for number in numbers:
        send(number)
        if ends_within(process, END_S):
            return True
    return False


def is_alive(process: Optional[int]) -> bool:
    """Whether a process runs; one that has ended may be there for as long as nobody has asked how."""
    if process is None:
        return False
    try:
        os.kill(process, 0)
        found = _listed_in_proc(process)
        return found is None or not found.has_ended
    except ProcessLookupError:
        return False
    except OSError:
        return True


@dataclass(frozen=True)
class _Listed:
    """A process as the system lists it.

    Attributes:
        parent: The process that has it for a child.
        began: When it was started, as the system says it: numbers are used again, and no two processes of one number began at once.
        has_ended: Whether it is only there until somebody asks how it ended.
    """

    parent: int
    began: str
    has_ended: bool


def _listed_in_proc(process: int) -> Optional[_Listed]:
    """A process on Linux; None where nothing is known of it."""
    try:
        # Behind the name, which is in parentheses: the state, the parent, and seventeen fields further on the start, in ticks since boot.
        known = (_PROCESSES / str(process) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return _Listed(int(known[1]), known[19], known[0] == "Z")
    except ProcessLookupError:
        raise
    except (OSError, ValueError, IndexError):
        return None


class Family:
    """A process that was started here, and all that came of it, as far as they were seen: also those whose parents have ended since.

    A number that another process has by now is not taken for the one that was seen. What has a session of its own, as a daemon has, was
    meant to go on, and is none of them.

    Args:
        process: The process that was started.
    """

    def __init__(self, process: int) -> None:
        self._process = process
        self._began: Dict[int, str] = {}
        self._lock = threading.Lock()
        # It was started in the session of this process.
        self._session = os.getsid(0)
        first = _listed().get(process)
        if first is not None:
            self._began[process] = first.began

    def look(self) -> List[int]:
        """Look for those that have come since; return all that run."""
        listed = _listed()
        with self._lock:
            here = [one for one, began in self._began.items() if one in listed and listed[one].began == began]
            self._began = {one: listed[one].began for one in _descended(here, listed)}
            return [one for one in self._began if not listed[one].has_ended and self._is_of_session(one)]

    def _is_of_session(self, process: int) -> bool:
        try:
            return os.getsid(process) == self._session
        except OSError:
            # It has ended meanwhile, or is another user's.
            return False

    def signal(self, number: int, *, spares_first: bool = False) -> bool:
        """Send a signal to all that run.

        Args:
            number: The signal.
            spares_first: Whether the process that was started is not to have it.

        Returns:
            Whether there was one to send it to.
        """
        told = [one for one in self.look() if not (spares_first and one == self._process)]
        for one in told:
            # One that runs as another user is not ours to end.
            with suppress(PermissionError):
                send_signal(one, number)
        return bool(told)


def family(process: int) -> List[int]:
    """A process, and all that come of it, as far as the system tells."""
    return _descended([process], _listed())


def _descended(processes: Iterable[int], listed: Mapping[int, _Listed]) -> List[int]:
    """Processes, and all that come of them."""
    children: Dict[int, List[int]] = {}
    for child, one in listed.items():
        children.setdefault(one.parent, []).append(child)
    found, waiting = [], list(processes)
    while waiting:
        here = waiting.pop()
        found.append(here)
        waiting += children.pop(here, ())
    return found


def _listed() -> Dict[int, _Listed]:
    """All processes."""
    found: Dict[int, _Listed] = {}
    if (_PROCESSES / "self" / "stat").exists():
        for path in _PROCESSES.iterdir():
            if path.name.isdigit():
                with suppress(ProcessLookupError):
                    one = _listed_in_proc(int(path.name))
                    if one is not None:
                        found[int(path.name)] = one
        return found
    try:
        printed = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,stat=,lstart="], capture_output=True, text=True, check=False).stdout  # noqa: S607
    except OSError:
        return found
    for line in printed.splitlines():
        process, parent, state, began = line.split(None, 3)
        found[int(process)] = _Listed(int(parent), began, state.startswith("Z"))
    return found


def signal_name(number: int) -> str:
    """What a signal is called."""
    return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"


def how_ended(status: int) -> str:
    """How a process ended, in words, by its status as ``subprocess`` has it."""
    return f"with exit code {status}" if status >= 0 else f"by {signal_name(-status)}"
