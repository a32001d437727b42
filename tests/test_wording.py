"""The wording of errors, in the one place where it is a contract: other tests pin classes, kinds, places and values.

What happened is half a sentence: it begins in lower case, unless with a name, and has no full stop. What to do next is a sentence, or a
command that can be pasted.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from evi_harness import errors

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
