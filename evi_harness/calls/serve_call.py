"""``serve``, the call for ``evi-harness serve``."""

from __future__ import annotations

from pathlib import Path
from typing import Iterable, Optional, Tuple, Union

from evi_harness.acts.serve.served_verdict import Compared, compare
from evi_harness.acts.serve.serving import ServeOptions, admission, server_process
from evi_harness.acts.serve.simulating import SIMULATOR, refuse_script, simulation
from evi_harness.bounds import SOME_TIME, Bounds, require_number
from evi_harness.carriers.real_carrier import LOOPBACK
from evi_harness.carriers.server_process import ServerProcess
from evi_harness.errors import Parameter, UsageError, Words
from evi_harness.replay.player import DEFAULT_PATIENCE
from evi_harness.runs.own_server import Served
from evi_harness.session.session import Session
from evi_harness.settings.any_path import AnyPath
from evi_harness.verdicts.comparing import Rules
from evi_harness.verdicts.expected import Expected, load_expected

__all__ = ["SessionServer", "serve"]


class SessionServer(Served):
    """A server in its own process, for the duration of a ``with`` or ``async with`` block; ``serve`` makes it.

    Attributes:
        url: Where it serves, as an http URL without a slash at the end; empty before the block.
        sessions: The events of each conversation, in the order in which they were opened.
        events: The events of the first conversation.
        lateness: How late the server sent its messages.
    """

    def __init__(self, process: ServerProcess, expected: Optional[Expected], rules: Rules) -> None:
        super().__init__(process)
        self._expected = expected
        self._rules = rules

    @property
    def verdicts(self) -> Tuple[Compared, ...]:
        """The verdict on each conversation, compared with the session; empty with the simulator. Complete after the block.

        Each has ``passed`` and ``lines``.
        """
        expected = self._expected
        return () if expected is None else tuple(compare(expected, events, rules=self._rules) for events in self.sessions)


def serve(
    session: Union[AnyPath, Session, None] = None,
    *,
    simulate: bool = False,
    script: Optional[AnyPath] = None,
    dialect: str = "evi",
    max_duration_s: Optional[float] = None,
    host: str = LOOPBACK,
    port: int = 0,
    allow_incomplete: bool = False,
    require_key: bool = False,
    patience_s: float = DEFAULT_PATIENCE.message_ns / 1e9,
    ignore: Iterable[str] = (),
    strict: bool = False,
    origins: Iterable[str] = (),
    hosts: Iterable[str] = (),
) -> SessionServer:
    """Serve a session, or a simulated service, in real time on a loopback port, for the duration of a block.

    ``with evi_harness.serve("sessions/weather") as server:`` or ``async with``; the app connects to ``server.url``. The server runs in a
    separate process, so that an app in this one does not delay it.

    Args:
        session: A session, or its folder; None to simulate.
        simulate: Serve a simulator, which needs no recording.
        script: The simulator's script, a TOML file; None to repeat what the simulator hears. docs/how-to/simulator.md describes the format.
        dialect: What the simulator speaks: ``evi`` or ``openai-realtime``.
        max_duration_s: After how many seconds the simulator ends a session; None for what the script says, or the service does.
        host: The loopback address to listen on.
        port: The port; 0 picks a free one.
        allow_incomplete: Serve an incomplete or damaged session as it is.
        require_key: Refuse clients without the key: those in the environment (HUME_API_KEY, OPENAI_API_KEY), otherwise any key.
        patience_s: How many seconds a message from the app may be late before the server stops waiting for it.
        ignore: JSON paths that are not compared, as in ``replay_session``.
        strict: Also compare values that usually differ in every run, such as ids.
        origins: Origins of web pages to accept besides those of this machine; ``*`` for all.
        hosts: Host names to accept in requests besides loopback names.

    Returns:
        The server, not started yet.

    Raises:
        UsageError: An argument is invalid. Entering the block raises it for a host that is not a loopback address.
        SessionUnreadable, AudioMissing: The session cannot be read.
        IncompleteRecording: It is incomplete or damaged, and that is not allowed.
        ScriptError: The script cannot be understood.
        EviHarnessError: On entering the block: the port cannot be opened.

    Example:
        >>> with evi_harness.serve("sessions/weather") as server:
        ...     is_on_loopback = server.url.startswith("http://127.0.0.1:")
        >>> is_on_loopback, server.verdicts
        (True, ())
    """
    refuse_script(session)
    if (session is None) is not simulate:
        raise UsageError(Words("give either ", Parameter("session"), " or ", Parameter("simulate"), ", and not both"))
    if script is not None and not simulate:
        raise UsageError(Words(Parameter("script"), " needs ", Parameter("simulate")))
    if (dialect != ServeOptions.dialect or max_duration_s is not None) and not simulate:
        raise UsageError(Words(Parameter("dialect"), " and ", Parameter("max_duration_s"), " need ", Parameter("simulate")))
    if max_duration_s is not None:
        require_number("max_duration_s", max_duration_s, SOME_TIME)
    require_number("port", port, Bounds(least=0, most=65_535))
    require_number("patience_s", patience_s, SOME_TIME)
    ignored = tuple(ignore)
    if simulate and (ignored or strict or allow_incomplete):
        raise UsageError(Words(Parameter("ignore"), ", ", Parameter("strict"), " and ", Parameter("allow_incomplete"), " need a session"))
    options = ServeOptions(
        host=host,
        port=port,
        require_key=require_key,
        patience_s=patience_s,
        service=SIMULATOR if simulate else "player",
        allow_incomplete=allow_incomplete,
        ignore=ignored,
        strict=strict,
        dialect=dialect,
        admission=admission(tuple(origins), tuple(hosts)),
    )
    if session is None:
        what = simulation(None if script is None else Path(script), options.dialect, max_duration_s=max_duration_s)
        return SessionServer(server_process(what, options), None, options.rules)
    expected = load_expected(session if isinstance(session, Session) else Path(session), allow_incomplete=allow_incomplete)
    return SessionServer(server_process(expected.played, options), expected, options.rules)
