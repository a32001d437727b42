"""Tests of evi_harness.runs.app_process."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys

import pytest

from evi_harness.errors import CommandError
from evi_harness.runs import app_process
from evi_harness.runs.app_command import STANDARD_INPUT, AppCommand
from evi_harness.runs.app_process import (
    END_S,
    Family,
    end_by,
    ends_within,
    family,
    how_ended,
    is_alive,
    send_signal,
    signal_name,
    start_app,
)


def started(*words, **options):
    """A Python that runs a program, with what it prints."""
    command = AppCommand((sys.executable, "-c", *words), (), stdin=options.pop("stdin", None))
    return start_app(command, os.environ, (), **options)


def test_an_app_reads_what_it_is_given(tmp_path, capsys):
    """A file, or what is typed; what it prints goes through here if this process prints to no file."""
    (tmp_path / "lines.txt").write_text("from the file")
    read, typed = os.pipe()
    os.write(typed, b"typed")
    os.close(typed)
    for options, said in (({"stdin": str(tmp_path / "lines.txt")}, b"from the file"), ({"typed": read}, b"typed")):
        app = started("import sys; print(sys.stdin.read(), end='')", **options)
        with app:
            assert app.stdout is not None
            assert app.stdout.read() == said
    os.close(read)
    assert STANDARD_INPUT == "-"


def test_what_cannot_be_started_is_an_error(tmp_path):
    """A program that is not there, and a file that is gone by now."""
    with pytest.raises(CommandError):
        start_app(AppCommand(("no-such-command-anywhere",), ()), os.environ, ())
    with pytest.raises(CommandError):
        started("pass", stdin=str(tmp_path / "gone.txt"))


def test_an_app_can_be_interrupted_where_this_process_cannot(capsys):
    """As behind a shell's ``&``."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with started("import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)") as app:
            assert app.stdout is not None
            assert app.stdout.read().strip() == b"True"
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("has_proc", [True, False])
def test_a_process_and_its_children(has_proc, monkeypatch):
    """They are one family, until they end; a signal to what is gone does nothing."""
    if not has_proc:
        if shutil.which("ps") is None:
            pytest.skip("there is no ps here")
        monkeypatch.setattr(app_process, "_PROCESSES", app_process.Path("/nowhere"))
    program = "import subprocess, sys; sys.exit(subprocess.Popen(['cat']).wait())"
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as parent:
        while len(found := family(parent.pid)) < 2:
            assert parent.poll() is None
        assert found[0] == parent.pid
        assert all(map(is_alive, found))
        for process in found:
            send_signal(process, signal.SIGKILL)
    assert parent.returncode == -signal.SIGKILL
    send_signal(parent.pid, signal.SIGKILL)
    assert not is_alive(parent.pid)
    assert not is_alive(None)


# A process with a child that outlives it, and one more in a session of its own; it says their numbers, and ends when its input does.
LEAVES = """
import subprocess, sys
waits = [sys.executable, "-c", "import sys; sys.stdin.read()"]
print(*(subprocess.Popen(waits, stdin=int(sys.argv[1]), start_new_session=own).pid for own in (False, True)), flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("has_proc", [True, False])
def test_what_a_process_has_started_is_known_behind_its_end(has_proc, monkeypatch):
    """A daemon is none of them, nor is a process that has the number of one by now; what has ended is not there any more."""
    if not has_proc:
        if shutil.which("ps") is None:
            pytest.skip("there is no ps here")
        monkeypatch.setattr(app_process, "_PROCESSES", app_process.Path("/nowhere"))
    read, written = os.pipe()
    with os.fdopen(written, "wb"):
        command = [sys.executable, "-c", LEAVES, str(read)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[read]) as parent:
            os.close(read)
            all_ = Family(parent.pid)
            child, daemon = map(int, parent.stdout.readline().split())
            assert sorted(all_.look()) == sorted([parent.pid, child])
        assert all_.look() == [child]
        assert is_alive(daemon)
        monkeypatch.setitem(all_._began, child, "another time")
        assert all_.look() == []
        assert not all_.signal(signal.SIGKILL)
        assert is_alive(child)


def test_all_of_a_family_are_signalled():
    """The first may be left out; it is told whether there was anybody."""
    program = "import subprocess, sys; child = subprocess.Popen(['cat']); print(child.pid, flush=True); sys.exit(child.wait())"
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        all_ = Family(parent.pid)
        parent.stdout.readline()
        assert all_.signal(signal.SIGKILL, spares_first=True)
        # Its own exit code, for a child that a signal ended.
        assert parent.wait(60) == (-signal.SIGKILL) % 256
    assert not all_.signal(signal.SIGKILL)


def test_how_a_process_ended():
    """By its exit code, or by the name of a signal, or its number where it has no name."""
    assert (how_ended(3), how_ended(-9)) == ("with exit code 3", "by SIGKILL")
    assert signal_name(63) in ("signal 63", "SIGRTMAX-1")


def test_a_process_is_ended_by_the_first_signal_that_it_heeds(capsys):
    """The next one is not sent; who heeds none of them goes on."""
    sent = []
    with started("import signal; signal.pause()") as process:

        def send(number):
            sent.append(number)
            process.send_signal(number)

        assert not end_by(process, (), send)
        assert not ends_within(process, 0)
        assert end_by(process, (signal.SIGTERM, signal.SIGKILL), send)
        assert ends_within(process, END_S)
    assert (sent, process.returncode) == ([signal.SIGTERM], -signal.SIGTERM)
