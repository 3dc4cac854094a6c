"""One HTTP call to a provider, with every failure told apart. A call is never repeated: it may have been paid for."""

from __future__ import annotations

import json
import math
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import httpx

from lead_mining.exceptions import (
    Charge,
    MalformedAnswer,
    ProviderAccessDenied,
    ProviderRejected,
    ProviderUnavailable,
)
from lead_mining.providers.text import shorten, storable

CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 300.0  # as Odoo waits for its provider
MAX_ANSWER_BYTES = 32 * 2**20  # 200 companies with five contacts each take less than 2 MiB
_HEADERS = {"Accept-Encoding": "gzip"}
_LONGEST_RETRY_AFTER = 24 * 3600.0
_LONGEST_NUMBER = 1000  # digits; Python refuses to read more than 4300


def new_client() -> httpx.Client:
    """A client as paid calls need it: patient, and never redirected (a redirect would carry the token elsewhere)."""
    return httpx.Client(timeout=httpx.Timeout(READ_TIMEOUT, connect=CONNECT_TIMEOUT), follow_redirects=False)


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
        return client.head(url, timeout=CONNECT_TIMEOUT, follow_redirects=False).status_code
    except httpx.HTTPError as error:
        raise ProviderUnavailable(f"{url} does not answer ({type(error).__name__}: {shorten(str(error))})") from None


def post_json(client: httpx.Client, url: str, payload: object, secret: str) -> Any:
    """POST `payload` as JSON and return the JSON answer, storable and without `secret`.

    Raises ProviderUnavailable, ProviderRejected, ProviderAccessDenied, MalformedAnswer; no text shows `secret`.
    """
    try:
        with client.stream("POST", url, json=payload, headers=_HEADERS, follow_redirects=False) as response:
            _check_status(response, url)
            _check_encoding(response, url)
            body = _read(response, url)
    except httpx.DecodingError:
        raise MalformedAnswer(f"{url} sent a body that cannot be decompressed") from None
    except httpx.TimeoutException as error:
        why = f"{url} did not answer in time ({type(error).__name__})"
        raise ProviderUnavailable(why, charge=_charge_of(error)) from None
    except httpx.TransportError as error:
        message = storable(shorten(str(error)), secret)
        why = f"{url} was not reached or broke off ({type(error).__name__}: {message})"
        raise ProviderUnavailable(why, charge=_charge_of(error)) from None
    return _parse(body, url, secret)


def _charge_of(error: httpx.TransportError) -> Charge:
    """Without a connection nothing was sent; else the provider may have the call, and be at work on it still."""
    unsent = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
    return "none" if isinstance(error, unsent) else "pending"


def _check_status(response: httpx.Response, url: str) -> None:
    status = response.status_code
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        charge: Charge = "unknown"
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            charge = "none"
        elif status == HTTPStatus.GATEWAY_TIMEOUT:  # the server behind the gateway may still be at work
            charge = "pending"
        retry_after = _retry_after(response.headers.get("Retry-After"))
        raise ProviderUnavailable(f"{url} answered HTTP {status}", retry_after, charge=charge)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise ProviderAccessDenied(f"{url} answered HTTP {status}: check the account token")
    if status >= HTTPStatus.BAD_REQUEST:
        raise ProviderRejected(f"{url} answered HTTP {status}: check the base URL and the request")
    if not response.is_success:
        raise MalformedAnswer(f"{url} answered HTTP {status}; redirects are not followed: check the base URL")


def _check_encoding(response: httpx.Response, url: str) -> None:
    # gzip grows a block at most a thousandfold; two layers, or zstd, could fill the memory before the limit is seen
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip"):
        raise MalformedAnswer(f"{url} compressed its answer as {shorten(encoding)}; only gzip is accepted")


def _read(response: httpx.Response, url: str) -> bytes:
    body = bytearray()
    deadline = time.monotonic() + READ_TIMEOUT  # httpx times each read; a server may drip bytes for ever
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise MalformedAnswer(f"{url} sent more than {MAX_ANSWER_BYTES} bytes")
        if time.monotonic() > deadline:
            why = f"{url} took more than {READ_TIMEOUT:.0f} s to send its answer"
            raise ProviderUnavailable(why, charge="pending")
    return bytes(body)


def _parse(body: bytes, url: str, secret: str) -> Any:
    try:
        text = body.decode("utf-8")
        # One odd number must not lose a page that was paid for: it stays as text, and only its record is refused.
        answer = json.loads(text, parse_float=_float, parse_int=_int, parse_constant=str)
        return storable(answer, secret)
    except json.JSONDecodeError:
        shown = text.strip()
        if not shown or (shown[0] in "{[" and shown[-1] not in "}]"):
            raise ProviderUnavailable(f"{url} sent an answer that is cut off after {len(body)} bytes") from None
        raise MalformedAnswer(f"{url} sent no JSON: {shorten(storable(shown[:1000], secret))}") from None
    except UnicodeDecodeError:
        raise MalformedAnswer(f"{url} sent text that is not UTF-8") from None
    except (ValueError, RecursionError):
        raise MalformedAnswer(f"{url} sent JSON that is nested too deep") from None


def _float(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


def _int(text: str) -> int | str:
    return int(text) if len(text) <= _LONGEST_NUMBER else text


def _retry_after(header: str | None) -> float | None:
    """Seconds to wait: the header holds seconds or an HTTP date (RFC 9110, 10.2.3)."""
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
