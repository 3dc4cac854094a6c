"""Against recordings of what Odoo 17's own lead mining asked and wrote. Skipped where they are not at hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from lead_mining import vocabulary
from lead_mining.exceptions import ProviderCreditsExhausted, ProviderUnavailable
from lead_mining.providers.base import Exclusions, Query
from lead_mining.providers.odoo_iap import OdooIap, request_data

RECORDINGS = sorted((Path(__file__).resolve().parents[4] / "shared/odoo17/golden").glob("*.json"))
pytestmark = pytest.mark.skipif(not RECORDINGS, reason="the recordings of Odoo 17 are not on this machine")

FAILURES = {"d_credits": ProviderCreditsExhausted, "g_http500": ProviderUnavailable}
ISO_OF = {vocabulary.crm_state_code(iso): iso for iso in vocabulary.states() if iso.startswith("US-")}


def _name(words: dict[str, str], reveal_id: str | None) -> str | None:
    return next((name for name, known in words.items() if known == reveal_id), None)


def query_of(data: dict[str, Any]) -> Query:
    """The query whose payload was recorded."""
    ids = set(data.get("industry_ids", []))
    roles = dict(vocabulary.roles())
    return Query(
        countries=tuple(country["code"] for country in reversed(data["countries"])),
        states=tuple(ISO_OF[state] for country in data["countries"] for state in reversed(country["states"])),
        industries=tuple(i.name for i in vocabulary.industries().values() if ids & set(i.reveal_ids)),
        company_size_min=data.get("company_size_min"),
        company_size_max=data.get("company_size_max"),
        contact_number=data.get("contact_number", 0),
        contact_filter_type=data.get("contact_filter_type", "role"),
        preferred_role=_name(roles, data.get("preferred_role")),
        other_roles=tuple(str(_name(roles, role)) for role in data.get("other_roles", [])),
        seniority=_name(dict(vocabulary.seniorities()), data.get("seniority")),
    )


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_the_payload_is_the_one_odoo_sent(path: Path) -> None:
    asked = json.loads(path.read_text())["iap_request"]["params"]["data"]
    assert request_data(query_of(asked), asked["lead_number"]) == asked


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_an_answer_is_understood_as_odoo_understood_it(path: Path) -> None:
    recording = json.loads(path.read_text())
    asked, answered = recording["iap_request"]["params"]["data"], recording["iap_response"]
    answer = httpx.Response(answered["http"], json=answered["body"])
    client = httpx.Client(transport=httpx.MockTransport(lambda _: answer))
    provider = OdooIap("https://iap.test", "account-token", "db", client)

    def fetch() -> Any:
        return provider.fetch(query_of(asked), asked["lead_number"], None, Exclusions())

    if failure := FAILURES.get(path.stem):
        with pytest.raises(failure):
            fetch()
        return
    page = fetch()
    companies = [provider.parse(record) for record in page.records]
    assert page.charged == len(companies) + sum(len(company.contacts) for company in companies)
    leads = recording["changed_by_action_submit"]["tables"].get("crm_lead", {}).get("inserted", [])
    if path.stem != "g_nophonekey":  # Odoo fails on it and loses what was paid; we do not
        assert len(companies) == len(leads)
    for company, lead in zip(companies, leads, strict=False):
        person = company.contacts[0] if company.contacts else None
        email = person.email if person else next(iter(company.emails), None)
        assert (company.reveal_id, company.legal_name or company.name) == (lead["reveal_id"], lead["partner_name"])
        assert (company.street, company.city, company.zip) == (lead["street"], lead["city"], lead["zip"])
        assert (email or "", next(iter(company.phones), "")) == (lead["email_from"] or "", lead["phone"] or "")
        assert f"https://www.{company.domain}" == lead["website"]
        assert (person and person.full_name, person and person.title) == (lead["contact_name"], lead["function"])
