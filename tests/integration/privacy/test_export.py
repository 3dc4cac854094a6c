"""What an export tells of a person: all that is held, and nothing of others."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import psycopg
import pytest
from database_snapshot import snapshot
from personal_data import someone
from psycopg.types.json import Jsonb

from lead_mining.erasing import erase
from lead_mining.exceptions import InvalidRequest
from lead_mining.privacy.export import export, write
from lead_mining.privacy.subject import Subject


@pytest.fixture
def candidate(conn: psycopg.Connection, run_id: int) -> dict[str, Any]:
    """A loaded candidate whose first contact has an address, a name like nobody else, and colleagues."""
    lead_id, _, _ = someone(conn, run_id)
    row = conn.execute(
        "SELECT id, note_message_id, company FROM lead_mining.candidate WHERE lead_id = %s", [lead_id]
    ).fetchone()
    assert row
    return dict(zip(("id", "note_id", "company"), row, strict=True)) | {"lead_id": lead_id, "run_id": run_id}


def test_all_that_is_held_on_a_person(conn: psycopg.Connection, candidate: dict[str, Any]) -> None:
    person = candidate["company"]["contacts"][0]
    conn.execute(
        "INSERT INTO lead_mining.rejection (run_id, candidate_id, contact_index, step, rule, value, severity, record)"
        " VALUES (%s, %s, 0, 'validate', 'odd_title', 'Chief', 'warn', %s)",
        [candidate["run_id"], candidate["id"], Jsonb(person)],
    )
    before = snapshot(conn)
    held = export(conn, Subject.of("email", person["email"].upper()))
    assert snapshot(conn) == before

    (lead,) = held["leads"]
    assert (lead["id"], lead["contact_name"], lead["email_normalized"]) == (
        candidate["lead_id"],
        person["full_name"],
        person["email"],
    )
    (of_candidate,) = held["candidates"]
    assert of_candidate["contacts"] == [{"contact_index": 0} | {k: v for k, v in person.items() if v}]
    assert of_candidate["company"] == {key: candidate["company"][key] for key in ("name", "domain")}
    (message,) = held["messages"]
    assert (message["id"], message["lead_id"]) == (candidate["note_id"], candidate["lead_id"])
    assert any(person["email"] in line for line in message["text"])
    assert {row["field"] for row in held["provenance"]} == {key for key, value in person.items() if value}
    assert {row["contact_index"] for row in held["provenance"]} == {0}
    (page,) = held["raw_pages"]
    assert page["what"]["email"] == person["email"]
    assert page["where"].endswith(".people_data[0]")
    (rejection,) = held["rejections"]
    assert (rejection["rule"], rejection["value"], rejection["record"]) == ("odd_title", "Chief", [person])
    for part in ("suppressed", "erasures", "elsewhere", "not_looked_at"):
        assert not held[part]


def test_nothing_of_the_colleagues(conn: psycopg.Connection, candidate: dict[str, Any]) -> None:
    person, *colleagues = candidate["company"]["contacts"]
    told = json.dumps(export(conn, Subject.of("email", person["email"])), default=str)
    assert person["email"] in told
    for colleague in colleagues:
        assert colleague["full_name"] not in told
        assert not colleague["email"] or colleague["email"] not in told
    second = next((each for each in colleagues if each["email"]), None)
    if second:  # whose lead names the first as its contact
        assert export(conn, Subject.of("email", second["email"]))["leads"] == [{"id": candidate["lead_id"]}]


@pytest.mark.parametrize("kind", ["lead", "domain"])
def test_a_lead_and_a_company_with_all_their_people(
    conn: psycopg.Connection, candidate: dict[str, Any], kind: str
) -> None:
    value = {"lead": str(candidate["lead_id"]), "domain": candidate["company"]["domain"]}[kind]
    held = export(conn, Subject.of(kind, value))
    assert [len(each["contacts"]) for each in held["candidates"]] == [len(candidate["company"]["contacts"])]
    assert [lead["id"] for lead in held["leads"]] == [candidate["lead_id"]]
    assert None in {row["contact_index"] for row in held["provenance"]}


def test_after_an_erasure_the_erasure_is_all_there_is(
    conn: psycopg.Connection, candidate: dict[str, Any], tmp_path: Path
) -> None:
    subject = Subject.of("email", candidate["company"]["contacts"][0]["email"])
    certificate = erase(conn, subject, "the officer", tmp_path, "T-7")
    held = export(conn, subject)
    assert [(row["id"], row["reference"]) for row in held["erasures"]] == [(certificate.id, "T-7")]
    assert held["suppressed"] == [{"kind": "email", "source": f"erasure {certificate.id}", "reason": "erased"}]
    for part in ("leads", "messages", "candidates", "provenance", "raw_pages", "rejections"):
        assert held[part] == []


def test_what_the_crm_holds_elsewhere_is_named(conn: psycopg.Connection, candidate: dict[str, Any]) -> None:
    person = candidate["company"]["contacts"][0]
    row = conn.execute(
        "INSERT INTO res_partner (name, email, type) VALUES ('A', %s, 'contact') RETURNING id", [person["email"]]
    ).fetchone()
    assert row
    assert export(conn, Subject.of("email", person["email"]))["elsewhere"] == {"res_partner.email": [row[0]]}


def test_who_is_not_known(conn: psycopg.Connection) -> None:
    held = export(conn, Subject.of("email", "nobody@nowhere.example"))
    assert held["subject"] == {"kind": "email", "value": "nobody@nowhere.example"}
    assert held["leads"] == held["raw_pages"] == []
    with pytest.raises(InvalidRequest, match="the CRM has no such lead"):
        export(conn, Subject.of("lead", "2000000000"))


def test_the_file_is_its_owners_alone_and_its_name_tells_nothing(
    conn: psycopg.Connection, candidate: dict[str, Any], tmp_path: Path
) -> None:
    person = candidate["company"]["contacts"][0]
    held = export(conn, Subject.of("email", person["email"]))
    paths = {write(held, tmp_path / "new" / "exports") for _ in range(3)}
    assert len(paths) == 3
    for path in paths:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert path.name.startswith("export_email_")
        assert json.loads(path.read_text(encoding="utf-8"))["raw_pages"][0]["what"]["email"] == person["email"]
