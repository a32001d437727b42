"""Tests of evi_harness.session.session_audio, and of how sessions share it."""

from __future__ import annotations

import pickle
import tempfile
from copy import copy
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from evi_harness.evi.audio_frames import EviReader
from evi_harness.evi.dialect import EVI
from evi_harness.session.events import BINARY, Frame, Opened, Received, Sent
from evi_harness.session.header import Header
from evi_harness.session.position import Positions
from evi_harness.session.protocols import FrameAudio
from evi_harness.session.session import Session
from evi_harness.session.session_audio import SessionAudio
from evi_harness.session.wrapped_dialect import WrappedDialect
from evi_harness.storage.reader import read_session
from evi_harness.storage.writer import write_session
from evi_harness.strategies import sessions


def told(audio: FrameAudio):
    """All that is known of the audio of a frame."""
    return audio.places, audio.length_ns, audio.pcm, audio.has_header


@given(sessions(audio=True), st.data())
def test_one_walk_says_what_a_reader_says(session, data):
    """The audio of each frame is what a reader says that is shown all frames in order; what the app did not get out is not said."""
    failed = data.draw(st.sets(st.sampled_from([event.seq for event in session.sent] or [-1])))
    events = [replace(event, outcome="failed") if isinstance(event, Sent) and event.seq in failed else event for event in session.events]
    audio, reader, positions = SessionAudio(events, EVI.reader), EviReader(session.handshake), Positions()
    said = []
    for event in events:
        if isinstance(event, (Sent, Received)):
            read = (copy(reader) if event.seq in failed else reader).read(event.kind, event.frame)
            assert (event in audio) == (read is not None)
            assert audio.length_ns(event.seq) == (None if read is None else read.length_ns)
            assert audio.pcm(event.seq) == (None if read is None else read.pcm)
            if read is not None and isinstance(event, Sent) and event.outcome == "sent":
                said.append(event)
                assert audio.positions.reached_at_ns(positions.add(event.at_ns, read.length_ns)) is not None
    assert list(audio.said) == said
    assert audio.positions.now_ns == positions.now_ns
    assert audio.told == reader.told


@settings(max_examples=25)
@given(sessions(audio=True))
def test_a_stored_session_says_the_same(session):
    """Whether audio is in memory or beside its messages in a folder."""
    with tempfile.TemporaryDirectory() as folder:
        stored = read_session(write_session(Path(folder) / "s", session, EVI))
        was, found = session.audio(EVI), stored.audio(EVI)
        assert {seq: told(audio) for seq, audio in found.frames.items()} == {seq: told(audio) for seq, audio in was.frames.items()}


def test_an_opening_in_the_middle_begins_a_new_stream():
    """The query of the latest opening counts, as far as it gives a format."""
    frame = Frame(BINARY, bytes(320))
    audio = SessionAudio([Sent(0, 0, frame), Opened(1, 0), Sent(2, 1, frame)], EVI.reader)
    assert [one.length_ns for one in audio.frames.values()] == [None, None]


class Reading(WrappedDialect):
    """A dialect that reads in its own way."""

    def reader(self, handshake=None):
        """Another one."""
        return self.within.reader(None)


def test_a_session_is_read_once():
    """For a dialect and for what is wrapped around it; a wrapper that reads otherwise has its own, and a copy starts anew."""
    session = Session(Header("id", "script", "now", "evi"), (Opened(0, 0), Sent(1, 5, Frame(BINARY, bytes(320)))))
    audio = session.audio(EVI)
    assert session.audio(WrappedDialect(WrappedDialect(EVI))) is audio
    own = Reading(EVI)
    assert session.audio(own) is not audio
    assert session.audio(own) is session.audio(own)
    assert session.audio(EVI) is audio
    copy = pickle.loads(pickle.dumps(session))
    assert copy == session
    assert "_known" not in vars(copy)
