"""Two runs in virtual time are the same byte for byte: whatever the app does that virtual time can carry."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import subprocess
import sys
import threading
import time
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, List, Optional

import httpx
import pytest
from hypothesis import HealthCheck, given, settings

import evi_harness
from evi_harness.clocks.virtual import run_virtual
from evi_harness.evi.dialect import EVI
from evi_harness.replay.trace import trace
from evi_harness.runs.replay_options import ReplayOptions
from evi_harness.runs.run import RunOptions
from evi_harness.runs.virtual_run import run_in_virtual_time
from evi_harness.sdk.hume.hume_adapter import HUME
from evi_harness.session.session import Session
from evi_harness.strategies import sessions
from evi_harness.verdicts.loading import load_session

pytest.importorskip("time_machine", reason="the extra wall-clock is not installed")

ROOT = Path(__file__).resolve().parents[1]
WEATHER = ROOT / "sessions" / "weather"
HANDLERS = ROOT / "fixtures" / "handlers"
GOOD = [f"{HANDLERS}/weather.py:WeatherApp", f"{HANDLERS}/listen.py:on_message", None, "recorded"]
# In which nothing shows but what the machine does by the way.
PATIENT_NS = 20_000_000_000


def quiet(**outside: Any) -> RunOptions:
    """Options of a run that prints nothing and waits for threads as long as they take."""
    return RunOptions(EVI, HUME, ReplayOptions(thread_wait_s=PATIENT_NS / 1e9, **outside), write=lambda _: None)


def traced(session: Session, handler: Any, options: RunOptions) -> List[str]:
    """The trace of one run, which the clock waited for throughout."""
    run = run_in_virtual_time(session, handler, options)
    assert run.overdue_jobs == ()
    return trace(run.events)


def answer(request: httpx.Request) -> httpx.Response:
    """Be a peer without a network."""
    return httpx.Response(200, json={"path": request.url.path})


class Everything:
    """Does all that virtual time waits for, and sends what came of it."""

    def __init__(self) -> None:
        self.socket: Any = None
        self.tasks: List[Any] = []

    def set_socket(self, socket: Any) -> None:
        """Keep the connection."""
        self.socket = socket

    async def on_message(self, message: Any) -> None:
        """Answer a tool call where it comes, and every reply's end in a task beside."""
        if message.type == "tool_call":
            await self.answer(message.tool_call_id)
        elif message.type == "assistant_end":
            self.tasks.append(asyncio.ensure_future(self.answer(None)))

    async def answer(self, call_id: Optional[str]) -> None:
        """Work in a job, on a thread, in a program and with a client; wait by chance; tell the time."""
        loop = asyncio.get_running_loop()
        found = [await loop.run_in_executor(None, sum, range(1000))]
        found += await asyncio.gather(*(asyncio.to_thread(hashlib.sha256, bytes([n])) for n in range(3)))
        found.append(await self.on_a_thread())
        found.append(await self.in_a_program())
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
            found.append((await client.get("http://peer.example/path")).json())
        await asyncio.sleep(random.random() / 10)
        time.sleep(random.random() / 100)  # noqa: ASYNC251 - what the app should not do is what is tried
        told = {
            "n": len(found),
            "job": found[0],
            "peer": found[-1],
            "at": datetime.now(timezone.utc).isoformat(),
            "chance": random.random(),
        }
        content = json.dumps({**told, "digests": [one.hexdigest() for one in found[1:4]], "said": found[5], "thread": found[4]})
        if call_id is not None:
            await self.socket._send({"type": "tool_response", "tool_call_id": call_id, "content": content})
        else:
            await self.socket._send({"type": "assistant_input", "text": content})

    async def on_a_thread(self) -> float:
        """The time of day as a thread of the app's own sees it."""
        done = asyncio.get_running_loop().create_future()
        loop = asyncio.get_running_loop()
        with evi_harness.busy():
            threading.Thread(target=lambda: loop.call_soon_threadsafe(done.set_result, time.time())).start()
            return await done

    async def in_a_program(self) -> str:
        """What another program says."""
        program = await asyncio.create_subprocess_exec(sys.executable, "-S", "-c", "print(6 * 7)", stdout=asyncio.subprocess.PIPE)
        output, _ = await program.communicate()
        return output.decode()


@pytest.mark.slow
@pytest.mark.parametrize("handler", GOOD, ids=[str(name).rpartition("/")[2] for name in GOOD])
@pytest.mark.parametrize("outside", [{}, {"wall_clock": "recorded", "seed": 1}], ids=["as it is", "recorded"])
def test_good_handlers_run_the_same_twice(handler: Optional[str], outside: Any) -> None:
    """Those of fixtures/, the built-in one and the recording itself."""
    session = load_session(WEATHER)
    assert traced(session, handler, quiet(**outside)) == traced(session, handler, quiet(**outside))


def test_an_app_that_does_everything_runs_the_same_twice() -> None:
    """Jobs, threads, programs, a mocked client, chance and the time of day: what is sent holds them all. Another seed is another run."""
    session = load_session(WEATHER)
    options = quiet(wall_clock="recorded", seed=11)
    first = traced(session, Everything, options)
    assert first == traced(session, Everything, options)
    assert first != traced(session, Everything, quiet(wall_clock="recorded", seed=12))


@pytest.mark.slow
@given(session=sessions())
@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
def test_any_session_runs_the_same_twice(session: Session) -> None:
    """Any that follows the protocol, through the real SDK, with an app that draws, tells the time and works in jobs."""
    options = quiet(wall_clock="recorded", seed=session.events[-1].seq)
    assert traced(session, Light, options) == traced(session, Light, options)


class Light(Everything):
    """The same without a program, of which each costs more than a whole replay."""

    async def in_a_program(self) -> str:
        """Say what it would say."""
        return "42\n"


ELSEWHERE = """
import hashlib, sys
from evi_harness.evi.dialect import EVI
from evi_harness.sdk.hume.hume_adapter import HUME
from evi_harness.runs.replay_options import ReplayOptions
from evi_harness.runs.run import RunOptions
from evi_harness.verdicts.loading import load_session
from evi_harness.runs.virtual_run import run_in_virtual_time
from evi_harness.replay.trace import trace

options = RunOptions(EVI, HUME, ReplayOptions(wall_clock="recorded", seed=1), write=lambda _: None)
sys.stdout, out = sys.stderr, sys.stdout
run = run_in_virtual_time(load_session(sys.argv[1]), sys.argv[2], options)
print(hashlib.sha256("\\n".join(trace(run.events)).encode()).hexdigest(), file=out)
"""


@pytest.mark.slow
def test_another_process_runs_the_same() -> None:
    """With another hash seed, too, since nothing here depends on the order of sets."""
    digests = []
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-c", ELSEWHERE, str(WEATHER), GOOD[0]]
        digests.append(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
    here = "\n".join(traced(load_session(WEATHER), GOOD[0], quiet(wall_clock="recorded", seed=1)))
    assert digests == [hashlib.sha256(here.encode()).hexdigest() + "\n"] * 2


def test_a_client_with_a_mocked_transport_takes_no_time() -> None:
    """Asynchronous on the loop, synchronous in a job."""

    async def main(loop: Any) -> Any:
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
            one = (await client.get("http://peer.example/a")).json()
        with httpx.Client(transport=httpx.MockTransport(answer)) as blocking:
            other = (await asyncio.to_thread(blocking.get, "http://peer.example/b")).json()
        return one["path"], other["path"], loop.now_ns(), loop.is_deterministic

    assert run_virtual(main, thread_wait_ns=PATIENT_NS) == ("/a", "/b", 0, True)


def notes_of(handler: Any, name: str) -> List[Any]:
    """The notes of a name in a replay of the weather."""
    run = run_in_virtual_time(load_session(WEATHER), handler, quiet())
    return [event for event in run.events if getattr(event, "name", None) == name]


def test_the_synchronous_client_of_the_sdk_is_named_with_the_way_out() -> None:
    """It blocks the loop and reaches for the real service: the note says both, though the app swallows the error."""

    def on_message(message: Any) -> None:
        if message.type == "chat_metadata":
            from hume import HumeClient

            with suppress(Exception), HumeClient(api_key="x").empathic_voice.chat.connect():
                pass

    (note,) = notes_of(on_message, "network")
    assert "synchronous client" in note.data["what"]
    assert "--clock real" in note.data["what"]
    assert note.data["detail"][0].startswith(f"{__file__}:")
    assert note.of is not None


def test_a_loop_of_the_handlers_own_is_named_with_the_way_out() -> None:
    """It keeps real time beside the virtual clock."""

    async def on_message(message: Any) -> None:
        if message.type == "chat_metadata":
            await asyncio.to_thread(lambda: asyncio.run(asyncio.sleep(0)))

    (note,) = notes_of(on_message, "own_loop")
    assert "--clock real" in note.data["what"]
    assert note.data["detail"][0].startswith(f"{__file__}:")
