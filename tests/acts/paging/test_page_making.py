"""Tests of evi_harness.acts.paging.page_making."""

from __future__ import annotations

import base64
import io
import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import numpy
import pytest
import soundfile

from evi_harness.acts.paging.page_making import PageSubject, ShownSession, page_of_replay, page_of_session, write_page
from evi_harness.acts.replay import replay_session
from evi_harness.errors import EviHarnessError
from evi_harness.evi.dialect import EVI
from evi_harness.session.events import Closed, Frame, Received
from evi_harness.settings.sink import Sink
from evi_harness.verdicts.loading import load_session

ROOT = Path(__file__).resolve().parents[3]
DEMO = ROOT / "sessions" / "demo"
PLAYS_ON = f"{ROOT / 'fixtures' / 'handlers' / 'plays_on.py'}:App"
ISLAND = '<script type="application/json" id="evi-data">'


def told(file):
    """The data of a page."""
    text = file.read_text(encoding="utf-8")
    return json.loads(text[text.index(ISLAND) + len(ISLAND) :].split("</script>", 1)[0])


@pytest.fixture(scope="module")
def replayed(tmp_path_factory):
    """The demo, replayed to an app that plays on, and its page."""
    out = tmp_path_factory.mktemp("page")
    result = replay_session(DEMO, handler=PLAYS_ON, out=out, write=lambda line: None)
    page = write_page(page_of_replay(result), out / "page.html")
    return result, page, told(page.file)


def test_a_page_of_a_replay_shows_both_sides_and_what_is_wrong(replayed):
    """Recorded above replayed, with the finding, its source, where to play from, and the command that runs it again."""
    result, page, data = replayed
    assert [side["id"] for side in data["sides"]] == ["recorded", "replayed"]
    assert data["verdict"] == {"state": "failed", "text": result.verdict_text}
    (problem,) = data["problems"]
    assert (problem["kind"], problem["rank"], problem["side"]) == ("plays_on", 1, "replayed")
    assert problem["seek_ms"] == pytest.approx(problem["at_ms"] - 2000)
    assert problem["places"][0]["shown"].endswith("plays_on.py")
    assert any(line["line"] == problem["places"][0]["line"] for line in problem["places"][0]["source"])
    assert data["command"]["again"].startswith("evi-harness replay ")
    assert page.n_bytes == page.file.stat().st_size
    assert stat.S_IMODE(page.file.stat().st_mode) == 0o600


def test_what_was_heard_is_told_from_what_was_computed(replayed):
    """A replay was heard by the software speaker; of the recording nobody noted it."""
    recorded, now = replayed[2]["sides"]
    for side, how, is_computed in ((recorded, "reconstructed from arrival times", True), (now, "heard by the software speaker", False)):
        assert [track["role"] for track in side["tracks"]] == ["user", "heard", "arrived"]
        heard = side["tracks"][1]
        assert (heard["how"], heard["is_computed"]) == (how, is_computed)
        assert [track["is_collapsed"] for track in side["tracks"]] == [False, False, True]
        assert side["tracks"][2]["sound"] is None


def test_the_sound_is_that_of_the_session(replayed):
    """What is decoded from the page is what stands in heard.wav, at its time."""
    result, _, data = replayed
    track = data["sides"][1]["tracks"][1]
    head, _, rest = data["sounds"][track["sound"]].partition(",")
    assert head == "data:audio/ogg;codecs=vorbis;base64"
    decoded, rate = soundfile.read(io.BytesIO(base64.b64decode(rest)))
    heard, heard_rate = soundfile.read(result.report.heard)
    assert (rate, track["rate"]) == (heard_rate, heard_rate)
    right = heard[: len(decoded), 1]
    assert numpy.corrcoef(decoded[: len(right)], right)[0, 1] > 0.95
    finest = track["peaks"][0]
    loudest = int(numpy.argmax(numpy.abs(right)))
    assert base64.b64decode(finest["data"])[loudest * 1000 // heard_rate // finest["bin_ms"]] > 0


def test_the_lanes_hold_what_the_session_holds(replayed):
    """Turns, messages without audio, sent audio as a density, calls of tools, interruptions and the transcript."""
    recorded, now = replayed[2]["sides"]
    assert [turn["number"] for turn in recorded["turns"]] == [1, 2, 3]
    assert recorded["turns"][1]["interrupted_ms"] == recorded["interruptions"][0]["at_ms"]
    assert not any(one["type"] == "audio_input" for one in recorded["messages"])
    assert all(len(one["text"] or "") < 10_000 for one in recorded["messages"])
    assert sum(base64.b64decode(recorded["density"]["data"])) == recorded["density"]["n_frames"] > 1000
    (tool,) = recorded["tools"]
    assert tool["begin_ms"] < tool["answer_ms"] < tool["next_ms"]
    assert tool["name"] == "get_weather"
    said = [line["who"] for line in recorded["transcript"]]
    assert (said[0], "assistant" in said, "tool" in said) == ("user", True, True)
    assert recorded["transcript"][0]["emotions"][0]["score"] >= recorded["transcript"][0]["emotions"][1]["score"]
    assert recorded["handler"]["spans"] == []
    assert recorded["handler"]["why"]
    assert {span["kind"] for span in now["handler"]["spans"]} >= {"handling"}
    assert now["interruptions"][0]["silent_ms"] > now["interruptions"][0]["at_ms"]


def test_the_parts_of_each_turn_add_up(replayed):
    """Each has an owner, and what is assumed says so."""
    for side in replayed[2]["sides"]:
        assert side["latency"]["why"] is None
        assert len(side["latency"]["turns"]) == 3
        for turn in side["latency"]["turns"]:
            assert sum(part["ms"] for part in turn["parts"]) == pytest.approx(turn["total_ms"], abs=0.01)
            assert {part["owner"] for part in turn["parts"]} <= {"service", "setting", "app", "network", "service and network"}
            assert all(part["is_assumed"] == (part["owner"] == "setting") for part in turn["parts"])


def test_a_session_alone_has_one_side_and_no_verdict(tmp_path):
    """What cannot be known of it is said and not made up: its times are made up, so nothing was measured."""
    folder = ROOT / "sessions" / "weather"
    data = told(write_page(page_of_session(load_session(folder), folder), tmp_path / "page.html", audio_format="flac").file)
    (side,) = data["sides"]
    assert (side["id"], data["verdict"], data["problems"]) == ("session", {"state": "none", "text": ""}, [])
    assert (side["latency"]["turns"], bool(side["latency"]["why"])) == ([], True)
    assert {track["mime"] for track in side["tracks"]} == {"audio/flac", None}


def test_a_session_that_claims_to_last_for_years_has_no_sound(weather, tmp_path):
    """Nobody mixes years of silence, and the density has no bin for each tenth of a second of them."""
    last = weather.events[-1]
    long = replace(weather, events=(*weather.events[:-1], replace(last, at_ns=10**17)))
    data = told(write_page(page_of_session(long), tmp_path / "page.html").file)
    assert [track["sound"] for track in data["sides"][0]["tracks"]] == [None, None]
    assert data["sides"][0]["tracks"][0]["remarks"]


def test_markup_in_a_session_is_data(weather, tmp_path):
    """Scripts, comments, line separators and marks of direction come out as they went in, and none of them stands in the file."""
    evil = "</script><img src=x onerror=alert(1)><!-- \u2028 \u202e"
    frame = Frame("text", json.dumps({"type": "assistant_message", "message": {"role": "assistant", "content": evil}}).encode())
    last = weather.events[-1]
    events = (*weather.events[:-1], Received(last.seq, last.at_ns, frame=frame), Closed(last.seq + 1, last.at_ns, reason=evil))
    page = write_page(page_of_session(replace(weather, events=events, name=evil)), tmp_path / "page.html")
    text = page.file.read_text(encoding="utf-8")
    assert "<img" not in text
    assert "\u2028" not in text
    assert told(page.file)["sides"][0]["transcript"][-1]["text"] == evil


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_an_error(weather, tmp_path):
    """And nothing is left behind."""
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(EviHarnessError, match="cannot be written"):
            write_page(page_of_session(weather), tmp_path / "page.html")
    finally:
        tmp_path.chmod(0o700)
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_no_folder_is_an_error(weather, tmp_path):
    """It says which."""
    with pytest.raises(EviHarnessError, match="cannot be written"):
        write_page(page_of_session(weather), tmp_path / "gone" / "page.html")


def test_secrets_are_looked_for_once_a_page(weather, tmp_path, monkeypatch):
    """Where no command runs, who takes them out is built for a page and not for each of its texts; the key of the environment is gone."""
    made = []
    monkeypatch.setenv("HUME_API_KEY", "Qk7OfTheEnvironment123456")
    monkeypatch.setattr("evi_harness.settings.sink.Sink", lambda: made.append(Sink()) or made[-1])
    page = write_page(page_of_session(replace(weather, name="Qk7OfTheEnvironment123456")), tmp_path / "page.html")
    assert len(made) == 1
    assert "Qk7OfTheEnvironment" not in page.file.read_text(encoding="utf-8")


def test_turns_are_paired_by_what_was_said(tmp_path, weather):
    """As a comparison pairs them: a turn that one side lacks shifts no other."""
    first = EVI.turns(weather.events)[0]
    left = [event for event in weather.events if event.seq > max(first.reply) or event.seq < first.user]
    shorter = replace(weather, events=tuple(left))
    shown = (ShownSession("a", "A", weather), ShownSession("b", "B", shorter))
    data = told(write_page(PageSubject("two", shown), tmp_path / "page.html").file)
    assert data["paired_turns"] == [[1, None], [2, 1]]
