"""Tests of serving and relaying a session of the Realtime protocol: paths, subprotocols, client secrets, keys, and what is kept of them."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import urllib.error
import urllib.request
from contextlib import asynccontextmanager

import pytest
import websockets
from realtime_session import events_of

import evi_harness
from evi_harness.acts.serve.proxying import ProxyOptions, RunningProxy, upstream_of
from evi_harness.acts.serve.recording_command import CommandOptions, record_command
from evi_harness.acts.serve.serving import ServeOptions, require_key, served
from evi_harness.acts.serve.simulating import simulation
from evi_harness.acts.sessions import check_session
from evi_harness.errors import UsageError
from evi_harness.openai_realtime.realtime_dialect import OPENAI_REALTIME
from evi_harness.openai_realtime.realtime_variables import BASE_URL, KEY_VARIABLES
from evi_harness.session.events import Handshake, Opened
from evi_harness.session.header import Header
from evi_harness.session.session import Session
from evi_harness.settings.environment import load_environment
from evi_harness.verdicts.loading import load_session
from evi_harness.verdicts.redacted_views import known_secrets

KEY = "sk-test-K3yOfThisRun0123456789"
OFFER = ["realtime", f"openai-insecure-api-key.{KEY}", "openai-beta.realtime-v1"]
CREATED = {"type": "session.created", "event_id": "e0", "session": {"id": "sess_1", "type": "realtime", "object": "realtime.session"}}
UPDATE = {"type": "session.update", "session": {"type": "realtime", "instructions": "Be brief."}}
UPDATED = {"type": "session.updated", "event_id": "e1", "session": {"id": "sess_1", "type": "realtime", "instructions": "Be brief."}}
PATHS = ["/v1/realtime", "/realtime", "/openai/v1/realtime", "/openai/realtime", "/voice-live/realtime"]


@pytest.fixture(autouse=True)
def _no_keys(no_environment, monkeypatch):
    """Neither in the environment nor in a .env."""
    for name in (*KEY_VARIABLES, BASE_URL):
        monkeypatch.delenv(name, raising=False)


def session():
    """One request, and its answer."""
    header = Header(id="i", made_by="record", created="2026-11-30T10:00:00Z", dialect="openai-realtime")
    return Session(header, tuple(events_of(("<", CREATED), (">", UPDATE), ("<", UPDATED), close="app")))


async def converse(url, path="/v1/realtime?model=m", **options):
    """The app of the session; the subprotocol that it got."""
    async with websockets.connect(url.replace("http", "ws", 1) + path, **options) as socket:
        assert json.loads(await socket.recv())["type"] == "session.created"
        await socket.send(json.dumps(UPDATE))
        assert json.loads(await socket.recv())["type"] == "session.updated"
        return socket.subprotocol


def ask(url, path, headers=(), body=b"{}"):
    """Ask for a client secret; the status and the answer."""
    request = urllib.request.Request(url + path, data=body, headers={"Content-Type": "application/json", **dict(headers)})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def files_in(folder):
    """All bytes below a folder."""
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS)
def test_each_path_of_a_service_opens_the_session_and_gives_client_secrets(path):
    """OpenAI's, Azure's old and new one, Voice Live's; beside each there are client secrets."""
    with served(session()) as server:
        assert asyncio.run(converse(server.url, f"{path}?api-version=1&deployment=m", subprotocols=OFFER)) == "realtime"
        status, secret = ask(server.url, f"{path}/client_secrets", body=b'{"session": {"type": "realtime", "model": "m"}}')
    assert (status, secret["value"][:3], secret["session"]["model"]) == (200, "ek_", "m")


def test_who_offers_no_subprotocol_gets_none():
    """As the SDKs for servers."""
    with served(session()) as server:
        assert asyncio.run(converse(server.url)) is None


@pytest.mark.parametrize("variable", ["OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", "XAI_API_KEY"])
def test_the_key_that_is_required_is_that_of_the_service(variable, monkeypatch):
    """Under whichever of its names; what lets in is told without it. A client secret is right, too."""
    monkeypatch.setenv(variable, KEY)
    told = require_key(OPENAI_REALTIME)[1]
    assert variable in told
    assert KEY not in told
    assert "HUME" not in told

    def status(**options):
        try:
            asyncio.run(converse(server.url, **options))
        except websockets.exceptions.InvalidStatus as error:
            return error.response.status_code
        return 101

    with served(session(), ServeOptions(require_key=True)) as server:
        code, secret = ask(server.url, "/v1/realtime/client_secrets", {"Authorization": f"Bearer {KEY}"})
        assert code == 200
        offers = [OFFER, ["realtime", f"openai-insecure-api-key.{secret['value']}"], ["realtime", "openai-insecure-api-key.sk-no"]]
        assert [status(subprotocols=one) for one in offers] == [101, 101, 401]
        assert status() == 401
        assert [ask(server.url, "/v1/realtime/client_secrets", one)[0] for one in ({}, {"Authorization": "Bearer sk-no"})] == [401, 401]


@asynccontextmanager
async def proxied(upstream, out, **options):
    """A proxy of this dialect on the running loop, its URL, and what it has warned of."""
    warned = []
    chosen = ProxyOptions(upstream=upstream, out=out, dialect="openai-realtime", **options)
    running = RunningProxy(chosen, upstream_of(chosen), lambda _: None, warned.append)
    try:
        yield running, await running.start(), warned
    finally:
        await running.stop()


def test_a_proxy_hands_on_subprotocols_and_client_secrets_and_keeps_no_key(tmp_path):
    """The browser's way: a secret is asked for through it, and opens the session in a subprotocol; the folder has neither."""

    async def main(url):
        async with proxied(f"{url}/v1", tmp_path) as (running, through, warned):
            status, secret = await asyncio.get_running_loop().run_in_executor(None, ask, through, "/v1/realtime/client_secrets")
            offers = ["realtime", f"openai-insecure-api-key.{secret['value']}"]
            taken = [await converse(through, subprotocols=one) for one in (offers, OFFER)]
        return status, secret["value"], taken, running.sessions, warned

    with served(session()) as server:
        status, secret, taken, sessions, warned = asyncio.run(main(server.url))
    assert (status, taken, warned) == (200, ["realtime", "realtime"], [])
    for relayed in sessions:
        assert relayed.problem is None
        assert check_session(relayed.folder) == []
        kept = load_session(relayed.folder)
        assert (kept.header.dialect, dict(kept.header.ids)) == ("openai-realtime", {"session_id": "sess_1"})
        # What stands beside the key is kept, and redacts nothing elsewhere.
        offered = {name.lower(): value for name, value in kept.handshake.headers}["sec-websocket-protocol"]
        assert offered.startswith("realtime")
        assert kept.sent[0].frame.payload == json.dumps(UPDATE).encode()
    assert len(sessions) == 2
    everything = files_in(tmp_path)
    assert KEY.encode() not in everything
    assert secret.encode() not in everything


def test_a_served_session_keeps_no_key_of_a_subprotocol():
    """Nor does anything that is printed: it is a secret from the handshake on."""
    opened = Opened(0, 0, Handshake("/v1/realtime", (), (("Sec-WebSocket-Protocol", ", ".join(OFFER)),)))
    header = Header(id="i", made_by="record", created="2026-11-30T10:00:00Z", dialect="openai-realtime")
    secrets = known_secrets(Session(header, (opened,)))
    assert KEY in secrets
    assert "realtime" not in secrets


APP = """
import asyncio, json, os, websockets

async def main(url):
    async with websockets.connect(url.replace("http", "ws", 1) + "/realtime?model=m") as socket:
        await socket.recv()
        await socket.send(json.dumps({"type": "session.update", "session": {"type": "realtime", "instructions": "Be brief."}}))
        await socket.recv()

assert os.environ["OPENAI_API_KEY"]
asyncio.run(main(os.environ["OPENAI_BASE_URL"]))
"""


@pytest.mark.parametrize(("path", "base"), [("", "/v1"), ("/v1", "/v1"), ("/openai/v1/", "/openai/v1")])
def test_a_command_finds_the_proxy_where_the_sdk_looks(path, base, tmp_path):
    """In OPENAI_BASE_URL, with the path that the service's own URL has; and a key, where none is needed."""
    app, lines = tmp_path / "app.py", []
    app.write_text(APP, encoding="utf-8")
    with served(session()) as server:
        proxy = ProxyOptions(upstream=server.url + path, out=tmp_path / "out", dialect="openai-realtime")
        result = record_command(CommandOptions((sys.executable, str(app)), proxy), lines.append)
    assert result.exit_code == 0, lines
    (relayed,) = result.sessions
    kept = load_session(relayed.folder)
    assert (kept.header.dialect, kept.handshake.path) == ("openai-realtime", f"{base}/realtime")


def test_a_command_that_opens_nothing_is_told_its_own_variable(tmp_path):
    """Not that of another service."""
    proxy = ProxyOptions(upstream="http://127.0.0.1:9", out=tmp_path / "out", dialect="openai-realtime")
    result = record_command(CommandOptions((sys.executable, "-c", ""), proxy), lambda _: None)
    told = " ".join(result.lines())
    assert "OPENAI_BASE_URL" in told
    assert "HUME" not in told


@pytest.mark.parametrize(
    ("given", "base_url"),
    [
        (None, "https://api.openai.com"),
        ("https://api.openai.com/v1", "https://api.openai.com"),
        ("wss://api.openai.com/v1/realtime", "https://api.openai.com"),
        ("https://r.openai.azure.com/openai/v1/", "https://r.openai.azure.com"),
        ("wss://api.elevenlabs.io/v1/convai/realtime", "https://api.elevenlabs.io/v1/convai"),
        ("localhost:8765/v1/realtime", "http://localhost:8765"),
    ],
)
def test_the_service_is_found_by_its_own_variable_and_address(given, base_url, monkeypatch):
    """OPENAI_BASE_URL, however it is written; OpenAI's own where it is not set."""
    if given is not None:
        monkeypatch.setenv("OPENAI_BASE_URL", given)
    monkeypatch.setenv("HUME_BASE_URL", "http://127.0.0.1:1")
    assert upstream_of(ProxyOptions(dialect="openai-realtime")).base_url == base_url


def test_a_bad_address_is_told_by_its_own_variable(monkeypatch):
    """And keys by theirs."""
    monkeypatch.setenv("OPENAI_BASE_URL", "ftp://x")
    with pytest.raises(UsageError, match="OPENAI_BASE_URL"):
        upstream_of(ProxyOptions(dialect="openai-realtime"))
    with pytest.raises(UsageError, match="OPENAI_API_KEY") as raised:
        upstream_of(ProxyOptions(upstream="https://user:pass@x", dialect="openai-realtime"))
    assert "HUME" not in str(raised.value)


def test_the_keys_are_read_from_dotenv_too(tmp_path, monkeypatch):
    """The first of the service's variables that is set counts."""
    (tmp_path / ".env").write_text(f"XAI_API_KEY={KEY}\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    try:
        settings = load_environment(OPENAI_REALTIME)
    finally:
        os.environ.pop("XAI_API_KEY", None)
    assert (settings.api_key, settings.key_variable, settings.secret_key, settings.config_id) == (KEY, "XAI_API_KEY", None, None)


async def converse_with_simulator(url):
    """Type something, and read what it is answered with until the service closes; the types, and the code."""
    found = []
    async with websockets.connect(f"{url.replace('http', 'ws', 1)}/v1/realtime?model=m", max_size=None) as socket:
        content = [{"type": "input_text", "text": "Hello"}]
        await socket.send(json.dumps({"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": content}}))
        await socket.send(json.dumps({"type": "response.create"}))
        async for text in socket:
            message = json.loads(text)
            found.append(message["type"])
        return found, socket.close_code


def test_the_simulator_is_served_and_ends_a_session_that_is_too_long():
    """On its own clock and voices, in a process of its own; the end is the error and 1001."""
    with evi_harness.serve(simulate=True, dialect="openai-realtime", max_duration_s=5) as server:
        found, code = asyncio.run(converse_with_simulator(server.url))
    assert found[0] == "session.created"
    assert found[-1] == "error"
    assert code == 1001


@pytest.mark.parametrize("options", [{"dialect": "openai-realtime"}, {"max_duration_s": 5}])
def test_what_is_the_simulators_alone_is_refused_with_a_session(options):
    """It says itself what it speaks, and when it ended."""
    with pytest.raises(UsageError):
        evi_harness.serve(session(), **options)


@pytest.mark.parametrize(("dialect", "seconds"), [("openai-realtime", 3600), ("evi", 1800)])
def test_a_simulator_is_as_its_service_where_nobody_says(dialect, seconds, tmp_path):
    """With a script and without; what the script says counts, and what is asked for counts more."""
    script = tmp_path / "script.toml"
    script.write_text('[[turn]]\nsay = "Hello."\n', encoding="utf-8")
    assert simulation(None, dialect).options.limits.max_duration_s == seconds
    assert simulation(script, dialect).script.options.limits.max_duration_s == seconds
    script.write_text('[limits]\nmax_duration_s = 7\n[[turn]]\nsay = "Hello."\n', encoding="utf-8")
    assert simulation(script, dialect).script.options.limits.max_duration_s == 7
    assert simulation(script, dialect, max_duration_s=3).script.options.limits.max_duration_s == 3


def test_the_openai_sdk_talks_to_the_simulator():
    """The SDK as it is: typed words, an answer in audio, a client secret."""
    openai = pytest.importorskip("openai", reason="the package openai is not installed")

    async def main(url):
        client = openai.AsyncOpenAI(api_key="any", base_url=f"{url}/v1")
        secret = await client.realtime.client_secrets.create(session={"type": "realtime", "model": "m"})
        found = []
        async with client.realtime.connect(model="m") as connection:
            content = [{"type": "input_text", "text": "Hello"}]
            await connection.conversation.item.create(item={"type": "message", "role": "user", "content": content})
            await connection.response.create()
            async for event in connection:
                found.append(event)
                if event.type == "response.done":
                    break
        return secret.value, found

    with evi_harness.serve(simulate=True, dialect="openai-realtime") as server:
        secret, found = asyncio.run(main(server.url))
    assert secret.startswith("ek_")
    assert [event.transcript for event in found if event.type == "response.output_audio_transcript.done"] == ["Parrot: Hello"]
    # A type that the SDK does not know becomes an event of another class.
    assert {type(event).__name__ for event in found if event.type == "response.output_audio.delta"} == {"ResponseAudioDeltaEvent"}
