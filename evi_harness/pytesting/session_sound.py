"""Sound for a whole app in a test: a microphone that says what the user of a session said, and a speaker that keeps what it plays.

Rules of living here: it stands in for sounddevice, PyAudio and simpleaudio as long as the block runs, and afterwards all is as before.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

from evi_harness.audio.software_microphone import SoftwareMicrophone
from evi_harness.audio.software_speaker import SoftwareSpeaker
from evi_harness.dialects import adapter_for, dialect_of
from evi_harness.replay.played_recording import PlayedRecording
from evi_harness.runs.user_audio import sound_in_place, user_audio
from evi_harness.verdicts.loading import load_session

__all__ = ["SessionSound", "session_sound"]


@dataclass(frozen=True)
class SessionSound:
    """The sound of one test, in real time.

    Attributes:
        microphone: Says what the user of the session said, then nothing.
        speaker: Keeps what the app plays, in ``playbacks``.
    """

    microphone: SoftwareMicrophone
    speaker: SoftwareSpeaker

    @property
    def heard_s(self) -> float:
        """How many seconds of audio the app has played."""
        return sum(len(one.samples) / (one.pcm.rate * one.pcm.frame_bytes) for one in self.speaker.playbacks)


@contextmanager
def session_sound(folder: Path) -> Iterator[SessionSound]:
    """Put software sound in the place of sounddevice, PyAudio and simpleaudio, in the SDK and wherever else they are used.

    Args:
        folder: The session whose user speaks.

    Raises:
        SessionUnreadable: The session cannot be read.
        SdkError: The SDK is not installed.
    """
    session = load_session(folder)
    dialect = dialect_of(session)
    adapter = adapter_for(dialect)
    audio = user_audio(PlayedRecording.of(session, dialect), dialect, adapter)
    sound = SessionSound(SoftwareMicrophone(audio.source, block_frames=audio.block_frames), SoftwareSpeaker())
    with sound_in_place(adapter, sound.microphone, sound.speaker):
        yield sound
