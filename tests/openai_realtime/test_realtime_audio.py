"""Tests of ``realtime_audio``: where the audio is, how long it plays, and what a session says of its formats and turns."""

from __future__ import annotations

import base64
import json

import pytest

from evi_harness.openai_realtime.realtime_audio import DEFAULT_PCM, RealtimeReader, truncations
from evi_harness.session.events import BINARY, TEXT, Frame, Sent
from evi_harness.session.protocols import RECEIVED, SENT
from evi_harness.session.wav import A_LAW, MU_LAW, Pcm

MS = 1_000_000
SOUND = bytes(range(240)) * 4


def frame(**fields):
    """A message as a frame."""
    return Frame(TEXT, json.dumps(fields).encode())


APPEND = frame(type="input_audio_buffer.append", audio=base64.b64encode(SOUND).decode())


def told(*sessions):
    """What a reader knows behind some configurations that came."""
    reader = RealtimeReader()
    for session in sessions:
        assert reader.read(RECEIVED, frame(type="session.updated", session=session)) is None
    return reader.told


@pytest.mark.parametrize(
    ("kind", "fields", "track"),
    [
        (SENT, {"type": "input_audio_buffer.append", "audio": ""}, "user"),
        (RECEIVED, {"type": "response.output_audio.delta", "item_id": "a", "delta": ""}, "assistant"),
        (RECEIVED, {"event_id": "e", "type": "response.audio.delta", "delta": ""}, "assistant"),
    ],
)
def test_audio_is_found_and_measured(kind, fields, track):
    """By either name of the assistant's; to the byte; 960 bytes at 24 kHz are 20 ms."""
    name = "audio" if "audio" in fields else "delta"
    message = frame(**{**fields, name: base64.b64encode(SOUND).decode()})
    audio = RealtimeReader().read(kind, message)
    assert audio is not None
    (place,) = audio.places
    assert (place.track, place.base64, place.pcm) == (track, True, DEFAULT_PCM)
    assert base64.b64decode(message.payload[place.start : place.stop]) == SOUND
    assert audio.length_ns == 20 * MS


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "response.output_audio.done"},
        {"type": "response.output_audio_transcript.delta", "delta": "AAAA"},
        {"type": "response.output_text.delta", "delta": "AAAA"},
        {"type": "input_audio_buffer.append", "audio": "AAAA"},
        {"type": "response.output_audio.delta", "delta": 3},
        {"type": "conversation.item.retrieved", "item": {"content": [{"audio": "AAAA"}]}},
    ],
)
def test_what_is_no_audio_that_comes(fields):
    """Words, what only the app sends, a number, and the repetition of what was heard."""
    assert RealtimeReader().read(RECEIVED, frame(**fields)) is None


def test_a_binary_frame_that_is_sent_is_audio():
    """As a precaution; one that comes is not."""
    audio = RealtimeReader().read(SENT, Frame(BINARY, SOUND))
    assert audio is not None
    assert (audio.length_ns, [place.stop for place in audio.places]) == (20 * MS, [960])
    assert RealtimeReader().read(RECEIVED, Frame(BINARY, SOUND)) is None


@pytest.mark.parametrize(
    ("session", "user", "assistant"),
    [
        ({}, DEFAULT_PCM, DEFAULT_PCM),
        ({"audio": {"input": {"format": {"type": "audio/pcm", "rate": 24000}}}}, DEFAULT_PCM, DEFAULT_PCM),
        ({"audio": {"input": {"format": {"type": "audio/pcmu"}}}}, Pcm(8_000, 1, 1, MU_LAW), DEFAULT_PCM),
        ({"audio": {"output": {"format": {"type": "audio/pcma"}}}}, DEFAULT_PCM, Pcm(8_000, 1, 1, A_LAW)),
        ({"audio": {"output": {"format": {"type": "audio/opus"}}}}, DEFAULT_PCM, None),
        ({"audio": {"input": {"format": {"type": "audio/pcm", "rate": 16000}}}}, Pcm(16_000, 1), DEFAULT_PCM),
        ({"audio": {"input": {"format": {"type": "audio/pcm", "rate": 1}}}}, None, DEFAULT_PCM),
        ({"audio": {"input": {"format": {"type": ["x"], "rate": None}}}}, None, DEFAULT_PCM),
        ({"audio": {"input": {"format": "pcm16"}}}, DEFAULT_PCM, DEFAULT_PCM),
        ({"input_audio_format": "g711_ulaw", "output_audio_format": "g711_alaw"}, Pcm(8_000, 1, 1, MU_LAW), Pcm(8_000, 1, 1, A_LAW)),
        ({"input_audio_format": "pcm16", "input_audio_sampling_rate": 16000}, Pcm(16_000, 1), DEFAULT_PCM),
        ({"audio": "no object", "input_audio_format": None}, None, DEFAULT_PCM),
    ],
)
def test_formats(session, user, assistant):
    """Of each side by itself; today's form and the beta's; what is not samples has no length."""
    assert (told(session).user, told(session).assistant) == (user, assistant)


def test_a_format_holds_from_its_message_on():
    """In either direction; what came before has the length that it had."""
    reader = RealtimeReader()
    before = reader.read(SENT, APPEND)
    assert reader.read(SENT, frame(type="session.update", session={"audio": {"input": {"format": {"type": "audio/pcmu"}}}})) is None
    behind = reader.read(SENT, APPEND)
    reader.read(RECEIVED, frame(type="session.updated", session={"instructions": "x"}))
    assert before is not None
    assert behind is not None
    assert (before.length_ns, behind.length_ns, reader.told.user) == (20 * MS, 120 * MS, Pcm(8_000, 1, 1, MU_LAW))


@pytest.mark.parametrize(
    ("sessions", "end_ms"),
    [
        ([{}], None),
        ([{"audio": {"input": {"turn_detection": {"type": "server_vad", "silence_duration_ms": 200}}}}], 200),
        ([{"turn_detection": {"type": "server_vad", "silence_duration_ms": 500}}], 500),
        ([{"turn_detection": {"type": "server_vad", "silence_duration_ms": 500}}, {"turn_detection": {"type": "server_vad"}}], 500),
        ([{"turn_detection": {"type": "server_vad", "silence_duration_ms": 500}}, {"instructions": "x"}], 500),
        ([{"turn_detection": {"type": "server_vad", "silence_duration_ms": 500}}, {"turn_detection": None}], None),
        ([{"turn_detection": {"type": "server_vad", "silence_duration_ms": 500}}, {"turn_detection": {"type": "semantic_vad"}}], None),
        ([{"turn_detection": {"type": "server_vad", "silence_duration_ms": "x"}}], None),
    ],
)
def test_the_silence_that_ends_a_turn(sessions, end_ms):
    """As the session says, until it says otherwise; semantic detection has none, and neither has push to talk."""
    assert told(*sessions).end_of_turn_ns == (None if end_ms is None else end_ms * MS)


@pytest.mark.parametrize(
    "text",
    [
        '{"type": "input_audio_buffer.append", "audio": "%s"}',
        '{"type":"input_audio_buffer.append","audio":"%s"}',
        '{"audio": "%s", "type": "input_audio_buffer.append"}',
        '{"type": "input_audio_buffer.append", "event_id": "e", "audio": "%s"}',
        ' {"type": "input_audio_buffer.append",\n"audio": "%s"} ',
        '{"type": "input_audio_buffer.append", "audio": "AAAA", "audio": "%s"}',
    ],
    ids=["as the SDK writes it", "compact", "another order", "with an id", "spaced", "twice"],
)
def test_audio_is_where_it_is_in_whatever_form(text):
    """The usual form is found by a quicker way, which leads to the same place."""
    audio = base64.b64encode(SOUND).decode()
    payload = (text % audio).encode()
    found = RealtimeReader().read(SENT, Frame(TEXT, payload))
    assert found is not None
    (place,) = found.places
    assert payload[place.start : place.stop] == audio.encode()
    assert found.length_ns == 20 * MS


@pytest.mark.parametrize("audio", ["AA\\u0041A", "not base64!", "", "\\u00e9", 7])
def test_what_is_no_plain_base64_is_read_as_json(audio):
    """Its place is that of the string as it is written; what is no string has none."""
    payload = b'{"type": "input_audio_buffer.append", "audio": %s}' % (b'"%s"' % audio.encode() if isinstance(audio, str) else b"7")
    found = RealtimeReader().read(SENT, Frame(TEXT, payload))
    if isinstance(audio, str):
        assert found is not None
        (place,) = found.places
        assert payload[place.start : place.stop] == audio.encode()
    else:
        assert found is None


@pytest.mark.parametrize(
    "audio", ["AAAA", "AAA=", "AA==", "A===", "AA=A", "=AAA", "====", "=", "AAAAA", "AA A", "AA-_", "AA\\/A", "A" * 1280, ""]
)
def test_the_usual_form_is_read_as_any_other(audio):
    """What is base64 and what is not, and how long it is: as for a message that the quicker way leaves to the JSON reader."""
    quick, other = (
        RealtimeReader().read(SENT, Frame(TEXT, (form % audio).encode()))
        for form in ('{"type": "input_audio_buffer.append", "audio": "%s"}', '{"audio": "%s", "type": "input_audio_buffer.append"}')
    )
    assert quick is not None
    assert other is not None
    assert (quick.length_ns, quick.pcm, quick.has_header) == (other.length_ns, other.pcm, other.has_header)
    assert [place.stop - place.start for place in quick.places] == [place.stop - place.start for place in other.places] == [len(audio)]


def test_audio_of_another_length_is_measured_anew():
    """What is known of a message is kept for the next one of the same length alone."""
    reader = RealtimeReader()
    sounds = [SOUND, SOUND, SOUND[:480], SOUND]
    found = [reader.read(SENT, frame(type="input_audio_buffer.append", audio=base64.b64encode(sound).decode())) for sound in sounds]
    assert [audio and audio.length_ns for audio in found] == [20 * MS, 20 * MS, 10 * MS, 20 * MS]


@pytest.mark.parametrize("name", ["conversation.item.truncate", "conversation.item.trunc\\u0061te"])
def test_a_truncation_is_found_however_it_is_written(name):
    """With an escape in its name too."""
    text = f'{{"type": "{name}", "item_id": "i", "content_index": 0, "audio_end_ms": 300}}'
    cut = Sent(seq=7, at_ns=0, frame=Frame(TEXT, text.encode()))
    assert list(truncations([Sent(seq=6, at_ns=0, frame=APPEND), cut])) == [7]
