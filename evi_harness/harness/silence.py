"""Sound for a handler under replay: a microphone that hears nothing and a speaker that nobody hears.

The user's audio comes from the recording and not from here. This is so that a handler which imports the SDK's microphone, as Hume's guide
does, runs on a machine with no sound system, and so that one which plays what it hears blocks the loop as it would in life.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import Iterator, Optional

from evi_harness.audio.microphone import SoftwareMicrophone
from evi_harness.audio.software import software_sounddevice
from evi_harness.audio.sources import SilenceSource
from evi_harness.audio.speaker import SoftwareSpeaker
from evi_harness.live.virtual import VirtualLoop
from evi_harness.sdk.playback_queue import virtual_playback_queue
from evi_harness.sdk.sound import software_sound

__all__ = ["silent_sound"]


@contextmanager
def silent_sound(loop: Optional[VirtualLoop] = None) -> Iterator[None]:
    """Put software sound in the place of the machine's for as long as the block runs.

    Args:
        loop: The virtual loop that keeps the time, None for real time.
    """
    microphone, speaker = SoftwareMicrophone(SilenceSource(), clock=loop), SoftwareSpeaker(clock=loop)
    with software_sound(software_sounddevice(microphone, speaker)):
        if loop is None:
            yield
        else:
            with virtual_playback_queue(loop, speaker):
                yield
