"""Tests of evi_harness.simulate.realtime_beta: what asks for the beta, and its names both ways; and the beta's own client of the SDK."""

from __future__ import annotations

from typing import Any, List

import pytest

from evi_harness.acts.serve.simulating import Simulation
from evi_harness.carriers.journal import Journal
from evi_harness.carriers.server import ChatServer
from evi_harness.carriers.virtual_carrier import VirtualCarrier
from evi_harness.clocks.virtual import run_virtual
from evi_harness.openai_realtime.realtime_dialect import OPENAI_REALTIME
from evi_harness.session.events import Handshake
from evi_harness.session.protocols import Message
from evi_harness.simulate.realtime_beta import as_beta, as_today, asks_for_beta
from evi_harness.simulate.realtime_simulator import REALTIME_OPTIONS
from evi_harness.simulate.realtime_wire import first_session


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("OpenAI-Beta", "realtime=v1", True),
        ("openai-beta", "REALTIME=V1", True),
        ("OpenAI-Beta", "assistants=v2", False),
        ("Sec-WebSocket-Protocol", "realtime,openai-beta.realtime-v1", True),
        ("Sec-WebSocket-Protocol", "realtime", False),
        ("X-Other", "realtime=v1", False),
    ],
)
def test_what_asks_for_the_beta(name: str, value: str, expected: bool) -> None:
    """Its header, or its subprotocol."""
    assert asks_for_beta(Handshake("/v1/realtime", (), (("Host", "x"), (name, value)))) is expected
    assert not asks_for_beta(Handshake("/v1/realtime"))


def test_a_session_comes_back_as_it_was() -> None:
    """What the beta says of a session, sent as an update, is that session today; formats and all."""
    session = first_session("sess_1", "m", REALTIME_OPTIONS.pcm, REALTIME_OPTIONS.detection)
    told = as_beta({"type": "session.created", "session": session})
    assert told is not None
    flat = told["session"]
    assert (flat["input_audio_format"], flat["output_audio_format"], flat["max_response_output_tokens"]) == ("pcm16", "pcm16", "inf")
    back = as_today(Message("session.update", {"type": "session.update", "session": flat})).fields["session"]
    assert back["audio"]["input"] == session["audio"]["input"]
    assert back["audio"]["output"] == {"format": {"type": "audio/pcm", "rate": 24_000}, "voice": "simulator"}
    assert back["output_modalities"] == session["output_modalities"]


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "response.create"},
        {"type": "response.create", "response": "x"},
        {"type": "session.update", "session": {"input_audio_format": 7, "turn_detection": None}},
        {"type": "conversation.item.create", "item": {}},
    ],
)
def test_what_is_no_configuration_stays_as_it_is(fields: Any) -> None:
    """A value of another kind is for the simulator to judge."""
    found = as_today(Message(fields["type"], fields)).fields
    if fields["type"] == "session.update":
        assert found["session"] == {"audio": {"input": {"format": 7, "turn_detection": None}}}
    else:
        assert found == fields


def test_the_betas_client_of_the_sdk_is_spoken_to_in_the_betas_names() -> None:
    """In a conversation in text, by ``client.beta.realtime``; its own classes know each event."""
    openai = pytest.importorskip("openai", reason="the extra openai is not installed")

    async def main(loop: Any) -> List[Any]:
        journal = Journal(loop)
        ready = Simulation(dialect=OPENAI_REALTIME.name, options=REALTIME_OPTIONS)
        server = ChatServer(ready, clock=loop, chat_paths=OPENAI_REALTIME.chat_paths, journal_for=lambda _: journal)
        async with VirtualCarrier(loop, server) as carrier:
            at = f"{carrier.url.replace('http', 'ws', 1)}/v1"
            client = openai.AsyncOpenAI(api_key="any", base_url=f"{carrier.url}/v1", websocket_base_url=at)
            found = []
            async with client.beta.realtime.connect(model="m") as connection:
                await connection.session.update(session={"modalities": ["text"]})
                item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]}
                await connection.conversation.item.create(item=item)
                await connection.response.create()
                async for event in connection:
                    found.append(event)
                    if event.type == "response.done":
                        break
            await client.close()
        return found

    events = run_virtual(main)
    assert [event.delta for event in events if event.type == "response.text.delta"] == ["Parrot: Hello"]
    assert {"conversation.created", "conversation.item.created"} <= {event.type for event in events}
    assert next(event for event in events if event.type == "session.updated").session.modalities == ["text"]
