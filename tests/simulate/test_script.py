from __future__ import annotations

import re
from pathlib import Path

import pytest

from evi_harness.errors import ScriptError
from evi_harness.session.wav import Pcm, header
from evi_harness.simulate.delays import Delay
from evi_harness.simulate.replies import Answer, Reply, Sentence, ToolCall
from evi_harness.simulate.script import parse, voice_names
from evi_harness.simulate.simulator_options import Options

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "simulator.md"
WAV = header(Pcm(16_000, 1), 4) + b"\1\0\2\0"

FULL = """
seed = 7
at_end = "close"
echo_settings = true

[audio]
rate = 48000
chunk_ms = 200

[turn_detection]
end_of_turn_silence_ms = 500
speech_detection_threshold = 0.6

[latency]
transcription = 80
response = { median_ms = 400, sigma = 0.3 }
extra_ms = 250

[limits]
inactivity_s = 30

[greeting]
say = "Hello."

[[turn]]
expect = "speech"
said = "What's the weather?"
interim = ["What's", "What's the"]
say = ["Let me see.", { text = "One moment.", voice = "moment.wav", chunk_ms = 0, prosody = true, quick = true }]
delay_ms = 20
chunk_delay_ms = 5
interruptible = false

[turn.tool]
name = "get_weather"
parameters = { place = "Bath" }

[[turn.tool.answer]]
to = "error"
say = "I cannot tell."

[[turn.tool.answer]]
contains = "rain"
say = [{ text = "{content}!" }]

[[turn]]
"""


def test_everything_in_a_script_is_understood():
    """Each key of the format is where it belongs."""
    script = parse(FULL, {"moment.wav": WAV}, name="weather.toml")
    first, last = script.turns
    assert (first.expect, first.said, first.interim) == ("speech", "What's the weather?", ("What's", "What's the"))
    reply = first.reply
    assert reply is not None
    assert (reply.delay_ms, reply.chunk_delay_ms, reply.is_interruptible, reply.hangs_up) == (20, 5, False, False)
    plain, voiced = reply.sentences
    assert plain == Sentence("Let me see.")
    assert (voiced.text, voiced.chunk_ms, voiced.has_prosody, voiced.is_quick) == ("One moment.", 0, True, True)
    assert voiced.sound is not None
    assert (voiced.sound.pcm, voiced.sound.samples) == (Pcm(16_000, 1), b"\1\0\2\0")
    answers = (Answer((Sentence("I cannot tell."),), to="error"), Answer((Sentence("{content}!"),), contains="rain"))
    assert reply.tool == ToolCall("get_weather", '{"place": "Bath"}', answers=answers)
    assert (last.expect, last.said, last.reply) == ("free", "", Reply(hangs_up=True))
    assert script.greeting == Reply((Sentence("Hello."),))
    options = script.options
    assert (options.seed, options.pcm, options.chunk_ms, options.echoes_settings) == (7, Pcm(48_000, 1), 200, True)
    assert (options.detection.end_of_turn_silence_ms, options.detection.speech_detection_threshold) == (500, 0.6)
    assert (options.latency.transcription, options.latency.response, options.latency.extra_ms) == (Delay(80), Delay(400, 0.3), 250)
    assert (options.limits.inactivity_s, options.limits.max_duration_s) == (30, 1800)
    assert script.partner().name == "script weather.toml"


def test_what_a_script_does_not_say_is_the_callers():
    """An empty script is a silent partner with the options given."""
    script = parse("", options=Options(seed=3, chunk_ms=80))
    assert (script.turns, script.greeting, script.repeats) == ((), None, False)
    assert script.options == Options(seed=3, chunk_ms=80)


def test_tables_do_as_well_as_text():
    """For those who write their script in Python."""
    assert parse({"turn": [{"say": "Hi."}], "at_end": "repeat"}).repeats
    assert parse({"turn": [{"say": "Hi."}]}).turns == parse('[[turn]]\nsay = "Hi."').turns


def test_two_partners_of_a_script_keep_their_own_place():
    """One for each connection."""
    script = parse('[[turn]]\nsay = "One."')
    one, other = script.partner(), script.partner()
    one.text("x")
    reply = other.text("x")
    assert reply is not None
    assert reply.sentences[0].text == "One."


def test_the_voices_are_listed():
    """Wherever they stand, once each."""
    assert voice_names(FULL) == {"moment.wav"}
    deep = {"turn": [{"tool": {"answer": [{"say": [{"text": "a", "voice": "b.wav"}, {"text": "c", "voice": "b.wav"}]}]}}]}
    assert voice_names(deep) == {"b.wav"}
    assert voice_names("") == frozenset()


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("turn = =", r"s\.toml: .*not TOML: .*line 1"),
        ("turns = []", r"s\.toml: turns .*not known.*: seed, at_end"),
        ('at_end = "stop"', "at_end .*'stop'; .* silent, repeat, close"),
        ("seed = true", "seed .*True, not a whole"),
        ("turn = 5", "turn .*a list"),
        ("turn = [5]", r"s\.toml: turn 1: .*a table"),
        ("[[turn]]\n[[turn]]\nsays = 'x'", r"s\.toml: turn 2: says .*not known"),
        ("[[turn]]\nexpect = 'song'", "turn 1: expect .*'song'; .* free, speech, text"),
        ("[[turn]]\nsaid = 5", "turn 1: said is 5, not a text"),
        ("[[turn]]\ninterim = 'a'", "turn 1: interim .*a list"),
        ("[[turn]]\ninterim = [1]", "turn 1: interim .*list of texts"),
        ("[[turn]]\nsay = ['a', 5]", "turn 1, say 2: .*a table"),
        ("[[turn]]\nsay = [{ voice = 'a.wav' }]", "turn 1, say 1: text is missing"),
        ("[[turn]]\nsay = [{ text = 'a', voice = 'a.wav' }]", r"turn 1, say 1: .*no voice 'a\.wav'"),
        ("[[turn]]\nsay = [{ text = 'a', voice = 'b.wav' }]", r"turn 1, say 1: .*'b\.wav' .*not a WAV"),
        ("[[turn]]\nsay = [{ text = 'a', chunk_ms = -1 }]", "turn 1, say 1: chunk_ms is -1"),
        ("[[turn]]\nsay = [{ text = 'a', quick = 1 }]", "turn 1, say 1: quick is 1, not true or false"),
        ("[[turn]]\ndelay_ms = 1.5\nsay = 'a'", r"turn 1: delay_ms .*1\.5, not a whole"),
        ("[[turn]]\ntool = 'f'", "turn 1: tool .*a table"),
        ("[[turn]]\n[turn.tool]\nparameters = {}", "turn 1, tool: name is missing"),
        ("[[turn]]\n[turn.tool]\nname = 'f'\nparameters = 5", "turn 1, tool: parameters .*table nor a"),
        ("[[turn]]\n[turn.tool]\nname = 'f'\nparameters = { day = 2026-01-01 }", "turn 1, tool: parameters: .*date"),
        ("[[turn]]\n[turn.tool]\nname = 'f'\n[[turn.tool.answer]]\nto = 'all'", "turn 1, tool, answer 1: to is 'all'"),
        ("[greeting]\nsaid = 'a'", "greeting: said .*not known"),
        ("greeting = 'Hello.'", "greeting .*a table"),
        ("[audio]\nrate = 1", "audio: rate is 1;"),
        ("[latency]\nthinking = 5", "latency: thinking .*not known.*: connect"),
        ("[latency]\nresponse = -5", "latency: response .*-5, not a number"),
        ("[latency]\nresponse = { sigma = 1 }", r"latency\.response: .*number of .*table"),
        ("[latency]\nextra_ms = { median_ms = 1 }", "latency.extra_ms: .*extra_ms is a number"),
        ("[limits]\ninactivity_s = 'x'", "limits: inactivity_s is 'x', not a number"),
        ("[turn_detection]\nend_of_turn_silence_ms = 0", "turn_detection: end_of_turn_silence_ms is 0"),
    ],
)
def test_a_bad_script_is_told_with_its_place(source, words):
    """Which turn, which sentence, what is wrong, and where the format is documented."""
    with pytest.raises(ScriptError, match=words) as caught:
        parse(source, {"b.wav": b"no wav"}, name="s.toml")
    assert caught.value.where is not None
    assert caught.value.where.startswith("s.toml")


def test_a_bad_script_lists_no_voices():
    """It is told then already that it is no TOML."""
    with pytest.raises(ScriptError, match="TOML"):
        voice_names("=")


def test_the_scripts_in_the_documentation_work():
    """Each example of the page is understood, and each key of the format is on the page."""
    page = PAGE.read_text(encoding="utf-8")
    examples = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert examples
    for example in examples:
        parse(example, dict.fromkeys(voice_names(example), WAV))
    keys = set(re.findall(r"^(?:\[+)?([a-z_.]+)(?:\]+)?(?: =|$)", FULL, re.MULTILINE)) | {
        "text",
        "voice",
        "prosody",
        "quick",
        "hang_up",
        "sigma",
    }
    assert {key for key in keys if not re.search(rf"[`\[., ]{key.rsplit('.', 1)[-1]}\b", page)} == set()
