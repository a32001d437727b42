"""Tests of evi_harness.injected.pointing."""

from __future__ import annotations

import importlib
import socket
import ssl
import sys

import pytest

from evi_harness.dialects import dialect_named
from evi_harness.injected import pointing
from evi_harness.injected.pointing import point
from evi_harness.runs.app_channel import PointedPlan, Reports
from evi_harness.session.wav import Pcm

HOSTS = (("api.hume.ai", None), ("evi.example.com", 8443))


@pytest.fixture
def proxy():
    """What listens in the proxy's place."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def pointed(monkeypatch, proxy):
    """Points this process, for as long as the test runs."""
    monkeypatch.setattr(pointing, "follow", lambda *_: None)
    changed = (socket, "getaddrinfo"), (socket.socket, "connect"), (socket.socket, "connect_ex")
    for owner, name in (*changed, (ssl.SSLContext, "wrap_bio"), (ssl.SSLContext, "wrap_socket")):
        monkeypatch.setattr(owner, name, getattr(owner, name))
    reports = Reports(-1, 0, ends_alone=False)
    yield lambda **given: point(PointedPlan(HOSTS, proxy.getsockname(), dialect_named("evi"), **given), reports, "-1,0")
    pointing._STANDING.close()


@pytest.mark.parametrize("asked", [("api.hume.ai", 443), (b"API.hume.ai", "https"), ("evi.example.com", 8443)])
def test_the_service_is_found_at_the_proxy(asked, pointed, proxy):
    """Whoever looks it up, on whatever port it has; also by a client that keeps only the address that it found."""
    pointed()
    for *_, address in socket.getaddrinfo(*asked, type=socket.SOCK_STREAM):
        with socket.create_connection((address[0], 1)) as client, proxy.accept()[0]:
            assert client.getpeername() == proxy.getsockname()


def test_every_other_host_is_where_it_was(pointed):
    """And so is the service's on a port that is not the service's."""
    there = socket.getaddrinfo("127.0.0.1", 80)
    pointed()
    assert socket.getaddrinfo("127.0.0.1", 80) == there
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("evi.example.com", 1, flags=socket.AI_NUMERICHOST)


def test_a_file_is_the_microphone(pointed):
    """In real time, for whoever opens the sound card."""
    pointed(pcm=Pcm(8000, 1), samples=b"\1\2" * 80)
    import sounddevice

    blocks = []
    with sounddevice.RawInputStream(callback=lambda block, *_: blocks.append(bytes(block)), dtype="int16", channels=1) as stream:
        while not blocks:
            sounddevice.sleep(1)
        assert stream.samplerate == 8000
    assert blocks[0] == b"\1\2" * 80


def test_a_file_is_the_microphone_of_pyaudio_too(pointed, monkeypatch, tmp_path):
    """Where that is installed, whether or not it could be loaded."""
    (tmp_path / "pyaudio.py").write_text("raise ImportError('no library')\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "pyaudio", raising=False)
    pointed(pcm=Pcm(8000, 1), samples=b"\1\2" * 80)
    pyaudio = importlib.import_module("pyaudio")
    audio = pyaudio.PyAudio()
    assert audio.open(8000, 1, pyaudio.paInt16, input=True).read(80) == b"\1\2" * 80
    audio.terminate()
