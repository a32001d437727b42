"""Tests of what is done before the program ends; each program is a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from evi_harness.guard.program_end import at_program_end

ROOT = Path(__file__).resolve().parents[2]

# Says on standard output what is done, unbuffered and in one piece, from whichever thread.
BEGIN = """
import atexit, multiprocessing, os, signal, sys, threading
sys.path.insert(0, sys.argv[1])
from evi_harness.guard import program_end
from evi_harness.guard.program_end import at_program_end

for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL), (signal.SIGHUP, signal.SIG_DFL)):
    signal.signal(number, handler)

def say(what):
    os.write(1, f"{what}\\n".encode())

def kill(number):
    os.kill(os.getpid(), number)

def wait():
    threading.Event().wait(60)
"""

DUTY = "at_program_end(lambda: say('done'))"
HANDLER = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))"
LOCKED = """
lock = threading.Lock()
at_program_end(lambda: (lock.acquire(), say("done")))
with lock:
    kill(signal.SIGTERM)
    say("held")
wait()
"""


def program(script):
    """A program with these lines behind the beginning."""
    return subprocess.Popen([sys.executable, "-c", BEGIN + script, str(ROOT)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ran(script):
    """Its exit code, the lines of its output, and whether it wrote errors."""
    with program(script) as process:
        out, err = process.communicate(timeout=60)
    return process.returncode, out.split(), err


# How the program goes on, what it ends with, and what it has said by then.
ENDS = [
    (f"{DUTY}", 0, ["done"]),
    ("at_program_end(lambda: say('one')); at_program_end(lambda: say('two')); sys.exit(3)", 3, ["one", "two"]),
    (f"{DUTY}()", 0, []),
    (f"{DUTY}; os._exit(4)", 4, []),
    # Handlers that the app registers later are called before, since they may still have something to say.
    (f"{DUTY}; atexit.register(say, 'app')", 0, ["app", "done"]),
    (f"{DUTY}; kill(signal.SIGTERM); wait()", -signal.SIGTERM, ["done"]),
    (f"{DUTY}; kill(signal.SIGHUP); wait()", -signal.SIGHUP, ["done"]),
    (f"{DUTY}(); kill(signal.SIGTERM); wait()", -signal.SIGTERM, []),
    # Where the app does something about a signal, that is what it does.
    (f"{HANDLER}; {DUTY}; kill(signal.SIGTERM); wait()", 5, ["done"]),
    (f"{DUTY}; {HANDLER}; kill(signal.SIGTERM); wait()", 5, ["done"]),
    (f"signal.signal(signal.SIGHUP, signal.SIG_IGN); {DUTY}; kill(signal.SIGHUP); sys.exit(6)", 6, ["done"]),
    # A thread other than the main one cannot take signals.
    ("threading.Thread(target=at_program_end, args=(lambda: say('done'),)).start(); sys.exit(7)", 7, ["done"]),
    # The signal interrupts code that the duty has to wait for.
    (LOCKED, -signal.SIGTERM, ["held", "done"]),
]


@pytest.mark.parametrize(("script", "code", "said"), ENDS)
def test_duties_are_done_however_it_ends(script, code, said):
    """And the program ends with what it would end with."""
    assert ran(script) == (code, said, "")


@pytest.mark.parametrize("ends", ["sys.exit(0)", "kill(signal.SIGTERM); wait()", "os._exit(0)"])
def test_a_forked_child_has_none_of_its_parents_duties(ends):
    """However the child ends; the parent does them."""
    script = f"""
at_program_end(lambda: say(f"done by the parent: {{os.getpid() == parent}}".replace(" ", "_")), in_child=lambda: say("forked"))
parent = os.getpid()
child = os.fork()
if not child:
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    {ends}
os.waitpid(child, 0)
"""
    assert ran(script) == (0, ["forked", "done_by_the_parent:_True"], "")


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize(("end", "code"), [("pass", 0), ("sys.exit(3)", 3), ("kill(signal.SIGTERM); wait()", -signal.SIGTERM)])
def test_a_process_of_multiprocessing_does_its_own(tmp_path, method, end, code):
    """Though it runs no ``atexit``."""
    (tmp_path / "program.py").write_text(
        f"{BEGIN}\ndef work():\n    at_program_end(lambda: say('done'))\n    {end}\n"
        f"if __name__ == '__main__':\n    process = multiprocessing.get_context('{method}').Process(target=work)\n"
        "    process.start()\n    process.join()\n    say(process.exitcode)\n"
    )
    done = subprocess.run(
        [sys.executable, str(tmp_path / "program.py"), str(ROOT)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout.split(), done.stderr) == (["done", str(code)], "")


def test_a_second_signal_does_not_wait():
    """Whoever cannot wait for a disk that hangs; also where the main thread waits and is not woken by the signal."""
    script = """
deaf = threading.Event()
at_program_end(lambda: (deaf.wait(60), say("begun"), wait()))
kill(signal.SIGTERM)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
deaf.set()
wait()
"""
    with program(script) as process:
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == -signal.SIGTERM


@pytest.mark.parametrize(("patience_s", "said"), [(60, ["begun", "done"]), (0, ["begun"])])
def test_control_c_is_put_up_with_at_exit_for_a_while(patience_s, said):
    """Pressed twice it costs nothing; pressed when it has taken too long already it ends the waiting, without a traceback."""
    script = f"""
program_end.PATIENCE_S = {patience_s}
def act():
    say("begun")
    kill(signal.SIGINT)
    say("done")
at_program_end(act)
"""
    assert ran(script) == (0, said, "")


def test_signals_are_given_back():
    """With the last duty."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        ends = [at_program_end(lambda: None), at_program_end(lambda: None)]
        ends[0]()
        assert callable(signal.getsignal(signal.SIGTERM))
        ends[1]()
        ends[1]()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)
