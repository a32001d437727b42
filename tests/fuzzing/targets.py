"""What is fuzzed: one target a parser of what somebody else wrote, and what makes hostile inputs of good ones.

A target takes bytes, and returns whatever becomes of them. What comes out of it otherwise than as the parser documents it is a fault: the
errors of ``refuses`` are the parser's own. Shared by test_targets.py, which tries a few inputs with hypothesis, and by guided.py, which
tries many with a fuzzer that sees which code they reach.
"""

from __future__ import annotations

import json
import math
import random
import re
import signal
import struct
import tempfile
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Sequence, Tuple, Type

from evi_harness.acts.afterwards.explaining import explain_report
from evi_harness.acts.import_capture import import_capture
from evi_harness.acts.imports.import_chat_history import import_chat_history
from evi_harness.acts.imports.import_events import import_events
from evi_harness.acts.imports.import_har import import_har
from evi_harness.acts.paging.page_reports import named_subjects
from evi_harness.audio.opus_decoding import OpusDecoder
from evi_harness.audio.sources import FileSource
from evi_harness.containers.ogg_pages import OGG, checksum, opus_file
from evi_harness.containers.opus_packets import head_of
from evi_harness.containers.webm_stream import EBML
from evi_harness.dialects import dialect_of
from evi_harness.errors import (
    CaptureError,
    ContainerError,
    EviHarnessError,
    ImportRefused,
    ReportError,
    ScriptError,
    SessionError,
    UsageError,
)
from evi_harness.evi import compat
from evi_harness.evi.dialect import EVI
from evi_harness.evi.messages import EMOTIONS
from evi_harness.guard.allowed import Allowed
from evi_harness.measure.baseline import baseline_json, read_baseline_json
from evi_harness.measure.effect import parse_effect
from evi_harness.measure.measuring import measure
from evi_harness.measure.thresholds import parse_threshold
from evi_harness.pages.page_document import PageSide, page_document
from evi_harness.pages.page_file import island
from evi_harness.redacting.redaction import Redactor
from evi_harness.replay.durations import duration_ns
from evi_harness.replay.judging.json_paths import MessagePath
from evi_harness.replay.moments import place_of
from evi_harness.replay.pace import max_gap_of, speed_of
from evi_harness.replay.played_recording import PlayedRecording
from evi_harness.replay.player import Player
from evi_harness.runs.spec import split_spec
from evi_harness.sdk.hume.parsing import problems as sdk_problems
from evi_harness.session.events import BINARY, TEXT, Closed, Event, Frame, Handshake, Opened, Received, Sent
from evi_harness.session.foreign_text import json_value
from evi_harness.session.header import Header
from evi_harness.session.json_places import members
from evi_harness.session.protocols import RECEIVED, SENT, Mark
from evi_harness.session.session import Session
from evi_harness.session.session_audio import SessionAudio
from evi_harness.session.wav import Pcm, header, split
from evi_harness.settings.configuration import load_configuration
from evi_harness.settings.endpoint import endpoint_of
from evi_harness.simulate.encoded_uplink import EncodedUplink
from evi_harness.simulate.partners import Parrot
from evi_harness.simulate.script import parse
from evi_harness.simulate.simulator import Simulator
from evi_harness.simulate.simulator_options import Options
from evi_harness.storage import codec, header_file, lines
from evi_harness.storage.baseline_file import load_json_file
from evi_harness.storage.check import check_folder
from evi_harness.storage.expected_file import read_expectation
from evi_harness.storage.reader import body_problem, data_problem, read_session
from evi_harness.storage.writer import write_session
from evi_harness.tap.http_heads import BadRequest, ReplyHead, Request, RequestStream
from evi_harness.tap.wire_log import WireLog, asked_for
from evi_harness.verdicts.comparing import Rules
from evi_harness.verdicts.loading import load_session

__all__ = ["NUMBERS", "PIECES", "TARGETS", "Target", "TooSlow", "mutated", "run"]

ROOT = Path(__file__).resolve().parents[2]
MS = 1_000_000
_SCRATCH = tempfile.TemporaryDirectory(prefix="evi-harness-fuzzing-")
_HERE = Path(_SCRATCH.name)


@dataclass(frozen=True)
class Target:
    """A parser.

    Attributes:
        act: Gives it bytes.
        refuses: Its own errors.
        seeds: Good inputs, and those that were found to be more than it could take; each is tried as it is.
        words: What an input is likely to be made of.
    """

    act: Callable[[bytes], object]
    refuses: Tuple[Type[BaseException], ...]
    seeds: Tuple[bytes, ...]
    words: Tuple[bytes, ...] = ()


class TooSlow(BaseException):
    """An input took longer than it may. No parser takes it for an error of its own."""


def run(target: Target, data: bytes, *, cpu_s: float = 2.0) -> bool:
    """Try one input.

    Args:
        target: The target.
        data: The input.
        cpu_s: How much of the processor's time it may take, whatever else the machine does. Only the main thread can see to that.

    Returns:
        Whether it was taken; False where it was refused in the parser's own words.

    Raises:
        BaseException: A fault.
    """
    before = signal.signal(signal.SIGPROF, _too_slow)
    signal.setitimer(signal.ITIMER_PROF, cpu_s)
    try:
        target.act(data)
    except target.refuses as error:
        # An error that cannot be told is none.
        str(error)
        return False
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    return True


def _too_slow(number: int, frame: object) -> None:
    raise TooSlow


# How a good input is made a hostile one.

NUMBERS: Tuple[bytes, ...] = (
    *(b"0", b"-1", b"1", b"255", b"65536", b"2147483648", b"9223372036854775807", b"9223372036854775808", b"18446744073709551616"),
    *(b"1e400", b"-1e400", b"NaN", b"Infinity", b"0.1", b"1e-400", b"7" * 400, b"7" * 5000, b"0x" + b"f" * 5000, b"true", b"null", b'""'),
)
PIECES: Tuple[bytes, ...] = (
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b",",
        b":",
        b"\\",
        b"\n",
        b"\r\n",
        b"\0",
        b"\xff",
        b"\xed\xa0\x80",
        b"\\ud800",
        b"\x1b[2J",
        b"\xef\xbb\xbf",
    ),
    *(b"../", b"/dev/zero", b"[" * 200, b'{"a":' * 200, b"A" * 1000, b"=", b"#", b"$", b"..", b"*"),
)


def mutated(target: Target, chance: random.Random) -> bytes:
    """A hostile input, made of the target's seeds by a few changes.

    Args:
        target: The target.
        chance: What it is drawn by.
    """
    data = bytearray(chance.choice(target.seeds)) if chance.random() < 0.97 else bytearray(chance.randbytes(chance.randrange(200)))
    for _ in range(chance.choice((0, 1, 1, 1, 2, 3, 8))):
        _change(data, target, chance)
    return bytes(data)


def _change(data: bytearray, target: Target, chance: random.Random) -> None:
    at = chance.randrange(len(data) + 1)
    end = min(len(data), at + chance.choice((1, 1, 2, 8, 50, 1000)))
    kind = chance.randrange(8)
    if kind == 0 and at < len(data):
        data[at] ^= 1 << chance.randrange(8)
    elif kind == 1:
        del data[at:end]
    elif kind == 2:
        data[at:at] = data[at:end] * chance.choice((1, 1, 2, 20))
    elif kind == 3:
        data[at:at] = chance.choice(PIECES)
    elif kind == 4:
        data[at:at] = chance.choice(target.words or PIECES)
    elif kind == 5:
        other = chance.choice(target.seeds)
        start = chance.randrange(len(other) + 1)
        data[at:end] = other[start : start + chance.randrange(1, 200)]
    elif kind == 6:
        del data[at:]
    else:
        _renumber(data, chance)


def _renumber(data: bytearray, chance: random.Random) -> None:
    """Put another number, or another value, in place of a number."""
    starts = [at for at in range(len(data)) if data[at : at + 1].isdigit() and not data[at - 1 : at].isdigit()]
    if starts:
        start = chance.choice(starts)
        stop = next((at for at in range(start, len(data)) if not data[at : at + 1].isdigit()), len(data))
        data[start:stop] = chance.choice(NUMBERS)


# The parsers.


def _lines(data: bytes) -> None:
    lines.decode_block(data)
    for text in data.split(b"\n"):
        line, extra = lines.decode(text)
        known = lines.encode(line, extra)
        lines.decode(known)
        body_problem(line)
        data_problem(line, extra)
        is_frame = isinstance(line, (lines.SentLine, lines.ReceivedLine))
        codec.event_of(line, extra, Frame(line.frame, codec.body_of(line)) if is_frame else None)  # type: ignore[union-attr, arg-type]


def _header(data: bytes) -> None:
    found, _ = header_file.decode(data)
    header_file.digest_problem(data)
    again, _ = header_file.decode(header_file.encode(replace(found, complete=False)))
    assert again.id == found.id


def _folder(data: bytes) -> None:
    """A whole folder: up to the first zero byte its header, from there on its lines; the audio is sound."""
    first, _, second = data.partition(b"\0")
    folder = _HERE / "folder"
    (folder / "session.json").write_bytes(first or (folder / "sound.json").read_bytes())
    (folder / "events.jsonl").write_bytes(second)
    assert all(str(problem) for problem in check_folder(folder, EVI))
    session = read_session(folder)
    for event in session.events:
        frame = getattr(event, "frame", None)
        if frame is not None:
            with suppress(SessionError):
                assert isinstance(frame.payload, bytes)
            assert frame.size >= 0


def _capture(data: bytes) -> None:
    file, out = _HERE / "x.jsonl", _HERE / "imported"
    file.write_bytes(data)
    _is_session(import_capture(file, out=out))


def _is_session(folder: Path) -> None:
    """What was imported is a session, and one that ends; it goes again."""
    assert load_session(folder).duration_ns <= 48 * 3600 * 1000 * MS
    assert check_folder(folder, EVI) == []
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()


def _har(data: bytes) -> None:
    file = _HERE / "x.har"
    file.write_bytes(data)
    for folder in import_har(file, out=_HERE / "imported").folders:
        _is_session(folder)


def _events(data: bytes) -> None:
    """A log of events; and each session of it is one that every command can read."""
    file = _HERE / "x.log"
    file.write_bytes(data)
    for folder in import_events(file, out=_HERE / "imported").folders:
        session = load_session(folder)
        dialect = dialect_of(session)
        dialect.turns(session.events), dialect.causes(session.events), dialect.prompts(session.events), dialect.rejected(session.events)
        _is_session(folder)


def _chat_history(data: bytes) -> None:
    file = _HERE / "x.json"
    file.write_bytes(data)
    for folder in import_chat_history(file, out=_HERE / "imported").folders:
        _is_session(folder)


def _page(data: bytes) -> None:
    """What a page says of a report that a stranger wrote, beside a session that is there."""
    file = _HERE / "report.json"
    file.write_bytes(data)
    with suppress(ReportError, SessionError):
        for one in named_subjects([file]):
            assert one.subject.shown
    try:
        told = json_value(data.decode())
    except (ValueError, RecursionError):
        return
    if isinstance(told, dict):
        document = page_document("x", [_PAGE_SIDE], Redactor(()), made_with="0", report=told)
        assert island(document).isascii()


def _report(data: bytes) -> None:
    file = _HERE / "report.json"
    file.write_bytes(data)
    text = explain_report(file)
    assert len(text.encode("utf-8")) < 2000
    assert all(one.isprintable() or one == "\n" for one in text)


def _script(data: bytes) -> None:
    parse(data.decode("utf-8"), {"a.wav": header(Pcm(8000, 1), 160) + bytes(160)})


def _configuration(data: bytes) -> None:
    folder = _HERE / "configuration"
    folder.mkdir(exist_ok=True)
    (folder / "pyproject.toml").write_bytes(data)
    found = load_configuration(folder)
    assert not found.gate or all(isinstance(one, str) for one in found.gate)


def _threshold(data: bytes) -> None:
    threshold = parse_threshold(data.decode())
    assert math.isfinite(threshold.limit)


def _effect(data: bytes) -> None:
    effect = parse_effect(data.decode())
    assert 0 <= effect.share < math.inf
    assert 0 <= effect.least_ms < math.inf


def _path(data: bytes) -> None:
    text = data.decode()
    path = MessagePath.parse(text)
    for frame in _FRAMES:
        message = EVI.read(RECEIVED, frame)
        path.matches(message)
        path.pruned(message)
    Rules.of([text], strict=False)


def _word(data: bytes) -> None:
    """The words of a command line that are read by hand; each is read whatever another says of it."""
    text = data.decode()
    readers: Sequence[Callable[[str], object]] = (
        split_spec,
        lambda word: place_of(word, "--from"),
        lambda word: duration_ns(word, "--max-gap"),
        speed_of,
        max_gap_of,
        endpoint_of,
        Allowed.parse,
    )
    n_taken = 0
    for read in readers:
        try:
            read(text)
            n_taken += 1
        except UsageError as error:
            str(error)
    if not n_taken:
        raise UsageError("no reader takes it")


def _expected(data: bytes) -> None:
    folder = _HERE / "expected"
    (folder / "expected.jsonl").write_bytes(data)
    assert all(str(problem) for problem in check_folder(folder, EVI))
    read_expectation(folder)


def _baseline(data: bytes) -> None:
    file = _HERE / "baseline.json"
    file.write_bytes(data)
    found = read_baseline_json(load_json_file(file), "x")
    assert read_baseline_json(json.loads(json.dumps(baseline_json(found), allow_nan=False)), "x").runs == found.runs
    assert all(str(run.detector) for run in found.runs)


def _frames_of(data: bytes) -> Iterator[Frame]:
    """Frames: a text each line, binary what begins with a zero byte."""
    for part in data.split(b"\n"):
        yield Frame(BINARY, part[1:]) if part[:1] == b"\0" else Frame(TEXT, part)


def _received(data: bytes) -> None:
    """What a server sends, as the app's side and all that looks at a session reads it. Nothing of it may be an error."""
    frames = list(_frames_of(data))
    events: List[Event] = [Opened(0, 0)]
    for number, frame in enumerate(frames, 1):
        events.append(Received(number, number * MS, frame))
        message = EVI.read(RECEIVED, frame)
        EVI.describe(RECEIVED, message)
        EVI.telling(RECEIVED, message)
        EVI.family(message), EVI.identity(message), EVI.must_equal(message), EVI.ended_by(message), EVI.chunk(message)
        EVI.is_awaited(message), EVI.sets_audio(message), EVI.is_error(message)
        if EVI.is_call(message):
            EVI.call_text(message)
        audio = EVI.reader().read(RECEIVED, frame)
        for place in audio.places if audio is not None else ():
            codec.cut(frame.payload, place)
        compat.problems(frame, "0.14.1")
        compat.upgrade(frame, "0.14.1")
        sdk_problems(frame.payload)
        codec.body_fields(frame.payload)
        with suppress(ValueError):
            list(members(frame.payload))
    _whole_session(events)


def _sent(data: bytes) -> None:
    """What a client sends, as the services that are served take it. Nothing of it may be an error."""
    frames = list(_frames_of(data))
    events: List[Event] = [Opened(0, 0)]
    simulator = Simulator(_Deaf(), Parrot(), Options(), None)
    player = Player(PlayedRecording.of(_RECORDING, EVI), EVI)
    services = (simulator, player)
    for service in services:
        service.take(Opened(0, 0, Handshake("/v0/evi/chat")), 0)
    for number, frame in enumerate(frames, 1):
        event = Sent(number, number * MS, frame)
        events.append(event)
        message = EVI.read(SENT, frame)
        EVI.describe(SENT, message)
        EVI.family(message), EVI.identity(message), EVI.must_equal(message)
        audio = EVI.reader().read(SENT, frame)
        if audio is not None:
            assert audio.length_ns is None or audio.length_ns >= 0
        compat.problems_of_sent(message.fields)
        for service in services:
            service.take(event, event.at_ns)
            service.due(event.at_ns)
    for service in services:
        for _ in range(20):
            next_ns = service.next_at_ns()
            if next_ns is None:
                break
            service.due(next_ns)
    _whole_session(events)


def _container(data: bytes) -> None:
    """Audio in a container, whole and cut: where the whole is taken, so are its pieces, and both are as long.

    A message that begins as webm does begins a stream anew, whatever was to come of the one before.
    """
    data = _with_checksums(data)
    whole = sum(len(samples) for _, samples in EncodedUplink(OpusDecoder).take(data))
    cut, heard = EncodedUplink(OpusDecoder), 0
    for at in range(0, len(data), 61):
        heard += sum(len(samples) for _, samples in cut.take(data[at : at + 61]))
    assert heard == whole or any(data.startswith(EBML, at) for at in range(61, len(data), 61))


def _with_checksums(data: bytes) -> bytes:
    """Ogg whose pages have the checksums of what they became: else nearly all that is changed would end there."""
    pages = data.split(OGG)
    for number, rest in enumerate(pages[1:], 1):
        page = OGG + rest
        if len(page) > 27:
            pages[number] = rest[:18] + struct.pack("<I", checksum(page)) + rest[22:]
    return OGG.join(pages)


def _whole_session(events: List[Event]) -> None:
    """What all commands ask of a session."""
    events.append(Closed(len(events), len(events) * MS, "service", 1000))
    EVI.causes(events)
    EVI.prompts(events)
    EVI.turns(events)
    EVI.rejected(events)
    audio = SessionAudio(events, EVI.reader)
    assert all(one.length_ns is None or one.length_ns >= 0 for one in audio.frames.values())
    assert audio.positions.now_ns is None or audio.said


class _Deaf:
    """Hears silence; what hears speech is another's code."""

    name = "deaf"

    def hear(self, samples: bytes, pcm: Pcm, start_ns: int) -> List[Mark]:
        length_ns = pcm.length_ns(len(samples))
        return [Mark(start_ns, start_ns + length_ns, 0.0)] if length_ns else []


def _audio(data: bytes) -> None:
    """A file for the microphone; and the same as a blob from the wire."""
    split(data)
    file = _HERE / "x.wav"
    file.write_bytes(data)
    source = FileSource(file)
    try:
        for _ in range(100):
            if not source.read(4096):
                break
    finally:
        source.close()


def _wire(data: bytes) -> None:
    """Both directions of a connection that was relayed: what stands before a line's end, as the app's and as the service's.

    However they are cut it is the same, and whatever comes of it can be written and read again.
    """
    for extensions in ("", "permessage-deflate", "permessage-deflate; client_no_context_takeover; server_no_context_takeover"):
        told = [_relayed(data, extensions, step) for step in (len(data) or 1, 7)]
        assert told[0] == told[1]
    folder = _HERE / "relayed"
    header = Header(id="relayed", made_by="record", created="2026-01-01T00:00:00Z", dialect="evi")
    write_session(folder, Session(header, tuple(told[0])), EVI)
    assert len(load_session(folder).events) == len(told[0])
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()


def _relayed(data: bytes, extensions: str, step: int) -> List[Event]:
    events: List[Event] = []
    log = WireLog(events.append, lambda event, _: events.append(event), extensions=extensions, max_bytes=5000)
    log.opened(Handshake("/v0/evi/chat"), 0, 0)
    app, _, service = data.partition(_TURN)
    for side, take in ((app, log.from_app), (service, log.from_service)):
        for at in range(0, len(side), step):
            take(side[at : at + step], 1)
            assert log.n_held < 20_000
    log.over(2)
    assert log.closed is not None
    return events


def _requests(data: bytes) -> None:
    """What a client asks for of a proxy, and the same bytes as the service's answer."""
    told = []
    for step in (len(data) or 1, 7):
        requests, found = RequestStream("evi.example", "/evi"), b""
        for at in range(0, len(data), step):
            for one in requests.feed(data[at : at + step]):
                if isinstance(one, BadRequest):
                    raise UsageError(one.text)
                if isinstance(one, Request):
                    assert asked_for(one.target, one.pairs).path.startswith(("/", "*")) or "//" not in one.target
                found += one.data if isinstance(one, Request) else one
        told.append(found)
    assert told[0] == told[1]
    ReplyHead().feed(data)


# What they are given.


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


_TYPED = ROOT / "sessions" / "typed"
_EVENTS = (_TYPED / "events.jsonl").read_bytes()
_HEAD = (_TYPED / "session.json").read_bytes()
_LINES = tuple((ROOT / "sessions" / "weather" / "events.jsonl").read_bytes().split(b"\n")[:-1])
_AUDIO_LINES = tuple(line for line in _LINES if b'"form"' in line)[:2]
_RECORDING = read_session(_TYPED)
_FRAMES = tuple(event.frame for event in _RECORDING.received)


def _texts(kind: type) -> Tuple[bytes, ...]:
    """The messages of a session that can be written down in a line, one of each type."""
    found: Dict[str, bytes] = {}
    for event in read_session(ROOT / "sessions" / "weather").events:
        if isinstance(event, kind):
            message = EVI.read(event.kind, event.frame)
            text = event.frame.payload
            found.setdefault(str(message.type), text if len(text) < 4000 else event.frame.outline)
    return tuple(text for text in found.values() if b"\n" not in text)


def _with_number(text: bytes, name: bytes, number: bytes) -> bytes:
    """A message with another number in one of its members."""
    return re.sub(rb'("%s":\s*)[0-9.]+' % name, rb"\g<1>" + number, text)


def _wav() -> bytes:
    return header(Pcm(8000, 1), 400) + bytes(range(200)) * 2


def _float_wav() -> bytes:
    """A WAV file of floats, of which some are no numbers, and some beyond what is loud."""
    samples = struct.pack("<4f", math.nan, math.inf, -3e38, 0.5)
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(samples), b"WAVE", b"fmt ", 16, 3, 1, 8000, 32000, 4, 32, b"data", len(samples)
    )
    return head + samples


# Where what the app sends ends, and what the service sends begins.
_TURN = b"\n--turn--\n"
_BASELINE = {
    "format": "evi-harness baseline",
    "version": 1,
    "made": "2026-11-22T10:00:00Z",
    "by": "0.1.0",
    "runs": [
        {
            "detector": {"name": "silero", "version": "6", "threshold": 0.5},
            "sessions": [{"session": "weather", "recording": None, "clock": "virtual", "axis": {"--speed": "2"}}],
            "metrics": {
                "handle": {
                    "unit": "ms",
                    "exact": True,
                    "samples": [
                        {"session": "weather", "turn": 1, "of": 7, "value": 0.25},
                        {"session": "weather", "turn": None, "of": None, "why": "no"},
                    ],
                }
            },
        }
    ],
}
_SCRIPT = b"""seed = 7
at_end = "repeat"
[audio]
rate = 24000
chunk_ms = 200
[turn_detection]
end_of_turn_silence_ms = 800
[latency]
first_audio = { median_ms = 300, sigma = 0.2 }
[greeting]
say = "Hello."
[[turn]]
expect = "text"
said = "Hi."
interim = ["H"]
say = ["One.", { text = "Two.", voice = "a.wav", chunk_ms = 10, prosody = true, quick = true }]
delay_ms = 20
[turn.tool]
name = "get_weather"
parameters = { location = "Bath" }
answer = [{ to = "response", contains = "x", say = "Yes." }]
"""
_CONFIGURATION = b"""[tool.evi-harness]
gate = ["handle: p(95)<50"]
baseline = "b.json"
inconclusive = "pass"
seed = 3
false-alarm = 0.01
"""
_EXPECTATION = b'{"format":"evi-harness expectation","version":1,"session":"%s"}\n' % _RECORDING.header.id.encode() + (
    b'{"event":"opened","seq":0,"at_ns":0,"handshake":{"path":"/v0/evi/chat","query":[["a","b"]]}}\n'
    b'{"event":"sent","seq":2,"at_ns":931000000,"frame":"text","json":{"type":"user_input","text":"Hi"}}\n'
)
# A turn of the Realtime protocol, with audio, a tool and an interruption.
_REALTIME: List[Dict[str, object]] = [
    {
        "type": "session.update",
        "session": {"audio": {"input": {"format": {"type": "audio/pcmu"}, "turn_detection": {"type": "server_vad"}}}},
    },
    {"type": "session.created", "session": {"id": "s", "input_audio_format": "pcm16", "voice": "v"}},
    {"type": "input_audio_buffer.append", "audio": "AAAAAAAA"},
    {"type": "input_audio_buffer.speech_started", "audio_start_ms": 0, "item_id": "u"},
    {"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 1, "item_id": "u"},
    {"type": "input_audio_buffer.committed", "item_id": "u"},
    {"type": "conversation.item.added", "item": {"id": "u", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}},
    {"type": "response.created", "response": {"id": "r"}},
    {"type": "response.output_audio.delta", "response_id": "r", "item_id": "a", "delta": "AAAA"},
    {"type": "response.function_call_arguments.done", "response_id": "r", "item_id": "f", "call_id": "c", "arguments": "{}"},
    {"type": "conversation.item.create", "item": {"type": "function_call_output", "call_id": "c", "output": "1"}},
    {"type": "conversation.item.truncate", "item_id": "a", "audio_end_ms": 5},
    {"type": "response.done", "response": {"id": "r", "status": "cancelled", "status_details": {"reason": "turn_detected"}}},
    {"type": "error", "error": {"code": "x", "event_id": "e"}},
]
_HAR_ENTRY = {
    "log": {
        "entries": [
            {
                "startedDateTime": "2025-11-30T02:00:00.250Z",
                "request": {"url": "wss://h:1/v0/evi/chat?a=b&api_key=k", "headers": [{"name": "Host", "value": "h"}]},
                "_webSocketMessages": [
                    {"type": "receive", "time": 1764468000.25, "opcode": 1, "data": '{"type":"assistant_end"}', "_atNs": 3, "_takenNs": 4},
                    {"type": "send", "time": 1764468001.25, "opcode": 2, "data": "AAAA", "_atNs": 1000000000, "_outcome": "failed"},
                    {"type": "send", "time": 1764468001.5, "opcode": 1, "data": "\3", "_isBase64": False},
                ],
                "_eviHarness": {"version": 1, "dialect": "evi", "closed": {"by": "app", "code": 1000, "reason": "", "at_ns": 1250000000}},
            },
            {"request": {"url": "wss://h/x"}, "_resourceType": "websocket", "_webSocketMessages": [{"type": "receive", "opcode": 9}]},
        ]
    }
}
_HISTORY = {
    "id": "c-1",
    "chat_group_id": "g-1",
    "status": "USER_ENDED",
    "start_timestamp": 1716244940648,
    "pagination_direction": "DESC",
    "page_number": 0,
    "total_pages": 2,
    "events_page": [
        {"id": "3", "timestamp": 1716244957031, "type": "AGENT_MESSAGE", "message_text": "Hi.", "related_event_id": None},
        {
            "id": "2",
            "chat_id": "c-1",
            "timestamp": 1716244956278,
            "role": "USER",
            "type": "USER_MESSAGE",
            "message_text": "Hello.",
            "emotion_features": json.dumps(dict.fromkeys(EMOTIONS, 0.25)),
            "metadata": '{"segments":[{"time":{"begin_ms":640,"end_ms":1140}}]}',
        },
        {"id": "1", "timestamp": 1716244941, "type": "FUNCTION_CALL", "message_text": '{"name":"f","parameters":"{}","tool_call_id":"t"}'},
    ],
}
_PLACE = {"file": "/p/app.py", "line": 3, "function": "f", "source": [{"line": 3, "text": "\tf()"}, {"line": 4, "text": ""}]}
_REPORT = {
    "session": "weather",
    "handler": "app.py:App",
    "passed": False,
    "verdict": "failed: 1 finding, 1 deviation",
    "incomplete": True,
    "recorded": {"missing": ["the end"]},
    "twice": {"identical": False, "first_difference": ["a", "b"]},
    "expectation": {"outcome": "proposed", "changes": [{}]},
    "findings": [{"kind": "raised", "severity": "error", "what": "it raised", "at_ns": 5, "recorded_seq": 3, "places": [_PLACE]}],
    "deviations": [
        {
            "kind": "different",
            "what": "x",
            "observed": "$.a: 1",
            "expected": "$.a: 2",
            "to_try": "y",
            "recorded_at_ns": 7,
            "consequences": [8],
        }
    ],
    "command": {"again": ["evi-harness", "replay", "x"], "argv": None, "cwd": "/p", "call": None, "test": None, "is_redacted": True},
    "versions": {"python": "3.11"},
    "page": "x.html",
    "gate": {
        "verdict": "failed",
        "thresholds": [{"metric": "queue", "threshold": "queue: max<1", "verdict": "failed", "value": 2.5, "n": 3, "why": ""}],
        "comparisons": [{"metric": "cpu", "unit": "ms", "verdict": "regressed", "old": 1, "new": 2, "least": 0.5, "why": "so"}],
    },
}
_REPORTS = (
    _json(_REPORT),
    _json({"n_workers": 1, "sessions": [{"folder": "s/a", "exit_code": 1, "verdict": "failed", "report": _REPORT}]}),
    _json({"n_failed": 1, "runs": [{"report": _REPORT}]}),
    _json({"session": "x", "endpoint": "http://h", "faults": ["it ended"], "drift": {}}),
    _json(_REPORT["gate"]),
)
# As real writers have them, without most of the audio.
_HARS = (
    _json(_HAR_ENTRY),
    *(re.sub(rb"[A-Za-z0-9+/]{2000,}={0,2}", b"AAAA", path.read_bytes()) for path in sorted((ROOT / "fixtures" / "har").glob("*.har"))),
)
_KEYS = (
    b'"at_ns":',
    b'"seq":',
    b'"audio":',
    b'"offset":',
    b'"length":',
    b'"json":',
    b'"event":"note"',
    b'"event":"x"',
    b'"data":{"last_seq":',
    b'"text":',
)


def _prepare() -> None:
    for name in ("folder", "expected"):
        write_session(
            _HERE / name, Session(Header(id=_RECORDING.header.id, made_by="script", created="", dialect="evi"), _RECORDING.events), EVI
        )
    (_HERE / "folder" / "sound.json").write_bytes((_HERE / "folder" / "session.json").read_bytes())


_prepare()

_TYPED = load_session(ROOT / "sessions" / "typed")
_PAGE_SIDE = PageSide("recorded", "Recorded", _TYPED, EVI, measure(_TYPED, EVI))
_OF_SERVER, _OF_APP = _texts(Received), _texts(Sent)

# What was found, and what was tried by hand, stands behind the good inputs of each.
_OPUS = b"OpusHead\1\1\x38\1\x80\xbb\0\0\0\0\0"
_PACKETS = [b"\xfc\xff\xfe", b"\xfc\xff\xfe", b"\x78\x80" + bytes(300), b"\xff\x02\1\2\3\4"]
_OGG = opus_file(head_of(_OPUS), 312, _PACKETS * 5)
# A header, a track, and clusters without a size: a block of its own, and laced ones in a group and without.
_WEBM = (
    EBML
    + b"\x87\x42\x82\x84webm\x18\x53\x80\x67\1\xff\xff\xff\xff\xff\xff\xff\xec\x82\0\0"
    + b"\x16\x54\xae\x6b\xa6\xae\xa4\xd7\x81\1\x83\x81\2\x86\x86A_OPUS\x63\xa2\x93"
    + _OPUS
    + b"\x1f\x43\xb6\x75\xff\xe7\x81\0\xa3\x87\x81\0\0\x80\xfc\xff\xfe\xa0\x8d\xa1\x8b\x81\0\0\x02\1\x03\xfc\xff\xfe\xfc\xff"
    + b"\xa3\x8b\x81\0\0\x86\1\x83\xfc\xff\xfe\xfc\xff\x1f\x43\xb6\x75\xff\xa3\x89\x81\0\0\x84\1\xfc\xff\xfc\xff"
)
TARGETS: Dict[str, Target] = {
    "lines": Target(
        _lines,
        (ValueError,),
        (*_LINES[:4], *_AUDIO_LINES, _EVENTS, *_LINES[-2:]),
        _KEYS,
    ),
    "header": Target(_header, (ValueError,), (_HEAD, _HEAD.replace(b'"minor": 2', b'"minor": ' + b"7" * 400)), _KEYS),
    "folder": Target(
        _folder, (SessionError,), (b"\0" + _EVENTS, _HEAD + b"\0" + _EVENTS, b"\0" + _LINES[0] + b"\n" + _LINES[5] + b"\n"), _KEYS
    ),
    "capture": Target(
        _capture,
        (CaptureError,),
        (
            b"\n".join(_OF_SERVER),
            *_OF_SERVER,
            *(_with_number(text, b"end", b"9223372036854775807") for text in _OF_SERVER if b'"end"' in text),
        ),
        (b'"time":{"begin":0,"end":', b'"type":"user_interruption","time":', *_OF_SERVER),
    ),
    "har": Target(
        _har,
        (ImportRefused,),
        (
            *_HARS,
            _json(_HAR_ENTRY).replace(b"0.25", b"1e400"),
            _json(_HAR_ENTRY).replace(b"1764468000.25", b"7" * 400),
            _json(_HAR_ENTRY).replace(b"0003", b"ud800"),
        ),
        (
            b'"_webSocketMessages":[',
            b'"time":',
            b'"opcode":2,"data":"',
            b'"type":"receive"',
            b'"_atNs":',
            b'"_eviHarness":{"version":1,"closed":',
        ),
    ),
    "events": Target(
        _events,
        (ImportRefused,),
        (
            b"\n".join(map(_json, _REALTIME)),
            _json([{"time_ms": number, "data": one} for number, one in enumerate(_REALTIME)]),
            b"- direction: sent\n  data: {type: response.create}\n- data: {type: response.done, response: {id: r}}\n  from: server\n",
            b"- {type: response.create, x: &a [1], y: *a}",
        ),
        (
            *(b'"type":"response.done","response":', b'"audio_end_ms":', b'"turn_detection":', b'"item":{"role":"user"}', b'"time":'),
            *(b"direction: sent", b"\n- ", b"&a ", b"*a", b'"call_id":"c"', b'"response_id":"r"'),
        ),
    ),
    "chat history": Target(
        _chat_history,
        (ImportRefused,),
        (
            _json(_HISTORY),
            _json([_HISTORY, {**_HISTORY, "page_number": 1}]),
            _json(_HISTORY["events_page"]),
            _json(_HISTORY).replace(b"1716244941", b"7" * 400),
            _json(_HISTORY).replace(b"0.25", b"7" * 400),
            _json(_HISTORY).replace(b"1140", b"1e400"),
        ),
        (b'"timestamp":', b'"type":"USER_INTERRUPTION"', b'"emotion_features":"', b'"metadata":"{', b'"chat_id":', b'"start_timestamp":'),
    ),
    "page": Target(_page, (), _REPORTS, (b'"findings":[', b'"late":[{', b'"places":', b'"at_ns":', b'"command":', b'"differences":[{')),
    "report": Target(
        _report,
        (ReportError,),
        (
            *_REPORTS,
            _REPORTS[0].replace(b"2.5", b"7" * 400),
            _REPORTS[0].replace(b"2.5", b"1e400"),
            _REPORTS[0].replace(b'"recorded_seq":3', b'"recorded_seq":3e400'),
            _REPORTS[0].replace(b"it raised", b"\\ud800"),
        ),
        (b'"findings":[', b'"places":', b'"at_ns":', b'"report":', b'"sessions":[', b'"recorded_seq":', b'"consequences":'),
    ),
    "script": Target(
        _script,
        (ScriptError, UnicodeDecodeError, RecursionError),
        (_SCRIPT, b"seed = 0x" + b"f" * 5000),
        (b"[[turn]]\n", b"say = ", b"delay_ms = "),
    ),
    "configuration": Target(
        _configuration,
        (EviHarnessError,),
        (_CONFIGURATION, b"[tool.evi-harness]\nseed = 0x" + b"f" * 5000),
        (b"[tool]\n", b"seed = ", b"\ngate = "),
    ),
    "thresholds": Target(
        _threshold,
        (UsageError, UnicodeDecodeError),
        (
            b"turn_gap: p(95)<1200",
            b"handle: max <= 1.5s",
            b"underrun: count==0",
            b"missed: rate<5%",
            b"handle: max<" + b"9" * 400,
            b"handle: p(" + b"9" * 400 + b")<1",
        ),
        (b"p(", b"rate", b"%", b"us", b"<", b"==="),
    ),
    "effects": Target(
        _effect, (UsageError, UnicodeDecodeError), (b"5%", b"20ms", b"5%,1ms..50ms", b"9" * 400 + b"ms"), (b"..", b"%", b"ms", b",")
    ),
    "paths": Target(
        _path,
        (UsageError, UnicodeDecodeError),
        (b"$.content", b"$..description", b"tool_response:$", b"$.a[0].b[*]", b"$['a b'].c", b"$[" + b"9" * 5000 + b"]"),
        (b"[*]", b"..", b"['", b"']", b"$", b"[0]", b"\\'"),
    ),
    "words": Target(
        _word,
        (UsageError, UnicodeDecodeError),
        (
            *(b"app.py:App", b"package.module:Name", b"12.5s", b"1m3s", b"#123", b"t3", b"max", b"250ms", b"localhost:80", b"[::1]:6379"),
            *(
                b"https://api.hume.ai/v0/evi/chat",
                b"http://127.0.0.1:8765/",
                b"#" + b"9" * 5000,
                b"t" + b"9" * 5000,
                b"9" * 5000 + b"s",
                b"h:" + b"9" * 5000,
            ),
        ),
        (b":", b"//", b"@", b"]", b"%", b"ms", b"\xc2\xb2", b"xn--"),
    ),
    "expected": Target(_expected, (SessionError,), (_EXPECTATION,), (*_KEYS, b"\n")),
    "baseline": Target(
        _baseline,
        (EviHarnessError,),
        (_json(_BASELINE), _json(_BASELINE).replace(b"0.25", b"7" * 400), _json(_BASELINE).replace(b"0.5", b"7" * 400)),
        (b'"value":', b'"turn":', b'"threshold":', b'"metrics":', b'"exact":true'),
    ),
    "server frames": Target(
        _received,
        (),
        (b"\n".join(_OF_SERVER), *_OF_SERVER, b"\0" + bytes(20)),
        (b'"type":', b'"time":{"begin":', b'"data":', b"\n", *_OF_SERVER),
    ),
    "client frames": Target(
        _sent,
        (),
        (
            b"\n".join(_OF_APP),
            *(text for text in _OF_APP if text[:1] == b"{"),
            b'{"type":"session_settings","audio":{"encoding":"linear16","sample_rate":1,"channels":1}}\n\0' + bytes(6400),
            b'{"type":"user_input","text":"hi"}\n{"type":"pause_assistant_message"}\n{"type":"audio_input","data":"AAAA"}',
        ),
        (b'"type":"session_settings","audio":', b'"sample_rate":', b'"data":"', b"\n\0", b'"tool_call_id":'),
    ),
    "wire": Target(
        _wire,
        (),
        (
            b"\x81\x85\1\2\3\4"
            + bytes(byte ^ (1, 2, 3, 4)[at % 4] for at, byte in enumerate(b"hello"))
            + b"\x88\x80\0\0\0\0"
            + _TURN
            + b"\x01\x02he\x89\x00\x80\x03llo\x88\x05\x03\xe8bye",
            b"\xc1\x87\0\0\0\0\xf2\x48\xcd\xc9\xc9\x07\x00" * 2
            + _TURN
            + b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\xc1\x05\xf2\x00\x11\x00\x00",
            b"\x82\xfe\x20\x00\0\0\0\0" + bytes(8192) + _TURN + b"\x82\x7f" + b"\xff" * 8 + bytes(50),
            b"\xc2\xff\0\0\0\0\0\0\0\x40\0\0\0\0" + b"\x03\x00" * 32 + _TURN,
        ),
        (b"\x81", b"\x01", b"\x80", b"\x88\x00", b"\xc1", b"\x41", b"\xfe\xff\xff", b"\x7f" + b"\0" * 6, b"\x00\x00\xff\xff", _TURN),
    ),
    "containers": Target(
        _container,
        (ContainerError,),
        (_WEBM, _OGG, _WEBM + _OGG, _WEBM[:-20] + _WEBM),
        (EBML, OGG, b"\x18\x53\x80\x67\x01" + b"\xff" * 7, b"\x1f\x43\xb6\x75\xff", b"\xa3\x85\x81\0\0\x80\xfc", b"OpusHead", b"\xff" * 8),
    ),
    "requests": Target(
        _requests,
        (UsageError,),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /?a=b HTTP/1.1\r\nHost: b\r\nUpgrade: websocket\r\n\r\nxyz",
            b"PUT http://a/b?c HTTP/1.1\r\nhost:a\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\nA: b\r\n\r\n",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 x\r\nA: b\r\n\r\nabc",
        ),
        (b"\r\n\r\n", b"\r\n", b"Host: ", b"Content-Length: ", b"Transfer-Encoding: chunked", b" HTTP/1.1", b"://", b"?", b"GET "),
    ),
    "audio": Target(
        _audio,
        (UsageError,),
        (_wav(), header(Pcm(8000, 1), 0), _wav()[:42], _float_wav(), _float_wav().replace(struct.pack("<f", math.nan), b"\1\0\x80\x7f")),
        (b"data", b"fmt ", b"RIFF", struct.pack("<I", 0xFFFFFFFF)),
    ),
}
