from __future__ import annotations

import pytest

from evi_harness.evi.credentials import KeyRequired, credentials
from evi_harness.session.events import Handshake, Opened
from evi_harness.session.protocols import Refuse

RIGHT = "k" * 48
ROWS = [
    ("the SDK up to 0.12.1", [("apiKey", RIGHT)], [], (RIGHT,)),
    ("the documentation", [("config_id", "c"), ("api_key", RIGHT)], [], (RIGHT,)),
    ("a token", [("access_token", RIGHT)], [], (RIGHT,)),
    ("an old core's token", [("accessToken", RIGHT)], [], (RIGHT,)),
    ("the SDK from 0.13 on", [("api_key", "")], [("X-Hume-Api-Key", RIGHT)], (RIGHT,)),
    ("headers in any case", [], [("x-HUME-api-key", RIGHT)], (RIGHT,)),
    ("a bearer", [], [("Authorization", f"Bearer {RIGHT}")], (RIGHT,)),
    ("both", [("api_key", "other")], [("Authorization", f"bearer  {RIGHT} ")], ("other", RIGHT)),
    ("another scheme", [], [("Authorization", f"Basic {RIGHT}")], ()),
    ("empty ones", [("api_key", ""), ("access_token", "")], [("X-Hume-Api-Key", ""), ("Authorization", "Bearer")], ()),
    ("none", [("config_id", RIGHT)], [("User-Agent", RIGHT)], ()),
]


@pytest.mark.parametrize(("query", "headers", "found"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_credentials_are_found_where_clients_put_them(query, headers, found):
    """In the query under either spelling, in the header of the SDK, as a bearer; empty ones are none."""
    assert credentials(Handshake("/", tuple(query), tuple(headers))) == found


class LetIn:
    """The service behind the door."""


@pytest.mark.parametrize(
    ("accepted", "given", "is_let_in"),
    [
        ([RIGHT], [RIGHT], True),
        ([RIGHT, "token"], ["token"], True),
        ([RIGHT], ["wrong", RIGHT], True),
        ([RIGHT], ["wrong"], False),
        ([RIGHT], [RIGHT + "k"], False),
        ([RIGHT], ["ä"], False),
        ([RIGHT], [], False),
        ([], ["whatever"], True),
        ([], [], False),
    ],
)
def test_who_gives_a_right_key_is_let_in(accepted, given, is_let_in):
    """With no right ones named any will do; with none given nothing does. The refusal is a 401 that quotes no key."""
    made = []
    handshake = Handshake("/", tuple(("api_key", one) for one in given))
    door = KeyRequired(lambda asked: made.append(asked) or LetIn(), frozenset(accepted))
    service = door(handshake)
    assert made == ([handshake] if is_let_in else [])
    assert isinstance(service, LetIn) == is_let_in
    if not is_let_in:
        service.take(Opened(0, 0, handshake), 0)
        (action,) = service.due(0)
        assert isinstance(action, Refuse)
        assert action.status == 401
        assert service.next_at_ns() is None
        assert not any(one in action.body for one in given)


def test_the_door_does_not_tell_its_keys():
    """Not in its repr, which a traceback may show."""
    assert RIGHT not in repr(KeyRequired(LetIn, frozenset({RIGHT})))
