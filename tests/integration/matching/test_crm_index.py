"""Our index of the CRM: always what the CRM says, whoever wrote it."""

from __future__ import annotations

import psycopg
import pytest
from crm_records import add_lead, add_partner

from lead_mining.matching import crm_index

EXPECTED = {
    "reveal_id": "r1",
    "domain": "acme.com",
    "email": "info@acme.com",
    "phone": "+1415",
    "city": "sao paulo",
    "zip": "94107",
}


def known(crm: psycopg.Connection, model: str, record_id: int) -> dict[str, object]:
    """Its words, whether it has blocks, and for each of EXPECTED whether it is that; None: it has none."""
    compared = ", ".join(f"{column} = hashtextextended(%({column})s, 0) AS {column}" for column in EXPECTED)
    cursor = crm.execute(
        f"SELECT name, block_1 IS NOT NULL AS blocks, {compared} FROM lead_mining.known_company"
        " WHERE model = %(model)s AND record_id = %(id)s",
        EXPECTED | {"model": model, "id": record_id},
    )
    row = cursor.fetchone()
    return dict(zip((column.name for column in cursor.description), row, strict=True)) if row else {}


def test_a_lead_is_normalised(crm: psycopg.Connection) -> None:
    lead = add_lead(
        crm, partner_name="ACME & Söhne GmbH", website="https://www.shop.acme.com/x", email_normalized="info@acme.com",
        phone_sanitized="+1415", reveal_id="r1", city="São Paulo", zip="94107-1234",
    )  # fmt: skip
    assert crm_index.refresh(crm) > 0
    assert known(crm, "crm.lead", lead) == {
        "name": "acme and sohne gmbh", "blocks": True, **dict.fromkeys(EXPECTED, True),
    }  # fmt: skip


def test_partners_are_known_too_and_people_by_the_company_they_are_of(crm: psycopg.Connection) -> None:
    company = add_partner(crm, name="Acme Inc.", website="acme.com")
    person = add_partner(
        crm, name="Ada Example", is_company=False, company_name="Acme Inc.", email_normalized="info@acme.com"
    )
    alone = add_partner(crm, name="Bo Example", is_company=False)
    crm_index.refresh(crm)
    assert (known(crm, "res.partner", company)["name"], known(crm, "res.partner", company)["domain"]) == (
        "acme inc",
        True,
    )
    assert (known(crm, "res.partner", person)["name"], known(crm, "res.partner", person)["email"]) == ("acme inc", True)
    assert known(crm, "res.partner", alone)["name"] == ""
    assert not known(crm, "res.partner", alone)["blocks"]


def test_nothing_is_done_where_nothing_changed(crm: psycopg.Connection) -> None:
    add_lead(crm, partner_name="Acme")
    crm_index.refresh(crm)
    before = crm.execute("SELECT max(xmin::text::bigint) FROM lead_mining.known_company").fetchone()
    assert crm_index.refresh(crm) == 0
    assert crm.execute("SELECT max(xmin::text::bigint) FROM lead_mining.known_company").fetchone() == before


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("UPDATE crm_lead SET website = 'https://acme.com' WHERE id = %s", {"domain": True}),
        ("UPDATE crm_lead SET partner_name = 'Zenox' WHERE id = %s", {"name": "zenox"}),
        ("UPDATE crm_lead SET city = NULL, zip = '94107-1' WHERE id = %s", {"city": None, "zip": True}),
        ("UPDATE crm_lead SET partner_name = NULL WHERE id = %s", {"name": "", "blocks": False}),
    ],
)
def test_what_sql_changed_behind_odoos_back_is_noticed(
    crm: psycopg.Connection, change: str, expected: dict[str, object]
) -> None:
    lead, other = add_lead(crm, partner_name="Acme", city="1"), add_lead(crm, partner_name="Other")
    crm_index.refresh(crm)
    crm.execute(change, [lead])
    assert crm_index.refresh(crm) == 1
    assert expected.items() <= known(crm, "crm.lead", lead).items()
    assert known(crm, "crm.lead", other)["name"] == "other"


def test_deleted_records_are_forgotten_when_asked(crm: psycopg.Connection) -> None:
    lead, partner, kept = add_lead(crm, partner_name="Acme"), add_partner(crm, name="Acme"), add_lead(crm)
    crm_index.refresh(crm)
    crm.execute("DELETE FROM crm_lead WHERE id = %s", [lead])
    crm.execute("DELETE FROM res_partner WHERE id = %s", [partner])
    assert crm_index.refresh(crm) == 0
    assert crm_index.forget_gone(crm) == 2
    assert known(crm, "crm.lead", lead) == known(crm, "res.partner", partner) == {}
    assert known(crm, "crm.lead", kept)


def test_what_was_under_way_at_the_last_look_is_noticed_once_it_is_there(
    conn: psycopg.Connection, crm_dsn: str
) -> None:
    with psycopg.connect(crm_dsn) as slow:
        lead = add_lead(slow, partner_name="Acme")
        add_lead(conn, partner_name="Later, and there before")
        crm_index.refresh(conn)
        slow.commit()
    assert known(conn, "crm.lead", lead) == {}
    crm_index.refresh(conn)
    assert known(conn, "crm.lead", lead)["name"] == "acme"


def test_a_restored_copy_of_the_database_is_looked_at_anew(conn: psycopg.Connection) -> None:
    lead = add_lead(conn, partner_name="Acme")
    crm_index.refresh(conn)
    conn.execute(
        "UPDATE lead_mining.known_company SET name = 'as of the dump' WHERE model = 'crm.lead' AND record_id = %s",
        [lead],
    )
    conn.execute("UPDATE lead_mining.known_company SET digest = 0 WHERE model = 'crm.lead' AND record_id = %s", [lead])
    assert crm_index.refresh(conn) == 0
    # restored rows are written by other transactions than those that they tell of
    conn.execute("UPDATE lead_mining.known_company_state SET written_by = written_by - 1")
    assert crm_index.refresh(conn) == 1
    assert known(conn, "crm.lead", lead)["name"] == "acme"


def test_a_new_way_to_normalise_makes_all_anew(crm: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    add_lead(crm, partner_name="Acme")
    everything = crm_index.refresh(crm)
    monkeypatch.setattr(crm_index, "VERSION", crm_index.VERSION + 1)
    assert crm_index.refresh(crm) == everything
    assert crm_index.refresh(crm) == 0


def test_ranges_of_ids_cover_every_record(crm: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crm_index, "_AT_ONCE", 3)
    leads = [add_lead(crm, partner_name=f"Acme {n}") for n in range(10)]
    crm_index.refresh(crm)
    assert all(known(crm, "crm.lead", lead) for lead in leads)
    crm.execute("UPDATE crm_lead SET partner_name = 'Zenox' WHERE id = ANY(%s)", [leads[5:]])
    assert crm_index.refresh(crm) == 5


@pytest.mark.parametrize(
    "text", ["", " ", "<script>alert(1)</script>", "'; DROP TABLE crm_lead; --", "%s", "名" * 3000, "\\N\t\n"]
)
def test_whatever_the_crm_holds_can_be_read(crm: psycopg.Connection, text: str) -> None:
    lead = add_lead(
        crm, partner_name=text, website=text, city=text, zip=text, email_normalized=text, phone_sanitized=text
    )
    crm_index.refresh(crm)
    assert known(crm, "crm.lead", lead)
    assert crm_index.refresh(crm) == 0
