from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from evi_harness.cli.main import main


@pytest.fixture
def machine(monkeypatch):
    """Makes this a machine with these devices: (name, channels in, channels out)."""

    def machine_(*rows):
        infos = [
            {"name": name, "index": index, "hostapi": 0, "max_input_channels": n_in, "max_output_channels": n_out}
            for index, (name, n_in, n_out) in enumerate(rows)
        ]
        one = {"input": lambda: infos[0], "output": lambda: infos[-1]}
        module = SimpleNamespace(
            PortAudioError=IndexError,
            query_devices=lambda kind=None: infos if kind is None else one[kind](),
            query_hostapis=lambda: [{"name": "ALSA"}],
        )
        monkeypatch.setitem(sys.modules, "sounddevice", module)

    return machine_


def test_devices_are_listed(machine, capsys):
    """One line each, on standard output, and 0."""
    machine(("mic", 1, 0), ("speaker", 0, 2))
    assert main(["devices"]) == 0
    assert capsys.readouterr() == ("> 0 mic, ALSA (1 in, 0 out)\n< 1 speaker, ALSA (0 in, 2 out)\n", "")


def test_no_devices_are_said(machine, capsys):
    """Standard output stays empty for programs."""
    machine()
    assert main(["devices"]) == 0
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines()), "evi-harness doctor" in err) == ("", 1, True)


def test_missing_sound_could_not_run(monkeypatch, capsys):
    """It is 3, with the command that mends it and no traceback."""
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    assert main(["devices"]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    what, way = err.splitlines()
    assert what.startswith("error: ")
    assert "sounddevice" in what
    assert "pip install 'hume[microphone]'" in way
