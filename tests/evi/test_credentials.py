from __future__ import annotations

import base64
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.evi.credentials import Credentials, KeyCheck, credentials
from evi_harness.session.events import Handshake
from evi_harness.session.protocols import Refuse

RIGHT = "k" * 48
SECRET = "s" * 64
MINUTE = 60 * 1_000_000_000
HALF_AN_HOUR = 1800

ROWS = [
    ("the SDK up to 0.12.1", [("apiKey", RIGHT)], [], (RIGHT,), ()),
    ("the documentation", [("config_id", "c"), ("api_key", RIGHT)], [], (RIGHT,), ()),
    ("a token", [("access_token", RIGHT)], [], (), (RIGHT,)),
    ("an old core's token", [("accessToken", RIGHT)], [], (), (RIGHT,)),
    ("the SDK from 0.13 on", [("api_key", "")], [("X-Hume-Api-Key", RIGHT)], (RIGHT,), ()),
    ("headers in any case", [], [("x-HUME-api-key", RIGHT)], (RIGHT,), ()),
    ("a bearer", [], [("Authorization", f"Bearer {RIGHT}")], (), (RIGHT,)),
    ("both", [("api_key", "other")], [("Authorization", f"bearer  {RIGHT} ")], ("other",), (RIGHT,)),
    ("query first", [("api_key", "a"), ("apiKey", "b")], [("X-Hume-Api-Key", "c")], ("a", "b", "c"), ()),
    ("another scheme", [], [("Authorization", f"Basic {RIGHT}")], (), ()),
    ("empty ones", [("api_key", ""), ("access_token", "")], [("X-Hume-Api-Key", " "), ("Authorization", "Bearer")], (), ()),
    ("none", [("config_id", RIGHT)], [("User-Agent", RIGHT)], (), ()),
]


@pytest.mark.parametrize(("query", "headers", "keys", "tokens"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_credentials_are_found_where_clients_put_them(query, headers, keys, tokens):
    """In the query under either spelling, in the header of the SDK, as a bearer; empty ones are none."""
    assert credentials(Handshake("/", tuple(query), tuple(headers))) == Credentials(keys, tokens)


def opening(*query, **headers):
    """A handshake with this query and these headers."""
    return Handshake("/chat", query, tuple((name.replace("_", "-"), value) for name, value in headers.items()))


def asking(api_key, secret_key):
    """A request for a token, as SDKs and Hume's guide make it."""
    pair = base64.b64encode(f"{api_key}:{secret_key}".encode()).decode()
    return Handshake("/token", (), (("Authorization", f"Basic {pair}"),))


def check_of(api_key=None, secret_key=None):
    """A check of these keys, whose tokens are right for half an hour."""
    return KeyCheck(api_key, secret_key, token_seconds=HALF_AN_HOUR)


@pytest.mark.parametrize(
    ("right", "given", "refused"),
    [
        (RIGHT, [RIGHT], None),
        (RIGHT, ["wrong", RIGHT], None),
        (RIGHT, ["wrong"], "not the one"),
        (RIGHT, [RIGHT + "k"], "not the one"),
        (RIGHT, [RIGHT[1:]], "not the one"),
        (RIGHT, ["ä"], "not the one"),
        (RIGHT, ["\udcff"], "not the one"),
        (RIGHT, [""], "no API key"),
        (RIGHT, [], "no API key"),
        (None, ["whatever"], None),
        (None, [""], "no API key"),
        (None, [], "no API key"),
    ],
)
def test_who_gives_a_right_key_is_let_in(right, given, refused):
    """Where no right one is named any will do; the refusal is a 401 that says whose it is and quotes no key."""
    refusal = check_of(right).chat(opening(*(("api_key", one) for one in given)), 0)
    if refused is None:
        assert refusal is None
    else:
        assert refusal.status == 401
        assert refusal.body.startswith("evi-harness: ")
        assert refused in refusal.body
        assert not any(one and one in refusal.body for one in given)


@pytest.mark.parametrize(
    ("api_key", "secret_key", "request_", "is_given"),
    [
        (RIGHT, SECRET, asking(RIGHT, SECRET), True),
        (RIGHT, SECRET, asking(RIGHT, "other"), False),
        (RIGHT, SECRET, asking("other", SECRET), False),
        (RIGHT, SECRET, asking(SECRET, RIGHT), False),
        (RIGHT, None, asking(RIGHT, "any"), True),
        (RIGHT, None, asking("other", "any"), False),
        (None, None, asking("any", "any"), True),
        (None, None, asking("any", ""), False),
        (None, None, asking("", "any"), False),
        (None, SECRET, asking("any", SECRET), True),
        (RIGHT, "a:b", asking(RIGHT, "a:b"), True),
        (None, None, opening(), False),
        (None, None, opening(X_Hume_Api_Key=RIGHT), False),
        (None, None, opening(Authorization=f"Bearer {RIGHT}"), False),
        (None, None, opening(Authorization="Basic"), False),
        (None, None, opening(Authorization="Basic no base64"), False),
        (None, None, opening(Authorization="Basic /w=="), False),
        (None, None, opening(Authorization="Basic \udcff"), False),
        (None, None, opening(authorization="basic   YTpi "), True),
    ],
)
def test_a_token_is_given_for_the_right_pair(api_key, secret_key, request_, is_given):
    """API key and secret key by basic authentication, and nothing else; the refusal is a 401 that quotes neither."""
    answer = check_of(api_key, secret_key).token(request_, 0)
    assert isinstance(answer, str) is is_given
    if not is_given:
        assert isinstance(answer, Refuse)
        assert answer.status == 401
        assert RIGHT not in answer.body
        assert SECRET not in answer.body


@pytest.mark.parametrize(("later", "is_let_in"), [(0, True), (30 * MINUTE - 1, True), (30 * MINUTE, False), (31 * MINUTE, False)])
@pytest.mark.parametrize("where", ["access_token", "accessToken", "bearer"])
def test_a_token_is_right_for_half_an_hour(where, later, is_let_in):
    """From when it was given; wherever it stands."""
    check = check_of(RIGHT)
    token = check.token(asking(RIGHT, SECRET), 5)
    handshake = opening(Authorization=f"Bearer {token}") if where == "bearer" else opening((where, token))
    assert (check.chat(handshake, 5 + later) is None) is is_let_in


def test_only_tokens_that_were_given_here_are_right():
    """No made-up one, none of another server's, and no key in a token's place."""
    check, other = check_of(RIGHT), KeyCheck(token_seconds=HALF_AN_HOUR, token_name="other")
    given, others = check.token(asking(RIGHT, SECRET), 0), other.token(asking("a", "b"), 0)
    for token in ("made up", others, RIGHT, f"{given}0", given[:-1]):
        refusal = check.chat(opening(("access_token", token)), 0)
        assert refusal.status == 401
        assert "access token" in refusal.body
        assert token not in refusal.body


def test_a_token_decides_where_a_key_is_given_too():
    """The SDK from 0.13 on always sends the key, also where a token opens the chat: one that is too old is told."""
    check = check_of(RIGHT)
    token = check.token(asking(RIGHT, SECRET), 0)
    assert check.chat(opening(("access_token", token), X_Hume_Api_Key="wrong"), 0) is None
    assert check.chat(opening(("access_token", "wrong"), X_Hume_Api_Key=RIGHT), 0) is not None
    assert check.chat(opening(("access_token", ""), X_Hume_Api_Key=RIGHT), 0) is None


def test_each_token_is_another():
    """Each has its own half hour."""
    check = check_of()
    first = check.token(asking("a", "b"), 0)
    second = check.token(asking("a", "b"), 20 * MINUTE)
    assert first != second
    opened = [check.chat(opening(("access_token", token)), 40 * MINUTE) is None for token in (first, second)]
    assert opened == [False, True]


def test_the_check_goes_to_another_process():
    """With the tokens that it has given."""
    check = check_of(RIGHT)
    token = check.token(asking(RIGHT, SECRET), 0)
    assert pickle.loads(pickle.dumps(check)).chat(opening(("access_token", token)), 0) is None


def test_nothing_here_tells_its_keys():
    """Not in a repr, which a traceback may show."""
    check = check_of(RIGHT, SECRET)
    shown = repr(check) + repr(credentials(opening(("api_key", RIGHT), ("access_token", SECRET))))
    assert RIGHT not in shown
    assert SECRET not in shown


@given(st.text(), st.text())
def test_whatever_a_header_holds_is_decided(key, authorization):
    """Nothing raises."""
    handshake = opening(X_Hume_Api_Key=key, Authorization=authorization)
    check = check_of(RIGHT, SECRET)
    assert isinstance(check.chat(handshake, 0), (Refuse, type(None)))
    assert isinstance(check.token(handshake, 0), (Refuse, str))
