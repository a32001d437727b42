"""Tests of evi_harness.sdk.hume.handing_on."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from hume import Stream

from evi_harness.audio.software_microphone import SoftwareMicrophone
from evi_harness.audio.software_sound import software_sounddevice
from evi_harness.audio.software_speaker import SoftwareSpeaker
from evi_harness.audio.sources import SilenceSource
from evi_harness.carriers.journal import Journal
from evi_harness.clocks.virtual import run_virtual
from evi_harness.sdk.hume import handing_on
from evi_harness.sdk.hume.handing_on import HEADERLESS, HandingOn, is_players
from evi_harness.sdk.hume.installed_sdk import installed_version
from evi_harness.sdk.hume.sound import software_sound
from evi_harness.session import wav
from evi_harness.session.events import Handshake, Received
from evi_harness.session.wav import Pcm

MS = 1_000_000
MONO = Pcm(24000, 1)
NEW, OLD = "0.14.1", "0.11.2"
# From 0.11.3 on the player takes all items as one stream, and takes the next before the one before it is over.
needs_one_stream = pytest.mark.skipif(
    tuple(int(part) for part in installed_version().split(".")[:3]) < (0, 11, 3), reason="the SDK plays one item after another"
)


def samples(number, ms=100, pcm=MONO):
    """Samples that are told from those of every other number."""
    return (number + 1).to_bytes(2, "little") * (pcm.rate * pcm.channels * ms // 1000)


def sound(number, pcm=MONO, ms=100):
    """A WAV of them."""
    data = samples(number, ms, pcm)
    return wav.header(pcm, len(data)) + data


class Handler:
    """Has ``byte_strs`` of the SDK's."""

    def __init__(self):
        self.byte_strs = Stream.new()


class Stage:
    """A handler that is watched in a conversation, with what may happen in it."""

    def __init__(self, loop, handler, *, heard_ns=None, standing=lambda: None):
        self.loop = loop
        self.handler = Handler() if handler is None else handler
        self.journal = Journal(loop)
        self.watch = HandingOn(lambda: getattr(self.handler, "byte_strs", None), self.journal, heard_ns, standing)
        self.playing = []

    @property
    def queue(self):
        """That of the handler's stream."""
        return self.handler.byte_strs.queue

    async def ms(self, n):
        """Let time pass."""
        await asyncio.sleep(n / 1000)

    def play(self, byte_strs):
        """Give something to the SDK's interface, which begins to play it."""
        from hume.empathic_voice.chat.audio.chat_client import ChatClient

        async def nothing():
            pass

        client = ChatClient.new(sender=SimpleNamespace(on_audio_begin=nothing, on_audio_end=nothing), byte_strs=byte_strs)
        self.playing.append(asyncio.ensure_future(client._play()))

    def interrupt(self, seq):
        """The handler has returned from an interruption."""
        self.watch.interrupted(Received(seq, self.loop.now_ns()))


def observed(act, handler=None, *, is_begun=True, **more):
    """What was handed on while some coroutine acted, and the notes."""

    async def main(loop):
        stage = Stage(loop, handler() if callable(handler) else handler, **more)
        stage.journal.opened(Handshake("/"))
        speaker = SoftwareSpeaker(clock=loop)
        with software_sound(software_sounddevice(SoftwareMicrophone(SilenceSource(), clock=loop), speaker)):
            if is_begun:
                stage.watch.begin()
            await act(stage)
            found = stage.watch.finish()
            for one in stage.playing:
                one.cancel()
            await asyncio.gather(*stage.playing, return_exceptions=True)
        return found, [event for event in stage.journal.events if event.kind == "note"]

    return run_virtual(main)


def rows(found):
    """When, in milliseconds, and the samples of each item."""
    return [(item.at_ns // MS, item.samples) for item in found.items]


# What counts as handed on.


def test_nothing_is_handed_on():
    """A handler that puts nothing into its stream has one all the same."""

    async def act(stage):
        await stage.ms(10)

    found, notes = observed(act)
    assert (found.items, found.taken, found.is_watched, found.has_stream, notes) == ([], [], True, True, [])


@pytest.mark.parametrize("way", ["put", "put_nowait", "stream"])
def test_an_item_counts_from_when_it_was_put(way):
    """Whoever puts it, and whether it is played or not."""

    async def act(stage):
        await stage.ms(5)
        for number in (1, 2):
            await stage.ms(10)
            if way == "put_nowait":
                stage.queue.put_nowait(sound(number))
            else:
                await (stage.queue if way == "put" else stage.handler.byte_strs).put(sound(number))

    found, _ = observed(act)
    assert rows(found) == [(15, samples(1)), (25, samples(2))]
    assert {(item.pcm, item.why) for item in found.items} == {(MONO, "")}


def test_what_is_in_the_queue_already_counts_from_now_on():
    """In its order."""

    def made():
        handler = Handler()
        handler.byte_strs.queue.put_nowait(sound(1))
        handler.byte_strs.queue.put_nowait(sound(2))
        return handler

    async def act(stage):
        stage.queue.put_nowait(sound(3))

    found, _ = observed(act, made)
    assert [item.samples for item in found.items] == [samples(number) for number in (1, 2, 3)]


@pytest.mark.parametrize("way", ["get_nowait", "get", "stream", "a task of its own"])
def test_what_the_app_takes_out_again_was_not_handed_on(way):
    """As when it drops its queue at an interruption."""

    async def act(stage):
        for number in (1, 2, 3):
            stage.queue.put_nowait(sound(number))
        for _ in range(2):
            if way == "get_nowait":
                stage.queue.get_nowait()
            elif way == "a task of its own":
                await asyncio.ensure_future(stage.queue.get())
            else:
                await (stage.queue.get() if way == "get" else stage.handler.byte_strs.__anext__())

    found, _ = observed(act)
    assert rows(found) == [(0, samples(3))]


def test_what_the_sdks_player_takes_was_handed_on():
    """And what it has not come to yet too."""

    async def act(stage):
        stage.play(stage.handler.byte_strs)
        for number in (1, 2):
            stage.queue.put_nowait(sound(number))
            await stage.ms(300)
        stage.queue.put_nowait(sound(3))

    found, _ = observed(act)
    assert rows(found) == [(0, samples(1)), (300, samples(2)), (600, samples(3))]


def test_an_app_may_drop_what_the_player_has_not_taken():
    """What it had taken was handed on; the same bytes may be both."""

    async def act(stage):
        one = sound(1)
        stage.play(stage.handler.byte_strs)
        stage.queue.put_nowait(one)
        await stage.ms(300)
        stage.queue.put_nowait(one)
        stage.queue.put_nowait(sound(2))
        while not stage.queue.empty():
            stage.queue.get_nowait()
        stage.queue.put_nowait(sound(3))

    found, _ = observed(act)
    assert rows(found) == [(0, samples(1)), (300, samples(3))]


@pytest.mark.parametrize("n", [1, 2])
def test_equal_items_are_told_apart_by_their_order(n):
    """The first of them is what is taken first."""

    async def act(stage):
        one = sound(1)
        for _ in range(3):
            stage.queue.put_nowait(one)
            await stage.ms(10)
        for _ in range(n):
            stage.queue.get_nowait()

    found, _ = observed(act)
    assert rows(found) == [(10 * at, samples(1)) for at in range(n, 3)]


def test_a_queue_that_gives_the_last_first_is_followed():
    """By the items, not by their order."""

    def made():
        handler = Handler()
        handler.byte_strs = Stream.from_queue(asyncio.LifoQueue())
        return handler

    async def act(stage):
        for number in (1, 2):
            stage.queue.put_nowait(sound(number))
        stage.queue.get_nowait()

    assert rows(observed(act, made)[0]) == [(0, samples(1))]


def test_a_stream_that_is_made_on_the_way_is_watched_too():
    """Where no player was opened nobody can know which stream would be played: all count."""

    async def act(stage):
        stage.queue.put_nowait(sound(1))
        old, stage.handler.byte_strs = stage.queue, Stream.new()
        stage.watch.before()
        stage.queue.put_nowait(sound(2))
        old.put_nowait(sound(3))

    assert rows(observed(act)[0]) == [(0, samples(number)) for number in (1, 2, 3)]


def test_what_goes_into_a_stream_that_the_player_was_never_given_was_not_handed_on():
    """The player goes on with the old one."""

    async def act(stage):
        stage.play(stage.handler.byte_strs)
        stage.queue.put_nowait(sound(1))
        old, stage.handler.byte_strs = stage.queue, Stream.new()
        stage.watch.before()
        stage.queue.put_nowait(sound(2))
        old.put_nowait(sound(3))

    found, _ = observed(act)
    assert [item.samples for item in found.items] == [samples(1), samples(3)]


def test_a_stream_that_a_second_player_is_given_counts():
    """As where an app starts the interface anew."""

    async def act(stage):
        stage.play(stage.handler.byte_strs)
        stage.queue.put_nowait(sound(1))
        stage.handler.byte_strs = Stream.new()
        stage.play(stage.handler.byte_strs)
        stage.queue.put_nowait(sound(2))

    assert [item.samples for item in observed(act)[0].items] == [samples(1), samples(2)]


def test_the_players_stream_need_not_be_the_handlers():
    """A handler without one is watched where it opens the interface itself."""

    async def act(stage):
        stream = Stream.new()
        stage.play(stream)
        stream.queue.put_nowait(sound(1))
        await stage.ms(5)

    found, _ = observed(act, SimpleNamespace())
    assert (rows(found), found.is_watched, found.has_stream) == ([(0, samples(1))], True, False)


@pytest.mark.parametrize("has_stream", [True, False])
def test_an_async_generator_counts_item_by_item(has_stream):
    """From when the player takes each."""

    async def generated():
        for number in (1, 2):
            await asyncio.sleep(0.05)
            yield sound(number)

    async def act(stage):
        stage.play(generated())
        await stage.ms(1000)

    found, _ = observed(act, SimpleNamespace(byte_strs=generated()) if has_stream else SimpleNamespace())
    assert [item.samples for item in found.items] == [samples(1), samples(2)]
    assert found.items[0].at_ns == 50 * MS
    assert (found.is_watched, found.has_stream) == (True, has_stream)


def test_a_generator_that_takes_from_the_stream_hands_on_what_it_gives():
    """What it takes is withdrawn; else each would count twice."""

    async def act(stage):
        async def louder():
            async for data in stage.handler.byte_strs:
                yield data[:44] + samples(int.from_bytes(data[44:46], "little") + 8)

        stage.play(louder())
        for number in (1, 2):
            stage.queue.put_nowait(sound(number))
        await stage.ms(1000)

    assert [item.samples for item in observed(act)[0].items] == [samples(10), samples(11)]


@pytest.mark.parametrize(
    "byte_strs",
    [None, [], SimpleNamespace(queue=[]), SimpleNamespace(queue=None)],
    ids=["none", "a list", "a queue of its own kind", "no queue"],
)
def test_what_is_no_stream_is_not_watched(byte_strs):
    """And nothing goes wrong with it."""

    async def act(stage):
        stage.watch.before()
        stage.interrupt(1)

    found, notes = observed(act, SimpleNamespace(byte_strs=byte_strs))
    assert (found.items, found.is_watched, found.has_stream, notes) == ([], False, False, [])


def test_where_an_item_was_put_is_kept():
    """What was there before has no standing."""
    standings = iter(["first", "second"])

    def made():
        handler = Handler()
        handler.byte_strs.queue.put_nowait(sound(0))
        return handler

    async def act(stage):
        stage.queue.put_nowait(sound(1))
        await stage.handler.byte_strs.put(sound(2))

    found, _ = observed(act, made, standing=lambda: next(standings))
    assert [item.standing for item in found.items] == [(), "first", "second"]


# Interruptions.


def test_how_many_items_had_been_handed_on_at_an_interruption():
    """Without those that were taken out again, before it or behind it."""

    async def act(stage):
        stage.queue.put_nowait(sound(1))
        stage.interrupt(5)
        await stage.ms(10)
        stage.queue.put_nowait(sound(2))
        stage.queue.put_nowait(sound(3))
        stage.queue.get_nowait()
        stage.interrupt(7)

    found, _ = observed(act)
    assert [(one.seq, one.at_ns // MS, one.n_handed) for one in found.taken] == [(5, 0, 0), (7, 10, 2)]


@pytest.mark.parametrize("item", [None, "text", 7], ids=["none", "text", "a number"])
def test_what_is_no_bytes_is_counted_like_anything_else(item):
    """Else the items behind it would be taken for those before the interruption."""

    async def act(stage):
        stage.queue.put_nowait(item)
        stage.queue.put_nowait(sound(1))
        stage.interrupt(5)
        stage.queue.put_nowait(sound(2))

    found, _ = observed(act)
    assert [one.n_handed for one in found.taken] == [2]
    assert [found.items.index(one) for one in found.items if one.samples == samples(2)] == [2]


@needs_one_stream
@pytest.mark.parametrize(
    ("numbers", "ms", "heard_ms", "tail_ms"),
    [
        ((1,), 5, 30, 70),
        ((1,), 5, 0, 100),
        ((1, 2), 5, 130, 70),
        ((1,), 5, 100, None),
        ((1,), 0, 0, None),
        ((), 5, 0, None),
        ((1,), 5, 500, None),
    ],
    ids=["a part", "all", "two items", "it was heard", "it lies in the stream", "nothing", "more was heard"],
)
def test_what_the_player_had_taken_and_not_played_is_a_note(numbers, ms, heard_ms, tail_ms):
    """Nobody can drop that any more."""

    async def act(stage):
        stage.play(stage.handler.byte_strs)
        for number in numbers:
            stage.queue.put_nowait(sound(number))
        if ms:
            await stage.ms(ms)
        stage.interrupt(9)

    _, notes = observed(act, heard_ns=lambda: heard_ms * MS)
    assert [(note.name, note.of, note.data["tail_ns"]) for note in notes] == ([] if tail_ms is None else [("player_tail", 9, tail_ms * MS)])


@needs_one_stream
def test_the_tail_is_by_the_format_of_the_stream():
    """What has no header plays at the rate of what is before it."""

    async def act(stage):
        stage.play(stage.handler.byte_strs)
        stage.queue.put_nowait(sound(1, Pcm(16000, 2)))
        stage.queue.put_nowait(samples(2, pcm=Pcm(16000, 2)))
        await stage.ms(5)
        stage.interrupt(9)

    _, notes = observed(act, heard_ns=lambda: 0)
    assert [note.data["tail_ns"] for note in notes] == [200 * MS]


def test_without_a_speaker_there_is_no_tail():
    """Nobody can be asked how much was heard."""

    async def act(stage):
        stage.play(stage.handler.byte_strs)
        stage.queue.put_nowait(sound(1))
        await stage.ms(5)
        stage.interrupt(9)

    assert observed(act)[1] == []


# Formats.

LIST = b"LIST" + (26).to_bytes(4, "little") + b"INFOISFT" + (14).to_bytes(4, "little") + b"Lavf60.16.100\0"
FIRST, SECOND = sound(1), samples(2)
MP3 = b"\xff\xfb\x90\x64" + b"\x55" * 400


def with_list(number):
    """A WAV with a LIST chunk before its data."""
    head = wav.header(MONO, 4800)
    return head[:36] + LIST + head[36:] + samples(number)


def twice_in_one(number):
    """Two WAVs, one behind the other."""
    return sound(number) + sound(number)


@pytest.mark.parametrize(
    ("version", "items", "expected"),
    [
        (NEW, [FIRST, sound(2)], [(MONO, samples(1)), (MONO, samples(2))]),
        (NEW, [FIRST, SECOND], [(MONO, samples(1)), (MONO, SECOND)]),
        (OLD, [FIRST, SECOND], [(MONO, samples(1)), (HEADERLESS, SECOND)]),
        (NEW, [SECOND], [(HEADERLESS, SECOND)]),
        (NEW, [SECOND, sound(1), SECOND], [(HEADERLESS, SECOND), (MONO, samples(1)), (HEADERLESS, SECOND)]),
        (NEW, [sound(1, Pcm(16000, 2)), SECOND], [(Pcm(16000, 2), samples(1, pcm=Pcm(16000, 2))), (Pcm(16000, 2), SECOND)]),
        (NEW, [FIRST, sound(2, Pcm(48000, 1))], [(MONO, samples(1)), (Pcm(48000, 1), samples(2, pcm=Pcm(48000, 1)))]),
        (NEW, [with_list(1), with_list(2)], [(MONO, samples(1)), (MONO, samples(2))]),
        (NEW, [FIRST + LIST, sound(2) + LIST], [(MONO, samples(1)), (MONO, samples(2))]),
        (NEW, [FIRST, twice_in_one(2)], [(MONO, samples(1)), (MONO, samples(2) + sound(2))]),
        (NEW, [bytearray(FIRST), memoryview(sound(2))], [(MONO, samples(1)), (MONO, samples(2))]),
        (NEW, [b""], [(HEADERLESS, b"")]),
        (NEW, [b"YWJj" * 100], [(HEADERLESS, b"YWJj" * 100)]),
        (NEW, [b"OggS" + bytes(100), SECOND], [(HEADERLESS, b"OggS" + bytes(100)), (HEADERLESS, SECOND)]),
        (NEW, [FIRST, b"\xff\xfb" + SECOND], [(MONO, samples(1)), (MONO, b"\xff\xfb" + SECOND)]),
        (NEW, [FIRST, b"ID3" + SECOND], [(MONO, samples(1)), (MONO, b"ID3" + SECOND)]),
        (NEW, [MP3, b"\x33" * 400, sound(1)], [None, None, None]),
        (NEW, [b"ID3\x04" + bytes(100)], [None]),
        (OLD, [FIRST, MP3, SECOND], [(MONO, samples(1)), None, (HEADERLESS, SECOND)]),
        (NEW, ["YWJj"], [None]),
        (NEW, [FIRST, None], [(MONO, samples(1)), None]),
    ],
    ids=[
        "WAV",
        "no header behind a WAV",
        "no header, in an old player",
        "no header at all",
        "a WAV behind what has none",
        "in stereo",
        "another rate",
        "a LIST before the data",
        "a LIST behind the data",
        "two WAVs in one item",
        "bytearray and memoryview",
        "empty",
        "base64 as bytes",
        "what the player does not decode",
        "samples that begin like MP3",
        "a tag behind a WAV",
        "MP3 in pieces",
        "a tagged MP3",
        "MP3 in an old player",
        "text",
        "none",
    ],
)
def test_an_item_is_what_the_player_takes_it_for(version, items, expected, monkeypatch):
    """In its own format, or in that of the stream; what is not known says why."""
    monkeypatch.setattr(handing_on, "installed_version", lambda: version)

    async def act(stage):
        for item in items:
            stage.queue.put_nowait(item)

    found, _ = observed(act)
    assert [None if item.pcm is None else (item.pcm, item.samples) for item in found.items] == expected
    assert all(bool(item.why) == (item.pcm is None) for item in found.items)


def test_a_buffer_that_is_used_again_is_what_it_was():
    """The player has copied it by then."""

    async def act(stage):
        buffer = bytearray(sound(1))
        stage.play(stage.handler.byte_strs)
        for number in (1, 2):
            buffer[:] = sound(number)
            stage.queue.put_nowait(buffer)
            await stage.ms(300)

    assert [item.samples for item in observed(act)[0].items] == [samples(1), samples(2)]


# What is watched goes on as it would.


def test_everything_is_put_back():
    """The queue's methods and the SDK's; what is put later is no news."""
    from hume.empathic_voice.chat.audio.chat_client import ChatClient

    kept = []

    async def act(stage):
        kept.append((stage, vars(ChatClient)["new"]))
        stage.queue.put_nowait(sound(1))

    before = vars(ChatClient)["new"]
    found, _ = observed(act)
    stage, during = kept[0]
    assert during is not before
    assert vars(ChatClient)["new"] is before
    assert not {"_put", "_get"} & set(vars(stage.queue))
    stage.queue.put_nowait(sound(2))
    assert [stage.queue.get_nowait(), stage.queue.get_nowait()] == [sound(1), sound(2)]
    assert rows(found) == [(0, samples(1))]


def test_what_somebody_else_has_replaced_since_stays_theirs():
    """And what cannot be put back does nothing by itself."""

    async def act(stage):
        other = Stage(stage.loop, None)
        other.journal.opened(Handshake("/"))
        other.watch.begin()
        # The first to begin is the first to end.
        assert stage.watch.finish().items == []
        stream = Stream.new()
        stage.play(stream)
        stream.queue.put_nowait(sound(1))
        assert len(stage.watch.finish().items) == 0
        assert len(other.watch.finish().items) == 1
        assert not {"_put", "_get"} & set(vars(stream.queue))

    from hume.empathic_voice.chat.audio.chat_client import ChatClient

    before = vars(ChatClient)["new"]
    try:
        observed(act)
    finally:
        ChatClient.new = before


def test_an_error_of_the_queue_is_the_apps():
    """What could not be put was not handed on."""

    def made():
        handler = Handler()
        handler.byte_strs = Stream.from_queue(asyncio.Queue(1))
        return handler

    async def act(stage):
        stage.queue.put_nowait(sound(1))
        with pytest.raises(asyncio.QueueFull):
            stage.queue.put_nowait(sound(2))
        assert stage.queue.get_nowait() == sound(1)
        with pytest.raises(asyncio.QueueEmpty):
            stage.queue.get_nowait()

    assert observed(act, made)[0].items == []


def test_what_is_watched_twice_counts_once():
    """A handler gets many messages with one stream."""

    async def act(stage):
        for _ in range(3):
            stage.watch.before()
        stage.queue.put_nowait(sound(1))
        stage.watch.before()

    assert rows(observed(act)[0]) == [(0, samples(1))]


def test_without_the_sdks_microphone_the_stream_is_watched_all_the_same(monkeypatch):
    """There is no player then."""

    def missing(name):
        raise OSError("PortAudio library not found")

    monkeypatch.setattr(handing_on, "import_module", missing)

    async def act(stage):
        stage.queue.put_nowait(sound(1))

    found, _ = observed(act)
    assert (rows(found), found.is_watched) == ([(0, samples(1))], True)


@pytest.mark.parametrize(
    ("module", "expected"),
    [("hume.empathic_voice.chat.audio.audio_utilities", True), ("evi_harness.sdk.hume.old_playback", True), ("app", False), (None, False)],
)
def test_the_sdks_player_is_known_by_its_module(module, expected):
    """Whatever else fills a speaker's blocks is the app's."""
    assert is_players(SimpleNamespace(__module__=module)) is expected
    assert is_players(object()) is False
