from __future__ import annotations

import asyncio
import gc
import signal
import sys
import threading
import time
import warnings

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evi_harness.clocks.busy import busy
from evi_harness.clocks.virtual import VirtualLoop, run_virtual
from evi_harness.errors import NetworkRefused, StuckError, UsageError
from evi_harness.guard.allowed import Allowed
from evi_harness.guard.callers import callers_of
from evi_harness.guard.network import NetworkGuard

SECOND = 1_000_000_000
YEAR_NS = 365 * 24 * 3600 * SECOND


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 7 * 24 * 3600 * SECOND), max_size=20),
    st.sampled_from([0, 1, 123_456_789_012_345]),
)
def test_timers_fire_at_their_nanosecond(delays, start_ns):
    """A timer set for a whole nanosecond fires at it, not one before or after, and timers fire in order."""

    async def main(loop):
        fired = []
        done = asyncio.Event()
        for delay_ns in delays:
            due_ns = start_ns + delay_ns
            loop.call_at_ns(due_ns, lambda due_ns=due_ns: fired.append((due_ns, loop.now_ns())))
        loop.call_at_ns(start_ns + max(delays, default=0) + 1, done.set)
        await done.wait()
        return fired

    fired = run_virtual(main, start_ns=start_ns)
    assert fired == sorted((start_ns + delay_ns,) * 2 for delay_ns in delays)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 1e5), max_size=10))
def test_sleeps_of_any_length_end(delays):
    """Whatever floats an app sleeps, the clock never goes back and every sleep ends within a nanosecond of its length."""

    async def main(loop):
        for delay in delays:
            began_ns = loop.now_ns()
            await asyncio.sleep(delay)
            assert abs(loop.now_ns() - began_ns - delay * 1e9) <= 1.01

    run_virtual(main)


def test_a_clock_that_started_long_ago_still_reaches_its_timers():
    """Where a float of seconds cannot tell nanoseconds apart, timers are less exact and nothing hangs."""

    async def main(loop):
        for _ in range(20):
            await asyncio.sleep(1e-7)
        return loop.now_ns()

    assert run_virtual(main, start_ns=20 * YEAR_NS) >= 20 * YEAR_NS


def test_ten_minutes_pass_at_once():
    """Waiting costs steps, not time: two timers, a handful of steps."""

    async def main(loop):
        await asyncio.sleep(300)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 300)
        return loop.now_ns(), loop.steps.n_steps

    now_ns, n_steps = run_virtual(main)
    assert now_ns == 600 * SECOND
    assert n_steps < 20


def test_two_runs_are_identical():
    """Tasks that sleep, hand over and block do so in the same order at the same times."""

    async def main(loop):
        trace = []
        queue = asyncio.Queue()

        async def produce(name, every):
            for number in range(20):
                await asyncio.sleep(every)
                await queue.put((name, number))

        async def consume():
            for _ in range(60):
                trace.append((loop.now_ns(), await queue.get()))
                if len(trace) % 7 == 0:
                    time.sleep(0.005)  # noqa: ASYNC251 - what the app should not do is what is tried

        await asyncio.gather(produce("a", 0.01), produce("b", 0.01), produce("c", 0.013), consume())
        return trace

    assert run_virtual(main) == run_virtual(main)


def when_it_waits(loop, n_times, call):
    """Make a call once the loop really waits for the n-th time: then it has had every chance to jump."""
    waits = []
    real_wait = loop._selector._wait

    def wait(timeout):
        waits.append(timeout)
        if len(waits) == n_times:
            call()
        return real_wait(timeout if len(waits) < n_times else 60)

    loop._selector._wait = wait


def test_a_job_holds_the_clock():
    """While a job is out no timer fires; its result is there at the instant it was asked for."""

    async def main(loop):
        gate = threading.Event()
        timers = []
        loop.call_later(0.001, timers.append, "timer")
        when_it_waits(loop, 1, gate.set)
        result = await loop.run_in_executor(None, lambda: gate.wait(60) and "result")
        return result, loop.now_ns(), list(timers), loop.is_deterministic

    assert run_virtual(main, thread_wait_ns=60 * SECOND) == ("result", 0, [], True)


def test_a_job_that_takes_too_long_is_named_and_no_longer_holds():
    """The clock goes on without it, the run is not deterministic, and its result still arrives."""

    def slow_job(gate):
        return gate.wait(60)

    async def main(loop):
        gate = threading.Event()
        loop.call_later(0.02, gate.set)
        result = await asyncio.to_thread(slow_job, gate)
        return result, loop.now_ns(), loop.overdue_jobs, loop.is_deterministic

    result, now_ns, (name,), is_deterministic = run_virtual(main, thread_wait_ns=SECOND // 100)
    assert (result, is_deterministic) == (True, False)
    assert now_ns >= SECOND // 50
    assert name.endswith("slow_job")


def test_without_a_timer_an_overdue_job_is_waited_for():
    """A job that is out can still bring something on, so nothing is stuck."""

    async def main(loop):
        gate = threading.Event()
        when_it_waits(loop, 3, gate.set)
        return await loop.run_in_executor(None, gate.wait), loop.overdue_jobs

    result, overdue = run_virtual(main, thread_wait_ns=1000)
    assert result is True
    assert len(overdue) == 1


def test_a_job_that_raises_and_one_that_is_cancelled_hold_no_longer():
    """Whatever becomes of a job, the clock goes on when the loop no longer waits for it."""

    async def main(loop):
        with pytest.raises(ZeroDivisionError):
            await loop.run_in_executor(None, lambda: 1 / 0)
        gate = threading.Event()
        loop.run_in_executor(None, gate.wait).cancel()
        await asyncio.sleep(1)
        gate.set()
        return loop.now_ns(), loop.overdue_jobs

    assert run_virtual(main) == (SECOND, ())


def test_a_subprocess_holds_the_clock():
    """The program's output and end come before the next timer."""

    async def main(loop):
        timers = []
        loop.call_later(0.001, timers.append, "timer")
        program = "import sys; print(sys.stdin.read())"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        output, _ = await process.communicate(b"in")
        return output, loop.now_ns(), list(timers)

    assert run_virtual(main, thread_wait_ns=60 * SECOND) == (b"in\n", 0, [])


def test_a_call_from_another_thread_wakes_the_loop():
    """With no timer and no job, what a thread brings in time is taken."""

    async def main(loop):
        woken = asyncio.Event()
        thread = threading.Thread(target=lambda: loop.call_soon_threadsafe(woken.set))
        loop.call_soon(thread.start)
        await woken.wait()
        thread.join()
        return loop.now_ns()

    assert run_virtual(main, thread_wait_ns=60 * SECOND) == 0


def test_a_thread_that_the_clock_did_not_wait_for_is_told():
    """With who woke the loop; not a job, not what is busy(), not the loop's own thread, nor asyncio when its executor is shut down."""
    told, began, freed = [], threading.Event(), threading.Event()

    async def main(loop):
        loop.on_woken = told.append
        loop.call_soon_threadsafe(list)
        await loop.run_in_executor(None, list)
        await asyncio.gather(*(asyncio.to_thread(loop.call_soon_threadsafe, list) for _ in range(3)))
        woken = asyncio.Event()
        with busy():
            threading.Thread(target=lambda: loop.call_soon_threadsafe(woken.set)).start()
            await woken.wait()
        job = loop.run_in_executor(None, lambda: began.set() or freed.wait())
        began.wait()
        job.cancel()
        freed.set()
        # Its result has come, and is dropped, when the executor has no thread left.
        await loop.shutdown_default_executor()
        assert told == []
        woken.clear()
        threading.Thread(target=lambda: loop.call_soon_threadsafe(woken.set)).start()
        await woken.wait()

    run_virtual(main, thread_wait_ns=60 * SECOND)
    (stack,) = told
    assert stack[0][0] == __file__


def test_a_blocking_sleep_is_charged():
    """Timers that were due meanwhile come late by exactly that, and the observer hears of it."""
    heard = []

    async def main(loop):
        fired = []
        loop.call_later(1, lambda: fired.append(loop.now_ns()))
        await asyncio.sleep(0.5)
        time.sleep(2)  # noqa: ASYNC251 - what the app should not do is what is tried
        time.sleep(0.25)  # noqa: ASYNC251
        await asyncio.sleep(0)
        return fired, loop.charges

    fired, charges = run_virtual(main, on_charge=heard.append)
    assert fired == [2_750_000_000]
    assert [(charge.at_ns, charge.took_ns) for charge in charges] == [(SECOND // 2, 2 * SECOND), (2_500_000_000, SECOND // 4)]
    assert charges[0].step == charges[1].step
    assert charges[0].where.startswith(__file__)
    assert heard == charges


def test_a_negative_charge_is_refused():
    """The clock cannot go back."""
    loop = VirtualLoop()
    try:
        with pytest.raises(ValueError, match="not go back"):
            loop.charge(-1, "here")
    finally:
        loop.close()


async def never():
    """Wait for what never comes."""
    await asyncio.Event().wait()


def test_what_can_never_end_is_stuck():
    """Without timer, job or bytes the run ends with an error that names what waits; the loop knows where in the app's code."""
    loops = []

    async def main(loop):
        loops.append(loop)
        await asyncio.sleep(1)
        await never()

    with pytest.raises(StuckError, match="main"):
        run_virtual(main, thread_wait_ns=1000)
    assert [place.rpartition(" ")[2] for place in callers_of(loops[0].stuck_at)] == ["never", "main"]


def test_time_ends_where_it_is_told_to():
    """An app that waits on for ever, timer by timer, ends with an error at the limit; a timer at the limit itself still fires."""

    async def ticks(loop):
        loops.append(loop)
        loop.limit_ns = 10 * SECOND
        while True:
            await asyncio.sleep(1)
            seen.append(loop.now_ns())

    seen, loops = [], []
    with pytest.raises(StuckError, match="ticks"):
        run_virtual(ticks)
    assert seen[-1] == 10 * SECOND
    assert [place.rpartition(" ")[2] for place in callers_of(loops[0].stuck_at)] == ["ticks"]


def test_leftover_tasks_are_cancelled_and_generators_closed():
    """At the end tasks get their cancellation and generators their finally; one that refuses to end is left."""
    ended = []

    async def refuses():
        while True:
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                ended.append("refused")

    async def leaves():
        try:
            await never()
        finally:
            await asyncio.sleep(3)
            ended.append("left")

    async def generates():
        try:
            yield 1
            yield 2
        finally:
            ended.append("closed")

    async def main(loop):
        tasks = [asyncio.ensure_future(coroutine) for coroutine in (refuses(), leaves(), never())]
        generator = generates()
        await generator.__anext__()
        await asyncio.sleep(0)
        return tasks, generator

    tasks, _ = run_virtual(main)
    assert ended == ["refused", "left", "closed"]
    assert [task.done() for task in tasks] == [False, True, True]


def test_what_waits_for_ever_in_its_cleanup_is_left():
    """A task whose cleanup is stuck does not keep the run from ending."""

    async def lingers():
        try:
            await never()
        finally:
            await never()

    async def main(loop):
        task = asyncio.ensure_future(lingers())
        await asyncio.sleep(0)
        return task

    assert not run_virtual(main, thread_wait_ns=1000).done()


def test_ctrl_c_ends_the_run_and_puts_everything_back():
    """KeyboardInterrupt comes out, tasks were cancelled, time.sleep is the real one and the thread can run another loop."""
    real, ended = time.sleep, []

    async def waits():
        try:
            await never()
        finally:
            ended.append(True)

    async def main(loop):
        task = asyncio.ensure_future(waits())
        await asyncio.sleep(1)
        assert not task.done()
        signal.raise_signal(signal.SIGINT)
        await asyncio.sleep(1)

    with pytest.raises(KeyboardInterrupt):
        run_virtual(main)
    assert ended == [True]
    assert time.sleep is real
    assert asyncio.run(asyncio.sleep(0, "fine")) == "fine"


def test_it_runs_in_any_thread():
    """Virtual time needs no main thread, and two threads do not disturb one another."""
    results = []

    async def main(loop):
        await asyncio.sleep(60)
        results.append(loop.now_ns())

    threads = [threading.Thread(target=run_virtual, args=(main,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [60 * SECOND] * 2


def test_inside_a_running_loop_it_refuses():
    """The error says so instead of asyncio's own, and nothing was started."""

    async def main():
        with pytest.raises(UsageError, match="running event loop"):
            run_virtual(lambda loop: pytest.fail("started"))

    asyncio.run(main())


def test_the_result_and_the_error_of_the_coroutine_come_out():
    """What main returns is returned, what it raises is raised."""

    async def main(loop):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_virtual(main)


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


def test_no_jump_overtakes_bytes():
    """5 MB go there and back while a timer is due in a millisecond: it fires when all bytes are there."""

    async def main(loop):
        loop.carry("evi.invalid", 80, Echo)
        timers = []
        reader, writer = await asyncio.open_connection("evi.invalid", 80)
        loop.call_later(0.001, timers.append, "timer")
        data = bytes(range(250)) * 20_000
        writer.write(data)
        same = await reader.readexactly(len(data)) == data
        writer.close()
        return same, loop.now_ns(), list(timers)

    assert run_virtual(main) == (True, 0, [])


def test_a_connect_that_is_cancelled_at_once_leaves_no_socket():
    """Whoever gives up while the server's side is being made finds both sides closed; so does the server."""
    sides = []

    class Server(asyncio.Protocol):
        def connection_lost(self, error):
            sides.append("lost")

    async def main(loop):
        loop.carry("evi.invalid", 80, Server)
        connecting = asyncio.ensure_future(asyncio.open_connection("evi.invalid", 80))
        await asyncio.sleep(0)
        connecting.cancel()
        await asyncio.gather(connecting, return_exceptions=True)
        assert connecting.cancelled()
        await asyncio.sleep(0)
        return sides

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert run_virtual(main) == ["lost"]
        gc.collect()
    assert [str(one.message) for one in caught] == []


def test_a_carried_name_resolves_to_an_address_that_is_carried_too():
    """Clients that resolve first, with text or bytes, arrive all the same; two names are two addresses."""

    async def main(loop):
        loop.carry("a.invalid", 80, Echo)
        loop.carry("b.invalid", 81, Echo)
        addresses = [(await loop.getaddrinfo(host, port))[0][4] for host, port in ((b"a.invalid", 80), ("b.invalid", 81))]
        for address in addresses:
            transport, _ = await loop.create_connection(asyncio.Protocol, *address)
            transport.close()
        loop.drop("a.invalid", 80)
        with pytest.raises(NetworkRefused, match="--clock real"):
            await loop.create_connection(asyncio.Protocol, *addresses[0])
        return addresses

    first, second = run_virtual(main)
    assert first != second


@pytest.mark.parametrize("what", ["connect", "resolve", "sock_connect", "tls"])
def test_what_virtual_time_cannot_carry_is_refused(what):
    """The error names the address and, for a real peer, the way out; the guard is told."""
    attempts = {
        "connect": lambda loop: loop.create_connection(asyncio.Protocol, "127.0.0.1", 9),
        "resolve": lambda loop: loop.getaddrinfo("api.example", 443),
        "sock_connect": lambda loop: loop.sock_connect(None, ("127.0.0.1", 9)),
        "tls": lambda loop: loop.create_connection(asyncio.Protocol, "evi.invalid", 80, ssl=True),
    }

    async def main(loop):
        loop.carry("evi.invalid", 80, Echo)
        with pytest.raises((UsageError, NetworkRefused)) as caught:
            await attempts[what](loop)
        return str(caught.value)

    refused = []
    with NetworkGuard((), refused.append):
        message = run_virtual(main)
    expected = {"connect": ("127.0.0.1", 9), "resolve": ("api.example", 443), "sock_connect": ("127.0.0.1", 9)}
    assert [(refusal.host, refusal.port) for refusal in refused] == [expected[each] for each in (what,) if each in expected]
    assert ("--clock real" in message) == (what in expected)


def test_what_is_allowed_is_refused_in_virtual_time_all_the_same():
    """A real peer of the loop's answers in real time; the error says which clock can wait for it."""

    async def main(loop):
        with pytest.raises(NetworkRefused, match=r"--clock real --allow-host 127\.0\.0\.1:9"):
            await loop.create_connection(asyncio.Protocol, "127.0.0.1", 9)

    with NetworkGuard((Allowed.parse("127.0.0.1"),), id):
        run_virtual(main)


def test_a_client_with_sockets_of_its_own_is_told_so():
    """It has resolved the service's name, and connects by itself."""

    async def main(loop):
        loop.carry("evi.invalid", 80, Echo)
        async with aiohttp.ClientSession() as client:
            with pytest.raises(aiohttp.ClientConnectorError, match=r"own sockets.*--clock real"):
                await client.get("http://evi.invalid/")

    run_virtual(main)


def test_observers_hear_of_each_move():
    """Before it and after it, for jumps and charges alike; what they see is the instant that ends, and the one that begins."""
    seen = []

    async def main(loop):
        loop.before_moves.append(lambda: seen.append(("before", loop.now_ns())))
        loop.after_moves.append(lambda: seen.append(("after", loop.now_ns())))
        await asyncio.sleep(1)
        time.sleep(2)  # noqa: ASYNC251 - what the app should not do is what is tried
        await asyncio.sleep(0)

    run_virtual(main)
    assert seen == [("before", 0), ("after", SECOND), ("before", SECOND), ("after", 3 * SECOND)]


def test_a_job_that_was_given_up_still_has_its_result_taken():
    """While a job is out that the clock no longer stands still for, time passes as it does in life: its result comes before far timers."""
    freed, came = threading.Event(), []

    async def main(loop):
        loop.call_later(0.01, freed.set)
        loop.call_later(3600, came.append, "an hour")
        await loop.run_in_executor(None, freed.wait)
        return list(came), loop.overdue_jobs

    assert run_virtual(main, thread_wait_ns=1_000_000) == ([], ("threading.Event.wait",))
