"""Tests of evi_harness.verdicts.expected, and of what replay_session makes of it."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from evi_harness.acts.replay import RUNS, replay_session
from evi_harness.acts.sessions import check_session
from evi_harness.errors import SessionUnreadable, SessionUnwritable, UsageError
from evi_harness.evi.dialect import EVI
from evi_harness.runs.virtual_run import run_in_virtual_time
from evi_harness.session.header import Recorded
from evi_harness.storage.writer import write_session
from evi_harness.verdicts import expected as expecting
from evi_harness.verdicts.expected import load_expected


@pytest.fixture
def folder(weather, tmp_path):
    """A session's folder."""
    write_session(tmp_path / "weather", weather, EVI)
    return tmp_path / "weather"


def app(*, content="sunny, 21 degrees", after_s=0.2, greets=False, answers=True):
    """An app in the shape of the quickstart that answers the tool call, and may greet."""

    class App:
        def set_socket(self, socket):
            self.socket = socket

        async def on_message(self, message):
            if greets and message.type == "chat_metadata":
                await self.socket._send({"type": "user_input", "text": "Hello."})
            if answers and message.type == "tool_call":
                await asyncio.sleep(after_s)
                await self.socket._send({"type": "tool_response", "tool_call_id": message.tool_call_id, "content": content})

    return App


def update(folder, **changes):
    """Accept what an app sends: the result."""
    return replay_session(folder, handler=app(**changes), update=True)


def outcome(result):
    """What became of the expectation."""
    return result.report.expectation.outcome


def kinds(result):
    """The kinds of what was found."""
    return [one.kind for one in (*result.findings, *result.deviations)]


@pytest.mark.parametrize("changes", [{"content": "rain"}, {"greets": True}, {"content": "rain", "greets": True, "after_s": 1.0}])
def test_update_then_replay_passes(folder, changes):
    """The same app; what was recorded then deviates; and check finds nothing wrong with the folder."""
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert not replay_session(folder, handler=app(**changes)).passed
    accepted = update(folder, **changes)
    assert (outcome(accepted), accepted.exit_code, kinds(accepted)) == ("written", 0, [])
    assert outcome(replay_session(folder, handler=app(**changes), twice=True)) == "compared"
    assert replay_session(folder, handler=app(**changes)).passed
    assert not replay_session(folder, handler=app()).passed
    assert check_session(folder) == []
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.name in before} == before


def test_the_null_test_passes_with_an_expectation(folder):
    """What is expected is what the recorded user sends."""
    update(folder, content="rain", greets=True)
    assert replay_session(folder, handler="recorded").passed
    assert replay_session(folder, write=lambda line: None).passed


def test_the_expected_answer_releases_what_waits_for_it(folder):
    """At once, so that nothing comes later than with the recorded one."""
    update(folder, content="rain")
    result = replay_session(folder, handler=app(content="rain", after_s=0.1))
    assert result.passed
    due = {note.data["recorded_seq"]: note.data for note in result.session.notes if note.name == "due"}
    # The reply was recorded 400 ms after the answer, and the answer comes 100 ms after the call.
    assert due[16]["due_ns"] - due[14]["due_ns"] == 500_000_000


def test_the_diff_is_told(folder):
    """What changed and how, for people and for programs."""
    result = update(folder, content="rain", greets=True)
    changes = result.json()["expectation"]["changes"]
    assert [(one["change"], one["before_seq"], one["after_seq"]) for one in changes] == [("added", None, 30), ("changed", 15, 15)]
    assert changes[1]["differences"] == [{"path": "$.content", "recorded": "sunny, 21 degrees", "live": "rain"}]
    lines = "\n".join(result.lines())
    assert "+ #30 at 0.0" in lines
    assert "$.content: was 'sunny, 21 degrees', is 'rain'" in lines


def test_the_next_update_compares_with_what_is_expected(folder):
    """The diff is from what was accepted last, and the places are the recording's."""
    update(folder, content="rain")
    changes = update(folder, content="snow").json()["expectation"]["changes"]
    assert [(one["change"], one["differences"][0]["recorded"]) for one in changes] == [("changed", "rain")]


def test_nothing_to_update(folder):
    """No file is made, and one that is there stays as it is, to the byte."""
    assert outcome(update(folder)) == "unchanged"
    assert not (folder / "expected.jsonl").exists()
    update(folder, content="rain")
    path = folder / "expected.jsonl"
    before = (path.read_bytes(), path.stat().st_mtime_ns)
    assert outcome(update(folder, content="rain", after_s=1.0)) == "unchanged"
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert outcome(replay_session(folder, handler="recorded", update=True)) == "unchanged"


def test_the_way_back(folder):
    """An app that sends what was recorded takes the file away; so may anybody."""
    update(folder, content="rain")
    result = update(folder)
    assert (outcome(result), result.exit_code) == ("removed", 0)
    assert not (folder / "expected.jsonl").exists()
    assert replay_session(folder, handler=app()).passed
    update(folder, content="rain")
    (folder / "expected.jsonl").unlink()
    result = replay_session(folder, handler=app())
    assert (result.passed, result.report.expectation) == (True, None)


def raises(message):
    """Fails."""
    raise ValueError("no")


@pytest.mark.parametrize(("handler", "why"), [(app(answers=False), "#15 was waited for"), (raises, "a finding (raised)")])
def test_what_cannot_be_accepted_is_refused(folder, handler, why):
    """With the reason and the replay's own exit code; nothing is written."""
    result = replay_session(folder, handler=handler, update=True)
    assert (outcome(result), result.exit_code) == ("refused", 1)
    assert why in result.report.expectation.why
    assert not (folder / "expected.jsonl").exists()
    assert result.deviations or result.findings


def test_what_was_accepted_can_be_given_up(folder):
    """An extra message that is sent no more is missing, and nothing hung on it: it can be accepted."""
    update(folder, greets=True)
    assert kinds(replay_session(folder, handler=app())) == ["missing"]
    assert outcome(update(folder)) == "removed"


def test_two_runs_that_differ_are_refused(folder):
    """Nobody knows what the next one sends."""
    words = iter("abcdef")

    class Wavers(app()):
        async def on_message(self, message):
            if message.type == "chat_metadata":
                await self.socket._send({"type": "user_input", "text": next(words)})
            await super().on_message(message)

    result = replay_session(folder, handler=Wavers, update=True, twice=True)
    assert "two runs differ" in result.report.expectation.why
    assert not (folder / "expected.jsonl").exists()


def test_late_is_not_accepted(folder):
    """It is no message; the messages are."""
    result = replay_session(folder, handler=app(content="rain", after_s=1.2), update=True, max_late_ms=999.5)
    assert (outcome(result), kinds(result)) == ("written", ["late"])
    assert replay_session(folder, handler=app(content="rain", after_s=1.2), max_late_ms=1000).passed


def test_what_is_left_out_stays_as_it_was(folder):
    """With --ignore an answer that differs there only is equal."""
    handler = app(content="rain", greets=True)
    assert outcome(replay_session(folder, handler=handler, update=True, ignore=["tool_response:$.content"])) == "written"
    assert "rain" not in (folder / "expected.jsonl").read_text()
    assert replay_session(folder, handler=handler, ignore=["$.content"]).passed


def test_a_capture_is_given_a_sent_side(weather, tmp_path):
    """A recording that does not know what was sent compares it from then on."""
    capture = replace(
        weather,
        header=replace(weather.header, recorded=Recorded(sent=False)),
        events=tuple(replace(event, seq=seq) for seq, event in enumerate(event for event in weather.events if event.kind != "sent")),
    )
    write_session(tmp_path / "capture", capture, EVI)
    folder = tmp_path / "capture"
    assert replay_session(folder, handler=app(content="rain")).passed
    result = update(folder)
    assert (outcome(result), result.passed) == ("written", True)
    assert replay_session(folder, handler=app()).passed
    assert kinds(replay_session(folder, handler=app(content="rain"))) == ["different"]


def test_no_secret_is_written(folder, monkeypatch):
    """Not the key of this run, wherever the app sends it."""
    monkeypatch.setenv("HUME_API_KEY", "Kq7ApiKeyOfThisRun0123456789")
    result = update(folder, content="my Kq7ApiKeyOfThisRun0123456789")
    assert "Kq7Api" not in (folder / "expected.jsonl").read_text()
    assert "Kq7Api" not in "\n".join(result.lines()) + json.dumps(result.json())


def test_a_session_in_memory_has_no_place_for_one(weather):
    """Told before anything runs."""
    with pytest.raises(UsageError, match="in memory"):
        replay_session(weather, handler=lambda message: pytest.fail("it ran"), update=True)


def test_another_sessions_expectation_is_refused(folder, weather, tmp_path):
    """By its id, and by places that are other events' here; check tells the first."""
    update(folder, content="rain")
    write_session(tmp_path / "other", replace(weather, header=replace(weather.header, id="another")), EVI)
    shutil.copy(folder / "expected.jsonl", tmp_path / "other")
    with pytest.raises(SessionUnreadable, match="is for session"):
        load_expected(tmp_path / "other")
    assert [one.file for one in check_session(tmp_path / "other")] == ["expected.jsonl"]
    text = (folder / "expected.jsonl").read_text().replace('"seq":15', '"seq":16')
    (folder / "expected.jsonl").write_text(text)
    with pytest.raises(SessionUnreadable, match="#16 is another event"):
        load_expected(folder)


def test_a_file_of_the_folder_means_the_folder(folder):
    """As for every command."""
    update(folder, content="rain")
    assert load_expected(folder / "session.json").expectation == load_expected(Path(folder)).expectation is not None


@pytest.fixture
def asks_otherwise(monkeypatch):
    """Has the app open the connection itself, and ask for another kind of transcription than was recorded."""

    def run(recording, handler, options):
        recorded = recording.session
        opened = replace(recorded.opened, handshake=replace(recorded.handshake, query=(("verbose_transcription", "true"),)))
        found = run_in_virtual_time(replace(recorded, events=(opened, *recorded.events[1:])), handler, options)
        return replace(found, handshake_by_app=True)

    monkeypatch.setitem(RUNS, "virtual", lambda: run)


@pytest.mark.usefixtures("asks_otherwise")
def test_the_apps_handshake_is_compared_and_accepted(folder):
    """One deviation, which a path leaves out; after an update it is what is expected."""
    result = replay_session(folder, handler=app())
    (deviation,) = result.deviations
    assert [(one.path, one.live) for one in deviation.differences] == [("$.query.verbose_transcription", "true")]
    assert result.json()["handshake_by"] == "app"
    assert replay_session(folder, handler=app(), ignore=["handshake:$.query.verbose_transcription"]).passed
    accepted = update(folder)
    assert (outcome(accepted), accepted.passed) == ("written", True)
    assert [one["before_seq"] for one in accepted.json()["expectation"]["changes"]] == [0]
    assert replay_session(folder, handler=app()).passed
    assert outcome(update(folder)) == "unchanged"
    assert check_session(folder) == []


def content(folder):
    """What is in a folder, to the byte."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("before", [{}, {"content": "rain"}])
@pytest.mark.parametrize("option", ["dry_run", "defer"])
def test_what_is_proposed_is_written_when_it_is_accepted(folder, option, before):
    """Until then nothing is, and the replay fails by what is expected now; then it is what an update writes."""
    update(folder, **before)
    was = content(folder)
    result = replay_session(folder, handler=app(content="snow", greets=True), update=True, **{option: True})
    assert content(folder) == was
    assert (outcome(result), result.exit_code, kinds(result)) == ("proposed", 1, ["unexpected", "different"])
    assert [one["change"] for one in result.json()["expectation"]["changes"]] == ["added", "changed"]
    assert re.match(r"expected\.jsonl .*: 3 messages\b", result.changes()[0])
    assert result.lines()[-1] == "verdict    failed: 2 deviations, 2 changes not accepted"
    accepted = result.accept()
    assert (outcome(accepted), accepted.exit_code, kinds(accepted)) == ("written", 0, [])
    assert accepted.accept() is accepted
    now = content(folder)
    assert replay_session(folder, handler=app(content="snow", greets=True)).passed
    (folder / "expected.jsonl").unlink()
    update(folder, **before)
    update(folder, content="snow", greets=True)
    assert content(folder) == now


def test_the_way_back_is_proposed_too(folder):
    """The file stays until it is accepted."""
    update(folder, content="rain")
    result = replay_session(folder, handler=app(), update=True, dry_run=True)
    assert (outcome(result), result.exit_code, result.json()["expectation"]["would"]) == ("proposed", 1, "removed")
    assert (folder / "expected.jsonl").exists()
    assert (outcome(result.accept()), result.accept().exit_code) == ("removed", 0)
    assert not (folder / "expected.jsonl").exists()


def test_where_nothing_would_change_a_dry_run_passes(folder):
    """There is nothing to accept."""
    result = replay_session(folder, handler=app(), update=True, dry_run=True)
    assert (outcome(result), result.exit_code, result.proposal, result.changes()) == ("unchanged", 0, None, [])
    assert result.accept() is result


def test_a_dry_run_of_a_capture_fails_where_it_would_be_given_a_sent_side(weather, tmp_path):
    """Though nothing is compared, and so nothing differs."""
    known = replace(weather.header, recorded=Recorded(sent=False))
    received = (event for event in weather.events if event.kind != "sent")
    events = tuple(replace(event, seq=seq) for seq, event in enumerate(received))
    write_session(tmp_path / "capture", replace(weather, header=known, events=events), EVI)
    result = replay_session(tmp_path / "capture", handler=app(), update=True, dry_run=True)
    assert (kinds(result), result.exit_code) == ([], 1)
    assert result.lines()[-1] == "verdict    failed: 1 change not accepted"


def test_a_dry_run_needs_an_update(folder):
    """It would do nothing."""
    with pytest.raises(UsageError, match=r"\bdry_run\b.*\bupdate\b"):
        replay_session(folder, handler=app(), dry_run=True)


def test_what_cannot_be_written_when_it_is_accepted_is_told(folder):
    """The folder is gone since."""
    result = replay_session(folder, handler=app(content="rain"), update=True, defer=True)
    shutil.rmtree(folder)
    with pytest.raises(SessionUnwritable):
        result.accept()


def test_what_another_program_has_written_meanwhile_is_not_taken_for_it(folder, monkeypatch):
    """What is accepted is read back."""
    result = replay_session(folder, handler=app(content="rain"), update=True, defer=True)
    put = expecting.put_expectation
    monkeypatch.setattr(expecting, "put_expectation", lambda folder, text: put(folder, text.replace(b"rain", b"snow")))
    with pytest.raises(SessionUnreadable, match=r"expected\.jsonl"):
        result.accept()
