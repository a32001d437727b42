"""Tests of evi_harness.cli.failing: real processes, whose streams are closed or full, and that are interrupted from their first line on."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from evi_harness.cli import failing
from evi_harness.cli.failing import guarded

ROOT = Path(__file__).resolve().parents[2]
TYPED = ROOT / "sessions" / "typed"


def shell(line, **environment):
    """A command line of a shell, from the project's folder: ``evi-harness`` is this package."""
    command = line.replace("evi-harness", f"'{sys.executable}' -m evi_harness")
    env = {**os.environ, **environment}
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, cwd=ROOT, env=env)


OUTPUT = "error: the output "


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ("evi-harness show sessions/typed >&-", 3, OUTPUT),
        ("evi-harness replay sessions/typed >&-", 3, OUTPUT),
        ("evi-harness replay sessions/typed --no-child >&-", 3, OUTPUT),
        ("evi-harness replay sessions/typed >/dev/full", 3, OUTPUT),
        ("evi-harness --help >&-", 3, OUTPUT),
        ("evi-harness --version >/dev/full", 3, OUTPUT),
        ("evi-harness replay sessions/typed >&- 2>&-", 3, ""),
        ("evi-harness replay sessions/typed <&-", 0, ""),
        ("evi-harness replay sessions/typed 2>&-", 0, ""),
        ("evi-harness replay gone 2>&-", 2, ""),
    ],
)
def test_closed_and_full_streams(line, code, says):
    """Are never a verdict, and never a traceback."""
    done = shell(line)
    assert done.returncode == code
    assert done.stderr.startswith(says)
    assert len(done.stderr.splitlines()) == bool(says)


def test_what_is_written_besides_is_written_without_standard_output(tmp_path):
    """The report that was asked for is there, though nobody can be told."""
    done = shell(f"evi-harness replay sessions/typed --json {tmp_path}/report.json --junit {tmp_path}/junit.xml >&-")
    assert done.returncode == 3
    assert json.loads((tmp_path / "report.json").read_text())["passed"] is True
    assert "<testcase" in (tmp_path / "junit.xml").read_text()


FAULT = """
import sys
from evi_harness.verdicts import loading

def fails(*args, **kwargs):
    raise RuntimeError("first line\\nsecond line \\x1b[31m")

loading.find_sessions = fails
from evi_harness.cli.main import main
sys.exit(main(["replay", "sessions/typed"]))
"""


@pytest.mark.parametrize("traceback", ["", "1"])
def test_a_fault_of_ours_is_one_line_and_3(traceback):
    """And a traceback, where one is asked for."""
    env = {**os.environ, "EVI_HARNESS_TRACEBACK": traceback}
    done = subprocess.run([sys.executable, "-c", FAULT], capture_output=True, text=True, check=False, cwd=ROOT, env=env)
    first, *more = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (3, "")
    assert re.match("error: .*evi-harness: RuntimeError: first line; set EVI_HARNESS_TRACEBACK=1 ", first)
    assert any(line.startswith("Traceback (") for line in more) is bool(traceback)
    assert bool(more) is bool(traceback)


@pytest.mark.parametrize("error", [ValueError(), MemoryError(), SystemExit(0), RecursionError("deep"), OSError(2, "gone", "file")])
def test_whatever_comes_out_is_3(error, capsys):
    """An exit of somebody's as well: it says nothing about a replay."""

    def act():
        raise error

    assert guarded(act) == 3
    assert type(error).__name__.replace("OSError", "FileNotFoundError") in capsys.readouterr().err


def test_an_error_without_a_place_to_tell_it():
    """Is lost, and the code stays."""

    class Closed:
        def write(self, text):
            raise OSError(9, "Bad file descriptor")

        def flush(self):
            raise ValueError("closed")

    before = sys.stderr
    sys.stderr = Closed()
    try:
        failing.tell("nobody reads this")
    finally:
        sys.stderr = before


# Interrupts itself while the package's first import after the handler runs.
AT_IMPORT = """
import builtins, os, signal, sys
sys.argv = ["/somewhere/bin/evi-harness", "show", "sessions/typed"]
real, wanted = builtins.__import__, {wanted!r}

def interrupting(name, *args, **kwargs):
    if name == wanted:
        os.kill(os.getpid(), signal.SIGINT)
    return real(name, *args, **kwargs)

builtins.__import__ = interrupting
from evi_harness.cli.main import main
sys.exit(main())
"""


@pytest.mark.parametrize("wanted", ["importlib", "evi_harness.version", "evi_harness.cli.failing", "click", "evi_harness.cli.commands"])
def test_ctrl_c_while_the_package_is_imported(wanted):
    """One line and 130, from the first line of the package on."""
    done = subprocess.run([sys.executable, "-c", AT_IMPORT.format(wanted=wanted)], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


def test_who_imports_the_package_keeps_ctrl_c():
    """Only the command takes it."""
    program = "import signal, evi_harness; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.stdout == "True\n"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("used_in", ["__init__.py", "__main__.py"])
def test_an_app_that_is_run_as_a_module_keeps_ctrl_c(used_in, tmp_path):
    """Wherever it imports the package: also where Python still looks for the module to run, and has not named it yet."""
    (tmp_path / "app").mkdir()
    for name in ("__init__.py", "__main__.py"):
        (tmp_path / "app" / name).write_text("import evi_harness\n" if name == used_in else "", encoding="utf-8")
    with (tmp_path / "app" / "__main__.py").open("a", encoding="utf-8") as program:
        program.write("import signal\nprint(signal.getsignal(signal.SIGINT) is signal.default_int_handler)\n")
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-m", "app"], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("True\n", "")


# Interrupts itself as soon as the package is being imported to be run.
RUN_AS_MODULE = """
import builtins, os, runpy, signal, sys
sys.argv = ["-m", "show", "sessions/typed"]
real = builtins.__import__

def interrupting(name, *args, **kwargs):
    if name == "importlib" and "evi_harness" in sys.modules:
        os.kill(os.getpid(), signal.SIGINT)
    return real(name, *args, **kwargs)

builtins.__import__ = interrupting
runpy._run_module_as_main("evi_harness")
"""


def test_ctrl_c_while_the_package_is_imported_to_be_run_as_a_module():
    """As for the script: one line and 130, from the first line of the package on."""
    done = subprocess.run([sys.executable, "-c", RUN_AS_MODULE], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


class Named:
    """Interrupted when a class is made with it."""

    def __set_name__(self, owner, name):
        raise KeyboardInterrupt


class Freed:
    """Interrupted when it is freed, where Python cannot raise anything."""

    def __del__(self):
        raise KeyboardInterrupt


def makes_a_class():
    """What comes out of it is a RuntimeError up to Python 3.11."""
    return type("Made", (), {"one": Named()})


def frees():
    """Nothing comes out of it; the next step is interrupted."""
    one = Freed()
    del one
    for _ in range(10**9):
        pass
    return 0


@pytest.mark.parametrize("act", [makes_a_class, frees], ids=lambda act: act.__name__)
def test_ctrl_c_is_no_fault_and_not_lost(act, capsys):
    """Wherever it comes, also where Python makes something else of it or drops it."""
    before = sys.unraisablehook
    assert guarded(act) == failing.INTERRUPTED
    assert capsys.readouterr().err == "interrupted\n"
    # Where the process goes on, what is told of all else is as it was.
    assert sys.unraisablehook is before


def test_an_interrupt_in_code_that_is_text_is_130_too(tmp_path):
    """Of a command that is run as a module: Python keeps it in mind, and would end by the signal at last."""
    (tmp_path / "program.py").write_text(
        """
import sys
from evi_harness.cli.failing import guarded

def act():
    exec("raise KeyboardInterrupt")

sys.exit(guarded(act, ends=True))
""",
        encoding="utf-8",
    )
    done = subprocess.run([sys.executable, "-m", "program"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "interrupted\n")
