"""Streams that listen to the software microphone and play to the software speaker at once.

With a callback, the speaker keeps the time: for each block that it wants, the app gets a block of the microphone, silence where there is
none yet, and fills one. Without one, what is read and what is written are two streams that start and stop together.

Rules of living here: names, arguments, states and errors are those of sounddevice's ``Stream`` and ``RawStream``; pairs are the input's
and the output's. What the microphone heard is delivered once and in order.
"""

from __future__ import annotations

from typing import Any, Callable, ClassVar, Optional, Tuple, Type

from evi_harness.audio.sample_formats import from_16_bits
from evi_harness.audio.software_devices import SoftwareDevices
from evi_harness.audio.software_streams import CANNOT_READ, CallbackTime, InputStream, OutputStream, RawInputStream, RawOutputStream

__all__ = ["RawStream", "Stream"]


class _Listening(RawInputStream):
    """What is heard, block by block, when the speaker wants one."""

    _is_driven = True

    def block(self, at_ns: int) -> Any:
        """A block of what was heard up to a time, as a callback gets it; silence where there is none."""
        self._open.run_one(at_ns)
        n_bytes = self._n_frames() * self._frame_bytes
        data, self._heard[:n_bytes] = self._heard[:n_bytes] or from_16_bits(self._silence(), self.dtype), b""
        # An app may write into its array.
        return self._as_given(bytearray(data) if self._has_arrays else bytes(data))

    def _silence(self) -> bytes:
        return bytes(2 * self.channels * self._n_frames())


class _Answering(RawOutputStream):
    """What is played, by a callback that is given what is heard."""

    heard: _Listening
    _at_ns = 0

    def _fill(self, block: memoryview, at_ns: int) -> bool:
        self._at_ns = at_ns
        return super()._fill(block, at_ns)

    def _call(self, times: CallbackTime, *blocks: Any) -> bool:
        both = CallbackTime(times.currentTime - self.latency, times.currentTime, times.outputBufferDacTime)
        return super()._call(both, self.heard.block(self._at_ns), *blocks)

    def _finish(self) -> None:
        self.heard.abort()
        super()._finish()


class RawStream:
    """Listens and plays. The arguments are those of sounddevice's; each may be a pair."""

    _sound: ClassVar[SoftwareDevices]
    _has_arrays: ClassVar[bool] = False
    # What is read and what is written where there is no callback.
    _halves: ClassVar[Tuple[Type[RawInputStream], Type[RawOutputStream]]] = (RawInputStream, RawOutputStream)

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
        rate = samplerate or self._sound.default.samplerate or self._sound.microphone.pcm.rate
        self._blocksize = int(self._sound.default.blocksize if blocksize is None else blocksize)
        # Both take blocks of one size.
        n_frames = self._blocksize or self._sound.microphone.block_frames
        (in_device, out_device), (in_channels, out_channels) = _pair(device), _pair(channels)
        (in_dtype, out_dtype), (in_latency, out_latency) = _pair(dtype), _pair(latency)
        listens, plays = self._halves if callback is None else (_Listening, _Answering)
        self._input = self._on(listens)(rate, n_frames, in_device, in_channels, in_dtype, in_latency)
        self._output = self._on(plays)(
            rate, n_frames, out_device, out_channels, out_dtype, out_latency, callback=callback, finished_callback=finished_callback
        )
        if isinstance(self._output, _Answering):
            self._output.heard = self._input

    def _on(self, kind: Any) -> Any:
        return type(kind.__name__, (kind,), {"_sound": self._sound, "_has_arrays": self._has_arrays})

    @property
    def samplerate(self) -> float:
        """Frames a second."""
        return float(self._output.samplerate)

    @property
    def blocksize(self) -> int:
        """Frames a block as asked for; 0 where the device was to choose."""
        return self._blocksize

    @property
    def device(self) -> Tuple[Any, Any]:
        """Index or name of each."""
        return self._input.device, self._output.device

    @property
    def channels(self) -> Tuple[int, int]:
        """Number of channels of each."""
        return self._input.channels, self._output.channels

    @property
    def dtype(self) -> Tuple[str, str]:
        """Type of a sample of each."""
        return self._input.dtype, self._output.dtype

    @property
    def samplesize(self) -> Tuple[int, int]:
        """Bytes a sample of each."""
        return self._input.samplesize, self._output.samplesize

    @property
    def latency(self) -> Tuple[float, float]:
        """Seconds between the app and the air, of each."""
        return self._input.latency, self._output.latency

    @property
    def cpu_load(self) -> float:
        """Nothing that would be worth counting."""
        return 0.0

    @property
    def time(self) -> float:
        """Seconds on the device's clock."""
        return float(self._output.time)

    @property
    def active(self) -> bool:
        """Whether blocks are to come."""
        return bool(self._output.active)

    @property
    def stopped(self) -> bool:
        """Whether it is not active."""
        return not self.active

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return bool(self._output.closed)

    @property
    def read_available(self) -> int:
        """Frames that can be read without waiting."""
        return int(self._input.read_available)

    @property
    def write_available(self) -> int:
        """Frames that can be written without waiting."""
        return int(self._output.write_available)

    def __enter__(self) -> Any:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.close()

    def start(self) -> None:
        """Start."""
        self._input.start()
        self._output.start()

    def stop(self, ignore_errors: bool = True) -> None:
        """Play what was written, and stop; does nothing where it has stopped."""
        self._output.stop(ignore_errors)
        self._input.stop(ignore_errors)

    def abort(self, ignore_errors: bool = True) -> None:
        """Stop at once; what was written and not played is dropped."""
        self._output.abort(ignore_errors)
        self._input.abort(ignore_errors)

    def close(self, ignore_errors: bool = True) -> None:
        """Stop at once and close."""
        self._output.close(ignore_errors)
        self._input.close(ignore_errors)

    def wait_ended(self) -> None:
        """Wait until the callback has ended it, or it was stopped."""
        self._output.wait_ended()

    def read(self, frames: int) -> Tuple[Any, bool]:
        """Wait for some frames; see ``RawInputStream.read``.

        Args:
            frames: How many.

        Raises:
            PortAudioError: The stream has a callback, or does not run.
        """
        self._output.check_blocking(CANNOT_READ)
        data, is_lost = self._input.read(frames)
        return data, bool(is_lost)

    def write(self, data: Any) -> bool:
        """Play some frames, and wait until the device has taken them; see ``RawOutputStream.write``.

        Args:
            data: A buffer of whole frames, or an array.

        Raises:
            PortAudioError: The stream has a callback, or does not run.
        """
        return bool(self._output.write(data))


class Stream(RawStream):
    """Listens and plays; blocks are arrays of numpy's."""

    _has_arrays = True
    _halves = (InputStream, OutputStream)


def _pair(value: Any) -> Tuple[Any, Any]:
    """What is said of the input and of the output: a pair says it of each, anything else of both."""
    if isinstance(value, (str, bytes)) or value is None or not hasattr(value, "__getitem__"):
        return value, value
    return value[0], value[1]
