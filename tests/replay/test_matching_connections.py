from __future__ import annotations

import pytest

from evi_harness.evi.dialect import EVI
from evi_harness.openai_realtime.realtime_dialect import OPENAI_REALTIME
from evi_harness.replay.matching_connections import matching_connection
from evi_harness.session.events import Handshake

CHAT, OTHER_PATH = "/v0/evi/chat", "/v0/assistant/chat"


def asked(query="", path=CHAT):
    """A handshake with a query such as ``a=1&b=2``."""
    return Handshake(path, tuple(tuple(pair.split("=")) for pair in query.split("&") if pair))


FIRST, SECOND = asked("config_id=c"), asked("config_id=c&resumed_chat_group_id=g")
VOICES = [asked("voice_id=a&verbose_transcription=true"), asked("voice_id=b&verbose_transcription=true")]


@pytest.mark.parametrize(
    ("recorded", "live", "found"),
    [
        ([FIRST, SECOND], FIRST, 0),
        ([FIRST, SECOND], SECOND, 1),
        ([SECOND, FIRST], SECOND, 0),
        ([SECOND, FIRST], FIRST, 1),
        ([FIRST, FIRST], FIRST, 0),
        ([FIRST, SECOND], asked("resumed_chat_group_id=g&voice_id=v&verbose_transcription=true"), 1),
        ([FIRST, SECOND], asked("voice_id=v&verbose_transcription=true"), 0),
        ([asked("resumed_chat_group_id=g"), asked("resumed_chat_group_id=h")], asked("resumed_chat_group_id=h"), 1),
        ([SECOND, FIRST], asked("resumed_chat_group_id=unknown"), 0),
        (VOICES, asked("voice_id=b"), 1),
        (VOICES, asked("voice_id=c"), 0),
        ([asked(path=OTHER_PATH), asked()], asked(), 1),
        ([asked("api_key=one"), asked("api_key=two")], asked("api_key=two"), 0),
        ([asked("custom_session_id=s"), asked("custom_session_id=t")], asked("custom_session_id=t"), 1),
        ([], FIRST, None),
    ],
    ids=[
        *("new", "resumed", "resumed, listed first", "new, listed last", "equal ones by order"),
        *("resumed, changed", "new, changed", "by group", "unknown group", "by voice", "another voice", "by path", "never by a key"),
        *("by what is new in each run", "none left"),
    ],
)
def test_a_connection_is_the_recorded_one_that_it_is_most_like(recorded, live, found):
    """What resumes a conversation is told from what does not, before all else; then the least difference, then the order."""
    assert matching_connection(live, dict(enumerate(recorded)), EVI) == found


def test_those_that_have_been_opened_are_left_out():
    """By their places, which stay."""
    assert matching_connection(FIRST, {1: SECOND, 2: FIRST}, EVI) == 2
    assert matching_connection(FIRST, {1: SECOND}, EVI) == 1


def test_where_nothing_is_resumed_the_query_decides():
    """As in the Realtime protocol."""
    recorded = {0: asked("model=a", "/v1/realtime"), 1: asked("model=b", "/v1/realtime")}
    assert matching_connection(asked("model=b", "/v1/realtime"), recorded, OPENAI_REALTIME) == 1
