"""Tests of the command ``play``; what sounds is tested with acts.afterwards.playing_aloud."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

from evi_harness.audio.software_microphone import SoftwareMicrophone
from evi_harness.audio.software_sound import software_sounddevice
from evi_harness.audio.software_speaker import SoftwareSpeaker
from evi_harness.audio.sources import SilenceSource
from evi_harness.cli.main import main

TYPED = str(Path(__file__).resolve().parents[2] / "sessions" / "typed")


def test_it_plays_and_exits_with_0(monkeypatch, capsys):
    """A line says what is played."""
    speaker = SoftwareSpeaker(speed=Fraction(50))
    monkeypatch.setitem(sys.modules, "sounddevice", software_sounddevice(SoftwareMicrophone(SilenceSource()), speaker))
    assert main(["play", TYPED, "--turn", "1", "--side", "heard", "--speaker", "1"]) == 0
    assert capsys.readouterr().out.startswith("typed, turn 1: from ")
    assert len(speaker.playbacks) == 1


def test_exit_codes(monkeypatch, capsys, tmp_path):
    """2 for what cannot be meant, 3 without a sound system or a session."""
    assert main(["play", TYPED, "--turn", "7"]) == 2
    assert "--turn 7" in capsys.readouterr().err
    assert main(["play", TYPED, "--turn", "0"]) == 2
    assert main(["play", str(tmp_path)]) == 3
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    assert main(["play", TYPED]) == 3
    assert "sounddevice" in capsys.readouterr().err
