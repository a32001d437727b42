from __future__ import annotations

import contextlib
import errno
import io
import struct
import sys

import pytest

from evi_harness.session.events import BINARY, TEXT, Frame, Received, Sent
from evi_harness.settings.indicator import Indicator, Level, bar
from evi_harness.settings.redrawing import CI_VARIABLES

CLEAR = "\r\x1b[K"
LINE = "● 1:05          Ctrl+C ends"


@pytest.fixture(autouse=True)
def somebody_looks(monkeypatch):
    """The terminal is one that can erase, and no CI server's."""
    monkeypatch.setenv("TERM", "xterm")
    for name in CI_VARIABLES:
        monkeypatch.delenv(name, raising=False)


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


class Ascii(Terminal):
    encoding = "ascii"


def shown(stream, use):
    """What stands in a stream after the indicator was used."""
    with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream), Indicator() as indicator:
        use(indicator)
    return stream.getvalue()


def test_what_is_printed_stands_above_it():
    """It is taken away before anything is printed to either stream, drawn again behind it, and gone at the end."""

    def use(indicator):
        indicator.draw(65.9, 0)
        sys.stdout.write("first\n")
        indicator.draw(65.9, 0)
        sys.stderr.write("second\n")
        indicator.draw(65.9, 0)

    drawn = CLEAR + LINE
    assert shown(Terminal(), use) == f"{drawn}{CLEAR}first\n{drawn}{CLEAR}second\n{drawn}{CLEAR}"


def test_half_a_line_is_left_alone():
    """It is drawn again when the line is whole."""

    def use(indicator):
        sys.stdout.write("half")
        indicator.draw(0, 0)
        sys.stdout.writelines([" and", " half\n"])

    assert shown(Terminal(), use) == "half and half\n"


class Gone(Terminal):
    def flush(self):
        raise OSError(errno.EIO, "Input/output error")


def test_a_terminal_that_is_gone_ends_the_drawing_alone():
    """Whoever draws also sees when the time is up: that goes on."""
    with contextlib.redirect_stdout(Gone()) as stream, Indicator() as indicator:
        for _ in range(2):
            indicator.draw(1, 0)
    assert not indicator.is_shown
    assert stream.getvalue().count("Ctrl+C ends") == 1


@pytest.mark.parametrize("stream", [io.StringIO, Ascii])
def test_elsewhere_nothing_is_drawn(stream):
    """Neither where there is no terminal, nor on one that cannot write the signs; standard output is the real one there."""

    def use(indicator):
        assert not indicator.is_shown
        assert sys.stdout is written
        indicator.draw(1, 20000)
        sys.stdout.write("said\n")

    written = stream()
    assert shown(written, use) == "said\n"


@pytest.mark.parametrize(
    ("peak", "n_places"), [(0, 0), (127, 0), (128, 1), (255, 1), (256, 2), (8191, 6), (8192, 7), (16383, 7), (16384, 8), (32768, 8)]
)
def test_a_place_for_each_six_decibels(peak, n_places):
    """From -48 dB up; as wide whatever the level is."""
    assert bar(peak) == "▁▂▃▄▅▆▇█"[:n_places].ljust(8)


def sent(*samples):
    """A frame of audio."""
    return Sent(seq=1, at_ns=0, frame=Frame(BINARY, struct.pack(f"<{len(samples)}h", *samples)))


@pytest.mark.parametrize(
    ("event", "peak"),
    [
        (sent(1, -5, 3), 5),
        (sent(-32768), 32768),
        (sent(), 0),
        (Sent(seq=1, at_ns=0, frame=Frame(BINARY, b"\x05\x00\x07")), 5),
        (Sent(seq=1, at_ns=0, frame=Frame(TEXT, b"loud text")), 0),
        (Received(seq=1, at_ns=0, frame=Frame(BINARY, b"\xff\x7f")), 0),
    ],
)
def test_the_level_is_that_of_what_is_sent(event, peak):
    """The loudest sample, whatever its sign, until it is taken; half a sample counts for nothing."""
    level = Level()
    level.hear(event)
    level.hear(sent(0))
    assert (level.take(), level.take()) == (peak, 0)
