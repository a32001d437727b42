"""Tests of evi_harness.verdicts.wholeness: one rule for everything whose verdict depends on a recording."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from evi_harness.acts.latency import measure_sessions
from evi_harness.acts.replay import replay_session
from evi_harness.acts.replay_live import LiveReplayOptions, replay_live
from evi_harness.acts.serve.serving import ServeOptions, play, serve, served
from evi_harness.errors import AudioMissing, IncompleteRecording, SessionUnreadable, SessionUnwritable
from evi_harness.evi.dialect import EVI
from evi_harness.pytesting.testing import CheckedServer
from evi_harness.runs.replay_options import ReplayOptions
from evi_harness.storage.expected_file import read_expectation
from evi_harness.storage.writer import SessionWriter, write_session
from evi_harness.verdicts.loading import load_session
from evi_harness.verdicts.wholeness import refused_for_what_is_missing, require_whole

ROOT = Path(__file__).resolve().parents[2]
SESSIONS = ROOT / "sessions"
N_LINES = len((SESSIONS / "typed" / "events.jsonl").read_bytes().splitlines())


@pytest.fixture
def damaged(tmp_path):
    """A session of which one sample was changed."""
    shutil.copytree(SESSIONS / "weather", tmp_path / "weather")
    path = tmp_path / "weather" / "user.wav"
    samples = bytearray(path.read_bytes())
    samples[-1] ^= 1
    path.write_bytes(samples)
    return tmp_path / "weather"


@pytest.fixture
def cut(tmp_path):
    """A session whose replay needs audio that is not there."""
    shutil.copytree(SESSIONS / "weather", tmp_path / "cut")
    path = tmp_path / "cut" / "assistant.wav"
    path.write_bytes(path.read_bytes()[:1000])
    return tmp_path / "cut"


def test_what_is_whole_is_taken():
    """Every session of ours is, whoever wrote it and when."""
    require_whole(*(load_session(SESSIONS / name, verify=True) for name in ("demo", "typed", "weather")))


def test_all_that_is_missing_is_told(damaged):
    """Of one session its name is told once, of several with each sentence."""
    session = load_session(damaged, verify=True)
    with pytest.raises(IncompleteRecording) as raised:
        require_whole(session)
    assert raised.value.exit_code == 1
    assert raised.value.missing == session.missing
    assert str(raised.value).startswith("weather: ")
    assert "evi-harness check FOLDER" in raised.value.hint
    assert "--allow-incomplete" in raised.value.hint
    typed = replace(load_session(SESSIONS / "typed"), missing=("something.",), name="typed")
    with pytest.raises(IncompleteRecording, match=r"^2 recordings .*:\n  weather: user\.wav: .*\n  typed: something"):
        require_whole(session, load_session(SESSIONS / "demo"), typed)
    require_whole(session, typed, allow_incomplete=True)


def test_no_secret_is_told_nor_anything_that_a_terminal_acts_on(monkeypatch):
    """A sentence may quote a stranger's header."""
    monkeypatch.setenv("HUME_API_KEY", "a-key-of-this-run")
    session = replace(load_session(SESSIONS / "typed"), missing=("session.json: not complete: a-key-of-this-run \x1b[2J.",))
    with pytest.raises(IncompleteRecording) as raised:
        require_whole(session)
    assert "a-key-of-this-run" not in str(raised.value)
    assert "\x1b" not in str(raised.value)


@pytest.mark.parametrize("allowed", [True, False])
@pytest.mark.parametrize("error", [SessionUnreadable("x"), AudioMissing("x"), SessionUnwritable("x"), ValueError("x")])
def test_what_follows_from_what_is_missing_is_told_as_that(damaged, error, allowed):
    """But for what the session is not to blame for, and where it is taken as it is."""
    session = load_session(damaged, verify=True)
    is_cause = isinstance(error, (SessionUnreadable, AudioMissing)) and not allowed
    expected = IncompleteRecording if is_cause else type(error)
    with pytest.raises(expected), refused_for_what_is_missing(session, allow_incomplete=allowed):
        raise error
    with pytest.raises(type(error)), refused_for_what_is_missing(load_session(SESSIONS / "typed"), allow_incomplete=False):
        raise error


def test_a_replay_fails(damaged):
    """It is run, and whatever else is found is told too; as it is, it passes as before."""
    (told,) = load_session(damaged, verify=True).missing
    assert re.match(r"user\.wav: .*\bdigest\b", told)
    result = replay_session(damaged, handler="recorded")
    assert (result.passed, result.exit_code, result.deviations, result.findings) == (False, 1, (), ())
    assert result.summary == f"failed: incomplete recording; {told}"
    lines = result.lines()
    assert f"missing    {told}" in lines
    (following,) = [line for line in lines if line.startswith("next ")]
    assert f"evi-harness check {damaged}" in following
    assert "--allow-incomplete" in following
    assert lines[-1] == "verdict    failed: incomplete recording"
    assert (result.json()["passed"], result.json()["incomplete"], result.json()["recorded"]["missing"]) == (False, True, [told])
    allowed = replay_session(damaged, handler="recorded", allow_incomplete=True)
    assert re.match("verdict +passed, .*incomplete", allowed.lines()[-1])
    assert (allowed.exit_code, allowed.json()["incomplete"], allowed.json()["recorded"]["missing"]) == (0, False, [told])
    assert "--allow-incomplete" in allowed.json()["command"]["again"]


def test_a_replay_that_cannot_be_run_says_what_is_missing(cut):
    """And not what it ran into; where that is allowed, it does say that."""
    with pytest.raises(IncompleteRecording, match=r"\n  assistant\.wav: .*\b956\b"):
        replay_session(cut, handler="recorded")
    with pytest.raises(AudioMissing, match=r"assistant\.wav"):
        replay_session(cut, allow_incomplete=True, write=lambda _: None)


@pytest.mark.parametrize("n_lines", range(N_LINES))
def test_a_recording_that_was_cut_at_any_line_fails(tmp_path, n_lines):
    """Also before its first event, where there is nothing to replay."""
    shutil.copytree(SESSIONS / "typed", tmp_path / "typed")
    path = tmp_path / "typed" / "events.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:n_lines]))
    if n_lines == 0:
        with pytest.raises(IncompleteRecording, match=rf"events\.jsonl, line 1: .*\b{N_LINES} of the {N_LINES}\b"):
            replay_session(tmp_path / "typed", handler="recorded")
    else:
        result = replay_session(tmp_path / "typed", handler="recorded")
        assert result.exit_code == 1
        assert result.report.incomplete[0].startswith(f"events.jsonl, line {n_lines + 1}: ")


def test_nothing_is_accepted_of_an_incomplete_recording(damaged):
    """It does not ask for all that the app would send."""
    result = replay_session(damaged, update=True, write=lambda _: None)
    assert result.report.expectation.outcome == "refused"
    assert "incomplete" in result.report.expectation.why
    assert read_expectation(damaged) is None


def test_a_part_and_several_runs_fail_too(damaged):
    """The rule is about the recording, and not about what is replayed of it."""
    assert replay_session(damaged, handler="recorded", last="t1").report.is_incomplete
    assert replay_session(damaged, handler="recorded", twice=True).lines()[-1] == "verdict    failed: incomplete recording"


def test_an_expectation_that_what_is_missing_leaves_without_its_events(tmp_path):
    """It is the recording that is at fault."""
    shutil.copytree(SESSIONS / "typed", tmp_path / "typed")
    lines = (tmp_path / "typed" / "events.jsonl").read_bytes().splitlines(keepends=True)
    head = {"format": "evi-harness expectation", "version": 1, "session": load_session(tmp_path / "typed").header.id}
    sent = [line for line in lines if b'"event":"sent"' in line]
    (tmp_path / "typed" / "expected.jsonl").write_bytes(json.dumps(head).encode() + b"\n" + b"".join(sent))
    assert replay_session(tmp_path / "typed", handler="recorded").passed
    (tmp_path / "typed" / "events.jsonl").write_bytes(lines[0])
    result_or_error = []
    try:
        result_or_error.append(replay_session(tmp_path / "typed", handler="recorded").exit_code)
    except IncompleteRecording as error:
        result_or_error.append(error.exit_code)
    assert result_or_error == [1]


def test_in_memory_a_session_is_what_it_says_is_missing(damaged):
    """As its reader found it: nothing was compared with digests, unless that was asked for."""
    assert replay_session(load_session(damaged), handler="recorded").passed
    assert not replay_session(load_session(damaged, verify=True), handler="recorded").passed
    assert not replay_session(replace(load_session(SESSIONS / "typed"), missing=("x.",)), handler="recorded").passed
    with pytest.raises(IncompleteRecording):
        play(load_session(damaged, verify=True))


def test_what_a_replay_wrote_is_whole(tmp_path):
    """Its session and a copy of it can be replayed, and measured, as a recording can."""
    result = replay_session(SESSIONS / "weather", out=tmp_path)
    again = replay_session(result.report.folder, handler="recorded", allow_incomplete=False)
    assert (again.report.is_incomplete, again.report.recorded.missing) == (False, ())
    copy = write_session(tmp_path / "copy", load_session(result.report.folder), EVI)
    assert measure_sessions([copy, result.report.folder], detector="none").measured


def test_a_killed_writer_leaves_an_incomplete_recording(tmp_path):
    """However far it came: it is not complete."""
    session = load_session(SESSIONS / "typed")
    writer = SessionWriter(tmp_path / "killed", session.header, EVI)
    for event in session.events:
        writer.write(event)
    result = replay_session(tmp_path / "killed", handler="recorded")
    assert result.exit_code == 1
    assert result.report.incomplete[0].startswith("session.json: ")
    assert replay_session(tmp_path / "killed", handler="recorded", allow_incomplete=True).passed
    writer.close()
    assert replay_session(tmp_path / "killed", handler="recorded").passed


def test_a_server_does_not_listen(damaged):
    """Neither kind, nor that of a test; with the option it does."""
    told = []
    with pytest.raises(IncompleteRecording, match="digest differs"):
        serve(damaged, ServeOptions(), told.append)
    assert told == []
    with pytest.raises(IncompleteRecording, match="digest differs"):
        served(damaged)
    with pytest.raises(IncompleteRecording, match="digest differs"):
        CheckedServer(damaged, ReplayOptions(), keep=lambda _: None)
    with served(damaged, ServeOptions(allow_incomplete=True)) as server:
        assert server.url
    with CheckedServer(damaged, ReplayOptions(allow_incomplete=True), keep=lambda _: None) as checked:
        assert checked.url


def test_nothing_is_said_again_to_a_live_service(damaged):
    """It would cost something: refused before anybody is asked."""
    with pytest.raises(IncompleteRecording, match="digest differs"):
        replay_live(damaged, LiveReplayOptions(base_url="http://127.0.0.1:1"), agree=lambda _: pytest.fail("asked"))


def test_latency_measures_nothing(damaged):
    """All that are not whole are told; with the option they are measured, and the report says what is missing."""
    with pytest.raises(IncompleteRecording, match="digest differs"):
        measure_sessions([SESSIONS / "typed", damaged], detector="none")
    report = measure_sessions([damaged], detector="none", allow_incomplete=True)
    assert any(re.search(r"user\.wav: .*\bdigest\b", line) for line in report.lines())


def test_an_app_of_a_tests_own_is_judged_where_that_is_allowed(damaged):
    """Its report says that the recording is not whole, and does not fail for that."""
    import websockets

    async def come_and_go(url):
        async with websockets.connect(url.replace("http://", "ws://") + EVI.chat_paths[0]):
            pass

    with CheckedServer(damaged, ReplayOptions(allow_incomplete=True), keep=lambda _: None) as server:
        asyncio.run(come_and_go(server.url))
        result = server.result()
    assert (result.report.recorded.missing, result.report.is_incomplete) == (load_session(damaged, verify=True).missing, False)
    assert result.json()["options"]["allow_incomplete"] is True
