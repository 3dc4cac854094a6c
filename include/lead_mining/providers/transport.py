"""One HTTP call to a provider, with every failure told apart. A call is never repeated: it may have been paid for."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar

import httpx
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from lead_mining.exceptions import (
    Charge,
    MalformedAnswer,
    ProviderAccessDenied,
    ProviderBusy,
    ProviderCreditsExhausted,
    ProviderError,
    ProviderRejected,
    ProviderUnavailable,
)
from lead_mining.foreign_errors import told
from lead_mining.providers.base import Gate
from lead_mining.providers.deadline import bounded, call_ends_within
from lead_mining.providers.text import storable

CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 300.0  # of a whole call, as Odoo waits for its provider
MAX_ANSWER_BYTES = 32 * 2**20  # 200 companies with five contacts each take less than 2 MiB
MOST_VALUES = 500_000  # and have less than 50,000 values; read, a value takes many times what it takes as text
_HEADERS = {"Accept-Encoding": "gzip"}
_LONGEST_RETRY_AFTER = 24 * 3600.0
_WAIT_IF_NOT_TOLD = 10.0  # after a 429 that does not say for how long
T = TypeVar("T")
_LONGEST_NUMBER = 1000  # digits; Python refuses to read more than 4300


def new_client() -> httpx.Client:
    """A client as paid calls need it: patient, and never redirected (a redirect would carry the token elsewhere)."""
    return bounded(httpx.Client(timeout=httpx.Timeout(READ_TIMEOUT, connect=CONNECT_TIMEOUT), follow_redirects=False))


def check_base_url(base_url: str) -> str:
    """The base URL without a trailing slash. Raises ProviderRejected if it is not an http or https address."""
    try:
        url = httpx.URL(base_url.strip())
    except (httpx.InvalidURL, TypeError):
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.query or url.fragment:
        raise ProviderRejected("The provider's base URL must look like https://host or https://host:port/path")
    return str(url).rstrip("/")


def answers(client: httpx.Client, url: str) -> int:
    """The status with which `url` answers a HEAD request. Raises ProviderUnavailable if nothing answers."""
    try:
        with call_ends_within(CONNECT_TIMEOUT):
            return client.head(url, timeout=CONNECT_TIMEOUT, follow_redirects=False).status_code
    except httpx.HTTPError as error:
        raise ProviderUnavailable(f"{url} does not answer ({told(error)})") from None


_heard: ContextVar[list[Any] | None] = ContextVar("heard", default=None)


@contextmanager
def remembering() -> Iterator[list[Any]]:
    """The last body that came in this thread meanwhile, as `Answer` has it, or as text where it cannot be read."""
    heard: list[Any] = []
    token = _heard.set(heard)
    try:
        yield heard
    finally:
        _heard.reset(token)


def _remembered(body: bytes, read: Callable[[], T], secrets: Sequence[str]) -> T:
    heard = _heard.get()
    try:
        said = read()
    except MalformedAnswer:
        if heard is not None:
            heard[:] = [storable(body.decode("utf-8", errors="replace"), *secrets)]
        raise
    if heard is not None:
        heard[:] = [said]
    return said


@dataclass(frozen=True)
class Answer:
    """What a provider answered.

    `headers` have lower-case names; they and `body`, the JSON, are storable and without the secret. `body` is None
    where the status is a refusal (400 and above) and its text no JSON.
    """

    status: int
    headers: Mapping[str, str]
    body: Any


def retry_after_of(_status: int, headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by `Retry-After`, which holds seconds or an HTTP date (RFC 9110, 10.2.3); at most a day."""
    header = headers.get("retry-after")
    if not header:
        return None
    if header.strip().isdecimal():
        return min(float(header), _LONGEST_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    seconds = (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER)


def call_json(
    client: httpx.Client,
    method: str,
    url: str,
    *,
    secret: str,
    other_secrets: Sequence[str] = (),
    gate: Gate,
    bucket: str,
    headers: Mapping[str, str] = {},
    params: Sequence[tuple[str, str]] = (),
    json: object = None,
    accepted: Container[int] = (HTTPStatus.OK,),
    cap: int = MAX_ANSWER_BYTES,
    wait_of: Callable[[int, Mapping[str, str]], float | None] = retry_after_of,
) -> Answer:
    """One call through the gate, which is told what came of it. Statuses that are `accepted` come back.

    `secret` and `other_secrets` are put nowhere: they are taken out of all that comes back, however they are encoded
    there (redaction.py). `wait_of` reads from an answer's status and headers
    for how many seconds the provider wants no call; it is asked of every answer. `cap`: bytes at which the provider
    cuts answers off, so that asking again would be of no use.
    Raises ProviderBusy, ProviderUnavailable, ProviderRejected, ProviderAccessDenied, ProviderCreditsExhausted,
    MalformedAnswer; no text shows a secret or `params`.
    """
    gate.enter(bucket)
    status, failed, wait = 0, False, None
    secrets = (secret, *other_secrets)
    sent_headers = {**headers, **_HEADERS}
    try:
        with (
            call_ends_within(READ_TIMEOUT),
            client.stream(
                method, url, params=list(params) or None, json=json, headers=sent_headers, follow_redirects=False
            ) as response,
        ):
            status = response.status_code
            failed = status >= HTTPStatus.INTERNAL_SERVER_ERROR
            answered = {name: storable(value, *secrets) for name, value in response.headers.items()}
            wait = wait_of(status, answered)
            if status not in accepted:
                raise _refusal(url, status, wait)
            _check_encoding(response, url)
            body = _read(response, url)
        read = _parse_refusal if status >= HTTPStatus.BAD_REQUEST else partial(_parse, cap=cap)
        return Answer(status, answered, _remembered(body, lambda: read(body, url, secrets), secrets))
    except httpx.DecodingError:
        raise MalformedAnswer(f"{url} sent a body that cannot be decompressed") from None
    except httpx.TransportError as error:
        failed = True
        raise _unanswered(url, error) from None
    except ProviderUnavailable:
        failed = status != HTTPStatus.TOO_MANY_REQUESTS
        raise
    finally:
        if wait is None and status == HTTPStatus.TOO_MANY_REQUESTS:
            wait = _WAIT_IF_NOT_TOLD
        gate.tell(bucket, failed=failed, wait=wait)


def free_call(call: Callable[[], T]) -> T:
    """Make a call that costs nothing, up to three times. Raises as it does, but that nothing was charged is sure."""
    try:
        for attempt in Retrying(
            retry=retry_if_exception(lambda e: isinstance(e, ProviderUnavailable) and not isinstance(e, ProviderBusy)),
            stop=stop_after_attempt(3),
            wait=wait_exponential(multiplier=0.2, max=5),
            reraise=True,
        ):
            with attempt:
                return call()
    except ProviderError as error:
        error.charge = "none"
        raise
    raise AssertionError("unreachable")


def _unanswered(url: str, error: httpx.TransportError) -> ProviderUnavailable:
    if isinstance(error, httpx.TimeoutException):
        why = f"{url} did not answer in time ({type(error).__name__})"
    else:
        why = f"{url} was not reached or broke off ({told(error)})"
    return ProviderUnavailable(why, charge=_charge_of(error))


def _charge_of(error: httpx.TransportError) -> Charge:
    """Without a connection nothing was sent; else the provider may have the call, and be at work on it still."""
    unsent = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
    return "none" if isinstance(error, unsent) else "pending"


def _refusal(url: str, status: int, retry_after: float | None) -> ProviderError:
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        charge: Charge = "unknown"
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            charge = "none"
        elif status == HTTPStatus.GATEWAY_TIMEOUT:  # the server behind the gateway may still be at work
            charge = "pending"
        return ProviderUnavailable(f"{url} answered HTTP {status}", retry_after, charge=charge)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return ProviderAccessDenied(f"{url} answered HTTP {status}: check the account token")
    if status == HTTPStatus.PAYMENT_REQUIRED:
        return ProviderCreditsExhausted(f"{url} answered HTTP {status}: the account there has not enough credits")
    if status >= HTTPStatus.BAD_REQUEST:
        return ProviderRejected(f"{url} answered HTTP {status}: check the base URL and the request")
    return MalformedAnswer(f"{url} answered HTTP {status}; redirects are not followed: check the base URL")


def _check_encoding(response: httpx.Response, url: str) -> None:
    # gzip grows a block at most a thousandfold; two layers, or zstd, could fill the memory before the limit is seen
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip"):
        raise MalformedAnswer(f"{url} compressed its answer otherwise than by gzip; only gzip is accepted")


def _read(response: httpx.Response, url: str) -> bytes:
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise MalformedAnswer(f"{url} sent more than {MAX_ANSWER_BYTES} bytes")
    return bytes(body)


def _parse(body: bytes, url: str, secrets: Sequence[str], cap: int = MAX_ANSWER_BYTES) -> Any:
    # Each value but the first follows one of these; in texts they stand too, but seldom.
    if sum(map(body.count, (b"[", b"{", b":", b","))) > MOST_VALUES:
        raise MalformedAnswer(f"{url} sent more than {MOST_VALUES:,} values in {len(body):,} bytes: it holds too much")
    try:
        text = body.decode("utf-8")
        # One odd number must not lose a page that was paid for: it stays as text, and only its record is refused.
        answer = json.loads(text, parse_float=_float, parse_int=_int, parse_constant=str)
        return storable(answer, *secrets)
    except json.JSONDecodeError as error:
        shown = text.strip()
        if not shown or (shown[0] in "{[" and shown[-1] not in "}]"):
            if len(body) >= cap:
                raise MalformedAnswer(f"{url} cut its answer off at {len(body)} bytes; ask for less at once") from None
            raise ProviderUnavailable(f"{url} sent an answer that is cut off after {len(body)} bytes") from None
        what = "HTML and no JSON" if shown[0] == "<" else "no JSON"
        raise MalformedAnswer(f"{url} sent {what}: {len(body):,} bytes ({told(error)})") from None
    except UnicodeDecodeError:
        raise MalformedAnswer(f"{url} sent text that is not UTF-8") from None
    except (ValueError, RecursionError):
        raise MalformedAnswer(f"{url} sent JSON that is nested too deep") from None


def _parse_refusal(body: bytes, url: str, secrets: Sequence[str]) -> Any:
    """As `_parse`, but None for what is no JSON: refusals often come as plain text."""
    try:
        return _parse(body, url, secrets)
    except ProviderError:
        return None


def _float(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


def _int(text: str) -> int | str:
    return int(text) if len(text) <= _LONGEST_NUMBER else text
