"""Tests of evi_harness.measure.said_times: when what was said was heard."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evi_harness.evi.dialect import EVI
from evi_harness.measure.said_times import SaidTimes
from evi_harness.measure.session_times import Reading
from evi_harness.session.events import Note, order

MS = 1_000_000


@pytest.fixture
def times_of(weather):
    """The times of each text of ``weather``, with notes of what was heard: when the audio came, from when until when it sounded."""

    def found(*heard_ms):
        seqs = {event.at_ns // MS: event.seq for event in weather.events}
        notes = [
            Note(
                seq=1000 + index,
                at_ns=begin * MS,
                name="heard",
                of=seqs[came],
                data={"at_ns": begin * MS, "until_ns": end * MS},
            )
            for index, (came, begin, end) in enumerate(heard_ms)
        ]
        session = replace(weather, events=tuple(sorted([*weather.events, *notes], key=order)))
        times, told = SaidTimes(Reading(session, EVI)), {}
        for event in session.received:
            saying = EVI.saying(event.kind, EVI.read(event.kind, event.frame))
            if saying is not None and saying.text:
                span = times.span(event.seq, saying)
                told[saying.text] = "unheard" if times.is_unheard(saying) else span and tuple(ns // MS for ns in span)
        return told

    return found


def test_where_nobody_noted_it_audio_sounds_when_it_came(times_of):
    """The user's words have the service's own times, the assistant's those of their audio, not of their text."""
    told = times_of()
    assert told["What's the weather like?"] == (100, 900)
    assert told["It is sunny."] == (2100, 2200)
    assert told["You are welcome."] == (3600, 3700)


def test_what_a_speaker_played_is_heard_then(times_of):
    """Later than it came, where the app was late; and what never sounded was never said."""
    told = times_of((2100, 2900, 3000))
    assert told["It is sunny."] == (2900, 3000)
    assert told["You are welcome."] == "unheard"
    assert told["What's the weather like?"] == (100, 900)
