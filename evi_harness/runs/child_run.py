"""A run in a child process, so that the parent can report it if the app's process ends.

The child is forked, which costs some milliseconds, and runs the handler; what happens in it comes over a pipe event by event. A child that
dies without having said how its run went (a segmentation fault, an exit in C code, a ``kill -9``) leaves what it had sent: that becomes the
run, with the finding ``crashed``. The child's ``faulthandler`` reports where Python code was at that point.

Rules of living here: nothing is judged. The parent does nothing but wait. The child never outlives it for long: a signal that ends the
parent is passed on, and a child whose parent is gone ends with its next event.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import gc
import io
import itertools
import os
import pickle
import re
import select
import signal
import struct
import sys
import threading
import time
import traceback
import warnings
from asyncio import events
from dataclasses import dataclass, replace
from types import FrameType
from typing import Any, Callable, Dict, Iterator, List, NoReturn, Optional, Tuple

from evi_harness.errors import EviHarnessError
from evi_harness.guard.developers import developers
from evi_harness.guard.ending import UsersInterrupt
from evi_harness.guard.pickling import dumps
from evi_harness.guard.place_lookup import Stack, told_places
from evi_harness.guard.program_end import really_exit
from evi_harness.quiet_loading import loading
from evi_harness.replay.played_recording import PlayedRecording
from evi_harness.runs.run import Run, RunOptions, name_of
from evi_harness.session.events import Event, Note
from evi_harness.session.notes import CRASHED, HANDLER_ENTERED, HANDLER_RETURNED
from evi_harness.session.places import Place, places_in

__all__ = ["in_a_child"]

RunOnce = Callable[[PlayedRecording, Any, RunOptions], Run]
# Given where events and lines go, and what ends the process where the app cannot be interrupted.
_Act = Callable[[Callable[[Event], object], Callable[[str], object], Callable[[], object]], Run]

_LENGTH = struct.Struct("!Q")
_HEAD = 1 + _LENGTH.size
# What is sent: an event, a line for who asked for the run, what was printed; and in the end the run without its events, what it raised,
# that the user interrupted it, or that it could not be interrupted.
_EVENT, _LINE, _PRINTED = b"e", b"l", b"p"
_RUN, _ERROR, _INTERRUPTED, _GIVEN_UP = b"r", b"x", b"i", b"g"
_LAST = (_RUN, _ERROR, _INTERRUPTED, _GIVEN_UP)
# How often it is looked whether the child is there, in milliseconds.
LOOK_MS = 250
# Streams that may stand for others than the process's own.
_STREAMS = ("stdout", "stderr")
# How long a child may take to end by itself when the user interrupts, in seconds.
END_S = 5.0
# As faulthandler writes it.
_FRAME = re.compile(r'^  File "(.*)", line (\d+) in (.*)$', re.MULTILINE)
_PASSED_ON = (signal.SIGTERM, signal.SIGHUP)


def in_a_child(run_once: RunOnce) -> RunOnce:
    """What runs a handler in a child process, as ``run_once`` does in this one.

    What the handler changes, in itself or elsewhere in the process, is gone with the child.

    Args:
        run_once: Runs a handler.

    Returns:
        A function that takes and raises what ``run_once`` does.
    """

    def run(recording: PlayedRecording, handler: Any, options: RunOptions) -> Run:
        # Here, so that several children need not do it each.
        with loading():
            options.adapter.load()
        sys.stdout.flush()
        sys.stderr.flush()
        read, written = os.pipe()
        said, says = os.pipe()
        with warnings.catch_warnings():
            # Python 3.12 warns of other threads, whose locks the child may find taken; it needs none of theirs.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            os.close(read)
            os.close(said)
            _be_the_child(
                lambda watch, write, give_up: run_once(recording, handler, replace(options, watch=watch, write=write, give_up=give_up)),
                written,
                says,
            )
        os.close(written)
        os.close(says)
        with os.fdopen(read, "rb", buffering=0) as heard, os.fdopen(said, "rb") as stack:
            return _Parent(child, heard, stack, options).outcome(name_of(handler))

    return run


def _be_the_child(act: _Act, written: int, says: int) -> NoReturn:
    """Run, send what became of it, and end."""
    status = 1
    try:
        # What there is by now is the parent's: looking through it for garbage would only copy its memory.
        gc.freeze()
        # What is registered there is the parent's to do, and so are the processes that it has started.
        atexit._clear()
        _forget_children()
        faulthandler.enable(says, all_threads=False)
        with os.fdopen(written, "wb", buffering=0) as channel:
            for name in _STREAMS:
                if not _is_real(getattr(sys, name)):
                    setattr(sys, name, _Printing(name, channel))
            _send(channel, *_outcome(act, channel))
        status = 0
        atexit._run_exitfuncs()
        _end_children()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        really_exit(status)


def _outcome(act: _Act, channel: Any) -> Tuple[bytes, Any]:
    sent: List[Event] = []

    def watch(event: Event) -> None:
        sent.append(event)
        _send(channel, _EVENT, event)

    try:
        run = act(watch, lambda line: _send(channel, _LINE, line), lambda: _give_up(channel))
    except UsersInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        return _INTERRUPTED, None
    except BaseException as error:  # noqa: BLE001 - it is raised by the parent
        return _ERROR, (_portable(error), traceback.format_exc())
    # Events that were sent as they happened need not be sent again.
    is_sent = len(sent) == len(run.events) and all(one is other for one, other in zip(sent, run.events))
    return _RUN, (replace(run, events=()) if is_sent else run, is_sent)


def _give_up(channel: Any) -> None:
    _send(channel, _GIVEN_UP, None)
    really_exit(1)


def _forget_children() -> None:
    """Do as multiprocessing does in a child of its own."""
    process, util = sys.modules.get("multiprocessing.process"), sys.modules.get("multiprocessing.util")
    if process is not None:
        process._children = set()  # type: ignore[attr-defined]
    if util is not None:
        util._finalizer_registry.clear()


def _end_children() -> None:
    """End what multiprocessing ends where Python does; what it had registered for that was the parent's."""
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        util._exit_function()


def _is_real(stream: Any) -> bool:
    """Whether a stream writes to a file of the process's, which a child has as well."""
    try:
        return stream is None or stream.fileno() >= 0
    except (AttributeError, OSError, ValueError):
        return False


class _Printing(io.TextIOBase):
    """A stream that the parent writes to its own of that name."""

    def __init__(self, name: str, channel: Any) -> None:
        self._name = name
        self._channel = channel

    def write(self, text: str) -> int:
        _send(self._channel, _PRINTED, (self._name, text))
        return len(text)


def _send(channel: Any, kind: bytes, what: Any) -> None:
    try:
        message = dumps(what)
        channel.write(kind + _LENGTH.pack(len(message)) + message)
    except BrokenPipeError:
        # The parent is gone: nobody waits for this.
        really_exit(1)


def _portable(error: BaseException) -> BaseException:
    try:
        pickle.loads(dumps(error))  # noqa: S301 - what was just made
    except Exception:  # noqa: BLE001 - an exception of anybody's may do anything here
        return EviHarnessError(f"{type(error).__name__}: {error}")
    return error


@dataclass
class _Parent:
    """The side that waits.

    Attributes:
        child: The child's process id.
        heard: What the child sends.
        stack: What its ``faulthandler`` wrote.
        options: Of the run.
    """

    child: int
    heard: Any
    stack: Any
    options: RunOptions

    def outcome(self, handler: str) -> Run:
        """Wait for the end of the child, and tell what became of the run."""
        seen: List[Event] = []
        last: Optional[Tuple[bytes, Any]] = None
        try:
            with _Passing(self.child):
                for kind, message in self._messages():
                    if kind == _EVENT:
                        seen.append(message)
                        self.options.watch(message)
                    elif kind == _LINE:
                        self.options.write(message)
                    elif kind == _PRINTED:
                        getattr(sys, message[0]).write(message[1])
                    else:
                        last = (kind, message)
        except BaseException:
            self._end()
            raise
        _, status = os.waitpid(self.child, 0)
        if last is None:
            return self._crashed(handler, seen, status)
        kind, message = last
        if kind == _INTERRUPTED:
            raise UsersInterrupt
        if kind == _GIVEN_UP:
            return Run(handler, seen)
        if kind == _ERROR:
            error, trace = message
            if not isinstance(error, EviHarnessError):
                error.__cause__ = ChildsTraceback(trace)
            raise error
        run: Run
        run, is_sent = message
        return replace(run, events=seen) if is_sent else run

    def _messages(self) -> Iterator[Tuple[bytes, Any]]:
        """What the child says, to its last word; what it says no more where it has died. Its own children may hold the pipe for longer."""
        told, looks = bytearray(), select.poll()
        looks.register(self.heard, select.POLLIN)
        while True:
            while len(told) >= _HEAD and len(told) >= _HEAD + _LENGTH.unpack_from(told, 1)[0]:
                end = _HEAD + _LENGTH.unpack_from(told, 1)[0]
                kind, message = bytes(told[:1]), bytes(told[_HEAD:end])
                del told[:end]
                yield kind, pickle.loads(message)  # noqa: S301 - from our own child
                if kind in _LAST:
                    return
            # Asked before looking: what it wrote before it died is in the pipe.
            is_dead = self._is_dead()
            if not looks.poll(0 if is_dead else LOOK_MS):
                if is_dead:
                    return
                continue
            part = os.read(self.heard.fileno(), 1 << 16)
            if not part:
                return
            told += part

    def _is_dead(self) -> bool:
        # Asked without taking it: whoever waits for the child then takes its status.
        if not hasattr(os, "waitid"):
            return False
        return os.waitid(os.P_PID, self.child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def _end(self) -> None:
        """End a child that is no longer waited for, by the user's wish as a rule; it may have had that itself."""
        with _suppressed():
            if not _ends_within(self.child, END_S / 10):
                _end(self.child, signal.SIGINT)

    def _crashed(self, handler: str, seen: List[Event], status: int) -> Run:
        frames = [Place(file, int(line), function) for file, line, function in _FRAME.findall(self.stack.read().decode(errors="replace"))]
        frames = list(itertools.takewhile(lambda place: not _is_step(place), frames))
        stack: Stack = tuple((place.file, place.line, place.function) for place in frames)
        entered: Dict[Optional[int], Note] = {}
        for event in seen:
            if HANDLER_ENTERED.matches(event):
                entered[event.of] = event
            elif HANDLER_RETURNED.matches(event):
                entered.pop(event.of, None)
        running = next(reversed(list(entered.values())), None)
        facts = None if running is None else HANDLER_ENTERED.read(running)
        detail = developers(frames) or ([] if facts is None else [f"{facts.callback} was running"])
        places = told_places(stack, self.options.redact, or_library=False) or self._defined(running)
        seq = max((event.seq for event in seen), default=0) + 1
        at_ns = max((event.at_ns for event in seen), default=0)
        what = f"the process of the app ended {_how(status)}"
        detail = [self.options.redact(one) for one in detail]
        of = None if running is None else running.of
        return Run(handler, [*seen, CRASHED.make(seq, at_ns, of, what=what, detail=detail, places=places, ended=True)])

    def _defined(self, running: Optional[Note]) -> List[Dict[str, Any]]:
        """Where the callback that was running is defined: its note says it, and only the first of its notes with the source."""
        places = () if running is None else places_in(running.data)
        return told_places(tuple((place.file, place.line, place.function) for place in places), self.options.redact, or_library=False)


def _is_step(place: Place) -> bool:
    """Whether a place is where the event loop runs a step: behind it stands who runs the loop."""
    return place.function == "_run" and place.file == events.__file__


class ChildsTraceback(Exception):
    """Where in a child an exception was raised."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


class _Passing:
    """Passes on what would end this process to a child, so that the child never outlives it.

    Args:
        child: The child's process id.
    """

    def __init__(self, child: int) -> None:
        self._child = child
        self._before: List[Tuple[int, Any]] = []

    def __enter__(self) -> _Passing:
        if threading.current_thread() is threading.main_thread():
            numbers = [number for number in _PASSED_ON if signal.getsignal(number) == signal.SIG_DFL]
            self._before = [(number, signal.signal(number, self._pass_on)) for number in numbers]
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before:
            signal.signal(number, before)

    def _pass_on(self, number: int, frame: Optional[FrameType]) -> None:  # noqa: ARG002 - the signature is signal's
        _end(self._child, number)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)


def _end(child: int, number: int) -> None:
    """End a child by a signal, and wait for that; by ``SIGKILL`` where it takes too long."""
    with _suppressed():
        os.kill(child, number)
        if not _ends_within(child, END_S):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def _suppressed() -> contextlib.suppress:
    return contextlib.suppress(ProcessLookupError, ChildProcessError)


def _ends_within(child: int, seconds: float) -> bool:
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        if os.waitpid(child, os.WNOHANG) != (0, 0):
            return True
        time.sleep(0.01)
    return False


def _how(status: int) -> str:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
        return f"by {name}"
    return f"with exit code {os.WEXITSTATUS(status)}, without Python shutting down"
