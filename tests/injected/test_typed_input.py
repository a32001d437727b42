from __future__ import annotations

import asyncio
import builtins
import os
import sys
import threading

import pytest

from evi_harness.carriers.journal import Journal
from evi_harness.evi.dialect import EVI
from evi_harness.injected.typed_input import TypedInput
from evi_harness.session.events import Frame, Handshake
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
