"""The check that every carrier must pass: its duties, one by one.

Rules of living here: a duty is a row of ``DUTIES``: its name and what tries it. It looks only at what a client sees and at the session
that the carrier kept; nothing of the service's own is read, so that a carrier may run the service in another process. Duties that others
build on stand first.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Awaitable, Callable, Dict, List, Mapping, Optional, Sequence, Tuple, Type, TypeVar

from probe import Arrived, ConnectionEnded, HandshakeRefused, Item, Pong, Probe, connect, request
from typing_extensions import Protocol

from evi_harness.errors import EviHarnessError
from evi_harness.session.events import BINARY, TEXT, Closed, Event, Frame, Handshake, Opened, Received, Sent
from evi_harness.session.note_kind import NoteKind
from evi_harness.session.notes import DUE, SENT_AFTER_CLOSE, NoFacts
from evi_harness.session.protocols import Abort, Action, Close, Refuse, Remark, Send, Service

__all__ = ["DUTIES", "MakeCarrier", "check_carrier"]

T = TypeVar("T")


class CarrierError(EviHarnessError):
    """A carrier breaks one of the duties that every carrier has."""


# What the service of the check remarks: what it was given, and a remark for its own sake.
_TOOK = NoteKind("took", NoFacts)
_SEEN = NoteKind("seen", NoFacts)


class Carrier(Protocol):
    """Connects a service to an app. An asynchronous context manager: it serves between entering and leaving.

    Attributes:
        url: Where it serves: ``http://host[:port]``, no slash at the end.
    """

    @property
    def url(self) -> str:
        """Where it serves."""

    def now_ns(self) -> int:
        """The time on the clock that the carrier keeps."""

    def sessions(self) -> Sequence[Sequence[Event]]:
        """The events of the conversations so far, in the order in which they were opened."""

    async def __aenter__(self) -> Carrier: ...

    async def __aexit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None: ...


MakeCarrier = Callable[[Callable[[Handshake], Service]], Carrier]

MS = 1_000_000
# How long the check waits for what must come; long, because it only ever waits so long for a carrier that is broken.
PATIENCE_S = 60.0


@dataclass(frozen=True)
class ScriptedService:
    """A service as data: what it does at which time.

    Attributes:
        opening: What it does after the opening: (nanoseconds after it, action).
        replies: The same, after each message of the app's, by its payload.
    """

    opening: Sequence[Tuple[int, Action]] = ()
    replies: Mapping[bytes, Sequence[Tuple[int, Action]]] = field(default_factory=dict)

    def __call__(self, _: Handshake) -> Service:
        """Make the service for one connection."""
        return _Scripted(self)


class _Scripted:
    """Acts a script out, and remarks what it was given."""

    def __init__(self, script: ScriptedService) -> None:
        self._script = script
        self._plan: List[Tuple[int, Action]] = []
        self._n_openings = 0

    def take(self, event: Event, at_ns: int) -> None:
        self._n_openings += isinstance(event, Opened)
        self._plan.append((at_ns, Remark(_TOOK, {"kind": event.kind, "seq": event.seq, "n_openings": self._n_openings})))
        steps: Sequence[Tuple[int, Action]] = ()
        if isinstance(event, Opened):
            steps = self._script.opening
        elif isinstance(event, Sent):
            steps = self._script.replies.get(event.frame.payload, ())
        for after_ns, action in steps:
            due_ns = at_ns + after_ns
            self._plan.append((due_ns, _due_at(action, due_ns, at_ns)))
        self._plan.sort(key=lambda step: step[0])

    def due(self, at_ns: int) -> Sequence[Action]:
        now = [action for due_ns, action in self._plan if due_ns <= at_ns]
        self._plan = self._plan[len(now) :]
        return now

    def next_at_ns(self) -> Optional[int]:
        return self._plan[0][0] if self._plan else None


def _due_at(action: Action, due_ns: int, cause_ns: int) -> Action:
    return Send(action.frame, due_ns, cause_ns, action.recorded_seq, action.held_ns) if isinstance(action, Send) else action


def _say(text: str) -> Send:
    return Send(Frame(TEXT, text.encode()), 0)


class Trial:
    """One duty being tried: makes carriers and clients, and complains in the duty's name.

    Attributes:
        chat_path: Path of the chat.
        token_path: Path of the token endpoint, None where the carrier need not have one.
        slack_ns: How late the carrier may be.
    """

    def __init__(self, duty: str, make_carrier: MakeCarrier, chat_path: str, token_path: Optional[str], slack_ns: int) -> None:
        self._duty = duty
        self._make_carrier = make_carrier
        self.chat_path = chat_path
        self.token_path = token_path
        self.slack_ns = slack_ns
        self._probes: List[Probe] = []

    def carrier(self, script: ScriptedService) -> Carrier:
        """A carrier of the kind that is tried, not entered yet."""
        return self._make_carrier(script)

    async def connect(self, carrier: Carrier, **options: Any) -> Probe:
        """A client on the carrier's chat path."""
        probe = await self.wait(connect(carrier.url, self.chat_path, carrier.now_ns, **options), "the handshake is not answered")
        self._probes.append(probe)
        return probe

    async def over(self) -> None:
        """Leave no client behind, whatever has become of it."""
        for probe in self._probes:
            probe.abort()
        # Its transport closes its socket a step later.
        await asyncio.sleep(0)

    async def session(self, carrier: Carrier, number: int = 0) -> Sequence[Event]:
        """The events of a session once it is closed."""
        return await self.session_with(carrier, _is_close, "no close in the session after the connection has ended", number)

    async def session_with(self, carrier: Carrier, is_it: Callable[[Event], bool], complaint: str, number: int = 0) -> Sequence[Event]:
        """The events of a session once a certain one is among them."""

        async def there() -> Sequence[Event]:
            while True:
                sessions = carrier.sessions()
                if len(sessions) > number and any(is_it(event) for event in sessions[number]):
                    return sessions[number]
                await asyncio.sleep(0.01)

        return await self.wait(there(), complaint)

    async def messages(self, probe: Probe, n_messages: int) -> List[Arrived]:
        """The next messages of a client."""
        return [await self.next(probe, Arrived) for _ in range(n_messages)]

    async def next(self, probe: Probe, kind: type) -> Any:
        """The next thing a client gets, which must be of a kind."""
        item: Item = await self.wait(probe.next(), f"the client waits for {kind.__name__} in vain")
        self.demand(isinstance(item, kind), f"the client got {item} in place of {kind.__name__}")
        return item

    async def wait(self, coming: Awaitable[T], complaint: str) -> T:
        """Wait for what must come.

        Raises:
            CarrierError: It does not.
        """
        try:
            return await asyncio.wait_for(coming, PATIENCE_S)
        except asyncio.TimeoutError:
            raise self.broken(f"{complaint}, for {PATIENCE_S:g} s") from None
        except OSError as error:
            raise self.broken(f"the client cannot connect: {error}") from error

    def demand(self, holds: bool, complaint: str) -> None:
        """Complain unless something holds.

        Raises:
            CarrierError: It does not.
        """
        if not holds:
            raise self.broken(complaint)

    def broken(self, complaint: str) -> CarrierError:
        """The complaint, in the duty's name."""
        return CarrierError(complaint, where=f"duty {self._duty!r}", hint="The duties stand in carrier_duties.")

    async def hold(self, script: ScriptedService, n_messages: int = 0, send: Sequence[Frame] = ()) -> Tuple[List[Arrived], Sequence[Event]]:
        """Hold one conversation to its end by the app.

        Args:
            script: The service.
            n_messages: How many messages the client waits for before it closes.
            send: What the client sends first.

        Returns:
            What the client got, and the session.
        """
        async with self.carrier(script) as carrier:
            probe = await self.connect(carrier)
            probe.send(*send)
            messages = await self.messages(probe, n_messages)
            probe.close(1000)
            await self.next(probe, ConnectionEnded)
            return messages, await self.session(carrier)


async def _opened_first(trial: Trial) -> None:
    query = (("config_id", "c"), ("apiKey", "k"), ("api_key", ""), ("settings[prompt]", "a b&c=ä+d"), ("apiKey", "k2"))
    headers = (("X-Probe", "yes"), ("Authorization", "Bearer t"))
    async with trial.carrier(ScriptedService(opening=[(0, _say("hello"))])) as carrier:
        probe = await trial.connect(carrier, query=query, headers=headers)
        await trial.messages(probe, 1)
        probe.close(1000)
        first = (await trial.session(carrier))[0]
    if not isinstance(first, Opened):
        raise trial.broken(f"a session begins with {first.kind}")
    trial.demand((first.seq, first.at_ns) == (0, 0), f"the opening has seq {first.seq} and time {first.at_ns}")
    trial.demand(first.handshake.path == trial.chat_path, f"the path is {first.handshake.path}")
    trial.demand(first.handshake.query == query, "the query is not as the client sent it, decoded and in order")
    given = {name.lower(): value for name, value in first.handshake.headers}
    trial.demand(all(given.get(name.lower()) == value for name, value in headers), "headers of the client's are missing")


async def _remarks(trial: Trial) -> None:
    _, events = await trial.hold(ScriptedService(opening=[(0, Remark(_SEEN, {"n": 1})), (0, _say("x"))]), 1)
    notes = [dict(event.data) for event in _SEEN.notes_in(events)]
    trial.demand(notes == [{"n": 1}], f"a remark of the service became {notes}")


async def _service_is_told(trial: Trial) -> None:
    _, events = await trial.hold(ScriptedService(replies={b"b": [(0, _say("x"))]}), 1, [Frame(TEXT, b"a"), Frame(TEXT, b"b")])
    told = [(event.data["kind"], event.data["seq"]) for event in _TOOK.notes_in(events)]
    there = [(event.kind, event.seq) for event in events if isinstance(event, (Opened, Sent, Closed))]
    trial.demand(told == there, f"the service was told {told}, the session has {there}")


async def _numbers(trial: Trial) -> None:
    _, events = await trial.hold(ScriptedService(replies={b"b": [(5 * MS, _say("x"))]}), 1, [Frame(TEXT, b"a"), Frame(TEXT, b"b")])
    trial.demand([event.seq for event in events] == list(range(len(events))), "seq has gaps or is out of order")
    times = [event.at_ns for event in events]
    trial.demand(times == sorted(times), "the time goes back")


async def _order(trial: Trial) -> None:
    texts = [f"{number}" for number in range(50)]
    script = ScriptedService(replies={b"49": [(0, _say(text)) for text in texts]})
    messages, events = await trial.hold(script, 50, [Frame(TEXT, text.encode()) for text in texts])
    trial.demand([message.frame.payload.decode() for message in messages] == texts, "messages reach the app out of order")
    trial.demand(
        [event.frame.payload.decode() for event in events if isinstance(event, Sent)] == texts, "messages of the app's are out of order"
    )


FRAMES = (
    Frame(TEXT, b""),
    Frame(BINARY, b""),
    Frame(TEXT, b'{"b" : 1.0,\t"a": "\\u00e4\\ud800\\/", "a": null}'),
    Frame(TEXT, "ä \U0001d11e \0".encode()),
    Frame(BINARY, bytes(range(256))),
    Frame(BINARY, b"\xff\xfe not text"),
    Frame(TEXT, b"x" * 5_000_000),
    Frame(BINARY, bytes(5_000_000)),
)


async def _bytes_to_app(trial: Trial) -> None:
    messages, events = await trial.hold(ScriptedService(opening=[(0, Send(frame, 0)) for frame in FRAMES]), len(FRAMES))
    for frame, message in zip(FRAMES, messages):
        trial.demand(message.frame == frame, f"{frame} reached the app as {message.frame}")
    _same_frames(trial, [event for event in events if isinstance(event, Received)])


async def _bytes_from_app(trial: Trial) -> None:
    _, events = await trial.hold(ScriptedService(replies={b"last": [(0, _say("all"))]}), 1, [*FRAMES, Frame(TEXT, b"last")])
    _same_frames(trial, [event for event in events if isinstance(event, Sent)][:-1])


def _same_frames(trial: Trial, events: Sequence[Any]) -> None:
    trial.demand(len(events) == len(FRAMES), f"{len(FRAMES)} frames crossed the wire, {len(events)} are in the session")
    for frame, event in zip(FRAMES, events):
        trial.demand(event.frame == frame, f"{frame} stands in the session as {event.frame}")


DUE_NS = (0, 20 * MS, 20 * MS, 90 * MS, 90 * MS + 1, 250 * MS)


async def _timed(trial: Trial) -> Tuple[int, List[Arrived], List[Received]]:
    script = ScriptedService(opening=[(due_ns, _say(str(due_ns))) for due_ns in DUE_NS])
    async with trial.carrier(script) as carrier:
        # Not later than the opening, so what arrives too early by this is too early by that.
        began_ns = carrier.now_ns()
        probe = await trial.connect(carrier)
        messages = await trial.messages(probe, len(DUE_NS))
        probe.close(1000)
        events = await trial.session(carrier)
    return began_ns, messages, [event for event in events if isinstance(event, Received)]


async def _never_early(trial: Trial) -> None:
    began_ns, messages, received = await _timed(trial)
    for due_ns, message, event in zip(DUE_NS, messages, received):
        trial.demand(message.at_ns - began_ns >= due_ns, f"due at {due_ns} ns, reached the app at {message.at_ns - began_ns} ns")
        trial.demand(event.at_ns >= due_ns, f"due at {due_ns} ns, stands in the session at {event.at_ns} ns")


async def _in_time(trial: Trial) -> None:
    _, _, received = await _timed(trial)
    for due_ns, event in zip(DUE_NS, received):
        trial.demand(event.at_ns <= due_ns + trial.slack_ns, f"due at {due_ns} ns, sent at {event.at_ns} ns")


async def _answers(trial: Trial) -> None:
    script = ScriptedService(opening=[(60_000 * MS, _say("much later"))], replies={b"ask": [(0, _say("now")), (30 * MS, _say("later"))]})
    messages, events = await trial.hold(script, 2, [Frame(TEXT, b"ask")])
    trial.demand([message.frame.payload for message in messages] == [b"now", b"later"], "answers are not those of the service")
    (asked,) = [event for event in events if isinstance(event, Sent)]
    now, later = (event.at_ns - asked.at_ns for event in events if isinstance(event, Received))
    trial.demand(0 <= now <= trial.slack_ns, f"an answer due at once came after {now} ns")
    trial.demand(30 * MS <= later <= 30 * MS + trial.slack_ns, f"an answer due after 30 ms came after {later} ns")


async def _due_notes(trial: Trial) -> None:
    send = Send(Frame(TEXT, b"x"), 0, recorded_seq=7, held_ns=3)
    _, events = await trial.hold(ScriptedService(replies={b"a": [(5 * MS, send)]}), 1, [Frame(TEXT, b"a")])
    (sent,) = [event for event in events if isinstance(event, Sent)]
    (received,) = [event for event in events if isinstance(event, Received)]
    expected = {"due_ns": sent.at_ns + 5 * MS, "cause_ns": sent.at_ns, "held_ns": 3, "recorded_seq": 7}
    notes = [dict(event.data) for event in DUE.notes_in(events) if event.of == received.seq]
    trial.demand(notes == [expected], f"the note about what was due is {json.dumps(notes)}, not {json.dumps(expected)}")


async def _full_duplex(trial: Trial) -> None:
    big = [(0, Send(Frame(BINARY, bytes(1_000_000)), 0)) for _ in range(12)]
    async with trial.carrier(ScriptedService(replies={b"go": big})) as carrier:
        probe = await trial.connect(carrier)
        probe.pause()
        probe.send(Frame(TEXT, b"go"))
        await asyncio.sleep(0.1)
        probe.send(Frame(TEXT, b"meanwhile"))
        await trial.session_with(carrier, _is_sent(b"meanwhile"), "what the app sends while it does not read is not taken")
        probe.resume()
        await trial.messages(probe, len(big))
        probe.close(1000)
        events = await trial.session(carrier)
    trial.demand(sum(map(_is_sent(b"meanwhile"), events)) == 1, "what the app sent while it did not read is not in the session once")


def _is_sent(payload: bytes) -> Callable[[Event], bool]:
    return lambda event: isinstance(event, Sent) and event.frame.payload == payload


async def _pings(trial: Trial) -> None:
    async with trial.carrier(ScriptedService()) as carrier:
        probe = await trial.connect(carrier)
        probe.ping(b"are you there")
        pong = await trial.next(probe, Pong)
        trial.demand(pong.payload == b"are you there", f"a ping was answered with {pong.payload!r}")
        probe.close(1000)
        await trial.next(probe, ConnectionEnded)


CLOSES: Tuple[Tuple[Optional[int], str], ...] = ((1000, ""), (1001, "going"), (4001, "done ä"), (None, ""))


async def _close_by_app(trial: Trial) -> None:
    async with trial.carrier(ScriptedService()) as carrier:
        for number, (code, reason) in enumerate(CLOSES):
            probe = await trial.connect(carrier)
            probe.close(code, reason)
            await trial.next(probe, ConnectionEnded)
            _is_closed(trial, await trial.session(carrier, number), "app", code, reason)


async def _close_by_service(trial: Trial) -> None:
    for code, reason in ((1000, ""), (4002, "enough ä"), (1011, "broken")):
        async with trial.carrier(ScriptedService(opening=[(0, _say("last words")), (0, Close(code, reason))])) as carrier:
            probe = await trial.connect(carrier)
            await trial.messages(probe, 1)
            end = await trial.next(probe, ConnectionEnded)
            trial.demand((end.code, end.reason) == (code, reason), f"close {code} {reason!r} reached the app as {end.code} {end.reason!r}")
            _is_closed(trial, await trial.session(carrier), "service", code, reason)


async def _abort(trial: Trial) -> None:
    async with trial.carrier(ScriptedService(replies={b"x": [(0, Abort())]})) as carrier:
        probe = await trial.connect(carrier)
        probe.send(Frame(TEXT, b"x"))
        end = await trial.next(probe, ConnectionEnded)
        trial.demand(end.code is None, f"the app got close frame {end.code} where the service ended without one")
        _is_closed(trial, await trial.session(carrier), "network", None, "")


async def _vanished(trial: Trial) -> None:
    async with trial.carrier(ScriptedService()) as carrier:
        probe = await trial.connect(carrier)
        probe.abort()
        events = await trial.session(carrier)
        _is_closed(trial, events, "network", None, "")
        trial.demand(_TOOK.notes_in(events)[-1].data["kind"] == "closed", "the service was not told that the app has vanished")


def _is_close(event: Event) -> bool:
    return isinstance(event, Closed)


def _is_closed(trial: Trial, events: Sequence[Event], by: str, code: Optional[int], reason: str) -> None:
    closes = [(event.by, event.code, event.reason) for event in events if isinstance(event, Closed)]
    trial.demand(closes == [(by, code, reason)], f"closed by {by} with {code} {reason!r}, but the session has {closes}")


async def _late_frames(trial: Trial) -> None:
    async with trial.carrier(ScriptedService(replies={b"close": [(0, Close(1000, ""))]})) as carrier:
        probe = await trial.connect(carrier)
        probe.pause()
        probe.send(Frame(TEXT, b"close"))
        await trial.session_with(carrier, _is_close, "no close in the session after the service has closed")
        # Behind it comes the answer to the close.
        probe.send(Frame(TEXT, b"too late"))
        await asyncio.sleep(0.1)
        probe.resume()
        await trial.next(probe, ConnectionEnded)
        events = await trial.session(carrier)
    notes = SENT_AFTER_CLOSE.notes_in(events)
    trial.demand(len(notes) == 1, "a frame that the app sent after the service's close left no note")


async def _refusals(trial: Trial) -> None:
    for status in (401, 403, 429, 503):
        async with trial.carrier(ScriptedService(opening=[(0, Refuse(status, f"no: {status}"))])) as carrier:
            probe = await trial.connect(carrier)
            refused = await trial.next(probe, HandshakeRefused)
            trial.demand(refused == HandshakeRefused(status, f"no: {status}"), f"refusal {status} reached the app as {refused}")
            trial.demand(not carrier.sessions(), "a refused handshake left a session")


async def _connections(trial: Trial) -> None:
    async with trial.carrier(ScriptedService(replies={b"1": [(0, _say("one"))], b"2": [(0, _say("two"))]})) as carrier:
        first, second = await trial.connect(carrier), await trial.connect(carrier)
        second.send(Frame(TEXT, b"2"))
        first.send(Frame(TEXT, b"1"))
        got = [(await trial.messages(probe, 1))[0].frame.payload for probe in (first, second)]
        trial.demand(got == [b"one", b"two"], f"two connections at once got {got}")
        for probe in (first, second):
            probe.close(1000)
            await trial.next(probe, ConnectionEnded)
        third = await trial.connect(carrier)
        third.close(1000)
        await trial.next(third, ConnectionEnded)
        sessions = [await trial.session(carrier, number) for number in range(3)]
    n_sent = [sum(isinstance(event, Sent) for event in events) for events in sessions]
    trial.demand(n_sent == [1, 1, 0], f"three sessions should hold 1, 1 and 0 sent frames, and hold {n_sent}")
    shared = any(note.data["n_openings"] != 1 for events in sessions for note in _TOOK.notes_in(events))
    trial.demand(not shared, "one service was given to several connections")


async def _token(trial: Trial) -> None:
    if trial.token_path is None:
        return
    async with trial.carrier(ScriptedService()) as carrier:
        status, body = await trial.wait(request(carrier.url, "POST", trial.token_path), "the token endpoint does not answer")
    answer: Dict[str, Any] = json.loads(body) if status == 200 else {}
    trial.demand(bool(answer.get("access_token")), f"POST {trial.token_path} gave {status} and no access_token")


async def _elsewhere(trial: Trial) -> None:
    async with trial.carrier(ScriptedService()) as carrier:
        status, _ = await trial.wait(request(carrier.url, "GET", "/no/such/path"), "a request to an unknown path is not answered")
        trial.demand(status == 404, f"a path where nothing is gave {status}")
        trial.demand(not carrier.sessions(), "a plain request left a session")


DUTIES: Tuple[Tuple[str, Callable[[Trial], Awaitable[None]]], ...] = (
    ("remarks are noted", _remarks),
    ("opened comes first", _opened_first),
    ("the service is told everything", _service_is_told),
    ("events are numbered and stamped", _numbers),
    ("messages keep their order", _order),
    ("bytes reach the app exactly", _bytes_to_app),
    ("bytes of the app's are kept exactly", _bytes_from_app),
    ("nothing is sent early", _never_early),
    ("what is due is sent in time", _in_time),
    ("answers follow what they answer", _answers),
    ("what was due is noted", _due_notes),
    ("receiving goes on while sending waits", _full_duplex),
    ("pings are answered", _pings),
    ("the app's close is kept", _close_by_app),
    ("the service's close reaches the app", _close_by_service),
    ("an abort sends no close frame", _abort),
    ("a vanished app is told", _vanished),
    ("frames after the close are noted", _late_frames),
    ("refusals keep their status", _refusals),
    ("connections are apart", _connections),
    ("the token endpoint answers", _token),
    ("other paths are not found", _elsewhere),
)


async def check_carrier(
    make_carrier: MakeCarrier, *, chat_path: str, token_path: Optional[str] = None, slack_ns: int = 60_000_000_000
) -> None:
    """Try every duty of a carrier, on the running loop.

    Args:
        make_carrier: Makes a carrier for what makes a service. Called once or more for each duty; the check enters and leaves it.
        chat_path: A path on which the carrier opens sockets.
        token_path: The path on which it gives access tokens, None where it gives none.
        slack_ns: How late it may send what is due. 0 suits virtual time.

    Raises:
        CarrierError: A duty is broken; ``where`` names it. The first one ends the check.
    """
    for duty, attempt in DUTIES:
        trial = Trial(duty, make_carrier, chat_path, token_path, slack_ns)
        try:
            await attempt(trial)
        finally:
            await trial.over()
