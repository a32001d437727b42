"""Options of commands that write pages, and the progress of writing one."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Iterator, Optional, TypeVar

import click

from evi_harness.cli.options.grouped import OUTPUT, option
from evi_harness.cli.printing import echo, progress
from evi_harness.cli.report_files import in_a_folder

__all__ = ["audio_format_option", "html_option", "open_option", "open_page", "page_progress", "require_place"]

_Command = TypeVar("_Command", bound=Callable[..., Any])

# As in audio.page_tracks; a test compares them. A command's --help loads nothing of that.
AUDIO_FORMATS = ("ogg", "flac")


def audio_format_option(command: _Command) -> _Command:
    """Give a command ``--audio-format``."""
    return option(
        "--audio-format",
        group=OUTPUT,
        brief="The format of the page's audio.",
        type=click.Choice(AUDIO_FORMATS),
        default=AUDIO_FORMATS[0],
        show_default=True,
        help="The format of the page's audio: Ogg Vorbis, or FLAC, four times as large, for browsers that cannot play Ogg.",
    )(command)


def html_option(told: str) -> Callable[[_Command], _Command]:
    """Give a command ``--html`` and ``--audio-format``.

    Args:
        told: The help of ``--html``.
    """
    brief = "Write an HTML page with timeline and audio."
    html = option(
        "--html", group=OUTPUT, usual=True, metavar="FILE", type=click.Path(path_type=Path), callback=_place, brief=brief, help=told
    )
    return lambda command: html(audio_format_option(command))


def _place(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
    """Refuse what no page may be written to, before a command does its work."""
    place = in_a_folder(ctx, param, value)
    if place is None:
        return None
    from evi_harness.acts.paging.page_place import page_place, pages_place

    return pages_place(place) if place.is_dir() else page_place(place)


def require_place(ctx: click.Context, html: Optional[Path], is_many: bool) -> None:
    """Refuse a page that is a folder, and a folder of pages that is a file, before a command does its work.

    Args:
        ctx: The command's.
        html: Where the page or the pages are to be written; None for nowhere.
        is_many: Whether it is a folder of pages.

    Raises:
        click.BadParameter: It is the other.
    """
    if html is None or not html.exists() or html.is_dir() == is_many:
        return
    what = (
        "is a file, and the pages of several sessions need a folder" if is_many else "is a folder, and the page of one session needs a file"
    )
    raise click.BadParameter(f"{str(html)!r} {what}", ctx, param_hint="'--html'")


def open_option(command: _Command) -> _Command:
    """Give a command ``--open``, as its parameter ``is_opened``."""
    return option("--open", "is_opened", group=OUTPUT, is_flag=True, help="Open the page in the browser.")(command)


def open_page(file: Path) -> None:
    """Open a page in the browser, or say that there is none."""
    if click.launch(file.absolute().as_uri()) != 0:
        echo(f"note: found no browser to open {file} with", err=True)


@contextmanager
def page_progress() -> Iterator[Callable[[int, int], object]]:
    """Show on a terminal how much of the sound of a page is done, and how long the rest will take.

    Yields:
        What is called with how many seconds of sound are done, and how many there are.
    """
    with progress("making the page", 1) as advance:
        # Of a session of length 0 nothing is to be done, and yet a block of its sound may be.
        yield lambda done, total: advance.part(min(1.0, done / max(1, total)))
