"""``import_session``, the call for ``evi-harness import``."""

from __future__ import annotations

from pathlib import Path

from evi_harness.acts.import_capture import import_capture
from evi_harness.acts.imports.import_chat_history import import_chat_history
from evi_harness.acts.imports.import_events import import_events
from evi_harness.acts.imports.import_har import Imported, import_har
from evi_harness.bounds import require_word
from evi_harness.settings.any_path import AnyPath
from evi_harness.settings.new_folder import DEFAULT_OUT

__all__ = ["FORMS", "import_session"]

CAPTURE, HAR, CHAT_HISTORY, EVENTS = FORMS = ("capture", "har", "chat-history", "events")


def import_session(file: AnyPath, form: str, *, out: AnyPath = DEFAULT_OUT) -> Imported:
    """Import sessions from another format.

    Args:
        file: The file.
        form: Its format: ``capture`` (messages of an EVI server, one JSON object per line), ``har`` (WebSockets as a browser or a proxy
            saves them), ``chat-history`` (JSON of Hume's API) or ``events`` (a log of events of OpenAI's Realtime protocol).
            docs/how-to/exports.md says what each of them contains.
        out: The folder for new sessions; each is ``out/<UTC time>-<name of the file>``.

    Returns:
        The import: ``folders`` are the new session folders, and ``remarks`` says what they lack.

    Raises:
        UsageError: There is no such format.
        CaptureError: The file is not a capture; the error names the line.
        ImportRefused: The file is not in the other format, or holds no conversation.
        SessionUnwritable: ``out`` cannot be written.

    Example:
        >>> imported = evi_harness.import_session("browser.har", "har", out="imported")
        >>> [evi_harness.load_session(folder).header.made_by for folder in imported.folders]
        ['import']
    """
    require_word("form", form, FORMS)
    path, place = Path(file), Path(out)
    if form == CAPTURE:
        return Imported((import_capture(path, out=place),))
    if form == HAR:
        return import_har(path, out=place)
    if form == EVENTS:
        return import_events(path, out=place)
    return import_chat_history(path, out=place)
