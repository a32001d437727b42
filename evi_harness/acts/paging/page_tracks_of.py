"""The sound of a session as a page needs it: what the user said, what was heard, and what arrived.

Rules of living here: what was heard is what a speaker played; where nobody noted that, it is computed from when the audio came, and called
so. A session that claims to last for hours on end gets no sound: nobody waits for it.
"""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, List, Optional, Sequence, Tuple

from evi_harness.acts.exporting import speed_of_session
from evi_harness.audio.page_tracks import MIME_TYPES, PageTrack, track_of
from evi_harness.audio.software_speaker import Heard
from evi_harness.audio.sounding_sides import Side, arrived, played, said, would_play
from evi_harness.dialects import dialect_of
from evi_harness.errors import EviHarnessError, SessionError
from evi_harness.pages.page_document import ARRIVED, HEARD, USER, TrackShown
from evi_harness.redacting.redaction import Redactor
from evi_harness.session.session import Session
from evi_harness.verdicts.heard_audio import heard_side

__all__ = ["LONG_NS", "Sounding", "Sounds"]

# Of every track, whatever it was recorded at: behind a seek Chromium plays Vorbis early, by 30 ms at 16 kHz and 20 ms from 24 kHz on, where
# nobody minds; and two tracks of one rate are early by the same, so that the two sides stay together.
_RATE = 24_000
# Of what is longer, less is looked at.
LONG_NS = 600 * 1_000_000_000
_MAX_NS = 4 * 3600 * 1_000_000_000
_TOO_LONG = "the session lasts for more than four hours, too long for a page"

_AS_SENT = "as it was sent"
_BY_SPEAKER = "heard by the software speaker"
_COMPUTED = "reconstructed from arrival times"
_DRAWN = "the audio that arrived is drawn but cannot be played here; the session folder has it"
_NOTHING = {USER: "no audio was sent", HEARD: "nothing was heard", ARRIVED: "no audio arrived"}


@dataclass(frozen=True)
class Sounding:
    """A session whose sound is wanted.

    Attributes:
        session: The session.
        folder: Its folder, None where it is in memory.
        heard: What the software speaker played, None where that is not in memory.
        paced_as: The session that says how fast time went by; None for this one.
    """

    session: Session
    folder: Optional[Path] = None
    heard: Optional[Heard] = None
    paced_as: Optional[Session] = None


@dataclass(frozen=True)
class _Job:
    """One track to be made."""

    role: str
    how: str
    side: Side
    form: Optional[str]
    lasts_ns: int
    is_computed: bool = False
    remarks: Tuple[str, ...] = ()


class Sounds:
    """The sounds of a page, each once.

    Args:
        form: What they are compressed to: see ``audio.page_tracks.FORMATS``.
        redactor: Takes out of samples what may not be written.
        progress: Called with how many seconds of sound are done, and how many there are.
    """

    def __init__(self, form: str, redactor: Redactor, progress: Callable[[int, int], object]) -> None:
        self.found: Dict[str, Tuple[str, bytes]] = {}
        self._form = form
        self._redactor = redactor
        self._progress = progress
        self._names: Dict[str, str] = {}

    def tracks(self, soundings: Sequence[Sounding]) -> List[Tuple[TrackShown, ...]]:
        """The tracks of some sessions.

        Args:
            soundings: The sessions, in the order of the page.

        Raises:
            EviHarnessError: Sound cannot be compressed here.
        """
        jobs = [self._jobs(one) for one in soundings]
        ticks = _Ticks(sum(-(-job.lasts_ns // 1_000_000_000) for some in jobs for job in some), self._progress)
        # Compressing leaves the interpreter to others, and takes most of the time.
        with ThreadPoolExecutor(2) as pool:
            try:
                flying = [[(job, pool.submit(_made, job, ticks.tick)) for job in some] for some in jobs]
                return [tuple(self._shown(job, one.result()) for job, one in some) for some in flying]
            except BaseException:
                # Ctrl+C too: what has begun ends with its second, and the rest does not begin.
                ticks.stop()
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _jobs(self, one: Sounding) -> List[_Job]:
        session, lasts_ns = one.session, one.session.duration_ns
        if lasts_ns > _MAX_NS:
            return [_Job(role, how, Side(), None, 0, remarks=(_TOO_LONG,)) for role, how in ((USER, _AS_SENT), (HEARD, _COMPUTED))]
        dialect, speed = dialect_of(session), speed_of_session(session if one.paced_as is None else one.paced_as)
        heard, how, remarks = self._heard(one)
        is_computed = heard is None
        return [
            _Job(USER, _AS_SENT, said(session, dialect, speed), self._form, lasts_ns),
            _Job(HEARD, how, would_play(session, dialect, speed) if heard is None else heard, self._form, lasts_ns, is_computed, remarks),
            _Job(ARRIVED, _COMPUTED, arrived(session, dialect, speed), None, lasts_ns, is_computed=True),
        ]

    def _heard(self, one: Sounding) -> Tuple[Optional[Side], str, Tuple[str, ...]]:
        """What a speaker played; None where it has to be computed."""
        if one.heard is not None:
            return played(one.heard.playbacks, one.heard.opened_at_ns, self._redactor.samples), _BY_SPEAKER, ()
        try:
            heard = None if one.folder is None else heard_side(one.folder, one.session)
        except EviHarnessError as error:
            return None, _COMPUTED, (f"the audio that was heard cannot be read: {error.what}",)
        return (None, _COMPUTED, ()) if heard is None else (heard, _BY_SPEAKER, ())

    def _shown(self, job: _Job, made: Optional[PageTrack]) -> TrackShown:
        side, remarks = job.side, list(job.remarks)
        if side.n_left_out:
            frames = "1 frame" if side.n_left_out == 1 else f"{side.n_left_out} frames"
            remarks.append(f"{frames} cannot be decoded, the first is #{side.first_left_out}: it is silent there")
        if made is None:
            return TrackShown(job.role, job.how, job.is_computed, why=_NOTHING[job.role], remarks=tuple(remarks))
        name = None if made.sound is None or job.form is None else self._kept(made.digest, job.form, made.sound)
        return TrackShown(
            role=job.role,
            how=job.how,
            is_computed=job.is_computed,
            sound=name,
            mime=None if name is None or job.form is None else MIME_TYPES[job.form],
            why=_DRAWN if name is None else None,
            rate=made.rate,
            length_ns=made.length_ns,
            peaks=tuple(made.drawn),
            remarks=tuple(remarks),
        )

    def _kept(self, digest: str, form: str, sound: bytes) -> str:
        """The name of a sound; what sounds the same is kept once."""
        name = self._names.setdefault(digest, f"s{len(self._names) + 1}")
        self.found.setdefault(name, (MIME_TYPES[form], sound))
        return name


class _Ticks:
    """Counts seconds of sound that are done, on any thread."""

    def __init__(self, total: int, progress: Callable[[int, int], object]) -> None:
        self._done = 0
        self._total = total
        self._progress = progress
        self._counting = threading.Lock()
        self._is_stopped = False

    def stop(self) -> None:
        """Have whoever counts next end: nobody waits for it any more."""
        self._is_stopped = True

    def tick(self) -> None:
        if self._is_stopped:
            raise CancelledError
        with self._counting:
            self._done += 1
            self._progress(self._done, self._total)


def _made(job: _Job, tick: Callable[[], object]) -> Optional[PageTrack]:
    if not job.side.voices:
        return None
    try:
        return track_of(job.side.voices, _RATE, job.lasts_ns, job.form, tick)
    except SessionError as error:
        raise EviHarnessError(f"the sound of the session cannot be read: {error.what}") from None
