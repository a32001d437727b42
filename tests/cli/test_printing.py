from __future__ import annotations

import io
import shutil
import subprocess
import sys
from typing import ClassVar, List, Tuple

import click
import pytest

from evi_harness.cli.commands import evi_harness
from evi_harness.cli.main import main
from evi_harness.cli.printing import echo, echo_report, width
from evi_harness.settings.redrawing import CI_VARIABLES

COMMANDS = evi_harness.list_commands(click.Context(evi_harness))


class Terminal(io.StringIO):
    """A stream that says that it is one."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch):
    """Makes standard output, and standard error, a terminal of so many columns without colours."""

    def make(columns):
        out, err = Terminal(), Terminal()
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", err)
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("TERM", "dumb")
        return out, err

    return make


def test_through_a_pipe_a_line_stays_as_it_is(capsys):
    """However long it is."""
    echo("a  " + "b " * 200 + "  ")
    echo_report(["x" * 300, "the end"], 1, err=True)
    out, err = capsys.readouterr()
    assert (out, err) == ("a  " + "b " * 200 + "  \n", "x" * 300 + "\nthe end\n")
    assert width() is None


def test_on_a_terminal_it_is_laid_out(terminal):
    """To the width that it has now."""
    out, err = terminal(20)
    echo("note  one two three four five")
    echo_report(["note  one two three four five"], 0, err=True)
    assert out.getvalue() == err.getvalue() == "note  one two three\n      four five\n"
    assert width() == 20


@pytest.mark.parametrize("columns", [60, 80, 200])
@pytest.mark.parametrize(
    "line", ["show sessions", "show sessions/weather", "check sessions", "latency sessions/demo", "replay sessions/typed"]
)
def test_no_line_is_wider_than_the_terminal(terminal, columns, line, monkeypatch, request):
    """But for one word that is."""
    monkeypatch.chdir(request.config.rootpath)
    out, _ = terminal(columns)
    assert main(line.split()) == 0
    lines = out.getvalue().splitlines()
    assert lines
    assert all(len(one) <= columns or len(one.split()) == 1 for one in lines)


@pytest.mark.parametrize("name", [None, *COMMANDS])
def test_help_breaks_no_word(name, monkeypatch, capsys):
    """At each width it has the same words, and no line is wider, but for one word that is."""
    words = []
    for columns in (60, 80, 200):
        monkeypatch.setenv("COLUMNS", str(columns))
        assert main([*([name] if name else []), "--help"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert [line for line in lines if len(line) > columns and len(line.split()) > 1] == []
        words.append(" ".join(lines).split())
    assert words[0] == words[1] == words[2]


def test_an_error_is_laid_out_too(terminal):
    """On standard error."""
    _, err = terminal(40)
    assert main(["import", "capture", "/nowhere"]) != 0
    assert main(["check", "."]) in (0, 1)
    assert "error" in err.getvalue().lower()


class Shown:
    """What would draw how far a command has got; keeps what it was asked to draw."""

    asked: ClassVar[List[Tuple[str, int]]] = []

    def __init__(self, label, n_all, stream):
        self.asked.append((label, n_all))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def done(self, n=1):
        pass

    def part(self, share, where=""):
        pass


@pytest.mark.parametrize(
    ("line", "label", "n_all"),
    [
        ("check typed weather", "checking", 2),
        ("compare typed typed", "comparing", 1),
        ("export typed --csv a.csv --vtt a.vtt", "exporting", 2),
        ("import har x.har", "importing", 1),
        ("import chat-history x.har", "importing", 1),
        ("import capture x.har", "importing", 1),
        ("latency typed", "listening", 1),
        ("repair typed -o mended", "repairing", 1),
        ("replay typed", "replaying", 1),
        ("replay typed weather -j 1", "replaying", 2),
        ("report typed -o page.html", "making the page", 1),
        ("show typed weather", "reading", 2),
        ("show typed", "listening", 1),
    ],
)
def test_what_may_take_long_shows_how_far_it_has_got(line, label, n_all, terminal, tmp_path, monkeypatch, request):
    """On a terminal; also where it ends with an error."""
    for name in ("typed", "weather"):
        shutil.copytree(request.config.rootpath / "sessions" / name, tmp_path / name)
    (tmp_path / "x.har").write_text("{}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("evi_harness.terminal.progress.Progress", Shown)
    monkeypatch.setattr(Shown, "asked", [])
    terminal(80)
    monkeypatch.setenv("TERM", "xterm")
    for name in CI_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    main(line.split())
    assert (label, n_all) in Shown.asked


@pytest.mark.parametrize("line", ["--help", "replay --help", "show sessions/typed", "replay sessions/typed"])
def test_what_terminals_need_is_not_loaded_through_a_pipe(line, request):
    """Nor for help."""
    code = f"import sys; from evi_harness.cli.main import main; main({line.split()!r}); print('loaded', 'rich' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=request.config.rootpath)
    assert done.stdout.splitlines()[-1] == "loaded False"
