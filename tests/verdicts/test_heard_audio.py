"""Tests of evi_harness.verdicts.heard_audio: what a replay leaves in heard.wav, on every clock and at every speed."""

from __future__ import annotations

import base64
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from evi_harness.acts.replay import replay_session
from evi_harness.acts.sessions import check_session
from evi_harness.audio.software_speaker import Heard, Playback
from evi_harness.evi.dialect import EVI
from evi_harness.redacting.redaction import Redactor
from evi_harness.session.events import BINARY
from evi_harness.session.wav import Pcm, split
from evi_harness.storage.writer import write_session
from evi_harness.verdicts import heard_audio
from evi_harness.verdicts.heard_audio import first_heard_difference, keep_heard
from evi_harness.verdicts.loading import load_session

ROOT = Path(__file__).resolve().parents[2]
WEATHER = ROOT / "sessions" / "weather"
TYPED = ROOT / "sessions" / "typed"
HANDLERS = ROOT / "fixtures" / "handlers"
MS = 1_000_000
KEY = "Kq7ApiKeyOfThisRun0123456789"


@pytest.fixture(autouse=True)
def _handlers_import(monkeypatch):
    """Handlers of a test derive from those of the fixtures."""
    monkeypatch.syspath_prepend(str(HANDLERS))


def replayed(out, session=WEATHER, handler=f"{HANDLERS}/weather.py:WeatherApp", **options):
    """A replay whose session is written below ``out``."""
    return replay_session(session, handler=handler, out=out, write=lambda _: None, **options)


def weather_app():
    """The class of the quickstart's shape; the folder of handlers is not a package."""
    return importlib.import_module("weather").WeatherApp


def heard_in(result):
    """The samples of the heard.wav of a replay, a row a frame, and its rate."""
    samples, rate = soundfile.read(result.report.heard, dtype="int16", always_2d=True)
    return samples.astype(int), rate


def chunks_of(session):
    """Each piece of audio that was heard: its samples, and from when until when, in session time."""
    frames = {event.seq: event.frame for event in session.received}
    for note in session.notes:
        if note.name == "heard":
            samples = split(base64.b64decode(json.loads(frames[note.of].payload)["data"])).samples
            yield np.frombuffer(samples, "<i2").astype(int), note.data["at_ns"], note.data["until_ns"]


def user_axis(session, rate, speed=1):
    """The user's audio of a session on its axis, each frame where it ended when it was sent; a frame a sample at ``rate``."""
    axis = np.zeros(round(session.duration_ns * rate * speed / 1e9) + rate, int)
    for event in session.sent:
        if event.frame.opcode == BINARY:
            samples = np.frombuffer(event.frame.payload, "<i2")
            end = round(event.at_ns * rate * speed / 1e9)
            axis[end - len(samples) : end] = samples
    return axis


def unevenness_s(session, rate):
    """By how much more one frame of the user's audio was late than another, until a reply was heard; in seconds."""
    _, replied_ns, _ = next(chunks_of(session))
    starts_s, n_samples = [], 0
    for event in session.sent:
        if event.frame.opcode == BINARY and event.at_ns < replied_ns:
            n_samples += len(event.frame.payload) // 2
            starts_s.append(event.at_ns / 1e9 - n_samples / rate)
    return max(starts_s) - min(starts_s)


@pytest.fixture(scope="module")
def weather(tmp_path_factory):
    """The weather, replayed to the app of the quickstart's shape."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HANDLERS))
        return replayed(tmp_path_factory.mktemp("out"))


def test_the_file_is_stereo_at_the_rate_that_was_played_and_as_long_as_the_session(weather):
    """24 kHz, two channels, 16 bits; a part of the folder that nothing is wrong with."""
    info = soundfile.info(weather.report.heard)
    assert (info.samplerate, info.channels, info.subtype) == (24_000, 2, "PCM_16")
    assert info.frames == -(-weather.session.duration_ns * 24_000 // 10**9)
    assert weather.report.heard == f"{weather.report.folder}/heard.wav"
    assert weather.json()["heard"] == weather.report.heard
    assert check_session(weather.report.folder) == []
    header = load_session(weather.report.folder).header
    assert [(track.track, track.file, track.rate, track.channels) for track in header.tracks][2:] == [("heard", "heard.wav", 24_000, 2)]


def test_on_the_right_is_what_was_heard_to_the_sample(weather):
    """At the time of each note of what was heard stand the very samples of the chunk; all else is silent."""
    samples, rate = heard_in(weather)
    right, n_chunks = samples[:, 1].copy(), 0
    for chunk, at_ns, _ in chunks_of(weather.session):
        at = round(at_ns * rate / 1e9)
        assert np.array_equal(right[at : at + len(chunk)], chunk)
        right[at : at + len(chunk)] = 0
        n_chunks += 1
    assert n_chunks == 5
    assert not right.any()


def test_on_the_left_is_what_the_user_said_when_it_was_said(weather):
    """The 16 kHz speech, resampled, each frame at its time; silent where the app sent nothing, since the assistant was speaking."""
    samples, _ = heard_in(weather)
    expected = soxr.resample(user_axis(weather.session, 16_000).astype("float32") / 32768, 16_000, 24_000, quality="HQ") * 32768
    left, expected = samples[:, 0], expected[: len(samples)]
    # Where the microphone was shut a stretch ends within a sound, and what the filter makes of that end is not the same.
    assert np.mean(np.abs(left - expected) > 3) < 0.001
    assert np.corrcoef(left, expected)[0, 1] > 0.9999
    assert np.abs(left).max() > 10_000


def test_two_replays_leave_the_same_bytes(weather, tmp_path):
    """In virtual time nothing depends on the machine."""
    again = replayed(tmp_path)
    assert Path(again.report.heard).read_bytes() == Path(weather.report.heard).read_bytes()


@pytest.mark.parametrize(("speed", "rate"), [("2", 48_000), ("0.5", 12_000), ("1.25", 30_000)])
def test_at_a_speed_the_axis_is_the_replays_and_samples_go_by_as_fast(tmp_path, speed, rate):
    """Chunk and voice are as they were, sample by sample, at so many times the rate: half as long and an octave higher at 2."""
    result = replayed(tmp_path, speed=speed)
    samples, found = heard_in(result)
    assert (found, len(samples)) == (rate, -(-result.session.duration_ns * rate // 10**9))
    n_chunks = 0
    for chunk, at_ns, _ in chunks_of(result.session):
        at = round(at_ns * rate / 1e9)
        assert np.array_equal(samples[at : at + len(chunk), 1], chunk)
        n_chunks += 1
    assert n_chunks == 5
    factor = float(speed)
    axis = user_axis(result.session, 16_000, factor).astype("float32")
    expected = soxr.resample(axis / 32768, 16_000, 24_000, quality="HQ")[: len(samples)] * 32768
    assert np.corrcoef(samples[:, 0], expected)[0, 1] > 0.999
    assert check_session(result.report.folder) == []


def test_at_the_greatest_speed_what_was_played_is_there_one_after_another(tmp_path):
    """The axis has no length; both sides are whole, each piece at its own rate from when it came or the one before it was over."""
    result = replayed(tmp_path, speed="max")
    samples, rate = heard_in(result)
    assert rate == 24_000
    (chunk, at_ns, _), *_ = chunks_of(result.session)
    at = round(at_ns * rate / 1e9)
    assert np.array_equal(samples[at : at + len(chunk), 1], chunk)
    assert not samples[:at, 1].any()
    spoken, _ = soundfile.read(f"{result.report.folder}/user.wav", dtype="int16")
    expected = soxr.resample(spoken.astype("float32") / 32768, 16_000, 24_000, quality="HQ") * 32768
    shift = np.flatnonzero(np.abs(samples[:, 0]) > 500)[0] - np.flatnonzero(np.abs(expected) > 500)[0]
    sooner = samples[shift : shift + 60_000, 0]
    assert np.corrcoef(sooner, expected[: len(sooner)])[0, 1] > 0.999
    assert len(samples) / rate > result.session.duration_ns / 1e9
    assert check_session(result.report.folder) == []


def place_of(chunk, samples, earliest):
    """Where a chunk is played whole, from a sample on; None if it is not."""
    loudest = int(np.argmax(np.abs(chunk)))
    places = np.flatnonzero(samples[earliest + loudest :] == chunk[loudest]) + earliest
    return next((at for at in places if np.array_equal(samples[at : at + len(chunk)], chunk)), None)


@pytest.mark.parametrize(("speed", "part", "n_heard"), [("1", {"first": "turn 2"}, 2), ("4", {}, 5)])
def test_in_real_time_all_is_where_the_session_says(tmp_path, speed, part, n_heard):
    """On the server's clock: chunks whole and in order, none before it came, and the user's voice where its frames are."""
    result = replayed(tmp_path, clock="real", speed=speed, **part)
    samples, rate = heard_in(result)
    assert rate == 24_000 * int(speed)
    assert len(samples) >= result.session.duration_ns * rate // 10**9
    n_chunks, over = 0, 0
    for chunk, at_ns, _ in chunks_of(result.session):
        # A busy machine has it played later than it came.
        earliest = max(over, round(at_ns * rate / 1e9) - 1)
        at = place_of(chunk, samples[:, 1], earliest)
        assert at is not None
        over = at + len(chunk)
        n_chunks += 1
    assert n_chunks == n_heard
    # A frame is sent late by what the machine takes; it stands where the microphone heard it, whole, and no further from where it was sent
    # than the machine was late by in one frame more than in another, and 50 ms.
    spoken, _ = soundfile.read(f"{result.report.folder}/user.wav", dtype="int16")
    expected = soxr.resample(spoken.astype("float32") / 32768, 16_000, 24_000, quality="HQ") * 32768
    axis = user_axis(result.session, 16_000, int(speed))
    found, in_track, sent = (np.flatnonzero(np.abs(one) > 500)[0] for one in (samples[:, 0], expected, axis))
    assert abs(found / rate - sent / 16_000 / int(speed)) < 0.05 + unevenness_s(result.session, 16_000 * int(speed))
    left, right = samples[found : found + 20_000, 0], expected[in_track : in_track + 20_000]
    assert np.corrcoef(left, right)[0, 1] > 0.999
    assert check_session(result.report.folder) == []


class Beeps:
    """Plays a tone of its own at 48 kHz, in two channels where it has two, from the opening on."""

    TONE = np.repeat((1000 * np.sin(np.arange(4800) / 10)).astype("<i2")[:, None], 2, axis=1)

    async def on_open(self):
        import sounddevice

        waiting = self.TONE.tobytes()

        def fill(block, frames, time, status):
            nonlocal waiting
            block[:] = waiting[: len(block)].ljust(len(block), b"\0")
            waiting = waiting[len(block) :]

        self.stream = sounddevice.RawOutputStream(48_000, channels=self.TONE.shape[1], dtype="int16", callback=fill)
        self.stream.start()

    async def on_message(self, message):
        """Nothing else is played."""

    async def on_close(self):
        self.stream.stop()
        self.stream.close()


def test_streams_of_other_rates_and_channels_are_mixed(tmp_path):
    """The highest rate that was played is the file's; the app's own stream is heard, and its two channels are one."""

    class Both(weather_app(), Beeps):
        on_open, on_close = Beeps.on_open, Beeps.on_close

    result = replayed(tmp_path, handler=Both)
    samples, rate = heard_in(result)
    assert rate == 48_000
    first = np.flatnonzero(samples[:, 1])[0] - 1
    assert np.array_equal(samples[first : first + 4800, 1], Beeps.TONE[:, 0])
    for chunk, at_ns, _ in chunks_of(result.session):
        at = round(at_ns * rate / 1e9)
        expected = soxr.resample(chunk.astype("float32") / 32768, 24_000, 48_000, quality="HQ") * 32768
        assert np.corrcoef(samples[at : at + len(expected), 1], expected)[0, 1] > 0.999


def test_where_nothing_is_played_the_file_has_the_users_rate(tmp_path):
    """The app has a speaker all the same, and what it did with it is silence."""
    result = replayed(tmp_path, handler=f"{HANDLERS}/plays_nothing.py:App", severities={"plays_nothing": "off"})
    samples, rate = heard_in(result)
    assert rate == 16_000
    assert not samples[:, 1].any()
    assert np.array_equal(samples[:, 0], user_axis(result.session, 16_000)[: len(samples)])


def test_where_neither_side_says_anything_the_file_is_silent(tmp_path):
    """A typed conversation whose audio is not played: the lowest rate that every program plays."""
    result = replayed(tmp_path, TYPED, handler=f"{HANDLERS}/listen.py:on_message")
    samples, rate = heard_in(result)
    assert (rate, samples.any()) == (8000, False)
    assert len(samples) == -(-result.session.duration_ns * 8000 // 10**9)


def test_the_null_test_has_none(tmp_path):
    """Nothing is played where the recording meets itself, since there is no handler and no speaker."""
    result = replayed(tmp_path, handler="recorded")
    assert (result.report.heard, result.json()["heard"], result.heard) == (None, None, None)
    assert not (Path(result.report.folder) / "heard.wav").exists()
    assert [track.track for track in load_session(result.report.folder).header.tracks] == ["user", "assistant"]
    assert check_session(result.report.folder) == []


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    """What was heard is in memory, for who wants to keep it."""
    monkeypatch.chdir(tmp_path)
    result = replay_session(TYPED, handler=f"{HANDLERS}/listen.py:on_message", write=lambda _: None)
    assert (result.report.heard, list(tmp_path.iterdir())) == (None, [])
    assert result.heard is not None


def test_a_part_of_a_session_is_heard_on_its_own_axis(tmp_path):
    """Where the recording is cut and its silence shortened, the file is of what was replayed, and as long."""
    result = replayed(tmp_path, first="turn 2", max_gap="300ms")
    samples, rate = heard_in(result)
    found = list(chunks_of(result.session))
    assert len(found) == 2
    for chunk, at_ns, _ in found:
        at = round(at_ns * rate / 1e9)
        assert np.array_equal(samples[at : at + len(chunk), 1], chunk)
    assert len(samples) / rate < 6


def test_a_replay_of_a_replay_leaves_the_first_as_it_was(weather, tmp_path):
    """Accepting what is sent now changes neither what was heard then nor the header that names it."""
    folder = tmp_path / "first"
    shutil.copytree(weather.report.folder, folder)
    before = {name: (folder / name).read_bytes() for name in ("heard.wav", "session.json")}
    result = replayed(tmp_path / "out", folder, handler=f"{HANDLERS}/wrong_answer.py:App", update=True)
    assert result.report.expectation.outcome == "written"
    assert {name: (folder / name).read_bytes() for name in before} == before
    assert check_session(folder) == []
    assert check_session(result.report.folder) == []


def test_a_copy_of_a_replay_has_no_file_that_is_not_its_own(weather, tmp_path):
    """Written anew, a session has what its events say, and what was heard is not among them."""
    copy = write_session(tmp_path / "copy", load_session(weather.report.folder), EVI)
    assert [track.track for track in load_session(copy).header.tracks] == ["user", "assistant"]
    assert check_session(copy) == []


# No byte of a file beyond so many: what a write beyond gives is an error, not a signal.
LIMITED = """
import os, resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
os.execv(sys.argv[2], sys.argv[2:])
"""


def test_a_full_disk_loses_the_file_and_nothing_else(tmp_path):
    """The replay passes, its session is complete, and the report says that heard.wav is missing."""
    words = ["replay", str(WEATHER), "--handler", f"{HANDLERS}/weather.py:WeatherApp", "--out", "out", "--json", "report.json"]
    program = [sys.executable, "-c", LIMITED, "600000", sys.executable, "-m", "evi_harness", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(program, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads((tmp_path / "report.json").read_text())
    (folder,) = (tmp_path / "out").iterdir()
    assert (report["heard"], Path(report["folder"]).name) == (None, folder.name)
    assert report["notes"][-1].startswith("heard.wav ")
    assert report["notes"][-1] in done.stdout
    assert sorted(path.name for path in folder.iterdir()) == ["assistant.wav", "events.jsonl", "session.json", "user.wav"]
    assert load_session(folder).header.complete
    assert check_session(folder) == []


def test_a_file_that_would_be_too_large_is_not_begun(tmp_path, monkeypatch):
    """The report says how large; the session is there."""
    monkeypatch.setattr(heard_audio, "MAX_TRACK_BYTES", 1_000_000)
    result = replayed(tmp_path)
    (remark,) = result.report.remarks
    assert "1174" in remark
    assert "1000000" in remark
    assert (result.passed, result.report.heard) == (True, None)
    assert check_session(result.report.folder) == []


def test_a_stuck_replay_keeps_what_was_heard_until_then(tmp_path):
    """The app that computes for ever has played nothing, but the user was heard."""
    # What has to be loaded is, and no step of the next one takes a second on any machine, but for the app's.
    assert replayed(tmp_path).passed
    result = replayed(tmp_path, handler=f"{HANDLERS}/spins.py:App", timeout_s=1.0)
    assert [deviation.kind for deviation in result.deviations][-1] == "stuck"
    samples, _ = heard_in(result)
    assert np.abs(samples[:, 0]).max() > 10_000


def test_audio_that_cannot_be_decoded_is_said(tmp_path, session_of):
    """The user's container is no PCM: the left channel is silent, and the report says so."""
    rows = [("received", 10, {"type": "chat_metadata", "chat_id": "a", "chat_group_id": "b", "request_id": "c"})]
    rows += [("sent", 100, b"\x1aE\xdf\xa3" + bytes(100)), ("closed", 300, ("app", 1000, ""))]
    result = replayed(tmp_path, session_of(rows), handler=lambda message: None)
    assert any(re.match("1 frame .*user's audio", note) for note in result.json()["notes"])
    assert not heard_in(result)[0].any()


def test_a_key_that_is_played_or_sent_as_audio_is_not_written(tmp_path, monkeypatch):
    """What no file of a session holds, this one does not hold either."""
    monkeypatch.setenv("HUME_API_KEY", KEY)

    class Leaks(Beeps):
        TONE = np.frombuffer((b"\1\0" * 400 + KEY.encode()) * 2, "<i2")[:, None]

        async def on_open(self):
            await super().on_open()
            await self.socket._websocket.send(KEY.encode() * 50)

        def set_socket(self, socket):
            self.socket = socket

    result = replayed(tmp_path, handler=Leaks)
    samples, _ = heard_in(result)
    for channel in (0, 1):
        assert KEY.encode() not in samples[:, channel].astype("<i2").tobytes()
    assert KEY.encode() not in Path(result.report.heard).read_bytes()
    assert (samples[:, 1] == 1).any()


class Noisy:
    """Plays noise behind each sound of EVI's; of two that are made alike, each has its own."""

    n_made = 0

    def __new__(cls):
        cls.n_made += 1
        made = super().__new__(cls)
        made.first = cls.n_made
        return made


def test_two_runs_that_sound_otherwise_are_not_the_same(tmp_path):
    """--twice compares what was heard, and says from when on in session time it differs; what crossed the wire is the same."""

    class App(Noisy, weather_app()):
        async def on_message(self, message):
            await super().on_message(message)
            if message.type == "assistant_end":
                samples = np.arange(4800, dtype="<i2") + 1
                samples[2400:] *= self.first
                await self.byte_strs.put(wav_of(samples))

    result = replayed(tmp_path, handler=App, twice=True)
    first, second = result.report.twice
    assert (first.split()[0], second.split()[0]) == ("first:", "second:")
    assert (first.endswith(" 2401"), second.endswith(" 4802")) == (True, True)
    assert first.split(" at ")[1].split(" s:")[0] == second.split(" at ")[1].split(" s:")[0]
    at_s = float(first.split(" at ")[1].split(" s:")[0])
    samples, rate = heard_in(result)
    assert samples[round(at_s * rate) - 1 : round(at_s * rate) + 1, 1].tolist() == [2400, 2401]
    assert not result.passed
    assert result.json()["twice"] == {"identical": False, "first_difference": [first, second]}
    assert any("heard at" in line for line in result.lines())


def wav_of(samples):
    """A WAV of 24 kHz."""
    from evi_harness.session.wav import header

    return header(Pcm(24_000, 1), 2 * len(samples)) + samples.tobytes()


def test_two_runs_that_sound_the_same_are(tmp_path):
    """Nothing differs, in what was heard or otherwise."""
    assert replayed(tmp_path, twice=True).report.twice == ()


def heard(*streams, opened_ms=0, speed=Fraction(1)):
    """Streams, each (milliseconds, values): a frame a millisecond."""
    playbacks = []
    for began_ms, values in streams:
        made = Playback(Pcm(1000, 1), (opened_ms + began_ms) * MS, speed)
        samples = np.array(values, "<i2").tobytes()
        made.add(samples, len(samples), made.began_ns)
        playbacks.append(made)
    return Heard(playbacks, opened_ms * MS, speed)


@pytest.mark.parametrize(
    ("one", "other", "difference"),
    [
        (heard(), heard(), None),
        (None, None, None),
        (heard(), None, None),
        (heard((10, [1, 2])), heard((10, [1, 2])), None),
        (heard((10, [1, 2])), heard((10, [1, 2]), opened_ms=700), None),
        # One stream or two, what was heard is the same.
        (heard((10, [1, 2]), (12, [3])), heard((10, [1, 2, 3])), None),
        (heard((10, [1, 2, 0])), heard((10, [1, 2])), None),
        (heard((10, [1, 2, 3])), heard((10, [1, 2, 4])), ("0.012000000", 3, 4)),
        (heard((10, [1, 2, 3])), heard((10, [1, 2])), ("0.012000000", 3, 0)),
        (heard((10, [1, 2, 3])), heard((11, [1, 2, 3])), ("0.010000000", 1, 0)),
        (heard((10, [1] * 2500)), heard((10, [1] * 2400 + [-7] * 100)), ("2.410000000", 1, -7)),
        (heard((10, [1, 2, 3])), None, ("0.010000000", 1, 0)),
        (None, heard((1500, [5])), ("1.500000000", 0, 5)),
    ],
)
def test_where_two_runs_first_sound_otherwise(one, other, difference):
    """To the sample, in session time, whatever streams it was played on; silence of any length is the same."""
    found = first_heard_difference(one, other)
    expected = difference and tuple(f"heard at {difference[0]} s: a sample of {value}" for value in difference[1:])
    assert found == expected


def test_no_speaker_no_file(tmp_path):
    """Where nothing was heard by anybody, nothing is written and nothing is said."""
    kept = keep_heard(tmp_path / "nowhere", None, Redactor(()))
    assert (kept.file, kept.remarks) == (None, ())


def test_a_folder_that_cannot_be_read_is_said(tmp_path):
    """Nothing is raised: the run's report is worth more than this file."""
    kept = keep_heard(tmp_path / "nowhere", heard((1, [1])), Redactor(()))
    assert kept.file is None
    assert kept.remarks[0].startswith("heard.wav ")
