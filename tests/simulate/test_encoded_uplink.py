"""Tests of ``encoded_uplink``, alone and within the uplink: what is heard of webm and Ogg, and what is refused by name."""

from __future__ import annotations

import base64
import json
import math
from array import array

import pytest
from container_files import opus_ogg, packets_of, simple_blocks, webm

from evi_harness.audio.opus_decoding import OpusDecoder
from evi_harness.containers.ogg_pages import opus_file
from evi_harness.containers.opus_packets import head_of
from evi_harness.errors import ContainerError
from evi_harness.session.events import BINARY, TEXT, Frame, Handshake
from evi_harness.session.wav import Pcm, header
from evi_harness.simulate.encoded_uplink import MAX_MESSAGE_S, EncodedUplink
from evi_harness.simulate.turn_detection import TurnDetection
from evi_harness.simulate.uplink import Formats, Unheard, Uplink

MS = 1_000_000
TONE = array("h", (round(9000 * math.sin(place / 20)) for place in range(96_000))).tobytes()
OGG = opus_ogg(TONE)
HEAD, PACKETS = packets_of(OGG)
WEBM = webm(HEAD, simple_blocks(PACKETS))
WHOLE = OpusDecoder(head_of(HEAD)).decode(PACKETS)


class Attentive:
    """Keeps what it is given to hear."""

    name = "attentive 1"

    def __init__(self):
        self.heard = []

    def hear(self, samples, pcm, start_ns):
        self.heard.append((pcm, samples, start_ns))
        return []


def heard_in(data, size):
    """All samples of a container that comes in pieces."""
    encoded = EncodedUplink(OpusDecoder)
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    return b"".join(samples for piece in pieces for _, samples in encoded.take(piece))


def is_whole(heard):
    """Whether it is the tone, within one step of 16 bits."""
    return len(heard) == len(WHOLE) and max(abs(one - other) for one, other in zip(array("h", heard), array("h", WHOLE))) <= 1


@pytest.mark.parametrize("data", [WEBM, OGG], ids=["webm", "ogg"])
@pytest.mark.parametrize("size", [1, 3, 4096])
def test_a_container_is_heard_however_it_is_cut(data, size):
    """Even where its first byte comes alone."""
    assert is_whole(heard_in(data, size))


def test_one_container_behind_another():
    """A recorder that begins anew, and another kind: each is decoded from its beginning."""
    encoded = EncodedUplink(OpusDecoder)
    encoded.take(WEBM[:-1000])
    assert [samples for data in (WEBM, OGG, WEBM) for _, samples in encoded.take(data)] == [WHOLE] * 3


@pytest.mark.parametrize("form", ["binary", "base64"])
def test_the_uplink_hears_it_and_what_follows(form):
    """In binary frames and in messages; then a WAV, and then samples of the WAV's format: a container is over where other audio begins."""
    hearing = Attentive()
    line = Uplink(hearing, TurnDetection(), Handshake("/"), Formats(), EncodedUplink(OpusDecoder))

    def frame(data):
        if form == "binary":
            return Frame(BINARY, data)
        return Frame(TEXT, json.dumps({"type": "audio_input", "data": base64.b64encode(data).decode()}).encode())

    wav = header(Pcm(16_000, 1), 0) + TONE[:3200]
    for number, data in enumerate((WEBM[:3000], WEBM[3000:], wav, TONE[:3200])):
        assert not any(isinstance(one, Unheard) for one in line.take(frame(data), number * 1000 * MS))
    line.settle()
    formats = [pcm for pcm, _, _ in hearing.heard]
    assert formats == [Pcm(48_000, 1)] * (len(formats) - 2) + [Pcm(16_000, 1)] * 2
    assert sum(len(samples) for pcm, samples, _ in hearing.heard if pcm.rate == 48_000) == len(WHOLE)


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"\0\0\0\x1cftypiso5" + bytes(100), "Safari"),
        (b"fLaC" + bytes(100), "FLAC"),
        (b"ID3\4" + bytes(100), "MP3"),
        (b"\xff\xf1" + bytes(100), "AAC"),
        (b"\x01\x02" * 50, "no format"),
        (b"OggS" + bytes(100), "damaged"),
        # A second for 50 bytes: of a megabyte, hours would have to be decoded.
        (opus_file(head_of(HEAD), 0, [b"\xff\x06"] * 9 * (MAX_MESSAGE_S + 1)), str(MAX_MESSAGE_S)),
        (opus_file(head_of(HEAD), 0, [b"\xfc"]).replace(b"\xfc", b"\xff"), "damaged"),
    ],
)
def test_what_is_not_heard(data, named):
    """It says what it is, or what is wrong with it; the uplink takes it for audio that is not heard."""
    with pytest.raises(ContainerError) as caught:
        EncodedUplink(OpusDecoder).take(data)
    assert named in caught.value.what
    hearing = Attentive()
    (one,) = Uplink(hearing, TurnDetection(), Handshake("/"), Formats(), EncodedUplink(OpusDecoder)).take(Frame(BINARY, data), 0)
    assert isinstance(one, Unheard)
    assert one.why == caught.value.what
    assert not hearing.heard


def test_channels_that_nobody_has_are_not_heard():
    """The bounds of formats hold for what is decoded too."""
    hearing = Attentive()
    line = Uplink(hearing, TurnDetection(), Handshake("/"), Formats(max_channels=1), EncodedUplink(OpusDecoder))
    (one,) = line.take(Frame(BINARY, opus_ogg(TONE, 48_000, 2)), 0)
    assert isinstance(one, Unheard)
    assert not hearing.heard
