"""How a failed command ends: what it prints, where, and with which exit code.

Exit codes: 3 where the output cannot be written, or the fault is ours; 130 for Ctrl+C; 141 where nobody reads the output any more.

Rules of living here: a line for people, never a traceback unless it is asked for; what standard error cannot take is lost without a word.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import errno
import os
import sys
from contextlib import ExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING, Callable, Optional

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

__all__ = ["BROKEN_PIPE", "COULD_NOT_RUN", "ENDS", "INTERRUPTED", "TRACEBACK", "guarded", "have_streams", "tell"]

COULD_NOT_RUN = 3
INTERRUPTED = 130
# What a shell reports of a program that wrote to a pipe nobody reads, such as "| head".
BROKEN_PIPE = 141
# Set to anything, it has the traceback of a fault of ours shown.
TRACEBACK = "EVI_HARNESS_TRACEBACK"
# Under which a command finds, in what click keeps for it, whether the process ends behind it.
ENDS = "evi_harness.ends"

# What a write to standard output fails with, and nothing else that is done with neither a file nor a name.
_OF_OUTPUT = frozenset({errno.EBADF, errno.EIO, errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.ENXIO})


def guarded(act: Callable[[], int], *, ends: bool = False) -> int:
    """Do the work of a command; whatever comes out of it becomes an exit code.

    Args:
        act: Does it, and gives its exit code.
        ends: Whether the process ends behind it.
    """
    before = sys.unraisablehook
    sys.unraisablehook = partial(_unraisable, before)
    discreet = ExitStack()
    try:
        have_streams()
        from evi_harness.settings.sink import keep_streams_discreet, streams_kept_discreet

        if ends:
            # Also what is printed behind the command, at the end of the process.
            keep_streams_discreet()
        else:
            discreet.enter_context(streams_kept_discreet())
        code = act()
        # Here, and not where Python ends: that could tell of nothing any more.
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return _interrupted(ends)
    except BrokenPipeError:
        _nowhere("stdout", "stderr")
        return BROKEN_PIPE
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is no verdict
        if _is_of_interrupt(error):
            return _interrupted(ends)
        tell(f"error: {_what(error)}")
        if os.environ.get(TRACEBACK):
            _show_traceback()
        _nowhere("stdout")
        return COULD_NOT_RUN
    finally:
        discreet.close()
        if ends:
            _lose_what_cannot_be_written()
        else:
            sys.unraisablehook = before


def _interrupted(ends: bool) -> int:
    if ends:
        # Whoever goes on pressing has been heard.
        _signal.signal(_signal.SIGINT, _signal.SIG_IGN)
    # Where one came out of code that is given as text, such as a dataclass has it, ``python -m`` remembers it, and ends by the signal in
    # place of the exit code. With the next text it forgets.
    exec("")  # noqa: S102 - nothing is run
    # A terminal shows ^C; what is told stands on a line of its own.
    tell("\ninterrupted" if _is_terminal() else "interrupted")
    return INTERRUPTED


def _is_of_interrupt(error: BaseException) -> bool:
    """Whether Ctrl+C is behind an exception: where it comes while a class is made, Python up to 3.11 raises another in its place."""
    seen: Optional[BaseException] = error
    while seen is not None and not isinstance(seen, KeyboardInterrupt):
        seen = seen.__cause__ or seen.__context__
    return seen is not None


def _unraisable(before: Callable[[UnraisableHookArgs], object], lost: UnraisableHookArgs) -> None:
    """Take an exception that Python cannot raise; Ctrl+C comes again where it can: what frees an object may have been hit."""
    if issubclass(lost.exc_type, KeyboardInterrupt):
        import _thread

        # From another thread, so that it does not come here.
        _thread.start_new_thread(_thread.interrupt_main, ())
    else:
        before(lost)


def _what(error: BaseException) -> str:
    """What is wrong where an exception comes out of a command: the harness tells its own, and users' mistakes, in sentences of theirs."""
    if isinstance(error, OSError) and error.filename is None and error.errno in _OF_OUTPUT:
        return f"the output cannot be written: {error.strerror}"
    first = (str(error).strip().splitlines() or [""])[0]
    said = f"{type(error).__name__}{f': {first}' if first else ''}"
    return f"internal error in evi-harness: {_plain(said)}; set {TRACEBACK}=1 to see where it comes from"


def have_streams() -> None:
    """Give the process the streams that it was started without: what is opened next would take their place, and be written to."""
    for number, (name, mode) in enumerate((("stdin", os.O_RDONLY), ("stdout", os.O_RDONLY), ("stderr", os.O_WRONLY))):
        if getattr(sys, name) is not None:
            continue
        descriptor = os.open(os.devnull, mode)
        if descriptor != number:
            os.dup2(descriptor, number)
            os.close(descriptor)
        # Standard output is for reading: writing to it fails, as writing to a closed one does.
        setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False))
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            # A session may hold what a terminal's encoding does not.
            reconfigure(errors="backslashreplace")


def tell(line: str) -> None:
    """Write a line to standard error, if it can be written to."""
    with suppress(OSError, ValueError):
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - click may not be there yet


def _show_traceback() -> None:
    import traceback

    with suppress(OSError, ValueError):
        traceback.print_exc()
        sys.stderr.flush()


def _is_terminal() -> bool:
    with suppress(OSError, ValueError, AttributeError):
        return sys.stderr.isatty()
    return False


def _lose_what_cannot_be_written() -> None:
    """Lead a stream nowhere that still holds what it cannot write: the exit code would become Python's, for a flush that fails."""
    for name in ("stdout", "stderr"):
        try:
            getattr(sys, name).flush()
        except (OSError, ValueError, AttributeError):
            _nowhere(name)


def _nowhere(*names: str) -> None:
    """Lead streams nowhere: Python flushes them once more at its end, and would complain."""
    for name in names:
        with suppress(OSError, ValueError, AttributeError):
            descriptor = os.open(os.devnull, os.O_WRONLY)
            os.dup2(descriptor, getattr(sys, name).fileno())
            os.close(descriptor)


def _plain(text: str) -> str:
    """A text without what would move a cursor."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
