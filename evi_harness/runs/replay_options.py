"""The options of a replay: one object from the command line, a test, the configuration or a call to the run.

Rules of living here: an option has one name everywhere, that of its field; an invalid value is refused before anything runs. All of it is
plain data, except a handler that is given as an object, so that a replay can be handed to another process.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Tuple, Union

from evi_harness.clocks.clock import THREAD_WAIT_NS
from evi_harness.errors import Parameter, UsageError, Words, value_of
from evi_harness.guard.allowed import Allowed
from evi_harness.guard.seeds import check_seed
from evi_harness.replay.judging.findings import severities_of
from evi_harness.replay.player import DEFAULT_PATIENCE, Patience
from evi_harness.sdk.user_voice import AUTO, OFF, require_microphone
from evi_harness.session.events import NOTHING

__all__ = [
    "AS_ASKED",
    "AUTO_CLOCK",
    "BUILTIN",
    "CLOCKS",
    "MACHINE",
    "REAL",
    "RECORDED",
    "RECORDED_HOURS",
    "VIRTUAL",
    "ReplayOptions",
    "has_app",
    "is_built_in",
]

# The clocks.
VIRTUAL, REAL = "virtual", "real"
# Of a command: virtual time, and real time where that does not carry the app.
AUTO_CLOCK = "auto"
CLOCKS = (VIRTUAL, REAL, AUTO_CLOCK)
# What stands in the place of a handler in the null test, and for the built-in one where it is asked for by name.
RECORDED = "recorded"
BUILTIN = "builtin"
# The times of day that the app may see: the machine's, or that of the session.
MACHINE, RECORDED_HOURS = "machine", "recorded"
WALL_CLOCKS = (MACHINE, RECORDED_HOURS)

# What waits for longer than thirty years is mistyped, and longer than an operating system can count.
_MOST_S = 1e9
_ABOVE_0 = f"Give a number above 0, at most {_MOST_S:.0f}."
_FROM_0 = f"Give a number from 0 to {_MOST_S:.0f}."

# Of these no verdict depends, or a report has them elsewhere.
_TOLD_ELSEWHERE = ("handler", "arguments", "severities", "out", "defer")


@dataclass(frozen=True)
class ReplayOptions:
    """What a replay is told, besides the session. ``replay_session`` takes the same by the same names, and says what each means.

    Attributes:
        handler: What is replayed to: None or ``builtin`` for the built-in one, ``recorded`` for the null test, a SPEC, or the handler
            itself.
        arguments: What its class or function takes besides, by name.
        clock: ``virtual``, ``real``, or of a command ``auto``.
        upgrade: Add to old messages what the installed SDK requires.
        twice: Replay twice and compare the two runs byte for byte.
        ignore: JSON paths of what is not compared.
        strict: Also compare values that usually differ in every run.
        max_late_ms: How much later than due a message may be sent, in milliseconds; None for as late as it likes.
        update: Accept what is sent as what is expected from now on.
        dry_run: Only say what ``update`` would change.
        out: A folder of sessions that the replay's own session is written to; None for none.
        patience: How long the player waits for the app.
        timeout_s: After this many real seconds without progress, the replay counts as stuck.
        max_run_s: After so many real seconds a run is ended; None for what its clock has for it.
        thread_wait_s: How many real seconds the virtual clock stops for a job on another thread.
        allow_hosts: What the app may reach besides the service, as ``HOST`` or ``HOST:PORT``.
        wall_clock: The time of day that the app sees: ``machine`` or ``recorded``.
        seed: What ``random`` and ``numpy.random`` are seeded with; None for nothing.
        severities: What findings weigh, by kind, where that is not as usual.
        blocked_ms: From how many milliseconds on a step of the loop counts as blocking it; None for what the clock has for it.
        speed: How many times as fast as it was recorded, or ``max``; None for as recorded.
        max_gap: What silent spans are shortened to; None to leave all.
        first: Where to begin, None for the beginning.
        last: Where to end, None for the end.
        microphone: Who speaks for the user besides the app: ``auto``, ``sdk`` or ``off``.
        child: Run the handler in a child process.
        allow_incomplete: Accept an incomplete or damaged recording as it is.
        defer: Leave it to the result's ``accept`` to write what ``update`` accepts.
    """

    handler: Any = None
    arguments: Optional[Mapping[str, Any]] = None
    clock: str = VIRTUAL
    upgrade: bool = False
    twice: bool = False
    ignore: Tuple[str, ...] = ()
    strict: bool = False
    max_late_ms: Optional[float] = None
    update: bool = False
    dry_run: bool = False
    out: Optional[Union[str, Path]] = None
    patience: Patience = DEFAULT_PATIENCE
    timeout_s: float = 60.0
    max_run_s: Optional[float] = None
    thread_wait_s: float = THREAD_WAIT_NS / 1e9
    allow_hosts: Tuple[str, ...] = ()
    wall_clock: str = MACHINE
    seed: Optional[int] = None
    severities: Mapping[str, str] = NOTHING
    blocked_ms: Optional[float] = None
    speed: Union[str, float, None] = None
    max_gap: Union[str, float, None] = None
    first: Union[str, float, None] = None
    last: Union[str, float, None] = None
    microphone: str = AUTO
    child: bool = False
    allow_incomplete: bool = False
    defer: bool = False

    def check(self) -> None:
        """Refuse invalid options, before anything runs. What is about the session itself is refused where that is known.

        Raises:
            UsageError: There is no such clock, host, wall clock, seed, finding, severity or microphone; a length of time is none; two
                options go against each other, or one needs another.
        """
        if self.dry_run and not self.update:
            raise UsageError("there are no changes to show", hint=Words(Parameter("dry_run"), " goes with ", Parameter("update"), "."))
        with value_of("clock"):
            if self.clock not in CLOCKS:
                raise UsageError(f"there is no clock {self.clock!r}", hint=f"There are: {', '.join(CLOCKS)}.")
        if self.twice and self.clock != VIRTUAL:
            raise UsageError(
                "two runs in real time are never the same to the nanosecond, so they are not compared",
                hint=Words("Leave out ", Parameter("clock", self.clock), ", or ", Parameter("twice"), "."),
            )
        self.check_outside()
        with value_of("severities"):
            severities_of(self.severities)
        with value_of("microphone"):
            require_microphone(self.microphone)
        if self.microphone == OFF and isinstance(self.handler, str) and self.handler == RECORDED:
            raise UsageError(
                "the handler 'recorded' sends the recorded audio, so the microphone cannot be off",
                hint=Words("Name another handler, or leave out ", Parameter("microphone", OFF), "."),
            )
        with value_of("max_late_ms"):
            _nanoseconds(self.max_late_ms, "late messages")
        with value_of("blocked_ms"):
            _nanoseconds(self.blocked_ms, "a step of the event loop")
        with value_of("max_run_s"):
            if self.max_run_s is not None and not 0 < self.max_run_s <= _MOST_S:
                raise UsageError(f"{self.max_run_s!r} seconds is not a valid limit for a run", hint=_ABOVE_0)
        with value_of("timeout_s"):
            if not 0 < self.timeout_s <= _MOST_S:
                raise UsageError(f"{self.timeout_s!r} seconds is not a valid timeout", hint=_ABOVE_0)
        with value_of("thread_wait_s"):
            if not 0 <= self.thread_wait_s <= _MOST_S:
                raise UsageError(f"{self.thread_wait_s!r} seconds is not a valid time to stop the clock", hint=_FROM_0)
        if self.arguments and not has_app(self.handler):
            raise UsageError(
                f"arguments are given ({', '.join(self.arguments)}), and no handler that takes them",
                hint=Words("Name yours with ", Parameter("handler"), "."),
            )

    def check_outside(self) -> None:
        """Refuse what an app cannot meet besides the service: see ``check``."""
        with value_of("allow_hosts"):
            for text in self.allow_hosts:
                Allowed.parse(text)
        with value_of("wall_clock"):
            if self.wall_clock not in WALL_CLOCKS:
                raise UsageError(f"there is no wall clock {self.wall_clock!r}", hint=f"There are: {', '.join(WALL_CLOCKS)}.")
        with value_of("seed"):
            check_seed(self.seed)

    @property
    def max_late_ns(self) -> Optional[int]:
        """``max_late_ms`` in nanoseconds."""
        return _nanoseconds(self.max_late_ms, "late messages")

    @property
    def blocked_ns(self) -> Optional[int]:
        """``blocked_ms`` in nanoseconds."""
        return _nanoseconds(self.blocked_ms, "a step of the event loop")

    @property
    def thread_wait_ns(self) -> int:
        """``thread_wait_s`` in nanoseconds."""
        return round(self.thread_wait_s * 1e9)

    def told_outside(self) -> Dict[str, Any]:
        """What a header tells of what the app meets besides the service."""
        return {"allow_hosts": list(self.allow_hosts), "wall_clock": self.wall_clock, "seed": self.seed}

    def judged_by(self) -> Dict[str, Any]:
        """What a verdict depends on, by name, besides what is replayed to what and what findings weigh."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name not in _TOLD_ELSEWHERE}


AS_ASKED = ReplayOptions()


def has_app(handler: Any) -> bool:
    """Whether a handler is an app of the developer's."""
    return not (is_built_in(handler) or (isinstance(handler, str) and handler == RECORDED))


def is_built_in(handler: Any) -> bool:
    """Whether a handler is the built-in one, by its name or because none is given."""
    return handler is None or (isinstance(handler, str) and handler == BUILTIN)


def _nanoseconds(ms: Optional[float], what: str) -> Optional[int]:
    if ms is None:
        return None
    if not 0 <= ms * 1e6 < math.inf:
        raise UsageError(f"{ms!r} milliseconds is not a valid limit for {what}", hint="Give a number of 0 or more.")
    return round(ms * 1e6)
