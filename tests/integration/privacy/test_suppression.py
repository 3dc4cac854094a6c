"""The suppression list, on real PostgreSQL: who is on it is never loaded, and never written down."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import psycopg
import pytest
from crm_records import add_lead
from paid_catalogue import PaidCatalogue
from statement_counter import counted_statements

from lead_mining import candidates, pipeline
from lead_mining.audit import audit
from lead_mining.privacy.suppression import Entry, Suppressed, add, find_suppressed, lift, suppressed_domains
from lead_mining.providers.base import Company, Contact, Page

ANN = Contact(full_name="Ann Éxample", email="Ann@acme.example", phone="+49 30 123456")
BO = Contact(full_name="Bo Other", email="bo@acme.example")
ACME = Company(
    reveal_id="r1", name="Acme", domain="acme.example", country_code="DE", emails=("info@acme.example",),
    phones=("030 999999",), contacts=(ANN, BO),
)  # fmt: skip


def put(crm: psycopg.Connection, kind: str, value: str) -> int:
    return add(crm, [Entry.of(kind, value, "asked", "test")])


@pytest.mark.parametrize(
    ("kind", "value", "contact_index"),
    [
        ("domain", "www.acme.example", None),
        ("country", "de", None),
        ("email", "INFO@acme.example", None),
        ("phone", "+49 30 999999", None),
        ("email", "ann@acme.example", 0),
        ("phone", "+4930123456", 0),
        ("person", "ann example @ acme.example", 0),
        ("person", "Bo  Other@acme.example", 1),
    ],
)
def test_a_company_or_a_contact_is_recognised(
    crm: psycopg.Connection, kind: str, value: str, contact_index: int | None
) -> None:
    assert find_suppressed(crm, [(7, ACME)]) == []
    assert put(crm, kind, value) == 1
    assert find_suppressed(crm, [(7, ACME)]) == [Suppressed(7, contact_index, kind, "test", "asked")]


@pytest.mark.parametrize(
    ("kind", "value"),
    [("person", "Ann Other @ acme.example"), ("person", "Ann Example @ initech.example"), ("email", "an@acme.example")],
)
def test_others_are_not(crm: psycopg.Connection, kind: str, value: str) -> None:
    put(crm, kind, value)
    assert find_suppressed(crm, [(7, ACME)]) == []


def test_a_contact_with_an_address_of_a_suppressed_company_is_left_out(crm: psycopg.Connection) -> None:
    put(crm, "domain", "initech.example")
    elsewhere = ACME.model_copy(update={"contacts": (BO, Contact(email="x@mail.initech.example"))})
    assert [(s.contact_index, s.kind) for s in find_suppressed(crm, [(7, elsewhere)])] == [(1, "domain")]


def test_of_several_the_first_kind_is_named_and_a_company_stands_for_its_people(crm: psycopg.Connection) -> None:
    for kind, value in [("person", "Ann Example@acme.example"), ("email", "ann@acme.example")]:
        put(crm, kind, value)
    assert [(s.contact_index, s.kind) for s in find_suppressed(crm, [(7, ACME)])] == [(0, "email")]
    put(crm, "country", "DE")
    assert [(s.contact_index, s.kind) for s in find_suppressed(crm, [(7, ACME)])] == [(None, "country")]


@pytest.mark.parametrize("crm_kind", ["odoo17"], indirect=True)
def test_the_crms_own_blacklists_count_as_they_are_at_that_moment(crm: psycopg.Connection) -> None:
    crm.execute(
        "INSERT INTO mail_blacklist (email, active) VALUES ('ann@acme.example', true), ('bo@acme.example', false)"
    )
    found = find_suppressed(crm, [(7, ACME)])
    assert found == [Suppressed(7, 0, "email", "the CRM's blacklist", "blacklisted in the CRM")]
    crm.execute("INSERT INTO phone_blacklist (number, active) VALUES ('+4930999999', true)")
    assert [(s.contact_index, s.kind) for s in find_suppressed(crm, [(7, ACME)])] == [(None, "phone")]
    crm.execute("UPDATE phone_blacklist SET active = false")
    crm.execute("UPDATE mail_blacklist SET active = false")
    assert find_suppressed(crm, [(7, ACME)]) == []


FIELDS = [
    ("Zoë.Roe@gone.example", "Zoë.Roe@gone.example"),
    ("Zoë.Roe@gone.example", "Zoë Roe <Zoë.Roe@GONE.example>"),
    ("sales@gone.example", "info@here.example, sales@gone.example"),
    ("info@gone.example", "Info@gone.example; sales@here.example"),
    ("jo@gone.example", "mailto:jo@gone.example"),
    ("jo@gone.example", "jo@gone.example;"),
    ("jo@gone.example", "Jo Roe jo@gone.example"),
    ("jo@gone.example", "jo\x00@gone.example"),
]


@pytest.mark.parametrize("crm_kind", ["odoo17"], indirect=True)
def test_every_address_of_a_field_is_looked_up_on_each_list(crm: psycopg.Connection) -> None:
    for listed, field in FIELDS:
        companies = [(1, Company(emails=(field,))), (2, Company(contacts=(BO, Contact(email=field))))]
        assert find_suppressed(crm, companies) == []
        crm.execute("INSERT INTO mail_blacklist (email, active) VALUES (%s, true)", [listed])
        of_the_crm = {(s.candidate_id, s.contact_index, s.kind) for s in find_suppressed(crm, companies)}
        crm.execute("TRUNCATE mail_blacklist")
        put(crm, "email", listed.upper())
        of_ours = {(s.candidate_id, s.contact_index, s.kind) for s in find_suppressed(crm, companies)}
        crm.execute("DELETE FROM lead_mining.suppression")
        assert of_the_crm == of_ours == {(1, None, "email"), (2, 1, "email")}, field


@pytest.mark.parametrize("crm_kind", ["odoo17"], indirect=True)
def test_a_number_is_looked_up_as_the_crm_reads_it(crm: psycopg.Connection) -> None:
    crm.execute("INSERT INTO phone_blacklist (number, active) VALUES ('+493090182099', true)")
    for country, phone, home in (
        ("US", "0049 30 90182099", None),
        ("US", "493090182099", "US"),
        (None, "030 90182099", "DE"),
    ):
        companies = [(1, Company(country_code=country, phones=(phone,)))]
        assert [s.kind for s in find_suppressed(crm, companies, home)] == ["phone"], phone


def test_an_entry_is_on_the_list_once_and_can_be_lifted(crm: psycopg.Connection) -> None:
    entries = [
        Entry.of("email", "ann@acme.example", "asked", "one"),
        Entry.of("domain", "acme.example", "asked", "one"),
    ]
    assert add(crm, [*entries, *entries]) == 2
    assert add(crm, [Entry.of("email", "ANN@acme.example", "again", "two")]) == 0
    assert suppressed_domains(crm, ["acme.example", "initech.example"]) == {"acme.example"}
    assert lift(crm, [Entry.of("email", "Ann <ann@acme.example>", "-", "-")]) == 1
    assert lift(crm, [Entry.of("email", "ann@acme.example", "-", "-")]) == 0
    assert add(crm, []) == lift(crm, []) == 0


def test_the_list_holds_nobodys_data(crm: psycopg.Connection) -> None:
    for kind, value in [
        ("email", "ann@acme.example"),
        ("person", "Ann Example@acme.example"),
        ("phone", "+4930123456"),
    ]:
        put(crm, kind, value)
    rows = crm.execute("SELECT s::text FROM lead_mining.suppression s").fetchall()
    assert len(rows) == 3
    assert not any(mark in row[0].lower() for row in rows for mark in ("ann", "acme", "4930"))
    with pytest.raises(psycopg.errors.CheckViolation):
        crm.execute("UPDATE lead_mining.suppression SET value = 'ann@acme.example'")


@pytest.mark.parametrize("text", ["%", "_", "'; DROP TABLE crm_lead; --", "<script>", "\x00", "x" * 5000, "@", "a@b"])
def test_hostile_values_match_nothing_and_break_nothing(crm: psycopg.Connection, text: str) -> None:
    put(crm, "email", "ann@acme.example")
    hostile = Company(name=text, domain=text, country_code="DE", emails=(text,), phones=(text,), contacts=(
        Contact(full_name=text, email=text, phone=text), Contact(full_name=f"{text} @ {text}", email=f"{text}@{text}"),
    ))  # fmt: skip
    assert find_suppressed(crm, [(7, hostile)]) == []


def test_two_at_once_add_the_same_entry(conn: psycopg.Connection, crm_dsn: str) -> None:
    entry = Entry.of("email", "ann@acme.example", "asked", "test")
    with psycopg.connect(crm_dsn) as other:
        assert add(other, [entry]) == 1
        other.commit()
        assert add(conn, [entry]) == 0


def test_statements_do_not_grow_with_the_companies(crm: psycopg.Connection) -> None:
    counts = []
    for number in (1, 500):
        with counted_statements(crm) as statements:
            find_suppressed(crm, [(n, ACME) for n in range(number)])
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 3


def test_a_run_leaves_out_suppressed_companies_and_people(conn: psycopg.Connection, tmp_path: Path) -> None:
    put(conn, "email", "ann@acme.example")
    put(conn, "domain", "initech.example")
    add_lead(conn, email_normalized="ann@acme.example")  # who is left out makes her company no duplicate
    request = {
        "countries": ["DE"], "search_type": "people", "preferred_role": "CEO", "lead_number": 2, "contact_number": 2,
    }  # fmt: skip
    run_id = pipeline.prepare_request(conn, "lead_mining/x", request)["run_id"]
    initech = Company(reveal_id="r2", name="Initech", domain="initech.example", country_code="DE")
    people = tuple(person.model_copy(update={"role": "ceo"}) for person in ACME.contacts)
    with conn.transaction():
        page = Page(raw={}, records=[{}, {}], charged=4, next_cursor=None)
        candidates.store_page(conn, run_id, 1, 2, page, [ACME.model_copy(update={"contacts": people}), initech])
    conn.execute("INSERT INTO lead_mining.run_step (run_id, step, result) VALUES (%s, 'extract', '{}')", [run_id])
    pipeline.validate(conn, run_id, tmp_path)
    found = pipeline.deduplicate(conn, run_id)
    assert (found["accepted"], found["suppressed"], found["people_suppressed"]) == (1, 1, 1)
    rows = conn.execute(
        "SELECT rule, contact_index, value, record FROM lead_mining.rejection WHERE rule LIKE 'suppressed%' ORDER BY 1"
    ).fetchall()
    assert rows == [
        ("suppressed_domain", None, "asked (test)", None), ("suppressed_email", 0, "asked (test)", None),
    ]  # fmt: skip
    pipeline.debit_credits(conn, run_id)
    put(conn, "person", "Bo Other @ acme.example")  # after deduplication, before loading
    loaded = pipeline.load_leads(conn, run_id)
    assert (loaded["leads"], loaded["contacts"], loaded["captured"]) == (1, 0, 1)
    lead = conn.execute("SELECT contact_name, email_from FROM crm_lead WHERE reveal_id = 'r1'").fetchone()
    assert lead == (None, "info@acme.example")


@pytest.mark.parametrize("crm_kind", ["embedded"], indirect=True)
def test_nothing_of_a_suppressed_person_is_written_down(conn: psycopg.Connection, tmp_path: Path) -> None:
    people = [
        {"full_name": "Ann Éxample", "email": "ann@acme.example", "phone": "+49 30 123456", "role": "ceo"},
        {"full_name": "Bo Other", "email": "bo@acme.example", "role": "ceo"},
    ]
    boss = [{"full_name": "Cy Third", "email": "cy@initech.example", "role": "ceo"}]
    file = tmp_path / "companies.csv"
    with file.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened)
        writer.writerow(["name", "domain", "country_code", "description", "contacts"])
        writer.writerow(["Acme", "acme.example", "DE", "Led by Ann Éxample.", json.dumps(people)])
        writer.writerow(["Initech", "initech.example", "DE", "", json.dumps(boss)])
    put(conn, "email", "ann@acme.example")
    put(conn, "domain", "initech.example")
    request = {"countries": ["DE"], "search_type": "people", "preferred_role": "CEO", "lead_number": 2}
    run_id = pipeline.prepare_request(conn, "lead_mining/x", request)["run_id"]
    pipeline.extract(conn, run_id, PaidCatalogue(file, excludes_known=False))
    written = conn.execute(
        "SELECT (SELECT string_agg(p::text, '') FROM lead_mining.raw_page p)"
        " || (SELECT string_agg(c::text, '') FROM lead_mining.candidate c)"
        " || (SELECT string_agg(r::text, '') FROM lead_mining.rejection r)"
    ).fetchone()[0]  # fmt: skip
    assert [mark for mark in ("ann@", "Ann", "123456", "cy@", "Cy Third") if mark in written] == []
    assert "bo@acme.example" in written
    assert "Initech" in written
    pipeline.validate(conn, run_id, tmp_path)
    assert pipeline.deduplicate(conn, run_id)["accepted"] == 1
    pipeline.debit_credits(conn, run_id)
    assert pipeline.load_leads(conn, run_id)["contacts"] == 1
    pipeline.write_enrichment_notes(conn, run_id)
    pipeline.release(conn, "lead_mining/x")
    assert audit(conn) == []
