"""Tests of evi_harness.replay.findings."""

from __future__ import annotations

from evi_harness.replay.findings import FINDINGS, Finding, findings, recorded_seqs
from evi_harness.session.events import Note, Opened, Received
from evi_harness.session.header import Header
from evi_harness.session.session import Session

HEADER = Header("live", "replay", "now", "evi")


def live(*events):
    """What a replay yielded."""
    return Session(HEADER, (Opened(0, 0), *events))


def test_a_finding_is_a_note_made_comparable():
    """It has the note's words, its event in both sessions, and whether it ended the run."""
    session = live(
        Received(1, 10),
        Note(2, 10, name="due", of=1, data={"recorded_seq": 41}),
        Note(3, 12, name="raised", of=1, data={"what": "ValueError: no", "detail": ["line 1", "line 2"], "ended": True}),
        Note(4, 15, name="blocked", data={"what": "blocked for 3 s"}),
    )
    assert findings(session) == [
        Finding("raised", "ValueError: no", 12, live_seq=1, recorded_seq=41, ended=True, detail=("line 1", "line 2")),
        Finding("blocked", "blocked for 3 s", 15),
    ]


def test_other_notes_are_no_findings():
    """Only the names of the table are; each of them is."""
    notes = [Note(seq, seq, name=name, data={"what": name}) for seq, name in enumerate([*FINDINGS, "due", "unmet", "stuck"], start=1)]
    assert [finding.kind for finding in findings(live(*notes))] == [*FINDINGS]


def test_recorded_seqs_of_what_repeats_something():
    """A received event with no recorded one, and a note about nothing, repeat nothing."""
    session = live(
        Note(1, 0, name="due", of=5, data={"recorded_seq": 8}),
        Note(2, 0, name="due", of=6, data={"recorded_seq": None}),
        Note(3, 0, name="due", data={"recorded_seq": 9}),
        Note(4, 0, name="other", of=7, data={"recorded_seq": 9}),
    )
    assert recorded_seqs(session) == {5: 8}
