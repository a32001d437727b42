"""Tests of evi_harness.runs.real_commands.driver, and of runs in which something calls an app that waits for callers."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from thread_server import serving_in_thread

from evi_harness.acts.commanding import app_command
from evi_harness.acts.replay import replay_asked
from evi_harness.acts.serve.proxying import ProxyOptions
from evi_harness.acts.serve.recording_command import CommandOptions, record_command
from evi_harness.acts.serve.serving import play
from evi_harness.errors import CommandError
from evi_harness.replay.player import Patience
from evi_harness.runs.real_commands import driver as module
from evi_harness.runs.real_commands.driver import Driver
from evi_harness.runs.replay_options import REAL, ReplayOptions
from evi_harness.session.notes import APP_ENDED

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
APPS = ROOT / "fixtures" / "apps"
WEATHER, TYPED = ROOT / "sessions" / "weather", ROOT / "sessions" / "typed"
# A server that holds one conversation for each caller, tells it when the reply is over, and closes when it hangs up.
SERVER = """
import asyncio, json, os, sys, urllib.parse, websockets

async def called(reader, writer):
    url = os.environ["HUME_BASE_URL"].replace("http", "ws", 1) + "/v0/evi/chat?config_id=00000000-0000-4000-8000-000000000003"
    async with websockets.connect(url) as chat:
        hangs_up = asyncio.ensure_future(reader.read())
        while not hangs_up.done():
            message = asyncio.ensure_future(chat.recv())
            await asyncio.wait({message, hangs_up}, return_when=asyncio.FIRST_COMPLETED)
            if not message.done():
                message.cancel()
                break
            said = json.loads(message.result())
            if said["type"] == "chat_metadata":
                await chat.send(json.dumps({"type": "user_input", "text": "What's the weather in Bath?"}))
            if said["type"] == "tool_call":
                content = json.dumps({"location": "Bath", "sky": "rain", "celsius": 11})
                await chat.send(json.dumps({"type": "tool_response", "tool_call_id": said["tool_call_id"], "content": content}))
            if said["type"] == "assistant_end":
                writer.write(b"over")
    writer.close()

async def main():
    async with await asyncio.start_server(called, "127.0.0.1", 0) as server:
        await server.serve_forever()

try:
    asyncio.run(main())
except KeyboardInterrupt:
    pass
"""
CALLER = "import socket, sys; c = socket.create_connection(sys.argv[1].rsplit(':', 1)); assert c.recv(4) == b'over'"


def replayed(words, drive, session=TYPED, **options):
    """The result of a replay of an app that something calls. Nobody waits for long for what does not come."""
    options.setdefault("patience", Patience(message_ns=2_000_000_000, close_ns=2_000_000_000))
    return replay_asked(session, ReplayOptions(handler=app_command(words, drive=drive), clock=REAL, **options))


def found(result):
    """What fails a replay, by kind."""
    return [finding.kind for finding in result.findings if finding.fails] + [one.kind for one in result.deviations]


def test_a_phone_bridge_is_recorded_and_replayed_with_a_caller(tmp_path):
    """What the caller says reaches the service through the bridge, in both; nobody edits the bridge, or says when it listens."""
    bridge = (sys.executable, str(APPS / "phone_exchange.py"), "0")
    caller = (sys.executable, str(APPS / "phone_caller.py"), "{app}", str(WEATHER / "user.wav"))
    with serving_in_thread(play(WEATHER)) as url:
        options = CommandOptions(bridge, ProxyOptions(upstream=url, out=tmp_path / "out"), drive=caller)
        recorded = record_command(options, lambda _: None)
    assert (recorded.exit_code, recorded.driver) == (0, 0)
    (relayed,) = recorded.sessions
    result = replayed(bridge, caller, session=relayed.folder)
    assert found(result) == []
    said = [len(result.report.recorded.sent), len(result.session.sent)]
    assert min(said) > 100
    (facts,) = [facts for _, facts in result.session.noted(APP_ENDED)]
    assert facts.exit_code == 0


@pytest.mark.parametrize("isolated", [[], ["-I"]], ids=["Python", "no Python of ours"])
def test_the_run_ends_when_the_caller_has_ended(isolated):
    """The server, which would wait for the next one, is interrupted then; that it listens is seen of any program, on Linux."""
    if isolated and not Path("/proc/net/tcp").exists():
        pytest.skip("this system does not tell who listens")
    result = replayed([sys.executable, *isolated, "-c", SERVER], [sys.executable, "-c", CALLER, "{app}"])
    assert found(result) == []
    (facts,) = [facts for _, facts in result.session.noted(APP_ENDED)]
    assert facts.exit_code == 0


def test_a_caller_that_fails_is_found():
    """It is as much a part of the run as the app."""
    result = replayed([sys.executable, "-c", SERVER], [sys.executable, "-c", f"{CALLER}; sys.exit(4)", "{app}"])
    assert found(result) == ["raised"]
    assert result.exit_code == 1


@pytest.mark.parametrize(
    ("app", "caller", "why"),
    [
        ("pass", CALLER, "did not listen"),
        ("import threading; threading.Event().wait()", CALLER, "within 1 s"),
        (SERVER, "import sys; sys.exit(5)", "exit code 5"),
    ],
    ids=["ends", "waits", "is not called"],
)
def test_what_was_not_called_is_an_error(app, caller, why):
    """Never a pass: the exit code is 3, and the reason is told."""
    with pytest.raises(CommandError, match=why) as caught:
        replayed([sys.executable, "-c", app], [sys.executable, "-c", caller, "{app}"], timeout_s=1.0 if "within" in why else 60.0)
    assert caught.value.exit_code == 3


def test_a_recording_in_which_the_caller_fails_is_not_whole(tmp_path):
    """The app's exit code is 0, and the command's is not."""
    with serving_in_thread(play(TYPED)) as url:
        drive = (sys.executable, "-c", f"{CALLER}; sys.exit(4)", "{app}")
        options = CommandOptions((sys.executable, "-c", SERVER), ProxyOptions(upstream=url, out=tmp_path), drive=drive)
        result = record_command(options, lambda _: None)
    assert (result.code, result.driver, result.exit_code, len(result.sessions)) == (0, 4, 3, 1)
    assert any("exit code 4" in line for line in result.lines())


def test_an_app_that_cannot_be_called_is_ended(tmp_path, wait_for_end):
    """The error says what cannot be started, and the app, which would wait for callers, is ended with its shell."""
    writes = f"import os, pathlib; pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid()))"
    words = ("sh", "-c", '"$0" -c "$1"; true', sys.executable, f"{writes}{SERVER}")
    options = CommandOptions(words, ProxyOptions(upstream="http://127.0.0.1:9", out=tmp_path), drive=("no-such-command-anywhere",))
    with pytest.raises(CommandError, match="no-such-command-anywhere"):
        record_command(options, lambda _: None)
    wait_for_end(int((tmp_path / "pid").read_text()))


def test_a_driver_has_the_address(capfd):
    """In place of the word, and in its environment; what it prints goes aside."""
    program = "import os, sys; print(sys.argv[1], os.environ['EVI_HARNESS_APP'], repr(sys.stdin.read()))"
    driver = Driver.start([sys.executable, "-c", program, "ws://{app}/x"], "127.0.0.1:7")
    while not driver.has_ended:
        driver.process.wait()
    driver.stop()
    assert driver.status == 0
    assert capfd.readouterr() == ("", "ws://127.0.0.1:7/x 127.0.0.1:7 ''\n")


def test_a_driver_that_goes_on_is_ended(monkeypatch):
    """Also one that ignores SIGTERM; how it ended then was not its own doing."""
    monkeypatch.setattr(module, "END_S", 0.2)
    program = "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, file=sys.stderr); time.sleep(99)"
    driver = Driver.start([sys.executable, "-c", program], "")
    assert not driver.has_ended
    driver.stop()
    assert driver.process.returncode is not None
    assert driver.status is None
    with pytest.raises(CommandError):
        Driver.start(["no-such-command-anywhere"], "")
