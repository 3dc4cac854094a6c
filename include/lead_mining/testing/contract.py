"""What every provider must do, as tests. A provider's own tests inherit them and say on what stage::

class TestAcme(ProviderContract):
    @pytest.fixture
    def stage(self) -> Stage:
        return AcmeStage()
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from lead_mining import vocabulary
from lead_mining.exceptions import (
    MalformedRecord,
    ProviderAccessDenied,
    ProviderBusy,
    ProviderCreditsExhausted,
    ProviderUnavailable,
)
from lead_mining.providers.base import MOST_CALLS_AT_ONCE, Company, Contact, Exclusions, Page, Provider
from lead_mining.providers.text import storable
from lead_mining.request import MiningRequest
from lead_mining.testing.anything import spoilt
from lead_mining.testing.stage import BAD_PAGES, ERRORS, Bought, GateSpy, Known, Stage, drain, fetches


class ProviderContract:
    """The suite. `stage` must be a new one for each test: accounts remember what they bought."""

    @pytest.fixture
    def stage(self) -> Stage:
        raise NotImplementedError("give a fixture `stage` that returns a lead_mining.testing.stage.Stage")

    # -- what is found

    @pytest.mark.parametrize("by", ["country", "state", "industry", "size"])
    def test_filter(self, stage: Stage, by: str) -> None:
        query = stage.query(by)
        expected = set(stage.expected(query))
        assert expected, "the stage's query must find something"
        assert drain(_once(stage), query, len(expected) + 1).domains == expected

    def test_roles_preferred_first(self, stage: Stage) -> None:
        query, ids = stage.query("roles"), vocabulary.roles()
        asked = [ids[name] for name in filter(None, (query.preferred_role, *query.other_roles))]
        for contacts in _contacts_by_company(drain(_once(stage), query, 10), query.contact_number):
            assert {contact.role for contact in contacts} <= set(asked)
            preferred = [contact.role == asked[0] for contact in contacts]
            assert preferred == sorted(preferred, reverse=True)

    def test_seniority(self, stage: Stage) -> None:
        query = stage.query("seniority")
        asked = vocabulary.seniorities()[str(query.seniority)]
        for contacts in _contacts_by_company(drain(_once(stage), query, 10), query.contact_number):
            assert {contact.seniority for contact in contacts} == {asked}

    def test_paging_brings_all_once(self, stage: Stage) -> None:
        query = stage.query("few")
        bought = drain(_once(stage), query, 1000, at_once=3)
        assert bought.domains == set(stage.expected(query))
        assert bought.records == len(bought.companies)

    def test_cursor_survives_restart(self, stage: Stage) -> None:
        query = stage.query("few")
        assert drain(stage.provider, query, 1000, at_once=3).domains == set(stage.expected(query))

    @pytest.mark.parametrize("limit", [1, 3])
    def test_limit_is_kept(self, stage: Stage, limit: int) -> None:
        bought = drain(_once(stage), stage.query("few"), limit)
        assert bought.records == limit

    def test_exclusion_before_paying(self, stage: Stage) -> None:
        provider, query = stage.provider(), stage.query("few")
        if not provider.excludes_known:
            stage.cannot("cannot leave out what is known")
        expected = set(stage.expected(query))
        first = drain(_once(stage), query, len(expected) // 2)
        rest = drain(stage.provider, query, len(expected), exclude=Known(first.companies.values()))
        assert rest.domains == expected - first.domains
        assert rest.charged <= provider.most(query, len(rest.companies), None)

    def test_contacts_of_others(self, stage: Stage) -> None:
        query, provider = stage.query("roles"), stage.provider()
        domains = sorted(stage.expected(query))[:3]
        cursor = provider.contacts_of(query, [(None, domain) for domain in domains])
        if cursor is None:
            stage.cannot("cannot bring contacts of others' companies")
        bought = Bought()
        for _ in fetches(stage.provider, query, 0, bought, cursor=cursor):
            assert set(bought.contacts_of_others) <= set(domains)
        assert set(bought.contacts_of_others) == set(domains), "each was looked for"
        assert all(number <= query.contact_number for number in bought.contacts_of_others.values())
        assert not bought.companies
        assert bought.charged == stage.charged()

    # -- what is paid

    @pytest.mark.parametrize("what", ["few", "roles"])
    def test_charged_is_what_was_taken_in_one_paid_call_a_fetch(self, stage: Stage, what: str) -> None:
        query, charged, calls = stage.query(what), 0, 0
        for page in fetches(stage.provider, query, 8, Bought(), at_once=3):
            assert page.charged == stage.charged() - charged
            assert stage.paid_calls() - calls <= 1
            charged, calls = stage.charged(), stage.paid_calls()
            _assert_storable(page)
            assert not stage.secret or stage.secret not in json.dumps(page.raw)

    @pytest.mark.parametrize("what", ["few", "roles"])
    @pytest.mark.parametrize("limit", [1, 4])
    def test_most_is_never_exceeded(self, stage: Stage, what: str, limit: int) -> None:
        query = stage.query(what)
        most = stage.provider().most(query, limit, None)
        drain(_once(stage), query, limit)
        assert stage.charged() <= most

    def test_most_never_falls(self, stage: Stage) -> None:
        provider = stage.provider()
        for query in stage.queries.values():
            costs = [provider.most(query, limit, None) for limit in range(1, 1200)]
            assert costs == sorted(costs)

    def test_empty_is_free(self, stage: Stage) -> None:
        query = stage.query("nothing")
        bought = drain(_once(stage), query, 5)
        assert (bought.records, bought.charged, stage.charged()) == (0, 0, 0)

    def test_preview_costs_what_it_says(self, stage: Stage) -> None:
        provider, query = stage.provider(), stage.query("few")
        preview = provider.preview(query, 5, Exclusions())
        assert stage.charged() <= provider.preview_costs(query)
        assert preview.count in (None, len(set(stage.expected(query))))
        assert {provider.parse(record).domain for record in preview.records} <= set(stage.expected(query))

    def test_no_credits(self, stage: Stage) -> None:
        with pytest.raises(ProviderCreditsExhausted) as caught:
            stage.without_credits().fetch(stage.query("few"), 3, None, Exclusions())
        assert caught.value.charge == "none"

    def test_bad_token(self, stage: Stage) -> None:
        with pytest.raises(ProviderAccessDenied):
            stage.with_bad_token().fetch(stage.query("few"), 3, None, Exclusions())

    def test_misfits_before_charging(self, stage: Stage) -> None:
        provider = stage.provider()
        for name, query in stage.queries.items():
            misfits = provider.misfits(query)
            assert all(misfit.field in MiningRequest.model_fields and misfit.why for misfit in misfits)
            assert any(not misfit.roughly for misfit in misfits) == (name == "impossible")
        assert stage.charged() == 0

    # -- what goes wrong

    @pytest.mark.parametrize("fault", ERRORS)
    def test_fault(self, stage: Stage, fault: str) -> None:
        provider = _with(stage, fault)
        with pytest.raises(ERRORS[fault]) as caught:
            provider.fetch(stage.query("few"), 3, None, Exclusions())
        assert stage.charged() == 0 or caught.value.charge != "none", "what was paid is never said not to be"
        assert not stage.secret or stage.secret not in str(caught.value)

    @pytest.mark.parametrize("fault", BAD_PAGES)
    def test_bad_page(self, stage: Stage, fault: str) -> None:
        _with(stage, fault, calls=30)
        bought = Bought()
        for page in fetches(stage.provider, stage.query("few"), 6, bought, at_once=3):
            _assert_storable(page)
        assert bought.charged == stage.charged()

    def test_parse_anything(self, stage: Stage) -> None:
        provider = stage.provider()
        pages = list(fetches(_once(stage), stage.query("few"), 3, Bought()))
        records = [record for page in pages for record in page.records]

        @settings(max_examples=100)
        @given(record=spoilt(records))
        def parse(record: Any) -> None:
            company, problems = _parsed(provider, record)
            assert (company is None) == bool(problems)
            assert all(field and message and len(value) <= 200 for field, value, message in problems)
            if company is not None:
                dumped = company.model_dump(mode="json")
                assert storable(dumped) == dumped

        parse()

    # -- limits

    def test_gate_before_every_call(self, stage: Stage) -> None:
        provider = _with_calls(stage)
        provider.gate = gate = GateSpy()
        drain(lambda: provider, stage.query("few"), 5, at_once=3)
        assert len(gate.told) == len(gate.entered) > 0
        assert not provider.rates or set(gate.entered) <= set(provider.rates)
        assert {failed for _, failed, _ in gate.told} == {False}

    def test_shut_gate_stops_calls(self, stage: Stage) -> None:
        provider = _with_calls(stage)
        provider.gate = gate = GateSpy(shut=ProviderBusy("not now", datetime(2026, 1, 1, tzinfo=UTC)))
        with pytest.raises(ProviderBusy):
            provider.fetch(stage.query("few"), 3, None, Exclusions())
        assert (gate.told, stage.charged()) == ([], 0)

    def test_rate_limit_is_told(self, stage: Stage) -> None:
        provider = _with(stage, "http_429", seconds=7)
        provider.gate = gate = GateSpy()
        with pytest.raises(ProviderUnavailable) as caught:
            provider.fetch(stage.query("few"), 3, None, Exclusions())
        assert caught.value.charge == "none"
        (told,) = gate.told
        assert told[1] is False, "a limit is no failure"
        assert told[2] is not None
        assert 6 <= told[2] <= 10, "its own words, or what their rounding makes of them"

    # -- what Airflow sees

    def test_connection_form_is_valid(self, stage: Stage) -> None:
        if stage.provider_type is None:
            stage.cannot("names no provider type")
        jsonschema = pytest.importorskip("jsonschema")
        airflow = find_spec("airflow")  # found, not imported: that takes seconds
        assert airflow
        assert airflow.origin
        schema = json.loads(Path(airflow.origin).with_name("provider.yaml.schema.json").read_text())
        form = {"connection-type": "x", "hook-class-name": "lead_mining.hooks.Hook_x", **stage.provider_type.form}
        jsonschema.validate([form], schema["properties"]["connection-types"])

    def test_describes_itself(self, stage: Stage) -> None:
        provider = stage.provider()
        assert provider.name
        assert provider.page_size >= 1
        assert 1 <= provider.calls_at_once <= MOST_CALLS_AT_ONCE
        assert provider.answer_within >= 0
        assert all(rate.calls >= 1 and rate.seconds > 0 for rates in provider.rates.values() for rate in rates)
        assert provider.check()
        assert not stage.secret or stage.secret not in repr(provider) + provider.check()


def _once(stage: Stage) -> Callable[[], Provider]:
    """The same object for each fetch."""
    provider = stage.provider()
    return lambda: provider


def _with(stage: Stage, fault: str, **plan: Any) -> Provider:
    if fault not in stage.faults:
        stage.cannot(f"has no fault {fault!r}")
    stage.strike(fault, **plan)
    return stage.provider()


def _with_calls(stage: Stage) -> Provider:
    if not stage.calls_a_service:
        stage.cannot("makes no calls")
    return stage.provider()


def _parsed(provider: Provider, record: Any) -> tuple[Company | None, Sequence[tuple[str, str, str]]]:
    try:
        return provider.parse(record), ()
    except MalformedRecord as error:
        return None, error.problems


def _contacts_by_company(bought: Bought, most: int) -> list[tuple[Contact, ...]]:
    """Of the companies that have some."""
    found = [company.contacts for company in bought.companies.values() if company.contacts]
    assert found, "the stage's query must find somebody"
    assert all(len(contacts) <= most for contacts in found)
    return found


def _assert_storable(page: Page) -> None:
    assert storable(page.raw) == page.raw
    json.dumps(page.raw, allow_nan=False)
