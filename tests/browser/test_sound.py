"""What is heard after a seek is what is at that place: clicks at known places, listened to where they leave the element."""

from __future__ import annotations

from typing import Any, Callable, Dict

import numpy
import pytest

pytestmark = pytest.mark.slow

RATE = 24_000
LENGTH_MS = 60_000
SOUGHT_MS = (1_000, 7_300, 20_003, 33_333, 45_010, 58_000)
WITHIN_MS = 25.0
# The first click is so long behind the place; the second tells by its distance which place it is.
BEHIND_MS = 200
TRIES = 10
# Playing takes a second; only what hangs takes this long.
HANGS_MS = 20_000
# Plays from a place, and returns when the first click left the element, as its own time says, and how long after it the second one: in
# milliseconds. Null where the machine was too busy to listen in time.
LISTEN = """async ([ms, hangsMs]) => {
  const end = performance.now() + hangsMs;
  const {player} = page;
  const {audio} = player.voices[0];
  if (!window.ear) {
    const context = new AudioContext();
    await context.resume();
    const analyser = new AnalyserNode(context, {fftSize: 32768});
    context.createMediaElementSource(audio).connect(analyser).connect(context.destination);
    window.ear = {rate: context.sampleRate, analyser, samples: new Float32Array(32768)};
  }
  const {rate, analyser, samples} = window.ear;
  const wait = () => new Promise((done) => setTimeout(done, 5));
  const loud = (from) => samples.findIndex((one, index) => index >= from && Math.abs(one) > 0.4);
  player.pause();
  do { await wait(); analyser.getFloatTimeDomainData(samples); } while (samples.some((one) => one !== 0) && performance.now() < end);
  player.playFrom(ms);
  while (audio.currentTime * 1000 < ms + 1000 && performance.now() < end) {
    await wait();
    analyser.getFloatTimeDomainData(samples);
    const nowMs = audio.currentTime * 1000;
    const first = loud(0);
    if (first < 0) continue;
    const second = loud(first + Math.round(rate * 0.02));
    if (second >= 0) return [nowMs - (samples.length - first) / rate * 1000, (second - first) / rate * 1000];
  }
  return null;
}"""


def clicks() -> Any:
    """A quiet hum with two clicks behind each place that is sought."""
    at = numpy.arange(RATE * LENGTH_MS // 1000) / RATE
    samples = 0.05 * numpy.sin(2 * numpy.pi * 200 * at)
    for number, sought_ms in enumerate(SOUGHT_MS):
        for click_ms in (sought_ms + BEHIND_MS, sought_ms + BEHIND_MS + between_ms(number)):
            begin = RATE * click_ms // 1000
            samples[begin : begin + 48] = 0.9 * numpy.sin(2 * numpy.pi * 3000 * at[:48])
    return samples


def between_ms(number: int) -> int:
    """How far the two clicks of a place are apart."""
    return 30 + 15 * number


@pytest.mark.parametrize(("mime", "kind", "subtype"), [("audio/ogg; codecs=vorbis", "OGG", "VORBIS"), ("audio/flac", "FLAC", "PCM_16")])
def test_seeks(
    show: Callable[..., Any], documents: Dict[str, Any], compressed: Callable[..., bytes], mime: str, kind: str, subtype: str
) -> None:
    """Six seeks, each within 25 ms. A machine that is too busy to listen is asked again; a seek that is off is off each time."""
    document = documents["session"]()
    document.update(length_ms=float(LENGTH_MS), problems=[])
    document["sides"][0]["tracks"] = document["sides"][0]["tracks"][:1]
    document["sides"][0]["tracks"][0]["mime"] = mime
    opened = show(document, sounds={"user": (mime, compressed(clicks(), RATE, kind, subtype))})
    for number, sought_ms in enumerate(SOUGHT_MS):
        heard = []
        for _ in range(TRIES):
            told = opened.page.evaluate(LISTEN, [sought_ms, HANGS_MS])
            if told is None:
                continue
            click_ms, apart_ms = told
            heard.append(click_ms - sought_ms - BEHIND_MS)
            if abs(heard[-1]) <= WITHIN_MS and abs(apart_ms - between_ms(number)) < 3:
                break
        else:
            if not heard:
                pytest.skip("the machine is too busy to listen, or has no way to play")
            pytest.fail(f"at {sought_ms} ms the sound is off by {heard} ms")
