"""Tests of evi_harness.storage.base64_form."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.storage import base64_form
from evi_harness.storage.lines import Form

FORMS = st.builds(
    Form,
    alphabet=st.sampled_from(["std", "url"]),
    padded=st.booleans(),
    wrap=st.integers(1, 80),
    line_break=st.sampled_from(["\\n", "\\r\\n", "\\u000a", "\\u000D\\u000A", "\\t"]),
    last_break=st.booleans(),
    escaped_slash=st.booleans(),
) | st.builds(Form, alphabet=st.sampled_from(["std", "url"]), padded=st.booleans(), escaped_slash=st.booleans())


@given(st.binary(max_size=300), FORMS)
def test_every_form_is_recognised_and_given_back(data, form):
    """read finds the bytes of what write wrote, and a form that writes the same text."""
    text = base64_form.write(data, form)
    found = base64_form.read(text)
    if not data and form.last_break:
        # A line break alone holds no base64; it may be kept verbatim.
        return
    assert found is not None
    assert found[0] == data
    assert base64_form.write(*found) == text


@given(st.text("AQab9+/-_=\\nu0 *", max_size=24))
def test_what_is_read_is_written_again_or_refused(text):
    """read never answers with a form that would change a character."""
    found = base64_form.read(text.encode())
    assert found is None or base64_form.write(*found) == text.encode()


@pytest.mark.parametrize(
    "text", [b"A", b"A===", b"QR==", b"QQ=", b"QQ==QQ==", b"Q Q=", b"QQ\n==", b"+-+-", b"QQ==\\", b"\\", b"QUFB\\nQUFBQUFB", b"\\nQUFB"]
)
def test_what_no_form_describes_is_refused(text):
    """Wrong padding, left-over bits, mixed alphabets and uneven lines are None."""
    assert base64_form.read(text) is None


def test_plain_base64_needs_no_more_than_two_fields():
    """The usual form is standard, padded and nothing else."""
    assert base64_form.read(base64.b64encode(b"hello")) == (b"hello", Form("std", True))
    assert base64_form.read(b"") == (b"", Form("std", True))
