"""People whose data came on another page than their company, from another provider: privacy follows them there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fake_sellers import Finder, Seller, company, person

from lead_mining import erasing, pipeline
from lead_mining.privacy import export, retention, suppression
from lead_mining.privacy.subject import Subject
from lead_mining.privacy.suppression import Entry
from lead_mining.providers.base import Contact, JsonObject, Page
from lead_mining.sources import Source

pytestmark = pytest.mark.parametrize("crm_kind", ["embedded"], indirect=True)
REQUEST = {
    "countries": ["DE"],
    "lead_number": 2,
    "search_type": "people",
    "preferred_role": "CEO",
    "contact_number": 2,
    "provider_conn_id": "cheap",
    "then_provider_conn_ids": ["dear"],
}
# As People Data Labs and Apollo have it: names in parts, and keys that a company's record has too.
ANN: JsonObject = person(
    "Ann Unique",
    "alpha.example",
    first_name="Ann",
    last_name="Unique",
    job_company_website="alpha.example",
    revealed_for_current_team=True,
    profile="social.example/ann-unique",
)
# As nobody has it yet: nothing tells it from a company's record, which is of none that we know.
CY: JsonObject = {"called": "Cy Nomail", "role": "CEO", "company_ref": "B-7", "profile": "social.example/cy-no"}
DI = person("Di Other", "beta.example")
MARKS = ["Ann", "ann.unique@", "Unique", "ann-unique"]


class Caller(Finder):
    """Calls a person's name otherwise, and the list of people as Apollo does."""

    def _page(self, *asked: Any) -> Page:
        page = super()._page(*asked)
        return replace(page, raw={"people": page.raw["persons"]}) if "persons" in page.raw else page

    def parse_contact(self, record: JsonObject) -> Contact:
        contact = super().parse_contact(record)
        return contact.model_copy(update={"full_name": record["called"]}) if "called" in record else contact


def extracted(conn: psycopg.Connection, *, of_one: bool = False) -> int:
    """Companies of one provider with the people of another, whose pages name neither their domain nor their id; or
    both `of_one`, that leaves out nobody before charging."""
    companies = [company("Alpha", "cheap"), company("Beta", "cheap")]
    people = {"alpha.example": [[ANN], [CY]], "beta.example": [[DI]]}
    sources = [Source("cheap", Seller("cheap", companies)), Source("dear", Caller("dear", [], people))]
    request = REQUEST
    if of_one:
        only = Caller("cheap", companies, people)
        only.excludes_known = False
        sources, request = [Source("cheap", only)], REQUEST | {"then_provider_conn_ids": []}
    run_id = int(pipeline.prepare_request(conn, "lead_mining/x", request)["run_id"])
    pipeline.extract(conn, run_id, sources)
    return run_id


def loaded(conn: psycopg.Connection, docs: Path) -> int:
    run_id = extracted(conn)
    pipeline.validate(conn, run_id, docs)
    pipeline.deduplicate(conn, run_id)
    pipeline.debit_credits(conn, run_id)
    assert pipeline.load_leads(conn, run_id)["contacts"] == 3
    pipeline.write_enrichment_notes(conn, run_id)
    pipeline.release(conn, "lead_mining/x")
    return run_id


def written(conn: psycopg.Connection) -> str:
    (text,) = conn.execute(
        "SELECT concat((SELECT string_agg(p::text, '') FROM lead_mining.raw_page p),"
        " (SELECT string_agg(c::text, '') FROM lead_mining.candidate c),"
        " (SELECT string_agg(r::text, '') FROM lead_mining.rejection r),"
        " (SELECT string_agg(concat(l.contact_name, l.email_from, l.phone, l.name), '') FROM public.crm_lead l),"
        " (SELECT string_agg(m.body, '') FROM public.mail_message m))"
    ).fetchone() or ("",)
    return str(text)


def found(conn: psycopg.Connection, *marks: str) -> list[str]:
    text = written(conn)
    return [mark for mark in marks if mark in text]


@pytest.mark.parametrize(
    ("kind", "value", "of_one", "gone", "kept"),
    [
        ("email", "ann.unique@alpha.example", False, MARKS, ["Cy Nomail", "Di Other"]),
        ("person", "Ann Unique@alpha.example", True, MARKS, ["Cy Nomail", "Di Other"]),
        ("person", "Cy Nomail@alpha.example", False, ["Cy", "cy-no", "B-7"], [*MARKS, "Di Other"]),
        ("domain", "alpha.example", False, [*MARKS, "Cy", "cy-no", "Alpha"], ["Di Other"]),
        ("domain", "alpha.example", True, [*MARKS, "Cy", "cy-no"], ["Alpha", "Di Other"]),
    ],
)
def test_nothing_of_a_suppressed_person_is_written_down(
    conn: psycopg.Connection, kind: str, value: str, of_one: bool, gone: list[str], kept: list[str]
) -> None:
    suppression.add(conn, [Entry.of(kind, value, "asked", "test")])
    extracted(conn, of_one=of_one)
    assert found(conn, *gone) == []
    assert found(conn, *kept) == kept
    reasons = conn.execute("SELECT DISTINCT rule FROM lead_mining.rejection WHERE rule LIKE 'suppressed%'").fetchall()
    assert reasons == ([] if kind == "domain" else [(f"suppressed_{kind}",)])


def test_who_is_erased_is_gone_from_every_page(conn: psycopg.Connection, tmp_path: Path) -> None:
    loaded(conn, tmp_path)
    assert found(conn, *MARKS, "Di Other") == [*MARKS, "Di Other"]
    certificate = erasing.erase(conn, Subject.of("email", "ann.unique@alpha.example"), "ada", tmp_path)
    assert found(conn, *MARKS) == []
    assert found(conn, "Di Other", "Cy Nomail") == ["Di Other", "Cy Nomail"]
    assert certificate.erased["raw_page.body"] == 1
    assert certificate.left == {}


def test_a_company_that_is_erased_takes_with_it_who_is_known_by_name_alone(
    conn: psycopg.Connection, tmp_path: Path
) -> None:
    loaded(conn, tmp_path)
    erasing.erase(conn, Subject.of("domain", "alpha.example"), "ada", tmp_path)
    assert found(conn, *MARKS, "Cy Nomail") == []
    assert found(conn, "Di Other") == ["Di Other"]


def test_an_export_tells_of_the_page_and_of_who_sold_it(conn: psycopg.Connection, tmp_path: Path) -> None:
    loaded(conn, tmp_path)
    held: dict[str, Any] = export.export(conn, Subject.of("email", "ann.unique@alpha.example"))
    (page,) = held["raw_pages"]
    assert page["what"] == ANN
    assert {row["provider"] for row in held["provenance"]} == {"dear"}
    assert {row["page_number"] for row in held["provenance"]} == {page["page_number"]}
    assert "Di Other" not in str(held)
    assert "Cy Nomail" not in str(held)
    of_all = export.export(conn, Subject.of("domain", "alpha.example"))
    assert "Cy Nomail" in str(of_all["raw_pages"])
    assert "Di Other" not in str(of_all)


def test_pages_of_contacts_are_kept_no_longer_than_others(conn: psycopg.Connection, tmp_path: Path) -> None:
    loaded(conn, tmp_path)
    conn.execute("UPDATE lead_mining.raw_page SET received_at = received_at - interval '9 days'")
    (pages,) = conn.execute("SELECT count(*) FROM lead_mining.raw_page").fetchone() or (0,)
    assert retention.apply(conn, 8).raw_pages == pages > 2
    assert conn.execute("SELECT bool_or(raw_page_kept) FROM lead_mining.provenance").fetchone() == (False,)
