"""Apollo's calls, one function each, with its refusals and prices. Lists are checked, their items are as they came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import httpx

from lead_mining.exceptions import (
    MalformedAnswer,
    ProviderAccessDenied,
    ProviderCreditsExhausted,
    ProviderError,
    ProviderRejected,
)
from lead_mining.plain import logger
from lead_mining.providers.apollo.query import Arguments
from lead_mining.providers.apollo.records import has_mobile
from lead_mining.providers.base import Gate, JsonObject
from lead_mining.providers.reading import whole_number
from lead_mining.providers.transport import call_json, check_base_url, free_call, new_client, retry_after_of

FOUND_A_PAGE = 100  # a page of a company search costs one credit, whatever its size
MOST_AT_ONCE = 10  # of the bulk calls
_A_MATCH, _A_MOBILE = 1, 8  # credits
_WINDOWS = (("x-24-hour-requests-left", 86_400.0), ("x-hourly-requests-left", 3600.0), ("x-minute-requests-left", 60.0))
_REFUSED = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.PAYMENT_REQUIRED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)

log = logger(__name__)


class Calls:
    """The calls of one account."""

    gate = Gate()

    def __init__(self, base_url: str, key: str, client: httpx.Client | None) -> None:
        self.url = f"{check_base_url(base_url)}/api/v1"
        self._key = key
        self._client = client or new_client()

    def find_companies(self, arguments: Arguments, page: int) -> JsonObject:
        """A page of a company search: `accounts` and `organizations`. Costs a credit where there is any."""
        paged = [*arguments, ("page", str(page)), ("per_page", str(FOUND_A_PAGE))]
        answer = self._post("companies", "/mixed_companies/search", paged)
        found = [answer.get(key) or [] for key in ("accounts", "organizations")]
        if not ("organizations" in answer or "accounts" in answer) or not all(isinstance(one, list) for one in found):
            raise MalformedAnswer(f"{self.url}/mixed_companies/search sent no list `organizations`")
        return answer

    def find_people(self, arguments: Arguments, page: int, per_page: int) -> JsonObject:
        """A page of a people search, `people` and `total_entries`: free, without e-mails, with parts of names."""
        paged = [*arguments, ("page", str(page)), ("per_page", str(per_page))]

        def find() -> JsonObject:
            answer = self._post("people", "/mixed_people/api_search", paged)
            self._list(answer, "people", "/mixed_people/api_search")
            return answer

        return free_call(find)

    def enrich_companies(self, domains: Sequence[str]) -> tuple[JsonObject, list[Any], int]:
        """The answer, the organizations that are known, and a credit for each of these."""
        answer = self._post("enrich", "/organizations/bulk_enrich", [("domains[]", domain) for domain in domains])
        found = self._list(answer, "organizations", "/organizations/bulk_enrich")
        return answer, [one for one in found if one is not None], len(found) - found.count(None)

    def match_people(self, ids: Sequence[str]) -> tuple[JsonObject, list[Any], int]:
        """The answer, the matches (None: nobody), and the price. Phones and private addresses are not asked for."""
        answer = self._post("enrich", "/people/bulk_match", json={"details": [{"id": one} for one in ids]})
        found = self._list(answer, "matches", "/people/bulk_match")
        matches = [one for one in found if one is not None]
        mobiles = sum(map(has_mobile, matches))
        if mobiles:
            log.warning("Apollo gave %d mobile phones that were not asked for", mobiles)
        price = _A_MATCH * len(matches) + _A_MOBILE * mobiles
        told = whole_number(answer.get("credits_consumed"))
        if told is not None and told >= 0 and told != price:
            log.warning("Apollo charged %d credits for %d people", told, len(matches))
            price = told
        return answer, found, price

    def credits_left(self) -> int | None:
        """Of the account, free; some seconds late."""
        answer = free_call(lambda: self._post("enrich", "/usage_stats/credit_usage_stats"))
        stats = answer.get("credit_usage_stats")
        lead_credit = stats.get("lead_credit") if isinstance(stats, dict) else None
        left = whole_number(lead_credit.get("left_over")) if isinstance(lead_credit, dict) else None
        return left if left is not None and left >= 0 else None

    def _list(self, answer: JsonObject, key: str, path: str) -> list[Any]:
        found = answer.get(key)
        if not isinstance(found, list):
            raise MalformedAnswer(f"{self.url}{path} sent no list `{key}`")
        return found

    def _post(self, bucket: str, path: str, params: Arguments | None = None, json: object = None) -> JsonObject:
        url = self.url + path
        answer = call_json(
            self._client,
            "POST",
            url,
            secret=self._key,
            gate=self.gate,
            bucket=bucket,
            headers={"x-api-key": self._key},
            params=params or [],
            json=json,
            accepted=(HTTPStatus.OK, *_REFUSED),
            wait_of=wait_of,
        )
        if answer.status in _REFUSED:
            raise _refusal(url, answer.status, answer.body)
        if not isinstance(answer.body, dict):
            raise MalformedAnswer(f"{url} sent no object")
        return answer.body


def wait_of(status: int, headers: Mapping[str, str]) -> float | None:
    """Seconds to wait after a 429: by Retry-After, else the longest of the windows in which no call is left."""
    if status != HTTPStatus.TOO_MANY_REQUESTS:
        return None
    used_up = (seconds for header, seconds in _WINDOWS if headers.get(header, "").strip() == "0")
    return retry_after_of(status, headers) or next(used_up, None)


def _refusal(url: str, status: int, body: Any) -> ProviderError:
    """Bodies are texts or objects; a refusal for want of credits is known by the word alone."""
    said = body if isinstance(body, dict) else {}
    error = said.get("error")
    if status == HTTPStatus.FORBIDDEN and said.get("error_code") == "API_INACCESSIBLE":
        return ProviderAccessDenied(f"{url} is closed to this API key: it needs a paid plan, or a master key")
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return ProviderAccessDenied(f"{url} answered HTTP {status}: check the API key")
    if status == HTTPStatus.PAYMENT_REQUIRED or (isinstance(error, str) and "credits" in error.casefold()):
        return ProviderCreditsExhausted(f"{url} answered HTTP {status}: the account there has not enough credits")
    return ProviderRejected(f"{url} answered HTTP {status}: it does not take the request")
