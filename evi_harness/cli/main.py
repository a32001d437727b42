"""The command line: ``evi-harness COMMAND``. One module a command; each parses, calls one function of the harness, prints, returns a code.

Exit codes: 0 passed, 1 ran and failed, 2 usage, 3 could not run, 130 interrupted. Rules of living here: what a user got wrong is told
in a sentence, never in a traceback; nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import atexit
import os
import sys
from contextlib import suppress
from typing import List, Optional

__all__ = ["main"]

INTERRUPTED = 130
# What a shell reports of a program that wrote to a pipe nobody reads, such as "| head".
BROKEN_PIPE = 141


def main(args: Optional[List[str]] = None) -> int:
    """Run one command.

    Args:
        args: The words behind ``evi-harness``; those of the process by default.

    Returns:
        The exit code.
    """
    code = _told(args)
    if args is None:
        _end_with(code)
    return code


def _told(args: Optional[List[str]]) -> int:
    try:
        _put_up_with_any_text()
        return _run(args)
    except KeyboardInterrupt:
        # A terminal shows ^C; what is told stands on a line of its own. click may not be there yet.
        print("\ninterrupted" if sys.stderr.isatty() else "interrupted", file=sys.stderr)  # noqa: T201
        return INTERRUPTED
    except BrokenPipeError:
        # Python would flush the pipe once more at exit and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE


def _end_with(code: int) -> None:
    """From here on, have no signal take anything from the exit code: all is done, and the process only ends."""
    # Not before: a signal that comes while these are imported would be told in a traceback.
    import signal
    import threading

    if threading.current_thread() is not threading.main_thread():
        return
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and (name == "SIGINT" or signal.getsignal(number) is signal.SIG_DFL):
            # Another thread may take its time, and who does not wait for it is not made to.
            signal.signal(number, lambda *_: os._exit(code))
            _taken.append(number)


_taken: List[int] = []


@atexit.register
def _ignore_taken() -> None:
    """Behind all threads, and all else that is done at exit: Python now drops its handlers, and a signal would be the end."""
    if _taken:
        import signal

        for number in _taken:
            signal.signal(number, signal.SIG_IGN)


def _put_up_with_any_text() -> None:
    """Have what an output cannot encode written as an escape: a session may hold what a terminal's encoding does not."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _run(args: Optional[List[str]]) -> int:
    import click

    from evi_harness.cli.commands import evi_harness
    from evi_harness.errors import EviHarnessError

    try:
        # Not click's own main: it exits with 1 when nobody reads the output, and 1 is a replay that failed.
        words = list(sys.argv[1:] if args is None else args)
        # A report says by which command it was made; click takes what it reads out of the list.
        with evi_harness.make_context("evi-harness", list(words), obj=tuple(words)) as context:
            code = evi_harness.invoke(context)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as end:
        sys.stdout.flush()
        return end.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except BrokenPipeError:
        raise
    except OSError as error:
        # The harness tells its own in sentences; what is left is the output.
        with suppress(OSError):
            click.echo(f"error: the output cannot be written: {error.strerror}", err=True)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 3
    except EviHarnessError as error:
        click.echo(f"error: {_for_a_terminal(str(error))}", err=True)
        return error.exit_code


def _for_a_terminal(text: str) -> str:
    """An error's lines without what would move a cursor: it may quote a stranger's session."""
    return "".join(one if one.isprintable() or one == "\n" else one.encode("unicode_escape").decode() for one in text)
