"""Tests of evi_harness.acts.serve.recording_command: apps are programs of their own, as a user has them."""

from __future__ import annotations

import inspect
import os
import shlex
import signal
import sys
from pathlib import Path

import pytest
import soundfile
from thread_server import serving_in_thread

from evi_harness.acts.serve import recording_command
from evi_harness.acts.serve.proxying import ProxyOptions
from evi_harness.acts.serve.record_relayed import Relayed
from evi_harness.acts.serve.recording_command import CommandOptions, CommandResult, record_command
from evi_harness.acts.serve.serving import play
from evi_harness.acts.sessions import check_session
from evi_harness.errors import EviHarnessError, UsageError
from evi_harness.evi.dialect import EVI
from evi_harness.runs.app_process import is_alive
from evi_harness.sdk.hume.installed_sdk import import_sdk
from evi_harness.sdk.hume.owed_replies import Replies
from evi_harness.verdicts.loading import load_session

pytestmark = pytest.mark.usefixtures("no_environment")

ROOT = Path(__file__).resolve().parents[3]
TYPED = ROOT / "sessions" / "typed"
CHAT = """
import asyncio, json, os, signal, sys, websockets

async def main(url, then):
    async with websockets.connect(url.replace("http", "ws", 1) + "/v0/evi/chat?api_key=" + os.environ["HUME_API_KEY"]) as socket:
        assert json.loads(await socket.recv())["type"] == "chat_metadata"
        await then(socket)

async def nothing(socket):
    pass
"""


def require_config_id():
    """Skip where the installed SDK is older than what the app is written for."""
    from hume.client import AsyncHumeClient

    if "config_id" not in inspect.signature(AsyncHumeClient(api_key="none").empathic_voice.chat.connect).parameters:
        pytest.skip("the installed SDK has no config_id")


def recorded(tmp_path, program, *words, **options):
    """What becomes of an app, and what was said."""
    app, lines = tmp_path / "app.py", []
    app.write_text(CHAT + program, encoding="utf-8")
    with serving_in_thread(play(TYPED)) as url:
        proxy = ProxyOptions(upstream=url, out=tmp_path / "out")
        result = record_command(CommandOptions((sys.executable, str(app), *words), proxy, **options), lines.append)
    return result, lines


def app_facts(result):
    """What the one session says of the app."""
    (relayed,) = result.sessions
    assert check_session(relayed.folder) == []
    return dict(load_session(relayed.folder).header.app)


def test_the_address_in_the_words(tmp_path):
    """Wherever it stands in them; an app that ends well is the session's, and the command's."""
    result, lines = recorded(tmp_path, 'asyncio.run(main(sys.argv[1].partition("=")[2], nothing))', "--url={url}")
    assert (result.exit_code, result.code, result.signal_name) == (0, 0, None)
    assert app_facts(result) == {"exit_code": 0}
    assert [line.split(":")[0] for line in lines] == ["session 1"]
    assert result.lines() == [f"ended: {sys.executable} exited with 0", "recorded 1 session"]


@pytest.mark.parametrize("name", ["EVI_HARNESS_URL", "HUME_BASE_URL"])
def test_the_address_in_the_environment(name, tmp_path):
    """And a key, where none is needed; the app's exit code is the result."""
    result, _ = recorded(tmp_path, f'asyncio.run(main(os.environ["{name}"], nothing)); sys.exit(7)')
    assert result.exit_code == 7
    assert app_facts(result) == {"exit_code": 7}


def test_an_app_that_a_signal_ends(tmp_path):
    """As a shell has it, with the signal in the session: all that crossed is there."""
    program = """
async def dies(socket):
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main(os.environ["EVI_HARNESS_URL"], dies))
"""
    result, _ = recorded(tmp_path, program)
    assert (result.exit_code, result.code, result.signal_name) == (128 + signal.SIGKILL, None, "SIGKILL")
    assert app_facts(result) == {"signal": "SIGKILL"}
    assert len(load_session(result.sessions[0].folder).received) == 1


@pytest.mark.parametrize(("program", "code"), [("", 3), ("import nonsense_that_is_not_there", 1)])
def test_an_app_that_connects_to_nothing(program, code, tmp_path):
    """It was not recorded: that is said, and is no success; an app that fails itself has its own code."""
    result, _ = recorded(tmp_path, program)
    assert result.exit_code == code
    assert "no WebSocket" in "".join(result.lines())
    assert not (tmp_path / "out").exists()


def test_an_app_that_is_interrupted_in_time_and_takes_no_notice(tmp_path, monkeypatch):
    """SIGINT, then SIGTERM, then SIGKILL; nothing is left running."""
    monkeypatch.setattr(recording_command, "GRACE_S", 0.05)
    program = """
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
async def stays(socket):
    await asyncio.sleep(3600)
asyncio.run(main(os.environ["EVI_HARNESS_URL"], stays))
"""
    result, _ = recorded(tmp_path, program, duration_s=0.1)
    assert (result.code, result.signal_name) == (None, "SIGKILL")


def test_an_app_that_is_run_as_a_module_is_interrupted_as_itself(tmp_path, monkeypatch):
    """It closes the connection and ends by its own code, whatever of ours is loaded in its process before its name is known."""
    monkeypatch.chdir(tmp_path)
    program = """
async def interrupted(socket):
    os.kill(os.getpid(), signal.SIGINT)
    await asyncio.sleep(3600)
try:
    asyncio.run(main(os.environ["EVI_HARNESS_URL"], interrupted))
except KeyboardInterrupt:
    sys.exit(5)
"""
    (tmp_path / "talking.py").write_text(CHAT + program, encoding="utf-8")
    with serving_in_thread(play(TYPED)) as url:
        proxy = ProxyOptions(upstream=url, out=tmp_path / "out")
        result = record_command(CommandOptions((sys.executable, "-m", "talking"), proxy), print)
    assert (result.code, result.signal_name) == (5, None)
    assert result.sessions[0].closed.by == "app"


BECOMES = """
import os, sys
if sys.argv[2:] and os.fork():
    os._exit(os.waitstatus_to_exitcode(os.wait()[1]))
os.execvp("python-of-the-test", [sys.executable, sys.argv[1]])
"""


@pytest.mark.parametrize("forks", [[], ["forks"]], ids=["itself", "a fork"])
def test_what_an_app_becomes_is_recorded(forks, tmp_path, monkeypatch):
    """As ``poetry run`` becomes it, found on PATH: its name for the service leads to the proxy."""
    (tmp_path / "second").mkdir()
    (tmp_path / "second" / "python-of-the-test").symlink_to(sys.executable)
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path / "none"), str(tmp_path / "second"), os.environ["PATH"]]))
    app, lines = tmp_path / "app.py", []
    app.write_text(CHAT + 'asyncio.run(main("https://api.hume.ai", nothing))', encoding="utf-8")
    with serving_in_thread(play(TYPED)) as url:
        proxy = ProxyOptions(upstream=url, out=tmp_path / "out")
        result = record_command(CommandOptions((sys.executable, "-c", BECOMES, str(app), *forks), proxy), lines.append)
    assert (result.exit_code, result.code) == (0, 0)
    assert result.sessions[0].n_received == 1


# An app that tells its number, and talks until it is ended.
TALKS = """
pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))
async def talks(socket):
    %s
    async for message in socket:
        pass
asyncio.run(main(os.environ["EVI_HARNESS_URL"], talks))
"""


def recorded_by_a_shell(tmp_path, script, *, does="pass", ignores="", **options):
    """What becomes of an app that a shell runs, and the app's number."""
    app, number = tmp_path / "app.py", tmp_path / "number"
    app.write_text(f"import pathlib\n{CHAT}{ignores}{TALKS % does}", encoding="utf-8")
    words = ("sh", "-c", script.replace("APP", shlex.join([sys.executable, str(app), str(number)])))
    with serving_in_thread(play(TYPED)) as url:
        proxy = ProxyOptions(upstream=url, out=tmp_path / "out")
        result = record_command(CommandOptions(words, proxy, **options), print)
    return result, int(number.read_text())


@pytest.mark.parametrize("ignores", ["", "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"], ids=["heeds it", "does not"])
@pytest.mark.parametrize("script", ["cd . && APP; true", "APP & wait"])
def test_what_a_shell_runs_is_ended_with_it(script, ignores, tmp_path, monkeypatch):
    """A shell that is interrupted waits for what it runs, or leaves it running: neither the one nor the other goes on in the end."""
    monkeypatch.setattr(recording_command, "GRACE_S", 0.2)
    result, app = recorded_by_a_shell(tmp_path, script, ignores=ignores, duration_s=0.1)
    assert not is_alive(app)
    (relayed,) = result.sessions
    assert check_session(relayed.folder) == []


def test_a_signal_from_outside_ends_what_a_shell_runs(tmp_path, monkeypatch):
    """A shell that is terminated leaves running what it runs: that is interrupted, and ends as it does for Ctrl+C."""
    monkeypatch.setenv("RECORDER", str(os.getpid()))
    monkeypatch.setattr(recording_command, "GRACE_S", 0.2)
    does = 'os.kill(int(os.environ["RECORDER"]), signal.SIGTERM)'
    result, app = recorded_by_a_shell(tmp_path, "cd . && APP; true", does=does)
    assert not is_alive(app)
    assert result.signal_name == "SIGTERM"
    assert check_session(result.sessions[0].folder) == []


def test_an_app_whose_microphone_is_a_file_is_interrupted_behind_the_last_reply(tmp_path, monkeypatch):
    """As ``record`` ends: the user has spoken, and the service has answered to the end."""
    import_sdk()
    require_config_id()
    monkeypatch.setenv("HUME_API_KEY", "none")
    # However long the machine takes: only once it was heard to answer is quiet the end, and the app ends by itself.
    monkeypatch.setattr(recording_command, "QUIET_S", 600)
    monkeypatch.setattr(recording_command, "GRACE_S", 600)

    take = Replies.take

    def hear(replies, message, now_s):
        take(replies, message, now_s)
        if message.type == "assistant_end":
            monkeypatch.setattr(recording_command, "QUIET_S", 0.3)

    monkeypatch.setattr(Replies, "take", hear)
    words, lines = (sys.executable, str(ROOT / "fixtures" / "apps" / "current_quickstart.py")), []
    options = CommandOptions(words, ProxyOptions(out=tmp_path / "out"), is_simulated=True, mic=ROOT / "fixtures" / "speech" / "user-1.flac")
    result = record_command(options, lines.append)
    assert [line.split(":")[0] for line in lines] == ["interrupting the app", "session 1"]
    assert (result.signal_name, result.exit_code) == ("SIGINT", 128 + signal.SIGINT)
    (relayed,) = result.sessions
    assert (relayed.closed.by, relayed.problem) == ("app", None)
    session = load_session(relayed.folder)
    types = [EVI.read("received", event.frame).type for event in session.received]
    assert types[-1] == "assistant_end"
    assert {"user_message", "audio_output"} <= set(types)
    # What was said and what was played, on the session's timeline: the reply sounds after it came.
    assert check_session(relayed.folder) == []
    samples, rate = soundfile.read(str(relayed.folder / "heard.wav"), dtype="int16")
    user, heard = samples[:, 0].nonzero()[0], samples[:, 1].nonzero()[0]
    (first,) = [event for event in session.received if EVI.read("received", event.frame).type == "audio_output"][:1]
    assert user[0] / rate < first.at_ns / 1e9 <= heard[0] / rate


def test_a_recording_in_which_nothing_was_played_on_the_software_speaker(tmp_path):
    """That is said: one would look for the file."""
    program = 'asyncio.run(main(os.environ["EVI_HARNESS_URL"], nothing))'
    result, lines = recorded(tmp_path, program, mic=ROOT / "fixtures" / "speech" / "user-1.flac")
    assert [line.split(":")[0] for line in lines] == ["session 1", "note"]
    assert "heard.wav" in lines[-1]
    assert not (result.sessions[0].folder / "heard.wav").exists()


def test_an_app_on_uvloop_is_recorded_on_another_loop(tmp_path, monkeypatch):
    """On uvloop's own, names would lead past the proxy; it is said once, however many loops there are."""
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / "uvloop.py").write_text("raise ImportError('this is the real one')", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "packages"))
    monkeypatch.setenv("HUME_API_KEY", "none")
    program = """
import uvloop
uvloop.install()
assert isinstance(asyncio.new_event_loop(), asyncio.SelectorEventLoop)
asyncio.run(main("https://api.hume.ai", nothing))
"""
    result, lines = recorded(tmp_path, program)
    assert (result.exit_code, len(result.sessions)) == (0, 1)
    assert [line.split(":")[0] for line in lines] == ["warning", "session 1"]
    assert "uvloop" in lines[0]


def test_what_an_app_leaves_running_is_named(tmp_path, monkeypatch):
    """A process that has the connection when the app has ended: it is cut off, and the recording is not taken for whole."""
    monkeypatch.setattr(recording_command, "GRACE_S", 0.05)
    program = """
async def leaves(socket):
    if os.fork():
        os._exit(0)
    try:
        async for message in socket:
            pass
    finally:
        os._exit(0)
asyncio.run(main(os.environ["EVI_HARNESS_URL"], leaves))
"""
    result, _ = recorded(tmp_path, program)
    assert (result.code, result.has_left, result.exit_code) == (0, True, 3)
    assert "still connected" in "".join(result.lines())


@pytest.mark.parametrize("words", [("a-program-that-is-not-there",), (str(TYPED),), ("a\0b",)])
def test_what_cannot_be_run_is_told(words, tmp_path):
    """By the word that was given; nothing is left."""
    with pytest.raises(EviHarnessError, match="cannot be run"):
        record_command(CommandOptions(words, ProxyOptions(upstream="http://127.0.0.1:9", out=tmp_path / "out")), print)
    assert not (tmp_path / "out").exists()


def test_no_command_is_a_usage_error(tmp_path):
    """Before anything listens."""
    for words in ((), ("",)):
        with pytest.raises(UsageError):
            record_command(CommandOptions(words, ProxyOptions(out=tmp_path / "out")), print)


WHOLE = Relayed(1, 0, 0, 0, 0, None, None, None)
BROKEN = Relayed(1, 0, 0, 0, 0, None, None, "why")


@pytest.mark.parametrize(
    ("code", "ended_by", "sessions", "has_left", "exit_code"),
    [
        (0, None, (WHOLE,), False, 0),
        (0, None, (WHOLE, BROKEN), False, 3),
        (0, None, (), False, 3),
        (0, None, (WHOLE,), True, 3),
        (5, None, (), False, 5),
        (5, None, (BROKEN,), True, 5),
        (None, "SIGINT", (WHOLE,), False, 128 + signal.SIGINT),
    ],
)
def test_the_exit_code(code, ended_by, sessions, has_left, exit_code):
    """The app's own counts first."""
    assert CommandResult("app", code, ended_by, sessions, has_left).exit_code == exit_code


def test_a_terminal_tells_the_app_itself(monkeypatch):
    """Only who is in the foreground of one; where there is none, or another is, the signal is handed on."""
    monkeypatch.setattr(os, "open", lambda *_: (_ for _ in ()).throw(OSError()))
    assert recording_command._is_foreground() is False
