"""Folders that somebody wrote to do harm: through every command that reads one, each ends in a sentence, and soon, and with little memory.

The table is that of fixtures/make_hostile.py.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Iterator

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]


def script(folder: str, name: str) -> ModuleType:
    """A script that stands in no package, as a module."""
    sys.path.insert(0, str(ROOT / folder))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(ROOT / folder))


make_hostile = script("fixtures", "make_hostile")
bounded = script("tests", "bounded_commands")


@pytest.fixture(scope="module")
def commands() -> Iterator[ModuleType]:
    """The process that runs commands, once for all of them."""
    with bounded.Commands() as running:
        yield running


def test_the_sound_folder_is_sound(tmp_path: Path, commands) -> None:
    """What is said of the others is said of the one change in each."""
    folder = tmp_path / "sound"
    make_hostile.build_sound(folder)
    for command in make_hostile.COMMANDS:
        done = commands.run([command, str(folder)])
        assert (done.code, done.is_told) == (0, True), done


def test_there_are_enough_of_them() -> None:
    """Seventy kinds at the least, each said in words, and of each command some that it takes and some that it does not."""
    rows = make_hostile.HOSTILE
    assert len(rows) >= 70
    assert len({row.what for row in rows.values()}) == len(rows)
    for codes in zip(*(row.codes for row in rows.values())):
        assert {0} < set(codes) <= {0, 1, 3}


@pytest.mark.parametrize("name", make_hostile.HOSTILE)
def test_a_hostile_folder(name: str, tmp_path: Path, commands) -> None:
    """Each command has the exit code of the table, no traceback, and a bounded peak of memory; a hang is a traceback of the guard."""
    for command, code in zip(make_hostile.COMMANDS, make_hostile.HOSTILE[name].codes):
        # Each its own: a command may have been had by the one before.
        folder = make_hostile.build(name, tmp_path / command / name)
        done = commands.run([command, str(folder), *(make_hostile.HOSTILE[name].replay if command == "replay" else ())])
        assert done.is_told, (command, done.code, (done.out + done.err)[-3000:])
        assert done.code == code, (command, (done.out + done.err)[-3000:])
        assert done.n_bytes <= bounded.MAX_MEMORY, command


@pytest.mark.parametrize(
    ("act", "told"),
    [
        ("raise RuntimeError('x')", False),
        ("import ctypes; ctypes.string_at(0)", False),
        ("print('all is well')", True),
        ("import sys; sys.exit(3)", True),
        ("import faulthandler, time; faulthandler.dump_traceback_later(0.05, exit=True); time.sleep(60)", False),
    ],
    ids=["a fault", "a crash", "well", "refused", "hung"],
)
def test_the_guard_sees_what_it_is_for(act: str, told: bool, tmp_path: Path, commands) -> None:
    """A handler that does what no command may do is seen: by what is printed, by a signal."""
    done = commands.run_code(act)
    assert done.is_told is told, done


def test_the_guard_sees_memory(commands) -> None:
    """A process that takes more than it may is seen."""
    assert commands.run_code("x = bytearray(300 << 20); x[::4096] = b'x' * len(x[::4096])").n_bytes > bounded.MAX_MEMORY
    assert commands.run_code("pass").n_bytes < bounded.MAX_MEMORY // 4
