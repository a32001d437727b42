"""Which SDK version parses what; checked against the SDK that is installed."""

from __future__ import annotations

import json
import re
from importlib.metadata import version

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evi_harness.errors import UsageError
from evi_harness.evi.compat import ADDITIONS, ParseProblem, knows, parse_version, problems, problems_of_sent, upgrade
from evi_harness.evi.messages import MESSAGES
from evi_harness.session.events import BINARY, TEXT, Frame
from evi_harness.strategies import frames, received_messages, sent_messages

NEWEST = "0.14.1"
TURN = {"type": "assistant_message", "message": {"role": "assistant", "content": "Hi."}, "models": {}, "from_text": False}
CALL = {"type": "tool_call", "name": "f", "parameters": "{}", "response_required": True, "tool_call_id": "t"}


def text(fields) -> Frame:
    """A message as a text frame."""
    return Frame(TEXT, json.dumps(fields, separators=(",", ":")).encode())


def told(fields, sdk_version):
    """The problems of a message, as sentences."""
    return [str(problem) for problem in problems(text(fields), sdk_version)]


@pytest.fixture(scope="module")
def sdk():
    """Whether the installed SDK parses a frame, as its socket client does."""
    try:
        from hume.core.pydantic_utilities import parse_obj_as
    except (ImportError, OSError) as error:
        # OSError: the SDK with its microphone extra, but no PortAudio.
        pytest.skip(f"the SDK cannot be imported: {error}")
    try:
        from hume.empathic_voice.types import SubscribeEvent
    except ImportError:
        from hume.empathic_voice.chat.types import SubscribeEvent

    def parses(frame: Frame) -> bool:
        try:
            parse_obj_as(SubscribeEvent, json.loads(frame.payload.decode() if frame.is_text else frame.payload))
        except (ValueError, RecursionError):
            return False
        return True

    return parses


@pytest.mark.parametrize(
    ("fields", "sdk_version", "expected"),
    [
        (TURN, "0.13.5", []),
        (TURN, "0.13.6", ["assistant_message: is_quick_response is missing \\(.* hume 0\\.13\\.6\\b.*\\)"]),
        ({**TURN, "is_quick_response": None}, NEWEST, ["assistant_message: is_quick_response is null, not true or false"]),
        ({**TURN, "is_quick_response": False}, NEWEST, []),
        (CALL, "0.13.1", []),
        (CALL, "0.13.2", ["tool_call: tool_type is missing \\(.* hume 0\\.13\\.2\\b.*\\)"]),
        ({**CALL, "tool_type": "new"}, NEWEST, []),
        ({"type": "assistant_prosody", "models": {}}, "0.9.1", ["assistant_prosody: .* hume 0\\.9\\.1; .*\\b0\\.10\\b.*"]),
        ({"type": "assistant_prosody", "models": {}}, "0.10.2", []),
        ({"type": "session_settings"}, "0.13.5", ["session_settings: .* hume 0\\.13\\.5; .*\\b0\\.13\\.6\\b.*"]),
        ({"type": "session_settings"}, "0.13.6", []),
        ({"type": "user_interruption", "time": 1.5}, NEWEST, ["user_interruption: time is 1\\.5, .*"]),
        ({"type": "user_interruption", "time": 1.0}, NEWEST, []),
        (
            {"type": "user_interruption", "custom_session_id": 3, "time": 1},
            NEWEST,
            ["user_interruption: custom_session_id is 3, not a string"],
        ),
        ({"type": "audio_output", "id": "a", "data": ""}, "0.7.13", ["audio_output: index is missing"]),
        ({"type": "audio_output", "id": "a", "data": "", "index": 0, "is_final_chunk": False}, NEWEST, []),
        ({**TURN, "models": {"prosody": None}}, "0.12.1", []),
        ({**TURN, "models": []}, "0.12.1", ["assistant_message: models is a list, not an object"]),
        ({**TURN, "message": {"content": "a"}}, "0.12.1", ["assistant_message: message.role is missing"]),
        ({"type": "session_settings", "tools": [{"name": "f", "type": "x"}]}, NEWEST, ["session_settings: tools.0.parameters is missing"]),
        (
            {"type": "session_settings", "variables": {"a": None}},
            NEWEST,
            ["session_settings: variables\\.a is null, .*"],
        ),
        ({"type": "new"}, NEWEST, ["new: type 'new' .* hume 0\\.14\\.1"]),
        ({"type": "user_input", "text": "a"}, NEWEST, ["user_input: type 'user_input' .* hume 0\\.14\\.1"]),
        ({"type": None}, NEWEST, ["message: type None .* hume 0\\.14\\.1"]),
        ([], NEWEST, ["message: .*a JSON object"]),
        ({}, NEWEST, []),
        (
            {"type": "session_settings", "audio": {"channels": 1, "sample_rate": 8000, "encoding": None}},
            NEWEST,
            ["session_settings: audio.encoding is null, not 'linear16'"],
        ),
    ],
)
def test_problems(fields, sdk_version, expected):
    """Each problem names the message, the field and what is wrong, for the version asked about."""
    found = told(fields, sdk_version)
    assert len(found) == len(expected)
    assert all(re.fullmatch(said, line) for said, line in zip(expected, found))


def test_missing_scores_are_named():
    """Each of the 48 that is missing is one problem."""
    scores = {"models": {"prosody": {"scores": {"Joy": 0.5}}}}
    found = problems(text({**TURN, **scores}), "0.13.5")
    assert len(found) == 47
    assert ParseProblem("assistant_message", "models.prosody.scores.Surprise (negative)", "is missing") in found


def test_what_can_be_upgraded_says_so():
    """Only what upgrade adds is marked as such."""
    assert [p.can_upgrade for p in problems(text(TURN), NEWEST)] == [True]
    assert [p.can_upgrade for p in problems(text({**TURN, "is_quick_response": None}), NEWEST)] == [False]


@pytest.mark.parametrize(
    ("version_", "parts"), [("0.14.1", (0, 14, 1)), ("0.10", (0, 10)), ("v1.0.0rc1", (1, 0, 0)), ("0.13.6.post1", (0, 13, 6)), ("1", (1,))]
)
def test_parse_version(version_, parts):
    """The numbers that a version begins with count."""
    assert parse_version(version_) == parts


@pytest.mark.parametrize("bad", ["", "newest", ".1"])
def test_no_version(bad):
    """What begins with no number is a usage error that shows it."""
    with pytest.raises(UsageError, match="of the SDK"):
        problems(text(TURN), bad)


@pytest.mark.parametrize(
    ("payload", "sdk_version", "after", "added"),
    [
        (
            b'{"type":"assistant_message"}',
            "0.13.6",
            b'{"type":"assistant_message","is_quick_response":false}',
            ["is_quick_response: false"],
        ),
        (b'{"type":"assistant_message"}', "0.13.5", None, None),
        (b'{"type":"assistant_message","is_quick_response":null}', NEWEST, None, None),
        (b' { "type" : "tool_call" } \n', NEWEST, b' { "type" : "tool_call" ,"tool_type":"function"} \n', ['tool_type: "function"']),
        (b'{"type":"tool_call"}', "0.13.1", None, None),
        (b'{"type":"user_message"}', NEWEST, None, None),
        (b"{}", NEWEST, None, None),
        (b"}", NEWEST, None, None),
    ],
)
def test_upgrade(payload, sdk_version, after, added):
    """What the version insists on is put before the last brace, and told; nothing else changes."""
    result = upgrade(Frame(TEXT, payload), sdk_version)
    if after is None:
        assert result is None
    else:
        assert result == (Frame(TEXT, after), added)


def test_upgrade_keeps_the_opcode():
    """A message in a binary frame stays in one."""
    upgraded, _ = upgrade(Frame(BINARY, b'{"type":"tool_call"}'), NEWEST)
    assert upgraded.opcode == BINARY


@given(st.one_of(received_messages(), frames()), st.sampled_from(("0.12.1", "0.13.5", NEWEST)))
def test_upgrade_inserts_and_is_idempotent(frame, sdk_version):
    """Without what was inserted the frame is the old one; a second upgrade adds nothing."""
    result = upgrade(frame, sdk_version)
    if result is not None:
        upgraded, added = result
        inserted = b"".join(b',"' + line.replace(": ", '":', 1).encode() for line in added)
        at = upgraded.payload.rindex(inserted)
        assert upgraded.payload[:at] + upgraded.payload[at + len(inserted) :] == frame.payload
        assert upgrade(upgraded, sdk_version) is None


def test_additions_are_of_the_table():
    """What is added is a field that some version insists on and another does not."""
    for owner, name, value in ADDITIONS:
        (field,) = [field for field in MESSAGES[owner].fields if field.name == name]
        assert field.required not in (None, "0")
        assert json.loads(value) in (False, "function")


@given(frame=st.one_of(received_messages(), frames()))
def test_the_installed_sdk_agrees(sdk, frame):
    """On any frame, the tables say what the installed SDK does."""
    assert sdk(frame) == (not problems(frame, version("hume")))


def broken(fields, path, value):
    """A message with one value at one place changed, or taken out."""
    inner = fields
    for name in path[:-1]:
        inner = inner[name]
    if value is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return fields


def paths(value, path=()):
    """The places of all values in a message."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        yield (*path, name)
        yield from paths(inner, (*path, name))


VALUES = st.sampled_from((..., None, True, 0, 1, 2, 1.0, 1.5, "", "x", "1", "1.5", "true", "linear16", [], [1], {}, {"type": "tool_call"}))


@given(frame=received_messages(), data=st.data(), value=VALUES)
def test_the_installed_sdk_agrees_on_broken_messages(sdk, frame, data, value):
    """With any one value changed or taken out, the tables still say what the installed SDK does."""
    fields = json.loads(frame.payload)
    path = data.draw(st.sampled_from(list(paths(fields))))
    frame = text(broken(fields, path, value))
    assert sdk(frame) == (not problems(frame, version("hume"))), (frame.payload, told(fields, version("hume")))


@settings(max_examples=20)
@given(frame=received_messages(("assistant_message", "tool_call")))
def test_an_upgraded_message_parses(sdk, frame):
    """A message as an older service sent it parses once it is upgraded."""
    fields = json.loads(frame.payload)
    for owner, name, _ in ADDITIONS:
        if owner == fields["type"]:
            del fields[name]
    upgraded = upgrade(text(fields), NEWEST)
    assert upgraded is not None
    assert problems(upgraded[0], NEWEST) == []
    assert sdk(upgraded[0])


def capture(shared_data):
    """The messages of the real capture."""
    path = shared_data / "evi-capture-2025-06-a.jsonl"
    if not path.is_file():
        pytest.skip("the real capture is not there")
    return [Frame(TEXT, line) for line in path.read_bytes().splitlines()]


@pytest.mark.parametrize(("sdk_version", "n_refused"), [("0.12.1", 0), ("0.13.5", 0), ("0.13.6", 7), (NEWEST, 7)])
def test_the_real_capture(shared_data, sdk_version, n_refused):
    """A session of 2025 parses up to 0.13.5; from 0.13.6 on its seven assistant messages do not, each for one field."""
    messages = capture(shared_data)
    refused = {index: problems(frame, sdk_version) for index, frame in enumerate(messages) if problems(frame, sdk_version)}
    assert len(messages) == 23
    assert len(refused) == n_refused
    assert {(problem.type, problem.field) for found in refused.values() for problem in found} <= {
        ("assistant_message", "is_quick_response")
    }


def test_the_real_capture_upgraded(shared_data, sdk):
    """Upgraded, all of it parses; what was added is all that changed; the installed SDK says the same before and after."""
    installed = version("hume")
    for frame in capture(shared_data):
        assert sdk(frame) == (not problems(frame, installed))
        result = upgrade(frame, NEWEST)
        after = result[0] if result is not None else frame
        assert problems(after, NEWEST) == []
        assert sdk(after)
        assert after.payload.replace(b',"is_quick_response":false', b"") == frame.payload


@given(sent_messages())
def test_what_an_app_sends_fits_its_type(frame):
    """No message of a conformant app has a problem, and none has one for a field that nobody knows."""
    fields = json.loads(frame.payload)
    assert problems_of_sent(fields) == []
    assert problems_of_sent({**fields, "new_field": 1}) == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (None, "message: .*an object with .*"),
        ([], "message: .*an object with .*"),
        ({"text": "a"}, "message: .*an object with .*"),
        ({"type": "dance"}, "dance: type 'dance' .*"),
        ({"type": "assistant_end"}, "assistant_end: type 'assistant_end' .*"),
        ({"type": "user_input"}, "user_input: text is missing"),
        ({"type": "user_input", "text": 5}, "user_input: text is 5, not a string"),
        ({"type": "session_settings", "metadata": "x"}, "session_settings: metadata is a string, not an object"),
        ({"type": "session_settings", "custom_session_id": 1}, "session_settings: custom_session_id is 1, not a string"),
    ],
)
def test_what_no_service_takes_is_told(fields, expected):
    """The problem names the type, the field and what is wrong with it."""
    (problem,) = problems_of_sent(fields)
    assert re.fullmatch(expected, str(problem))


@pytest.mark.parametrize(
    ("version", "name", "is_known"),
    [
        ("0.8.6", "assistant_prosody", False),
        ("0.10.0", "assistant_prosody", True),
        ("0.8.6", "assistant_message", True),
        ("0.14.1", "user_input", False),
        ("0.14.1", "news", False),
    ],
)
def test_which_version_knows_a_type(version, name, is_known):
    """As the table says; what only an app sends is received by none."""
    assert knows(version, name) is is_known
