"""``evi-harness replay SESSION``."""

from __future__ import annotations

import sys
from contextlib import ExitStack, nullcontext, redirect_stdout
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import click
from click.core import ParameterSource

from evi_harness.bounds import MOST_RUNS
from evi_harness.cli.flags import in_flags
from evi_harness.cli.options.found_sessions import found_sessions
from evi_harness.cli.options.gate_again import judged_here
from evi_harness.cli.options.gate_options import NAMES, ci_options, gate_options
from evi_harness.cli.options.grouped import COMPARISON, HANDLER, LIVE, MANY, OUTPUT, OUTSIDE, SOUND, TIME, GroupedCommand, option
from evi_harness.cli.options.handler_arguments import arguments_option, by_key
from evi_harness.cli.options.incomplete_option import ALLOW_INCOMPLETE, allow_incomplete_option
from evi_harness.cli.options.min_sessions import min_sessions_option
from evi_harness.cli.options.page_options import html_option, page_progress, require_place
from evi_harness.cli.options.seconds import Seconds
from evi_harness.cli.options.with_a_command import refuse_with_a_command, split_words
from evi_harness.cli.printing import Advance, echo, echo_report, progress, width
from evi_harness.cli.report_files import STANDARD_OUTPUT, absolute, json_option, write_json

if TYPE_CHECKING:
    from evi_harness.acts.asked_of_gate import GateOptions
    from evi_harness.acts.ci_outputs import CiOptions
    from evi_harness.acts.measured_runs import Replayed
    from evi_harness.acts.replay_live import Reached
    from evi_harness.runs.replay_options import ReplayOptions
    from evi_harness.session.json_value import Json
    from evi_harness.verdicts.invoking import Command

__all__ = ["command"]


class ReplayCommand(GroupedCommand):
    """``replay``, which takes a command behind ``--``."""

    def parse_args(self, ctx: click.Context, args: List[str]) -> List[str]:
        """Read the words up to ``--``; what stands behind is the command's."""
        if "--" in args[1:]:
            at = args.index("--", 1)
            ctx.meta[_WORDS] = tuple(args[at + 1 :])
            args = args[:at]
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: click.Context) -> List[str]:
        """The arguments, and the command."""
        return [*super().collect_usage_pieces(ctx), "[-- COMMAND...]"]


# Where the words behind ``--`` are kept.
_WORDS = "evi_harness.command"


@click.command("replay", cls=ReplayCommand)
@click.argument("sessions", metavar="SESSION...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@option(
    "--handler",
    group=HANDLER,
    usual=True,
    metavar="FILE.py:NAME",
    brief="Your handler; PACKAGE.MODULE:NAME works, too.",
    otherwise="built in, prints the transcript",
    help="Your handler, as FILE.py:NAME or PACKAGE.MODULE:NAME; 'builtin' for the built-in one, or 'recorded' to check the replay itself.",
)
@arguments_option
@option(
    "--child/--no-child",
    group=HANDLER,
    default=True,
    show_default=True,
    brief="Run the handler in a child process.",
    help="Run the handler in a child process, so that even a crash is reported. Use --no-child with a debugger or profiler.",
)
@option(
    "--stdin",
    group=HANDLER,
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    otherwise="what the recorded user typed, or your own if it is a file or a pipe",
    help="With COMMAND: a file for the app's standard input; - for your own.",
)
@option(
    "--follow/--no-follow",
    group=HANDLER,
    default=True,
    show_default=True,
    brief="With COMMAND: include programs that it starts.",
    help="With COMMAND: include Python programs that the app starts; the first one that connects gets the session.",
)
@option(
    "--drive",
    group=HANDLER,
    metavar="COMMAND",
    brief="With COMMAND: another one, which calls the app.",
    help="With COMMAND and --clock real: start this second command once the app listens for callers, and end the run when it has ended. "
    "{app} in it stands for the app's address, HOST:PORT.",
)
@option(
    "--together",
    group=HANDLER,
    is_flag=True,
    brief="With COMMAND: the sessions are one run's connections.",
    help="With COMMAND: the sessions are the connections that one run of the app opens. It is started once for each, and judged by it.",
)
@option(
    "--upgrade", group=HANDLER, is_flag=True, help="Add to old messages the fields that the installed SDK requires; the report lists them."
)
@option(
    "--severity",
    "severities",
    group=HANDLER,
    metavar="NAME=LEVEL",
    multiple=True,
    callback=by_key,
    brief="How serious a finding is: error, warning or off.",
    help="Treat a kind of finding as an error, which fails the replay, as a warning, or not at all (off). docs/reference/findings.md lists "
    "the names. Repeatable.",
)
@option(
    "--blocked-ms",
    group=HANDLER,
    metavar="MS",
    type=click.FloatRange(min=0),
    otherwise="100, in real time 250",
    help="Report the event loop as blocked if a single callback or step of a task holds it for at least this many milliseconds.",
)
@option(
    "--twice",
    group=COMPARISON,
    usual=True,
    is_flag=True,
    brief="Replay twice, and fail if the runs differ.",
    help="Replay twice, and fail if the runs differ in a byte, but for IDs that the app makes up; in virtual time only.",
)
@option(
    "--ignore",
    group=COMPARISON,
    usual=True,
    metavar="PATH",
    multiple=True,
    brief="Leave this JSON path out of the comparison.",
    help="Leave this JSON path out of the comparison, such as '$.content', '$..time' or 'TYPE:$.a[0]'. Repeatable.",
)
@option(
    "--strict",
    group=COMPARISON,
    usual=True,
    is_flag=True,
    brief="Also compare values that are new in every run.",
    help="Also compare values that are new in every run, such as IDs.",
)
@option(
    "--max-late",
    "max_late_ms",
    group=COMPARISON,
    metavar="MS",
    type=click.FloatRange(min=0),
    otherwise="late messages are reported, and pass",
    help="Fail if your app sends a message more than this many milliseconds late.",
)
@allow_incomplete_option("Accept recordings that are incomplete or damaged; without it they fail.", ALLOW_INCOMPLETE)
@option(
    "--update",
    group=COMPARISON,
    usual=True,
    is_flag=True,
    brief="Accept what the app sends now as expected.",
    help="Accept what the app sends now: write it to expected.jsonl, beside the recording, for later replays to compare with. Shows each "
    "change; on a terminal it asks first.",
)
@option(
    "--dry-run",
    group=COMPARISON,
    is_flag=True,
    brief="With --update: show changes, write nothing.",
    help="With --update: show what would change and write nothing. Exits with 1 if anything would.",
)
@option(
    "--clock",
    group=TIME,
    usual=True,
    type=click.Choice(["virtual", "real", "auto"]),
    default="virtual",
    show_default=True,
    metavar="CLOCK",
    brief="virtual time, or real time over a socket.",
    help="virtual time, which skips all waiting, or real time, over a socket to a server in another process. With COMMAND also auto: "
    "in virtual time, and if that does not support the app, again in real time.",
)
@option(
    "--speed",
    group=TIME,
    usual=True,
    metavar="N",
    brief="Replay N times as fast; max: without pauses.",
    help="Replay N times as fast as recorded; max: with no pauses at all.",
)
@option(
    "--max-gap", group=TIME, metavar="SECONDS", help="Shorten pauses, in which nobody speaks and nothing arrives, to this many seconds."
)
@option(
    "--from",
    "first",
    group=TIME,
    usual=True,
    metavar="PLACE",
    brief="Start here: 12.5 or 1m3s, event '#123', turn t3.",
    help="Start here: a time such as 12.5 or 1m3s, an event such as '#123', or a turn such as t3.",
)
@option(
    "--until",
    "last",
    group=TIME,
    usual=True,
    metavar="PLACE",
    brief="End after this place.",
    help="End after this place, in the same form as --from.",
)
@option(
    "--timeout",
    "timeout_s",
    group=TIME,
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    type=Seconds(min=0.1),
    help="Give up if the replay makes no progress for this long, in real time.",
)
@option(
    "--max-run-time",
    "max_run_s",
    group=TIME,
    metavar="SECONDS",
    type=Seconds(min=0.1),
    otherwise="3600; with --clock real, plus twice the recording",
    help="End and fail a run that takes longer than this, in real time.",
)
@option(
    "--thread-wait",
    "thread_wait_s",
    group=TIME,
    default=0.2,
    show_default=True,
    metavar="SECONDS",
    type=Seconds(min=0),
    help="Hold the virtual clock for up to this long, in real time, while a job runs on another thread.",
)
@option(
    "--microphone",
    group=SOUND,
    type=click.Choice(["auto", "sdk", "off"]),
    default="auto",
    show_default=True,
    help="Where the user's audio comes from: auto, the SDK's microphone until your app sends its own; sdk, always the SDK's microphone; "
    "off, only your app.",
)
@option(
    "--allow-host",
    "allow_hosts",
    group=OUTSIDE,
    usual=True,
    metavar="HOST[:PORT]",
    multiple=True,
    brief="Let the app connect to this host, too.",
    help="Let the app connect to this host, too; by default, it reaches only the service. Repeatable.",
)
@option(
    "--wall-clock",
    group=OUTSIDE,
    type=click.Choice(["machine", "recorded"]),
    default="machine",
    show_default=True,
    help="The time of day that the app sees: this machine's, or the recording's.",
)
@option(
    "--seed",
    group=OUTSIDE,
    usual=True,
    metavar="N",
    type=click.IntRange(0, 2**32 - 1),
    brief="Seed random and numpy.random.",
    help="Seed random and numpy.random with N; later runs use N+1, N+2, ...",
)
@option(
    "--repeat",
    "n_runs",
    group=MANY,
    usual=True,
    metavar="N",
    default=1,
    show_default=True,
    type=click.IntRange(1, MOST_RUNS),
    help="Replay each session N times.",
)
@option(
    "-j",
    "--jobs",
    group=MANY,
    usual=True,
    metavar="N",
    type=click.IntRange(min=1),
    otherwise="one per processor",
    help="Replay N sessions at a time.",
)
@min_sessions_option()
@option("-q", "--quiet", group=MANY, is_flag=True, help="Print only what did not pass, grouped by cause, and the verdict.")
@option("-v", "--verbose", group=MANY, is_flag=True, help="Print the report of every session that did not pass, instead of one per cause.")
@option("-x", "--exitfirst", group=MANY, usual=True, is_flag=True, help="Stop at the first session that does not pass.")
@option(
    "--last-failed",
    group=MANY,
    usual=True,
    is_flag=True,
    brief="Replay only sessions that failed last time.",
    help="Replay only sessions that did not pass last time; all of them if there are none.",
)
@option("--executor", group=MANY, metavar="URL", help="Replay on a Dask cluster: dask://HOST:PORT or tls://HOST:PORT.")
@option(
    "--live",
    group=LIVE,
    usual=True,
    is_flag=True,
    brief="Repeat the conversation with a live service.",
    help="Repeat the user's side of the conversation with a live service, without your handler; see docs/how-to/live.md.",
)
@option(
    "--dialect",
    group=LIVE,
    metavar="NAME",
    otherwise="the recording's",
    brief="With --live: the protocol of the service.",
    help="With --live: the protocol of the service, evi or openai-realtime. If it is not the recording's, the conversation is carried "
    "over; see docs/how-to/migrating.md.",
)
@option(
    "--setup",
    group=LIVE,
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    otherwise="what the recording sets up",
    brief="With --dialect: how to set up the new session.",
    help="With --dialect: a JSON file with the configuration of the new session, such as instructions, tools, turn detection and model.",
)
@option(
    "--base-url",
    group=LIVE,
    metavar="URL",
    otherwise="HUME_BASE_URL or OPENAI_BASE_URL, else the service's own",
    help="With --live: the service's URL.",
)
@option(
    "--config-id",
    group=LIVE,
    metavar="ID",
    otherwise="HUME_CONFIG_ID, else the recorded one",
    help="With --live: the EVI configuration to use.",
)
@option(
    "--cadence",
    group=LIVE,
    type=click.Choice(["turn", "clock"]),
    default="turn",
    show_default=True,
    help="With --live: when the user speaks: turn, as long after each reply as in the recording; clock, at the recorded times.",
)
@option(
    "--max-duration",
    "max_duration_s",
    group=LIVE,
    metavar="SECONDS",
    type=Seconds(min=0.1),
    otherwise="twice the recording plus 60",
    help="With --live: end the conversation after this long.",
)
@option(
    "--patience",
    "patience_s",
    group=LIVE,
    metavar="SECONDS",
    default=30.0,
    show_default=True,
    type=Seconds(min=0),
    help="With --live: wait this long for a late reply.",
)
@option(
    "--ca",
    group=LIVE,
    metavar="FILE",
    type=click.Path(exists=True, path_type=Path),
    otherwise="the system's",
    help="With --live: a PEM file of certificate authorities to trust.",
)
@option(
    "--yes",
    group=LIVE,
    is_flag=True,
    help="With --live: send to another machine without asking. With --update: write without asking.",
)
@gate_options
@ci_options
@option(
    "--out",
    group=OUTPUT,
    usual=True,
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    callback=absolute,
    brief="Write the replay as a session in DIR.",
    help="Write the replay as a session to DIR/<UTC time>-<name>-replay/, with the audio that was played in heard.wav.",
)
@html_option("Write an HTML page with a timeline and the audio; for several sessions a folder, with a page for each and index.html.")
@json_option("the report", "replay-report.schema.json")
@click.pass_context
def command(
    ctx: click.Context, /, sessions: Tuple[Path, ...], json_file: Optional[str], gate: GateOptions, ci: CiOptions, **_: object
) -> int:
    """Replay sessions to your app and report what changed.

    A SESSION is a session folder, or a folder of session folders. The app is your handler, or a COMMAND that starts it as it is, such as
    python app.py: docs/how-to/commands.md has examples.

    The handler is a function on_message(message) or
    on_message(message, stream); an object or a class with any of on_message, set_socket, on_open, on_close and on_error, as in Hume's
    quickstart; a function main(socket) or main(socket, stream) that reads the connection itself; or a function that returns one of these.
    The built-in handler prints the transcript with the strongest emotions.

    Exits with 0 if every recording is complete, every replay matches its recording (or what --update accepted), no finding is
    an error, and every gate passes; with 1 if not, or if you decline an update; with 4 if a gate is inconclusive.
    """
    from evi_harness.quiet_loading import loading

    with loading():
        from evi_harness.acts.replay_gate import judge_for, lines_with_gate
        from evi_harness.verdicts.invoking import Command
        from evi_harness.verdicts.loading import load_session, may_be_session

    values, words = ctx.params, ctx.meta.get(_WORDS)
    folders = found_sessions(sessions, values["min_sessions"])
    is_many = len(folders) > 1 or folders[0] != sessions[0]
    if not is_many and not may_be_session(folders[0]):
        # It says what is there instead, before any option is said not to go with it.
        load_session(folders[0])
    _refuse_what_changes_nothing(ctx, is_many)
    require_place(ctx, values["html"], is_many)
    asks = values["update"] and not values["dry_run"] and not values["yes"] and _is_asked()
    names_no_handler = not values["live"] and values["handler"] is None and words is None
    judge = judge_for(gate, is_replay=not values["live"], names_no_handler=names_no_handler)
    asked, by = _asked(ctx, folders, defer=asks), Command.here(ctx.obj)
    # With the report on standard output, people read standard error; so does what the handler itself prints.
    aside = json_file == STANDARD_OUTPUT
    with redirect_stdout(sys.stderr) if aside else nullcontext():
        if values["live"]:
            result: Replayed = _live(folders, ctx, by, is_many=is_many)
        elif is_many:
            result = _many(folders, asked, by, ctx, keep_json=json_file is not None, keep_run=judge is not None)
        else:
            result = _one(folders[0], asked, by, ctx, aside)
        if asks:
            result = _accepted(result, aside)
        if is_many:
            result = _called_by_flags(result)
        found = None if judge is None else judged_here(ctx, judge(result))
    gate_told = None if found is None else found.json()
    try:
        *lines, last = lines_with_gate(result, found)
        if values["quiet"] and not is_many and not result.exit_code and (found is None or found.passed):
            lines = []
        page: Dict[str, str] = {}
        try:
            told, page = _pages(result, gate_told, values["html"], values["audio_format"])
            lines += told
            if result.exit_code and width(err=aside) is not None:
                lines += _at_the_end(result, len(lines), is_many)
        finally:
            echo_report((*lines, last), result.exit_code or (0 if found is None else found.exit_code), err=aside)
    finally:
        # Also where nobody can be told: what was asked for is written.
        write_json(json_file, lambda: {**result.json(), "gate": gate_told, **page})
        if ci.is_needed:
            from evi_harness.acts.ci_outputs import cases_of_result, tell_ci

            gates = () if found is None else (found,)
            tell_ci(ci, cases_of_result(result, asked.handler), gates, write=lambda line: echo(line, err=aside))
    return result.exit_code or (0 if found is None else found.exit_code)


# Options for one way of replaying alone, by the names of their parameters.
_OF_LIVE = ("live", "dialect", "setup", "base_url", "config_id", "cadence", "max_duration_s", "patience_s", "ca")
_OF_MANY = ("jobs", "executor", "verbose", "exitfirst", "last_failed")
# What a live replay has use for besides its own.
_ALSO_LIVE = ("sessions", "out", "json_file", "html", "audio_format", "allow_incomplete", "yes", *NAMES)
# What an update has use for, and nothing else but perhaps a live replay.
_OF_UPDATE = ("dry_run", "yes")


def _refuse_what_changes_nothing(ctx: click.Context, is_many: bool) -> None:
    """Refuse options that would change nothing in this way of replaying."""
    given = ctx.params
    way = _Way(given["live"], is_many, _WORDS in ctx.meta, bool(given["update"]), given["dialect"] is not None)
    if way.has_command:
        refuse_with_a_command(ctx)
    elif given["stdin"] is not None:
        raise click.UsageError("--stdin needs a command after --", ctx)
    for param in ctx.command.params:
        name = param.name or ""
        if ctx.get_parameter_source(name) == ParameterSource.COMMANDLINE:
            lacks = _lack(name, way)
            if lacks is not None:
                # The only one of them that switches off.
                flag = param.secondary_opts[0] if name == "follow" else param.opts[-1]
                raise click.UsageError(f"{flag} {lacks}", ctx)
    if way.is_live and is_many and not way.names_dialect:
        raise click.UsageError("--live takes one session at a time, unless --dialect names another protocol", ctx)
    if way.is_live and is_many and given["html"] is not None:
        raise click.UsageError("--html with --live takes one session at a time", ctx)


class _Way(NamedTuple):
    """The way of replaying that was asked for, on which some options depend."""

    is_live: bool
    is_many: bool
    has_command: bool
    updates: bool
    names_dialect: bool


def _lack(name: str, way: _Way) -> Optional[str]:
    """What an option lacks, in the words behind its flag; None where it has all that it needs."""
    if way.is_live:
        # With --dialect a handler answers the calls of the other service.
        is_used = name in (*_OF_LIVE, *_ALSO_LIVE) or (name == "handler" and way.names_dialect)
        return None if is_used else "cannot be used with --live, which repeats the user's side to a service and runs no app"
    missing = {
        "needs --live": name in _OF_LIVE and not (name == "base_url" and way.has_command),
        "needs --update": name in _OF_UPDATE and name not in _ALSO_LIVE and not way.updates,
        "needs --update or --live": name in _OF_UPDATE and name in _ALSO_LIVE and not way.updates,
        "needs a COMMAND after --": name in ("follow", "drive") and not way.has_command,
        "needs several sessions and a COMMAND": name == "together" and not (way.is_many and way.has_command),
        "needs several sessions": name in _OF_MANY and not way.is_many,
    }
    return next((lacks for lacks, is_missing in missing.items() if is_missing), None)


# What is more than so many lines may have gone off the screen.
_SCREEN = 20


def _at_the_end(result: Replayed, n_lines: int, is_many: bool) -> List[str]:
    """What a terminal shows above the verdict: why a long report failed, and how to go on."""
    from evi_harness.acts.replay import ReplayResult
    from evi_harness.settings.program import program

    if is_many:
        return ["next       --last-failed replays only those that did not pass, -x stops at the first of them"]
    if n_lines <= _SCREEN or not isinstance(result, ReplayResult) or not result.report.cause:
        return []
    return [f"cause      {result.report.cause}", f"next       --json FILE writes the report, {program()} explain FILE says what to try"]


def _pages(
    result: Replayed, gate: Optional[Mapping[str, Json]], html: Optional[Path], audio_format: str
) -> Tuple[Sequence[str], Dict[str, str]]:
    """Write the page of a result, where one is asked for: what to tell people of it, and what its report as JSON says of it."""
    if html is None:
        return (), {}
    from evi_harness.quiet_loading import loading

    with loading():
        from evi_harness.acts.paging.page_folder import pages_told

    with page_progress() as progress:
        written = pages_told(result, html, gate=gate, audio_format=audio_format, progress=progress)
    return written.lines, {"page": written.place}


def _is_asked() -> bool:
    """Whether somebody is there to be asked."""
    from evi_harness.acts.ci_outputs import is_unattended

    return sys.stdin is not None and sys.stdin.isatty() and not is_unattended()


def _called_by_flags(result: Replayed) -> Replayed:
    from evi_harness.acts.measured_runs import called_by

    return called_by(result, in_flags)


def _accepted(result: Replayed, aside: bool) -> Replayed:
    from evi_harness.acts.accepting import accept_if_agreed

    return accept_if_agreed(result, agree=lambda what: click.confirm(what, err=True), write=lambda line: echo(line, err=aside))


def _asked(ctx: click.Context, folders: Sequence[Path], *, defer: bool) -> ReplayOptions:
    """The options of each single replay: a parameter of the command that is one bears its name."""
    from evi_harness.runs.replay_options import ReplayOptions

    given = {one.name: ctx.params[one.name] for one in fields(ReplayOptions) if one.name in ctx.params}
    if _WORDS in ctx.meta:
        from evi_harness.quiet_loading import loading

        with loading():
            from evi_harness.acts.commanding import app_command

        # It is a process of its own in any case.
        stdin, follow, together = ctx.params["stdin"], ctx.params["follow"], ctx.params["together"]
        drive = () if ctx.params["drive"] is None else split_words(ctx.params["drive"])
        handler = app_command(ctx.meta[_WORDS], ctx.params["base_url"], stdin=stdin, follow=follow, together=together, drive=drive)
        # All of them, also where only those that failed are replayed again.
        given.update(handler=replace(handler, sessions=tuple(map(str, folders)) if together else ()), child=False)
    return ReplayOptions(**given, defer=defer)


def _one(folder: Path, asked: ReplayOptions, by: Command, ctx: click.Context, aside: bool) -> Replayed:
    from evi_harness.quiet_loading import loading

    with loading():
        from evi_harness.acts.repeating import replay_repeatedly

    def write(line: str) -> None:
        if ctx.params["quiet"]:
            return
        try:
            echo(line, err=aside)
        except BrokenPipeError:
            raise
        except OSError:
            # The report says so when it is printed; until then there is more to do than to print.
            return

    # In one process with the app, nothing of ours runs beside it.
    with progress("replaying", 1) if asked.child else nullcontext(Advance(None)) as advance:
        return replay_repeatedly(folder, ctx.params["n_runs"], asked, write=write, on_part=advance.part, command=by)


def _many(folders: List[Path], asked: ReplayOptions, by: Command, ctx: click.Context, *, keep_json: bool, keep_run: bool) -> Replayed:
    from evi_harness.quiet_loading import loading

    with loading():
        from evi_harness.acts.corpus import NORMAL, QUIET, VERBOSE, replay_corpus
        from evi_harness.acts.paging.page_folder import PageFolder
        from evi_harness.settings.last_failed import failed_last, remember

    if ctx.params["quiet"] and ctx.params["verbose"]:
        raise click.UsageError("-q and -v cannot be combined", ctx)
    if ctx.params["last_failed"]:
        failed = failed_last(folders)
        # Never a run of nothing, which would pass.
        told = (
            f"{len(failed)} of {len(folders)} sessions failed last time"
            if failed
            else "no session is known to have failed last time: replaying all of them"
        )
        echo(told, err=True)
        folders = failed or folders
    html = ctx.params["html"]
    pages = None if html is None else PageFolder(html, ctx.params["audio_format"])
    with progress("replaying", len(folders)) if asked.child or _WORDS in ctx.meta else nullcontext(Advance(None)) as advance:
        report = replay_corpus(
            folders,
            asked,
            n_runs=ctx.params["n_runs"],
            n_jobs=ctx.params["jobs"],
            executor=ctx.params["executor"],
            on_done=advance.done,
            keep_json=keep_json,
            keep_run=keep_run,
            stop_at_first=ctx.params["exitfirst"],
            told=QUIET if ctx.params["quiet"] else VERBOSE if ctx.params["verbose"] else NORMAL,
            pages=pages,
            command=by,
        )
    remember({Path(one.folder): not one.exit_code for one in report.outcomes})
    return report


def _live(folders: Sequence[Path], ctx: click.Context, by: Command, *, is_many: bool) -> Replayed:
    from evi_harness.acts.moving.migrating_many import migrate_sessions
    from evi_harness.acts.replay_live import LiveReplayOptions, replay_live
    from evi_harness.settings.new_folder import DEFAULT_OUT

    values = ctx.params
    options = LiveReplayOptions(
        base_url=values["base_url"],
        config_id=values["config_id"],
        cadence=values["cadence"],
        out=values["out"] or Path(DEFAULT_OUT),
        max_duration_s=values["max_duration_s"],
        patience_s=values["patience_s"],
        ca=values["ca"],
        allow_incomplete=values["allow_incomplete"],
        dialect=values["dialect"],
        setup=values["setup"],
        handler=values["handler"],
    )
    agree = lambda what: values["yes"] or (sys.stdin.isatty() and click.confirm(what, err=True))  # noqa: E731 - it is handed on
    shown: List[Advance] = []
    with ExitStack() as stack:

        def show(reached: Reached, done: int = 0) -> None:
            # Not before: until then, somebody may be asked.
            if not shown:
                shown.append(stack.enter_context(progress("replaying live", 1)))
            part, where = _place(reached)
            shown[0].part((done + part) / len(folders), where)

        if is_many:
            return migrate_sessions(folders, options, agree, on_part=lambda number, reached: show(reached, number), command=by)
        return replay_live(folders[0], options, agree=agree, on_part=show, command=by)


def _place(reached: Reached) -> Tuple[float, str]:
    """How much of a conversation is over, and where that is, as a terminal shows it."""
    from evi_harness.terminal.progress import clock

    time = f"{clock(reached.at_ns / 1e9)} of {clock(reached.whole_ns / 1e9)}"
    where = f"turn {reached.turn} of {reached.n_turns}, {time}" if reached.n_turns else time
    return reached.at_ns / max(1, reached.whole_ns), where
