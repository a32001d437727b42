"""Options in groups, and the two help pages of a command: ``-h``, one line per option, and ``--help``, everything.

An option names its group where it is declared. ``-h`` shows all options of a command that has few, and the usual ones
of a command that has many.
"""

from __future__ import annotations

import re
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, TypeVar

import click

from evi_harness.cli.help_pages import HelpContext
from evi_harness.cli.options.ranges import in_words

__all__ = ["GROUPS", "CommandGroup", "GroupedCommand", "GroupedOption", "in_groups", "option"]

_Command = TypeVar("_Command", bound=Callable[..., Any])

HANDLER, COMPARISON, TIME, OUTSIDE = "Handler", "Comparison", "Time", "Outside"
MANY, LIVE, GATE, OUTPUT = "Many sessions", "Live service", "Gate", "Output"
VERSIONS, SERVER, SOUND, CHECKS = "Versions", "Server", "Sound", "Checks"
# In the order of a page.
GROUPS = (HANDLER, VERSIONS, SERVER, COMPARISON, TIME, SOUND, OUTSIDE, MANY, LIVE, CHECKS, GATE, OUTPUT)
_HELP = "Help"
# Standard output, for an option that takes it.
_DASH = "-"

# What a whole number has behind it where its type has fractions.
_WHOLE = re.compile(r"(?<=\d)\.0(?![.\d])")
# What fits a terminal of 24 lines, whose width help is written for.
MOST_LINES, _WIDTH = 24, 78


class GroupedOption(click.Option):
    """An option that knows its group.

    Args:
        param_decls: Its flags and its parameter, as for ``click.Option``.
        group: One of ``GROUPS``.
        usual: Whether ``-h`` shows it where a command has too many to show them all.
        brief: What ``-h`` says of it, in one line; None for the first sentence of its help.
        otherwise: In words, what happens without the option, where that is not a value that could be its default.
        attrs: What else ``click.Option`` takes.
    """

    def __init__(
        self,
        param_decls: Optional[Sequence[str]] = None,
        *,
        group: str,
        usual: bool = False,
        brief: Optional[str] = None,
        otherwise: Optional[str] = None,
        **attrs: Any,
    ) -> None:
        super().__init__(param_decls, **attrs)
        self.group = group
        self.usual = usual
        self.otherwise = otherwise
        self.brief = brief or (self.help or "").split(". ")[0].rstrip(".") + "."

    def get_help_record(self, ctx: click.Context) -> Optional[Tuple[str, str]]:
        """The flags and the help, with the default and the range of values at its end."""
        record = super().get_help_record(ctx)
        if record is None:
            return None
        flags, text = record
        said, bracket, extra = text.rpartition("  [")
        if not (bracket and extra.endswith("]")):
            said, extra = text, ""
        notes = [*([] if self.otherwise is None else [f"default: {self.otherwise}"]), *([in_words(extra[:-1], self.type)] if extra else [])]
        return flags, f"{said}  [{_WHOLE.sub('', '; '.join(notes))}]" if notes else said


def option(*flags: str, group: str, **attrs: Any) -> Callable[[_Command], _Command]:
    """Give a command an option of a group.

    Args:
        flags: Its flags and its parameter, as for ``click.option``.
        group: One of ``GROUPS``.
        attrs: What else ``GroupedOption`` takes.
    """
    return click.option(*flags, cls=GroupedOption, group=group, **attrs)


def in_groups(command: click.Command) -> Dict[str, List[GroupedOption]]:
    """The options of a command by their groups, in the order of a page."""
    grouped: Dict[str, List[GroupedOption]] = {}
    for one in sorted((one for one in command.params if isinstance(one, GroupedOption)), key=lambda one: GROUPS.index(one.group)):
        grouped.setdefault(one.group, []).append(one)
    return grouped


class GroupedCommand(click.Command):
    """A command with both pages of help."""

    context_class = HelpContext

    def get_params(self, ctx: click.Context) -> List[click.Parameter]:  # noqa: ARG002 - click's signature
        """What the command takes, and the two options that show its help."""
        return [*self.params, *_help_options()]

    def parse_args(self, ctx: click.Context, args: List[str]) -> List[str]:
        """Read the words; an error always knows the command that it is of, and ``-`` is a file's name nowhere."""
        try:
            rest = super().parse_args(ctx, args)
            for param in self.params:
                _refuse_dash(ctx, param)
            return rest
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            raise

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write all options, in groups."""
        for group, options in in_groups(self).items():
            with formatter.section(group):
                formatter.write_dl([record for one in options if (record := one.get_help_record(ctx)) is not None])
        with formatter.section(_HELP):
            formatter.write_dl([record for one in _help_options() if (record := one.get_help_record(ctx)) is not None])

    def get_brief_help(self, ctx: click.Context) -> str:
        """The page that ``-h`` shows: the whole help where that fits a screen, else a line for each option, and where there is more."""
        narrow = ctx.formatter_class(width=_WIDTH)
        self.format_help(ctx, narrow)
        if narrow.getvalue().count("\n") <= MOST_LINES:
            return self.get_help(ctx)
        formatter = ctx.make_formatter()
        self.format_usage(ctx, formatter)
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text((self.help or "").split("\n\n")[0])
        every = [one for options in in_groups(self).values() for one in options]
        shown = every if len(every) <= MOST_LINES else [one for one in every if one.usual]
        with formatter.section("Options" if len(shown) == len(every) else "Most used options"):
            formatter.write_dl(_one_line_each(ctx, shown), col_max=max(len(_flags(ctx, one)) for one in shown))
        what = "says more about each" if len(shown) == len(every) else f"shows all {len(every)}"
        formatter.write_paragraph()
        formatter.write_text(f"{ctx.command_path} --help {what}.")
        return formatter.getvalue().rstrip("\n")


class CommandGroup(click.Group):
    """A group of commands, whose help has the headings of a command's."""

    context_class = HelpContext

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, and its own options behind them."""
        self.format_commands(ctx, formatter)
        with formatter.section(_HELP):
            formatter.write_dl([record for one in self.get_params(ctx) if (record := one.get_help_record(ctx)) is not None])

    def get_help_option(self, ctx: click.Context) -> Optional[click.Option]:
        """``-h`` and ``--help``, which show the same page: it is short."""
        found = super().get_help_option(ctx)
        if found is not None:
            found.help = "Show this help."
        return found


def _refuse_dash(ctx: click.Context, param: click.Parameter) -> None:
    """Refuse ``-`` for a path that cannot be standard output: it would be a file of that name."""
    if not isinstance(param.type, click.Path) or param.type.allow_dash:
        return
    value = ctx.params.get(param.name or "")
    given = value if isinstance(value, tuple) else (value,)
    if any(str(one) == _DASH for one in given):
        raise click.BadParameter(f"'{_DASH}' is not supported here; write ./{_DASH} for a path of that name", ctx, param)


def _flags(ctx: click.Context, one: click.Option) -> str:
    record = one.get_help_record(ctx)
    return "" if record is None else record[0]


def _one_line_each(ctx: click.Context, options: Sequence[GroupedOption]) -> List[Tuple[str, str]]:
    room = _WIDTH - 4 - max(len(_flags(ctx, one)) for one in options)
    rows = []
    for one in options:
        flags, text = one.get_help_record(ctx) or ("", "")
        extra = text.rpartition("  [")[2].rstrip("]").partition("; ")[0]
        whole = f"{one.brief}  [{extra}]"
        rows.append((flags, whole if extra.startswith(("default", "required")) and len(whole) <= room else one.brief))
    return rows


def _help_options() -> Tuple[click.Option, ...]:
    return (
        click.Option(["-h"], is_flag=True, is_eager=True, expose_value=False, callback=_show_brief, help="Show a short help."),
        click.Option(["--help"], is_flag=True, is_eager=True, expose_value=False, callback=_show_all, help="Show the whole help."),
    )


def _show_brief(ctx: click.Context, param: click.Parameter, value: bool) -> None:  # noqa: ARG001 - click's signature
    if value and isinstance(ctx.command, GroupedCommand):
        click.echo(ctx.command.get_brief_help(ctx), color=ctx.color)
        ctx.exit()


def _show_all(ctx: click.Context, param: click.Parameter, value: bool) -> None:  # noqa: ARG001 - click's signature
    if value:
        click.echo(ctx.get_help(), color=ctx.color)
        ctx.exit()
