"""Tests of evi_harness.replay.judging.findings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from evi_harness.errors import UsageError
from evi_harness.replay.judging.findings import FINDINGS, SEVERITIES, WARNING, Finding, findings, recorded_seqs, severities_of, weighed
from evi_harness.session.events import Note, Opened, Received
from evi_harness.session.header import Header
from evi_harness.session.session import Session

HEADER = Header("live", "replay", "now", "evi")
PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "findings.md"


def live(*events):
    """What a replay yielded."""
    return Session(HEADER, (Opened(0, 0), *events))


def test_a_finding_is_a_note_made_comparable():
    """It has the note's words, its event in both sessions, and whether it ended the run."""
    session = live(
        Received(1, 10),
        Note(2, 10, name="due", of=1, data={"due_ns": 0, "recorded_seq": 41}),
        Note(3, 12, name="raised", of=1, data={"what": "ValueError: no", "detail": ["line 1", "line 2"], "ended": True}),
        Note(4, 15, name="blocked", data={"what": "blocked for 3 s"}),
    )
    assert findings(session) == [
        Finding("raised", "ValueError: no", 12, live_seq=1, recorded_seq=41, ended=True, detail=("line 1", "line 2")),
        Finding("blocked", "blocked for 3 s", 15),
    ]


def test_a_note_that_was_written_later_says_when():
    """The finding stands at the time that the note tells, not at its own."""
    (finding,) = findings(live(Note(1, 90, name="underrun", data={"what": "dry", "at_ns": 20})))
    assert (finding.at_ns, finding.severity) == (20, WARNING)


def test_other_notes_are_no_findings():
    """Only the names of the table are; each of them is."""
    notes = [Note(seq, seq, name=name, data={"what": name}) for seq, name in enumerate([*FINDINGS, "due", "unmet", "stuck"], start=1)]
    assert [finding.kind for finding in findings(live(*notes))] == [*FINDINGS]


def test_recorded_seqs_of_what_repeats_something():
    """A received event with no recorded one, and a note about nothing, repeat nothing."""
    session = live(
        Note(1, 0, name="due", of=5, data={"due_ns": 0, "recorded_seq": 8}),
        Note(2, 0, name="due", of=6, data={"due_ns": 0, "recorded_seq": None}),
        Note(3, 0, name="due", data={"due_ns": 0, "recorded_seq": 9}),
        Note(4, 0, name="other", of=7, data={"recorded_seq": 9}),
    )
    assert recorded_seqs(session) == {5: 8}


def test_a_severity_can_be_set():
    """What is set goes before the table; what is off is not there; the rest stands in time."""
    found = [Finding(kind, kind, at_ns) for at_ns, kind in [(3, "raised"), (2, "underrun"), (1, "blocked")]]
    assert [(one.kind, one.severity, one.fails) for one in weighed(found)] == [
        ("blocked", "error", True),
        ("underrun", "warning", False),
        ("raised", "error", True),
    ]
    told = weighed(found, {"raised": "warning", "underrun": "error", "blocked": "off"})
    assert [(one.kind, one.severity) for one in told] == [("underrun", "error"), ("raised", "warning")]


@pytest.mark.parametrize(
    ("given", "what", "hint"),
    [
        ({"rasied": "off"}, "no finding 'rasied'", "raised, swallowed"),
        ({"raised": "of"}, "'of' .*a severity", "error, warning, off"),
    ],
    ids=["kind", "severity"],
)
def test_a_name_that_is_none_is_refused(given, what, hint):
    """The error lists those that are."""
    with pytest.raises(UsageError, match=what) as caught:
        severities_of(given)
    assert hint in str(caught.value)


def test_every_kind_has_a_severity_and_says_something():
    """One of the three; the sentence is short."""
    assert {row.severity for row in FINDINGS.values()} <= set(SEVERITIES)
    assert set(severities_of({})) == set(FINDINGS)
    assert all(row.says for row in FINDINGS.values())


def test_every_kind_has_its_section_in_the_page():
    """With what it means, how it is detected, where that ends and how to fix it; and the table of severities is the code's."""
    page = PAGE.read_text(encoding="utf-8")
    sections = re.split(r"^## ", page, flags=re.MULTILINE)
    about = {section.split("\n", 1)[0]: section for section in sections}
    assert [kind for kind in FINDINGS if kind not in about] == [], "docs/reference/findings.md has no section for it"
    for kind in FINDINGS:
        assert [part for part in ("**How it is detected.**", "**Limits.**", "**How to fix it.**") if part not in about[kind]] == [], kind
    rows = dict(re.findall(r"^\| \[(\w+)\]\(#\w+\) \|.*\| (\w+) \|$", page, flags=re.MULTILINE))
    assert rows == {kind: row.severity for kind, row in FINDINGS.items()}, "the first table of docs/reference/findings.md"
