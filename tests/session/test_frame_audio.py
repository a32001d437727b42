"""Tests of evi_harness.session.frame_audio."""

from __future__ import annotations

import base64
import json
from typing import List, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.session.events import TEXT, Frame
from evi_harness.session.frame_audio import ASSISTANT, USER, MessageAudio, played_ns
from evi_harness.session.json_places import members
from evi_harness.session.protocols import AudioPlace
from evi_harness.session.wav import MU_LAW, Pcm, header

MS = 1_000_000
PHONE = Pcm(8_000, 1, 1, MU_LAW)
LINEAR_16K = Pcm(16_000, 1)


def nested(parts: List[bytes]) -> Frame:
    """A message with audio in several places, at two depths."""
    texts = [base64.b64encode(part).decode() for part in parts]
    item = {"content": [{"type": "sound", "sound": text} for text in texts[1:]]}
    return Frame(TEXT, json.dumps({"sound": texts[0] if texts else None, "item": item}).encode())


def places_in(payload: bytes, pcm: Pcm) -> Tuple[AudioPlace, ...]:
    """All strings with that name, at any depth."""
    found = sorted((one.start, one.stop) for one in members(payload) if one.name == "sound" and payload[one.start : one.start + 1] == b'"')
    return tuple(AudioPlace(USER, start + 1, stop - 1, base64=True, pcm=pcm) for start, stop in found)


@given(st.lists(st.binary(max_size=80), max_size=5), st.sampled_from((PHONE, LINEAR_16K)))
def test_several_places_play_one_after_another(parts, pcm):
    """Nested or not: each place holds its own piece, and all together play as long as all of them."""
    frame = nested(parts)
    audio = MessageAudio(frame, lambda payload: places_in(payload, pcm), USER, pcm)
    assert [base64.b64decode(frame.payload[place.start : place.stop]) for place in audio.places] == parts
    assert audio.length_ns == (sum(pcm.length_ns(len(part)) for part in parts) if parts else None)


def test_one_place_of_unknown_length_makes_all_of_it_unknown():
    """What cannot be known is not left out of a sum."""
    frame = nested([bytes(160), bytes(160)])
    first, second = places_in(frame.payload, PHONE)
    unknown = AudioPlace(USER, second.start, second.stop, base64=True)
    assert MessageAudio(frame, lambda _: (first, second), USER, PHONE).length_ns == 40 * MS
    assert MessageAudio(frame, lambda _: (first, unknown), USER, PHONE).length_ns is None
    assert MessageAudio(Frame(TEXT, b'"!"'), lambda _: (AudioPlace(USER, 1, 2, base64=True, pcm=PHONE),), USER, PHONE).length_ns is None


def test_the_payload_is_looked_at_when_it_is_asked_for_and_once():
    """A walk over a session loads no audio."""
    asked = []

    class Loaded(Frame):
        @property
        def payload(self) -> bytes:
            asked.append(1)
            return b'{"sound": "AAAA"}'

    audio = MessageAudio(Loaded(TEXT, b""), lambda payload: places_in(payload, LINEAR_16K), USER, LINEAR_16K)
    assert not asked
    assert audio.places == audio.places
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("data", "track", "pcm", "has_header", "ms"),
    [
        (bytes(160), USER, PHONE, False, 20),
        (bytes(160), ASSISTANT, PHONE, False, 20),
        (bytes(160), ASSISTANT, None, False, None),
        (b"", ASSISTANT, None, False, None),
        (b"", USER, None, False, 0),
        (bytes(1), USER, None, False, None),
        (header(LINEAR_16K, 640) + bytes(640), ASSISTANT, PHONE, False, 20),
        (header(LINEAR_16K, 640) + bytes(640), USER, LINEAR_16K, True, 20),
        (header(LINEAR_16K, 640) + bytes(640), USER, PHONE, False, 85.5),
    ],
)
def test_how_long_audio_plays(data, track, pcm, has_header, ms):
    """By its own header where it has one, else by the format in force."""
    assert played_ns(data, track, pcm, has_header=has_header) == (None if ms is None else int(ms * MS))
