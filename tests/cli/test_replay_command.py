from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from evi_harness.cli.main import main
from evi_harness.evi.dialect import EVI
from evi_harness.storage.writer import write_session
from evi_harness.verdicts.invoking import command_again

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch, weather):
    """The current folder holds a session."""
    monkeypatch.chdir(tmp_path)
    write_session("weather", weather, EVI)


def test_json_on_standard_output_is_pure(capsys):
    """What people read goes to standard error: transcript and report."""
    assert main(["replay", "weather", "--json", "-"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["passed"] is True
    assert err.startswith("user: What's the weather like?")
    assert re.fullmatch("verdict    passed, .*built-in.*", err.splitlines()[-1])


def test_json_in_a_file_is_the_report(capsys):
    """The file holds it, and standard output what people read."""
    Path("app.py").write_text("def hears(message): ...\n")
    assert main(["replay", "weather", "--handler", "app.py:hears", "--json", "report.json"]) == 1
    told = json.loads(Path("report.json").read_text())
    assert [deviation["kind"] for deviation in told["deviations"]] == ["missing"]
    assert told["handler"] == "app.py:hears"
    assert capsys.readouterr().out.splitlines()[-1] == "verdict    failed: 1 deviation"


def test_a_replay_that_failed_is_no_baseline(capsys):
    """What is there stays; the report says so."""
    Path("app.py").write_text("def hears(message): ...\n")
    assert main(["replay", "weather", "--handler", "builtin", "--save-baseline", "b.json"]) == 0
    kept = Path("b.json").read_bytes()
    written, verdict = capsys.readouterr().out.splitlines()[-2:]
    assert written.endswith(" written to b.json")
    assert verdict.startswith("verdict    passed, ")
    assert main(["replay", "weather", "--handler", "app.py:hears", "--save-baseline", "b.json", "--json", "r.json"]) == 1
    assert Path("b.json").read_bytes() == kept
    before, last = capsys.readouterr().out.splitlines()[-2:]
    assert re.match(r"baseline   not .* b\.json: ", before)
    assert last.startswith("verdict    failed: ")
    assert json.loads(Path("r.json").read_text())["gate"]["saved"] is None


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], r"386 events, 12\.238 s \("),
        (["--speed", "max"], r"386 events, [^;]*--speed max; 12\.238 s [^;]*\("),
        (["--speed", "2"], r"386 events, 6\.119 s [^;]*--speed 2; 12\.238 s [^;]*\("),
        (["--from", "2", "--until", "6"], r"89 events, 4\.035 s [^;]*--from 2 --until 6; 12\.238 s [^;]*\("),
    ],
)
def test_the_recorded_length_is_told_on_every_axis(words, told, capsys, monkeypatch, tmp_path):
    """The session's line has what the axis makes of it and what was recorded, and so has the JSON."""
    monkeypatch.chdir(ROOT)
    assert main(["replay", "sessions/weather", "--handler", "recorded", *words, "--json", str(tmp_path / "report.json")]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("session ")]
    assert re.search(rf"\b{told}", line)
    recorded = json.loads((tmp_path / "report.json").read_text())["recorded"]
    assert recorded["whole_duration_ns"] == 12_238_000_000
    assert recorded["axis"] == {name[2:]: said for name, said in zip(words[::2], words[1::2])}


def test_what_hangs_on_a_message_that_did_not_come_is_in_the_json(monkeypatch, tmp_path):
    """With the message that was awaited: what people are told did not happen because of it."""
    monkeypatch.chdir(ROOT)
    report = tmp_path / "report.json"
    words = ["sessions/weather", "--handler", "fixtures/handlers/never_answers.py:App", "--json", str(report)]
    assert main(["replay", *words]) == 1
    told = json.loads(report.read_text())
    jsonschema.validate(told, json.loads((ROOT / "docs" / "reference" / "replay-report.schema.json").read_text()))
    (missing,) = told["deviations"]
    assert (missing["kind"], missing["recorded_seq"], missing["live_seq"], missing["live_at_ns"]) == ("missing", 158, None, None)
    assert missing["recorded_at_ns"] == 3_110_000_158
    assert missing["consequences"] == [175, 181, 182, 183, 184, 185]


def test_a_report_that_cannot_be_written_is_told(capsys, monkeypatch):
    """A full disk after the replay is an error, and no failure of the app's."""

    def full(self, *args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    assert main(["replay", "weather", "--handler", "recorded", "--json", "report.json"]) == 3
    assert re.match("error: report.json: .*: No space left on device\n$", capsys.readouterr().err)


def test_out_is_written_and_told(capsys):
    """The folder's name is in the report, and it is a session."""
    assert main(["replay", "weather", "--handler", "recorded", "--out", "runs"]) == 0
    (row,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("written")]
    folder = row.split(maxsplit=1)[1]
    assert Path(folder).parent == Path("runs")
    assert main(["check", folder]) == 0


def test_help_says_what_the_timeout_is_in(capsys):
    """Seconds, and 60 by default."""
    assert main(["replay", "--help"]) == 0
    out = capsys.readouterr().out
    assert "--timeout SECONDS" in out
    assert "[default: 60; at least 0.1]" in " ".join(out.split())


APP = """
class App:
    def set_socket(self, socket):
        self.socket = socket

    async def on_message(self, message):
        print("heard", message.type, flush=True)
"""


@pytest.fixture
def greeting(session_of):
    """A session of 50 ms in the current folder: the assistant greets, and the app closes."""
    rows = [("received", 20, {"type": "assistant_end"}), ("closed", 50, ("app", 1000, ""))]
    write_session("greeting", session_of(rows), EVI)


def test_the_clock_may_be_real(greeting, capsys):
    """The report says so, and how late the server itself was."""
    assert main(["replay", "greeting", "--clock", "real", "--json", "report.json"]) == 0
    told = json.loads(Path("report.json").read_text())
    assert (told["clock"], told["lateness_ns"]["n"]) == ("real", 1)
    out = capsys.readouterr().out
    assert ", in real time (" in out
    assert "\nlate       " in out


@pytest.mark.parametrize("words", [["--clock", "real", "--twice"], ["--clock", "wall"]])
def test_a_clock_that_cannot_be_meant_is_a_usage_error(words, capsys):
    """Two runs in real time are never the same; and there are two clocks."""
    assert main(["replay", "weather", *words]) == 2
    assert "real" in capsys.readouterr().err


def test_ctrl_c_ends_a_replay_in_real_time(weather):
    """With 130; the pipe that the server's process shares is closed, so it has ended too."""
    Path("app.py").write_text(APP)
    command = [sys.executable, "-m", "evi_harness", "replay", "weather", "--clock", "real", "--handler", "app.py:App"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as replay:
        assert replay.stdout.readline() == "heard chat_metadata\n"
        replay.send_signal(signal.SIGINT)
        out, err = replay.communicate(timeout=60)
    assert (replay.returncode, err) == (130, "interrupted\n")
    assert "verdict" not in out


ANSWERS = """
class App:
    def set_socket(self, socket):
        self.socket = socket

    async def on_message(self, message):
        if message.type == "tool_call":
            await self.socket._send({"type": "tool_response", "tool_call_id": message.tool_call_id, "content": "rain"})
"""


@pytest.fixture
def rain():
    """An app in the current folder that answers otherwise than was recorded."""
    Path("app.py").write_text(ANSWERS)
    return ["replay", "weather", "--handler", "app.py:App"]


def test_ignore_may_be_given_again(rain, capsys):
    """Each leaves out something; what matched nothing is told; what is no path is a usage error."""
    assert main([*rain]) == 1
    assert main([*rain, "--ignore", "$.x", "--ignore", "tool_response:$.content", "--strict"]) == 0
    assert "--ignore $.x matched nothing" in capsys.readouterr().out
    assert main([*rain, "--ignore", "content"]) == 2
    assert re.match("error: .*--ignore: 'content' ", capsys.readouterr().err)


def test_update_accepts_what_is_sent(rain, capsys):
    """The diff is told, the next replay compares with it, and check knows the file."""
    assert main([*rain, "--update"]) == 0
    assert "$.content: was 'sunny, 21 degrees', is 'rain'" in capsys.readouterr().out
    assert main([*rain, "--json", "report.json"]) == 0
    told = json.loads(Path("report.json").read_text())
    assert (told["schema"], told["expectation"]["outcome"]) == (1, "compared")
    assert main(["check", "weather"]) == 0


def test_what_is_expected_is_called_so(rain, capsys):
    """Once another app is accepted, the recorded one differs from it; what stands in no recording may be missing, too."""
    more = ANSWERS + '            await self.socket._send({"type": "assistant_input", "text": "more"})\n'
    Path("more.py").write_text(more)
    assert main(["replay", "weather", "--handler", "more.py:App", "--update"]) == 0
    capsys.readouterr()
    Path("app.py").write_text(ANSWERS.replace("rain", "sunny, 21 degrees"))
    assert main([*rain, "--json", "report.json"]) == 1
    out = capsys.readouterr().out
    told = json.loads(Path("report.json").read_text())
    different, missing = [line for line in out.splitlines() if line.startswith("DEVIATION")]
    assert re.match("DEVIATION +different: expected #15 ", different)
    assert re.fullmatch(rf"DEVIATION +missing: expected #30 .*{told['deviations'][1]['recorded_at_ns'] / 1e9:.3f} s", missing)
    assert "$.content: expected 'rain', now 'sunny, 21 degrees'" in out
    assert "around it, expected:" in out
    assert any(re.match(r"expected +.*\bexpected\.jsonl, 3 messages", line) for line in out.splitlines())
    (late,) = [line for line in out.splitlines() if "recorded" in line]
    assert re.match(r"note +4 events .* 28400 ms \(recorded #25\)", late)
    assert "recorded" not in "".join(deviation["what"] for deviation in told["deviations"])


@pytest.mark.parametrize(("limit", "code"), [("10", 1), ("100000", 0), ("-1", 2), ("nan", 2), ("soon", 2)])
def test_max_late_is_in_milliseconds(limit, code):
    """And no time below zero."""
    late = ANSWERS.replace("            await self", "            await __import__('asyncio').sleep(0.3)\n            await self").replace(
        "rain", "sunny, 21 degrees"
    )
    Path("app.py").write_text(late)
    assert main(["replay", "weather", "--handler", "app.py:App", "--max-late", limit]) == code


MADE = "def make(name='nobody', sign='='):\n    def hears(message): print(name + sign)\n    return hears\n"


def test_arguments_reach_the_handler(capsys):
    """Each by its key; a value may hold what it likes."""
    Path("app.py").write_text(MADE)
    main(["replay", "weather", "--handler", "app.py:make", "--arg", "name=Ada", "--arg", "sign=a=b"])
    assert "Adaa=b\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--handler", "app.py:make", "--arg", "name"], "'name' is not NAME=VALUE"),
        (["--handler", "app.py:make", "--arg", "=Ada"], "'=Ada' is not NAME=VALUE"),
        (["--handler", "app.py:make", "--arg", "name=a", "--arg", "name=b"], "'name=b' is given twice"),
        (["--handler", "app.py:make", "--arg", "nam=a"], "takes no argument nam"),
        (["--arg", "name=a"], "no handler that"),
        (["--handler", "recorded", "--arg", "name=a"], "no handler that"),
    ],
)
def test_an_argument_that_cannot_be_meant_is_a_usage_error(capsys, arguments, says):
    """Before anything runs."""
    Path("app.py").write_text(MADE)
    assert main(["replay", "weather", *arguments]) == 2
    assert says in capsys.readouterr().err


HANDLER = """
import json


class App:
    def __init__(self, place):
        self.place = place

    def set_socket(self, socket):
        self.socket = socket

    async def on_message(self, message):
        if message.type == "tool_call":
            answer = {"type": "tool_response", "tool_call_id": message.tool_call_id, "content": self.place}
            await self.socket._send(answer)
            raise ValueError("no weather")
"""


def verdict_of(told):
    """What there is of a verdict in a report, without what differs from run to run."""
    kinds = [(one["kind"], one["what"], one["places"]) for one in (*told["deviations"], *told["findings"])]
    return told["passed"], kinds, [one.get("severity") for one in told["findings"]]


def test_a_report_can_be_made_again(tmp_path, monkeypatch):
    """Its command, run in its folder, has the same verdict of the same recording; so has the one that its options come to."""
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "app.py").write_text(HANDLER)
    # Not wherever this runs, but where it was run.
    line = [sys.executable, "-m", "evi_harness", "replay", "../weather", "--handler", "app.py:App", "--arg", "place=Rome = here"]
    line += [
        "--severity",
        "raised=warning",
        "--ignore",
        "tool_response:$.tool_call_id",
        "--max-late",
        "5",
        "--seed",
        "3",
        "--json",
        "r.json",
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))}
    first = subprocess.run(line, cwd="here", env=environment, capture_output=True, text=True, check=False)
    assert (first.returncode, first.stderr) == (1, "")
    told = json.loads(Path("here/r.json").read_text())
    assert [one["kind"] for one in (*told["deviations"], *told["findings"])] == ["different", "raised"]
    command, recording = told["command"], told["recording"]
    assert (command["argv"], command["cwd"], command["call"], command["is_redacted"]) == (line, str(tmp_path / "here"), None, False)
    assert (recording["path"], told["handler_spec"], told["arguments"]) == ("../weather", "app.py:App", {"place": "Rome = here"})
    assert (told["severities"], told["options"]["max_late_ms"], told["options"]["seed"]) == ({"raised": "warning"}, 5.0, 3)
    assert {"evi_harness", "hume", "websockets", "python", "platform"} <= set(told["versions"])
    again, folder = command_again(told)
    for words, cwd in ((command["argv"], command["cwd"]), ([*again, "--json", "r.json"], folder)):
        Path("here/r.json").unlink()
        done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == first.returncode
        more = json.loads(Path("here/r.json").read_text())
        assert verdict_of(more) == verdict_of(told)
        assert (more["recording"], more["options"], more["severities"]) == (recording, told["options"], told["severities"])


def test_another_recording_has_another_digest():
    """So that nobody compares what was not the same."""
    digests = []
    for _ in range(2):
        assert main(["replay", "weather", "--json", "r.json"]) == 0
        digests.append(json.loads(Path("r.json").read_text())["recording"]["sha256"])
        header = Path("weather/session.json")
        changed = {**json.loads(header.read_text()), "made_by": "record"}
        header.write_text(json.dumps({name: value for name, value in changed.items() if name != "header_digest"}))
    assert len({*digests, None}) == 3


@pytest.mark.parametrize("words", [("--gate", "handle: max<250ms"), ("--save-baseline", "b.json")])
def test_a_gate_without_a_handler_judges_nothing(words, capsys):
    """It is refused before anything runs, with both ways on; by its name the built-in handler is judged, and the last line says so."""
    for sessions in (["weather"], [".", "-q"]):
        assert main(["replay", *sessions, *words]) == 2
        out, err = capsys.readouterr()
        assert (out, "--handler FILE.py:NAME" in err, "--handler builtin" in err) == ("", True, True)
    assert not Path("b.json").exists()
    assert main(["replay", "weather", *words, "--handler", "builtin"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("verdict    passed, ")
