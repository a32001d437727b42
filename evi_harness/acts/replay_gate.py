"""The gate of a replay on the command line; measuring code is loaded only if a gate is configured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, List, Optional

from evi_harness.acts.asked_of_gate import GateOptions
from evi_harness.settings.configuration import load_configuration

if TYPE_CHECKING:
    from evi_harness.acts.measured_runs import Replayed
    from evi_harness.report.gate_report import GateReport

__all__ = ["judge_for", "lines_with_gate"]


def judge_for(options: GateOptions, *, is_replay: bool, names_no_handler: bool = False) -> Optional[Callable[[Replayed], GateReport]]:
    """What judges a replay's result; None where nothing is asked for, nor configured.

    Args:
        options: What is asked for.
        is_replay: Whether a replay is to be judged in which the service is the recording.
        names_no_handler: Whether no handler is named, so that the built-in one is replayed to.

    Raises:
        UsageError, EviHarnessError: See ``gate.gate_for``.
    """
    configured = load_configuration()
    if configured.is_empty and options == GateOptions():
        return None
    from evi_harness.acts.gate import gate_from
    from evi_harness.acts.measured_runs import runs_of_result

    gate = gate_from(options, configured, is_replay=is_replay, names_no_handler=names_no_handler)
    return (lambda result: gate.judge_runs(runs_of_result(result), keep=not result.exit_code)) if gate.is_needed else None


def lines_with_gate(result: Replayed, found: Optional[GateReport]) -> List[str]:
    """The report of a replay, with what a gate found where there was one."""
    if found is None:
        return result.lines()
    from evi_harness.report.gate_report import replayed_with_gate

    return replayed_with_gate(result, found)
