"""A server in its own process, so that the app's use of its loop and processor does not distort the measurements.

The parent starts the child with one end of a socket pair and asks; the child only answers, so that nothing but the app's messages takes its
time. Both read the machine's monotonic clock, which is one for all processes.

Rules of living here: messages on the channel are pickles, between a process and the child that it started, and reach nobody else. The
child ends when the channel does or when it has another parent: it never outlives the process that started it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import socket
import struct
import subprocess
import sys
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, List, Optional, Sequence, Tuple, Type

from evi_harness.carriers.access_tokens import TokenAnswer, no_subprotocol, plain_token_answer
from evi_harness.carriers.admission import Admission
from evi_harness.carriers.limits import NO_LIMITS
from evi_harness.carriers.real_carrier import LOOPBACK, RealCarrier, loopback
from evi_harness.clocks.clock import RealClock
from evi_harness.clocks.pacing import collect_garbage, own_process, run_precisely
from evi_harness.errors import EviHarnessError, UsageError
from evi_harness.guard.held_interrupts import ignore_interrupts, interrupts_held_back
from evi_harness.guard.pickling import dumps
from evi_harness.session.events import Event, Handshake

if TYPE_CHECKING:
    from types import TracebackType

    from evi_harness.carriers.server import ChatServer, OpenService
    from evi_harness.session.protocols import AccessCheck, History

__all__ = ["ProcessCarrier", "ServerProcess", "serve_channel"]

# A cold start on a busy machine takes seconds; only a child that hangs takes this long.
ANSWER_S = 60.0
END_S = 10.0
LOOK_FOR_PARENT_S = 1.0

_LENGTH = struct.Struct("!Q")


@dataclass(frozen=True)
class Setup:
    """What the child is to serve.

    Attributes:
        open_service: Makes the service for one connection.
        chat_paths: See ``ChatServer``.
        token_path: See ``ChatServer``.
        host: A loopback address.
        port: The port, 0 for any.
        service_name: See ``ChatServer``.
        check: See ``ChatServer``.
        admission: See ``ChatServer``.
        history: See ``ChatServer``.
        token_answer: See ``ChatServer``.
        subprotocol: See ``ChatServer``.
    """

    open_service: OpenService
    chat_paths: Tuple[str, ...]
    token_path: Optional[str]
    host: str
    port: int
    service_name: Optional[str]
    check: Optional[AccessCheck]
    admission: Admission
    history: Optional[History]
    token_answer: TokenAnswer
    subprotocol: Callable[[Handshake], Optional[str]]


@dataclass(frozen=True)
class Look:
    """What the parent asks.

    Attributes:
        n_known: How many events it has of each conversation.
        is_last: Whether the child is to stop serving before it answers, and to end.
    """

    n_known: Tuple[int, ...]
    is_last: bool


@dataclass(frozen=True)
class News:
    """What the child answers.

    Attributes:
        served: The conversations, each with the events that the parent does not have.
        failures: What services raised so far, each with its traceback.
        n_refused: How many chats services have refused so far.
        unknown: What was asked for in vain so far; see ``ChatServer``.
    """

    served: List[ServedEvents]
    failures: List[Tuple[BaseException, str]]
    n_refused: int = 0
    unknown: Tuple[str, ...] = ()


@dataclass
class ServedEvents:
    """One conversation as the child has kept it.

    Attributes:
        opened_at_ns: When it opened, on the machine's monotonic clock: what is observed in this process is stamped by it too.
        events: Its events so far.
    """

    opened_at_ns: int
    events: List[Event]


class ServerProcess:
    """A server in a process of its own. A context manager; it serves between entering and leaving.

    Args:
        open_service: Makes the service for one connection, in the child: it is pickled, so it is a function or an object of a class that
            stands at the top of a module.
        chat_paths: Paths on which a client opens the socket.
        token_path: Path on which a client gets an access token, None for none.
        host: A loopback address.
        port: The port; 0 picks one that is free.
        service_name: Who answers, as the handshake tells it; see ``ChatServer``.
        check: Who gets a token and who may open a chat; see ``ChatServer``. It is pickled, like ``open_service``.
        admission: Which requests are answered, by where they come from; by default programs, and web pages of this machine.
        history: Answers requests about a conversation; see ``ChatServer``. It is pickled, like ``open_service``.
        token_answer: See ``ChatServer``. It is pickled, like ``open_service``.
        subprotocol: See ``ChatServer``. It is pickled, like ``open_service``.

    Attributes:
        url: Where it serves; empty before it does.
        served: The conversations as far as they have been asked for; all of them once it has stopped.
        n_refused: How many chats a service has refused, likewise.
        unknown: What was asked for in vain, a line each, likewise; see ``on_unknown`` of ``ChatServer``.

    Raises:
        UsageError: The host is not a loopback address; on entering: ``open_service`` cannot be pickled.
        EviHarnessError: On entering: the port cannot be had or the child does not start. On leaving: the child has gone.
        Exception: On leaving: what a service raised, unless the block raises already.
    """

    def __init__(
        self,
        open_service: OpenService,
        *,
        chat_paths: Sequence[str],
        token_path: Optional[str] = None,
        host: str = LOOPBACK,
        port: int = 0,
        service_name: Optional[str] = None,
        check: Optional[AccessCheck] = None,
        admission: Optional[Admission] = None,
        history: Optional[History] = None,
        token_answer: TokenAnswer = plain_token_answer,
        subprotocol: Callable[[Handshake], Optional[str]] = no_subprotocol,
    ) -> None:
        self.url = ""
        self.served: List[ServedEvents] = []
        self.n_refused = 0
        self.unknown: Tuple[str, ...] = ()
        self._setup = Setup(
            open_service,
            tuple(chat_paths),
            token_path,
            loopback(host),
            port,
            service_name,
            check,
            admission or Admission(),
            history,
            token_answer,
            subprotocol,
        )
        self._child: Optional[subprocess.Popen[bytes]] = None
        self._channel: Optional[socket.socket] = None

    def __enter__(self) -> ServerProcess:
        setup = _dumps_setup(self._setup)
        here, there = socket.socketpair()
        with there:
            # Isolated, with the parent's own paths: nothing in the current folder or the environment gets between them.
            call = f"serve_channel({there.fileno()}, {os.getpid()})"
            program = f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import serve_channel; {call}"
            with interrupts_held_back():
                self._child = subprocess.Popen(  # noqa: S603 - our own program
                    [sys.executable, "-I", "-c", program], pass_fds=[there.fileno()], stdin=subprocess.DEVNULL
                )
        here.settimeout(ANSWER_S)
        self._channel = here
        try:
            self.url = self._ask(setup)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        try:
            failures = self._take(is_last=True)
        except EviHarnessError:
            if error is None:
                raise
            return
        finally:
            self._end()
        if error is None and failures:
            failure, text = failures[0]
            raise failure from EviHarnessError(f"in the server's process:\n{text}")

    def look(self) -> Sequence[ServedEvents]:
        """Ask the child for what has happened since the last time.

        Returns:
            The conversations so far, in the order in which they were opened; what was known before once it has stopped.

        Raises:
            EviHarnessError: The child has gone.
        """
        if self._channel is not None:
            self._take(is_last=False)
        return self.served

    def _take(self, *, is_last: bool) -> List[Tuple[BaseException, str]]:
        news: News = self._ask(dumps(Look(tuple(len(one.events) for one in self.served), is_last)))
        for known, new in zip(self.served, news.served):
            known.events.extend(new.events)
        self.served.extend(news.served[len(self.served) :])
        self.n_refused, self.unknown = news.n_refused, news.unknown
        return news.failures

    def _ask(self, message: bytes) -> Any:
        assert self._channel is not None
        try:
            _send(self._channel, message)
            answer = pickle.loads(_receive(self._channel))  # noqa: S301 - from our own child
        except (OSError, EOFError) as error:
            raise EviHarnessError(f"the server's process {self._what_it_does()}", hint="See its output for the reason.") from error
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _what_it_does(self) -> str:
        assert self._child is not None
        try:
            return f"has ended, with {self._child.wait(END_S)}"
        except subprocess.TimeoutExpired:
            return f"has not answered for {ANSWER_S:g} s"

    def _end(self) -> None:
        assert self._child is not None
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        try:
            self._child.wait(END_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()


class ProcessCarrier:
    """Carries a service in a process of its own, for an app on the running loop; the loop does not wait while the child starts and ends.

    Args:
        process: The server, not entered yet; the carrier starts and stops it. What it raises, this raises.
    """

    def __init__(self, process: ServerProcess) -> None:
        self._process = process
        self._clock = RealClock()

    @property
    def url(self) -> str:
        """Where it serves."""
        return self._process.url

    def now_ns(self) -> int:
        """The time on the machine's monotonic clock, which is the child's too."""
        return self._clock.now_ns()

    def sessions(self) -> Sequence[Sequence[Event]]:
        """The events of the conversations so far, in the order in which they were opened; asks the child and waits for its answer."""
        return [one.events for one in self._process.look()]

    async def __aenter__(self) -> ProcessCarrier:
        await asyncio.get_running_loop().run_in_executor(None, self._process.__enter__)
        return self

    async def __aexit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        await asyncio.get_running_loop().run_in_executor(None, self._process.__exit__, kind, error, trace)


def serve_channel(descriptor: int, parent: int) -> None:
    """Be the child: serve what the parent sends, until it says stop or is gone.

    Args:
        descriptor: The child's end of the channel.
        parent: The parent's process id, from itself: it may be gone before the child could ask.
    """
    # When to end is the parent's decision.
    ignore_interrupts()
    with socket.socket(fileno=descriptor) as channel:
        try:
            setup: Setup = pickle.loads(_receive(channel))  # noqa: S301 - from our own parent
        except EOFError:
            return
        except Exception as error:  # noqa: BLE001 - whatever the service's module does when it is imported
            _send(channel, dumps(EviHarnessError(f"the server's process cannot make the service: {type(error).__name__}: {error}")))
            return
        run_precisely(lambda: _serve(setup, channel, parent))


async def _serve(setup: Setup, channel: socket.socket, parent: int) -> None:
    from evi_harness.carriers.server import ChatServer

    reader, writer = await asyncio.open_unix_connection(sock=channel)
    unknown: List[str] = []
    server = ChatServer(
        setup.open_service,
        clock=RealClock(),
        chat_paths=setup.chat_paths,
        token_path=setup.token_path,
        service_name=setup.service_name,
        check=setup.check,
        on_idle=collect_garbage,
        on_unknown=unknown.append,
        limits=NO_LIMITS,
        admission=setup.admission,
        history=setup.history,
        token_answer=setup.token_answer,
        subprotocol=setup.subprotocol,
    )
    carrier = RealCarrier(server, host=setup.host, port=setup.port)
    last = None
    try:
        async with carrier:
            own_process()
            writer.write(_framed(dumps(carrier.url)))
            last = await _until_last(reader, writer, server, parent, unknown)
    except EviHarnessError as error:
        if last is None:
            writer.write(_framed(dumps(error)))
    except Exception:  # noqa: BLE001, S110 - what services raised is in the answer
        pass
    if last is not None:
        writer.write(_framed(dumps(_news(server, last, unknown))))
    # drain would come back with up to 64 KiB still to be sent, and the process ends now.
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def _until_last(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: ChatServer, parent: int, unknown: Sequence[str]
) -> Optional[Look]:
    """Answer until the last question, which is given back; None where the parent is gone."""
    answering = asyncio.ensure_future(_answer(reader, writer, server, unknown))
    orphaned = asyncio.ensure_future(_orphaned(parent))
    await asyncio.wait({answering, orphaned}, return_when=asyncio.FIRST_COMPLETED)
    orphaned.cancel()
    return answering.result() if answering.done() else None


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: ChatServer, unknown: Sequence[str]) -> Optional[Look]:
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
            look: Look = pickle.loads(await reader.readexactly(length))  # noqa: S301 - from our own parent
            if look.is_last:
                return look
            writer.write(_framed(dumps(_news(server, look, unknown))))
    return None


async def _orphaned(parent: int) -> None:
    # The channel of a parent that has died stays open where a fork of it lives on.
    while os.getppid() == parent:  # noqa: ASYNC110 - no event tells of another process's end
        await asyncio.sleep(LOOK_FOR_PARENT_S)


def _news(server: ChatServer, look: Look, unknown: Sequence[str]) -> News:
    n_known = dict(enumerate(look.n_known))
    served = [
        ServedEvents(journal.opened_at_ns or 0, journal.events[n_known.get(number, 0) :]) for number, journal in enumerate(server.journals)
    ]
    failures = [(_portable(failure), _trace(failure)) for failure in server.failures]
    return News(served, failures, server.n_refused, tuple(unknown))


def _portable(failure: BaseException) -> BaseException:
    """A failure as it can be sent; one that cannot is told in words."""
    try:
        pickle.loads(pickle.dumps(failure))  # noqa: S301 - what was just made
    except Exception:  # noqa: BLE001 - an exception of anybody's may do anything here
        return EviHarnessError(f"the service failed: {type(failure).__name__}: {failure}")
    return failure


def _trace(failure: BaseException) -> str:
    return "".join(traceback.format_exception(type(failure), failure, failure.__traceback__))


def _dumps_setup(setup: Setup) -> bytes:
    try:
        return dumps(setup)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise UsageError(
            f"the service cannot be sent to another process: {error}",
            hint="Give a function, or an object of a class, that is defined at the top level of a module.",
        ) from error


def _framed(message: bytes) -> bytes:
    return _LENGTH.pack(len(message)) + message


def _send(channel: socket.socket, message: bytes) -> None:
    channel.sendall(_framed(message))


def _receive(channel: socket.socket) -> bytes:
    (length,) = _LENGTH.unpack(_receive_exactly(channel, _LENGTH.size))
    return _receive_exactly(channel, length)


def _receive_exactly(channel: socket.socket, length: int) -> bytes:
    received = bytearray()
    while len(received) < length:
        part = channel.recv(min(length - len(received), 1 << 20))
        if not part:
            raise EOFError("the channel has ended")
        received += part
    return bytes(received)
