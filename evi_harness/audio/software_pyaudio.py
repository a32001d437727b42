"""A replacement for the pyaudio module: its streams on a software microphone and a software speaker.

The surface is that of PyAudio 0.2.14, without what is macOS's alone. Blocking reads and writes wait for the device, which lets time pass.

Rules of living here: names, arguments, states, errors and their numbers are PyAudio's, so that an app cannot tell. One thing differs:
what a callback raises is printed and ends its stream, as there, but is not raised on the main thread too.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, Callable, Dict, Mapping, Optional, Set

from evi_harness.audio.duplex_sound import RawStream
from evi_harness.audio.sample_formats import SAMPLE_BYTES
from evi_harness.audio.software_devices import HOST, INPUT, OUTPUT, PortAudioError, SoftwareDevices
from evi_harness.audio.software_microphone import SoftwareMicrophone
from evi_harness.audio.software_speaker import SoftwareSpeaker
from evi_harness.audio.software_streams import CallbackAbort, CallbackStop, CallbackTime, RawInputStream, RawOutputStream

__all__ = ["software_pyaudio"]

# The version of PyAudio whose surface this has.
VERSION = "0.2.14+evi.harness"
CONTINUE, COMPLETE, ABORT = 0, 1, 2
FORMATS: Mapping[int, str] = {1: "float32", 2: "int32", 4: "int24", 8: "int16", 16: "int8", 32: "uint8"}
_WIDTHS = {2: 8, 3: 4, 4: 1}
_HOST_TYPES = range(14)
_INVALID_DEVICE = -9996
_BAD_FORMAT, _BAD_STREAM, _NO_HOST, _BAD_HOST = -9994, -9988, -9979, -9978
_CANNOT_READ, _CANNOT_WRITE = -9975, -9974
CONSTANTS: Mapping[str, int] = {
    "paFloat32": 1,
    "paInt32": 2,
    "paInt24": 4,
    "paInt16": 8,
    "paInt8": 16,
    "paUInt8": 32,
    "paCustomFormat": 0x10000,
    "paInDevelopment": 0,
    "paDirectSound": 1,
    "paMME": 2,
    "paASIO": 3,
    "paSoundManager": 4,
    "paCoreAudio": 5,
    "paOSS": 7,
    "paALSA": 8,
    "paAL": 9,
    "paBeOS": 10,
    "paWDMKS": 11,
    "paJACK": 12,
    "paWASAPI": 13,
    "paNoDevice": -1,
    "paNoError": 0,
    "paNotInitialized": -10000,
    "paUnanticipatedHostError": -9999,
    "paInvalidChannelCount": -9998,
    "paInvalidSampleRate": -9997,
    "paInvalidDevice": _INVALID_DEVICE,
    "paInvalidFlag": -9995,
    "paSampleFormatNotSupported": _BAD_FORMAT,
    "paBadIODeviceCombination": -9993,
    "paInsufficientMemory": -9992,
    "paBufferTooBig": -9991,
    "paBufferTooSmall": -9990,
    "paNullCallback": -9989,
    "paBadStreamPtr": _BAD_STREAM,
    "paTimedOut": -9987,
    "paInternalError": -9986,
    "paDeviceUnavailable": -9985,
    "paIncompatibleHostApiSpecificStreamInfo": -9984,
    "paStreamIsStopped": -9983,
    "paStreamIsNotStopped": -9982,
    "paInputOverflowed": -9981,
    "paOutputUnderflowed": -9980,
    "paHostApiNotFound": _NO_HOST,
    "paInvalidHostApi": _BAD_HOST,
    "paCanNotReadFromACallbackStream": -9977,
    "paCanNotWriteToACallbackStream": -9976,
    "paCanNotReadFromAnOutputOnlyStream": _CANNOT_READ,
    "paCanNotWriteToAnInputOnlyStream": _CANNOT_WRITE,
    "paIncompatibleStreamHostApi": -9973,
    "paContinue": CONTINUE,
    "paComplete": COMPLETE,
    "paAbort": ABORT,
    "paInputUnderflow": 1,
    "paInputOverflow": 2,
    "paOutputUnderflow": 4,
    "paOutputOverflow": 8,
    "paPrimingOutput": 16,
    "paFramesPerBufferUnspecified": 0,
}


def get_sample_size(format: int) -> int:  # noqa: A002 - PyAudio's name
    """Bytes a sample of a format.

    Raises:
        ValueError: It is none.
    """
    if format not in FORMATS:
        raise ValueError("Sample format not supported", _BAD_FORMAT)
    return SAMPLE_BYTES[FORMATS[format]]


def get_format_from_width(width: int, unsigned: bool = True) -> int:
    """The format whose samples have so many bytes.

    Raises:
        ValueError: There is none.
    """
    if width == 1:
        return CONSTANTS["paUInt8" if unsigned else "paInt8"]
    if width not in _WIDTHS:
        raise ValueError(f"Invalid width: {width}")
    return _WIDTHS[width]


class PyAudioStream:
    """A stream, as ``PyAudio.open`` gives it. The arguments are PyAudio's; what only concerns a sound card is taken and not used."""

    def __init__(
        self,
        PA_manager: PyAudio,  # noqa: N803 - PyAudio's name
        rate: int,
        channels: int,
        format: int,  # noqa: A002 - likewise
        input: bool = False,  # noqa: A002 - likewise
        output: bool = False,
        input_device_index: Optional[int] = None,
        output_device_index: Optional[int] = None,
        frames_per_buffer: int = 0,
        start: bool = True,
        input_host_api_specific_stream_info: Any = None,
        output_host_api_specific_stream_info: Any = None,
        stream_callback: Optional[Callable[..., Any]] = None,
    ) -> None:
        del input_host_api_specific_stream_info, output_host_api_specific_stream_info
        if not (input or output):
            raise ValueError("Must specify an input or output stream.")
        if stream_callback is not None and not callable(stream_callback):
            raise TypeError("stream_callback must be callable")
        if channels < 1:
            raise ValueError("Invalid audio channels")
        devices = {INPUT: input_device_index, OUTPUT: output_device_index}
        for kind, index in devices.items():
            if index is not None and not hasattr(index, "__int__"):
                raise ValueError(f"{kind}_device_index must be integer (or None)")
        if format not in FORMATS:
            raise OSError(_BAD_FORMAT, "Sample format not supported")
        self._parent = PA_manager
        self._is_input, self._is_output = bool(input), bool(output)
        self._rate, self._channels, self._format, self._frames_per_buffer = rate, channels, format, frames_per_buffer
        self._is_running = start
        self._is_closed = False
        device = tuple(None if index is None or int(index) < 0 else int(index) for index in devices.values())
        self._stream = self._open(device, stream_callback)
        if start:
            self._do(self._stream.start)

    def _open(self, device: Any, callback: Optional[Callable[..., Any]]) -> Any:
        kind: Any = RawStream if self._is_input and self._is_output else RawInputStream if self._is_input else RawOutputStream
        on_these = type(kind.__name__, (kind,), {"_sound": self._parent.devices})
        of_one = device if kind is RawStream else device[0] if self._is_input else device[1]
        given = None if callback is None else self._asking(callback)
        return self._do(
            lambda: on_these(self._rate, self._frames_per_buffer, of_one, self._channels, FORMATS[self._format], callback=given)
        )

    def _asking(self, callback: Callable[..., Any]) -> Callable[..., None]:
        """The callback as a stream of sounddevice's has it."""

        def ask(*given: Any) -> None:
            *blocks, n_frames, times, _ = given
            heard = blocks[0] if self._is_input else None
            data, flag = _answer(callback(heard, n_frames, _times(times), 0))
            if self._is_output:
                block = blocks[-1]
                data = b"" if data is None else bytes(data)[: len(block)]
                block[: len(data)] = data
                if len(data) < len(block):
                    block[len(data) :] = bytes(len(block) - len(data))
                    flag = COMPLETE
            if flag != CONTINUE:
                raise CallbackAbort if flag == ABORT else CallbackStop

        # Where its queues are found.
        ask.__wrapped__ = callback  # type: ignore[attr-defined]
        return ask

    def _do(self, act: Callable[[], Any]) -> Any:
        """Do something with the stream; what it raises is raised as PyAudio does."""
        if self._is_closed:
            raise OSError(_BAD_STREAM, "Stream closed")
        try:
            return act()
        except PortAudioError as error:
            raise _os_error(error) from None

    def close(self) -> None:
        """Stop at once and close; does nothing where it is closed."""
        self._stream.close()
        self._is_closed = True
        self._is_running = False
        self._parent.forget(self)

    def get_input_latency(self) -> float:
        """Seconds between the air and the app; 0 where nothing is heard."""
        return float(self._do(lambda: _one(self._stream.latency, 0))) if self._is_input else 0.0

    def get_output_latency(self) -> float:
        """Seconds between the app and the air; 0 where nothing is played."""
        return float(self._do(lambda: _one(self._stream.latency, 1))) if self._is_output else 0.0

    def get_time(self) -> float:
        """Seconds on the device's clock."""
        return float(self._do(lambda: self._stream.time))

    def get_cpu_load(self) -> float:
        """Nothing that would be worth counting."""
        return float(self._do(lambda: self._stream.cpu_load))

    def start_stream(self) -> None:
        """Start; does nothing where it was started and not stopped."""
        if not self._is_running:
            self._do(self._stream.start)
            self._is_running = True

    def stop_stream(self) -> None:
        """Play what was written, and stop; does nothing where it was stopped."""
        if self._is_running:
            self._do(self._stream.stop)
            self._is_running = False

    def is_active(self) -> bool:
        """Whether blocks are to come: until it is stopped, or its callback has ended it."""
        return bool(self._do(lambda: self._stream.active))

    def is_stopped(self) -> bool:
        """Whether it was stopped, or not started."""
        return bool(self._do(lambda: not self._is_running))

    def write(self, frames: Any, num_frames: Optional[int] = None, exception_on_underflow: bool = False) -> None:
        """Play some frames, and wait until the device has taken them.

        Args:
            frames: A buffer.
            num_frames: How many frames of it to play; all if None.
            exception_on_underflow: Nothing, since nothing is lost here.

        Raises:
            OSError: The stream does not play, has a callback, or does not run.
            ValueError: There cannot be so many frames.
        """
        del exception_on_underflow
        if not self._is_output:
            raise OSError("Not output stream", _CANNOT_WRITE)
        n_frames, n_bytes = num_frames, self._channels * get_sample_size(self._format)
        if n_frames is not None and n_frames < 0:
            raise ValueError("Invalid number of frames")
        raw = bytes(frames)
        n_frames = len(raw) // n_bytes if n_frames is None else min(n_frames, len(raw) // n_bytes)
        self._do(lambda: self._stream.write(raw[: n_frames * n_bytes]))

    def read(self, num_frames: int, exception_on_overflow: bool = True) -> bytes:
        """Wait for some frames.

        Args:
            num_frames: How many.
            exception_on_overflow: Nothing, since nothing is lost here.

        Raises:
            OSError: The stream does not listen, has a callback, or does not run.
            ValueError: There cannot be so many frames.
        """
        del exception_on_overflow
        if not self._is_input:
            raise OSError("Not input stream", _CANNOT_READ)
        if num_frames < 0:
            raise ValueError("Invalid number of frames")
        return bytes(self._do(lambda: self._stream.read(num_frames))[0])

    def get_read_available(self) -> int:
        """Frames that can be read without waiting."""
        if not self._is_input:
            raise OSError(_CANNOT_READ, "Can't read from an output only stream")
        return int(self._do(lambda: self._stream.read_available))

    def get_write_available(self) -> int:
        """Frames that can be written without waiting."""
        if not self._is_output:
            raise OSError(_CANNOT_WRITE, "Can't write to an input only stream")
        return int(self._do(lambda: self._stream.write_available))


class PyAudio:
    """The two devices, and the streams on them.

    Attributes:
        devices: What the streams are opened on.
    """

    devices: SoftwareDevices

    def __init__(self) -> None:
        self._streams: Set[PyAudioStream] = set()

    def terminate(self) -> None:
        """Close all streams."""
        for stream in tuple(self._streams):
            stream.close()

    def forget(self, stream: PyAudioStream) -> None:
        """Take that a stream is closed."""
        self._streams.discard(stream)

    def get_sample_size(self, format: int) -> int:  # noqa: A002 - PyAudio's name
        """Bytes a sample of a format; see the function of that name."""
        return get_sample_size(format)

    def get_format_from_width(self, width: int, unsigned: bool = True) -> int:
        """The format whose samples have so many bytes; see the function of that name."""
        return get_format_from_width(width, unsigned)

    def open(self, *args: Any, **kwargs: Any) -> PyAudioStream:
        """Open a stream; see ``PyAudioStream``."""
        stream = PyAudioStream(self, *args, **kwargs)
        self._streams.add(stream)
        return stream

    def close(self, stream: PyAudioStream) -> None:
        """Close a stream.

        Raises:
            ValueError: It is not one of these.
        """
        if stream not in self._streams:
            raise ValueError(f"Stream {stream} not found")
        stream.close()

    def get_host_api_count(self) -> int:
        """The number of host APIs: one."""
        return 1

    def get_default_host_api_info(self) -> Dict[str, Any]:
        """The one host API there is."""
        return self.get_host_api_info_by_index(0)

    def get_host_api_info_by_type(self, host_api_type: int) -> Dict[str, Any]:
        """The one host API there is: it stands for any that the developer's machine may have.

        Raises:
            OSError: There is no such type.
        """
        if host_api_type not in _HOST_TYPES:
            raise OSError(_NO_HOST, "Host API not found")
        return {**self.get_host_api_info_by_index(0), "type": host_api_type}

    def get_host_api_info_by_index(self, host_api_index: int) -> Dict[str, Any]:
        """A host API.

        Raises:
            OSError: There is none of that index.
        """
        if host_api_index != 0:
            raise OSError(_BAD_HOST, "Invalid host api info")
        return {
            "index": 0,
            "structVersion": 1,
            "type": CONSTANTS["paInDevelopment"],
            "name": HOST,
            "deviceCount": self.get_device_count(),
            "defaultInputDevice": 0,
            "defaultOutputDevice": 1,
        }

    def get_device_info_by_host_api_device_index(self, host_api_index: int, host_api_device_index: int) -> Dict[str, Any]:
        """A device of a host API.

        Raises:
            OSError: There is none.
        """
        self.get_host_api_info_by_index(host_api_index)
        if not 0 <= host_api_device_index < self.get_device_count():
            raise OSError(_INVALID_DEVICE, "Invalid device")
        return self.get_device_info_by_index(host_api_device_index)

    def get_device_count(self) -> int:
        """The number of devices: a microphone and a speaker."""
        return len(self.devices.query_devices())

    def is_format_supported(
        self,
        rate: float,
        input_device: Optional[int] = None,
        input_channels: Optional[int] = None,
        input_format: Optional[int] = None,
        output_device: Optional[int] = None,
        output_channels: Optional[int] = None,
        output_format: Optional[int] = None,
    ) -> bool:
        """Whether a stream can be opened so: True.

        Raises:
            ValueError: It cannot, with a sentence and PortAudio's number.
        """
        if input_device is None and output_device is None:
            raise ValueError("Must specify stream format for input, output, or both", _INVALID_DEVICE)
        wanted = ((INPUT, input_device, input_channels, input_format), (OUTPUT, output_device, output_channels, output_format))
        for kind, device, channels, sample_format in wanted:
            if device is None:
                continue
            if sample_format is None or sample_format not in FORMATS:
                raise ValueError("Sample format not supported", _BAD_FORMAT)
            try:
                self.devices.settings(kind, int(device), channels, FORMATS[sample_format], rate)
            except PortAudioError as error:
                refused = _os_error(error)
                raise ValueError(refused.strerror, refused.errno) from None
        return True

    def get_default_input_device_info(self) -> Dict[str, Any]:
        """The microphone."""
        return self.get_device_info_by_index(self.devices.default.device[INPUT])

    def get_default_output_device_info(self) -> Dict[str, Any]:
        """The speaker."""
        return self.get_device_info_by_index(self.devices.default.device[OUTPUT])

    def get_device_info_by_index(self, device_index: int) -> Dict[str, Any]:
        """A device. An index of the developer's machine stands for both.

        Raises:
            OSError: It is negative.
        """
        if device_index < 0:
            raise OSError(_INVALID_DEVICE, "Invalid device info")
        info = self.devices.query_devices(int(device_index))
        return {
            "index": device_index,
            "structVersion": 2,
            "name": info["name"],
            "hostApi": info["hostapi"],
            "maxInputChannels": info["max_input_channels"],
            "maxOutputChannels": info["max_output_channels"],
            "defaultLowInputLatency": info["default_low_input_latency"],
            "defaultLowOutputLatency": info["default_low_output_latency"],
            "defaultHighInputLatency": info["default_high_input_latency"],
            "defaultHighOutputLatency": info["default_high_output_latency"],
            "defaultSampleRate": info["default_samplerate"],
        }


def _answer(given: Any) -> Any:
    """What a callback has returned: data and flag."""
    if not isinstance(given, tuple) or len(given) != 2:
        raise TypeError(f"a stream_callback returns (data, flag), not {type(given).__name__}")
    if given[1] not in (CONTINUE, COMPLETE, ABORT):
        raise ValueError("Invalid PaStreamCallbackResult from callback")
    return given


def _times(times: CallbackTime) -> Dict[str, float]:
    return {
        "input_buffer_adc_time": times.inputBufferAdcTime,
        "current_time": times.currentTime,
        "output_buffer_dac_time": times.outputBufferDacTime,
    }


def _one(value: Any, side: int) -> Any:
    return value[side] if isinstance(value, tuple) else value


def _os_error(error: PortAudioError) -> OSError:
    """The same error as PyAudio raises it."""
    what, code = error.args
    return OSError(code, what.split(" [PaErrorCode")[0])


def software_pyaudio(microphone: SoftwareMicrophone, speaker: SoftwareSpeaker) -> ModuleType:
    """Make a module that can stand where ``pyaudio`` does.

    Args:
        microphone: What an app hears.
        speaker: What an app plays to.

    Returns:
        A new module; it is not put anywhere.
    """
    module: Any = ModuleType("pyaudio", "evi-harness software sound, in place of PyAudio.")
    vars(module).update(CONSTANTS)
    vars(module).update(
        __version__=VERSION,
        PyAudio=type("PyAudio", (PyAudio,), {"devices": SoftwareDevices(microphone, speaker), "Stream": PyAudioStream}),
        Stream=PyAudioStream,
        get_sample_size=get_sample_size,
        get_format_from_width=get_format_from_width,
        get_portaudio_version=lambda: 0,
        get_portaudio_version_text=lambda: "evi-harness software sound",
    )
    return module  # type: ignore[no-any-return]
