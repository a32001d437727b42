"""Command line errors in the same form as all others: the problem, with option and value, then what to do next."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path
from typing import List, Optional

import click

from evi_harness.cli.options.ranges import bounds_of
from evi_harness.settings.new_folder import DEFAULT_OUT

__all__ = ["is_only_help", "words_of"]

_NOT_THERE = re.compile(r"'(.+)' does not exist", re.DOTALL)
_QUOTED = re.compile(r"'(-[\w-]+)'")


def is_only_help(error: click.ClickException) -> bool:
    """Whether nothing is wrong but that a command was not named: newer versions of click raise the page of help."""
    kind = getattr(click.exceptions, "NoArgsIsHelpError", None)
    return kind is not None and isinstance(error, kind)


def words_of(error: click.ClickException) -> str:
    """An error of click's, or of a command's own checks, in lines.

    Args:
        error: The error. What click says of an option's value or of an unknown option is said anew; other sentences are kept.
    """
    command = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx is not None else "evi-harness"
    hint = [f"See {command} -h."] if isinstance(error, click.UsageError) else []
    if isinstance(error, click.NoSuchOption):
        what = f"unknown option {error.option_name}"
        if error.possibilities:
            hint = [f"Did you mean {' or '.join(sorted(error.possibilities)[:3])}?", *hint]
    elif isinstance(error, click.MissingParameter):
        what = f"{_name(error)} is missing"
    elif isinstance(error, click.BadParameter):
        what = f"invalid value for {_name(error)}: {_of_range(error) or _phrase(error.message)}"
        hint = [*_elsewhere(error), *hint]
    else:
        what = _phrase(error.format_message())
    return "\n".join((what, *hint))


def _name(error: click.BadParameter) -> str:
    """What the user calls the parameter: the flag that they would write, or an argument's word."""
    if error.param_hint is not None:
        hint = error.param_hint
        return " / ".join(hint) if not isinstance(hint, str) else hint.replace("'", "")
    if isinstance(error.param, click.Option):
        return max(error.param.opts, key=len)
    return "a parameter" if error.param is None else (error.param.metavar or error.param.human_readable_name).rstrip(".")


def _of_range(error: click.BadParameter) -> Optional[str]:
    """What is said of a number that is out of its range; None where something else is wrong."""
    value, is_of_range, _ = error.message.partition(" is not in the range ")
    bounds = None if error.param is None else bounds_of(error.param.type)
    return bounds.refusal(value) if is_of_range and bounds is not None else None


def _elsewhere(error: click.BadParameter) -> List[str]:
    """Where a file or folder is that is not where it was looked for; nothing where it is nowhere near."""
    found = _NOT_THERE.search(error.message) if isinstance(getattr(error.param, "type", None), click.Path) else None
    if found is None:
        return []
    wanted = Path(found[1])
    places = [Path(wanted.name), Path(DEFAULT_OUT, wanted.name)]
    try:
        there = [str(place) for place in places if wanted.name and place != wanted and place.exists()]
        beside = [one.name for one in wanted.parent.iterdir()] if not there and wanted.parent.is_dir() else []
    except (OSError, ValueError):
        return []
    there = there[:1] or [str(wanted.with_name(name)) for name in get_close_matches(wanted.name, beside, n=1)]
    return [f"{there[0]} exists: did you mean that?"] if there else []


def _phrase(text: str) -> str:
    """A sentence of click's as a phrase of ours: no capital and no full stop, and flags without quotes."""
    text = _QUOTED.sub(r"\1", text.strip())
    text = text[:-1] if text.endswith(".") else text
    text = re.sub(r"^Option (-)", r"\1", text)
    text = re.sub(r"^No such command ", "unknown command ", text)
    text = re.sub(r"is not a valid integer( range)?$", "is not a whole number", text)
    text = re.sub(r"is not a valid float( range)?$", "is not a number", text)
    is_word = len(text) > 1 and text[0].isupper() and text[1].islower()
    return text[0].lower() + text[1:] if is_word else text
