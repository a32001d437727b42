from __future__ import annotations

import pytest

from evi_harness.acts.commanding import app_command, check_command, named_places
from evi_harness.errors import UsageError
from evi_harness.evi.dialect import EVI
from evi_harness.openai_realtime.realtime_dialect import OPENAI_REALTIME
from evi_harness.runs.app_command import admission_for
from evi_harness.runs.replay_options import ReplayOptions
from evi_harness.runs.revision import Revision, environment_of


def test_an_app_finds_the_service_at_humes_host_and_where_it_is_told(monkeypatch):
    """A host that is named with a port is the service's on that port alone."""
    monkeypatch.setenv("HUME_BASE_URL", "http://127.0.0.1:8000/")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9000/v1")
    given = app_command(["python", "app.py", "two words"], "wss://evi.example.com")
    command = named_places(given, EVI)
    assert command.hosts == (("api.hume.ai", None), ("evi.example.com", None), ("127.0.0.1", 8000))
    others = named_places(given, OPENAI_REALTIME)
    assert others.hosts == (("api.openai.com", None), ("evi.example.com", None), ("127.0.0.1", 9000))
    assert str(command) == "python app.py 'two words'"


def test_a_command_has_words():
    """An empty one is a mistake, and so is a line for a shell."""
    with pytest.raises(UsageError, match="no command"):
        app_command([])
    with pytest.raises(UsageError, match="list of words"):
        app_command("python app.py")


@pytest.mark.parametrize("options", [{"clock": "real", "blocked_ms": 9}, {"microphone": "off"}, {"arguments": {"a": "b"}}])
def test_what_means_nothing_to_a_command_is_refused(options):
    """By a call, too."""
    command = app_command(["python"])
    check_command(ReplayOptions(handler=command))
    check_command(ReplayOptions(**{**options, "arguments": None}))
    with pytest.raises(UsageError):
        check_command(ReplayOptions(handler=command, **options))


def test_who_names_the_service_is_answered():
    """By its host or its own origin, on its port; whoever names others is not."""
    admission = admission_for((("api.hume.ai", None), ("::1", None), ("evi.example.com", 8443)))
    assert admission.refusal("/", {"host": ["api.hume.ai"], "origin": ["https://api.hume.ai"]}) is None
    assert admission.refusal("/", {"host": ["[::1]:9"], "origin": ["https://evi.example.com:8443"]}) is None
    assert admission.refusal("/", {"host": ["api.hume.ai"], "origin": ["https://example.com"]}) is not None
    assert admission.refusal("/", {"host": ["example.com"]}) is not None


def test_what_calls_an_app_does_so_in_real_time():
    """And is a list of words, as the app is."""
    drive = ["python", "caller.py"]
    check_command(ReplayOptions(handler=app_command(["python"], drive=drive), clock="real"))
    for clock in ("virtual", "auto"):
        with pytest.raises(UsageError):
            check_command(ReplayOptions(handler=app_command(["python"], drive=drive), clock=clock))
    with pytest.raises(UsageError):
        app_command(["python"], drive="python caller.py")


def test_a_handler_runs_on_one_clock():
    """To begin in virtual time and to go over to real time is for commands; one that is read from this process's input starts once."""
    with pytest.raises(UsageError, match="auto"):
        check_command(ReplayOptions(clock="auto"))
    check_command(ReplayOptions(handler=app_command(["python"]), clock="auto"))
    with pytest.raises(UsageError):
        check_command(ReplayOptions(handler=app_command(["python"], stdin="-"), clock="auto"))
    with pytest.raises(UsageError):
        ReplayOptions(handler=app_command(["python"]), clock="auto", twice=True).check()


def test_in_real_time_a_run_of_a_command_has_one_connection():
    """One in virtual time may have several."""
    command = app_command(["python"], together=True)
    check_command(ReplayOptions(handler=command))
    with pytest.raises(UsageError) as caught:
        check_command(ReplayOptions(handler=command, clock="real"))
    assert "together" in str(caught.value.hint)


def test_a_command_is_refused_in_a_revision_that_ab_has_checked_out(tmp_path, monkeypatch):
    """Nothing looks at which code its app has loaded, so that a comparison might be of one version with itself."""
    environment = environment_of(Revision("main (0123456789)", tmp_path, tmp_path, ()), {})
    monkeypatch.setenv("EVI_HARNESS_REVISION", environment["EVI_HARNESS_REVISION"])
    check_command(ReplayOptions())
    with pytest.raises(UsageError, match=r"the revision main \(0123456789\)"):
        check_command(ReplayOptions(handler=app_command(["python"])))
