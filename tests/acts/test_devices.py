from __future__ import annotations

import re
import sys
from types import SimpleNamespace

import pytest

from evi_harness.acts.devices import Device, choose_device, device_lines, list_devices, portaudio_version, refused_rates
from evi_harness.errors import EviHarnessError, UsageError

# As Hume's guide shows them: (name, channels in, channels out).
GUIDE = [
    ("DELL U2720QM", 0, 2),
    ("I, Phone 15 Pro Max Microphone", 1, 0),
    ("Studio Display Microphone", 1, 0),
    ("Studio Display Speakers", 0, 8),
    ("MacBook Pro Microphone", 1, 0),
    ("MacBook Pro Speakers", 0, 2),
    ("Pro Tools Audio Bridge 16", 16, 16),
    ("Pro Tools Audio Bridge 2-A", 2, 2),
    ("Pro Tools Audio Bridge 2-B", 2, 2),
    ("Pro Tools Audio Bridge 32", 32, 32),
    ("Pro Tools Audio Bridge 64", 64, 64),
]


class PortAudioError(Exception): ...


def sounddevice(rows, defaults, host_apis=("Core Audio",), failure=None):
    """What stands in for the module: the functions that are asked, with sounddevice's own answers."""
    infos = [
        {"name": name, "index": index, "hostapi": 0, "max_input_channels": n_in, "max_output_channels": n_out}
        for index, (name, n_in, n_out) in enumerate(rows)
    ]

    def query_devices(device=None, kind=None):
        if failure:
            raise failure
        if kind is None:
            return tuple(infos)
        if defaults[kind] is None:
            raise PortAudioError("Error querying device -1")
        return infos[defaults[kind]]

    def check_output_settings(device, channels, dtype, samplerate):
        if (device, channels, dtype) != (0, 1, "int16") or samplerate != 48_000:
            raise PortAudioError("Invalid sample rate")

    return SimpleNamespace(
        PortAudioError=PortAudioError,
        query_devices=query_devices,
        check_output_settings=check_output_settings,
        query_hostapis=lambda: tuple({"name": name} for name in host_apis),
        get_portaudio_version=lambda: (1246720, "PortAudio V19.6.0-devel, revision 396fe4b6699ae929d3a685b3ef8a7e97396139a4"),
    )


@pytest.fixture
def machine(monkeypatch):
    """Makes this a machine with these devices."""

    def machine_(*args, **kwargs):
        monkeypatch.setitem(sys.modules, "sounddevice", sounddevice(*args, **kwargs))

    return machine_


def test_devices_are_listed_as_the_guide_shows_them(machine):
    """Index, name, host API, channels; > the default microphone, < the default speaker."""
    machine(GUIDE, {"input": 2, "output": 5})
    lines = device_lines(list_devices())
    for index, mark, (name, inputs, outputs) in ((0, " ", GUIDE[0]), (2, ">", GUIDE[2]), (5, "<", GUIDE[5]), (10, " ", GUIDE[10])):
        assert lines[index] == f"{mark} {index:2d} {name}, Core Audio ({inputs} in, {outputs} out)"


def test_one_device_may_be_the_default_for_both(machine):
    """It has a mark of its own, as sounddevice has it."""
    machine([("default", 32, 32)], {"input": 0, "output": 0}, host_apis=["ALSA"])
    (line,) = device_lines(list_devices())
    assert re.fullmatch(r"\* 0 default, ALSA \(32 in, 32 out\)", line)


def test_no_devices_are_an_empty_list(machine):
    """No default, no line."""
    machine([], {"input": None, "output": None}, host_apis=())
    assert list_devices() == []
    assert device_lines([]) == []


def test_a_name_is_one_line(machine):
    """Some drivers put line breaks into theirs."""
    machine([("Bus\r\n  Device", 1, 0)], {"input": None, "output": None})
    assert list_devices()[0].name == "Bus Device"


def test_portaudio_tells_its_version(machine):
    """Without the revision."""
    machine([], {"input": None, "output": None})
    assert portaudio_version() == "PortAudio V19.6.0-devel"


def test_a_failing_portaudio_is_told(machine):
    """Its own words, and what to look at."""
    machine(GUIDE, {}, failure=PortAudioError("Host error"))
    with pytest.raises(EviHarnessError, match=r"PortAudio .*: Host error"):
        list_devices()


def test_a_speaker_is_asked_what_it_plays(machine):
    """As the SDK plays: 16 bits, mono; what PortAudio refuses is told, in order."""
    machine(GUIDE, {"input": 4, "output": 0})
    first = list_devices()[0]
    assert refused_rates(first, (24_000, 48_000, 44_100)) == [24_000, 44_100]
    assert refused_rates(first, ()) == []


def test_a_missing_package_is_told(monkeypatch):
    """With the command that brings it."""
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(EviHarnessError, match=r"sounddevice .*not installed") as raised:
        list_devices()
    assert "pip install 'hume[microphone]'" in str(raised.value)
    assert raised.value.exit_code == 3


def test_a_missing_portaudio_is_told(monkeypatch, tmp_path):
    """With the commands for both systems."""
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    with pytest.raises(EviHarnessError, match=r"PortAudio .*not installed") as raised:
        portaudio_version()
    assert "apt-get install libportaudio2" in str(raised.value)
    assert "brew install portaudio" in str(raised.value)
    assert raised.value.exit_code == 3


DEVICES = [Device(index, name, "Core Audio", n_in, n_out) for index, (name, n_in, n_out) in enumerate(GUIDE)]


@pytest.mark.parametrize(
    ("wanted", "kind", "index"),
    [
        ("4", "input", 4),
        (" 4 ", "input", 4),
        ("MacBook Pro Microphone", "input", 4),
        ("macbook", "input", 4),
        ("macbook", "output", 5),
        ("Pro Tools Audio Bridge 2-A", "input", 7),
        ("10", "output", 10),
    ],
)
def test_a_device_is_chosen_by_index_or_name(wanted, kind, index):
    """A part of the name does, where only one device that can do it has it."""
    assert choose_device(DEVICES, wanted, kind).index == index


@pytest.mark.parametrize(
    ("wanted", "kind", "words", "listed"),
    [
        ("5", "input", "device 5, MacBook Pro Speakers, has no input", " 4 MacBook Pro Microphone"),
        ("99", "input", "no input device '99'", " 4 MacBook Pro Microphone"),
        ("-1", "input", "no input device '-1'", " 4 MacBook Pro Microphone"),
        ("", "input", "no input device ''", " 4 MacBook Pro Microphone"),
        ("bridge", "output", "5 output devices ", "10 Pro Tools Audio Bridge 64"),
        ("theremin", "output", "no output device 'theremin'", " 5 MacBook Pro Speakers"),
    ],
)
def test_a_device_that_is_not_meant_is_told_with_those_that_may_be(wanted, kind, words, listed):
    """A usage error, with the list to choose from."""
    with pytest.raises(UsageError, match=words) as raised:
        choose_device(DEVICES, wanted, kind)
    assert listed in str(raised.value)


def test_where_there_is_no_device_that_is_told():
    """An empty list would say nothing."""
    with pytest.raises(UsageError, match="no input device"):
        choose_device([], "0")
