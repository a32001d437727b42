"""Tests of evi_harness.injected.sound_watch, in real time."""

from __future__ import annotations

import threading
from contextlib import contextmanager

from evi_harness.injected.sound_watch import WatchedSound
from evi_harness.session.wav import Pcm

GUARD_S = 120


class States:
    """What is told, as it comes."""

    def __init__(self):
        self.told = []
        self._more = threading.Condition()

    def take(self, state):
        with self._more:
            self.told.append(state)
            self._more.notify_all()

    def wait_for(self, is_quiet, *, since):
        """Wait until a state is told that was looked up from then on."""
        with self._more:
            assert self._more.wait_for(lambda: any(one.is_quiet is is_quiet for one in self.told[since:]), GUARD_S)


@contextmanager
def opened(device, *given):
    """A stream of a device, which is stopped at the end."""
    stream = device.open(*given)
    yield stream
    stream.stop()


def test_the_sound_is_quiet_behind_the_file_while_nothing_is_played():
    """It is looked at from when the microphone is opened, again and again; times go up."""
    states = States()
    sound = WatchedSound(Pcm(8000, 1), b"\1\2" * 800, states.take)
    assert states.told == []
    with opened(sound.microphone, lambda *_: True, lambda: None) as listening:
        sound.microphone.start(listening)
        states.wait_for(True, since=0)
        loud = threading.Event()

        def fill(block, _):
            block[:] = (b"\1" if loud.is_set() else b"\0") * len(block)
            return True

        with opened(sound.speaker, Pcm(8000, 1), 0, fill, lambda: None) as playing:
            loud.set()
            playing.start()
            states.wait_for(False, since=len(states.told))
            loud.clear()
            states.wait_for(True, since=len(states.told))
            loud.set()
            states.wait_for(False, since=len(states.told))
        states.wait_for(True, since=len(states.told))
    sound.stop()
    times = [one.at_s for one in states.told]
    assert times == sorted(times)
