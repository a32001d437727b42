from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.terminal.folding import folded, hanging


@pytest.mark.parametrize(
    ("line", "width", "lines"),
    [
        ("", 10, [""]),
        ("ab cd", 5, ["ab cd"]),
        ("ab cd   ", 5, ["ab cd"]),
        ("ab cd ef", 5, ["ab cd", "  ef"]),
        ("label   ab cd ef gh ij kl", 16, ["label   ab cd ef", "        gh ij kl"]),
        ("  ab cd ef", 8, ["  ab cd", "    ef"]),
        # A word that is too long stays whole, wherever it stands.
        ("abcdefgh ij", 4, ["abcdefgh", "  ij"]),
        ("a /very/long/path b", 8, ["a", "  /very/long/path", "  b"]),
        # Several columns, as far as the first half.
        ("1 s  #2  said  a long thing", 26, ["1 s  #2  said  a long", "         thing"]),
        ("ab", 1, ["ab"]),
        # One that is too long for its column only, further to the left.
        ("label   ab cdefghijklmn op", 16, ["label   ab", "    cdefghijklmn", "        op"]),
        # A remark in brackets is no column.
        ("user: some words  [joy 0.5, calm 0.2]", 30, ["user: some words  [joy 0.5,", "  calm 0.2]"]),
    ],
)
def test_a_line_goes_on_below_its_column(line, width, lines):
    """Broken at spaces alone."""
    assert folded(line, width) == lines


@pytest.mark.parametrize("width", [40, 60, 80])
@pytest.mark.parametrize(
    "command",
    [
        "evi-harness serve --simulate",
        "evi-harness devices",
        "evi-harness import chat-history FILE",
        "evi-harness check ./a/session",
        "sudo apt-get install alsa-utils",
        "brew install portaudio",
        "pip install --upgrade 'hume[microphone]>=0.8.6'",
    ],
)
@pytest.mark.parametrize(
    "before", ["", "it is so. ", "what is it:  ", "one two three four five six (", "a word and one more, and others; "]
)
def test_a_command_in_a_sentence_is_not_broken(before, command, width):
    """It can be typed, or pasted, as it stands; the sentence around it is broken as ever."""
    lines = folded(f"{before}{command}, and what is behind it goes on as any other sentence does", width)
    assert any(command in line for line in lines)
    assert all(len(line) <= width or line.strip(" (").startswith(command) for line in lines)


@given(st.text(alphabet="ab →\u4e00", max_size=60), st.integers(1, 30))
def test_nothing_is_lost_and_no_word_is_cut(line, width):
    """Whatever the line and the width; what is too wide is one word."""
    lines = folded(line, width)
    assert [word for one in lines for word in one.split(" ") if word] == [word for word in line.split(" ") if word]
    assert all(len(one) <= width or len(one.split()) == 1 for one in lines)
    assert hanging(line, width) <= max(len(line) - len(line.lstrip(" ")), width // 2)


def test_the_width_of_a_character_is_the_callers():
    """Two cells each: half as many fit."""
    assert folded("aa bb cc", 10, lambda text: 2 * len(text)) == ["aa bb", "  cc"]
