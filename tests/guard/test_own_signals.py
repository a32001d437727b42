"""Tests of evi_harness.guard.own_signals."""

from __future__ import annotations

import asyncio
import os
import signal
import threading

import pytest

from evi_harness.carriers.journal import Journal
from evi_harness.clocks.exits import AppExits
from evi_harness.clocks.virtual import run_virtual
from evi_harness.errors import UsageError
from evi_harness.guard.ending import AppEnds, Ending, UsersInterrupt
from evi_harness.guard.own_signals import is_own
from evi_harness.guard.program_end import at_program_end


def run(app, *, beside=False, takes_interrupts=True):
    """What an app gives back that runs on a loop with its own signals; on the main thread, or beside it."""
    found = []

    async def main(loop):
        exits.follow(loop, Journal(loop))
        return await app(loop)

    def act():
        nonlocal exits
        with AppExits(Ending(), takes_interrupts=takes_interrupts) as exits:
            found.append(run_virtual(main))

    exits = None
    if beside:
        thread = threading.Thread(target=act)
        thread.start()
        thread.join()
    else:
        act()
    return found[0]


@pytest.mark.parametrize("beside", [False, True], ids=["main thread", "another thread"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_handler_of_the_loop_hears_what_the_app_sends_itself(number, beside):
    """On any thread; removed, it hears nothing more."""

    async def app(loop):
        heard = []
        loop.add_signal_handler(number, heard.append, "here")
        os.kill(os.getpid(), number)
        await asyncio.sleep(1)
        return heard, loop.remove_signal_handler(number), loop.remove_signal_handler(number)

    assert run(app, beside=beside) == (["here"], True, False)


def test_another_signal_needs_the_main_thread():
    """The error names the signal, and the form of test that has it."""

    async def app(loop):
        with pytest.raises(UsageError, match=r"SIGUSR1 .*main thread") as caught:
            loop.add_signal_handler(signal.SIGUSR1, int)
        return caught.value.hint

    assert "plain function" in run(app, beside=True)


def test_a_coroutine_is_no_signal_handler():
    """As asyncio has it."""

    async def app(loop):
        with pytest.raises(TypeError):
            loop.add_signal_handler(signal.SIGINT, asyncio.sleep)

    run(app)


def test_ctrl_c_is_the_users_whatever_handler_the_app_has():
    """It comes from outside, as a terminal sends it; the app's handler does not hear it."""
    heard = []

    async def app(loop):
        signal.signal(signal.SIGINT, lambda *_: heard.append("signal"))
        loop.add_signal_handler(signal.SIGINT, heard.append, "loop")
        really_kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(1)

    really_kill = os.kill
    with pytest.raises(UsersInterrupt):
        run(app)
    assert heard == []


def test_an_app_that_swallows_ctrl_c_gets_it_again():
    """Behind its own ``except``."""
    swallowed = []

    async def app(loop):
        try:
            really_kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            swallowed.append(True)
        await asyncio.sleep(1)
        swallowed.append("went on")

    really_kill = os.kill
    with pytest.raises(UsersInterrupt):
        run(app)
    assert swallowed == [True]


def test_where_others_hear_ctrl_c_every_wish_to_end_is_theirs():
    """Their handlers stay, whatever the app sets."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

    async def app(loop):
        heard = []
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda number, frame: heard.append(number))
            os.kill(os.getpid(), number)
        return heard

    assert run(app, takes_interrupts=False) == [signal.SIGINT, signal.SIGTERM]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_the_handler_that_completes_recordings_is_no_handler_of_the_apps():
    """A signal that it sends itself ends the app, as it would end the program."""
    no_longer = []

    async def app(loop):
        no_longer.append(at_program_end(lambda: None))
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except AppEnds as end:
            return end.code
        finally:
            no_longer.pop()()

    before = signal.getsignal(signal.SIGTERM)
    assert run(app) == 128 + signal.SIGTERM
    assert run(app, takes_interrupts=False) == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) == before


def test_which_process_is_meant():
    """By its id, by its group, by all."""
    assert [is_own(pid) for pid in (os.getpid(), 0, -1, -os.getpgrp(), os.getppid(), 1)] == [True] * 4 + [False] * 2
