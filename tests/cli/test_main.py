from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from evi_harness.cli.main import main
from evi_harness.evi.dialect import EVI
from evi_harness.storage.writer import write_session

ROOT = Path(__file__).resolve().parents[2]

HANDLERS = """
import asyncio

def hears(message): ...

class App:
    def set_socket(self, socket):
        self.socket = socket
    async def on_message(self, message):
        if message.type == "tool_call":
            await asyncio.sleep(0.2)
            await self.socket._send({"type": "tool_response", "tool_call_id": message.tool_call_id, "content": "sunny, 21 degrees"})

def interrupts(message):
    raise KeyboardInterrupt

async def sleeps(message):
    print("here", flush=True)
    while True:
        await asyncio.sleep(1e-3)

value = 5
"""


@pytest.fixture
def here(tmp_path, monkeypatch, weather):
    """The current folder: a session, a capture, handlers, and what is none of these."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    # Another test's module of that name.
    monkeypatch.delitem(sys.modules, "app", raising=False)
    write_session("weather", weather, EVI)
    write_session("damaged", weather, EVI)
    lines = Path("damaged/events.jsonl").read_text().splitlines(keepends=True)
    Path("damaged/events.jsonl").write_text("".join([*lines[:5], "nonsense\n", *lines[6:]]))
    write_session("newer", weather, EVI)
    header = Path("newer/session.json").read_text()
    Path("newer/session.json").write_text(header.replace('"version":1', '"version":99').replace('"version": 1', '"version": 99'))
    Path("empty").mkdir()
    Path("file.txt").write_text("no session\n")
    Path("app.py").write_text(HANDLERS)
    Path("broken.py").write_text("def broken(:\n")
    Path("capture.jsonl").write_text('{"type":"assistant_end"}\n')
    return tmp_path


@pytest.fixture
def run(here, capsys):
    """Runs a command line; gives the code, what was printed, and what went to standard error."""

    def run_(line):
        code = main(line.split())
        out, err = capsys.readouterr()
        return code, out, err

    return run_


def command(line, **options):
    """The same through a process of its own."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", "evi_harness", *line.split()], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


@pytest.mark.parametrize(
    ("line", "code", "last"),
    [
        ("replay weather", 0, "verdict    passed, .*built-in.*"),
        ("replay weather --handler builtin", 0, "verdict    passed, .*built-in.*"),
        ("replay weather --handler recorded", 0, "verdict    passed"),
        ("replay weather/session.json --handler app.py:App --twice", 0, "verdict    passed"),
        ("replay weather --handler app:App", 0, "verdict    passed"),
        ("replay weather --handler app.py:hears", 1, "verdict    failed: 1 deviation"),
        ("show weather --events", 0, "by app, code 1000"),
        ("check weather", 0, "weather: nothing wrong"),
    ],
)
def test_a_command_prints_its_result_and_returns_its_code(run, line, code, last):
    """Nothing goes to standard error."""
    found, out, err = run(line)
    assert (found, err) == (code, "")
    assert re.search(f"{last}$", out.splitlines()[-1])


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ("gone", 2, "unknown command 'gone'"),
        ("replay", 2, "SESSION is missing"),
        ("replay gone", 2, "'gone' does not exist"),
        ("replay weather --gone", 2, "unknown option --gone"),
        ("replay weather --timeout 0", 2, "--timeout"),
        ("replay weather --timeout soon", 2, "--timeout: 'soon' "),
        ("replay file.txt", 3, "is a file, "),
        ("replay empty", 3, "session.json: No such file"),
        ("replay damaged", 3, "events.jsonl, line 6: "),
        ("replay newer", 3, "newer/session.json"),
        ("replay weather --handler app.py", 2, "does not name"),
        ("replay weather --handler app.py:value", 2, "of type int"),
        ("replay weather --handler gone.py:App", 3, "gone.py is not there"),
        ("replay weather --handler gone:App", 3, "import: ModuleNotFoundError"),
        ("replay weather --handler app.py:Gone", 3, "no 'Gone' in app.py"),
        ("replay weather --handler broken.py:App", 3, "import: SyntaxError"),
        ("replay weather --handler recorded --out file.txt", 2, "'file.txt' is a file"),
        ("replay weather --handler recorded --out file.txt/x", 3, "file.txt/x/"),
        ("replay weather --handler recorded --json gone/report.json", 2, "--json: 'gone' "),
        ("replay weather --handler recorded --json empty", 2, "'empty' is a directory"),
        ("show gone", 2, "'gone' does not exist"),
        ("show empty", 3, "a session folder"),
        ("show damaged", 3, "events.jsonl, line 6: "),
        ("check", 2, "SESSION is missing"),
        ("check gone", 2, "'gone' does not exist"),
        ("import gone", 2, "unknown command 'gone'"),
        ("import capture gone.jsonl", 2, "'gone.jsonl' does not exist"),
        ("import capture empty", 3, "a folder"),
        ("import capture file.txt", 3, "file.txt:1: "),
        ("import capture capture.jsonl --out file.txt", 2, "'file.txt' is a file"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(run, line, code, says):
    """On standard error, with the code that says whose mistake it is, and never in a traceback."""
    found, out, err = run(line)
    assert found == code
    assert says in " ".join(err.split())
    assert "Traceback" not in out + err


@pytest.mark.parametrize(
    ("line", "folder"),
    [("check damaged", "damaged"), ("check newer", "newer"), ("check empty", "empty"), ("check file.txt", "file.txt")],
)
def test_check_says_of_which_folder_it_speaks(run, line, folder):
    """With one line a problem, and 1 as the code."""
    code, out, err = run(line)
    assert (code, err) == (1, "")
    assert out.splitlines()[-1].startswith(f"{folder}: ")


@pytest.mark.parametrize("line", ["", "import"])
def test_no_command_is_the_list_of_commands(run, line):
    """Whatever version of click prints it, and wherever."""
    code, out, err = run(line)
    assert code in (0, 2)
    assert "Usage: evi-harness" in out + err


def test_import_and_replay_are_two_commands(run, here):
    """The first prints what to do next; the words behind it are the second."""
    code, out, _ = run("import capture capture.jsonl --out sessions")
    folder, following = out.splitlines()
    assert code == 0
    assert Path(folder, "session.json").is_file()
    assert following == f"next: evi-harness replay {folder}"
    assert run(following.split("evi-harness ")[1])[0] == 0


def test_an_interrupt_of_the_handlers_own_is_no_ctrl_c(run):
    """It ends the app, and the replay has its report."""
    code, out, err = run("replay weather --handler app.py:interrupts")
    assert (code, err) == (1, "")
    assert "FINDING    exits" in out


def test_what_an_output_cannot_encode_is_escaped(here):
    """A terminal without these letters gets escapes, not a traceback."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run([sys.executable, "-m", "evi_harness", "show", "weather", "--events"], env=env, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\\u2190 received" in done.stdout


def test_bars_that_an_output_cannot_encode_are_plain(here):
    """Of signs that each has."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run([sys.executable, "-m", "evi_harness", "show", "weather"], env=env, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\\u" not in done.stdout
    assert re.search(rb"^  user       [#+.]{60}$", done.stdout, re.MULTILINE)


def test_a_reader_that_leaves_is_no_error(here):
    """As under ``| head``: nothing is said on standard error."""
    process = command("show weather")
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait() == 141


CIRCLE = """
import json, os

class Circle:
    def __init__(self):
        self.itself, self.write = self, os.write
    def __del__(self):
        self.write(1, b"freed\\n")

# Where it outlives the run.
json.kept = Circle()

def hears(message): ...
"""


def test_what_an_app_leaves_in_this_process_is_freed_at_its_end(here):
    """Also what only the garbage collector frees; in a child, what the app leaves ends with that, as ever."""
    Path("circle.py").write_text(CIRCLE)
    out, err = command("replay weather --handler circle.py:hears --no-child").communicate()
    assert (out.splitlines()[-1], err) == ("freed", "")


def test_ctrl_c_while_a_handler_runs(here):
    """The process ends with one line and 130."""
    process = command("replay weather --handler app.py:sleeps --timeout 30")
    assert process.stdout.readline() == "here\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert (process.returncode, err) == (130, "interrupted\n")


# Ctrl+C comes at the n-th import: where a command is, whatever else the machine does, is told by what it has loaded.
AT_AN_IMPORT = """
import os, runpy, signal, sys

left = int(sys.argv.pop(1))

def heard(event, _):
    global left
    if event == "import":
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGINT)

sys.addaudithook(heard)
runpy.run_module("evi_harness", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("nth", [1, 30, 100, 400, 750, 100_000])
def test_ctrl_c_at_any_moment(nth, here):
    """While a command is imported, replays or ends: no traceback of ours, and the code of a signal or of what was done."""
    words = [sys.executable, "-c", AT_AN_IMPORT, str(nth), "replay", "weather", "--handler", "app.py:App"]
    with subprocess.Popen(
        words, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        _, err = process.communicate()
    # A signal that comes before anybody can take it ends the process itself; a shell calls that 130 too.
    assert process.returncode in (0, 130, -signal.SIGINT)
    # Before ``main`` runs, while Python still imports it, nobody can take the signal.
    assert err == "interrupted\n" or ", in _told" not in err
