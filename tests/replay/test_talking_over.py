"""Tests of evi_harness.replay.talking_over."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

import pytest

from evi_harness.evi.dialect import EVI
from evi_harness.replay.played_recording import PlayedRecording
from evi_harness.replay.talking_over import talked_over
from evi_harness.runs.user_audio import user_audio
from evi_harness.sdk.hume.hume_adapter import HUME
from evi_harness.verdicts.loading import load_session

SESSIONS = Path(__file__).resolve().parents[2] / "sessions"
AUDIO = {"type": "session_settings", "audio": {"encoding": "linear16", "sample_rate": 1000, "channels": 1}}
# A second of the assistant's audio, and 100 ms of the user's.
CHUNK = {
    "type": "audio_output",
    "id": "m1",
    "index": 0,
    "data": base64.b64encode(
        b"RIFF\xf4\x07\0\0WAVEfmt \x10\0\0\0\1\0\1\0\xe8\3\0\0\xd0\7\0\0\2\0\x10\0data\xd0\7\0\0" + bytes(2000)
    ).decode(),
}
BLOCK = bytes(200)


def rows(sent_ms, *, received_ms=(1000, 1010), interrupted_ms=None):
    """Two seconds of a reply from 1 s on, and the user's blocks."""
    told = [("received", at_ms, CHUNK) for at_ms in received_ms]
    told += [("sent", at_ms, BLOCK) for at_ms in sent_ms]
    told += [] if interrupted_ms is None else [("received", interrupted_ms, {"type": "user_interruption", "time": interrupted_ms})]
    return [("sent", 1, AUDIO), *sorted(told, key=lambda row: row[1])]


ALWAYS = [*range(100, 4000, 100)]


@pytest.mark.parametrize(
    ("sent_ms", "options", "told"),
    [
        (ALWAYS, {}, True),
        ([at_ms for at_ms in ALWAYS if not 1000 <= at_ms < 3000], {}, False),
        # What is sent until the player begins, and from when it ends, tells nothing.
        ([at_ms for at_ms in ALWAYS if not 1250 <= at_ms < 2750], {}, False),
        ([at_ms for at_ms in ALWAYS if not 1000 <= at_ms < 3000 or at_ms % 300 == 0], {}, None),
        ([*range(100, 1200, 100)], {}, None),
        (ALWAYS, {"received_ms": ()}, None),
        ([], {}, None),
        # The reply was cut off, and what was sent behind it was not sent while it played.
        ([at_ms for at_ms in ALWAYS if not 1000 <= at_ms < 2200], {"interrupted_ms": 2200}, False),
        (ALWAYS, {"interrupted_ms": 1400}, None),
    ],
    ids=["all", "none", "edges", "some", "nobody listened", "no reply", "no user", "interrupted", "too short"],
)
def test_what_was_sent_while_the_assistant_played(session_of, sent_ms, options, told):
    """Most of it, or nearly nothing; else nothing is said."""
    assert talked_over(session_of(rows(sent_ms, **options)), EVI) is told


@pytest.mark.parametrize(("name", "told"), [("demo", True), ("weather", False), ("typed", None)])
def test_a_recording_that_does_not_say_is_read(name, told):
    """As its header would say it; what the header says counts."""
    session = load_session(SESSIONS / name)
    unknown = replace(session, header=replace(session.header, user_interrupt="unknown"))
    assert user_audio(PlayedRecording.of(unknown, EVI), EVI, HUME).allow_user_interrupt is told
    allowed = replace(session, header=replace(session.header, user_interrupt="allowed"))
    assert user_audio(PlayedRecording.of(allowed, EVI), EVI, HUME).allow_user_interrupt is (None if name == "typed" else True)
