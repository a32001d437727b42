from __future__ import annotations

from evi_harness.cli.main import main
from evi_harness.evi.dialect import EVI
from evi_harness.harness.sessions import check_session
from evi_harness.storage.writer import write_session


def test_each_folder_is_told_and_one_bad_one_is_enough(tmp_path, weather, capsys):
    """A line a problem, a line for a sound folder; 1 if anything is wrong."""
    good = str(write_session(tmp_path / "good", weather, EVI))
    bad = str(write_session(tmp_path / "bad", weather, EVI))
    (tmp_path / "bad" / "user.wav").unlink()
    assert main(["check", good, bad]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{good}: nothing wrong"
    assert lines[1:] == [f"{bad}: {problem}" for problem in check_session(bad)]
    assert len(lines) > 1
    assert main(["check", good]) == 0
