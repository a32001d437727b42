"""Tests of evi_harness.injected.noted_input: programs with a standard input of their own, through a pipe and on a terminal."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GUARD_S = 120

# What the program reads is what it would read without; what was told goes to standard error.
BEGIN = """
import asyncio, getpass, json, os, sys, threading
from evi_harness.injected import noted_input

told, warned = [], []
before = sys.stdin
noted_input.NotedInput(told.append, warned.append).put_in_place()
read = []

"""
END = """
print("", file=sys.stderr)
print(json.dumps([read, [[one.text, one.prompt, one.is_hidden] for one in told], warned]), file=sys.stderr)
times = [one.read_ns for one in told]
assert times == sorted(times)
"""


def run(program, stdin=b"", environment=()):
    """What a program read, what was told, and what it was warned of; its input is a pipe."""
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + program + END],
        input=stdin,
        capture_output=True,
        timeout=GUARD_S,
        cwd=ROOT,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), **dict(environment)},
    )
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stderr.decode().splitlines()[-1])


def plain(*lines, prompt=""):
    """What is told of lines that were read without more."""
    return [[line, prompt, False] for line in lines]


PIPE_READER = """
async def main():
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
    pipe, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        read.append(line.decode())
    pipe.close()
asyncio.run(main())
"""
# A way to read → what is read of two lines, what is told of it.
WAYS = {
    "input": ("read += [input('? '), input('? ')]", ["one", "two"], plain("one", "two", prompt="? ")),
    "readline": ("read += [sys.stdin.readline(), sys.stdin.readline()]", ["one\n", "two\n"], plain("one", "two")),
    "iteration": ("read += list(sys.stdin)", ["one\n", "two\n"], plain("one", "two", None)),
    "readlines": ("read += sys.stdin.readlines()", ["one\n", "two\n"], plain("one", "two", None)),
    "read": ("read.append(sys.stdin.read())", ["one\ntwo\n"], plain("one", "two", None)),
    "read a part": ("read += [sys.stdin.read(5), sys.stdin.read(0), sys.stdin.readline()]", ["one\nt", "", "wo\n"], plain("one", "two")),
    "a part of a line": ("read += [sys.stdin.readline(2), input()]", ["on", "e"], plain("one")),
    "bytes": ("read += [sys.stdin.buffer.readline().decode(), input()]", ["one\n", "two"], plain("one", "two")),
    "all bytes": ("read.append(sys.stdin.buffer.read().decode())", ["one\ntwo\n"], plain("one", "two", None)),
    "bytes, one by one": ("read += [one.decode() for one in sys.stdin.buffer]", ["one\n", "two\n"], plain("one", "two", None)),
    "into a buffer": (
        "into = bytearray(4); sys.stdin.buffer.readinto(into); read.append(into.decode())",
        ["one\n"],
        plain("one"),
    ),
    "the system's call": ("read.append(os.read(0, 4).decode())", ["one\n"], plain("one")),
    "a pipe reader": (PIPE_READER, ["one\n", "two\n"], plain("one", "two", None)),
    "a thread": (
        "thread = threading.Thread(target=lambda: read.append(input())); thread.start(); thread.join()",
        ["one"],
        plain("one"),
    ),
    "another file": ("sys.stdin = open(os.devnull); read.append(sys.stdin.read())", [""], []),
    "as it was": ("sys.stdin = before; read.append(input())", ["one"], []),
    "nothing": ("", [], []),
}


@pytest.mark.parametrize("way", WAYS)
def test_what_a_program_reads_is_told(way):
    """Line by line, however it reads; what it reads is what it would read anyway."""
    program, read, told = WAYS[way]
    assert run(program, b"one\ntwo\n") == [read, told, []]


def test_what_input_raises_is_raised():
    """The end of the input is told once, however often it is met; what comes without an end of its line is a line."""
    program = """
read.append(input())
for _ in range(3):
    try:
        input()
    except EOFError as error:
        read.append(str(error))
"""
    end = "EOF when reading a line"
    assert run(program, b"last") == [["last", end, end, end], plain("last", None), []]


def test_what_is_no_utf8_is_told_with_escapes():
    """And lines that end as on Windows have no more in them than others."""
    program = "read += [len(sys.stdin.buffer.readline()), len(sys.stdin.buffer.readline())]"
    assert run(program, b"\xff\xe4\r\nwei\xc3\x9f\n") == [[4, 6], plain("\\xff\\xe4", "wei\u00df"), []]


def test_more_than_anybody_types_is_left_out():
    """It is said once, and the program has it all."""
    program = "read += [len(line) for line in sys.stdin]"
    read, told, warned = run(program, b"short\n" + b"x" * (17 << 20) + b"\nnext\n")
    assert (read, told, len(warned)) == ([6, (17 << 20) + 1, 5], plain("short"), 1)


def test_who_is_told_cannot_harm_the_program():
    """What telling raises is nobody's business."""
    program = """
noted_input.NotedInput(lambda _: 1 / 0, print).put_in_place()
read.append(input())
"""
    assert run(program, b"one\n")[0] == ["one"]


def test_no_standard_input_is_left_alone():
    """One that is closed, or replaced."""
    program = "sys.stdin = None; noted_input.NotedInput(print, print).put_in_place(); read.append(sys.stdin)"
    assert run(program) == [[None], [], []]


def test_what_getpass_reads_without_a_terminal_is_hidden():
    """It falls back to standard input."""
    program = """
import warnings
warnings.simplefilter("ignore")
read += [getpass.fallback_getpass("Password: "), input()]
"""
    assert run(program, b"one\ntwo\n") == [["one", "two"], [["one", "", True], ["two", "", False]], []]


def on_a_terminal(program, typed):
    """The same as ``run``, where the input is a terminal on which a line is typed whenever one is asked for."""
    ours, its = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", BEGIN + program + END],
        stdin=its,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "dumb"},
    ) as process:
        guard = threading.Timer(GUARD_S, process.kill)
        guard.start()
        for line in typed:
            assert process.stdout.readline() == b"ready\n"
            os.write(ours, line)
        _, errors = process.communicate()
        guard.cancel()
    os.close(ours)
    os.close(its)
    assert process.returncode == 0, errors.decode()
    return json.loads(errors.decode().splitlines()[-1])


def test_a_terminal_stays_one():
    """What is typed on it is told, and the end of it; where it shows nothing, that it was hidden."""
    program = """
import termios
def ready():
    print("ready", flush=True)
ready()
read += [sys.stdin.isatty(), input()]
shown = termios.tcgetattr(0)
hidden = [*shown[:3], shown[3] & ~termios.ECHO, *shown[4:]]
termios.tcsetattr(0, termios.TCSADRAIN, hidden)
ready()
read.append(sys.stdin.readline())
termios.tcsetattr(0, termios.TCSADRAIN, shown)
ready()
try:
    input()
except EOFError:
    read.append(None)
"""
    read, told, warned = on_a_terminal(program, [b"one\n", b"two\n", b"\x04"])
    assert (read, warned) == ([True, "one", "two\n", None], [])
    assert told == [["one", "", False], ["two", "", True], [None, "", False]]
