from __future__ import annotations

import pytest

from evi_harness.audio.software_devices import PortAudioError
from evi_harness.audio.software_microphone import SoftwareMicrophone
from evi_harness.audio.software_sound import software_sounddevice
from evi_harness.audio.software_speaker import SoftwareSpeaker
from evi_harness.audio.sources import SilenceSource
from evi_harness.session.wav import Pcm


def sound(source=None):
    """A stand-in for sounddevice with a microphone and a speaker: what an app asks of the devices it asks through it."""
    return software_sounddevice(SoftwareMicrophone(source or SilenceSource(Pcm(16000, 1))), SoftwareSpeaker())


def test_the_devices_are_listed_as_hume_shows():
    """One line a device, the defaults marked."""
    assert str(sound().query_devices()) == (
        "> 0 evi-harness software microphone, evi-harness (1 in, 0 out)\n< 1 evi-harness software speaker, evi-harness (0 in, 2 out)"
    )


def test_the_mark_follows_the_default():
    """A device that is both has a mark of its own; one that is not listed marks none."""
    sd = sound()
    sd.default.device = 0
    assert [line[0] for line in str(sd.query_devices()).splitlines()] == ["*", " "]
    sd.default.device = 4
    assert [line[0] for line in str(sd.query_devices()).splitlines()] == [" ", " "]


@pytest.mark.parametrize(
    ("device", "kind", "index", "n_in", "n_out"),
    [
        (0, None, 0, 1, 0),
        (1, None, 1, 0, 2),
        (None, "input", 0, 1, 0),
        (None, "output", 1, 0, 2),
        ("microphone", None, 0, 1, 0),
        ("Software SPEAKER", "output", 1, 0, 2),
        (4, None, 4, 1, 2),
        (4, "input", 4, 1, 2),
        ("MacBook Pro Microphone", "input", "MacBook Pro Microphone", 1, 2),
    ],
)
def test_a_device_is_found(device, kind, index, n_in, n_out):
    """By index, by a part of its name, by kind; one of the developer's own machine stands for both."""
    info = sound().query_devices(device, kind)
    assert (info["index"], info["max_input_channels"], info["max_output_channels"]) == (index, n_in, n_out)
    assert set(sound().query_devices(0)) == set(info)


@pytest.mark.parametrize(
    ("device", "kind", "error", "words"),
    [
        (-1, None, PortAudioError, "Error querying device -1"),
        (1, "input", ValueError, "input device"),
        (0, "output", ValueError, "output device"),
        (0, "both", ValueError, "Invalid kind"),
        ("software", None, ValueError, "Multiple devices"),
        (1.5, None, ValueError, "or a name"),
    ],
)
def test_a_device_that_cannot_be_is_refused(device, kind, error, words):
    """With sounddevice's own kinds of error."""
    with pytest.raises(error, match=words):
        sound().query_devices(device, kind)


def test_rate_and_channels_are_the_sources():
    """The microphone has what it plays."""
    info = sound(SilenceSource(Pcm(44100, 2))).query_devices(0)
    assert (info["default_samplerate"], info["max_input_channels"]) == (44100.0, 2)


def test_defaults_are_set_and_reset():
    """One value sets both sides, a pair each; None gives back the first one; what is no default is refused."""
    sd = sound()
    sd.default.device = 4
    assert (list(sd.default.device), repr(sd.default.device)) == ([4, 4], "[4, 4]")
    sd.default.device = None, 7
    assert (sd.default.device["input"], sd.default.device["output"]) == (0, 7)
    sd.default.device[0] = 3
    sd.default.samplerate = 16000
    assert (sd.default.device[0], sd.default.samplerate) == (3, 16000)
    sd.default.reset()
    assert (sd.default.device[0], sd.default.samplerate, sd.default.hostapi) == (0, None, 0)
    with pytest.raises(AttributeError):
        sd.default.volume = 11


def test_the_host_api():
    """There is one, with both devices."""
    assert sound().query_hostapis() == (sound().query_hostapis(0),)
    assert sound().query_hostapis(0)["devices"] == [0, 1]
    with pytest.raises(PortAudioError):
        sound().query_hostapis(1)


SETTINGS = [
    ("input", {}, None),
    ("input", {"samplerate": 16000.0, "channels": 1, "device": 4}, None),
    ("input", {"samplerate": 48000}, "sample rate"),
    ("input", {"channels": 2}, "number of channels"),
    ("input", {"device": 1}, "number of channels"),
    ("output", {}, None),
    ("output", {"samplerate": 24000, "channels": 1}, None),
    ("output", {"samplerate": 0.5}, "sample rate"),
    ("output", {"channels": 3}, "number of channels"),
    ("output", {"device": 0}, "number of channels"),
]


@pytest.mark.parametrize(("kind", "options", "refusal"), SETTINGS)
def test_settings_are_checked_as_streams_are(kind, options, refusal):
    """check_…_settings and opening a stream agree; the error is PortAudio's, with its number."""
    sd = sound()
    options = {"dtype": "int16", **options}
    check, stream = (sd.check_input_settings, sd.RawInputStream) if kind == "input" else (sd.check_output_settings, sd.RawOutputStream)
    if refusal is None:
        check(**options)
        assert stream(callback=print, **options).closed is False
        return
    for attempt in (check, lambda **options: stream(callback=print, **options)):
        with pytest.raises(PortAudioError, match=rf"{refusal}.*\[PaErrorCode -99"):
            attempt(**options)
