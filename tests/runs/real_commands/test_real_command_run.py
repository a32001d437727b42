"""Apps that a command starts, in real time: whatever they are written with, what crosses is judged as in virtual time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from evi_harness.acts.commanding import app_command
from evi_harness.acts.replay import replay_asked
from evi_harness.errors import CommandError, NotVirtual
from evi_harness.replay.player import Patience
from evi_harness.runs.real_commands import real_command_run
from evi_harness.runs.replay_options import REAL, ReplayOptions
from evi_harness.session.notes import APP_ENDED

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
TYPED = ROOT / "sessions" / "typed"
APP = str(ROOT / "fixtures" / "apps" / "typing_app.py")
# A program in which nothing of evi-harness runs, as one in another language; it finds the service by its environment.
STRANGER = [sys.executable, "-I", "-c"]
CHAT = """
import asyncio, json, os, sys, websockets

async def main(url):
    async with websockets.connect(url.replace("http", "ws", 1) + "/v0/evi/chat?config_id=00000000-0000-4000-8000-000000000003") as chat:
        async for frame in chat:
            message = json.loads(frame)
            if message["type"] == "chat_metadata":
                await asyncio.sleep(0.9)
                await chat.send(json.dumps({"type": "user_input", "text": "What's the weather in Bath?"}))
            if message["type"] == "tool_call":
                content = json.dumps({"location": "Bath", "sky": "rain", "celsius": 11})
                await chat.send(json.dumps({"type": "tool_response", "tool_call_id": message["tool_call_id"], "content": content}))
"""


def replayed(*words, session=TYPED, command=None, **options):
    """The result of a replay of the app, or of another command. Nobody waits for long for what does not come."""
    words = words if len(words) > 1 else (sys.executable, APP, *words)
    options.setdefault("patience", Patience(message_ns=2_000_000_000, close_ns=2_000_000_000))
    return replay_asked(session, ReplayOptions(handler=command or app_command(words), clock=REAL, **options))


def found(result):
    """What fails a replay, by kind."""
    return [finding.kind for finding in result.findings if finding.fails] + [one.kind for one in result.deviations]


def not_seen(result):
    """What was not seen, by kind."""
    return {one.kind for one in result.report.unseen}


@pytest.mark.parametrize("way", ["in_a_thread", "types", "aiohttp"])
def test_an_app_passes_whatever_it_connects_with(way):
    """Also one with its connection in a thread. It is interrupted when the recorded one closed, as by Ctrl+C."""
    result = replayed(way)
    assert found(result) == []
    assert result.exit_code == 0
    recorded, live = result.report.recorded, result.session
    assert [event.kind for event in live.events if event.kind != "note"] == [event.kind for event in recorded.events]
    (facts,) = [facts for _, facts in live.noted(APP_ENDED)]
    assert facts.signal == "SIGINT"
    assert {"app_real_time", "app_command"} <= not_seen(result)
    assert "app_not_python" not in not_seen(result)
    assert result.report.clock == REAL


def test_a_client_may_name_the_origin_of_the_service():
    """As websocket-client does, which takes it from the address."""
    program = """
import json, websockets.sync.client as client
with client.connect("wss://api.hume.ai/v0/evi/chat?config_id=00000000-0000-4000-8000-000000000003", origin="https://api.hume.ai") as chat:
    for frame in chat:
        message = json.loads(frame)
        if message["type"] == "chat_metadata":
            chat.send(json.dumps({"type": "user_input", "text": "What's the weather in Bath?"}))
        if message["type"] == "tool_call":
            content = json.dumps({"location": "Bath", "sky": "rain", "celsius": 11})
            chat.send(json.dumps({"type": "tool_response", "tool_call_id": message["tool_call_id"], "content": content}))
"""
    assert found(replayed(sys.executable, "-c", program)) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "way", ["good", "own_loops", "anyio", "becomes", "token_first", "started", "multiprocessing", "synchronous", "looks_back", "prints"]
)
def test_an_app_passes_however_it_is_started(way):
    """Whatever its loops and processes are."""
    assert found(replayed(way)) == []


# A server whose worker is the app: a program that it starts, or a fork of its own.
WORKERS = """
import os, runpy, signal, subprocess, sys, threading
over = threading.Event()
way = sys.argv.pop(1)
if way.startswith("forks"):
    worker = os.fork()
    if not worker:
        if way == "forks and dies":
            # As a worker of gunicorn's does in the end.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        runpy.run_path(sys.argv.pop(1), run_name="__main__")
else:
    worker = subprocess.Popen([sys.executable, *sys.argv[1:]]).pid
signal.signal(signal.SIGINT, lambda *_: over.set())
over.wait()
os.waitpid(worker, 0)
sys.exit(7)
"""


@pytest.mark.parametrize("way", ["starts", "forks", "forks and dies"])
def test_what_has_started_an_app_is_interrupted_too(way, monkeypatch):
    """As by Ctrl+C in a terminal: a server goes on without its worker, which tells what it saw, and ends by its own code."""
    monkeypatch.setattr(real_command_run, "BEHIND_APP_NS", 100_000_000)
    result = replayed(sys.executable, "-c", WORKERS, way, APP, "good")
    assert found(result) == []
    (facts,) = [facts for _, facts in result.session.noted(APP_ENDED)]
    assert (facts.exit_code, facts.signal) == (7, "")


@pytest.mark.parametrize(
    ("program", "words"),
    [('asyncio.run(main(os.environ["HUME_BASE_URL"]))', []), ("asyncio.run(main(sys.argv[1]))", ["{url}"])],
    ids=["environment", "words"],
)
def test_a_program_in_which_nothing_of_ours_runs(program, words):
    """It finds the service by its environment, or by a word of its command; what cannot be seen of it is told."""
    result = replayed(*STRANGER, CHAT + program, *words)
    assert found(result) == []
    assert {"app_not_python", "app_real_time"} <= not_seen(result)
    assert result.report.sdk == ""


@pytest.mark.parametrize(
    ("way", "kinds", "ended"),
    [
        ("wrong_id", ["different", "rejected"], "SIGINT"),
        ("leaves", ["closed_early"], 0),
        ("raises", ["raised"], 1),
        ("killed", ["crashed"], "SIGKILL"),
        ("connects_again", ["network", "raised"], 1),
        ("elsewhere", ["network"], "SIGINT"),
        pytest.param("token", ["network"], "SIGINT", marks=pytest.mark.slow),
        pytest.param("exits", ["closed_early"], 7, marks=pytest.mark.slow),
        pytest.param("no_answer", ["missing"], "SIGINT", marks=pytest.mark.slow),
        pytest.param("started_twice", ["network"], 0, marks=pytest.mark.slow),
    ],
)
def test_what_is_wrong_with_an_app_is_found(way, kinds, ended):
    """As far as it shows on the wire, in how the app ends, in what nobody handles, and in what it reaches; never a pass."""
    result = replayed(way)
    assert sorted(found(result)) == kinds
    assert result.exit_code == 1
    (facts,) = [facts for _, facts in result.session.noted(APP_ENDED)]
    assert (facts.signal or facts.exit_code) == ended


@pytest.mark.parametrize("where", ["thread", "task"])
def test_what_ends_a_thread_or_a_task_is_found(where, tmp_path):
    """If nothing handles it."""
    app = tmp_path / "app.py"
    app.write_text(
        f"""
import asyncio, gc, sys, threading
sys.path.insert(0, {str(ROOT / "fixtures" / "apps")!r})
import typing_app

def fails():
    raise LookupError("on its own")

async def fails_later():
    fails()

async def main():
    if sys.argv[1] == "thread":
        threading.Thread(target=fails).start()
    else:
        task = asyncio.ensure_future(fails_later())
        await asyncio.wait([task])
        del task
        gc.collect()
    await typing_app.main()

asyncio.run(main())
""",
        encoding="utf-8",
    )
    result = replayed(sys.executable, str(app), where)
    assert found(result) == ["swallowed"]
    (finding,) = [one for one in result.findings if one.kind == "swallowed"]
    assert finding.places[0].function == "fails"


def test_an_app_that_does_not_return_is_ended(monkeypatch):
    """By SIGINT, then by SIGTERM; each is told."""
    monkeypatch.setattr(real_command_run, "AFTERMATH_NS", 200_000_000)
    monkeypatch.setattr(real_command_run, "GRACE_NS", 200_000_000)
    result = replayed("deaf")
    assert sorted(found(result)) == ["never_returns", "never_returns"]
    (facts,) = [facts for _, facts in result.session.noted(APP_ENDED)]
    assert facts.signal == "SIGTERM"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["fails"], "never connected"),
        ([sys.executable, "-c", "import threading; threading.Event().wait()"], "within 1 s"),
        (["no-such-command-anywhere", "x"], "cannot start"),
    ],
    ids=["crashes", "waits", "is not there"],
)
def test_what_was_no_replay_is_an_error(words, why):
    """Never a pass: the exit code is 3, and the reason is told."""
    with pytest.raises(CommandError, match=why) as caught:
        replayed(*words, timeout_s=1.0 if "within" in why else 60.0)
    assert caught.value.exit_code == 3


def test_an_app_that_goes_on_behind_its_command_is_ended(tmp_path, wait_for_end):
    """A daemon: it is named, and nothing of it is left."""
    told = tmp_path / "process"
    with pytest.raises(CommandError, match="daemon"):
        replayed(sys.executable, APP, "daemonises", str(told))
    wait_for_end(int(told.read_text(encoding="utf-8")))


def test_what_an_app_does_not_play_is_heard(tmp_path, monkeypatch):
    """Of an app of the SDK's own microphone and player, which drops what it receives; one that plays it passes, and is heard."""
    monkeypatch.setenv("HUME_API_KEY", "none")
    good = ROOT / "fixtures" / "apps" / "current_quickstart.py"
    app = tmp_path / "mute.py"
    source = good.read_text(encoding="utf-8")
    app.write_text(source.replace("await stream.put(base64.b64decode(event.data))", "pass"), encoding="utf-8")
    for path, kinds in ((app, ["plays_nothing"]), (good, [])):
        result = replayed(sys.executable, str(path), session=ROOT / "sessions" / "weather")
        assert found(result) == kinds
        assert result.heard is not None
        assert bool(sum(one.n_heard for one in result.heard.playbacks)) == (path == good)
        assert result.report.sdk


@pytest.mark.parametrize(
    ("words", "clock"),
    [
        ((sys.executable, APP, "good"), "virtual"),
        ((sys.executable, APP, "synchronous"), "real"),
        ((*STRANGER, CHAT + 'asyncio.run(main(os.environ["HUME_BASE_URL"]))'), "real"),
    ],
    ids=["virtual", "a blocking client", "not Python"],
)
def test_what_virtual_time_does_not_carry_is_run_again_in_real_time(words, clock):
    """If that is asked for; the reason is told at once, and in the report."""
    told = []
    options = ReplayOptions(handler=app_command(words), clock="auto")
    result = replay_asked(TYPED, options, write=told.append)
    assert found(result) == []
    assert (result.report.clock, result.session.header.source["clock"]) == (clock, clock)
    assert len(told) == (clock == "real")
    reasons = [one.what for one in result.report.unseen if one.kind == "app_real_time"]
    assert [told[0][len("note: ") :].startswith(reason.partition(", so")[0]) for reason in reasons] == [True] * len(told)


def test_what_neither_clock_carries_is_an_error():
    """A command that crashes is run once, and one that is not there not at all."""
    for words in ((sys.executable, APP, "fails"), ("no-such-command-anywhere", "x")):
        with pytest.raises(CommandError) as caught:
            replay_asked(TYPED, ReplayOptions(handler=app_command(words), clock="auto"))
        assert not isinstance(caught.value, NotVirtual)


def test_an_interrupt_ends_both(tmp_path):
    """Ctrl+C at the terminal: the exit code is 130, and the app is gone."""
    app = tmp_path / "app.py"
    app.write_text("import os, sys, time\nprint(os.getpid(), flush=True)\nwhile True:\n    time.sleep(0.01)\n")
    command = [sys.executable, "-m", "evi_harness", "replay", str(TYPED), "--clock", "real", "--", sys.executable, str(app)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    running = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True
    )
    assert running.stdout is not None
    with running:
        pid = int(running.stdout.readline())
        os.killpg(running.pid, signal.SIGINT)
        assert running.wait() == 130
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_what_the_app_meets_besides_the_service(tmp_path, capsys):
    """Chance and the time of day are set, as in virtual time; a host that is allowed is reached, and that is told."""
    app = tmp_path / "app.py"
    app.write_text(
        f"""
import asyncio, datetime, random, socket, sys
sys.path.insert(0, {str(ROOT / "fixtures" / "apps")!r})
import typing_app

try:
    socket.create_connection(("127.0.0.1", 9), 1).close()
except OSError:
    pass
print("met", random.random(), flush=True)

async def main():
    import websockets
    async with websockets.connect(typing_app.URL) as chat:
        print("day", datetime.datetime.now(datetime.timezone.utc).date(), flush=True)
        await typing_app.converse(chat)

asyncio.run(main())
""",
        encoding="utf-8",
    )
    result = replayed(sys.executable, str(app), seed=7, wall_clock="recorded", allow_hosts=("127.0.0.1:9",))
    assert found(result) == []
    assert "peer" in not_seen(result)
    created = result.report.recorded.header.created[:10]
    out = capsys.readouterr().out.splitlines()
    assert out == ["met 0.32383276483316237", f"day {created}"]
