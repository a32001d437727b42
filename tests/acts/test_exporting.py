"""Tests of evi_harness.acts.exporting."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from evi_harness.acts import exporting
from evi_harness.acts.exporting import export_wav
from evi_harness.acts.replay import replay_session
from evi_harness.errors import EviHarnessError, SessionUnreadable, UsageError
from evi_harness.evi.dialect import EVI
from evi_harness.session import wav
from evi_harness.session.events import NOTHING
from evi_harness.session.wav import Pcm, split
from evi_harness.storage.writer import write_session
from evi_harness.verdicts import heard_audio
from evi_harness.verdicts.loading import load_session

ROOT = Path(__file__).resolve().parents[2]
WEATHER = ROOT / "sessions" / "weather"
DEMO = ROOT / "sessions" / "demo"
MS = 1_000_000
SETTINGS = {"type": "session_settings", "audio": {"encoding": "linear16", "sample_rate": 16000, "channels": 1}}
VOICE = (np.arange(2400) + 1).astype("<i2").tobytes()
PCM = Pcm(24_000, 1)


def spoken(samples, pcm=PCM):
    """A piece of the assistant's audio."""
    blob = wav.header(pcm, len(samples)) + samples
    return {"type": "audio_output", "id": "s", "index": 0, "data": base64.b64encode(blob).decode()}


MP3 = {"type": "audio_output", "id": "s", "index": 0, "data": base64.b64encode(b"ID3" + bytes(20)).decode()}
WEBM = b"\x1aE\xdf\xa3" + bytes(40)


def samples_in(file):
    """A row a frame, and the rate."""
    samples, rate = soundfile.read(str(file), dtype="int16", always_2d=True)
    return samples.astype(int), rate


def contents(folder):
    """Every file below a folder, with when it was changed."""
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def chunk_of(event):
    """The samples of a piece of audio that came."""
    return np.frombuffer(split(base64.b64decode(json.loads(event.frame.payload)["data"])).samples, "<i2").astype(int)


def test_each_side_of_a_recording_stands_where_it_would_be_heard(tmp_path):
    """On the right each chunk when it came, or behind the one before; on the left the user's voice; as long as the session."""
    before = contents(WEATHER)
    exported = export_wav(WEATHER, tmp_path / "weather.wav")
    samples, rate = samples_in(exported.file)
    session = load_session(WEATHER)
    assert (rate, len(samples)) == (24_000, -(-session.duration_ns * rate // 10**9))
    right, free = samples[:, 1].copy(), 0
    chunks = [event for event in session.received if event in session.audio(EVI)]
    for event in chunks:
        chunk, came = chunk_of(event), round(event.at_ns * rate / 1e9)
        at = max(free, came)
        found = next(at + off for off in (0, -1, 1) if np.array_equal(right[at + off : at + off + len(chunk)], chunk))
        right[found : found + len(chunk)] = 0
        free = found + len(chunk)
    assert (len(chunks), right.any()) == (5, False)
    spoken_, _ = soundfile.read(str(WEATHER / "user.wav"), dtype="int16")
    expected = soxr.resample(spoken_.astype("float32") / 32768, 16_000, 24_000, quality="HQ") * 32768
    found, in_track = (np.flatnonzero(np.abs(one) > 500)[0] for one in (samples[:, 0], expected))
    assert np.corrcoef(samples[found : found + 24_000, 0], expected[in_track : in_track + 24_000])[0, 1] > 0.9999
    assert contents(WEATHER) == before
    assert exported.remarks == ()
    assert exported.lines()[0].startswith(f"{exported.file}: 12.238 s, 24000 Hz")
    assert "arrival times" in exported.lines()[1]


def test_a_replay_in_virtual_time_is_heard_as_it_is_computed(tmp_path, monkeypatch):
    """Between the two lies what the SDK's player and its blocks of 10 ms take; sample by sample they are the same."""
    monkeypatch.syspath_prepend(str(ROOT / "fixtures" / "handlers"))
    handler = f"{ROOT}/fixtures/handlers/weather.py:WeatherApp"
    result = replay_session(WEATHER, handler=handler, out=tmp_path, write=lambda _: None)
    exported = export_wav(result.report.folder, tmp_path / "x.wav")
    computed, heard = samples_in(exported.file)[0], samples_in(result.report.heard)[0]
    assert np.array_equal(computed[:, 0], heard[:, 0])
    starts = [np.flatnonzero(one[:, 1])[0] for one in (computed, heard)]
    assert 0 <= starts[1] - starts[0] < 0.1 * 24_000
    assert np.array_equal(computed[starts[0] : starts[0] + 24_000, 1], heard[starts[1] : starts[1] + 24_000, 1])
    assert [remark.endswith(": heard.wav") for remark in exported.remarks] == [True]


@pytest.mark.parametrize(("speed", "rate"), [("2", 48_000), ("max", 24_000)])
def test_the_session_of_a_faster_replay_is_computed_at_its_speed(tmp_path, monkeypatch, speed, rate):
    """Its audio went by as fast as its header says, and at the greatest speed took no time."""
    monkeypatch.syspath_prepend(str(ROOT / "fixtures" / "handlers"))
    handler = f"{ROOT}/fixtures/handlers/weather.py:WeatherApp"
    result = replay_session(WEATHER, handler=handler, out=tmp_path, speed=speed, write=lambda _: None)
    computed, found = samples_in(export_wav(result.report.folder, tmp_path / "x.wav").file)
    assert found == rate
    assert np.array_equal(computed[:, 0][: 6 * 24_000], samples_in(result.report.heard)[0][:, 0][: 6 * 24_000])
    # Where its own header says nothing that is a speed, it went by as ever.
    session = load_session(result.report.folder)
    for source in (NOTHING, {"axis": {"speed": "fast"}}, {"axis": "2"}):
        changed = replace(session, header=replace(session.header, source=source))
        assert export_wav(changed, tmp_path / "y.wav", overwrite=True).pcm.rate == 24_000


def test_an_interrupted_reply_is_cut_off(tmp_path):
    """In the demo the user interrupts: behind that nothing of the reply is heard, and all of the others are."""
    samples, rate = samples_in(export_wav(DEMO, tmp_path / "demo.wav").file)
    session = load_session(DEMO)
    (turn,) = [turn for turn in EVI.turns(session.events) if turn.interrupted_by is not None]
    at = {event.seq: event.at_ns for event in session.events}
    silenced, next_audio = (round(at[seq] * rate / 1e9) for seq in (turn.interrupted_by, EVI.turns(session.events)[-1].first_audio))
    assert np.abs(samples[silenced - rate // 4 : silenced, 1]).max() > 500
    assert not samples[silenced + 1 : next_audio, 1].any()
    assert np.abs(samples[next_audio:, 1]).max() > 500


def test_the_file_is_for_its_owner_alone_and_the_same_every_time(tmp_path):
    """It holds voices, as a session folder does."""
    first = export_wav(WEATHER, tmp_path / "a.wav").file
    again = export_wav(load_session(WEATHER), str(tmp_path / "b.wav")).file
    assert first.read_bytes() == again.read_bytes()
    assert stat.S_IMODE(first.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.wav", "b.wav"]


def test_a_file_that_is_there_is_kept_unless_it_is_to_be_replaced(tmp_path):
    """What is not a regular file, such as a link or a pipe, is never replaced."""
    file, target = tmp_path / "mine.wav", tmp_path / "target"
    file.write_bytes(b"mine")
    with pytest.raises(UsageError, match="already exists") as raised:
        export_wav(WEATHER, file)
    assert "force=True" in raised.value.hint
    assert file.read_bytes() == b"mine"
    export_wav(WEATHER, file, overwrite=True)
    assert samples_in(file)[1] == 24_000
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    target.write_bytes(b"mine")
    (tmp_path / "link").symlink_to(target)
    for name in ("pipe", "folder", "link"):
        with pytest.raises(UsageError, match="regular file"):
            export_wav(WEATHER, tmp_path / name, overwrite=True)
    assert target.read_bytes() == b"mine"


@pytest.mark.parametrize("name", ["x.wav", "heard.wav", "payloads/x.wav"])
def test_nothing_is_written_into_a_session_folder(tmp_path, name):
    """Neither into the session's own, nor into another one, by whatever way it is reached."""
    shutil.copytree(WEATHER, tmp_path / "weather")
    (tmp_path / "weather" / "payloads").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "weather")
    (tmp_path / "weather" / "a" / "b").mkdir(parents=True)
    before = contents(tmp_path / "weather")
    with pytest.raises(UsageError, match="session folder"):
        export_wav(tmp_path / "link" / "events.jsonl", tmp_path / "weather" / "a" / "b" / "x.wav")
    for session, folder in ((tmp_path / "weather", "weather"), (WEATHER, "weather"), (tmp_path / "weather", "link")):
        with pytest.raises(UsageError, match="session folder"):
            export_wav(session, tmp_path / folder / name, overwrite=True)
    assert contents(tmp_path / "weather") == before


def test_a_folder_that_is_not_there_is_not_made(tmp_path):
    """Who mistypes it is told, before the session is read."""
    with pytest.raises(UsageError, match="does not exist"):
        export_wav(tmp_path / "no session", tmp_path / "none" / "x.wav")
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_session_is_refused(tmp_path):
    """As everywhere, with a word on what it is."""
    with pytest.raises(SessionUnreadable):
        export_wav(tmp_path, tmp_path / "x.wav")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([("received", 10, {"type": "assistant_end"})], "no audio"),
        ([("sent", 10, WEBM), ("sent", 20, WEBM)], "none .*user's audio .* #1"),
        ([("sent", 5, SETTINGS), ("sent", 10, b"\x01" * 640), ("received", 20, MP3)], "none .*assistant's audio .* #3"),
    ],
)
def test_a_session_with_nothing_to_be_heard_is_an_error(tmp_path, session_of, rows, told):
    """No audio at all, or none that can be decoded: no file, and the reason."""
    session = session_of([*rows, ("closed", 100, ("app", 1000, ""))])
    with pytest.raises(EviHarnessError, match=told) as raised:
        export_wav(session, tmp_path / "x.wav")
    assert (raised.value.exit_code, list(tmp_path.iterdir())) == (3, [])


def test_where_the_audio_is_that_cannot_be_decoded_is_told(tmp_path, session_of):
    """The session folder has it as it came."""
    folder = write_session(tmp_path / "s", session_of([("received", 20, MP3)]), EVI)
    with pytest.raises(EviHarnessError) as raised:
        export_wav(folder, tmp_path / "x.wav")
    assert "payloads/assistant.1.mp3" in raised.value.hint


def test_one_side_alone_is_exported(tmp_path, session_of):
    """A user who was never answered, at the user's rate; a service that nobody answered, at its own."""
    rows = [("sent", 5, SETTINGS), ("sent", 30, b"\x01\x02" * 320)]
    samples, rate = samples_in(export_wav(session_of(rows), tmp_path / "u.wav").file)
    assert (rate, samples[:, 1].any(), (samples[160:480, 0] == 0x201).all()) == (16_000, False, True)
    samples, rate = samples_in(export_wav(session_of([("received", 50, spoken(VOICE))]), tmp_path / "a.wav").file)
    assert (rate, samples[:, 0].any()) == (24_000, False)
    assert np.array_equal(samples[1200:3600, 1], np.frombuffer(VOICE, "<i2"))


def test_what_is_left_out_is_said(tmp_path, session_of):
    """Some that cannot be decoded is silent, on either side; the rest is where it belongs."""
    rows = [("sent", 10, WEBM), ("received", 20, MP3), ("received", 50, spoken(VOICE))]
    exported = export_wav(session_of(rows), tmp_path / "x.wav")
    assert [re.findall(r"1 frame .*\b(user|assistant)'s audio", remark) for remark in exported.remarks] == [["user"], ["assistant"]]
    assert np.array_equal(samples_in(exported.file)[0][1200:3600, 1], np.frombuffer(VOICE, "<i2"))


def test_a_damaged_session_gives_what_is_left_of_it(tmp_path):
    """A track that was cut is silent from there on, an incomplete session ends where it ends; both are said."""
    folder = tmp_path / "weather"
    shutil.copytree(WEATHER, folder)
    whole, _ = samples_in(export_wav(folder, tmp_path / "whole.wav").file)
    user = (folder / "user.wav").read_bytes()
    (folder / "user.wav").write_bytes(user[: len(user) // 2])
    lines = (folder / "events.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "events.jsonl").write_bytes(b"".join(lines[:330]) + lines[330][:20])
    header = json.loads((folder / "session.json").read_text())
    (folder / "session.json").write_text(json.dumps({**header, "complete": False, "tracks": [], "digests": {}}))
    exported = export_wav(folder, tmp_path / "cut.wav")
    assert len(exported.remarks) == len(load_session(folder).missing) >= 3
    assert all(remark.startswith("missing: ") for remark in exported.remarks)
    cut, _ = samples_in(exported.file)
    half = 3 * 24_000
    assert np.array_equal(cut[:half], whole[:half])
    # All that the lines up to there have of the assistant's is heard.
    assert np.array_equal(cut[: 7 * 24_000, 1], whole[: 7 * 24_000, 1])
    assert len(cut) < len(whole)
    (folder / "assistant.wav").unlink()
    (folder / "user.wav").unlink()
    with pytest.raises(EviHarnessError, match=r"none .*assistant's audio"):
        export_wav(folder, tmp_path / "none.wav")


def test_what_would_be_larger_than_a_wav_file_can_be_is_refused(tmp_path, session_of, monkeypatch):
    """A session of a stranger's may say that it lasts for years; nothing is begun."""
    rows = [("received", 50, spoken(VOICE)), ("closed", 10**12, ("app", 1000, ""))]
    with pytest.raises(EviHarnessError, match="hours at 24000 Hz"):
        export_wav(session_of(rows), tmp_path / "x.wav")
    slow = [("received", 50, spoken(VOICE, Pcm(400, 1))), ("received", 60, spoken(VOICE))]
    monkeypatch.setattr(heard_audio, "MAX_TRACK_BYTES", 500_000)
    with pytest.raises(EviHarnessError, match=r"hours .*24000 Hz are 5"):
        export_wav(session_of(slow), tmp_path / "x.wav")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing_and_keeps_what_was_there(tmp_path, monkeypatch):
    """The file is made under another name, and has its own when it is whole."""

    class Full(exporting.WavFile):
        def append(self, data):
            if self.size > 200_000:
                raise OSError(28, "No space left on device")
            super().append(data)

    monkeypatch.setattr(exporting, "WavFile", Full)
    (tmp_path / "x.wav").write_bytes(b"mine")
    with pytest.raises(EviHarnessError, match=": No space left"):
        export_wav(WEATHER, tmp_path / "x.wav", overwrite=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"x.wav": b"mine"}
