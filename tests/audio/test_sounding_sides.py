"""Tests of evi_harness.audio.sounding_sides; what the two sides of a whole replay sound like is tested with verdicts.heard_audio."""

from __future__ import annotations

import base64
import struct
from dataclasses import replace
from fractions import Fraction

import pytest

from evi_harness.audio.mixing import stereo
from evi_harness.audio.software_speaker import Playback
from evi_harness.audio.sounding_sides import MAX_RATE, SILENT_RATE, Side, arrived, mix_rate, played, said, would_play
from evi_harness.audio.sources import UserTrack
from evi_harness.evi.dialect import EVI
from evi_harness.session import wav
from evi_harness.session.frame_audio import ASSISTANT, USER, KnownAudio
from evi_harness.session.g711 import linear_samples
from evi_harness.session.protocols import AudioPlace, Told
from evi_harness.session.wav import Pcm

MS = 1_000_000
# A frame a millisecond.
PCM = Pcm(1000, 1)
SETTINGS = {"type": "session_settings", "audio": {"encoding": "linear16", "sample_rate": 1000, "channels": 1}}
TWO_CHANNELS = {"type": "session_settings", "audio": {"encoding": "linear16", "sample_rate": 1000, "channels": 2}}
ONE = Fraction(1)
MAX = None


def pcm16(*values):
    """Samples as bytes."""
    return struct.pack(f"<{len(values)}h", *values)


def count(first, n):
    """So many samples, each one more than the one before it."""
    return list(range(first, first + n))


def heard(side, rate=1000, lasts_ms=0):
    """What a side sounds like: each stretch that is not zero, as (frame, values)."""
    data = b"".join(stereo([], side.voices, rate, lasts_ms * MS))
    found, before = [], 0
    for frame, value in enumerate(struct.unpack(f"<{len(data) // 2}h", data)[1::2]):
        if value and before:
            found[-1][1].append(value)
        elif value:
            found.append((frame, [value]))
        before = value
    return found


def playback(*blocks, pcm=PCM, began_ms=0, speed=ONE, at_ms=0):
    """A stream that played blocks: samples, or a number of bytes of silence because nothing was there."""
    made = Playback(pcm, began_ms * MS, speed)
    for block in blocks:
        samples = bytes(block) if isinstance(block, int) else pcm16(*block)
        made.add(samples, 0 if isinstance(block, int) else len(samples), at_ms * MS)
    return made


def test_what_was_played_sounds_at_its_time():
    """Each span at its time on the session's axis, silence between them as long as it was; streams beside one another."""
    streams = [playback([1, 2, 3], 8, [4, 5], began_ms=110), playback([70], began_ms=130), playback(40, began_ms=100)]
    side = played(streams, 100 * MS)
    assert heard(side) == [(10, [1, 2, 3]), (17, [4, 5]), (30, [70])]
    assert side.rate == 1000


def test_what_was_played_before_the_opening_is_not_in_the_session():
    """Of a stream that was started sooner the part behind the opening is heard."""
    assert heard(played([playback([1, 2, 3, 4], began_ms=98)], 100 * MS)) == [(0, [3, 4])]


def test_spans_of_one_stream_keep_step_with_one_another():
    """Where a stream begins between two frames, all its samples are off by the same, and none by another frame."""
    stream = playback([1] * 5, 14, [2] * 3, 2, [3], pcm=PCM)
    stream.began_ns = 500_000
    assert heard(played([stream], 0)) == [(1, [1] * 5), (13, [2] * 3), (17, [3])]
    stream.began_ns = 499_999
    assert heard(played([stream], 0)) == [(0, [1] * 5), (12, [2] * 3), (16, [3])]


def test_the_rate_is_the_highest_that_was_played():
    """A stream in which nothing was there does not count."""
    streams = [playback([1], pcm=Pcm(500, 1)), playback([1, 1], pcm=Pcm(2000, 2)), playback(4, pcm=Pcm(9000, 1))]
    assert played(streams, 0).rate == 2000
    assert played([playback(4)], 0) == played([], 0) == Side()


@pytest.mark.parametrize(("speed", "frames"), [(Fraction(2), [20, 28]), (Fraction(1, 2), [10, 18])])
def test_at_a_speed_samples_sound_so_many_times_as_fast(speed, frames):
    """The axis is the replay's: a sample takes its rate's time divided by the speed, and so does silence."""
    side = played([playback([1, 2, 3], 10, [4, 5], began_ms=110 if speed > 1 else 120, speed=speed)], 100 * MS)
    assert side.rate == 1000 * speed
    assert heard(side, int(side.rate)) == [(frames[0], [1, 2, 3]), (frames[1], [4, 5])]


def test_at_the_greatest_speed_spans_sound_one_after_another():
    """Audio took no time: each span lasts as long as ever, from its time on or from when the one before it is over."""
    stream = Playback(PCM, 0, MAX)
    for at_ms, samples in ((5, pcm16(*count(1, 10))), (5, b""), (7, pcm16(50, 51)), (40, pcm16(60))):
        stream.add(samples + bytes(2), len(samples), at_ms * MS)
    side = played([stream], 0)
    assert heard(side) == [(5, [*count(1, 10), 50, 51]), (40, [60])]
    assert side.voices[0].ends_ns == 41 * MS


def test_what_may_not_be_written_is_silenced_wherever_it_stands():
    """Also across the end of a piece that is read at once, which is a second."""
    secret = b"SECRET"

    def silenced(samples):
        assert len(samples) <= 2000 + 2 * 4096
        return samples.replace(secret, bytes(len(secret)))

    stream = Playback(PCM, 0)
    samples = pcm16(*[1] * 998) + secret + pcm16(*[2] * 1500) + secret
    stream.add(samples, len(samples), 0)
    assert heard(played([stream], 0, silenced)) == [(0, [1] * 998), (1001, [2] * 1500)]


def user(session_of, rows, **options):
    """A session with settings and what the user sent."""
    return session_of([("sent", 1, SETTINGS), *rows], **options)


def test_a_frame_of_the_users_ends_when_it_was_sent(session_of):
    """Frames that follow one another are contiguous; where nothing was sent there is silence, as long as that was."""
    rows = [("sent", 120, pcm16(*count(1, 20))), ("sent", 140, pcm16(*count(21, 20))), ("sent", 400, pcm16(*count(50, 20)))]
    side = said(user(session_of, rows), EVI, ONE)
    assert heard(side) == [(100, count(1, 40)), (380, count(50, 20))]
    assert (side.rate, side.n_left_out) == (1000, 0)


def test_frames_that_a_busy_app_sent_late_stand_where_they_were_heard(session_of):
    """What was sent all at once was heard before, one frame after another."""
    rows = [("sent", 120, pcm16(*count(1, 20)))]
    rows += [("sent", 300, pcm16(*count(21 + 20 * number, 20))) for number in range(9)]
    assert heard(said(user(session_of, rows), EVI, ONE)) == [(100, count(1, 200))]


def test_audio_that_was_sent_ahead_of_the_clock_sounds_as_long_as_it_is(session_of):
    """A file that was sent at once goes on behind the end of the session."""
    rows = [("sent", 110 + number, pcm16(*count(1 + 100 * number, 100))) for number in range(5)]
    session = user(session_of, [*rows, ("closed", 130, ("app", 1000, ""))])
    assert heard(said(session, EVI, ONE), lasts_ms=130) == [(10, count(1, 500))]


def test_audio_longer_than_the_session_by_then_begins_with_it(session_of):
    """Nothing was heard before the opening."""
    assert heard(said(user(session_of, [("sent", 5, pcm16(*count(1, 20)))]), EVI, ONE)) == [(0, count(1, 20))]


def test_what_was_not_sent_was_not_said(session_of):
    """A send that failed or was cancelled put nothing on the wire."""
    rows = [("sent", 120, pcm16(*count(1, 20))), ("sent", 120, TWO_CHANNELS), ("sent", 125, pcm16(*count(50, 20)))]
    session = user(session_of, rows)
    events = tuple(replace(event, outcome="failed") if event.at_ns == 120 * MS else event for event in session.events)
    assert heard(said(replace(session, events=events), EVI, ONE)) == [(105, count(50, 20))]


def test_audio_in_json_is_heard_like_any_other(session_of):
    """Base64, and a WAV header that tells the format."""
    samples = pcm16(*count(1, 20))
    blob = wav.header(Pcm(1000, 1), len(samples)) + samples
    rows = [("sent", 120, {"type": "audio_input", "data": base64.b64encode(data).decode()}) for data in (blob, samples)]
    rows[1] = ("sent", 140, rows[1][2])
    assert heard(said(session_of(rows), EVI, ONE)) == [(100, count(1, 20) * 2)]


class Telephone:
    """A dialect in which every frame is a piece of G.711, as a reader says it of a session in which the service does."""

    def __init__(self, encoding):
        self.pcm = Pcm(1000, 1, 1, encoding)

    def reader(self, _handshake=None):
        return self

    told = Told()

    def read(self, kind, frame):
        track = USER if kind == "sent" else ASSISTANT
        place = AudioPlace(track, 0, frame.size, base64=False, pcm=self.pcm)
        return KnownAudio((place,), self.pcm.length_ns(frame.size), self.pcm)


@pytest.mark.parametrize("encoding", [wav.MU_LAW, wav.A_LAW])
def test_a_telephones_samples_are_decoded(session_of, encoding):
    """Mixed as linear samples, a byte a sample in time; so does a microphone play them."""
    phone, codes = Telephone(encoding), bytes(range(20))
    session = session_of([("sent", 120, codes), ("sent", 140, b""), ("closed", 200, ("app", 1000, ""))])
    linear, pcm = linear_samples(codes, phone.pcm)
    expected = list(struct.unpack("<20h", linear))
    assert heard(said(session, phone, ONE)) == [(100, expected)]
    track = UserTrack(session, phone)
    assert (track.pcm, track.read(20)) == (pcm, linear)


def test_a_change_of_format_goes_on_where_the_audio_was(session_of):
    """Settings on the way count from then on; two channels become one."""
    pairs = pcm16(*(value for number in count(100, 20) for value in (number, number)))
    session = user(session_of, [("sent", 120, pcm16(*count(1, 20))), ("sent", 125, TWO_CHANNELS), ("sent", 140, pairs)])
    assert heard(said(session, EVI, ONE)) == [(100, count(1, 20) + count(100, 20))]


@pytest.mark.parametrize(("speed", "frame", "gap"), [(Fraction(4), 400, 1600), (Fraction(1, 2), 25, 100)])
def test_at_a_speed_the_users_frames_are_as_much_shorter(session_of, speed, frame, gap):
    """A frame of 20 ms takes 5 ms of the axis at four times the speed; the axis has so many more frames a second."""
    ms = int(20 / speed)
    rows = [("sent", 100 + ms * (1 + number), pcm16(*count(1 + 20 * number, 20))) for number in range(3)]
    rows.append(("sent", 500 + ms, pcm16(*count(500, 20))))
    side = said(user(session_of, rows), EVI, speed)
    rate = int(1000 * speed)
    assert side.rate == rate
    assert heard(side, rate) == [(rate // 10, count(1, 60)), (rate // 2, count(500, 20))]


def test_what_is_a_gap_at_a_speed_is_as_much_shorter(session_of):
    """Sends jitter by up to 50 ms, and longer is a gap; four times as fast, 12.5 ms is as much."""
    rows = [("sent", 105, pcm16(*count(1, 20))), ("sent", 135, pcm16(*count(21, 20)))]
    assert heard(said(user(session_of, rows), EVI, Fraction(4)), 4000) == [(400, count(1, 20)), (520, count(21, 20))]
    assert heard(said(user(session_of, rows), EVI, ONE)) == [(85, count(1, 40))]


def test_at_the_greatest_speed_the_users_audio_is_one_after_another(session_of):
    """It went out as fast as it was taken; where the axis itself went on meanwhile, there is silence."""
    rows = [("sent", 20, pcm16(*count(1, 20))), ("sent", 20, pcm16(*count(21, 20))), ("sent", 300, pcm16(*count(41, 20)))]
    assert heard(said(user(session_of, rows), EVI, MAX)) == [(0, count(1, 40)), (280, count(41, 20))]


def test_audio_that_cannot_be_decoded_is_counted(session_of):
    """A container is no PCM; the rest is heard where it was, and the first that is not is named."""
    rows = [("sent", 50, b"\x1aE\xdf\xa3" + bytes(10)), ("sent", 60, bytes(10))]
    assert said(session_of(rows), EVI, ONE) == Side((), None, 2, 1)
    assert said(session_of([]), EVI, ONE) == Side()


def spoken(samples, pcm=PCM):
    """A piece of the assistant's audio."""
    blob = wav.header(pcm, len(samples)) + samples
    return {"type": "audio_output", "id": "s", "index": 0, "data": base64.b64encode(blob).decode()}


def asked(at_ms, text="x"):
    """What the user said, which begins a turn."""
    return ("received", at_ms, {"type": "user_message", "message": {"role": "user", "content": text}, "from_text": False, "interim": False})


def replied(at_ms, first, n):
    """A piece of a reply: so many milliseconds of samples, each one more than the one before it."""
    return ("received", at_ms, spoken(pcm16(*count(first, n))))


def test_what_came_sounds_one_after_another(session_of):
    """A piece that came while another sounds waits for it, in the next turn, too; one that came later begins when it came."""
    rows = [asked(10), replied(100, 1, 50), replied(101, 51, 50), replied(300, 200, 50), asked(310), replied(320, 500, 20)]
    side = would_play(session_of(rows), EVI, ONE)
    assert heard(side) == [(100, count(1, 100)), (300, count(200, 50) + count(500, 20))]
    assert (side.rate, side.n_left_out) == (1000, 0)


def test_an_interruption_silences_the_speaker(session_of):
    """What sounds is cut off, what waits is dropped, and so is what comes of the reply later; the next reply is heard."""
    interruption = ("received", 150, {"type": "user_interruption", "time": 1})
    rows = [asked(10), replied(100, 1, 80), replied(101, 81, 80), interruption, replied(160, 300, 20), asked(200), replied(210, 400, 20)]
    assert heard(would_play(session_of(rows), EVI, ONE)) == [(100, count(1, 50)), (210, count(400, 20))]


def test_an_interruption_silences_what_still_sounds_of_the_turn_before(session_of):
    """A speaker plays one thing after another, and falls silent as a whole."""
    interruption = ("received", 200, {"type": "user_interruption", "time": 1})
    rows = [asked(10), replied(100, 1, 500), asked(150), replied(160, 700, 50), interruption, asked(210), replied(220, 900, 20)]
    assert heard(would_play(session_of(rows), EVI, ONE)) == [(100, count(1, 100)), (220, count(900, 20))]


def test_at_a_speed_what_came_sounds_as_much_faster(session_of):
    """A replay of four times the speed got its audio four times as fast, and it takes a quarter of the time; at the greatest, its own."""
    rows = [asked(10), replied(100, 1, 80), replied(110, 81, 80)]
    fast = would_play(session_of(rows), EVI, Fraction(4))
    assert heard(fast, 4000) == [(400, count(1, 160))]
    assert heard(would_play(session_of(rows), EVI, MAX)) == [(100, count(1, 160))]


def test_what_cannot_be_decoded_does_not_sound(session_of):
    """Other containers and broken base64 are counted; audio of no length is nothing."""
    mp3 = {"type": "audio_output", "id": "s", "index": 0, "data": base64.b64encode(b"ID3" + bytes(20)).decode()}
    rows = [asked(10), ("received", 90, mp3), replied(100, 1, 20)]
    rows += [("received", 105, {**mp3, "data": "!"}), ("received", 110, {**mp3, "data": ""})]
    side = would_play(session_of(rows), EVI, ONE)
    assert heard(side) == [(100, count(1, 20))]
    assert (side.rate, side.n_left_out, side.first_left_out) == (1000, 2, 2)
    assert would_play(session_of([asked(10), ("received", 90, mp3)]), EVI, ONE) == Side((), None, 1, 2)


def test_what_arrived_is_whole_from_when_it_came(session_of):
    """Whoever interrupts, and whatever else sounds: replies overlap, and the pieces of one follow one another."""
    interruption = ("received", 150, {"type": "user_interruption", "time": 1})
    rows = [asked(10), replied(100, 1, 80), replied(101, 81, 20), interruption, asked(160), replied(190, 1000, 20), replied(300, 5, 3)]
    side = arrived(session_of(rows), EVI, ONE)
    first, second = list(range(1, 101)), count(1000, 20)
    both = [(100, first[:90] + [first[90 + at] + second[at] for at in range(10)] + second[10:]), (300, count(5, 3))]
    assert (heard(side), side.rate, side.n_left_out) == (both, 1000, 0)


def test_of_what_arrived_nothing_sounds_that_cannot_be_decoded(session_of):
    """It is counted, as elsewhere; and of a session without audio there is nothing."""
    mp3 = {"type": "audio_output", "id": "s", "index": 0, "data": base64.b64encode(b"ID3" + bytes(20)).decode()}
    rows = [asked(10), ("received", 90, mp3), replied(100, 1, 20), ("received", 110, {**mp3, "data": ""})]
    side = arrived(session_of(rows), EVI, ONE)
    assert (heard(side), side.n_left_out, side.first_left_out) == ([(100, count(1, 20))], 1, 2)
    assert arrived(session_of([]), EVI, ONE) == Side()


def test_pieces_of_several_rates_are_heard_in_the_highest(session_of):
    """The rate is the highest of what came."""
    rows = [asked(10), replied(100, 1, 10), ("received", 150, spoken(pcm16(*count(1, 10)), Pcm(2000, 1)))]
    side = would_play(session_of(rows), EVI, ONE)
    assert side.rate == 2000
    assert heard(side, 2000)[-1] == (300, count(1, 10))


@pytest.mark.parametrize(
    ("user_rate", "other_rate", "rate"),
    [
        (16_000, 24_000, 24_000),
        (48_000, 24_000, 24_000),
        (16_000, None, 16_000),
        (None, None, SILENT_RATE),
        (None, Fraction(96_000, 7), 13_715),
        (16_000, 480_000, MAX_RATE),
        (None, Fraction(1, 3), 1),
    ],
)
def test_the_rate_of_a_mix(user_rate, other_rate, rate):
    """That of what was played; of the user where nothing was; whole, and never beyond what programs play."""
    sides = [Side((), None if one is None else Fraction(one)) for one in (user_rate, other_rate)]
    assert mix_rate(*sides) == rate
