"""Tests of evi_harness.cli.options.grouped: what -h and --help of every command show."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import click
import pytest

from evi_harness.cli.commands import evi_harness
from evi_harness.cli.main import main
from evi_harness.cli.options.grouped import GROUPS, MOST_LINES, GroupedCommand, GroupedOption, in_groups, option

ROOT = Path(__file__).resolve().parents[3]


def commands(group=evi_harness, before=()):
    """Every command that is not a group, by its words."""
    for name in group.list_commands(None):
        command = group.get_command(None, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*before, name))
        else:
            yield (*before, name), command


COMMANDS = dict(commands())


@pytest.fixture(params=COMMANDS, ids=" ".join)
def words(request):
    """The words of a command."""
    return request.param


@pytest.fixture
def printed(capsys, monkeypatch):
    """What a command prints in 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")

    def printed(*words):
        assert main(list(words)) == 0
        return capsys.readouterr().out

    return printed


def test_each_option_has_a_group(words):
    """One that there is."""
    command = COMMANDS[words]
    assert isinstance(command, GroupedCommand)
    for one in command.params:
        assert isinstance(one, (GroupedOption, click.Argument)), one
        assert isinstance(one, click.Argument) or one.group in GROUPS, one


def test_help_shows_all_options_in_groups(words, printed):
    """Each under its heading, in the order of the groups, and -h and --help last."""
    page = printed(*words, "--help")
    grouped = in_groups(COMMANDS[words])
    assert not re.search(r"[<>]=?x\b|\bx[<>]", page)
    headings = [line[:-1] for line in page.splitlines() if line.endswith(":") and line[:1].isupper()]
    assert headings == [*grouped, "Help"]
    assert list(grouped) == [one for one in GROUPS if one in grouped]
    for group, options in grouped.items():
        section = page[page.index(f"\n{group}:\n") :].split("\n\n")[0]
        for one in options:
            assert any(line.lstrip().startswith(one.opts[0]) for line in section.splitlines()), one.opts


def test_the_short_help_is_one_line_an_option(words, printed):
    """At most 24, no line is continued, and the last says how to see the rest; where everything fits, it is everything."""
    short, whole = printed(*words, "-h"), printed(*words, "--help")
    assert all(len(line) <= 80 for line in short.splitlines())
    if len(whole.splitlines()) <= MOST_LINES:
        assert short == whole
        return
    heading = "Most used options:" if "Most used options:" in short else "Options:"
    entries = short[short.index(f"\n{heading}\n") :].split("\n\n")[0].splitlines()[2:]
    assert 0 < len(entries) <= 24
    assert [line for line in entries if not line.startswith("  -")] == []
    command = COMMANDS[words]
    every = [one for options in in_groups(command).values() for one in options]
    assert len(entries) == (len(every) if len(every) <= 24 else sum(one.usual for one in every))
    assert (heading == "Options:") == (len(entries) == len(every))
    assert short.splitlines()[-1].startswith(f"evi-harness {' '.join(words)} --help ")


@pytest.mark.parametrize("words", [(), ("import",)], ids=lambda words: " ".join(words) or "evi-harness")
def test_a_group_shows_its_commands_one_a_line(words, printed):
    """Under the headings that a command has, the same for -h and --help, and no entry is continued on the next line."""
    page = printed(*words, "-h")
    assert page == printed(*words, "--help")
    assert [line[:-1] for line in page.splitlines() if line.endswith(":")] == ["Commands", "Help"]
    group = evi_harness if not words else evi_harness.get_command(None, *words)
    entries = [line for line in page[page.index("Commands:\n") :].splitlines() if line.startswith("  ")]
    names = list(group.list_commands(None))
    assert [line.split()[0] for line in entries][: len(names)] == names
    assert [line for line in entries if line.startswith("   ")] == []


def paths():
    """Each option and argument that is a path, by the words of its command."""
    return [(words, one) for words, command in COMMANDS.items() for one in command.params if isinstance(one.type, click.Path)]


@pytest.mark.parametrize(
    ("words", "param"), paths(), ids=lambda value: value.name if isinstance(value, click.Parameter) else " ".join(value)
)
def test_a_dash_is_a_standard_stream_or_refused(words, param, tmp_path, monkeypatch, capsys):
    """Where an option takes it, its help says so; nowhere is a file or a folder of that name written or read."""
    monkeypatch.chdir(tmp_path)
    says = isinstance(param, click.Option) and any(
        said in param.help for said in ("- for standard output", "standard input; - for your own")
    )
    assert param.type.allow_dash is says
    if says:
        return
    Path("-").touch()
    others = [one for one in COMMANDS[words].params if isinstance(one, click.Argument) and one.required and one is not param]
    given = [f"{max(param.opts, key=len)}=-"] if isinstance(param, click.Option) else ["--", "-"]
    required = [f"{max(one.opts, key=len)}=out" for one in COMMANDS[words].params if isinstance(one, click.Option) and one.required]
    assert main([*words, *[one for one in required if one.split("=")[0] != given[0].split("=")[0]], *["." for _ in others], *given]) == 2
    named = re.escape(max(param.opts, key=len)) if isinstance(param, click.Option) else r"[A-Z]\S*"
    assert re.match(rf"error: .*\bvalue for {named}: ", capsys.readouterr().err)
    assert [one.name for one in tmp_path.iterdir()] == ["-"]


def test_every_file_is_known_as_one():
    """An option whose value is called a file or a folder has a path's type, so that the rule above holds for it."""
    named = [one for command in COMMANDS.values() for one in command.params if one.metavar in ("FILE", "DIR", "OUT")]
    assert [one for one in named if not isinstance(one.type, click.Path)] == []


def test_a_small_and_a_large_command(printed):
    """devices has no options; replay has more than anyone reads at once."""
    assert printed("devices", "-h") == printed("devices", "--help")
    short = printed("replay", "-h")
    assert "--handler FILE.py:NAME" in short
    assert "--thread-wait" not in short
    assert "--thread-wait SECONDS" in printed("replay", "--help")


@pytest.mark.parametrize(
    ("attrs", "text", "brief"),
    [
        ({"help": "Do it. Repeatable."}, "Do it. Repeatable.", "Do it."),
        ({"help": "Do it.", "default": 60.0, "show_default": True}, "Do it.  [default: 60]", "Do it."),
        ({"help": "Do it.", "default": 0.5, "show_default": True}, "Do it.  [default: 0.5]", "Do it."),
        ({"help": "Do it.", "otherwise": "127.0.0.1"}, "Do it.  [default: 127.0.0.1]", "Do it."),
        ({"help": "Do it.", "otherwise": "it is left"}, "Do it.  [default: it is left]", "Do it."),
        ({"help": "Do it.", "brief": "It."}, "Do it.", "It."),
        (
            {"help": "Do it.", "otherwise": "1", "type": click.IntRange(min=1), "metavar": "N"},
            "Do it.  [default: 1; at least 1]",
            "Do it.",
        ),
    ],
)
def test_what_help_says_of_an_option(attrs, text, brief):
    """Its help with the default, and in one line the first sentence unless another is given."""

    @click.command(cls=GroupedCommand)
    @option("--it", group=GROUPS[0], **attrs)
    def command():
        """Do something."""

    (one,) = command.params
    assert one.get_help_record(click.Context(command))[1] == text
    assert one.brief == brief


def test_the_page_of_options_is_what_the_declarations_say():
    """docs/reference/options.md is generated: python fixtures/make_options.py."""
    made = runpy.run_path(str(ROOT / "fixtures" / "make_options.py"))
    assert made["PAGE"].read_text(encoding="utf-8") == made["page"]()


# Where options of several commands are tried: those of a gate.
SHARED = ROOT / "tests" / "cli" / "options" / "test_gate_options.py"


def options():
    """Each option once, whatever commands have it: its flags, and the commands."""
    found = {}
    for words, command in COMMANDS.items():
        for one in command.params:
            if isinstance(one, GroupedOption):
                found.setdefault((one.name, one.help, *one.opts, *one.secondary_opts), []).append(words[-1])
    return [(flags, names) for (_, _, *flags), names in found.items()]


def words_of(file):
    """The words that a file has, flags among them."""
    return set(re.findall(r"[\w-]+", file.read_text(encoding="utf-8")))


def test_each_option_is_in_the_docs_and_in_a_test():
    """In a page that is written by hand, and in the tests of a command that has it."""
    in_pages = set().union(*(words_of(file) for file in (*ROOT.glob("docs/**/*.md"), ROOT / "README.md") if file.name != "options.md"))
    tests = {file: words_of(file) for file in ROOT.glob("tests/**/*.py") if file != Path(__file__)}
    nowhere = [flags for flags, _ in options() if in_pages.isdisjoint(flags)]
    untried = [
        flags
        for flags, commands in options()
        if not any(words.intersection(flags) and (file == SHARED or words.intersection(commands)) for file, words in tests.items())
    ]
    assert (nowhere, untried) == ([], [])
