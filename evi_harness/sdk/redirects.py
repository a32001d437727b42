"""Redirects of requests that carry a key: followed only to the named origin.

The websockets library follows a redirect of a handshake anywhere and takes its own idea of credentials out of the request before: three
headers, and a service may have another. httpx follows with less, and would let a user wonder; both are refused by one rule.

Rules of living here: the websockets library is patched only while a connection is being opened, and the patch affects only connections
opened within the block: the app's other connections go where they went before.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from importlib import import_module
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Tuple
from urllib.parse import urljoin, urlsplit

from evi_harness.errors import RedirectRefused
from evi_harness.guard.patches import Hooks, SharedHooks

__all__ = ["origin_of", "require_same_origin", "same_origin_hooks", "same_origin_only"]

_PORTS: Mapping[str, int] = {"http": 80, "https": 443}
_SCHEMES: Mapping[str, str] = {"ws": "http", "wss": "https"}

# Where the library decides of a redirect, by its versions: the legacy client, which the SDK takes where it is; the asynchronous one, which
# follows since 13.1.
_PLACES = (
    ("websockets.legacy.client", "Connect", "handle_redirect"),
    ("websockets.asyncio.client", "connect", "process_redirect"),
)

_judges: ContextVar[bool] = ContextVar("evi_harness_judges_redirects", default=False)
# Who opens connections now.
_OPENING: SharedHooks[object] = SharedHooks(lambda hooks: _replace(hooks))


def origin_of(url: str) -> Tuple[str, str, Optional[int]]:
    """Scheme (http or https), host and port of a URL, those of ws and wss among them.

    Raises:
        ValueError: Its port is none.
    """
    parts = urlsplit(url)
    scheme = _SCHEMES.get(parts.scheme.lower(), parts.scheme.lower())
    return scheme, (parts.hostname or "").rstrip("."), parts.port or _PORTS.get(scheme)


def require_same_origin(asked: str, location: str, *, what: str) -> None:
    """Refuse a redirect that leads to another origin.

    Args:
        asked: The URL that was asked.
        location: Where its answer leads: a URL, or a part of one.
        what: What was to be opened, for the error.

    Raises:
        RedirectRefused: It leads elsewhere, or nowhere.
    """
    try:
        led = urljoin(asked, location)
        is_same = origin_of(led) == origin_of(asked)
    except ValueError:
        raise RedirectRefused(_shown(asked), None, what=what) from None
    if not is_same:
        # The library's own exception, in which it is raised, quotes the whole address.
        raise RedirectRefused(_shown(asked), _shown(led), what=what) from None


def same_origin_hooks(what: str) -> Dict[str, List[Callable[[Any], Any]]]:
    """What makes an asynchronous client of httpx follow to the same origin only: its ``event_hooks``.

    Args:
        what: What is to be got, for the error.
    """

    async def judge(answer: Any) -> None:
        if answer.has_redirect_location:
            require_same_origin(str(answer.request.url), answer.headers["Location"], what=what)

    return {"response": [judge]}


@contextmanager
def same_origin_only() -> Iterator[None]:
    """For as long as the block runs, what it opens with the websockets library is led to no other origin.

    Raises:
        RedirectRefused: Out of what opens the connection.
    """
    one = object()
    _OPENING.join(one)
    token = _judges.set(True)
    try:
        yield
    finally:
        _judges.reset(token)
        _OPENING.leave(one)


def _replace(hooks: Hooks) -> None:
    for module, name, method in _PLACES:
        try:
            owner = getattr(import_module(module), name)
        except (ImportError, AttributeError):
            continue
        if method in vars(owner):
            hooks.wrap(owner, method, _judging)


def _judging(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def judge(self: Any, led_by: Any) -> Any:
        if _judges.get():
            location = _location(led_by)
            if location is not None:
                require_same_origin(getattr(self, "_uri", None) or self.uri, location, what="the connection")
        return original(self, led_by)

    return judge


def _location(led_by: Any) -> Optional[str]:
    """Where a redirect leads: the legacy client is given it, the newer one finds it in the answer that an exception holds."""
    if isinstance(led_by, str):
        return led_by
    response = getattr(led_by, "response", None)
    if response is None or not 300 <= response.status_code < 400:
        return None
    locations = response.headers.get_all("Location")
    return locations[0] if locations else None


def _shown(url: str) -> str:
    """The origin alone, as --base-url has it: a path, a query and a user may hold what nobody is to read."""
    parts = urlsplit(url)
    return f"{_SCHEMES.get(parts.scheme.lower(), parts.scheme)}://{parts.netloc.rpartition('@')[2]}"
