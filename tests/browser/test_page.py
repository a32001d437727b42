"""The page in a real browser: what it shows, what it plays, by mouse and by keyboard, and that it asks nothing of anybody."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest

pytestmark = pytest.mark.slow

NODE_MODULES = "EVI_HARNESS_NODE_MODULES"
LENGTH_MS = 12_000.0
# Where the voice of a side is sent, in milliseconds, each time.
HEAR_SEEKS = """() => {
  window.seeks = [];
  for (const {id, audio} of page.player.voices) {
    audio.addEventListener('seeking', () => seeks.push([id, Math.round(audio.currentTime * 1000)]));
  }
}"""
NO_VORBIS = "HTMLMediaElement.prototype.canPlayType = () => '';"
Show = Callable[..., Any]


def data_of(opened: Any) -> Any:
    """What the page was given."""
    return opened.page.evaluate("JSON.parse(document.getElementById('evi-data').textContent)")


def position(opened: Any) -> float:
    """Where the play head is, in milliseconds."""
    return float(opened.page.evaluate("page.player.positionMs"))


def click_at(opened: Any, lane: str, ms: float, side: str = "") -> None:
    """Click on a lane at a moment."""
    where = opened.page.evaluate(
        """([lane, ms, side]) => {
          const row = page.stage.rows.find((one) => one.lane && one.lane.id === lane && (!side || one.side.id === side));
          const box = page.stage.plot.getBoundingClientRect();
          return [page.stage.axis.x(ms), row.drawnTop + row.drawnHeight / 2];
        }""",
        [lane, ms, side],
    )
    opened.page.locator(".plot").click(position={"x": where[0], "y": where[1]})


@pytest.mark.parametrize("name", ["replay", "session", "hostile", "index"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_silence(show: Show, documents: Dict[str, Any], name: str, scheme: str) -> None:
    """Nothing goes wrong, and nothing but the page itself is asked for, whatever it shows, with all that can be opened open."""
    opened = show(documents[name](), color_scheme=scheme)
    opened.page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    opened.until("[...document.querySelectorAll('audio')].every((one) => one.readyState >= 1)")
    assert opened.said == []
    assert [url for url in opened.asked if not url.startswith("data:")] == [opened.page.url[:80]]


def test_hostile_text(show: Show, documents: Dict[str, Any]) -> None:
    """Text of a session is text: no element, no script and no direction comes of it, and what is not seen is written out."""
    opened = show(documents["hostile"]())
    page = opened.page
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    opened.until("[...document.querySelectorAll('.lane-list, .message')].every((one) => one.childElementCount > 1)")
    assert page.evaluate("window.wounded") is None
    assert page.locator("img, iframe, object, embed, form, base").count() == 0
    assert page.evaluate("[...document.scripts].map((one) => one.id)") == ["evi-data", ""]
    shown = page.evaluate("document.body.innerText")
    assert (
        '<script>window.wounded=1</script><img src=x onerror="window.wounded=1">&amp;U+2028U+202EabcU+2069</script><!--{{script}}' in shown
    )
    attributes = "[...document.querySelectorAll('body *')].flatMap((one) => [...one.attributes].map((each) => each.value)).join(' ')"
    for text in (shown, page.title(), page.evaluate(attributes)):
        assert not set("\u2028\u202e\u2069") & set(text)
    # Each place that a session fills says it: titles, code, transcript, emotions, messages, tools, reasons, versions.
    filled = "h1, .problem .title, .problem .code, .place figcaption, .differences, #transcript-lines p, .emotions, .message .what, .json"
    for selector in (*filled.split(", "), "#latency-turns", "#lanes", "#remark-list", "#about-session", "#command"):
        assert "U+202E" in page.locator(selector).first.text_content(), selector


def test_a_problem_plays_from_two_seconds_earlier(show: Show, documents: Dict[str, Any]) -> None:
    """By its button, by its mark on the time axis and in the list of the lane, on the side on which it is."""
    opened = show(documents["replay"]())
    page = opened.page
    page.evaluate(HEAR_SEEKS)

    def heard() -> List[Any]:
        opened.until("seeks.length >= 2 && page.player.isPlaying")
        return sorted(page.evaluate("seeks.splice(0)"))

    page.get_by_role("button", name="Play from 0:02.500").click()
    assert heard() == [["replayed-heard", 2500], ["replayed-user", 2500]]
    page.evaluate("page.player.pause()")
    page.evaluate("seeks.splice(0)")
    click_at(opened, "problems", 9000)
    assert heard() == [["recorded-heard", 7000], ["recorded-user", 7000]]
    assert page.evaluate("page.player.voices.filter((one) => !one.audio.paused).map((one) => one.id)") == [
        "recorded-user",
        "recorded-heard",
    ]
    assert page.locator("#problem-3").get_attribute("class").split() == ["problem", "warning", "chosen"]
    page.evaluate("page.player.pause()")
    page.evaluate("seeks.splice(0)")
    page.locator("[data-lane=problems] > summary").click()
    page.locator("[data-lane=problems]").get_by_role("button", name="4.5 seconds").click()
    assert heard() == [["replayed-heard", 2500], ["replayed-user", 2500]]


def test_the_play_head_by_mouse_and_touch(show: Show, documents: Dict[str, Any]) -> None:
    """A click goes there, dragging goes along, a touch does what a click does."""
    opened = show(documents["session"](), has_touch=True)
    page = opened.page
    click_at(opened, "user", 6000)
    assert position(opened) == pytest.approx(6000, abs=20)
    box = page.locator(".plot").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 3 / 4, box["y"] + 60, steps=3)
    page.mouse.up()
    assert position(opened) == pytest.approx(LENGTH_MS * 3 / 4, abs=20)
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + 60)
    opened.until(f"Math.abs(page.player.positionMs - {LENGTH_MS / 2}) < 20")


def test_pointing_and_zooming(show: Show, documents: Dict[str, Any]) -> None:
    """What lies under the mouse says what it is; the wheel zooms with Ctrl, around the moment under the mouse."""
    opened = show(documents["session"]())
    page = opened.page
    box = page.locator(".plot").bounding_box()
    top = page.evaluate("page.stage.rows.find((one) => one.lane.id === 'turns').drawnTop")
    page.mouse.move(box["x"] + box["width"] * 1000 / LENGTH_MS, box["y"] + top + 8)
    assert page.locator(".hint").inner_text() == "0:00.500 Turn 1, user: What's the weather?"
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + top + 8)
    page.mouse.wheel(0, -10)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -300)
    opened.until("page.stage.axis.spanMs < 12000")
    page.keyboard.up("Control")
    assert page.evaluate("page.stage.axis.ms(page.stage.axis.width / 4)") == pytest.approx(LENGTH_MS / 4, abs=20)


@pytest.mark.parametrize(
    ("keys", "expected_ms"),
    [
        (["ArrowRight", "ArrowRight", "ArrowLeft"], 1000),
        (["ArrowRight", "Shift+ArrowRight", "Shift+ArrowRight", "Shift+ArrowLeft"], 1100),
        (["PageDown", "ArrowLeft"], 9000),
        (["End", "PageUp"], 2000),
        (["End"], LENGTH_MS),
        (["End", "Home"], 0),
    ],
)
def test_the_play_head_by_keyboard(show: Show, documents: Dict[str, Any], keys: List[str], expected_ms: float) -> None:
    """Keys move it, and a screen reader is told where it is."""
    opened = show(documents["session"]())
    head = opened.page.get_by_role("slider", name="Play head")
    head.focus()
    for key in keys:
        opened.page.keyboard.press(key)
    assert position(opened) == expected_ms
    assert head.get_attribute("aria-valuenow") == str(int(expected_ms))
    assert head.get_attribute("aria-valuetext") == f"{expected_ms / 1000:.1f} seconds"


def test_everything_by_keyboard(show: Show, documents: Dict[str, Any]) -> None:
    """Tab reaches every control and leaves it again; keys play, zoom and go from problem to problem; Space on a button presses that."""
    opened = show(documents["replay"]())
    page = opened.page
    page.evaluate(HEAR_SEEKS)
    controls = "button:not(:disabled), select, input, a, summary, [tabindex='0']"
    n_controls = page.evaluate(
        "(controls) => (window.unreached = new Set([...document.querySelectorAll(controls)].filter((one) => one.checkVisibility()))).size",
        controls,
    )
    assert n_controls > 60
    for _ in range(n_controls):
        page.keyboard.press("Tab")
        page.evaluate("unreached.delete(document.activeElement)")
    assert page.evaluate("[...unreached].map((one) => one.outerHTML)") == []
    page.get_by_role("slider", name="Play head").focus()
    page.keyboard.press("Space")
    assert page.evaluate("page.player.isPlaying")
    page.keyboard.press("Space")
    assert not page.evaluate("page.player.isPlaying")
    page.keyboard.press("+")
    assert page.evaluate("page.stage.axis.spanMs") < LENGTH_MS
    page.keyboard.press("0")
    assert page.evaluate("page.stage.axis.isWhole")
    page.keyboard.press("n")
    opened.until("seeks.some(([id, ms]) => id === 'replayed-heard' && ms === 2500)")
    mute = page.get_by_role("button", name="Mute Replayed: User")
    mute.focus()
    page.keyboard.press("Space")
    assert (mute.get_attribute("aria-pressed"), page.evaluate("document.activeElement.dataset.voice")) == ("true", "replayed-user")
    assert page.evaluate("page.player.isPlaying")


def test_each_side_can_be_muted(show: Show, documents: Dict[str, Any]) -> None:
    """What is muted does not play and the other plays on; all muted, the head still moves."""
    opened = show(documents["session"]())
    page = opened.page
    sounding = "page.player.voices.filter((one) => !one.audio.paused).map((one) => one.id).join()"
    page.get_by_role("button", name="Play", exact=True).click()
    opened.until(f"{sounding} === 'session-user,session-heard'")
    page.get_by_role("button", name="Mute Session: User").click()
    opened.until(f"{sounding} === 'session-heard'")
    page.get_by_role("button", name="Mute Session: Heard").click()
    opened.until(f"{sounding} === ''")
    before = position(opened)
    opened.until(f"page.player.positionMs > {before} + 50")
    page.get_by_role("button", name="Mute Session: User").click()
    opened.until(f"{sounding} === 'session-user' && page.player.voices[0].audio.currentTime * 1000 > {before}")


def test_elements_are_kept_in_step(show: Show, documents: Dict[str, Any]) -> None:
    """One that is far off is sent to its place; one that is a little off goes slower or faster until it is there."""
    opened = show(documents["session"]())
    told = opened.page.evaluate(
        """() => [500, 60, -60, 10].map((ahead) => {
          const went = [];
          const voice = {atMs: 3000 + ahead, audio: {}, goTo: (ms) => went.push(ms)};
          page.player.bringIntoStep(voice, 3000);
          return [went, Math.sign(voice.audio.playbackRate - 1)];
        })"""
    )
    assert told == [[[3000], -1], [[], -1], [[], 1], [[], 0]]


def test_a_browser_that_cannot_play_the_audio(show: Show, documents: Dict[str, Any]) -> None:
    """It says so and what to do, and all else works."""
    opened = show(documents["session"](), before=NO_VORBIS)
    notice = opened.page.locator("#trouble")
    assert "cannot play" in notice.inner_text()
    assert "--audio-format flac" in notice.inner_text()
    assert opened.page.get_by_role("button", name="Mute Session: User").is_disabled()
    opened.page.get_by_role("button", name="Play", exact=True).click()
    opened.until("page.player.positionMs > 50")
    assert opened.said == []


def test_broken_audio(show: Show, documents: Dict[str, Any]) -> None:
    """A file that the browser refuses when it reads it is told likewise."""
    broken = ("audio/ogg; codecs=vorbis", b"no sound")
    opened = show(documents["session"](), sounds={"user": broken, "heard": broken})
    opened.until("!document.getElementById('trouble').hidden")
    assert "cannot play" in opened.page.locator("#trouble").inner_text()


def test_only_the_head_is_drawn_anew(show: Show, documents: Dict[str, Any]) -> None:
    """The layer below stays as it is while the head moves within what is in view, and is drawn once when it leaves it."""
    opened = show(documents["replay"]())
    drawn = opened.page.evaluate(
        """() => {
          const {stage, player} = page;
          let count = 0;
          const drawBase = stage.drawBase.bind(stage);
          stage.drawBase = () => { count += 1; drawBase(); };
          for (let ms = 0; ms < 5000; ms += 10) player.seek(ms);
          const within = count;
          stage.axis.show(0, 3000);
          player.seek(3500);
          return [within, count, stage.axis.isInView(3500)];
        }"""
    )
    assert drawn == [0, 1, True]


def test_no_more_is_drawn_than_is_in_view(show: Show, documents: Dict[str, Any]) -> None:
    """A waveform takes a look for each pixel, however long the session is: at a coarser level, the longer the time in a pixel."""
    opened = show(documents["session"]())
    looks = opened.page.evaluate(
        """() => {
          const level = (binMs) => ({bin_ms: binMs, data: btoa(String.fromCharCode(...new Uint8Array(18000 / binMs * 10).fill(99)))});
          const wave = new Wave([level(10), level(80), level(640)]);
          return [0.5, 20, 100, 5000].map((msAPixel) => wave.levelFor(msAPixel).binMs);
        }"""
    )
    assert looks == [10, 10, 80, 640]


def test_the_transcript_follows(show: Show, documents: Dict[str, Any]) -> None:
    """The line that is being said is marked; a line's time plays from there; emotions are shown when they are asked for."""
    opened = show(documents["session"]())
    page = opened.page
    for ms, expected in ((100, []), (600, ["What's the weather?"]), (5000, ["It rains."]), (600, ["What's the weather?"])):
        page.evaluate(f"page.seek({ms})")
        assert page.locator("#transcript-lines [aria-current] p").all_inner_texts() == expected
    assert not page.locator(".emotions").first.is_visible()
    page.get_by_label("Emotions").check()
    assert page.locator(".emotions").first.is_visible()
    page.get_by_role("button", name="Play from 3.3 seconds").click()
    opened.until("page.player.isPlaying && page.player.positionMs >= 3300")


def test_the_transcript_tells_what_was_not_heard_or_too_long(show: Show, documents: Dict[str, Any]) -> None:
    """Of the line that it is a part of."""
    document = documents["replay"]()
    side = document["sides"][1]
    line = next(one for one in side["transcript"] if one["who"] == "assistant" and not one["is_interim"])
    line.update(begin_ms=3000.0, end_ms=6000.0, turn=1)
    side["lost_audio"] = [{"kind": "skipped", "begin_ms": 4000.0, "end_ms": 4400.0, "length_ms": 400.0, "seq": line["seq"], "turn": 1}]
    side["interruptions"] = [{"seq": line["seq"], "turn": 1, "at_ms": 5000.0, "silent_ms": 6000.0}]
    told = show(document).page.locator("#transcript-lines").inner_text()
    assert "0.40 s not heard, at 0:04.000; heard until 1.00 s after the user interrupted" in told


def test_messages(show: Show, documents: Dict[str, Any]) -> None:
    """They are searched and filtered; a click shows the JSON to the letter, foldable; a message on its lane opens in the list."""
    opened = show(documents["session"]())
    page = opened.page
    text = data_of(opened)["sides"][0]["messages"][2]["text"]
    page.get_by_label("Search").fill("12345678901234567890")
    assert page.locator(".message").count() == 1
    page.locator(".message > summary").click()
    lines = page.locator(".json").evaluate("(pre) => [...pre.querySelectorAll('.line, summary')].map((one) => one.textContent)")
    assert lines == text.split("\n")
    page.locator(".json summary").nth(1).click()
    assert not page.get_by_text('"Joy": 0.4').is_visible()
    page.get_by_label("Search").fill("")
    page.get_by_label("Type").select_option("session_settings")
    assert page.locator(".message").count() == 1
    click_at(opened, "messages", 3300)
    assert page.locator(".message[open]").get_attribute("data-seq") == "3"
    assert position(opened) == 3300


def test_latency_adds_up(show: Show, documents: Dict[str, Any]) -> None:
    """The parts that are shown, rounded, add up to the total that is shown; each names its owner; what is assumed is hatched."""
    opened = show(documents["session"]())
    page = opened.page
    words = page.locator(".sum").first.inner_text()
    parts, _, total = words.partition(" = ")
    assert [part.rpartition("(")[2].rstrip(")") for part in parts.split(" + ")] == ["setting, assumed", "service and network", "app"]
    assert sum(int(part.split(" ms")[0].split()[-1]) for part in parts.split(" + ")) == int(total.split()[0])
    assert page.locator(".piece").evaluate_all(
        "(all) => all.map((one) => getComputedStyle(one).backgroundImage.startsWith('repeating'))"
    ) == [True, False, False]
    assert "no reply" in page.locator("#latency-turns").inner_text()


def test_turns_stand_beside_their_like_and_not_beside_their_number(show: Show, documents: Dict[str, Any]) -> None:
    """A turn that only one side has stands alone, and shifts no other."""
    document = documents["replay"]()
    document["paired_turns"] = [[1, None], [2, 1], [None, 2]]
    rows = show(document).page.locator("#latency-turns .turns > li")
    assert rows.locator(".turn-head strong").all_inner_texts() == ["Turn 1", "Turn 2, Replayed: 1", "Turn 2"]
    assert [row.split(":")[0] for row in rows.nth(0).locator(".bar-side, .turn-bar + .sum").all_inner_texts()] == ["Recorded"]
    assert "Recorded: no reply" in rows.nth(1).inner_text()
    assert rows.nth(1).locator(".bar-side").all_inner_texts() == ["Replayed"]
    assert rows.nth(2).inner_text().count("no reply") == 1


def test_each_moment_has_the_number_that_the_list_has(show: Show, documents: Dict[str, Any]) -> None:
    """On its mark, in the list of problems, and in the lane as a list; what only follows says from what."""
    opened = show(documents["replay"]())
    page = opened.page
    lane = "page.stage.rows.find((one) => one.lane && one.lane.id === 'problems').lane"
    assert page.evaluate(f"{lane}.items.map((one) => [one.fromMs, one.number])") == [[1000, "1.1"], [4500, "1"], [9000, "2"], [10000, "2b"]]
    assert page.locator(".problem .rank").all_inner_texts() == ["1", "1.1", "2", "3"]
    assert page.locator("#problem-3 .again button").all_text_contents() == ["2b at 0:10.000"]
    assert page.locator(".because").all_inner_texts() == ["Only a consequence of 1"]
    assert page.locator("#problem-1 .sentence").inner_text() == "0.82 s were played"
    page.locator("[data-lane=problems] > summary").click()
    opened.until("document.querySelector('[data-lane=problems] li')")
    assert "2b. Problem 3" in page.locator("[data-lane=problems]").inner_text()


def test_what_came_again_keeps_its_moment_on_the_axis(show: Show, documents: Dict[str, Any]) -> None:
    """Where its number has no room it is a tick at its moment, which a closer view gives the number."""
    document = documents["replay"]()
    (again,) = document["problems"][2]["more"]
    document["problems"][2]["more"] = [{**again, "at_ms": 9000.0 + 50 * n} for n in range(1, 31)]
    page = show(document).page
    lane = "page.stage.rows.find((one) => one.lane && one.lane.id === 'problems').lane"
    repeats = f"{lane}.items.filter((one) => !one.isFirst)"
    assert page.evaluate(f"{repeats}.every((one) => one.markX === page.stage.axis.x(one.fromMs))")
    n_ticks = page.evaluate(f"{repeats}.filter((one) => one.isTick).length")
    assert 20 < n_ticks < 30
    page.evaluate("page.stage.axis.zoom(6, 9500); page.stage.drawBase()")
    assert page.evaluate(f"{repeats}.filter((one) => one.isTick && page.stage.axis.isInView(one.fromMs)).length") < n_ticks


def test_what_was_lost_is_marked_and_listed(show: Show, documents: Dict[str, Any]) -> None:
    """Below the waveform of what was heard, in words under the mouse and in the list; the legend explains it, and is closed at first."""
    opened = show(documents["session"]())
    page = opened.page
    page.locator("[data-lane=heard] > summary").click()
    opened.until("document.querySelector('[data-lane=heard] li')")
    assert page.locator("[data-lane=heard] li").count() == 5
    assert "400 ms of audio came and was never heard, in turn 1" in page.locator("[data-lane=heard] li").first.inner_text()
    legend = page.locator("#legend")
    assert not legend.locator("dl").is_visible()
    legend.locator("summary").focus()
    page.keyboard.press("Enter")
    opened.until("document.getElementById('legend').open")
    lanes = page.evaluate("page.stage.rows.filter((one) => one.lane).map((one) => one.lane.id)")
    assert legend.locator("dt").count() == len(lanes)


def test_the_terms_of_a_page_are_explained_on_it(show: Show, documents: Dict[str, Any]) -> None:
    """Those that it uses, opened with the keyboard; a page without problems has none to explain."""
    document = documents["replay"]()
    for problem, what in zip(document["problems"], ("finding", "deviation", "finding")):
        problem["what"] = what
    opened = show(document)
    page = opened.page
    page.locator("#terms > summary").focus()
    page.keyboard.press("Enter")
    opened.until("document.getElementById('terms').open")
    assert page.locator("#terms dt").all_inner_texts()[:2] == ["Finding", "Deviation"]
    document = documents["replay"]()
    document["problems"] = []
    assert not show(document).page.locator("#terms").is_visible()


def test_what_differs_stands_side_by_side(show: Show, documents: Dict[str, Any]) -> None:
    """What was recorded and what was replayed, in one row; source lines from their margin on, with the one that it is about."""
    opened = show(documents["replay"]())
    page = opened.page
    assert page.locator(".differences th[scope=col]").all_inner_texts() == ["Where", "Recorded", "Replayed"]
    assert page.locator(".differences tbody tr").first.locator("td").all_inner_texts() == ['"sunny"', "absent"]
    assert page.locator("#problem-1 .here .code").text_content() == "line 12"


def test_a_place_that_is_a_whole_function_points_at_no_line(show: Show, documents: Dict[str, Any]) -> None:
    """Its first line is where it begins, and says nothing of what is wrong in it."""
    document = documents["replay"]()
    place = document["problems"][0]["places"][0]
    place["whole"] = "ran"
    place["source"] = [
        {"line": place["line"], "text": "    async def on_message(self, message):"},
        {"line": place["line"] + 1, "text": "        " + "x" * 300},
    ]
    page = show(document).page
    assert page.locator("#problem-1 .place").first.locator(".here").count() == 0
    assert page.locator("#problem-1 .line .code").first.text_content() == "async def on_message(self, message):"
    caption = page.locator("#problem-1 figcaption").first.inner_text()
    assert "ran for the message" in caption
    assert "The line is not known" in caption
    # A line that is longer than the card is there to be read to its end.
    assert page.evaluate("[...document.querySelectorAll('#problem-1 pre')].every((one) => one.scrollWidth <= one.clientWidth)")


def test_of_what_ran_for_an_unanswered_message_the_last_is_shown_and_the_others_are_folded(show: Show, documents: Dict[str, Any]) -> None:
    """With what is known of how it ended; the others open with the keyboard."""
    document = documents["replay"]()
    problem = document["problems"][0]
    problem["places"] = [{**problem["places"][0], "function": name, "whole": "ran"} for name in ("answer", "weather", "on_message")]
    problem["is_silent_return"] = True
    opened = show(document)
    page = opened.page
    captions = page.locator("#problem-1 figcaption")
    assert [one.is_visible() for one in captions.all()] == [True, False, False]
    assert "; the callback returned" in captions.first.inner_text()
    page.locator("#problem-1 .callers > summary").focus()
    page.keyboard.press("Enter")
    opened.until("document.querySelector('#problem-1 .callers').open")
    assert captions.nth(2).is_visible()


def test_a_card_begins_with_what_the_user_notices(show: Show, documents: Dict[str, Any]) -> None:
    """Then what is wrong; when it began and how long it lasted; on the time axis it has its length."""
    document = documents["replay"]()
    document["problems"][0].update(noticed="Silence for 3.2 s.", until_ms=7700.0)
    page = show(document).page
    assert page.locator("#problem-1").inner_text().split()[:1] + page.locator(
        "#problem-1 h3 .noticed, #problem-1 .title"
    ).all_inner_texts() == ["1", "Silence for 3.2 s.", "Problem 1"]
    assert page.locator("#problem-1 .play-line .dim").inner_text() == "from 0:04.500 to 0:07.700, 3.20 s"
    assert page.locator("#problem-3 .play-line .dim").inner_text() == "at 0:09.000"
    lane = "page.stage.rows.find((one) => one.lane && one.lane.id === 'problems').lane"
    assert page.evaluate(f"{lane}.items.map((one) => one.untilMs)") == [None, 7700, None, None]


def test_what_is_missing_on_one_side_is_marked_on_both(show: Show, documents: Dict[str, Any]) -> None:
    """In the lists of the recording by the problem that it is missing by; on its transcript and turns where it was to be."""
    document = documents["replay"]()
    line = next(one for one in document["sides"][0]["transcript"] if one["who"] == "assistant")
    document["problems"][1].update(replayed_seq=None, recorded_seq=line["seq"], consequences=[line["seq"]])
    page = show(document).page
    assert page.locator("#transcript-lines .said.absent .mark").all_inner_texts() == ["missing here: 1.1"]
    assert page.evaluate("page.stage.rows.filter((one) => one.lane && one.lane.items.some((item) => item.isAbsent)).length") == 1
    page.evaluate("page.hear('recorded')")
    assert page.locator("#transcript-lines .said.absent").count() == 0
    assert "missing in the replay: 1.1" in page.locator("#transcript-lines").inner_text()
    assert "missing in the replay: 1.1" in page.locator("#message-list").inner_text()


def test_the_command_is_copied(show: Show, documents: Dict[str, Any]) -> None:
    """In full, as a shell takes it."""
    opened = show(documents["session"](), permissions=["clipboard-read", "clipboard-write"])
    opened.page.get_by_role("button", name="Copy").click()
    opened.page.get_by_text("Copied.").or_(opened.page.get_by_text("Selected:")).wait_for()
    selected = "navigator.clipboard.readText().catch(() => getSelection().toString())"
    assert opened.page.evaluate(selected) == "cd '/home/x y' && evi-harness replay demo"


@pytest.mark.parametrize("name", ["replay", "hostile", "index"])
def test_320_pixels(show: Show, documents: Dict[str, Any], name: str) -> None:
    """Nothing is wider than a narrow screen, all that can be opened open."""
    opened = show(documents[name](), width=320)
    opened.page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 320


def test_print_is_light(show: Show, documents: Dict[str, Any]) -> None:
    """The canvas too, in the dark, and it is dark again afterwards."""
    opened = show(documents["replay"](), color_scheme="dark")
    page = opened.page
    ink = "page.stage.colours.ink"
    dark = page.evaluate(ink)
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate(ink) != dark
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(27, 33, 48)"
    # On paper the layer of the play head would wipe out what lies below, and what is wider than the paper would be cut.
    assert not page.locator(".head-layer").is_visible()
    assert page.locator(".stage").evaluate("(stage) => stage.clientWidth") <= 700
    page.emulate_media(media="screen", color_scheme="dark")
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.evaluate(ink) == dark


@pytest.mark.parametrize(
    ("name", "scheme", "width"), [("replay", "light", 1280), ("replay", "dark", 1280), ("session", "light", 320), ("index", "light", 1280)]
)
def test_axe(show: Show, documents: Dict[str, Any], name: str, scheme: str, width: int) -> None:
    """axe-core finds nothing that keeps anybody out, all that can be opened open."""
    axe = Path(os.environ.get(NODE_MODULES, "")) / "axe-core" / "axe.min.js"
    if not axe.is_file():
        pytest.skip(f"{NODE_MODULES} names no folder node_modules with the package axe-core in it")
    opened = show(documents[name](), color_scheme=scheme, width=width)
    opened.page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    opened.page.evaluate(axe.read_text(encoding="utf-8"))
    found = opened.page.evaluate("axe.run().then((all) => all.violations)")
    assert [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")] == []
