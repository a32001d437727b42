"""The pytest plugin in test runs of its own: what its fixtures give, what a failure shows, what an option does."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, List
from xml.etree import ElementTree

import jsonschema
import pytest

from evi_harness import pytest_plugin
from evi_harness.evi.compat import parse_version
from evi_harness.sdk.hume.installed_sdk import installed_version

pytestmark = pytest.mark.slow

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "how-to" / "pytest.md").read_text(encoding="utf-8")
ALLOW_INCOMPLETE = "EVI_HARNESS_ALLOW_INCOMPLETE"
HEAVY = ["hume", "aiohttp", "numpy", "msgspec", "asyncio", "soundfile", "websockets", "click", "hypothesis"]

# What the pages call an app of one's own.
MY_APP = """
    import asyncio

    from hume import AsyncHumeClient
    from hume.empathic_voice.types import ToolResponseMessage, UserInput

    CONFIG = "00000000-0000-4000-8000-000000000003"


    async def send(socket, message):
        # hume up to 0.12.1 has a method for each message, later versions one for all.
        one = getattr(socket, "send_publish", None)
        await (one or (socket.send_user_input if isinstance(message, UserInput) else socket.send_tool_response))(message)


    def chat(base_url, **options):
        client = AsyncHumeClient(api_key="any", base_url=base_url)
        try:
            return client.empathic_voice.chat.connect(**options)
        except TypeError:
            from hume.empathic_voice.chat.socket_client import ChatConnectOptions

            return client.empathic_voice.chat.connect(ChatConnectOptions(**options))


    async def talk(base_url, sky="rain"):
        async with chat(base_url, config_id=CONFIG) as socket:
            async for message in socket:
                if message.type == "chat_metadata":
                    await send(socket, UserInput(text="What's the weather in Bath?"))
                elif message.type == "tool_call":
                    content = '{"location": "Bath", "sky": "%s", "celsius": 11}' % sky
                    await send(socket, ToolResponseMessage(tool_call_id=message.tool_call_id, content=content))
                elif message.type == "assistant_end":
                    return


    async def greet(base_url):
        async with chat(base_url) as socket:
            await send(socket, UserInput(text="Hello."))
            async for message in socket:
                if message.type == "assistant_message":
                    return message.message.content
"""

Run = Callable[..., pytest.RunResult]


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run pytest in a project with the sessions of ours, our handlers and an app, in a process of its own, with our plugin alone."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    # What else is installed is tried in test_pytest_plugin_beside.py.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    # With CI set, pytest's short summary repeats whole messages.
    for name in (
        "PYTEST_ADDOPTS",
        "GITHUB_ACTIONS",
        "GITHUB_STEP_SUMMARY",
        "CI",
        "BUILD_NUMBER",
        "EVI_HARNESS_SAVE_BASELINE",
        ALLOW_INCOMPLETE,
    ):
        monkeypatch.delenv(name, raising=False)
    for name in ("weather", "typed"):
        shutil.copytree(ROOT / "sessions" / name, pytester.path / "sessions" / name)
    for handler in (ROOT / "fixtures" / "handlers").glob("*.py"):
        shutil.copy(handler, pytester.path)
    pytester.makepyfile(my_app=MY_APP)
    pytester.makeini("[pytest]\naddopts = --strict-markers\npythonpath = .\nfilterwarnings = ignore::DeprecationWarning:")

    def run(*args: str) -> pytest.RunResult:
        return pytester.runpytest_subprocess("-p", "evi_harness.pytest_plugin", "-p", "no:cacheprovider", *args, timeout=120)

    return run


def said(result: pytest.RunResult) -> str:
    """All that a run printed."""
    return "\n".join([*result.outlines, *result.errlines])


def test_a_handler_that_is_right_passes(run: Run, pytester: pytest.Pytester) -> None:
    """A replay of one session, of each of many, with options, twice in a test, beside a running loop: all of them pass."""
    pytester.makepyfile(
        """
        import asyncio

        import pytest
        from weather import WeatherApp
        from wrong_answer import App as WrongAnswer


        @pytest.mark.evi_session("sessions/weather")
        def test_one(evi_replay, evi_session, evi_session_folder):
            replay = evi_replay(WeatherApp)
            replay.assert_passed()
            assert replay.passed and not replay.deviations and not replay.findings
            assert evi_session.name == evi_session_folder.name == "weather"
            assert replay.report.recorded.header.id == evi_session.header.id


        @pytest.mark.evi_session("sessions/weather")
        def test_options(evi_replay):
            evi_replay(WrongAnswer, ignore=["tool_response:$.content"]).assert_passed()
            assert not evi_replay(WrongAnswer).passed
            evi_replay("weather.py:WeatherApp").assert_passed()
            evi_replay("recorded").assert_passed()


        @pytest.mark.evi_session("sessions/*")
        def test_many(evi_replay):
            evi_replay().assert_passed()


        @pytest.mark.evi_session("sessions/weather")
        def test_beside_a_loop(evi_replay):
            async def main():
                evi_replay(WeatherApp).assert_passed()
                return await asyncio.get_running_loop().run_in_executor(None, evi_replay, WeatherApp)

            asyncio.run(main()).assert_passed()


        @pytest.mark.evi_session("sessions/typed")
        class TestOfAClass:
            def test_the_mark_is_the_class_s(self, evi_session):
                assert evi_session.name == "typed"

            @pytest.mark.evi_session("sessions/weather")
            def test_the_nearest_mark_counts(self, evi_session):
                assert evi_session.name == "weather"
        """
    )
    result = run("-v")
    result.assert_outcomes(passed=7)
    assert re.findall(r"test_many\[(.*?)\]", said(result)) == ["typed", "weather"]


def test_a_failure_shows_the_first_divergence(run: Run, pytester: pytest.Pytester) -> None:
    """Whichever way a test asserts, its failure has the report once, with what was around the first divergence, and no line of ours."""
    pytester.makepyfile(
        """
        import pytest
        from never_answers import App


        @pytest.mark.evi_session("sessions/weather")
        def test_by_method(evi_replay):
            evi_replay(App).assert_passed()


        @pytest.mark.evi_session("sessions/weather")
        def test_by_hand(evi_replay):
            assert evi_replay(App).passed


        @pytest.mark.evi_session("sessions/weather")
        def test_that_passes(evi_replay):
            assert not evi_replay(App).passed
        """
    )
    result = run("-v")
    result.assert_outcomes(passed=1, failed=2)
    assert said(result).count("DEVIATION  missing: recorded #158") == 2
    assert said(result).count("around it, recorded:") == 2
    assert "E       AssertionError: replay of weather failed: 1 deviation; missing: tool response" in said(result)
    assert "<replay of weather failed: 1 deviation>.passed" in said(result)
    assert said(result).count("- EVI replay -") == 1
    # Asked for more, each failure ends with what is to be done, in a few lines.
    assert said(result).count("- EVI explanation -") == 2
    assert re.search(rf"  again +cd {pytester.path} && pytest \S+::test_by_hand\n  versions +evi_harness", said(result))
    # The traceback is the test's own.
    assert "evi_harness/" not in said(result)


def test_a_failure_shows_every_replay_that_failed(run: Run, pytester: pytest.Pytester) -> None:
    """Also one that the test asserts nothing of, and whose report begins as that of the one it does."""
    pytester.makepyfile(
        """
        import pytest
        from never_answers import App


        class Raises(App):
            async def on_message(self, message):
                raise LookupError("no such city")


        @pytest.mark.evi_session("sessions/weather")
        def test_two(evi_replay):
            evi_replay(Raises)
            evi_replay(App).assert_passed()
        """
    )
    result = run()
    result.assert_outcomes(failed=1)
    (_, section) = said(result).split("- EVI replay -")
    assert "no such city" in section


def test_a_mark_that_finds_nothing_is_its_test_s_error(run: Run, pytester: pytest.Pytester) -> None:
    """Where a session is not found, it is told where was looked; the other tests of the file run."""
    pytester.makepyfile(
        """
        import pytest


        @pytest.mark.evi_session("sessions/nowhere")
        def test_none(evi_replay):
            pass


        @pytest.mark.evi_session("sessions/nowhere-*")
        def test_no_match(evi_session):
            pass


        @pytest.mark.evi_session("sessions")
        def test_a_folder_of_sessions(evi_session):
            pass


        @pytest.mark.evi_session()
        def test_no_path(evi_session):
            pass


        @pytest.mark.evi_session("sessions/weather", clock="real")
        def test_no_such_thing(evi_session):
            pass


        def test_no_mark(evi_server):
            pass


        @pytest.mark.evi_session("sessions/damaged")
        def test_damaged(evi_session):
            pass


        @pytest.mark.evi_script("no.toml")
        def test_no_script(evi_simulator):
            pass


        @pytest.mark.evi_session("sessions/weather")
        def test_good(evi_session):
            pass
        """
    )
    (pytester.path / "sessions" / "damaged").mkdir()
    (pytester.path / "sessions" / "damaged" / "session.json").write_text("{")
    result = run()
    result.assert_outcomes(passed=1, errors=8)
    text = said(result)
    assert re.search("no session for 'sessions/nowhere'.*session.json", text)
    assert f"Looked at: {pytester.path / 'sessions' / 'nowhere-*'}" in text
    assert ": sessions/*" in text
    assert len(re.findall("paths, as text, allow_incomplete, max_run_s, min_sessions, ", text)) == 2
    assert '@pytest.mark.evi_session("sessions/…")' in text
    assert re.search("evi_simulator: .*no file 'no.toml'", text)
    assert "Traceback" not in text
    assert "/evi_harness/" not in text


def test_paths_are_relative_to_the_test_s_file_first(run: Run, pytester: pytest.Pytester) -> None:
    """What stands beside the test's file is taken before what stands in the rootdir; a pattern may be deep; a path may be whole."""
    for place, name in (("inner", "here"), ("inner/deep/er", "there")):
        shutil.copytree(pytester.path / "sessions" / "typed", pytester.path / place / "sessions" / name)
    shutil.copytree(pytester.path / "sessions" / "weather", pytester.path / "inner" / "sessions" / "typed")
    whole = str(pytester.path / "sessions" / "typed")
    (pytester.path / "inner" / "test_paths.py").write_text(
        f"""
import pytest


@pytest.mark.evi_session("sessions/typed")
def test_beside(evi_session):
    assert evi_session.header.tracks[0].track == "user"


@pytest.mark.evi_session("sessions/weather")
def test_root(evi_session_folder):
    pass


@pytest.mark.evi_session("**")
def test_deep(evi_session_folder):
    pass


@pytest.mark.evi_session("sessions/here", {whole!r}, "sessions/here")
def test_several(evi_session_folder):
    pass


@pytest.mark.evi_session("sessions/*")
def test_not_about_a_session():
    pass
""",
        encoding="utf-8",
    )
    result = run("-v", "--rootdir", str(pytester.path), "inner")
    result.assert_outcomes(passed=8)
    assert re.findall(r"test_deep\[(.*?)\]", said(result)) == ["deep/er/sessions/there", "sessions/here", "sessions/typed"]
    assert re.findall(r"test_several\[(.*?)\]", said(result)) == ["here", "typed"]


def test_a_handlers_file_is_relative_to_the_test_s_file_first(run: Run, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the session of the mark is, wherever pytest was started; what is nowhere is told with each place, and what is no SPEC as ever."""
    inner = pytester.path / "inner"
    inner.mkdir()
    (inner / "wrong_answer.py").write_text("from weather import WeatherApp as App\n", encoding="utf-8")
    (inner / "pkg").mkdir()
    (inner / "pkg" / "__init__.py").touch()
    (inner / "pkg" / "app.py").write_text("from .there import App\n", encoding="utf-8")
    (inner / "pkg" / "there.py").write_text("from weather import WeatherApp as App\n", encoding="utf-8")
    (inner / "test_handlers.py").write_text(
        """
import pytest

pytestmark = pytest.mark.evi_session("sessions/weather")


def test_beside(evi_replay):
    replay = evi_replay("wrong_answer.py:App")
    replay.assert_passed()
    assert replay.report.handler.endswith("wrong_answer.py:App")


def test_root(evi_replay):
    evi_replay(handler="weather.py:WeatherApp").assert_passed()
    assert not evi_replay("never_answers.py:App").passed


def test_package(evi_replay):
    evi_replay("pkg/app.py:App").assert_passed()


def test_gone(evi_replay):
    evi_replay("gone.py:App")


def test_no_spec(evi_replay):
    evi_replay("weather.py")
""",
        encoding="utf-8",
    )
    for folder in (pytester.path, inner):
        monkeypatch.chdir(folder)
        result = run("--rootdir", str(pytester.path), "-c", str(pytester.path / "tox.ini"), str(inner))
        result.assert_outcomes(passed=3, failed=2)
        assert re.search(r"no file 'gone\.py'\n.*Looked at: .*inner/gone\.py, .*/gone\.py", said(result))
        assert re.search(r"'weather\.py' .*name a handler", said(result))


def test_every_form_of_handler_is_taken(run: Run, pytester: pytest.Pytester) -> None:
    """A closure, a method of an object, a partial, a coroutine that takes the connection, alone or with a stream."""
    pytester.makepyfile(
        """
        import functools

        import pytest
        from weather import WeatherApp


        async def talk(link, stream, app=None):
            app = app or WeatherApp()
            app.set_socket(link)
            app.byte_strs = stream
            async for message in link:
                await app.on_message(message)


        class Service:
            def __init__(self):
                self.app = WeatherApp()

            async def run(self, socket):
                self.app.set_socket(socket)
                async for message in socket:
                    await self.app.on_message(message)


        def closure(app):
            async def run(socket, stream):
                await talk(socket, stream, app)

            return run


        @pytest.mark.evi_session("sessions/weather")
        def test_all(evi_replay):
            partial = functools.partial(talk, app=None)
            for handler in (talk, partial, Service().run, closure(WeatherApp()), lambda: Service().run):
                replay = evi_replay(handler)
                replay.assert_passed()
                print("played with", replay.report.handler)
        """
    )
    result = run("-s")
    result.assert_outcomes(passed=1)
    for name in ("talk", "talk", "Service.run", "closure.<locals>.run", "test_all.<locals>.<lambda>"):
        result.stdout.fnmatch_lines([f"*played with {name}*"])


def test_a_latency_assert_shows_its_samples(run: Run, pytester: pytest.Pytester) -> None:
    """A threshold that does not hold shows what is beyond it and where; what is none, or the service's, is an error without a traceback."""
    pytester.makepyfile(
        """
        import pytest
        from weather import WeatherApp


        @pytest.fixture
        def replay(evi_replay):
            return evi_replay(WeatherApp)


        pytestmark = pytest.mark.evi_session("sessions/weather")


        def test_holds(replay):
            replay.assert_latency("queue: max<50", "handle: med<10ms")
            assert [sample.value for sample in replay.samples("tool.app")] == [120.0]


        def test_does_not_hold(replay):
            replay.assert_latency("handle: max<10", "queue: max<50", "tool.app: avg<0.1s")


        def test_too_few(replay):
            replay.assert_latency("handle: p(99)<10")


        def test_of_the_service(replay):
            replay.assert_latency("turn_gap: max<800")


        def test_no_threshold(replay):
            replay.assert_latency("queue max<800")


        def test_nothing_asserted(replay):
            replay.assert_latency()


        def test_no_metric(replay):
            replay.samples("speed")


        def test_a_list(replay):
            replay.assert_latency(["queue: max<50"])


        def test_no_such_option(evi_replay):
            evi_replay(WeatherApp, speeed=2)
        """
    )
    result = run()
    result.assert_outcomes(passed=1, failed=8)
    text = said(result)
    assert "AssertionError: replay of weather: handle: max<10: failed, max is 120 ms of 14 values" in text
    assert text.count("120 ms  #161 at 2.990 s, received tool call") == 2
    assert "replay of weather: tool.app: avg<0.1s: failed, avg is 120 ms of 1 value" in text
    assert "handle: p(99)<10: inconclusive, p(99) needs 100 values" in text
    assert "UsageError: turn_gap is the service's" in text
    assert "colon is missing" in text
    assert "no threshold is" in text
    assert "no metric 'speed'" in text
    assert text.count("E         13 more are within the limit") == 1
    assert '>       replay.assert_latency(["queue: max<50"])\nE       evi_harness.errors.UsageError: a threshold ' in text
    assert re.search(r">       evi_replay\(WeatherApp, speeed=2\)\nE       evi_harness\.errors\.UsageError: .*no option 'speeed'", text)
    assert "Did you mean speed or seed? There are: arguments, clock, " in text
    assert "/evi_harness/" not in text
    assert not re.search(r"evi_harness\S*\.py", text)


def test_an_app_of_one_s_own_is_judged(run: Run, pytester: pytest.Pytester) -> None:
    """What an app sends to the fake server is compared with the recording, each conversation by itself."""
    pytester.makepyfile(
        """
        import asyncio

        import pytest
        from my_app import chat, talk

        pytestmark = pytest.mark.evi_session("sessions/typed")


        def test_as_recorded(evi_server):
            asyncio.run(talk(evi_server.url))
            evi_server.result().assert_passed()
            assert len(evi_server.sessions) == 1
            assert evi_server.events[0].kind == "opened"
            assert evi_server.lateness.n == 6
            asyncio.run(talk(evi_server.url, sky="snow"))
            assert evi_server.result().passed
            assert [one.kind for one in evi_server.result(2).deviations] == ["different"]
            assert evi_server.result(2, ignore=["$.content"]).passed


        def test_otherwise(evi_server):
            asyncio.run(talk(evi_server.url, sky="snow"))
            evi_server.result().assert_passed()


        def test_nobody(evi_server):
            evi_server.result()
        """
    )
    result = run()
    result.assert_outcomes(passed=1, failed=2)
    text = said(result)
    assert "AssertionError: replay of typed failed: 1 deviation; different: tool response" in text
    assert re.search("replayed   .*own app on hume", text)
    assert re.search(r"UsageError: no app .*connected.*\s+E\s+.*base_url, .*HUME_BASE_URL=http", text)
    assert "/evi_harness/" not in text


def test_update_accepts_what_is_sent_now(run: Run, pytester: pytest.Pytester) -> None:
    """With --evi-update a test that fails passes, and passes from then on; with a handler and with an app on the fake server."""
    pytester.makepyfile(
        """
        import asyncio

        import pytest
        from my_app import talk
        from wrong_answer import App


        @pytest.mark.evi_session("sessions/weather")
        def test_handler(evi_replay):
            evi_replay(App).assert_passed()


        @pytest.mark.evi_session("sessions/typed")
        def test_app(evi_server):
            asyncio.run(talk(evi_server.url, sky="snow"))
            evi_server.result().assert_passed()
        """
    )
    run().assert_outcomes(failed=2)
    assert list((pytester.path / "sessions").rglob("expected.jsonl")) == []
    updated = run("--evi-update")
    updated.assert_outcomes(passed=2)
    written = r"EVI update =+\s+weather: expected\.jsonl is written: \d+ messages?\. .*\n  ~ #\d+ at .* tool response"
    assert re.search(written, said(updated))
    assert "typed: expected.jsonl is written" in said(updated)
    assert "nothing to update" in said(run("--evi-update"))
    assert len(list((pytester.path / "sessions").rglob("expected.jsonl"))) == 2
    run().assert_outcomes(passed=2)


VOICE_APP = """
    import asyncio
    import base64
    import json
    from contextlib import suppress

    import sounddevice
    from hume import MicrophoneInterface, Stream
    from hume.client import AsyncHumeClient
    from hume.empathic_voice.types import ToolResponseMessage
    from websockets.exceptions import ConnectionClosed


    async def listen(chat, stream):
        n_replies = 0
        async for event in chat:
            if event.type == "audio_output":
                await stream.put(base64.b64decode(event.data))
            elif event.type == "tool_call":
                content = json.dumps({"location": "Bath", "sky": "rain", "celsius": 11})
                send = getattr(chat, "send_publish", None) or chat.send_tool_response
                await send(ToolResponseMessage(tool_call_id=event.tool_call_id, content=content))
            elif event.type == "assistant_end":
                n_replies += 1
                if n_replies == 2:
                    return


    async def speak(chat, stream):
        with suppress(ConnectionClosed):
            await MicrophoneInterface.start(chat, byte_stream=stream)


    async def main(base_url):
        client, stream = AsyncHumeClient(api_key="any", base_url=base_url), Stream.new()
        async with client.empathic_voice.chat.connect() as chat:
            speaking = asyncio.ensure_future(speak(chat, stream))
            await listen(chat, stream)
            speaking.cancel()
"""


@pytest.mark.skipif((0, 13) <= parse_version(installed_version()) < (0, 13, 5), reason="the installed SDK's client takes no base_url")
def test_a_whole_app_runs_without_a_sound_device(run: Run, pytester: pytest.Pytester) -> None:
    """As the page has it: it opens the microphone and the speaker, says what the user of the session said, and plays what it hears."""
    (block,) = [block for block in blocks("python") if "evi_sound" in block]
    pytester.makepyfile(my_voice_app=VOICE_APP, test_page=block)
    result = run("-s")
    assert result.ret == 0, said(result)
    result.assert_outcomes(passed=1)


INCOMPLETE = """
    import pytest


    @pytest.mark.evi_session("sessions/typed")
    def test_replay(evi_replay):
        evi_replay().assert_passed()


    @pytest.mark.evi_session("sessions/typed")
    def test_session(evi_session):
        assert evi_session.events


    @pytest.mark.evi_session("sessions/typed")
    def test_server(evi_server):
        assert evi_server.url


    @pytest.mark.evi_session("sessions/*", allow_incomplete=True)
    def test_as_they_are(evi_replay, evi_session, evi_server):
        evi_replay().assert_passed()
        assert not evi_replay(allow_incomplete=False).passed or evi_session.name == "weather"


    @pytest.mark.evi_session("sessions/typed", allow_incomplete=False)
    def test_never(evi_replay):
        evi_replay().assert_passed()
"""


def test_a_recording_that_is_not_whole_fails(run: Run, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """With every fixture, saying what is missing; the option takes it as it is, and so does `ab`; what a mark says counts."""
    path = pytester.path / "sessions" / "typed" / "events.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    pytester.makepyfile(test_incomplete=INCOMPLETE)
    failed = run()
    failed.assert_outcomes(failed=2, errors=2, passed=2)
    lost = "events.jsonl, line 10: the file ends here; 1 of the 10 events that session.json counts are lost."
    assert re.search(f"AssertionError: replay of typed failed: incomplete recording, .*; {re.escape(lost)}", said(failed))
    assert re.search(rf"typed: .*incomplete or damaged:\n  {re.escape(lost)}\nevi-harness check FOLDER ", said(failed))
    run("--evi-allow-incomplete").assert_outcomes(failed=1, passed=5)
    monkeypatch.setenv(ALLOW_INCOMPLETE, "1")
    run().assert_outcomes(failed=1, passed=5)


@pytest.mark.parametrize(
    ("mark", "told"),
    [
        ('"sessions/typed", allow_incomplete="yes"', "allow_incomplete .*'yes'"),
        ('"sessions/*", allow_incomplete=1', r"allow_incomplete .*\b1\b"),
        ('"sessions/typed", max_run_s=0', r"max_run_s .*seconds, .*\b0\b"),
        ('"sessions/typed", max_run_s="1"', "max_run_s .*seconds, .*'1'"),
        ('"sessions/typed", max_run_s=float("inf")', r"max_run_s .*seconds, .*\binf\b"),
        ('"sessions/typed", allow=True', ".*paths, as text, allow_incomplete, max_run_s, min_sessions, "),
    ],
)
def test_a_mark_that_cannot_be_meant(run: Run, pytester: pytest.Pytester, mark: str, told: str) -> None:
    """A sentence, and the error of that test alone."""
    pytester.makepyfile(
        f"""
        import pytest


        @pytest.mark.evi_session({mark})
        def test_it(evi_session):
            pass


        def test_another():
            pass
        """
    )
    result = run()
    result.assert_outcomes(errors=1, passed=1)
    assert re.search(f"@pytest.mark.evi_session: {told}", said(result))


FOR_EVER = """
    import asyncio
    import itertools

    import pytest


    async def polls(message):
        for _ in itertools.count():
            await asyncio.sleep(1e-6)


    def over(result):
        return [one.what for one in result.deviations if one.kind == "over_time"]


    @pytest.mark.evi_session("sessions/typed", max_run_s=0.5)
    def test_by_the_mark(evi_replay):
        assert over(evi_replay(polls)) == ["the run was not over after 0.5 s of real time, and was ended"]


    @pytest.mark.evi_session("sessions/typed")
    def test_by_the_option(evi_replay):
        assert "after 0.75 s" in over(evi_replay(polls))[0]
        assert "after 0.25 s" in over(evi_replay(polls, max_run_s=0.25))[0]
"""


def test_a_run_that_never_ends_is_ended(run: Run, pytester: pytest.Pytester) -> None:
    """After what the test says, else its mark, else the command line; what is no time there ends the run before it begins."""
    pytester.makepyfile(test_for_ever=FOR_EVER)
    run("--evi-max-run-time", "0.75").assert_outcomes(passed=2)
    for wrong in ("0", "nan", "soon"):
        refused = run(f"--evi-max-run-time={wrong}")
        assert refused.ret == pytest.ExitCode.USAGE_ERROR
        assert "--evi-max-run-time" in said(refused) + str(refused.stderr)


def test_no_page_goes_into_a_session_folder(run: Run, pytester: pytest.Pytester) -> None:
    """--evi-report with a session folder ends the run before it begins, and nothing is added to the folder."""
    pytester.makepyfile("def test_nothing(): pass")
    before = sorted((pytester.path / "sessions" / "typed").iterdir())
    for place in ("sessions/typed", "sessions/typed/pages"):
        refused = run("--evi-report", place)
        assert refused.ret == pytest.ExitCode.USAGE_ERROR
        assert "--evi-report: " in str(refused.stderr)
    assert sorted((pytester.path / "sessions" / "typed").iterdir()) == before


def test_a_report_is_left_of_each_replay(run: Run, pytester: pytest.Pytester) -> None:
    """--evi-report leaves a text and a JSON that keeps to its schema for each replay, and the session of one that failed."""
    pytester.makepyfile(
        test_reports="""
        import pytest
        from never_answers import App


        @pytest.mark.evi_session("sessions/*")
        def test_all(evi_replay):
            evi_replay()
            evi_replay(clock="virtual")


        @pytest.mark.evi_session("sessions/weather")
        def test_bad(evi_replay):
            assert not evi_replay(App).passed


        @pytest.mark.evi_session("sessions/weather")
        def test_red(evi_replay):
            evi_replay("recorded")
            evi_replay(App).assert_passed()
        """
    )
    found = run("--evi-report", "out/reports")
    found.assert_outcomes(passed=3, failed=1)
    reports = pytester.path / "out" / "reports"
    schema = json.loads((ROOT / "docs" / "reference" / "replay-report.schema.json").read_text(encoding="utf-8"))
    told = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted(reports.glob("*.json"))}
    assert {name: report["passed"] for name, report in told.items()} == {
        "test_reports.py.test_all[typed].json": True,
        "test_reports.py.test_all[typed].2.json": True,
        "test_reports.py.test_all[weather].json": True,
        "test_reports.py.test_all[weather].2.json": True,
        "test_reports.py.test_bad.json": False,
        "test_reports.py.test_red.json": True,
        "test_reports.py.test_red.2.json": False,
    }
    # A page of the test that failed, and of its replay that did; named in the failure, and in the index.
    assert sorted(path.name for path in reports.glob("*.html")) == ["index.html", "test_reports.py.test_red.html"]
    assert str(reports / "test_reports.py.test_red.html") in said(found)
    index = (reports / "index.html").read_text(encoding="utf-8")
    assert 'href="test_reports.py.test_red.html"' in index
    assert "failed: 1 deviation" in index
    for report in told.values():
        jsonschema.validate(report, schema)
    bad = told["test_reports.py.test_bad.json"]
    command = bad["command"]
    assert (command["argv"], command["test"], command["cwd"]) == (None, "test_reports.py::test_bad", str(pytester.path))
    assert command["call"].startswith(f"replay_session('{pytester.path}/sessions/weather', handler=never_answers.App")
    assert (bad["recording"]["path"], len(bad["recording"]["sha256"])) == (f"{pytester.path}/sessions/weather", 64)
    assert bad["deviations"][0]["places"][0]["function"] == "answer"
    text = (reports / "test_reports.py.test_bad.txt").read_text(encoding="utf-8")
    assert text.startswith("test_reports.py::test_bad\nsession    weather")
    kept = [path for path in reports.iterdir() if path.is_dir()]
    names = ("test_reports.py.test_bad.json", "test_reports.py.test_red.2.json")
    assert sorted(map(str, kept)) == sorted(told[name]["folder"] for name in names)
    assert (kept[0] / "events.jsonl").is_file()


def test_a_baseline_fails_the_run_that_became_slower(run: Run, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same again passes, to the nanosecond; 1 ms more of a handler's own fails the run, whose tests pass; what failed is not kept."""
    pytester.makepyfile(
        test_measured="""
        import asyncio
        import os

        import pytest
        from weather import WeatherApp


        class App(WeatherApp):
            async def weather(self, place):
                await asyncio.sleep(float(os.environ["SLOWER"]))
                return await super().weather(place)


        @pytest.mark.evi_session("sessions/weather")
        def test_app(evi_replay):
            evi_replay(App).assert_passed()
            evi_replay(App, clock="virtual").assert_passed()


        def test_otherwise():
            assert "BROKEN" not in os.environ
        """
    )
    monkeypatch.setenv("SLOWER", "0")
    kept = run("--evi-save-baseline", "base.json")
    kept.assert_outcomes(passed=2)
    assert kept.ret == 0
    assert "written to base.json" in said(kept)
    again = run("--evi-baseline", "base.json")
    assert again.ret == 0, said(again)
    assert "handle each: 120 ms → 120 ms" in said(again)
    monkeypatch.setenv("SLOWER", "0.001")
    before = (pytester.path / "base.json").read_bytes()
    slower = run("--evi-baseline", "base.json", "--evi-save-baseline", "base.json", "--junitxml", "tests.xml")
    suite = ElementTree.parse(pytester.path / "tests.xml").getroot().find("testsuite")
    assert suite is not None
    failed = {case.get("name"): case.find("failure") for case in suite.findall("testcase") if case.find("failure") is not None}
    assert (suite.get("failures"), "handle each" in failed, "test_app" in failed) == (str(len(failed)), True, False)
    slower.assert_outcomes(passed=2)
    assert slower.ret == pytest.ExitCode.TESTS_FAILED
    assert re.search(r"baseline +not .*base\.json: ", said(slower))
    assert (pytester.path / "base.json").read_bytes() == before
    assert re.search(r"REGRESSED +handle each: 120 ms → 121 ms .* at test_measured\.py::test_app( \(2\))? turn 1", said(slower))
    monkeypatch.setenv("BROKEN", "1")
    broken = run("--evi-save-baseline", "other.json")
    broken.assert_outcomes(passed=1, failed=1)
    assert re.search(rf"EVI gate =+\s+baseline   not .*{re.escape(str(pytester.path / 'other.json'))}: tests failed", said(broken))
    assert not (pytester.path / "other.json").exists()


MEASURED = """
    import asyncio
    import os

    import pytest
    from weather import WeatherApp


    class App(WeatherApp):
        async def weather(self, place):
            await asyncio.sleep(float(os.environ.get("SLOWER", "0")))
            return await super().weather(place)


    @pytest.mark.evi_session("sessions/weather")
    def test_app(evi_replay):
        evi_replay(App).assert_passed()
"""


def test_thresholds_hold_for_all_replays_of_a_run(run: Run, pytester: pytest.Pytester) -> None:
    """From the command line or the project's configuration; tests that pass make no green run where one does not hold."""
    pytester.makepyfile(test_measured=MEASURED)
    passed = run("--evi-gate", "handle: max<=120", "--evi-gate", "queue: count<1")
    assert (passed.ret, "passed        handle: max<=120: 120 ms" in said(passed)) == (0, True)
    pytester.makepyprojecttoml("[tool.evi-harness]\ngate = ['handle: max<120', 'turn_gap: max<1200']\n")
    failed = run()
    failed.assert_outcomes(passed=1)
    assert failed.ret == pytest.ExitCode.TESTS_FAILED
    assert "EVI gate" in said(failed)
    assert "FAILED        handle: max<120: 120 ms" in said(failed)
    assert re.search("'turn_gap: max<1200' .*not measured", said(failed))
    assert run("--evi-gate", "handle: max<=120").ret == 0
    pytester.makepyprojecttoml("[tool.evi-harness]\ngates = []\n")
    wrong = run()
    wrong.assert_outcomes(errors=1)
    assert "[tool.evi-harness] has no key 'gates'" in said(wrong)


def test_an_app_that_fails_is_not_quick(run: Run, pytester: pytest.Pytester) -> None:
    """A latency assert on a replay that failed fails, with the report; what no test asserted on is left out of gate and baseline."""
    pytester.makepyfile(
        test_quick="""
        import pytest
        from raises import App
        from weather import WeatherApp


        @pytest.mark.evi_session("sessions/weather")
        def test_asserted(evi_replay):
            evi_replay(App).assert_latency("handle: max<=120")


        @pytest.mark.evi_session("sessions/weather")
        def test_not_asserted(evi_replay):
            assert evi_replay(App).findings
            evi_replay(WeatherApp)


        @pytest.mark.evi_session("sessions/weather")
        def test_forgotten(evi_replay):
            evi_replay(WeatherApp)
            evi_replay(App)


        @pytest.mark.evi_session("sessions/weather")
        def test_forgotten_too(evi_replay):
            assert evi_replay(WeatherApp)
            assert evi_replay(App)


        @pytest.mark.evi_session("sessions/weather")
        @pytest.mark.parametrize("strict", [pytest.param(one, marks=pytest.mark.xfail(strict=one)) for one in (True, False)])
        def test_expected(evi_replay, strict):
            evi_replay(App)
        """
    )
    run("-k", "expected").assert_outcomes(xfailed=2, deselected=4)
    result = run("-k", "test_asserted or forgotten", "--junitxml", "tests.xml")
    result.assert_outcomes(failed=3, deselected=3)
    assert re.search(r"AssertionError: replay of weather failed: .*raised", said(result))
    assert "at this result" in said(result)
    told = {case.get("name"): len(case.findall("failure")) for case in ElementTree.parse(pytester.path / "tests.xml").iter("testcase")}
    assert told == {"test_asserted": 1, "test_forgotten": 1, "test_forgotten_too": 1}
    result = run("-k", "not_asserted", "--evi-gate", "handle: max<=120", "--evi-save-baseline", "base.json")
    result.assert_outcomes(passed=1, deselected=5)
    assert "passed        handle: max<=120: 120 ms of 14 values" in said(result)
    assert "verdict    passed" in result.outlines
    assert re.search(r"left out   .*test_quick\.py::test_not_asserted: .*failed", said(result))
    assert re.search(r"baseline +not written to .*base\.json: replays failed", said(result))
    assert not (pytester.path / "base.json").exists()


def test_what_runs_the_tests_gets_at_what_they_measured(run: Run, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """``evi-harness ab`` compares two test runs: 1 ms more of the handler's own is found, to the nanosecond."""
    pytester.makepyfile(test_measured=MEASURED)
    monkeypatch.delenv("PYTEST_CURRENT_TEST", raising=False)
    tests = f"{sys.executable} -m pytest -q -p evi_harness.pytest_plugin -p no:cacheprovider"
    ab = [sys.executable, "-m", "evi_harness", "ab", "--runs", "1", "--warm-up", "0", "--metric", "handle"]
    same = subprocess.run([*ab, "--a", tests, "--b", tests], capture_output=True, text=True, check=False, cwd=str(pytester.path))
    assert (same.returncode, "passed" in same.stdout) == (0, True), same.stdout + same.stderr
    slower = [*ab, "--a", tests, "--b", f"env SLOWER=0.001 {tests}"]
    found = subprocess.run(slower, capture_output=True, text=True, check=False, cwd=str(pytester.path))
    assert found.returncode == 1, found.stdout + found.stderr
    assert re.search(r"REGRESSED +handle each: 120 ms → 121 ms .* at test_measured\.py::test_app turn 1", found.stdout)


def test_github_is_told_where_a_test_failed(run: Run, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """On GitHub Actions the app's line is marked where a replay failed, and the step's summary has the test; elsewhere nothing is told."""
    pytester.makepyfile(
        test_marked="""
        import pytest
        from never_answers import App


        @pytest.mark.evi_session("sessions/weather")
        def test_bad(evi_replay):
            evi_replay("recorded")
            evi_replay(App).assert_passed()


        @pytest.mark.evi_session("sessions/weather")
        def test_bad_by_hand(evi_replay):
            assert evi_replay(App).passed


        @pytest.mark.evi_session("sessions/weather")
        def test_good(evi_replay):
            evi_replay("recorded").assert_passed()


        def test_of_something_else():
            assert False
        """
    )
    assert "::error" not in said(run())
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(pytester.path / "summary.md"))
    result = run("--evi-save-baseline", "base.json")
    result.assert_outcomes(passed=1, failed=3)
    marks = [line for line in result.outlines if line.startswith("::")]
    assert len(marks) == 2
    place = "::error file=never_answers.py,line=7,title=test%3A test_marked.py%3A%3A"
    assert marks[1].startswith(f"{place}test_bad_by_hand::assert False; replay of weather failed: 1 deviation")
    assert marks[0].startswith(f"{place}test_bad::replay of weather failed")
    summary = (pytester.path / "summary.md").read_text(encoding="utf-8")
    assert "2 failed, 1 passed" in summary
    assert "DEVIATION  missing" in summary


def test_a_comparison_of_nothing_fails(run: Run, pytester: pytest.Pytester) -> None:
    """Where no replay was measured, the run does not pass for having become no slower; a baseline that is not there ends it at once."""
    pytester.makepyfile(
        """
        def test_nothing():
            pass
        """
    )
    result = run("--evi-save-baseline", "base.json")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "no test measured" in said(result)
    result = run("--evi-baseline", "base.json")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "base.json: --evi-baseline: the baseline " in said(result)
    assert run("--evi-save-baseline", "base.json", "--collect-only").ret == 0


@pytest.mark.parametrize(
    ("options", "code", "why"),
    [
        ([], pytest.ExitCode.INTERRUPTED, "not .*{}: the run .*"),
        (["-k", "nothing_like_it"], pytest.ExitCode.NO_TESTS_COLLECTED, r"no test .*measured .*\(no test .*\)"),
    ],
)
def test_a_run_that_was_cut_short_is_not_kept(run: Run, pytester: pytest.Pytester, options: List[str], code: int, why: str) -> None:
    """Where the run was interrupted, or nothing ran, no baseline is written, and the end of the run says why."""
    pytester.makepyfile(
        test_a=MEASURED,
        test_b="""
        def test_interrupted():
            raise KeyboardInterrupt
        """,
    )
    result = run("--evi-save-baseline", "base.json", *options)
    assert result.ret == code
    assert re.search(why.format(re.escape(str(pytester.path / "base.json"))), said(result))
    assert not (pytester.path / "base.json").exists()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="whoever runs this may write anywhere")
def test_a_folder_that_cannot_be_written_is_told_before_the_tests(run: Run, pytester: pytest.Pytester) -> None:
    """No test runs for a baseline that could not be kept."""
    pytester.mkdir("shut").chmod(0o500)
    result = run("--evi-save-baseline", "shut/base.json")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "shut cannot be written" in said(result)


@pytest.mark.parametrize("source", ["addopts", "PYTEST_ADDOPTS"])
def test_what_is_asked_of_every_run_fails_none_that_replays_nothing(
    run: Run, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    """An option of the project's, or the environment's, is noted where nothing replays; on the command line itself it fails the run."""
    pytester.makepyfile(
        test_unit="""
        def test_nothing():
            pass
        """,
        test_measured=MEASURED,
    )
    assert run("--evi-save-baseline", "base.json").ret == 0
    options = "--evi-baseline base.json --evi-gate='handle: max<=120'"
    if source == "addopts":
        pytester.makeini(f"[pytest]\naddopts = {options}\npythonpath = .\nfilterwarnings = ignore::DeprecationWarning:")
    else:
        monkeypatch.setenv("PYTEST_ADDOPTS", options)
    noted = run("test_unit.py")
    assert noted.ret == 0, said(noted)
    assert re.search(r"EVI gate =+\s+note       no test measured .*\n", said(noted))
    assert run("--evi-gate=handle: max<=120", "test_unit.py").ret == pytest.ExitCode.TESTS_FAILED
    assert run().ret == 0
    monkeypatch.setenv("SLOWER", "0.001")
    assert run().ret == pytest.ExitCode.TESTS_FAILED


def test_the_clock_of_all_can_be_chosen(run: Run, pytester: pytest.Pytester) -> None:
    """--evi-clock is for replays that name no clock."""
    pytester.makepyfile(
        """
        import pytest


        @pytest.mark.evi_session("sessions/typed")
        def test_clocks(evi_replay):
            assert evi_replay().report.clock == "real"
            assert evi_replay(clock="virtual").report.clock == "virtual"
        """
    )
    run("--evi-clock", "real").assert_outcomes(passed=1)


def test_the_microphone_of_all_can_be_chosen(run: Run, pytester: pytest.Pytester) -> None:
    """--evi-microphone is for replays that say nothing of it."""
    pytester.makepyfile(
        """
        import pytest


        @pytest.mark.evi_session("sessions/weather")
        def test_microphones(evi_replay):
            is_audio = lambda result: any(not event.frame.is_text for event in result.session.sent)
            assert not is_audio(evi_replay())
            assert is_audio(evi_replay(microphone="auto"))
        """
    )
    run("--evi-microphone", "off").assert_outcomes(passed=1)


def test_the_network_can_be_shut(run: Run, pytester: pytest.Pytester) -> None:
    """Nothing beyond this machine is reached by tests or fixtures, but for what is allowed; what was swallowed is told with a failure."""
    pytester.makepyfile(
        """
        import asyncio
        import socket

        import pytest
        from evi_harness.errors import NetworkRefused
        from my_app import talk


        def reach(address):
            # Nothing is sent by this.
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.connect((address, 9))


        @pytest.fixture
        def reaching():
            with pytest.raises(NetworkRefused, match="--evi-allow-host 192.0.2.1"):
                reach("192.0.2.1")


        def test_refused(reaching):
            with pytest.raises(ConnectionRefusedError):
                reach("192.0.2.1")


        def test_allowed():
            reach("192.0.2.7")
            reach("127.0.0.1")


        def test_swallowed():
            try:
                reach("192.0.2.2")
            except OSError:
                pass
            assert False


        @pytest.mark.evi_session("sessions/typed")
        def test_replay(evi_replay, evi_server):
            evi_replay(clock="real").assert_passed()
            evi_replay().assert_passed()

            async def main(connection):
                reach("192.0.2.7")
                async for message in connection:
                    pass

            assert "network" not in [one.kind for one in evi_replay(main, allow_hosts=["192.0.2.7"]).findings]
            assert "network" not in [one.kind for one in evi_replay(main).findings]
            assert "network" in [one.kind for one in evi_replay(main, allow_hosts=[]).findings]
            asyncio.run(talk(evi_server.url))
            evi_server.result().assert_passed()
        """
    )
    result = run("--evi-block-network", "--evi-allow-host", "192.0.2.7")
    result.assert_outcomes(passed=3, failed=1)
    assert "EVI network" in said(result)
    assert re.search(r"not reach 192\.0\.2\.2:9 .*\n +\S+\.py:\d+", said(result))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--evi-block-network", "--evi-allow-host", "https://example.org/"], "invalid value for --evi-allow-host: 'https://example.org/'"),
        (["--evi-allow-host", "https://example.org/"], "invalid value for --evi-allow-host: 'https://example.org/'"),
        (["--evi-max-run-time", "nan"], "argument --evi-max-run-time: 'nan' "),
        (["--evi-clock", "moon"], "invalid choice: 'moon'"),
        (["--evi-microphone", "loud"], "invalid choice: 'loud'"),
        (["--evi-gate", "handel: max<5"], "invalid value for --evi-gate: "),
        (["--evi-gate", "turn_gap: max<1200"], "a recording plays"),
        (
            ["--evi-save-baseline", "nowhere/base.json"],
            "nowhere is not a ",
        ),
        (["--evi-save-baseline", "my_app.py/base.json"], "my_app.py is not a "),
        (["--evi-baseline", "my_app.py"], "pytest's --evi-save-baseline"),
    ],
)
def test_an_option_that_cannot_be_meant_is_refused(run: Run, options: List[str], words: str) -> None:
    """Nothing runs with an option that means nothing, and the sentence says why."""
    result = run(*options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert words in said(result)
    assert "Traceback" not in said(result)


def test_nothing_is_loaded_where_nothing_is_used(run: Run, pytester: pytest.Pytester) -> None:
    """A test run that uses nothing of it has loaded neither the SDK nor a server nor a codec for it."""
    pytester.makepyfile(
        f"""
        import sys


        def test_unused():
            assert [name for name in {[name for name in HEAVY if name != "asyncio"]!r} if name in sys.modules] == []
            assert {{name for name in sys.modules if name.startswith("evi_harness")}} == {{
                "evi_harness", "evi_harness.version", "evi_harness.errors", "evi_harness.pytest_plugin",
                "evi_harness.pytesting", "evi_harness.pytesting.absent_portaudio",
            }}
        """
    )
    run().assert_outcomes(passed=1)


def test_importing_the_plugin_loads_no_more_than_pytest_does() -> None:
    """By itself the module brings nothing but its errors."""
    loading = "import sys, pytest; before = set(sys.modules); import evi_harness.pytest_plugin"
    code = f"{loading}; print(*(set(sys.modules) - before) & set({HEAVY!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=str(ROOT))
    assert done.stdout.split() == []


def test_every_name_is_ours() -> None:
    """Options are named ``--evi-…``; fixtures and marks ``evi_…``; each is on the page."""
    seen: List[str] = []

    class Group:
        def addoption(self, name: str, **_: Any) -> None:
            seen.append(name)

    class Parser:
        def getgroup(self, name: str, description: str) -> Group:
            return Group()

    pytest_plugin.pytest_addoption(Parser())  # type: ignore[arg-type]
    assert seen
    assert [name for name in seen if not name.startswith("--evi-")] == []
    names = [*seen, *(name for name in pytest_plugin.__all__ if not name.startswith("pytest_"))]
    assert [name for name in names if not name.lstrip("-").startswith("evi")] == []
    assert [name for name in names if f"`{name}" not in PAGE] == []


def blocks(language: str) -> List[str]:
    """The page's blocks of a language, in order; ``text`` is output."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_page_s_examples_run_as_they_stand(run: Run, pytester: pytest.Pytester) -> None:
    """Each Python block of the page is a file of tests that pass; pytest-asyncio and an app with sound have tests of their own."""
    examples = [block for block in blocks("python") if "mark.asyncio" not in block and "evi_sound" not in block]
    assert len(examples) >= 4
    for number, block in enumerate(examples):
        pytester.makepyfile(**{f"test_example_{number}": block})
    killed = pytester.path / "recordings" / "killed"
    shutil.copytree(pytester.path / "sessions" / "typed", killed)
    (killed / "events.jsonl").write_bytes(b"".join((killed / "events.jsonl").read_bytes().splitlines(keepends=True)[:-1]))
    result = run("-v")
    assert result.ret == 0, said(result)


def test_the_page_s_output_is_what_is_printed(run: Run, pytester: pytest.Pytester) -> None:
    """Each line of a failure that the page shows stands in a real one, up to where the page cuts it."""
    pytester.makepyfile(
        """
        import pytest
        import never_answers
        import weather


        class WeatherApp(never_answers.App):
            pass


        @pytest.mark.evi_session("sessions/weather")
        def test_the_weather_is_told(evi_replay):
            evi_replay(WeatherApp).assert_passed()


        @pytest.mark.evi_session("sessions/weather")
        def test_fast(evi_replay):
            evi_replay(weather.WeatherApp).assert_latency("handle: max<100")


        @pytest.mark.evi_session("recordings/weather")
        def test_changed(evi_replay):
            evi_replay(weather.WeatherApp).assert_passed()
        """
    )
    shutil.copytree(pytester.path / "sessions" / "weather", pytester.path / "recordings" / "weather")
    audio = pytester.path / "recordings" / "weather" / "user.wav"
    audio.write_bytes(audio.read_bytes()[:-1] + b"\x7f")
    text = said(run())
    shown = [line for block in blocks("text") for line in block.splitlines() if line.startswith(("E ", ">"))]
    assert len(shown) > 10
    varying = re.compile(r"on hume \S+ in virtual time \(.*|on hume .*")
    missing = [line for line in shown if varying.split(line.split("…")[0])[0].rstrip() not in text]
    assert missing == []


def test_the_table_of_fixtures_is_whole() -> None:
    """Every fixture, mark and option stands in a table of the page, and the tables have no other."""
    rows = re.findall(r"^\| `(--evi-[\w-]+|evi_\w+)", PAGE, re.MULTILINE)
    fixtures = [name for name in pytest_plugin.__all__ if name.startswith("evi_")]
    options = re.findall(r'"(--evi-[\w-]+)"', (ROOT / "evi_harness" / "pytest_plugin.py").read_text(encoding="utf-8"))
    marks = ["evi_script"]
    assert set(rows) == {*fixtures, *options, *marks}
