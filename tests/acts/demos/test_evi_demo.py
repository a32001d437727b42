"""Tests of the demo: the whole conversation in virtual time, and the act itself with a file that is cut short."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from functools import cache

import pytest
import soundfile

from evi_harness.acts.demos import evi_demo as demo_module
from evi_harness.acts.demos.bundled_sound import ASSETS, SCRIPT, USER
from evi_harness.acts.demos.demonstrating import demo
from evi_harness.acts.demos.evi_demo import HANDLER
from evi_harness.acts.replay import replay_session
from evi_harness.acts.serve.simulating import Simulation
from evi_harness.acts.sessions import check_session
from evi_harness.audio.software_microphone import SoftwareMicrophone
from evi_harness.audio.software_sound import software_sounddevice
from evi_harness.audio.software_speaker import SoftwareSpeaker
from evi_harness.audio.sources import FileSource
from evi_harness.carriers.journal import Journal
from evi_harness.carriers.server import ChatServer
from evi_harness.carriers.virtual_carrier import VirtualCarrier
from evi_harness.clocks.virtual import run_virtual
from evi_harness.errors import SessionUnwritable
from evi_harness.evi.compat import knows, problems
from evi_harness.evi.dialect import EVI
from evi_harness.sdk.hume.connection import open_chat
from evi_harness.sdk.hume.demo_app import WeatherApp
from evi_harness.sdk.hume.installed_sdk import installed_version
from evi_harness.sdk.hume.playback_queue import virtual_playback_queue
from evi_harness.sdk.hume.sound import software_sound
from evi_harness.session.events import Note, Received
from evi_harness.verdicts.loading import load_session

KEY = "k9Jq2vXw7LmZ4tRb8NcY"
SAID = ["What's the weather in Bath?", "Tell me about the Roman baths.", "That's enough, thank you. Goodbye."]


@cache
def conversation(extra_ms=0, allow_user_interrupt=True):
    """The bundled conversation between the app and the simulator, in virtual time; its events, and what the speaker played."""
    script = demo_module._conversation().script
    latency = replace(script.options.latency, extra_ms=extra_ms)
    ready = Simulation(replace(script, options=replace(script.options, latency=latency)))

    async def main(loop):
        journal = Journal(loop)
        microphone, speaker = SoftwareMicrophone(FileSource(USER), clock=loop), SoftwareSpeaker(clock=loop)
        server = ChatServer(ready, clock=loop, chat_paths=EVI.chat_paths, journal_for=lambda _: journal)
        with software_sound(software_sounddevice(microphone, speaker)), virtual_playback_queue(loop, speaker):
            async with VirtualCarrier(loop, server) as carrier, open_chat(carrier.url, api_key="key", options={}) as socket:
                await _hold(socket, allow_user_interrupt)
        return journal.events, speaker

    return run_virtual(main)


async def _hold(socket, allow_user_interrupt):
    from hume.empathic_voice.chat.audio.microphone_interface import MicrophoneInterface

    app = WeatherApp(lambda _: None)
    app.set_socket(socket)

    async def read():
        async for message in socket:
            await app.on_message(message)

    sound = MicrophoneInterface.start(socket, byte_stream=app.byte_strs, allow_user_interrupt=allow_user_interrupt)
    tasks = [asyncio.ensure_future(read()), asyncio.ensure_future(sound)]
    await asyncio.wait(tasks, timeout=24)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.slow
@pytest.mark.parametrize("extra_ms", [0, 400, 1000], ids=lambda extra_ms: f"{extra_ms} ms late")
def test_the_conversation_goes_as_it_is_written(extra_ms):
    """Three turns, a tool call in the first and an interruption in the second, also where the service takes much longer."""
    events, _ = conversation(extra_ms)
    turns = EVI.turns(events)
    assert [turn.user_text for turn in turns] == SAID
    assert [len(turn.tool_calls) for turn in turns] == [1, 0, 0]
    assert [turn.interrupted_by is not None for turn in turns] == [False, True, False]
    assert all(turn.first_audio is not None for turn in turns)
    assert not [event for event in events if isinstance(event, Note) and event.name == "unheard"]


def types_of(events):
    """What the received messages say they are."""
    return [EVI.read("received", event.frame).type for event in events if isinstance(event, Received)]


@pytest.mark.slow
def test_no_sdk_meets_a_message_that_it_does_not_know(monkeypatch):
    """The scores of a sentence come in a message of their own where the installed SDK knows it, and in the sentence's for an old one."""
    is_known = knows(installed_version(), "assistant_prosody")
    assert types_of(conversation()[0]).count("assistant_prosody") == is_known
    monkeypatch.setattr(demo_module, "installed_version", lambda: "0.8.6")
    events, _ = conversation.__wrapped__()
    assert [problem for event in events if isinstance(event, Received) for problem in problems(event.frame, "0.8.6")] == []
    assert len(types_of(events)) > 20


def test_nobody_speaks_over_the_first_reply():
    """It has been heard to its end before the user's second sentence begins."""
    _, speaker = conversation()
    # Up to 0.8.6 the SDK opens a playback for each chunk.
    sounds = [
        (span.at_ns, span.at_ns + playback.pcm.length_ns(span.n_bytes))
        for playback in speaker.playbacks
        for span in playback.spans
        if not span.is_silence
    ]
    until_ns = sounds[0][1]
    for at_ns, end_ns in sounds:
        until_ns = end_ns if at_ns < until_ns + 1_000_000_000 else until_ns
    assert until_ns - speaker.playbacks[0].began_ns < 7_500_000_000


def test_it_takes_less_than_25_seconds():
    """The last thing that the service sends leaves time for the quiet at the end."""
    events, _ = conversation()
    last = max(event.at_ns for event in events if isinstance(event, Received))
    assert last < 19_000_000_000


def test_the_assets_are_small():
    """They are in every wheel."""
    assert sum(path.stat().st_size for path in ASSETS.iterdir()) < 400_000


def test_every_asset_is_used():
    """Each file is the script, the user's voice or one that the script names."""
    text = SCRIPT.read_text(encoding="utf-8")
    assert [path.name for path in ASSETS.iterdir() if path not in (SCRIPT, USER) and f'"{path.name}"' not in text] == []


@pytest.fixture(scope="module")
def first_turn(tmp_path_factory):
    """The demo with the first turn alone, which takes a third of the time: result, lines and the folder of sessions."""
    folder = tmp_path_factory.mktemp("demo")
    with soundfile.SoundFile(str(USER)) as whole:
        soundfile.write(str(folder / "user.flac"), whole.read(32_000, dtype="int16"), whole.samplerate)
    before = {name: os.environ.get(name) for name in ("HUME_API_KEY", "HUME_BASE_URL")}
    lines = []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(demo_module, "USER", folder / "user.flac")
        patch.setenv("HUME_API_KEY", KEY)
        patch.setenv("HUME_BASE_URL", "http://127.0.0.1:9")
        (folder / ".env").write_text(f"HUME_SECRET_KEY={KEY}\n")
        result = demo("runs", lines.append)
        assert (os.environ["HUME_API_KEY"], os.environ["HUME_BASE_URL"]) == (KEY, "http://127.0.0.1:9")
    assert before == {name: os.environ.get(name) for name in before}
    return result, lines, folder / "runs"


def test_it_leaves_one_session_with_nothing_wrong(first_turn):
    """Recorded from the simulator, and saying so; check finds nothing."""
    result, _, runs = first_turn
    (folder,) = (path for path in runs.iterdir() if path.is_dir())
    assert result.recorded.folder.name == folder.name
    assert [path for path in runs.iterdir() if path != folder] == [runs / result.page.name]
    assert check_session(folder) == []
    header = load_session(folder).header
    assert (header.made_by, header.service, header.user_interrupt, header.complete) == ("record", "simulator", "allowed", True)


def test_its_replay_passes(first_turn):
    """There, and by hand: with the app, with the null test."""
    result, _, runs = first_turn
    (folder,) = (path for path in runs.iterdir() if path.is_dir())
    assert (result.replayed.passed, result.exit_code) == (True, 0)
    for handler in (HANDLER, "recorded"):
        again = replay_session(folder, handler=handler, write=lambda _: None)
        assert again.passed, "\n".join(again.lines())


def test_the_user_is_recorded_to_the_sample(first_turn):
    """What the software microphone played is what the session holds, from its first sample on."""
    _, _, runs = first_turn
    (folder,) = (path for path in runs.iterdir() if path.is_dir())
    played, _ = soundfile.read(str(runs.parent / "user.flac"), dtype="int16")
    recorded, rate = soundfile.read(str(folder / "user.wav"), dtype="int16")
    assert rate == 16_000
    assert recorded[: len(played)].tobytes() == played.tobytes()


def test_it_tells_transcript_timeline_verdict_and_what_to_type(first_turn):
    """In this order; each audio frame would be a line too many."""
    result, lines, _ = first_turn
    told = "\n".join(lines)
    place = f"runs/{result.recorded.folder.name}"
    wanted = [
        "The simulator listens on http://127.0.0.1:",
        "user: What's the weather in Bath?",
        "tool response",
        "end of the reply",
        "verdict    passed",
        f"evi-harness show {place}",
        f"evi-harness replay {place} --handler {HANDLER}",
        "evi-harness record",
    ]
    places = [told.find(one) for one in wanted]
    assert -1 not in places
    assert places == sorted(places)
    assert "of audio" not in told
    assert len(lines) < 60


def test_no_key_is_used_or_told(first_turn):
    """Whatever the environment and .env hold stands in no line and in no file of the session."""
    _, lines, runs = first_turn
    (folder,) = (path for path in runs.iterdir() if path.is_dir())
    assert KEY not in "\n".join(lines)
    assert all(KEY.encode() not in path.read_bytes() for path in folder.iterdir())


def test_where_nothing_can_be_written_nothing_is_said(tmp_path):
    """It is told before the conversation."""
    (tmp_path / "file").write_text("")
    lines = []
    with pytest.raises(SessionUnwritable):
        demo(tmp_path / "file" / "runs", lines.append)
    assert not any("user:" in line for line in lines)
