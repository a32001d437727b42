"""Wording, in the one place where it is a contract: other tests pin classes, kinds, places and values.

Of an error, what happened is half a sentence: it begins in lower case, unless with a name, and has no full stop. What to do next is a
sentence, or a command that can be pasted. Whole sentences stand in ``CONTRACT`` alone; ``PINS`` names what else has one, with its reason.
"""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from pathlib import Path

import pytest

from evi_harness import errors, replay_session
from evi_harness.cli.main import main
from evi_harness.measure.samples import Sample
from evi_harness.measure.thresholds import judge_threshold, parse_threshold
from evi_harness.quiet_loading import loading
from evi_harness.replay.judging.deviations import Deviation
from evi_harness.replay.judging.findings import Finding
from evi_harness.replay.judging.verdict import Verdict
from evi_harness.report.gate_report import GateReport, replayed_with_gate, with_gate
from evi_harness.report.replay_report import verdict_text
from evi_harness.report.result import verdict_line

ROOT = Path(__file__).resolve().parents[1]
CLASSES = {*errors.__all__, "BadParameter"} - {"Parameter", "Words"}
# What an error may begin with in upper case: what is written so anywhere.
PROPER = ("Dask", "PortAudio")
COMMANDS = ("pip install ", "evi-harness ")
# Predicates such as "'x' is no speed"; "there is no such file" is English.
FOREIGN = re.compile(
    r"(?<![Tt]here )\b(?:is|was|are|were) no (?!longer\b|more\b|other\b)|\bfor ever\b|\ball the same\b|\bcannot be meant\b"
)
_UNKNOWN = "{}"


def called(node):
    """The last name of what is called: that of a class, whatever module it is taken from."""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)


def said(node):
    """The text of an expression, with {} for what is known at run time only; None where nothing is known."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return "".join(one.value if isinstance(one, ast.Constant) else _UNKNOWN for one in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return (said(node.left) or _UNKNOWN) + (said(node.right) or _UNKNOWN)
    if isinstance(node, ast.Call) and called(node) == "Words":
        return "".join(said(one) or _UNKNOWN for one in node.args)
    return None


def sentences(source):
    """What each error in a source says: its line, what happened, and what to do next, each None where it is not literal."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and called(node) in CLASSES and node.args:
            yield node.lineno, said(node.args[0]), next((said(one.value) for one in node.keywords if one.arg == "hint"), None)


def faults(told):
    """What is wrong with the wording of errors, with the line."""
    for line, what, hint in told:
        if what and what.endswith("."):
            yield line, f"what happened ends in a full stop: {what}"
        if what and what[:1].isupper() and not what.split()[0].isupper() and not what.startswith(PROPER):
            yield line, f"what happened begins in upper case: {what}"
        if hint and not hint.startswith(COMMANDS) and not hint.endswith((".", "?", _UNKNOWN)):
            yield line, f"what to do is no whole sentence: {hint}"
        for one in (what, hint):
            if one and FOREIGN.search(one):
                yield line, f"not English: {one}"


def test_errors_speak_with_one_voice():
    """Every error whose sentence stands in the source."""
    told = {file: list(sentences(file.read_text(encoding="utf-8"))) for file in sorted((ROOT / "evi_harness").rglob("*.py"))}
    assert [f"{file.relative_to(ROOT)}:{line}: {fault}" for file, these in told.items() for line, fault in faults(these)] == []
    assert sum(map(len, told.values())) > 300


@pytest.mark.parametrize(
    "raised",
    [
        'UsageError("it failed.")',
        'click.BadParameter(f"{x} is not a folder.")',
        'SessionError("It failed")',
        'UsageError("it failed", hint="look there")',
        'UsageError(Words("invalid value for ", name, ": \'x\' is no speed"))',
        'EviHarnessError("it hangs" + " for ever")',
    ],
)
def test_a_breach_would_be_seen(raised):
    """Whatever the sentence is put together of."""
    assert list(faults(sentences(f"raise {raised}")))


@pytest.mark.parametrize(
    "raised",
    ['UsageError("there is no file x", hint="pip install x")', 'EviHarnessError(f"HTTP status {n}", hint=Words("Give ", name, "."))'],
)
def test_what_is_right_passes(raised):
    """Commands and abbreviations, and what is known at run time only."""
    assert list(faults(sentences(f"raise {raised}"))) == []


DIFFERS, RAISED = Deviation("different", "x"), Finding("raised", "x", 0)
HANDLED = [Sample("handle", float(value), "weather", turn) for turn, value in enumerate((1, 9, 3), 1)]
HELD, BROKEN, OPEN, EMPTY = (
    judge_threshold(parse_threshold(f"handle: {rule}"), samples)
    for rule, samples in (("max<10", HANDLED), ("max<5", HANDLED), ("p(95)<5", HANDLED), ("max<5", []))
)


@pytest.fixture(scope="module")
def typed():
    """The result of a replay that passed."""
    return replay_session(ROOT / "sessions" / "typed")


def judged(result, deviations=(), findings=()):
    """The last line of a replay to an app that found this."""
    return verdict_line(verdict_text(replace(result.report, is_built_in=False, verdict=Verdict(deviations, findings))))


# What scripts and CI read: the last line of a report. Its label has eleven columns; then comes one of three words, and behind a colon what
# it counts.
CONTRACT = {
    "verdict    passed": judged,
    "verdict    passed, with the built-in handler": lambda result: result.lines()[-1],
    "verdict    failed: 1 deviation": lambda result: judged(result, (DIFFERS,)),
    "verdict    failed: 1 finding, 2 deviations": lambda result: judged(result, (DIFFERS, DIFFERS), (RAISED,)),
    "verdict    failed: 1 threshold does not hold": lambda _: with_gate([], GateReport((HELD, BROKEN)))[-1],
    "verdict    failed: 2 thresholds do not hold": lambda result: replayed_with_gate(result, GateReport((BROKEN, BROKEN)))[-1],
    "verdict    inconclusive: 1 cannot be decided": lambda _: with_gate([], GateReport((OPEN,)))[-1],
    "verdict    inconclusive: 1 with nothing to judge": lambda _: with_gate([], GateReport((EMPTY,), inconclusive="pass"))[-1],
    "verdict    passed: 1 cannot be decided, and may pass": lambda _: with_gate([], GateReport((OPEN,), inconclusive="pass"))[-1],
}


@pytest.mark.parametrize("line", CONTRACT)
def test_the_verdict_has_this_shape(typed, line):
    """Word for word: other tests compare its first word and its numbers."""
    assert CONTRACT[line](typed) == line


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("replay", "error: SESSION is missing"),
        ("replay . --clock x", "error: invalid value for --clock: 'x' is not one of 'virtual', 'real', 'auto'"),
        ("replay . --jobs x", "error: invalid value for --jobs: 'x' is not a whole number"),
        ("check . --json gone/x", "error: invalid value for --json: 'gone' is not a folder"),
    ],
)
def test_an_error_at_the_command_line_has_this_shape(capsys, command, line):
    """What is wrong by the name that was typed, then where to look; nothing on standard output."""
    assert main(command.split()) == 2
    out, err = capsys.readouterr()
    assert (out, err.splitlines()) == ("", [line, f"See evi-harness {command.split()[0]} -h."])


# So many words in a row are a sentence; fewer are a label, a unit or a name.
N_WORDS = 4
WORD = re.compile(r"[\"'(`]*[A-Za-z][A-Za-z'’-]*[.,;:!?)\"'`]*")
# Calls of tests whose arguments are compared with what the product says, besides comparisons themselves.
LOOKS = frozenset(
    [
        "startswith",
        "endswith",
        "search",
        "match",
        "fullmatch",
        "findall",
        "finditer",
        "compile",
        "split",
        "partition",
        "count",
        "find",
        "index",
    ]
)
SAYS_INSTEAD = """
Assert the kind, the place and the values; of an error its class, its parameter and its attributes; of text for people the label, the
numbers and the names, with .* between them. A sentence that scripts read belongs into CONTRACT of tests/test_wording.py; whatever else
must have its words gets a row in PINS, with the reason."""
# What has a sentence all the same: a function or a table of a test file, and why.
A_REASON = "reasons of the test's own, which nothing is compared with"
PINS = {
    "acts/test_played_audio.py: LEFT_OUT": A_REASON,
    "calls/test_commands_and_calls.py: NO_CALL": A_REASON,
    "test_rooms.py: NAME_ONE": A_REASON,
    "simulate/test_voice.py: TEXTS": "what the voice says, whose samples are pinned",
    "terminal/test_folding.py: test_a_command_in_a_sentence_is_not_broken": "commands, each of which must stay in one piece",
    "test_house.py: test_a_flag_is_seen": "source code with a sentence in it",
}


def runs_of_words(text):
    """Every run of words in a text or a pattern that is long enough for a sentence, in lower case."""
    text = re.sub(r"\\[sSbdwWB]\+?|\.[*+]\??", f" {_UNKNOWN} ", text).replace("\\", "").replace("\n", f" {_UNKNOWN} ")
    run = []
    for word in [*text.split(" "), _UNKNOWN]:
        if WORD.fullmatch(word):
            run.append(re.sub(r"[^a-z'-]", "", word.lower()))
        elif word:
            if len(run) >= N_WORDS:
                yield run
            run = []


def phrases(text):
    """What so many words in a row say, of all of a text."""
    if text.count(" ") < N_WORDS - 1:
        return set()
    return {tuple(run[at : at + N_WORDS]) for run in runs_of_words(text) for at in range(len(run) - N_WORDS + 1)}


def texts(node):
    """Every text of an expression, with its line; the keys of a table are names, and so are ids."""
    if isinstance(node, (ast.Constant, ast.JoinedStr)):
        text = said(node)
        if text is not None:
            yield node.lineno, text
        return
    children = ast.iter_child_nodes(node)
    if isinstance(node, ast.Dict):
        children = node.values
    if isinstance(node, ast.Call):
        children = [*node.args, *(one.value for one in node.keywords if one.arg not in ("id", "ids"))]
    for child in children:
        yield from texts(child)


def said_by_the_product():
    """All phrases of its texts; of docstrings those of the commands, which are their help."""
    found = set()
    for file in (ROOT / "evi_harness").rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        silent = set() if file.parent.name == "cli" else {id(doc) for doc in docstrings(tree)}
        for node in ast.walk(tree):
            if isinstance(node, (ast.Constant, ast.JoinedStr)) and id(node) not in silent:
                found |= phrases(said(node) or "")
    return found


def docstrings(tree):
    """The docstrings of a module and of all in it."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                yield first.value


def compared(function, tables):
    """The texts that a function compares, looks for, or has as cases, with their lines; those of a table have its name."""
    for node in ast.walk(function):
        parts = []
        if isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
        elif isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            parts = [*(node.args if name in LOOKS else node.args[1:] if name == "parametrize" else [])]
            parts += [one.value for one in node.keywords if one.arg == "match"]
        for part in parts:
            yield from ((function.name, *found) for found in texts(part))
            used = {one.id for one in ast.walk(part) if isinstance(one, ast.Name)} & set(tables)
            yield from ((name, *found) for name in sorted(used) for found in texts(tables[name]))


def pinned(source, known):
    """The sentences of the product's that a test file pins: the function or table, the line, the text."""
    tree = ast.parse(source)
    tables = {}
    for node in tree.body:
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            tables.update({target.id: node.value for target in targets if isinstance(target, ast.Name)})
    functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    return {found for function in functions for found in compared(function, tables) if phrases(found[2]) & known}


def test_no_other_test_pins_a_sentence():
    """Whoever betters a sentence finds it in one place, if at all."""
    found = {}
    with loading():
        known = said_by_the_product()
        assert len(known) > 5000
        for file in sorted((ROOT / "tests").rglob("*.py")):
            if file != Path(__file__):
                name = file.relative_to(ROOT / "tests").as_posix()
                for where, line, text in sorted(pinned(file.read_text(encoding="utf-8"), known)):
                    found.setdefault(f"{name}: {where}", []).append(f"tests/{name}:{line}: {text!r}")
    too_many = [line for where in found if where not in PINS for line in found[where]]
    assert not too_many, "\n".join(["sentences of evi-harness's, pinned by a test:", *too_many, SAYS_INSTEAD])
    assert [row for row in PINS if not (ROOT / "tests" / row.partition(": ")[0]).is_file()] == []


@pytest.mark.parametrize(
    ("source", "n_pins"),
    [
        ('def test_x():\n    assert found == "the page cannot be written"', 1),
        ('def test_x():\n    assert f"{path}: the page cannot be written: {why}" in told', 1),
        ('def test_x():\n    with raises(E, match=r"the page cannot be written"):\n        act()', 1),
        ('@parametrize("says", ["the page cannot be written"])\ndef test_x(says):\n    pass', 1),
        ('SAYS = ["the page cannot be written"]\ndef test_x():\n    assert told in SAYS', 1),
        ('def test_x():\n    assert re.search(r"the page\\s+cannot be written", told)', 0),
        ('def test_x():\n    assert re.search("the page .*written: No space left", told)', 0),
        ('def test_x():\n    """the page cannot be written"""\n    assert told == "the sun is out today"', 0),
    ],
)
def test_a_pinned_sentence_would_be_seen(source, n_pins):
    """However it is looked for; what the product does not say is a test's own affair, and so is a docstring."""
    assert len(pinned(source, phrases("the page cannot be written"))) == n_pins
