"""The user's audio as the simulator receives it: positions, detected speech, and the sound of an utterance.

Rules of living here: all places are positions (``session.position``), so that a microphone that drops frames shifts nothing; audio is
kept as long as an utterance may need it and no longer. Audio that comes after a pause may be new, or old and late: an app that was blocked
sends in a burst what its microphone had gathered. Which it is shows when the burst is over, so it is placed by its end.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Deque, List, NamedTuple, Optional, Sequence, Tuple, Union, cast

from evi_harness.errors import ContainerError
from evi_harness.evi.audio_frames import EviReader
from evi_harness.session.encoded_audio import base64_bytes
from evi_harness.session.events import Frame, Handshake
from evi_harness.session.position import Positions
from evi_harness.session.protocols import SENT, Hearing, Mark
from evi_harness.session.wav import Pcm, split
from evi_harness.simulate.encoded_uplink import EncodedUplink
from evi_harness.simulate.plausibility import Plausibility
from evi_harness.simulate.turn_detection import Listener, Speaking, Spoken, TurnDetection

__all__ = ["AudioPiece", "Formats", "HeardThings", "Unheard", "Uplink"]

MS = 1_000_000
# What lies further behind the audio before it comes after a pause; what is nearer was only sent a little late.
_PAUSE_NS = 60 * MS
# The sound of an utterance goes on a little behind its last speech: a detector lets go before a word has died away.
_TAIL_NS = 100 * MS
# No utterance's sound is kept for longer, nor is more of it: a minute and a half at 48 kHz.
_MAX_KEPT_NS = 120_000 * MS
_MAX_KEPT_BYTES = 8 * 1024 * 1024
_NOT_OPENED = "no format was declared for it, or an impossible one, and no container is opened here"


@dataclass(frozen=True)
class Formats:
    """Which formats of audio are taken for meant: from a telephone's to a sound card's best. Others would be hard to hear, or impossible.

    Attributes:
        min_sample_rate: Frames a second.
        max_sample_rate: Likewise.
        max_channels: Channels.
    """

    min_sample_rate: int = 8_000
    max_sample_rate: int = 192_000
    max_channels: int = 32

    def doubt(self, pcm: Pcm) -> Optional[str]:
        """Why a format is not taken, None for one that is."""
        if not self.min_sample_rate <= pcm.rate <= self.max_sample_rate:
            return f"a sample rate of {pcm.rate} Hz is not between {self.min_sample_rate} and {self.max_sample_rate} Hz"
        if pcm.channels > self.max_channels:
            return f"{pcm.channels} channels are more than {self.max_channels}"
        return None


class AudioPiece(NamedTuple):
    """A piece of audio: whole frames of linear PCM."""

    pcm: Pcm
    samples: bytes

    @property
    def length_ns(self) -> int:
        """How long it plays."""
        return self.pcm.length_ns(len(self.samples))


@dataclass(frozen=True)
class Unheard:
    """What came as audio cannot be heard.

    Attributes:
        why: Half a sentence.
    """

    why: str


HeardThings = List[Union[Speaking, Spoken, Unheard]]


class _Piece(NamedTuple):
    start_ns: int
    end_ns: int
    sound: AudioPiece


class Uplink:
    """Hears the audio of one session.

    Args:
        hearing: Finds speech; this session's alone.
        detection: Tells utterances by it.
        handshake: The opening, whose query may give the format.
        formats: Which formats are heard, None for all.
        encoded: Opens containers; this session's alone. Without it, audio in a container is not heard.
    """

    def __init__(
        self,
        hearing: Hearing,
        detection: TurnDetection,
        handshake: Handshake,
        formats: Optional[Formats] = None,
        encoded: Optional[EncodedUplink] = None,
    ) -> None:
        self._hearing = hearing
        self._listener = Listener(detection)
        self._padding_ns = detection.prefix_padding_ms * MS
        self._reader = EviReader(handshake)
        self._positions = Positions()
        self._formats = formats
        self._encoded = encoded
        self._plausibility = Plausibility()
        self._kept: Deque[_Piece] = deque()
        self._n_kept_bytes = 0
        self._broken = b""
        self._broken_pcm: Optional[Pcm] = None
        # Where the placed audio ends, and how far it was judged.
        self._end_ns = 0
        self._judged_ns = 0
        # What came after a pause and is not placed yet: each piece with its length; when and at which position the last one came.
        self._late: List[Tuple[AudioPiece, int]] = []
        self._late_at_ns = 0
        self._late_end_ns = 0

    @property
    def position_ns(self) -> int:
        """The position now, 0 before the first audio."""
        return self._positions.now_ns or 0

    def reached_at_ns(self, position_ns: int) -> Optional[int]:
        """When a position was reached, None if it was not."""
        return self._positions.reached_at_ns(position_ns)

    def heed(self, frame: Frame) -> None:
        """Take a message that holds no audio; it may give the format of what follows."""
        self._reader.read(SENT, frame)

    @property
    def settles_at_ns(self) -> Optional[int]:
        """When a burst that came after a pause counts as over if nothing more comes; None where there is none."""
        return self._late_at_ns + self._late[-1][1] // 2 if self._late else None

    def take(self, frame: Frame, at_ns: int) -> HeardThings:
        """Take a frame of audio.

        Args:
            frame: A binary frame, or a message with audio in base64.
            at_ns: When it was sent.

        Returns:
            What is known by now and was not before.
        """
        audio = self._reader.read(SENT, frame)
        assert audio is not None
        (place,) = audio.places
        raw = frame.payload[place.start : place.stop]
        data = base64_bytes(raw) if place.base64 else raw
        if not data:
            return []
        wav = split(data)
        if wav is None and place.pcm is None:
            return self._take_encoded(data, at_ns)
        if self._encoded is not None:
            self._encoded.forget()
        return self._take_sound(AudioPiece(wav.pcm, wav.samples) if wav is not None else AudioPiece(cast(Pcm, place.pcm), data), at_ns)

    def _take_encoded(self, data: bytes, at_ns: int) -> HeardThings:
        try:
            if self._encoded is None:
                raise ContainerError(_NOT_OPENED)
            sounds = [AudioPiece(*sound) for sound in self._encoded.take(data)]
        except ContainerError as error:
            self._positions.add(at_ns, None)
            return [Unheard(error.what)]
        return [heard for sound in sounds for heard in self._take_sound(sound, at_ns)]

    def _take_sound(self, sound: AudioPiece, at_ns: int) -> HeardThings:
        doubt = None if self._formats is None else self._formats.doubt(sound.pcm)
        if doubt is not None:
            return [Unheard(doubt)]
        return self._hear(sound, at_ns)

    def sound(self, spoken: Union[Speaking, Spoken]) -> AudioPiece:
        """What an utterance sounds like, with the padding before it; in the latest format where that changed within it."""
        begin_ns, end_ns = spoken.begin_ns - self._padding_ns, spoken.end_ns + _TAIL_NS
        pieces = [
            (piece.sound.pcm, _cut(piece, begin_ns, end_ns)) for piece in self._kept if piece.end_ns > begin_ns and piece.start_ns < end_ns
        ]
        pcm = pieces[-1][0] if pieces else Pcm(16_000, 1)
        return AudioPiece(pcm, b"".join(samples for its_pcm, samples in pieces if its_pcm == pcm))

    def settle(self) -> HeardThings:
        """Place and hear what came after a pause: its end is the position at which the last of it came."""
        late, self._late = self._late, []
        start_ns = self._late_end_ns - sum(length_ns for _, length_ns in late)
        if start_ns - self._end_ns > _PAUSE_NS:
            self._end_ns = start_ns
        return [heard for sound, length_ns in late for heard in self._place(sound, length_ns)]

    def _hear(self, sound: AudioPiece, at_ns: int) -> HeardThings:
        settles_ns = self.settles_at_ns
        heard = self.settle() if settles_ns is not None and at_ns >= settles_ns else []
        length_ns = sound.length_ns
        position_ns = self._positions.add(at_ns, length_ns)
        sound = self._whole(sound)
        doubt = self._plausibility.doubt(sound.samples, sound.pcm)
        if doubt is not None:
            return [*heard, Unheard(doubt)]
        if not self._late and position_ns - length_ns - self._end_ns <= _PAUSE_NS:
            return heard + self._place(sound, length_ns)
        self._late.append((sound, length_ns))
        self._late_at_ns, self._late_end_ns = at_ns, position_ns
        # A burst that fills the whole pause was late, all of it.
        is_filled = sum(length for _, length in self._late) >= position_ns - self._end_ns
        return heard + (self.settle() if is_filled else [])

    def _place(self, sound: AudioPiece, length_ns: int) -> HeardThings:
        """Hear a piece right behind what was heard before."""
        start_ns = self._end_ns
        self._end_ns += length_ns
        self._kept.append(_Piece(start_ns, start_ns + sound.length_ns, sound))
        self._n_kept_bytes += len(sound.samples)
        return self.heard(self._hearing.hear(sound.samples, sound.pcm, start_ns))

    def heard(self, marks: Sequence[Mark]) -> HeardThings:
        """Take what a hearing that needs a while has come to know since."""
        if marks:
            self._judged_ns = marks[-1].end_ns
        return list(self._listener.hear(marks))

    def forget(self) -> None:
        """Let go of the audio that no utterance will need any more."""
        begin_ns, is_less = self._listener.begin_ns, False
        keep_ns = self._judged_ns if begin_ns is None else max(begin_ns, self._judged_ns - _MAX_KEPT_NS)
        while self._kept and (self._kept[0].end_ns <= keep_ns - self._padding_ns or self._n_kept_bytes > _MAX_KEPT_BYTES):
            self._n_kept_bytes -= len(self._kept.popleft().sound.samples)
            is_less = True
        if is_less:
            self._positions.forget(keep_ns)

    def _whole(self, sound: AudioPiece) -> AudioPiece:
        """Whole frames: one that is cut at the end of a piece goes to the next, if that is of the same format."""
        broken, self._broken_pcm = (self._broken if sound.pcm == self._broken_pcm else b""), sound.pcm
        if not broken and len(sound.samples) % sound.pcm.frame_bytes == 0:
            self._broken = b""
            return sound
        data = broken + sound.samples
        n_whole = len(data) - len(data) % sound.pcm.frame_bytes
        self._broken = data[n_whole:]
        return AudioPiece(sound.pcm, data[:n_whole])


def _cut(piece: _Piece, begin_ns: int, end_ns: int) -> bytes:
    pcm, samples = piece.sound.pcm, piece.sound.samples
    first, last = (_n_frames(pcm, at_ns - piece.start_ns) * pcm.frame_bytes for at_ns in (begin_ns, end_ns))
    return samples[first:last]


def _n_frames(pcm: Pcm, length_ns: int) -> int:
    return max(0, length_ns) * pcm.rate // 1_000_000_000
