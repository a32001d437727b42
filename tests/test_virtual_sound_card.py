"""``record``, ``devices`` and ``doctor`` on a sound card: the real PortAudio, and a card of software below it that plays a human voice.

The card is a script beside the project, ``../shared/tools/virtual-mic.sh``; it needs jackd2, libportaudio2 and, in the Python that
VMIC_PYTHON names (this one, if it names none), the packages JACK-Client, numpy and soundfile. It has a lock: there is one card at a time,
however many tests run at once. What is missing skips these tests, with the reason.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from ctypes.util import find_library
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from evi_harness.acts.sessions import check_session
from evi_harness.errors import EviHarnessError
from evi_harness.evi.dialect import EVI
from evi_harness.session.events import Received
from evi_harness.verdicts.loading import load_session

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT.parent / "shared" / "tools" / "virtual-mic.sh"
INSTALL = "sudo apt-get install --no-install-recommends jackd2 libportaudio2"
# The simulator answers so, and the card does not resample.
RATE = 24_000
# Another test may have the card for as long.
READY_S = 240.0
COMMAND_S = 120.0
# What runs while there is a card: it tells what programs need in their environment, and holds the card until its input ends, by whatever.
HOLD = "import json, os, sys; print(json.dumps(dict(os.environ)), flush=True); sys.stdin.read()"


def lacks():
    """What a virtual card needs and this machine does not have, None where nothing is missing."""
    if not SCRIPT.is_file():
        return "no ../shared/tools/virtual-mic.sh beside the project: the virtual sound card is not part of it"
    if shutil.which("jackd") is None or find_library("portaudio") is None:
        return f"jackd or PortAudio is not installed: {INSTALL}"
    imports = subprocess.run([card_python(), "-c", "import jack, numpy, soundfile"], capture_output=True, text=True)
    if imports.returncode:
        return f"the card's side cannot run in {card_python()} (pip install JACK-Client): {imports.stderr.strip().splitlines()[-1]}"
    return None


def card_python():
    """The Python for the card's side."""
    return os.environ.get("VMIC_PYTHON") or sys.executable


def line_of(process):
    """The next line that a process prints; empty where it ended instead. It is killed, with its children, where it does neither."""
    if not select.select([process.stdout], [], [], READY_S)[0]:
        kill_group(process)
        pytest.fail(f"{process.args[0]} has said nothing for {READY_S:g} s")
    return process.stdout.readline()


@contextmanager
def ended(process):
    """A process that leads a group: when it is over its input is closed, its end awaited, and nothing of the group is left."""
    with process:
        try:
            yield process
        finally:
            process.stdin.close()
            is_clean = has_ended(process) and not kill_group(process)
        assert is_clean, f"{process.args[0]} left something running"


def has_ended(process):
    """Whether a process ends in time."""
    try:
        process.wait(COMMAND_S)
    except subprocess.TimeoutExpired:
        return False
    return True


def kill_group(process):
    """Kill what is left of a process and its children; says whether anything was."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def start(words, **options):
    """Start a program at the head of a group of its own, its input and output here."""
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True, **options)


@contextmanager
def sound_card(folder, mic, *, rate=RATE):
    """A card whose microphone plays a file as soon as a program listens; gives the environment in which programs have it.

    When it is over, folder/heard.wav is what was played on its speaker.
    """
    reason = lacks()
    if reason is not None:
        pytest.skip(reason)
    words = [str(SCRIPT), "run", str(mic), str(folder / "heard.wav"), "--", sys.executable, "-c", HOLD]
    settings = {"VMIC_PYTHON": card_python(), "VMIC_RATE": str(rate), "VMIC_PERIOD": str(rate // 100)}
    errors = folder / "card.txt"
    with errors.open("w") as written, ended(start(words, stderr=written, env={**os.environ, **settings})) as card:
        told = line_of(card)
        if not told:
            card.wait(COMMAND_S)
            pytest.skip(f"the virtual sound card does not start: {errors.read_text().strip()[-500:]}")
        yield json.loads(told)


@contextmanager
def parrot():
    """A simulator in another process that says back what it hears, for one session; gives its URL."""
    words = [sys.executable, "-m", "evi_harness", "serve", "--simulate", "--parrot", "--once", "--port", "0"]
    with ended(start(words, env={**os.environ, **OURS})) as server:
        try:
            yield line_of(server).split()[-1]
        except BaseException:
            # The session for which it waits will not come.
            server.terminate()
            raise


OURS = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def run(words, environment, cwd):
    """Run evi-harness; gives what it returned and printed."""
    environment = {name: value for name, value in {**environment, **OURS}.items() if not name.startswith("HUME_")}
    words = [sys.executable, "-m", "evi_harness", *words]
    return subprocess.run(words, env=environment, cwd=cwd, capture_output=True, text=True, timeout=COMMAND_S)


def record_until_heard(words, environment, cwd, n_spoken):
    """Record until so many samples were spoken and each reply was played, then press Ctrl+C; gives the exit code and the errors.

    How much was played is told by the card's own clock, by which the microphone is recorded, too: however slow the machine is.
    """
    environment = {name: value for name, value in {**environment, **OURS}.items() if not name.startswith("HUME_")}
    with ended(start([sys.executable, "-m", "evi_harness", *words], env=environment, cwd=cwd, stderr=subprocess.PIPE)) as process:
        n_replies, since, is_heard = 0, 0, False
        while not is_heard and process.poll() is None:
            time.sleep(0.2)
            for folder in (cwd / "sessions").glob("[!.]*"):
                with suppress(OSError, EviHarnessError):
                    n_recorded = (folder / "user.wav").stat().st_size // 2
                    replies = received(folder, "audio_output")
                    if len(replies) != n_replies:
                        n_replies, since = len(replies), n_recorded
                    n_to_play = sum(len(samples_of(reply)) for reply in replies) + 2 * RATE
                    is_over = bool(n_replies and received(folder, "assistant_end"))
                    is_heard = is_over and n_recorded > max(since + n_to_play, n_spoken + RATE)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=COMMAND_S)
    return process.returncode, errors


def voice_on(folder, speech, rate=RATE):
    """A human voice as the card plays it, half a second of silence before it; gives the file, and the samples behind the silence."""
    samples, own_rate = soundfile.read(str(speech), dtype="int16")
    samples = soxr.resample(samples, own_rate, rate)
    place = folder / "voice.wav"
    soundfile.write(str(place), np.concatenate([np.zeros(rate // 2, "int16"), samples]), rate, subtype="PCM_16")
    return place, samples


def difference(heard, samples):
    """By how much any of some samples differs, at the most, where within what was heard they stand in one piece, or come nearest to it."""
    assert len(heard) >= len(samples), f"only {len(heard)} of {len(samples)} samples were heard"
    size = 1 << (len(heard) + len(samples)).bit_length()
    heard, samples = heard.astype(float), samples.astype(float)
    # The sum of the squares of the differences at each place, but for that of the samples themselves.
    products = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(samples, size)), size)[: len(heard) - len(samples) + 1]
    squares = np.concatenate([[0.0], np.cumsum(heard**2)])
    place = int((squares[len(samples) :] - squares[: len(squares) - len(samples)] - 2 * products).argmin())
    return int(abs(heard[place : place + len(samples)] - samples).max())


def received(folder, kind):
    """The messages of a type that a session received, as JSON."""
    frames = [event.frame for event in load_session(folder).events if isinstance(event, Received)]
    return [json.loads(frame.payload) for frame in frames if EVI.read("received", frame).type == kind]


def samples_of(reply):
    """The samples in an audio_output."""
    return soundfile.read(BytesIO(base64.b64decode(reply["data"])), dtype="int16")[0]


@pytest.mark.parametrize(("speech", "device"), [("whats-the-weather-like.wav", "vmic"), ("learner-working-dogs.wav", "0")])
def test_a_human_voice_through_portaudio(tmp_path, shared_data, speech, device):
    """Every sample that was spoken is in the session, in one piece; each reply is in it and was heard; and its replay passes."""
    mic, voice = voice_on(tmp_path, shared_data / "speech" / speech)
    words = ["record", "--allow-user-interrupt", "--device", device, "--base-url"]
    with sound_card(tmp_path, mic) as environment, parrot() as url:
        code, errors = record_until_heard([*words, url], environment, tmp_path, RATE // 2 + len(voice))
    assert code == 0, errors
    assert "error" not in errors
    (folder,) = (tmp_path / "sessions").iterdir()
    assert check_session(folder) == []
    replies = received(folder, "audio_output")
    assert replies
    assert received(folder, "user_message")
    # PortAudio dithers where it goes from 32 bits to 16, and rounds; nothing else may differ.
    user, user_rate = soundfile.read(str(folder / "user.wav"), dtype="int16")
    assert user_rate == RATE
    assert difference(user, voice) <= 2
    heard, _ = soundfile.read(str(tmp_path / "heard.wav"), dtype="int16")
    assert max(difference(heard, samples_of(reply)) for reply in replies) <= 1
    replayed = run(["replay", str(folder)], os.environ, tmp_path)
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr


def test_a_card_is_listed_and_looked_at(tmp_path, shared_data):
    """devices lists it as the default for both; doctor finds nothing wrong with it, and a device that is not there is refused by name."""
    mic, _ = voice_on(tmp_path, shared_data / "speech" / "whats-the-weather-like.wav", 48_000)
    with sound_card(tmp_path, mic, rate=48_000) as environment:
        devices = run(["devices"], environment, tmp_path)
        doctor = run(["doctor", "--offline", "--base-url", "http://127.0.0.1:1"], environment, tmp_path)
        unknown = run(["record", "--device", "nosuch", "--base-url", "http://127.0.0.1:1"], environment, tmp_path)
    assert devices.stdout == "* 0 vmic, JACK Audio Connection Kit (1 in, 1 out)\n"
    found = {line.split()[1]: line.split(maxsplit=2)[::2] for line in doctor.stdout.splitlines() if line[:1] not in (" ", "")}
    assert found["PortAudio"][0] == "ok"
    assert found["microphone"] == ["ok", "0 vmic"]
    # It does not resample, and EVI may answer at either rate.
    assert found["speaker"][0] == "note"
    assert "does not play 24000 Hz" in found["speaker"][1]
    assert (unknown.returncode, "nosuch" in unknown.stderr, "0 vmic" in unknown.stderr) == (2, True, True)


def test_a_card_that_cannot_play_a_reply_ends_the_recording_well(tmp_path, shared_data):
    """Told in one message that names what failed, behind a session that is complete."""
    mic, _ = voice_on(tmp_path, shared_data / "speech" / "whats-the-weather-like.wav", 48_000)
    words = ["record", "--allow-user-interrupt", "--duration", "90", "--base-url"]
    with sound_card(tmp_path, mic, rate=48_000) as environment, parrot() as url:
        recorded = run([*words, url], environment, tmp_path)
    assert recorded.returncode == 3
    assert "Invalid sample rate" in recorded.stderr
    assert "Traceback" not in recorded.stderr
    (folder,) = (tmp_path / "sessions").iterdir()
    assert check_session(folder) == []
