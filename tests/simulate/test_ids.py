from __future__ import annotations

import re
from uuid import UUID

import pytest

from evi_harness.simulate.ids import Ids, is_simulated


def every_id(seed):
    """What one session gives."""
    ids = Ids(seed)
    return [ids.chat_group_id, ids.chat_id, ids.request_id, ids.sentence(), ids.sentence(), ids.call(), ids.call()]


def test_ids_are_valid_and_say_simulator():
    """UUIDs of version 4 for the chat, 32 hex digits for a sentence; the letters can be read in each."""
    group, chat, request, sentence, _, call, _ = every_id(7)
    for one in (group, chat, request[:36]):
        assert str(UUID(one)) == one
        assert UUID(one).version == 4
        assert UUID(one).bytes[:6] == b"simula"
        assert is_simulated(one)
    assert re.fullmatch(r"\d{7}", request[36:])
    assert bytes.fromhex(sentence)[:9] == b"simulator"
    assert len(sentence) == 32
    assert call.startswith("call_simulator_")


def test_no_two_are_the_same():
    """Within a session, and between two seeds."""
    assert len({*every_id(1), *every_id(2)}) == 14


def test_a_seed_gives_its_ids():
    """Again and again."""
    assert every_id(5) == every_id(5)


@pytest.mark.parametrize("other", ["5b80ab81-9a3b-4c4d-8a12-000000000000", "simulator", ""])
def test_no_one_elses_id_is_taken_for_the_simulators(other):
    """Nor what is no id."""
    assert not is_simulated(other)
