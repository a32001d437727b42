"""``record_conversation``, the call for ``evi-harness record``."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, Mapping, Optional

from evi_harness.acts.record_live import LiveOptions, LiveResult, record_live
from evi_harness.sdk.user_voice import AUTO
from evi_harness.settings.any_path import AnyPath
from evi_harness.settings.new_folder import DEFAULT_OUT

__all__ = ["record_conversation"]


def record_conversation(
    *,
    base_url: Optional[str] = None,
    mic: Optional[AnyPath] = None,
    out: AnyPath = DEFAULT_OUT,
    name: str = "session",
    duration_s: Optional[float] = None,
    device: Optional[str] = None,
    config_id: Optional[str] = None,
    allow_user_interrupt: bool = False,
    handler: object = None,
    arguments: Optional[Mapping[str, object]] = None,
    microphone: str = AUTO,
    write: Optional[Callable[[str], object]] = None,
) -> LiveResult:
    """Hold a conversation with EVI and record it.

    It returns when the service closes the connection, when the duration or the file ends, or on Ctrl+C. Keys come from the environment or
    ``.env``, as for the command; a service on this machine needs none. Called on the main thread, it handles SIGINT, SIGTERM and SIGHUP
    while the conversation lasts. To record a connection that your app opens itself, use ``record``.

    Args:
        base_url: The endpoint: an http, https, ws or wss URL; None for HUME_BASE_URL, else Hume's own.
        mic: An audio file (WAV, FLAC, OGG or MP3) to speak instead of a microphone. The replies go to ``heard.wav`` in the session folder.
            The conversation ends 3 s after the file and the last reply are over.
        out: The folder for new sessions; this one is ``out/<UTC time>-<name>``.
        name: Name of the session.
        duration_s: End the conversation after this many seconds; None for no limit.
        device: The microphone, by its index or part of its name; None for the system's default.
        config_id: EVI's configuration; None for HUME_CONFIG_ID, else EVI's default.
        allow_user_interrupt: Also send the microphone while the assistant speaks.
        handler: Your handler, or its name (``FILE.py:NAME``), in any form that ``replay_session`` accepts; None for the built-in one.
        arguments: Arguments for the handler's class or function, by name.
        microphone: ``auto``: on until the handler sends its own audio; ``sdk``: always on; ``off``: none.
        write: Receives each line that the built-in handler prints; None to drop them.

    Returns:
        The recording: ``folder`` is the session folder. ``problem`` is the error that ended the conversation early, or None; it is not
        raised, so that you know where the session is.

    Raises:
        UsageError: An argument is invalid: an unknown device, a file without audio, something that is not a handler.
        EviHarnessError: Nothing was recorded: no key, no microphone, no connection, or ``out`` cannot be written.
        KeyboardInterrupt: A signal arrived before there was a connection.

    Example:
        >>> quiet = contextlib.redirect_stdout(io.StringIO())  # the SDK's microphone prints two lines
        >>> with evi_harness.serve("sessions/typed") as server, quiet:
        ...     recorded = evi_harness.record_conversation(base_url=server.url, mic="hello.flac", duration_s=1)
        >>> evi_harness.load_session(recorded.folder).header.service
        'player'
    """
    options = LiveOptions(
        base_url=base_url,
        mic=None if mic is None else Path(mic),
        out=Path(out),
        name=name,
        duration_s=duration_s,
        device=device,
        config_id=config_id,
        allow_user_interrupt=allow_user_interrupt,
        handler=handler,
        arguments=arguments or {},
        microphone=microphone,
    )
    return record_live(options, write or _dropped, shows_progress=False)


def _dropped(line: str) -> None:
    """Receive a line that nobody asked for."""
