from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from evi_harness.acts.afterwards.comparing_sessions import compare
from evi_harness.acts.afterwards.comparison_pages import write_comparison_pages
from evi_harness.errors import UsageError

TYPED = Path(__file__).resolve().parents[3] / "sessions" / "typed"


@pytest.fixture
def other(tmp_path):
    """A session whose assistant says something else."""
    folder = tmp_path / "other"
    shutil.copytree(TYPED, folder)
    lines = (folder / "events.jsonl").read_text(encoding="utf-8")
    (folder / "events.jsonl").write_text(lines.replace("Take an umbrella.", "Take a hat."), encoding="utf-8")
    return folder


def data(page):
    """What a page shows."""
    return json.loads(
        re.search(r'<script type="application/json" id="evi-data">(.*?)</script>', page.read_text(encoding="utf-8"), re.DOTALL)[1]
    )


def test_two_sessions_are_one_page(tmp_path, other):
    """First above second, and what differs with its place on both."""
    lines = write_comparison_pages(compare(TYPED, other), tmp_path / "x.html")
    told = data(tmp_path / "x.html")
    assert [side["label"] for side in told["sides"]] == ["First", "Second"]
    assert told["verdict"]["state"] == "failed"
    assert re.fullmatch("different: 1 difference, .*1 of 1 turns", told["verdict"]["text"])
    (problem,) = told["problems"]
    assert (problem["kind"], problem["detail"]) == ("replied", ["first: Take an umbrella.", "second: Take a hat."])
    assert problem["side"] == told["sides"][1]["id"]
    assert problem["recorded_seq"] == problem["replayed_seq"] is not None
    assert problem["recorded_ms"] == problem["replayed_ms"] is not None
    assert len(lines) == 1


def test_what_is_the_same_has_no_problem(tmp_path):
    """And its page says so."""
    write_comparison_pages(compare(TYPED, TYPED), tmp_path / "x.html")
    told = data(tmp_path / "x.html")
    assert (told["problems"], told["verdict"]) == ([], {"state": "passed", "text": "the same"})


def test_folders_are_a_folder_of_pages(tmp_path, other):
    """One for each pair, one for what is alone, none for what cannot be read; the index has all."""
    for side, names in (("a", ["alone", "broken", "same"]), ("b", ["broken", "same"])):
        for name in names:
            shutil.copytree(TYPED, tmp_path / side / name)
    (tmp_path / "a" / "broken" / "session.json").write_text("{")
    lines = write_comparison_pages(compare(tmp_path / "a", tmp_path / "b"), tmp_path / "pages")
    assert sorted(path.name for path in (tmp_path / "pages").iterdir()) == ["alone.html", "index.html", "same.html"]
    index = (tmp_path / "pages" / "index.html").read_text(encoding="utf-8")
    assert [name in index for name in ("alone.html", "same.html")] == [True] * 2
    assert re.search(r"\bonly [^<>\"]*first\b", index)
    assert re.search(r"\bcannot [^<>\"]*read\b", index)
    assert lines[0].startswith("pages      ")


def test_a_file_is_no_folder(tmp_path, other):
    """Nor the other way round."""
    shutil.copytree(TYPED, tmp_path / "a" / "x")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError):
        write_comparison_pages(compare(tmp_path / "a", tmp_path / "a"), tmp_path / "file")
    with pytest.raises(UsageError):
        write_comparison_pages(compare(TYPED, other), tmp_path)
    assert (tmp_path / "file").read_text() == "mine"
