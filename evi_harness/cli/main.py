"""The command line: ``evi-harness COMMAND``. One module a command; each parses, calls one function of the harness, prints, returns a code.

Exit codes: 0 passed, 1 ran and failed, 2 usage, 3 could not run, 4 inconclusive, 130 interrupted. Rules of living here: a user's mistake is
reported in a sentence, never in a traceback; nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import atexit
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, List, Optional

from evi_harness.cli.failing import ENDS, guarded, tell

if TYPE_CHECKING:
    import click

    from evi_harness.errors import Words

__all__ = ["main"]


def main(args: Optional[List[str]] = None) -> int:
    """Run one command.

    Args:
        args: The words behind ``evi-harness``; those of the process by default.

    Returns:
        The exit code.
    """
    code = guarded(lambda: _interruptible(args), ends=args is None)
    if args is None:
        _end_with(code)
        _leave_garbage()
    return code


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


def _leave_garbage() -> None:
    """Have Python end without looking through all that was loaded for garbage: that took a replay 140 ms of processor time.

    Where an app's code was loaded in this process, what it leaves in a circle is freed as ever: it may have something to do then.
    """
    import gc

    spec = sys.modules.get("evi_harness.runs.spec")
    if spec is None or not spec.has_loaded():
        gc.freeze()


_taken: List[int] = []


@atexit.register
def _ignore_taken() -> None:
    """Behind all threads, and all else that is done at exit: Python now drops its handlers, and a signal would be the end."""
    if _taken:
        import signal

        for number in _taken:
            signal.signal(number, signal.SIG_IGN)


def _interruptible(args: Optional[List[str]]) -> int:
    # From here on Ctrl+C is an exception that ``guarded`` takes; until now the package has taken it.
    sys.modules["evi_harness"].has_started()
    return _run(args)


def _run(args: Optional[List[str]]) -> int:
    import click

    from evi_harness.cli.commands import evi_harness
    from evi_harness.cli.options.stale_reports import remove_stale_reports
    from evi_harness.errors import EviHarnessError

    try:
        # Not click's own main: it exits with 1 when nobody reads the output, and 1 is a replay that failed.
        words = list(sys.argv[1:] if args is None else args)
        remove_stale_reports(words)
        # A report says by which command it was made; click takes what it reads out of the list.
        with evi_harness.make_context("evi-harness", list(words), obj=tuple(words)) as context:
            context.meta[ENDS] = args is None
            code = evi_harness.invoke(context)
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.Abort:
        raise KeyboardInterrupt from None
    except click.ClickException as error:
        _show(error, words)
        return error.exit_code
    except EviHarnessError as error:
        _tell_error(_for_a_terminal(_called(error.words(), context)))
        return error.exit_code


def _show(error: click.ClickException, words: List[str]) -> None:
    from evi_harness.cli.options.ci_refusals import tell_refusal
    from evi_harness.cli.options.click_errors import is_only_help, words_of

    if is_only_help(error):
        error.show()
    else:
        told = _for_a_terminal(words_of(error))
        _tell_error(told)
        tell_refusal(error, words, told)


def _tell_error(text: str) -> None:
    from evi_harness.cli.printing import echo, width

    if width(err=True) is None:
        from evi_harness.settings.program import text_as_started

        tell(text_as_started(f"error: {text}"))
        return
    with suppress(OSError, ValueError):
        echo(f"error: {text}", err=True)


def _called(words: Words, context: click.Context) -> str:
    """An error by the flags of the command that it came out of."""
    from evi_harness.cli.commands import evi_harness
    from evi_harness.cli.flags import in_flags

    command = evi_harness.get_command(context, context.invoked_subcommand or "")
    return str(words) if command is None else in_flags(words, command)


def _for_a_terminal(text: str) -> str:
    """An error's lines without what would move a cursor: it may quote a stranger's session."""
    return "".join(one if one.isprintable() or one == "\n" else one.encode("unicode_escape").decode() for one in text)
