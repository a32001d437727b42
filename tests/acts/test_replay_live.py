"""Tests of evi_harness.acts.replay_live: the recorded user before the simulator, in other processes, behind TLS and without."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from thread_server import serving_in_thread

from evi_harness.acts.replay_live import LiveReplayOptions, replay_live
from evi_harness.acts.serve.serving import ServeOptions, served
from evi_harness.acts.serve.simulating import SIMULATOR, simulation
from evi_harness.acts.sessions import check_session
from evi_harness.errors import EviHarnessError, UsageError
from evi_harness.evi.dialect import EVI
from evi_harness.session.events import TEXT, Frame, Received
from evi_harness.session.protocols import Close, Send
from evi_harness.verdicts.loading import load_session

pytestmark = pytest.mark.usefixtures("no_environment")

ROOT = Path(__file__).resolve().parents[2]
TYPED = ROOT / "sessions" / "typed"
TUNNEL = Path(__file__).parent / "tls_tunnel.py"
MS = 1_000_000
KEY, SECRET = "k" * 48, "s" * 64
SCRIPT = """
[latency]
connect = 20
transcription = 50
response = 120
first_audio = 60
extra_ms = {extra_ms}

[limits]
max_duration_s = {max_duration_s}

[[turn]]
expect = "text"
[turn.tool]
name = "get_weather"
parameters = {{ location = "Bath" }}
[[turn.tool.answer]]
say = "{says}"
"""


@pytest.fixture
def simulator(tmp_path):
    """Makes a simulator of a typed conversation, to be served."""

    def make(*, extra_ms=0, max_duration_s=60, says="It is raining."):
        script = tmp_path / f"script-{extra_ms}-{max_duration_s}.toml"
        script.write_text(SCRIPT.format(extra_ms=extra_ms, max_duration_s=max_duration_s, says=says))
        return simulation(script)

    return make


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A certificate authority of the tests' own, and a certificate for loopback: two PEM files."""
    trustme = pytest.importorskip("trustme")
    folder = tmp_path_factory.mktemp("authority")
    ca = trustme.CA()
    ca.cert_pem.write_to_path(folder / "ca.pem")
    ca.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    return folder / "ca.pem", folder / "server.pem"


@pytest.fixture
def tunnel(authority):
    """Puts TLS before a server, with a fault or none: ``tunnel(server, "refuse:429")`` is its URL."""
    processes = []

    def start(server, fault=""):
        port = server.url.rpartition(":")[2]
        process = subprocess.Popen(
            [sys.executable, str(TUNNEL), str(authority[1]), port, fault], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        processes.append(process)
        return f"https://127.0.0.1:{process.stdout.readline().strip()}"

    yield start
    for process in processes:
        process.communicate("")


@pytest.mark.slow
def test_the_conversation_is_held_again_behind_tls(simulator, tunnel, authority, tmp_path):
    """The tool's answer goes to the live call; the new session is complete, says who served it, and replays; nothing is a fault."""
    with served(simulator(), ServeOptions(service=SIMULATOR)) as server:
        report = replay_live(TYPED, LiveReplayOptions(base_url=tunnel(server), ca=authority[0], out=tmp_path / "out"))
    assert report.passed, "\n".join(report.lines())
    assert check_session(report.folder) == []
    live = load_session(report.folder)
    assert live.header.service == "simulator"
    messages = [json.loads(event.frame.payload) for event in live.events if hasattr(event, "frame")]
    call, answer = ([one for one in messages if one["type"] == kind] for kind in ("tool_call", "tool_response"))
    assert answer[0]["tool_call_id"] == call[0]["tool_call_id"] != "call_made_by_a_script"
    assert report.lines()[-1] == "verdict    passed"
    json.dumps(report.json())


def test_what_is_said_differently_is_drift_and_no_fault(simulator, tmp_path):
    """Another wording of the reply is shown, then and now; the replay passes."""
    reached = []
    with served(simulator(says="Nobody knows.")) as server:
        report = replay_live(TYPED, LiveReplayOptions(base_url=server.url, out=tmp_path / "out"), on_part=reached.append)
    assert report.passed
    # Meanwhile it is told how far it has got, by the recording.
    assert {(one.turn, one.n_turns, one.whole_ns) for one in reached} == {(1, 1, report.recorded.duration_ns)}
    at_ns = [one.at_ns for one in reached]
    assert at_ns == sorted(at_ns)
    assert at_ns[-1] <= report.recorded.duration_ns
    said = [(text.what, text.live) for text in report.drift.texts]
    assert said == [("assistant", "Nobody knows.")]
    (turn,) = report.json()["comparison"]["turns"]
    assert [(one["kind"], one["second"]) for one in turn["differences"]] == [("replied", "Nobody knows.")]
    assert any("Nobody knows." in line for line in report.lines())


@pytest.mark.slow
def test_a_slower_service_shows_in_the_latency(simulator, tmp_path):
    """Beside a fast recording: what a reply took is what lies between it and the user's message, and no less than the service was told."""
    typed = load_session(TYPED)
    # The app does not close as early as that.
    events = (replace(event, at_ns=event.at_ns // 10) for event in typed.events[:-1])
    header = replace(typed.header, recorded=replace(typed.header.recorded, times="measured"))
    recorded = replace(typed, header=header, events=(*events, typed.events[-1]))
    with served(simulator(extra_ms=150)) as server:
        report = replay_live(recorded, LiveReplayOptions(base_url=server.url, out=tmp_path / "out"))
    [(then, now)] = report.latencies
    assert (then.response_ns, now.response_ns) == (replied_ns(recorded), replied_ns(load_session(report.folder)))
    # A call of a tool comes between the user's message and the reply, so there are two responses, of 120 ms and 150 more.
    assert now.response_ns >= 540 * MS > then.response_ns
    assert any("response +" in line for line in report.lines())


def replied_ns(session):
    """How long it took from the user's message to the first audio of the reply."""
    at_ns = {EVI.read(event.kind, event.frame).type: event.at_ns for event in reversed(session.received)}
    return at_ns["audio_output"] - at_ns["user_message"]


@pytest.mark.parametrize(
    ("status", "says"),
    [(429, "Too many"), (401, "API key or"), (503, "not available")],
)
def test_a_refusal_is_told_and_leaves_no_session(status, says, simulator, tunnel, authority, tmp_path):
    """The handshake is refused: could not run, with what the status means."""
    with served(simulator()) as server, pytest.raises(EviHarnessError, match=says) as caught:
        replay_live(TYPED, LiveReplayOptions(base_url=tunnel(server, f"refuse:{status}"), ca=authority[0], out=tmp_path / "out"))
    assert caught.value.exit_code == 3
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "by", "says"),
    [
        ("lose:tool_call", "network", "connection was lost"),
        ("close:tool_call:1011", "service", "the service closed"),
    ],
)
def test_an_early_end_is_a_fault_and_keeps_what_there_was(fault, by, says, simulator, tunnel, authority, tmp_path):
    """Lost in mid-session, or closed with 1011: the session holds what had come, and the replay fails."""
    with served(simulator()) as server:
        report = replay_live(TYPED, LiveReplayOptions(base_url=tunnel(server, fault), ca=authority[0], out=tmp_path / "out"))
    assert [one for one in report.faults if says in one]
    live = load_session(report.folder)
    assert live.closed.by == by
    assert any(isinstance(event, Received) for event in live.events)
    assert report.lines()[-1].startswith("verdict    failed")


def test_an_error_message_of_the_services_is_a_fault(simulator, tmp_path):
    """The service ends the chat after a second with E0715 and a normal close: both are told."""
    with served(simulator(max_duration_s=1)) as server:
        report = replay_live(TYPED, LiveReplayOptions(base_url=server.url, out=tmp_path / "out"))
    assert any("E0715" in fault for fault in report.faults)
    assert any("closed the connection" in fault for fault in report.faults)


ENDED = [
    ("sent", 100, {"type": "user_input", "text": "Is it raining?"}),
    ("received", 200, {"type": "user_message", "message": {"role": "user", "content": "Is it raining?"}, "from_text": True}),
    ("received", 300, {"type": "tool_call", "name": "get_weather", "parameters": "{}", "tool_call_id": "c-1"}),
    ("sent", 400, {"type": "tool_response", "tool_call_id": "c-1", "content": "{}"}),
    ("received", 500, {"type": "assistant_message", "id": "a", "message": {"role": "assistant", "content": "No."}}),
    ("received", 600, {"type": "assistant_end"}),
]
TIMED_OUT = "Chat was ended because it exceeded the max duration of 1800 seconds."
LIMIT = ("received", 4000, {"type": "error", "code": "E0715", "slug": "max_duration_timeout", "message": TIMED_OUT})


class Limited:
    """A service that answers as in ``ENDED``, and reaches another limit right behind that: at no time of a clock's."""

    def __init__(self):
        self.waiting = []

    def take(self, event, at_ns):
        if event.kind == "sent":
            is_asked = EVI.read("sent", event.frame).type == "user_input"
            limit = {**LIMIT[2], "message": TIMED_OUT.replace("1800", "2")}
            said = [ENDED[1][2], ENDED[2][2]] if is_asked else [ENDED[4][2], ENDED[5][2], limit]
            self.waiting += [Send(Frame(TEXT, json.dumps(message).encode()), at_ns) for message in said]
            self.waiting += [] if is_asked else [Close(1000, "")]

    def due(self, at_ns):
        now, self.waiting = self.waiting, []
        return now

    def next_at_ns(self):
        return 0 if self.waiting else None


@pytest.mark.parametrize(
    ("ending", "n_faults", "says"),
    [
        # The limit is another one, and the error quotes it: it is the same error.
        ([LIMIT, ("closed", 4001, ("service", 1000, ""))], 0, ""),
        ([LIMIT, ("closed", 4001, ("service", None, ""))], 0, ""),
        # The error is new, and what it ended with.
        ([("closed", 4001, ("service", 1000, ""))], 2, "ended: .*service closed .* 1000\\."),
        ([LIMIT, ("closed", 4001, ("network", None, ""))], 1, "recording ended: .*connection was lost .*E0715\\."),
        ([LIMIT, ("closed", 4001, ("service", 1011, ""))], 1, "with 1011 after E0715."),
        # The app had still to close.
        ([("closed", 9000, ("app", 1000, ""))], 2, "recording ended: the app closed .* 1000\\."),
    ],
    ids=["as recorded", "no code", "no error", "lost", "another code", "by the app"],
)
def test_an_ending_that_was_recorded_is_no_fault(ending, n_faults, says, session_of, tmp_path):
    """The service ends the chat by its limit, as it did then; how else it may have ended then, that is another ending."""
    recorded = session_of([*ENDED, *ending])
    with serving_in_thread(lambda _: Limited()) as url:
        report = replay_live(recorded, LiveReplayOptions(base_url=url, out=tmp_path / "out"))
    told = "\n".join(report.lines())
    assert len(report.faults) == n_faults, told
    assert re.search(says, "".join(report.faults))
    assert report.exit_code == (1 if n_faults else 0)
    assert report.json()["endings"]["live"] == {"by": "service", "code": 1000, "error": "E0715"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "ending"), [("lose:assistant_end", ("network", None, "")), ("close:assistant_end:1011", ("service", 1011, ""))]
)
def test_a_loss_that_was_recorded_is_no_fault(fault, ending, session_of, simulator, tunnel, authority, tmp_path):
    """Nor a close by which the service failed."""
    recorded = session_of([*ENDED, ("closed", 4000, ending)])
    with served(simulator()) as server:
        report = replay_live(recorded, LiveReplayOptions(base_url=tunnel(server, fault), ca=authority[0], out=tmp_path / "out"))
    assert report.passed, "\n".join(report.lines())


@pytest.mark.slow
def test_a_recorded_end_that_does_not_come_is_drift(session_of, simulator, tmp_path):
    """The user then closes, a little behind the time at which the service did."""
    recorded = session_of([*ENDED, ("closed", 700, ("service", 1000, ""))])
    with served(simulator()) as server:
        report = replay_live(recorded, LiveReplayOptions(base_url=server.url, out=tmp_path / "out"))
    assert report.passed, "\n".join(report.lines())
    assert [line for line in report.lines() if line.endswith("it ended differently:")]
    assert report.json()["endings"]["live"]["by"] == "app"


def test_it_does_not_last_longer_than_it_may(simulator, tmp_path):
    """--max-duration ends it, with a fault that says so."""
    with served(simulator()) as server:
        report = replay_live(TYPED, LiveReplayOptions(base_url=server.url, out=tmp_path / "out", max_duration_s=0.5))
    assert any("--max-duration" in fault for fault in report.faults)


@pytest.mark.slow
def test_a_token_is_got_and_presented(simulator, tunnel, authority, tmp_path, monkeypatch):
    """With a secret key the chat is opened with an access token; a server that checks lets it in, and no key is in the session."""
    monkeypatch.setenv("HUME_API_KEY", KEY)
    monkeypatch.setenv("HUME_SECRET_KEY", SECRET)
    with served(simulator(), ServeOptions(require_key=True)) as server:
        report = replay_live(TYPED, LiveReplayOptions(base_url=tunnel(server), ca=authority[0], out=tmp_path / "out"))
    assert report.passed, "\n".join(report.lines())
    written = b"".join(path.read_bytes() for path in Path(report.folder).rglob("*") if path.is_file())
    assert KEY.encode() not in written
    assert SECRET.encode() not in written


def test_an_unknown_authority_is_not_trusted(simulator, tunnel, tmp_path):
    """Without --ca the certificate is judged by the system's authorities, and refused."""
    with served(simulator()) as server, pytest.raises(EviHarnessError, match="certificate"):
        replay_live(TYPED, LiveReplayOptions(base_url=tunnel(server), out=tmp_path / "out"))


def test_nothing_is_sent_that_was_not_agreed_to(tmp_path):
    """A service elsewhere may cost something: asked once, in a sentence with where and how long; No is a usage error."""
    asked = []

    def refuse(what):
        asked.append(what)
        return False

    options = LiveReplayOptions(base_url="https://evi.invalid", out=tmp_path / "out")
    with pytest.raises(EviHarnessError, match="HUME_API_KEY"):
        replay_live(TYPED, options, refuse)
    assert asked == []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HUME_API_KEY", KEY)
        with pytest.raises(UsageError, match="yes=True"):
            replay_live(TYPED, options, refuse)
    (sentence,) = asked
    assert re.search(r"\btyped \(3 s\) .*https://evi\.invalid, .*\b66 s\?$", sentence)


def test_what_cannot_be_said_again_is_told(tmp_path, session_of):
    """A recording that does not know what was sent; a cadence that is none; a file that is no certificate; an authority without TLS."""
    with pytest.raises(UsageError, match="the app sent"):
        replay_live(session_of([("received", 5, {"type": "chat_metadata"})]), LiveReplayOptions())
    with pytest.raises(UsageError, match="cadence"):
        replay_live(TYPED, LiveReplayOptions(cadence="waltz"))
    (tmp_path / "no.pem").write_text("no")
    with pytest.raises(UsageError, match="PEM"):
        replay_live(TYPED, LiveReplayOptions(base_url="https://127.0.0.1:1", ca=tmp_path / "no.pem"))
    with pytest.raises(UsageError, match="over TLS"):
        replay_live(TYPED, LiveReplayOptions(base_url="http://127.0.0.1:1", ca=tmp_path / "no.pem"))
