"""Transport failures, told apart; answers of any size and shape."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from lead_mining.exceptions import (
    MalformedAnswer,
    ProviderAccessDenied,
    ProviderError,
    ProviderRejected,
    ProviderUnavailable,
)
from lead_mining.providers import transport

URL = "https://provider.test/mine"


def post(answer: httpx.Response | Exception) -> Any:
    def respond(_: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return transport.post_json(httpx.Client(transport=httpx.MockTransport(respond)), URL, {}, "a-long-secret")


@pytest.mark.parametrize(
    ("answer", "expected", "charge"),
    [
        (httpx.ConnectError("refused"), ProviderUnavailable, "none"),
        (httpx.ConnectTimeout("slow"), ProviderUnavailable, "none"),
        (httpx.PoolTimeout("busy"), ProviderUnavailable, "none"),
        (httpx.ReadTimeout("slow"), ProviderUnavailable, "pending"),
        (httpx.WriteTimeout("slow"), ProviderUnavailable, "pending"),
        (httpx.ReadError("reset"), ProviderUnavailable, "pending"),
        (
            httpx.RemoteProtocolError("peer closed connection without sending complete message body"),
            ProviderUnavailable,
            "pending",
        ),
        (httpx.Response(429), ProviderUnavailable, "none"),
        (httpx.Response(500, json={"oops": 1}), ProviderUnavailable, "unknown"),
        (httpx.Response(503), ProviderUnavailable, "unknown"),
        (httpx.Response(504), ProviderUnavailable, "pending"),
        (httpx.Response(200, content=b""), ProviderUnavailable, "unknown"),
        (httpx.Response(200, content=b'{"result": {"data": [{"na'), ProviderUnavailable, "unknown"),
        (httpx.Response(400), ProviderRejected, "none"),
        (httpx.Response(404), ProviderRejected, "none"),
        (httpx.Response(401), ProviderAccessDenied, "none"),
        (httpx.Response(403), ProviderAccessDenied, "none"),
        (httpx.Response(302, headers={"Location": "https://elsewhere.test"}), MalformedAnswer, "unknown"),
        (httpx.Response(200, text="<html>We will be back</html>"), MalformedAnswer, "unknown"),
        (httpx.Response(200, content=b'{"a": }'), MalformedAnswer, "unknown"),
        (httpx.Response(200, content='{"a": "é"}'.encode("latin-1")), MalformedAnswer, "unknown"),
        (httpx.Response(200, content=b"[" * 200_000 + b"]" * 200_000), MalformedAnswer, "unknown"),
        (httpx.Response(200, content=b"[" * 500 + b"]" * 500), MalformedAnswer, "unknown"),
    ],
)
def test_failures_are_told_apart(
    answer: httpx.Response | Exception, expected: type[ProviderError], charge: str
) -> None:
    """And of each, whether the call may have been charged: surely not, perhaps, or perhaps yet."""
    with pytest.raises(ProviderError) as caught:
        post(answer)
    assert (type(caught.value), caught.value.charge) == (expected, charge)
    assert URL in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7), ("0", 0), ("99999999999", 86_400), ("-5", None), ("soon", None), ("nan", None), ("1e999", None)],
)
def test_retry_after_in_seconds(header: str, seconds: float | None) -> None:
    with pytest.raises(ProviderUnavailable) as caught:
        post(httpx.Response(429, headers={"Retry-After": header}))
    assert caught.value.retry_after == seconds


def test_retry_after_as_a_date() -> None:
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    with pytest.raises(ProviderUnavailable) as caught:
        post(httpx.Response(503, headers={"Retry-After": moment}))
    assert caught.value.retry_after is not None
    assert 50 < caught.value.retry_after <= 60


def test_an_endless_answer_is_given_up_before_it_fills_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "MAX_ANSWER_BYTES", 10_000)
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while True:
            sent += 1000
            yield b"x" * 1000

    with pytest.raises(MalformedAnswer, match="more than 10000 bytes"):
        post(httpx.Response(200, content=endless()))
    assert sent < 20_000


def test_an_answer_that_drips_for_ever_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "READ_TIMEOUT", -1.0)
    with pytest.raises(ProviderUnavailable, match="to send its answer"):
        post(httpx.Response(200, content=iter([b"{", b"}"])))


def test_gzip_is_read_and_other_encodings_are_refused() -> None:
    packed = gzip.compress(b'{"a": 1}')
    assert post(httpx.Response(200, content=packed, headers={"Content-Encoding": "gzip"})) == {"a": 1}
    with pytest.raises(MalformedAnswer, match="only gzip"):
        post(httpx.Response(200, stream=httpx.ByteStream(packed), headers={"Content-Encoding": "gzip, gzip"}))
    with pytest.raises(MalformedAnswer, match="decompressed"):
        post(httpx.Response(200, stream=httpx.ByteStream(b"junk"), headers={"Content-Encoding": "gzip"}))


def test_numbers_that_jsonb_cannot_hold_stay_as_text_and_cost_nobody_the_page() -> None:
    digits = "9" * 5000
    answer = post(httpx.Response(200, text=f'{{"a": NaN, "b": -Infinity, "c": 1e999, "d": {digits}, "e": 1.5}}'))
    assert answer == {"a": "NaN", "b": "-Infinity", "c": "1e999", "d": digits, "e": 1.5}
    json.dumps(answer, allow_nan=False)


def test_the_product_client_waits_as_odoo_does_and_follows_no_redirect() -> None:
    client = transport.new_client()
    assert (client.timeout.connect, client.timeout.read, client.follow_redirects) == (10.0, 300.0, False)
