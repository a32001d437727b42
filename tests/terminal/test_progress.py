from __future__ import annotations

import io
import os
import pty
import sys

import pytest

from evi_harness.settings.sink import erase_by, streams_kept_discreet
from evi_harness.terminal.progress import Progress, line_of

ERASED = "\r\x1b[K"


@pytest.mark.parametrize(
    ("n_done", "n_all", "elapsed_s", "line"),
    [
        (0, 60, 2.0, "x  0:02 so far"),
        (15, 60, 10.0, "x  15 of 60  ━━━━━───────────────  0:30 left"),
        (60, 60, 10.0, "x  60 of 60  ━━━━━━━━━━━━━━━━━━━━  0:00 left"),
        (0.5, 1, 7200.0, "x  50 %  ━━━━━━━━━━──────────  2:00:00 left"),
        (1.5, 1, 7.0, "x  100 %  ━━━━━━━━━━━━━━━━━━━━  0:00 left"),
        (3, 0, 61.0, "x  1:01 so far"),
    ],
)
def test_a_line_says_how_much_is_left(n_done, n_all, elapsed_s, line):
    """As long as the rest takes at the pace so far; where nobody can say, how long it has taken."""
    assert line_of("x", n_done, n_all, elapsed_s) == line


@pytest.mark.parametrize(
    ("n_done", "line"), [(0.0, "x  turn 1 of 2, 0:00 of 0:40"), (0.25, "x  turn 1 of 2, 0:00 of 0:40  ━━━━━───────────────  0:30 left")]
)
def test_a_line_says_where_it_is(n_done, line):
    """In place of how much is done."""
    assert line_of("x", n_done, 1, 10.0, "turn 1 of 2, 0:00 of 0:40") == line


class Terminal:
    """A terminal of our own, and what was written to it."""

    def __init__(self):
        self._parent, self.child = pty.openpty()
        self.stream = os.fdopen(self.child, "w", encoding="utf-8")

    def until(self, text):
        """What came, up to a text."""
        seen = ""
        while text not in seen:
            seen += os.read(self._parent, 65536).decode("utf-8", "replace")
        return seen


def test_it_is_drawn_and_erased():
    """Drawn by itself, as far as it has got; gone behind the block."""
    terminal = Terminal()
    with Progress("working", 4, terminal.stream, begin_s=0) as shown:
        shown.done()
        terminal.until("working  1 of 4  ")
        shown.part(0.5)
        terminal.until("working  1 of 4  ━━━━━━━─")
    terminal.stream.write("over")
    terminal.stream.flush()
    assert terminal.until("over").endswith(f"{ERASED}over")
    terminal.stream.close()


def test_what_takes_no_time_is_not_drawn():
    """Nothing at all comes before the time has passed."""
    terminal = Terminal()
    with Progress("working", 4, terminal.stream, begin_s=1e9) as shown:
        shown.done(4)
    terminal.stream.write("over")
    terminal.stream.flush()
    assert terminal.until("over") == "over"
    terminal.stream.close()


class Recorded(io.RawIOBase):
    """The binary side of a stream, which says what came and when."""

    def __init__(self, is_terminal, happened):
        self._is_terminal = is_terminal
        self._happened = happened

    def writable(self):
        return True

    def isatty(self):
        return self._is_terminal

    def write(self, data):
        self._happened.append(bytes(data))
        return len(data)


@pytest.mark.parametrize(("is_terminal", "happened"), [(True, ["erased", b"a\n", "erased", b"b"]), (False, [b"a\n", b"b"])])
def test_what_is_written_to_a_terminal_erases_it_first(is_terminal, happened, monkeypatch):
    """Each time; a file and a pipe have nothing to erase."""
    found = []
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(Recorded(is_terminal, found), "utf-8", write_through=True))
    with streams_kept_discreet():
        erase_by(lambda: found.append("erased"))
        sys.stdout.write("a\nb")
        sys.stdout.flush()
        erase_by(None)
        sys.stdout.write("")
    assert found == happened
