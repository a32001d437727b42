"""What a software microphone plays: a file, samples, the user's track of a session, or silence.

Rules of living here: a source is 16-bit PCM in one format from its first frame to its last, gives what it was asked for or less, and
nothing behind its end. Nothing is resampled: a microphone has the rate of what it plays.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from pathlib import Path
from typing import Any, FrozenSet, Iterator, List, Optional, Tuple, Union

from evi_harness.errors import EviHarnessError, SessionUnreadable, UsageError
from evi_harness.session.events import Frame, Sent
from evi_harness.session.position import JITTER_NS, Positions
from evi_harness.session.protocols import SENT, AudioPlace, Dialect
from evi_harness.session.session import Session
from evi_harness.session.wav import Pcm, split

__all__ = ["FileSource", "PcmSource", "SilenceSource", "UserTrack"]

# What a microphone has where nothing says otherwise: the SDK's most common one.
USUAL = Pcm(48000, 1)
# Subtypes that libsndfile converts to 16 bits exactly or by shifting. It does not scale the others when asked for whole numbers.
_WHOLE_NUMBERS = ("PCM_16", "PCM_24", "PCM_32", "PCM_S8", "PCM_U8", "ULAW", "ALAW")


class PcmSource:
    """Plays samples from memory.

    Args:
        samples: 16-bit little-endian samples, channels interleaved. A broken last frame is left out.
        pcm: Their format.

    Raises:
        UsageError: The format is not 16 bits wide.
    """

    def __init__(self, samples: bytes, pcm: Pcm) -> None:
        if pcm.width != 2:
            raise UsageError(f"samples of {pcm.width * 8} bits; a microphone plays 16", hint="Convert them to 16-bit PCM.")
        self.pcm = pcm
        self._samples = samples
        self._at = 0
        self._end = len(samples) - len(samples) % pcm.frame_bytes

    def read(self, n_frames: int) -> bytes:
        """The next frames; fewer at the end, none behind it."""
        start, self._at = self._at, min(self._at + n_frames * self.pcm.frame_bytes, self._end)
        return bytes(self._samples[start : self._at])


class SilenceSource:
    """Plays silence for ever: a microphone that nobody speaks into.

    Args:
        pcm: The format.
    """

    def __init__(self, pcm: Pcm = USUAL) -> None:
        self.pcm = pcm

    def read(self, n_frames: int) -> bytes:
        """So many frames of silence."""
        return bytes(n_frames * self.pcm.frame_bytes)


class FileSource:
    """Plays an audio file: WAV, FLAC, OGG (Vorbis, Opus), MP3 and whatever else libsndfile knows.

    Lossless files are read as they are played; the others at once.

    Args:
        path: The file.
        mono: Mix the channels to one. Otherwise they are the file's.

    Raises:
        UsageError: There is no such file, it is no audio that can be read, or there is not one sample in it.
        EviHarnessError: The soundfile package cannot be loaded.
    """

    def __init__(self, path: Union[str, Path], *, mono: bool = False) -> None:
        self._file = _open(Path(path))
        self._mixes = mono and self._file.channels > 1
        self.pcm = Pcm(rate=self._file.samplerate, channels=1 if mono else self._file.channels)
        self._whole: Optional[PcmSource] = None
        if self._file.subtype not in _WHOLE_NUMBERS:
            # libsndfile seeks between two reads, and behind a seek MP3 comes out as zeros and Opus as something else.
            self._whole = PcmSource(
                _whole_numbers(self._file.read(self._file.frames, dtype="float32", always_2d=True), self._mixes), self.pcm
            )
            self._file.close()

    def read(self, n_frames: int) -> bytes:
        """The next frames; fewer at the end, none behind it. The file is closed at its end."""
        if self._whole is not None:
            return self._whole.read(n_frames)
        if self._file.closed:
            return b""
        samples = self._file.read(n_frames, dtype="int16", always_2d=True)
        if len(samples) < n_frames:
            self.close()
        return _whole_numbers(samples, self._mixes)

    def close(self) -> None:
        """Close the file before its end; nothing comes behind that."""
        self._whole = None
        self._file.close()


def _open(path: Path) -> Any:
    try:
        import soundfile
    except (ImportError, OSError) as error:
        raise EviHarnessError(f"audio files cannot be read: {error}", hint="pip install soundfile") from None
    if not path.is_file():
        raise UsageError(f"there is no file {path}", hint="Give an audio file: WAV, FLAC, OGG or MP3.")
    try:
        file = soundfile.SoundFile(str(path))
    except (soundfile.SoundFileError, TypeError) as error:
        # A TypeError is what soundfile raises for a .raw file, whose format nothing tells.
        raise UsageError(f"{path} cannot be read as audio: {error}", hint="Give an audio file: WAV, FLAC, OGG or MP3.") from None
    if not file.frames:
        form = f"{file.format}, {file.samplerate} Hz, {file.channels} channel{'' if file.channels == 1 else 's'}"
        file.close()
        # Whoever plays nothing waits for an answer to it in vain; silence that is meant has its length.
        raise UsageError(f"{path} holds no audio: it is {form}, and 0 s long", hint="Give a file in which something is to be heard.")
    return file


def _whole_numbers(samples: Any, mixes: bool) -> bytes:
    import numpy as np

    if samples.dtype == np.float32:
        # The scale of libsndfile's own conversion, so that a 16-bit file written as floats comes back as it was.
        samples = np.clip(np.rint(samples.astype(np.float64) * 32768), -32768, 32767)
    if mixes:
        samples = np.rint(samples.mean(axis=1, dtype=np.float64))
    return bytes(samples.astype("<i2").tobytes())


class UserTrack:
    """Plays what the user of a session said, on the position axis: silence stands where nothing was sent.

    Frame 0 is the beginning of the first audio that was sent. Frames that were sent late, because the app's loop was busy, are put where
    the microphone heard them: nothing was captured after it was sent, and frames that follow one another closely are contiguous.

    Args:
        session: The session. With no audio sent it plays nothing, in the usual format.
        dialect: What its messages are in.

    Attributes:
        seqs: The events that hold the audio.
        began_at_ns: When the first of it began to be heard, in session time; None where there is none.
        block_frames: How long most frames are that were sent, in sample frames; None where there are none.
        ahead_ns: How far at most what was sent ran ahead of the clock: a microphone that is read late lets it wait and brings it then
            all at once, and who sends a file may send it faster than anyone speaks.

    Raises:
        SessionUnreadable: The user's audio is no 16-bit PCM, or its format changes on the way.
    """

    def __init__(self, session: Session, dialect: Dialect) -> None:
        self._pieces = _Pieces(session, dialect)
        self.pcm = self._pieces.pcm or USUAL
        self.seqs = self._pieces.seqs
        self.began_at_ns = self._pieces.began_at_ns
        self.block_frames = self._pieces.block_frames
        self.ahead_ns = self._pieces.ahead_ns
        self._unread = self._play()
        self._ahead = b""

    def read(self, n_frames: int) -> bytes:
        """The next frames; fewer at the end, none behind it."""
        wanted = n_frames * self.pcm.frame_bytes
        parts, there = [self._ahead], len(self._ahead)
        while there < wanted:
            part = next(self._unread, None)
            if part is None:
                break
            parts.append(part)
            there += len(part)
        whole = b"".join(parts)
        self._ahead = whole[wanted:]
        return whole[:wanted]

    def _play(self) -> Iterator[bytes]:
        at = 0
        for start, event in self._pieces.placed():
            # A second at a time, so that an hour of silence is not held at once.
            while at < start:
                n_frames = min(start - at, self.pcm.rate)
                yield bytes(n_frames * self.pcm.frame_bytes)
                at += n_frames
            samples = self._pieces.samples(event)
            yield samples
            at += len(samples) // self.pcm.frame_bytes


class _Pieces:
    """The audio that was sent, piece by piece, and where each belongs."""

    def __init__(self, session: Session, dialect: Dialect) -> None:
        self.pcm: Optional[Pcm] = None
        self._where = session.name
        self._events: List[Sent] = []
        self._lengths: List[int] = []
        self._positions: List[int] = []
        self._places = dialect.audio_places(session.handshake)
        positions = Positions()
        for event in session.sent:
            length_ns = self._length_ns(event) if event.outcome == "sent" else None
            if length_ns is not None:
                self._events.append(event)
                self._lengths.append(length_ns)
                self._positions.append(positions.add(event.at_ns, length_ns))
        # Pieces are read again when they are played, one by one, by a finder that begins again.
        self._places = dialect.audio_places(session.handshake)
        self._unseen = iter(session.sent)

    @property
    def seqs(self) -> FrozenSet[int]:
        return frozenset(event.seq for event in self._events)

    @property
    def began_at_ns(self) -> Optional[int]:
        # The first frame may be longer than the session was by then: what was sent at once was not heard at once.
        return max(0, self._events[0].at_ns - self._lengths[0]) if self._events else None

    @property
    def block_frames(self) -> Optional[int]:
        lengths_ns = [length_ns for length_ns in self._lengths if length_ns]
        if self.pcm is None or not lengths_ns:
            return None
        # Of two that are as frequent, the one that came first.
        usual_ns, _ = Counter(lengths_ns).most_common(1)[0]
        return max(1, round(usual_ns * self.pcm.rate / 1e9))

    @property
    def ahead_ns(self) -> int:
        began_ns = self._events[0].at_ns if self._events else 0
        heard = (event.at_ns - began_ns + length_ns for event, length_ns in zip(self._events, self._lengths))
        return max((position_ns - heard_ns for position_ns, heard_ns in zip(self._positions, heard)), default=0)

    def placed(self) -> Iterator[Tuple[int, Sent]]:
        """Each piece and the frame at which it begins; they do not overlap."""
        if self.pcm is None:
            return
        at = 0
        for begin_ns, length_ns, event in zip(self._begins(), self._lengths, self._events):
            start = round(begin_ns * self.pcm.rate / 1e9)
            if (start - at) * 1_000_000_000 > JITTER_NS * self.pcm.rate:
                at = start
            yield at, event
            at += round(length_ns * self.pcm.rate / 1e9)

    def _begins(self) -> List[int]:
        """When each piece was heard at the latest: before it was sent, and before what was heard behind it."""
        begins: List[int] = []
        following_ns: Optional[int] = None
        for position_ns, length_ns in zip(reversed(self._positions), reversed(self._lengths)):
            end_ns = position_ns if following_ns is None else min(position_ns, following_ns)
            following_ns = end_ns - length_ns
            begins.append(following_ns)
        return begins[::-1]

    def samples(self, event: Sent) -> bytes:
        """The samples of a piece; ask in order."""
        for passed in self._unseen:
            if passed is event:
                break
            self._places.find(SENT, passed.frame)
        place = self._places.find(SENT, event.frame)
        assert place is not None
        found = _samples(event.frame, place)
        assert found is not None
        return found[0]

    def _length_ns(self, event: Sent) -> Optional[int]:
        frame = event.frame
        if self.pcm is not None and not frame.is_text:
            # The length alone is asked for: the audio of an hour is not read to be placed.
            length_ns = self._places.length_ns(SENT, frame)
            if length_ns != self.pcm.length_ns(frame.size):
                raise self._unplayable(event, "changes its format")
            return length_ns
        place = self._places.find(SENT, frame)
        if place is None:
            return None
        found = _samples(frame, place)
        if found is None or found[1].width != 2:
            raise self._unplayable(event, "is no 16-bit PCM")
        self.pcm = self.pcm or found[1]
        if found[1] != self.pcm:
            raise self._unplayable(event, "changes its format")
        return self.pcm.length_ns(len(found[0]))

    def _unplayable(self, event: Sent, what: str) -> SessionUnreadable:
        return SessionUnreadable(
            f"the user's audio {what} at event {event.seq}, so that no microphone can play it",
            where=self._where or None,
            hint="Replay the session to a handler that is called with messages; then the recorded frames are sent as they are.",
        )


def _samples(frame: Frame, place: AudioPlace) -> Optional[Tuple[bytes, Pcm]]:
    """The whole sample frames in a place and their format; None where they are no linear PCM."""
    raw = frame.payload[place.start : place.stop]
    data = _decoded(raw) if place.base64 else raw
    wav = split(data)
    if wav is not None:
        return wav.samples, wav.pcm
    if place.pcm is None:
        return None
    return data[: len(data) - len(data) % place.pcm.frame_bytes], place.pcm


def _decoded(raw: bytes) -> bytes:
    # As it stands between the quotes of a JSON string: escapes are allowed, padding may be left out.
    text = json.loads(b'"' + raw + b'"') if b"\\" in raw else raw.decode()
    compact = "".join(text.split()).replace("-", "+").replace("_", "/").rstrip("=")
    return base64.b64decode(compact + "=" * (-len(compact) % 4))
