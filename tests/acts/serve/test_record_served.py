from __future__ import annotations

import shutil

from evi_harness.acts.serve.record_served import Keeper
from evi_harness.evi.dialect import EVI
from evi_harness.session.events import BINARY, TEXT, Closed, Frame, Handshake, Opened, Received, Sent
from evi_harness.verdicts.loading import load_session

TOKEN = "t" * 40
ASKED = Handshake("/v0/evi/chat", (("access_token", TOKEN),))


def converse(keeping, words=b"{}"):
    """A conversation of three events."""
    for event in (Opened(0, 0, ASKED), Sent(1, 5, Frame(BINARY, bytes(4))), Received(2, 6, Frame(TEXT, words)), Closed(3, 7, "app", 1000)):
        keeping.put(event)
    return keeping.close()


def test_a_conversation_is_kept_whole(tmp_path):
    """With its end on both clocks; a service that is no recording says what it is."""
    session = load_session(converse(Keeper(tmp_path, None, "simulator", EVI).keep(ASKED)))
    assert [event.kind for event in session.events] == ["opened", "sent", "received", "closed"]
    assert not session.missing
    header = session.header
    assert (header.service, header.made_by, dict(header.source)) == ("simulator", "record", {})
    assert (header.start.at_ns, header.end.at_ns) == (0, 7)
    assert session.name.endswith("-simulator-served")


def test_two_at_once_have_folders_of_their_own(tmp_path, weather):
    """Though they open in the same second under the same name."""
    keeper = Keeper(tmp_path, weather, "", EVI)
    folders = [converse(keeping) for keeping in [keeper.keep(ASKED) for _ in range(3)]]
    assert len(set(folders)) == 3
    assert all("made-served" in folder.name for folder in folders)


def test_a_token_is_nowhere_in_the_folder(tmp_path):
    """Neither where it was given nor where somebody repeats it."""
    folder = converse(Keeper(tmp_path, None, "simulator", EVI).keep(ASKED), words=b'{"said": "' + TOKEN.encode() + b'"}')
    assert TOKEN.encode() not in b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


def test_what_never_opened_leaves_no_folder(tmp_path):
    """Nothing is made before the first event."""
    assert Keeper(tmp_path, None, "simulator", EVI).keep(ASKED).close() is None
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fails_ends_the_recording_alone(tmp_path, caplog):
    """Putting goes on; it is told once."""
    keeping = Keeper(tmp_path / "file", None, "simulator", EVI).keep(ASKED)
    (tmp_path / "file").write_text("")
    assert converse(keeping) is None
    assert len(caplog.records) == 1
    assert "ended early" in caplog.text
    assert "cannot be " in keeping.problem


def test_a_folder_that_is_moved_or_deleted_is_told(tmp_path):
    """Where it is when all is over; that there is none, and why."""
    moved, deleted = (Keeper(tmp_path, None, "simulator", EVI).keep(ASKED) for _ in range(2))
    moved.put(Opened(0, 0, ASKED))
    moved_from = the_folder(tmp_path)
    moved_from.rename(tmp_path / "moved")
    assert (moved.close(), moved.problem) == (tmp_path / "moved", None)
    assert load_session(tmp_path / "moved").header.complete
    shutil.rmtree(tmp_path / "moved")
    deleted.put(Opened(0, 0, ASKED))
    shutil.rmtree(the_folder(tmp_path))
    assert deleted.close() is None
    assert "deleted" in deleted.problem


def the_folder(out):
    """The only session's folder, once it is there."""
    while True:
        for path in out.iterdir():
            if not path.name.startswith("."):
                return path
