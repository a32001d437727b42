from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
import websockets

from evi_harness.cli import commands
from evi_harness.cli.main import main
from evi_harness.evi.dialect import EVI
from evi_harness.report.explaining.remedies import DEVIATION_REMEDIES
from evi_harness.session.events import TEXT, Frame
from evi_harness.session.expectation import Expectation
from evi_harness.storage.expected_file import write_expectation
from evi_harness.verdicts.loading import load_session

ROOT = Path(__file__).resolve().parents[2]
WEATHER = str(ROOT / "sessions" / "weather")
TYPED = str(ROOT / "sessions" / "typed")
PROGRAM = """
import sys
from evi_harness.cli import commands
from evi_harness.cli.main import main
commands._COMMANDS.setdefault("serve", "")
sys.exit(main(["serve", *sys.argv[1:]]))
"""

# Python itself is not to be interrupted, but what the command does.
BEGINS = """
from evi_harness.cli import failing
failing.have_streams = lambda: print("begins", flush=True)
"""


@pytest.fixture(autouse=True)
def _there(monkeypatch):
    """The command is there, listed or not yet."""
    monkeypatch.setitem(commands._COMMANDS, "serve", "")


async def hello(url):
    """Hear one message and leave."""
    async with websockets.connect(url.replace("http://", "ws://") + "/v0/evi/chat") as connection:
        await connection.recv()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, None], ids=["Ctrl+C", "SIGTERM", "SIGHUP", "once"])
def test_it_says_where_serves_and_ends_well(number):
    """The first line is there at once, on standard output alone, though that is a pipe; the end is told and is no failure."""
    words = [WEATHER] if number is not None else [WEATHER, "--once"]
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words], cwd=str(ROOT), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        first = process.stdout.readline()
        assert first.startswith("listening on http://127.0.0.1:")
        asyncio.run(hello(first.split()[-1]))
        told = [process.stdout.readline()]
        if number is not None:
            process.send_signal(number)
        # Not communicate: what was read ahead would be lost to it.
        out, err = process.stdout.read(), process.stderr.read()
        process.wait(60)
    # One conversation alone: the verdict on it is the exit code.
    assert (process.returncode, err) == (1 if number is None else 0, "")
    assert told[0].startswith("session 1: ")
    *found, verdict, last = out.splitlines()
    # Who leaves early is told, and fails nothing; what names a configuration is not compared.
    assert any(line.startswith("DEVIATION  closed_early: recorded #") for line in found)
    assert verdict.startswith("verdict    failed: ")
    assert re.match(r"served 1 session, 1 messages; .* p50 \d", last)
    assert last.endswith("; 0 of 1 passed")


async def converse(url, answer, stays=False):
    """Be the recorded user of the session that is typed, with another answer to the tool call, or None for none; then stay or leave."""
    recorded = load_session(TYPED)
    query = "&".join(f"{name}={value}" for name, value in recorded.handshake.query)
    async with websockets.connect(f"{url.replace('http://', 'ws://')}/v0/evi/chat?{query}") as connection:
        waits = asyncio.ensure_future(until_called(connection))
        await connection.send(next(event for event in recorded.sent if b"user_input" in event.frame.payload).frame.payload.decode())
        await waits
        response = next(event for event in recorded.sent if b"tool_response" in event.frame.payload).frame.payload
        if answer is not None:
            await connection.send(answer(response).decode())
        with suppress(websockets.exceptions.ConnectionClosed):
            # Behind the recorded app's close there is nothing to wait for.
            while (stays or answer is not None) and b"assistant_end" not in (await connection.recv()).encode():
                pass


async def until_called(connection):
    """Read until the tool is called."""
    while '"tool_call"' not in await connection.recv():
        pass


def served_to(answer, *words, stays=False):
    """Serve the session that is typed, as a shell starts it, to one app; gives exit code and lines."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "evi_harness", "serve", *words]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        url = process.stdout.readline().split()[-1]
        app = threading.Thread(target=lambda: asyncio.run(converse(url, answer, stays)))
        app.start()
        if stays:
            # What was awaited must be overdue when the server is interrupted: its own patience says so in the session that it keeps.
            wait_for_note(Path(words[-1]), b'"unmet"')
            process.send_signal(signal.SIGINT)
        out, err = process.stdout.read(), process.stderr.read()
        process.wait(60)
        app.join()
    assert err == ""
    return process.returncode, out.splitlines()


def wait_for_note(out, name):
    """Until the server has written a note of this name; a folder is out of sight until it is whole."""
    while not any(name in events.read_bytes() for events in out.glob("[!.]*/events.jsonl")):
        pass


def tells_what_is_missing(lines):
    """The four lines of a deviation: which message, what it answers, what hangs on it, and what to try."""
    place, what, consequences, remedy = lines
    assert place == "DEVIATION  missing: recorded #5 at 1.322 s"
    assert what.strip().startswith('tool response call_made_by_a_script: "{"location": "Bath", "sky": "rain", "celsius": 11}" ')
    assert what.endswith('tool call call_made_by_a_script: get_weather "{"location": "Bath"}" (#4)')
    assert re.match(" +3 recorded events ", consequences)
    assert re.search(r': assistant: "Take an umbrella\."; 0\.74 s .*\b1 message; end of .* \(#6 to #8\)$', consequences)
    assert remedy == f"             try: {DEVIATION_REMEDIES['missing'].to_try}"
    return True


def test_an_app_that_does_as_recorded_passes():
    """Its conversation is followed by the verdict."""
    code, lines = served_to(bytes, TYPED, "--once")
    assert (code, lines[1]) == (0, "verdict    passed")
    assert lines[2].endswith("; 1 of 1 passed")
    assert len(lines) == 3


def test_another_answer_is_told_and_fails():
    """In the words of a replay, and with its exit code; what is left out is not compared."""
    code, lines = served_to(lambda answer: answer.replace(b"11", b"12"), TYPED, "--once")
    assert code == 1
    assert re.match(r"DEVIATION +different: recorded #5 .*\b1\.322 s, .*\breplay #\d", lines[1])
    assert lines[3].strip().startswith("$.content: recorded '{")
    assert lines[4].startswith("next ")
    assert "--ignore 'tool_response:$.content'" in lines[4]
    assert lines[5] == "verdict    failed: 1 deviation"
    assert lines[6].endswith("; 0 of 1 passed")
    code, lines = served_to(lambda answer: answer.replace(b"11", b"12"), TYPED, "--once", "--ignore", "tool_response:$.content")
    assert (code, lines[1]) == (0, "verdict    passed")


def test_nobody_came_to_be_judged():
    """A server for one conversation that is ended before there was one: no verdict is no pass."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "evi_harness", "serve", TYPED, "--once"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        out, err = process.stdout.read(), process.stderr.read()
    assert (process.returncode, err) == (4, "")
    assert "; inconclusive: " in out


def test_an_unknown_path_is_one_line_on_standard_error():
    """Standard output is for what was served."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "evi_harness", "serve", TYPED]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        url = process.stdout.readline().split()[-1]
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{url}/chat?api_key=k")
        line = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.stdout.read(), process.stderr.read()
    assert re.match(r".*GET /chat; .*GET /v0/evi/chat \(WebSocket\), ", line)
    assert (process.returncode, err, len(out.splitlines())) == (0, "", 1)


def test_what_is_expected_is_what_is_compared_with(tmp_path):
    """A session with an expectation: what the recorded app sent is no longer what is expected, and is told so."""
    session = tmp_path / "typed"
    shutil.copytree(TYPED, session)
    expected = load_session(TYPED)
    answers = [replace(event, frame=Frame(TEXT, event.frame.payload.replace(b"11", b"12"))) for event in expected.sent]
    write_expectation(session, Expectation(expected.header.id, tuple(answers)), EVI)
    _, lines = served_to(bytes, str(session), "--once")
    assert re.match(r"DEVIATION +different: expected #5 .*\b1\.322 s, .*\breplay #\d", lines[1])
    _, lines = served_to(lambda answer: answer.replace(b"11", b"12"), str(session), "--once")
    assert lines[1] == "verdict    passed"


def test_an_app_that_still_waits_is_told_of_what_was_awaited(tmp_path):
    """Ctrl+C on the server: the answer did not come, and that the app went no further is not its fault."""
    # Long enough for what the app does send.
    words = (TYPED, "--patience", "3", "--out", str(tmp_path))
    code, lines = served_to(None, *words, stays=True)
    assert code == 0
    assert tells_what_is_missing(lines[1:5])
    assert lines[5].startswith("verdict    failed: 1 deviation, ")
    assert lines[6].endswith("; 0 of 1 passed")


def test_the_simulator_has_nothing_to_compare_with():
    """A line for the conversation, one for the end."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "evi_harness", "serve", "--simulate", "--once"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        asyncio.run(hello(process.stdout.readline().split()[-1]))
        out, err = process.stdout.read(), process.stderr.read()
    assert (process.returncode, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == ["session", "served"]
    assert "passed" not in out


def test_whoever_goes_on_pressing_gets_the_last_line():
    """Ctrl+C again and again until the process is gone: 0, and what was served."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    # As a shell starts it: how the process ends is a part of it.
    words = [sys.executable, "-m", "evi_harness", "serve", WEATHER]
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        asyncio.run(hello(process.stdout.readline().split()[-1]))
        stop = threading.Event()

        def press():
            while not stop.wait(0.02) and process.poll() is None:
                process.send_signal(signal.SIGINT)

        presser = threading.Thread(target=press)
        presser.start()
        out, err = process.stdout.read(), process.stderr.read()
        stop.set()
        presser.join()
        process.wait(60)
    assert (process.returncode, err) == (0, "")
    assert re.match(r"served 1 session, 1 messages; .* p50 \d", out.splitlines()[-1])


@pytest.mark.parametrize("words", [[WEATHER], ["--simulate"]], ids=["session", "simulator"])
def test_interrupted_before_it_listens(words):
    """At whatever moment of its beginning: 130, and nothing but that it was interrupted; or 0, where it listened by then."""
    for wait_s in (0, 0.1, 0.3):
        process = subprocess.Popen(
            [sys.executable, "-c", BEGINS + PROGRAM, *words], cwd=str(ROOT), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        with process:
            assert process.stdout.readline() == "begins\n"
            with suppress(subprocess.TimeoutExpired):
                process.wait(wait_s)
            process.send_signal(signal.SIGINT)
            out, err = process.stdout.read(), process.stderr.read()
        assert (process.returncode, err) == ((0, "") if "served" in out else (130, "interrupted\n"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a = [1\n", "not TOML"),
        (b"nonsense = 1\n", "nonsense .*not known.*: "),
        (b"[[turns]]\nsay = 'a'\n", "turns .*not known.*: "),
        (b"turn = 7\n", "turn"),
        (b"[[turn]]\nsay = 5\n", "turn 1"),
        (b"[[turn]]\nsay = { words = 'a' }\n", "words .*not known.*: "),
        (b"[[turn]]\nsay = { text = 'a', voice = 'gone.flac' }\n", "gone.flac"),
        (b"[[turn]]\nsay = { text = 'a', voice = 7 }\n", "turn 1"),
        (b"seed = 'x'\n", "seed is 'x'"),
        (b"latency = { response_ms = -1 }\n", "latency"),
        (b"x = " + b"[" * 5000 + b"]" * 5000, "nested too deeply"),
        (b"\xff\xfe", "not UTF-8 text"),
    ],
)
def test_a_bad_script_is_told(content, said, tmp_path, capsys):
    """With the file, the place in it and where the format is described; it could not run."""
    script = tmp_path / "script.toml"
    script.write_bytes(content)
    assert main(["serve", "--simulate", "--script", str(script)]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith((f"error: {script}", "error: script.toml"))
    assert re.search(said, err)
    assert "Traceback" not in err
    assert len(err.splitlines()) <= 2


def test_a_port_in_use_is_named(capsys):
    """It could not run."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["serve", WEATHER, "--port", str(port)]) == 3
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"error: port {port} on 127.0.0.1 is in use\n")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([WEATHER, "--host", "0.0.0.0"], 2, "loopback"),
        ([WEATHER, "--port", "65536"], 2, "--port"),
        ([WEATHER, "--port", "-1"], 2, "--port"),
        ([WEATHER, "--port", "http"], 2, "--port"),
        ([WEATHER, "--patience", "0"], 2, "--patience"),
        ([WEATHER, "--patience", "nan"], 2, "--patience: 'nan' "),
        ([WEATHER, "--patience", "inf"], 2, "--patience: 'inf' "),
        ([WEATHER, "--ignore", "content"], 2, "content"),
        (["--simulate", "--strict"], 2, "need SESSION"),
        (["--simulate", "--ignore", "$.a"], 2, "need SESSION"),
        ([WEATHER, "--simulate"], 2, "either SESSION or --simulate"),
        ([WEATHER, "--parrot"], 2, "need --simulate"),
        (["--simulate", "--script", "nowhere.toml"], 2, "nowhere.toml"),
        (["--simulate", "--script", str(ROOT)], 3, "this is a folder"),
        (["--simulate", "--script", str(ROOT / "README.md"), "--parrot"], 2, "--script and --parrot cannot"),
        ([WEATHER, "--dialect", "openai-realtime"], 2, "--dialect"),
        ([WEATHER, "--max-duration", "5"], 2, "--max-duration"),
        (["--simulate", "--max-duration", "0"], 2, "--max-duration"),
        (["--simulate", "--dialect", "esperanto"], 2, "openai-realtime"),
        ([], 2, "SESSION"),
        (["nowhere"], 2, "nowhere"),
        ([str(ROOT / "docs")], 3, "session.json"),
        ([WEATHER, "--out", str(ROOT / "README.md" / "x")], 3, "README.md"),
        ([WEATHER, "--out", "x" * 300], 3, "too long"),
    ],
)
def test_what_cannot_be_is_told(words, code, said, capsys):
    """In a sentence, with the code of its kind, before anything listens."""
    assert main(["serve", *words]) == code
    told = capsys.readouterr()
    assert told.out == ""
    assert said in told.err
    assert "Traceback" not in told.err


CLOSED_TO_OTHERS = b"POST /oauth2-cc/token HTTP/1.1\r\nHost: %s\r\nContent-Length: 0\r\n%s\r\n"


@pytest.mark.parametrize(
    ("words", "host", "origin", "status"),
    [
        ([], b"localhost", b"", b"200"),
        ([], b"localhost", b"Origin: https://page.example\r\n", b"403"),
        (["--allow-origin", "https://page.example"], b"localhost", b"Origin: https://page.example\r\n", b"200"),
        (["--allow-origin", "null"], b"localhost", b"Origin: null\r\n", b"200"),
        ([], b"host.docker.internal", b"", b"403"),
        (["--known-as", "host.docker.internal"], b"host.docker.internal", b"", b"200"),
    ],
)
def test_who_is_answered_can_be_said(words, host, origin, status):
    """By the options; a refusal is one line that names the option."""
    with shell(*words) as (port, process):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(CLOSED_TO_OTHERS % (host, origin))
            answer = connection.makefile("rb").read()
        process.send_signal(signal.SIGINT)
        told = process.stderr.read().splitlines()
    assert answer.split()[1] == status
    assert len(told) == (status == b"403")


@contextmanager
def shell(*words, what=TYPED, limit=None):
    """The server as a shell starts it, within a limit of the shell's; gives its port and process."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "evi_harness", "serve", what, *words]
    if limit is not None:
        command = ["sh", "-c", f'ulimit {limit} && exec "$@"', "sh", *command]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield int(process.stdout.readline().rpartition(":")[2]), process
        finally:
            process.send_signal(signal.SIGINT)


def test_no_descriptor_left_is_said_once():
    """However many connections wait for one; and they are taken once there are some."""
    with shell("--limit", "waiting=1000", limit="-n 64") as (port, process):
        crowd = [socket.create_connection(("127.0.0.1", port)) for _ in range(100)]
        assert "connection" in process.stderr.readline()
        for one in crowd:
            one.close()
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(CLOSED_TO_OTHERS % (b"localhost", b""))
            assert connection.makefile("rb").read().split()[1] == b"200"
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == ""


@pytest.mark.parametrize("words", [["--limit", "chats"], ["--limit", "x=1"], ["--allow-origin", "a/b"], ["--known-as", "a:1"]])
def test_what_cannot_be_meant_is_a_usage_error(words, capsys):
    """Before anything is served."""
    assert main(["serve", TYPED, *words]) == 2
    assert capsys.readouterr().err.startswith("error: ")


LEAKS = [
    b"GET /v0/evi/chat?api_key=SECRET\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"SECRET\r\n\r\n",
    b"GET /v0/evi/chat?api_key=SECRET HTTP/9\r\n\r\n",
    b"POST /oauth2-cc/token HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nSECRET\r\nSECRET",
    (
        b"GET /v0/evi/chat?api_key=SECRET HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: SECRET\r\nSec-WebSocket-Protocol: SECRET\r\n\r\n"
    ),
    (
        b"GET /v0/evi/chat?api_key=SECRET HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: SECRET\r\n\r\n\x81\x02hi"
    ),
]


def test_no_library_writes_what_clients_send():
    """Malformed requests, broken bodies, offers of protocols, frames that are not masked: not a word of them, nor a traceback."""
    with shell() as (port, process):
        for data in LEAKS:
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall(data)
                assert b"SECRET" not in connection.makefile("rb").read()
        process.send_signal(signal.SIGINT)
        out, err = process.stdout.read(), process.stderr.read()
    assert err == ""
    assert "SECRET" not in out
    assert " 1002" in out


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS limits no address space")
def test_a_sample_rate_of_one_takes_no_memory():
    """64 kB of it would be nine hours of sound, and gigabytes once they are resampled: the answer is EVI's error, and others are served."""

    async def tell(url):
        async with websockets.connect(url) as connection:
            audio = {"encoding": "linear16", "sample_rate": 1, "channels": 1}
            await connection.send(json.dumps({"type": "session_settings", "audio": audio}))
            await connection.send(b"\1\0" * 32_000)
            said = [json.loads(message) async for message in connection]
            return said, connection.close_code

    with shell(what="--simulate", limit="-v 3000000") as (port, process):
        url = f"ws://127.0.0.1:{port}/v0/evi/chat"
        said, code = asyncio.run(tell(url))
        asyncio.run(hello(f"http://127.0.0.1:{port}"))
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == ""
    assert [message.get("code") for message in said if message["type"] == "error"] == ["I0116"]
    assert code == 1000
