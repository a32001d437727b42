"""What is in an app's own process while a command is recorded, or replayed in real time.

The service's host leads to the proxy, or to the server that acts out the recording. While a command is recorded, a file may be the
microphone, and what the app reads from its standard input is told.

Rules of living here: real time, real sockets, and the app's own code; what is changed is where a name leads, and that no TLS is spoken
there. Every other host is what it was.
"""

from __future__ import annotations

import asyncio
import atexit
import os
from contextlib import ExitStack
from typing import Callable, List, Optional

from evi_harness.dialects import adapter_for
from evi_harness.injected.children import follow, follow_becoming
from evi_harness.injected.leading import lead
from evi_harness.injected.listening import tell_of_listening
from evi_harness.injected.loops import replace_uvloop
from evi_harness.injected.noted_input import NotedInput
from evi_harness.injected.real_time_watch import RealTimeWatch
from evi_harness.injected.sound_watch import WatchedSound
from evi_harness.injected.tls_left_out import leave_tls_out
from evi_harness.runs.app_channel import INPUT, LISTENS, PLAYED, SOUND, WARNED, PointedPlan, Reports, identity_of
from evi_harness.runs.app_command import is_among
from evi_harness.runs.user_audio import sound_in_place
from evi_harness.session.wav import Pcm

__all__ = ["point"]

_NO_UVLOOP = "uvloop was replaced by asyncio's event loop, on which the service's name leads to the proxy"
# What is put in place stays there for as long as the process lives.
_STANDING = ExitStack()


def point(plan: PointedPlan, reports: Reports, channel: str) -> None:
    """Have the service be found at the proxy, from now on.

    Args:
        plan: Where it is looked for, where the proxy is, what the microphone plays, and whose input is told.
        reports: Where to tell it.
        channel: What the environment of a process says of it, as those that this one starts are told.
    """

    def serves(host: str, port: Optional[int]) -> bool:
        return is_among(plan.hosts, host, port)

    watch = None if plan.acted is None else RealTimeWatch(plan, plan.acted, reports, channel)
    if watch is not None:
        # Before the name leads elsewhere: what is refused is where a connection really goes.
        watch.begin()
    lead(serves, lambda: plan.proxy, id if watch is None else watch.reached)
    has_told: List[bool] = []

    def tell_of_uvloop() -> None:
        if not has_told:
            has_told.append(True)
            reports.send(WARNED, _NO_UVLOOP)

    # It asks the system itself where a name leads, and has a TLS of its own.
    replace_uvloop(tell_of_uvloop, asyncio.SelectorEventLoop)
    leave_tls_out(serves)
    if plan.tells_listening:
        tell_of_listening(lambda host, port: reports.send(LISTENS, (host, port), by_a_fork=True))
    if plan.acted is None or plan.acted.follows:
        follow(channel)
    # A program that the app starts may have another input: what the two say to one another is nothing that a user typed.
    if plan.stdin is not None and identity_of(0) == plan.stdin:
        NotedInput(lambda line: reports.send(INPUT, line), lambda what: reports.send(WARNED, what)).put_in_place()
    tell_of_played = _nothing if plan.pcm is None else _hear(plan, plan.pcm, reports)
    if plan.acted is None:
        follow_becoming(channel, lambda: True, tell_of_played)


def _hear(plan: PointedPlan, pcm: Pcm, reports: Reports) -> Callable[[], object]:
    """Put the software microphone and speaker in place, and return what tells of what was played, which is called at Python's end."""
    sound = WatchedSound(pcm, plan.samples, lambda state: reports.send(SOUND, state))
    _STANDING.callback(sound.stop)

    def tell_of_played() -> None:
        sound.stop()
        # A fork has another's sound.
        if sound.speaker.playbacks and os.getpid() == process:
            reports.send(PLAYED, sound.speaker.playbacks)

    process = os.getpid()
    # Before what the app registers, and so called behind that.
    atexit.register(tell_of_played)
    _STANDING.callback(atexit.unregister, tell_of_played)
    _STANDING.enter_context(sound_in_place(adapter_for(plan.dialect), sound.microphone, sound.speaker))
    return tell_of_played


def _nothing() -> None:
    """Nothing was played."""
