"""What a software microphone plays: a file, samples, the user's track of a session, or silence.

Rules of living here: a source is 16-bit PCM in one format from its first frame to its last, gives what it was asked for or less, and
nothing behind its end. Nothing is resampled: a microphone has the rate of what it plays.
"""

from __future__ import annotations

import base64
import json
import os
import struct
import weakref
from collections import Counter
from pathlib import Path
from typing import Any, FrozenSet, Iterator, List, NamedTuple, Optional, Tuple, Union

from evi_harness.errors import EviHarnessError, SessionUnreadable, UsageError
from evi_harness.input_file import file_problem
from evi_harness.session.events import Frame, Sent
from evi_harness.session.frame_audio import USER
from evi_harness.session.g711 import linear_samples
from evi_harness.session.position import JITTER_NS, captured
from evi_harness.session.protocols import AudioPlace, Dialect, FrameAudio
from evi_harness.session.session import Session
from evi_harness.session.wav import PLAUSIBLE_CHANNELS, PLAUSIBLE_RATES, DataChunk, Pcm, data_chunk, split

__all__ = ["FileSource", "PcmSource", "SilenceSource", "UserSound", "UserTrack", "samples_of"]

# What a microphone has where nothing says otherwise: the SDK's most common one.
USUAL = Pcm(48000, 1)
# Subtypes that libsndfile converts to 16 bits exactly or by shifting. It does not scale the others when asked for whole numbers.
_WHOLE_NUMBERS = ("PCM_16", "PCM_24", "PCM_32", "PCM_S8", "PCM_U8", "ULAW", "ALAW")
# A few kilobytes of a compressed file can be days of silence.
_MOST_SAMPLES = 48_000 * 2 * 1800
_PIECE_FRAMES = 1 << 18


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
            raise UsageError(f"samples of {pcm.width * 8} bits; a microphone needs 16", hint="Convert them to 16-bit PCM.")
        self.pcm = pcm
        self._samples = samples
        self._at = 0
        self._end = len(samples) - len(samples) % pcm.frame_bytes

    def read(self, n_frames: int) -> bytes:
        """The next frames; fewer at the end, none behind it."""
        start, self._at = self._at, min(self._at + n_frames * self.pcm.frame_bytes, self._end)
        return bytes(self._samples[start : self._at])


class SilenceSource:
    """Plays silence forever: a microphone that nobody speaks into.

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

    Lossless files are read as they are played; the others at once. A WAV file whose header does not know how long it is, as a recorder that
    was killed leaves it, is played to its end.

    Args:
        path: The file.
        mono: Mix the channels to one. Otherwise they are the file's.

    Raises:
        UsageError: There is no such file, it is not audio that can be read, or there is not one sample in it.
        EviHarnessError: The soundfile package cannot be loaded.
    """

    def __init__(self, path: Union[str, Path], *, mono: bool = False) -> None:
        self._mended = _mended(Path(path))
        self._file = _open(Path(path), self._mended)
        self._mixes = mono and self._file.channels > 1
        self.pcm = Pcm(rate=self._file.samplerate, channels=1 if mono else self._file.channels)
        self._whole: Optional[PcmSource] = None
        if self._file.subtype not in _WHOLE_NUMBERS:
            # libsndfile seeks between two reads, and behind a seek MP3 comes out as zeros and Opus as something else.
            self._whole = PcmSource(self._read_whole(Path(path)), self.pcm)
            self._close_file()

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
        self._close_file()

    def _read_whole(self, path: Path) -> bytes:
        if self._file.frames * self._file.channels > _MOST_SAMPLES:
            seconds = self._file.frames / self._file.samplerate
            what = f"{path} is {seconds / 60:.0f} minutes long, "
            what += "and a file that can only be read as a whole may have at most 30, in stereo at 48 kHz"
            self._close_file()
            raise UsageError(what, hint="Convert it to WAV or FLAC of 16 bits, which are read as they are played.")
        samples = self._file.read(self._file.frames, dtype="float32", always_2d=True)
        # Piece by piece: what lies between the two forms is several times as large as either.
        return b"".join(_whole_numbers(samples[at : at + _PIECE_FRAMES], self._mixes) for at in range(0, len(samples), _PIECE_FRAMES))

    def _close_file(self) -> None:
        self._file.close()
        if self._mended is not None:
            self._mended.close()


class _Mended:
    """A WAV file to read from, with the true lengths in its header: libsndfile takes a length of 0 at its word.

    Args:
        path: The file.
        data: Its samples.
        size: Its length in bytes.
    """

    def __init__(self, path: Path, data: DataChunk, size: int) -> None:
        fd = os.open(path, os.O_RDONLY)
        self.close = weakref.finalize(self, os.close, fd)
        self._fd = fd
        self._name = str(path)
        self._size = size
        self._at = 0
        # By offset.
        self._lengths = {4: struct.pack("<I", min(size - 8, 0xFFFFFFFF)), data.start - 4: struct.pack("<I", min(data.length, 0xFFFFFFFE))}

    def __repr__(self) -> str:
        # Errors of libsndfile name what they were given.
        return repr(self._name)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to another place, as in any file."""
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        """The place."""
        return self._at

    def read(self, n_bytes: int) -> bytes:
        """The next bytes; fewer at the end."""
        start = self._at
        found = bytearray(os.pread(self._fd, n_bytes, start))
        for place, length in self._lengths.items():
            for index, byte in enumerate(length, place - start):
                if 0 <= index < len(found):
                    found[index] = byte
        self._at += len(found)
        return bytes(found)


def _mended(path: Path) -> Optional[_Mended]:
    """A WAV file whose header is wrong about the length of its samples, to read it by; None for any other file, and for none."""
    if not path.is_file():
        # To open a pipe would be to wait for its writer.
        return None
    try:
        with path.open("rb") as file:

            def read(at: int, n_bytes: int) -> bytes:
                file.seek(at)
                return file.read(n_bytes)

            size = os.fstat(file.fileno()).st_size
            data = data_chunk(read, size)
        return _Mended(path, data, size) if data is not None and data.length != data.stated else None
    except OSError:
        return None


def _open(path: Path, mended: Optional[_Mended]) -> Any:
    try:
        import soundfile
    except (ImportError, OSError) as error:
        raise EviHarnessError(f"audio files cannot be read: {error}", hint="pip install soundfile") from None
    try:
        problem = file_problem(path, "audio")
    except (OSError, ValueError):
        raise UsageError(f"there is no file {path}", hint="Give an audio file: WAV, FLAC, OGG or MP3.") from None
    if problem is not None:
        raise UsageError(f"{path} cannot be read as audio: {problem[0]}", hint=problem[1])
    try:
        file = soundfile.SoundFile(str(path) if mended is None else mended)
    except (soundfile.SoundFileError, TypeError) as error:
        # A TypeError is what soundfile raises for a .raw file, whose format nothing tells.
        raise UsageError(f"{path} cannot be read as audio: {error}", hint="Give an audio file: WAV, FLAC, OGG or MP3.") from None
    if file.samplerate not in PLAUSIBLE_RATES or file.channels not in PLAUSIBLE_CHANNELS:
        what = f"{path} cannot be played: its sample rate is {file.samplerate} Hz, and its number of channels {file.channels}"
        file.close()
        raise UsageError(what, hint="Convert it to 16 or 48 kHz, mono.")
    if not file.frames:
        form = f"{file.format}, {file.samplerate} Hz, {file.channels} channel{'' if file.channels == 1 else 's'}"
        file.close()
        # Whoever plays nothing waits for an answer to it in vain; silence that is meant has its length.
        raise UsageError(f"{path} holds no audio: it is {form}, and 0 s long", hint="Give a file that contains sound.")
    return file


def _whole_numbers(samples: Any, mixes: bool) -> bytes:
    import numpy as np

    if samples.dtype == np.float32:
        # The scale of libsndfile's own conversion, so that a 16-bit file written as floats comes back as it was.
        # What is no number is no sound, and numpy has a warning for it.
        with np.errstate(all="ignore"):
            wide = np.nan_to_num(samples.astype(np.float64), posinf=1, neginf=-1)
        samples = np.clip(np.rint(wide * 32768), -32768, 32767)
    if mixes:
        samples = np.rint(samples.mean(axis=1, dtype=np.float64))
    return bytes(samples.astype("<i2").tobytes())


class UserSound:
    """What the user of a session said, on the position axis, in the formats in which it was sent. Where nothing was sent there is silence.

    It begins with the first audio that was sent. Frames that were sent late, because the app's loop was busy, are put where the microphone
    heard them: nothing was captured after it was sent, and frames that follow one another closely are contiguous.

    Args:
        session: The session.
        dialect: What its messages are in.

    Attributes:
        seqs: The events that hold the audio.
        began_at_ns: When the first of it began to be heard, in session time; None where there is none.
        ahead_ns: How far at most what was sent ran ahead of the clock: a microphone that is read late lets it wait and brings it then
            all at once, and who sends a file may send it faster than anyone speaks.

    Raises:
        SessionUnreadable: Some of the audio is not linear PCM, or its format is not known.
    """

    def __init__(self, session: Session, dialect: Dialect) -> None:
        self._pieces = _Pieces(session, dialect)
        unknown = next((piece for piece in self._pieces if piece.pcm is None), None)
        if unknown is not None:
            raise _unplayable(session, unknown, "is not linear PCM of a known format", "so speech cannot be found in it")
        self.seqs = self._pieces.seqs
        self.began_at_ns = self._pieces.began_at_ns
        self.ahead_ns = self._pieces.ahead_ns

    def stretches(self) -> Iterator[Tuple[bytes, Pcm]]:
        """Whole frames and their format, one stretch after the other without a gap; silence comes at most a second at a time."""
        return self._pieces.stretches()


class UserTrack:
    """Plays what the user of a session said, as a ``UserSound`` has it, where one microphone can have heard it.

    Args:
        session: The session. With no audio sent it plays nothing, in the usual format.
        dialect: What its messages are in.

    Attributes:
        seqs, began_at_ns, ahead_ns: As of ``UserSound``.
        block_frames: How long most frames are that were sent, in sample frames; None where there are none.
        has_headers: Whether some of the audio was sent with a header, as a WAV file.

    Raises:
        SessionUnreadable: The user's audio is not 16-bit PCM, or its format changes on the way.
    """

    def __init__(self, session: Session, dialect: Dialect) -> None:
        self._pieces = _Pieces(session, dialect)
        self.pcm = _one_format(session, self._pieces)
        self.seqs = self._pieces.seqs
        self.began_at_ns = self._pieces.began_at_ns
        self.block_frames = self._pieces.block_frames(self.pcm)
        self.has_headers = self._pieces.has_headers
        self.ahead_ns = self._pieces.ahead_ns
        self._unread = self._pieces.stretches()
        self._ahead = b""

    def pieces(self) -> Iterator[Tuple[Sent, int, int]]:
        """Each event that holds some of it, when that began to be heard on the position axis, and how long it is, in ns."""
        return self._pieces.spans()

    def samples(self) -> Iterator[bytes]:
        """The samples of each of them, one after another."""
        return (samples for _, _, samples in self._pieces.placed())

    def read(self, n_frames: int) -> bytes:
        """The next frames; fewer at the end, none behind it."""
        wanted = n_frames * self.pcm.frame_bytes
        parts, there = [self._ahead], len(self._ahead)
        while there < wanted:
            part, _ = next(self._unread, (None, None))
            if part is None:
                break
            parts.append(part)
            there += len(part)
        whole = b"".join(parts)
        self._ahead = whole[wanted:]
        return whole[:wanted]


class _Piece(NamedTuple):
    """One frame of the user's audio.

    Attributes:
        event: The event.
        length_ns: How long it plays; 0 where that is not known.
        position_ns: The position at it.
        pcm: Its format; None where it is not linear PCM or its format is not known.
        is_empty: Whether it has not one sample.
    """

    event: Sent
    length_ns: int
    position_ns: int
    pcm: Optional[Pcm]
    is_empty: bool


class _Pieces:
    """The audio that was sent, piece by piece, and where each belongs."""

    def __init__(self, session: Session, dialect: Dialect) -> None:
        self._session = session
        self._dialect = dialect
        self._all: List[_Piece] = []
        self.has_headers = False
        # The length alone is asked for where that will do: the audio of an hour is not read to be placed.
        audio = session.audio(dialect)
        for event, position_ns in zip(audio.said, audio.positions.frames_ns):
            one = audio.frames[event.seq]
            length_ns = one.length_ns
            pcm = None if length_ns is None or one.pcm is None else one.pcm.linear
            self._all.append(_Piece(event, length_ns or 0, position_ns, pcm, length_ns == 0))
            self.has_headers = self.has_headers or one.has_header

    def __iter__(self) -> Iterator[_Piece]:
        """Those in which there is something."""
        return (piece for piece in self._all if not piece.is_empty)

    @property
    def seqs(self) -> FrozenSet[int]:
        return frozenset(piece.event.seq for piece in self._all)

    @property
    def began_at_ns(self) -> Optional[int]:
        # The first frame may be longer than the session was by then: what was sent at once was not heard at once.
        return max(0, self._all[0].event.at_ns - self._all[0].length_ns) if self._all else None

    def block_frames(self, pcm: Pcm) -> Optional[int]:
        lengths_ns = [piece.length_ns for piece in self]
        if not lengths_ns:
            return None
        # Of two that are as frequent, the one that came first.
        usual_ns, _ = Counter(lengths_ns).most_common(1)[0]
        return max(1, round(usual_ns * pcm.rate / 1e9))

    @property
    def ahead_ns(self) -> int:
        began_ns = self._all[0].event.at_ns if self._all else 0
        return max((piece.position_ns - (piece.event.at_ns - began_ns + piece.length_ns) for piece in self._all), default=0)

    def stretches(self) -> Iterator[Tuple[bytes, Pcm]]:
        """All of it, with silence where nothing was sent, and the format of each stretch."""
        # Frames of the format in which the piece before was, as that is counted in whole ones.
        at, at_pcm = 0, USUAL
        for start_ns, piece, samples in self.placed():
            pcm = piece.pcm
            assert pcm is not None
            if pcm.rate != at_pcm.rate:
                at = round(at * pcm.rate / at_pcm.rate)
            at_pcm, start = pcm, round(start_ns * pcm.rate / 1e9)
            if (start - at) * 1_000_000_000 > JITTER_NS * pcm.rate:
                # A second at a time, so that an hour of silence is not held at once.
                for n_frames in _by_the_second(start - at, pcm):
                    yield pcm.silence(n_frames * pcm.frame_bytes), pcm
                at = start
            yield samples, pcm
            at += len(samples) // pcm.frame_bytes

    def spans(self) -> Iterator[Tuple[Sent, int, int]]:
        """Each piece in which there is something: its event, where it begins, and its length."""
        return ((piece.event, begin_ns, piece.length_ns) for begin_ns, piece in zip(self._begins(), self._all) if not piece.is_empty)

    def placed(self) -> Iterator[Tuple[int, _Piece, bytes]]:
        """Each piece in which there is something, where it begins, and its samples."""
        frames = self._session.audio(self._dialect).frames
        for begin_ns, piece in zip(self._begins(), self._all):
            if not piece.is_empty:
                found = samples_of(piece.event.frame, frames[piece.event.seq])
                if found is not None:
                    yield begin_ns, piece, found[0]

    def _begins(self) -> List[int]:
        """When each piece was heard at the latest: before it was sent, and before what was heard behind it."""
        return captured([piece.position_ns for piece in self._all], [piece.length_ns for piece in self._all])


def _by_the_second(n_frames: int, pcm: Pcm) -> Iterator[int]:
    while n_frames > 0:
        yield min(n_frames, pcm.rate)
        n_frames -= pcm.rate


def _one_format(session: Session, pieces: _Pieces) -> Pcm:
    """The one format of all pieces, which a microphone of the SDK can have; the usual one where there are none."""
    pcm: Optional[Pcm] = None
    for piece in pieces:
        if piece.pcm is None or piece.pcm.width != 2:
            raise _unplayable(session, piece, "is not 16-bit PCM", "so that no microphone can play it")
        pcm = pcm or piece.pcm
        if piece.pcm != pcm:
            raise _unplayable(session, piece, "changes its format", "so that no microphone can play it")
    return pcm or USUAL


def _unplayable(session: Session, piece: _Piece, what: str, consequence: str) -> SessionUnreadable:
    return SessionUnreadable(
        f"the user's audio {what} at event {piece.event.seq}, {consequence}",
        where=session.name or None,
        hint="Replay the session to a handler that is called with messages; then the recorded frames are sent as they are.",
    )


def samples_of(frame: Frame, audio: FrameAudio) -> Optional[Tuple[bytes, Pcm]]:
    """Read the samples of a frame.

    Args:
        frame: The frame.
        audio: What is known of its audio.

    Returns:
        The whole sample frames, one place after another, as linear PCM, and their format. None where there are none, where their format is
        not known or no PCM, and where that of one place differs from that of another.

    Raises:
        ValueError: What should be base64 is not.
        AudioMissing: The session's folder does not hold the audio.
    """
    found = [_samples_at(frame.payload, place) for place in audio.places]
    known = [one for one in found if one is not None]
    if not known or len(known) < len(found) or any(pcm != known[0][1] for _, pcm in known):
        return None
    return known[0] if len(known) == 1 else (b"".join(samples for samples, _ in known), known[0][1])


def _samples_at(payload: bytes, place: AudioPlace) -> Optional[Tuple[bytes, Pcm]]:
    raw = payload[place.start : place.stop]
    data = _decoded(raw) if place.base64 else raw
    wav = split(data) if place.has_header or place.track != USER else None
    if wav is not None:
        return wav.samples, wav.pcm
    if place.pcm is None:
        return None
    return linear_samples(data[: len(data) - len(data) % place.pcm.frame_bytes], place.pcm)


def _decoded(raw: bytes) -> bytes:
    # As it stands between the quotes of a JSON string: escapes are allowed, padding may be left out.
    text = json.loads(b'"' + raw + b'"') if b"\\" in raw else raw.decode()
    compact = "".join(text.split()).replace("-", "+").replace("_", "/").rstrip("=")
    return base64.b64decode(compact + "=" * (-len(compact) % 4))
