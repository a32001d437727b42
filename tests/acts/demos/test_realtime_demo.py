"""Tests of the demo of the Realtime protocol: the whole conversation in virtual time, and the act itself."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache
from typing import Any, List, Tuple

import pytest

from evi_harness.acts.demos.bundled_sound import SCRIPT
from evi_harness.acts.demos.demonstrating import DemoResult, demo
from evi_harness.acts.demos.realtime_demo import BROKEN, REALTIME_HANDLER, record_realtime
from evi_harness.acts.replay import replay_session
from evi_harness.acts.serve.simulating import Simulation, simulation
from evi_harness.acts.sessions import check_session
from evi_harness.audio.resampling import convert
from evi_harness.audio.software_microphone import SoftwareMicrophone
from evi_harness.audio.software_sound import software_sounddevice
from evi_harness.audio.software_speaker import SoftwareSpeaker
from evi_harness.audio.sources import FileSource, PcmSource
from evi_harness.carriers.journal import Journal
from evi_harness.carriers.server import ChatServer
from evi_harness.carriers.virtual_carrier import VirtualCarrier
from evi_harness.clocks.virtual import run_virtual
from evi_harness.errors import SdkError, SessionUnwritable, UsageError
from evi_harness.openai_realtime.realtime_dialect import OPENAI_REALTIME
from evi_harness.session.events import Event
from evi_harness.session.wav import Pcm
from evi_harness.verdicts.loading import load_session

pytest.importorskip("openai", reason="the extra openai is not installed")

from evi_harness.sdk.openai.openai_adapter import Openai
from evi_harness.sdk.openai.realtime_demo_app import RATE, weather_talk

KEY = "sk-a-made-up-key-0123456789"
SAID = ["What's the weather in Bath?", "Tell me about the Roman baths.", "That's enough, thank you. Goodbye."]


@cache
def conversation(extra_ms: float = 0) -> Tuple[List[Event], List[str]]:
    """The bundled conversation between the app and the simulator, in virtual time; its events, and what the app told."""
    from evi_harness.acts.demos.bundled_sound import USER

    script = simulation(SCRIPT, OPENAI_REALTIME.name).script
    assert script is not None
    latency = replace(script.options.latency, extra_ms=extra_ms)
    ready = Simulation(replace(script, options=replace(script.options, latency=latency)), dialect=OPENAI_REALTIME.name)
    source, pcm, told = FileSource(USER), Pcm(RATE, 1), []
    sound = PcmSource(convert(source.read(60 * 48_000), source.pcm, pcm), pcm)

    async def main(loop: Any) -> List[Event]:
        journal = Journal(loop)
        microphone, speaker = SoftwareMicrophone(sound, clock=loop), SoftwareSpeaker(clock=loop)
        server = ChatServer(ready, clock=loop, chat_paths=OPENAI_REALTIME.chat_paths, journal_for=lambda _: journal)
        sdk = Openai()
        with sdk.sound(software_sounddevice(microphone, speaker)):
            async with VirtualCarrier(loop, server) as carrier, sdk.open(carrier.url, None) as connection:
                await weather_talk(connection, told.append)
        return journal.events

    return run_virtual(main), told


@pytest.mark.parametrize("extra_ms", [0, 400], ids=lambda extra_ms: f"{extra_ms} ms late")
def test_the_conversation_goes_as_it_is_written(extra_ms: float) -> None:
    """Three turns, a tool call in the first and an interruption in the second, also where the service takes longer."""
    events, told = conversation(extra_ms)
    turns = OPENAI_REALTIME.turns(events)
    assert [turn.user_text for turn in turns] == SAID
    assert [len(turn.tool_calls) for turn in turns] == [1, 0, 0]
    assert [turn.interrupted_by is not None for turn in turns] == [False, True, False]
    assert all(turn.first_audio is not None for turn in turns)
    assert [line for line in told if line.startswith("user: ")] == [f"user: {one}" for one in SAID]


def test_the_service_refuses_nothing() -> None:
    """Not the truncation, not the answer of the tool, and no response too many."""
    events, _ = conversation()
    assert OPENAI_REALTIME.rejected(events) == {}
    assert not any(OPENAI_REALTIME.read("received", event.frame).type == "error" for event in events if event.kind == "received")


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Tuple[DemoResult, List[str]]:
    """The whole demo, with a key in the environment that it has no use for: what it did, and the lines that it told."""
    folder, lines = tmp_path_factory.mktemp("demo"), []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("OPENAI_API_KEY", KEY)
        patch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
        result = demo("runs", lines.append, dialect="openai-realtime")
        assert os.environ["OPENAI_API_KEY"] == KEY
    return result, lines


@pytest.mark.slow
def test_it_leaves_one_session_with_nothing_wrong(shown: Tuple[DemoResult, List[str]]) -> None:
    """Recorded from the simulator, and saying so, with what was heard; check finds nothing, and no key is in it."""
    result, lines = shown
    folder = result.recorded.folder
    assert sorted(folder.parent.iterdir()) == sorted([folder, result.page])
    assert check_session(folder) == []
    header = load_session(folder).header
    assert (header.dialect, header.made_by, header.service, header.complete) == ("openai-realtime", "record", "simulator", True)
    assert (folder / "heard.wav").exists()
    assert all(KEY.encode() not in path.read_bytes() for path in folder.iterdir())
    assert KEY not in "\n".join(lines)


@pytest.mark.slow
def test_the_good_app_passes_and_the_mistake_is_found(shown: Tuple[DemoResult, List[str]]) -> None:
    """There, and by hand: one finding, with the line of the app's that is wrong; the null test passes too."""
    result, _ = shown
    assert (result.replayed.passed, result.exit_code) == (True, 0)
    assert result.broken is not None
    for broken in (result.broken, replay_session(result.recorded.folder, handler=BROKEN, write=lambda _: None)):
        assert broken.deviations == ()
        (finding,) = broken.findings
        assert finding.kind == "wrong_truncation"
        assert finding.places[0].file.endswith("realtime_demo_app.py")
    for handler in (REALTIME_HANDLER, "recorded"):
        again = replay_session(result.recorded.folder, handler=handler, write=lambda _: None, twice=True)
        assert again.passed, "\n".join(again.lines())


@pytest.mark.slow
def test_it_tells_transcript_timeline_verdicts_and_what_to_type(shown: Tuple[DemoResult, List[str]]) -> None:
    """In this order; each audio frame would be a line too many."""
    result, lines = shown
    told = "\n".join(lines)
    place = f"runs/{result.recorded.folder.name}"
    wanted = [
        "/v1/realtime",
        f"user: {SAID[0]}",
        "tool output",
        "verdict    passed",
        "FINDING    wrong_truncation",
        "verdict    failed: 1 finding",
        f"\n  evi-harness show {place}",
        f"\n  evi-harness replay {place} --handler {REALTIME_HANDLER}",
        f"\n  evi-harness replay {place} --handler {BROKEN}",
        f"\n  runs/{result.page.name}",
    ]
    places = [told.find(one) for one in wanted]
    assert -1 not in places
    assert places == sorted(places)
    assert "of audio" not in told


def test_a_dialect_without_a_demo_is_refused() -> None:
    """Before anything is said."""
    lines: List[str] = []
    with pytest.raises(UsageError):
        demo("runs", lines.append, dialect="toy")
    assert lines == []


def test_where_nothing_can_be_written_nothing_is_said(tmp_path: Any) -> None:
    """It is told before the conversation."""
    (tmp_path / "file").write_text("")
    lines: List[str] = []
    with pytest.raises(SessionUnwritable):
        record_realtime(tmp_path / "file" / "runs", lines.append)
    assert lines == []


def test_without_the_sdk_it_says_what_to_install(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """And begins nothing."""
    monkeypatch.setattr("evi_harness.sdk.openai.openai_adapter.version_of", lambda _: None)
    with pytest.raises(SdkError) as raised:
        record_realtime(tmp_path / "runs", print)
    assert "openai" in str(raised.value.hint)
    assert not (tmp_path / "runs").exists()
