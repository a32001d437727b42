"""Tests of ``record`` on a disk that fills or stalls: the recording suffers and says so, the conversation does not.

Disks that fill are real, a limit of the system's or a small file system of its own; a disk that stalls is ``os.pwrite``, through which all
that is recorded goes, made to wait.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from evi_harness.acts.record_live import LiveOptions, record_live
from evi_harness.acts.serve.serving import served
from evi_harness.acts.serve.simulating import Simulation
from evi_harness.acts.sessions import check_session
from evi_harness.cli.main import main
from evi_harness.errors import SessionUnwritable
from evi_harness.session import wav
from evi_harness.session.events import Note, Received, Sent
from evi_harness.simulate.simulator_options import Options
from evi_harness.simulate.turn_detection import TurnDetection
from evi_harness.tap import recorder
from evi_harness.verdicts.loading import load_session

pytestmark = pytest.mark.usefixtures("no_environment")

ROOT = Path(__file__).resolve().parents[2]
RECORD = [sys.executable, "-m", "evi_harness", "record"]
# An app that listens until what it said was heard: the disk is full by then, however long that takes.
LISTENS = """
async def main(socket):
    async for message in socket:
        print(message.type, flush=True)
        if message.type == "user_message":
            return
"""
# No byte of a file beyond so many: what a write beyond gives is an error, not a signal.
LIMITED = """
import os, resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
os.execv(sys.argv[2], sys.argv[2:])
"""


@pytest.fixture(scope="module")
def simulator():
    """A simulator in another process."""
    with served(Simulation(options=Options(detection=TurnDetection(end_of_turn_silence_ms=200)))) as server:
        yield server


def ran(words):
    """A program that has ended."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def recording(tmp_path, patient_speech, simulator):
    """The words of a recording of that app; by its config_id the server's side of it is found."""
    (tmp_path / "app.py").write_text(LISTENS, encoding="utf-8")
    words = [*RECORD, "--mic", patient_speech, "--base-url", simulator.url, "--handler", "app.py:main"]
    return lambda config_id, *more: [*words, "--config-id", config_id, *more]


def conversation_of(server, config_id):
    """What the server says was said in one conversation."""
    return next(events for events in server.sessions if dict(events[0].handshake.query).get("config_id") == config_id)


def frames(events, kind):
    """What crossed in one direction."""
    return [event.frame.payload for event in sorted(events, key=lambda event: event.seq) if isinstance(event, kind)]


def has_gone_on(server, config_id):
    """Whether a conversation went on until the app was heard, and was ended by it in good order; gives it."""
    crossed = conversation_of(server, config_id)
    assert (crossed[-1].kind, crossed[-1].by, crossed[-1].code) == ("closed", "app", 1000)
    assert any(b'"user_message"' in payload for payload in frames(crossed, Received))
    return crossed


def is_its_beginning(folder, crossed):
    """What a folder holds is the beginning of what crossed, and not all of it; gives the session."""
    session = load_session(folder)
    for kind in (Sent, Received):
        ours, theirs = frames(session.events, kind), frames(crossed, kind)
        assert ours == theirs[: len(ours)]
    assert 0 < len(session.events) < len(crossed)
    assert not session.header.complete
    return session


@pytest.mark.slow
@pytest.mark.parametrize("limit", [1_300, 8_000])
def test_a_file_that_may_not_grow_ends_the_recording(simulator, recording, tmp_path, limit, capsys):
    """One warning when it happens, the whole conversation at the server, exit 3; the folder says what is missing, and how much."""
    done = ran([sys.executable, "-c", LIMITED, str(limit), *recording(f"limit-{limit}")])
    crossed = has_gone_on(simulator, f"limit-{limit}")
    (folder,) = (tmp_path / "sessions").iterdir()
    session = is_its_beginning(folder, crossed)
    n_lost = session.header.counts["dropped"]
    assert done.returncode == 3
    assert re.search(r"^user_message\nended: .*\bapp$", done.stdout, re.MULTILINE)
    assert re.search(rf"\b{len(session.events)} events; {n_lost} .*lost\b", done.stdout.splitlines()[-1])
    assert done.stderr.count("ended early; ") == 1
    assert done.stderr.count("error: ") == 1
    assert f"error: sessions/{folder.name}: " in done.stderr
    assert "incomplete: " in done.stderr
    assert "Traceback" not in done.stderr
    # Whatever the tap heard is in the folder or counted; the server did not hear what was sent while it closed.
    assert len(session.events) + n_lost >= len(frames(crossed, Sent))
    assert main(["check", str(folder)]) == 1
    assert main(["show", str(folder)]) == 0
    told = capsys.readouterr().out
    assert len(re.findall(r"not complete: .*: File .*large\b", told)) == 2
    assert len(re.findall(rf"\({n_lost} events\), .*\bend included\b", told)) == 2


def test_no_room_for_a_folder_at_all(simulator, recording, tmp_path):
    """There is no session to name: it says that nothing was recorded, behind a conversation like any other."""
    done = ran([sys.executable, "-c", LIMITED, "300", *recording("none")])
    has_gone_on(simulator, "none")
    assert done.returncode == 3
    assert done.stdout.splitlines()[-1] == "user_message"
    assert re.search("^error: sessions: nothing .*recorded: .*: File too large", done.stderr, re.MULTILINE)
    assert not (tmp_path / "sessions").exists()


def test_a_file_system_that_is_full(simulator, recording, tmp_path):
    """The same on a real one of 40 kB, where there is no room for a new header either."""
    if shutil.which("unshare") is None or ran(["unshare", "-rm", "mount", "-t", "tmpfs", "none", str(tmp_path)]).returncode != 0:
        pytest.skip("no file system can be mounted here: unshare -rm mount fails")
    words = recording("tmpfs", "--out", "small")
    script = f"mkdir small && mount -t tmpfs -o size=40k none small || exit 9; {shlex.join(words)}; code=$?; cp -R small kept && exit $code"
    done = ran(["unshare", "-rm", "sh", "-c", script])
    crossed = has_gone_on(simulator, "tmpfs")
    assert (done.returncode, "No space left" in done.stderr) == (3, True), done.stderr
    (folder,) = (tmp_path / "kept").iterdir()
    session = is_its_beginning(folder, crossed)
    assert f"{len(session.events)} events; " in done.stdout.splitlines()[-1]
    assert re.search("killed, .*no room", session.missing[0])
    assert "ends here, at" in session.missing[1]
    assert main(["check", str(folder)]) == 1


class Disk:
    """What stands in for ``os.pwrite``.

    Attributes:
        is_waited_for: Set once a write was made to wait.
    """

    def __init__(self):
        self.is_waited_for = threading.Event()
        self._goes_on = threading.Event()
        self._goes_on.set()
        self._is_full = False
        self._write = os.pwrite

    def stall(self):
        """From now on every write waits."""
        self._goes_on.clear()

    def go_on(self):
        """Let all writes go on that wait, and those to come."""
        self._goes_on.set()

    def fill(self):
        """From now on no write succeeds."""
        self._is_full = True

    def pwrite(self, fd, data, at):
        """As ``os.pwrite``."""
        if not self._goes_on.is_set():
            self.is_waited_for.set()
            assert self._goes_on.wait(60)
        if self._is_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self._write(fd, data, at)


@pytest.fixture
def disk(monkeypatch):
    """The disk; at the end of the test nothing waits for it."""
    disk = Disk()
    monkeypatch.setattr(os, "pwrite", disk.pwrite)
    yield disk
    disk.go_on()
    for thread in threading.enumerate():
        if thread.name == "evi-harness recorder":
            thread.join(60)


@pytest.fixture
def mic(tmp_path):
    """A microphone file of 50 ms."""
    file = tmp_path / "mic.wav"
    file.write_bytes(wav.header(wav.Pcm(16000, 1), 1600) + bytes(range(160)) * 10)
    return file


def said(text):
    """What the assistant says."""
    return {
        "type": "assistant_message",
        "id": "s",
        "message": {"role": "assistant", "content": text},
        "models": {},
        "from_text": False,
        "is_quick_response": False,
    }


@pytest.fixture(scope="module")
def to_play(session_of):
    """Makes a session in which the service says so much, and closes once the app has said "bye"."""
    chat = {"type": "chat_metadata", "chat_id": "chat-1", "chat_group_id": "group-1", "request_id": "request-1"}

    def of(texts):
        rows = [("received", 20, chat), *(("received", 60 + number, said(text)) for number, text in enumerate(texts))]
        bye = ("sent", 900, {"type": "user_input", "text": "bye"})
        return session_of([*rows, bye, ("closed", 1000, ("service", 1000, ""))])

    return of


class Handler:
    """A handler that has something done to the disk: once the first lines are on it, and when the connection is closed.

    Having heard so many texts, it says "bye".
    """

    def __init__(self, n_texts, once_begun=None, at_close=lambda: None):
        self.texts = []
        self._n_texts = n_texts
        self._once_begun = once_begun
        self._at_close = at_close

    def set_socket(self, socket):
        self._socket = socket

    async def on_message(self, message):
        if message.type == "chat_metadata":
            return
        self.texts.append(message.message.content)
        if self._once_begun is not None:
            while not written():  # noqa: ASYNC110 - another thread writes, and tells nobody
                await asyncio.sleep(0.002)
            once_begun, self._once_begun = self._once_begun, None
            once_begun()
        if len(self.texts) == self._n_texts:
            await self._socket._send({"type": "user_input", "text": "bye"})

    def on_close(self):
        self._at_close()


def written():
    """Lines that are in the only session."""
    return sum(events.read_bytes().count(b"\n") for events in Path("sessions").glob("[!.]*/events.jsonl"))


def test_a_disk_that_stalls_holds_up_nothing(disk, mic, to_play):
    """From the first message to the close not one byte is taken; then all of it is, and the session is complete."""
    texts, n_lines = ["one", "two", "three"], []

    def at_close():
        assert disk.is_waited_for.wait(60)
        n_lines.append(written())
        disk.go_on()

    handler = Handler(len(texts), disk.stall, at_close)
    with served(to_play(texts)) as server:
        result = record_live(LiveOptions(mic=mic, base_url=server.url, handler=handler), lambda _: None)
        crossed = server.events
    assert handler.texts == texts
    assert (result.problem, result.n_dropped) == (None, 0)
    assert check_session(result.folder) == []
    session = load_session(result.folder)
    assert n_lines[0] < len(session.events)
    assert frames(session.events, Received) == frames(crossed, Received)
    assert (session.closed.by, session.closed.code) == ("service", 1000)


def test_what_memory_does_not_hold_is_dropped_and_told(disk, mic, to_play, monkeypatch, caplog):
    """More comes than may wait while the disk stalls: the conversation has it all, the recording a part, and says where the rest was."""
    monkeypatch.setattr(recorder, "LIMIT_BYTES", 2_000_000)
    texts = [f"{number}: {'la' * 20_000}" for number in range(90)]

    def at_close():
        assert disk.is_waited_for.wait(60)
        disk.go_on()

    handler = Handler(len(texts), disk.stall, at_close)
    with served(to_play(texts)) as server, caplog.at_level(logging.WARNING, logger="evi_harness"):
        result = record_live(LiveOptions(mic=mic, base_url=server.url, handler=handler), lambda _: None)
        crossed = server.events
    assert handler.texts == texts
    session = load_session(result.folder)
    kept = [event for event in session.events if not isinstance(event, Note) or event.name != "dropped"]
    assert sum(event.frame.size for event in session.received) <= recorder.LIMIT_BYTES + len(texts[0])
    assert len(kept) + result.n_dropped == session.events[-1].seq + 1
    assert result.n_dropped == session.header.counts["dropped"] > 10
    assert set(frames(session.events, Received)) < set(frames(crossed, Received))
    assert re.search(rf"; {result.n_dropped} .*\blost\b", result.lines()[-1])
    assert result.problem.exit_code == 3
    assert re.search(rf"incomplete: .*\b{result.n_dropped} events were dropped", str(result.problem))
    told = [one.getMessage() for one in caplog.records if "keep up" in one.getMessage()]
    assert len(told) == 1
    problems = [problem.what for problem in check_session(result.folder)]
    assert [problem for problem in problems if "events were dropped" not in problem] == []
    assert problems


def test_a_disk_that_never_goes_on_is_given_up(disk, mic, to_play, monkeypatch, caplog):
    """The command ends all the same, with what it knows; when the disk goes on after all, the folder says why there is no more in it."""
    monkeypatch.setattr(recorder, "NOTICE_S", 0.05)
    monkeypatch.setattr(recorder, "PATIENCE_S", 0.25)
    handler = Handler(1, disk.stall)
    with served(to_play(["one"])) as server, caplog.at_level(logging.WARNING, logger="evi_harness"):
        result = record_live(LiveOptions(mic=mic, base_url=server.url, handler=handler), lambda _: None)
    assert handler.texts == ["one"]
    assert "0.25 s" in str(result.problem)
    assert (result.problem.exit_code, result.n_dropped > 0) == (3, True)
    waited, lost = [one.getMessage().split(":")[0] for one in caplog.records if one.name == "evi_harness"]
    assert "conversation is over" in waited
    assert "cannot be completed" in lost
    disk.go_on()
    (thread,) = (one for one in threading.enumerate() if one.name == "evi-harness recorder")
    thread.join(60)
    session = load_session(result.folder)
    assert "nothing for 0.25 s" in session.header.abandoned
    assert check_session(result.folder)


def test_how_the_conversation_ended_is_told_though_nobody_could_record_it(disk, mic, to_play):
    """The service's close is not the app's, whatever the disk does."""
    handler = Handler(1, disk.fill)
    with served(to_play(["one"])) as server:
        result = record_live(LiveOptions(mic=mic, base_url=server.url, handler=handler), lambda _: None)
    assert handler.texts == ["one"]
    assert re.match("the service closed .* 1000", result.ended)
    assert "No space left" in str(result.problem)
    assert load_session(result.folder).closed is None


@pytest.mark.slow
def test_a_disk_that_is_full_from_the_beginning(disk, mic, to_play, tmp_path):
    """Nothing is recorded, which is told as what it is; the handler hears all the same."""
    disk.fill()
    handler = Handler(1)
    with served(to_play(["one"])) as server, pytest.raises(SessionUnwritable, match=r"nothing .*recorded: .*No space left") as raised:
        record_live(LiveOptions(mic=mic, base_url=server.url, handler=handler), lambda _: None)
    assert (raised.value.exit_code, raised.value.where) == (3, "sessions")
    assert handler.texts == ["one"]
    assert not (tmp_path / "sessions").exists()
