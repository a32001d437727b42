"""The guide's program is put together from its blocks and held a conversation with, through the SDK, on software sound."""

from __future__ import annotations

import ast
import asyncio
import base64
import json
import os
import re
from importlib import import_module
from pathlib import Path

import pytest
from scripts import Script

from evi_harness.audio.software_microphone import SoftwareMicrophone
from evi_harness.audio.software_sound import software_sounddevice
from evi_harness.audio.software_speaker import SoftwareSpeaker
from evi_harness.audio.sources import PcmSource
from evi_harness.carriers.server import ChatServer
from evi_harness.carriers.virtual_carrier import VirtualCarrier
from evi_harness.clocks.virtual import run_virtual
from evi_harness.evi.compat import parse_version
from evi_harness.evi.dialect import EVI
from evi_harness.sdk.hume.installed_sdk import import_sdk, installed_version
from evi_harness.sdk.hume.playback_queue import virtual_playback_queue
from evi_harness.sdk.hume.sound import software_sound
from evi_harness.session import wav
from evi_harness.session.protocols import Close
from evi_harness.session.wav import Pcm

GUIDE = (Path(__file__).parent.parent / "docs" / "how-to" / "guide.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
PROGRAM = "\n".join(block for block in BLOCKS if block.startswith("# app.py\n"))

MS = 1_000_000
KEY = "Kq7ApiKeyOfThisRun0123456789"
SECRET = "Zw3SecretKeyOfThisRun987654"
SOUND = b"\x01\x00" * 4800
SDK = parse_version(installed_version())

can_be_led = pytest.mark.skipif((0, 13) <= SDK < (0, 13, 5), reason="the installed SDK takes no base_url, and the guide says so")


def script():
    """A service that says its piece, each at its time, and closes."""
    said = {"type": "assistant_message", "id": "a", "message": {"role": "assistant", "content": "Hello."}, "models": {}}
    sound = {
        "type": "audio_output",
        "id": "a",
        "index": 0,
        "data": base64.b64encode(wav.header(Pcm(48000, 1), len(SOUND)) + SOUND).decode(),
    }
    rows = [
        (0, {"type": "chat_metadata", "chat_id": "c", "chat_group_id": "g", "request_id": "r"}),
        (500, {**said, "from_text": False, "is_quick_response": False}),
        (510, sound),
        (600, {"type": "brand_new"}),
        (700, {"type": "error", "code": "E0101", "slug": "payload_parse", "message": "Failed."}),
    ]
    return Script(*rows, (2000, Close(1000)))


@pytest.fixture
def environment(monkeypatch, tmp_path):
    """Sets the variables of the guide's .env, and only those."""
    monkeypatch.chdir(tmp_path)

    def environment_(**values):
        for name in ("HUME_API_KEY", "HUME_SECRET_KEY", "HUME_CONFIG_ID", "HUME_BASE_URL"):
            monkeypatch.setenv(name, "")
            monkeypatch.delenv(name)
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    return environment_


def talk(**arguments):
    """Run the guide's main() in virtual time; gives its interface, the session's events and what the speaker played."""

    async def run(loop):
        speaker = SoftwareSpeaker(clock=loop)
        microphone = SoftwareMicrophone(PcmSource(b"\x02\x00" * 48000, Pcm(48000, 1)), clock=loop)
        server = ChatServer(lambda _: script(), clock=loop, chat_paths=EVI.chat_paths, token_path=EVI.token_path, token="tok-en")
        with software_sound(software_sounddevice(microphone, speaker)), virtual_playback_queue(loop, speaker):
            async with VirtualCarrier(loop, server) as carrier:
                os.environ["HUME_BASE_URL"] = carrier.url
                names = {"__name__": "app"}
                exec(compile(PROGRAM, "guide.md", "exec"), names)
                interface = await names["main"](**arguments)
                await asyncio.sleep(1)
        return interface, server.journals[0].events, b"".join(playback.samples for playback in speaker.playbacks)

    return run_virtual(run)


@can_be_led
def test_the_program_holds_a_conversation(environment, capsys):
    """It connects, sends the microphone's audio, prints and plays what comes, and ends when the service closes."""
    environment(HUME_API_KEY=KEY, HUME_CONFIG_ID="c-1")
    interface, events, played = talk(allow_user_interrupt=True)
    assert interface.n_messages == 1
    assert interface.socket is not None
    handshake = events[0].handshake
    assert dict(handshake.query)["config_id"] == "c-1"
    sent = [event.frame for event in events if event.kind == "sent"]
    assert json.loads(sent[0].payload)["audio"] == {"encoding": "linear16", "sample_rate": 48000, "channels": 1}
    assert b"\x02\x00" * 480 in b"".join(frame.payload for frame in sent[1:])
    lines = capsys.readouterr().out.splitlines()
    shown = [line for line in lines if not line.startswith(("Configuring", "Microphone"))]
    assert [line.partition(":")[0] for line in shown] == ["connected", "assistant", "error", "error", "closed"]
    assert "error: E0101 payload_parse: Failed." in lines
    if parse_version("0.11") <= SDK:
        assert SOUND in played


@can_be_led
@pytest.mark.skipif(SDK < (0, 13), reason="the installed SDK gets the token itself, and leaves the connection for it open")
def test_the_program_gets_a_token_for_a_secret_key(environment):
    """And opens the chat with it."""
    environment(HUME_API_KEY=KEY, HUME_SECRET_KEY=SECRET)
    _, events, _ = talk()
    assert "tok-en" in [value for _, value in events[0].handshake.query]
    assert SECRET not in repr(events[0].handshake)


def test_every_block_compiles():
    """Those that are no part of the program too; a snippet may await."""
    assert len(BLOCKS) > 5
    for block in BLOCKS:
        compile(block, "guide.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def imports():
    """The import lines of the table and for which versions they are: (line, first, last)."""
    found = []
    for row in re.findall(r"^\| (.*) \|$", GUIDE, re.MULTILINE):
        cells = [cell.strip() for cell in row.split("|")]
        line = re.match(r"`(from hume\S* import \w+)`", cells[-1])
        if len(cells) == 3 and line:
            found.append((line[1], cells[1]))
    return found


def applies(versions):
    """Whether the installed SDK is one of these versions, in the table's words."""
    first = re.search(r"from (\S+)", versions)
    last = re.search(r"up to (\S+)", versions)
    but = re.search(r"all but (\S+)", versions)
    if but:
        return parse_version(but[1]) != SDK
    return (not first or parse_version(first[1]) <= SDK) and (not last or parse_version(last[1]) >= SDK)


@pytest.mark.parametrize(("line", "versions"), imports(), ids=[line for line, _ in imports()])
def test_an_import_line_holds_for_its_versions(line, versions):
    """The name is there for the installed SDK exactly if the table says so."""
    import_sdk()
    module, name = re.match(r"from (\S+) import (\w+)", line).groups()
    try:
        is_there = hasattr(import_module(module), name)
    except ImportError:
        is_there = False
    assert is_there is applies(versions)


def test_there_are_import_lines():
    """The table is read."""
    assert len(imports()) == 5


def test_the_seven_steps_are_those_of_humes_guide():
    """In its order and under its names."""
    steps = re.findall(r"^## (\d)\. (.*)$", GUIDE, re.MULTILINE)
    names = ["Environment setup", "Imports", "The WebSocketInterface class", "Authentication", "Connecting to EVI"]
    assert steps == [(str(number), name) for number, name in enumerate([*names, "Handling audio", "The event loop"], 1)]


def test_its_links_lead_somewhere():
    """Each page that it names is there."""
    pages = re.findall(r"\]\(([\w./-]+\.md)\)", GUIDE)
    assert pages
    assert [page for page in pages if not (Path(__file__).parent.parent / "docs" / "how-to" / page).is_file()] == []
