"""Tests of evi_harness.acts.moving: recorded conversations held again with the simulator of another dialect, over real sockets."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from pathlib import Path

import pytest
from aiohttp import web

from evi_harness.acts.moving.migrating import chat_path_of, setup_of, tool_handler
from evi_harness.acts.replay_live import LiveReplayOptions, replay_live
from evi_harness.acts.serve.serving import ServeOptions, served
from evi_harness.acts.serve.simulating import SIMULATOR, simulation
from evi_harness.acts.sessions import check_session
from evi_harness.cli.main import main
from evi_harness.errors import EviHarnessError, HandlerError, UsageError
from evi_harness.evi.dialect import EVI
from evi_harness.openai_realtime.realtime_dialect import OPENAI_REALTIME as REALTIME
from evi_harness.sdk.openai.direct_session import direct_session
from evi_harness.verdicts.loading import load_session

pytestmark = pytest.mark.usefixtures("no_environment")

ROOT = Path(__file__).resolve().parents[2]
TYPED = ROOT / "sessions" / "typed"
SCRIPT = """
[[turn]]
[turn.tool]
name = "get_weather"
parameters = { location = "Bath" }
[[turn.tool.answer]]
say = "Take an umbrella. {content}"
"""


@pytest.fixture
def service(tmp_path):
    """Serves the simulator of the dialect that it is given."""

    def serve(name="openai-realtime"):
        script = tmp_path / "script.toml"
        script.write_text(SCRIPT)
        return served(simulation(script, name), ServeOptions(service=SIMULATOR, dialect=name))

    return serve


def outputs(folder):
    """The outputs of tools that were sent."""
    sent = [json.loads(event.frame.payload) for event in load_session(folder).sent]
    return [one["item"]["output"] for one in sent if one.get("item", {}).get("type") == "function_call_output"]


@pytest.mark.slow
def test_a_conversation_comes_over_and_back(service, tmp_path):
    """The new session is whole and in the new dialect; the tool was answered as then; and it comes back as it was."""
    with service() as server:
        report = replay_live(TYPED, LiveReplayOptions(base_url=server.url, dialect="openai-realtime", out=tmp_path / "out"))
    assert report.passed, "\n".join(report.lines())
    assert check_session(report.folder) == []
    there = load_session(report.folder)
    assert (there.header.dialect, there.header.service, there.handshake.path) == ("openai-realtime", "simulator", "/v1/realtime")
    assert outputs(report.folder) == [json.dumps({"location": "Bath", "sky": "rain", "celsius": 11})]
    assert [turn.differing for turn in report.migration.turns] == [("replied",)]
    with service("evi") as server:
        back = replay_live(there, LiveReplayOptions(base_url=server.url, dialect="evi", out=tmp_path / "back"))
    assert back.passed, "\n".join(back.lines())
    assert back.migration.is_same
    assert load_session(back.folder).header.dialect == "evi"


@pytest.mark.slow
@pytest.mark.parametrize("keyword", ["def", "async def"])
def test_tools_are_answered_by_a_handler(service, tmp_path, keyword, capsys):
    """In the place of what was recorded, by the command too; what is set up by a file is."""
    (tmp_path / "tools.py").write_text(f"{keyword} answer(name, arguments):\n    return [name, arguments]\n")
    (tmp_path / "setup.json").write_text('{"instructions": "Be short.", "model": "m"}')
    with service() as server:
        words = ["replay", str(TYPED), "--live", "--dialect", "openai-realtime", "--base-url", server.url, "--out", str(tmp_path / "out")]
        words += ["--handler", f"{tmp_path / 'tools.py'}:answer", "--setup", str(tmp_path / "setup.json")]
        assert main(words) == 0, capsys.readouterr().out
    (folder,) = (tmp_path / "out").iterdir()
    assert outputs(folder) == [json.dumps(["get_weather", {"location": "Bath"}])]
    session = load_session(folder)
    assert dict(session.handshake.query) == {"model": "m"}
    assert json.loads(session.sent[0].frame.payload)["session"]["instructions"] == "Be short."


@pytest.mark.slow
def test_a_handler_that_raises_is_a_fault_and_the_conversation_goes_on(service, tmp_path):
    """The service is told that the tool failed."""

    def answer(name, arguments):
        raise KeyError("weather")

    with service() as server:
        options = LiveReplayOptions(base_url=server.url, dialect="openai-realtime", out=tmp_path / "out", handler=answer)
        report = replay_live(TYPED, options)
    assert len(report.faults) == 1
    assert "KeyError" in report.faults[0]
    assert outputs(report.folder) == ["KeyError: 'weather'"]
    assert report.live.closed.by == "app"


def test_a_folder_gives_a_table(service, tmp_path, capsys):
    """Also with a session that cannot be carried over: its row says so, and nothing else of it is done."""
    for name in ("a", "b"):
        shutil.copytree(TYPED, tmp_path / "sessions" / name)
    lines = (tmp_path / "sessions" / "b" / "events.jsonl").read_text()
    (tmp_path / "sessions" / "b" / "events.jsonl").write_text(lines.replace('"type": "user_input"', '"type": "assistant_input"'))
    with service() as server:
        words = ["replay", str(tmp_path / "sessions"), "--live", "--dialect", "openai-realtime", "--base-url", server.url]
        code = main([*words, "--out", str(tmp_path / "out"), "--json", str(tmp_path / "report.json"), "--allow-incomplete"])
    out = capsys.readouterr().out
    found = json.loads((tmp_path / "report.json").read_text())
    assert [one["refused"] is None for one in found["sessions"]] == [True, False], out
    assert (code, found["passed"], len(list((tmp_path / "out").iterdir()))) == (3, False, 1)


def test_options_that_need_another_dialect_are_refused_without_one(tmp_path, capsys):
    """Before anything is sent."""
    (tmp_path / "setup.json").write_text("{}")
    there = ["replay", str(TYPED), "--live", "--base-url", "http://127.0.0.1:1"]
    for words in (["--setup", str(tmp_path / "setup.json")], ["--dialect", "evi", "--handler", "x.py:y"]):
        assert main([*there, *words]) == 2
    assert main(["replay", str(TYPED), "--dialect", "openai-realtime"]) == 2
    assert main([*there, "--dialect", "openai-realtime", "--config-id", "x"]) == 2
    assert main(["replay", str(TYPED), str(ROOT / "sessions" / "weather"), "--live", "--base-url", "http://127.0.0.1:1"]) == 2
    words = ["--dialect", "openai-realtime", "--html", str(tmp_path / "x")]
    assert main(["replay", str(TYPED), str(ROOT / "sessions" / "weather"), "--live", "--base-url", "http://127.0.0.1:1", *words]) == 2
    capsys.readouterr()


@pytest.mark.parametrize("content", ["", "[]", "{", '"x"', "\ud800", "[" * 100_000])
def test_a_setup_file_that_is_no_object_is_refused(tmp_path, content):
    """With its place."""
    (tmp_path / "setup.json").write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(UsageError) as refused:
        setup_of(tmp_path / "setup.json")
    assert refused.value.where == str(tmp_path / "setup.json")


def test_what_answers_no_tools_is_refused(tmp_path):
    """What is no function, and one that takes something else."""
    (tmp_path / "tools.py").write_text("number = 3\ndef answer(call): ...\n")
    for name in ("number", "answer", "gone"):
        with pytest.raises(HandlerError):
            tool_handler(f"{tmp_path / 'tools.py'}:{name}")
    assert tool_handler(None) is None


@pytest.mark.parametrize(
    ("url", "path"),
    [
        (None, "/v1/realtime"),
        ("https://api.openai.com/v1", "/v1/realtime"),
        ("http://127.0.0.1:8000", "/v1/realtime"),
        ("https://x.openai.azure.com/openai/v1/", "/openai/v1/realtime"),
        ("https://x.openai.azure.com/openai/v1/realtime", "/openai/v1/realtime"),
        ("wss://x.services.ai.azure.com/voice-live/realtime", "/voice-live/realtime"),
        ("http://127.0.0.1:8000/realtime", "/realtime"),
    ],
)
def test_the_path_is_the_one_that_the_url_has(url, path):
    """Else the usual one."""
    assert chat_path_of(url, REALTIME) == path
    assert chat_path_of("http://127.0.0.1:1/v0/evi/chat", EVI) == "/v0/evi/chat"


@pytest.mark.parametrize(("azure", "header"), [(".azure.com", "Authorization"), (".0.0.1", "api-key")])
def test_a_key_goes_into_the_header_of_the_service_and_into_no_error(azure, header, monkeypatch):
    """A refusal is told by its status."""
    key, asked = "sk-KeyOfThisRun0123456789", []
    # Which hosts are Azure's: this machine, so that one can be asked.
    monkeypatch.setattr("evi_harness.sdk.openai.direct_session._AZURE", azure)

    async def take(request):
        asked.append((request.path_qs, dict(request.headers)))
        return web.Response(status=401)

    async def ask():
        app = web.Application()
        app.router.add_route("*", "/{anywhere:.*}", take)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        try:
            async with direct_session(f"http://127.0.0.1:{port}", "/v1/realtime", [("model", "m"), ("api_key", key)], api_key=key):
                raise AssertionError("it was let in")
        finally:
            await runner.cleanup()

    with pytest.raises(EviHarnessError) as refused:
        asyncio.run(ask())
    told = re.sub(r"\s+", " ", f"{refused.value} {refused.value.hint} {refused.value.__context__}")
    assert (key in told, "401" in told) == (False, True)
    ((path, headers),) = asked
    assert path == "/v1/realtime?model=m"
    assert headers[header].endswith(key)
    assert sum(key in value for value in headers.values()) == 1
