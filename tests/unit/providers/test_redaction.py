"""Secrets that come back in an answer: gone in whatever encoding, and nothing else with them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lead_mining.exceptions import ProviderError
from lead_mining.providers.base import Gate, Query
from lead_mining.providers.odoo_iap import OdooIap
from lead_mining.providers.redaction import HIDDEN, without
from lead_mining.providers.transport import call_json

UUID = "0f3c5a1e-7b42-11ee-b962-0242ac120002"
ENCODINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "percent": lambda s: quote(s, safe=""),
    "percent, every byte": lambda s: "".join(f"%{byte:02x}" for byte in s.encode()),
    "percent, twice": lambda s: quote("".join(f"%{byte:02X}" for byte in s.encode()), safe=""),
    "base64": lambda s: base64.b64encode(s.encode()).decode(),
    "base64 for URLs": lambda s: base64.urlsafe_b64encode(s.encode()).decode().rstrip("="),
    "basic": lambda s: "Basic " + base64.b64encode(f"user:{s}".encode()).decode(),
    "basic, another user": lambda s: "Basic " + base64.b64encode(f"ab:{s}".encode()).decode(),
    "basic, secret first": lambda s: "Basic " + base64.b64encode(f"{s}:".encode()).decode(),
    "base64, percent": lambda s: quote(base64.b64encode(f"u:{s}".encode()).decode(), safe=""),
    "JSON within": lambda s: json.dumps({"token": s}),
    "escaped": lambda s: "".join(f"\\u{ord(character):04x}" for character in s),
    "HTML": lambda s: "".join(f"&#{ord(character)};" for character in s),
}
ANY_SECRET = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=3, max_size=40).filter(
    lambda s: s[0].isalnum() and s[-1].isalnum() and s != HIDDEN
)


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(secret=st.one_of(ANY_SECRET, st.just(UUID)))
def test_a_secret_of_any_length_is_taken_out_in_every_encoding(encoding: str, secret: str) -> None:
    encoded = ENCODINGS[encoding](secret)
    for text in (encoded, f"({encoded}).", f"/?1={encoded}&2=3"):
        cleaned = without((secret,))(text)
        assert encoded not in cleaned
        assert HIDDEN in cleaned


@given(st.text(max_size=60), ANY_SECRET.filter(lambda s: len(s) >= 5))
def test_all_else_stays_as_it_is(text: str, secret: str) -> None:
    if secret.lower() not in text.lower():
        assert without((secret,))(text) == text
    assert without(())(text) == without(("", " "))(text) == text


def test_a_short_secret_is_a_word_of_its_own() -> None:
    clean = without(("abc12",))
    assert clean("token=abc12&x") == f"token={HIDDEN}&x"
    assert clean("%3Dabc12%26") == f"%3D{HIDDEN}%26"
    assert clean("xabc12y abc123") == "xabc12y abc123"


def test_a_uuid_is_known_without_its_dashes_and_in_capitals() -> None:
    assert without((UUID,))(f"{UUID.upper()} {UUID.replace('-', '')}") == f"{HIDDEN} {HIDDEN}"


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("status", [200, 404])
def test_no_answer_and_no_error_has_the_token_or_the_databases_id(encoding: str, status: int) -> None:
    echoed = [ENCODINGS[encoding](secret) for secret in ("s3cr3t", "a-longer-token+/=", UUID)]
    body = {"result": {"data": []}, "echo": echoed, **{text: text for text in echoed}}
    answer = httpx.Response(status, json=body, headers={"X-Echo": " ".join(echoed)})
    client = httpx.Client(transport=httpx.MockTransport(lambda _: answer))
    read = call_json(
        client, "POST", "https://provider.test/x", secret="s3cr3t", other_secrets=["a-longer-token+/=", UUID],
        gate=Gate(), bucket="", json={}, accepted=(200, 404),
    )  # fmt: skip
    said = json.dumps([read.body, *read.headers.values()], ensure_ascii=False)
    assert not [text for text in echoed if text in said]


@pytest.mark.parametrize("token", ["s3cr3t", "a-longer-token+/="])
def test_odoos_provider_shows_neither_its_token_nor_the_databases_id(token: str) -> None:
    echoed = [encode(secret) for secret in (token, UUID) for encode in ENCODINGS.values()]
    said = {"error": {"data": {"name": "odoo.exceptions.UserError", "message": " ".join(echoed)}}}
    for body in (said, {"error": {"message": echoed[0]}}, {"result": echoed}, {"result": {"data": echoed[0]}}, echoed):
        client = httpx.Client(transport=httpx.MockTransport(lambda _, body=body: httpx.Response(200, json=body)))
        with pytest.raises(ProviderError) as caught:
            OdooIap("https://provider.test", token, UUID, client).fetch(Query(countries=("US",)), 5, None, None)  # type: ignore[arg-type]
        assert not [text for text in echoed if text in str(caught.value)]
