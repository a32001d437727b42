"""Serve a session, or any service, in real time on a loopback port.

``serve`` is for a process that does nothing else: it keeps time in this process and ends on a signal. ``served`` starts a process for a
block of code, and afterwards has what happened in it.

Rules of living here: the report says how late the server itself was, and how the app compares with the recording; with ``once``, that
comparison is the result.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Callable, List, Optional, Protocol, Sequence, Tuple, Union

from evi_harness.acts.serve.ears import Ears
from evi_harness.acts.serve.made_voices import Voices
from evi_harness.acts.serve.record_served import Keeper, Keeping
from evi_harness.acts.serve.simulating import Simulation
from evi_harness.carriers.admission import THIS_MACHINE, Admission
from evi_harness.carriers.journal import Journal
from evi_harness.carriers.lateness import Lateness, lateness_ns
from evi_harness.carriers.limits import DEFAULT_LIMITS, MIB, ServerLimits
from evi_harness.carriers.real_carrier import LOOPBACK, RealCarrier
from evi_harness.carriers.server import TOKEN_SECONDS, ChatServer, OpenService
from evi_harness.carriers.server_process import ServerProcess
from evi_harness.carriers.telling import Aside
from evi_harness.carriers.thin_frames import ThinFrame
from evi_harness.clocks.clock import RealClock
from evi_harness.clocks.pacing import collect_garbage, own_process, run_precisely
from evi_harness.dialects import DEFAULT, dialect_named, dialect_of
from evi_harness.errors import EviHarnessError, UsageError, value_of
from evi_harness.guard.own_output import silence_libraries, told_by_us
from evi_harness.replay.played_recording import PlayedRecording
from evi_harness.replay.player import DEFAULT_PATIENCE, Patience
from evi_harness.runs.own_server import Served
from evi_harness.runs.playing import Play, chat_paths_of, play_recording
from evi_harness.runs.session_history import SessionHistory, told_session
from evi_harness.session.events import Closed, Event, Handshake, Opened, Received, Sent
from evi_harness.session.protocols import AccessCheck, Dialect
from evi_harness.session.session import Session
from evi_harness.session.too_large import too_large
from evi_harness.settings.environment import load_environment
from evi_harness.settings.interrupts import Interrupts
from evi_harness.settings.new_folder import SessionsFolder
from evi_harness.verdicts.comparing import AS_USUAL, Comparing, Rules
from evi_harness.verdicts.expected import Expected, load_expected
from evi_harness.verdicts.redacted_views import redactor_for

if TYPE_CHECKING:
    from evi_harness.acts.serve.served_verdict import Compared

__all__ = ["Ended", "ServeOptions", "ServeResult", "admission", "limited", "play", "require_key", "serve", "served", "server_process"]

# To compare a conversation takes milliseconds, in which a thread that computes is in the way of the loop at each of its calls to the
# system. So it is done where nothing is due for a while; and in any case some seconds after the conversation's end.
_GAP_NS = 10_000_000
_LOOK_S = 0.005
_COMPARED_WITHIN_NS = 5_000_000_000

Serveable = Union[str, Path, Session, OpenService]


class _Compare(Protocol):
    """Compares a conversation that is over: ``served_verdict.compare`` of one session."""

    def __call__(self, events: Sequence[Event], *, is_cut_off: bool = False) -> Compared: ...


def play(
    session: Union[str, Path, Session, PlayedRecording],
    patience: Patience = DEFAULT_PATIENCE,
    rules: Rules = AS_USUAL,
    *,
    allow_incomplete: bool = False,
) -> Play:
    """Make what plays a recording in real time: all that is to be sent is in memory before it is due.

    Args:
        session: A session, or its folder; or a recording on the axis on which it is to be acted out.
        patience: How long a player waits for the app.
        rules: How sent messages are compared.
        allow_incomplete: Play a session that is incomplete or damaged as it is. A recording on an axis is not asked.

    Raises:
        SessionUnreadable: The session cannot be read.
        IncompleteRecording: It is incomplete or damaged, and that is not allowed.
        AudioMissing: Audio that is to be sent is not in the folder.
    """
    recording = session if isinstance(session, PlayedRecording) else _recording(session, allow_incomplete)
    return play_recording(recording, patience, Comparing(dialect_of(recording.session), rules))


def _recording(session: Union[str, Path, Session], allow_incomplete: bool) -> PlayedRecording:
    played = load_expected(session, allow_incomplete=allow_incomplete).played
    return PlayedRecording.of(played, dialect_of(played))


def require_key(dialect: Dialect) -> Tuple[AccessCheck, str]:
    """Make the check that lets in only who gives a right API key or access token.

    Right are the keys as the environment or .env has them, under the names of the dialect's service (HUME_API_KEY and HUME_SECRET_KEY,
    OPENAI_API_KEY), and the tokens that the server itself gives for them.
    Where a variable is not set any value will do. A secret key without a key of its own is that of another endpoint, and does not count.

    Args:
        dialect: How apps present their keys.

    Returns:
        The check, and what is right, in words that quote no key.

    Raises:
        EviHarnessError: .env cannot be read.
        UsageError: Nobody knows how apps of this dialect present their keys.
    """
    settings = load_environment(dialect)
    secret_key = settings.secret_key if settings.api_key is not None else None
    name, paired_name = settings.key_variable, dialect.variables.secret_key
    known = f"the one in {name}" if settings.api_key is not None else f"any key is accepted, since {name} is not set"
    paired = f"the one in {paired_name}" if secret_key is not None else "any"
    # Another run's tokens are not this one's.
    name = f"evi-harness-{secrets.token_hex(8)}"
    check = dialect.key_check(settings.api_key, secret_key, token_seconds=TOKEN_SECONDS, token_name=name)
    if check is None:
        raise UsageError(f"evi-harness does not know how an app sends its key in the protocol {dialect.name!r}, so it cannot require one")
    with_secret = "" if paired_name is None else f"; the secret key for an access token: {paired}"
    return check, f"an API key is required: {known}{with_secret}"


@dataclass(frozen=True)
class ServeOptions:
    """How to serve.

    Attributes:
        host: A loopback address.
        port: The port; 0 picks one that is free.
        once: End after the first conversation.
        require_key: Refuse with 401 who gives no API key or access token, or a wrong one; see ``require_key``.
        out: A folder of sessions that each conversation is written to, None to keep none.
        patience_s: How long the player of a session waits for an answer of the app's that is late, in seconds. ``play`` has the rest.
        service: Who plays the service's part where no session is served, as a header says it.
        allow_incomplete: Serve an incomplete or damaged session as it is.
        ignore: What is not compared, as ``replay_session`` has it; nor does the player look at it.
        strict: Also compare values that usually differ in every run.
        dialect: The name of what is spoken where no session is served.
        limits: What clients may take of the server; ``served``, whose client is known, has none but those of the machine.
        admission: Which requests are answered, by where they come from.
    """

    host: str = LOOPBACK
    port: int = 0
    once: bool = False
    require_key: bool = False
    out: Optional[Path] = None
    patience_s: float = DEFAULT_PATIENCE.message_ns / 1e9
    service: str = "unknown"
    allow_incomplete: bool = False
    ignore: Tuple[str, ...] = ()
    strict: bool = False
    dialect: str = DEFAULT
    limits: ServerLimits = DEFAULT_LIMITS
    admission: Admission = THIS_MACHINE

    @property
    def rules(self) -> Rules:
        """How what the app sends is compared.

        Raises:
            UsageError: What is to be ignored is not a path.
        """
        return Rules.of(self.ignore, self.strict)


@dataclass(frozen=True)
class Ended:
    """One conversation that is over.

    Attributes:
        number: Its place in the order of opening, from 1.
        duration_ns: From its opening to its last event.
        n_sent: Messages that the app sent.
        lateness_ns: How late each message that the app received was sent.
        closed: How it ended, None where nobody saw.
        folder: Where it was recorded, None where it was not.
        problem: Why the recording is not complete, None where it is or none was wanted.
        compared: How it was beside the session that was served, None where none was.
        too_large: Which message was too large, where that ended it.
    """

    number: int
    duration_ns: int
    n_sent: int
    lateness_ns: Tuple[int, ...]
    closed: Optional[Closed]
    folder: Optional[Path] = None
    compared: Optional[Compared] = None
    problem: Optional[str] = None
    too_large: Optional[str] = None

    def __str__(self) -> str:
        by = "close not seen" if self.closed is None else f"closed by the {self.closed.by}"
        code = "" if self.closed is None or self.closed.code is None else f" with {self.closed.code}"
        code += "" if self.too_large is None else f" ({self.too_large})"
        where = "" if self.folder is None else f"; recorded in {self.folder}"
        if self.problem is not None:
            where = f"{where}, incomplete: {self.problem}" if where else f"; not recorded: {self.problem}"
        figures = f"{self.n_sent} messages from the app, {len(self.lateness_ns)} to it"
        return f"session {self.number}: {self.duration_ns / 1e9:.1f} s, {figures}, {by}{code}; late: {Lateness.of(self.lateness_ns)}{where}"

    def lines(self) -> List[str]:
        """What to tell people: what crossed, in one line; then how the app did, where that can be said."""
        return [str(self), *(() if self.compared is None else self.compared.lines)]


@dataclass(frozen=True)
class ServeResult:
    """What was served.

    Attributes:
        ended: The conversations, in the order in which they ended.
        once: Whether one conversation was to be served, so that its verdict is the result.
    """

    ended: Tuple[Ended, ...]
    once: bool = False

    @property
    def exit_code(self) -> int:
        """0 for a server that ended well. If ``once``: 1 where a conversation failed, 4 where none was had, or none to its end."""
        if not self.once:
            return 0
        compared = [one.compared for one in self.ended if one.compared is not None]
        if not all(one.passed for one in compared):
            return 1
        return 4 if not self.ended or (compared and compared[0].is_cut_off) else 0

    @property
    def lateness(self) -> Lateness:
        """How late messages were sent, of all conversations together."""
        return Lateness.of(late_ns for one in self.ended for late_ns in one.lateness_ns)

    def __str__(self) -> str:
        n, lateness = len(self.ended), self.lateness
        compared = [one.compared for one in self.ended if one.compared is not None]
        n_passed, n_cut_off = (sum(one.passed and one.is_cut_off is is_cut_off for one in compared) for is_cut_off in (False, True))
        verdict = f"; {n_passed} of {len(compared)} passed" if compared else ""
        if n_cut_off:
            verdict += f", {n_cut_off} inconclusive: cut off"
        if self.once and not self.ended:
            verdict = "; inconclusive: no app connected"
        return f"served {n} session{'' if n == 1 else 's'}, {lateness.n} messages; late: {lateness}{verdict}"


def limited(values: Sequence[str]) -> ServerLimits:
    """Read limits as people write them: ``chats=500``.

    Raises:
        UsageError: There is no such limit, or its value is not a positive number.
    """
    with value_of("limits"):
        return DEFAULT_LIMITS.with_values((name, value) for name, _, value in (one.partition("=") for one in values))


def admission(origins: Sequence[str], hosts: Sequence[str]) -> Admission:
    """Make the rule of who is answered.

    Args:
        origins: Origins of web pages besides those of this machine; ``*`` for all.
        hosts: Names of this machine besides loopback names.

    Raises:
        UsageError: An origin is none, or a name is more than a name.
    """
    return Admission(frozenset(origins), frozenset(hosts))


def _warn(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - what is printed by default


def serve(
    what: Serveable, options: ServeOptions, tell: Callable[[str], object] = print, warn: Callable[[str], object] = _warn
) -> ServeResult:
    """Serve until Ctrl+C, SIGTERM or SIGHUP, or until the first conversation is over. Takes the process: its timers, and these signals.

    Args:
        what: A session, its folder, or what makes the service for one connection.
        options: See there.
        tell: Called with ``listening on URL`` once it listens, with which key is required if one is, and with lines for each
            conversation that is over: what crossed, and, where a session is served, how what the app sent differs from it.
        warn: Called with one line for each path that is asked for and is not there.

    Returns:
        What was served.

    Raises:
        UsageError: The host is not a loopback address, or what is to be ignored is not a path.
        IncompleteRecording: The session is incomplete or damaged, and that is not allowed.
        SessionUnreadable, AudioMissing: The session cannot be read.
        SessionUnwritable: ``out`` cannot be written.
        EviHarnessError: The port cannot be had, or a service failed.
        Exception: What was raised where a conversation was judged; when the server has ended, with all others judged.
        KeyboardInterrupt: A signal came before it listened.
    """
    with Interrupts() as interrupts, ExitStack() as stack:
        rules = options.rules
        expected = None if callable(what) else load_expected(what, allow_incomplete=options.allow_incomplete)
        open_service = _service(what if expected is None else expected.played, options)
        recorded, dialect = (open_service.session if isinstance(open_service, Play) else None), _dialect(open_service, options)
        if options.out is not None:
            stack.enter_context(SessionsFolder(options.out, str(options.out)))
        keeper = None if options.out is None else Keeper(options.out, recorded, options.service, dialect)
        compare = None if expected is None else _comparing(expected, rules)
        redact = redactor_for().string
        warned, told = stack.enter_context(Aside(warn)), stack.enter_context(Aside(tell))
        return run_precisely(
            lambda: _serve(open_service, options, lambda: _Conversations(keeper, told, compare, dialect), interrupts, warned, redact)
        )


def _comparing(expected: Expected, rules: Rules) -> _Compare:
    # It takes a while to import, and nobody is connected yet.
    from evi_harness.acts.serve.served_verdict import compare

    return partial(compare, expected, rules=rules)


def _service(what: Serveable, options: ServeOptions) -> OpenService:
    if callable(what):
        return what
    patience = Patience(message_ns=round(options.patience_s * 1e9))
    return play(what, patience, options.rules, allow_incomplete=options.allow_incomplete)


def _dialect(open_service: OpenService, options: ServeOptions) -> Dialect:
    return open_service.dialect if isinstance(open_service, Play) else dialect_named(options.dialect)


def _chat_paths(open_service: OpenService, dialect: Dialect) -> Tuple[str, ...]:
    return chat_paths_of(open_service.session if isinstance(open_service, Play) else None, dialect)


def _history(open_service: OpenService) -> Optional[SessionHistory]:
    """What answers requests about the session that is served; None where none is."""
    return SessionHistory(open_service.dialect, (told_session(open_service.session),)) if isinstance(open_service, Play) else None


def _limits(open_service: OpenService, limits: ServerLimits) -> ServerLimits:
    """The limits, with room for the largest message of the session that is served."""
    sent = open_service.session.sent if isinstance(open_service, Play) else ()
    largest = max((event.frame.size for event in sent), default=0)
    return limits if largest <= limits.message_bytes else replace(limits, message_mib=largest / MIB)


def _service_name(open_service: OpenService, options: ServeOptions) -> str:
    return "player" if isinstance(open_service, Play) else options.service


async def _serve(
    open_service: OpenService,
    options: ServeOptions,
    converse: Callable[[], _Conversations],
    interrupts: Interrupts,
    on_unknown: Callable[[str], object],
    redact: Callable[[str], str],
) -> ServeResult:
    conversations, dialect = converse(), _dialect(open_service, options)
    check, required = require_key(dialect) if options.require_key else (None, "")
    server = ChatServer(
        open_service,
        clock=conversations.clock,
        chat_paths=_chat_paths(open_service, dialect),
        token_path=dialect.token_path,
        token_answer=dialect.token_answer,
        subprotocol=dialect.subprotocol,
        journal_for=conversations.journal_for,
        check=check,
        service_name=_service_name(open_service, options),
        history=_history(open_service),
        on_idle=collect_garbage,
        on_unknown=on_unknown,
        limits=_limits(open_service, options.limits),
        admission=options.admission,
        # Whoever has put a key into a path finds it nowhere.
        redact=redact,
    )
    loop = asyncio.get_running_loop()
    silence_libraries()
    told_by_us(loop, server.tell)
    interrupts.told_to(loop, conversations.stop, may_block=False)
    try:
        async with AsyncExitStack() as stack:
            if isinstance(open_service, Simulation):
                # Hearing takes as much as all the rest, and so does making voices.
                open_service.open_voice = (await stack.enter_async_context(Voices())).open
                open_service.open_ear = (await stack.enter_async_context(Ears())).open
            carrier = await stack.enter_async_context(RealCarrier(server, host=options.host, port=options.port))
            own_process()
            conversations.tell(f"listening on {carrier.url}")
            if required:
                conversations.tell(required)
            while await conversations.next_ended(server):
                conversations.tell_ended()
                if options.once:
                    break
            conversations.are_cut_off = True
    except Exception as failure:
        if isinstance(failure, EviHarnessError) or failure not in server.failures:
            raise
        raise EviHarnessError(f"the service failed: {type(failure).__name__}: {failure}") from failure
    finally:
        await conversations.rest(server)
        interrupts.over()
    if conversations.failures:
        raise conversations.failures[0]
    return ServeResult(tuple(conversations.ended), options.once)


class _Conversations:
    """The conversations of one server: they are numbered, kept where they are to be, and told when they are over.

    Attributes:
        clock: What stamps them.
        ended: Those that are over.
        failures: What was raised where one that is over was summed up. The others go on.
        are_cut_off: Whether the server is ending, and with it those that still run.
        tell: Takes the lines.
    """

    def __init__(self, keeper: Optional[Keeper], tell: Callable[[str], object], compare: Optional[_Compare], dialect: Dialect) -> None:
        self.clock = RealClock()
        self.ended: List[Ended] = []
        self.failures: List[Exception] = []
        self.are_cut_off = False
        self.tell = tell
        self._keeper = keeper
        self._compare = compare
        self._dialect = dialect
        self._n_opened = 0
        # What is still to be told of those that are over.
        self._untold: List[str] = []
        self._is_stopped = False
        # What comes next: a conversation that is over, or None for a signal.
        self._next: asyncio.Queue[Optional[_Conversation]] = asyncio.Queue()

    def stop(self) -> None:
        self._is_stopped = True
        self._next.put_nowait(None)

    def journal_for(self, handshake: Handshake) -> Journal:
        keeping = None if self._keeper is None else self._keeper.keep(handshake)
        conversation = _Conversation(self.clock, keeping, self._compare, self._opened, self._dialect)
        # A server asks for the journal in the task that carries the connection, so the end of the one is that of the other.
        task = asyncio.current_task()
        assert task is not None
        task.add_done_callback(lambda _: self._over(conversation))
        return conversation.journal

    def _over(self, conversation: _Conversation) -> None:
        conversation.is_cut_off = self.are_cut_off
        conversation.over_at_ns = self.clock.now_ns()
        self._next.put_nowait(conversation)

    async def next_ended(self, server: ChatServer) -> bool:
        """Wait for the end of a conversation, and sum it up; False where a signal came first."""
        while True:
            conversation = await self._next.get()
            if conversation is None:
                return False
            if self._compare is not None:
                await self._gap(server, conversation)
            try:
                ended = await conversation.end()
            except Exception as failure:  # noqa: BLE001 - raised again when the server has ended
                self.failures.append(failure)
                self._untold.append(f"session {conversation.number}: cannot be judged ({type(failure).__name__})")
            else:
                if ended is None:
                    continue
                self.ended.append(ended)
                self._untold += ended.lines()
            # A server that runs for days keeps figures, not conversations.
            server.journals.remove(conversation.journal)
            return True

    def tell_ended(self) -> None:
        """Tell what is still to be told of those that are over."""
        while self._untold:
            self.tell(self._untold.pop(0))

    async def _gap(self, server: ChatServer, conversation: _Conversation) -> None:
        """Wait until nothing is due for a while, so that what is done for a conversation that is over makes no other late."""
        while not self._is_stopped and self.clock.now_ns() - conversation.over_at_ns < _COMPARED_WITHIN_NS:
            due_ns = server.next_due_ns()
            if due_ns is None or due_ns - self.clock.now_ns() > _GAP_NS:
                return
            await asyncio.sleep(_LOOK_S)

    async def rest(self, server: ChatServer) -> None:
        """Take those that were still running when the carrier ended them; all of them, before any is told, since nobody may listen."""
        while len(self.ended) + len(self.failures) < self._n_opened:
            await self.next_ended(server)
        self.tell_ended()

    def _opened(self) -> int:
        self._n_opened += 1
        return self._n_opened


class _Conversation:
    """One of them.

    Attributes:
        journal: Its events.
        is_cut_off: Whether it was over when the server was ending.
        over_at_ns: When it was over.
        number: Its place in the order of opening, from 1; 0 where the peer was gone before the handshake was over, and there was none.
    """

    def __init__(
        self,
        clock: RealClock,
        keeping: Optional[Keeping],
        compare: Optional[_Compare],
        opened: Callable[[], int],
        dialect: Dialect,
    ) -> None:
        self.journal = Journal(clock, self._put, _Kept(dialect.message_limits[0]) if compare is None else _KeptToCompare())
        self.is_cut_off = False
        self.over_at_ns = 0
        self._keeping = keeping
        self._compare = compare
        self._opened = opened
        self._dialect = dialect
        self.number = 0

    def _put(self, event: Event) -> None:
        if isinstance(event, Opened):
            self.number = self._opened()
        if self._keeping is not None:
            self._keeping.put(event)

    async def end(self) -> Optional[Ended]:
        """Complete its recording, then sum it up; None where there was none."""
        folder, problem = None, None
        if self._keeping is not None:
            folder = await asyncio.get_running_loop().run_in_executor(None, self._keeping.close)
            problem = self._keeping.problem
        if not self.number:
            return None
        events = self.journal.events
        closed = next((event for event in events if isinstance(event, Closed)), None)
        return Ended(
            number=self.number,
            duration_ns=self.journal.last_at_ns,
            n_sent=self.journal.n_sent,
            lateness_ns=tuple(lateness_ns(events)),
            closed=closed,
            folder=folder,
            problem=problem,
            compared=await self._beside_the_session(closed),
            too_large=too_large(closed, events, self._type_of, self._dialect.message_limits),
        )

    def _type_of(self, event: Union[Sent, Received]) -> str:
        """What may be told of a message of anybody's: what it calls itself, if that is known."""
        message = self._dialect.read(event.kind, event.frame)
        return message.type if message.type is not None and self._dialect.is_known(message) else "a message"

    async def _beside_the_session(self, closed: Optional[Closed]) -> Optional[Compared]:
        if self._compare is None:
            return None
        # An app that is gone without a word, as the server goes, was left by it.
        is_cut_off = self.is_cut_off and (closed is None or closed.by == "network")
        compare = partial(self._compare, self.journal.events, is_cut_off=is_cut_off)
        # The other conversations go on meanwhile.
        return await asyncio.get_running_loop().run_in_executor(None, compare)


class _Kept:
    """What a server keeps of a conversation that is compared with nothing: how late it was, how it ended, and on which message."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._has_large = False

    def __call__(self, event: Event) -> Optional[Event]:
        if isinstance(event, Sent):
            return None
        if not isinstance(event, Received):
            return event
        # The first that an app may not take is named when it does not; the others are as good as it.
        if not self._has_large and event.frame.size > self._limit_bytes:
            self._has_large = True
            return event
        return replace(event, frame=ThinFrame(event.frame))


class _KeptToCompare:
    """What it keeps of one that is compared with a session, where the app's audio is not; what it sent itself, the session holds.

    The first audio is kept: it may have to say what it is.
    """

    def __init__(self) -> None:
        self._has_audio = False

    def __call__(self, event: Event) -> Event:
        if not isinstance(event, Sent) or event.frame.is_text:
            return event
        if not self._has_audio:
            self._has_audio = event.frame.size > 0
            return event
        return replace(event, frame=ThinFrame(event.frame))


def served(what: Serveable, options: Optional[ServeOptions] = None) -> Served:
    """Serve in a process of its own for a block of code, whose stalls then do not bend the server's clock.

    ``with served("sessions/weather") as server:`` or ``async with``; the app connects to ``server.url``.

    Args:
        what: A session, its folder, or what makes the service for one connection: that is pickled.
        options: Host, port, patience, what is compared and whether a key is required; the others are for ``serve`` alone.

    Returns:
        The server, not started yet. Entering it raises what ``serve`` raises; leaving it raises what a service raised.

    Raises:
        IncompleteRecording: The session is incomplete or damaged, and that is not allowed.
        SessionUnreadable, AudioMissing: The session cannot be read.
    """
    return Served(server_process(what, options or ServeOptions()))


def server_process(what: Serveable, options: ServeOptions) -> ServerProcess:
    """The process of ``served``, not started yet.

    Raises:
        IncompleteRecording, SessionUnreadable, AudioMissing: See ``served``.
    """
    open_service = _service(what, options)
    dialect = _dialect(open_service, options)
    return ServerProcess(
        open_service,
        chat_paths=_chat_paths(open_service, dialect),
        token_path=dialect.token_path,
        token_answer=dialect.token_answer,
        subprotocol=dialect.subprotocol,
        host=options.host,
        port=options.port,
        service_name=_service_name(open_service, options),
        check=require_key(dialect)[0] if options.require_key else None,
        admission=options.admission,
        history=_history(open_service),
    )
