from __future__ import annotations

import io

import pytest

from evi_harness.settings.sink import streams_kept_discreet
from evi_harness.terminal.writing import GOOD, Writer, below_here


def written(*lines, width=60, style="", **options):
    """What a terminal of some width is sent; without colours, unless a colour system is given."""
    stream = io.StringIO()
    writer = Writer(stream, width=width, force_terminal=True, color_system=options.pop("color_system", None), **options)
    for line in lines:
        writer.write(line, style)
    return stream.getvalue()


LONG = "note       what the user said had not come to 3 s by then; so at 4 s it was taken as said, and all that hung on it went on"


@pytest.mark.parametrize("width", [60, 80, 200])
def test_lines_fit_and_hang(width):
    """At each of the widths that people have; what is cut off at the side is below its column."""
    lines = written(LONG, width=width).splitlines()
    assert all(len(line) <= width for line in lines)
    assert all(line.startswith(" " * 11) for line in lines[1:])
    assert " ".join(line.strip() for line in lines).split() == LONG.split()


@pytest.mark.parametrize("text", ["[bold]x[/bold]", "[/foo]", "[link=http://x]y[/link]", ":smile: 123 True 'x'", "\\[x]"])
def test_what_a_session_says_is_no_markup(text):
    """Neither tags nor emoji codes, and nothing is coloured for what it looks like."""
    assert written(text, color_system="truecolor") == f"{text}\n"


def test_labels_and_verdicts_have_colours():
    """What fails is red, and only the label of it is."""
    assert written("FINDING    raised at 1 s", color_system="standard") == "\x1b[1;31mFINDING\x1b[0m    raised at 1 s\n"
    assert written("verdict    passed", color_system="standard", style=GOOD) == "\x1b[1;32mverdict    passed\x1b[0m\n"


def test_a_wide_character_takes_two_cells():
    """So that a line of them is broken in time."""
    lines = written("a  " + "\u4e00\u4e8c " * 30, width=60).splitlines()
    assert all(len(line) + line.count("\u4e00") + line.count("\u4e8c") <= 60 for line in lines)


def test_a_secret_is_out_before_a_line_is_broken(monkeypatch):
    """Nobody would find it in two lines, or with colours in it."""
    monkeypatch.setenv("HUME_API_KEY", "a key of two words that is long")
    with streams_kept_discreet():
        out = written("note       see a key of two words that is long here", width=30)
    assert "words" not in out
    assert "[redacted]" in out


@pytest.mark.parametrize(
    "before",
    [
        "  again     cd {here} && evi-harness replay",
        "  again     evi-harness replay",
        "  shorter   cd {here}/a && evi-harness replay",
        "  again     cd {here} && pytest",
        "next: evi-harness replay",
        "  evi-harness replay",
        "session: {here}/s (3.0 s, 9 events); replay it: evi-harness replay",
    ],
)
def test_a_command_can_be_pasted(tmp_path, monkeypatch, before):
    """It is written as it stands, however wide the terminal is: no line break, and no path that is right in another folder only."""
    monkeypatch.chdir(tmp_path)
    line = f"{before.format(here=tmp_path)} {tmp_path}/sessions/weather --handler fixtures/handlers/wrong_answer.py:App"
    assert written(line, width=40) == f"{line}\n"


def test_a_row_that_holds_no_command_is_laid_out():
    """Where no command can run it again, that is told in words."""
    assert len(written("  again     no command repeats it; the call was replay_session(x) with a handler", width=40).splitlines()) > 1


def test_what_is_below_the_current_directory_is_named_from_there(tmp_path, monkeypatch):
    """And nothing else is."""
    monkeypatch.chdir(tmp_path)
    assert below_here(f"written    {tmp_path}/s/a") == "written    s/a"
    assert below_here(f"{tmp_path}/a.py:3, {tmp_path}/b") == "a.py:3, b"
    for line in (f"{tmp_path}", f"{tmp_path}x/a", f"/x{tmp_path}/a", f"{tmp_path}/ is here"):
        assert below_here(line) == line
