"""What a replay could not see, read off two sessions. tests/test_blind_spots.py has each condition in a replay."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any, List

import pytest

from evi_harness.carriers.thin_frames import ThinFrame
from evi_harness.evi.dialect import EVI
from evi_harness.replay.judging.unseen import APP_BY_COMMAND, APP_RAN_ELSEWHERE, APP_RAN_HERE, NO_APP, UNSEEN, unseen
from evi_harness.session.events import BINARY, TEXT, Frame, Note, Sent
from evi_harness.session.session import Session


def kinds(recorded: Session, live: Session, app: str = APP_RAN_HERE, **more: Any) -> List[str]:
    """The kinds that are told, in order."""
    return [one.kind for one in unseen(recorded, live, EVI, app=app, **more)]


def with_more(session: Session, *events: Any) -> Session:
    """The session with more events at its end."""
    return replace(session, events=(*session.events, *events))


def note(seq: int, kind: str) -> Note:
    """A note of what was not seen."""
    return Note(seq=seq, at_ns=5_000_000_000, name="unseen", data={"kind": kind, "what": f"about {kind}"})


def said(seq: int, **fields: Any) -> Sent:
    """A message of the app's."""
    return Sent(seq=seq, at_ns=4_000_000_000, frame=Frame(TEXT, json.dumps({"type": "user_input", **fields}).encode()))


@pytest.mark.parametrize(
    ("app", "expected"), [(APP_RAN_HERE, []), (APP_RAN_ELSEWHERE, ["app_elsewhere"]), (APP_BY_COMMAND, []), (NO_APP, [])]
)
def test_a_session_that_is_as_recorded(weather: Session, app: str, expected: List[str]) -> None:
    """Nothing but who ran it; where no app ran there is nobody of whom anything is not seen."""
    assert kinds(weather, weather, app) == expected
    assert kinds(weather, with_more(weather, note(900, "peer")), NO_APP) == []


def test_notes_are_told_once_in_the_order_of_the_table(weather: Session) -> None:
    """Whenever they were written; a kind that a newer version has written stands behind all others."""
    live = with_more(weather, *(note(seq, kind) for seq, kind in enumerate(("newer", "peer", "program", "peer", "playback"), 900)))
    assert kinds(weather, live) == ["playback", "program", "peer", "newer"]
    assert list(UNSEEN).index("playback") < list(UNSEEN).index("program") < list(UNSEEN).index("peer")


def test_messages_that_are_not_as_recorded(weather: Session) -> None:
    """Each counts as often as it was sent; key order and the form of numbers do not count, and what a deviation is about is left out."""
    recorded = with_more(weather, said(800, text="one"), said(801, text="two", n=1))
    same = with_more(weather, said(900, text="one"), said(901, n=1.0, text="two"))
    assert kinds(recorded, same) == []
    twice = with_more(weather, said(900, text="one"), said(901, text="one"))
    (one,) = unseen(recorded, twice, EVI, app=APP_RAN_HERE)
    assert (one.kind, "#901 was" in one.what) == ("other_message", True)
    assert kinds(recorded, twice, told={901}) == []
    (both,) = unseen(weather, twice, EVI, app=APP_RAN_HERE)
    assert "#900 and 1 more were" in both.what


def test_audio_that_nobody_recorded(weather: Session) -> None:
    """Frames are held against those of the recording, wherever they stand; silence is anybody's."""
    frame = next(event.frame for event in weather.sent if not event.frame.is_text)
    for payload, expected in ((frame.payload, []), (bytes(3200), []), (b"\x11" * 3200, ["app_audio"])):
        live = with_more(weather, Sent(seq=900, at_ns=4_000_000_000, frame=Frame(BINARY, payload)))
        assert kinds(weather, live) == expected


def test_audio_that_is_not_kept_is_held_against_the_recording_too(weather: Session) -> None:
    """A server keeps of a frame only what it has in common with an equal one; its payload is not to be had."""
    heard = [event for event in weather.sent if not event.frame.is_text]
    kept = {event.seq for event in heard}
    thin = [replace(event, frame=ThinFrame(event.frame)) if event.seq in kept else event for event in weather.events]
    assert kinds(weather, replace(weather, events=tuple(thin))) == []
    strange = ThinFrame(Frame(BINARY, b"\x11" * 3200))
    last = replace(heard[-1], frame=strange)
    live = replace(weather, events=tuple(last if event.seq == last.seq else event for event in thin))
    assert kinds(weather, live) == ["app_audio"]


def test_audio_as_text_is_the_same_as_in_binary(weather: Session) -> None:
    """An app of its own may send it so; what it sends is not silence that a microphone hears."""
    frame = next(event.frame for event in weather.sent if not event.frame.is_text)
    off = Note(seq=901, at_ns=4_000_000_000, name="microphone_off", data={"what": "off", "ended": False})
    for payload, expected in ((frame.payload, []), (b"\x11" * 3200, ["app_audio"]), (bytes(3200), ["app_audio"])):
        text = json.dumps({"type": "audio_input", "data": base64.b64encode(payload).decode()}).encode()
        sent = Sent(seq=900, at_ns=4_000_000_000, frame=Frame(TEXT, text))
        assert kinds(weather, with_more(weather, sent, off)) == expected
