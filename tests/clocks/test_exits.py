"""Tests of evi_harness.clocks.exits."""

from __future__ import annotations

import _thread
import asyncio
import os
import signal
import subprocess
import sys
import threading

import pytest

from evi_harness.carriers.journal import Journal
from evi_harness.clocks.exits import AppExits
from evi_harness.clocks.virtual import run_virtual
from evi_harness.guard.ending import AppEnds, Ending
from evi_harness.guard.on_behalf_of import on_behalf
from evi_harness.session.events import Handshake

# Called by lambdas, so that what is called is what stands there then.
# What ends a process, how it is called in a report, and what the process would have ended with.
ENDS = [
    (lambda: os._exit(3), "os._exit(3)", 3),
    (lambda: os._exit(status=4), "os._exit(4)", 4),
    (lambda: os.abort(), "os.abort()", 134),
    (lambda: os.execv(sys.executable, ["python"]), f"os.execv({sys.executable!r}, …)", 0),
    (lambda: os.execlp(sys.executable, "python"), f"os.execv({sys.executable!r}, …)", 0),
    (lambda: os.execve(sys.executable, ["python"], {}), f"os.execve({sys.executable!r}, …)", 0),
    (lambda: os.kill(os.getpid(), signal.SIGTERM), f"os.kill({os.getpid()}, SIGTERM)", 143),
    (lambda: os.kill(os.getpid(), signal.SIGKILL), f"os.kill({os.getpid()}, SIGKILL)", 137),
    (lambda: os.kill(0, signal.SIGTERM), "os.kill(0, SIGTERM)", 143),
    (lambda: os.killpg(os.getpgrp(), signal.SIGTERM), f"os.killpg({os.getpgrp()}, SIGTERM)", 143),
    (lambda: signal.raise_signal(signal.SIGINT), "signal.raise_signal(SIGINT)", 130),
    (lambda: signal.pthread_kill(threading.get_ident(), signal.SIGUSR1), "signal.pthread_kill(…, SIGUSR1)", 138),
    (lambda: _thread.interrupt_main(), "_thread.interrupt_main()", 130),
]


def ended(act):
    """What is noted of an act in a run, and what came out of it."""
    raised = []

    async def main(loop):
        journal = Journal(loop)
        journal.opened(Handshake("/"))
        exits.follow(loop, journal)
        try:
            with on_behalf("on_message", 7):
                act()
        except BaseException as error:  # noqa: BLE001 - whatever comes out is looked at
            raised.append(error)
        # What another thread tells waits for the loop.
        await asyncio.sleep(0)
        return [(note.name, note.data["what"], note.data["detail"]) for note in journal.events[1:]]

    with AppExits(Ending(lambda text: text.replace("secret", "[redacted]"))) as exits:
        return run_virtual(main), raised


@pytest.mark.parametrize(("act", "how", "status"), ENDS, ids=[how.partition("(")[0] for _, how, _ in ENDS])
def test_what_ends_a_process_ends_the_app(act, how, status):
    """It is noted with its place and raises where it stands, with the status that the process would have had."""
    ((name, what, detail),), (raised,) = ended(act)
    assert name == "exits"
    assert what.endswith(f": {how}")
    assert detail[0].startswith(f"{__file__}:")
    assert isinstance(raised, AppEnds)
    assert raised.code == status


def test_a_signal_that_the_app_handles_is_its_own_affair():
    """Its handler hears it, as in life, and so does one for SIGINT, which is kept and not installed; both are gone behind the run."""
    heard = []

    def act():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, frame: heard.append(number))
            os.kill(os.getpid(), number)
        assert callable(signal.getsignal(signal.SIGINT))
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.kill(os.getpid(), signal.SIGTERM)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    before = signal.getsignal(signal.SIGINT)
    notes, raised = ended(act)
    assert (notes, raised) == ([], [])
    assert sorted(heard) == [signal.SIGINT, signal.SIGTERM]
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("number", [0, signal.SIGCHLD, signal.SIGWINCH, signal.SIGCONT])
def test_a_signal_that_harms_nobody(number):
    """Is sent."""
    assert ended(lambda: os.kill(os.getpid(), number)) == ([], [])


def test_other_processes_are_sent_what_is_sent_to_them():
    """A child of the app's own ends by its signal, and a forked one by its status."""
    found = []

    def act():
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        os.kill(child.pid, signal.SIGTERM)
        found.append(child.wait())
        child.stdin.close()
        forked = os.fork()
        if not forked:
            os._exit(9)
        found.append(os.WEXITSTATUS(os.waitpid(forked, 0)[1]))

    assert ended(act) == ([], [])
    assert found == [-signal.SIGTERM, 9]


def test_other_threads_of_the_process_are_left_alone():
    """Only what threads of the run do is judged; a thread that the run starts is one of them."""
    calls, go = [], threading.Event()

    def kills():
        go.wait()
        os.kill(os.getpid(), 0)
        signal.raise_signal(signal.SIGURG)
        calls.append(signal.getsignal(signal.SIGINT) is not signal.default_int_handler)

    def leaves():
        try:
            os._exit(1)
        except AppEnds as error:
            calls.append(error.code)

    thread = threading.Thread(target=kills)
    thread.start()

    def act():
        go.set()
        thread.join()
        mine = threading.Thread(target=leaves)
        mine.start()
        mine.join()

    ((name, _, _),), _ = ended(act)
    assert name == "exits"
    assert calls == [True, 1]


def test_the_real_ones_come_back():
    """All of them; and what the app has kept of the replaced ones is real again."""
    functions = [(os, "_exit"), (os, "abort"), (os, "execv"), (os, "execve"), (os, "kill"), (os, "killpg"), (_thread, "interrupt_main")]
    functions += [(signal, name) for name in ("raise_signal", "pthread_kill", "signal", "getsignal")]
    real = [getattr(owner, name) for owner, name in functions]
    with AppExits(Ending()):
        kept = os.kill
        assert all(getattr(owner, name) is not before for (owner, name), before in zip(functions, real))
    assert [getattr(owner, name) for owner, name in functions] == real
    kept(os.getpid(), 0)
