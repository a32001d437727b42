from __future__ import annotations

import asyncio

import pytest

from evi_harness.carriers.sends import sends_of


class Websocket:
    """A connection of the library's shape."""

    def __init__(self):
        self.sent = []

    async def send(self, message, text=None):
        self.sent.append((message, text))
        return "sent"


def looker(log, name):
    """A function that keeps what it looks at."""
    return lambda message: log.append((name, message))


def test_each_is_told_right_before_a_message_is_sent():
    """The last to come first; those who look at text are not told of bytes. What is sent, and what comes of it, is as ever."""
    websocket, log = Websocket(), []
    sends_of(websocket).look(looker(log, "all"))
    sends_of(websocket).look(looker(log, "text"), text_only=True)

    async def main():
        waiting = websocket.send("a")
        assert log == []
        return await waiting, await websocket.send(b"b", text=True)

    assert asyncio.run(main()) == ("sent", "sent")
    assert (log, websocket.sent) == ([("text", "a"), ("all", "a"), ("all", b"b")], [("a", None), (b"b", True)])


def test_a_message_that_is_refused_is_not_sent():
    """It is asked for when ``send`` is called; nobody is told, and whoever sends notices nothing."""
    websocket, log = Websocket(), []
    sends = sends_of(websocket)
    sends.look(looker(log, "all"))
    sends.refuse(lambda message: log.append(("asked", message)) or message == b"no")

    async def main():
        refused = websocket.send(b"no")
        assert log == [("asked", b"no")]
        return await refused, await websocket.send(b"yes")

    assert asyncio.run(main()) == (None, "sent")
    assert (log[1:], websocket.sent) == ([("asked", b"yes"), ("all", b"yes")], [(b"yes", None)])


@pytest.mark.parametrize("text_only", [False, True])
def test_one_who_looks_may_be_given_another_reach(text_only):
    """And is still told of each message once."""
    websocket, log = Websocket(), []
    look = looker(log, "it")
    sends_of(websocket).look(look, text_only=not text_only)
    sends_of(websocket).look(look, text_only=text_only)

    async def main():
        await websocket.send("a")
        await websocket.send(b"b")

    asyncio.run(main())
    assert log == [("it", "a")] + [("it", b"b")] * (not text_only)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_the_last_to_leave_puts_it_back(order):
    """In any order; until then it is replaced once, and whoever has left is told no more."""
    websocket, log = Websocket(), []
    joined = [looker(log, 0), looker(log, 1), lambda message: log.append((2, message)) is not None]
    sends = sends_of(websocket)
    sends.look(joined[0])
    sends.look(joined[1], text_only=True)
    sends.refuse(joined[2])
    replaced = websocket.send
    left = {0, 1, 2}
    for number in order:
        assert (websocket.send, sends_of(websocket)) == (replaced, sends)
        sends.leave(joined[number])
        sends.leave(joined[number])
        left.discard(number)
        log.clear()
        asyncio.run(websocket.send("x"))
        assert {name for name, _ in log} == left
    assert "send" not in vars(websocket)
    assert sends_of(websocket) is not sends


def test_what_somebody_else_has_replaced_stays():
    """Whoever comes then is told above it; left behind below it, what stood there does nothing."""
    websocket, log = Websocket(), []
    below, look = sends_of(websocket), looker(log, "below")
    below.look(look)
    real = websocket.send

    async def theirs(message):
        log.append(("theirs", message))
        return await real(message)

    websocket.send = theirs
    above, look_above = sends_of(websocket), looker(log, "above")
    above.look(look_above)
    asyncio.run(websocket.send("a"))
    assert [name for name, _ in log] == ["above", "theirs", "below"]
    below.leave(look)
    above.leave(look_above)
    log.clear()
    asyncio.run(websocket.send("b"))
    assert (log, websocket.send, websocket.sent) == ([("theirs", "b")], theirs, [("a", None), ("b", None)])
