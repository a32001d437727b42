from __future__ import annotations

import asyncio
import builtins
import os
import sys
import threading
from dataclasses import replace

import pytest

from evi_harness.carriers.journal import Journal
from evi_harness.evi.dialect import EVI
from evi_harness.injected.typed_input import TypedInput
from evi_harness.session.events import Frame, Handshake, order
from evi_harness.session.notes import STDIN_ENDED, STDIN_LINE
from evi_harness.session.session import Session

MS = 1_000_000
QUESTION = "What's the weather in Bath?"


@pytest.fixture
def typed(app_time, load_recorded):
    """The input of an app, its journal, and the session in which the user typed once, 900 ms behind the greeting."""
    session: Session = load_recorded("typed")
    journal = Journal(app_time)
    return TypedInput(session, EVI, app_time, journal), journal, session


@pytest.fixture
def load_recorded():
    """Reads one of the repository's sessions."""
    from pathlib import Path

    from evi_harness.verdicts.loading import load_session

    return lambda name: load_session(Path(__file__).resolve().parents[2] / "sessions" / name)


@pytest.fixture
def terminal(monkeypatch):
    """Standard input is nothing that was given to the app, and what is replaced is put back."""
    monkeypatch.setattr(builtins, "input", builtins.input)
    monkeypatch.setattr(sys, "stdin", sys.stdin)
    monkeypatch.setattr(threading, "_register_atexit", lambda call: None)
    null = os.open(os.devnull, os.O_RDONLY)
    real = os.fstat
    monkeypatch.setattr(os, "fstat", lambda one: real(null if one == 0 else one))
    yield
    os.close(null)


def greeted(typed, journal, session):
    """The connection is open and the greeting has come."""
    journal.opened(Handshake("/"))
    typed.take(journal.received(Frame("text", session.received[0].frame.payload)))


def test_a_thread_gets_the_line_at_its_time(stage, run, app_time, typed, terminal, capsys):
    """It does not hold the clock while it waits; behind the last line it waits until the end."""
    typed_input, journal, session = typed
    typed_input.put_in_place()
    # However busy the machine is.
    stage.thread_wait_ns = 600_000 * MS
    lines = []

    def reads():
        lines.append((input("? "), app_time.now_ns() // MS))
        lines.append(sys.stdin.readline())

    async def main():
        thread = threading.Thread(target=reads)
        thread.start()
        while not typed_input.is_parked(thread.ident):
            os.sched_yield()
        greeted(typed_input, journal, session)
        await asyncio.sleep(5)
        typed_input.end()
        await asyncio.sleep(0)
        thread.join()

    run(main())
    assert lines == [(QUESTION, 900), ""]
    assert capsys.readouterr().out == f"? {QUESTION}\n"


def test_who_blocks_the_loop_passes_the_time(run, app_time, typed, terminal, capsys):
    """It is charged as what blocks it; behind the last line there is nothing."""
    typed_input, journal, session = typed
    typed_input.put_in_place()

    async def main():
        greeted(typed_input, journal, session)
        line, at_ns = input(), app_time.now_ns()  # noqa: ASYNC250 - the point
        with pytest.raises(EOFError):
            input()  # noqa: ASYNC250 - the point
        return line, at_ns // MS

    assert run(main()) == (QUESTION, 900)


def test_without_a_loop_there_is_nothing_to_wait_for(app_time, typed, terminal, capsys):
    """As where an app asks before it connects."""
    typed_input, *_ = typed
    typed_input.put_in_place()
    assert input("first: ") == QUESTION
    assert capsys.readouterr().out == f"first: {QUESTION}\n"


def test_a_pipe_reader_of_asyncios_gets_the_line_at_its_time(run, app_time, typed, terminal):
    """By the file descriptor of ``sys.stdin``; the end comes with the end of the app."""
    typed_input, journal, session = typed
    typed_input.put_in_place()

    async def main():
        reader = asyncio.StreamReader()
        pipe, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        greeted(typed_input, journal, session)
        line, at_ns = await reader.readline(), app_time.now_ns()
        await asyncio.sleep(5)
        typed_input.end()
        rest = await reader.read()
        pipe.close()
        return line, at_ns // MS, rest

    assert run(main()) == (f"{QUESTION}\n".encode(), 900, b"")


@pytest.mark.parametrize("read", [lambda: sys.stdin.buffer.readline(), lambda: next(sys.stdin).encode()], ids=["buffer", "iteration"])
def test_standard_input_is_read_in_other_ways(app_time, typed, terminal, read):
    """Bytes, and line by line in a loop."""
    typed[0].put_in_place()
    assert read() == f"{QUESTION}\n".encode()


def test_all_of_standard_input_is_read_to_the_end(run, app_time, typed, terminal):
    """By one call, which blocks the loop until the last line."""
    typed_input, journal, session = typed
    typed_input.put_in_place()

    async def main():
        greeted(typed_input, journal, session)
        return sys.stdin.read(), app_time.now_ns() // MS

    assert run(main()) == (f"{QUESTION}\n", 900)


def test_an_input_that_the_app_is_given_by_name_is_left_alone(app_time, typed, terminal):
    """Even if it is a terminal."""
    before = builtins.input, sys.stdin
    _, journal, session = typed
    TypedInput(session, EVI, app_time, journal, has_own=True).put_in_place()
    assert (builtins.input, sys.stdin) == before


def test_what_the_app_is_given_is_its_own(app_time, typed, monkeypatch):
    """A file or a pipe is left alone, and so is everything where nothing was typed."""
    before = builtins.input, sys.stdin
    heard, said = os.pipe()
    real = os.fstat
    monkeypatch.setattr(os, "fstat", lambda one: real(heard if one == 0 else one))
    typed[0].put_in_place()
    assert (builtins.input, sys.stdin) == before
    os.close(heard)
    os.close(said)


@pytest.fixture
def read(app_time, load_recorded):
    """Makes the same of a session in which the app read lines: (early, at, text) each, ``None`` for the end."""

    def make(*lines):
        session: Session = load_recorded("typed")
        greeting = session.received[0]
        notes = []
        for number, (early_ns, behind_ns, text) in enumerate(lines, 1000):
            at_ns = 0 if early_ns else greeting.at_ns + behind_ns
            given = {"early_ns": early_ns} if early_ns else {}
            notes.append(STDIN_ENDED.make(number, at_ns, **given) if text is None else STDIN_LINE.make(number, at_ns, text=text, **given))
        session = replace(session, events=tuple(sorted((*session.events, *notes), key=order)))
        journal = Journal(app_time)
        return TypedInput(session, EVI, app_time, journal), journal, session

    return make


def test_lines_that_the_recorded_app_read_come_as_long_behind_what_they_answered(run, app_time, read, terminal, capsys):
    """In the place of the texts that it sent; what it read before it connected is there at once, and the end comes at its time."""
    typed_input, journal, session = read((5 * MS, 0, "early"), (0, 300 * MS, "one"), (0, 700 * MS, ""), (0, 800 * MS, None))
    typed_input.put_in_place()

    async def main():
        lines = [(sys.stdin.readline(), app_time.now_ns() // MS)]
        await asyncio.sleep(1)
        # The greeting comes later than it did then, and so does what answered it.
        late_ms = app_time.now_ns() // MS
        greeted(typed_input, journal, session)
        return lines + [(sys.stdin.readline(), app_time.now_ns() // MS - late_ms) for _ in range(3)]

    assert run(main()) == [("early\n", 0), ("one\n", 300), ("\n", 700), ("", 800)]


def test_a_pipe_ends_where_it_ended(run, app_time, read, terminal):
    """At its time, although the app goes on."""
    typed_input, journal, session = read((0, 300 * MS, "one"), (0, 700 * MS, None))
    typed_input.put_in_place()

    async def main():
        reader = asyncio.StreamReader()
        pipe, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        greeted(typed_input, journal, session)
        found = await reader.read(), app_time.now_ns() // MS
        pipe.close()
        return found

    assert run(main()) == (b"one\n", 700)


@pytest.mark.parametrize("lines", [((5 * MS, 0, None),), ((5 * MS, 0, "one"), (5 * MS, 0, None))], ids=["none", "one"])
def test_an_input_that_was_over_before_the_opening(app_time, read, terminal, lines):
    """As one that is the null device: the app reads to its end without a loop."""
    typed_input, *_ = read(*lines)
    typed_input.put_in_place()
    assert sys.stdin.read() == "".join(f"{text}\n" for *_, text in lines if text is not None)
    assert sys.stdin.readline() == ""


def test_a_thread_in_input_is_parked_until_the_line_and_until_the_end(stage, run, app_time, read, terminal, capsys):
    """Behind the last line nothing comes while the app runs."""
    typed_input, journal, session = read((0, 300 * MS, "one"))
    typed_input.put_in_place()
    stage.thread_wait_ns = 600_000 * MS
    lines = []

    def reads():
        lines.append((input(), app_time.now_ns() // MS))
        try:
            input()
        except EOFError:
            lines.append(None)

    async def main():
        thread = threading.Thread(target=reads)
        thread.start()
        while not typed_input.is_parked(thread.ident):
            os.sched_yield()
        greeted(typed_input, journal, session)
        await asyncio.sleep(5)
        assert typed_input.is_parked(thread.ident)
        typed_input.end()
        await asyncio.sleep(0)
        thread.join()

    run(main())
    assert lines == [("one", 300), None]
