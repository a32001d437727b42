from __future__ import annotations

import dataclasses

import pytest
from carrier_duties import DUTIES, CarrierError, check_carrier

from evi_harness.carriers import server as server_module
from evi_harness.carriers.conversation import Conversation
from evi_harness.carriers.server import ChatServer
from evi_harness.carriers.virtual_carrier import VirtualCarrier
from evi_harness.clocks.virtual import run_virtual
from evi_harness.session.events import Closed, Frame, Note, Opened, Sent
from evi_harness.session.protocols import Abort, Close, Refuse, Remark, Send


def check(wrap_service=lambda service: service, wrap_carrier=lambda carrier: carrier, server_kind=ChatServer, **options):
    """Check virtual time, broken in one way."""

    async def main(loop):
        def make(open_service):
            options.setdefault("token_path", "/token")
            server = server_kind(lambda handshake: wrap_service(open_service(handshake)), clock=loop, chat_paths=["/chat"], **options)
            return wrap_carrier(VirtualCarrier(loop, server))

        await check_carrier(make, chat_path="/chat", token_path="/token", slack_ns=0)

    run_virtual(main)


def test_virtual_time_keeps_every_duty():
    """With no slack at all: what is due is sent at that nanosecond."""
    check()


class Wrapped:
    """A service between the carrier and the real one: the way in which a carrier is broken."""

    def __init__(self, service) -> None:
        self.service = service

    def take(self, event, at_ns):
        self.service.take(event, at_ns)

    def due(self, at_ns):
        return [changed for action in self.service.due(at_ns) for changed in self.change(action)]

    def next_at_ns(self):
        return self.service.next_at_ns()

    def change(self, action):
        return [action]


def changes(kind, change):
    """A carrier that performs another action than the service's."""
    return type("Changes", (Wrapped,), {"change": lambda self, action: change(action) if isinstance(action, kind) else [action]})


class Early(Wrapped):
    def due(self, at_ns):
        return self.service.due(at_ns + 40_000_000)


class Late(Wrapped):
    def next_at_ns(self):
        next_ns = self.service.next_at_ns()
        return None if next_ns is None else next_ns + 1


class Reversed(Wrapped):
    def due(self, at_ns):
        return list(reversed(self.service.due(at_ns)))


class Deaf(Wrapped):
    def take(self, event, at_ns):
        if not isinstance(event, Closed):
            self.service.take(event, at_ns)


BROKEN_SERVICES = [
    ("remarks are noted", changes(Remark, lambda action: [])),
    ("the service is told everything", Deaf),
    ("messages keep their order", Reversed),
    (
        "bytes reach the app exactly",
        changes(Send, lambda a: [dataclasses.replace(a, frame=Frame(a.frame.opcode, a.frame.payload.strip()[: 10**6]))]),
    ),
    ("nothing is sent early", Early),
    ("what is due is sent in time", Late),
    ("what was due is noted", changes(Send, lambda action: [dataclasses.replace(action, held_ns=0)])),
    ("the service's close reaches the app", changes(Close, lambda action: [Close(1000, action.reason)])),
    ("an abort sends no close frame", changes(Abort, lambda action: [Close(1000)])),
    ("refusals keep their status", changes(Refuse, lambda action: [Refuse(403, action.body)])),
]


@pytest.mark.parametrize(("duty", "broken"), BROKEN_SERVICES, ids=[duty for duty, _ in BROKEN_SERVICES])
def test_a_carrier_that_does_something_else_is_caught(duty, broken):
    """The error names the duty."""
    with pytest.raises(CarrierError) as caught:
        check(wrap_service=broken)
    assert caught.value.where == f"duty {duty!r}"


class Keeps:
    """A carrier that keeps another session than there was."""

    def __init__(self, carrier, change) -> None:
        self.carrier = carrier
        self.change = change

    url = property(lambda self: self.carrier.url)

    def now_ns(self):
        return self.carrier.now_ns()

    def sessions(self):
        return [[changed for event in session for changed in self.change(event)] for session in self.carrier.sessions()]

    async def __aenter__(self):
        await self.carrier.__aenter__()
        return self

    async def __aexit__(self, *error):
        await self.carrier.__aexit__(*error)


def edits(kind, **fields):
    """Events of a kind are kept with other fields."""
    return lambda event: [dataclasses.replace(event, **fields)] if isinstance(event, kind) else [event]


def without_query(event):
    """The handshake is kept without its query."""
    return edits(Opened, handshake=dataclasses.replace(event.handshake, query=()))(event) if isinstance(event, Opened) else [event]


def stripped(event):
    """Sent frames are kept without the zeros at their end."""
    return (
        [dataclasses.replace(event, frame=Frame(event.frame.opcode, event.frame.payload.rstrip(b"\0")))]
        if isinstance(event, Sent)
        else [event]
    )


BROKEN_SESSIONS = [
    ("opened comes first", without_query),
    ("events are numbered and stamped", lambda event: [dataclasses.replace(event, at_ns=-event.at_ns)]),
    ("bytes of the app's are kept exactly", stripped),
    ("the app's close is kept", edits(Closed, reason="")),
    (
        "a vanished app is told",
        lambda event: edits(Closed, by="app")(event) if event.kind == "closed" and event.code is None and event.seq == 2 else [event],
    ),
    ("frames after the close are noted", lambda event: [] if isinstance(event, Note) and event.name == "sent_after_close" else [event]),
]


@pytest.mark.parametrize(("duty", "change"), BROKEN_SESSIONS, ids=[duty for duty, _ in BROKEN_SESSIONS])
def test_a_carrier_that_keeps_another_session_is_caught(duty, change):
    """The error names the duty."""
    with pytest.raises(CarrierError) as caught:
        check(wrap_carrier=lambda carrier: Keeps(carrier, change))
    assert caught.value.where == f"duty {duty!r}"


class HalfDuplex(Conversation):
    """Takes nothing while a send waits."""

    waiting: list
    is_sending = False

    async def _send(self, action):
        self.is_sending, self.waiting = True, []
        await super()._send(action)
        self.is_sending = False
        for frame in self.waiting:
            super()._receive(frame)

    def _receive(self, frame):
        if self.is_sending:
            self.waiting.append(frame)
        else:
            super()._receive(frame)


def test_a_carrier_that_is_deaf_while_it_sends_is_caught(monkeypatch):
    """The error names the duty."""
    monkeypatch.setattr(server_module, "Conversation", HalfDuplex)
    with pytest.raises(CarrierError, match="receiving goes on while sending waits"):
        check()


def test_a_carrier_that_answers_no_ping_is_caught(monkeypatch):
    """The error names the duty, after the check's patience."""

    class NoPong(server_module.web.WebSocketResponse):
        async def pong(self, message=b""):
            pass

    monkeypatch.setattr(server_module.web, "WebSocketResponse", NoPong)
    with pytest.raises(CarrierError, match="pings are answered"):
        check()


class OneService(ChatServer):
    """Gives every connection of a carrier the same service."""

    def __init__(self, open_service, **options) -> None:
        made = []

        def same(handshake):
            made[:] = made or [open_service(handshake)]
            return made[0]

        super().__init__(same, **options)


class Everywhere(ChatServer):
    async def _nothing_here(self, request):
        return server_module.web.Response(text="welcome")


SERVERS = [
    ("connections are apart", OneService, {}),
    ("the token endpoint answers", ChatServer, {"token_path": None}),
    ("other paths are not found", Everywhere, {}),
]


@pytest.mark.parametrize(("duty", "kind", "options"), SERVERS, ids=[duty for duty, *_ in SERVERS])
def test_a_server_that_misses_a_duty_is_caught(duty, kind, options):
    """The error names the duty."""
    with pytest.raises(CarrierError, match=duty):
        check(server_kind=kind, **options)


def test_every_duty_has_a_name_of_its_own():
    """The names are what errors point to."""
    names = [name for name, _ in DUTIES]
    assert len(set(names)) == len(names) == 22
