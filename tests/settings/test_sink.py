from __future__ import annotations

import ast
import base64
import io
import logging
import os
import subprocess
import sys
import threading
import traceback
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from urllib.parse import quote

import pytest

import evi_harness
from evi_harness.errors import EviHarnessError
from evi_harness.settings.sink import Sink, learn, redacted, redacted_data, streams_kept_discreet, write_file

KEY = "Kq7/ApiKey+OfThis=Run~0123456789"
OTHER = "Zw3SecretKeyOfThisRun987654"
# What an app does.
say = print


@pytest.fixture(autouse=True)
def run_has_a_key(monkeypatch):
    """By the name of Hume's guide."""
    monkeypatch.setenv("HUME_API_KEY", KEY)


def forms_of(value):
    """Every form of a value that is looked for, by its name."""
    raw = value.encode()
    found = {"plain": value, "percent": quote(value, safe=""), "every byte": "".join(f"%{byte:02x}" for byte in raw)}
    found["double percent"] = quote(found["percent"], safe="")
    for shift in range(3):
        for name, encode in (("standard", base64.b64encode), ("urlsafe", base64.urlsafe_b64encode)):
            encoded = encode(b"user:"[:shift] + raw + b"!").decode()
            found[f"base64 {name} {shift}"] = encoded
            found[f"base64 {name} {shift} in a URL"] = quote(encoded, safe="")
    return found


FORMS = forms_of(KEY)


def is_in(text, form):
    """Whether a form, but for what base64 shares with its neighbours, is in a text."""
    return form[8:-8] in text


def printed(act):
    """What comes out of standard output and standard error."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", line_buffering=True) for _ in range(2))
    with redirect_stdout(out), redirect_stderr(err), streams_kept_discreet():
        act()
    return tuple(stream.buffer.getvalue().decode() for stream in (out, err))


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_value_is_found_in_every_form(form):
    """In a line of its own, and in the middle of another."""
    out, _ = printed(lambda: say(form, f"before {form} after", sep="\n"))
    assert not is_in(out, form)
    assert out.count("[redacted]") >= 2
    assert out.split("\n")[1].startswith("before ")
    assert out.split("\n")[1].endswith(" after")
    assert not is_in(redacted(f"x{form}y"), form)
    assert not is_in(str(redacted_data({"a": [{"b": form}]})), form)


@pytest.mark.parametrize(
    "act",
    [
        lambda: say(KEY),
        lambda: say(KEY, file=sys.stderr),
        lambda: say("key", KEY, end=""),
        lambda: [sys.stdout.write(part) for part in (KEY[:5], KEY[5:], "\n")],
        lambda: sys.stdout.buffer.write(f"{KEY}\n".encode()),
        lambda: sys.stdout.writelines([KEY, KEY]),
        lambda: logging.StreamHandler().handle(record_of(KEY)),
        lambda: logging.lastResort.handle(record_of(KEY)),
        lambda: run_thread(lambda: say(KEY)),
        lambda: show_traceback(ValueError(KEY)),
        lambda: say(f"https://user:{OTHER}@example.com/"),
        lambda: say(f"ws://example.com/?api_key={OTHER}&x=1"),
        lambda: say("api_key:", OTHER),
        lambda: say({"access_token": OTHER}),
        lambda: say(f'{{"deep": {{"api_key": "{OTHER}"}}}}'),
        lambda: say(f"X-Hume-Api-Key: {OTHER}\nthen {OTHER}"),
        lambda: say(f"Authorization: Bearer {OTHER}"),
        lambda: say(f"Authorization: Basic {base64.b64encode(f'user:{OTHER}'.encode()).decode()}"),
    ],
)
def test_whoever_writes_and_however_nothing_secret_comes_out(act):
    """By value, and by the name before it in the line."""
    out, err = printed(act)
    assert KEY not in out + err
    assert OTHER not in out + err
    assert "[redacted]" in out + err


def record_of(text):
    """A record of a log."""
    return logging.LogRecord("own", logging.ERROR, "file", 1, text, (), None)


def run_thread(act):
    """Another thread does it."""
    thread = threading.Thread(target=act)
    thread.start()
    thread.join()


def show_traceback(error):
    """As Python shows an exception that nobody takes."""
    try:
        raise error
    except ValueError:
        traceback.print_exc()


@pytest.mark.parametrize(
    "line",
    [
        "HUME_API_KEY: a space in it",
        "Write HUME_API_KEY=… here, or set it.",
        "  --arg api_key=VALUE",
        '    "api_key": null,',
        '    "access_token": {',
        "api_key=None",
        "api_key: [redacted]",
        "no key here, but 100% of ünïcode \\ and {json: no}",
        "",
        "authorization",
    ],
)
def test_what_is_no_secret_stays(line):
    """Byte for byte."""
    assert printed(lambda: say(line)) == (f"{line}\n", "")


def test_a_word_behind_a_name_is_not_missed_elsewhere():
    """One that is like a key is."""
    out, _ = printed(lambda: say(f"authorization: required\nrequired\nauthorization: {OTHER}\n{OTHER}"))
    assert out.split("\n")[1] == "required"
    assert OTHER not in out


def test_lines_come_out_when_they_are_whole_or_flushed():
    """As they do without; what is not finished is kept until then."""
    below = io.BytesIO()
    text = io.TextIOWrapper(below, "utf-8")
    with redirect_stdout(text), streams_kept_discreet():
        sys.stdout.write("one\ntwo")
        sys.stdout.flush()
        assert below.getvalue() == b"one\ntwo"
        sys.stdout.write(" and more")
    assert below.getvalue() == b"one\ntwo and more"


def test_a_line_without_an_end_is_not_kept_for_ever():
    """And a key in it is not cut in two."""
    out, _ = printed(lambda: [sys.stdout.write("x" * 50_000 + KEY) for _ in range(60)])
    assert KEY not in out
    assert KEY[:8] not in out
    assert out.count("x") == 60 * 50_000


def test_the_streams_are_as_those_below_them(capfd):
    """Descriptor, terminal, encoding, binary side; and they are put back."""
    before = (sys.stdout, sys.stderr)
    with streams_kept_discreet():
        for ours, own in zip((sys.stdout, sys.stderr), before):
            assert ours is not own
            assert (ours.fileno(), ours.isatty(), ours.encoding) == (own.fileno(), own.isatty(), own.encoding)
            assert ours.writable()
            assert not ours.readable()
            assert not ours.closed
    assert (sys.stdout, sys.stderr) == before
    say("still open")
    assert capfd.readouterr().out.endswith("still open\n")


def test_a_stream_that_takes_text_alone_is_one_too():
    """As a notebook's, or an ``io.StringIO``."""
    taken = io.StringIO()
    with redirect_stdout(taken), streams_kept_discreet():
        say("a", KEY, "ü")
        sys.stdout.buffer.write(b"b\n")
    assert taken.getvalue() == "a [redacted] ü\nb\n"


def test_a_stream_of_the_apps_own_stays(monkeypatch):
    """It is not put back over."""
    own = io.StringIO()
    with streams_kept_discreet():
        monkeypatch.setattr(sys, "stdout", own)
    assert sys.stdout is own


def test_what_is_learned_on_the_way_is_taken_out_from_then_on(monkeypatch):
    """Of a session, of an argument, of a .env that the app loads itself."""

    def act():
        say(OTHER)
        learn([OTHER])
        say(OTHER)
        monkeypatch.setenv("MY_OWN_TOKEN", "A1loadedByTheApp")
        say("A1loadedByTheApp")

    assert printed(act)[0] == f"{OTHER}\n[redacted]\n[redacted]\n"


def test_nothing_is_learned_where_no_command_runs():
    """A test run of somebody else's is left as it is."""
    learn([OTHER])
    assert redacted(OTHER) == OTHER
    assert Sink().text(KEY) == "[redacted]"


def test_a_thread_that_stops_within_a_write_does_not_hold_up_the_end():
    """Daemon threads stop wherever they are when the interpreter ends; what is kept comes out all the same."""
    program = """
import sys, threading
from evi_harness.settings.sink import keep_streams_discreet
keep_streams_discreet()
sys.stdout.write("kept")
has_it = threading.Event()
def stop():
    sys.stdout.buffer.hold()
    has_it.set()
    threading.Event().wait()
threading.Thread(target=stop, daemon=True).start()
has_it.wait()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == ("kept", "")


def test_a_child_that_is_forked_writes_through_it(tmp_path):
    """While another thread of the parent writes; and what the parent kept comes out once."""
    program = f"""
import os, sys, threading
from evi_harness.settings.sink import keep_streams_discreet
keep_streams_discreet()
threading.Thread(target=lambda: [print("thread") for _ in range(2000)], daemon=True).start()
for _ in range(20):
    child = os.fork()
    if child == 0:
        sys.stdout.write("child {KEY}\\n")
        sys.stdout.flush()
        os._exit(0)
    os.waitpid(child, 0)
"""
    env = {**os.environ, "HUME_API_KEY": KEY}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=env, timeout=60, check=True)
    assert KEY not in done.stdout
    assert done.stdout.count("child [redacted]") == 20


def test_a_process_that_ends_has_written_all(tmp_path):
    """What is left at the end, without a line's end, and what is printed behind the command."""
    program = """
import atexit, os
from evi_harness.settings.sink import keep_streams_discreet
keep_streams_discreet()
atexit.register(lambda: print("at exit", os.environ["HUME_API_KEY"], end=""))
print("first", end=" ")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("first at exit [redacted]", "")


def test_a_file_that_cannot_be_written_is_an_error(tmp_path):
    """Written anew and added to."""
    write_file(tmp_path / "r.txt", "a")
    write_file(tmp_path / "r.txt", "b", "a")
    assert (tmp_path / "r.txt").read_text(encoding="utf-8") == "ab"
    for mode in ("w", "a"):
        with pytest.raises(EviHarnessError, match="cannot be written"):
            write_file(tmp_path, "x", mode)


def test_a_stream_that_is_closed_or_absent_is_left_alone(monkeypatch):
    """There is nothing to write to."""
    monkeypatch.setattr(sys, "stdout", None)
    with streams_kept_discreet():
        assert sys.stdout is None
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stdout", closed)
    with streams_kept_discreet():
        assert sys.stdout is closed


PACKAGE = Path(evi_harness.__file__).parent

# Who writes to a file or past ``sys.stdout`` without the sink, and why nothing secret is in it.
AROUND = {
    "__init__.py: os.write": "the word that says that Ctrl+C was heard",
    "guard/forks.py: os.write": "a pipe of our own, from a child to its parent",
    "acts/checkouts.py: open": "a lock, which stays empty",
    "settings/sink.py: open": "the sink itself",
    "settings/sink.py: write_text": "the sink itself",
    "storage/schema.py: write_text": "the published schemas, by a developer",
    "storage/baseline_file.py: write_text": "a baseline, whose strings were redacted where it is made",
    "storage/append.py: os.open": "a session's files, whose writer has a redactor of its own",
    "acts/exports/whole_file.py: os.open": "an export or a page, whose strings were redacted where it is made",
    "acts/exports/whole_file.py: open": "the same",
    "acts/exports/export_flac.py: os.open": "an empty file, for the sound of a session",
    "cli/help_pages.py: write_text": "click's, into a page of help, which is printed as anything is",
    "cli/options/grouped.py: write_text": "the same",
    "cli/failing.py: os.open": "the null device, in place of a stream that is closed",
    "cli/failing.py: os.fdopen": "a stream that the process was started without, before the sink stands above it",
    "cli/failing.py: print": "to sys.stderr, which is the sink's",
    "cli/failing.py: print_exc": "to sys.stderr, which is the sink's",
    "acts/serve/serving.py: print": "to sys.stderr, by default; its lines are redacted where they are made",
    "audio/software_streams.py: print_exc": "to sys.stderr, which is the sink's; as PortAudio's callback does it",
    "terminal/progress.py: os.write": "a label and figures of our own, on a terminal",
    "terminal/writing.py: print": "to a stream of the sink's, of lines that were redacted whole before",
    "runs/child_run.py: os.fdopen": "pipes of our own, between a child and its parent",
    "runs/app_channel.py: os.write": "a pipe of our own, and a file without a name, between an app's process and ours",
    "injected/site/sitecustomize.py: os.write": "the same pipe, where the injected part cannot begin; whoever reads it redacts",
    "injected/typed_input.py: os.write": "a pipe to the app itself, for its input",
    "runs/real_commands/real_command_run.py: os.write": "the same, in real time",
}
_MODES = frozenset("wax+")
_ALWAYS = frozenset(
    {"print", "print_exc", "print_exception", "print_last", "write_text", "write_bytes", "basicConfig", "StreamHandler", "FileHandler"}
)
# Where none of these words is, there is no way out.
_WAYS = (*_ALWAYS, "__stdout__", "__stderr__", "dump", "os.write", "open")


def ways_out(path):
    """The calls of a module that write to a file or to a stream, by their names."""
    source = path.read_text(encoding="utf-8")
    if not any(word in source for word in _WAYS):
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr in ("__stdout__", "__stderr__"):
            yield node.attr
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        owner = getattr(getattr(node.func, "value", None), "id", "")
        given = [one.value for one in (*node.args, *(word.value for word in node.keywords)) if isinstance(one, ast.Constant)]
        # ``report_files`` has a function of that name, which goes through the sink.
        is_method = isinstance(node.func, ast.Attribute) or name != "write_text"
        if (name in _ALWAYS and is_method) or (name == "dump" and owner == "json"):
            yield name
        elif owner == "os" and (name == "write" or (name in ("open", "fdopen") and _opens_to_write(node, given))):
            yield f"os.{name}"
        elif name == "open" and owner != "os" and (any(map(_is_writing_mode, given)) or _has_a_variable_mode(node)):
            yield name


def _is_writing_mode(value):
    return isinstance(value, str) and len(value) < 4 and bool(_MODES & set(value))


def _has_a_variable_mode(node):
    return any(isinstance(one, ast.Name) and one.id == "mode" for one in node.args)


def _opens_to_write(node, given):
    # A mode may be worked out.
    given = [*given, *(one.value for arg in node.args[1:] for one in ast.walk(arg) if isinstance(one, ast.Constant))]
    return any(map(_is_writing_mode, given)) or any(flag in ast.unparse(node) for flag in ("O_WRONLY", "O_RDWR", "_NEW"))


def test_nothing_of_the_harness_writes_around_the_sink():
    """Read off the code: what writes itself is in the table above with its reason, and all that is in the table is there."""
    found = {f"{path.relative_to(PACKAGE).as_posix()}: {name}" for path in PACKAGE.rglob("*.py") for name in ways_out(path)}
    assert found == set(AROUND)


@pytest.mark.parametrize(
    "code",
    [
        "print(1)",
        "sys.__stdout__.write(x)",
        "Path(x).write_text(y)",
        "open(x, 'w')",
        "file.open('a', encoding='utf-8')",
        "open(x, mode='wb')",
        "os.write(1, b'x')",
        "json.dump(x, y)",
        "logging.basicConfig()",
        "os.open(x, os.O_WRONLY)",
    ],
)
def test_the_test_above_sees_what_writes(code, tmp_path):
    """Each way by itself."""
    (tmp_path / "m.py").write_text(code, encoding="utf-8")
    assert len(list(ways_out(tmp_path / "m.py"))) == 1
