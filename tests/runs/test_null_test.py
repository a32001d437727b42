"""The null test, in which a recording meets itself, passes for every session.

However it was asked for, whatever crossed, and however it ended.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from evi_harness.acts.record_connection import record
from evi_harness.acts.replay import replay_session
from evi_harness.acts.serve.serving import served
from evi_harness.sdk.hume.connection import open_chat
from evi_harness.session.events import BINARY, TEXT, Closed, Frame, Handshake, Opened, Received, Sent
from evi_harness.session.header import Header, Recorded
from evi_harness.session.session import Session
from evi_harness.verdicts.loading import load_session

ROOT = Path(__file__).resolve().parents[2]
MS = 1_000_000
CHAT = Frame(TEXT, b'{"type":"chat_metadata","chat_id":"chat-1","chat_group_id":"group-1","request_id":"request-1"}')
SETTINGS = Frame(TEXT, b'{"type":"session_settings","audio":{"encoding":"linear16","sample_rate":16000,"channels":1}}')
TYPED = Frame(TEXT, b'{"type":"user_input","text":"hello"}')
END = Frame(TEXT, b'{"type":"assistant_end"}')
HEADER = Header(id="1", made_by="script", created="2026-01-02T03:04:05.000000Z", dialect="evi", complete=True)
USUAL = Handshake("/v0/evi/chat")
CONVERSATION = [(Received, 10, CHAT), (Sent, 50, TYPED), (Received, 90, END)]


def session_of(rows, closed=("app", 1000, ""), handshake=USUAL, header=HEADER):
    """A session of frames, each with its kind and milliseconds; a handshake of None is one that nobody knows."""
    events = [] if handshake is None else [Opened(0, 0, handshake)]
    events += [kind(seq, at_ms * MS, frame, *more) for seq, (kind, at_ms, frame, *more) in enumerate(rows, 1)]
    if closed is not None:
        events.append(Closed(len(rows) + 1, (max([at_ms for _, at_ms, *_ in rows], default=0) + 100) * MS, *closed))
    return Session(header, tuple(sorted(events, key=lambda event: (event.at_ns, event.seq))), name="made")


def assert_passes(session, **options):
    """The null test passes, also where nothing is left out of the comparison."""
    for strict in (False, True):
        result = replay_session(session, handler="recorded", strict=strict, **options)
        assert result.passed, result.lines()


PATHS = [
    "/v0/assistant/chat",
    "/v0/evi/chat/",
    "/hume/v0/evi/chat",
    "/hume/v0/evi/chat/",
    "/a/path of its own",
    "/a%20b/v0/evi/chat",
    "/{tenant}/v0/evi/chat",
    "/é/\U0001f600",
    "/a/../b/./c",
    "//v0//evi",
    "/v0/evi/chat;v=1",
    "/[redacted]/v0/evi/chat",
    "/oauth2-cc/token",
    "/?#",
    "/%",
    "/\x00",
    "/" + "x" * 9_000,
    "/",
    "",
    "v0/evi/chat",
    "http://gateway.example.com/v0/evi/chat",
]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path[:30])
def test_on_whatever_path_it_was_recorded(path):
    """Behind a gateway with a path of its own, through a proxy, or wherever."""
    assert_passes(session_of(CONVERSATION, handshake=Handshake(path)))


QUERIES = {
    "names that come again": (("a", "1"), ("a", "2"), ("b", ""), ("a", "1")),
    "no names": (("", ""), ("", "x")),
    "characters that mean something": (("a&b=c", "+ %2B;#?"), ("é\n\r\0", "\U0001f600")),
    "a whole prompt": (("session_settings", '{"system_prompt": "' + "Be kind. " * 20_000 + '"}'),),
    "in brackets": (("session_settings[audio][sample_rate]", "48000"), ("session_settings[audio]", "1"), ("a[", "]")),
    "very many": tuple((f"name-{number}", str(number)) for number in range(2_000)),
    "secrets": (("api_key", "[redacted]"), ("access_token", "")),
    "an escape of what is no text": (("a", "\\udcff"),),
}


@pytest.mark.parametrize("name", QUERIES)
def test_whatever_it_asked_for(name):
    """The query is given back as it was."""
    assert_passes(session_of(CONVERSATION, handshake=Handshake("/v0/evi/chat", QUERIES[name])))


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/hume/v0/evi/chat", "/{tenant}/%20"])
def test_in_real_time_on_another_path(path):
    """The server is another process there."""
    assert_passes(session_of(CONVERSATION, handshake=Handshake(path, QUERIES["in brackets"])), clock="real")


def test_what_is_recorded_behind_a_gateway_meets_itself(tmp_path):
    """Recorded by the SDK through a path of its own, replayed on both clocks, and served there again."""
    gateway = session_of([(Received, 5, CHAT), (Received, 50, END)], closed=("service", 1000, ""), handshake=Handshake("/hume/v0/evi/chat"))

    async def app(url):
        async with open_chat(url, api_key="made-up-key-0123456789", options={}) as socket, record(socket, out=tmp_path) as recording:
            assert (await socket.recv()).type == "chat_metadata"
        return recording.folder

    with served(gateway) as server:
        folder = asyncio.run(app(f"{server.url}/hume"))
    assert load_session(folder).handshake.path.rstrip("/") == "/hume/v0/evi/chat"
    assert_passes(folder)
    assert_passes(folder, clock="real")
    with served(folder) as server:
        again = asyncio.run(app(f"{server.url}/hume"))
    assert load_session(again).handshake.path == load_session(folder).handshake.path


def test_where_nobody_knows_what_was_asked_for():
    """A session that was cut before its opening."""
    assert_passes(session_of(CONVERSATION, handshake=None))


def text(what):
    """A text frame."""
    return Frame(TEXT, what)


def binary(what):
    """A binary frame."""
    return Frame(BINARY, what)


CROSSED = {
    "nothing": [],
    "binary frames from the service": [(Received, 10, CHAT), (Received, 20, binary(b"\x00\xff")), (Received, 30, binary(b""))],
    "no JSON": [(Received, 10, text(b"")), (Sent, 20, text(b"")), (Received, 30, text(b"{")), (Sent, 40, text(b"\x00"))],
    "all at once": [(Sent, 0, TYPED), (Received, 0, CHAT), (Sent, 0, binary(bytes(640))), (Received, 0, END)],
    "the same again": [(Received, 10, END), (Received, 10, END), (Sent, 20, TYPED), (Sent, 20, TYPED), (Received, 30, END)],
    "large ones": [(Received, 10, text(b"x" * 9_000_000)), (Sent, 20, binary(bytes(9_000_000)))],
    "what did not get out": [(Received, 10, CHAT), (Sent, 20, TYPED, 3, "failed"), (Sent, 30, TYPED, 3, "cancelled"), (Received, 40, END)],
    "text that is not UTF-8": [(Received, 10, CHAT), (Sent, 20, text(b"\xff")), (Received, 30, text(b"\xff"))],
    "times of when it was taken": [(Received, 10, CHAT, 90 * MS), (Sent, 50, TYPED), (Received, 60, END, 95 * MS)],
}


@pytest.mark.parametrize("name", CROSSED)
def test_whatever_crossed(name):
    """Text and binary, both ways."""
    assert_passes(session_of(CROSSED[name]))


def test_what_is_said_to_have_been_sent_behind_the_close_is_not_awaited():
    """It cannot have been."""
    rows = [*CONVERSATION, (Sent, 500, TYPED)]
    session = session_of(rows, closed=None)
    late = Closed(9, 400 * MS, "service", 1000)
    assert_passes(Session(session.header, (*session.events[:-1], late, session.events[-1]), name="made"))


CODES = [None, 0, -1, 999, 1000, 1001, 1004, 1005, 1006, 1011, 1013, 1015, 1016, 2000, 3000, 4999, 5000, 65_535, 70_000]


@pytest.mark.parametrize("by", ["app", "service", "network"])
def test_however_it_ended(by):
    """With whatever code and reason: those that no frame can hold, and those that nobody may send, too."""
    for code in CODES:
        assert_passes(session_of(CONVERSATION, closed=(by, code, "")))
    for reason in ("x" * 123, "é" * 100, "\\udcff"):
        assert_passes(session_of(CONVERSATION, closed=(by, 1000, reason)))
    assert_passes(session_of([], closed=(by, 1008, "no")))


def test_where_nobody_saw_the_end():
    """It closes when all is over."""
    header = Header(**{**vars(HEADER), "recorded": Recorded(closed=False)})
    assert_passes(session_of(CONVERSATION, closed=None, header=header))


@pytest.mark.parametrize("folder", ["sessions", "../shared/cases/sessions"])
def test_every_session_that_is_there(folder):
    """Those of the project, and those that are judged wrongly in other ways."""
    found = sorted(header.parent for header in (ROOT / folder).glob("[!2.]*/session.json"))
    if not found:
        pytest.skip(f"there are no sessions in {folder}")
    for session in found:
        assert_passes(session)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
FRAMES = st.one_of(
    st.sampled_from([CHAT, SETTINGS, TYPED, END]),
    st.binary(max_size=40).map(lambda data: Frame(BINARY, data)),
    TEXTS.map(lambda text: Frame(TEXT, text.encode())),
)
ROWS = st.lists(
    st.one_of(
        st.tuples(st.just(Received), st.integers(0, 3_000), FRAMES),
        st.tuples(st.just(Sent), st.integers(0, 3_000), FRAMES, st.just(0), st.sampled_from(["sent", "sent", "failed", "cancelled"])),
    ),
    max_size=12,
).map(lambda rows: sorted(rows, key=lambda row: row[1]))
CLOSES = st.one_of(st.none(), st.tuples(st.sampled_from(["app", "service", "network"]), st.one_of(st.none(), st.integers(0, 5_000)), TEXTS))
HANDSHAKES = st.one_of(st.none(), st.builds(Handshake, TEXTS, st.lists(st.tuples(TEXTS, TEXTS), max_size=4).map(tuple)))


@given(ROWS, CLOSES, HANDSHAKES)
@settings(max_examples=settings.default.max_examples)
def test_any_session_at_all(rows, closed, handshake):
    """Whatever a recorder could have seen, and much that none has; there is something in it."""
    assume(rows or closed or handshake)
    assert_passes(session_of(rows, closed, handshake))
