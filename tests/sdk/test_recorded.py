from __future__ import annotations

import pytest

from evi_harness.carriers.journal import Journal
from evi_harness.carriers.server import ChatServer
from evi_harness.carriers.virtual_carrier import VirtualCarrier
from evi_harness.clocks.virtual import run_virtual
from evi_harness.errors import EviHarnessError
from evi_harness.evi.dialect import EVI
from evi_harness.replay.player import Player
from evi_harness.replay.user import RecordedUser
from evi_harness.sdk.recorded import run_recorded


def null_test(session):
    """A recording meets itself; gives the events that crossed."""

    async def main(loop):
        journal = Journal(loop)
        server = ChatServer(lambda _: Player(session, EVI), clock=loop, chat_paths=[session.handshake.path], journal_for=lambda _: journal)
        async with VirtualCarrier(loop, server) as carrier:
            user = RecordedUser(session, EVI, only_microphone=False, closes=True)
            await run_recorded(carrier.url, session.handshake, user, journal, loop)
        return journal.events

    return run_virtual(main)


def crossed(events):
    """What crossed the wire and when: no notes, no numbers."""
    told = {"sent": lambda one: one.frame, "received": lambda one: one.frame, "closed": lambda one: (one.by, one.code, one.reason)}
    return [(event.at_ns, event.kind, told[event.kind](event)) for event in events if event.kind in told]


def test_a_recording_that_meets_itself_is_itself(weather):
    """Every frame, both ways, byte for byte and at its time; and the close."""
    assert crossed(null_test(weather)) == crossed(weather.events)


@pytest.mark.parametrize("close", [("app", 4000, "bye"), ("app", None, ""), ("service", 1008, "no"), ("network", None, "")])
def test_the_end_is_the_recorded_one(session_of, weather_rows, close):
    """Whoever closed it closes it again."""
    session = session_of([*weather_rows[:-1], ("closed", 4500, close)])
    assert crossed(null_test(session)) == crossed(session.events)


def test_a_connection_that_cannot_be_had_is_told(weather):
    """In a sentence, with the status."""

    async def main(loop):
        server = ChatServer(lambda _: Player(weather, EVI), clock=loop, chat_paths=["/elsewhere"])
        async with VirtualCarrier(loop, server) as carrier:
            user = RecordedUser(weather, EVI, only_microphone=False, closes=True)
            await run_recorded(carrier.url, weather.handshake, user, Journal(loop), loop)

    with pytest.raises(EviHarnessError, match=r"cannot connect: .*404"):
        run_virtual(main)


@pytest.mark.parametrize(
    ("close", "told"),
    [
        ((2000, ""), (None, "")),
        ((1006, "gone"), (None, "")),
        ((70_000, ""), (None, "")),
        ((1000, "x" * 200), (1000, "x" * 123)),
        ((1000, "é" * 100), (1000, "é" * 61)),
    ],
)
def test_a_close_that_no_app_may_send_is_sent_as_near_as_may_be(session_of, close, told):
    """Without a code, and with as much of the reason as there is room for."""
    session = session_of([("closed", 50, ("app", *close))])
    ((_, _, closed),) = crossed(null_test(session))
    assert closed == ("app", *told)


def test_what_no_model_can_express_is_sent_as_it_is(session_of):
    """Not JSON, empty, and binary that is no audio cross as they were."""
    session = session_of(
        [("sent", 10, "no json"), ("sent", 20, ""), ("sent", 30, b""), ("received", 40, b"\xff"), ("closed", 50, ("app", 1000, ""))]
    )
    assert crossed(null_test(session)) == crossed(session.events)


def test_the_handshake_is_repeated(session_of):
    """The query crosses in order, decoded to the same values."""
    session = session_of([("closed", 50, ("app", 1000, ""))], query=(("config_id", "a&b=c d"), ("voice_id", "ü")))
    assert null_test(session)[0].handshake.query == session.handshake.query
