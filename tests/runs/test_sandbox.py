from __future__ import annotations

import asyncio
import random
import socket
import threading
import time
from contextlib import suppress
from dataclasses import replace

import httpx
import pytest

from evi_harness.carriers.journal import Journal
from evi_harness.clocks.clock import RealClock
from evi_harness.clocks.stepping import run_stepping
from evi_harness.clocks.virtual import run_virtual
from evi_harness.errors import NetworkRefused, UsageError
from evi_harness.guard.network import was_refused
from evi_harness.runs.replay_options import ReplayOptions
from evi_harness.runs.sandbox import Outside
from evi_harness.session.events import Handshake
from evi_harness.session.plausible_times import epoch_ns

SECOND = 1_000_000_000
NAME = "api.example"
NOTHING = ReplayOptions()


def reach():
    """Do what an app does that can do without its peer."""
    try:
        httpx.get(f"http://{NAME}/")
    except httpx.ConnectError as error:
        return was_refused(error)
    return False


def in_virtual_time(recorded, app, options=NOTHING, redact=str, handling=lambda: 7):
    """Run an app a second after the opening; gives what it gives, and the notes."""

    async def main(loop):
        journal = Journal(loop)
        outside.follow(loop, journal, handling)
        journal.opened(Handshake("/"))
        await asyncio.sleep(1)
        return await app(loop), journal

    with Outside(recorded, options, redact=redact) as outside:
        result, journal = run_virtual(main)
    # What was not seen is another matter, and a busy machine makes more of it.
    return result, [event for event in journal.events[1:] if event.name != "unseen"]


def test_what_is_refused_is_noted_though_the_app_swallows_it(weather):
    """With what was handled, when, what and where; the loop's own connections likewise."""

    async def app(loop):
        swallowed = reach()
        with suppress(OSError):
            await asyncio.open_connection("db.example", 5432)
        return swallowed

    swallowed, notes = in_virtual_time(weather, app)
    assert swallowed
    assert [(note.name, note.of, note.at_ns) for note in notes] == [("network", 7, SECOND)] * 2
    assert [(note.data["host"], note.data["port"], note.data["call"]) for note in notes] == [
        (NAME, 80, "socket.getaddrinfo"),
        ("db.example", 5432, "loop.create_connection"),
    ]
    assert "may not reach api.example:80" in notes[0].data["what"]
    assert notes[0].data["detail"][0].startswith(f"{__file__}:")


def test_what_another_thread_did_is_noted_at_its_instant(weather):
    """Though it took no time, and before anything that the clock brings."""

    async def app(loop):
        swallowed = await asyncio.to_thread(reach)
        await asyncio.sleep(1)
        return swallowed

    swallowed, notes = in_virtual_time(weather, app)
    assert swallowed
    assert [(note.name, note.at_ns) for note in notes] == [("network", SECOND)]


def test_what_comes_last_is_noted_all_the_same(weather):
    """The clock does not move again after it."""

    async def app(loop):
        thread = threading.Thread(target=reach)
        thread.start()
        thread.join()

    _, notes = in_virtual_time(weather, app)
    assert [note.name for note in notes] == ["network"]


def test_a_loop_of_the_apps_own_is_noted(weather):
    """With the way out."""

    async def app(loop):
        await asyncio.to_thread(asyncio.run, asyncio.sleep(0))
        await asyncio.to_thread(lambda: asyncio.run(asyncio.sleep(0)))

    _, notes = in_virtual_time(weather, app)
    assert {note.name for note in notes} == {"own_loop"}
    assert all("--clock real" in note.data["what"] for note in notes)


def test_notes_hold_no_secret(weather):
    """What the guard quotes goes through the redactor."""

    async def app(loop):
        reach()

    _, (note,) = in_virtual_time(weather, app, redact=lambda text: text.replace(NAME, "[redacted]"))
    assert NAME not in note.data["what"]


def test_the_wall_clock_follows_virtual_time(weather):
    """Before the opening it stands at the recording's; then it moves as session time does, by jumps and by charges, on every thread."""
    pytest.importorskip("time_machine", reason="the extra wall-clock is not installed")
    opened_ns = epoch_ns(weather.header.start.wall)

    async def main(loop):
        journal = Journal(loop)
        outside.follow(loop, journal)
        await asyncio.sleep(5)
        seen = [time.time_ns()]
        journal.opened(Handshake("/"))
        await asyncio.sleep(1.5)
        seen.append(time.time_ns())
        time.sleep(2)  # noqa: ASYNC251 - what the app should not do is what is tried
        seen.append(await asyncio.to_thread(time.time_ns))
        return seen

    with Outside(weather, ReplayOptions(wall_clock="recorded")) as outside:
        seen = run_virtual(main)
    assert [at - opened_ns for at in seen] == [0, 3 * SECOND // 2, 7 * SECOND // 2]
    assert abs(time.time_ns() - opened_ns) > 60 * SECOND


def test_chance_is_the_same(weather):
    """Two runs draw the same; another seed something else."""

    async def app(loop):
        return random.random(), await asyncio.to_thread(random.random)

    drawn = [in_virtual_time(weather, app, ReplayOptions(seed=seed))[0] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_in_real_time_the_service_is_reached_and_nobody_else(weather):
    """On its port; a note of another thread's comes to the loop's."""

    async def main(loop):
        journal = Journal(RealClock())
        outside.follow(loop, journal, lambda: 3)
        journal.opened(Handshake("/"))
        outside.opened()
        with pytest.raises(ConnectionRefusedError) as caught:
            await asyncio.open_connection("127.0.0.1", port)
        swallowed = await asyncio.to_thread(reach)
        return isinstance(caught.value, NetworkRefused), swallowed, journal

    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    with Outside(weather, ReplayOptions(), url=f"http://127.0.0.1:{port}") as outside:
        was_guarded, swallowed, journal = run_stepping(main)
    assert (was_guarded, swallowed) == (False, True)
    assert [(note.name, note.of, note.data["host"]) for note in journal.events[1:]] == [("network", 3, NAME)]


def test_in_real_time_the_wall_clock_goes_from_the_opening_on(weather):
    """At the recorded hour, as fast as time does."""
    pytest.importorskip("time_machine", reason="the extra wall-clock is not installed")
    opened_ns = epoch_ns(weather.header.start.wall)

    async def main(loop):
        journal = Journal(RealClock())
        outside.follow(loop, journal)
        before = time.time_ns()
        journal.opened(Handshake("/"))
        outside.opened()
        await asyncio.sleep(0)
        return before, time.time_ns()

    with Outside(weather, ReplayOptions(wall_clock="recorded"), url="http://127.0.0.1:1") as outside:
        before, after = run_stepping(main)
    assert before == opened_ns
    assert opened_ns < after < opened_ns + 60 * SECOND


@pytest.mark.parametrize("options", [ReplayOptions(allow_hosts=("http://x",)), ReplayOptions(wall_clock="sundial"), ReplayOptions(seed=-1)])
def test_what_cannot_be_meant_is_refused_before_anything_runs(weather, options):
    """Hosts, clocks and seeds."""
    with pytest.raises(UsageError):
        Outside(weather, options)


def test_a_recording_without_the_time_of_day_is_refused(weather):
    """With the option that asked for it."""
    recorded = replace(weather, header=replace(weather.header, start=None))
    with pytest.raises(UsageError, match="wall_clock"):
        Outside(recorded, ReplayOptions(wall_clock="recorded"))


def test_what_was_allowed_is_reached(weather):
    """From a job, which the clock waits for; nothing is noted."""

    async def app(loop):
        with pytest.raises(socket.gaierror):
            await asyncio.to_thread(socket.getaddrinfo, "nobody.invalid", 80)

    _, notes = in_virtual_time(weather, app, ReplayOptions(allow_hosts=("nobody.invalid",)))
    assert notes == []
