"""What every run of a handler needs, whatever its clock: its callbacks, what it connects with, and what is noted when it goes wrong.

Rules of living here: nothing is judged; no secret stands in what is raised or noted.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, List, Mapping, Optional

from evi_harness.errors import HandlerError, StuckError
from evi_harness.harness import spec
from evi_harness.live.journal import Journal
from evi_harness.sdk.app import told
from evi_harness.sdk.handlers import Callbacks, callbacks_of
from evi_harness.sdk.quickstart import Quickstart
from evi_harness.sdk.version import import_sdk
from evi_harness.session.events import Handshake

__all__ = ["callbacks_for", "chat_options", "developers_part", "note_stuck", "note_unhandled"]

_PACKAGE = str(Path(__file__).resolve().parent.parent)

# The parameters of the handshake that every SDK version takes as an argument; the rest is not repeated.
_OPTIONS: Mapping[str, Callable[[str], Any]] = {
    "config_id": str,
    "config_version": int,
    "resumed_chat_group_id": str,
    "verbose_transcription": lambda text: text.lower() == "true",
}


def callbacks_for(handler: Any, name: str, *, write: Callable[[str], object], redact: Callable[[str], str]) -> Callbacks:
    """Import and build a handler. Call it inside the running loop.

    Args:
        handler: None for the built-in one, a SPEC, or the handler itself.
        name: What to call it.
        write: Takes the lines that the built-in handler prints.
        redact: Takes secrets out of what an error says.

    Raises:
        HandlerError, NotAHandler, SpecError: The handler is at fault.
        SdkError: The SDK cannot be imported.
    """
    if handler is None:
        return callbacks_of(Quickstart(write), name)
    # Before the handler imports it: what hides a broken sound system from it is ours.
    import_sdk()
    try:
        return callbacks_of(spec.load(handler) if isinstance(handler, str) else handler, name)
    except HandlerError as error:
        what = redact(error.what)
        if what == error.what:
            raise
        # The exception below it quotes the secret too, so nobody is led there.
        raise HandlerError(what, where=error.where, hint=error.hint) from None


def chat_options(handshake: Optional[Handshake]) -> Mapping[str, Any]:
    """What a recorded handshake asked for, as the SDK takes it; never a key."""
    query = () if handshake is None else handshake.query
    return {name: _OPTIONS[name](value) for name, value in query if name in _OPTIONS}


def note_unhandled(journal: Journal, loop: Any, context: Mapping[str, Any], redact: Callable[[str], str]) -> None:
    """Note what asyncio would only log: a task of the handler's own that failed with nobody there to see it is a finding too."""
    error = context.get("exception")
    if isinstance(error, Exception) and not isinstance(error, StuckError):
        journal.note("raised", **told(error, "a task that nobody awaits", redact))
    elif error is None:
        loop.default_exception_handler(context)


def note_stuck(
    journal: Journal, error: StuckError, stack: Optional[str], *, of: Optional[int], timeout_s: float, redact: Callable[[str], str]
) -> None:
    """Note that nothing moved any more.

    Args:
        journal: Where to.
        error: What ended the run.
        stack: Where the watchdog interrupted it, None where it ended by itself.
        of: The seq of the event that was handled, if any.
        timeout_s: How long nothing had moved, in real seconds.
        redact: Takes secrets out of what is said.
    """
    what = error.what if stack is None else f"nothing moved for {timeout_s:g} s of real time; interrupted here"
    detail = [] if stack is None else [line.strip() for line in developers_part(stack)]
    journal.note("stuck", of=of, what=redact(what), detail=detail, ended=True)


def developers_part(stack: str) -> List[str]:
    """The lines of a formatted stack from below the last frame of this package on: what the handler was doing."""
    lines = stack.splitlines()
    # Each frame is a line "File …" and, where the source is there, the line of code.
    last = max((index for index, line in enumerate(lines) if line.lstrip().startswith(f'File "{_PACKAGE}')), default=-1)
    below = next((index for index in range(last + 1, len(lines)) if lines[index].lstrip().startswith("File ")), len(lines))
    return lines[below:] or lines
