"""What somebody names to be read: one door, and every option of every command that leads to it."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Callable, Dict, Iterator, List

import pytest

from evi_harness.errors import EviHarnessError, ScriptError
from evi_harness.input_file import INPUTS, file_blocks, file_problem, read_file

ROOT = Path(__file__).resolve().parents[1]
TYPED = str(ROOT / "sessions" / "typed")
LARGE = 10 << 30


def script(folder: str, name: str) -> ModuleType:
    """A script that stands in no package, as a module."""
    sys.path.insert(0, str(ROOT / folder))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(ROOT / folder))


bounded = script("tests", "bounded_commands")
make_hostile = script("fixtures", "make_hostile")


def hole(path: Path) -> None:
    """Make a file of 10 GB that takes no room."""
    path.touch()
    os.truncate(path, LARGE)


# What stands where a file is meant → how it is made, and what is said of it.
STRANGE: Dict[str, Callable[[Path], object]] = {
    "a folder": Path.mkdir,
    "a pipe": os.mkfifo,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a socket": make_hostile.bind_socket,
    "larger than": hole,
}


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("word", STRANGE)
def test_only_a_regular_file_of_its_size_is_read(kind: str, word: str, tmp_path: Path) -> None:
    """Anything else is refused at once, by what it is, with where it is and what to do; in the error that the caller names."""
    path = tmp_path / "x"
    STRANGE[word](path)
    with pytest.raises(ScriptError) as raised:
        read_file(path, kind, ScriptError)
    assert word in raised.value.what
    assert (raised.value.where, bool(raised.value.hint)) == (str(path), True)
    assert file_problem(path, kind) == (raised.value.what, raised.value.hint)


@pytest.mark.parametrize("kind", INPUTS)
def test_a_file_is_read_as_it_is(kind: str, tmp_path: Path) -> None:
    """Also an empty one, and one that a link leads to."""
    for content in (b"", b"x" * 3_000_000 if INPUTS[kind].max_bytes > 3_000_000 else b"x" * INPUTS[kind].max_bytes):
        (tmp_path / "x").write_bytes(content)
        (tmp_path / "link").unlink(missing_ok=True)
        (tmp_path / "link").symlink_to(tmp_path / "x")
        assert read_file(tmp_path / "link", kind) == content
        assert file_problem(tmp_path / "x", kind) is None
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "gone", kind)


def test_a_file_of_the_largest_size_and_one_byte_more(tmp_path: Path) -> None:
    """The first is read, the second not."""
    most = INPUTS["dotenv"].max_bytes
    (tmp_path / "x").write_bytes(b"x" * most)
    assert len(read_file(tmp_path / "x", "dotenv")) == most
    (tmp_path / "x").write_bytes(b"x" * (most + 1))
    with pytest.raises(EviHarnessError, match=r"\blarger .*\.env .*: 1 MiB"):
        read_file(tmp_path / "x", "dotenv")


def test_a_text_holds_no_zero_byte(tmp_path: Path) -> None:
    """So a hole is known by its first block; whoever takes any bytes gets them block by block."""
    hole(tmp_path / "x")
    os.truncate(tmp_path / "x", 200 << 20)
    with pytest.raises(EviHarnessError, match="null bytes"):
        read_file(tmp_path / "x", "capture")
    assert len(next(file_blocks(tmp_path / "x", "capture"))) == 1 << 20


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs a file that has no size of its own: Linux' /proc")
def test_what_says_that_it_is_empty_is_read_to_its_end() -> None:
    """And no further than its kind allows."""
    assert read_file("/proc/self/status", "script").startswith(b"Name:")


def test_the_page_has_every_kind() -> None:
    """docs/reference/session-format.md lists how large a file may be, by kind."""
    page = (ROOT / "docs" / "reference" / "session-format.md").read_text(encoding="utf-8")
    section = page[page.index("## Files that you name") :].split("\n## ", 1)[0]
    for row in INPUTS.values():
        assert f"| {row.name} | {row.max_bytes >> 20} MiB |" in section, row


@pytest.fixture(scope="module")
def commands() -> Iterator[ModuleType]:
    """The process that runs commands, once for all of them."""
    with bounded.Commands() as running:
        yield running


# Every word of a command line that names a file to be read, as X; and files that are read because they stand where one looks.
NAMED: Dict[str, List[str]] = {
    "check": ["check", "X"],
    "show": ["show", "X"],
    "latency": ["latency", "X"],
    "replay": ["replay", "X"],
    "export": ["export", "X", "--wav", "out.wav"],
    "serve": ["serve", "X"],
    "import": ["import", "capture", "X"],
    "explain": ["explain", "X"],
    "compare": ["compare", TYPED, "X"],
    "report": ["report", "X", "-o", "page.html"],
    "play": ["play", "X"],
    "import har": ["import", "har", "X"],
    "import chat-history": ["import", "chat-history", "X"],
    "script": ["serve", "--simulate", "--script", "X"],
    "handler": ["replay", TYPED, "--handler", "X.py:App"],
    "baseline of replay": ["replay", TYPED, "--baseline", "X"],
    "baseline of latency": ["latency", TYPED, "--baseline", "X"],
    "microphone": ["record", "--mic", "X", "--base-url", "http://127.0.0.1:9"],
    "authorities": ["replay", TYPED, "--live", "--yes", "--base-url", "https://127.0.0.1:9", "--ca", "X"],
}
FOUND: Dict[str, List[str]] = {
    ".env": ["record", "--base-url", "http://127.0.0.1:9", "--mic", str(ROOT / "evi_harness" / "assets" / "demo" / "rain.flac")],
    "pyproject.toml": ["latency", TYPED],
}


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("word", STRANGE)
def test_an_input_of_any_command(name: str, word: str, tmp_path: Path, commands) -> None:
    """A command that is given what is no file says so, and ends: with 2, 3, or 1 from check, within its memory."""
    target = tmp_path / ("X.py" if name == "handler" else "X")
    STRANGE[word](target)
    done = commands.run(NAMED[name], tmp_path)
    assert done.is_told, (done.out + done.err)[-3000:]
    assert done.code in ((1,) if name == "check" else (2, 3)), done
    assert "X" in done.out + done.err
    assert done.n_bytes <= bounded.MAX_MEMORY


@pytest.mark.parametrize("name", FOUND)
@pytest.mark.parametrize("word", ["a pipe", "larger than"])
def test_a_file_that_is_found(name: str, word: str, tmp_path: Path, commands) -> None:
    """What is read unasked is held to the same: it is never passed over in silence."""
    STRANGE[word](tmp_path / name)
    done = commands.run(FOUND[name], tmp_path)
    assert done.is_told, (done.out + done.err)[-3000:]
    assert (done.code, name in done.err, word in done.err) == (3, True, True), done


@pytest.mark.slow
@pytest.mark.parametrize("name", ["import", "import har", "explain", "script", "baseline of latency", "microphone", "authorities"])
def test_standard_input_that_is_no_file(name: str, tmp_path: Path, commands) -> None:
    """/dev/stdin is what stands behind it: here a device, which is refused."""
    done = commands.run(["/dev/stdin" if word == "X" else word for word in NAMED[name]], tmp_path)
    assert done.is_told, (done.out + done.err)[-3000:]
    assert done.code in (2, 3), done
    assert "a device" in done.err
