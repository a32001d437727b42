"""Tests of ``record``: the command in a process of its own, against a simulator in another; signals, terminals, exit codes."""

from __future__ import annotations

import os
import pty
import re
import select
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import wave
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest
from carrier_duties import ScriptedService
from thread_server import serving_in_thread

from evi_harness.acts import record_live
from evi_harness.acts.serve.serving import ServeOptions, play, served
from evi_harness.acts.serve.simulating import Simulation
from evi_harness.acts.sessions import check_session
from evi_harness.cli.main import main
from evi_harness.session.wav import Pcm, header
from evi_harness.simulate.simulator_options import Options
from evi_harness.simulate.turn_detection import TurnDetection
from evi_harness.verdicts.loading import load_session

pytestmark = pytest.mark.usefixtures("no_environment")

ROOT = Path(__file__).resolve().parents[2]
KEY = "Kq7ApiKeyOfThisRun0123456789"
SECRET = "Zw3SecretKeyOfThisRun987654"
MIC = str(ROOT / "fixtures" / "speech" / "user-1.flac")
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f\x80-\x9f]")


@pytest.fixture(scope="module")
def url():
    """A simulator in another process."""
    with served(Simulation(options=Options(detection=TurnDetection(end_of_turn_silence_ms=500)))) as server:
        yield server.url


def command(*words):
    """The command's words."""
    return [sys.executable, "-m", "evi_harness", "record", *words]


@pytest.fixture
def start(patient_speech):
    """Starts the command; its output comes as it is printed, and it goes on for as long as a test needs it."""

    def started(url, *words):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        words = command("--mic", patient_speech, "--base-url", url, *words)
        return subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return started


def until(process, said):
    """Read lines until one begins with a word; gives them all."""
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith(said):
            break
    return lines


def only_folder(out):
    """The one session folder in a folder of sessions."""
    (folder,) = out.iterdir()
    return folder


def test_from_beginning_to_end(start, url, tmp_path):
    """Exit 0; how it ended and where it is on standard output, nothing on standard error, no control character anywhere."""
    with start(url, "--name", "a question", "--duration", "0.5") as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert not CONTROL.search(out)
    folder = only_folder(tmp_path / "sessions")
    assert folder.name.endswith("Z-a-question")
    lines = out.splitlines()
    assert lines[0] == "connected"
    assert lines[-2] == "ended: --duration has elapsed"
    place = f"sessions/{folder.name}"
    assert re.fullmatch(rf"session: {place} \(\d+\.\d s, \d+ events\); replay it: \S.* replay {place}", lines[-1])
    assert check_session(folder) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("connected", signal.SIGINT),
        ("connected", signal.SIGTERM),
        ("connected", signal.SIGHUP),
        ("Configuring", signal.SIGINT),
        ("Microphone connected", signal.SIGINT),
        ("user: ", signal.SIGINT),
    ],
)
def test_a_signal_ends_it_well(start, url, tmp_path, moment, number):
    """At whatever moment of a conversation: exit 0, no traceback, a complete folder, closed by the app with 1000."""
    with start(url) as process:
        begun = until(process, moment)
        process.send_signal(number)
        out, err = process.stdout.read(), process.stderr.read()
    assert (process.returncode, err) == (0, "")
    assert "ended: interrupted\n" in out
    # The three strongest emotions behind what was said.
    assert moment != "user: " or begun[-1].count(" 0.") == 3
    assert not CONTROL.search("".join(begun) + out)
    folder = only_folder(tmp_path / "sessions")
    session = load_session(folder)
    assert check_session(folder) == []
    assert session.header.complete
    assert (session.closed.by, session.closed.code) == ("app", 1000)
    assert folder.name in out.splitlines()[-1]


def test_two_signals_at_once_lose_nothing(start, url, tmp_path):
    """Who is impatient gets the same folder."""
    with start(url) as process:
        until(process, "Microphone")
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        out, err = process.stdout.read(), process.stderr.read()
    assert (process.returncode, err) == (0, "")
    assert "replay it" in out
    assert check_session(only_folder(tmp_path / "sessions")) == []


def test_a_handler_that_blocks_is_interrupted(start, url, tmp_path):
    """The first signal cannot be heard by a loop that is blocked; the second interrupts it, and the session is complete."""
    (tmp_path / "app.py").write_text(
        "import time\ndef on_message(message):\n    print('blocking', flush=True)\n    while True:\n        time.sleep(0.01)\n"
    )
    with start(url, "--handler", "app.py:on_message") as process:
        until(process, "blocking")
        # Two of a kind that come at once, as where the process was stopped meanwhile, are one to it.
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        out, err = process.stdout.read(), process.stderr.read()
    assert (process.returncode, err) == (0, "")
    assert "ended: interrupted" in out
    assert load_session(only_folder(tmp_path / "sessions")).header.complete


@pytest.mark.parametrize("has_asked", [False, True], ids=["connected", "in the handshake"])
def test_interrupted_before_there_is_a_connection(start, has_asked, tmp_path):
    """There is nothing to end and nothing to keep: 130, and no folder."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with start(f"http://127.0.0.1:{silent.getsockname()[1]}") as process:
            # It has connected, and waits for an answer that never comes.
            connection, _ = silent.accept()
            with connection:
                assert not has_asked or connection.recv(4096).startswith(b"GET /v0/evi/chat")
                process.send_signal(signal.SIGINT)
                out, err = process.stdout.read(), process.stderr.read()
    assert (process.returncode, out, err) == (130, "", "interrupted\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["connected", "user: "])
def test_killed(start, url, tmp_path, moment):
    """kill -9: the folder opens, everything in it is read, and it says that it is not complete."""
    with start(url) as process:
        until(process, moment)
        folder = wait_for_events(tmp_path / "sessions")
        process.kill()
        process.wait(60)
    session = load_session(folder)
    assert not session.header.complete
    assert session.events[0].kind == "opened"
    assert any("complete" in str(problem) for problem in check_session(folder))


def wait_for_events(out):
    """The session folder, once something is in it: it is made moments after the opening, out of sight until it is whole."""
    hangs_s = time.monotonic() + 120
    while time.monotonic() < hangs_s:
        for events in out.glob("[!.]*/events.jsonl"):
            if events.stat().st_size:
                return events.parent
        time.sleep(0.001)
    raise AssertionError("no folder was made")


# A time that has passed, beside a level that is not silence.
INDICATOR = re.compile("\r\x1b\\[K● (?!0:00)\\d+:\\d\\d ▁▂▃(?:▄|▅|▆|▇|█| ){5} Ctrl\\+C ends".encode())


def test_a_terminal_has_an_indicator(url, tmp_path):
    """On a terminal a line shows time and level; what is printed stands on lines of its own, and the last line is clean."""
    # Loud for longer than any machine takes to draw it: what is short may be over before it has been drawn once.
    with wave.open(str(tmp_path / "loud.wav"), "wb") as file:
        file.setparams((1, 2, 48_000, 0, "NONE", ""))
        file.writeframes(struct.pack("<hh", 9000, -9000) * 24_000 * 120)
    parent, child = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    words = command("--mic", str(tmp_path / "loud.wav"), "--base-url", url)
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=child, stderr=child, env=environment) as process:
        os.close(child)
        begun = read_terminal(parent, until=INDICATOR)
        process.send_signal(signal.SIGINT)
        shown = (begun + read_terminal(parent)).decode()
        os.close(parent)
    assert process.returncode == 0
    assert INDICATOR.search(begun)
    screen = [line.rsplit("\r\x1b[K", 1)[-1].rstrip("\r") for line in shown.split("\n")]
    assert any(re.fullmatch(r"[A-Z][\w .]* Say something!", line) for line in screen)
    # The command behind it may stand on a line of its own, as wide as the terminal is.
    assert any(line.startswith("session: sessions/") for line in screen[-3:])
    assert not any("●" in line for line in screen)


IN_A_TERMINAL_OF_ITS_OWN = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.mark.parametrize("unbuffered", [{}, {"PYTHONUNBUFFERED": "1"}], ids=["with buffers", "without"])
def test_a_terminal_that_is_closed_loses_nothing(url, tmp_path, patient_speech, unbuffered):
    """The session is complete, closed by the app, though nobody reads any more what is printed."""
    parent, child = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", **unbuffered}
    words = [sys.executable, "-c", IN_A_TERMINAL_OF_ITS_OWN, *command("--mic", patient_speech, "--base-url", url)]
    with subprocess.Popen(words, stdin=child, stdout=child, stderr=child, env=environment) as process:
        os.close(child)
        shown = b""
        while b"user: " not in shown:
            shown += os.read(parent, 65536)
        os.close(parent)
    session = load_session(only_folder(tmp_path / "sessions"))
    assert check_session(only_folder(tmp_path / "sessions")) == []
    assert (session.closed.by, session.closed.code) == ("app", 1000)
    # The last line could not be written.
    assert process.returncode == 3


def test_a_folder_that_is_deleted_meanwhile_is_told(start, url, tmp_path):
    """The conversation goes on to its end; an error says that there is no session, and the code is 3."""
    with start(url) as process:
        until(process, "connected")
        folder = wait_for_events(tmp_path / "sessions")
        while folder.exists():
            # It is being written into.
            shutil.rmtree(folder, ignore_errors=True)
        # Noticed while the conversation goes on, and not at its end.
        warning = process.stderr.readline()
        assert until(process, "user: ")[-1].startswith("user: ")
        process.send_signal(signal.SIGINT)
        out, err = process.stdout.read(), process.stderr.read()
    assert process.returncode == 3
    assert out.splitlines()[-1] == "closed"
    (error,) = [line for line in err.splitlines() if "deleted" in line]
    assert ("deleted" in warning, warning.startswith("error: "), error.startswith("error: sessions: ")) == (True, False, True)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_moved_meanwhile_is_named_where_it_is(start, url, tmp_path):
    """The last line has the place where the complete session is."""
    with start(url) as process:
        until(process, "connected")
        wait_for_events(tmp_path / "sessions").rename(tmp_path / "mine")
        warning = process.stderr.readline()
        until(process, "user: ")
        process.send_signal(signal.SIGINT)
        out, err = process.stdout.read(), process.stderr.read()
    assert (process.returncode, err) == (0, "")
    assert str(tmp_path / "mine") in warning
    assert re.match(r"session: mine \(.*; replay it: \S.* replay mine$", out.splitlines()[-1])
    assert check_session(tmp_path / "mine") == []


def read_terminal(parent, until=None):
    """All bytes that a terminal shows until a pattern is in them, or nobody writes to it any more."""
    shown = b""
    while select.select([parent], [], [], 60)[0]:
        try:
            part = os.read(parent, 65536)
        except OSError:
            # Linux says so where others give an empty read.
            break
        shown += part
        if not part or (until is not None and until.search(shown)):
            break
    return shown


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--mic", "nowhere.wav"], 2, "nowhere.wav"),
        (["--duration", "0"], 2, "--duration"),
        (["--duration", "nan"], 2, "--duration: 'nan' "),
        (["--duration", "inf"], 2, "--duration: 'inf' "),
        (["--mic", ".", "--base-url", "http://127.0.0.1:1"], 2, "a folder"),
        (["--mic", __file__, "--base-url", "http://127.0.0.1:1"], 2, "as audio"),
        (["--mic", MIC, "--base-url", "http://127.0.0.1:1", "--out", MIC], 2, "is a file"),
        (["--mic", MIC, "--base-url", "http://127.0.0.1:1", "--name", "a/b"], 2, "slash"),
        (["--mic", MIC, "--base-url", "http://127.0.0.1:1", "--name", "x" * 101], 2, "101 characters"),
        (["--mic", MIC, "--base-url", "http://127.0.0.1:1", "--name", "..."], 2, "invalid value for --name: "),
        (["--mic", MIC, "--base-url", "http://127.0.0.1:1", "--out", "x" * 300], 3, "too long"),
        (["--mic", MIC, "--base-url", "ftp://x"], 2, "ftp"),
        (["--mic", MIC, "--html", str(Path(MIC).parent), "--base-url", "http://127.0.0.1:1"], 2, "--html"),
        (["--mic", MIC, "--device", "1", "--base-url", "http://127.0.0.1:1"], 2, "--device"),
        (["--mic", MIC, "--handler", "app", "--base-url", "http://127.0.0.1:1"], 2, "FILE.py:NAME"),
        (["--mic", MIC, "--handler", "app.py:x", "--base-url", "http://127.0.0.1:1"], 3, "app.py is not there"),
        (["--mic", MIC, "--handler", "recorded", "--base-url", "http://127.0.0.1:1"], 2, "plays a recording"),
        (["--mic", MIC, "--arg", "place=Bath", "--base-url", "http://127.0.0.1:1"], 2, "--handler"),
        (["--mic", MIC, "--arg", "place", "--base-url", "http://127.0.0.1:1"], 2, "is not NAME=VALUE"),
        (["--mic", MIC, "--base-url", "http://127.0.0.1:1"], 3, "nothing listens there"),
        (["--mic", MIC], 3, "HUME_API_KEY"),
        (["--dialect", "openai-realtime"], 2, "--dialect"),
        (["--dialect", "esperanto", "--", "python"], 2, "openai-realtime"),
        (["--mic", MIC, "--out", f"{MIC}/x", "--base-url", "http://127.0.0.1:1"], 3, "user-1.flac"),
    ],
)
def test_what_cannot_be_is_told(words, code, said, capsys, tmp_path):
    """In one message, with the code of its kind, and nothing is left behind."""
    assert main(["record", *words]) == code
    told = capsys.readouterr()
    assert told.out == ""
    assert said in told.err
    assert "Traceback" not in told.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"RIFF", b"RIFF\x24\0\0\0WAVEfmt ", b"\0" * 5000, b"fLaC" + b"\xff" * 99])
def test_a_file_that_is_no_audio_is_told(content, capfd, tmp_path):
    """Before anything is connected, and whatever it is called."""
    (tmp_path / "mic.wav").write_bytes(content)
    assert main(["record", "--mic", "mic.wav", "--base-url", "http://127.0.0.1:1"]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert re.match(r"error: mic\.wav .*\bread\b", err)
    assert err.endswith("OGG or MP3.\n")
    assert [path.name for path in tmp_path.iterdir()] == ["mic.wav"]


def test_a_file_without_audio_is_told_before_anything_is_connected(url, capfd, tmp_path):
    """A WAV with a header and no sample: a usage error with what it is, though the endpoint is there; nothing is recorded."""
    with wave.open(str(tmp_path / "mic.wav"), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
    assert main(["record", "--mic", "mic.wav", "--base-url", url]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert re.match(r"error: mic\.wav .*\bno audio\b.* WAV, 16000 Hz, 1 channel", err)
    assert [path.name for path in tmp_path.iterdir()] == ["mic.wav"]


def test_a_file_shorter_than_a_block_is_recorded(url, tmp_path):
    """One sample, with the silence that fills up its block: an ordinary session."""
    with wave.open(str(tmp_path / "mic.wav"), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(b"\1\0")
    assert main(["record", "--mic", "mic.wav", "--base-url", url, "--duration", "0.5", "--html", "page.html"]) == 0
    assert "<title>" in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert check_session(only_folder(tmp_path / "sessions")) == []


def test_a_file_whose_recorder_was_killed_is_played_to_its_end(url, tmp_path, monkeypatch):
    """Its header says that it holds nothing; what the microphone sent begins with all of its samples."""
    samples = b"".join((1 + place % 999).to_bytes(2, "little") for place in range(8000))
    (tmp_path / "mic.wav").write_bytes(header(Pcm(16000, 1), 0) + samples)
    monkeypatch.setattr(record_live, "QUIET_S", 0.2)
    monkeypatch.setattr(record_live, "PATIENCE_S", 0.2)
    assert main(["record", "--mic", "mic.wav", "--base-url", url]) == 0
    session = load_session(only_folder(tmp_path / "sessions"))
    assert b"".join(event.frame.payload for event in session.sent if not event.frame.is_text).startswith(samples)


@contextmanager
def answering(respond):
    """A server on loopback, in a thread, that reads a request and does as it is told with the connection; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection, suppress(OSError):
                    connection.recv(65536)
                    respond(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            # What wakes a thread that accepts.
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def status(number, more=b""):
    """Answers every request so."""
    answer = b"HTTP/1.1 %d Whatever\r\nContent-Length: 1\r\nConnection: close\r\n%s\r\nx" % (number, more)
    return lambda connection: connection.sendall(answer)


ELSEWHERE = b"Location: http://127.0.0.1:1/v0/evi/chat\r\n"


@pytest.mark.parametrize(
    ("scheme", "respond", "said"),
    [
        ("http", status(200), "refused .* status 200: .*plain HTTP server"),
        ("http", status(501), "refused .* status 501: .*plain HTTP server"),
        (
            "http",
            lambda connection: connection.sendall(b"HTTP/1.0 404 Not Found\r\n\r\n"),
            "plain HTTP server: .*HTTP/1\\.0",
        ),
        ("http", status(302, ELSEWHERE), "redirects"),
        ("ws", status(401), "refused .* status 401: .*missing or wrong"),
        ("http", status(403), "refused .* status 403: .*not allowed"),
        ("http", status(404), "refused .* status 404: .*no such path"),
        ("http", status(429), "refused .* status 429: Too many"),
        ("http", status(500), "refused .* status 500: "),
        ("http", lambda connection: connection.sendall(b"SSH-2.0-nobody\r\n\r\n"), "cannot be reached: .*as HTTP"),
        ("http", lambda connection: None, "cannot be reached: .*without an answer"),
        ("https", lambda connection: connection.sendall(b"HTTP/1.1 400 Bad\r\n\r\n"), "cannot be reached: TLS failed"),
        ("wss", lambda connection: connection.sendall(b"HTTP/1.1 400 Bad\r\n\r\n"), "http or ws"),
    ],
    ids=[
        "200",
        "501",
        "HTTP/1.0",
        "302",
        "401",
        "403",
        "404",
        "429",
        "500",
        "no HTTP",
        "hangs up",
        "TLS to a plain port",
        "wss to a plain port",
    ],
)
def test_an_endpoint_that_is_no_evi_is_told(scheme, respond, said, capsys, tmp_path):
    """By what it does: one error with the address and a way on; 3, and nothing is left behind."""
    with answering(respond) as port:
        assert main(["record", "--mic", MIC, "--base-url", f"{scheme}://127.0.0.1:{port}"]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: {scheme.replace('ws', 'http')}://127.0.0.1:{port} ")
    assert re.search(said, err)
    assert len(err.splitlines()) == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [200, 302, 401, 404, 500])
def test_a_token_that_is_not_given_is_told(number, capsys, monkeypatch, tmp_path):
    """With a secret key the token is asked for first; neither key is quoted, and a redirect to elsewhere is not followed."""
    if version("hume") < "0.13":
        pytest.skip("the installed SDK gets the token itself")
    monkeypatch.setenv("HUME_API_KEY", KEY)
    monkeypatch.setenv("HUME_SECRET_KEY", SECRET)
    with answering(status(number, ELSEWHERE)) as port:
        assert main(["record", "--mic", MIC, "--base-url", f"http://127.0.0.1:{port}"]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    said = {200: "answered with no JSON", 302: "redirects an access token to another origin"}.get(number, f"with status {number}")
    assert said in err
    assert KEY not in err
    assert SECRET not in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("key", "secret", "said"),
    [
        (KEY, "", None),
        (KEY, SECRET, None),
        ("WrongKey0123456789", "", " status 401"),
        (KEY, "WrongSecret0123456789", "401"),
        ("WrongKey0123456789", SECRET, "401"),
    ],
    ids=["key", "key and secret", "wrong key", "wrong secret", "wrong key and a secret"],
)
def test_keys_are_right_or_told(key, secret, said, capsys, monkeypatch, tmp_path):
    """Against ``serve --require-key`` in another process: the right ones record, wrong ones are told, by the variables' names."""
    for name, value in {"HUME_API_KEY": KEY, "HUME_SECRET_KEY": SECRET}.items():
        monkeypatch.setenv(name, value)
    # It asks for the keys when it is made.
    server = served(ScriptedService(), ServeOptions(require_key=True))
    for name, value in {"HUME_API_KEY": key, "HUME_SECRET_KEY": secret}.items():
        monkeypatch.setenv(name, value)
    with server:
        code = main(["record", "--mic", MIC, "--base-url", server.url, "--duration", "0.2"])
        n_sessions = len(server.sessions)
    out, err = capsys.readouterr()
    if said is None:
        assert (code, err, n_sessions) == (0, "", 1)
        assert "replay it" in out
        return
    assert (code, out, n_sessions) == (3, "", 0)
    assert said in err
    if version("hume") >= "0.13":
        assert "HUME_API_KEY" in err
    assert not any(one in err for one in (KEY, SECRET, "WrongKey", "WrongSecret"))
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def no_network(monkeypatch):
    """Names are looked up here: every host but this machine is told by a function, so that no test asks anybody."""
    look_up = socket.getaddrinfo

    def only(answer):
        def getaddrinfo(host, port, *args, **kwargs):
            if host in ("127.0.0.1", b"127.0.0.1", None):
                return look_up(host, port, *args, **kwargs)
            return answer(look_up, *args, **kwargs)

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    return only


def nowhere(*_, **__):
    """What a name that is none is answered with."""
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def closed_port(look_up, *args, **kwargs):
    """An address on which nothing listens."""
    return look_up("127.0.0.1", 1, *args, **kwargs)


@pytest.mark.parametrize("secret", ["", SECRET], ids=["key", "token"])
@pytest.mark.parametrize(("answer", "reason"), [(closed_port, "listens there"), (nowhere, "resolved")])
def test_the_end_of_humes_access_is_explained(answer, reason, secret, no_network, capsys, monkeypatch, tmp_path):
    """Without --base-url it is Hume's own: that it is gone, and both ways on."""
    if version("hume") < "0.13" and secret:
        pytest.skip("the installed SDK gets the token itself")
    no_network(answer)
    monkeypatch.setenv("HUME_API_KEY", KEY)
    monkeypatch.setenv("HUME_SECRET_KEY", secret)
    assert main(["record", "--mic", MIC]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    what = err.splitlines()[0]
    assert what.startswith("error: https://api.hume.ai ")
    assert what.endswith(reason)
    for way in ("13 November 2026", "--base-url", "evi-harness serve --simulate"):
        assert way in err
    assert KEY not in err
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_none_is_told(no_network, capsys, monkeypatch):
    """Elsewhere than at Hume's nothing is said of Hume."""
    no_network(nowhere)
    monkeypatch.setenv("HUME_API_KEY", KEY)
    assert main(["record", "--mic", MIC, "--base-url", "wss://nobody.invalid/v0/evi/chat"]) == 3
    err = capsys.readouterr().err
    what = err.splitlines()[0]
    assert what.startswith("error: https://nobody.invalid ")
    assert what.endswith("resolved")
    assert "November" not in err


class PortAudioError(Exception): ...


def sound(*rows, default=None):
    """What stands in for sounddevice: (name, channels in, channels out)."""
    infos = [
        {"name": name, "index": index, "hostapi": 0, "max_input_channels": n_in, "max_output_channels": n_out}
        for index, (name, n_in, n_out) in enumerate(rows)
    ]

    def query_devices(device=None, kind=None):
        if kind is None:
            return tuple(infos)
        if default is None:
            raise PortAudioError("Error querying device -1")
        return infos[default]

    return SimpleNamespace(PortAudioError=PortAudioError, query_devices=query_devices, query_hostapis=lambda: ({"name": "ALSA"},))


TWO_MICROPHONES = (("USB Microphone", 1, 0), ("Desk Microphone", 1, 0), ("Speakers", 0, 2))


@pytest.mark.parametrize(
    ("devices", "words", "code", "said"),
    [
        (sound(), [], 3, "no microphone"),
        (sound(("Speakers", 0, 2)), [], 3, "no microphone"),
        (sound(("Speakers", 0, 2)), ["--device", "0"], 3, "no microphone"),
        (sound(("Microphone", 1, 0)), [], 3, "no speaker"),
        (sound(*TWO_MICROPHONES), [], 3, "no microphone is"),
        (sound(*TWO_MICROPHONES), ["--device", "99"], 2, "no input device '99'"),
        (sound(*TWO_MICROPHONES), ["--device", "-1"], 2, "no input device '-1'"),
        (sound(*TWO_MICROPHONES), ["--device", "kitchen"], 2, "no input device 'kitchen'"),
        (sound(*TWO_MICROPHONES), ["--device", ""], 2, "no input device ''"),
        (sound(*TWO_MICROPHONES), ["--device", "microphone"], 2, "2 input devices "),
        (sound(*TWO_MICROPHONES), ["--device", "2"], 2, "device 2, Speakers, has no input"),
        (sound(*TWO_MICROPHONES), ["--device", "usb"], 3, "nothing listens there"),
    ],
)
def test_a_device_that_cannot_be_meant_is_told(devices, words, code, said, capsys, monkeypatch, tmp_path):
    """Before anything is connected, with what there is, or with the command that lists it; the right one goes on to connect."""
    monkeypatch.setitem(sys.modules, "sounddevice", devices)
    assert main(["record", "--base-url", "http://127.0.0.1:1", *words]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert said in err
    assert "USB Microphone" in err or said == "nothing listens there" or "evi-harness devices" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["record", "devices"])
@pytest.mark.parametrize(
    ("raised", "said"),
    [
        ("OSError('PortAudio library not found')", "sudo apt-get install libportaudio2"),
        ("ImportError('gone')", "pip install 'hume[microphone]'"),
    ],
)
def test_missing_sound_is_told_with_what_brings_it(command, raised, said, capsys, monkeypatch, tmp_path):
    """The system's library and the package, each with its own command; and that a file needs neither."""
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "sounddevice.py").write_text(f"raise {raised}\n")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    assert main([command, *(["--base-url", "http://127.0.0.1:1"] if command == "record" else [])]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert ("--mic FILE" in err) is (command == "record")
    assert [path.name for path in tmp_path.iterdir()] == ["modules"]


def test_interrupted_while_a_token_is_waited_for(start, tmp_path, monkeypatch):
    """There is no conversation yet: 130, one line, no folder, and no key in it."""
    monkeypatch.setenv("HUME_API_KEY", KEY)
    monkeypatch.setenv("HUME_SECRET_KEY", SECRET)
    with socket.create_server(("127.0.0.1", 0)) as silent, start(f"http://127.0.0.1:{silent.getsockname()[1]}") as process:
        connection, _ = silent.accept()
        with connection:
            assert connection.recv(4096).startswith(b"POST /oauth2-cc/token")
            process.send_signal(signal.SIGINT)
            out, err = process.stdout.read(), process.stderr.read()
    assert (process.returncode, out, err) == (130, "", "interrupted\n")
    assert list(tmp_path.iterdir()) == []


def test_whoever_goes_on_pressing_gets_the_last_line(start, url, tmp_path):
    """Ctrl+C again and again until the process is gone: 0, and where the session is."""
    with start(url) as process:
        until(process, "user: ")
        stop = threading.Event()

        def press():
            while not stop.wait(0.02) and process.poll() is None:
                process.send_signal(signal.SIGINT)

        presser = threading.Thread(target=press)
        presser.start()
        out, err = process.stdout.read(), process.stderr.read()
        stop.set()
        presser.join()
    assert (process.returncode, err) == (0, "")
    assert re.search(r"replay it: \S.* replay sessions/", out.splitlines()[-1])
    assert check_session(only_folder(tmp_path / "sessions")) == []


def test_what_went_wrong_on_the_way_comes_behind_the_session(url, tmp_path, capsys, time_is_up_once_it_is_there):
    """A handler that raises: the last line is there, then the error, and the code is 3."""
    (tmp_path / "app.py").write_text("def on_message(message):\n    open('there', 'w').close(); raise ValueError('no such luck')\n")
    assert main(["record", "--mic", MIC, "--base-url", url, "--duration", "60", "--handler", "app.py:on_message"]) == 3
    told = capsys.readouterr()
    assert re.search(r"replay it: evi-harness replay sessions/\S+ --handler app.py:on_message$", told.out.splitlines()[-1])
    assert re.match(r"error: \S*app.py:2 in on_message: on_message raised ValueError: no such luck", told.err)


def test_a_handler_that_reads_the_connection_gets_its_arguments(url, tmp_path, capsys, patient_speech):
    """And ends the conversation when it has had enough of it: a complete session, exit code 0."""
    source = "async def main(socket, wanted):\n    async for message in socket:\n        if message.type == wanted:\n            return\n"
    (tmp_path / "app.py").write_text(source, encoding="utf-8")
    words = ["record", "--mic", patient_speech, "--base-url", url, "--handler", "app.py:main", "--arg", "wanted=user_message"]
    assert main(words) == 0
    *_, ended, last = capsys.readouterr().out.splitlines()
    assert re.fullmatch("ended: .* the app", ended)
    folder = Path(re.search(r"session: (\S+)", last)[1])
    assert check_session(folder) == []
    assert load_session(folder).closed.by == "app"


def test_the_last_line_replays_the_session_to_its_handler(url, tmp_path, capsys):
    """As it stands there: a folder with a space in its name is quoted, and the replay runs what was recorded."""
    (tmp_path / "my app").mkdir()
    (tmp_path / "my app" / "app.py").write_text("def on_message(message):\n    pass\n")
    assert main(["record", "--mic", MIC, "--base-url", url, "--duration", "0.3", "--handler", "my app/app.py:on_message"]) == 0
    hint = capsys.readouterr().out.splitlines()[-1].partition("replay it: ")[2]
    program, *words = shlex.split(hint)
    assert program == "evi-harness"
    assert words[2:] == ["--handler", "my app/app.py:on_message"]
    main(words)
    assert " my app/app.py:on_message " in capsys.readouterr().out


def test_the_last_line_gives_the_handler_its_arguments(url, tmp_path, capsys):
    """But for a secret, which has to be put back."""
    (tmp_path / "app.py").write_text("def on_message(message, place, api_key):\n    pass\n")
    given = ["--handler", "app.py:on_message", "--arg", "place=New Bath", "--arg", "api_key=k3yOfAnotherService"]
    assert main(["record", "--mic", MIC, "--base-url", url, "--duration", "0.3", *given]) == 0
    out = capsys.readouterr().out
    words = shlex.split(out.splitlines()[-1].partition("replay it: ")[2])
    assert words[3:] == ["--handler", "app.py:on_message", "--arg", "place=New Bath", "--arg", "api_key=VALUE"]
    assert "k3yOfAnotherService" not in out


@pytest.fixture
def time_is_up_once_it_is_there(monkeypatch):
    """Has ``--duration`` be over once an app has made the file ``there``, and not when a machine that is busy has let it do nothing yet."""
    monkeypatch.setattr(record_live, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + 1000 * Path("there").exists()))


WORKS_BESIDE = """
import asyncio

class App:
    def set_socket(self, socket):
        self.socket = socket

    async def on_open(self):
        task = asyncio.ensure_future(self.work())
        {keeps}

    async def work(self):
        await asyncio.sleep(0.01)
        open("there", "w").close()
        raise {error}

    async def on_message(self, message):
        pass
"""


@pytest.mark.parametrize("keeps", ["self.task = task", "del task"], ids=["kept", "forgotten"])
def test_a_task_of_the_handlers_that_fails_is_told(url, capsys, tmp_path, keeps, time_is_up_once_it_is_there):
    """asyncio only logs it, at the latest when the process ends: the session is complete, and the error says what and where."""
    (tmp_path / "app.py").write_text(WORKS_BESIDE.format(keeps=keeps, error="ValueError('the work beside')"), encoding="utf-8")
    assert main(["record", "--mic", MIC, "--base-url", url, "--duration", "60", "--handler", "app.py:App"]) == 3
    out, err = capsys.readouterr()
    assert out.splitlines()[-1].startswith("session: ")
    assert re.search(r"^error: .*app\.py:15 in work: .*\bon_open\b.* ValueError: the work beside$", err, re.MULTILINE)
    assert "Traceback" not in err


def test_a_task_that_sends_when_all_is_over_is_none(url, capsys, tmp_path, time_is_up_once_it_is_there):
    """That is how a session ends for it."""
    error = "__import__('websockets').exceptions.ConnectionClosedOK(None, None)"
    source = WORKS_BESIDE.format(keeps="self.task = task", error=error)
    (tmp_path / "app.py").write_text(source, encoding="utf-8")
    assert main(["record", "--mic", MIC, "--base-url", url, "--duration", "60", "--handler", "app.py:App"]) == 0
    assert capsys.readouterr().err == ""


APP = """
import asyncio, os, signal, sys, websockets

async def main(url):
    async with websockets.connect(url.replace("http", "ws", 1) + "/v0/evi/chat?api_key=" + os.environ["HUME_API_KEY"]) as socket:
        await socket.recv()
        print("open", flush=True)
        if len(sys.argv) > 2:
            await asyncio.sleep(3600)

if len(sys.argv) > 2 and sys.argv[2] == "ignores":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
try:
    asyncio.run(main(sys.argv[1]))
except KeyboardInterrupt:
    sys.exit(5)
"""


@contextmanager
def recording_app(tmp_path, *words, options=()):
    """The command with an app behind it, in a session of its own, in which no terminal tells the app anything."""
    (tmp_path / "app.py").write_text(APP, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HUME_")}
    environment["PYTHONPATH"] = str(ROOT)
    command = [sys.executable, "-m", "evi_harness", "record", *options, "--", sys.executable, "app.py", "{url}", *words]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def test_an_app_is_recorded_with_the_simulator(tmp_path):
    """Standard output is the app's alone; the session says who was there."""
    with recording_app(tmp_path, options=["--simulate"]) as process:
        out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (0, "open\n")
    assert err.splitlines()[-1] == "recorded 1 session"
    (folder,) = (tmp_path / "sessions").iterdir()
    assert load_session(folder).header.service == "simulator"


@pytest.mark.parametrize(("word", "codes"), [("stays", {5}), ("ignores", {128 + signal.SIGTERM, 128 + signal.SIGKILL})])
def test_ctrl_c_is_the_apps(word, codes, tmp_path):
    """Its exit code is that of the app; one that takes no notice is told more firmly by the next."""
    with serving_in_thread(play(ROOT / "sessions" / "typed")) as url, recording_app(tmp_path, word, options=["--base-url", url]) as process:
        assert process.stdout.readline() == "open\n"
        process.send_signal(signal.SIGINT)
        while word == "ignores" and process.poll() is None:
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=120)
    assert process.returncode in codes
    assert err.splitlines()[-1] == "recorded 1 session"


def test_an_app_whose_recorder_is_killed_ends_by_itself(tmp_path):
    """Its connection is closed; what was recorded is there, and not complete."""
    with (
        serving_in_thread(play(ROOT / "sessions" / "typed")) as url,
        recording_app(tmp_path, "stays", options=["--base-url", url]) as process,
    ):
        assert process.stdout.readline() == "open\n"
        while not (files := list((tmp_path / "sessions").glob("2*/events.jsonl"))) or b'"received"' not in files[0].read_bytes():
            time.sleep(0.01)
        process.kill()
        process.wait(60)
        folder = files[0].parent
    assert load_session(folder).header.complete is False


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--mic", __file__, "--simulate", "--", "true"], "as audio"),
        (["--handler", "x.py:App", "--", "true"], "--handler .*a COMMAND"),
        (["--device", "1", "--", "true"], "--device .*a COMMAND"),
        (["--html", "x.html", "--", "true"], "--html .*a COMMAND"),
        (["--simulate", "--base-url", "http://127.0.0.1:1", "--", "true"], "--simulate and --base-url"),
        (["--script", __file__, "--", "true"], "--script needs --simulate"),
        (["--simulate"], "need a COMMAND"),
        (["--drive", "python caller.py"], "--drive needs a COMMAND"),
        (["--drive", "", "--", "true"], "--drive is empty"),
        (["--", ""], "no command"),
        (["--"], "no command"),
    ],
)
def test_what_an_app_cannot_have_is_told(words, said, capsys, no_environment):
    """By name, with the reason; nothing is run."""
    assert main(["record", *words]) == 2
    assert re.search(said, capsys.readouterr().err)
