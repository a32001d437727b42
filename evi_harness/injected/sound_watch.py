"""Tell again and again whether the software sound of a recorded app is quiet: its microphone's file is over, and nothing is played.

Rules of living here: on a thread of its own, from when the app opens its microphone; where that thread cannot run, nothing is told.
"""

from __future__ import annotations

import threading
import time
from typing import Callable, Optional

from evi_harness.audio.software_microphone import SoftwareMicrophone
from evi_harness.audio.software_speaker import SoftwareSpeaker
from evi_harness.audio.sources import PcmSource
from evi_harness.runs.app_channel import SoundState
from evi_harness.runs.quiet_end import LOOK_EVERY_S
from evi_harness.session.wav import Pcm

__all__ = ["WatchedSound"]


class WatchedSound:
    """A microphone that plays some samples, and a speaker.

    Args:
        pcm: The format of the samples.
        samples: What the microphone plays.
        tell: Takes the state of the sound, several times a second, on a thread.

    Attributes:
        microphone: The microphone.
        speaker: The speaker.
    """

    def __init__(self, pcm: Pcm, samples: bytes, tell: Callable[[SoundState], object]) -> None:
        self.microphone = SoftwareMicrophone(PcmSource(samples, pcm), began_ns=self._began_ns)
        self.speaker = SoftwareSpeaker()
        self._tell = tell
        self._looking: Optional[threading.Thread] = None
        self._is_over = threading.Event()

    def stop(self) -> None:
        """Tell nothing more."""
        self._is_over.set()

    def _began_ns(self, now_ns: int) -> int:
        if self._looking is None:
            self._looking = threading.Thread(target=self._look, name="evi-harness sound watch", daemon=True)
            self._looking.start()
        return now_ns

    def _look(self) -> None:
        while not self._is_over.wait(LOOK_EVERY_S):
            is_quiet = self.microphone.ended_at_ns is not None and not self.speaker.is_sounding
            try:
                self._tell(SoundState(time.monotonic(), is_quiet))
            except OSError:
                # The app goes on without.
                return
