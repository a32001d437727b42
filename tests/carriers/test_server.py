from __future__ import annotations

import asyncio
import json
import warnings
from importlib.metadata import version

import pytest
from probe import Arrived, ConnectionEnded, HandshakeRefused, connect, request

from evi_harness.carriers.journal import Journal
from evi_harness.carriers.server import TOKEN_SECONDS, ChatServer
from evi_harness.carriers.virtual_carrier import VirtualCarrier
from evi_harness.clocks.virtual import run_virtual
from evi_harness.evi.credentials import KeyCheck
from evi_harness.session.events import BINARY, TEXT, Closed, Frame, Note, Opened, Received, Sent
from evi_harness.session.note_kind import NoteKind
from evi_harness.session.notes import NoFacts
from evi_harness.session.protocols import Close, HttpAnswer, Refuse, Remark, Send

MS = 1_000_000
SECOND = 1_000_000_000


class Service:
    """Does what its plan says: (when, action), and what is added while it runs."""

    def __init__(self, *plan) -> None:
        self.plan = list(plan)
        self.taken = []

    def take(self, event, at_ns):
        self.taken.append((event.kind, at_ns))

    def due(self, at_ns):
        now = [action for due_ns, action in self.plan if due_ns <= at_ns]
        self.plan = self.plan[len(now) :]
        return now

    def next_at_ns(self):
        return self.plan[0][0] if self.plan else None


def text(words):
    """A text frame."""
    return Frame(TEXT, words.encode())


def sdk_client():
    """The installed SDK's client; from 0.13 on, as older ones open a chat with other arguments."""
    if version("hume") < "0.13":
        pytest.skip("the installed SDK is older than 0.13 and connects with other arguments")
    return pytest.importorskip("hume").AsyncHumeClient


def serve(main, *services, **options):
    """Run main(carrier, server, loop) in virtual time; the n-th connection meets the n-th service."""
    waiting = list(services)

    async def run(loop):
        options.setdefault("chat_paths", ("/chat",))
        server = ChatServer(lambda handshake: waiting.pop(0), clock=loop, token_path="/token", **options)
        async with VirtualCarrier(loop, server) as carrier:
            return await main(carrier, server, loop)

    return run_virtual(run)


async def until_end(probe):
    """All that a client gets until its connection ends."""
    items = []
    while not items or not isinstance(items[-1], (ConnectionEnded, HandshakeRefused)):
        items.append(await probe.next())
    return items


def test_a_session_is_journaled_as_it_happens():
    """Opening, frames both ways with a note of what was due, and the close stand in order, each at its exact time."""
    service = Service((0, Send(text("hello"), 0)), (2 * SECOND, Send(text("later"), 2 * SECOND, SECOND, 5, 3)))

    async def main(carrier, server, loop):
        probe = await connect(carrier.url, "/chat", loop.now_ns)
        await asyncio.sleep(1)
        probe.send(Frame(BINARY, b"sound"))
        await asyncio.sleep(2)
        probe.close(1000, "bye")
        await until_end(probe)
        return server.journals[0].events

    events = serve(main, service)
    assert [type(event) for event in events] == [Opened, Received, Note, Sent, Received, Note, Closed]
    assert [event.at_ns for event in events] == [0, 0, 0, SECOND, 2 * SECOND, 2 * SECOND, 3 * SECOND]
    assert events[3].frame == Frame(BINARY, b"sound")
    assert (events[5].name, events[5].of) == ("due", 4)
    assert dict(events[5].data) == {"due_ns": 2 * SECOND, "cause_ns": SECOND, "held_ns": 3, "recorded_seq": 5}
    assert events[6] == Closed(6, 3 * SECOND, "app", 1000, "bye")
    assert service.taken == [("opened", 0), ("sent", SECOND), ("closed", 3 * SECOND)]


def test_times_count_from_the_opening():
    """A connection that opens late has its own time zero."""

    async def main(carrier, server, loop):
        await asyncio.sleep(60)
        probe = await connect(carrier.url, "/chat", loop.now_ns)
        item = await probe.next()
        probe.abort()
        return item.at_ns, server.journals[0].events[1].at_ns

    assert serve(main, Service((5 * MS, Send(text("x"), 5 * MS)))) == (60 * SECOND + 5 * MS, 5 * MS)


def test_every_chat_path_is_served_with_and_without_a_slash():
    """The dialect's paths, and no others."""

    async def main(carrier, server, loop):
        statuses = []
        for path in ("/v0/a", "/v0/a/", "/b", "/b/", "/v0", "/"):
            probe = await connect(carrier.url, path, loop.now_ns)
            probe.close(1000)
            items = await until_end(probe)
            statuses.append(items[0].status if isinstance(items[0], HandshakeRefused) else 101)
        return statuses

    assert serve(main, *(Service() for _ in range(4)), chat_paths=("/v0/a", "/b/")) == [101, 101, 101, 101, 404, 404]


@pytest.mark.parametrize(
    ("path", "asked", "journaled"),
    [
        ("/hume/chat", "/hume/chat", "/hume/chat"),
        ("/{x}/chat", "/%7Bx%7D/chat", "/{x}/chat"),
        ("/a%20b", "/a%20b", "/a%20b"),
        ("/a b", "/a%20b", "/a b"),
        ("/a b/", "/a%20b", "/a b"),
        ("/\n", "/%0A", "/\n"),
        ("/a/../b", "/a/../b", "/a/../b"),
        ("b", "/b", "b"),
        ("", "/", ""),
    ],
)
def test_a_path_is_served_whatever_is_in_it(path, asked, journaled):
    """Decoded, or as it was asked for; the journal has it as those who serve it do, and no pattern is made of it."""

    async def main(carrier, server, loop):
        for one in (asked, "/y/chat"):
            probe = await connect(carrier.url, one, loop.now_ns)
            probe.close(1000)
            items = await until_end(probe)
        assert items == [HandshakeRefused(404, items[0].body)]
        return [journal.events[0].handshake.path for journal in server.journals]

    assert serve(main, Service(), chat_paths=("/chat", path)) == [journaled]


def test_behind_a_gateway_s_path_there_are_tokens_too():
    """Where its chats are; and nowhere else."""

    async def main(carrier, server, loop):
        posted = [await request(carrier.url, "POST", path) for path in ("/token", "/hume/token", "/other/token")]
        return [status for status, _ in posted], posted[-1][1]

    statuses, body = serve(main, chat_paths=("/chat", "/hume/chat", "/elsewhere"))
    assert statuses == [200, 200, 404]
    assert "POST /token, POST /hume/token" in body


def test_a_query_may_be_long():
    """It can hold a prompt."""
    query = [("prompt", "Be kind. " * 100_000)]

    async def main(carrier, server, loop):
        probe = await connect(carrier.url, "/chat", loop.now_ns, query=query)
        probe.close(1000)
        await until_end(probe)
        return server.journals[0].events[0].handshake.query

    assert serve(main, Service()) == tuple(query)


def test_plain_requests_get_clear_answers():
    """A token is given to whoever posts; other paths and a chat path without WebSocket say what is there."""

    async def main(carrier, server, loop):
        return [
            await request(carrier.url, *what) for what in (("POST", "/token"), ("GET", "/nowhere"), ("GET", "/token"), ("GET", "/chat"))
        ]

    (ok, token), (missing, body), (not_posted, _), (not_websocket, hint) = serve(main)
    assert (ok, json.loads(token)) == (200, {"access_token": "evi-harness-access-token", "token_type": "Bearer", "expires_in": 1800})
    assert (missing, not_posted, not_websocket) == (404, 404, 426)
    assert "GET /chat (WebSocket), POST /token" in body
    assert "WebSocket" in hint


def test_a_refusal_leaves_no_journal():
    """The handshake is answered with the service's status and body; no journal is made for it."""

    def journal_for(handshake):
        raise AssertionError("a refused handshake has no session")

    async def main(carrier, server, loop):
        probe = await connect(carrier.url, "/chat", loop.now_ns)
        return await probe.next(), server.journals

    assert serve(main, Service((0, Refuse(403, "not you"))), journal_for=journal_for) == (HandshakeRefused(403, "not you"), [])


class Guard:
    """A check that says no until noon, and keeps what it was asked."""

    def __init__(self):
        self.asked = []

    def token(self, request, at_ns, body):
        self.asked.append((request.path, request.query, at_ns))
        return "a-token" if at_ns >= NOON else Refuse(403, "no token yet")

    def chat(self, handshake, at_ns):
        self.asked.append((handshake.path, handshake.query, at_ns))
        return None if at_ns >= NOON else Refuse(401, "no chat yet")


NOON = 12 * 3600 * SECOND


def test_a_check_decides_who_gets_a_token_and_who_opens_a_chat():
    """With path, query and the carrier's time; no service is made for who is refused, and there is no journal."""
    check = Guard()

    async def main(carrier, server, loop):
        found = []
        for _ in range(2):
            probe = await connect(carrier.url, "/chat", loop.now_ns, query=[("api_key", "k")])
            found.append(await request(carrier.url, "POST", "/token"))
            probe.close(1000)
            found.append((await until_end(probe))[0])
            await asyncio.sleep(12 * 3600)
        return found, len(server.journals)

    (early, no, late, yes), n_journals = serve(main, Service(), check=check)
    assert early == (403, "no token yet")
    assert no == HandshakeRefused(401, "no chat yet")
    assert (late[0], json.loads(late[1])["access_token"]) == (200, "a-token")
    assert (yes, n_journals) == (ConnectionEnded(1000, ""), 1)
    query = (("api_key", "k"),)
    assert check.asked == [("/chat", query, 0), ("/token", (), 0), ("/chat", query, NOON), ("/token", (), NOON)]


class Records:
    """Answers requests for two paths, and says what it was asked."""

    paths = ("/about/{id}",)

    def __init__(self):
        self.asked = []

    def answer(self, request):
        self.asked.append((request.path, request.query))
        return {"/about/one": HttpAnswer({"is": 1}), "/about/none": HttpAnswer({"is": "wrong"}, 400)}.get(request.path)


def test_what_is_known_of_a_conversation_is_told():
    """For GET alone, behind a gateway's own path too; to what is not known, the answer names the paths that there are."""
    history, told = Records(), []

    async def main(carrier, server, loop):
        asked = [("GET", "/about/one?a=b"), ("GET", "/gate/about/none"), ("POST", "/about/one"), ("GET", "/about/two")]
        return [await request(carrier.url, *one) for one in asked]

    one, none, posted, two = serve(main, chat_paths=["/chat", "/gate/chat"], history=history, on_unknown=told.append)
    assert (one[0], json.loads(one[1])) == (200, {"is": 1})
    assert (none[0], json.loads(none[1])) == (400, {"is": "wrong"})
    assert (posted[0], two[0]) == (404, 404)
    assert "GET /about/{id}, GET /gate/about/{id}" in two[1]
    assert history.asked == [("/about/one", (("a", "b"),)), ("/gate/about/none", ()), ("/about/none", ()), ("/about/two", ())]
    assert len(told) == 2


def test_who_may_open_no_chat_is_told_nothing_of_one():
    """The check of handshakes decides, by the path that was asked for."""
    check = Guard()

    async def main(carrier, server, loop):
        found = [await request(carrier.url, "GET", "/about/one")]
        await asyncio.sleep(12 * 3600)
        return [*found, await request(carrier.url, "GET", "/about/one")]

    (early, late) = serve(main, check=check, history=Records())
    assert early == (401, "no chat yet")
    assert (late[0], json.loads(late[1])) == (200, {"is": 1})
    assert check.asked == [("/about/one", (), 0), ("/about/one", (), NOON)]


@pytest.mark.parametrize(("minutes", "is_let_in"), [(0, True), (29, True), (30, False)])
def test_a_token_is_good_for_as_long_as_its_answer_says(minutes, is_let_in):
    """EVI's own half hour, by the carrier's clock; a chat that is open then stays open."""

    async def main(carrier, server, loop):
        reader, writer = await loop_connection(carrier)
        writer.write(b"POST /token HTTP/1.1\r\nHost: x\r\nAuthorization: Basic YTpi\r\nContent-Length: 0\r\n\r\n")
        answer = (await reader.readuntil(b"}")).partition(b"\r\n\r\n")[2]
        writer.close()
        given = json.loads(answer)
        assert given["expires_in"] == 1800
        await asyncio.sleep(60 * minutes)
        probe = await connect(carrier.url, "/chat", loop.now_ns, query=[("access_token", given["access_token"])])
        await asyncio.sleep(3600)
        probe.close(1000)
        return (await until_end(probe))[0]

    async def loop_connection(carrier):
        host, _, port = carrier.url.partition("://")[2].partition(":")
        return await asyncio.open_connection(host, int(port or 80))

    item = serve(main, Service(), check=KeyCheck(token_seconds=TOKEN_SECONDS))
    assert item == (ConnectionEnded(1000, "") if is_let_in else HandshakeRefused(401, item.body))


def test_the_journal_may_be_given():
    """What the app's side noted before the connection is in the same session, behind the opening."""

    async def run(loop):
        journal = Journal(loop)
        journal.note(NoteKind("started", NoFacts))
        server = ChatServer(lambda handshake: Service(), clock=loop, chat_paths=["/chat"], journal_for=lambda handshake: journal)
        async with VirtualCarrier(loop, server) as carrier:
            probe = await connect(carrier.url, "/chat", loop.now_ns)
            probe.close(1000)
            await until_end(probe)
        return [event.kind for event in journal.events]

    assert run_virtual(run) == ["opened", "note", "closed"]


@pytest.mark.parametrize("where", ["making", "take opened", "due at once", "take sent", "due later", "next_at_ns"])
def test_a_service_that_raises_ends_the_connection_and_the_carrier_says_so(where):
    """Nothing hangs and nothing is swallowed: the app's connection ends, and leaving the carrier raises."""

    class Broken(Service):
        def __init__(self):
            super().__init__((SECOND, Remark(NoteKind("never", NoFacts))))
            if where == "making":
                raise ZeroDivisionError

        def take(self, event, at_ns):
            if where == f"take {event.kind}":
                raise ZeroDivisionError
            super().take(event, at_ns)

        def due(self, at_ns):
            if where == ("due later" if at_ns else "due at once"):
                raise ZeroDivisionError
            return super().due(at_ns)

        def next_at_ns(self):
            if where == "next_at_ns":
                raise ZeroDivisionError
            return super().next_at_ns()

    ends = []

    async def run(loop):
        server = ChatServer(lambda handshake: Broken(), clock=loop, chat_paths=["/chat"])
        async with VirtualCarrier(loop, server) as carrier:
            probe = await connect(carrier.url, "/chat", loop.now_ns)
            probe.send(text("x"))
            ends.extend(await until_end(probe))

    with pytest.raises(ZeroDivisionError):
        run_virtual(run)
    early = where in ("making", "take opened", "due at once")
    if early:
        assert [end.status for end in ends] == [500]
    else:
        # The one that cannot say when it goes on is still closed; the others lose their connection.
        assert ends == [ConnectionEnded(1000 if where == "next_at_ns" else None, "")]


def test_stopping_ends_what_still_runs():
    """Leaving the carrier aborts the connections; their sessions end by the network."""

    async def run(loop):
        server = ChatServer(lambda handshake: Service(), clock=loop, chat_paths=["/chat"])
        async with VirtualCarrier(loop, server) as carrier:
            probe = await connect(carrier.url, "/chat", loop.now_ns)
        return await until_end(probe), server.journals[0].events[-1]

    items, closed = run_virtual(run)
    assert items == [ConnectionEnded(None, "")]
    assert (closed.by, closed.code) == ("network", None)


def test_it_is_known_when_something_is_due_next():
    """Of all conversations that run; nothing where none waits for a time."""

    async def main(carrier, server, loop):
        found, opened_ns = [server.next_due_ns()], []
        for _ in range(2):
            probe = await connect(carrier.url, "/chat", loop.now_ns)
            opened_ns.append(loop.now_ns())
            await asyncio.sleep(1)
            found.append(server.next_due_ns())
        probe.close(1000)
        await until_end(probe)
        return [*found, server.next_due_ns()], opened_ns

    found, opened_ns = serve(
        main, Service((7 * SECOND, Remark(NoteKind("late", NoFacts)))), Service((4 * SECOND, Remark(NoteKind("early", NoFacts))))
    )
    assert found == [None, opened_ns[0] + 7 * SECOND, opened_ns[1] + 4 * SECOND, opened_ns[0] + 7 * SECOND]


def test_it_is_told_when_no_conversation_runs():
    """Once, behind the last of those that overlap; and again behind the next."""
    told = []

    async def main(carrier, server, loop):
        first, second = [await connect(carrier.url, "/chat", loop.now_ns) for _ in range(2)]
        for probe in (first, second):
            probe.close(1000)
            await until_end(probe)
            told.append("closed")
        third = await connect(carrier.url, "/chat", loop.now_ns)
        third.close(1000)
        await until_end(third)

    serve(main, Service(), Service(), Service(), on_idle=lambda: told.append("idle"))
    assert told in (["closed", "closed", "idle", "idle"], ["closed", "idle", "closed", "idle"])


def test_the_unmodified_sdk_is_served():
    """The SDK's own client connects, gets messages at their times and sees the close as the end of its loop."""
    client_kind = sdk_client()
    service = Service(
        (0, Send(text('{"type": "assistant_end"}'), 0)),
        (600 * SECOND, Send(text('{"type": "assistant_end"}'), 600 * SECOND)),
        (601 * SECOND, Close(1000, "bye")),
    )

    async def main(carrier, server, loop):
        client = client_kind(api_key="k" * 40, base_url=carrier.url)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            async with client.empathic_voice.chat.connect(config_id="c") as socket:
                times = [(message.type, loop.now_ns()) async for message in socket]
        return times, server.journals[0].events

    times, events = serve(main, service, chat_paths=("/v0/evi/chat",))
    assert times == [("assistant_end", 0), ("assistant_end", 600 * SECOND)]
    assert ("config_id", "c") in events[0].handshake.query
    assert events[-1] == Closed(events[-1].seq, 601 * SECOND, "service", 1000, "bye")


def test_messages_of_any_kind_arrive():
    """What the client gets is what the service sent, byte for byte, under its opcode."""
    frames = [text(""), Frame(BINARY, b""), text('{"a" :1}'), Frame(BINARY, b"\xff")]

    async def main(carrier, server, loop):
        probe = await connect(carrier.url, "/chat", loop.now_ns)
        return await until_end(probe)

    *items, end = serve(main, Service(*((0, Send(frame, 0)) for frame in frames), (0, Close(4000, "done"))))
    assert items == [Arrived(frame, 0) for frame in frames]
    assert end == ConnectionEnded(4000, "done")
