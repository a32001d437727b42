"""Write what docs/reference/api.md says of each public name, from its docstring: ``python docs/make_api.py``.

Rules of living here: what is above the mark in the page is written by hand; a test holds what is below it to what this makes.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from functools import cached_property
from pathlib import Path
from typing import Iterator, List, Mapping

import evi_harness
from evi_harness import errors, results
from evi_harness.session import events

PAGE = Path(__file__).resolve().parent / "reference" / "api.md"
MARK = "<!-- Below this line, the page is made by docs/make_api.py. -->\n"
_SECTION = re.compile(r"^(Args|Attributes|Returns|Yields|Raises|Example):$", re.MULTILINE)
_ATTRIBUTES = re.compile(r"^Attributes:\n((?:    .*\n?|\n)+)", re.MULTILINE)
_ENTRY = re.compile(r"^ {4}(\S.*?): ", re.MULTILINE)
_TITLES = {"Args": "Arguments"}
_SESSION = ("Opened", "Sent", "Received", "Closed", "Note", "Frame")
# Attributes that the rooms of the package need, and nobody else.
_INTERNAL = {"accepted", "as_accepted", "body", "invocation", "is_sum", "proposal", "redact", "redactor", "run", "secrets", "told"}


def page(text: str) -> str:
    """The page, with what is made of docstrings in the place of what was.

    Args:
        text: The page as it is.
    """
    return text.partition(MARK)[0] + MARK + "\n" + "\n".join(_made()).rstrip() + "\n"


def _made() -> Iterator[str]:
    yield "## Calls\n"
    for name in sorted(evi_harness.__all__):
        found = getattr(evi_harness, name)
        if inspect.isfunction(found):
            yield f"### {name}\n\n```python\nevi_harness.{name}{_signature(found)}\n```\n"
            yield _text(inspect.getdoc(found) or "")
    yield "## Errors\n"
    yield "In `evi_harness.errors`; the code is the command's exit code.\n"
    yield "| error | code | meaning |\n| --- | --- | --- |"
    for name in errors.__all__:
        found = getattr(errors, name)
        if isinstance(found, type) and issubclass(found, errors.EviHarnessError):
            yield f"| `{name}` | {found.exit_code} | {_first(found)} |"
    yield "\nEach has `what` (what is wrong), `where` (the folder, file and line, or None) and `hint` (what to do next, or None).\n"
    yield "## Classes\n"
    for name in ("Session", "WebSocketInterface"):
        yield from _class(f"evi_harness.{name}", getattr(evi_harness, name))
    yield "## Results\n"
    yield "Import these from `evi_harness.results` for annotations; calls return them.\n"
    for name in results.__all__:
        yield from _class(name, getattr(results, name))
    yield "## Events\n"
    yield "The events of a session, in `evi_harness.session.events`.\n"
    for name in _SESSION:
        yield from _class(name, getattr(events, name))


def _signature(function: object) -> str:
    """A call's arguments, one per line, with the defaults that it has."""
    found = inspect.signature(function)  # type: ignore[arg-type]
    lines: List[str] = []
    is_keyword = False
    for one in found.parameters.values():
        if one.kind is one.KEYWORD_ONLY and not is_keyword:
            is_keyword = True
            lines.append("*")
        stars = "**" if one.kind is one.VAR_KEYWORD else ""
        default = {} if isinstance(one.default, Mapping) else one.default
        lines.append(f"{stars}{one.name}: {one.annotation}" + ("" if default is one.empty else f" = {default!r}"))
    if not lines:
        return f"() -> {found.return_annotation}"
    return "(\n" + "".join(f"    {line},\n" for line in lines) + f") -> {found.return_annotation}"


def _class(name: str, found: type) -> Iterator[str]:
    """A class: what it is, and its attributes, properties and methods by what they say of themselves."""
    yield f"### {name.rpartition('.')[2]}\n"
    text = inspect.getdoc(found) or ""
    yield _text(_ATTRIBUTES.sub("", text))
    lines = {}
    for one in reversed(found.__mro__):
        body = _ATTRIBUTES.search(inspect.cleandoc(one.__doc__ or "")) if one.__module__.startswith("evi_harness") else None
        lines.update({} if body is None else {line.split("`")[1]: line for line in _entries(body[1])})
    for member, value in sorted(_members(found).items()):
        what = value.fget if isinstance(value, property) else value.func if isinstance(value, cached_property) else value
        said = _first(what)
        if said:
            lines[member] = f"- `{member}{'()' if inspect.isfunction(value) else ''}`: {said}"
    shown = [line for member, line in lines.items() if member not in _INTERNAL]
    if shown:
        yield "\n".join(shown) + "\n"


def _first(found: object) -> str:
    """The first paragraph of a docstring."""
    return _inline((inspect.getdoc(found) or "").partition("\n\n")[0].replace("\n", " "))


def _members(found: type) -> Mapping[str, object]:
    """What a class and those of ours that it is made of define, by name."""
    named = {}
    for one in reversed(found.__mro__):
        if one.__module__.startswith("evi_harness"):
            named.update({name: value for name, value in vars(one).items() if not name.startswith("_")})
    return {name: one for name, one in named.items() if isinstance(one, (property, cached_property)) or inspect.isroutine(one)}


def _text(text: str) -> str:
    """A docstring as Markdown."""
    parts = _SECTION.split(text)
    made = [_inline(parts[0].strip())]
    for title, body in zip(parts[1::2], parts[2::2]):
        body = body.strip("\n")
        if title == "Example":
            made.append(f"```pycon\n{textwrap.dedent(body).strip()}\n```")
        elif title in ("Returns", "Yields"):
            made.append(f"**{title}:** {_inline(' '.join(textwrap.dedent(body).split()))}")
        else:
            made.append(f"**{_TITLES.get(title, title)}:**\n\n" + "\n".join(_entries(body)))
    return "\n\n".join(made) + "\n"


def _entries(body: str) -> Iterator[str]:
    """The entries of a section, a line each."""
    entries = _ENTRY.split(body)
    for name, said in zip(entries[1::2], entries[2::2]):
        yield f"- `{name}`: {_inline(' '.join(said.split()))}"


def _inline(text: str) -> str:
    """Code in single backticks, and pages of the documentation as links."""
    text = text.replace("::\n", ":\n").replace("``", "`")
    return re.sub(r"docs/((?:[a-z-]+/)+)([a-z-]+)\.md", lambda found: f"[{found[2]}](../{found[1]}{found[2]}.md)", text)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
