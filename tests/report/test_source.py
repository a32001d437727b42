"""Tests of evi_harness.report.source."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from evi_harness.report.source import Shown, from_folder, is_named_in, line_in
from evi_harness.session.places import Place, SourceLine

FOLDER = str(Path(os.sep, "project"))


def place(*texts, line=2, first=1, file="app.py", whole=""):
    """A place with so many lines of source."""
    return Place(file, line, "f", tuple(SourceLine(number, text) for number, text in enumerate(texts, first)), whole)


@pytest.mark.parametrize(
    ("one", "shown"),
    [
        (place(), []),
        (place("a", "b", "c"), ["  1  a", "> 2  b", "  3  c"]),
        (place("    a", "        b", "", line=2), ["  1  a", "> 2      b"]),
        (place("", " ", "b", "", line=3), ["> 3  b"]),
        (place("", line=1), ["> 1"]),
        (place("\ta", "\t\tb"), ["  1  a", "> 2          b"]),
        (place("a", "b", first=9, line=10), ["   9  a", "> 10  b"]),
        (place("x" * 500, line=1), [f"> 1  {'x' * 119}…"]),
        (place("a", "  b", line=1, whole="ran"), ["  1  a", "  2    b"]),
        (
            place(*"abcdefghijklmn", line=1, whole="ran"),
            [*(f"  {n:>2}  {text}" for n, text in enumerate("abcdefghijkl", 1)), "      (2 more lines)"],
        ),
    ],
    ids=[
        "no source",
        "marked",
        "less deep",
        "blank lines around",
        "a blank line",
        "tabs",
        "numbers in line",
        "long",
        "a function",
        "a long function",
    ],
)
def test_source_is_shown_with_its_line_marked(one, shown):
    """As deep as it need be, and without blank lines around."""
    assert Shown().source(one) == shown


def test_no_source_is_shown_twice():
    """Of the same line, in one report."""
    shown = Shown()
    assert [bool(shown.source(one)) for one in (place("a", "b"), place("a", "b"), place("a", "b", line=1))] == [True, False, True]
    assert Shown().source(place("a", "b"))


@pytest.mark.parametrize(
    ("folder", "told"),
    [
        (FOLDER, "at a/app.py:1"),
        (FOLDER + os.sep, "at a/app.py:1"),
        (None, f"at {FOLDER}/a/app.py:1"),
        ("/x", f"at {FOLDER}/a/app.py:1"),
    ],
)
def test_files_are_named_as_seen_from_the_folder(folder, told):
    """In any text."""
    assert Shown(folder).text(f"at {FOLDER}/a/app.py:1") == told


@pytest.mark.parametrize(
    ("text", "is_named"),
    [
        ("at app.py:2 in f", True),
        ("app.py:2", True),
        ("at app.py:21", False),
        ("app.py:21, app.py:2", True),
        ("app.py", False),
        ("", False),
    ],
)
def test_whether_a_text_names_the_line(text, is_named):
    """The very line."""
    assert is_named_in(text, place()) is is_named


@pytest.mark.parametrize(
    ("file", "seen"),
    [(f"{FOLDER}/a/app.py", "a/app.py"), (f"{FOLDER}s/app.py", None), (FOLDER, None), ("app.py", None), ("<string>", None)],
)
def test_a_file_as_seen_from_a_folder(file, seen):
    """None where it is not in it."""
    assert from_folder(file, FOLDER) == seen
    assert from_folder(file, None) is None


def test_the_first_line_in_a_folder():
    """What stands before it elsewhere is passed over."""
    places = [place(file="/lib/x.py"), place(file=f"{FOLDER}/app.py", line=None), place(file=f"{FOLDER}/b.py")]
    assert line_in(places, FOLDER) == ("app.py", None)
    assert line_in(places[:1], FOLDER) is None
