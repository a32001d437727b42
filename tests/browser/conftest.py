"""A browser, and pages for it: put together by hand from the parts that the package ships, so that what they show is known."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional

import numpy
import pytest

from evi_harness.pages.index_file import FAILED, NO_PAGE, PASSED, Indexed, index_page
from evi_harness.pages.page_file import PageAssets, page_parts

ASSETS = Path(__file__).parents[2] / "evi_harness" / "assets" / "page"
# A folder in which the package playwright is, for a Python that has it not.
PLAYWRIGHT = "EVI_HARNESS_PLAYWRIGHT"
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "headless_shell")
# No page takes seconds; only one that hangs takes this long.
HANGS_MS = 60_000
RATE = 24_000
LENGTH_MS = 12_000.0
# What must be shown as what it is: markup, a separator of lines that no JavaScript string held once, and marks that turn text around.
HOSTILE = '<script>window.wounded=1</script><img src=x onerror="window.wounded=1">&amp;\u2028\u202eabc\u2069</script><!--{{script}}'

Json = Any


def peaks(length_ms: float) -> List[Json]:
    """A waveform that rises and falls twice a second."""
    levels = []
    for bin_ms in (10, 80, 640):
        at = numpy.arange(0, length_ms, bin_ms)
        levels.append({"bin_ms": bin_ms, "data": base64.b64encode((127 + 120 * numpy.sin(at / 80)).astype("u1").tobytes()).decode()})
    return levels


def sound(samples: Optional[Any] = None, rate: int = RATE, kind: str = "OGG", subtype: str = "VORBIS") -> bytes:
    """A compressed file of samples from -1 to 1; a quiet hum as long as the pages last, where none are given."""
    soundfile = pytest.importorskip("soundfile")
    if samples is None:
        samples = 0.05 * numpy.sin(2 * numpy.pi * 200 * numpy.arange(int(rate * LENGTH_MS / 1000)) / rate)
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", rate, 1, format=kind, subtype=subtype) as out:
        for at in range(0, len(samples), rate):
            out.write(samples[at : at + rate])
    return file.getvalue()


def _track(role: str, sound_name: Optional[str], say: Callable[[str], str]) -> Json:
    return {
        "role": role,
        "label": role.capitalize(),
        "how": say("as it was sent"),
        "is_computed": False,
        "is_collapsed": role == "arrived",
        "sound": sound_name,
        "why": None if sound_name else say("drawn only"),
        "mime": "audio/ogg; codecs=vorbis" if sound_name else None,
        "rate": RATE,
        "length_ms": LENGTH_MS,
        "peaks": peaks(LENGTH_MS),
        "remarks": [say("one frame cannot be decoded")],
    }


def _message(seq: int, at_ms: float, direction: str, kind: Optional[str], text: str, say: Callable[[str], str]) -> Json:
    return {
        "seq": seq,
        "at_ms": at_ms,
        "direction": direction,
        "type": kind,
        "what": say(f"{kind}: {seq}"),
        "text": text,
        "is_json": kind is not None,
        "is_cut": False,
        "n_bytes": len(text),
        "audio_ms": None,
        "handled": {"begin_ms": at_ms, "end_ms": at_ms + 40} if direction == "received" else None,
    }


def _side(name: str, say: Callable[[str], str]) -> Json:
    user = {"text": say("What's the weather?"), "begin_ms": 500.0, "end_ms": 1900.0, "message_ms": 2600.0, "seq": 2}
    reply = {"text": say("It rains."), "begin_ms": 3300.0, "end_ms": 5200.0, "first_audio_ms": 3500.0}
    json_text = '{\n  "type": "user_message",\n  "exact": 12345678901234567890.10,\n  "scores": {\n    "Joy": 0.4\n  }\n}'
    parts = [
        ("end-of-turn silence", "setting", 800.4, True),
        ("transcription", "service and network", 103.4, False),
        ("first audio", "app", 200.4, False),
    ]
    return {
        "id": name,
        "label": name.capitalize(),
        "session": {
            **{key: say(key) for key in ("name", "id", "created", "made_by", "dialect", "service", "times", "folder")},
            "clock": "virtual",
            "is_complete": False,
            "missing": [say("the end")],
            "n_events": 40,
            "n_turns": 2,
        },
        "length_ms": LENGTH_MS,
        "tracks": [_track("user", "user", say), _track("heard", "heard", say), _track("arrived", None, say)],
        "turns": [
            {"number": 1, "begin_ms": 500.0, "end_ms": 5200.0, "user": user, "reply": reply, "interrupted_ms": 4500.0},
            {
                "number": 2,
                "begin_ms": 6000.0,
                "end_ms": 9000.0,
                "user": {**user, "begin_ms": 6000.0, "end_ms": 7000.0, "seq": 30},
                "reply": None,
                "interrupted_ms": None,
            },
        ],
        "messages": [
            _message(0, 0.0, "opened", None, say("/v0/evi/chat"), say),
            _message(1, 4.0, "sent", "session_settings", '{\n  "type": "session_settings"\n}', say),
            _message(2, 2600.0, "received", "user_message", json_text, say),
            _message(3, 3300.0, "received", "assistant_message", say('{"a": 1}'), say),
            _message(39, 11900.0, "closed", None, say("1000"), say),
        ],
        "density": {
            "bin_ms": 100,
            "data": base64.b64encode(bytes([10] * 120)).decode(),
            "n_frames": 1200,
            "n_bytes": 9,
            "begin_ms": 0.0,
            "end_ms": LENGTH_MS,
        },
        "tools": [
            {
                "seq": 5,
                "turn": 1,
                "name": say("weather"),
                "what": say("weather {}"),
                "begin_ms": 2900.0,
                "answer_seq": 6,
                "answer_ms": 3000.0,
                "answer": say("rain"),
                "next_ms": 3300.0,
            },
            {
                "seq": 31,
                "turn": 2,
                "name": None,
                "what": say("lost {}"),
                "begin_ms": 7500.0,
                "answer_seq": None,
                "answer_ms": None,
                "answer": None,
                "next_ms": None,
            },
        ],
        "interruptions": [{"seq": 9, "turn": 1, "at_ms": 4500.0, "silent_ms": 5100.0}],
        "handler": {
            "why": None,
            "spans": [
                {"kind": kind, "begin_ms": at, "end_ms": at + 300, "seq": 2, "what": say("on_message")}
                for kind, at in (("handling", 2600.0), ("blocked", 3300.0), ("waiting", 4000.0))
            ],
        },
        "lost_audio": [
            {"kind": kind, "begin_ms": at, "end_ms": at + 400, "length_ms": 400.0, "seq": 3, "turn": 1}
            for kind, at in (("skipped", 3600.0), ("cut", 4100.0), ("late", 4600.0), ("dropped", 5200.0), ("ended", 11_500.0))
        ],
        "late": [{"at_ms": 5000.0, "due_ms": 4800.0, "late_ms": 200.0, "seq": 10, "what": say("audio_output")}],
        "transcript": [
            {
                "seq": 2 + number,
                "at_ms": at + 200,
                "who": who,
                "text": say(text),
                "begin_ms": at,
                "end_ms": at + 900,
                "is_interim": False,
                "is_unheard": False,
                "turn": 1,
                "emotions": [{"name": say(f"Joy {n}"), "score": 0.5 - n / 10} for n in range(5)],
            }
            for number, (at, who, text) in enumerate(
                [(500.0, "user", "What's the weather?"), (3300.0, "assistant", "It rains."), (6000.0, "user", "Thanks.")]
            )
        ],
        "latency": {
            "why": None,
            "what": "from the end of the user's speech to the first audio",
            "turns": [
                {
                    "number": 1,
                    "said": say("What's the weather?"),
                    "begin_ms": 1900.0,
                    "total_ms": 1104.2,
                    "why": None,
                    "parts": [
                        {"id": label, "label": label, "owner": owner, "ms": ms, "is_assumed": assumed}
                        for label, owner, ms, assumed in parts
                    ],
                    "beside": [{"label": "tool", "ms": 100.0}],
                },
                {
                    "number": 2,
                    "said": say("Thanks."),
                    "begin_ms": None,
                    "total_ms": None,
                    "why": say("no reply"),
                    "parts": [],
                    "beside": [],
                },
            ],
        },
    }


def _problem(rank: int, at_ms: Optional[float], severity: str, side: str, say: Callable[[str], str], **more: Json) -> Json:
    nothing: Dict[str, Json] = {
        "detail": [],
        "differences": [],
        "places": [],
        "lost": [],
        "more": [],
        "recorded_ms": None,
        "replayed_ms": None,
        "ended": False,
        "because_of": None,
        "until_ms": None,
        "consequences": [],
        "noticed": None,
        "sentence": None,
        "observed": None,
        "expected": None,
        "to_try": None,
    }
    return {
        **nothing,
        "rank": rank,
        "number": str(rank),
        "what": "finding",
        "kind": "plays_on",
        "severity": severity,
        "title": say(f"Problem {rank}"),
        "side": side,
        "at_ms": at_ms,
        "seek_ms": None if at_ms is None else max(at_ms - 2000, 0.0),
        "recorded_seq": 2,
        "replayed_seq": 3,
        **more,
    }


def made_document(say: Callable[[str], str] = str, sides: int = 2) -> Json:
    """The data of a page that has something of everything. What a session, an app or a path would say goes through ``say``."""
    names = ["recorded", "replayed"] if sides == 2 else ["session"]
    source = [{"line": line, "text": say(f"    line {line}")} for line in (11, 12, 13)]
    place = {"file": say("/x/app.py"), "shown": say("app.py"), "line": 12, "function": say("on_message"), "source": source}
    differs = {"path": say("$.content"), "recorded": say('"sunny"'), "replayed": None}
    again = {"at_ms": 10000.0, "until_ms": None, "seek_ms": 8000.0, "recorded_seq": None, "replayed_seq": None, "differences": []}
    return {
        "format": "evi-harness page",
        "version": 1,
        "made_with": "0.1.0",
        "title": say("demo, replayed with app.py:App"),
        "length_ms": LENGTH_MS,
        "verdict": {"state": "failed", "text": say("failed: 2 findings, 1 deviation")},
        "sides": [_side(name, say) for name in names],
        "paired_turns": [[number] * len(names) for number in (1, 2)],
        "problems": [
            _problem(
                1,
                4500.0,
                "error",
                names[-1],
                say,
                sentence=say("0.82 s were played"),
                to_try=say("Drop it."),
                detail=[say("0.82 s of it")],
                lost=[say("#4 audio_output")],
                places=[place],
            ),
            _problem(2, 1000.0, "error", names[-1], say, what="deviation", differences=[differs], because_of=1, number="1.1"),
            _problem(3, 9000.0, "warning", names[0], say, more=[again], number="2"),
            _problem(4, None, "warning", names[-1], say, number="3"),
        ],
        "remarks": [say("What was sent is not compared.")],
        "command": {
            "again": say("evi-harness replay demo"),
            "cwd": "/home/x y",
            "is_redacted": True,
            "test": say("tests/test_app.py::test_it"),
        },
        "versions": {"evi_harness": say("0.1.0"), say("hume"): "0.14.1"},
    }


def hostile_document() -> Json:
    """The same with something hostile in everything that is not ours."""
    return made_document(lambda text: f"{text} {HOSTILE}")


def index_text() -> str:
    """The index of some pages, which is a file without a script."""
    rows = [Indexed("a", HOSTILE, FAILED, "a.html"), Indexed(HOSTILE, "passed", PASSED, "b.html"), Indexed("c", "could not run", NO_PAGE)]
    return index_page(HOSTILE, rows)


class Opened(NamedTuple):
    """A page in the browser, and what it has said and asked for since: its console with its errors, and the addresses that it asked for."""

    page: Any
    said: List[str]
    asked: List[str]

    def until(self, expression: str) -> None:
        """Wait until an expression of JavaScript holds. playwright's own way calls eval, which the page's policy forbids."""
        hangs_at = f"performance.now() + {HANGS_MS}"
        given_up = f"throw new Error({json.dumps(expression)})"
        self.page.evaluate(
            f"async () => {{ const end = {hangs_at}; while (!({expression})) {{ if (performance.now() > end) {given_up}; "
            "await new Promise((next) => setTimeout(next, 10)); } }"
        )


def playwright_api() -> Any:
    """playwright, from this environment or the folder that is named; skips where there is none for this Python."""
    folder = os.environ.get(PLAYWRIGHT)
    # At the end, and only while it is imported: nothing else is taken from there.
    before = list(sys.path)
    sys.path += [folder] if folder else []
    try:
        from playwright import sync_api
    except ImportError as error:
        pytest.skip(f"there is no playwright here: {error}")
    finally:
        sys.path[:] = before
    return sync_api


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A Chromium driven by playwright. It ends with the module: while playwright runs, no other test of the thread can run a loop."""
    sync_api = playwright_api()
    path = next((path for path in map(shutil.which, CHROMIUMS) if path), None)
    if path is None:
        pytest.skip(f"there is no Chromium here: none of {', '.join(CHROMIUMS)}")
    with sync_api.sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(
                executable_path=path,
                args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--autoplay-policy=no-user-gesture-required"],
                timeout=HANGS_MS,
            )
        except sync_api.Error as error:
            pytest.skip(f"the browser does not start here: {str(error).splitlines()[0]}")
        yield started
        started.close()


@pytest.fixture(scope="session")
def hum() -> bytes:
    """A sound for pages of which only the look matters."""
    return sound()


def page_file(document: Json, folder: Path, sounds: Dict[str, Any]) -> Path:
    """A page as a file; what is a text already is written as it is."""
    file = folder / "page.html"
    if isinstance(document, str):
        file.write_text(document, encoding="utf-8")
        return file
    script = "\n".join(path.read_text(encoding="utf-8") for path in sorted(ASSETS.glob("*.js")))
    assets = PageAssets(*((ASSETS / name).read_text(encoding="utf-8") for name in ("page.html", "page.css")), script)
    file.write_text("".join(page_parts(document, sounds, assets)), encoding="utf-8")
    return file


@pytest.fixture
def show(browser: Any, tmp_path: Path, hum: bytes) -> Iterator[Callable[..., Opened]]:
    """Shows a document in the browser; ``before`` is a script that runs before the page's own."""
    contexts = []

    def shown(document: Json, *, sounds: Optional[Dict[str, Any]] = None, before: str = "", width: int = 1280, **options: Any) -> Opened:
        context = browser.new_context(viewport={"width": width, "height": 800}, **options)
        context.set_default_timeout(HANGS_MS)
        contexts.append(context)
        page = context.new_page()
        if before:
            page.add_init_script(before)
        opened = Opened(page, [], [])
        page.on("console", lambda message: opened.said.append(message.text))
        page.on("pageerror", lambda error: opened.said.append(str(error)))
        page.on("dialog", lambda dialog: (opened.said.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: opened.asked.append(request.url[:80]))
        mime = "audio/ogg; codecs=vorbis"
        file = page_file(document, tmp_path, {"user": (mime, hum), "heard": (mime, hum)} if sounds is None else sounds)
        page.goto(file.as_uri())
        return opened

    yield shown
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def documents() -> Dict[str, Callable[..., Json]]:
    """The documents that there are to show, by name."""
    return {"replay": made_document, "session": lambda: made_document(sides=1), "hostile": hostile_document, "index": index_text}


@pytest.fixture(scope="session")
def compressed() -> Callable[..., bytes]:
    """Makes a compressed file of samples."""
    return sound
