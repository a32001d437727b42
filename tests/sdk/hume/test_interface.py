from __future__ import annotations

import asyncio
import base64
import json
from types import SimpleNamespace

import pytest

from evi_harness.evi.messages import EMOTIONS
from evi_harness.sdk.hume.handlers import callbacks_of
from evi_harness.sdk.hume.installed_sdk import import_sdk
from evi_harness.sdk.hume.interface import WebSocketInterface
from evi_harness.sdk.hume.parsing import parse

KEY = "Kq7ApiKeyOfThisRun0123456789"
SCORES = {**dict.fromkeys(EMOTIONS, 0.01), "Joy": 0.9, "Interest": 0.8, "Calmness": 0.7}
SAID = {
    "type": "user_message",
    "message": {"role": "user", "content": "Hello."},
    "models": {"prosody": {"scores": SCORES}},
    "from_text": False,
    "interim": False,
    "time": {"begin": 0, "end": 1},
}
SOUND = {"type": "audio_output", "id": "a", "index": 0, "data": base64.b64encode(b"RIFF sound").decode()}


def told(*messages, handler=None):
    """What the interface prints of messages that the SDK has parsed, and the audio that it queues."""
    lines = []

    async def main():
        interface = (handler or WebSocketInterface)(lines.append)
        for message in messages:
            await interface.on_message(parse(json.dumps(message).encode()))
        queue = interface.byte_strs.queue
        return [queue.get_nowait() for _ in range(queue.qsize())]

    return lines, asyncio.run(main())


def test_a_message_is_printed_with_the_three_strongest_emotions():
    """As the example to Hume's guide does."""
    assert told(SAID)[0] == ["user: Hello.  [joy 0.90, interest 0.80, calmness 0.70]"]


def test_audio_is_decoded_into_the_stream_and_not_printed():
    """What the SDK's playback takes out of it are the bytes of the WAV."""
    assert told(SOUND, SOUND) == ([], [b"RIFF sound"] * 2)


def test_the_stream_is_the_sdks_own_and_stays_the_same():
    """MicrophoneInterface takes it as byte_stream; an app may set its own."""
    import_sdk()
    from hume import Stream

    async def main():
        interface = WebSocketInterface()
        assert isinstance(interface.byte_strs, Stream)
        assert interface.byte_strs is interface.byte_strs
        interface.byte_strs = own = Stream.new()
        assert interface.byte_strs is own
        assert WebSocketInterface().byte_strs is not own

    asyncio.run(main())


def test_a_subclass_need_not_build_its_base(capsys):
    """Many apps write an __init__ of their own and forget; everything works all the same."""

    class App(WebSocketInterface):
        def __init__(self):
            self.n = 0

    async def main():
        app = App()
        assert app.socket is None
        app.set_socket("socket")
        await app.on_open()
        await app.on_message(parse(json.dumps(SOUND).encode()))
        await app.on_close()
        return app

    app = asyncio.run(main())
    assert app.socket == "socket"
    assert capsys.readouterr().out == "connected\nclosed\n"


def test_it_is_a_handler_that_can_be_replayed():
    """Built without arguments, with all the callbacks."""
    callbacks = callbacks_of(WebSocketInterface, "it")
    assert None not in (callbacks.set_socket, callbacks.on_open, callbacks.on_message, callbacks.on_close, callbacks.on_error)


def test_building_it_needs_no_loop():
    """On Python 3.9 a queue made before the loop would belong to another."""
    interface = WebSocketInterface()

    async def main():
        await interface.on_message(parse(json.dumps(SOUND).encode()))
        return await interface.byte_strs.__anext__()

    assert asyncio.run(main()) == b"RIFF sound"


def api_error():
    """The SDK's, whose text shows the request's headers."""
    import_sdk()
    from hume.core.api_error import ApiError

    return ApiError(headers={"X-Hume-Api-Key": KEY}, status_code=401, body=KEY)


def invalid_uri():
    """The websockets library's, which quotes the whole URI."""
    from websockets.exceptions import InvalidURI

    return InvalidURI(f"wss://h/?apiKey={KEY}", "bad")


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: ValueError("no"), "error: ValueError: no"),
        (lambda: ValueError("no\nand more"), "error: ValueError: no"),
        (ValueError, "error: ValueError"),
        (api_error, "error: status 401: "),
        (invalid_uri, "error: InvalidURI"),
        (lambda: SimpleNamespace(), "error: SimpleNamespace"),
    ],
    ids=["text", "lines", "no text", "ApiError", "InvalidURI", "anything"],
)
def test_an_error_is_printed_without_keys(make, line):
    """Its type and its text, but not the text of those that quote a request."""
    lines = []
    asyncio.run(WebSocketInterface(lines.append).on_error(make()))
    assert len(lines) == 1
    assert lines[0].startswith(line)
    assert "\n" not in lines[0]
    assert KEY not in lines[0]


def test_a_lost_connection_is_printed_with_its_code():
    """That one is the websockets library's too, and holds no request."""
    from websockets.exceptions import ConnectionClosedError
    from websockets.frames import Close

    lines = []
    asyncio.run(WebSocketInterface(lines.append).on_error(ConnectionClosedError(Close(1011, "oh"), None)))
    assert "1011" in lines[0]
