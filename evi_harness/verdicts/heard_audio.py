"""The audio that a run played: saved with its session as heard.wav, and compared with another run's.

Rules of living here: the session is on disk, and complete, before heard.wav is begun; whatever becomes of that, the session stays. The
user's side is read from the folder, where no secret is.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Iterator, Optional, Tuple, Union

from evi_harness.audio.mixing import Voice, n_frames, stereo
from evi_harness.audio.page_tracks import right_side
from evi_harness.audio.software_speaker import Heard, Playback
from evi_harness.audio.sounding_sides import Side, mix_rate, played, said
from evi_harness.dialects import dialect_of
from evi_harness.errors import EviHarnessError, SessionUnwritable
from evi_harness.redacting.redaction import Redactor
from evi_harness.session.header import HEARD
from evi_harness.session.session import Session
from evi_harness.session.wav import Pcm
from evi_harness.storage.heard_track import add_heard
from evi_harness.storage.layout import HEARD_FILE, MAX_TRACK_BYTES
from evi_harness.storage.opening import Folder
from evi_harness.storage.reader import read_session

__all__ = ["HeardFile", "Mix", "first_heard_difference", "heard_side", "keep_heard"]

_CHANNELS = 2
_FRAME_BYTES = 2 * _CHANNELS
_COMPARED_BYTES = 1 << 20


@dataclass(frozen=True)
class HeardFile:
    """What became of heard.wav.

    Attributes:
        file: The file, None where there is none.
        remarks: What there is to say of it, a sentence each: why it is missing, or what is missing in it.
    """

    file: Optional[Path] = None
    remarks: Tuple[str, ...] = ()


class Mix:
    """Both sides of a conversation, ready to be mixed: the user left, the other side right.

    Args:
        user: What the user said.
        other: What was played.
        lasts_ns: How long the session lasts.
    """

    def __init__(self, user: Side, other: Side, lasts_ns: int) -> None:
        self.pcm = Pcm(mix_rate(user, other), _CHANNELS)
        self._left: Tuple[Voice, ...] = user.voices
        self._right: Tuple[Voice, ...] = other.voices
        self._lasts_ns = lasts_ns

    @property
    def n_bytes(self) -> int:
        """How many bytes of samples it has at most."""
        return n_frames((*self._left, *self._right), self.pcm.rate, self._lasts_ns) * self.pcm.frame_bytes

    def check_size(self) -> None:
        """Refuse what no audio editor opens, before any of it is written.

        Raises:
            EviHarnessError: It is larger than a file of a track may be.
        """
        if self.n_bytes > MAX_TRACK_BYTES:
            hours = self.n_bytes / self.pcm.frame_bytes / self.pcm.rate / 3600
            what = f"{hours:.1f} hours at {self.pcm.rate} Hz are {self.n_bytes} bytes, and a WAV file has at most {MAX_TRACK_BYTES} here"
            raise EviHarnessError(what)

    def blocks(self) -> Iterator[bytes]:
        """Its samples, about a second at a time."""
        return stereo(self._left, self._right, self.pcm.rate, self._lasts_ns)


def keep_heard(folder: Union[str, os.PathLike[str]], heard: Optional[Heard], redactor: Redactor) -> HeardFile:
    """Write what a run played beside its session, as heard.wav.

    Args:
        folder: The folder of the run's session.
        heard: What it played; None where there was no software speaker, and then nothing is written.
        redactor: Knows what may not be written.

    Returns:
        The file. Where it cannot be written, the session is still there, and a remark says why.
    """
    if heard is None:
        return HeardFile()
    try:
        session = read_session(folder)
        user = said(session, dialect_of(session), heard.speed)
        mix = Mix(user, played(heard.playbacks, heard.opened_at_ns, redactor.samples), session.duration_ns)
        mix.check_size()
        add_heard(folder, mix.pcm, mix.blocks())
    except EviHarnessError as error:
        what = error.what if isinstance(error, SessionUnwritable) else f"{HEARD_FILE} cannot be written: {error.what}"
        return HeardFile(None, (redactor.string(f"{what}; the session is complete without it"),))
    return HeardFile(Path(folder) / HEARD_FILE, _silent_parts(user))


def _silent_parts(user: Side) -> Tuple[str, ...]:
    if not user.n_left_out:
        return ()
    n = user.n_left_out
    frames = "1 frame" if n == 1 else f"{n} frames"
    return (f"{frames} of the user's audio cannot be decoded, the first is #{user.first_left_out}: {HEARD_FILE} is silent there",)


def heard_side(folder: Path, session: Session) -> Optional[Side]:
    """What was heard in a session, of its heard.wav.

    Args:
        folder: The session's folder.
        session: The session.

    Returns:
        The side; None where the session has no such track.

    Raises:
        EviHarnessError: It is not there, or not as the header says.
    """
    track = next((track for track in session.header.tracks if track.track == HEARD and track.rate), None)
    if track is None or track.rate is None:
        return None
    opened = Folder(folder)
    n_bytes = opened.size(HEARD_FILE) or 0
    # The header is a stranger's: what is not read as it says is not heard.
    pcm = Pcm(track.rate, track.channels or 0, track.width or 0)
    if n_bytes < max(1, pcm.frame_bytes):
        raise EviHarnessError(f"{HEARD_FILE} is not there, or has not one sample", where=str(folder))
    return Side((right_side(pcm, n_bytes, partial(opened.piece, HEARD_FILE)),), Fraction(pcm.rate))


def first_heard_difference(one: Optional[Heard], other: Optional[Heard]) -> Optional[Tuple[str, str]]:
    """Where two runs first sounded otherwise.

    Args:
        one: What the one run played; None for nothing.
        other: What the other one played.

    Returns:
        What was heard then in the one and in the other, with the session time; None where both sounded the same.
    """
    if _is_same(one, other):
        return None
    sides = [Side() if heard is None else played(heard.playbacks, heard.opened_at_ns) for heard in (one, other)]
    rate = max(mix_rate(Side(), side) for side in sides)
    streams = [stereo((), side.voices, rate, 0) for side in sides]
    at = 0
    while True:
        blocks = [next(stream, b"") for stream in streams]
        if not any(blocks):
            return None
        frame = _first_difference(*blocks)
        if frame is not None:
            at_s = (at + frame) / rate
            first, second = (_sample(block, frame) for block in blocks)
            return f"heard at {at_s:.9f} s: a sample of {first}", f"heard at {at_s:.9f} s: a sample of {second}"
        at += rate


def _is_same(one: Optional[Heard], other: Optional[Heard]) -> bool:
    """Whether two runs played the same, stream by stream: most do, and then nothing need be mixed."""
    if one is None or other is None:
        return one is other
    if [_outline(playback, one) for playback in one.playbacks] != [_outline(playback, other) for playback in other.playbacks]:
        return False
    return all(
        left.piece(at, at + _COMPARED_BYTES) == right.piece(at, at + _COMPARED_BYTES)
        for left, right in zip(one.playbacks, other.playbacks)
        for at in range(0, left.n_heard, _COMPARED_BYTES)
    )


def _outline(playback: Playback, heard: Heard) -> Tuple[object, ...]:
    """All of a stream but its samples."""
    spans = [(span.at_ns - heard.opened_at_ns, span.start, span.n_bytes, span.is_silence) for span in playback.spans]
    return playback.pcm, playback.began_ns - heard.opened_at_ns, playback.n_heard, spans


def _first_difference(one: bytes, other: bytes) -> Optional[int]:
    """The first frame in which two blocks differ on the right; behind its end a block is silent."""
    import numpy

    found = numpy.zeros((2, max(len(one), len(other)) // _FRAME_BYTES), numpy.int32)
    for row, block in zip(found, (one, other)):
        row[: len(block) // _FRAME_BYTES] = numpy.frombuffer(block, "<i2")[1::_CHANNELS]
    differs = numpy.flatnonzero(found[0] != found[1])
    return int(differs[0]) if len(differs) else None


def _sample(block: bytes, frame: int) -> int:
    at = frame * _FRAME_BYTES + 2
    return int.from_bytes(block[at : at + 2], "little", signed=True)
