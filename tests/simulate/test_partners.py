from __future__ import annotations

import re

import pytest

from evi_harness.session.wav import Pcm
from evi_harness.simulate.partners import HeardTurn, Parrot, ScriptedPartner, ScriptedTurn, duration
from evi_harness.simulate.replies import Reply, Sentence
from evi_harness.simulate.uplink import AudioPiece

SOUND = AudioPiece(Pcm(8_000, 1), b"\1\0" * 8_000)
HEARD = HeardTurn(1_234_000_000, SOUND)


def turn(text, **fields):
    """A turn that is answered with one sentence."""
    return ScriptedTurn(Reply((Sentence(text),)), **fields)


def texts(reply):
    """What a reply says."""
    return None if reply is None else [sentence.text for sentence in reply.sentences]


def test_a_parrot_says_back_what_it_heard():
    """In the user's own voice, with a transcript that says what it is; what was typed in words."""
    said, reply = Parrot().speech(HEARD)
    assert said == "(1.2 s of speech)"
    assert texts(reply) == ["Parrot: (1.2 s of speech)"]
    assert reply is not None
    assert reply.sentences[0].sound is SOUND
    assert texts(Parrot().text("Hello.")) == ["Parrot: Hello."]
    assert Parrot().interim(3, 500_000_000) == "(0.5 s of speech)"
    assert Parrot().greeting is None


def test_a_script_is_followed_turn_by_turn():
    """Its transcripts and its answers, in order, however the turns come where it does not say."""
    partner = ScriptedPartner((turn("One.", said="Hello."), turn("Two."), turn("Three.", said="Bye.")))
    assert partner.speech(HEARD)[0] == "Hello."
    assert texts(partner.text("x")) == ["Two."]
    said, reply = partner.speech(HEARD)
    assert (said, texts(reply)) == ("Bye.", ["Three."])


def test_behind_the_last_turn_there_is_silence():
    """The user is still transcribed; a script without turns is silent from the start."""
    for partner in (ScriptedPartner(()), ScriptedPartner((), repeats=True)):
        assert partner.speech(HEARD) == (duration(HEARD.length_ns), None)
        assert partner.text("x") is None
        assert partner.interim(0, 400_000_000) == "(0.4 s of speech)"


def test_a_script_can_repeat():
    """The first turn follows the last."""
    partner = ScriptedPartner((turn("One."), turn("Two.")), repeats=True)
    assert [texts(partner.text("x")) for _ in range(5)] == [["One."], ["Two."], ["One."], ["Two."], ["One."]]


@pytest.mark.parametrize("expect", ["speech", "text"])
def test_what_comes_in_another_way_is_told_and_the_turn_stands(expect):
    """The answer names the turn and what was expected; then the right way gets the turn."""
    partner = ScriptedPartner((turn("One.", expect=expect),))

    def come(how):
        return texts(partner.text("x") if how == "text" else partner.speech(HEARD)[1])

    wrong = {"speech": "text", "text": "speech"}[expect]
    (told,) = come(wrong)
    assert re.fullmatch(rf"Simulator: .*\bexpects {expect} here, turn 1; {wrong} came\.", told)
    assert come(expect) == ["One."]


def test_interim_transcripts_are_the_scripts_or_grow():
    """The last of the script's own stays; without any, so many words of what is said; without that, how long."""
    own = ScriptedPartner((turn("One.", said="a b c", interim=("x", "x y")),))
    assert [own.interim(n, 0) for n in range(4)] == ["x", "x y", "x y", "x y"]
    grown = ScriptedPartner((turn("One.", said="a b c"),))
    assert [grown.interim(n, 0) for n in range(4)] == ["a", "a b", "a b c", "a b c"]
    assert ScriptedPartner((turn("One."),)).interim(0, 600_000_000) == "(0.6 s of speech)"
