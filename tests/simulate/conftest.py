"""A conversation with the simulator and no loop: a hearing that is exact, an app that speaks by the clock, and EVI's grammar."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Optional, Tuple

import pytest

from evi_harness.evi.compat import problems
from evi_harness.session.encoded_audio import base64_bytes
from evi_harness.session.events import BINARY, TEXT, Closed, Frame, Handshake, Opened, Sent
from evi_harness.session.protocols import Close, Mark, Remark, Send
from evi_harness.session.wav import Pcm, split
from evi_harness.simulate.simulator import Simulator
from evi_harness.simulate.simulator_options import Options

MS = 1_000_000
BLOCK_MS = 10
MICROPHONE = Pcm(8_000, 1)
SETTINGS = {"type": "session_settings", "audio": {"encoding": "linear16", "sample_rate": 8_000, "channels": 1}}
SPEECH = b"\x40\x00"


class ExactHearing:
    """Hears speech in every 10 ms that hold anything."""

    name = "exact 1"

    def __init__(self) -> None:
        self._samples = b""
        self._end_ns = 0

    def hear(self, samples: bytes, pcm: Pcm, start_ns: int) -> List[Mark]:
        marks = []
        gap_ns = start_ns - self._end_ns - pcm.length_ns(len(self._samples))
        if gap_ns > 0:
            marks.append(Mark(self._end_ns, start_ns, 0.0))
            self._samples, self._end_ns = b"", start_ns
        self._samples += samples
        size = pcm.rate * BLOCK_MS // 1000 * pcm.frame_bytes
        while len(self._samples) >= size:
            block, self._samples = self._samples[:size], self._samples[size:]
            marks.append(Mark(self._end_ns, self._end_ns + BLOCK_MS * MS, float(any(block))))
            self._end_ns = marks[-1].end_ns
        return marks


class Talk:
    """One conversation, driven by hand in milliseconds.

    It holds the simulator to what a service must do: it says honestly when something is due, never acts before, and time never goes back.
    """

    def __init__(
        self,
        partner: Any,
        options: Optional[Options] = None,
        *,
        query: Tuple[Tuple[str, str], ...] = (),
        headers: Tuple[Tuple[str, str], ...] = (),
        conversion: Any = None,
        kind: Any = Simulator,
    ):
        self.simulator = kind(ExactHearing(), partner, options or Options(), conversion)
        self.actions: List[Tuple[int, Any]] = []
        self.is_verbose = ("verbose_transcription", "true") in query
        self.now_ns = 0
        self._take(Opened(0, 0, handshake=Handshake("/v0/evi/chat", query, headers)))

    def run_to(self, at_ms: float) -> None:
        """Let the time pass; nobody says anything."""
        at_ns = round(at_ms * MS)
        while True:
            next_ns = self.simulator.next_at_ns()
            if next_ns is None or next_ns > at_ns:
                break
            assert next_ns >= self.now_ns
            assert not self.simulator.due(next_ns - 1)
            actions = self.simulator.due(next_ns)
            # It may only have listened to what came late; then it has something to do later.
            later_ns = self.simulator.next_at_ns()
            assert actions or (later_ns is not None and later_ns > next_ns), f"nothing to do at {next_ns}"
            self._keep(next_ns, actions)
        self.now_ns = max(self.now_ns, at_ns)

    def send(self, at_ms: float, what: Any) -> None:
        """Send a message (a dict, or a text as it is) or audio (bytes)."""
        self.run_to(at_ms)
        frame = (
            Frame(BINARY, what) if isinstance(what, bytes) else Frame(TEXT, (what if isinstance(what, str) else json.dumps(what)).encode())
        )
        self._take(Sent(1, self.now_ns, frame=frame))

    def speak(self, at_ms: int, *lengths_ms: int, frame_ms: int = 20) -> int:
        """Send the microphone: speech and silence by turns, in frames, at the microphone's pace.

        Returns:
            When it ends.
        """
        samples = b"".join((b"\0\0" if turn % 2 else SPEECH) * 8 * length_ms for turn, length_ms in enumerate(lengths_ms))
        for start in range(0, len(samples), 16 * frame_ms):
            self.send(at_ms, samples[start : start + 16 * frame_ms])
            at_ms += frame_ms
        return at_ms

    def close(self) -> None:
        """The app closes."""
        self._take(Closed(2, self.now_ns))

    def _take(self, event: Any) -> None:
        self.simulator.take(event, self.now_ns)
        self._keep(self.now_ns, self.simulator.due(self.now_ns))

    def _keep(self, at_ns: int, actions: Any) -> None:
        for action in actions:
            if isinstance(action, Send):
                assert action.due_ns <= at_ns
                assert action.held_ns >= 0
                assert action.cause_ns is not None
                assert action.cause_ns <= action.due_ns
            self.actions.append((at_ns, action))

    @property
    def messages(self) -> List[Tuple[float, Dict[str, Any]]]:
        """What came, with times in ms."""
        return [(at_ns / MS, json.loads(action.frame.payload)) for at_ns, action in self.actions if isinstance(action, Send)]

    def of(self, *types: str) -> List[Tuple[float, Dict[str, Any]]]:
        """What came of some types."""
        return [(at_ms, fields) for at_ms, fields in self.messages if fields["type"] in types]

    @property
    def types(self) -> List[str]:
        """The types of what came, audio once a sentence."""
        return [fields["type"] for _, fields in self.messages if fields["type"] != "audio_output" or fields["index"] == 0]

    @property
    def ended(self) -> List[Tuple[float, int]]:
        """When the service closed, with which code."""
        return [(at_ns / MS, action.code) for at_ns, action in self.actions if isinstance(action, Close)]

    def remarks(self, name: str) -> List[Dict[str, Any]]:
        """The data of the remarks of one name."""
        return [dict(action.data) for _, action in self.actions if isinstance(action, Remark) and action.kind.name == name]


def broken_rules(messages: Any, is_verbose: bool) -> List[str]:
    """What in the service's messages breaks EVI's grammar or is not parsed by the SDK; empty where all is well."""
    walk = _Grammar(is_verbose)
    broken = []
    for _, fields in messages:
        text = json.dumps(fields)
        broken += [f"{problem} in {text:.200}" for problem in problems(Frame(TEXT, text.encode()), "0.14.1")]
        what = walk.take(fields)
        if what:
            broken.append(f"{what}: {text:.200}")
    return broken


class _Grammar:
    """Where a conversation is, and what may come there."""

    def __init__(self, is_verbose: bool) -> None:
        self.is_verbose = is_verbose
        self.place = "start"
        self.sentence: Optional[str] = None
        self.n_chunks = 0
        self.spoken_to = -1

    def take(self, fields: Dict[str, Any]) -> str:
        kind = fields["type"]
        if self.place == "start":
            self.place = "idle"
            return "" if kind == "chat_metadata" else "the first message is not chat_metadata"
        rule = getattr(self, f"_{kind}", None)
        if rule is None:
            return "this type is not expected"
        return str(rule(fields) or "")

    def _chat_metadata(self, fields: Dict[str, Any]) -> str:
        return "chat_metadata comes again"

    def _error(self, fields: Dict[str, Any]) -> str:
        return "" if fields["code"] and fields["slug"] and fields["message"] else "an error says nothing"

    def _session_settings(self, fields: Dict[str, Any]) -> str:
        return "" if "language_model_api_key" not in fields else "a key comes back"

    def _user_message(self, fields: Dict[str, Any]) -> str:
        time = fields["time"]
        if fields["interim"]:
            return "" if self.is_verbose and self.place != "reply" else "an interim message is out of place"
        if self.place == "reply":
            return "the user's message comes within a reply"
        if not fields["from_text"]:
            if not self.spoken_to <= time["begin"] < time["end"]:
                return "the user's times go back"
            self.spoken_to = time["end"]
            if len(fields["models"]["prosody"]["scores"]) != 48:
                return "there are not 48 scores"
        self.place = "answered"
        return ""

    def _assistant_message(self, fields: Dict[str, Any]) -> str:
        missing = self.place == "reply" and self.sentence is not None and not self.n_chunks
        self.place, self.sentence, self.n_chunks = "reply", fields["id"], 0
        return "a sentence had no audio" if missing else ""

    def _audio_output(self, fields: Dict[str, Any]) -> str:
        if self.place != "reply" or fields["id"] != self.sentence:
            return "audio without its sentence"
        if fields["index"] != self.n_chunks:
            return "the index of the audio jumps"
        self.n_chunks += 1
        data = base64_bytes(fields["data"].encode())
        return "" if data is not None and split(data) is not None and len(fields["data"]) < 2**20 else "audio is no WAV of fair size"

    def _assistant_prosody(self, fields: Dict[str, Any]) -> str:
        return "" if self.place == "reply" and fields["id"] == self.sentence and self.n_chunks else "scores without their sentence"

    def _tool_call(self, fields: Dict[str, Any]) -> str:
        was_called = self.place == "interrupted"
        self.place, self.sentence = "reply", None
        return "a tool is called by a reply that was interrupted" if was_called else ""

    def _user_interruption(self, fields: Dict[str, Any]) -> str:
        self.place, self.sentence = "interrupted", None
        return ""

    def _assistant_end(self, fields: Dict[str, Any]) -> str:
        cut = self.place == "reply" and self.sentence is not None and not self.n_chunks
        self.place, self.sentence = "idle", None
        return "a sentence had no audio" if cut else ""


@pytest.fixture(scope="session")
def talk() -> Any:
    """Begins a conversation: ``talk(partner, options, query=…, conversion=…)``."""
    return Talk


@pytest.fixture(scope="session")
def grammar() -> Any:
    """Tells which rules of EVI's grammar messages break: ``grammar(messages, is_verbose)``."""
    return broken_rules
