"""A replacement for the simpleaudio module: it plays to a software speaker.

The surface is that of simpleaudio 1.0.4. Whoever waits for the end of what is played lets time pass.

Rules of living here: names, arguments and errors are simpleaudio's, so that an app cannot tell.
"""

from __future__ import annotations

import wave
from types import ModuleType
from typing import Any, ClassVar, List

from evi_harness.audio.sample_formats import to_16_bits
from evi_harness.audio.software_speaker import SoftwareSpeaker
from evi_harness.audio.waiting import DeviceWait
from evi_harness.session.wav import Pcm

__all__ = ["software_simpleaudio"]

# By the bytes of a sample.
_FORMATS = {1: "uint8", 2: "int16", 3: "int24", 4: "float32"}
_RATES = (8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000, 192000)


class PlayObject:
    """What is played.

    Args:
        speaker: What it is played to.
        pcm: The format of the samples.
        samples: Whole frames of 16 bits.
        play_id: Its number.
    """

    def __init__(self, speaker: SoftwareSpeaker, pcm: Pcm, samples: bytes, play_id: int) -> None:
        self.play_id = play_id
        self._left = memoryview(samples)
        self._open = speaker.open(pcm, 0, self._fill, self._over)
        self._waiting = DeviceWait(self._open.cadence, speaker.clock, "the end of what is played")
        self._open.start()

    def stop(self) -> None:
        """Stop at once; does nothing at the end."""
        self._open.stop()
        self._over()

    def wait_done(self) -> None:
        """Wait until all was played, or it was stopped."""
        self._waiting.until(lambda: not self._open.cadence.is_active)

    def is_playing(self) -> bool:
        """Whether it is being played."""
        self._waiting.asked()
        return self._open.cadence.is_active

    def _fill(self, block: memoryview, at_ns: int) -> bool:  # noqa: ARG002 - the speaker's
        part, self._left = self._left[: len(block)], self._left[len(block) :]
        block[: len(part)] = part
        # What is left of the last block is silence, and it is over when that has sounded.
        return bool(part)

    def _over(self) -> None:
        self._waiting.passed()


class WaveObject:
    """Something to play, any number of times.

    Args:
        audio_data: A buffer of samples.
        num_channels: 1 or 2.
        bytes_per_sample: 1 (unsigned), 2, 3 (signed) or 4 (floating point).
        sample_rate: Frames a second.
    """

    def __init__(self, audio_data: Any, num_channels: int = 2, bytes_per_sample: int = 2, sample_rate: int = 44100) -> None:
        self.audio_data = audio_data
        self.num_channels = num_channels
        self.bytes_per_sample = bytes_per_sample
        self.sample_rate = sample_rate

    def play(self) -> PlayObject:
        """Begin to play it; see ``play_buffer``."""
        return self._playing.play_buffer(self.audio_data, self.num_channels, self.bytes_per_sample, self.sample_rate)

    @classmethod
    def from_wave_file(cls, wave_file: Any) -> WaveObject:
        """What a WAV file contains.

        Args:
            wave_file: Its name, or an open file.

        Raises:
            wave.Error: It is none.
        """
        with wave.open(wave_file, "rb") as opened:
            return cls.from_wave_read(opened)

    @classmethod
    def from_wave_read(cls, wave_read: wave.Wave_read) -> WaveObject:
        """What is left of an open WAV file."""
        data = wave_read.readframes(wave_read.getnframes())
        return cls(data, wave_read.getnchannels(), wave_read.getsampwidth(), wave_read.getframerate())

    def __str__(self) -> str:
        return f"Wave Object: {self.num_channels} channel, {self.bytes_per_sample * 8} bit, {self.sample_rate} Hz"

    _playing: ClassVar[_Playing]


class _Playing:
    """What is played at the moment.

    Args:
        speaker: What it is played to.
    """

    def __init__(self, speaker: SoftwareSpeaker) -> None:
        self._speaker = speaker
        self._n_played = 0
        self._there: List[PlayObject] = []

    def play_buffer(self, audio_data: Any, num_channels: int, bytes_per_sample: int, sample_rate: int) -> PlayObject:
        """Begin to play a buffer.

        Args:
            audio_data: The samples, channel by channel in each frame.
            num_channels: 1 or 2.
            bytes_per_sample: 1 (unsigned), 2, 3 (signed) or 4 (floating point).
            sample_rate: Frames a second.

        Raises:
            TypeError: It is no buffer.
            ValueError: simpleaudio does not play it.
        """
        with memoryview(audio_data) as view:
            raw = view.tobytes()
        if bytes_per_sample not in _FORMATS:
            raise ValueError("Bytes-per-sample must be 1, 2, 3, or 4.")
        if num_channels not in (1, 2):
            raise ValueError("Number of channels must be 1 or 2.")
        if sample_rate not in _RATES:
            raise ValueError("Weird sample rates are not supported.")
        if len(raw) % (bytes_per_sample * num_channels):
            raise ValueError("Buffer size (in bytes) is not a multiple of bytes-per-sample and the number of channels.")
        self._there = [one for one in self._there if one.is_playing()]
        samples = to_16_bits(raw, _FORMATS[bytes_per_sample])
        playing = PlayObject(self._speaker, Pcm(sample_rate, num_channels), samples, self._n_played)
        self._n_played += 1
        self._there.append(playing)
        return playing

    def stop_all(self) -> None:
        """Stop all that is played."""
        for playing in self._there:
            playing.stop()


def software_simpleaudio(speaker: SoftwareSpeaker) -> ModuleType:
    """Make a module that can stand where ``simpleaudio`` does.

    Args:
        speaker: What an app plays to.

    Returns:
        A new module; it is not put anywhere.
    """
    playing = _Playing(speaker)
    module: Any = ModuleType("simpleaudio", "evi-harness software sound, in place of simpleaudio.")
    vars(module).update(
        PlayObject=PlayObject,
        WaveObject=type("WaveObject", (WaveObject,), {"_playing": playing}),
        play_buffer=playing.play_buffer,
        stop_all=playing.stop_all,
    )
    return module  # type: ignore[no-any-return]
