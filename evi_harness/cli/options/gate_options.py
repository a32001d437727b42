"""The options of gates and CI outputs, shared by all commands that have them.

Rules of living here: values are passed on as they are; the inner rooms refuse invalid ones. Nothing is loaded for ``--help``.
"""

from __future__ import annotations

from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Dict, Sequence

import click

from evi_harness.cli.flags import in_flags
from evi_harness.cli.options.grouped import GATE, OUTPUT, option
from evi_harness.cli.printing import echo
from evi_harness.cli.report_files import absolute, in_a_folder
from evi_harness.errors import EviHarnessError

if TYPE_CHECKING:
    from evi_harness.acts.asked_of_gate import GateOptions
    from evi_harness.acts.ci_outputs import CiOptions

__all__ = ["NAMES", "ci_options", "comparing_options", "gate_options"]

_Function = Callable[..., Any]
_READ = click.Path(exists=True, path_type=Path)
_WRITTEN = click.Path(dir_okay=False, writable=True, path_type=Path)

_COMPARING = (
    option(
        "--inconclusive",
        group=GATE,
        type=click.Choice(["fail", "pass"]),
        otherwise="fail",
        brief="Whether an inconclusive result fails or passes.",
        help="Whether an inconclusive result fails, with exit code 4, or passes.",
    ),
    option(
        "--gate-seed",
        group=GATE,
        type=int,
        metavar="N",
        otherwise="1",
        brief="The seed of the statistics.",
        help="The seed for the random resampling behind confidence intervals.",
    ),
    option(
        "--false-alarm",
        group=GATE,
        type=click.FloatRange(min=0, max=0.5, min_open=True, max_open=True),
        metavar="P",
        otherwise="0.01",
        brief="The accepted probability of a false alarm.",
        help="The accepted probability of a false alarm: that a run is reported as slower although it is not.",
    ),
    option(
        "--least-effect",
        group=GATE,
        metavar="EFFECT",
        otherwise="5%,1ms..50ms",
        brief="Ignore differences smaller than this.",
        help="Ignore differences smaller than this: a percentage of the old value, with a minimum and a maximum.",
    ),
)
_GATE = (
    option(
        "--gate",
        group=GATE,
        usual=True,
        metavar="THRESHOLD",
        multiple=True,
        brief="Fail unless this holds: 'turn_gap: p(95)<1200'.",
        help="Fail unless this holds, such as 'turn_gap: p(95)<1200'; in ms unless you add a unit. Repeatable.",
    ),
    option(
        "--baseline",
        group=GATE,
        usual=True,
        type=_READ,
        callback=absolute,
        metavar="FILE",
        brief="Compare latency with this baseline.",
        help="Compare the measurements with this baseline, and fail if they became slower.",
    ),
    option(
        "--save-baseline",
        group=GATE,
        usual=True,
        type=click.Path(writable=True, path_type=Path),
        callback=in_a_folder,
        metavar="FILE",
        envvar="EVI_HARNESS_SAVE_BASELINE",
        brief="Save latency as a baseline.",
        help="Save the measurements as a baseline; in a folder, as a new file.",
    ),
    option(
        "--job-noise",
        group=GATE,
        type=click.FloatRange(min=0, max=10),
        metavar="SHARE",
        otherwise="0.26",
        brief="How much the speed of CI machines varies.",
        help="How much the speed of two CI machines may differ, as a fraction; 0 if the baseline is from the same machine.",
    ),
)
_CI = (
    option(
        "--junit",
        "junit_file",
        group=OUTPUT,
        usual=True,
        type=_WRITTEN,
        callback=in_a_folder,
        metavar="FILE",
        help="Write JUnit XML for a CI server to this file.",
    ),
    option(
        "--summary",
        "summary_file",
        group=OUTPUT,
        type=_WRITTEN,
        callback=in_a_folder,
        metavar="FILE",
        otherwise="the job summary, in a GitHub workflow",
        brief="Append a summary in Markdown to this file.",
        help="Append a summary in Markdown to this file.",
    ),
)


# The parameters, which bear the names of the fields of what they become.
_OF_COMPARING = ("inconclusive", "gate_seed", "false_alarm", "least_effect")
_OF_GATE = ("gate", "baseline", "save_baseline", "job_noise", *_OF_COMPARING)
_OF_CI = ("junit_file", "summary_file")
# All parameters, for commands that refuse what changes nothing.
NAMES = (*_OF_GATE, *_OF_CI)


def comparing_options(function: _Function) -> _Function:
    """Give a command the options of a comparison; they come as one ``GateOptions``, ``comparing``."""
    return _packed(function, _COMPARING, "comparing", _OF_COMPARING, _gate_of)


def gate_options(function: _Function) -> _Function:
    """Give a command the options of a gate; they come as one ``GateOptions``, ``gate``."""
    return _packed(function, (*_GATE, *_COMPARING), "gate", _OF_GATE, _gate_of)


def _gate_of(values: Dict[str, Any]) -> GateOptions:
    from evi_harness.acts.asked_of_gate import GateOptions

    return GateOptions(**values)


def ci_options(function: _Function) -> _Function:
    """Give a command the options of what CI reads; they come as one ``CiOptions``, ``ci``.

    Where the command could not do its work, that is what CI reads; a report that is not there looks like one that nobody asked for.
    """

    @wraps(function)
    def telling(*args: Any, ci: CiOptions, **values: Any) -> Any:
        try:
            return function(*args, ci=ci, **values)
        except EviHarnessError as error:
            from evi_harness.acts.ci_outputs import tell_failure

            name = click.get_current_context().info_name or ""
            tell_failure(ci, name, error.exit_code, in_flags(error.words()), write=lambda line: echo(line, err=True))
            raise

    return _packed(telling, _CI, "ci", _OF_CI, _ci_of)


def _ci_of(values: Dict[str, Any]) -> CiOptions:
    from evi_harness.quiet_loading import loading

    with loading():
        from evi_harness.acts.ci_outputs import ci_for

    return ci_for(**values)


def _packed(
    function: _Function,
    options: Sequence[Callable[[_Function], _Function]],
    name: str,
    packed: Sequence[str],
    made: Callable[[Dict[str, Any]], object],
) -> _Function:
    @wraps(function)
    def with_options(*args: Any, **values: Any) -> Any:
        asked = {one: values.pop(one) for one in packed}
        return function(*args, **{**values, name: made(asked)})

    optioned: _Function = with_options
    for one in reversed(options):
        optioned = one(optioned)
    return optioned
