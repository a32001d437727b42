"""What the tests of the storage room share: a header, and a session written and read again."""

from __future__ import annotations

import itertools

import pytest

from evi_harness.evi.dialect import EVI
from evi_harness.session.events import Handshake, Opened, Received, Sent
from evi_harness.session.header import Header
from evi_harness.storage.writer import SessionWriter

HANDSHAKE = Handshake("/v0/evi/chat")


@pytest.fixture(scope="session")
def header():
    """A header with nothing in it."""
    return Header(id="6f1f8b7e", made_by="script", created="2026-11-22T12:00:00Z", dialect="evi")


@pytest.fixture(scope="session")
def new_folder(tmp_path_factory):
    """A function that gives a path where nothing is yet."""
    parent = tmp_path_factory.mktemp("sessions")
    numbers = itertools.count()
    return lambda: parent / f"s{next(numbers)}"


@pytest.fixture(scope="session")
def record(header, new_folder):
    """A function that writes frames, as (``sent`` or ``received``, frame), into a new folder and gives back the folder."""

    def write(frames, *, dialect=EVI, handshake=HANDSHAKE, secrets=(), **options):
        kinds = {"sent": Sent, "received": Received}
        with SessionWriter(new_folder(), header, dialect, secrets=secrets, **options) as writer:
            writer.write(Opened(0, 0, handshake))
            for seq, (kind, frame) in enumerate(frames, 1):
                writer.write(kinds[kind](seq, seq * 1000, frame))
        return writer.folder

    return write
