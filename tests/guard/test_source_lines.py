"""Tests of evi_harness.guard.source_lines."""

from __future__ import annotations

import builtins
import os

import pytest

from evi_harness.guard import source_lines
from evi_harness.guard.source_lines import source_around, source_of_function


@pytest.fixture
def file(tmp_path):
    """Seven lines, with a key by its name and one by its value."""
    path = tmp_path / "app.py"
    path.write_text('one\ntwo\nthree = "by-value"\nfour\napi_key = "by-name"\nsix\n    seven\n', encoding="utf-8")
    return path


@pytest.mark.parametrize(("line", "first", "last"), [(1, 1, 3), (4, 2, 6), (7, 5, 7), (0, None, None), (8, None, None), (-1, None, None)])
def test_two_lines_on_either_side(file, line, first, last):
    """As far as the file goes; of a line that is not there nothing."""
    numbers = [one.line for one in source_around(str(file), line)]
    assert numbers == ([] if first is None else [*range(first, last + 1)])


@pytest.mark.parametrize(
    ("line", "last"),
    [(1, 1), (2, 7), (9, 38), (999, None), (0, None)],
    ids=["one line", "decorated, with a string of lines and another function in it", "long", "beyond", "none"],
)
def test_a_function_is_shown_whole(tmp_path, line, last):
    """From its decorators to its end, and of a long one the beginning."""
    path = tmp_path / "app.py"
    inner = '@wraps\ndef g():\n    """A\nB"""\n    def h():\n        return 1\n'
    path.write_text(f"f = lambda: 1\n{inner}x = 1\ndef long():\n{'    x()' * 1}\n" + "    y()\n" * 90, encoding="utf-8")
    numbers = [one.line for one in source_of_function(str(path), line)]
    assert numbers == ([] if last is None else [*range(line, last + 1)])


def test_of_what_is_no_python_any_more_the_beginning_is_shown(tmp_path):
    """As of a file that was changed since."""
    path = tmp_path / "app.py"
    path.write_text('def f():\n  """\n' + "x\n" * 9, encoding="utf-8")
    assert 1 <= len(source_of_function(str(path), 1)) <= 30


def test_secrets_are_taken_out(file):
    """By name in the whole file, by value in each line."""
    told = [one.text for one in source_around(str(file), 4, lambda text: text.replace("by-value", "[redacted]"))]
    assert told == ["two", 'three = "[redacted]"', "four", 'api_key = "[redacted]"', "six"]


def test_a_key_that_begins_above_what_is_shown(tmp_path):
    """The name of it is not among the lines."""
    path = tmp_path / "app.py"
    path.write_text("API_KEYS = [\n" + '    "k9Jq2vXw7LmZ",\n' * 9 + "]\n", encoding="utf-8")
    assert {one.text for one in source_around(str(path), 6)} == {'    "[redacted]",'}


def test_a_file_that_has_changed_is_read_anew(file):
    """Between two runs in one process."""
    assert source_around(str(file), 1)[0].text == "one"
    file.write_text("changed\n", encoding="utf-8")
    os.utime(file, (1, 1))
    assert [one.text for one in source_around(str(file), 1)] == ["changed"]


def test_a_file_is_redacted_once(file, monkeypatch):
    """However many of its lines are shown."""
    calls = []
    real = source_lines.redacted_source
    monkeypatch.setattr(source_lines, "redacted_source", lambda text: calls.append(text) or real(text))
    for line in (1, 4, 7):
        source_around(str(file), line)
    assert len(calls) == 1


def test_a_long_line_is_cut(tmp_path):
    """Nobody reads it."""
    path = tmp_path / "app.py"
    path.write_text("x" * 10_000 + "\n", encoding="utf-8")
    (line,) = source_around(str(path), 1)
    assert (len(line.text), line.text[-1]) == (200, "…")


@pytest.mark.parametrize("name", ["<string>", "<frozen importlib>", "", "app.py", "gone.py", ".", "x.zip/app.py"])
def test_what_cannot_be_had_has_no_source(file, monkeypatch, name):
    """Code of no file, a file that is gone; a name that does not say where it is, though a file of that name is here."""
    monkeypatch.chdir(file.parent)
    monkeypatch.syspath_prepend(str(file.parent))
    assert source_around(name, 1) == ()
    assert source_around(str(file.parent / (name or "none")) if name != "app.py" else name, 1) == ()


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"# coding: nowhere\nx\n", b""], ids=["no text", "an unknown encoding", "empty"])
def test_what_is_no_source_has_none(tmp_path, content):
    """And that is no error."""
    path = tmp_path / "app.py"
    path.write_bytes(content)
    assert source_around(str(path), 1) == ()


def test_a_pipe_is_not_read(tmp_path):
    """It would wait for ever."""
    os.mkfifo(tmp_path / "app.py")
    assert source_around(str(tmp_path / "app.py"), 1) == ()


def test_what_an_app_puts_in_the_place_of_open_breaks_nothing(file, monkeypatch):
    """As a file system in memory does."""

    def fails(*args, **kwargs):
        raise RuntimeError("no")

    monkeypatch.setattr(builtins, "open", fails)
    monkeypatch.setattr("tokenize.open", fails)
    assert source_around(str(file), 1) == ()
