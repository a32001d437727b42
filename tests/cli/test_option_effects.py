"""Options change what they say they change: those that the tests of their commands do not try."""

from __future__ import annotations

import json
import sys
from base64 import b64encode
from pathlib import Path

import pytest

from evi_harness.cli.main import main
from evi_harness.evi.dialect import EVI
from evi_harness.session.wav import Pcm, header
from evi_harness.storage.writer import write_session

pytestmark = pytest.mark.usefixtures("no_environment")

ROOT = Path(__file__).resolve().parents[2]
SESSIONS = ROOT / "sessions"
WEATHER, TYPED, DEMO = (str(SESSIONS / name) for name in ("weather", "typed", "demo"))

APP = """
import asyncio, datetime, itertools, threading, time


def blocks(message):
    if message.type == "user_message":
        time.sleep(0.05)


class Jobs:
    def __init__(self, seconds):
        self.seconds, self.released, self.jobs = float(seconds), threading.Event(), []

    async def on_message(self, message):
        if self.jobs:
            self.released.set()
        else:
            self.jobs.append(asyncio.get_running_loop().run_in_executor(None, self.released.wait, self.seconds))

    async def on_close(self):
        self.released.set()
        await asyncio.gather(*self.jobs)


async def polls(message):
    for _ in itertools.count():
        await asyncio.sleep(1e-6)


def day(message):
    if message.type == "chat_metadata":
        print("day", datetime.datetime.now(datetime.timezone.utc).date())
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A folder with the app."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app.py").write_text(APP, encoding="utf-8")
    return tmp_path


@pytest.fixture
def replayed(capsys):
    """Replays in this process: the exit code, the report, and what the app printed."""

    def replayed(session, *words):
        code = main(["replay", session, *words, "--no-child", "--json", "report.json"])
        printed = capsys.readouterr()
        return code, json.loads(Path("report.json").read_text(encoding="utf-8")), printed.out + printed.err

    return replayed


def test_blocked_ms(replayed):
    """A step of 50 ms is reported where 20 are the most, and not where 100 are."""
    kinds = [
        {one["kind"] for one in replayed(WEATHER, "--handler", "app.py:blocks", *words)[1]["findings"]}
        for words in ([], ["--blocked-ms", "20"])
    ]
    assert "blocked" in kinds[1] - kinds[0]


def test_thread_wait(replayed):
    """With 0 the clock goes on while a job runs, until a later message releases it; with enough it waits for a job, however long."""
    moved = replayed(WEATHER, "--handler", "app.py:Jobs", "--thread-wait", "0", "--arg", "seconds=60")[1]
    waited = replayed(WEATHER, "--handler", "app.py:Jobs", "--thread-wait", "60", "--arg", "seconds=0.3")[1]
    assert (moved["overdue_jobs"], waited["overdue_jobs"]) == (["threading.Event.wait"], [])


def test_max_run_time(replayed):
    """A run that never ends is ended, and fails."""
    code, report, _ = replayed(TYPED, "--handler", "app.py:polls", "--max-run-time", "0.25")
    assert code == 1
    assert "over_time" in [one["kind"] for one in report["deviations"]]


def test_microphone(replayed):
    """Off, nobody sends the user's audio, and it is missing."""
    missing = [
        len(
            [
                one
                for one in replayed(WEATHER, "--handler", "app.py:day", "--microphone", which)[1]["deviations"]
                if one["kind"] == "missing"
            ]
        )
        for which in ("auto", "off")
    ]
    assert missing[0] < missing[1]


def test_wall_clock(replayed):
    """The app sees the day of the recording."""
    pytest.importorskip("time_machine", reason="the extra wall-clock is not installed")
    recorded = json.loads(Path(TYPED, "session.json").read_text(encoding="utf-8"))["created"][:10]
    said = [replayed(TYPED, "--handler", "app.py:day", "--wall-clock", of)[2] for of in ("recorded", "machine")]
    assert f"day {recorded}" in said[0]
    assert f"day {recorded}" not in said[1]


@pytest.mark.parametrize("least_ms", [800, 200])
def test_min_interruption_ms(least_ms, capsys):
    """The floor of an interruption is what is given, and the rest is above it."""
    assert main(["latency", DEMO, "--min-interruption-ms", str(least_ms), "--json", "report.json"]) == 0
    capsys.readouterr()
    samples = json.loads(Path("report.json").read_text(encoding="utf-8"))["samples"]
    value = {one["metric"]: one["value"] for one in samples if one["metric"].startswith("interruption")}
    assert value["interruption.floor"] == least_ms
    assert value["interruption.above_floor"] == pytest.approx(value["interruption"] - least_ms)


def test_shorten(replayed, capsys):
    """Explaining a report runs a shorter part of the session."""
    replayed(TYPED, "--handler", f"{ROOT / 'fixtures' / 'handlers' / 'wrong_answer.py'}:App")
    printed = []
    for words in ([], ["--shorten"]):
        assert main(["explain", "report.json", *words]) == 0
        printed.append(capsys.readouterr().out)
    assert "--until" not in printed[0]
    assert "--until" in printed[1]


def test_run_timeout(capsys):
    """A run of ab that takes longer is given up, and the option named."""
    forever = f'{sys.executable} -c "import time; time.sleep(60)"'
    assert main(["ab", "--a", forever, "--b", forever, "--runs", "1", "--warm-up", "0", "--run-timeout", "1"]) == 3
    assert "--run-timeout" in capsys.readouterr().err


@pytest.mark.parametrize(("flag", "begins"), [("--flac", b"fLaC"), ("--labels", b"0."), ("--metrics", b'"session"'), ("--trace", b"{")])
def test_forms_of_export(flag, begins, capsys):
    """Each option writes its own form."""
    assert main(["export", WEATHER, flag, "file"]) == 0
    assert capsys.readouterr().out.startswith("file: ")
    assert Path("file").read_bytes().startswith(begins)


def test_the_microphone_of_a_recording(capsys):
    """Off, it cannot be a file."""
    Path("mic.wav").touch()
    assert main(["record", "--mic", "mic.wav", "--microphone", "off", "--base-url", "http://127.0.0.1:9"]) == 2
    err = capsys.readouterr().err
    assert "--mic" in err
    assert "--microphone off" in err


def test_job_noise(session_of, here, capsys):
    """Half as long again is inconclusive where the machines of two jobs may differ by a quarter, and slower where they may not."""
    sound = b64encode(header(Pcm(24_000, 1), 4800) + bytes(4800)).decode()
    for name, reply_ms in (("old", 200), ("new", 300)):
        rows = [("received", 50, {"type": "chat_metadata", "chat_id": "c", "chat_group_id": "g", "request_id": "r"})]
        for at_ms in range(1000, 25_000, 1000):
            said = {"role": "user", "content": "And then?"}
            rows.append(("received", at_ms, {"type": "user_message", "message": said, "models": {}, "from_text": True, "interim": False}))
            reply = {"type": "assistant_message", "message": {"role": "assistant", "content": "More."}, "models": {}, "from_text": True}
            rows.append(("received", at_ms + reply_ms, {**reply, "id": f"s-{at_ms}"}))
            rows.append(("received", at_ms + reply_ms, {"type": "audio_output", "id": f"s-{at_ms}", "index": 0, "data": sound}))
            rows.append(("received", at_ms + reply_ms + 10, {"type": "assistant_end"}))
        write_session(here / name, session_of([*rows, ("closed", 26_000, ("app", 1000, ""))]), EVI)
    words = ["--detector", "none"]
    assert main(["latency", "old", *words, "--save-baseline", "base.json"]) == 0
    assert main(["latency", "new", *words, "--baseline", "base.json"]) == 4
    assert main(["latency", "new", *words, "--baseline", "base.json", "--job-noise", "0.26"]) == 4
    assert main(["latency", "new", *words, "--baseline", "base.json", "--job-noise", "0"]) == 1
    capsys.readouterr()
