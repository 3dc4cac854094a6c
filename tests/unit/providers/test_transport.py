"""Transport failures, told apart; answers of any size and shape."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from lead_mining.exceptions import (
    MalformedAnswer,
    ProviderAccessDenied,
    ProviderBusy,
    ProviderCreditsExhausted,
    ProviderError,
    ProviderRejected,
    ProviderUnavailable,
)
from lead_mining.providers import transport
from lead_mining.providers.base import Gate
from lead_mining.providers.transport import Answer, call_json, free_call

URL = "https://provider.test/mine"


def post(answer: httpx.Response | Exception) -> Any:
    def respond(_: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    client = httpx.Client(transport=httpx.MockTransport(respond))
    success = range(200, 300)
    call = call_json(client, "POST", URL, secret="a-long-secret", gate=Gate(), bucket="", json={}, accepted=success)
    return call.body


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
        (httpx.Response(402), ProviderCreditsExhausted, "none"),
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


@pytest.mark.parametrize("item", [b"{}", b"0", b"[]", b'{"a":1}', b'[[[{"":[]}]]]'])
def test_an_answer_of_tiny_values_is_refused_before_it_fills_the_memory(item: bytes) -> None:
    body = b'{"result":{"data":[' + (item + b",") * (30 * 2**20 // (len(item) + 1)) + item + b"]}}"
    tracemalloc.start()
    with pytest.raises(MalformedAnswer, match=r"sent more than 500,000 values in [\d,]+ bytes") as caught:
        post(httpx.Response(200, content=body))
    assert tracemalloc.get_traced_memory()[1] < 3 * len(body), "the bytes, and no object for each value"
    tracemalloc.stop()
    assert caught.value.charge == "unknown"


def test_an_answer_of_five_times_as_many_companies_as_a_call_asks_for_is_read() -> None:
    contact = {"full_name": "Ann, B.", "email": "a@b.example", "phone": "1", "title": "x", "role": "1"}
    company = {f"field_{number}": "a, b: c" for number in range(65)} | {"tech": ["x"] * 100, "people": [contact] * 5}
    body = json.dumps([company] * 1000).encode()
    assert len(post(httpx.Response(200, content=body))) == 1000


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


# -- through a gate --------------------------------------------------------------------------------------------------

SECRET = "a-long-secret"
TOLD = [("enter", "search"), ("tell", "search", False, None)]


class SpyGate(Gate):
    """Writes down, in order, what it is asked and told."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def enter(self, bucket: str) -> None:
        self.seen.append(("enter", bucket))

    def tell(self, bucket: str, *, failed: bool = False, wait: float | None = None) -> None:
        self.seen.append(("tell", bucket, failed, wait))


def call(answer: httpx.Response | Exception, gate: Gate, **arguments: Any) -> Answer:
    def respond(_: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    client = httpx.Client(transport=httpx.MockTransport(respond))
    return call_json(client, "POST", URL, secret=SECRET, gate=gate, bucket="search", **arguments)


def test_a_call_sends_what_it_is_given_once_it_may() -> None:
    gate, sent = SpyGate(), []

    def respond(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        assert gate.seen[-1] == ("enter", "search")
        return httpx.Response(200, json={})

    client = httpx.Client(transport=httpx.MockTransport(respond))
    arguments = {"headers": {"X-Api-Key": SECRET}, "params": [("page", "1"), ("page", "2")], "json": {"a": 1}}
    call_json(client, "POST", URL, secret=SECRET, gate=gate, bucket="search", **arguments)
    call_json(client, "GET", URL, secret=SECRET, gate=gate, bucket="search")
    (first, second) = sent
    assert (first.method, str(first.url), first.content) == ("POST", f"{URL}?page=1&page=2", b'{"a":1}')
    assert (first.headers["x-api-key"], first.headers["accept-encoding"]) == (SECRET, "gzip")
    assert (second.method, str(second.url), second.content) == ("GET", URL, b"")
    assert gate.seen == [*TOLD, *TOLD]


def test_an_answer_has_its_headers_and_no_secret() -> None:
    headers = {"X-Credits": "7", "X-Echo": f"key {SECRET}"}
    answer = call(httpx.Response(200, json={"echo": SECRET, "nul": "a\x00b"}, headers=headers), Gate())
    assert (answer.status, answer.body) == (200, {"echo": "***", "nul": "ab"})
    assert (answer.headers["x-credits"], answer.headers["x-echo"]) == ("7", "key ***")


@pytest.mark.parametrize(
    ("response", "body"),
    [
        (httpx.Response(404, json={"error": "none found"}), {"error": "none found"}),
        (httpx.Response(404, text="Not here"), None),
        (httpx.Response(404, content=b'{"error": "cut o'), None),
        (httpx.Response(404, content=b""), None),
        (httpx.Response(404, content=b"\xff"), None),
    ],
)
def test_an_accepted_refusal_comes_back_with_its_json_if_it_has_any(response: httpx.Response, body: Any) -> None:
    gate = SpyGate()
    answer = call(response, gate, accepted=(200, 404))
    assert (answer.status, answer.body) == (404, body)
    assert gate.seen == TOLD


@pytest.mark.parametrize("status", [201, 204, 302, 400])
def test_what_is_not_accepted_is_an_error(status: int) -> None:
    with pytest.raises(ProviderError, match=f"answered HTTP {status}"):
        call(httpx.Response(status, json={}), Gate())


@pytest.mark.parametrize(
    ("answer", "failed", "wait"),
    [
        (httpx.Response(400), False, None),
        (httpx.Response(402), False, None),
        (httpx.Response(429, headers={"Retry-After": "7"}), False, 7.0),
        (httpx.Response(429, headers={"Retry-After": "0"}), False, 0.0),
        (httpx.Response(429), False, 10.0),
        (httpx.Response(429, headers={"Retry-After": "soon"}), False, 10.0),
        (httpx.Response(500), True, None),
        (httpx.Response(503, headers={"Retry-After": "30"}), True, 30.0),
        (httpx.ConnectError("refused"), True, None),
        (httpx.ReadTimeout("slow"), True, None),
        (httpx.RemoteProtocolError("peer closed connection"), True, None),
        (httpx.Response(200, content=b'{"data": [{"na'), True, None),
        (httpx.Response(200, text="<html>"), False, None),
        (httpx.Response(200, content=b"junk", headers={"Content-Encoding": "br"}), False, None),
    ],
)
def test_the_gate_is_told_once_what_came_of_a_failed_call(
    answer: httpx.Response | Exception, failed: bool, wait: float | None
) -> None:
    gate = SpyGate()
    with pytest.raises(ProviderError):
        call(answer, gate)
    assert gate.seen == [("enter", "search"), ("tell", "search", failed, wait)]


def test_an_accepted_429_is_told_too() -> None:
    gate = SpyGate()
    assert call(httpx.Response(429), gate, accepted=(200, 429)).status == 429
    assert gate.seen[1:] == [("tell", "search", False, 10.0)]


def test_a_provider_may_say_in_its_own_way_how_long_to_wait() -> None:
    def wait_of(status: int, headers: Any) -> float | None:
        return float(headers["x-reset"]) if status == 429 or headers.get("x-left") == "0" else None

    gate = SpyGate()
    call(httpx.Response(200, json={}, headers={"X-Left": "0", "X-Reset": "12"}), gate, wait_of=wait_of)
    call(httpx.Response(200, json={}, headers={"X-Left": "1", "X-Reset": "12"}), gate, wait_of=wait_of)
    with pytest.raises(ProviderUnavailable) as caught:
        call(httpx.Response(429, headers={"X-Reset": "13"}), gate, wait_of=wait_of)
    assert caught.value.retry_after == 13
    assert [seen[3] for seen in gate.seen if seen[0] == "tell"] == [12, None, 13]


def test_nothing_is_sent_through_a_closed_gate() -> None:
    class Closed(SpyGate):
        def enter(self, bucket: str) -> None:
            raise ProviderBusy("acme wants no calls", datetime.now(UTC))

    def respond(_: httpx.Request) -> httpx.Response:
        raise AssertionError("a call was made")

    gate, client = Closed(), httpx.Client(transport=httpx.MockTransport(respond))
    with pytest.raises(ProviderBusy) as caught:
        call_json(client, "POST", URL, secret=SECRET, gate=gate, bucket="search")
    assert (caught.value.charge, caught.value.permanent, gate.seen) == ("none", False, [])


def test_no_error_shows_secret_or_params() -> None:
    failures = [
        httpx.ConnectError(f"bad header {SECRET}"),
        httpx.Response(400, text=SECRET),
        httpx.Response(200, text=SECRET),
    ]
    for failure in failures:
        with pytest.raises(ProviderError) as caught:
            call(failure, Gate(), params=[("email", "ann@acme.example")])
        assert URL in str(caught.value)
        assert SECRET not in str(caught.value)
        assert "ann" not in str(caught.value)


# -- calls that cost nothing -----------------------------------------------------------------------------------------


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: None)


@pytest.mark.usefixtures("no_waiting")
def test_a_free_call_is_made_again_where_the_service_stumbles() -> None:
    errors: list[ProviderError] = [ProviderUnavailable("down"), ProviderUnavailable("down")]

    def call() -> str:
        if errors:
            raise errors.pop()
        return "told"

    assert free_call(call) == "told"


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize(
    ("error", "tries"),
    [
        (ProviderUnavailable("down", charge="pending"), 3),
        (MalformedAnswer("no JSON"), 1),
        (ProviderRejected("wrong"), 1),
        (ProviderBusy("later", datetime.now(UTC)), 1),
    ],
)
def test_a_free_call_that_fails_was_surely_not_charged(error: ProviderError, tries: int) -> None:
    made = 0

    def call() -> str:
        nonlocal made
        made += 1
        raise error

    with pytest.raises(type(error)) as caught:
        free_call(call)
    assert (caught.value.charge, made) == ("none", tries)
