"""Tests of who may open a session: where keys are, which are right, and what is answered to a request for a client secret."""

from __future__ import annotations

import json

import pytest

from evi_harness.openai_realtime.realtime_dialect import OPENAI_REALTIME as DIALECT
from evi_harness.openai_realtime.realtime_keys import RealtimeKeyCheck, keys_in, subprotocol, token_answer
from evi_harness.session.events import Handshake
from evi_harness.session.protocols import Refuse

KEY = "sk-test-0123456789"
S = 1_000_000_000


def asked(*headers, **query):
    """A handshake with headers and a query."""
    return Handshake("/v1/realtime", tuple((name.replace("_", "-"), value) for name, value in query.items()), headers)


BROWSER = ("Sec-WebSocket-Protocol", f"realtime, openai-insecure-api-key.{KEY}, openai-beta.realtime-v1")
PLACES = [
    asked(("Authorization", f"Bearer {KEY}")),
    asked(("authorization", f"bearer  {KEY} ")),
    asked(("api-key", KEY)),
    asked(("X-API-Key", KEY)),
    asked(BROWSER),
    asked(("Sec-WebSocket-Protocol", "realtime"), ("Sec-WebSocket-Protocol", f"openai-insecure-api-key.{KEY}")),
    asked(api_key=KEY),
    asked(key=KEY),
    Handshake("/v1/realtime", (("access_token", KEY),)),
]


@pytest.mark.parametrize("handshake", PLACES)
def test_a_key_is_found_wherever_a_service_takes_it(handshake):
    """In headers, in the query, in a browser's subprotocol; and it is let in."""
    assert keys_in(handshake) == DIALECT.keys_in(handshake) == (KEY,)
    assert RealtimeKeyCheck(KEY).chat(handshake, 0) is None
    refusal = RealtimeKeyCheck("sk-another").chat(handshake, 0)
    assert refusal.status == 401
    assert json.loads(refusal.body)["error"]["code"] == "invalid_api_key"
    assert KEY not in refusal.body


@pytest.mark.parametrize("handshake", [asked(), asked(("Authorization", "Basic eDp5")), asked(("Sec-WebSocket-Protocol", "realtime"))])
def test_without_a_key_nobody_is_let_in(handshake):
    """Whether one is known or any will do."""
    assert keys_in(handshake) == ()
    assert RealtimeKeyCheck(None).chat(handshake, 0).status == 401


@pytest.mark.parametrize(
    ("offer", "taken"),
    [
        (f"realtime, openai-insecure-api-key.{KEY}", "realtime"),
        (f"openai-insecure-api-key.{KEY}, openai-beta.realtime-v1, realtime", "realtime"),
        ("voice-agent.zoom.v1", "voice-agent.zoom.v1"),
        (f"openai-insecure-api-key.{KEY}", None),
        (" , ", None),
    ],
)
def test_the_first_subprotocol_that_is_one_is_taken(offer, taken):
    """Never what holds a key, nor what is offered beside it."""
    assert subprotocol(asked(("sec-websocket-protocol", offer))) == DIALECT.subprotocol(asked(("Sec-WebSocket-Protocol", offer))) == taken


def test_no_offer_has_no_subprotocol():
    """Most clients offer none."""
    assert subprotocol(asked()) is None


@pytest.mark.parametrize(
    ("body", "seconds", "session"),
    [
        (b"", 600, {"type": "realtime", "object": "realtime.session"}),
        (b"not json", 600, {"type": "realtime", "object": "realtime.session"}),
        (b"[1]", 600, {"type": "realtime", "object": "realtime.session"}),
        (
            b'{"expires_after": {"anchor": "created_at", "seconds": 60}, "session": {"type": "realtime", "model": "m"}}',
            60,
            {"type": "realtime", "object": "realtime.session", "model": "m"},
        ),
    ],
)
def test_a_client_secret_says_when_it_expires_and_for_which_session_it_is(body, seconds, session):
    """What was asked for, or the service's defaults; its value looks like one."""
    answer = token_answer("made-up", body, 1000, 5)
    assert answer == {"value": "ek_made-up", "expires_at": 1000 + seconds, "session": session}
    assert token_answer("ek_x", body, 0, 5)["value"] == "ek_x"


def test_a_client_secret_opens_sessions_until_it_expires():
    """For as long as was asked; it gets no further secrets, and one that was not given here opens nothing."""
    check = DIALECT.key_check(KEY, None, token_seconds=5, token_name="t")
    bearer = asked(("Authorization", f"Bearer {KEY}"))
    first = check.token(bearer, 0, b'{"expires_after": {"seconds": 60}}')
    second = check.token(bearer, 0)
    assert first != second
    assert all(one.startswith("ek_t") for one in (first, second))

    def opened(secret, at_ns):
        return check.chat(asked(("Authorization", f"Bearer {secret}")), at_ns) is None

    assert [opened(first, at_ns) for at_ns in (0, 60 * S - 1, 60 * S)] == [True, True, False]
    assert [opened(second, at_ns) for at_ns in (60 * S, 600 * S - 1, 600 * S)] == [True, True, False]
    assert not opened("ek_made-up", 0)
    third = check.token(bearer, 0)
    for wrong in (asked(), asked(("Authorization", f"Bearer {third}")), asked(("Authorization", "Bearer sk-other"))):
        refusal = check.token(wrong, 1)
        assert isinstance(refusal, Refuse)
        assert refusal.status == 401


@pytest.mark.parametrize("seconds", ["9", "7201", "true", "null", '"60"'])
def test_a_client_secret_is_not_had_for_any_time(seconds):
    """From 10 to 7200 seconds."""
    check = RealtimeKeyCheck(None)
    body = b'{"expires_after": {"seconds": %s}}' % seconds.encode()
    refusal = check.token(asked(("Authorization", f"Bearer {KEY}")), 0, body)
    assert (refusal.status, json.loads(refusal.body)["error"]["code"]) == (400, "invalid_value")
