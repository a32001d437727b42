from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.report.check_report import Checked, CheckReport
from evi_harness.session.problem import KINDS, Problem

SCHEMA = json.loads((Path(__file__).resolve().parents[2] / "docs" / "reference" / "check-report.schema.json").read_text(encoding="utf-8"))


def beyond(number, about="user.wav"):
    """A line that refers to what is not there."""
    return Problem("events.jsonl", number, f"bytes {number} of {about}.", kind="beyond_the_end", about=about)


def test_one_session_is_a_line_a_problem():
    """Each begins with the folder; a sound one says so."""
    assert Checked("a").lines() == ["a: nothing wrong"]
    gone = Problem("user.wav", None, "it is gone.", "Look for it.", kind="file_unreadable")
    assert Checked("a", (gone, beyond(3))).lines() == [
        f"a: user.wav: {gone.what} {gone.hint}",
        f"a: events.jsonl, line 3: {beyond(3).what}",
    ]


def test_a_section_has_its_folder_above():
    """With how many problems there are, all counted."""
    assert Checked("a").section() == ["a: nothing wrong"]
    assert Checked("a", (beyond(3),)).section() == ["a: 1 problem", "  events.jsonl, line 3: bytes 3 of user.wav."]
    many = Checked("a", tuple(map(beyond, range(1, 200)))).section()
    assert [many[0], len(many)] == ["a: 199 problems", 2]


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ([], []),
        ([1], [r"line 1: bytes 1 of user\.wav\."]),
        (range(1, 11), [rf"line {number}: bytes {number} of user\.wav\." for number in range(1, 11)]),
        (
            range(1, 12),
            [r"line 1: bytes 1 of user\.wav\. 10 more .* events\.jsonl, line 11: bytes 11 of user\.wav\."],
        ),
    ],
    ids=["none", "one", "ten", "eleven"],
)
def test_more_than_ten_of_one_cause_are_one_line(numbers, told):
    """The first, how many more, the last."""
    lines = Checked("a", tuple(map(beyond, numbers))).section()[1:]
    assert len(lines) == len(told)
    assert all(re.fullmatch(rf"  events\.jsonl, {said}", line) for said, line in zip(told, lines))


def test_another_cause_is_another_line():
    """Problems of one kind about two files are two; what is few stays where it was."""
    problems = []
    for number in range(1, 50):
        problems += [beyond(number), beyond(number, "assistant.wav")]
    problems.insert(20, Problem("events.jsonl", 7, "broken.", kind="line_damaged"))
    lines = Checked("a", tuple(problems)).section()[1:]
    first, second, last = [line.split(": ")[1] for line in lines]
    for line, file in ((first, "user.wav"), (second, "assistant.wav")):
        assert re.fullmatch(rf"bytes 1 of {file}\. 48 more .* events\.jsonl, line 49", line)
    assert last == "broken."


def test_what_is_wrong_with_many_files_is_one_line():
    """The last one is named as well."""
    problems = tuple(Problem(f"f{number}", None, "nobody.", "Really.", kind="unused_file") for number in range(100, 200))
    (line,) = Checked("a", problems).lines()
    assert re.fullmatch(r"a: f100: nobody\. Really\. 99 more .* f199: nobody\.", line)


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.sampled_from(["", "x", "y"]))))
def test_no_problem_is_lost(causes):
    """What is told and what is counted as more are all of them."""
    problems = tuple(Problem("f", number, "wrong.", kind=kind, about=about) for number, (kind, about) in enumerate(causes, 1))
    lines = Checked("a", problems).section()[1:]
    more = [int(found[1]) for found in (re.search(r"(\d+) more like it", line) for line in lines) if found]
    assert len(lines) + sum(more) == len(problems)


def test_names_do_not_move_the_cursor():
    """A stranger names folders and files."""
    one = Checked("a\x1b[2J", (Problem("b\x1b[2J", None, "x."),))
    assert not [line for line in [*one.lines(), *one.section()] if "\x1b" in line]


@pytest.mark.parametrize(
    ("checked", "code", "told"),
    [
        ((), 0, "0 sessions: 0 with nothing wrong"),
        ((Checked("a"),), 0, "1 session: 1 with nothing wrong"),
        ((Checked("a"), Checked("b", (beyond(1),))), 1, "2 sessions: 1 with nothing wrong, 1 with problems"),
        ((Checked("b", (beyond(1),)), Checked("a")), 1, "2 sessions: 1 with nothing wrong, 1 with problems"),
    ],
    ids=["none", "one", "the last is wrong", "the first is wrong"],
)
def test_the_sum_and_the_code_are_of_all(checked, code, told):
    """One bad session is enough, wherever it stands; the JSON says the same."""
    report = CheckReport(checked)
    assert (report.exit_code, report.sum()) == (code, told)
    jsonschema.validate(report.json(), SCHEMA)
    assert (report.json()["exit_code"], report.json()["passed"]) == (code, code == 0)


def test_programs_get_every_problem():
    """Nothing is folded there."""
    told = CheckReport((Checked("a", tuple(map(beyond, range(1, 200)))),)).json()
    jsonschema.validate(told, SCHEMA)
    [session] = told["sessions"]
    assert [one["line"] for one in session["problems"]] == list(range(1, 200))
    assert session["problems"][0] == {
        "kind": "beyond_the_end",
        "file": "events.jsonl",
        "line": 1,
        "what": "bytes 1 of user.wav.",
        "hint": "",
    }
