"""No error text carries a secret, however it was quoted."""

from __future__ import annotations

from urllib.parse import quote, quote_plus

from hypothesis import given
from hypothesis import strategies as st

from app.rotation.redact import LONGEST_MESSAGE, MASK, redact


@given(st.text(min_size=4, max_size=60), st.text(max_size=50), st.text(max_size=50))
def test_a_secret_is_gone_as_it_stands_and_url_encoded(secret: str, before: str, after: str) -> None:
    for form in (secret, quote(secret, safe=""), quote_plus(secret)):
        if form not in MASK:
            assert form not in redact(f"{before}{form}{after}", [secret]).replace(MASK, "")


def test_sql_quoting_does_not_hide_a_secret() -> None:
    assert redact("PASSWORD 'it''s-secret'", ["it's-secret"]) == f"PASSWORD '{MASK}'"


def test_the_longer_of_two_secrets_goes_first() -> None:
    assert redact("hunter2hunter2", ["hunter2", "hunter2hunter2"]) == MASK


def test_a_long_text_is_cut_to_what_the_store_holds() -> None:
    assert len(redact("x" * 5000, [])) == LONGEST_MESSAGE
