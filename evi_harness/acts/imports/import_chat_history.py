"""Import Hume's chat history: each chat becomes a session of what the service said, turn by turn.

Rules of living here: a history has neither the messages nor the audio that crossed the wire, nor when they did. What is made of it again is
noted of each message, and times are marked as synthesised, so that nothing takes them for measured.
"""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter
from pathlib import Path
from typing import List, Union

from evi_harness.acts.imports.import_har import Imported
from evi_harness.acts.imports.json_file import hint_for, json_file
from evi_harness.errors import ImportRefused
from evi_harness.evi.chat_history import Chat, NotHistory, Rebuilt, chats_in, rebuilt
from evi_harness.evi.dialect import EVI
from evi_harness.har import iso_of
from evi_harness.session.events import Event, Handshake, Opened, Received
from evi_harness.session.header import SYNTHESISED, Anchor, Header, Recorded
from evi_harness.session.notes import HISTORY_EVENT, IMPORTED, REBUILT
from evi_harness.session.session import Session
from evi_harness.settings.new_folder import DEFAULT_OUT, new_folder, now_utc
from evi_harness.settings.versions import software
from evi_harness.storage.writer import write_session
from evi_harness.verdicts.redacted_views import known_secrets

__all__ = ["import_chat_history"]

_FORM = (
    "Supported: what Hume's API returns for the events of a chat (/v0/evi/chats/ID) or of a group (/v0/evi/chat_groups/ID/events), "
    "page by page or as a JSON array of pages or events. jq -s . FILE makes an array of a file with one on each line."
)
_LACKS = (
    "the messages as they crossed the wire: each is made from an event, with a note of what is assumed",
    "when messages crossed the wire: times are when the service noted each turn, so none is measured",
    "audio of either side, and how long anything sounded",
    "what the app sent, except for the notes, so a replay compares none of it",
    "the ends of replies",
    "the request that opened the connection",
)


def import_chat_history(file: Union[str, Path], *, out: Union[str, Path] = DEFAULT_OUT) -> Imported:
    """Make a session of each chat in a chat history.

    Args:
        file: The file.
        out: The folder of sessions; a new one is ``out/<UTC time>-<name of the file>``.

    Returns:
        The new session folders, and what there is to say of them.

    Raises:
        ImportRefused: The file is not a chat history, or has no event in it; names the place in it.
        SessionUnwritable: A folder cannot be made or written.
    """
    path = Path(file)
    read = json_file(path, "chat_history", _FORM)
    try:
        chats = chats_in(read.value)
        held = [(chat, rebuilt(chat)) for chat in chats]
    except NotHistory as error:
        if error.place:
            raise ImportRefused(error.what, where=f"{path}: {error.place}", hint=_FORM) from None
        raise ImportRefused(error.what, where=str(path), hint=hint_for(path, read.value, _FORM)) from None
    if not held:
        raise ImportRefused("it has no events", where=str(path), hint=_FORM)
    digest = hashlib.sha256(read.data).hexdigest()
    sessions = [_session(path, digest, chat, events) for chat, events in held]
    folders = []
    for session in sessions:
        folder = new_folder(out, path.stem)
        write_session(folder, session, EVI, secrets=known_secrets(session))
        folders.append(folder)
    return Imported(tuple(folders), tuple(line for (chat, _), session in zip(held, sessions) for line in _remarks(chat, session)))


def _session(path: Path, digest: str, chat: Chat, events: List[Rebuilt]) -> Session:
    told = _missing_pages(chat)
    made: List[Event] = [
        Opened(0, 0, Handshake(EVI.chat_paths[0])),
        IMPORTED.make(1, 0, form="chat-history", lacks=[*_LACKS, *_closed(chat), *told], assumed=_assumed(chat), left_out=_left_out(chat)),
    ]
    for one in events:
        if one.frame is not None:
            made.append(Received(len(made), one.at_ns, one.frame))
            kind, event_id = ("", "") if one.event is None else (one.event.type, one.event.id)
            made.append(REBUILT.make(len(made), one.at_ns, len(made) - 1, of_type=kind, event_id=event_id, assumed=list(one.assumed)))
        elif one.event is not None:
            event = one.event
            made.append(HISTORY_EVENT.make(len(made), one.at_ns, of_type=event.type, role=event.role, text=event.text, event_id=event.id))
    ids = {name: value for name, value in (("chat_id", chat.id), ("chat_group_id", chat.group_id)) if value is not None}
    started_ns = chat.started_ms * 1_000_000
    header = Header(
        id=str(uuid.uuid4()),
        made_by="import",
        created=now_utc(),
        dialect=EVI.name,
        software=software(),
        ids=ids,
        recorded=Recorded(sent=False, closed=False, times=SYNTHESISED),
        start=Anchor(0, iso_of(started_ns)),
        end=Anchor(made[-1].at_ns, iso_of(started_ns + made[-1].at_ns)),
        complete=True,
        source={
            "form": "chat-history",
            "file": path.name,
            "sha256": digest,
            "n_events": len(chat.events),
            "times_of": "turns, by the service's clock",
        },
    )
    return Session(header, tuple(made), name=path.stem)


def _closed(chat: Chat) -> List[str]:
    status = "" if chat.status is None else f"; the chat's status is {chat.status}"
    return [f"how and when the connection was closed{status}"]


def _assumed(chat: Chat) -> List[str]:
    return (
        []
        if chat.is_start_known
        else ["the chat began with its first event: the file does not say when it began, or its time is impossible"]
    )


def _left_out(chat: Chat) -> List[str]:
    told = []
    if chat.n_repeated:
        told.append(f"{chat.n_repeated} event{'' if chat.n_repeated == 1 else 's'} that the file repeats")
    n_metadata = sum(bool(event.metadata) for event in chat.events)
    if n_metadata:
        told.append(f"metadata of {n_metadata} event{'' if n_metadata == 1 else 's'}, except for when speech was")
    return told


def _missing_pages(chat: Chat) -> List[str]:
    if chat.n_pages is None or len(chat.pages) >= chat.n_pages:
        return []
    n_missing = chat.n_pages - len(chat.pages)
    return [f"{n_missing} of the chat's {chat.n_pages} pages: only {', '.join(map(str, chat.pages[:10]))} (from 0) of them in the file"]


def _remarks(chat: Chat, session: Session) -> List[str]:
    n_messages = len(session.received)
    kinds = Counter(facts.of_type for _, facts in HISTORY_EVENT.all_in(session.events))
    told = [f"{n_messages} messages made of {len(chat.events)} events, {session.duration_ns / 1e9:.3f} s; times are of turns, not measured"]
    if kinds:
        told.append("kept as notes: " + ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items())))
    return [*told, *(f"missing: {one}" for one in _missing_pages(chat))]
