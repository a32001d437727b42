"""The command that judges the same again: what was typed, without what writes a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator, List, Sequence

import click

if TYPE_CHECKING:
    from evi_harness.acts.gate import GateReport

__all__ = ["judged_here", "words_again"]

# Options that write files. A second run must not write them again.
_WRITES = frozenset({"json_file", "junit_file", "summary_file", "csv_file", "html", "audio_format", "out", "save_baseline"})
_END = "--"


def judged_here(ctx: click.Context, found: GateReport) -> GateReport:
    """A gate's report that says by which options it judged and, where it did not pass, by which command it does so again.

    Args:
        ctx: The command's context.
        found: What the gate found.
    """
    from evi_harness.acts.gate import asked_by

    by_gate = "--gate" if ctx.params.get("gate") else ""
    by_baseline = "--baseline" if ctx.params.get("baseline") is not None else ""
    return asked_by(found, by_gate, by_baseline, lambda: words_again(ctx.command, ctx.obj))


def words_again(command: click.Command, words: Sequence[str]) -> List[str]:
    """A command's words in one order, without what writes a file.

    Args:
        command: The command.
        words: As they were typed, its name first.
    """
    name, *typed = words
    at = typed.index(_END) if _END in typed else len(typed)
    values, _, order = command.make_parser(click.Context(command, info_name=name)).parse_args(args=list(typed[:at]))
    options = {one.name: one for one in order if isinstance(one, click.Option) and one.name not in _WRITES}
    arguments = [one for one in command.params if isinstance(one, click.Argument)]
    given = [word for one in arguments for word in _several(values.get(one.name or ""))]
    told = [word for one in options.values() for word in _option(one, values[one.name or ""])]
    return [name, *given, *told, *typed[at:]]


def _option(one: click.Option, value: object) -> Iterator[str]:
    """The words of an option, with the value that its parser read."""
    flag = max(one.opts, key=len)
    if one.is_flag:
        yield flag if value or not one.secondary_opts else max(one.secondary_opts, key=len)
        return
    for each in _several(value):
        yield from (flag, each)


def _several(value: object) -> Iterator[str]:
    if isinstance(value, (list, tuple)):
        yield from (str(one) for one in value if one is not None)
    elif isinstance(value, str):
        yield value
