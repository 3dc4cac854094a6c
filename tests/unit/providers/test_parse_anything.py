"""Whatever JSON comes as a record, parse gives a Company or MalformedRecord, never another error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lead_mining.exceptions import MalformedRecord
from lead_mining.providers.apollo import Apollo
from lead_mining.providers.apollo.records import domain_of_employer, has_mobile
from lead_mining.providers.base import Company, Contact
from lead_mining.providers.lead_catalog import LeadCatalog
from lead_mining.providers.odoo_iap import OdooIap
from lead_mining.providers.people_data_labs import PeopleDataLabs
from lead_mining.providers.people_data_labs.records import COMPANY_FIELDS, PERSON_FIELDS
from lead_mining.providers.text import storable

_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(10**300, 10**301)
    | st.floats()
    | st.text()
    | st.sampled_from(["\x00", "\ud800", "1e999", "12", "12.0", "[", '["a"]', "[[]]", "a;b", "US-CA", "www.x.com"])
)
ANY_JSON = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
_WIRE = sorted(
    (set(Company.model_fields) - {"contacts"}) | {"clearbit_id", "location", "postal_code", "phone", "email"}
)
_PERSON = st.dictionaries(st.sampled_from(sorted(Contact.model_fields)), ANY_JSON, max_size=3)
_COMPANY = st.dictionaries(st.sampled_from(_WIRE), ANY_JSON, max_size=6)

_LEAD = st.fixed_dictionaries(
    {"company_data": _COMPANY | ANY_JSON, "people_data": st.lists(_PERSON, max_size=2) | ANY_JSON}
)
ODOO_IAP = OdooIap("https://iap.test", "token", "db")


def _outcome(parse: Callable[[Any], Company | Contact], record: Any) -> None:
    problems: Sequence[tuple[str, str, str]] = ()
    try:
        read = parse(record)
    except MalformedRecord as error:
        read, problems = None, error.problems
    assert (read is None) == bool(problems)
    for field, value, message in problems:
        assert field
        assert message
        assert len(value) <= 200
        assert storable(value) == value
    if read is not None:
        dumped = read.model_dump(mode="json")
        assert storable(dumped) == dumped
        read.model_dump_json()


@settings(max_examples=150, deadline=None)
@given(ANY_JSON | _LEAD)
def test_odoo_iap(record: Any) -> None:
    _outcome(ODOO_IAP.parse, record)


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> LeadCatalog:
    path: Path = tmp_path_factory.mktemp("catalogue") / "all.csv"
    path.write_text(",".join(Company.model_fields) + "\n", encoding="utf-8")
    return LeadCatalog(path)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(record=ANY_JSON | st.dictionaries(st.sampled_from(sorted(Company.model_fields)), ANY_JSON, max_size=6))
def test_lead_catalog(catalogue: LeadCatalog, record: Any) -> None:
    _outcome(catalogue.parse, record)


PDL = PeopleDataLabs("https://pdl.test", "key")
_PLACE = st.dictionaries(st.sampled_from(["country", "region", "locality", "street_address"]), ANY_JSON, max_size=3)


def _objects(fields: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from([*fields.split(","), "asked"]), ANY_JSON | _PLACE, max_size=6)


@settings(max_examples=150, deadline=None)
@given(ANY_JSON | _objects(COMPANY_FIELDS))
def test_people_data_labs(record: Any) -> None:
    _outcome(PDL.parse, record)


@settings(max_examples=150, deadline=None)
@given(ANY_JSON | _objects(PERSON_FIELDS))
def test_people_of_people_data_labs(record: Any) -> None:
    _outcome(PDL.parse_contact, record)


APOLLO = Apollo("https://apollo.test", "key")
_ORGANIZATION = (
    "id,name,primary_domain,website_url,short_description,founded_year,logo_url,primary_phone,phone,street_address,"
    "raw_address,city,state,country,estimated_num_employees,annual_revenue,industry,keywords,technology_names,linkedin_url"
)
_PERSON_MATCHED = "id,name,first_name,last_name,email,email_status,title,seniority,organization,contact"


@settings(max_examples=150, deadline=None)
@given(ANY_JSON | _objects(_ORGANIZATION))
def test_apollo(record: Any) -> None:
    _outcome(APOLLO.parse, record)


@settings(max_examples=150, deadline=None)
@given(ANY_JSON | _objects(_PERSON_MATCHED))
def test_people_of_apollo(record: Any) -> None:
    _outcome(APOLLO.parse_contact, record)
    assert domain_of_employer(record) is None or isinstance(record, dict)
    assert isinstance(has_mobile(record), bool)
