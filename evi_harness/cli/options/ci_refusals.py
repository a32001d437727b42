"""A command that was refused before it began, told to a CI server as what a command finds is.

Rules of living here: the arguments could not be parsed, so no existing file is overwritten.
"""

from __future__ import annotations

from pathlib import Path
from typing import Iterator, Optional, Sequence

import click

from evi_harness.cli.printing import echo

__all__ = ["tell_refusal"]

# What stands behind it is another command.
_END = "--"


def tell_refusal(error: click.ClickException, words: Sequence[str], told: str) -> None:
    """Tell a CI server, where the command tells it anything. Raises nothing.

    Args:
        error: The refusal.
        words: The words of the command.
        told: The refusal in the words of its users.
    """
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is None or not any(param.name == "junit_file" for param in context.command.params):
        return
    from evi_harness.acts.ci_outputs import ci_for, tell_failure

    junit, summary = _named(words, "--junit"), _named(words, "--summary")
    options = ci_for(None if junit is None or junit.exists() else junit, summary)
    if options.is_needed:
        tell_failure(options, context.info_name or "", error.exit_code, told, write=lambda line: echo(line, err=True))


def _named(words: Sequence[str], flag: str) -> Optional[Path]:
    """The file that an option names, None for none."""
    return next((Path(name) for name in _values(words, flag) if name and not name.startswith("-")), None)


def _values(words: Sequence[str], flag: str) -> Iterator[str]:
    own = words[: words.index(_END)] if _END in words else words
    for word, behind in zip(own, [*own[1:], ""]):
        name, equals, value = word.partition("=")
        if name == flag:
            yield value if equals else behind
