"""Formats for CI servers: JUnit XML, GitHub annotations, and a Markdown summary.

Rules of living here: one list of cases is the source of all three. Whatever stands in a case came from a session or an app, and is
escaped for where it goes: nobody's transcript writes a workflow command or a table's cell.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Tuple
from xml.etree import ElementTree

from evi_harness.measure.comparison import IMPROVED, REGRESSED, Comparison
from evi_harness.measure.thresholds import FAILED, INCONCLUSIVE, PASSED
from evi_harness.report.gate_report import PASS, GateReport, amount, change, comparison_line, threshold_line

__all__ = ["ERROR", "Case", "gate_cases", "github_annotations", "junit", "summary"]

# Could not run.
ERROR = "error"

# Outcome → the element that tells of it in a JUnit file.
_ELEMENTS: Mapping[str, str] = {FAILED: "failure", ERROR: "error", INCONCLUSIVE: "failure"}
_LEVELS: Mapping[str, str] = {FAILED: "error", ERROR: "error", INCONCLUSIVE: "error"}
_SIGNS: Mapping[str, str] = {
    PASSED: "✅",
    IMPROVED: "✅",
    FAILED: "❌",
    REGRESSED: "❌",
    ERROR: "❌",
    INCONCLUSIVE: "❔",
}
# What XML 1.0 cannot hold, not even escaped.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_DETAIL_LINES = 100
_GATE = "gate"


@dataclass(frozen=True)
class Case:
    """One thing that passed or did not: a replay, a threshold, a comparison, a test.

    Attributes:
        suite: What it belongs to.
        name: What it is called; no two of a suite have the same.
        outcome: ``passed``, ``failed``, ``inconclusive`` or ``error``.
        what: What there is to tell, in a line.
        detail: More of it, in lines.
        seconds: How long it took, in real time.
        file: The file that is to be marked, from the top of the repository; None where there is none.
        line: The line in it, from 1.
        is_let_pass: Whether it is inconclusive and that is to pass.
        marked: The line of the app's code that is to be marked instead, with its file from the top of the repository; None where none is
            known.
    """

    suite: str
    name: str
    outcome: str
    what: str = ""
    detail: Tuple[str, ...] = ()
    seconds: float = 0.0
    file: Optional[str] = None
    line: Optional[int] = None
    is_let_pass: bool = False
    marked: Optional[Tuple[str, Optional[int]]] = None


def gate_cases(report: GateReport) -> List[Case]:
    """The cases of a gate: each threshold and each comparison."""
    may_pass = report.inconclusive == PASS
    told = [(one.threshold.text, one.verdict, threshold_line(one), one.is_undecided) for one in report.thresholds]
    told += [(f"{one.metric} {one.statistic}".strip(), one.verdict, comparison_line(one), one.is_undecided) for one in report.comparisons]
    return [
        Case(_GATE, name, _OUTCOMES[verdict], report.redact(what), is_let_pass=may_pass and is_undecided)
        for name, verdict, what, is_undecided in told
    ]


_OUTCOMES: Mapping[str, str] = {PASSED: PASSED, IMPROVED: PASSED, FAILED: FAILED, REGRESSED: FAILED, INCONCLUSIVE: INCONCLUSIVE}


def junit(cases: Sequence[Case]) -> str:
    """The cases as JUnit XML, suite by suite in their order.

    Inconclusive is a failure of the type ``inconclusive``, or a skipped test where that is to pass.
    """
    suites: Dict[str, List[Case]] = {}
    for case in cases:
        suites.setdefault(case.suite, []).append(case)
    root = ElementTree.Element("testsuites", _counts(cases))
    for name, own in suites.items():
        suite = ElementTree.SubElement(root, "testsuite", {"name": _xml(name), **_counts(own)})
        for case in own:
            _junit_case(suite, case)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _counts(cases: Sequence[Case]) -> Dict[str, str]:
    elements = [_element(case) for case in cases]
    counts = {"tests": len(cases), "failures": elements.count("failure"), "errors": elements.count("error")}
    told = {name: str(count) for name, count in {**counts, "skipped": elements.count("skipped")}.items()}
    return {**told, "time": f"{sum(case.seconds for case in cases):.3f}"}


def _element(case: Case) -> str:
    return "skipped" if case.is_let_pass else _ELEMENTS.get(case.outcome, "")


def _junit_case(suite: ElementTree.Element, case: Case) -> None:
    place = {"file": _xml(case.file)} if case.file is not None else {}
    place.update({"line": str(case.line)} if case.line is not None else {})
    named = {"classname": _xml(case.suite), "name": _xml(case.name), "time": f"{case.seconds:.3f}"}
    element = ElementTree.SubElement(suite, "testcase", {**named, **place})
    kind = _element(case)
    if kind:
        told = ElementTree.SubElement(element, kind, {"type": case.outcome, "message": _xml(case.what)})
        told.text = _xml("\n".join(case.detail[:_DETAIL_LINES]) or case.what)
    elif case.what:
        ElementTree.SubElement(element, "system-out").text = _xml(case.what)


def _xml(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)


def github_annotations(cases: Sequence[Case]) -> List[str]:
    """The cases that did not pass, as GitHub's workflow commands: a mark on the file's line, or on the run."""
    return [_annotation(case) for case in cases if case.outcome in _LEVELS]


def _annotation(case: Case) -> str:
    file, line = case.marked if case.marked is not None else (case.file, case.line)
    properties = {"file": file, "line": None if line is None else str(line), "title": f"{case.suite}: {case.name}"}
    told = ",".join(f"{name}={_property(value)}" for name, value in properties.items() if value is not None)
    level = "warning" if case.is_let_pass else _LEVELS[case.outcome]
    return f"::{level} {told}::{_command('inconclusive: ' if case.outcome == INCONCLUSIVE else '')}{_command(case.what or case.outcome)}"


def _command(text: str) -> str:
    """Text as the data of a workflow command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _command(text).replace(":", "%3A").replace(",", "%2C")


def summary(cases: Sequence[Case], gates: Sequence[GateReport] = ()) -> str:
    """What happened, as Markdown: the comparisons with old, new, interval and verdict, then what else there is.

    Args:
        cases: All cases.
        gates: The gates' reports; what they tell is in their tables and not told again.
    """
    lines: List[str] = ["## evi-harness", "", _sum(cases), ""]
    for report in gates:
        lines += [*_comparisons(report), *_thresholds(report), *_notes(report)]
    tabled = {(case.suite, case.name) for report in gates for case in gate_cases(report)}
    lines += _cases([case for case in cases if (case.suite, case.name) not in tabled])
    return "\n".join(lines).rstrip() + "\n"


def _sum(cases: Sequence[Case]) -> str:
    counts = [(name, sum(case.outcome == name for case in cases)) for name in (FAILED, ERROR, INCONCLUSIVE, PASSED)]
    return ", ".join(f"{count} {name}" for name, count in counts if count) or "nothing to judge"


def _comparisons(report: GateReport) -> Iterator[str]:
    if not report.comparisons:
        return
    yield f"{_cell(report.redact(report.new))} with {_cell(report.redact(report.old))}:"
    yield from (
        "",
        "| metric | old | new | difference | confidence interval | tolerance | verdict |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    )
    yield from (_comparison(one, report) for one in report.comparisons)
    yield from ("", f"Seed {report.seed}; at most {report.false_alarm:.1%} of jobs that are not slower are reported as slower.", "")


def _comparison(one: Comparison, report: GateReport) -> str:
    old, new = ("-" if value is None else amount(one, value) for value in (one.old, one.new))
    interval = "-" if one.low is None or one.high is None else f"{amount(one, one.low, '+')} to {amount(one, one.high, '+')}"
    verdict = f"{_SIGNS[one.verdict]} {one.verdict}" + (f": {report.redact(one.why)}" if one.why else "")
    cells = (f"{one.metric} {one.statistic}", old, new, change(one) or "-", interval, amount(one, one.least), verdict)
    return f"| {' | '.join(map(_cell, cells))} |"


def _thresholds(report: GateReport) -> Iterator[str]:
    if not report.thresholds:
        return
    yield from ("| threshold | verdict |", "| --- | --- |")
    for one in report.thresholds:
        told = report.redact(threshold_line(one))
        yield f"| {_cell(told)} | {_SIGNS[one.verdict]} {one.verdict} |"
    yield ""


def _notes(report: GateReport) -> Iterator[str]:
    """What the lines for people say besides."""
    told = ["no threshold applied"] if report.applies_nothing else []
    told += [f"{text!r} in the configuration is about something that is not measured here" for text in report.passed_over]
    told += [f"baseline not written to {report.not_saved}"] if report.not_saved is not None else []
    yield from (f"- {_cell(report.redact(line))}" for line in told)
    if told:
        yield ""


def _cases(cases: Sequence[Case]) -> Iterator[str]:
    if not cases:
        return
    yield from ("| what | verdict | |", "| --- | --- | --- |")
    for case in cases:
        yield f"| {_cell(case.name)} | {_SIGNS[case.outcome]} {case.outcome} | {_cell(case.what)} |"
    yield ""
    for case in cases:
        if case.outcome != PASSED and case.detail:
            yield from (f"<details><summary>{_html(case.name)}</summary>", "", "<pre>")
            yield from (_html(line) for line in case.detail[:_DETAIL_LINES])
            yield from ("</pre>", "", "</details>", "")


def _html(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cell(text: str) -> str:
    """Text that ends neither its cell nor its line, and marks up nothing."""
    return re.sub(r"([\\`*_\[\]|])", r"\\\1", _html(" ".join(text.split())))
