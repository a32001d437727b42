from __future__ import annotations

import asyncio
import logging
import re
import traceback
from types import SimpleNamespace

import pytest
from scripts import Script

from evi_harness.carriers.real_carrier import RealCarrier
from evi_harness.carriers.server import ChatServer
from evi_harness.carriers.virtual_carrier import VirtualCarrier
from evi_harness.clocks.clock import RealClock
from evi_harness.clocks.virtual import run_virtual
from evi_harness.errors import EviHarnessError, UsageError
from evi_harness.evi.compat import parse_version
from evi_harness.evi.dialect import EVI
from evi_harness.sdk.hume import connection
from evi_harness.sdk.hume.callbacks import connect_with_callbacks
from evi_harness.sdk.hume.installed_sdk import installed_version
from evi_harness.session.protocols import Abort, Close, Refuse

MS = 1_000_000
KEY = "Kq7ApiKeyOfThisRun0123456789"
SECRET = "Zw3SecretKeyOfThisRun987654"
CHAT = {"type": "chat_metadata", "chat_id": "c", "chat_group_id": "g", "request_id": "r"}
END = {"type": "assistant_end"}
IS_OLD = parse_version(installed_version()) < (0, 13)


class Logs:
    """Keeps which callbacks were called with what, in order; ``wrong`` raises in the callback of that name, once."""

    def __init__(self, **wrong):
        self.log = []
        self.errors = []
        self.wrong = wrong

    def _called(self, name, what):
        self.log.append(what)
        if name in self.wrong:
            raise self.wrong.pop(name)

    async def on_open(self):
        self._called("on_open", "on_open")

    async def on_message(self, message):
        self._called("on_message", message.type)

    async def on_close(self):
        self._called("on_close", "on_close")

    async def on_error(self, error):
        self.errors.append(error)
        self._called("on_error", f"on_error {type(error).__name__}")

    def all(self):
        return {name: getattr(self, name) for name in ("on_open", "on_message", "on_close", "on_error")}


def client_of(url):
    """The SDK's own client, led to a carrier."""
    return connection.client_for(url, KEY)


async def waits(socket):
    """A block that lasts a second."""
    await asyncio.sleep(1)


def run(handler, *rows, block=waits, options=None, client=client_of):
    """Open a chat with callbacks against a script in virtual time; gives the journaled events."""

    async def main(loop):
        server = ChatServer(lambda _: Script(*rows), clock=loop, chat_paths=EVI.chat_paths)
        async with VirtualCarrier(loop, server) as carrier:
            callbacks = handler if isinstance(handler, dict) else handler.all()
            async with connect_with_callbacks(client(carrier.url), options, **callbacks) as socket:
                await block(socket)
            await asyncio.sleep(1)
        return server.journals[0].events

    return run_virtual(main)


def test_callbacks_come_in_the_order_of_the_guide():
    """on_open, each message, on_close when the block ends; the block has the SDK's connection."""
    handler = Logs()

    async def block(socket):
        assert handler.log == ["on_open"]
        await socket._send({"type": "user_input", "text": "hi"})
        await asyncio.sleep(1)
        handler.log.append("block")

    events = run(handler, (0, CHAT), (10, END), block=block)
    assert handler.log == ["on_open", "chat_metadata", "assistant_end", "block", "on_close"]
    assert [event.frame.payload for event in events if event.kind == "sent"] == [b'{"type": "user_input", "text": "hi"}']
    assert (events[-1].by, events[-1].code) == ("app", 1000)


def test_callbacks_may_be_sync_and_may_be_missing():
    """A plain function does, and so does none at all."""
    heard = []
    run({"on_message": lambda message: heard.append(message.type)}, (0, CHAT))
    assert heard == ["chat_metadata"]
    run({}, (0, CHAT))


def test_the_chat_of_a_client_does_as_well():
    """As the guide's method is one of the chat's."""
    handler = Logs()
    run(handler, (0, CHAT), client=lambda url: client_of(url).empathic_voice.chat)
    assert handler.log == ["on_open", "chat_metadata", "on_close"]


def test_what_on_message_raises_goes_to_on_error_and_the_next_message_follows():
    """The chat goes on."""
    handler = Logs(on_message=KeyError("no"))
    run(handler, (0, CHAT), (10, END))
    assert handler.log == ["on_open", "chat_metadata", "on_error KeyError", "assistant_end", "on_close"]


@pytest.mark.parametrize(
    "message", ["no json", '{"type": "brand_new"}', '{"type": "audio_output"}', "[" * 100_000, "", "null"], ids=lambda text: text[:12]
)
def test_a_message_that_the_sdk_cannot_parse_leaves_nobody_deaf(message):
    """on_error is told, and the next message is handed on."""
    handler = Logs()
    run(handler, (0, CHAT), (10, message), (20, END))
    told = [one for one in handler.log if one.startswith("on_error")]
    assert len(told) == 1
    assert [one for one in handler.log if one not in told] == ["on_open", "chat_metadata", "assistant_end", "on_close"]


@pytest.mark.parametrize(
    ("action", "told"),
    [(Close(1000), 0), (Close(1001), 0), (Close(1011, "oh"), 1), (Close(4000), 1), (Abort(), 1)],
    ids=["1000", "1001", "1011", "4000", "lost"],
)
def test_a_connection_that_ends_badly_is_told_at_once(action, told):
    """To on_error, while the block still runs; it is not raised. A normal end is none."""
    handler = Logs()

    async def block(socket):
        await asyncio.sleep(1)
        assert len(handler.errors) == told

    run(handler, (0, CHAT), (10, action), block=block)
    assert [type(error).__name__ for error in handler.errors] == ["ConnectionClosedError"] * told
    assert handler.log[-1] == "on_close"


def test_what_the_block_raises_is_told_and_raised():
    """As in the SDK: on_error, then on_close, then the exception."""
    handler = Logs()

    async def block(socket):
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        run(handler, (0, CHAT), block=block)
    assert handler.log[-2:] == ["on_error ValueError", "on_close"]


def test_what_on_open_raises_is_told_and_raised():
    """No message is handed on."""
    handler = Logs(on_open=ValueError("mine"))
    with pytest.raises(ValueError, match="mine"):
        run(handler, (0, CHAT))
    assert handler.log == ["on_open", "on_error ValueError", "on_close"]


def test_what_on_error_raises_ends_the_reading_and_is_raised_at_the_end():
    """So an app can end itself by it; the block is not disturbed."""
    handler = Logs(on_message=ValueError("first"), on_error=TypeError("second"))
    reached = []

    async def block(socket):
        await asyncio.sleep(1)
        reached.append(True)

    with pytest.raises(TypeError, match="second"):
        run(handler, (0, CHAT), (10, END), block=block)
    assert handler.log == ["on_open", "chat_metadata", "on_error ValueError", "on_close"]
    assert reached


def test_what_the_block_raises_comes_before_what_on_error_raised():
    """The one that is raised is the block's."""
    handler = Logs(on_message=ValueError("first"), on_error=TypeError("second"))

    async def block(socket):
        await asyncio.sleep(1)
        raise KeyError("block")

    with pytest.raises(KeyError, match="block"):
        run(handler, (0, CHAT), block=block)
    assert handler.log[-1] == "on_close"


def test_with_no_on_error_the_log_names_the_type(caplog):
    """Nothing that goes wrong is lost without a word; the text, which may hold anything, is not logged."""
    with caplog.at_level(logging.WARNING, "evi_harness"):
        run({"on_message": lambda message: message.nothing}, (0, CHAT))
    assert [re.match("on_message raised AttributeError, .*no on_error", line) is not None for line in caplog.messages] == [True]


def test_a_block_that_is_cancelled_closes():
    """on_close is called, and the cancellation goes on."""
    handler = Logs()

    async def block(socket):
        task = asyncio.current_task()
        asyncio.get_running_loop().call_later(0.5, task.cancel)
        await asyncio.sleep(10)

    with pytest.raises(asyncio.CancelledError):
        run(handler, (0, CHAT), block=block)
    assert handler.log == ["on_open", "chat_metadata", "on_close"]


@pytest.mark.parametrize("status", [401, 403, 429, 500])
def test_a_refused_handshake_is_raised_without_the_key(status):
    """It is the SDK's ApiError, with status and body, and neither it nor what hangs on it shows a header of the request."""
    from hume.core.api_error import ApiError

    handler = Logs()
    with pytest.raises(ApiError) as raised:
        run(handler, (0, Refuse(status, "no")))
    assert raised.value.status_code == status
    assert raised.value.body
    shown = "".join(traceback.format_exception(raised.type, raised.value, raised.value.__traceback__))
    assert KEY not in shown + repr(raised.value) + str(raised.value)
    assert raised.value.__context__ is None
    assert handler.log == ["on_close"]


def test_an_endpoint_that_is_not_there_is_told_and_raised():
    """on_error, then on_close, then the OSError."""
    handler = Logs()

    async def main():
        async with connect_with_callbacks(client_of("http://127.0.0.1:1"), **handler.all()):
            pass

    with pytest.raises(OSError, match=r"refused|Connect|connect"):
        asyncio.run(main())
    assert handler.log[0].startswith("on_error ")
    assert handler.log[1:] == ["on_close"]


def test_options_are_those_of_the_guide():
    """They stand in the query as they do with the SDK's own method; what is None is left out."""
    options = {
        "config_id": "c-1",
        "config_version": None,
        "resumed_chat_group_id": None,
        "verbose_transcription": True,
        "session_settings": {"system_prompt": "be kind", "variables": {"name": "Ada"}},
    }
    query = dict(run(Logs(), (0, CHAT), options=options)[0].handshake.query)
    assert query["config_id"] == "c-1"
    assert query["verbose_transcription"].lower() == "true"
    if parse_version(installed_version()) >= (0, 12, 1):
        # 0.13.0 and 0.13.1 fold all settings into one parameter.
        assert any("be kind" in value for name, value in query.items() if name.startswith("session_settings"))
    assert "resumed_chat_group_id" not in query


@pytest.mark.skipif(parse_version(installed_version()) < (0, 11, 1), reason="the installed SDK knows no voice_id")
def test_a_voice_is_asked_for_whatever_the_version():
    """It stood in the options and has moved into the settings."""
    query = dict(run(Logs(), (0, CHAT), options={"voice_id": "v-1"})[0].handshake.query)
    assert any("v-1" in value for value in query.values())


@pytest.mark.skipif(IS_OLD, reason="the installed SDK passes over what it does not know")
def test_an_unknown_option_is_told_with_those_that_there_are():
    """By name, never by value."""
    with pytest.raises(UsageError, match="no option colour") as raised:
        run(Logs(), (0, CHAT), options={"colour": SECRET})
    assert "config_id" in str(raised.value)
    assert "secret_key" in str(raised.value)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("thing", [None, SimpleNamespace(connect=5), "client"])
def test_what_is_no_client_is_told(thing):
    """With what would be one."""

    async def main():
        async with connect_with_callbacks(thing):
            pass

    with pytest.raises(UsageError, match="a chat"):
        asyncio.run(main())


@pytest.mark.skipif(IS_OLD, reason="the installed SDK has no synchronous chat")
def test_the_synchronous_client_is_told():
    """Its connection has no callbacks."""
    from hume.client import HumeClient

    async def main():
        async with connect_with_callbacks(HumeClient(api_key=KEY)):
            pass

    with pytest.raises(UsageError, match=r"Use AsyncHumeClient|Give an AsyncHumeClient"):
        asyncio.run(main())


def served(main, token="tok-en", token_path=EVI.token_path):
    """Run main(carrier, server) against a chat on a real loopback port."""

    async def run_():
        server = ChatServer(lambda _: Script((0, CHAT)), clock=RealClock(), chat_paths=EVI.chat_paths, token_path=token_path, token=token)
        async with RealCarrier(server) as carrier:
            return await main(carrier, server)

    return asyncio.run(run_())


async def heard(carrier, options=None, client=client_of):
    """Open a chat on a real socket and wait for its first message."""
    first = asyncio.get_running_loop().create_future()
    made = client(carrier.url)
    async with connect_with_callbacks(made, options, on_message=first.set_result):
        kind = (await first).type
    # What the SDK up to 0.12.1 got its token with.
    await made._client_wrapper.httpx_client.httpx_client.aclose()
    return kind


def test_a_secret_key_becomes_an_access_token_on_every_version():
    """Real sockets: the token stands in the query, the secret key nowhere."""

    async def main(carrier, server):
        assert await heard(carrier, {"secret_key": SECRET, "config_id": "c"}) == "chat_metadata"
        return server.journals[0].events[0].handshake

    handshake = served(main)
    assert "tok-en" in [value for name, value in handshake.query if name.lower().replace("_", "") == "accesstoken"]
    assert SECRET not in repr(handshake)


def test_no_secret_key_asks_for_no_token():
    """Also where it is there and None, as with a variable that is not set."""

    async def main(carrier, server):
        assert await heard(carrier, {"secret_key": None}) == "chat_metadata"

    served(main, token_path=None)


@pytest.mark.skipif(IS_OLD, reason="the installed SDK gets the token itself")
def test_a_refused_token_is_told_without_keys():
    """on_error and the caller get our error; no handshake is tried."""
    handler = Logs()

    async def main(carrier, server):
        async with connect_with_callbacks(client_of(carrier.url), {"secret_key": SECRET}, **handler.all()):
            pass

    with pytest.raises(EviHarnessError, match=r"refused .* status 404") as raised:
        served(main, token_path=None)
    shown = "".join(traceback.format_exception(raised.type, raised.value, raised.value.__traceback__))
    assert KEY not in shown
    assert SECRET not in shown
    assert handler.log == ["on_error EviHarnessError", "on_close"]


@pytest.mark.skipif(IS_OLD, reason="the installed SDK gets the token itself")
def test_a_secret_key_needs_an_api_key(monkeypatch):
    """The error names what is missing."""
    monkeypatch.delenv("HUME_API_KEY", raising=False)

    async def main(carrier, server):
        await heard(carrier, {"secret_key": SECRET}, lambda url: connection.client_for(url, None))

    with pytest.raises(UsageError, match="no API key"):
        served(main)
