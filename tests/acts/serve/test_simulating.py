from __future__ import annotations

import pickle

import pytest
import soundfile

from evi_harness.acts.demos.bundled_sound import SCRIPT
from evi_harness.acts.serve import simulating
from evi_harness.acts.serve.simulating import Simulation, refuse_script, simulation
from evi_harness.errors import ScriptError, UsageError
from evi_harness.session.events import Handshake, Opened
from evi_harness.session.protocols import Remark
from evi_harness.session.wav import Pcm, header

HANDSHAKE = Handshake("/v0/evi/chat")


def opening(service):
    """What the simulator says of itself."""
    service.take(Opened(seq=0, at_ns=0, handshake=HANDSHAKE), 0)
    (remark,) = [action for action in service.due(0) if isinstance(action, Remark)]
    return remark.data


def test_without_a_script_it_is_the_parrot():
    """And each connection has a seed of its own."""
    parrot = simulation()
    assert [opening(parrot(HANDSHAKE))["seed"] for _ in range(3)] == [0, 1, 2]
    assert opening(parrot(HANDSHAKE))["partner"] == "parrot"


def test_it_goes_to_another_process_and_begins_again_there():
    """Script and voices go with it; connections are counted anew."""
    ready = simulation(SCRIPT)
    ready(HANDSHAKE)
    there = pickle.loads(pickle.dumps(ready))
    assert isinstance(there, Simulation)
    assert there.script == ready.script
    assert opening(there(HANDSHAKE)) == opening(simulation(SCRIPT)(HANDSHAKE))


def test_a_voice_is_whatever_audio_can_be_read(tmp_path):
    """FLAC and stereo come out as mono PCM of the file's rate."""
    soundfile.write(str(tmp_path / "a.flac"), [[0.5, 0.5]] * 800, 8000)
    (tmp_path / "script.toml").write_text('[[turn]]\nsay = { text = "a", voice = "a.flac" }\n')
    sound = simulation(tmp_path / "script.toml").script.turns[0].reply.sentences[0].sound
    assert (sound.pcm.rate, sound.pcm.channels, len(sound.samples)) == (8000, 1, 1600)
    assert set(sound.samples[::2]) == {0}
    assert sound.samples[:2] == (16384).to_bytes(2, "little")


def test_a_voice_whose_recorder_was_killed_is_whole(tmp_path):
    """Its header does not know how long it is."""
    (tmp_path / "a.wav").write_bytes(header(Pcm(8000, 1), 0) + b"\1\0" * 800)
    (tmp_path / "script.toml").write_text('[[turn]]\nsay = { text = "a", voice = "a.wav" }\n')
    sound = simulation(tmp_path / "script.toml").script.turns[0].reply.sentences[0].sound
    assert (sound.pcm, sound.samples) == (Pcm(8000, 1), b"\1\0" * 800)


@pytest.mark.parametrize(
    ("content", "error", "says"),
    [
        (None, UsageError, "cannot be read"),
        (b"\xff\xfe", ScriptError, "UTF-8"),
        (b"turn = 7", ScriptError, "script.toml"),
        (b'[[turn]]\nsay = { text = "a", voice = "gone.flac" }', ScriptError, "gone.flac"),
        (b"x = " + b"[" * 5000 + b"]" * 5000, ScriptError, "nested too deeply"),
        (b".".join([b"a"] * 3000) + b" = 1", ScriptError, "nested too deeply|not known here"),
        (b"x = [1", ScriptError, "not TOML"),
        (b"#" * (4 * 1024 * 1024 + 1), ScriptError, "larger than"),
        (b'[[turn]]\nsay = { text = "a", voice = "script.toml" }', ScriptError, "script.toml"),
    ],
    ids=["not there", "no text", "no script", "no voice", "deep", "deep names", "not TOML", "long", "a voice that is no audio"],
)
def test_what_is_wrong_with_a_script_is_told_when_it_is_read(tmp_path, content, error, says):
    """Before anybody connects."""
    path = tmp_path / "script.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(error, match=says):
        simulation(path)


def test_a_voice_that_is_too_long(tmp_path, monkeypatch):
    """All voices are kept in memory: it is refused when it is read, by its name."""
    (tmp_path / "long.wav").write_bytes(header(Pcm(8000, 1), 32_000) + bytes(range(250)) * 128)
    (tmp_path / "script.toml").write_text('[[turn]]\nsay = { text = "a", voice = "long.wav" }')
    assert simulation(tmp_path / "script.toml").script is not None
    monkeypatch.setattr(simulating, "MAX_VOICE_BYTES", 31_999)
    with pytest.raises(ScriptError, match=r"voice 'long\.wav' .*\blonger\b"):
        simulation(tmp_path / "script.toml")


def test_a_script_in_the_place_of_a_session_is_recognised(tmp_path):
    """The error says how to give it; a folder is not refused."""
    with pytest.raises(UsageError) as raised:
        refuse_script(tmp_path / "berlin.toml")
    assert f"script={str(tmp_path / 'berlin.toml')!r}" in str(raised.value)
    for session in (None, tmp_path, "sessions/weather"):
        refuse_script(session)
