"""``evi-harness ab``."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, ContextManager, Optional, Tuple

import click

from evi_harness.bounds import MOST_RUNS
from evi_harness.cli.options.gate_again import judged_here
from evi_harness.cli.options.gate_options import ci_options, comparing_options
from evi_harness.cli.options.grouped import TIME, VERSIONS, GroupedCommand, option
from evi_harness.cli.options.incomplete_option import allow_incomplete_option
from evi_harness.cli.options.seconds import Seconds
from evi_harness.cli.printing import echo
from evi_harness.cli.report_files import STANDARD_OUTPUT, json_option, write_json

if TYPE_CHECKING:
    from evi_harness.acts.ab import OneSide
    from evi_harness.acts.asked_of_gate import GateOptions
    from evi_harness.acts.ci_outputs import CiOptions

__all__ = ["command"]


@click.command("ab", cls=GroupedCommand)
@click.argument("in_revisions", metavar="[-- COMMAND...]", nargs=-1, type=click.UNPROCESSED)
@option("--a", "a", group=VERSIONS, metavar="CMD", help="The old version, as a command.")
@option("--b", "b", group=VERSIONS, metavar="CMD", help="The new version, as a command.")
@option(
    "--a-rev",
    group=VERSIONS,
    metavar="REV",
    brief="The old version, as a git revision.",
    help="The old version, as a git revision to run COMMAND in.",
)
@option(
    "--b-rev",
    group=VERSIONS,
    metavar="REV",
    brief="The new version, as a git revision.",
    help="The new version, as a git revision to run COMMAND in.",
)
@option(
    "--runs",
    "n_runs",
    group=VERSIONS,
    default=20,
    show_default=True,
    type=click.IntRange(1, MOST_RUNS),
    metavar="N",
    help="Measure N runs of each version.",
)
@option(
    "--warm-up",
    group=VERSIONS,
    default=1,
    show_default=True,
    type=click.IntRange(0, MOST_RUNS),
    metavar="N",
    brief="First run each version N times, unmeasured.",
    help="First run each version N times without measuring.",
)
@option("--metric", "metrics", group=VERSIONS, metavar="METRIC", multiple=True, help="Compare only this metric. Repeatable.")
@comparing_options
@allow_incomplete_option("Accept recordings that are incomplete or damaged, in every replay, latency and pytest that is run.")
@option(
    "--run-timeout",
    "timeout_s",
    group=TIME,
    default=600.0,
    show_default=True,
    type=Seconds(min=1),
    metavar="SECONDS",
    help="Give up a run that takes longer than this.",
)
@json_option("the report", "gate-report.schema.json")
@ci_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    in_revisions: Tuple[str, ...],
    a: Optional[str],
    b: Optional[str],
    a_rev: Optional[str],
    b_rev: Optional[str],
    n_runs: int,
    warm_up: int,
    metrics: Tuple[str, ...],
    comparing: GateOptions,
    allow_incomplete: bool,
    timeout_s: float,
    json_file: Optional[str],
    ci: CiOptions,
) -> int:
    """Run two versions alternately, in one job, and report whether the new one is slower.

    Give two commands (--a, --b), or one command and two git revisions (--a-rev, --b-rev). A command is anything that runs evi-harness
    replay, evi-harness latency, or pytest with replays in it. In a revision, its own code comes first on Python's path; a handler that is
    loaded from anywhere else is refused.

    Exits with 0 if nothing is slower, with 1 if something is, with 4 if more runs are needed to decide.
    """
    sides = _sides(in_revisions, (a, b), (a_rev, b_rev))
    from evi_harness.acts.ab import compare_sides
    from evi_harness.acts.ci_outputs import tell_ci
    from evi_harness.acts.gate import with_gate

    aside = json_file == STANDARD_OUTPUT
    with sides as both:
        report = compare_sides(
            both,
            n_runs=n_runs,
            n_warm=warm_up,
            metrics=metrics or None,
            options=comparing,
            timeout_s=timeout_s,
            allow_incomplete=allow_incomplete,
            tell=lambda line: echo(line, err=True),
        )
    report = judged_here(ctx, report)
    for line in with_gate([], report):
        echo(line, err=aside)
    tell_ci(ci, gates=[report], write=lambda line: echo(line, err=aside))
    write_json(json_file, report.json)
    return report.exit_code


def _sides(
    in_revisions: Tuple[str, ...], commands: Tuple[Optional[str], ...], names: Tuple[Optional[str], ...]
) -> ContextManager[Tuple[OneSide, OneSide]]:
    if None not in commands and names == (None, None) and not in_revisions:
        from evi_harness.acts.ab import commands as as_sides

        return nullcontext(as_sides(str(commands[0]), str(commands[1])))
    if None not in names and commands == (None, None):
        from evi_harness.acts.ab import revisions

        return revisions(str(names[0]), str(names[1]), in_revisions)
    raise click.UsageError("give either --a and --b, or --a-rev and --b-rev with a command after --")
