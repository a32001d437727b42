"""The made things: the session, the speech in it, the handlers and the damaged folders are what their READMEs say."""

from __future__ import annotations

import gc
import hashlib
import importlib.util
import json
import platform
import re
import sys
import warnings
from collections import Counter
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple, Type

import pytest

from evi_harness.acts.replay import ReplayResult, replay_session
from evi_harness.errors import HandlerError, NotAHandler, SessionUnreadable, UsageError
from evi_harness.evi.dialect import EVI
from evi_harness.guard.garbage import earlier_objects_set_aside
from evi_harness.openai_realtime.realtime_dialect import OPENAI_REALTIME
from evi_harness.replay.judging.deviations import DEVIATIONS
from evi_harness.replay.judging.findings import ERROR, FINDINGS
from evi_harness.sdk.hume.parsing import problems
from evi_harness.session.events import Event, Received, Sent
from evi_harness.session.session import Session
from evi_harness.storage.check import check_folder
from evi_harness.storage.reader import read_session
from evi_harness.storage.writer import write_session

ROOT = Path(__file__).resolve().parents[1]
FIXTURES = ROOT / "fixtures"
HANDLERS = FIXTURES / "handlers"
WEATHER = ROOT / "sessions" / "weather"
DEMO = ROOT / "sessions" / "demo"
TYPED = ROOT / "sessions" / "typed"
DAMAGES: Dict[str, Any] = json.loads((FIXTURES / "damaged" / "expected.json").read_text(encoding="utf-8"))

# A value that stands nowhere else, as the key of the environment.
KEY = "k9Jq2vXw7LmZ4tRb8NcY"
SECOND_NS = 1_000_000_000


def script(name: str) -> ModuleType:
    """A script of fixtures/, as a module; the folder is no package."""
    return importlib.import_module(name)


@pytest.fixture(autouse=True)
def made_things_import_afresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set a key that may not be told, let the scripts be imported, and forget the handlers' modules behind each test."""
    monkeypatch.setenv("HUME_API_KEY", KEY)
    # The scripts find one another, as they do when they are run.
    monkeypatch.syspath_prepend(str(FIXTURES))
    # Set aside are all the other tests, in which there is no garbage: looking through them takes as long as a replay.
    with earlier_objects_set_aside():
        yield
        for file in HANDLERS.glob("*.py"):
            sys.modules.pop(file.stem, None)
        # What a broken handler leaves open is freed here, and not in the middle of another test.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()


def is_speech_repeatable() -> bool:
    """Whether the synthesiser that made the speech is here; on another machine its arithmetic rounds otherwise."""
    try:
        return metadata.version("espeakng-loader") == "0.2.4" and (platform.system(), platform.machine()) == ("Linux", "x86_64")
    except metadata.PackageNotFoundError:
        return False


@pytest.mark.skipif(not is_speech_repeatable(), reason="needs espeakng-loader 0.2.4 (extra: fixtures) on Linux x86_64, where it was made")
@pytest.mark.parametrize("path", sorted((FIXTURES / "speech").iterdir()), ids=lambda path: path.stem)
def test_the_speech_is_what_the_script_makes(path: Path) -> None:
    """Each file of speech holds the samples that the synthesiser gives for its sentence."""
    import soundfile

    make_speech = script("make_speech")
    with soundfile.SoundFile(str(path)) as file:
        kept = bytes(file.buffer_read(dtype="int16"))
    assert make_speech.spoken(path.stem) == kept


@pytest.mark.skipif(not is_speech_repeatable(), reason="needs espeakng-loader 0.2.4 (extra: fixtures) on Linux x86_64, where it was made")
def test_the_sound_of_the_demo_is_what_the_script_makes() -> None:
    """Each file holds the samples that the script gives, and there is a file for each."""
    import soundfile

    make_demo = script("make_demo")
    kept = {}
    for path in make_demo.DEMO.glob("*.flac"):
        with soundfile.SoundFile(str(path)) as file:
            kept[path.stem] = bytes(file.buffer_read(dtype="int16"))
    assert kept == make_demo.files()


def test_there_is_speech_for_each_sentence() -> None:
    """No file of speech is there that the script does not make, and none is missing."""
    assert {path.stem for path in (FIXTURES / "speech").iterdir()} == set(script("make_speech").SENTENCES)


@pytest.mark.parametrize(("rate", "new_rate"), [(22_050, 16_000), (22_050, 24_000), (8_000, 8_000)])
def test_resampling_keeps_what_is_constant(rate: int, new_rate: int) -> None:
    """A constant stays that constant at another rate, away from the ends, and the length is in proportion."""
    samples = script("make_speech").resampled(_constant(1000, rate // 10), rate, new_rate)
    assert len(samples) == new_rate // 10
    assert set(samples[100:-100]) <= {999, 1000, 1001}


def _constant(value: int, count: int) -> Any:
    from array import array

    return array("h", [value] * count)


def test_the_session_is_what_the_script_makes(tmp_path: Path) -> None:
    """sessions/weather is byte for byte what make_weather.py writes, but for the digests of header and lines, which came later."""
    script("make_weather").make(tmp_path / "weather")
    made = _contents(tmp_path / "weather")
    events = re.sub(rb',"digest":"[0-9a-f]{16}"}\n', b"}\n", made["events.jsonl"])
    assert len(made["events.jsonl"]) - len(events) == 28 * events.count(b"\n")
    header = re.sub(rb'"minor": 3,\n  "header_digest": "[0-9a-f]{64}"', b'"minor": 0', made["session.json"])
    header = header.replace(*(hashlib.sha256(text).hexdigest().encode() for text in (made["events.jsonl"], events)))
    assert {**made, "session.json": header, "events.jsonl": events} == _contents(WEATHER)


def test_the_interrupted_session_is_what_the_script_makes(tmp_path: Path) -> None:
    """It is byte for byte what make_interrupted.py writes, nothing is wrong with it, and the user interrupts in it."""
    made, folder = script("make_interrupted"), FIXTURES / "realtime" / "interrupted"
    write_session(tmp_path / "interrupted", made.session(), OPENAI_REALTIME)
    assert _contents(tmp_path / "interrupted") == _contents(folder)
    assert check_folder(folder, OPENAI_REALTIME) == []
    first, second = OPENAI_REALTIME.turns(read_session(folder).events)
    assert (first.reply_text, first.interrupted_by is None, second.user_text) == (made.SAID, False, made.ASKED)


def _contents(folder: Path) -> Dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_nothing_is_wrong_with_the_session() -> None:
    """check finds nothing in sessions/weather, and reading it misses nothing."""
    assert [str(problem) for problem in check_folder(WEATHER, EVI)] == []
    assert read_session(WEATHER).missing == ()


def test_the_session_is_small() -> None:
    """sessions/weather is small enough to be part of every clone."""
    assert sum(len(content) for content in _contents(WEATHER).values()) < 600_000


def test_the_session_says_that_it_is_made() -> None:
    """Whoever reads the header sees that no person and no service was recorded, and that the times were not measured."""
    header = read_session(WEATHER).header
    assert header.made_by == "script"
    assert header.source["synthetic"] is True
    assert header.recorded.times == "synthesised"


def test_the_session_is_two_turns_with_a_tool_call() -> None:
    """The session has what its README promises: two spoken turns, the first with a tool call, and a close by the app."""
    session = read_session(WEATHER)
    turns = EVI.turns(session.events)
    assert [turn.user_text for turn in turns] == ["What's the weather in Bath?", "And will it be dry tomorrow?"]
    assert [len(turn.tool_calls) for turn in turns] == [1, 0]
    assert [turn.first_audio is not None for turn in turns] == [True, True]
    assert session.closed is not None
    assert (session.closed.by, session.closed.code) == ("app", 1000)


def test_the_installed_sdk_parses_every_message() -> None:
    """Every message that EVI sends in the session is one that the SDK has a model for."""
    found = {event.seq: [str(problem) for problem in problems(event.frame.payload)] for event in read_session(WEATHER).received}
    assert {seq: told for seq, told in found.items() if told} == {}


@pytest.mark.parametrize("name", sorted(DAMAGES))
def test_check_finds_the_damage(name: str, tmp_path: Path) -> None:
    """check finds in each damaged folder what damaged/expected.json says, of that kind, at that file and line, and nothing else."""
    found = check_folder(script("make_damaged").build(name, tmp_path / name), EVI)
    expected = DAMAGES[name]["check"]
    assert Counter((problem.kind, problem.file, problem.line) for problem in found) == Counter(tuple(row[:3]) for row in expected)
    for kind, file, line, *values in expected:
        at_it = [problem.what for problem in found if (problem.kind, problem.file, problem.line) == (kind, file, line)]
        assert [what for what in at_it if all(value in what for value in values)], (kind, values)


@pytest.mark.parametrize("name", sorted(DAMAGES))
def test_a_damaged_folder_is_refused_or_told(name: str, tmp_path: Path) -> None:
    """Reading refuses a folder that cannot be understood, says what a crash took, and is silent only where no event is in doubt."""
    folder = script("make_damaged").build(name, tmp_path / name)
    if DAMAGES[name]["read"] == "refused":
        with pytest.raises(SessionUnreadable, match=re.escape(str(folder))):
            read_session(folder)
    else:
        assert bool(read_session(folder).missing) is (DAMAGES[name]["read"] == "told")


def test_the_folder_before_the_damage_is_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The small session that is damaged has nothing wrong with it, so what is found is the damage."""
    make_damaged = script("make_damaged")
    assert set(make_damaged.DAMAGES) == set(DAMAGES)
    monkeypatch.setitem(make_damaged.DAMAGES, "none", lambda _: None)
    assert check_folder(make_damaged.build("none", tmp_path / "sound"), EVI) == []


def test_check_does_not_print_the_key(tmp_path: Path) -> None:
    """check says where a key stands without saying the key."""
    make_damaged = script("make_damaged")
    found = check_folder(make_damaged.build("key_not_redacted", tmp_path / "key"), EVI)
    assert make_damaged.FAKE_KEY not in " ".join(map(str, found))


# What no replay can drive, by the error that says so before anything runs.
REFUSED: Dict[str, Tuple[str, Type[Exception], int]] = {
    "not_a_handler": ("app", NotAHandler, UsageError.exit_code),
    "does_not_import": ("on_message", HandlerError, HandlerError.exit_code),
}


class Outcome(NamedTuple):
    """What fixtures/README.md says of a replay to a handler.

    Attributes:
        name: What the SPEC names in the handler's file.
        session: What is replayed.
        deviations: Their kinds, in the order of the row.
        findings: Theirs.
        exit_code: The command's.
    """

    name: str
    session: Path
    deviations: Tuple[str, ...]
    findings: Tuple[str, ...]
    exit_code: int


ROW = re.compile(
    r"^\| `(?P<file>\w+)\.py:(?P<name>\w+)`(?:, with `(?P<session>[\w/]+)`)? \| .* \| (?P<verdict>.*) \| (?P<code>\d) \|$", re.MULTILINE
)
# "twice `swallowed`", "passed, with two warnings: `underrun`".
KIND = re.compile(r"(?P<two>twice |two warnings: )?`(?P<kind>\w+)`")


def outcomes(page: str) -> Dict[str, Outcome]:
    """The table of handlers of a page: by the handler's file, what a replay to it must say."""
    found = {}
    for row in ROW.finditer(page):
        kinds = [one["kind"] for one in KIND.finditer(row["verdict"]) for _ in range(2 if one["two"] else 1)]
        session = ROOT / (row["session"] or "sessions/weather")
        deviations, findings = (tuple(kind for kind in kinds if kind in table) for table in (DEVIATIONS, FINDINGS))
        if row["file"] in REFUSED:
            continue
        found[row["file"]] = Outcome(row["name"], session, deviations, findings, int(row["code"]))
    return found


OUTCOMES = outcomes((FIXTURES / "README.md").read_text(encoding="utf-8"))

# What the report also says, where the kind alone would leave open which fault of the handler's it is.
SAYS: Dict[str, str] = {
    "listen": "tool response",
    "raises": "ValueError: the reply is not",
    "blocks": "2000 ms",
    "sends_extra": "Good morning.",
    "wrong_answer": "51.8",
    "never_answers": "was not sent",
    "never_returns": "never_returns.py:16 in on_message",
    "spins": "spins.py",
    "plays_on": "interrupted reply",
    "prints_key": "X-Hume-Api-Key: [redacted]",
    "swallows": "started by on_message, raised LookupError: no forecast for 27 letters",
    "ends": "on_message, raised SystemExit, ",
    "stops_loop": "stops_loop.py:17 in answer",
    "cancels_all": "cancels_all.py:18 in answer",
    "exits_at_end": "exits_at_end.py:16 in on_close",
    "forks": "forks.py:17 in answer",
    "leaks": "the task App.tick, started by on_open at ",
    "leaves_thread": "the thread counting, started by on_open at ",
    "forgets_await": "the coroutine App.save, ",
    "leaves_open": "leaves_open.py:11 in on_open, was still open",
    "falls_behind": "falls_behind.py:11 in on_message",
    "says_goodbye": "says_goodbye.py:9 in on_close",
    "invents_call": "invents_call.py:12 in on_message",
    "computes": "computes.py:",
    "turns_idle": "turns_idle.py:11 in on_message",
    "reaches_out": "weather.example",
    "plays_nothing": "nothing into its byte_strs",
    "plays_text": "text in base64",
    "cuts_ends": "are missing from",
    "softer": "not checked there: never_played",
    "computes_often": "not keep up",
    "skips_audio": "at 3.561 s was never",
    "repeats_audio": "1.03 s of audio",
    "shuffles_audio": "at 3.520 s was ",
    "stutters": "for 512 ms",
    "truncates": "2008 ms, but",
}

# After so many real seconds without progress they are stuck.
STUCK_AFTER_S = {"spins": 1.0, "turns_idle": 1.0}


def replayed(handler: str, name: str, session: Path = WEATHER, timeout_s: float = 60.0) -> ReplayResult:
    """A replay of a session to one of the handlers."""
    return replay_session(session, handler=f"{HANDLERS / handler}.py:{name}", timeout_s=timeout_s, write=lambda _: None)


@pytest.mark.parametrize("handler", sorted(OUTCOMES))
def test_replay_says_what_is_wrong_with_a_handler(handler: str) -> None:
    """Replay names the handler's one fault by its kind, and passes where there is none."""
    if handler in ("listens", "careful") and importlib.util.find_spec("hume.core.events") is None:
        pytest.skip("the SDK has start_listening and send_publish from 0.13 on")
    expected = OUTCOMES[handler]
    if handler in STUCK_AFTER_S:
        # What has to be loaded is then loaded, and no step takes a second on any machine, but for the handler's.
        replayed("weather", "WeatherApp")
    result = replayed(handler, expected.name, expected.session, STUCK_AFTER_S.get(handler, 60.0))
    kinds = tuple(deviation.kind for deviation in result.verdict.deviations)
    assert (kinds, tuple(finding.kind for finding in result.verdict.findings)) == (expected.deviations, expected.findings)
    fails = [kind for kind in expected.findings if FINDINGS[kind].severity == ERROR]
    assert result.exit_code == expected.exit_code == (1 if expected.deviations or fails else 0)
    assert SAYS.get(handler, "") in "\n".join(result.lines())


@pytest.mark.parametrize("session", ["demo", "failing"])
def test_the_careful_handler_cares_for_what_fails(session: str, tmp_path: Path) -> None:
    """It passes where the user interrupts, and where a call can only be answered with an error and the service tells of one of its own."""
    write_session(tmp_path / "failing", script("make_failing").session(), EVI)
    folder = DEMO if session == "demo" else tmp_path / "failing"
    assert [str(problem) for problem in check_folder(folder, EVI)] == []
    result = replayed("careful", "App", folder)
    assert result.passed, "\n".join(result.lines())
    kinds = {EVI.read(event.kind, event.frame).type for event in read_session(folder).events if isinstance(event, (Received, Sent))}
    assert kinds >= ({"user_interruption"} if session == "demo" else {"tool_error", "error"})


@pytest.mark.parametrize("handler", sorted(REFUSED))
def test_replay_refuses_what_is_no_handler(handler: str) -> None:
    """What is no handler, or does not import, is an error and no failed replay."""
    name, error, exit_code = REFUSED[handler]
    with pytest.raises(error) as caught:
        replayed(handler, name)
    assert getattr(caught.value, "exit_code", None) == exit_code
    assert f"{handler}.py" in str(caught.value)


@pytest.mark.parametrize("handler", [None, "recorded", f"{HANDLERS / 'weather'}.py:WeatherApp", "evi_harness.sdk.hume.demo_app:WeatherApp"])
def test_the_demo_replays(handler: Optional[str]) -> None:
    """What the demo recorded passes with the demo's own app, with the good handler, without one, and in the null test."""
    result = replay_session(DEMO, handler=handler, write=lambda _: None)
    assert result.passed, "\n".join(result.lines())


def test_the_demo_is_what_the_readme_says() -> None:
    """Recorded from the simulator, three turns, a tool call in the first, an interruption in the second; nothing is wrong with it."""
    assert [str(problem) for problem in check_folder(DEMO, EVI)] == []
    session = read_session(DEMO)
    turns = EVI.turns(session.events)
    assert (session.header.made_by, session.header.service, session.header.app) == ("record", "simulator", {})
    assert [len(turn.tool_calls) for turn in turns] == [1, 0, 0]
    assert [turn.interrupted_by is not None for turn in turns] == [False, True, False]
    assert session.closed is not None
    assert (session.closed.by, session.closed.code) == ("app", 1000)


@pytest.mark.parametrize("handler", [None, "recorded"])
def test_the_session_replays_without_a_handler(handler: Optional[str]) -> None:
    """The built-in handler and the null test find nothing in the made session."""
    lines: List[str] = []
    result = replay_session(WEATHER, handler=handler, write=lines.append)
    assert result.passed
    assert any("umbrella" in line for line in lines) is (handler is None)


def test_every_handler_is_in_a_table() -> None:
    """No handler lies about untested, each says in its first line what it is, and a broken one that it is broken."""
    without_a_row = {path.stem for path in HANDLERS.glob("*.py")} - {*OUTCOMES, *REFUSED}
    assert without_a_row == set(), "fixtures/README.md has no row for it"
    assert {*OUTCOMES, *REFUSED} - {path.stem for path in HANDLERS.glob("*.py")} == set(), "fixtures/handlers has no such file"
    broken = {path.stem for path in HANDLERS.glob("*.py") if path.read_text(encoding="utf-8").startswith('"""Broken: ')}
    assert broken == {*OUTCOMES, *REFUSED} - {
        "weather",
        "listen",
        "guide",
        "iterates",
        "receives",
        "listens",
        "counts",
        "softer",
        "careful",
        "voice",
        "reads",
    }


# Told of the recording and its service, of another thread's doing, of short replies, of a process that is gone and of a machine.
NOT_OF_A_HANDLER = {"unparseable", "misread", "cut_off", "own_loop", "unjudged_audio", "crashed", "maybe_blocked"}


def test_the_table_of_hits_and_misses(capsys: pytest.CaptureFixture[str]) -> None:
    """For each kind of finding there is a handler that has it; no good one has any. Printed with ``-s``."""
    rows = [f"{name:<16}{', '.join((*one.deviations, *one.findings)) or '-'}" for name, one in sorted(OUTCOMES.items())]
    with capsys.disabled():
        sys.stdout.write("\n".join(["", *rows, ""]))
    shown = {kind for one in OUTCOMES.values() for kind in one.findings}
    assert set(FINDINGS) - shown == NOT_OF_A_HANDLER
    assert {kind for one in OUTCOMES.values() for kind in one.deviations} <= set(DEVIATIONS)
    assert (OUTCOMES["weather"].findings, OUTCOMES["listen"].findings, OUTCOMES["late_answer"].findings) == ((), (), ())


def test_every_handler_is_in_the_readme() -> None:
    """The README's table names each handler that is refused and each damage; from it comes what is expected of all others."""
    text = (FIXTURES / "README.md").read_text(encoding="utf-8")
    assert [name for name in REFUSED if f"`{name}.py:" not in text] == []
    assert set(SAYS) | set(STUCK_AFTER_S) <= set(OUTCOMES)
    assert [name for name in DAMAGES if f"`{name}`" not in text] == []


def test_no_key_reaches_the_report() -> None:
    """A key that a handler puts into an exception stands neither in the report nor in the replay's session."""
    result = replayed("prints_key", "App")
    told = "\n".join([*result.lines(), json.dumps(result.json()), repr(result.session.events)])
    assert KEY not in told


def test_a_late_answer_delays_what_hangs_on_it_and_nothing_else() -> None:
    """Two seconds late with the tool's answer, the reply comes two seconds late.

    The next turn comes on time, but for the beginning of what the user said: the SDK dropped it, since the reply was still being played.
    """
    prompt, late = (_received_at(replayed(*spec).session) for spec in (("weather", "WeatherApp"), ("late_answer", "App")))
    delays = [late[seq] - at_ns for seq, at_ns in prompt.items()]
    first_reply, after = _reply_of_the_first_turn()
    dropped_ns = delays[-1]
    assert delays == [2 * SECOND_NS if seq in first_reply else dropped_ns if seq in after else 0 for seq in prompt]
    assert 0 < dropped_ns < SECOND_NS // 10


def _received_at(live: Session) -> Dict[int, int]:
    """When each received event came, by the number of the recorded event that it repeats."""
    came = {event.seq: event.at_ns for event in live.received}
    return {note.data["recorded_seq"]: came[note.of] for note in live.notes if note.name == "due" and note.of is not None}


def _reply_of_the_first_turn() -> Tuple[List[int], List[int]]:
    """What EVI sent after the tool's answer up to the end of the turn, and what it sent later, by seq."""
    turns = EVI.turns(read_session(WEATHER).events)
    call, end = turns[0].tool_calls[0], turns[0].end
    assert end is not None
    received: List[Event] = [event for event in read_session(WEATHER).events if isinstance(event, Received)]
    return [event.seq for event in received if call < event.seq <= end], [event.seq for event in received if event.seq > end]


@pytest.mark.slow
def test_what_everything_does_is_written_down_and_compared(tmp_path):
    """Two runs of the same code are identical, whatever the machine; another verdict is a difference."""
    behaviour = script("behaviour")
    assert {spec.partition(":")[0] for spec, _ in behaviour.specs()} == {file.name for file in HANDLERS.glob("*.py")}
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        assert behaviour.run_all(folder, only="^weather-(raises|weather)") == 2
    assert behaviour.differences(one, two) == []
    kept = json.loads((one / "weather-weather.py-WeatherApp.json").read_text(encoding="utf-8"))
    assert (kept["exit_code"], kept["report"]["passed"], kept["check"]["exit_code"]) == (0, True, 0)
    (two / "weather-weather.py-WeatherApp.json").write_text(
        json.dumps({**kept, "exit_code": 1}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    assert [line for line in behaviour.differences(one, two) if line.startswith("+ ")] == ['+ "exit_code": 1,']
