"""The result types of the public calls, for annotations; each is loaded when it is first used.

Rules of living here: a type is in the table, in the block for type checkers and in ``__all__``; no module of the package imports from here.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Dict, List

if TYPE_CHECKING:
    from evi_harness.acts.imports.import_har import Imported
    from evi_harness.acts.record_connection import Recording
    from evi_harness.acts.record_live import LiveResult
    from evi_harness.acts.replay import ReplayResult
    from evi_harness.acts.serve.served_verdict import Compared
    from evi_harness.calls.replay_call import ReplayArguments
    from evi_harness.calls.serve_call import SessionServer
    from evi_harness.carriers.lateness import Lateness
    from evi_harness.measure.samples import Sample
    from evi_harness.measure.summary import Summary
    from evi_harness.replay.judging.deviations import Deviation
    from evi_harness.replay.judging.findings import Finding
    from evi_harness.report.check_report import Checked, CheckReport
    from evi_harness.report.comparison_report import ComparedPair, ComparisonReport
    from evi_harness.report.corpus_report import CorpusReport, Outcome
    from evi_harness.report.drift_report import LiveReport
    from evi_harness.report.gate_report import GateReport
    from evi_harness.report.latency_report import LatencyReport
    from evi_harness.report.repair_report import RepairReport
    from evi_harness.runs.app_command import AppCommand
    from evi_harness.session.header import Header
    from evi_harness.session.problem import Problem

__all__ = [
    "AppCommand",
    "CheckReport",
    "Checked",
    "Compared",
    "ComparedPair",
    "ComparisonReport",
    "CorpusReport",
    "Deviation",
    "Finding",
    "GateReport",
    "Header",
    "Imported",
    "LatencyReport",
    "Lateness",
    "LiveReport",
    "LiveResult",
    "Outcome",
    "Problem",
    "Recording",
    "RepairReport",
    "ReplayArguments",
    "ReplayResult",
    "Sample",
    "SessionServer",
    "Summary",
]

# Name → the module that defines it.
TYPES: Dict[str, str] = {
    "AppCommand": "evi_harness.runs.app_command",
    "CheckReport": "evi_harness.report.check_report",
    "Checked": "evi_harness.report.check_report",
    "Compared": "evi_harness.acts.serve.served_verdict",
    "ComparedPair": "evi_harness.report.comparison_report",
    "ComparisonReport": "evi_harness.report.comparison_report",
    "CorpusReport": "evi_harness.report.corpus_report",
    "Deviation": "evi_harness.replay.judging.deviations",
    "Finding": "evi_harness.replay.judging.findings",
    "GateReport": "evi_harness.report.gate_report",
    "Header": "evi_harness.session.header",
    "Imported": "evi_harness.acts.imports.import_har",
    "LatencyReport": "evi_harness.report.latency_report",
    "Lateness": "evi_harness.carriers.lateness",
    "LiveReport": "evi_harness.report.drift_report",
    "LiveResult": "evi_harness.acts.record_live",
    "Outcome": "evi_harness.report.corpus_report",
    "Problem": "evi_harness.session.problem",
    "Recording": "evi_harness.acts.record_connection",
    "RepairReport": "evi_harness.report.repair_report",
    "ReplayArguments": "evi_harness.calls.replay_call",
    "ReplayResult": "evi_harness.acts.replay",
    "Sample": "evi_harness.measure.samples",
    "SessionServer": "evi_harness.calls.serve_call",
    "Summary": "evi_harness.measure.summary",
}


if not TYPE_CHECKING:
    # A checker that saw this would take any name for a public one.

    def __getattr__(name: str) -> Any:
        module = TYPES.get(name)
        if module is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(module), name)
        globals()[name] = value
        return value


def __dir__() -> List[str]:
    return sorted({*globals(), *__all__})
