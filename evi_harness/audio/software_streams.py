"""Streams of sounddevice's kind on a software microphone and a software speaker.

numpy is imported where an app opens a stream of arrays, as sounddevice does it. A stream without a callback is read and written: nothing
that the microphone heard since it was started is lost, and what is written waits in a buffer of two blocks.

Rules of living here: names, arguments, states and errors are sounddevice's, so that an app cannot tell; what an app's callback raises
ends its stream and is printed, as there.
"""

from __future__ import annotations

import sys
import traceback
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Callable, ClassVar, Dict, Optional, Tuple

from evi_harness.audio.cadence import Cadence
from evi_harness.audio.sample_formats import SAMPLE_BYTES, from_16_bits, to_16_bits
from evi_harness.audio.software_devices import INPUT, OUTPUT, SoftwareDevices, portaudio_error
from evi_harness.audio.software_speaker import OpenSpeaker
from evi_harness.audio.waiting import DeviceWait
from evi_harness.session.wav import Pcm

__all__ = [
    "CANNOT_READ",
    "CallbackAbort",
    "CallbackFlags",
    "CallbackStop",
    "CallbackTime",
    "InputStream",
    "OutputStream",
    "RawInputStream",
    "RawOutputStream",
    "SoundStream",
]

# Those of PortAudio for the same mistakes.
_DEVICE_UNAVAILABLE = -9985
_STREAM_IS_STOPPED = -9983
CANNOT_READ, CANNOT_WRITE = -9977, -9976
# How many blocks an app may be ahead of what is played.
_BLOCKS_AHEAD = 2


class CallbackStop(Exception):
    """Raised by a callback: what it has given is played, then the stream ends."""


class CallbackAbort(Exception):
    """Raised by a callback: the stream ends at once."""


class CallbackFlags:
    """What went wrong with a block. Nothing ever does here, but an app may ask, and may set what it likes.

    Args:
        flags: As PortAudio has them.
    """

    _BITS: ClassVar[Dict[str, int]] = {
        "input_underflow": 0x1,
        "input_overflow": 0x2,
        "output_underflow": 0x4,
        "output_overflow": 0x8,
        "priming_output": 0x10,
    }

    def __init__(self, flags: int = 0) -> None:
        self._flags = flags

    def __getattr__(self, name: str) -> bool:
        if name not in self._BITS:
            raise AttributeError(name)
        return bool(self._flags & self._BITS[name])

    def __bool__(self) -> bool:
        return bool(self._flags)

    def __ior__(self, other: CallbackFlags) -> CallbackFlags:
        self._flags |= other._flags
        return self

    def __str__(self) -> str:
        return ", ".join(name.replace("_", " ") for name, bit in self._BITS.items() if self._flags & bit)

    def __repr__(self) -> str:
        return f"<sounddevice.CallbackFlags: {self or 'no flags set'}>"


@dataclass(frozen=True)
class CallbackTime:
    """The times that a callback is given, in seconds on the device's clock. Their names are PortAudio's."""

    inputBufferAdcTime: float = 0.0  # noqa: N815 - PortAudio's name
    currentTime: float = 0.0  # noqa: N815 - PortAudio's name
    outputBufferDacTime: float = 0.0  # noqa: N815 - PortAudio's name


class SoundStream:
    """What both kinds of stream have. The arguments are those of sounddevice; what only concerns a sound card is taken and not used."""

    _sound: ClassVar[SoftwareDevices]
    _kind: ClassVar[str]
    # Whether blocks are numpy's arrays, else buffers.
    _has_arrays: ClassVar[bool] = False

    def __init__(
        self,
        samplerate: Any = None,
        blocksize: Any = None,
        device: Any = None,
        channels: Any = None,
        dtype: Any = None,
        latency: Any = None,
        extra_settings: Any = None,
        callback: Any = None,
        finished_callback: Optional[Callable[[], object]] = None,
        **for_a_sound_card: Any,
    ) -> None:
        del extra_settings, for_a_sound_card
        if self._has_arrays:
            # What is not there is missed when the stream is opened, as in sounddevice.
            import_module("numpy")
        self._settings = self._sound.settings(self._kind, device, channels, dtype, samplerate)
        self._blocksize = int(self._sound.default.blocksize if blocksize is None else blocksize)
        self._latency = latency
        self._callback = callback
        self._finished_callback = finished_callback
        self._is_closed = False
        # Whether the callback ended the stream in good order, so that its last block still counts.
        self._is_completed = False

    @property
    def samplerate(self) -> float:
        """Frames a second."""
        return float(self._settings.rate)

    @property
    def blocksize(self) -> int:
        """Frames a block as asked for; 0 where the device was to choose."""
        return self._blocksize

    @property
    def device(self) -> Any:
        """Index or name."""
        return self._settings.device

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self._settings.channels

    @property
    def dtype(self) -> str:
        """Type of a sample."""
        return self._settings.dtype

    @property
    def samplesize(self) -> int:
        """Bytes a sample."""
        return SAMPLE_BYTES[self._settings.dtype]

    @property
    def latency(self) -> float:
        """Seconds between the app and the air; a block."""
        return self._n_frames() / self._settings.rate

    @property
    def cpu_load(self) -> float:
        """Nothing that would be worth counting."""
        return 0.0

    @property
    def time(self) -> float:
        """Seconds on the device's clock."""
        return self._cadence().now_ns() / 1e9

    @property
    def active(self) -> bool:
        """Whether blocks are to come."""
        self._wait.asked()
        return self._is_active

    @property
    def _is_active(self) -> bool:
        return not self._is_closed and self._cadence().is_active

    @property
    def stopped(self) -> bool:
        """Whether it is not active."""
        return not self.active

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._is_closed

    def __enter__(self) -> Any:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.close()

    def start(self) -> None:
        """Start."""
        if self._is_closed:
            raise portaudio_error("Error starting stream: it is closed", _STREAM_IS_STOPPED)
        if not self._is_active:
            self._is_completed = False
            self._begin()

    def stop(self, ignore_errors: bool = True) -> None:
        """Stop; does nothing where it has stopped."""
        del ignore_errors
        if not self._is_closed and self._halt():
            self._finish()

    def abort(self, ignore_errors: bool = True) -> None:
        """Stop at once; what was written and not played is dropped."""
        del ignore_errors
        self._drop()
        if not self._is_closed and self._halt():
            self._finish()

    def close(self, ignore_errors: bool = True) -> None:
        """Stop at once and close."""
        self.abort(ignore_errors)
        self._is_closed = True

    def wait_ended(self) -> None:
        """Wait until the callback has ended it, or it was stopped."""
        self._wait.until(lambda: not self._is_active)

    def _drop(self) -> None:
        """Drop what waits to be played."""

    def check_blocking(self, code: int) -> None:
        """Raise where an app cannot read or write: the stream has a callback, or does not run.

        Args:
            code: PortAudio's number for the first.
        """
        if self._callback is not None:
            raise portaudio_error("Can't read from or write to a callback stream", code)
        if not self._is_active:
            raise portaudio_error("Stream is stopped", _STREAM_IS_STOPPED)

    def _waits(self, code: int) -> DeviceWait:
        """What waits for the device, for an app that reads or writes."""
        self.check_blocking(code)
        return self._wait

    @property
    def _frame_bytes(self) -> int:
        return self.samplesize * self._settings.channels

    def _as_given(self, block: Any) -> Any:
        """A block as an app's callback gets it: a row of an array for each frame, or a buffer."""
        if not self._has_arrays:
            return block
        array = import_module("numpy").frombuffer(block, dtype=self._settings.dtype)
        return array.reshape(-1, self._settings.channels)

    @property
    def _wait(self) -> DeviceWait:
        raise NotImplementedError

    def _n_frames(self) -> int:
        raise NotImplementedError

    def _cadence(self) -> Cadence:
        raise NotImplementedError

    def _begin(self) -> None:
        self._cadence().start()

    def _halt(self) -> bool:
        return self._cadence().stop()

    def _call(self, times: CallbackTime, *blocks: Any) -> bool:
        """Call the app with a block, or with one that was heard and one to be filled; whether the stream goes on."""
        try:
            self._callback(*blocks, self._n_frames(), times, CallbackFlags())
        except CallbackStop:
            self._is_completed = True
            return False
        except CallbackAbort:
            return False
        except Exception as error:  # noqa: BLE001 - an app's callback may raise anything; PortAudio's binding prints it and ends the stream
            traceback.print_exc(file=sys.stderr)
            self._sound.speaker.failures.append(error)
            return False
        return True

    def _finish(self) -> None:
        self._wait.passed()
        if self._finished_callback is None:
            return
        try:
            self._finished_callback()
        except Exception:  # noqa: BLE001 - as above
            traceback.print_exc(file=sys.stderr)


class RawInputStream(SoundStream):
    """Listens to the software microphone."""

    _kind = INPUT
    # Whether another stream lets its blocks pass.
    _is_driven: ClassVar[bool] = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        microphone = self._sound.microphone
        self._all_channels = microphone.pcm
        is_read = self._callback is None
        self._open = microphone.open(self._keep if is_read else self._take, self._finish, self._blocksize, is_read=is_read)
        self._heard = bytearray()
        self._waiting = DeviceWait(self._open, microphone.clock, "a read of the microphone")

    @property
    def read_available(self) -> int:
        """Frames that can be read without waiting."""
        self._waiting.asked()
        return len(self._heard) // self._frame_bytes

    def read(self, frames: int) -> Tuple[Any, bool]:
        """Wait for some frames.

        Args:
            frames: How many.

        Returns:
            A buffer with the frames, or an array; and False: nothing is lost.

        Raises:
            PortAudioError: The stream has a callback, or does not run.
        """
        wait, n_bytes = self._waits(CANNOT_READ), frames * self._frame_bytes
        is_there = wait.until(lambda: len(self._heard) >= n_bytes)
        if not is_there:
            raise portaudio_error("Stream is stopped", _STREAM_IS_STOPPED)
        with wait.lock:
            data = self._heard[:n_bytes]
            del self._heard[:n_bytes]
        return self._as_given(data if self._has_arrays else bytes(data)), False

    @property
    def _wait(self) -> DeviceWait:
        return self._waiting

    def _halt(self) -> bool:
        was_active = super()._halt()
        self._waiting.passed()
        return was_active

    def _keep(self, block: bytes, at_ns: int) -> bool:  # noqa: ARG002 - the microphone's
        with self._waiting.lock:
            self._heard += from_16_bits(self._first_channels(block), self._settings.dtype)
            self._waiting.passed()
        return True

    def _n_frames(self) -> int:
        return self._blocksize or self._sound.microphone.block_frames

    def _cadence(self) -> Cadence:
        return self._open

    def _begin(self) -> None:
        if self._sound.microphone.has_other_listener(self._open):
            # One source cannot be played to two listeners from where each began.
            raise portaudio_error(f"Error opening {type(self).__name__}: Device unavailable, it is open already", _DEVICE_UNAVAILABLE)
        self._sound.microphone.start(self._open, is_driven=self._is_driven)

    def _take(self, block: bytes, at_ns: int) -> bool:
        length_ns = self._all_channels.length_ns(len(block))
        times = CallbackTime(inputBufferAdcTime=(at_ns - length_ns) / 1e9, currentTime=at_ns / 1e9)
        samples = from_16_bits(self._first_channels(block), self._settings.dtype)
        # An app may write into its array.
        return self._call(times, self._as_given(bytearray(samples) if self._has_arrays else samples))

    def _first_channels(self, block: bytes) -> bytes:
        frame, wanted = self._all_channels.frame_bytes, self._settings.channels * self._all_channels.width
        if frame == wanted:
            return block
        return b"".join(block[at : at + wanted] for at in range(0, len(block), frame))


class RawOutputStream(SoundStream):
    """Plays to the software speaker."""

    _kind = OUTPUT

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        pcm = Pcm(self._settings.rate, self._settings.channels)
        self._written = bytearray()
        self._n_ahead = _BLOCKS_AHEAD * self._n_frames() if self._callback is None else 0
        # What waits in a queue counts as audio byte by byte only where it is put into the block as it is.
        is_as_queued = not self._has_arrays and self._settings.dtype == "int16"
        self._open: OpenSpeaker = self._sound.speaker.open(
            *(pcm, self._blocksize, self._play if self._callback is None else self._fill, self._finish, self._callback),
            counts_items=is_as_queued,
            n_ahead=self._n_ahead,
        )
        self._waiting = DeviceWait(self._open.cadence, self._sound.speaker.clock, "a write to the speaker")
        self._has_run_dry = False

    @property
    def write_available(self) -> int:
        """Frames that can be written without waiting."""
        self._waiting.asked()
        return max(0, self._n_ahead - len(self._written) // (2 * self._settings.channels))

    def write(self, data: Any) -> bool:
        """Play some frames, and wait until the device has taken them; it is ahead of what sounds by a buffer.

        Args:
            data: A buffer of whole frames.

        Returns:
            Whether silence was played before, since nothing had been written in time.

        Raises:
            PortAudioError: The stream has a callback, or does not run.
            ValueError: There are not whole frames.
        """
        wait, raw = self._waits(CANNOT_WRITE), bytes(data)
        if len(raw) % self.samplesize:
            raise ValueError("len(data) not divisible by samplesize")
        if len(raw) % self._frame_bytes:
            raise ValueError("Number of samples not divisible by channels")
        samples = to_16_bits(raw, self._settings.dtype)
        n_ahead_bytes = self._n_ahead * 2 * self._settings.channels
        wait.catch_up()
        with wait.lock:
            self._written += samples
            had_run_dry, self._has_run_dry = self._has_run_dry, False
        wait.until(lambda: len(self._written) <= n_ahead_bytes)
        return had_run_dry

    def stop(self, ignore_errors: bool = True) -> None:
        """Play what was written, and stop; does nothing where it has stopped."""
        if self._callback is None and self._is_active:
            self._waiting.until(lambda: not self._written)
        super().stop(ignore_errors)

    def _drop(self) -> None:
        with self._waiting.lock:
            self._written.clear()

    @property
    def _wait(self) -> DeviceWait:
        return self._waiting

    def _play(self, block: memoryview, at_ns: int) -> bool:  # noqa: ARG002 - the speaker's
        with self._waiting.lock:
            part = self._written[: len(block)]
            del self._written[: len(block)]
            block[: len(part)] = part
            self._has_run_dry = len(part) < len(block)
            self._waiting.passed()
        return True

    def _n_frames(self) -> int:
        return self._blocksize or self._sound.speaker.block_frames(self._settings.rate)

    def _cadence(self) -> Cadence:
        return self._open.cadence

    def _begin(self) -> None:
        self._open.start()

    def _halt(self) -> bool:
        was_active = self._open.stop()
        self._waiting.passed()
        return was_active

    def _fill(self, block: memoryview, at_ns: int) -> bool:
        times = CallbackTime(currentTime=at_ns / 1e9, outputBufferDacTime=at_ns / 1e9)
        if not self._has_arrays and self._settings.dtype == "int16":
            goes_on = self._call(times, block)
        else:
            silence = from_16_bits(bytes(len(block)), self._settings.dtype)
            # Apart from the device's own, since an app may keep an array for as long as it likes.
            given = bytearray(silence)
            goes_on = self._call(times, self._as_given(given))
            block[:] = to_16_bits(given, self._settings.dtype)
        if not goes_on and not self._is_completed:
            block[:] = bytes(len(block))
        return goes_on


class InputStream(RawInputStream):
    """Listens to the software microphone; its blocks are arrays of numpy's."""

    _has_arrays = True


class OutputStream(RawOutputStream):
    """Plays to the software speaker; its blocks are arrays of numpy's."""

    _has_arrays = True

    def write(self, data: Any) -> bool:
        """Play some frames; see ``RawOutputStream.write``.

        Args:
            data: An array with a row for each frame, or one of a single dimension.

        Raises:
            ValueError: It has another shape.
            TypeError: It has another type than the stream, or its samples are not in order.
        """
        array = import_module("numpy").asarray(data)
        if array.ndim < 2:
            array = array.reshape(-1, 1)
        elif array.ndim > 2:
            raise ValueError("data must be one- or two-dimensional")
        if array.shape[1] != self._settings.channels:
            raise ValueError("number of channels must match")
        if array.dtype != self._settings.dtype:
            raise TypeError(f"dtype mismatch: {array.dtype.name!r} vs {self._settings.dtype!r}")
        if not array.flags.c_contiguous:
            raise TypeError("data must be C-contiguous")
        return super().write(array.tobytes())
