"""Tests of evi_harness.acts.repairing: a new folder that is valid and honest, whatever was done to the old one, which is only read."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest

from evi_harness.acts.repairing import repair_session
from evi_harness.acts.replay import replay_session
from evi_harness.acts.sessions import check_session
from evi_harness.errors import EviHarnessError, SessionUnreadable, SessionUnwritable, UsageError
from evi_harness.evi.dialect import EVI
from evi_harness.session.expectation import Expectation
from evi_harness.session.wav import Pcm
from evi_harness.storage.expected_file import read_expectation, write_expectation
from evi_harness.storage.heard_track import add_heard
from evi_harness.storage.reader import read_session
from evi_harness.storage.writer import SessionWriter, write_session
from evi_harness.verdicts.loading import load_session

SESSIONS = Path(__file__).resolve().parents[2] / "sessions"
FAKE_KEY = "this-is-no-key-but-stands-where-one-would"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A complete session of the present version."""
    return write_session(tmp_path_factory.mktemp("whole") / "typed", read_session(SESSIONS / "typed"), EVI)


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """One whose writer never came to its end."""
    session = read_session(SESSIONS / "typed")
    writer = SessionWriter(tmp_path_factory.mktemp("killed") / "typed", session.header, EVI)
    for event in sorted(session.events, key=lambda one: one.seq)[:-2]:
        writer.write(event)
    return writer.folder


@pytest.fixture
def copy(whole, tmp_path):
    """A complete one, to be damaged."""
    return shutil.copytree(whole, tmp_path / "copy")


def content(folder):
    """What a session says, byte by byte."""
    return [
        (event.kind, event.seq, event.at_ns, getattr(getattr(event, "frame", None), "payload", None))
        for event in read_session(folder).events
    ]


def test_of_a_sound_session_nothing_is_lost(whole, tmp_path):
    """It is copied, complete, and says that it was repaired."""
    report = repair_session(whole, tmp_path / "out")
    assert (report.exit_code, report.losses, report.lines()[-1]) == (0, (), "nothing was lost")
    assert content(tmp_path / "out") == content(whole)
    header = load_session(tmp_path / "out", verify=True).header
    assert (header.complete, header.repaired, header.id) == (True, (), read_session(whole).header.id)
    assert check_session(tmp_path / "out") == []
    assert replay_session(tmp_path / "out", handler="recorded").passed


def test_of_a_killed_recording_nothing_is_lost_and_it_is_not_complete(killed, tmp_path):
    """All that was written is there, and what was not is not made up."""
    report = repair_session(killed, tmp_path / "out")
    assert (report.exit_code, report.has_ended) == (0, False)
    assert content(tmp_path / "out") == content(killed)
    session = load_session(tmp_path / "out", verify=True)
    assert (session.header.complete, session.header.repaired) == (False, ())
    assert session.missing
    assert check_session(tmp_path / "out") == []
    assert not replay_session(tmp_path / "out", handler="recorded").passed


def test_what_was_lost_stands_in_the_header_and_fails_a_replay(copy, tmp_path):
    """Nothing is wrong with the folder, and nobody takes it for the whole recording."""
    path = copy / "events.jsonl"
    texts = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([*texts[:1], texts[1][:50], *texts[2:]]))
    report = repair_session(copy, tmp_path / "out")
    assert (report.exit_code, report.n_lost) == (1, 1)
    session = load_session(tmp_path / "out", verify=True)
    assert session.header.repaired == tuple(map(str, report.losses))
    assert sum("this was lost" in sentence for sentence in session.missing) == len(report.losses)
    assert check_session(tmp_path / "out") == []
    result = replay_session(tmp_path / "out", handler="recorded")
    assert (result.passed, result.exit_code) == (False, 1)
    again = repair_session(tmp_path / "out", tmp_path / "again")
    assert (again.exit_code, read_session(tmp_path / "again").header.complete) == (1, False)
    assert read_session(tmp_path / "again").header.repaired[: len(report.losses)] == session.header.repaired


def test_losses_beyond_number_are_counted(killed, tmp_path):
    """The header lists a hundred of them and says how many more there are; the report has all."""
    copy = shutil.copytree(killed, tmp_path / "copy")
    with (copy / "events.jsonl").open("ab") as file:
        file.write(b"garbage\n" * 250)
    report = repair_session(copy, tmp_path / "out")
    assert len(report.losses) >= 250
    listed = read_session(tmp_path / "out").header.repaired
    assert (len(listed), listed[-1]) == (101, f"{len(report.losses) - 100} more.")
    assert len(report.lines()) < 10


@pytest.mark.parametrize("out", ["copy", "copy/inner", "copy/../copy/inner/deep", "taken", "dangling", "into/new"])
def test_the_new_folder_is_new_and_elsewhere(copy, tmp_path, out):
    """Whatever the path is, also through a link into the session."""
    (tmp_path / "taken").mkdir()
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "into").symlink_to(copy)
    before = sorted(copy.rglob("*"))
    with pytest.raises(UsageError):
        repair_session(copy, tmp_path / out)
    assert sorted(copy.rglob("*")) == before
    assert not (tmp_path / "nowhere").exists()


def test_what_cannot_be_recovered_leaves_nothing(copy, tmp_path):
    """An error says why, and there is no new folder; so it is where there is no session at all, or no room for a new one."""
    (copy / "events.jsonl").write_bytes(b"\0" * 1000)
    with pytest.raises(SessionUnreadable, match=r"nothing .*recovered"):
        repair_session(copy, tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SessionUnreadable, match="session folder"):
        repair_session(tmp_path / "empty", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(SessionUnwritable):
        repair_session(SESSIONS / "typed", tmp_path / "file" / "out")


def test_a_secret_is_replaced_again(copy, tmp_path):
    """One that stands in the damaged folder is not in the repaired one, nor in what is told."""
    path = copy / "events.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"query":[', b'"query":[["api_key","%b"],' % FAKE_KEY.encode(), 1))
    (copy / "session.json").write_text((copy / "session.json").read_text().replace('"service": "', f'"service": "{FAKE_KEY}', 1))
    report = repair_session(copy, tmp_path / "out")
    written = b"".join(file.read_bytes() for file in (tmp_path / "out").iterdir())
    assert FAKE_KEY.encode() in path.read_bytes()
    assert FAKE_KEY.encode() not in written
    assert FAKE_KEY not in json.dumps(report.json()) + "".join(report.lines())
    assert not any(problem.kind == "secret" for problem in check_session(tmp_path / "out"))


def test_what_replays_expect_is_kept(copy, tmp_path):
    """Where it can be read and is for this session."""
    expected = Expectation(read_session(copy).header.id, ())
    write_expectation(copy, expected, EVI)
    assert repair_session(copy, tmp_path / "out").exit_code == 0
    assert read_expectation(tmp_path / "out") == expected
    write_expectation(copy, Expectation("another", ()), EVI)
    assert [loss.kind for loss in repair_session(copy, tmp_path / "other").losses] == ["expectation"]
    (copy / "expected.jsonl").write_bytes(b"{")
    assert [loss.kind for loss in repair_session(copy, tmp_path / "third").losses] == ["expectation"]
    assert read_expectation(tmp_path / "third") is None


def test_what_was_heard_is_of_the_whole_session(copy, tmp_path):
    """It is kept where nothing was lost, and left out where something was."""
    add_heard(copy, Pcm(24_000, 2), [bytes(range(200)) * 2])
    assert repair_session(copy, tmp_path / "out").exit_code == 0
    assert (tmp_path / "out" / "heard.wav").read_bytes() == (copy / "heard.wav").read_bytes()
    assert check_session(tmp_path / "out") == []
    (copy / "assistant.wav").unlink()
    report = repair_session(copy, tmp_path / "lossy")
    assert {loss.kind for loss in report.losses} == {"audio_missing", "heard"}
    assert not (tmp_path / "lossy" / "heard.wav").exists()
    assert check_session(tmp_path / "lossy") == []


def damaged(data, chance):
    """Bytes with one thing done to them."""
    at = chance.randrange(len(data))
    act = chance.choice(["flip", "flip", "hole", "cut", "garbage", "twice", "gone", "exchanged"])
    if act == "flip":
        return data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]
    if act == "hole":
        hole = data[at : at + chance.randrange(1, 2000)]
        return data[:at] + bytes(len(hole)) + data[at + len(hole) :]
    if act == "cut":
        return data[:at]
    if act == "garbage":
        return data[:at] + bytes(chance.randrange(256) for _ in range(chance.randrange(1, 60))) + data[at:]
    texts = data.split(b"\n")
    one, other = chance.randrange(len(texts)), chance.randrange(len(texts))
    if act == "twice":
        texts.insert(other, texts[one])
    elif act == "gone":
        del texts[one]
    else:
        texts[one], texts[other] = texts[other], texts[one]
    return b"\n".join(texts)


@pytest.mark.parametrize("seed", range(60))
def test_whatever_was_done_to_it(whole, killed, tmp_path, seed):
    """The old folder is as it was, the new one is valid, and 0 means that nothing is missing but an end that cannot be seen."""
    chance = random.Random(seed)
    source = chance.choice([whole, killed])
    recorded = content(source)
    copy = shutil.copytree(source, tmp_path / "copy")
    for _ in range(chance.choice([1, 1, 2, 5])):
        path = chance.choice(sorted(path for path in copy.iterdir() if path.stat().st_size))
        path.write_bytes(damaged(path.read_bytes(), chance))
    before = {path: path.read_bytes() for path in copy.iterdir()}
    try:
        report = repair_session(copy, tmp_path / "out")
    except EviHarnessError:
        assert not (tmp_path / "out").exists()
        return
    finally:
        assert {path: path.read_bytes() for path in copy.iterdir()} == before
    assert check_session(tmp_path / "out") == []
    found = content(tmp_path / "out")
    if report.exit_code == 0:
        assert found == recorded[: len(found)]
        assert source is killed or found == recorded
    else:
        assert not read_session(tmp_path / "out").header.complete
