"""The JSON Schemas of a line and of session.json, generated from the records.

    python -m evi_harness.storage.schema docs/reference

writes them into docs/reference/, where they are published; a test says so when they are out of date. They allow members that they do not
name, since a newer minor version of the format may add some.
"""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path
from typing import Any, Dict, Type, Union

import msgspec

from evi_harness.storage.header_file import FORMAT_NAME, HeaderFields
from evi_harness.storage.lines import KINDS

__all__ = ["SCHEMA_FILES", "header_schema", "line_schema", "write_schemas"]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def line_schema() -> Dict[str, Any]:
    """The schema of one line of events.jsonl."""
    kinds: Any = tuple(_with_any_json(kind) for kind in KINDS.values())
    return _published("A line of events.jsonl", _opened(_schema(Union[kinds])))


def header_schema() -> Dict[str, Any]:
    """The schema of session.json."""
    schema = _opened(_schema(HeaderFields))
    schema["$defs"]["HeaderFields"]["properties"]["format"] = {"const": FORMAT_NAME}
    return _published("session.json", schema)


SCHEMA_FILES = {"session-line.schema.json": line_schema, "session-header.schema.json": header_schema}


def write_schemas(folder: Path) -> None:
    """Write both schemas into a folder."""
    for name, schema in SCHEMA_FILES.items():
        (folder / name).write_text(json.dumps(schema(), indent=2) + "\n")


def _with_any_json(kind: Type[msgspec.Struct]) -> Type[msgspec.Struct]:
    """A copy of a record whose ``json`` may be anything; the raw bytes that stand for "none" have no place in a schema."""
    fields: Any = []
    for field in msgspec.structs.fields(kind):
        if field.type is msgspec.Raw:
            fields.append((field.name, Any, msgspec.field(default=msgspec.UNSET)))
        elif field.required:
            fields.append((field.name, field.type))
        else:
            fields.append((field.name, field.type, field.default_factory() if field.default is msgspec.NODEFAULT else field.default))
    config, namespace = kind.__struct_config__, {"__doc__": kind.__doc__}
    return msgspec.defstruct(kind.__name__, fields, tag_field=config.tag_field, tag=config.tag, namespace=namespace, kw_only=True)


def _schema(kind: Any) -> Any:
    (schema,), components = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    return {**schema, "$defs": components}


def _published(title: str, schema: Dict[str, Any]) -> Dict[str, Any]:
    return {"$schema": _DIALECT, "title": title, **schema}


def _opened(schema: Any) -> Any:
    """A schema that allows members it does not name.

    It is the same whatever the version of msgspec, which puts null at another place among alternatives, and of Python, which takes the
    indentation out of a docstring from 3.13 on.
    """
    if isinstance(schema, dict):
        return {name: _opened(inner) for name, inner in schema.items() if (name, inner) != ("additionalProperties", False)}
    if isinstance(schema, str):
        return inspect.cleandoc(schema)
    if isinstance(schema, list):
        return sorted((_opened(inner) for inner in schema), key=lambda inner: inner == {"type": "null"})
    return schema


if __name__ == "__main__":
    write_schemas(Path(sys.argv[1]))
