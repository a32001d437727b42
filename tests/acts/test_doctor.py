from __future__ import annotations

import re
import socket
import threading

import pytest

from evi_harness.acts import doctor
from evi_harness.acts.devices import Device
from evi_harness.acts.doctor import NOTE, OK, PROBLEM, Check, Diagnosis, diagnose
from evi_harness.errors import EviHarnessError, SdkError, UsageError
from evi_harness.sdk.hume.connect_errors import is_hume
from evi_harness.settings.endpoint import endpoint_of
from evi_harness.settings.environment import Settings

KEY = "Kq7ApiKeyOfThisRun0123456789"
SECRET = "Zw3SecretKeyOfThisRun987654"
HUME, HERE = endpoint_of(None), endpoint_of("127.0.0.1:1")


@pytest.mark.parametrize(
    ("check", "verdict", "words"),
    [
        (lambda: doctor.check_python((3, 8), "3.8.10"), PROBLEM, "older than 3.9"),
        (lambda: doctor.check_python((3, 9), "3.9.18"), OK, "3.9.18"),
        (lambda: doctor.check_python((3, 13), "3.13.1"), OK, "3.13.1"),
        (lambda: doctor.check_python((3, 14), "3.14.0"), NOTE, "newer than 3.13"),
        (lambda: doctor.check_system("Linux"), OK, "Linux"),
        (lambda: doctor.check_system("Darwin"), OK, "macOS"),
        (lambda: doctor.check_system("Windows"), NOTE, "Windows is not supported"),
        (lambda: doctor.check_sdk("0.8.5"), PROBLEM, "older than 0.8.6"),
        (lambda: doctor.check_sdk("0.8.6"), OK, "0.8.6"),
        (lambda: doctor.check_sdk("0.13.1"), NOTE, "session settings"),
        (lambda: doctor.check_sdk("0.14.0"), NOTE, "aiofiles"),
        (lambda: doctor.check_sdk("0.14.1"), OK, "0.14.1"),
        (lambda: doctor.check_sdk("0.15.0"), NOTE, "newer than 0.14.1"),
        (lambda: doctor.check_websockets("13.1", "0.12.1"), OK, "13.1"),
        (lambda: doctor.check_websockets("12.0", "0.12.1"), PROBLEM, ">=13.1,<14"),
        (lambda: doctor.check_websockets("14.0", "0.13.6"), PROBLEM, ">=13.1,<14"),
        (lambda: doctor.check_websockets("12.0", "0.14.1"), OK, "12.0"),
        (lambda: doctor.check_websockets("17.4", "0.13.7"), OK, "17.4"),
        (lambda: doctor.check_websockets("11.0", "0.14.1"), PROBLEM, "needs >=12.0"),
        (lambda: doctor.check_ffmpeg(None), NOTE, "only MP3"),
        (lambda: doctor.check_ffmpeg(None, "0.9.0"), NOTE, "only MP3"),
        (lambda: doctor.check_ffmpeg(None, "0.8.6"), PROBLEM, "hume 0.8.6 plays"),
        (lambda: doctor.check_ffmpeg("/usr/bin/ffmpeg", "0.8.6"), OK, "/usr/bin/ffmpeg"),
        (lambda: doctor.check_ffmpeg("/usr/bin/ffmpeg"), OK, "/usr/bin/ffmpeg"),
    ],
)
def test_a_check_knows_its_edges(check, verdict, words):
    """Each verdict at the first version that has it; whatever is a problem says how it is mended."""
    found = check()
    assert (found.verdict, words in found.what) == (verdict, True)
    assert found.mend or found.verdict != PROBLEM


MICROPHONE = Device(0, "Built-in Microphone", "Core Audio", 1, 0, ("input",))
SPEAKER = Device(1, "Built-in Speakers", "Core Audio", 0, 2, ("output",))
SPARE = Device(2, "Bridge", "Core Audio", 2, 2)


@pytest.mark.parametrize(
    ("devices", "verdicts", "words"),
    [
        ([MICROPHONE, SPEAKER], [OK, OK], "0 Built-in Microphone"),
        ([MICROPHONE, SPEAKER, SPARE], [OK, OK], "0 Built-in Microphone, one of 2"),
        ([SPEAKER], [PROBLEM, OK], "no input device"),
        ([MICROPHONE], [OK, PROBLEM], "no output device"),
        ([], [PROBLEM, PROBLEM], "no input device"),
        ([SPARE], [NOTE, NOTE], "none of 1 input"),
    ],
    ids=["both", "more", "no microphone", "no speaker", "none", "no default"],
)
def test_there_is_something_to_speak_into_and_to_hear_with(devices, verdicts, words):
    """One check for each; what is missing is mended on both systems."""
    checks = doctor.check_devices(devices)
    assert [check.verdict for check in checks] == verdicts
    assert any(words in check.what for check in checks)
    assert all({"Debian/Ubuntu", "macOS"} <= set(check.mend) for check in checks if check.verdict == PROBLEM)


@pytest.mark.parametrize(
    ("settings", "endpoint", "verdicts"),
    [
        (Settings(KEY, SECRET, "c-1"), HUME, [OK, OK, OK]),
        (Settings(KEY), HUME, [OK, OK, OK]),
        (Settings(), HUME, [PROBLEM, OK, OK]),
        (Settings(), HERE, [OK, OK, OK]),
        (Settings(f"{KEY}\n", f"{SECRET} "), HERE, [PROBLEM, PROBLEM, OK]),
    ],
    ids=["all", "key only", "none", "none, on this machine", "copied badly"],
)
def test_keys_are_looked_for_and_never_told(settings, endpoint, verdicts):
    """A missing one is a problem where the endpoint wants it."""
    checks = doctor.check_keys(settings, endpoint)
    assert [check.verdict for check in checks] == verdicts
    assert KEY not in repr(checks)
    assert SECRET not in repr(checks)


def refuses(_):
    """Reaches nobody."""
    raise ConnectionRefusedError(111, "Connection refused")


@pytest.mark.parametrize(
    ("endpoint", "reach", "verdict", "words"),
    [
        (HERE, lambda _: None, OK, "http://127.0.0.1:1 can be reached"),
        (HERE, refuses, PROBLEM, "cannot be reached: nothing"),
        (HUME, refuses, PROBLEM, "https://api.hume.ai cannot be reached"),
        (HUME, lambda _: None, NOTE, "can be reached"),
    ],
)
def test_the_endpoint_is_tried(endpoint, reach, verdict, words):
    """Whatever answers at hume.ai, the end of access is told; so is the simulator."""
    check = doctor.check_endpoint(endpoint, reach)
    assert (check.verdict, words in check.what) == (verdict, True)
    told = " ".join(check.mend.values())
    assert ("13 November 2026" in told) is is_hume(endpoint.base_url)
    assert ("serve --simulate" in told) is (verdict != OK)


def test_reaching_connects_and_hangs_up():
    """On a real socket of this machine; with nobody there it is an OSError."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        met = []
        thread = threading.Thread(target=lambda: met.append(server.accept()[0]))
        thread.start()
        doctor.reach(endpoint_of(f"127.0.0.1:{server.getsockname()[1]}"))
        thread.join()
        assert met[0].recv(1) == b""
        met[0].close()
    with pytest.raises(OSError, match="refused"):
        doctor.reach(HERE)


def test_tls_that_is_none_is_a_problem():
    """A server that hangs up on the greeting; the hint stands."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=lambda: server.accept()[0].close())
        thread.start()
        endpoint = endpoint_of(f"https://127.0.0.1:{server.getsockname()[1]}")
        check = doctor.check_endpoint(endpoint, doctor.reach)
        thread.join()
    assert check.verdict == PROBLEM
    assert "cannot be reached" in check.what


def test_a_diagnosis_is_lines_and_json_and_a_code():
    """One line a check and how to mend it below; only a problem makes it fail."""
    fine = (Check("one", OK, "good"), Check("longer", NOTE, "so so", {"macOS": "brew", "": "anywhere"}))
    lines = list(Diagnosis(fine).lines())
    assert [line.split() for line in lines[:-1]] == [
        ["ok", "one", "good"],
        ["note", "longer", "so", "so"],
        ["macOS:", "brew"],
        ["anywhere"],
        [],
    ]
    assert [re.search(" (good|so so|macOS|anywhere)", line).start() for line in lines[:4]] == [16] * 4
    assert lines[-1] == "No problem."
    assert Diagnosis(fine).exit_code == 0
    assert Diagnosis(fine).json()["ok"] is True
    bad = Diagnosis((*fine, Check("bad", PROBLEM, "no", {"": "mend"})))
    assert bad.exit_code == 1
    assert list(bad.lines())[:3] == ["problem  bad     no", "                 mend", "ok       one     good"]
    assert bad.json()["checks"][2] == {"name": "bad", "verdict": "problem", "what": "no", "mend": {"": "mend"}}
    assert list(Diagnosis(()).lines()) == ["", "No problem."]


@pytest.mark.parametrize(
    ("problems", "count", "needless"),
    [
        ([], "No problem.", []),
        (["Python"], "1 problem.", []),
        (["hume", "PortAudio"], "2 problems.", []),
        (["PortAudio"], "1 problem, ", ["record --mic FILE", "sound system"]),
        (["microphone", "speaker"], "2 problems, ", ["record --mic FILE", "sound system"]),
        (["HUME_API_KEY"], "1 problem, ", ["key"]),
        (["endpoint", ".env"], "2 problems, ", ["key", "endpoint"]),
        (["endpoint", "microphone", "HUME_SECRET_KEY"], "3 problems, ", ["sound system", "key", "endpoint"]),
    ],
)
def test_the_last_line_says_what_works_all_the_same(problems, count, needless):
    """Most machines lack something that most commands do not need."""
    checks = [Check("ffmpeg", NOTE, "not found"), *(Check(name, PROBLEM, "no") for name in problems)]
    summary = Diagnosis(tuple(checks)).verdict_text
    assert summary.startswith(count)
    assert [word for word in ("record --mic FILE", "sound system", "key", "endpoint") if word in summary] == needless
    assert all(command in summary for command in ("demo", "replay", "serve")) is bool(needless)


@pytest.fixture
def machine(monkeypatch):
    """A machine with sound and an environment of the test's own; nothing is connected to."""

    def machine_(settings):
        monkeypatch.setattr(doctor, "load_environment", lambda: settings)
        monkeypatch.setattr(doctor, "portaudio_version", lambda: "PortAudio V19")
        monkeypatch.setattr(doctor, "list_devices", lambda: [MICROPHONE, SPEAKER])
        monkeypatch.setattr(doctor, "refused_rates", lambda speaker, rates: [])
        monkeypatch.setattr(doctor, "reach", refuses)

    return machine_


def verdicts(diagnosis):
    """Verdict by check."""
    return {check.name: check.verdict for check in diagnosis.checks}


def test_everything_is_checked(machine):
    """In the order in which one would mend it; offline nothing is connected to."""
    machine(Settings(KEY))
    diagnosis = diagnose(offline=True)
    names = ["Python", "system", "hume", "websockets", "PortAudio", "microphone", "speaker", "ffmpeg", ".env"]
    assert list(verdicts(diagnosis)) == [*names, "HUME_API_KEY", "HUME_SECRET_KEY", "HUME_CONFIG_ID", "endpoint"]
    assert verdicts(diagnosis)["endpoint"] == NOTE
    assert "13 November 2026" in diagnosis.checks[-1].mend[""]
    assert verdicts(diagnose(base_url="127.0.0.1:1", offline=True))["endpoint"] == OK
    assert verdicts(diagnose())["endpoint"] == PROBLEM


@pytest.mark.parametrize(
    ("act", "names"), [("replay", ["Python", "system", "hume", "websockets"]), ("serve", ["Python", "system", "hume"])]
)
def test_what_an_act_does_not_need_is_no_problem_of_it(machine, monkeypatch, act, names):
    """Neither sound nor keys nor an endpoint are looked for: 0, where what was asked for works, and the last line says so."""
    machine(Settings())
    for name in ("portaudio_version", "load_environment", "reach"):
        monkeypatch.setattr(doctor, name, None)
    diagnosis = diagnose(act=act)
    assert list(verdicts(diagnosis)) == names
    assert (diagnosis.exit_code, diagnosis.verdict_text, diagnosis.json()["for"]) == (0, f"No problem: {act} works.", act)
    with pytest.raises(UsageError, match="needs no endpoint"):
        diagnose(act=act, base_url="127.0.0.1:1")


def test_what_an_act_needs_is_a_problem_of_it(machine, monkeypatch):
    """A recording needs all of it; a replay an SDK."""
    machine(Settings())
    diagnosis = diagnose(act="record")
    assert list(verdicts(diagnosis)) == list(verdicts(diagnose()))
    assert (diagnosis.exit_code, diagnosis.verdict_text) == (1, "2 problems for record.")

    def fails():
        raise SdkError("the package hume is not installed", hint="pip")

    monkeypatch.setattr(doctor, "installed_version", fails)
    assert (diagnose(act="replay").exit_code, diagnose(act="replay").verdict_text) == (1, "1 problem for replay.")


def test_a_bad_url_of_the_environment_is_a_problem_and_one_of_the_command_line_a_usage_error(machine):
    """What the environment holds is what the doctor is for."""
    machine(Settings(base_url="ftp://x"))
    diagnosis = diagnose()
    assert verdicts(diagnosis)["endpoint"] == PROBLEM
    assert "HUME_BASE_URL 'ftp://x'" in diagnosis.checks[-1].what
    with pytest.raises(UsageError):
        diagnose(base_url="ftp://x")


@pytest.mark.parametrize(("refused", "verdict"), [([], OK), ([24_000], NOTE), ([24_000, 48_000], PROBLEM)])
def test_a_speaker_that_does_not_resample_is_told(machine, monkeypatch, refused, verdict):
    """The default speaker is asked for EVI's rates; what it refuses is named, with what to do on both systems."""
    asked = []

    def refused_rates(speaker, rates):
        asked.append((speaker, tuple(rates)))
        return refused

    machine(Settings(KEY))
    monkeypatch.setattr(doctor, "refused_rates", refused_rates)
    (speaker,) = [check for check in doctor.diagnose(offline=True).checks if check.name == "speaker"]
    assert asked == [(SPEAKER, (24_000, 48_000))]
    assert speaker.verdict == verdict
    assert all(f"{rate}" in speaker.what for rate in refused)
    assert set(speaker.mend) == ({"Debian/Ubuntu", "macOS"} if refused else set())


@pytest.mark.parametrize("what", ["PortAudio is missing", "sounddevice is not there"])
def test_missing_sound_is_mended(machine, monkeypatch, what):
    """A missing package by pip, a missing library by each system's own means; what needs no sound is told."""
    machine(Settings())

    def fails():
        raise EviHarnessError(what)

    monkeypatch.setattr(doctor, "portaudio_version", fails)
    check = next(check for check in diagnose(offline=True).checks if check.name == "PortAudio")
    assert check.verdict == PROBLEM
    assert all(name in check.what for name in ("replay", "demo", "record --mic"))
    assert any("pip install" in one for one in check.mend.values()) is ("sounddevice" in what)
    assert ("macOS" in check.mend) is ("sounddevice" not in what)


def test_a_failing_portaudio_and_a_bad_dotenv_are_problems(machine, monkeypatch):
    """The other checks are made all the same."""
    machine(Settings())

    def fails():
        raise EviHarnessError("it fails", hint="mend")

    monkeypatch.setattr(doctor, "list_devices", fails)
    monkeypatch.setattr(doctor, "load_environment", fails)
    found = verdicts(diagnose(offline=True))
    assert (found["PortAudio"], found["devices"], found[".env"], found["HUME_API_KEY"]) == (OK, PROBLEM, PROBLEM, PROBLEM)


def test_a_missing_sdk_is_a_problem(machine, monkeypatch):
    """With the command that brings it."""
    machine(Settings())

    def fails():
        raise EviHarnessError("the package hume is not installed", hint="pip install 'hume[microphone]'")

    monkeypatch.setattr(doctor, "installed_version", fails)
    check = next(check for check in diagnose(offline=True).checks if check.name == "hume")
    assert (check.verdict, check.mend) == (PROBLEM, {"": "pip install 'hume[microphone]'"})
