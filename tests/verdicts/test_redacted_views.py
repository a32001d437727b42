from __future__ import annotations

from dataclasses import replace

import pytest

from evi_harness.evi.dialect import EVI
from evi_harness.replay.judging.deviations import Deviation
from evi_harness.replay.judging.differences import ABSENT, Difference
from evi_harness.replay.judging.findings import Finding
from evi_harness.replay.judging.verdict import Verdict
from evi_harness.session.events import TEXT, Frame, Sent
from evi_harness.session.places import Place, SourceLine
from evi_harness.session.protocols import Message
from evi_harness.verdicts.redacted_views import Discreet, discreet_session, discreet_verdict, known_secrets, redactor_for

KEY = "a-key-of-some-length"


@pytest.fixture(autouse=True)
def no_keys(monkeypatch, tmp_path):
    """The environment of whoever runs the tests is none of theirs, nor is a .env that stands in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HUME_API_KEY", raising=False)
    monkeypatch.delenv("HUME_SECRET_KEY", raising=False)


@pytest.mark.parametrize(
    ("rows", "options"),
    [
        ([], {"query": [("API_KEY", KEY)]}),
        ([], {"headers": [("X-Hume-Api-Key", KEY)]}),
        ([], {"headers": [("Authorization", f"Bearer {KEY}")]}),
        ([("sent", 1, {"type": "session_settings", "language_model_api_key": KEY})], {}),
        ([("received", 1, {"type": "x", "a": [{"b": {"access_token": KEY}}]})], {}),
    ],
    ids=["query", "header", "scheme", "message", "depth"],
)
def test_what_stands_under_a_secret_name_is_secret(session_of, rows, options):
    """Wherever it stands then, it is replaced."""
    session = session_of(rows, **options)
    assert KEY in known_secrets(session)
    assert redactor_for(session).string(f"with {KEY} in it") == "with [redacted] in it"


@pytest.mark.parametrize("name", ["Api_Key", "\\u0061pi_key", "api_\u212aey", "\\u0041PI_KEY"], ids=["case", "escaped", "kelvin", "both"])
def test_a_secret_name_is_known_however_it_is_written(session_of, name):
    """As JSON readers read it: with escapes, in another case, with a letter whose lower case is the plain one."""
    session = session_of([])
    frame = Frame(TEXT, f'{{"type": "x", "{name}": "{KEY}"}}'.encode())
    assert known_secrets(replace(session, events=(*session.events, Sent(seq=1, at_ns=1, frame=frame)))) == [KEY]


def test_the_runs_own_keys_are_secret(monkeypatch):
    """By the names of Hume's guide; none of them need be set."""
    assert known_secrets() == []
    monkeypatch.setenv("HUME_API_KEY", KEY)
    assert known_secrets() == [KEY]


def test_what_is_redacted_already_is_no_secret(session_of):
    """Or every mark of it would be marked again."""
    assert known_secrets(session_of([], query=[("api_key", "[redacted]")])) == []


def test_a_message_is_redacted_before_it_is_shortened(session_of):
    """Half a key is a key found: the line is cut behind the mark."""
    discreet = Discreet(EVI, redactor_for(session_of([], query=[("api_key", KEY)])))
    told = discreet.describe("sent", Message("user_input", {"text": "x" * 60 + KEY}))
    assert KEY[:6] not in told
    assert KEY[:6] not in discreet.describe("received", Message("x" * 60 + KEY))
    assert KEY[:6] not in discreet.describe("sent", Message(None, text="x" * 60 + KEY))
    assert discreet.describe("received", Message(None)) == EVI.describe("received", Message(None))


def test_a_session_to_be_shown_keeps_its_frames_and_times(weather):
    """Only what is quoted changes, and here there is nothing to hide."""
    assert discreet_session(weather, redactor_for(weather)) == weather


def test_the_places_of_a_verdict_hold_no_secret(session_of):
    """By value, and in source by name: a stranger's session may hold what was never taken out."""
    redactor = redactor_for(session_of([], query=[("api_key", KEY)]))
    source = (SourceLine(1, f"x = {KEY!r}"), SourceLine(2, 'api_key: str = "of another"'))
    places = (Place(f"{KEY}/app.py", 1, KEY, source),)
    told = discreet_verdict(Verdict((Deviation("late", "x", places=places),), (Finding("raised", "x", 7, places=places),)), redactor)
    hidden = (SourceLine(1, "x = '[redacted]'"), SourceLine(2, 'api_key: [redacted] = "[redacted]"'))
    assert [one.places for one in (*told.deviations, *told.findings)] == [(Place("[redacted]/app.py", 1, "[redacted]", hidden),)] * 2


def test_a_verdict_keeps_its_places_and_what_is_absent(session_of):
    """Sentences, details and values are replaced; seqs and ABSENT stay."""
    redactor = redactor_for(session_of([], query=[("api_key", KEY)]))
    difference = Difference("$.a", ABSENT, {"b": [KEY, 5]})
    verdict = Verdict((Deviation("different", KEY, 1, 2, (difference,), (KEY,), (3,)),), (Finding("raised", KEY, 7, detail=(KEY,)),))
    told = discreet_verdict(verdict, redactor)
    hidden = Difference("$.a", ABSENT, {"b": ["[redacted]", 5]})
    assert told.deviations == (Deviation("different", "[redacted]", 1, 2, (hidden,), ("[redacted]",), (3,)),)
    assert told.findings == (Finding("raised", "[redacted]", 7, detail=("[redacted]",)),)
