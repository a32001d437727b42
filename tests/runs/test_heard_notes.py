"""Tests of evi_harness.runs.heard_notes."""

from __future__ import annotations

import base64
import json
import struct
from array import array
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.audio.software_speaker import Playback
from evi_harness.carriers.journal import Journal
from evi_harness.evi.dialect import EVI
from evi_harness.openai_realtime.realtime_dialect import OPENAI_REALTIME
from evi_harness.runs.heard_notes import _in_16_bits, chunks_of, incoming, note_heard, pieces_of
from evi_harness.session import wav
from evi_harness.session.events import TEXT, Frame, Handshake, Note, Sent
from evi_harness.session.notes import SENT_FROM
from evi_harness.session.wav import Pcm
from evi_harness.watch.handed import Handed, HandedOn, Taken

MS = 1_000_000
# Where the developer's code is, as a frame has it: any file that is not installed.
APP = "/app/handler.py"
MONO = Pcm(24000, 1)
N = 2400
OPENED_NS = 5000 * MS
SAID = {"type": "user_message", "message": {"role": "user", "content": "Hi."}, "from_text": False, "interim": False}
INTERRUPTED = {"type": "user_interruption", "time": 50}


class Clock:
    """A clock that is set."""

    def __init__(self):
        self.at_ns = OPENED_NS

    def now_ns(self):
        return self.at_ns


def pcm16(values):
    """Samples as bytes."""
    return array("h", values).tobytes()


def samples(number):
    """100 ms that are told from all others."""
    return pcm16([((number * N + at) * 40503 + 9000) % 65536 - 32768 for at in range(N)])


def noise(n, seed=1, peak=9000):
    """Noise, the same every time."""
    values, state = array("h"), seed
    for _ in range(n):
        state = (1103515245 * state + 12345) % 2**31
        values.append((state >> 12) % (2 * peak) - peak)
    return values.tobytes()


def audio(number, data=None, **changes):
    """A message with a chunk."""
    data = wav.header(MONO, 2 * N) + samples(number) if data is None else data
    encoded = data if isinstance(data, str) else base64.b64encode(data).decode()
    return {"type": "audio_output", "id": "s-1", "index": number, "data": encoded, **changes}


def conversation(*messages, close_ms=10_000, said=SAID):
    """A journal in which these come at once, in the reply to what the user said; a number is so many milliseconds of waiting."""
    clock = Clock()
    journal = Journal(clock)
    journal.opened(Handshake("/v0/evi/chat"))
    for message in (said, *messages):
        if isinstance(message, int):
            clock.at_ns += message * MS
        else:
            journal.received(Frame(TEXT, json.dumps(message).encode()))
    clock.at_ns = OPENED_NS + close_ms * MS
    journal.closed("app", 1000)
    return journal


# What came. The first message has seq 2, behind what the user said.


def chunk_of(name, data):
    """A chunk of a WAV file, padded to an even length."""
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def riff(*chunks, length=None):
    """A WAV file of some chunks."""
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) if length is None else length) + body


def fmt(rate=24000, channels=1, bits=16, tag=1, more=b""):
    """The chunk that tells the format."""
    block = channels * bits // 8
    return chunk_of(b"fmt ", struct.pack("<HHIIHH", tag, channels, rate, rate * block, block, bits) + more)


def data_of(data, length=None):
    """The chunk with the samples, whatever length it claims."""
    return b"data" + struct.pack("<I", len(data) if length is None else length) + data


LIST = chunk_of(b"LIST", b"INFOISFT" + struct.pack("<I", 14) + b"Lavf60.16.100\0")
EXTENSIBLE = struct.pack("<HHI", 22, 16, 4) + struct.pack("<H", 1) + b"\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"
FIRST = samples(0)
UPPER = pcm16([value & ~0xFF for value in array("h", FIRST)])
UNSIGNED = bytes((value >> 8) + 128 for value in array("h", FIRST))


@pytest.mark.parametrize(
    ("data", "pcm", "expected"),
    [
        (wav.header(MONO, 2 * N) + FIRST, MONO, FIRST),
        (riff(fmt(), LIST, data_of(FIRST)), MONO, FIRST),
        (riff(LIST, fmt(), data_of(FIRST)), MONO, FIRST),
        (riff(fmt(), data_of(FIRST), LIST), MONO, FIRST),
        (riff(fmt(tag=0xFFFE, more=EXTENSIBLE), data_of(FIRST)), MONO, FIRST),
        (riff(fmt(more=b"\0\0"), data_of(FIRST)), MONO, FIRST),
        (riff(fmt(more=b"\0\0"), chunk_of(b"fact", b"\0\0\0\0"), LIST, data_of(FIRST)), MONO, FIRST),
        (riff(fmt(), data_of(FIRST, 0), length=0), MONO, FIRST),
        (riff(fmt(), data_of(FIRST, 0xFFFFFFFF), length=0xFFFFFFFF), MONO, FIRST),
        (riff(fmt(), data_of(FIRST, 10**6)), MONO, FIRST),
        (riff(fmt(channels=2), data_of(FIRST)), Pcm(24000, 2), FIRST),
        (riff(fmt(rate=8000), data_of(FIRST)), Pcm(8000, 1), FIRST),
        (riff(fmt(bits=8), data_of(UNSIGNED)), MONO, UPPER),
        (riff(fmt(bits=24), data_of(b"".join(b"\x55" + FIRST[at : at + 2] for at in range(0, len(FIRST), 2)))), MONO, FIRST),
        (riff(fmt(bits=32), data_of(b"".join(b"\x55\x77" + FIRST[at : at + 2] for at in range(0, len(FIRST), 2)))), MONO, FIRST),
        (riff(fmt(), data_of(FIRST + b"\x01")), MONO, FIRST),
        (riff(fmt(), data_of(b"")), MONO, b""),
    ],
    ids=[
        "plain",
        "a LIST before the data",
        "a LIST before the format",
        "a LIST behind the data",
        "EXTENSIBLE",
        "18 bytes of format",
        "18 bytes, fact and LIST",
        "a length of 0",
        "a length of all ones",
        "a length that is too large",
        "stereo",
        "8 kHz",
        "8 bits",
        "24 bits",
        "32 bits",
        "an odd byte",
        "empty",
    ],
)
def test_a_chunk_is_decoded_whatever_header_it_has(data, pcm, expected):
    """Into 16 bits, whole frames."""
    found = incoming(conversation(audio(0, data)).events, EVI)
    assert [(one.seq, one.pcm, one.samples) for one in found.chunks] == [(2, pcm, expected)]
    assert found.unknown == []


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_samples_of_any_width_keep_their_upper_bits(width):
    """Nothing is rounded, so that extremes stay extremes."""
    values = [0, 1, -1, 127, -128, 2**15 - 1, -(2**15)]
    wide = [value * 2 ** (8 * width - 16) if width > 1 else value >> 8 for value in values]
    data = b"".join((value + 128).to_bytes(1, "little") if width == 1 else value.to_bytes(width, "little", signed=True) for value in wide)
    expected = [value & ~0xFF for value in values] if width == 1 else values
    assert _in_16_bits(data, width) == pcm16(expected)


@given(st.binary(max_size=60), st.integers(1, 4))
def test_whole_samples_of_any_width_are_as_many_of_16_bits(data, width):
    """Whatever they are."""
    data = data[: len(data) // width * width]
    assert len(_in_16_bits(data, width)) == 2 * len(data) // width


def test_what_has_no_header_is_in_the_format_before_it():
    """As in a stream whose first chunk alone has one; a new header holds from there on."""
    fast = Pcm(48000, 1)
    journal = conversation(audio(0), audio(1, samples(1) + b"\x07"), audio(2, wav.header(fast, 2 * N) + samples(2)), audio(3, samples(3)))
    found = incoming(journal.events, EVI)
    assert [(one.pcm, one.samples) for one in found.chunks] == [
        (MONO, samples(0)),
        (MONO, samples(1)),
        (fast, samples(2)),
        (fast, samples(3)),
    ]
    assert found.unknown == []


@pytest.mark.parametrize(("bits", "data"), [(8, UNSIGNED), (24, b"".join(b"\x55" + FIRST[at : at + 2] for at in range(0, 2 * N, 2)))])
def test_what_has_no_header_is_as_wide_as_what_is_before_it(bits, data):
    """The format that goes on is the one that came."""
    found = incoming(conversation(audio(0, riff(fmt(bits=bits), data_of(data))), audio(1, data)).events, EVI)
    assert [one.samples for one in found.chunks] == [UPPER if bits == 8 else FIRST] * 2
    assert {one.pcm for one in found.chunks} == {MONO}


@pytest.mark.parametrize(
    ("messages", "seqs"),
    [
        ([audio(0, "not base64!")], [2]),
        ([audio(0, samples(0))], [2]),
        ([audio(0, riff(fmt(tag=3, bits=32), data_of(samples(0))))], [2]),
        ([audio(0), audio(1, riff(fmt(tag=3, bits=32), data_of(samples(0))))], [3]),
        ([audio(0), audio(1, riff(fmt()))], [3]),
        ([audio(0), audio(1, b"RIFF")], [3]),
        ([audio(0, samples(0)), audio(1), audio(2, samples(2))], [2]),
        ([audio(0, "%"), audio(1), audio(2, "%")], [2, 4]),
    ],
    ids=[
        "no base64",
        "no header and none before it",
        "floats",
        "floats behind PCM",
        "a header without data",
        "cut within the header",
        "the header comes later",
        "two",
    ],
)
def test_what_cannot_be_decoded_is_told(messages, seqs):
    """With its message and why; the others are chunks."""
    journal = conversation(*messages)
    found = incoming(journal.events, EVI)
    assert [seq for seq, _, _ in found.unknown] == seqs
    assert all(why for _, _, why in found.unknown)
    assert len(found.chunks) == len(messages) - len(seqs)
    assert chunks_of(journal.events, EVI) == found.chunks


def test_a_chunk_has_its_place_and_its_reply():
    """Where its message says so, and as the turns have it."""
    journal = conversation(audio(0), {"type": "assistant_end"}, 20, SAID, audio(2, index="x"), {"type": "assistant_end"})
    chunks = chunks_of(journal.events, EVI)
    assert [(one.seq, one.at_ns, one.reply, one.place) for one in chunks] == [(2, 0, 1, ("s-1", 0)), (5, 20 * MS, 2, None)]


def test_nothing_came():
    """No audio is no chunk, and nothing that could not be decoded."""
    assert incoming(conversation().events, EVI) == ([], [])
    assert incoming([], EVI) == ([], [])


# What was played.


def playback(*rows, is_known=True, at_ms=0, pcm=MONO, callback=None):
    """What a stream played that was started at a time: numbers of chunks or samples, None for 100 ms of silence."""
    played = Playback(pcm, OPENED_NS + at_ms * MS, callback=callback)
    for row in rows:
        data = samples(row) if isinstance(row, int) else row
        if data is not None and is_known:
            played.chunks.append(played.n_heard)
        block = bytes(2 * N) if data is None else data
        played.add(block, 0 if data is None else len(block), played.began_ns)
    return played


def test_the_pieces_of_a_playback():
    """Each as it was taken, with when it sounded in session time; what the player filled up with is no piece."""
    pieces = list(pieces_of(playback(0, None, 1), OPENED_NS, 3))
    assert [(one.at_ns // MS, round(one.end_ns / MS), one.samples, one.stream) for one in pieces] == [
        (0, 100, samples(0), 3),
        (200, 300, samples(1), 3),
    ]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [((0, 1), [(0, 2)]), ((0, None, 1, 2), [(0, 1), (200, 2)]), ((None,), []), ((), [])],
    ids=["all", "two", "silence", "nothing"],
)
def test_a_playback_of_unknown_pieces_is_one_from_silence_to_silence(rows, expected):
    """One in which nothing was heard has none."""
    pieces = list(pieces_of(playback(*rows, is_known=False), OPENED_NS))
    assert [(one.at_ns // MS, len(one.samples) // (2 * N)) for one in pieces] == expected


# What is noted.


def notes_of(journal, *playbacks, handed=None, name=None, **more):
    """The notes that were written, but for those of what was heard; or those of one name."""
    n = len(journal.events)
    note_heard(journal, playbacks, EVI, handed, **more)
    assert all(isinstance(event, Note) for event in journal.events[n:])
    return [note for note in journal.events[n:] if (note.name == name if name else note.name != "heard")]


def noted(journal, *playbacks, **more):
    """Name, event and time in milliseconds of each fault."""
    found = [note for note in notes_of(journal, *playbacks, **more) if note.name != "unseen"]
    return [(note.name, note.of, round(note.data["at_ns"] / MS)) for note in found]


def handed_on(*rows, each_ms=1, taken=(), has_stream=True):
    """What an app handed on: numbers of chunks, or samples, or what nobody can decode (None); one each so many milliseconds."""
    items = [
        Handed(
            at * each_ms * MS,
            b"?" if row is None else samples(row) if isinstance(row, int) else row,
            None if row is None else MONO,
            ((APP, at + 1, f"put_{at}"),),
        )
        for at, row in enumerate(rows)
    ]
    return HandedOn(items, list(taken), is_watched=True, has_stream=has_stream)


def functions(note):
    """The functions that a note's places are in."""
    return [place["function"] for place in note.data["places"]]


def is_players(callback):
    """Whether a callback is the player's of these tests."""
    return callback == "the player's"


@pytest.mark.parametrize(
    ("played", "told"),
    [
        ([(0, 1, 2)], []),
        ([(0,), (1, 2)], []),
        ([(0, 2)], [("never_played", 3, 100)]),
        ([(0, 1, 1, 2)], [("played_twice", 3, 200)]),
        ([(0, 2, 1)], [("out_of_order_audio", 3, 200)]),
        ([(0, None, None, 1, 2)], [("underrun", 3, 100)]),
        ([(0, 1, 2, noise(4800))], [("own_sound", 2, 300)]),
        ([(noise(3 * N),)], [("unjudged_audio", 2, 0)]),
        ([(bytes(6 * N),)], [("wrong_audio", 2, 0)]),
        ([], []),
    ],
    ids=["all in order", "in two streams", "passed over", "twice", "swapped", "dry", "a beep", "something else", "zeros", "not at all"],
)
def test_what_was_heard_is_held_against_what_came(played, told):
    """Of an app that plays by itself: each fault is a note about the chunk, at its own time."""
    journal = conversation(audio(0), audio(1), audio(2))
    # A second stream begins where the first has ended.
    assert noted(journal, *(playback(*rows, at_ms=100 * at) for at, rows in enumerate(played))) == told


@pytest.mark.parametrize(
    ("handed", "told"),
    [
        ((0, 1, 2), []),
        ((samples(0) + samples(1)[:5], samples(1)[5:] + samples(2)), []),
        ((0, 2), [("never_played", 3, 1)]),
        ((0, 1, 1, 2), [("played_twice", 3, 2)]),
        ((0, 2, 1), [("out_of_order_audio", 3, 2)]),
        ((0, 1, 2, noise(4800)), [("own_sound", 2, 3)]),
        ((bytes(6 * N),), [("wrong_audio", 2, 0)]),
    ],
    ids=["all in order", "cut anew", "one less", "twice", "swapped", "a beep", "zeros"],
)
def test_what_was_handed_on_is_held_against_what_came(handed, told):
    """The app is judged by that, whatever the SDK's player made of it."""
    journal = conversation(audio(0), audio(1), audio(2))
    players = playback(2, 0, 0, callback="the player's")
    found = noted(journal, players, handed=handed_on(*handed), is_players=is_players)
    assert [one for one in found if one[0] != "underrun"] == told


@pytest.mark.parametrize(
    ("is_watched", "told"), [(True, []), (False, [("played_twice", 2, 200)])], ids=["handed on", "nothing was watched"]
)
def test_what_the_sdks_player_plays_is_the_apps_where_nothing_was_watched(is_watched, told):
    """Else it would be nobody's."""
    handed = handed_on(0, 1) if is_watched else HandedOn()
    assert noted(conversation(audio(0), audio(1)), playback(0, 1, 0, callback="the player's"), handed=handed, is_players=is_players) == told


def test_an_apps_own_stream_counts_beside_what_it_handed_on():
    """Half is handed on, and half is played by itself."""
    journal = conversation(audio(0), audio(1))
    assert noted(journal, playback(1, at_ms=100), handed=handed_on(0), is_players=is_players) == []


def test_where_an_item_was_handed_on_is_a_place():
    """Only the items that are wrong; the place comes from their standing."""
    journal = conversation(audio(0), audio(1))
    (note,) = notes_of(journal, handed=handed_on(0, 1, 0))
    assert note.name == "played_twice"
    assert functions(note) == ["put_2"]


def test_what_the_user_interrupted_is_not_missed():
    """The dialect knows what an interruption is."""
    journal = conversation(audio(0), audio(1), INTERRUPTED, {"type": "assistant_end"})
    assert noted(journal, playback(0)) == []


@pytest.mark.parametrize(
    ("rows", "n_handed", "told"),
    [((0, 1, 2), 1, [("plays_on", 5, 100)]), ((0, 1, 2), 3, []), ((0,), 1, [])],
    ids=["played on", "handed on before", "dropped"],
)
def test_what_is_handed_on_behind_an_interruption_is_played_on(rows, n_handed, told):
    """By how many items had been handed on when the handler had dealt with it."""
    journal = conversation(audio(0), audio(1), audio(2), 50, INTERRUPTED)
    handed = handed_on(*rows, each_ms=100, taken=[Taken(5, 51 * MS, n_handed)])
    assert noted(journal, handed=handed) == told


# What an app says was heard.

RATE = Fraction(1)
CUT = {"type": "conversation.item.truncate", "item_id": "a", "content_index": 0, "audio_end_ms": 300}


def told_of_truncation(*playbacks, cut=CUT, speech_ms=150, **more):
    """Notes but of what was heard: three chunks came, and at 150 ms the app cut the item off, perhaps because the user spoke."""
    clock = Clock()
    journal = Journal(clock)
    journal.opened(Handshake("/v1/realtime"))
    for number in range(3):
        delta = {"type": "response.output_audio.delta", "response_id": "r", "item_id": "a", "output_index": 0, "content_index": 0}
        journal.received(Frame(TEXT, json.dumps({**delta, "delta": base64.b64encode(samples(number)).decode()}).encode()))
    clock.at_ns += 150 * MS
    if speech_ms is not None:
        speech = {"type": "input_audio_buffer.speech_started", "audio_start_ms": 0, "item_id": "u"}
        journal.received(Frame(TEXT, json.dumps(speech).encode()))
    journal.sent(Frame(TEXT, json.dumps(cut).encode()))
    n_sent = sum(isinstance(event, Sent) for event in journal.events)
    assert n_sent == 1
    journal.note(SENT_FROM, of=None, number=0, places=[{"file": APP, "line": 7, "function": "cut_off", "source": []}])
    clock.at_ns += 5_000 * MS
    journal.closed("app", 1000)
    n = len(journal.events)
    note_heard(journal, playbacks, OPENAI_REALTIME, **more)
    return [note for note in journal.events[n:] if note.name != "heard"]


@pytest.mark.parametrize("speech_ms", [150, None], ids=["the user spoke", "push to talk"])
def test_an_app_that_cuts_a_reply_off_where_it_was_heard_to(speech_ms):
    """Nothing is wrong, and the rest of the reply is not missed, whatever made the app do it."""
    assert told_of_truncation(playback(0), cut={**CUT, "audio_end_ms": 150}, speech_ms=speech_ms) == []


def test_an_app_that_cuts_a_reply_off_elsewhere():
    """Both values, and the line that sends it."""
    (note,) = told_of_truncation(playback(0))
    assert (note.name, note.data["claimed_ns"], note.data["heard_ns"], functions(note)) == (
        "wrong_truncation",
        300 * MS,
        100 * MS,
        ["cut_off"],
    )
    assert note.data["at_ns"] == 150 * MS


def test_what_a_stream_holds_is_allowed():
    """An app that counts what it has written is as far ahead."""
    one = playback(0)
    one.held_ns = 100 * MS
    assert told_of_truncation(one) == []


@pytest.mark.parametrize("why", ["no stream", "another speed", "changed"])
def test_what_an_app_says_was_heard_may_be_unknown(why):
    """Then the report says so, and why."""
    one = playback(noise(N)) if why == "changed" else playback(0)
    if why == "another speed":
        one.speed = 2 * RATE
    notes = told_of_truncation(*([] if why == "no stream" else [one]))
    assert "wrong_truncation" not in [note.name for note in notes]
    assert [note.data["kind"] for note in notes if note.name == "unseen" and note.data["kind"] == "truncation"] == ["truncation"]


def test_what_the_service_refuses_is_another_finding():
    """A value beyond what came."""
    assert told_of_truncation(playback(0), cut={**CUT, "audio_end_ms": 301}) == []


# What cannot be known.


@pytest.mark.parametrize("unknown", [1, 2])
def test_audio_that_cannot_be_decoded_is_told(unknown):
    """Once, about the first; the rest is judged."""
    journal = conversation(audio(0), *[audio(9, "no base64!")] * unknown, audio(1))
    found = notes_of(journal, playback(0), name="unjudged_audio")
    assert [(note.of, note.data["at_ns"]) for note in found] == [(3, 0)]
    assert found[0].data["detail"]


def test_audio_without_any_header_is_what_its_player_takes_it_for():
    """Where nothing says what it is; a container is never taken for samples."""
    raw = base64.b64encode(samples(0)).decode()
    journal = conversation(audio(0, raw), audio(1, base64.b64encode(b"OggS" + bytes(100)).decode()))
    found = incoming(journal.events, EVI, headerless=wav.Pcm(48000, 1))
    assert [(one.seq, one.pcm, one.samples) for one in found.chunks] == [(2, wav.Pcm(48000, 1), samples(0))]
    assert [seq for seq, _, _ in found.unknown] == [3]


def test_nothing_but_audio_that_cannot_be_decoded():
    """Nothing else can be said, also of an app that has handed on nothing."""
    journal = conversation(audio(0, "no base64!"))
    assert noted(journal, handed=handed_on()) == [("unjudged_audio", 2, 0)]


@pytest.mark.parametrize("n", [1, 3])
def test_an_item_that_cannot_be_decoded_is_told(n):
    """Once, with where it was handed on."""
    journal = conversation(audio(0), audio(1))
    found = notes_of(journal, handed=handed_on(0, 1, *[None] * n))
    assert [(note.name, note.of, note.data["at_ns"], functions(note)) for note in found] == [("unjudged_audio", None, 2 * MS, ["put_2"])]


def test_what_is_lost_may_be_in_what_cannot_be_decoded():
    """So of an app that hands on nothing else, nothing is said to be lost."""
    journal = conversation(audio(0), audio(1))
    assert [name for name, _, _ in noted(journal, handed=handed_on(None, None))] == ["unjudged_audio"]


# Nothing is played.


@pytest.mark.parametrize(
    ("messages", "more", "told"),
    [
        ([audio(0), audio(1)], {}, [("plays_nothing", 2, 1000)]),
        ([500, audio(0)], {}, [("plays_nothing", 2, 1500)]),
        ([audio(0, wav.header(MONO, 200) + bytes(200)), audio(1)], {}, [("plays_nothing", 3, 1000)]),
        ([audio(0, wav.header(MONO, 200) + bytes(200))], {}, []),
        ([audio(0, wav.header(MONO, 0))], {}, []),
        ([], {}, []),
        ([audio(0)], {"has_stream": False}, []),
        ([9001, audio(0)], {}, []),
    ],
    ids=["told once", "at its time", "silence comes first", "nothing but silence", "empty", "no audio", "no stream", "no time"],
)
def test_an_app_that_plays_nothing(messages, more, told):
    """About the first message with sound, a second behind it; where the handler has a stream to play."""
    assert noted(conversation(*messages), handed=handed_on(**more)) == told


@pytest.mark.parametrize("row", [noise(4800), None], ids=["a sound of its own", "something unknown"])
def test_an_app_that_plays_something_does_not_play_nothing(row):
    """What it plays is judged."""
    assert "plays_nothing" not in [name for name, _, _ in noted(conversation(audio(0)), handed=handed_on(row))]


def test_an_app_that_plays_elsewhere_does_not_play_nothing():
    """Though its stream stays empty."""
    assert noted(conversation(audio(0)), playback(0), handed=handed_on()) == []


# What is no fault.


def changes(*heard, handed=(0, 1, 2), pcm=MONO, messages=None):
    """The notes of what the SDK's player changed."""
    journal = conversation(*(messages or [audio(0), audio(1), audio(2)]))
    players = playback(*heard, callback="the player's", pcm=pcm)
    return notes_of(journal, players, handed=handed_on(*handed), is_players=is_players, name="player_changes")


@pytest.mark.parametrize(
    ("heard", "n"),
    [
        ((0, 1, 2), 0),
        ((0, samples(1)[44:], samples(2)[44:]), 1),
        ((0, LIST + samples(1), LIST + samples(2)), 1),
        ((0, samples(2)), 0),
        ((0, 1), 0),
        ((0, 1, samples(2)[:4000]), 0),
        ((), 0),
    ],
    ids=["nothing", "44 bytes of each", "parts of headers", "a chunk is missing", "the last is missing", "cut at the end", "nothing heard"],
)
def test_what_the_sdks_player_does_is_a_note(heard, n):
    """What it leaves out or plays besides, in places too short for a fault; about no message."""
    found = changes(*heard)
    assert len(found) == n
    assert all(note.of is None for note in found)


def test_how_much_the_sdks_player_left_out_is_told():
    """44 bytes are 22 samples: 0.9 ms, in two places."""
    (note,) = changes(0, samples(1)[44:], samples(2)[44:])
    assert "1.8 ms" in note.data["what"]
    assert "2 places" in note.data["what"]


def test_a_player_that_takes_one_rate_for_all():
    """Both rates are told."""
    journal = conversation(audio(0), audio(1, wav.header(Pcm(48000, 1), 2 * N) + samples(1)))
    items = [Handed(0, samples(0), MONO), Handed(1, samples(1), Pcm(48000, 1))]
    players = playback(0, 1, callback="the player's")
    found = notes_of(journal, players, handed=HandedOn(items, [], True, True), is_players=is_players)
    assert [note.name for note in found] == ["player_changes"]
    assert all(rate in found[0].data["what"] for rate in ("24 kHz", "48 kHz"))


def test_nothing_is_told_where_nobody_connected():
    """There was no session."""
    journal = Journal(Clock())
    note_heard(journal, [playback(0)], EVI, handed_on(0))
    assert journal.events == []


def test_nothing_is_told_where_nothing_came():
    """Whatever the app plays is its own."""
    assert noted(conversation(), playback(0), handed=handed_on(0)) == []


def test_when_each_chunk_was_heard_is_noted():
    """The first time, from when until when; what was not heard has no note."""
    found = notes_of(conversation(audio(0), audio(1), audio(2)), playback(0, None, 1, 1), name="heard")
    assert [(note.of, round(note.data["at_ns"] / MS), round(note.data["until_ns"] / MS)) for note in found] == [(2, 0, 100), (3, 200, 300)]


def test_when_a_chunk_was_heard_is_read_off_the_speaker():
    """And not off what was handed on."""
    journal = conversation(audio(0))
    players = playback(None, 0, callback="the player's")
    found = notes_of(journal, players, handed=handed_on(0), is_players=is_players, name="heard")
    assert [(note.of, round(note.data["at_ns"] / MS)) for note in found] == [(2, 100)]


@pytest.mark.parametrize(
    ("messages", "more", "told"),
    [
        ([audio(0), audio(1)], {"has_stream": False}, ["playback"]),
        ([], {"has_stream": False}, []),
        ([audio(0), audio(1)], {}, []),
        ([audio(0), 9001, audio(1)], {"rows": (0,)}, ["last_audio"]),
        ([audio(0), 9001, audio(1)], {"rows": (0, 1), "each_ms": 9001}, []),
        ([audio(0), 9001, audio(1, wav.header(MONO, 2 * N) + bytes(2 * N))], {"rows": (0,)}, []),
        ([audio(0), 9001, audio(1), {"type": "user_interruption", "time": 1}], {"rows": (0,)}, []),
    ],
    ids=["nothing to play through", "nothing to play", "mute", "too late", "in time", "silence", "interrupted"],
)
def test_what_cannot_be_judged_is_said(messages, more, told):
    """An app that plays elsewhere, and what came so late that nobody knows whether it would have been played."""
    rows = more.pop("rows", ())
    found = notes_of(conversation(*messages), handed=handed_on(*rows, **more), name="unseen")
    assert [note.data["kind"] for note in found] == told
