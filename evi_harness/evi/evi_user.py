"""What a user and an app do in an EVI chat, read off a session and said in one: EVI's end of a migration.

Rules of living here: nothing is made up. What EVI has no word for is lost and said to be; what only EVI has is foreign.
"""

from __future__ import annotations

import json
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from evi_harness.errors import Parameter, UsageError, Words
from evi_harness.evi.queries import session_settings_of
from evi_harness.evi.reading import parse, read
from evi_harness.session.events import BINARY, TEXT, Event, Frame, Opened, Received, Sent
from evi_harness.session.protocols import (
    ANSWERS,
    CHORE,
    FOREIGN,
    RECEIVED,
    SENT,
    SETS_UP,
    TYPES,
    Message,
    ToolSpec,
    ToolUse,
    UserAct,
    UserSetup,
)
from evi_harness.session.wav import PLAUSIBLE_RATES, Pcm

__all__ = ["EVI_USER", "EviUser"]

# Where nobody has said anything, what Hume's quickstart sends.
_USUAL_PCM = Pcm(48_000, 1)
_SETTINGS = "session_settings"
# What says nothing of the conversation, or is said by what the new client sends.
_PLAIN = frozenset({"type", "audio", "custom_session_id", "system_prompt", "tools"})
_FORM = "It is a JSON object with the fields of a session_settings message."


class EviUser:
    """EVI's ``UserActs``. ``EVI_USER`` is the one that is needed."""

    def acts(self, events: Sequence[Event]) -> Dict[int, UserAct]:
        """What each sent message does that is no audio, and what the opening sets up, by seq."""
        found: Dict[int, UserAct] = {}
        for event in events:
            if isinstance(event, Opened):
                settings = session_settings_of(event.handshake.query)
                if settings:
                    found[event.seq] = _settings(settings)
            elif isinstance(event, Sent) and event.frame.is_text and event.outcome == "sent":
                message = read(SENT, event.frame)
                if message.type != "audio_input":
                    found[event.seq] = _act(message)
        return found

    def calls(self, events: Sequence[Event]) -> Dict[int, ToolUse]:
        """What each received tool_call asks for, by seq."""
        received = ((event.seq, read(RECEIVED, event.frame)) for event in events if isinstance(event, Received))
        return {seq: _use(message) for seq, message in received if message.type == "tool_call"}

    def client(
        self,
        setup: UserSetup,
        given: Mapping[str, Any],
        said: Optional[Pcm],
        *,
        greets: bool,  # noqa: ARG002 - the protocol's: whether EVI greets, its configuration says
    ) -> EviClient:
        """The client of one new chat."""
        return EviClient(setup, given, said)


class EviClient:
    """EVI's ``ClientSide``.

    Args:
        setup: What the recorded app set up.
        given: Fields of a session_settings message, which count before it.
        said: The format of the recorded user's audio.
    """

    def __init__(self, setup: UserSetup, given: Mapping[str, Any], said: Optional[Pcm]) -> None:
        self.pcm = _pcm(given, said)
        self.query: Tuple[Tuple[str, str], ...] = ()
        audio = {"channels": self.pcm.channels, "encoding": "linear16", "sample_rate": self.pcm.rate}
        self.opening: Tuple[Frame, ...] = (_frame({**_fields(setup), **given, "audio": audio, "type": _SETTINGS}),)

    def sets_up(self, setup: UserSetup) -> Sequence[Frame]:
        """A session_settings with what changes."""
        return [_frame({**_fields(setup), "type": _SETTINGS})]

    def says(self, samples: bytes) -> Frame:
        """A binary frame."""
        return Frame(BINARY, samples)

    def types(self, text: str) -> Sequence[Frame]:
        """A user_input."""
        return [_frame({"text": text, "type": "user_input"})]

    def answers(self, call: Message, text: str, *, is_error: bool) -> Sequence[Frame]:
        """A tool_response or a tool_error."""
        fields = {"tool_call_id": call.fields.get("tool_call_id"), "type": "tool_error" if is_error else "tool_response"}
        return [_frame({"error" if is_error else "content": text, **fields})]

    def call_of(self, call: Message) -> ToolUse:
        """The name and the parameters of a tool_call."""
        return _use(call)

    def take(self, event: Event, at_ns: int) -> Sequence[Frame]:  # noqa: ARG002 - the signature is ClientSide's
        """Nothing: a client of EVI's answers nothing by itself."""
        return ()

    def sent(self, frame: Frame) -> None:
        """Nothing depends on it."""

    def must_wait(self, frame: Frame) -> bool:  # noqa: ARG002 - the signature is ClientSide's
        """Never: EVI takes everything at any time."""
        return False


def _act(message: Message) -> UserAct:
    fields = message.fields
    if message.type == _SETTINGS:
        return _settings(fields)
    if message.type == "user_input":
        return UserAct(TYPES, str(fields.get("text", "")))
    if message.type == "tool_response":
        return UserAct(ANSWERS, str(fields.get("content", "")))
    if message.type == "tool_error":
        # What the assistant is to say of it, where the app says that, is what it hears.
        return UserAct(ANSWERS, str(fields.get("content") or fields.get("error") or ""), is_error=True)
    if message.type is None:
        return UserAct(CHORE, lost=("a text that is no message",))
    return UserAct(FOREIGN, lost=(message.type,))


def _settings(fields: Mapping[str, Any]) -> UserAct:
    given, others = fields.get("tools"), sorted(name for name in fields if name not in _PLAIN)
    tools: Optional[List[ToolSpec]] = None
    if isinstance(given, list):
        tools = list(_tools(given))
        others += ["a tool of Hume's"] * (len(tools) < len(given))
    prompt = fields.get("system_prompt")
    setup = UserSetup(prompt if isinstance(prompt, str) else None, None if tools is None else tuple(tools))
    return UserAct(SETS_UP, setup=setup, lost=tuple(others))


def _tools(given: Sequence[Any]) -> Iterator[ToolSpec]:
    for one in given:
        if isinstance(one, dict) and one.get("type", "function") == "function" and isinstance(one.get("name"), str):
            parameters, description = one.get("parameters"), one.get("description")
            schema = parse(parameters.encode()) if isinstance(parameters, str) else parameters
            yield ToolSpec(one["name"], description if isinstance(description, str) else None, schema)


def _use(call: Message) -> ToolUse:
    return ToolUse(str(call.fields.get("name") or ""), str(call.fields.get("parameters") or ""))


def _fields(setup: UserSetup) -> Dict[str, Any]:
    """What an app set up, as fields of a session_settings message."""
    fields: Dict[str, Any] = {}
    if setup.instructions is not None:
        fields["system_prompt"] = setup.instructions
    if setup.tools is not None:
        fields["tools"] = [_tool(one) for one in setup.tools]
    return fields


def _tool(tool: ToolSpec) -> Dict[str, Any]:
    # The schema is a text here.
    fields: Dict[str, Any] = {"type": "function", "name": tool.name, "parameters": json.dumps(tool.parameters or {"type": "object"})}
    return fields if tool.description is None else {**fields, "description": tool.description}


def _pcm(given: Mapping[str, Any], said: Optional[Pcm]) -> Pcm:
    """The format in which the user is heard: the given one, else the recorded rate."""
    if given.get("type", _SETTINGS) != _SETTINGS:
        raise UsageError(Words(Parameter("setup"), f" is a message of the type {given['type']!r:.60}"), hint=_FORM)
    audio = given.get("audio")
    if audio is None:
        return _USUAL_PCM if said is None else Pcm(said.rate, 1)
    fields = audio if isinstance(audio, dict) else {}
    rate, channels, encoding = (fields.get(name) for name in ("sample_rate", "channels", "encoding"))
    if not isinstance(rate, int) or rate not in PLAUSIBLE_RATES or channels not in (None, 1) or encoding not in (None, "linear16"):
        what = Words(Parameter("setup"), " gives the user's audio a format that is not linear16 with one channel and a sample_rate")
        raise UsageError(what, hint="Leave audio out; then it is sent at the recorded rate.")
    return Pcm(rate, 1)


def _frame(fields: Mapping[str, Any]) -> Frame:
    return Frame(TEXT, json.dumps(dict(fields)).encode())


EVI_USER = EviUser()
