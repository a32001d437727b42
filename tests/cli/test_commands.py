from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points

import click
import pytest

from evi_harness.cli.commands import evi_harness
from evi_harness.cli.main import main
from evi_harness.cli.options.seconds import Seconds

# What --help must not wait for.
HEAVY = ("hume", "aiohttp", "msgspec", "numpy", "websockets", "asyncio")

COMMANDS = [
    [],
    ["replay"],
    ["show"],
    ["explain"],
    ["compare"],
    ["report"],
    ["play"],
    ["latency"],
    ["ab"],
    ["check"],
    ["repair"],
    ["export"],
    ["import"],
    ["import", "capture"],
    ["import", "har"],
    ["import", "chat-history"],
    ["serve"],
    ["proxy"],
    ["devices"],
    ["doctor"],
    ["record"],
    ["demo"],
]


@pytest.mark.slow
@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words) or "evi-harness")
def test_help_loads_nothing_heavy(words):
    """In a process of its own; no SDK, no server, no codec."""
    program = (
        "import sys\n"
        "from evi_harness.cli.main import main\n"
        f"code = main({[*words, '--help']!r})\n"
        f"print('loaded', [name for name in {HEAVY!r} if name in sys.modules], code)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Usage: ")
    assert done.stdout.splitlines()[-1] == "loaded [] 0"


def test_the_list_of_commands_is_true():
    """Each is there, under its name, with a line of help of its own."""
    for name in evi_harness.list_commands(None):
        command = evi_harness.get_command(None, name)
        assert command.name == name
        assert command.help
    assert evi_harness.get_command(None, "gone") is None


def commands():
    """Every command, by its words."""
    for words in COMMANDS:
        command, path = evi_harness, []
        for word in words:
            command = command.get_command(None, word)
            path.append(word)
        yield " ".join(path), command


def options():
    """Every option of every command."""
    return [(name, option) for name, command in commands() for option in command.params if isinstance(option, click.Option)]


def test_every_option_has_a_line_and_says_what_it_takes():
    """Help of its own that is a sentence or more; a word for its value that is none of click's own."""
    for name, option in options():
        where = f"{name} {option.opts[0]}"
        assert option.help, where
        assert option.help.rstrip("]").split("  [")[0].endswith("."), where
        takes_text = not option.is_flag and not isinstance(option.type, click.Choice)
        assert not takes_text or (option.metavar or "").replace(".py:", ":").isupper(), where


def test_one_word_for_one_thing_in_all_commands():
    """An option of one name takes the same thing everywhere, and what takes seconds reads them as such."""
    words = {}
    for name, option in options():
        if option.metavar is not None:
            words.setdefault(option.opts[0], {}).setdefault(option.metavar, []).append(name)
        if isinstance(option.type, click.FloatRange):
            assert (option.metavar == "SECONDS") == isinstance(option.type, Seconds), option.opts
    assert {option: sorted(metavars) for option, metavars in words.items() if len(metavars) > 1} == {}


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("repaly", "'replay'"),
        ("recrod", "'record'"),
        ("REPLAY", "'replay'"),
        ("devcies", "'devices'"),
        ("server", "'serve'"),
        ("frobnicate", None),
        ("", None),
    ],
)
def test_a_command_that_is_misspelt_is_guessed(word, meant, capsys):
    """What is spelled like it is named; what is like none is only refused, and nothing else is run."""
    assert main([word]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: unknown command {word!r}\n")
    assert ("Did you mean" in err) is (meant is not None)
    assert meant is None or meant in err


def test_the_script_is_the_same_command():
    """Where the package is installed."""
    found = entry_points()
    scripts = found.select(group="console_scripts") if hasattr(found, "select") else found.get("console_scripts", ())
    mine = [one for one in scripts if one.name == "evi-harness"]
    if not mine:
        pytest.skip("evi-harness is not installed here, only importable")
    assert mine[0].value == "evi_harness.cli.main:main"
