"""Which sessions a mark means: patterns, places, names, and where was looked."""

from __future__ import annotations

from pathlib import Path
from typing import List

import pytest

from evi_harness.errors import EviHarnessError, SpecError, UsageError
from evi_harness.pytesting.marked import Marked, file_of, marked_sessions, spec_from


@pytest.fixture
def places(tmp_path: Path) -> List[Path]:
    """Two places with sessions below them, one name in both."""
    for folder in ("near/s/a", "near/s/group/b", "far/s/a", "far/s/c", "far/s[1]/d"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "session.json").touch()
    (tmp_path / "near/s/no session").mkdir()
    (tmp_path / "near/s/README.md").touch()
    return [tmp_path / "near", tmp_path / "far"]


@pytest.mark.parametrize(
    ("patterns", "found", "ids", "is_many"),
    [
        (["s/a"], ["near/s/a"], ["a"], False),
        (["s/a/"], ["near/s/a"], ["a"], False),
        (["s/c"], ["far/s/c"], ["c"], False),
        (["../far/s/a"], ["far/s/a"], ["a"], False),
        (["s/*"], ["near/s/a"], ["a"], True),
        (["s/**"], ["near/s/a", "near/s/group/b"], ["a", "group/b"], True),
        (["s/*/*"], ["near/s/group/b"], ["group/b"], True),
        (["s/[bc]"], ["far/s/c"], ["c"], True),
        (["s[1]/d"], ["far/s[1]/d"], ["d"], True),
        (["s/c", "s/a", "s/?"], ["far/s/c", "near/s/a"], ["c", "a"], True),
    ],
)
def test_a_mark_means_these(places: List[Path], patterns: List[str], found: List[str], ids: List[str], is_many: bool) -> None:
    """The first place where there is any counts; sorted in a pattern, as given between them, each once; named below the wildcard."""
    root = places[0].parent
    assert marked_sessions(patterns, places) == ([Marked(root / path, name) for path, name in zip(found, ids)], is_many)


def test_a_whole_path_needs_no_place(places: List[Path]) -> None:
    """An absolute path, or pattern, is taken as it is."""
    folder = places[1] / "s"
    assert [one.id for one in marked_sessions([str(folder / "*")], [Path("/nowhere")])[0]] == ["a", "c"]


@pytest.mark.parametrize(
    ("pattern", "words"), [("s/x", ["near/s/x, ", "far/s/x"]), ("s/x*", ["near/s/x*"]), ("s", ["s/*"]), ("s/no session", ["no session/*"])]
)
def test_what_finds_none_says_where_it_looked(places: List[Path], pattern: str, words: List[str]) -> None:
    """The error names each place, or the pattern that would have found the sessions in a folder."""
    with pytest.raises(UsageError, match="no session for") as raised:
        marked_sessions([pattern], places)
    assert [word for word in words if word not in str(raised.value)] == []


def test_a_file_is_looked_for_the_same_way(places: List[Path]) -> None:
    """A file is that of the first place that has it; one that is nowhere is told with every place."""
    assert file_of("s/README.md", places) == places[0] / "s" / "README.md"
    assert file_of("s/c/session.json", places) == places[1] / "s" / "c" / "session.json"
    with pytest.raises(UsageError, match=r"no file 's/x'\nLooked at: .*near/s/x, .*far/s/x"):
        file_of("s/x", places)


def test_the_file_of_a_handler_is_looked_for_the_same_way(places: List[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named as it is from the current folder; what is no relative file is left as it is, and what is no SPEC is told."""
    monkeypatch.chdir(places[0].parent)
    for file in ("near/s/app.py", "far/s/app.py", "far/s/other.py"):
        Path(file).touch()
    assert spec_from("s/app.py:App.run", places) == "near/s/app.py:App.run"
    assert spec_from("s/other.py:App", places) == "far/s/other.py:App"
    for spec in ("package.module:App", f"{places[1]}/s/app.py:App"):
        assert spec_from(spec, places) == spec
    monkeypatch.chdir(places[0])
    assert spec_from("s/other.py:App", places) == f"{places[1]}/s/other.py:App"
    with pytest.raises(UsageError, match=r"no file 's/gone\.py'\nLooked at: .*near/s/gone\.py, .*far/s/gone\.py"):
        spec_from("s/gone.py:App", places)
    with pytest.raises(SpecError):
        spec_from("s/app.py", places)


def test_a_pattern_misses_no_session(places: List[Path]) -> None:
    """Links are followed at any depth, and what is left of a session is one test more, which fails; too few are told."""
    top = places[0] / "s"
    (places[0] / "apart").mkdir()
    (places[0] / "apart" / "session.json").touch()
    (top / "linked").symlink_to(places[0] / "apart")
    (top / "group" / "linked").symlink_to(places[1] / "s")
    (top / "lost").symlink_to("nowhere")
    (top / "left").mkdir()
    (top / "left" / "user.wav").touch()
    ids = ["a", "group/b", "group/linked/a", "group/linked/c", "left", "linked", "lost"]
    assert [one.id for one in marked_sessions(["s/**"], places)[0]] == ids
    assert [one.id for one in marked_sessions(["s/**/l*"], places)[0]] == ["left", "linked", "lost"]
    assert [one.id for one in marked_sessions(["s/*"], places)[0]] == ["a", "left", "linked", "lost"]
    assert len(marked_sessions(["s/*"], places, 4)[0]) == 4
    with pytest.raises(EviHarnessError, match=r"\b4 sessions .*\bmin_sessions=5"):
        marked_sessions(["s/*"], places, 5)
