from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points

import pytest

from evi_harness.cli.commands import evi_harness

# What --help must not wait for.
HEAVY = ("hume", "aiohttp", "msgspec", "numpy", "websockets", "asyncio")

COMMANDS = [
    [],
    ["replay"],
    ["show"],
    ["check"],
    ["import"],
    ["import", "capture"],
    ["serve"],
    ["devices"],
    ["doctor"],
    ["record"],
    ["demo"],
]


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


def test_the_script_is_the_same_command():
    """Where the package is installed."""
    found = entry_points()
    scripts = found.select(group="console_scripts") if hasattr(found, "select") else found.get("console_scripts", ())
    mine = [one for one in scripts if one.name == "evi-harness"]
    if not mine:
        pytest.skip("evi-harness is not installed here, only importable")
    assert mine[0].value == "evi_harness.cli.main:main"
