"""The setup of a handler's run on either clock: its callbacks, its connection, and notes of what goes wrong.

Rules of living here: nothing is judged; no secret stands in what is raised or noted.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional

from evi_harness.carriers.journal import Journal
from evi_harness.errors import HandlerError, StuckError
from evi_harness.guard.developers import of_developers
from evi_harness.guard.on_behalf_of import on_behalf
from evi_harness.guard.place_lookup import Stack, told, told_places, waiting_stack
from evi_harness.redacting.source_redaction import redacted_source
from evi_harness.runs import spec
from evi_harness.sdk.adapter import Adapter, Callbacks
from evi_harness.sdk.app import App
from evi_harness.session.notes import OVER_TIME, RAISED, STUCK
from evi_harness.session.places import Place

__all__ = ["Standing", "callbacks_for", "developers_part", "note_over_time", "note_sound_failures", "note_stuck"]

_NOTHING: Mapping[str, Any] = {}
_PACKAGE = str(Path(__file__).resolve().parent.parent)

# The mistake that is easily made.
_BYTE_STRS = "byte_strs takes bytes, a WAV in each item: base64.b64decode(message.data)"


def callbacks_for(
    adapter: Adapter,
    handler: Any,
    name: str,
    *,
    write: Callable[[str], object],
    redact: Callable[[str], str],
    arguments: Mapping[str, Any] = _NOTHING,
) -> Callbacks:
    """Import and build a handler. Call it inside the running loop.

    Args:
        adapter: The SDK that it uses.
        handler: None for the built-in one, a SPEC, or the handler itself.
        name: What to call it.
        write: Takes the lines that the built-in handler prints.
        redact: Takes secrets out of what an error says.
        arguments: What the handler's class or function takes besides, by name; the built-in one takes nothing.

    Raises:
        HandlerError, NotAHandler, SpecError: The handler is at fault.
        SdkError: The SDK cannot be imported.
    """
    if handler is None:
        return adapter.callbacks_of(adapter.built_in(write), name, {})
    # Before the handler imports it: what hides a broken sound system from it is ours.
    adapter.load()
    try:
        with on_behalf("its own making"):
            return adapter.callbacks_of(spec.load(handler, adapter) if isinstance(handler, str) else handler, name, arguments)
    except HandlerError as error:
        what = redact(error.what)
        if what == error.what:
            raise
        # The exception below it quotes the secret too, so nobody is led there.
        raise HandlerError(what, where=error.where, hint=error.hint) from None


@dataclass(frozen=True)
class Standing:
    """Where a run stood when the watchdog saw that nothing moved.

    Attributes:
        stack: The stack of the loop's thread, as text.
        of: The seq of the event that the handler was busy with, None while it was not.
        waits: Where the handler's own coroutines stood, the innermost place first.
        frames: The stack of the loop's thread, captured.
    """

    stack: str
    of: Optional[int] = None
    waits: Stack = ()
    frames: Stack = ()

    @classmethod
    def seen(cls, stack: str, app: Optional[App], frames: Stack = ()) -> Standing:
        """Look where a run stands; on the watchdog's thread."""
        return cls(stack, frames=frames) if app is None else cls(stack, app.handling, waiting_stack(app.reading), frames)

    def detail(self) -> List[str]:
        """What the handler was doing: its part of the stack; of a loop that only turns, where its coroutines stood."""
        part = [line.strip() for line in redacted_source("\n".join(developers_part(self.stack))).splitlines()]
        waits = of_developers(Place(*one) for one in self.waits)
        is_told = any(place.file in line for place in waits for line in part)
        return part if is_told or not waits else [str(place) for place in waits]

    def places(self, redact: Callable[[str], str]) -> List[Dict[str, Any]]:
        """The same, as a note holds places."""
        return told_places(self.frames, redact, or_library=False) or told_places(self.waits, redact, or_library=False)


def note_sound_failures(journal: Journal, failures: Iterable[Exception], redact: Callable[[str], str]) -> None:
    """Note what the callbacks of the sound devices raised: in life PortAudio prints it, and the sound is dead from then on.

    Args:
        journal: Where to.
        failures: What was raised.
        redact: Takes secrets out of what is said.
    """
    for error in failures:
        facts = told(error, "the callback of a sound device, which then was silent,", redact)
        journal.note(RAISED, what=facts["what"], detail=facts["detail"] or [_BYTE_STRS], places=facts["places"])


def note_stuck(
    journal: Journal,
    error: StuckError,
    standing: Optional[Standing],
    *,
    timeout_s: float,
    redact: Callable[[str], str],
    waits: Stack = (),
) -> None:
    """Note that nothing moved any more.

    Args:
        journal: Where to.
        error: What ended the run.
        standing: Where the watchdog interrupted it, None where it ended without being interrupted.
        timeout_s: How long nothing had moved, in real seconds.
        redact: Takes secrets out of what is said.
        waits: Where the app waited when the run ended without being interrupted.
    """
    if standing is None:
        journal.note(STUCK, what=redact(error.what), detail=[], ended=True, places=told_places(waits, redact, or_library=False))
        return
    what = f"no progress for {timeout_s:g} s of real time; interrupted here"
    detail = [redact(line) for line in standing.detail()]
    journal.note(STUCK, of=standing.of, what=what, detail=detail, ended=True, places=standing.places(redact))


def note_over_time(journal: Journal, error: StuckError, standing: Optional[Standing], *, redact: Callable[[str], str]) -> None:
    """Note that the run took longer than allowed.

    Args:
        journal: Where to.
        error: What ended the run.
        standing: Where the watchdog had to interrupt it, None where it ended when it was asked to.
        redact: Takes secrets out of what is said.
    """
    detail = [] if standing is None else [redact(line) for line in standing.detail()]
    places = [] if standing is None else standing.places(redact)
    of = None if standing is None else standing.of
    journal.note(OVER_TIME, of=of, what=redact(error.what), detail=detail, ended=True, places=places)


def developers_part(stack: str) -> List[str]:
    """The lines of a formatted stack from below the last frame of this package on: what the handler was doing."""
    lines = stack.splitlines()
    # Each frame is a line "File …" and, where the source is there, the line of code.
    last = max((index for index, line in enumerate(lines) if line.lstrip().startswith(f'File "{_PACKAGE}')), default=-1)
    below = next((index for index in range(last + 1, len(lines)) if lines[index].lstrip().startswith("File ")), len(lines))
    return lines[below:] or lines
