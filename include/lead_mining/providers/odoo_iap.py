"""Odoo's own lead mining service (IAP), spoken as Odoo 17 speaks it; also any server that speaks the same."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import httpx

from lead_mining import vocabulary
from lead_mining.exceptions import (
    MalformedAnswer,
    ProviderAccessDenied,
    ProviderCreditsExhausted,
    ProviderError,
    ProviderRejected,
    ProviderUnavailable,
)
from lead_mining.foreign_errors import kind_of
from lead_mining.providers.base import Company, Contact, Exclusions, JsonObject, Page, Preview, Provider, Query, Rate
from lead_mining.providers.reading import RecordReader
from lead_mining.providers.transport import READ_TIMEOUT, answers, call_json, check_base_url, new_client

_BALANCE_ENDPOINT = "/iap/1/balance"
_BALANCE_OF_ODOO = "https://iap.odoo.com"  # Odoo keeps the accounts on another server than the service
_SERVICE_OF_ODOO = "https://iap-services.odoo.com"
_MORE = "more"
_SEARCH, _BALANCE = "search", "balance"  # buckets of the gate: Odoo keeps them on two servers
_ANSWERED = range(HTTPStatus.OK, HTTPStatus.MULTIPLE_CHOICES)
_CREDITS_PER_COMPANY = _CREDITS_PER_CONTACT = 1  # Odoo's documentation of lead mining

_ERRORS: dict[str, type[ProviderError]] = {
    "InsufficientCreditError": ProviderCreditsExhausted,
    "AccessDenied": ProviderAccessDenied,
    "AccessError": ProviderAccessDenied,
    "UserError": ProviderRejected,
    "ValidationError": ProviderRejected,
    "ValueError": ProviderRejected,
}


class OdooIap(Provider):
    """Lead mining by Odoo IAP. Every `fetch` is one paid call and is never repeated here: the caller decides.

    The contract (Odoo 17, `/iap/clearbit/2/lead_mining_request`) has no cursor, no exclusion and no free count: asking
    again may give companies that are known, and `preview` knows nothing. `charged` is what the documentation says: one
    credit a company and one a contact; the answer does not tell.

    Calls need no other's answer, so several may be under way (`calls_at_once`). But where the provider has no more, it
    may begin again from the start: calls made at once with the last may pay for companies that were bought before.
    """

    endpoint = "/iap/clearbit/2/lead_mining_request"
    page_size = 200  # MAX_LEAD of Odoo 17
    excludes_known = False
    charges = True
    answer_within = READ_TIMEOUT
    rates: Mapping[str, tuple[Rate, ...]] = {"search": (), "balance": ()}  # none is known

    def __init__(
        self,
        base_url: str,
        account_token: str,
        dbuuid: str,
        client: httpx.Client | None = None,
        calls_at_once: int = 1,
        rates: Mapping[str, tuple[Rate, ...]] = rates,
    ) -> None:
        self.name = "odoo_iap"
        self.rates = rates
        self.calls_at_once = calls_at_once
        base = self._base_url = check_base_url(base_url)
        self._balance_url = (_BALANCE_OF_ODOO if base == _SERVICE_OF_ODOO else base) + _BALANCE_ENDPOINT
        self._token = account_token
        self._dbuuid = dbuuid
        self._client = client or new_client()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._base_url + self.endpoint!r})"

    def check(self) -> str:
        """Ask the base URL for an answer, any answer. Nothing is bought, so the account token stays unproven.

        Raises ProviderUnavailable if there is none.
        """
        status = answers(self._client, self._base_url + "/")
        return f"The server answers (HTTP {status}). The account token is tried by the first mining run only."

    def balance(self, fresh: bool = True) -> int | None:
        """Credits of the account `reveal`, as Odoo 17's iap.account asks for them (`get_credits`)."""
        params = {"dbuuid": self._dbuuid, "account_token": self._token, "service_name": "reveal"}
        answer = self._call(self._balance_url, params, _BALANCE)
        if not isinstance(answer, dict) or answer.get("error") is not None:
            raise _error(answer.get("error")) if isinstance(answer, dict) else MalformedAnswer("no balance was told")
        credits = answer.get("result")
        if isinstance(credits, bool) or not isinstance(credits, int | float) or credits < 0:
            raise MalformedAnswer(f"The balance of Odoo IAP is not a number of credits: {kind_of(credits)}")
        return int(credits)  # parts of a credit buy nothing

    def preview(self, query: Query, limit: int, exclude: Exclusions) -> Preview:
        """Nothing: this provider cannot count without charging."""
        return Preview(count=None, records=[])

    def fetch(self, query: Query, limit: int, cursor: str | None, exclude: Exclusions) -> Page:
        """Buy up to `limit` companies. `cursor` and `exclude` are not part of the contract and change nothing."""
        if not 1 <= limit <= self.page_size:
            raise ValueError(f"limit must be between 1 and {self.page_size}, not {limit}")
        params = {"account_token": self._token, "dbuuid": self._dbuuid, "data": request_data(query, limit)}
        answer, records = self._buy(params)
        return Page(
            raw=answer,
            records=records,
            charged=sum(_CREDITS_PER_COMPANY + _CREDITS_PER_CONTACT * _contacts(record) for record in records),
            next_cursor=_MORE if len(records) >= limit else None,
        )

    def _buy(self, params: JsonObject) -> tuple[Any, list[JsonObject]]:
        """Make the paid call; the answer as it is, and the records in it."""
        answer = self._call(self._base_url + self.endpoint, params, _SEARCH)
        return answer, _records(answer)

    def _call(self, url: str, params: JsonObject, bucket: str) -> Any:
        call = {"jsonrpc": "2.0", "method": "call", "params": params, "id": uuid4().hex}
        return call_json(
            self._client,
            "POST",
            url,
            secret=self._token,
            other_secrets=[self._dbuuid],
            gate=self.gate,
            bucket=bucket,
            json=call,
            accepted=_ANSWERED,
        ).body

    def parse(self, record: JsonObject) -> Company:
        """Read one element of the answer's `data`: `company_data` and, for people, `people_data`."""
        outer = RecordReader(record)
        outer.check()
        company = outer.section("company_data")
        contacts = [
            Contact(**{field: person.text(field) for field in Contact.model_fields})
            for person in outer.sections("people_data")
        ]
        values: dict[str, Any] = {field: company.text(key) for field, key in _TEXTS.items()}
        values |= {field: company.whole(field) for field in ("founded_year", "twitter_followers")}
        values |= {field: company.amount(field) for field in ("annual_revenue", "market_cap")}
        values |= {
            "domain": company.domain("domain"),
            "employees": company.headcount("employees"),
            "phones": company.texts("phone", "phone_numbers"),
            "emails": company.texts("email"),
            "tags": company.texts("tag"),
            "technologies": company.texts("tech"),
        }
        outer.check()
        return Company(**values, contacts=tuple(contacts))


_SAME_NAME = (
    "name legal_name description company_type logo city state_code country_code timezone timezone_url "
    "estimated_annual_revenue sector_primary sector industry_group industry sub_industry "
    "facebook linkedin crunchbase twitter twitter_bio"
)
_TEXTS = {field: field for field in _SAME_NAME.split()} | {
    "reveal_id": "clearbit_id",
    "street": "location",
    "zip": "postal_code",
}


def request_data(query: Query, limit: int) -> JsonObject:
    """The `data` of the call, key by key as Odoo 17 sends it, in Odoo's order; keys are left out where Odoo does."""
    names = vocabulary.countries()
    data: JsonObject = {
        "lead_number": limit,
        "search_type": "people" if query.contact_number else "companies",
        "countries": [
            {"code": code, "states": _states_of(code, query)}
            for code in sorted(set(query.countries), key=lambda code: names.get(code, code))
        ],
    }
    if query.company_size_min is not None or query.company_size_max is not None:
        data["company_size_min"] = query.company_size_min
        data["company_size_max"] = query.company_size_max
    if query.industries:
        asked = (i for i in vocabulary.industries().values() if i.name in query.industries)
        data["industry_ids"] = [reveal_id for industry in asked for reveal_id in industry.reveal_ids]
    if query.contact_number:
        data["contact_number"] = query.contact_number
        data["contact_filter_type"] = query.contact_filter_type
        # Odoo sends false for an empty choice
        if query.contact_filter_type == "role":
            roles = vocabulary.roles()
            data["preferred_role"] = roles[query.preferred_role] if query.preferred_role else False
            data["other_roles"] = [roles[name] for name in query.other_roles]
        else:
            data["seniority"] = vocabulary.seniorities()[query.seniority] if query.seniority else False
    return data


def _states_of(country: str, query: Query) -> list[str]:
    codes = {vocabulary.crm_state_code(state) for state in query.states if state.startswith(f"{country}-")}
    return sorted(codes)


def _records(answer: Any) -> list[JsonObject]:
    if not isinstance(answer, dict):
        raise MalformedAnswer(f"The answer of Odoo IAP is not an object, but {kind_of(answer)}")
    if answer.get("error") is not None:
        raise _error(answer["error"])
    if "result" not in answer:
        raise MalformedAnswer(f"The answer of Odoo IAP has neither result nor error: it is {kind_of(answer)}")
    result = answer["result"]
    if not result:
        return []  # what Odoo calls no_result
    if not isinstance(result, dict):
        raise MalformedAnswer(f"The result of Odoo IAP is not an object, but {kind_of(result)}")
    records = result.get("data") or []
    if not isinstance(records, list):
        raise MalformedAnswer(f"result.data of Odoo IAP is not a list, but {kind_of(records)}")
    if result.get("credit_error") and not records:
        # Odoo 17 takes this for "no result"; corrected in Odoo's pull request 250433
        raise ProviderCreditsExhausted("The account of Odoo IAP has not enough credits (credit_error)")
    return records


def _error(error: Any) -> ProviderError:
    data = error.get("data") if isinstance(error, dict) else None
    if not isinstance(data, dict) or not isinstance(data.get("name"), str):
        return ProviderRejected(f"Odoo IAP refused the call, and its error has no name: it is {kind_of(error)}")
    name = data["name"].rpartition(".")[-1]
    # any other name is a fault inside the server: Odoo treats it as a failed connection
    kind = _ERRORS.get(name, ProviderUnavailable)
    return kind(f"Odoo IAP answered with {name if name in _ERRORS else 'an error of another kind'}")


def _contacts(record: object) -> int:
    people = record.get("people_data") if isinstance(record, dict) else None
    return len(people) if isinstance(people, list) else 0
