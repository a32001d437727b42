"""Sessions of the Realtime protocol made for the tests: rows of who sends what, and what becomes of them."""

from __future__ import annotations

import base64
import json

from evi_harness.session.events import TEXT, Closed, Frame, Handshake, Opened, Received, Sent

__all__ = ["AUDIO_20_MS", "append", "events_of"]

MS = 1_000_000
# Of 16-bit samples at 24 kHz.
AUDIO_20_MS = bytes(960)


def append(audio=AUDIO_20_MS):
    """A row that sends a piece of the user's audio."""
    return ">", {"type": "input_audio_buffer.append", "audio": base64.b64encode(audio).decode()}


def events_of(*rows, close=None):
    """Events of rows (``>`` for sent, ``<`` for received, and the message): 20 ms pass with each piece of audio."""
    events = [Opened(0, 0, Handshake("/v1/realtime", (("model", "m"),)))]
    now_ns = 0
    for seq, (way, message) in enumerate(rows, 1):
        text = message if isinstance(message, str) else json.dumps(message)
        events.append((Sent if way == ">" else Received)(seq, now_ns, Frame(TEXT, text.encode())))
        now_ns += 20 * MS if '"input_audio_buffer.append"' in text else 0
    if close is not None:
        events.append(Closed(len(events), now_ns, close, 1000))
    return events
