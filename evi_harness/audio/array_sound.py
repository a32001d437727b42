"""sounddevice's short way with arrays: play one, record one, or both at once, in the background or until it is done.

Rules of living here: names, arguments and errors are those of sounddevice's functions; there is one such stream at a time, and whoever
waits for its end lets time pass. numpy is imported where one of them is called.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Dict, Mapping, Optional

from evi_harness.audio.sample_formats import SAMPLE_BYTES
from evi_harness.audio.software_devices import INPUT, SoftwareDevices
from evi_harness.audio.software_streams import CallbackAbort, CallbackFlags

__all__ = ["ArraySound"]


class _Channels:
    """Which channels of a stream the columns of an array are.

    Args:
        mapping: Their numbers from 1 on; None for one column after another.
        n_columns: How many columns there are.

    Attributes:
        indexes: The channel of each column, from 0 on.
        count: How many channels the stream needs.
    """

    def __init__(self, mapping: Any, n_columns: int) -> None:
        numpy = import_module("numpy")
        self.indexes = numpy.arange(n_columns)
        self.count = n_columns
        if mapping is not None:
            self.indexes = numpy.atleast_1d(numpy.array(mapping)) - 1
            if self.indexes.min() < 0:
                raise ValueError("channel numbers must not be < 1")
            self.count = int(self.indexes.max()) + 1


class _Output:
    """An array that is played.

    Args:
        data: As given.
        mapping: See ``_Channels``.
        is_loop: Whether it begins again at its end.
    """

    def __init__(self, data: Any, mapping: Any, *, is_loop: bool = False) -> None:
        array = import_module("numpy").asarray(data)
        if array.ndim > 2:
            raise ValueError("audio data to be played back must be one- or two-dimensional")
        self.data = array.reshape(-1, 1) if array.ndim < 2 else array
        self.dtype = _stream_type(array.dtype)
        self.channels = _Channels(mapping, self.data.shape[1])
        indexes = self.channels.indexes
        if self.data.shape[1] not in (1, len(indexes)):
            raise ValueError("number of output channels != size of output mapping")
        if len(set(indexes.tolist())) != len(indexes):
            raise ValueError("each channel may only appear once in mapping")
        self._is_loop = is_loop

    def fill(self, block: Any, at: int) -> int:
        """Fill a block from a frame of the array on; how many frames it is."""
        block[:] = 0
        n_there, n_filled = len(self.data), 0
        while n_filled < len(block) and n_there:
            start = (at + n_filled) % n_there if self._is_loop else at + n_filled
            part = self.data[start : start + len(block) - n_filled]
            if not len(part):
                break
            block[n_filled : n_filled + len(part), self.channels.indexes] = part
            n_filled += len(part)
        return n_filled


class _Input:
    """An array that is recorded into.

    Args:
        devices: Have the defaults.
        out: As given; None for a new one.
        n_frames, n_channels, dtype: Of a new one.
        mapping: See ``_Channels``.
    """

    def __init__(self, devices: SoftwareDevices, out: Any, n_frames: Optional[int], n_channels: Optional[int], dtype: Any, mapping: Any):
        numpy = import_module("numpy")
        if out is None:
            if n_frames is None:
                raise TypeError("frames must be specified")
            n_channels = devices.default.channels[INPUT] if n_channels is None else n_channels
            if n_channels is None:
                if mapping is None:
                    raise TypeError("Unable to determine number of input channels")
                n_channels = len(numpy.atleast_1d(mapping))
            out = numpy.empty((n_frames, n_channels), devices.default.dtype[INPUT] if dtype is None else dtype, order="C")
        self.out = out
        self.dtype = _stream_type(out.dtype)
        self.channels = _Channels(mapping, out.shape[1])
        if out.shape[1] != len(self.channels.indexes):
            raise ValueError("number of input channels != size of input mapping")

    def take(self, block: Any, at: int) -> int:
        """Take a block for a frame of the array on; how many frames there was room for."""
        n_frames = max(0, min(len(block), len(self.out) - at))
        self.out[at : at + n_frames] = block[:n_frames, self.channels.indexes]
        return n_frames


class ArraySound:
    """The functions, on the streams of one module.

    Args:
        devices: What the streams are opened on.
        streams: Their classes by name: ``InputStream``, ``OutputStream`` and ``Stream``.
    """

    def __init__(self, devices: SoftwareDevices, streams: Mapping[str, Any]) -> None:
        self._devices = devices
        self._streams = streams
        self._last: Any = None

    @property
    def functions(self) -> Dict[str, Any]:
        """What a module has of it, by name."""
        return {name: getattr(self, name) for name in ("play", "rec", "playrec", "wait", "stop", "get_status", "get_stream")}

    def play(
        self, data: Any, samplerate: Any = None, mapping: Any = None, blocking: bool = False, loop: bool = False, **kwargs: Any
    ) -> None:
        """Play an array.

        Args:
            data: Its columns are channels.
            samplerate: Frames a second; the device's if None.
            mapping: The channels of its columns, from 1 on.
            blocking: Whether to wait until all was played.
            loop: Whether to begin again at its end, until ``stop``.
            **kwargs: As of ``OutputStream``.
        """
        output = _Output(data, mapping, is_loop=loop)
        at = 0

        def fill(block: Any, *_: Any) -> None:
            nonlocal at
            n_frames = output.fill(block, at)
            at += _or_end(n_frames)

        self._start("OutputStream", output.channels.count, output.dtype, fill, samplerate, kwargs, is_waited_for=blocking)

    def rec(
        self,
        frames: Optional[int] = None,
        samplerate: Any = None,
        channels: Optional[int] = None,
        dtype: Any = None,
        out: Any = None,
        mapping: Any = None,
        blocking: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Record into an array.

        Args:
            frames: How many, of a new array.
            samplerate: Frames a second; the device's if None.
            channels: How many, of a new array.
            dtype: Of a new array.
            out: The array, in place of a new one.
            mapping: The channels of its columns, from 1 on.
            blocking: Whether to wait until it is full.
            **kwargs: As of ``InputStream``.

        Returns:
            The array, which fills up while it is recorded.
        """
        heard = _Input(self._devices, out, frames, channels, dtype, mapping)
        at = 0

        def take(block: Any, *_: Any) -> None:
            nonlocal at
            at += _or_end(heard.take(block, at))

        self._start("InputStream", heard.channels.count, heard.dtype, take, samplerate, kwargs, is_waited_for=blocking)
        return heard.out

    def playrec(
        self,
        data: Any,
        samplerate: Any = None,
        channels: Optional[int] = None,
        dtype: Any = None,
        out: Any = None,
        input_mapping: Any = None,
        output_mapping: Any = None,
        blocking: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Play an array, and record one as long.

        Args:
            data: As of ``play``.
            samplerate: Frames a second; the device's if None.
            channels: As of ``rec``.
            dtype: As of ``rec``; that of the data if None.
            out: As of ``rec``.
            input_mapping: The channels of the columns that are recorded, from 1 on.
            output_mapping: The channels of the columns that are played, from 1 on.
            blocking: Whether to wait until it is done.
            **kwargs: As of ``Stream``.

        Returns:
            The array that is recorded.
        """
        output = _Output(data, output_mapping)
        n_frames = len(output.data)
        heard = _Input(self._devices, out, n_frames, channels, output.data.dtype if dtype is None else dtype, input_mapping)
        if len(heard.out) != n_frames:
            raise ValueError("len(data) != len(out)")
        at = 0

        def both(indata: Any, outdata: Any, *_: Any) -> None:
            nonlocal at
            output.fill(outdata, at)
            at += _or_end(heard.take(indata, at))

        kinds = (heard.channels.count, output.channels.count), (heard.dtype, output.dtype)
        self._start("Stream", *kinds, both, samplerate, kwargs, is_waited_for=blocking)
        return heard.out

    def wait(self, ignore_errors: bool = True) -> Optional[CallbackFlags]:
        """Wait until what was begun last is done.

        Returns:
            What went wrong: nothing.
        """
        if self._last is not None:
            self._last.wait_ended()
            self._last.close(ignore_errors)
        return None

    def stop(self, ignore_errors: bool = True) -> None:
        """Stop what was begun last."""
        if self._last is not None:
            self._last.stop(ignore_errors)
            self._last.close(ignore_errors)

    def get_status(self) -> CallbackFlags:
        """What went wrong with what was begun last: nothing.

        Raises:
            RuntimeError: Nothing was begun.
        """
        self.get_stream()
        return CallbackFlags()

    def get_stream(self) -> Any:
        """The stream that was begun last.

        Raises:
            RuntimeError: None was.
        """
        if self._last is None:
            raise RuntimeError("play()/rec()/playrec() was not called yet")
        return self._last

    def _start(
        self, kind: str, channels: Any, dtype: Any, callback: Any, samplerate: Any, options: Dict[str, Any], *, is_waited_for: bool
    ) -> None:
        self.stop()
        options.pop("prime_output_buffers_using_stream_callback", None)
        stream = self._streams[kind](samplerate=samplerate, channels=channels, dtype=dtype, callback=callback, **options)
        stream.start()
        self._last = stream
        if is_waited_for:
            self.wait()


def _or_end(n_frames: int) -> int:
    """As many frames; none end the stream."""
    if not n_frames:
        raise CallbackAbort
    return n_frames


def _stream_type(dtype: Any) -> str:
    """The type of a stream's samples for an array's; raises where there is none."""
    name = str(import_module("numpy").dtype(dtype).name)
    if name == "float64":
        return "float32"
    if name not in SAMPLE_BYTES:
        raise TypeError(f"Unsupported data type: {name!r}")
    return name
