"""Replay live: the recorded user repeats the conversation with a real endpoint, and the two sessions are compared.

Rules of living here: nothing that may cost money is sent without consent; every mistake that can be found beforehand is reported before
anything is connected. However the conversation ends, its recording is completed and reported.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Callable, Collection, Dict, Iterable, List, Optional, Sequence, Tuple, Union

from evi_harness.acts.afterwards.comparing_sessions import compared_sessions
from evi_harness.acts.moving.migrating import Answering, Move, ToolHandler, chat_path_of, move_of, setup_of, tool_handler
from evi_harness.acts.record_connection import Recording, record
from evi_harness.bounds import SOME_TIME, TIME, require_number, require_word
from evi_harness.carriers.acted_client import ClientPump, send_close, send_frame
from evi_harness.carriers.journal import Journal
from evi_harness.carriers.lateness import Lateness
from evi_harness.clocks.clock import RealClock
from evi_harness.dialects import adapter_for, dialect_named, dialect_of
from evi_harness.errors import EviHarnessError, Parameter, UsageError, Words
from evi_harness.measure.turn_latency import TurnLatency, turn_latencies
from evi_harness.replay.cues import CADENCES, CLOCK, TURN, Cues
from evi_harness.replay.judging.drift import Drift, drift_of
from evi_harness.replay.judging.endings import ending_of
from evi_harness.replay.judging.session_comparison import SessionComparison
from evi_harness.replay.live_user import PATIENCE_NS, Lapse, LiveUser
from evi_harness.replay.wrapping import TimedUser
from evi_harness.report.drift_report import LiveReport
from evi_harness.report.migration_lines import Migration
from evi_harness.sdk.tls import tls_for
from evi_harness.session.events import Frame, Handshake, Received
from evi_harness.session.protocols import RECEIVED, Message, Service
from evi_harness.session.session import Session
from evi_harness.session.too_large import too_large
from evi_harness.settings.endpoint import Endpoint
from evi_harness.settings.environment import Settings, api_key_for, endpoint_for, load_environment
from evi_harness.settings.interrupts import Interrupts
from evi_harness.settings.new_folder import DEFAULT_OUT, possible_name
from evi_harness.tap.event_log import frame_of
from evi_harness.verdicts.invoking import Command, handlerless_invocation, with_digest
from evi_harness.verdicts.loading import load_session
from evi_harness.verdicts.redacted_views import Discreet, discreet_session, redactor_for
from evi_harness.verdicts.speech import heard_speech
from evi_harness.verdicts.wholeness import require_whole

__all__ = ["LiveReplayOptions", "Reached", "replay_live"]

# Beyond the recording's own length: a slow service may take twice as long for everything, and a minute.
_TIMES_AS_LONG, _AND_S = 2.0, 60.0
_CLOSE_S = 10.0
# How often it is told how far the conversation has got.
_TELL_EVERY_S = 0.25
_CONFIG = "config_id"
# What only a service of another dialect has use for.
_OF_A_MOVE = ("dialect", "setup", "handler")


@dataclass(frozen=True)
class LiveReplayOptions:
    """Where to, and how.

    Attributes:
        base_url: Where the service is; None for HUME_BASE_URL (OPENAI_BASE_URL), else the service's own.
        config_id: EVI's configuration; None for HUME_CONFIG_ID, else the recorded one.
        cadence: ``turn``: each utterance as long after the reply before it as it was then; ``clock``: at its recorded time.
        out: The folder of sessions for the new one.
        max_duration_s: After how many seconds the conversation ends; None for twice the recording and a minute.
        patience_s: How long a reply is waited for behind the time at which it should come.
        ca: A PEM file with the authorities that the endpoint's certificate is judged by; None for the system's.
        allow_incomplete: Say again what there is of a recording that is incomplete or damaged.
        dialect: The name of what the service speaks; None for the recording's. In another one the conversation is carried over.
        setup: A JSON file with what sets the new session up, where it is carried over; None for what the recording says.
        handler: Answers calls of tools then, in the place of the recorded answers: a function of a name and arguments, or its SPEC.
    """

    base_url: Optional[str] = None
    config_id: Optional[str] = None
    cadence: str = TURN
    out: Path = Path(DEFAULT_OUT)
    max_duration_s: Optional[float] = None
    patience_s: float = PATIENCE_NS / 1e9
    ca: Optional[Path] = None
    allow_incomplete: bool = False
    dialect: Optional[str] = None
    setup: Optional[Path] = None
    handler: Union[str, ToolHandler, None] = None


@dataclass(frozen=True)
class Reached:
    """How far a conversation has got, by the recording.

    Attributes:
        turn: The turn that is under way, from 1; 0 where the recording has none.
        n_turns: How many turns the recording has.
        at_ns: How far the recording was then.
        whole_ns: How long the recording is.
    """

    turn: int
    n_turns: int
    at_ns: int
    whole_ns: int


def replay_live(
    session: Union[str, Path, Session],
    options: LiveReplayOptions,
    agree: Callable[[str], bool] = lambda _: False,
    write: Callable[[str], object] = print,
    on_part: Optional[Callable[[Reached], object]] = None,
    command: Optional[Command] = None,
) -> LiveReport:
    """Hold a recorded conversation again with a live service, and record it.

    Args:
        session: A session, or its folder.
        options: See there.
        write: Takes the line that says where the session is, where Ctrl+C ends it early.
        agree: Asked once, with a sentence that says what will be done and where, unless the service is on this machine. Only True goes on.
        on_part: Called several times a second, on the event loop, with how far the conversation has got; None for nothing.
        command: What asked for the replay, for its report; None for this call, made in the current folder.

    Returns:
        The report; its folder holds the new session.

    Raises:
        UsageError: An invalid option; a recording of which nobody knows what was sent; it was not agreed to.
        SessionUnreadable: The session cannot be read.
        IncompleteRecording: It is incomplete or damaged, and that is not allowed.
        EviHarnessError: No key; no connection; nowhere to write.
        KeyboardInterrupt: A signal came. What was recorded until then is complete.
    """
    command = Command.here() if command is None else command
    require_word("cadence", options.cadence, CADENCES)
    require_number("patience_s", options.patience_s, TIME)
    if options.max_duration_s is not None:
        require_number("max_duration_s", options.max_duration_s, SOME_TIME)
    recorded = session if isinstance(session, Session) else load_session(session, verify=True)
    require_whole(recorded, allow_incomplete=options.allow_incomplete)
    if not recorded.header.recorded.sent or not recorded.sent:
        what = "the recording does not say what the app sent, so it cannot be sent again"
        raise UsageError(what, where=recorded.name or None, hint="Record a conversation with its sent side: evi-harness record --help.")
    move = _move(recorded, options)
    handler = tool_handler(options.handler)
    settings = load_environment(dialect_of(recorded) if move is None else move.live)
    endpoint = endpoint_for(settings, options.base_url)
    tls = tls_for(endpoint.base_url, options.ca)
    key = api_key_for(settings, endpoint)
    cues = _cues(recorded, options.cadence, () if move is None else move.what.left_out)
    longest_s = options.max_duration_s or recorded.duration_ns / 1e9 * _TIMES_AS_LONG + _AND_S
    if not endpoint.is_loopback and not agree(_what_it_costs(recorded, endpoint, longest_s)):
        raise UsageError("not confirmed: nothing was sent", hint=Words(Parameter("yes", True), " skips the question."))
    path = None if move is None else chat_path_of(options.base_url or settings.base_url, move.live)
    run = _Conversation(recorded, cues, options, endpoint, longest_s, on_part, move, handler, path)
    with Interrupts() as interrupts:
        asyncio.run(run.hold(interrupts, key, settings, tls))
    if interrupts.n:
        if run.folder is not None:
            write(f"session: {run.folder}")
        raise KeyboardInterrupt
    report = run.report()
    told = {name: value for name, value in vars(options).items() if name != "out" and (move is not None or name not in _OF_A_MOVE)}
    told.update({"handler": handler if isinstance(handler, str) else getattr(handler, "__name__", None)} if handler is not None else {})
    asked = handlerless_invocation(command, session, {**told, "base_url": endpoint.base_url}, redactor_for(recorded, report.live))
    return replace(report, invocation=with_digest(asked))


def _move(recorded: Session, options: LiveReplayOptions) -> Optional[Move]:
    """How the recording is carried over; None where the service speaks what it is in."""
    spoken = dialect_of(recorded)
    live = spoken if options.dialect is None else dialect_named(options.dialect)
    if options.config_id is not None and live.variables.config_id is None:
        what = Words(Parameter("config_id"), f" is EVI's, and a service that speaks {live.name} has no such thing")
        raise UsageError(what, hint=Words("Give ", Parameter("setup", "FILE"), "."))
    if live.name != spoken.name:
        return move_of(recorded, spoken, live, setup_of(options.setup))
    for name in ("setup", "handler"):
        if getattr(options, name) is not None:
            what = Words(Parameter(name), f" is for a service of another dialect, and the recording is of {spoken.name}, as the service is")
            raise UsageError(what, hint=Words("Name the other dialect: ", Parameter("dialect", "NAME"), "."))
    return None


def _what_it_costs(recorded: Session, endpoint: Endpoint, longest_s: float) -> str:
    what = f"{recorded.name or 'the session'} ({recorded.duration_ns / 1e9:.0f} s)"
    return f"Repeat {what} with {endpoint.base_url}, for at most {longest_s:.0f} s?"


def _cues(recorded: Session, cadence: str, left_out: Collection[int] = ()) -> Cues:
    """The cues, with the places of speech from a detector where the service did not give them for every spoken turn."""
    dialect = dialect_of(recorded)
    turns = [turn for turn in dialect.turns(recorded.events) if turn.user is not None]
    audio = recorded.audio(dialect)
    has_audio = any(event in audio for event in recorded.sent)
    if cadence == CLOCK or not has_audio or all(turn.speech is not None for turn in turns):
        return Cues.of(recorded, dialect, cadence, left_out=left_out)
    return Cues.of(recorded, dialect, cadence, heard_speech(recorded), left_out)


class _Conversation:
    """One conversation with a live service."""

    def __init__(
        self,
        recorded: Session,
        cues: Cues,
        options: LiveReplayOptions,
        endpoint: Endpoint,
        longest_s: float,
        on_part: Optional[Callable[[Reached], object]],
        move: Optional[Move] = None,
        handler: Optional[ToolHandler] = None,
        path: Optional[str] = None,
    ) -> None:
        self._recorded = recorded
        self._move = move
        self._path = path
        self._handler = handler
        self._answering: Optional[Answering] = None
        self._dialect = dialect_of(recorded) if move is None else move.live
        self._on_part = on_part
        self._options = options
        self._endpoint = endpoint
        self._longest_s = longest_s
        make = partial(LiveUser, recorded, self._dialect, cues, round(options.patience_s * 1e9))
        self._user = make()
        speaker: Service = self._user
        if move is not None:
            self._user, speaker = move.user(lambda wording: make(wording=wording))
            self._user.answers_elsewhere = handler is not None
        self._timed = TimedUser(speaker)
        self._recording: Optional[Recording] = None
        self._is_too_long = False

    async def hold(self, interrupts: Interrupts, api_key: str, settings: Settings, tls: Optional[ssl.SSLContext]) -> None:
        task = asyncio.current_task()
        assert task is not None
        interrupts.told_to(asyncio.get_running_loop(), task.cancel)
        secret_key = settings.secret_key if settings.api_key is not None else None
        handshake = self._recorded.handshake or Handshake(self._dialect.chat_paths[0])
        if self._move is not None:
            handshake = Handshake(self._path or self._dialect.chat_paths[0], self._move.client.query)
        query = self._query(handshake, settings)
        connect_ns = time.monotonic_ns()
        try:
            async with adapter_for(self._dialect).direct(
                self._endpoint.base_url, handshake.path, query, api_key=api_key, secret_key=secret_key, tls=tls
            ) as websocket:
                self._recording = record(
                    websocket,
                    out=self._options.out,
                    name=possible_name(f"{self._recorded.name or 'session'}-live"),
                    secrets=[value for value in (settings.api_key, settings.secret_key) if value],
                    user_interrupt=self._recorded.header.user_interrupt,
                    connect_ns=connect_ns,
                    dialect=self._dialect.name,
                ).start()
                await self._converse(websocket, handshake)
        except asyncio.CancelledError:
            if not interrupts.n:
                raise
        finally:
            interrupts.over()
            if self._recording is not None:
                self._recording.stop()

    def _query(self, handshake: Handshake, settings: Settings) -> List[Tuple[str, str]]:
        query: Dict[str, str] = dict(handshake.query)
        config_id = self._options.config_id or settings.config_id
        if config_id is not None:
            query[_CONFIG] = config_id
        return list(query.items())

    async def _converse(self, websocket: Any, handshake: Handshake) -> None:
        clock = RealClock()
        journal = Journal(clock)
        journal.opened(handshake)
        pump = ClientPump(self._timed, journal, clock, partial(send_frame, websocket), partial(send_close, websocket))
        if self._move is not None and self._handler is not None:

            def answered(call: Message, frames: Sequence[Frame]) -> None:
                self._user.answered(call, frames, journal.now_ns)
                pump.wake()

            self._answering = Answering(self._handler, self._move.client, answered)
        acting = asyncio.ensure_future(_until_closed(pump.run()))
        hearing = asyncio.ensure_future(_until_closed(self._hear(websocket, pump, journal)))
        telling = asyncio.ensure_future(self._tell(journal))
        try:
            done, _ = await asyncio.wait({acting, hearing}, timeout=self._longest_s, return_when=asyncio.FIRST_COMPLETED)
            self._is_too_long = not done
            # Who has closed hears what the other side still says.
            await asyncio.wait({hearing}, timeout=_CLOSE_S if done else 0)
        finally:
            acting.cancel()
            hearing.cancel()
            telling.cancel()
            if self._answering is not None:
                await self._answering.close()
            results = await asyncio.gather(acting, hearing, telling, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _tell(self, journal: Journal) -> None:
        if self._on_part is None:
            return
        turns = dialect_of(self._recorded).turns(self._recorded.events)
        at_ns = {event.seq: event.at_ns for event in self._recorded.events}
        over_ns = [max(at_ns[seq] for seq in (turn.user, *turn.reply, turn.end) if seq is not None) for turn in turns]
        while True:
            reached_ns = self._user.recorded_at_ns(journal.now_ns)
            turn = min(1 + sum(one_ns < reached_ns for one_ns in over_ns), len(turns))
            self._on_part(Reached(turn, len(turns), reached_ns, self._recorded.duration_ns))
            await asyncio.sleep(_TELL_EVERY_S)

    async def _hear(self, websocket: Any, pump: ClientPump, journal: Journal) -> None:
        async for payload in websocket:
            event = Received(seq=0, at_ns=journal.now_ns, frame=frame_of(payload))
            pump.take(event)
            if self._answering is not None:
                self._answering.take(event, self._dialect)

    @property
    def folder(self) -> Optional[Path]:
        """Where the new session is, None where there is none."""
        return None if self._recording is None else self._recording.folder

    def report(self) -> LiveReport:
        assert self._recording is not None
        folder = self._recording.folder
        if folder is None:
            raise self._recording.failure or EviHarnessError("no session could be created", where=str(self._options.out))
        live = load_session(folder)
        redactor = redactor_for(self._recorded, live)
        then, now = discreet_session(self._recorded, redactor), discreet_session(live, redactor)
        spoken = dialect_of(self._recorded)
        before, dialect = Discreet(spoken, redactor), Discreet(self._dialect, redactor)
        comparison = compared_sessions(self._recorded, live) if self._move is None else None
        migration = None if self._move is None else self._move.migration(live, redactor.string)
        if migration is None:
            drift = drift_of(then, now, dialect)
        else:
            # Messages of two dialects have no types in common, and what was said is told by the migration.
            drift = Drift((len(spoken.turns(self._recorded.events)), len(self._dialect.turns(live.events))), (), ())
        late = Lateness.of(self._timed.lateness_ns(live))
        return LiveReport(
            recorded=then,
            live=now,
            endpoint=self._endpoint.base_url,
            cadence=self._options.cadence,
            faults=tuple(redactor.string(fault) for fault in self._faults(live, before, dialect)),
            drift=drift,
            latencies=_side_by_side(turn_latencies(self._recorded, before), turn_latencies(live, dialect), _numbers(comparison, migration)),
            lateness_ns={"n": late.n, "p50": late.p50_ns, "p99": late.p99_ns, "max": late.max_ns},
            folder=str(folder),
            endings=(ending_of(self._recorded, before), ending_of(live, dialect)),
            comparison=comparison,
            migration=migration,
        )

    def _faults(self, live: Session, before: Discreet, dialect: Discreet) -> List[str]:
        """What broke the conversation, in time."""
        then, now = ending_of(self._recorded, before), ending_of(live, dialect)
        closed = live.closed
        is_early = closed is not None and closed.by != "app" and not self._user.has_done_all(closed.at_ns)
        if closed is not None and closed.by != "app" and not is_early:
            self._user.end()
        faults = [_LAPSES[lapse.name].format_map(_Told(lapse)) for lapse in self._user.lapses]
        if self._is_too_long:
            faults.append(f"it was still open after {self._longest_s:.0f} s and was closed; --max-duration changes the limit")
        faults += [] if self._answering is None else self._answering.faults
        faults += _errors((self._recorded, before), (live, dialect))
        if closed is not None and closed.by != "app" and (is_early or not now.is_like(then)):
            large = too_large(
                closed, live.events, lambda one: dialect.describe(one.kind, dialect.read(one.kind, one.frame)), dialect.message_limits
            )
            by = "the service closed the connection" if closed.by == "service" else "the connection was lost"
            code = "" if closed.code is None else f" with {closed.code}: {large or dialect.explain(closed.code)}"
            why = "The user had not finished by then." if is_early else f"How the recording ended: {then}."
            faults.append(f"{by} at {closed.at_ns / 1e9:.1f} s{code or '.'} {why}")
        return faults


def _side_by_side(
    then: Sequence[TurnLatency], now: Sequence[TurnLatency], numbers: Iterable[Tuple[Optional[int], Optional[int]]]
) -> Tuple[Tuple[TurnLatency, TurnLatency], ...]:
    """The latencies of the turns that both sides have."""
    before, after = {one.turn: one for one in then}, {one.turn: one for one in now}
    both = ((before.get(first or 0), after.get(second or 0)) for first, second in numbers)
    return tuple((one, other) for one, other in both if one is not None and other is not None)


def _numbers(comparison: Optional[SessionComparison], migration: Optional[Migration]) -> List[Tuple[Optional[int], Optional[int]]]:
    """The numbers of the turns that are each other's like, on both sides."""
    if comparison is not None:
        return [(turn.first, turn.second) for turn in comparison.turns]
    both = () if migration is None else ((turn.recorded, turn.live) for turn in migration.turns)
    return [(None if one is None else one.turn, None if other is None else other.turn) for one, other in both]


class _Told(Dict[str, str]):
    """A lapse's data, as sentences need it."""

    def __init__(self, lapse: Lapse) -> None:
        super().__init__({name: str(value) for name, value in lapse.data.items()})
        self._lapse = lapse

    def __missing__(self, name: str) -> str:
        return f"{self._lapse.data[name[:-2] + '_ns'] / 1e9:.1f} s"


_LAPSES = {
    "no_reply": "no reply came by {waited_until_s}; the user went on with what was said at {recorded_s} of the recording",
    "no_answer": "the service called a tool more often than the recording has answers: {call}",
    "not_called": "the service never called the tool that recorded #{recorded_seq} answers",
}


def _errors(then: Tuple[Session, Discreet], now: Tuple[Session, Discreet]) -> List[str]:
    """The errors that the recording does not have. One that ends the chat is told by its code: it quotes a limit, which may be another."""

    def said(session: Session, dialect: Discreet) -> List[Tuple[int, str, str]]:
        messages = [(event.at_ns, dialect.read(RECEIVED, event.frame)) for event in session.received]
        texts = [(at_ns, dialect.describe(RECEIVED, one), dialect.ended_by(one)) for at_ns, one in messages if dialect.is_error(one)]
        return [(at_ns, text, code or text) for at_ns, text, code in texts]

    known = {what for _, _, what in said(*then)}
    return [f"{text}, at {at_ns / 1e9:.1f} s" for at_ns, text, what in said(*now) if what not in known]


async def _until_closed(acting: Any) -> None:
    from websockets.exceptions import ConnectionClosed

    with suppress(ConnectionClosed):
        await acting
