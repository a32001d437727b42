from __future__ import annotations

from base64 import b64encode
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.session.wav import Pcm, split
from evi_harness.simulate.acting import Actor
from evi_harness.simulate.delays import Delay, Latency
from evi_harness.simulate.ids import Ids
from evi_harness.simulate.replies import RESPONSE, Answer, Reply, Sentence, ToolCall
from evi_harness.simulate.uplink import AudioPiece
from evi_harness.simulate.voice import spoken

MS = 1_000_000
RATE = Pcm(24_000, 1)
LATENCY = Latency(response=Delay(300), first_audio=Delay(150), chunk=Delay(100))


def actor(chunk_ms=400, pcm=RATE, conversion=None, seed=0, **options):
    """An actor with fixed delays."""
    return Actor(LATENCY, pcm, chunk_ms, Ids(1), conversion, seed, **options)


def sound(length_ms, pcm=RATE):
    """A sound in which no two samples are the same for a while."""
    return AudioPiece(pcm, b"".join((place % 30_000).to_bytes(2, "little") for place in range(pcm.rate * length_ms // 1000)))


def acted(reply, **options):
    """The steps of a reply: (delay in ms, type), and the fields."""
    steps = list(actor(**options).begin(reply, 0, Random(1)).steps)
    return [(step.delay_ns / MS, step.fields["type"]) for step in steps], [step.fields for step in steps]


def test_a_reply_is_sentences_and_an_end():
    """Message, audio chunk by chunk, scores where they come apart; the delays are those of the model."""
    told, fields = acted(Reply((Sentence("One.", sound(900)), Sentence("Two.", sound(400), has_prosody=True))))
    assert told == [
        (300, "assistant_message"),
        (150, "audio_output"),
        (100, "audio_output"),
        (100, "audio_output"),
        (300, "assistant_message"),
        (150, "audio_output"),
        (0, "assistant_prosody"),
        (0, "assistant_end"),
    ]
    assert [one["id"] for one in fields[1:4]] == [fields[0]["id"]] * 3
    assert fields[6]["id"] == fields[4]["id"] != fields[0]["id"]
    assert [(one["index"], one["is_final_chunk"]) for one in fields[1:4]] == [(0, False), (1, False), (2, True)]


def test_scores_stand_in_the_sentence_where_they_have_no_message():
    """For apps whose SDK would not understand it."""
    told, fields = acted(Reply((Sentence("One.", sound(400), has_prosody=True),)), has_prosody=False)
    assert [name for _, name in told] == ["assistant_message", "audio_output", "assistant_end"]
    assert len(fields[0]["models"]["prosody"]["scores"]) == 48


@given(st.integers(0, 2000), st.sampled_from([0, 20, 40, 333, 5000]))
def test_chunks_hold_the_sound_and_nothing_else(length_ms, chunk_ms):
    """Put together they are the voice; each is a WAV with a header of 44 bytes and no longer than asked for."""
    voice = sound(length_ms)
    _, fields = acted(Reply((Sentence("One.", voice),)), chunk_ms=chunk_ms)
    wavs = [split(one["data"]) for one in fields if one["type"] == "audio_output"]
    assert wavs
    assert b"".join(wav.samples for wav in wavs) == voice.samples
    assert all(len(wav.head) == 44 and wav.pcm == RATE and not wav.tail for wav in wavs)
    if chunk_ms:
        assert all(wav.pcm.length_ns(len(wav.samples)) <= chunk_ms * MS for wav in wavs)
    else:
        assert len(wavs) == 1


def test_a_sentence_may_have_its_own_chunks_and_a_reply_its_own_pace():
    """They go before what holds for all."""
    told, _ = acted(Reply((Sentence("One.", sound(400), chunk_ms=100),), delay_ms=50, chunk_delay_ms=7))
    assert [delay_ms for delay_ms, _ in told] == [350, 150, 7, 7, 7, 0]


@pytest.mark.parametrize("pcm", [Pcm(24_000, 1), Pcm(48_000, 1)])
def test_without_a_voice_there_is_a_made_one(pcm):
    """Longer for a longer text, never empty, never too long for the SDK, and no chunk like another."""
    lengths = []
    for text in ("", "Hello there.", "word " * 500):
        _, fields = acted(Reply((Sentence(text),)), chunk_ms=0, pcm=pcm)
        wav = split(fields[1]["data"])
        assert wav is not None
        lengths.append(wav.pcm.length_ns(len(wav.samples)) / MS)
        assert len(b64encode(fields[1]["data"])) < 2**20
        _, fields = acted(Reply((Sentence(text),)), chunk_ms=200, pcm=pcm)
        chunks = [one["data"] for one in fields if one["type"] == "audio_output"]
        assert len(set(chunks)) == len(chunks)
    assert lengths == [60, 720, 8000]


def test_a_made_voice_is_that_of_its_text_and_seed():
    """The same twice, another with another seed."""
    said = [acted(Reply((Sentence("Hello there."),)), seed=seed)[1][1]["data"] for seed in (0, 0, 1)]
    assert said[0] == said[1] != said[2]
    assert split(said[0]).samples == spoken("Hello there.", 0, RATE)[: len(split(said[0]).samples)]


def test_a_voice_of_another_format_is_converted():
    """By the conversion that is given; without one it goes out as it is."""
    asked = []

    def conversion(samples, pcm, to):
        asked.append((pcm, to))
        return b"\5\0" * 240

    reply = Reply((Sentence("One.", sound(100, Pcm(16_000, 1))), Sentence("Two.", sound(100))))
    _, fields = acted(reply, conversion=conversion)
    assert asked == [(Pcm(16_000, 1), RATE)]
    assert split(fields[1]["data"]).samples == b"\5\0" * 240
    _, fields = acted(reply)
    assert split(fields[1]["data"]).pcm == Pcm(16_000, 1)


def test_a_tool_is_called_behind_what_is_said_and_its_answer_goes_on():
    """The call ends the first part; the answer's sentences and the end follow from when it came."""
    tool = ToolCall("f", '{"a": 1}', answers=(Answer((Sentence("It is {content}."),)),))
    who = actor()
    performance = who.begin(Reply((Sentence("Let me see.", sound(100)),), tool, chunk_delay_ms=1), 0, Random(1))
    assert [step.fields["type"] for step in performance.steps] == ["assistant_message", "audio_output", "tool_call"]
    call_id = performance.steps[-1].fields["tool_call_id"]
    assert performance.call == (call_id, tool)
    performance.steps.clear()
    performance.is_waiting = True
    assert performance.next_at_ns is None
    who.go_on(performance, RESPONSE, "sunny", 5000 * MS)
    assert (performance.at_ns, performance.cause_ns, performance.is_waiting, performance.call) == (5000 * MS, 5000 * MS, False, None)
    assert performance.next_at_ns == 5300 * MS
    assert performance.steps[0].fields["message"]["content"] == "It is sunny."
    assert performance.steps[-1].fields["type"] == "assistant_end"


def test_a_tool_that_needs_no_answer_is_not_waited_for():
    """What is said behind it follows at once, to an empty response."""
    tool = ToolCall("f", response_required=False, answers=(Answer((Sentence("Done.", sound(100)),)),))
    told, _ = acted(Reply(tool=tool))
    assert told == [(300, "tool_call"), (300, "assistant_message"), (150, "audio_output"), (0, "assistant_end")]


def test_an_empty_reply_only_ends():
    """After the response's delay."""
    assert acted(Reply())[0] == [(300, "assistant_end")]
