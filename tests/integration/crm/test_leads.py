from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from crm_people import set_alias_domain

from lead_mining.crm.context import CrmContext, resolve
from lead_mining.crm.leads import load_leads
from lead_mining.crm.notes import write_notes
from lead_mining.crm.requests import create_request
from lead_mining.exceptions import QualityError
from lead_mining.providers.base import Company, Contact
from lead_mining.request import MiningRequest

Rows = Callable[..., list[dict[str, Any]]]
Requested = Callable[..., tuple[CrmContext, int]]


def company(n: int) -> Company:
    return Company(
        reveal_id=f"r{n}",
        name=f"Company {n}",
        domain=f"company{n}.test",
        phones=(f"+1 415-555-{n % 10000:04}",),
        emails=(f"info@company{n}.test",),
        street=f"{n} Main Street",
        city="San Francisco",
        state_code="CA",
        country_code="US",
        contacts=(Contact(full_name=f"Person {n}", email=f"p{n}@company{n}.test", title="CEO"),),
    )


def test_one_lead(requested: Requested, crm: psycopg.Connection, rows: Rows) -> None:
    context, request_id = requested()
    loaded = load_leads(crm, context, request_id, [(77, company(1))])
    (lead,) = rows("SELECT * FROM crm_lead WHERE id = %s", loaded[77])
    assert (lead["name"], lead["reveal_id"], lead["contact_name"]) == ("Company 1", "r1", "Person 1")
    (place,) = rows(
        "SELECT c.code AS country, s.code AS state FROM crm_lead l JOIN res_country c ON c.id = l.country_id"
        " JOIN res_country_state s ON s.id = l.state_id WHERE l.id = %s",
        loaded[77],
    )
    assert place == {"country": "US", "state": "CA"}


def test_no_leads(requested: Requested, crm: psycopg.Connection) -> None:
    context, request_id = requested(tags=["A"])
    assert load_leads(crm, context, request_id, []) == {}
    assert write_notes(crm, context, []) == {}


def test_300_leads_keep_the_providers_order(
    requested: Requested, crm: psycopg.Connection, rows: Rows, users: tuple[str, str]
) -> None:
    context, request_id = requested(salesperson=users[0], tags=["A", "B"])
    candidates = [(1000 - n, company(n)) for n in range(300)]
    loaded = load_leads(crm, context, request_id, candidates)
    assert list(loaded) == [candidate for candidate, _ in candidates]
    leads = rows("SELECT id, name FROM crm_lead WHERE lead_mining_request_id = %s ORDER BY id", request_id)
    assert [lead["name"] for lead in leads] == [f"Company {n}" for n in range(300)]
    assert [lead["id"] for lead in leads] == list(loaded.values())
    for condition, each in [
        ("crm_tag_rel WHERE lead_id = %s", 2),
        ("mail_message WHERE model = 'crm.lead' AND res_id = %s AND message_type = 'notification'", 1),
        ("mail_message WHERE model = 'crm.lead' AND res_id = %s AND message_type = 'user_notification'", 1),
        ("mail_followers WHERE res_model = 'crm.lead' AND res_id = %s", 2),
    ]:
        counts = [rows(f"SELECT count(*) AS n FROM {condition}", lead["id"])[0]["n"] for lead in leads]
        assert counts == [each] * 300, condition


def test_loading_twice_in_one_transaction(requested: Requested, crm: psycopg.Connection) -> None:
    context, request_id = requested()
    first = load_leads(crm, context, request_id, [(1, company(1))])
    second = load_leads(crm, context, request_id, [(2, company(1))])
    assert first[1] < second[2]


def test_a_later_row_of_anyone_gets_another_id(requested: Requested, crm: psycopg.Connection, rows: Rows) -> None:
    context, request_id = requested()
    loaded = load_leads(crm, context, request_id, [(n, company(n)) for n in range(50)])
    (row,) = rows("INSERT INTO crm_lead (name, type) VALUES ('By hand', 'lead') RETURNING id")
    assert row["id"] > max(loaded.values())


def test_what_the_caller_rolls_back_was_never_there(requested: Requested, crm: psycopg.Connection, rows: Rows) -> None:
    context, request_id = requested(tags=["A"])
    counts = "SELECT (SELECT count(*) FROM crm_lead) AS leads, (SELECT count(*) FROM mail_message) AS messages"
    before = rows(counts)
    with crm.transaction(force_rollback=True):
        leads = load_leads(crm, context, request_id, [(1, company(1))])
        write_notes(crm, context, [(leads[1], "<p>x</p>")])
        assert rows(counts) != before
    assert rows(counts) == before


def test_companies_without_a_name_are_refused_before_anything_is_written(
    requested: Requested, crm: psycopg.Connection, rows: Rows
) -> None:
    context, request_id = requested()
    bad = [Company(reveal_id="r"), Company(name="", domain=""), Company.model_construct(name="\x00")]
    with pytest.raises(QualityError, match=r"without a name and a domain .*: 5, 6, 7$"):
        load_leads(crm, context, request_id, [(4, company(4)), *enumerate(bad, start=5)])
    assert rows("SELECT FROM crm_lead WHERE lead_mining_request_id = %s", request_id) == []


def test_many_nameless_are_not_all_listed(requested: Requested, crm: psycopg.Connection) -> None:
    context, request_id = requested()
    with pytest.raises(QualityError, match=r"0, 1, .*, 19 and 980 more$"):
        load_leads(crm, context, request_id, list(enumerate([Company()] * 1000)))


@pytest.mark.parametrize("codes", [("XX", "CA"), ("", ""), ("DE", "CA"), ("US", "US-CA"), (None, "CA")])
def test_codes_that_the_crm_does_not_know_are_left_out(
    requested: Requested, crm: psycopg.Connection, rows: Rows, codes: tuple[str | None, str]
) -> None:
    context, request_id = requested()
    known = codes[0] in ("US", "DE")
    strange = company(1).model_copy(update={"country_code": codes[0], "state_code": codes[1]})
    loaded = load_leads(crm, context, request_id, [(1, strange)])
    (lead,) = rows("SELECT country_id, state_id FROM crm_lead WHERE id = %s", loaded[1])
    assert (lead["country_id"] is not None, lead["state_id"]) == (known, None)


def test_a_country_code_in_lower_case_is_understood(requested: Requested, crm: psycopg.Connection, rows: Rows) -> None:
    context, request_id = requested()
    lower = company(1).model_copy(update={"country_code": "us", "state_code": "CA"})
    loaded = load_leads(crm, context, request_id, [(1, lower)])
    (lead,) = rows(
        "SELECT c.code AS country, s.code AS state FROM crm_lead AS l JOIN res_country AS c ON c.id = l.country_id"
        " JOIN res_country_state AS s ON s.id = l.state_id WHERE l.id = %s",
        loaded[1],
    )
    assert (lead["country"], lead["state"]) == ("US", "CA")


HOSTILE = [
    "<script>alert(1)</script>",
    "'; DROP TABLE crm_lead; --",
    "\\.\n\\N\t\r\n\\",
    "🦊 Zoë ‮ ‏ \u0301",
    "a\x00b\x00",
    "half \ud83d of a character",
    "x" * 100_000,
    "".join(chr(0x4E00 + n) for n in range(20_000)),
    "%s %(name)s {0} {}",
    "\x01\x02\x7f\u2028",
]


@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_texts_do_not_break_a_batch(
    requested: Requested, crm: psycopg.Connection, rows: Rows, hostile: str
) -> None:
    context, request_id = requested()
    contact = Contact.model_construct(full_name=hostile, email=hostile + "@acme.test", title=hostile, phone=hostile)
    texts = dict.fromkeys(
        ["reveal_id", "name", "legal_name", "domain", "street", "city", "zip", "state_code", "country_code"], hostile
    )
    batch = [
        company(1),
        Company.model_construct(**texts, phones=(hostile,), emails=(f"{hostile}@acme.test",)),
        Company.model_construct(**texts, phones=(hostile,), contacts=(contact,)),
        company(2),
    ]
    loaded = load_leads(crm, context, request_id, list(enumerate(batch)))
    leads = rows(
        "SELECT name, street, contact_name, email_from FROM crm_lead WHERE id = ANY(%s) ORDER BY id",
        list(loaded.values()),
    )
    stored = hostile.replace("\x00", "").replace("\ud83d", "?")
    assert [lead["name"] for lead in leads] == ["Company 1", stored, stored, "Company 2"]
    assert [lead["street"] for lead in leads[1:3]] == [stored, stored]
    assert (leads[2]["contact_name"], leads[2]["email_from"]) == (stored, f"{stored}@acme.test")
    notes = write_notes(crm, context, [(lead_id, f"<p>{hostile}</p>") for lead_id in loaded.values()])
    messages = rows("SELECT body, record_name FROM mail_message WHERE id = ANY(%s)", list(notes.values()))
    assert {message["body"] for message in messages} == {f"<p>{stored}</p>"}
    assert {message["record_name"] for message in messages} == {"Company 1", stored, "Company 2"}


def test_without_a_team_each_lead_has_its_own_reply_address(
    requested: Requested, crm: psycopg.Connection, rows: Rows
) -> None:
    set_alias_domain(crm)
    context, request_id = requested(salesperson="none")
    loaded = load_leads(crm, context, request_id, [(n, company(n)) for n in (1, 2)])
    write_notes(crm, context, [(lead, "x") for lead in loaded.values()])
    messages = rows(
        "SELECT res_id, reply_to FROM mail_message WHERE model = 'crm.lead' AND res_id = ANY(%s) ORDER BY id",
        list(loaded.values()),
    )
    assert [message["reply_to"] for message in messages] == [
        f'"My Company Company {n}" <catchall@acme.test>' for n in (1, 2, 1, 2)
    ]


def test_the_companys_country_reads_national_phone_numbers(
    requested: Requested, crm: psycopg.Connection, rows: Rows
) -> None:
    crm.execute("UPDATE res_partner SET country_id = (SELECT id FROM res_country WHERE code = 'BE') WHERE id = 1")
    context, request_id = requested()
    national = Company(name="Acme", phones=("016 33 87 85",))
    loaded = load_leads(crm, context, request_id, [(1, national)])
    (lead,) = rows("SELECT phone, phone_sanitized, phone_state FROM crm_lead WHERE id = %s", loaded[1])
    assert lead == {"phone": "016 33 87 85", "phone_sanitized": "+3216338785", "phone_state": "incorrect"}


def test_a_deleted_lead_gets_no_note(requested: Requested, crm: psycopg.Connection) -> None:
    context, request_id = requested()
    loaded = load_leads(crm, context, request_id, [(n, company(n)) for n in range(3)])
    crm.execute("DELETE FROM crm_lead WHERE id = %s", [loaded[1]])
    assert list(write_notes(crm, context, [(lead, "x") for lead in loaded.values()])) == [loaded[0], loaded[2]]


def test_a_note_answers_the_first_message_that_is_no_notification(
    requested: Requested, crm: psycopg.Connection, rows: Rows
) -> None:
    context, request_id = requested()
    lead_id = load_leads(crm, context, request_id, [(1, company(1))])[1]
    crm.execute("UPDATE mail_message SET message_type = 'user_notification' WHERE res_id = %s", [lead_id])
    note = write_notes(crm, context, [(lead_id, "x")])[lead_id]
    assert rows("SELECT parent_id FROM mail_message WHERE id = %s", note) == [{"parent_id": None}]
    second = write_notes(crm, context, [(lead_id, "y")])[lead_id]
    assert rows("SELECT parent_id FROM mail_message WHERE id = %s", second) == [{"parent_id": note}]


def test_10_000_leads_with_notes(crm_dsn: str) -> None:
    leads = [(n, company(n)) for n in range(10_000)]
    with psycopg.connect(crm_dsn) as conn:
        request = MiningRequest.parse({"countries": ["US"], "tags": ["A"]})
        context = resolve(conn, request)
        request_id = create_request(conn, request, context).id
        started = time.monotonic()
        loaded = load_leads(conn, context, request_id, leads)
        write_notes(conn, context, [(lead, "<p>Note</p>") for lead in loaded.values()])
        conn.commit()
        seconds = time.monotonic() - started
        rows = conn.execute("SELECT count(*), count(DISTINCT name) FROM crm_lead").fetchone()
    assert rows == (10_000, 10_000)
    assert seconds < 60  # some 5 s on two idle cores; Odoo 17 takes 4 s for 200


def test_a_session_that_wrote_to_small_tables_does_not_read_large_ones_for_each_row(
    requested: Requested, crm: psycopg.Connection, rows: Rows, users: tuple[str, str]
) -> None:
    crm.execute(
        "WITH own AS (INSERT INTO mail_followers (res_model, res_id, partner_id) VALUES ('crm.team', 1, 3) RETURNING id)"
        " INSERT INTO mail_followers_mail_message_subtype_rel SELECT own.id, s.id FROM own, mail_message_subtype s"
        " WHERE s.id <= 14"
    )  # so often that the session keeps the plan of the check
    context, request_id = requested(salesperson=users[0], team="none")
    read = "SELECT seq_tup_read AS n FROM pg_stat_xact_user_tables WHERE relname = 'mail_followers'"
    (before,) = rows(read)
    load_leads(crm, context, request_id, [(n, company(n)) for n in range(3000)])
    (after,) = rows(read)
    assert after["n"] - before["n"] < 100_000, "6,000 rows, each checked by reading half of them, are 18,000,000"
