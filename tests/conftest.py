"""What all tests share: real data where it is there, a small session in memory, and how hard hypothesis tries."""

from __future__ import annotations

import base64
import faulthandler
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, Tuple

import pytest
from hypothesis import HealthCheck, settings

from evi_harness.evi.messages import EMOTIONS
from evi_harness.quiet_loading import loading
from evi_harness.session import wav
from evi_harness.session.events import BINARY, TEXT, Closed, Event, Frame, Handshake, Opened, Received, Sent
from evi_harness.session.header import Anchor, Header
from evi_harness.session.session import Session
from evi_harness.settings.redrawing import CI_VARIABLES

# Started in the background of a shell, a process ignores Ctrl+C, behind nohup a hangup, and so would every child of it; the tests are about
# what it does.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# What a run prints, and when, depends on where it runs: on a CI server, a terminal that cannot be redrawn, a Python without buffers. A test
# that is about one of them says so itself.
for name in (*CI_VARIABLES, "GITHUB_STEP_SUMMARY", "COLUMNS", "NO_COLOR", "FORCE_COLOR", "PYTHONUNBUFFERED"):
    os.environ.pop(name, None)
os.environ["TERM"] = "xterm"

# It takes the standard library's finder away and puts up its own. Where that first happens within a test whose ``pytester`` puts
# ``sys.meta_path`` back, as a replay on Dask does it, no installed package is found in that process any more.
with suppress(ImportError):
    import importlib_metadata  # noqa: F401

ROOT = Path(__file__).resolve().parents[1]
MS = 1_000_000

# A busy machine makes neither a slow example nor a new one: what fails here fails everywhere.
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
# Without a word: a hundred are for the check of everything, which says "ci".
settings.register_profile(
    "local", deadline=None, derandomize=True, max_examples=25, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "quick", deadline=None, derandomize=True, max_examples=10, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("long", deadline=None, max_examples=2000, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("EVI_HARNESS_HYPOTHESIS", "local"))

# (kind, milliseconds, what): a dict is a JSON message, bytes are audio, a str is text as it is; for "closed" what is (by, code, reason).
Row = Tuple[str, int, Any]
SessionOf = Callable[..., Session]

# No test takes a tenth of it on a machine that is not busy.
HUNG_S = float(os.environ.get("EVI_HARNESS_HUNG_S", "600"))

STDERR = pytest.StashKey[int]()

TOOL_RESPONSE: Dict[str, Any] = {"type": "tool_response", "tool_call_id": "call-1", "content": "sunny, 21 degrees"}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Four workers on two cores for ``-n auto``: half of the time, a test waits for a process, a socket or a conversation in real time."""
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 2 * n_cores


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give each worker tests that follow one another, and one that is done what another has before it.

    What a module sets up is set up once or twice then and not three times, and no worker is idle while another has the slow tests.
    """
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log) if config.getoption("dist") == "load" else None


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """End the process of a test that hangs, with where its threads are: a run has a failure with a name then, and an end."""
    faulthandler.dump_traceback_later(HUNG_S, exit=True, file=item.config.stash[STDERR])
    yield
    faulthandler.cancel_dump_traceback_later()


def pytest_enter_pdb() -> None:
    """Whoever looks at a test takes their time."""
    faulthandler.cancel_dump_traceback_later()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Keep the standard error that there is while nothing is captured: what is captured is lost with the process. Then compile."""
    session.config.stash[STDERR] = os.dup(2)
    compile_ahead(session.config)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Close it."""
    os.close(session.config.stash[STDERR])


def pytest_configure(config: pytest.Config) -> None:
    """Leave out what is slow where the whole suite is run; whoever names a file, or a mark, gets what they named."""
    if config.args_source is pytest.Config.ArgsSource.TESTPATHS and not config.option.markexpr:
        config.option.markexpr = "not slow"


def compile_ahead(config: pytest.Config) -> None:
    """Compile once, before there are workers: each of them would rewrite all tests, and each process of hundreds compile the package."""
    is_whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS and not config.option.collectonly
    if is_whole and config.getoption("dist", "no") != "no" and config.option.assertmode == "rewrite":
        words = [sys.executable, "-m", "compileall", "-qq", str(ROOT / "evi_harness")]
        with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL), loading():
            rewrite_ahead(config, [*(ROOT / "tests").rglob("test_*.py"), *(ROOT / "tests").rglob("conftest.py")])


def rewrite_ahead(config: pytest.Config, files: Iterable[Path]) -> None:
    """Keep the rewritten assertions of files of tests where pytest looks for them, also where an import keeps no bytecode.

    A process that finds them takes them; pytest has no public name for how they are made, and a process that does not find them makes them.
    """
    from _pytest.assertion import rewrite

    if not all(hasattr(rewrite, name) for name in ("get_cache_dir", "try_makedirs", "_read_pyc", "_rewrite_test", "_write_pyc")):
        # A version of pytest that makes them in another way loses the time, and no test.
        return
    for file in files:
        folder = rewrite.get_cache_dir(file)
        kept = folder / (file.name[:-3] + rewrite.PYC_TAIL)
        if not rewrite.try_makedirs(folder):
            return
        # A file that cannot be parsed is an error of its collection.
        with suppress(SyntaxError):
            if rewrite._read_pyc(file, kept) is None:
                made_of, code = rewrite._rewrite_test(file, config)
                rewrite._write_pyc(config.stash[rewrite.assertstate_key], code, made_of, kept)


@pytest.hookimpl(hookwrapper=True)
def pytest_collection() -> Iterator[None]:
    """Look for no garbage among modules and tests: there is none, and a third of the time to collect them would go into looking."""
    with loading():
        yield


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What commands remember of the sessions that failed is not remembered for whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real captures and speech beside the project."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no ../shared/data beside the project: real captures and speech are not part of it")
    return folder


@pytest.fixture(scope="session")
def patient_speech(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A microphone file: a question, then two minutes of silence, in which a busy machine, too, sees what a test waits for."""
    import soundfile

    samples, rate = soundfile.read(ROOT / "fixtures" / "speech" / "user-1.flac", dtype="int16")
    file = tmp_path_factory.mktemp("speech") / "patient.wav"
    silence = bytes(120 * rate * 2)
    file.write_bytes(wav.header(wav.Pcm(rate, 1), samples.nbytes + len(silence)) + samples.tobytes() + silence)
    return str(file)


@pytest.fixture
def no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty folder to work in, and no keys: no .env, and nothing of this machine's."""
    monkeypatch.chdir(tmp_path)
    for name in ("HUME_API_KEY", "HUME_SECRET_KEY", "HUME_CONFIG_ID", "HUME_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def stands_still(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Called by a handler that is about to stand still, has that be seen at once; until then a busy machine has all the time it takes."""
    from evi_harness.clocks.watchdog import Watchdog
    from evi_harness.runs import handler_run

    dogs: List[Watchdog] = []

    class Kept(Watchdog):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            dogs.append(self)

    monkeypatch.setattr(handler_run, "Watchdog", Kept)
    return lambda: setattr(dogs[-1], "_timeout_ns", 0)


@pytest.fixture(scope="session")
def session_of() -> SessionOf:
    """Makes a session of rows: ``session_of(rows, query=…, recorded=…)``."""
    return _session_of


@pytest.fixture(scope="session")
def weather_rows() -> List[Row]:
    """The rows of ``weather``, to be changed by a test."""
    return _weather_rows()


@pytest.fixture(scope="session")
def weather() -> Session:
    """Two turns with audio; in the first the assistant calls a tool and the app answers, in the second it only speaks. The app closes."""
    return _session_of(_weather_rows(), query=(("config_id", "weather-config"),))


def _session_of(
    rows: Iterable[Row],
    *,
    query: Iterable[Tuple[str, str]] = (),
    headers: Iterable[Tuple[str, str]] = (),
    name: str = "made",
    **header: Any,
) -> Session:
    handshake = Handshake("/v0/evi/chat", tuple(query), tuple(headers))
    events: List[Event] = [Opened(seq=0, at_ns=0, handshake=handshake)]
    for seq, (kind, at_ms, what) in enumerate(rows, 1):
        events.append(_event(kind, seq, at_ms * MS, what))
    wall = "2026-01-02T03:04:05.000000Z"
    fields: Dict[str, Any] = {"made_by": "script", "created": wall, "dialect": "evi", "complete": True, "start": Anchor(0, wall), **header}
    return Session(Header(id="00000000-0000-4000-8000-000000000001", **fields), tuple(events), name=name)


def _event(kind: str, seq: int, at_ns: int, what: Any) -> Event:
    if kind == "closed":
        by, code, reason = what
        return Closed(seq=seq, at_ns=at_ns, by=by, code=code, reason=reason)
    make = {"sent": Sent, "received": Received}[kind]
    if isinstance(what, bytes):
        return make(seq=seq, at_ns=at_ns, frame=Frame(BINARY, what))
    text = what if isinstance(what, str) else json.dumps(what)
    return make(seq=seq, at_ns=at_ns, frame=Frame(TEXT, text.encode()))


def _prosody(strongest: str) -> Dict[str, Any]:
    return {"prosody": {"scores": {name: 0.9 if name == strongest else 0.01 for name in EMOTIONS}}}


def _said(role: str, text: str, strongest: str, **fields: Any) -> Dict[str, Any]:
    return {"type": f"{role}_message", "message": {"role": role, "content": text}, "models": _prosody(strongest), **fields}


def _heard(text: str, begin_ms: int, end_ms: int) -> Dict[str, Any]:
    return _said("user", text, "Interest", time={"begin": begin_ms, "end": end_ms}, from_text=False, interim=False)


def _spoken(sentence: str, text: str) -> Dict[str, Any]:
    return _said("assistant", text, "Joy", id=sentence, from_text=False, is_quick_response=False)


def _audio_output(sentence: str) -> Dict[str, Any]:
    samples = b"\x01\x00" * 2400
    data = base64.b64encode(wav.header(wav.Pcm(24000, 1), len(samples)) + samples).decode()
    return {"type": "audio_output", "id": sentence, "index": 0, "data": data}


def _microphone(begin_ms: int, end_ms: int) -> List[Row]:
    """Frames of 100 ms of 16 kHz mono, no two alike."""
    return [("sent", at_ms, (at_ms // 100).to_bytes(2, "little") * 1600) for at_ms in range(begin_ms, end_ms, 100)]


def _weather_rows() -> List[Row]:
    settings_ = {"type": "session_settings", "audio": {"encoding": "linear16", "sample_rate": 16000, "channels": 1}}
    call = {
        "type": "tool_call",
        "name": "get_weather",
        "parameters": '{"place": "Oslo"}',
        "response_required": True,
        "tool_call_id": "call-1",
        "tool_type": "function",
    }
    return [
        ("received", 50, {"type": "chat_metadata", "chat_id": "chat-1", "chat_group_id": "group-1", "request_id": "request-1"}),
        ("sent", 60, settings_),
        *_microphone(100, 1100),
        ("received", 1200, _heard("What's the weather like?", 100, 900)),
        ("received", 1400, call),
        ("sent", 1600, TOOL_RESPONSE),
        ("received", 2000, _spoken("s-1", "It is sunny.")),
        ("received", 2100, _audio_output("s-1")),
        ("received", 2300, {"type": "assistant_end"}),
        *_microphone(2400, 3000),
        ("received", 3200, _heard("Thank you.", 1300, 1500)),
        ("received", 3500, _spoken("s-2", "You are welcome.")),
        ("received", 3600, _audio_output("s-2")),
        ("received", 3800, {"type": "assistant_end"}),
        ("closed", 4500, ("app", 1000, "")),
    ]
