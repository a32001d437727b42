"""Tests of ``record`` under kill -9: the real command, in real time, killed at many moments that a seed draws.

The server is a process of its own and keeps what really crossed; what the folder holds is compared with that.
"""

from __future__ import annotations

import os
import random
import re
import select
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

import pytest

from evi_harness.acts.replay import replay_session
from evi_harness.acts.serve.serving import served
from evi_harness.acts.serve.simulating import Simulation
from evi_harness.acts.sessions import check_session
from evi_harness.cli.main import main
from evi_harness.session.events import Received, Sent
from evi_harness.simulate.simulator_options import Options
from evi_harness.simulate.turn_detection import TurnDetection
from evi_harness.verdicts.loading import load_session

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
# So many at a time: they share the machine, and each of them plays its microphone in real time.
N_AT_ONCE = 4
# The files are looked at so often; whatever a process prints is seen at once.
LOOK_EVERY_S = 0.003

_RANDOM = random.Random(20)
MOMENTS = [
    *(("lines", _RANDOM.randrange(1 + 75 * part, 76 + 75 * part)) for part in range(4)),
    *(("bytes", _RANDOM.randrange(1 + 50_000 * part, 50_001 + 50_000 * part)) for part in range(3)),
    *(("milliseconds", _RANDOM.randrange(60 * part, 60 * part + 60)) for part in range(3)),
    ("bytes of the assistant's", _RANDOM.randrange(1, 20_000)),
    *(("lines and Ctrl+C", _RANDOM.randrange(5 + 60 * part, 65 + 60 * part)) for part in range(2)),
]

# All that kill -9 can leave behind.
LEFT = re.compile(
    r"session\.json: .*not complete: .*\bkilled"
    r"|events\.jsonl(, line \d+)?: (it ends here|there is no event|the file ends within)"
    r"|(user|assistant)\.wav: (no .*bytes \d+ to \d+\.|nothing refers|its own header)"
    r"|\.session\.json\.new: "
)


@dataclass
class Round:
    """One process that was killed.

    Attributes:
        folder: Its session, None where it was killed before there was one.
        n_lines: Whole lines that were seen in the folder before.
        crossed: What the server says was said, None where it saw nobody.
    """

    folder: Optional[Path]
    n_lines: int
    crossed: Optional[tuple] = None


def session_in(out):
    """The session folder, None where there is none; what is hidden is not there yet."""
    return next((path for path in out.iterdir() if not path.name.startswith(".")), None) if out.is_dir() else None


def lines_in(folder):
    """Whole lines that are in a session."""
    return 0 if folder is None else (folder / "events.jsonl").read_bytes().count(b"\n")


def heard_in(folder):
    """Bytes of what the assistant said that are in a session."""
    track = None if folder is None else folder / "assistant.wav"
    return 0 if track is None or not track.exists() else track.stat().st_size


def bytes_in(folder):
    """All bytes that are in a session."""
    return 0 if folder is None else sum(path.stat().st_size for path in folder.iterdir() if not path.name.startswith("."))


class Command:
    """``record`` in a process of its own."""

    def __init__(self, url, mic, out, config_id):
        self.out = out
        self.printed = b""
        words = ["--mic", mic, "--base-url", url, "--out", str(out), "--config-id", config_id, "--allow-user-interrupt"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        for name in ("HUME_API_KEY", "HUME_SECRET_KEY", "HUME_BASE_URL"):
            environment.pop(name, None)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "evi_harness", "record", *words], cwd=str(out.parent), env=environment, stdout=subprocess.PIPE
        )

    def listen(self, seconds):
        """Take what it prints next; fails where it ends by itself."""
        if select.select([self.process.stdout], [], [], seconds)[0]:
            piece = os.read(self.process.stdout.fileno(), 65536)
            assert piece, f"it ended by itself: {self.printed.decode()}"
            self.printed += piece

    def wait_until(self, is_time):
        """Take what it prints until it is time."""
        while not is_time():
            self.listen(LOOK_EVERY_S)

    def wait_for(self, kind, n):
        """Wait for a moment."""
        if kind == "milliseconds":
            self.wait_until(lambda: b"connected" in self.printed)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(n / 1000)
            return
        measure = {"bytes": bytes_in, "bytes of the assistant's": heard_in}.get(kind, lines_in)
        self.wait_until(lambda: measure(session_in(self.out)) >= n)
        if kind == "lines and Ctrl+C":
            self.process.send_signal(signal.SIGINT)
            self.wait_until(lambda: b"closed\n" in self.printed)

    def kill(self):
        """kill -9."""
        n_lines = lines_in(session_in(self.out))
        self.process.kill()
        self.process.wait(60)
        self.process.stdout.close()
        return n_lines


def killed(url, mic, out, number):
    """One round."""
    command = Command(url, mic, out / str(number), f"round-{number}")
    try:
        command.wait_for(*MOMENTS[number])
    finally:
        n_lines = command.kill()
    return Round(session_in(command.out), n_lines)


@pytest.fixture(scope="module")
def rounds(tmp_path_factory, patient_speech):
    """All rounds, a few at a time."""
    out = tmp_path_factory.mktemp("killed")
    simulation = Simulation(options=Options(detection=TurnDetection(end_of_turn_silence_ms=200)))
    with served(simulation) as server, ThreadPoolExecutor(N_AT_ONCE) as threads:
        found = list(threads.map(lambda number: killed(server.url, patient_speech, out, number), range(len(MOMENTS))))
        for events in server.sessions:
            number = dict(events[0].handshake.query)["config_id"].rpartition("-")[2]
            found[int(number)].crossed = tuple(events)
    return found


def frames(events, kind):
    """What crossed in one direction, in the order in which it did."""
    ordered = sorted((event for event in events if isinstance(event, kind)), key=lambda event: event.seq)
    return [(event.frame.opcode, event.frame.payload) for event in ordered]


def opened(rounds, number):
    """One round and its session; skips where it was killed before there was a folder, which only a moment in milliseconds can be."""
    found = rounds[number]
    if found.folder is None and MOMENTS[number][0] == "milliseconds":
        pytest.skip("it was killed before its folder had a name")
    return found, load_session(found.folder)


NUMBERS = pytest.mark.parametrize("number", range(len(MOMENTS)), ids=[f"{kind}-{n}" for kind, n in MOMENTS])


def test_the_moments_are_many(rounds):
    """No two sessions end at the same event, but for those that hardly began; in some of them the assistant is heard."""
    folders = [one.folder for one in rounds if one.folder is not None]
    assert len({len(load_session(folder).events) for folder in folders}) > len(MOMENTS) // 2
    assert any((folder / "assistant.wav").exists() for folder in folders)


@NUMBERS
def test_what_was_written_is_read_back_and_is_what_crossed(rounds, number):
    """Every line that was seen before the kill is read; frame for frame it is what the server heard and said."""
    found, session = opened(rounds, number)
    assert len(session.events) >= found.n_lines
    assert [event.seq for event in session.events[:1]] == [0] * bool(session.events)
    if not session.events:
        return
    assert session.handshake.query == found.crossed[0].handshake.query
    heard, said = frames(found.crossed, Sent), frames(found.crossed, Received)
    sent, received = frames(session.events, Sent), frames(session.events, Received)
    assert received == said[: len(received)]
    # The network may have been cut before the last frames arrived, or they arrived and were not yet written.
    n_both = min(len(sent), len(heard))
    assert sent[:n_both] == heard[:n_both]


@NUMBERS
def test_check_says_that_it_is_incomplete_and_what_is_missing(rounds, number, capsys):
    """Exit 1, with the end of what there is and nothing but what a kill leaves; one that was completed just before is sound."""
    found, session = opened(rounds, number)
    code = main(["check", str(found.folder)])
    told = [line[len(f"{found.folder}: ") :] for line in capsys.readouterr().out.splitlines()]
    if session.header.complete:
        assert MOMENTS[number][0] == "lines and Ctrl+C"
        assert (code, told) == (0, ["nothing wrong"])
        return
    assert code == 1
    assert [line for line in told if not LEFT.match(line)] == []
    assert any("not complete" in line for line in told)
    if session.closed is None:
        assert any("ends here, at" in line or "no event" in line for line in told)


@NUMBERS
def test_show_says_it(rounds, number, capsys):
    """Below the header, before the timeline."""
    found, session = opened(rounds, number)
    assert main(["show", str(found.folder)]) == 0
    told = capsys.readouterr().out
    assert (re.search(r"complete    no\nmissing     session\.json: .*not complete", told) is None) is session.header.complete
    assert ("it ends here" in told or "no event" in told) is not (session.header.complete or session.closed is not None)


@NUMBERS
def test_what_is_there_replays(rounds, number, capsys):
    """As far as it goes, where that is allowed; else a recording that is a part fails, and one with nothing in it is refused."""
    found, session = opened(rounds, number)
    if not session.events:
        assert main(["replay", str(found.folder)]) == 1
        assert "not complete" in capsys.readouterr().err
        assert main(["replay", str(found.folder), "--allow-incomplete"]) == 3
        assert "nothing to replay" in capsys.readouterr().err
        return
    replay = replay_session(found.folder, handler="recorded", allow_incomplete=True, write=lambda _: None)
    assert replay.passed, replay.lines()
    assert any("not complete" in line for line in replay.lines()) is not session.header.complete
    assert replay_session(found.folder, handler="recorded").exit_code == (0 if session.header.complete else 1)


def test_a_session_that_was_killed_can_be_shown_with_all_that_is_missing(rounds):
    """What ``show`` calls missing and what ``check`` finds agree."""
    for one in rounds:
        if one.folder is not None:
            assert bool(load_session(one.folder).missing) is bool(check_session(one.folder))
