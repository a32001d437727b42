"""Tests of evi_harness.redacting.source_redaction."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.evi.dialect import EVI
from evi_harness.redacting.redaction import GENERAL_NAMES, Redactor
from evi_harness.redacting.source_redaction import is_secret_name, redacted_source

KEY = "Sk9xQ2mN7vB4tR8w"

# Source with a key in it → what is shown of it.
HIDDEN = {
    f'api_key = "{KEY}"': 'api_key = "[redacted]"',
    f"HUME_SECRET_KEY='{KEY}'": "HUME_SECRET_KEY='[redacted]'",
    f'humeApiKey = "{KEY}"': 'humeApiKey = "[redacted]"',
    f'password: str = "{KEY}"': 'password: str = "[redacted]"',
    f'access_token = rb"{KEY}"': 'access_token = rb"[redacted]"',
    f'f(secret="{KEY}", place="Bath")': 'f(secret="[redacted]", place="Bath")',
    f'f(secret="{KEY[:8]}" "{KEY[8:]}", place="Bath")': 'f(secret="[redacted]" "[redacted]", place="Bath")',
    f'headers={{"X-Hume-Api-Key": "{KEY}"}}': 'headers={"X-Hume-Api-Key": "[redacted]"}',
    f'auth = "Bearer {KEY}"': 'auth = "Bearer [redacted]"',
    f'os.environ["HUME_API_KEY"] = "{KEY}"': 'os.environ["HUME_API_KEY"] = "[redacted]"',
    f'os.environ.setdefault("HUME_API_KEY", "{KEY}")': 'os.environ.setdefault("HUME_API_KEY", "[redacted]")',
    f'x = os.getenv("HUME_API_KEY") or "{KEY}"': 'x = os.getenv("HUME_API_KEY") or "[redacted]"',
    f'setattr(app, "token", "{KEY}")': 'setattr(app, "token", "[redacted]")',
    f'pairs = [("token", "{KEY}"), ("place", "Bath")]': 'pairs = [("token", "[redacted]"), ("place", "Bath")]',
    f'token, place = "{KEY}", "Bath"': 'token, place = "[redacted]", "[redacted]"',
    f'if token != "{KEY}": pass': 'if token != "[redacted]": pass',
    f'TOKEN = (\n    "{KEY[:8]}"\n    "{KEY[8:]}"\n)': 'TOKEN = (\n    "[redacted]"\n    "[redacted]"\n)',
    f'TOKEN = \\\n    "{KEY}"': 'TOKEN = \\\n    "[redacted]"',
    f'd = {{\n    "token":\n        "{KEY}",\n    "a": "b",\n}}': 'd = {\n    "token":\n        "[redacted]",\n    "a": "b",\n}',
    f'API_KEYS = ["{KEY}", "{KEY}"]': 'API_KEYS = ["[redacted]", "[redacted]"]',
    f'private_key = """one\n{KEY}\n"""': 'private_key = """[redacted]\n[redacted]\n"""',
    f"-----BEGIN RSA PRIVATE KEY-----\n{KEY}\n-----END": "-----BEGIN RSA PRIVATE KEY-----\n[redacted]\n-----END",
    f"# api_key = {KEY}": "# api_key = [redacted]",
    f"# the token: {KEY}, of mine": "# the token: [redacted], of mine",
    f'"""Run with password={KEY} set."""': '"""Run with password=[redacted] set."""',
    f'url = "wss://x?api_key={KEY}"': 'url = "wss://x?api_key=[redacted]"',
    f'def f(place: str = "Bath", token: str = "{KEY}"): ...': 'def f(place: str = "Bath", token: str = "[redacted]"): ...',
}  # fmt: skip


@pytest.mark.parametrize("source", HIDDEN, ids=range(len(HIDDEN)))
def test_a_secret_is_hidden_by_its_name(source):
    """In whatever form Python has it; all else stays, and so does the number of lines."""
    told = redacted_source(source)
    assert told == HIDDEN[source]
    assert redacted_source(told) == told


def test_a_key_that_stands_elsewhere_in_the_file_is_hidden_too():
    """Where no name tells; a word that happens to be a value is not looked for."""
    assert redacted_source(f'token = "{KEY}"\nsay("{KEY}")') == 'token = "[redacted]"\nsay("[redacted]")'
    assert redacted_source('token = "development"\nsay("development")') == 'token = "[redacted]"\nsay("development")'


@pytest.mark.parametrize(
    "source",
    [
        'place = "Bath"',
        'x = self.token; place = "Bath"',
        'f(token, "Bath")',
        'tokens = text.split(" ")',
        "# the token: see below",
        "token = make_token_number_2()",
        'print(f"{n} tokens", "Bath")',
        'raise ValueError("the token is wrong", "Bath")',
        'if not self.token:\n    raise ValueError("Bath")',
        'tokenizer = load("Bath")',
        'secretary = "Bath"',
        'token = ""',
        'def f(token: str, place: str = "Bath"): ...',
        'x = app.tokens["Bath"]',
        "",
    ],
)
def test_what_is_no_secret_is_shown(source):
    """Names that look like it, names without a value, values of other names."""
    assert redacted_source(source) == source


@pytest.mark.parametrize("name", sorted({*EVI.secret_names, *GENERAL_NAMES}))
def test_every_name_of_a_dialect_counts(name):
    """Whoever adds one to a dialect is told here; and nothing is left that redaction would take for a value by its looks, and learn."""
    assert is_secret_name(name)
    assert KEY not in redacted_source(f'headers = {{"{name}": "{KEY}"}}')
    for form in ("f({}=some.expression_here)", "{}: some_type_here", "{} = some_name[some_index]", "if {} == some_long_value: pass"):
        redactor = Redactor(EVI.secret_names, EVI.folded_names)
        redactor.string(redacted_source(form.format(name)))
        assert redactor.string("some.expression_here some_type_here some_name[ some_long_value") == (
            "some.expression_here some_type_here some_name[ some_long_value"
        )


@pytest.mark.parametrize(
    ("name", "is_secret"),
    [("api_key", True), ("X-Hume-Api-Key", True), ("humeSecretKey", True), ("passwd", True), ("place", False), ("max_tokens", False)],
)
def test_which_names_are_secret(name, is_secret):
    """By a word in them."""
    assert is_secret_name(name) is is_secret


@given(st.text(alphabet="api_key=\"'\\\n#()[]{}:,; tokenx", max_size=60))
def test_any_text_keeps_its_lines(text):
    """Source need not parse, and twice is once."""
    told = redacted_source(text)
    assert told.count("\n") == text.count("\n")


@given(st.text(alphabet="abcXYZ0189_-", min_size=1, max_size=40), st.sampled_from(["'", '"', '"""', "'''"]))
def test_any_value_is_hidden(value, quote):
    """In each of Python's quotes, and Python would read it as it stands."""
    source = f"app.hume_api_key = {quote}{value}{quote}"
    ast.parse(source)
    assert redacted_source(source) == f"app.hume_api_key = {quote}[redacted]{quote}"
