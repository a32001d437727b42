from __future__ import annotations

import random
import re
import shlex

import pytest

from evi_harness.report.explaining.explanation import MAX_BYTES, explanation_text
from evi_harness.report.explaining.told_causes import ToldCause, ToldReport
from evi_harness.session.places import Place, SourceLine

SOURCE = tuple(SourceLine(line, text) for line, text in ((10, "def f():"), (11, ""), (12, "    g()"), (13, "    h()"), (14, "")))
AGAIN = ("evi-harness", "replay", "sessions/made", "--handler", "app.py:App")
RAISED = ToldCause(
    "finding",
    "raised",
    "on_message raised KeyError: 'x'",
    "the callback returns",
    "Look there.",
    "at 2.000 s",
    Place("/p/app.py", 12, "on_message", SOURCE),
    "sessions/made",
)
VERSIONS = {"evi_harness": "0.1.0", "python": "3.11.7", "hume": "0.14.1"}


def told(*causes, **changes):
    """A report that tells of these causes."""
    return ToldReport(
        **{"headline": "replay of made: failed", "causes": causes, "again": AGAIN, "cwd": "/p", "versions": VERSIONS, **changes}
    )


def size(text):
    """Its bytes, as they are written."""
    return len(text.encode("utf-8"))


def test_all_of_it():
    """A headline, the cause with its place and three lines, the command, the versions."""
    report = told(RAISED)
    versions = ", ".join(f"{name} {version}" for name, version in VERSIONS.items())
    text = explanation_text(report)
    assert text.endswith("\n")
    assert text.splitlines() == [
        report.headline,
        "",
        f"1. raised (finding), {RAISED.when}",
        f"  observed  {RAISED.observed}",
        f"  expected  {RAISED.expected}",
        "  at        app.py:12 in on_message",
        "    > 12  g()",
        "      13  h()",
        f"  try       {RAISED.to_try}",
        "",
        f"  again     cd /p && {shlex.join(AGAIN)}",
        f"  versions  {versions}",
    ]


def test_of_many_sessions_the_first_is_named():
    """With how many more, and how often."""
    lines = explanation_text(told(ToldCause(**{**vars(RAISED), "n": 7, "n_sessions": 3}), is_of_many=True)).splitlines()
    assert re.fullmatch(r"1\. raised \(finding\), 7 .*\b2\.000 s", lines[2])
    assert re.fullmatch(r"  session   sessions/made .*\b2 more", lines[3])


def test_three_causes_are_shown_and_the_rest_is_counted():
    """By what they are."""
    causes = [ToldCause("finding", f"kind{n}", "x") for n in range(4)] + [ToldCause("warning", "w", "x", n=3)]
    text = explanation_text(told(*causes))
    assert [f"kind{n}" in text for n in range(4)] == [True, True, True, False]
    assert re.search(r"^and 2 more .*: 1 .*finding, 3 .*warning$", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"again": ("evi-harness", "replay", "a b", "--arg", "x='")}, "  again     cd /p && evi-harness replay 'a b' --arg 'x='\"'\"''"),
        ({"cwd": None}, r"  again     evi-harness replay sessions/made --handler app\.py:App"),
        ({"again": (*AGAIN, "--arg", "x=" + "y" * 900)}, r"  again     .*: .*\bcommand in report\.json"),
        ({"again": (*AGAIN, "--arg", "x=\n")}, r"  again     .*: .*\bcommand in report\.json"),
        ({"again": (), "instead": "replay_session(x)"}, r"  again     .*; .* replay_session\(x\)"),
        ({"again": ()}, "  again     .*no command"),
        ({"is_redacted": True}, r"            .*\[redacted\] .*secret"),
        ({"page": "out/made.html"}, r"  page      out/made\.html"),
        ({"page": "x" * 300}, r"  page      .*: .*\bpage in report\.json"),
    ],
)
def test_a_command_is_whole_or_not_there(changes, line):
    """As a shell takes it, with the folder; what has no room, or would not be read as it is, is named by its file."""
    lines = explanation_text(told(RAISED, **changes), "/somewhere/report.json").splitlines()
    assert [one for one in lines if re.fullmatch(line, one)]


@pytest.mark.parametrize("page", ["\x01" * 200, "\u202e" * 66, "\U000e0001" * 50], ids=["control", "override", "tag"])
def test_a_page_is_measured_as_it_is_written(page):
    """Escapes are up to ten times as long as what they stand for; beside a long command they had no room, and nothing was said."""
    again = (*AGAIN, "--arg", "x=" + "y" * 700)
    text = explanation_text(told(RAISED, again=again, page=page), "report.json")
    assert size(text) < MAX_BYTES
    (line,) = [line for line in text.splitlines() if line.startswith("  page ")]
    assert line.endswith("page in report.json")
    assert f"again     cd /p && {shlex.join(again)}" in text
    assert "raised (finding)" in text


def test_without_room_for_all_of_it_the_command_stays(monkeypatch):
    """Page and versions go first, then the command; the headline is always there."""
    again = (*AGAIN, "--arg", "x=" + "y" * 300)
    report = told(RAISED, again=again, page="p" * 190, versions={"python": "v" * 190})
    for most, kept in ((700, True), (300, False), (30, False)):
        monkeypatch.setattr("evi_harness.report.explaining.explanation.MAX_BYTES", most)
        text = explanation_text(report)
        assert text.startswith(f"{report.headline}\n")
        assert (shlex.join(again) in text, "ppp" in text) == (kept, False)


def test_a_shorter_command_is_shown_where_it_has_room():
    """Below the whole one, and never in its place."""
    lines = explanation_text(told(RAISED), shorter=(*AGAIN, "--until", "#7")).splitlines()
    assert lines[-3] == f"  shorter   cd /p && {shlex.join((*AGAIN, '--until', '#7'))}"
    long = (*AGAIN, "--arg", "x=" + "y" * 600)
    assert "shorter" not in explanation_text(told(RAISED, again=long), shorter=(*long, "--until", "#7"))


def test_of_long_texts_what_differs_is_kept():
    """Both are shown from shortly before the first character that differs."""
    before = "the same words again " * 60
    text = explanation_text(told(*[ToldCause("deviation", "different", f"{before}one", f"{before}two")] * 3))
    assert size(text) < MAX_BYTES
    assert [line[-3:] for line in text.splitlines() if "observed" in line] == ["one"] * 3
    assert [line[-3:] for line in text.splitlines() if "expected" in line] == ["two"] * 3


def test_what_would_move_a_cursor_is_escaped():
    """A report may quote a stranger's session."""
    text = explanation_text(told(ToldCause("finding", "raised\x1b[2J", "a\x1b[31m\u202eb\ud800", place=Place("\x07.py", 1, "f"))))
    assert all(one.isprintable() or one == "\n" for one in text)
    text.encode("utf-8")


LETTERS = ["x", " ", "'", "é", "雨", "🌧", "\n", "\x1b", "\u202e", "\ud800", "\\", "$"]
KINDS = ["finding", "warning", "deviation", "fault", "gate", "not run"]


def any_report(seed):
    """A report that holds anything, of any length."""
    chance = random.Random(seed)

    def text():
        return "".join(chance.choices(LETTERS, k=chance.choice([0, 1, 10, 100]))) * chance.choice([1, 1, 10, 100])

    def place():
        source = [SourceLine(chance.randrange(1, 6), text()) for _ in range(chance.randrange(6))]
        return Place(text(), chance.choice([None, 1, 3, 10**9]), text(), tuple(source))

    def cause():
        counts = chance.choices([1, 2, 10**9], k=2)
        words = [text() for _ in range(5)]
        return ToldCause(chance.choice(KINDS), *words, chance.choice([None, place()]), text(), *counts)

    return ToldReport(
        text(),
        tuple(cause() for _ in range(chance.randrange(7))),
        tuple(text() for _ in range(chance.randrange(5))),
        text(),
        chance.choice([None, text()]),
        chance.choice([True, False]),
        chance.choice([None, text()]),
        {name: text() for name in [*VERSIONS, "platform"]},
        chance.choice([True, False]),
    )


@pytest.mark.parametrize("seed", range(60))
def test_it_is_always_short(seed):
    """Whatever a report holds, in any script: under 2,000 bytes, printable, and a command that is there is whole."""
    report = any_report(seed)
    text = explanation_text(report, report.headline, (*report.again, "--until", "#1") if seed % 2 else ())
    assert size(text) < MAX_BYTES
    assert text.endswith("\n")
    assert all(one.isprintable() or one == "\n" for one in text)
    for line in text.splitlines():
        if line.startswith("  again     ") and report.again and "see command in" not in line:
            assert shlex.split(line[12:])[-len(report.again) :] == list(report.again)


@pytest.mark.slow
@pytest.mark.parametrize("letter", ["x", "é", "雨", "🌧"])
@pytest.mark.parametrize("n", [1, 3, 1000])
def test_enormous_causes_in_any_script(letter, n):
    """The size is counted in bytes; three causes are shown all the same."""
    text = letter * 100_000
    causes = [ToldCause("finding", f"k{i}", text, text, text, text, Place(text, 3, text, (SourceLine(3, text),)), text) for i in range(n)]
    explained = explanation_text(told(*causes, headline=text, cwd=text, page=text, is_of_many=True), text)
    assert size(explained) < MAX_BYTES
    assert explained.count("(finding)") == min(n, 3)
