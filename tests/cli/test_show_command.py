from __future__ import annotations

from evi_harness.cli.main import main
from evi_harness.evi.dialect import EVI
from evi_harness.harness.sessions import show_session
from evi_harness.storage.writer import write_session


def test_it_prints_what_the_call_gives(tmp_path, weather, capsys):
    """A door adds nothing."""
    folder = write_session(tmp_path / "weather", weather, EVI)
    assert main(["show", str(folder)]) == 0
    assert capsys.readouterr().out.splitlines() == show_session(folder)
