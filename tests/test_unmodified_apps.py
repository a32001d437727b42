"""Apps as people write them, without an edit: recorded by their command, replayed by it, and what they send is the same to the byte.

And copies of two of them, each with one thing wrong, which is found.
"""

from __future__ import annotations

import inspect
import shlex
import sys
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Tuple

import pytest

from evi_harness.acts.commanding import app_command
from evi_harness.acts.replay import replay_session
from evi_harness.acts.serve.proxying import ProxyOptions
from evi_harness.acts.serve.recording_command import CommandOptions, record_command
from evi_harness.sdk.hume.installed_sdk import import_sdk

pytestmark = [pytest.mark.usefixtures("no_environment"), pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[1]
APPS = ROOT / "fixtures" / "apps"
SPOKEN = ROOT / "sessions" / "weather"
QUESTION = "What's the weather in Bath?"


class App(NamedTuple):
    """An app, and how it is run.

    Attributes:
        file: Its file.
        arguments: What it is given.
        typed: What its user types.
        duration_s: How long after its connection was opened it is interrupted, where it does not end by itself.
        sdk: What it needs of Hume's SDK, None where it has none.
    """

    file: str
    arguments: Tuple[str, ...] = ()
    typed: Optional[str] = None
    duration_s: Optional[float] = None
    sdk: Optional[str] = None

    def words(self, stdin: str) -> Tuple[str, ...]:
        """The command."""
        return ("sh", "-c", f"{stdin} {shlex.join([sys.executable, str(APPS / self.file), *self.arguments])}")


def require(sdk: Optional[str]) -> None:
    """Skip where the installed SDK has not what the app needs."""
    if sdk is None:
        return
    import_sdk()
    from hume.client import AsyncHumeClient

    chat = AsyncHumeClient(api_key="none").empathic_voice.chat
    if not hasattr(chat, sdk) and sdk not in inspect.signature(chat.connect).parameters:
        pytest.skip(f"the installed SDK has no {sdk}")


TYPED = [
    pytest.param(App("aiohttp_client.py"), marks=pytest.mark.slow),
    App("chat_line.py", typed=f"{QUESTION}\n\n"),
    pytest.param(App("raw_client.py", (QUESTION,), duration_s=3), marks=pytest.mark.slow),
    pytest.param(App("greeter.py", sdk="connect"), marks=pytest.mark.slow),
    pytest.param(App("concierge.py", sdk="session_settings"), marks=pytest.mark.slow),
]


@pytest.mark.parametrize("app", TYPED, ids=lambda app: app.file)
def test_an_app_that_types(app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks for the service where Hume's is, with no thought of a proxy or a replay; a simulator answers."""
    require(app.sdk)
    monkeypatch.setenv("HUME_API_KEY", "none")
    typed = "" if app.typed is None else f"printf {shlex.quote(app.typed)} |"
    proxy = ProxyOptions(out=tmp_path / "sessions")
    options = CommandOptions(app.words(typed), proxy, is_simulated=True, script=APPS / "weather.toml", duration_s=app.duration_s)
    recorded = record_command(options, lambda _: None)
    (relayed,) = recorded.sessions
    assert relayed.problem is None
    assert relayed.folder is not None
    same_again(relayed.folder, app.words("</dev/null"))


@pytest.mark.parametrize(
    "app",
    [
        App("current_quickstart.py", sdk="config_id"),
        pytest.param(App("quickstart.py", sdk="connect_with_callbacks"), marks=pytest.mark.slow),
        pytest.param(App("guide.py", sdk="connect_with_callbacks"), marks=pytest.mark.slow),
    ],
    ids=lambda app: app.file,
)
@pytest.mark.parametrize(
    "folder",
    [pytest.param("sessions/weather", marks=pytest.mark.slow), "fixtures/apps/recorded/quickstart"],
    ids=lambda one: Path(one).name,
)
def test_an_app_that_speaks(app: App, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the SDK's own microphone, which sends nothing while a reply is played.

    Once with times that are even, and once as ``record --`` wrote it on a machine that was busy.
    """
    require(app.sdk)
    monkeypatch.setenv("HUME_API_KEY", "none")
    monkeypatch.setenv("HUME_SECRET_KEY", "none")
    same_again(ROOT / folder, app.words("</dev/null"))


@pytest.fixture
def other_sound(no_environment: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyAudio and simpleaudio as on a machine without their libraries: installed, and not to be imported."""
    for name in ("pyaudio", "simpleaudio"):
        package = tmp_path / "packages" / name / "__init__.py"
        package.parent.mkdir(parents=True)
        package.write_text("raise ImportError('no library')\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "packages"))
    monkeypatch.setenv("HUME_API_KEY", "none")


@pytest.mark.usefixtures("other_sound")
@pytest.mark.parametrize(
    "options",
    [(), *(pytest.param(("--reads", player), marks=pytest.mark.slow) for player in ("--simpleaudio", "--sounddevice"))],
    ids=lambda options: "".join(options) or "callback",
)
def test_an_app_with_other_sound_packages(options: Tuple[str, ...]) -> None:
    """It hears the recorded user, and what it plays is what it received; twice the same."""
    result = replay_session(SPOKEN, handler=app_command(App("pyaudio_client.py", options).words("</dev/null")), twice=True)
    assert (result.passed, result.report.twice) == (True, ()), "\n".join(result.lines())
    assert [one.kind for one in result.findings] == []
    assert [event.frame for event in result.session.sent if not event.frame.is_text] == [
        event.frame for event in result.report.recorded.sent if not event.frame.is_text
    ]


@pytest.mark.usefixtures("other_sound")
@pytest.mark.parametrize("options", [(), pytest.param(("--simpleaudio",), marks=pytest.mark.slow)], ids="".join)
def test_what_is_wrong_with_it_is_heard(options: Tuple[str, ...], tmp_path: Path) -> None:
    """By the software speaker, whatever package plays to it: here each piece backwards."""
    source, text = (APPS / "pyaudio_client.py").read_text(encoding="utf-8"), "plays, samples"
    assert text in source
    (tmp_path / "app.py").write_text(source.replace(text, f"{text}[::-1]"), encoding="utf-8")
    result = replay_session(SPOKEN, handler=app_command([sys.executable, str(tmp_path / "app.py"), *options]))
    assert {one.kind for one in result.findings if one.fails} == {"wrong_audio"}


def same_again(folder: Path, words: Tuple[str, ...]) -> None:
    """Two runs are the same, and send what was sent then: every frame, in order, byte for byte."""
    result = replay_session(folder, handler=app_command(words), twice=True)
    assert result.passed, "\n".join(result.lines())
    assert result.report.twice == ()
    assert [event.frame for event in result.session.sent] == [event.frame for event in result.report.recorded.sent]


SESSION = APPS / "recorded" / "quickstart"
# What is wrong → how it is found.
FOUND: Dict[str, List[str]] = {
    "no tool answer": ["missing"],
    "wrong id": ["different", "rejected"],
    "two seconds on the loop": ["blocked"],
    "never plays": ["plays_nothing"],
    "leaves early": ["closed_early"],
    "ignores the close": ["never_returns", "never_returns"],
}
DEAF = "asyncio.get_running_loop().add_signal_handler(2, print)"
# In place of an await of something: what it raises is forgotten, and the app goes on for ever.
STAYS = "await asyncio.gather({}, return_exceptions=True)\n        await asyncio.Event().wait()"
# App → what is wrong → text of it, and what stands there instead.
WRONG: Dict[str, Dict[str, Tuple[str, str]]] = {
    "current_quickstart.py": {
        "no tool answer": ("await answer(chat, event)", "pass"),
        "wrong id": ("tool_call_id=call.tool_call_id", 'tool_call_id="another"'),
        "two seconds on the loop": ("await asyncio.sleep(0.12)", "__import__('time').sleep(2)"),
        "never plays": ("await stream.put(base64.b64decode(event.data))", "pass"),
        "leaves early": ("await stream.put(base64.b64decode(event.data))", "os._exit(0)"),
        "ignores the close": (
            "await asyncio.gather(listen(chat, stream), MicrophoneInterface.start(chat, byte_stream=stream))",
            f"{DEAF}\n        {STAYS.format('listen(chat, stream), MicrophoneInterface.start(chat, byte_stream=stream)')}",
        ),
    },
    "guide.py": {
        "no tool answer": ('elif message.type == "tool_call":', 'elif message.type == "no call":'),
        "wrong id": ("tool_call_id=message.tool_call_id", 'tool_call_id="another"'),
        "two seconds on the loop": ("await asyncio.sleep(0.12)", "__import__('time').sleep(2)"),
        "never plays": ('await self.byte_strs.put(base64.b64decode(message.data.encode("utf-8")))', "pass"),
        "leaves early": ('await self.byte_strs.put(base64.b64decode(message.data.encode("utf-8")))', "os._exit(0)"),
        "ignores the close": ("await microphone_task", f"{DEAF}\n        {STAYS.format('microphone_task')}"),
    },
}
FAST = [("current_quickstart.py", "no tool answer"), ("current_quickstart.py", "ignores the close")]
CASES = [pytest.param(app, wrong, marks=[] if (app, wrong) in FAST else pytest.mark.slow) for app in WRONG for wrong in FOUND]


@pytest.mark.parametrize(("app", "wrong"), CASES)
def test_what_is_wrong_with_it_is_found(app: str, wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its own finding, and nothing else is."""
    require("connect_with_callbacks" if app == "guide.py" else "config_id")
    monkeypatch.setenv("HUME_API_KEY", "none")
    monkeypatch.setenv("HUME_SECRET_KEY", "none")
    right, instead = WRONG[app][wrong]
    source = (APPS / app).read_text(encoding="utf-8")
    assert source.count(right) == 1
    copy = tmp_path / app
    copy.write_text(source.replace(right, instead), encoding="utf-8")
    result = replay_session(SESSION, handler=app_command([sys.executable, str(copy)]))
    found = [one.kind for one in result.deviations] + [one.kind for one in result.findings if one.fails]
    assert sorted(found) == FOUND[wrong], "\n".join(result.lines())
    assert result.exit_code == 1


@pytest.mark.usefixtures("other_sound")
def test_a_handler_has_other_sound_packages_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replayed in this process: it hears the user by PyAudio, and what it plays backwards is heard."""
    for folder in (APPS, tmp_path / "packages"):
        monkeypatch.syspath_prepend(folder)
    (tmp_path / "app.py").write_text(
        "import evi_harness\nimport pyaudio\nimport pyaudio_client as app\n"
        "async def main(socket):\n"
        "    audio = pyaudio.PyAudio()\n"
        "    replies = app.Replies(audio, None)\n"
        "    whole = replies.waiting.put_nowait\n"
        "    replies.waiting.put_nowait = lambda samples: whole(samples[::-1])\n"
        "    await app.converse(evi_harness.websocket_of(socket), audio, replies, reads=True)\n",
        encoding="utf-8",
    )
    result = replay_session(SPOKEN, handler=f"{tmp_path / 'app.py'}:main")
    # The tasks of this app go on beyond the connection.
    assert [one.kind for one in result.findings if one.fails] == ["wrong_audio", "leaked_task"]
    assert "pyaudio" not in sys.modules
    assert len([event for event in result.session.sent if not event.frame.is_text]) > 300
