"""One run of an app on either clock: what it is told, and what it yields.

Rules of living here: what a run observed is in its events; nothing is judged. Nothing that runs an app is loaded here: a command's app is
started sooner without.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, Callable, Optional, Sequence, Tuple, Union

from evi_harness.audio.software_speaker import Heard
from evi_harness.replay.played_recording import PlayedRecording
from evi_harness.runs.app_command import AppCommand
from evi_harness.runs.replay_options import AS_ASKED, ReplayOptions
from evi_harness.sdk.adapter import Adapter
from evi_harness.session.events import Event
from evi_harness.session.protocols import Dialect
from evi_harness.session.session import Session

__all__ = ["BUILT_IN", "Run", "RunOptions", "longest_s", "name_of", "recording_of"]

BUILT_IN = "quickstart (built in)"
# How long a run may take, in real seconds, where nobody says. Virtual time is a hundred times as fast as the machine's, or faster.
LONGEST_S = 3600.0


@dataclass(frozen=True)
class RunOptions:
    """What a run may be told: what was asked for, and what whoever runs it adds.

    Attributes:
        dialect: What the recording speaks.
        adapter: The SDK that the handler uses.
        asked: What was asked for.
        comparing: The dialect as sent messages are compared, so that the player pairs them as the verdict does; None for as it is.
        write: Takes the lines that the built-in handler prints.
        redact: Takes secrets out of what notes quote.
        watch: Called with each event once it stands in the journal of the app's process; where that is a child, here as well.
        not_virtual: Why virtual time does not carry the app that is run in real time instead; empty where nobody tried.
        is_again: Whether the microphone is off since the app has sent audio of its own in a run before this.
        together: Where an app opens several connections: the recordings of all of them; see ``AppPlan``.
        place: Where among them the one is that is replayed.
        give_up: Ends the process of the app, once what there is to tell is noted, where it cannot be interrupted; None where that
            process is not only the app's.
    """

    dialect: Dialect
    adapter: Adapter
    asked: ReplayOptions = AS_ASKED
    comparing: Optional[Dialect] = None
    write: Callable[[str], object] = print
    redact: Callable[[str], str] = str
    watch: Callable[[Event], object] = id
    together: Tuple[PlayedRecording, ...] = ()
    place: int = 0
    is_again: bool = False
    not_virtual: str = ""
    give_up: Optional[Callable[[], object]] = None

    @property
    def pairing(self) -> Dialect:
        """What pairs sent messages."""
        return self.dialect if self.comparing is None else self.comparing


@dataclass(frozen=True)
class Run:
    """What one run yielded.

    Attributes:
        handler: What the handler is called.
        events: The events of its session, in the order of writing.
        overdue_jobs: Jobs that the clock did not wait for; with one, two runs may differ.
        handshake_by_app: Whether the app opened the connection itself, so that what it asked for is its own.
        heard: What the software speaker played; None where there was none, in the null test and for an app that runs elsewhere, and where
            it was lost with the process of the app.
        has_app: Whether an app of the developer's ran, and not the built-in handler or the recording itself.
        by_command: Whether a command started it, so that its callbacks are not known.
        sdk: The version of the SDK that the app had loaded, empty for none; None for the one that is installed here.
        clock: What it ran on, where that was not known before; None for what was asked for.
    """

    handler: str
    events: Sequence[Event]
    overdue_jobs: Tuple[str, ...] = ()
    handshake_by_app: bool = False
    heard: Optional[Heard] = None
    has_app: bool = True
    by_command: bool = False
    sdk: Optional[str] = None
    clock: Optional[str] = None


def longest_s(recording: PlayedRecording, options: RunOptions, *, is_real: bool) -> float:
    """How long a run may take, in real seconds: as it is told, else an hour, and on the machine's clock twice what is replayed besides."""
    if options.asked.max_run_s is not None:
        return options.asked.max_run_s
    return LONGEST_S + (2 * recording.session.duration_ns / 1e9 if is_real else 0)


def recording_of(recorded: Union[Session, PlayedRecording], dialect: Dialect) -> PlayedRecording:
    """A recording on the axis on which it is to be acted out: a session is acted out as it was."""
    return recorded if isinstance(recorded, PlayedRecording) else PlayedRecording.of(recorded, dialect)


def name_of(handler: Any) -> str:
    """What to call a handler."""
    if handler is None:
        return BUILT_IN
    if isinstance(handler, str):
        return handler
    if isinstance(handler, AppCommand):
        return str(handler)
    while isinstance(handler, functools.partial):
        handler = handler.func
    return getattr(handler, "__qualname__", None) or type(handler).__qualname__
