"""People from People Data Labs: one company at a time, one paid call a page."""

from __future__ import annotations

import json

from pdl_service import NOTHING, PEOPLE, US, Service, companies, drain, filters, found, person, told

from lead_mining.providers.base import Query


def test_people_are_bought_one_company_at_a_time_and_then_companies_go_on() -> None:
    query = Query(countries=("US",), contact_number=2)
    service = Service(
        found(*companies("a", "b"), scroll="9$9"),
        found(person("1"), person("2")),
        found(person("3")),
        found(*companies("c")),
    )
    pages, contacts = drain(service, query)
    assert [page.charged for page in pages] == [2, 2, 1]
    assert {company: [p["id"] for p in people] for company, people in contacts.items()} == {"a": ["1", "2"], "b": ["3"]}
    assert [body["size"] for body in service.bodies[1:]] == [2, 2]
    assert [filters(service, call) for call in (1, 2)] == [[{"term": {"job_company_id": one}}] for one in "ab"]
    assert all(page.records == [] for page in pages[1:])
    service.fetch(query, pages[-1].next_cursor)
    assert service.bodies[-1]["scroll_token"] == "9$9"


def test_the_preferred_role_comes_first_and_the_others_fill_up() -> None:
    service = Service(
        found(*companies("a")), found(person("1", job_title="ceo")), found(person("2", job_title_role="sales"))
    )
    pages, contacts = drain(service)
    parsed = [service.provider.parse_contact(record) for record in contacts["a"]]
    assert [contact.role for contact in parsed] == ["CEO", "sale"]
    first, second = service.bodies[1:]
    ceos = first["query"]["bool"]["filter"][1]["terms"]["job_title"]
    assert "chief executive officer" in ceos
    assert second["query"]["bool"]["filter"][1] == {"terms": {"job_title_role": ["marketing", "sales"]}}
    assert second["query"]["bool"]["must_not"] == [{"terms": {"job_title": ceos}}]  # nobody is paid for twice
    assert [first["size"], second["size"]] == [3, 2]
    assert [page.unfinished for page in pages] == [True, True, False]


def test_each_fetch_makes_one_paid_call_and_any_number_of_free_ones() -> None:
    service = Service(found(*companies("a")), told(NOTHING, 404), found(person("2", job_title_role="sales")))
    pages, contacts = drain(service)
    assert [page.charged for page in pages] == [1, 1]
    assert [record["id"] for record in contacts["a"]] == ["2"]


def test_a_search_that_finds_nothing_but_is_charged_is_a_page_of_its_own() -> None:
    charged = told(found(), x_call_credits_spent="1")
    service = Service(found(*companies("a")), charged, found(person("2", job_title_role="sales")))
    assert [page.charged for page in drain(service)[0]] == [1, 1, 1]


def test_enough_of_the_preferred_role_asks_for_no_other() -> None:
    service = Service(found(*companies("a")), found(*(person(one, job_title="ceo") for one in "123")))
    pages, _ = drain(service)
    assert len(pages) == 2


def test_who_was_looked_for_and_not_found_is_said() -> None:
    service = Service(found(*companies("a")), told(NOTHING, 404))
    pages, contacts = drain(service)
    assert contacts == {"a": []}
    assert (pages[-1].charged, len(service.calls)) == (0, 3)


def test_people_by_seniority() -> None:
    query = Query(countries=("US",), contact_number=1, contact_filter_type="seniority", seniority="executive")
    service = Service(found(*companies("a")), found(person("1", job_title_levels=["vp"])))
    _, contacts = drain(service, query)
    assert filters(service)[1] == {"terms": {"job_title_levels": ["cxo", "vp", "owner", "partner"]}}
    assert service.provider.parse_contact(contacts["a"][0]).seniority == "executive"


def test_roles_that_are_known_by_different_fields_are_alternatives() -> None:
    query = Query(countries=("US",), contact_number=1, other_roles=("Owner", "Legal"))
    service = Service(found(*companies("a")), found())
    drain(service, query)
    assert filters(service)[1] == {
        "bool": {"should": [{"terms": {"job_title_levels": ["owner"]}}, {"terms": {"job_title_role": ["legal"]}}]}
    }


def test_companies_that_another_provider_sold_are_asked_for_by_domain() -> None:
    service = Service(found(person("1")), told(NOTHING, 404))
    query = Query(countries=("US",), contact_number=1)
    cursor = service.provider.contacts_of(query, [("theirs", "a.test"), ("x", None), (None, "b.test")])
    assert service.provider.most(query, 1, cursor) == 2
    first = service.fetch(query, cursor)
    second = service.fetch(query, first.next_cursor)
    assert [filters(service, call)[0] for call in (0, 1)] == [
        {"term": {"job_company_website": "a.test"}},
        {"term": {"job_company_website": "b.test"}},
    ]
    assert (list(first.contacts), list(second.contacts)) == (["theirs"], ["b.test"])
    assert (second.next_cursor, second.unfinished) == (None, False)
    assert service.provider.contacts_of(US, [("theirs", "a.test")]) is None
    assert service.provider.contacts_of(query, [("theirs", None)]) is None
    twice = service.provider.contacts_of(query, [("theirs", "a.test"), ("theirs", "a.test")])
    assert service.provider.most(query, 1, twice) == query.contact_number


def test_a_record_without_an_id_is_owed_no_people_and_is_not_lost() -> None:
    page = Service(found({"website": "a.test"}, {"id": True}, "no object", *companies("b"))).fetch(PEOPLE)
    assert page.next_cursor is not None
    assert (len(page.records), page.charged) == (4, 4)
    assert [one["reveal_id"] for one in json.loads(page.next_cursor)["owed"]] == ["b"]


def test_no_personal_data_is_asked_for_or_stands_in_a_cursor() -> None:
    service = Service(found(*companies("a")), found(person("p1", job_title="ceo", work_email="jo@a.test")), found())
    pages, _ = drain(service)
    asked_for = set(service.bodies[1]["data_include"].split(","))
    assert not asked_for & {"personal_emails", "recommended_personal_email", "birth_date", "street_addresses", "sex"}
    assert all("jo" not in str(page.next_cursor) and "p1" not in str(page.next_cursor) for page in pages)


def test_private_addresses_are_not_stored_though_they_come_beside_the_others() -> None:
    emails = [
        {"address": f"jo@{kind}.test", "type": kind} for kind in ("personal", "professional", "current_professional")
    ]
    service = Service(
        found(*companies("a")),
        found(person("1", job_title="ceo", emails=[*emails, "odd"]), person("2", emails="odd")),
        found(),
    )
    pages, contacts = drain(service)
    assert pages[1].raw["data"][0]["emails"] == contacts["a"][0]["emails"] == emails[2:]
    assert "personal.test" not in json.dumps([[page.raw, page.contacts] for page in pages])
    assert service.provider.parse_contact(contacts["a"][0]).email == "jo@current_professional.test"
