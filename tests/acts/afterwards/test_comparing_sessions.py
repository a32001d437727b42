from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from evi_harness.acts.afterwards.comparing_sessions import compare
from evi_harness.acts.replay import replay_session
from evi_harness.errors import SessionUnreadable, UsageError

ROOT = Path(__file__).resolve().parents[3]
TYPED, WEATHER, DEMO = (ROOT / "sessions" / name for name in ("typed", "weather", "demo"))


@pytest.fixture(scope="module")
def replays(tmp_path_factory):
    """A folder with a replay of ``weather``, made by the recorded app, and one whose app answers something else."""
    out = tmp_path_factory.mktemp("replays")
    wrong = f"{ROOT / 'fixtures' / 'handlers' / 'wrong_answer.py'}:App"
    for handler, name in (("recorded", "right"), (wrong, "wrong")):
        replay_session(WEATHER, handler=handler, out=out / name, write=lambda _: None)
    return out


def test_a_recording_and_its_replay_are_the_same(replays):
    """Two sessions, and two folders: the replay has a time and an ending in its name."""
    (folder,) = (replays / "right").iterdir()
    assert compare(WEATHER, folder).exit_code == 0
    (replays / "recorded").mkdir(exist_ok=True)
    shutil.copytree(WEATHER, replays / "recorded" / "weather", dirs_exist_ok=True)
    report = compare(replays / "recorded", replays / "right")
    assert ([pair.name for pair in report.pairs], report.exit_code, report.is_of_folders) == (["weather"], 0, True)


def test_how_far_it_is_grows_with_each_pair(tmp_path):
    """To all of it, whether a session is in both folders or not."""
    for folder, names in (("a", ("typed", "weather")), ("b", ("weather", "other"))):
        for name in names:
            shutil.copytree(TYPED, tmp_path / folder / name)
    shares = []
    compare(tmp_path / "a", tmp_path / "b", on_part=shares.append)
    assert shares == pytest.approx([1 / 3, 2 / 3, 1])


def test_a_session_that_was_cut_is_not_silently_the_same(tmp_path):
    """Its recorder was killed between the last turn and the close: what came then is not there, and that is told by its side."""
    cut = tmp_path / "typed"
    shutil.copytree(TYPED, cut)
    header = json.loads((cut / "session.json").read_text(encoding="utf-8"))
    (cut / "session.json").write_text(
        json.dumps({**header, "complete": False, "counts": {}, "digests": {}, "header_digest": None}), encoding="utf-8"
    )
    lines = (cut / "events.jsonl").read_bytes().splitlines(keepends=True)
    assert b'"closed"' in lines[-1]
    (cut / "events.jsonl").write_bytes(b"".join(lines[:-1]))
    report = compare(TYPED, cut)
    assert report.exit_code == 0
    lost, ended, *_ = report.pairs[0].comparison.remarks
    assert re.match("the second is .*not compared: ", lost)
    assert re.match("how .*ended is not compared: the second ", ended)
    assert [line for line in report.lines() if line.startswith("note")][:2] == [f"note       {lost}", f"note       {ended}"]


def test_another_answer_is_a_difference(replays):
    """In its turn, with the field; how long the app took is compared with replays of one recording too."""
    (right,), (wrong,) = (list((replays / name).iterdir()) for name in ("right", "wrong"))
    report = compare(right, wrong)
    turn, _ = report.pairs[0].comparison.turns
    assert [(one.kind, [each.path for each in one.differences]) for one in turn.partings] == [("sent", ["$.content"])]
    assert [(one.metric, one.differs) for one in turn.took] == [("tool.app", False)]
    assert report.exit_code == 1


def test_a_session_is_the_same_as_itself_in_time():
    """With its measured times."""
    report = compare(DEMO, DEMO, tolerance_ms=0)
    took = [one for turn in report.pairs[0].comparison.turns for one in turn.took]
    assert {one.metric for one in took} == {"turn_gap.told", "response", "tool.app", "tool.service"}
    assert (report.exit_code, any(one.differs for one in took)) == (0, False)


def test_folders_are_matched_by_name(tmp_path):
    """What has no like is a difference; what cannot be read makes the code, and is told beside the others."""
    for side, names in (("a", ["x", "in/y", "z"]), ("b", ["20260101T000000Z-x-replay", "in/y", "in/w"])):
        for name in names:
            shutil.copytree(TYPED, tmp_path / side / name)
    report = compare(tmp_path / "a", tmp_path / "b")
    assert [pair.name for pair in report.pairs] == ["in/w", "in/y", "x", "z"]
    patterns = ("only .*second", "the same", "the same", "only .*first")
    assert [pair.verdict for pair, pattern in zip(report.pairs, patterns) if not re.fullmatch(pattern, pair.verdict)] == []
    assert report.exit_code == 1
    (tmp_path / "b" / "in" / "y" / "session.json").write_text("{")
    report = compare(tmp_path / "a", tmp_path / "b")
    assert (report.exit_code, report.pairs[1].comparison, bool(report.pairs[1].refused)) == (3, None, True)


def test_several_of_one_name_are_matched_in_order(tmp_path):
    """Two replays of one recording on either side."""
    for side in ("a", "b"):
        for second in (1, 2):
            shutil.copytree(TYPED, tmp_path / side / f"2026010{second}T000000Z-typed-replay")
    report = compare(tmp_path / "a", tmp_path / "b")
    assert ([pair.name for pair in report.pairs], report.exit_code) == (["typed", "typed (2)"], 0)


def test_what_cannot_be_meant(tmp_path):
    """A session and a folder of them, a tolerance that is none, no session."""
    shutil.copytree(TYPED, tmp_path / "a" / "x")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="folder of sessions"):
        compare(TYPED, tmp_path / "a")
    for tolerance in (-1, float("nan"), float("inf")):
        with pytest.raises(UsageError, match=rf"^invalid value for tolerance_ms: .*\b0, not {tolerance}$"):
            compare(TYPED, TYPED, tolerance_ms=tolerance)
    for pair in ((tmp_path / "a", tmp_path / "empty"), (tmp_path / "empty", tmp_path / "empty")):
        with pytest.raises(SessionUnreadable):
            compare(*pair)
    (tmp_path / "a" / "x" / "session.json").write_text("{")
    with pytest.raises(SessionUnreadable):
        compare(TYPED, tmp_path / "a" / "x")


def test_no_secret_is_told(tmp_path, monkeypatch):
    """A key of the environment in what a side said and sent is in nothing that is told."""
    key = "s3cret" * 8
    monkeypatch.setenv("HUME_API_KEY", key)
    shutil.copytree(TYPED, tmp_path / "x")
    lines = (tmp_path / "x" / "events.jsonl").read_text(encoding="utf-8")
    for old in ("What's the weather in Bath?", "Take an umbrella.", "rain"):
        assert old in lines
        lines = lines.replace(old, f"{old} {key}")
    (tmp_path / "x" / "events.jsonl").write_text(lines, encoding="utf-8")
    report = compare(TYPED, tmp_path / "x")
    assert {one.kind for one in report.pairs[0].comparison.partings} == {"said", "replied", "sent"}
    assert key not in json.dumps(report.json()) + "".join(report.lines())
