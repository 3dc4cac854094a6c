"""Erasing people, companies and leads on real PostgreSQL: nothing of them is left, and all else is."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import psycopg
import pytest
from database_snapshot import snapshot
from personal_data import occurrences, someone
from psycopg.types.json import Jsonb

from lead_mining import erasing, runs
from lead_mining.audit import audit
from lead_mining.erasing import erase
from lead_mining.exceptions import CrmError, InvalidRequest
from lead_mining.privacy import erasure
from lead_mining.privacy.export import export
from lead_mining.privacy.subject import Subject
from lead_mining.privacy.suppression import Suppressed, find_suppressed
from lead_mining.providers.base import Company, Contact


def one(conn: psycopg.Connection, query: str, *params: Any) -> Any:
    row = conn.execute(query, params).fetchone()
    assert row is not None
    return row


def contacts_of(conn: psycopg.Connection, lead_id: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = one(
        conn, "SELECT company->'contacts' FROM lead_mining.candidate WHERE lead_id = %s", lead_id
    )[0]
    return found


def known_by(contact: dict[str, Any]) -> list[str]:
    return [contact[field] for field in ("email", "full_name", "phone") if contact[field]]


def note_of(conn: psycopg.Connection, lead_id: int) -> tuple[int, str]:
    found: tuple[int, str] = one(
        conn,
        "SELECT m.id, m.body FROM lead_mining.candidate c JOIN mail_message m ON m.id = c.note_message_id"
        " WHERE c.lead_id = %s",
        lead_id,
    )
    return found


def test_a_person_is_nowhere_any_more_and_the_colleagues_are(conn: psycopg.Connection, run_id: int, docs: Path) -> None:
    lead_id, contact, colleagues = someone(conn, run_id)
    needles = known_by(contact)
    page = docs / "index.html"
    page.write_text(f"<p>{contact['full_name']} &lt;{contact['email'].upper()}&gt;</p>", encoding="utf-8")
    assert {"lead_mining.raw_page.body", "public.crm_lead.email_from", "public.mail_message.body"} <= set(
        occurrences(conn, needles, docs)
    )
    note_id, note = note_of(conn, lead_id)
    cost = one(conn, "SELECT contacts FROM lead_mining.candidate WHERE lead_id = %s", lead_id)

    certificate = erase(conn, Subject.of("email", f"Somebody <{contact['email'].upper()}>"), "the officer", docs, "T-7")

    assert occurrences(conn, needles, docs) == []
    assert audit(conn) == []
    assert contacts_of(conn, lead_id)[0] == dict.fromkeys(contact)
    assert one(conn, "SELECT contacts FROM lead_mining.candidate WHERE lead_id = %s", lead_id) == cost
    assert note_of(conn, lead_id)[0] == note_id
    for colleague in colleagues:
        assert colleague["full_name"] in note_of(conn, lead_id)[1]
        assert colleague in contacts_of(conn, lead_id)
        assert "lead_mining.raw_page.body" in occurrences(conn, [colleague["email"]])
    assert note_of(conn, lead_id)[1] != note
    assert page.read_text(encoding="utf-8") == "<p>[erased] &lt;[erased]&gt;</p>"
    assert certificate.left == {}
    assert certificate.erased["crm_lead.email_from"] == certificate.erased["data_docs"] == 1
    assert one(conn, "SELECT phone <> '', email_from, contact_name FROM crm_lead WHERE id = %s", lead_id)[1:] == (
        None,
        None,
    )


@pytest.mark.parametrize("asked", ["Zoë Roe <ZOË.ROE@gone.example>", "jo@gone.example"])
def test_a_person_is_found_by_each_address_of_a_field(
    conn: psycopg.Connection, run_id: int, docs: Path, asked: str
) -> None:
    lead_id, contact, _ = someone(conn, run_id)
    field = "mailto:Jo@gone.example; Zoë.Roe@gone.example"
    conn.execute(
        "UPDATE lead_mining.candidate SET company = replace(company::text, %s, %s)::jsonb WHERE lead_id = %s",
        [contact["email"], field, lead_id],
    )
    conn.execute("UPDATE crm_lead SET email_from = %s WHERE id = %s", [field, lead_id])
    conn.execute(
        "UPDATE lead_mining.raw_page SET body = replace(body::text, %s, %s)::jsonb WHERE run_id = %s",
        [contact["email"], field, run_id],
    )
    subject = Subject.of("email", asked)
    held = export(conn, subject)
    assert [lead["email_from"] for lead in held["leads"]] == [c["contacts"][0]["email"] for c in held["candidates"]]

    erase(conn, subject, "the officer", docs)

    assert occurrences(conn, ["jo@gone.example", "Zoë.Roe@gone.example", contact["full_name"]]) == []
    companies = [
        (1, Company(contacts=(Contact(email="Zoë.Roe@GONE.example"), Contact(email="mailto:jo@gone.example"))))
    ]
    assert {s.contact_index for s in find_suppressed(conn, companies)} == {0, 1}


def test_the_certificate_tells_how_much_and_nobodys_data(conn: psycopg.Connection, run_id: int, docs: Path) -> None:
    _, contact, _ = someone(conn, run_id)
    subject = Subject.of("email", contact["email"])
    first = erase(conn, subject, f"for {contact['email']}", docs, f"letter of {contact['full_name']}")
    row = one(
        conn,
        "SELECT subject_kind, subject_digest, requested_by, reference, certificate FROM lead_mining.erasure WHERE id = %s",
        first.id,
    )
    assert row[:4] == ("email", subject.digest, "for [erased]", "letter of [erased]")
    assert row[4]["erased"] == first.erased
    assert contact["email"] not in str(first) + repr(first) + json.dumps(row[4])
    for attempt in ("UPDATE lead_mining.erasure SET certificate = '{}'", "DELETE FROM lead_mining.erasure"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="never changed"):
            conn.execute(attempt)


def test_again_it_changes_nothing_and_certifies_that(conn: psycopg.Connection, run_id: int, docs: Path) -> None:
    lead_id, contact, _ = someone(conn, run_id)
    for subject in (Subject.of("email", contact["email"]), Subject.of("lead", str(lead_id))):
        first = erase(conn, subject, "the officer", docs)
        before = snapshot(conn) | {"lead_mining.erasure": "", "lead_mining.suppression": ""}
        again = erase(conn, subject, "the officer", docs)
        assert first.erased
        assert (again.erased, again.id > first.id) == ({}, True)
        assert snapshot(conn) | {"lead_mining.erasure": "", "lead_mining.suppression": ""} == before


def test_all_persons_of_a_lead_by_its_number(conn: psycopg.Connection, run_id: int, docs: Path) -> None:
    lead_id, contact, colleagues = someone(conn, run_id)
    phone = one(conn, "SELECT phone FROM crm_lead WHERE id = %s", lead_id)[0]
    erase(conn, Subject.of("lead", str(lead_id)), "the officer", docs)
    needles = [text for each in (contact, *colleagues) for text in (each["email"], each["phone"]) if text]
    assert occurrences(conn, [*needles, phone], docs) == []
    assert all(value is None for each in contacts_of(conn, lead_id) for value in each.values())
    columns = "contact_name, function, email_from, email_normalized, phone, phone_sanitized, mobile, email_cc"
    assert set(one(conn, f"SELECT {columns} FROM crm_lead WHERE id = %s", lead_id)) == {None}
    assert one(conn, "SELECT count(*) FROM crm_lead WHERE contact_name IS NOT NULL")[0] > 0
    assert audit(conn) == []


def test_a_company_with_all_its_people(conn: psycopg.Connection, run_id: int, docs: Path) -> None:
    lead_id, contact, colleagues = someone(conn, run_id)
    domain = one(conn, "SELECT company->>'domain' FROM lead_mining.candidate WHERE lead_id = %s", lead_id)[0]
    name = one(conn, "SELECT name FROM crm_lead WHERE id = %s", lead_id)[0]
    others = one(conn, "SELECT count(*) FROM crm_lead WHERE email_from IS NOT NULL")[0]
    erase(conn, Subject.of("domain", f"https://www.{domain}/team"), "the officer", docs)
    assert occurrences(conn, [f"@{domain}", *known_by(contact), *(c["email"] for c in colleagues)], docs) == []
    kept = one(conn, "SELECT name, website FROM crm_lead WHERE id = %s", lead_id)
    assert kept == (name, f"https://www.{domain}")
    assert one(conn, "SELECT count(*) FROM crm_lead WHERE email_from IS NOT NULL")[0] == others - 1
    assert audit(conn) == []


def test_mentions_in_the_chatter_and_mails_of_the_lead_go(conn: psycopg.Connection, run_id: int, docs: Path) -> None:
    lead_id, contact, _ = someone(conn, run_id)
    name, email = contact["full_name"], contact["email"]
    body = f"<p>Spoke to {name.replace(' ', '&nbsp;')} (mailto:{email.replace('@', '%40')})</p>"
    message = one(
        conn,
        "INSERT INTO mail_message (model, res_id, message_type, subject, email_from, body)"
        " VALUES ('crm.lead', %s, 'comment', %s, %s, %s) RETURNING id",
        lead_id, f"Re: {name}", f"{name} <{email}>", body,
    )[0]  # fmt: skip
    mail = one(
        conn,
        "INSERT INTO mail_mail (mail_message_id, state, body_html) VALUES (%s, 'sent', %s) RETURNING id",
        message, body,
    )[0]  # fmt: skip
    conn.execute("UPDATE crm_lead SET email_cc = %s, mobile = '+1 202-555-0143' WHERE id = %s", [
        f"boss@elsewhere.example, {email}", lead_id,
    ])  # fmt: skip
    erase(conn, Subject.of("email", email), "the officer", docs)
    texts = one(conn, "SELECT subject, email_from, body FROM mail_message WHERE id = %s", message)
    assert texts == ("Re: [erased]", "[erased] <[erased]>", "<p>Spoke to [erased] (mailto:[erased])</p>")
    assert one(conn, "SELECT body_html FROM mail_mail WHERE id = %s", mail)[0] == texts[2]
    assert one(conn, "SELECT email_cc, mobile FROM crm_lead WHERE id = %s", lead_id) == ("boss@elsewhere.example", None)


def test_what_the_crm_holds_elsewhere_is_named_and_not_changed(
    conn: psycopg.Connection, run_id: int, docs: Path
) -> None:
    lead_id, contact, _ = someone(conn, run_id)
    partner = one(
        conn,
        "INSERT INTO res_partner (name, email, type) VALUES (%s, %s, 'contact') RETURNING id",
        contact["full_name"], contact["email"],
    )[0]  # fmt: skip
    follower = one(
        conn,
        "INSERT INTO mail_followers (res_model, res_id, partner_id) VALUES ('res.partner', 1, %s) RETURNING id",
        partner,
    )[0]
    conn.execute(
        "UPDATE crm_lead SET partner_id = %s, description = %s WHERE id = %s",
        [partner, f"Ask {contact['full_name']}", lead_id],
    )
    certificate = erase(conn, Subject.of("email", contact["email"]), "the officer", docs)
    assert certificate.left == {
        "public.crm_lead.description": [lead_id],
        "public.crm_lead.partner_id": [lead_id],
        "public.mail_followers.partner_id": [follower],
        "public.res_partner.email": [partner],
        "public.res_partner.name": [partner],
    }
    assert one(conn, "SELECT name FROM res_partner WHERE id = %s", partner) == (contact["full_name"],)


def test_every_table_of_ours_is_swept_one_that_was_added_later_too(
    conn: psycopg.Connection, run_id: int, docs: Path
) -> None:
    _, contact, _ = someone(conn, run_id)
    conn.execute("CREATE TABLE lead_mining.added_later (id serial PRIMARY KEY, note text, facts jsonb, words text[])")
    conn.execute(
        "INSERT INTO lead_mining.added_later (note, facts, words) VALUES (%s, %s, %s)",
        [f"x{contact['email']} and {contact['email']}", Jsonb({contact["email"]: [1, contact["email"]]}), ["a"]],
    )
    conn.execute(
        "INSERT INTO lead_mining.rejection (run_id, step, rule, field, value, severity, record)"
        " VALUES (%s, 'extract', 'readable_record', 'x', %s, 'reject', %s)",
        [
            run_id,
            f"got {contact['email'][:-3]}",
            Jsonb({"people_data": [contact | {"age": 40}, {"email": "a@b.example"}]}),
        ],
    )
    certificate = erase(conn, Subject.of("email", contact["email"]), "the officer", docs)
    assert one(conn, "SELECT note, facts FROM lead_mining.added_later") == (
        f"x{contact['email']} and [erased]",
        {"[erased]": [1, "[erased]"]},
    )
    value, record = one(conn, "SELECT value, record FROM lead_mining.rejection WHERE rule = 'readable_record'")
    assert (value, record) == (
        None,
        {"people_data": [dict.fromkeys([*contact, "age"]), {"email": "a@b.example"}]},
    )
    assert certificate.erased["rejection.record"] == 1


def test_who_was_erased_does_not_come_back(conn: psycopg.Connection, run_id: int, docs: Path) -> None:
    lead_id, contact, _ = someone(conn, run_id)
    company = Company.model_validate(
        one(conn, "SELECT company FROM lead_mining.candidate WHERE lead_id = %s", lead_id)[0]
    )
    assert find_suppressed(conn, [(1, company)]) == []
    certificate = erase(conn, Subject.of("email", contact["email"]), "the officer", docs)
    source = f"erasure {certificate.id}"
    assert find_suppressed(conn, [(1, company)]) == [Suppressed(1, 0, "email", source, "erased")]
    moved = company.contacts[0].model_copy(update={"email": None, "phone": None})
    again = company.model_copy(update={"contacts": (moved, *company.contacts[1:])})
    assert find_suppressed(conn, [(1, again)]) == [Suppressed(1, 0, "person", source, "erased")]
    erase(conn, Subject.of("domain", company.domain or ""), "the officer", docs)
    assert [(s.contact_index, s.kind) for s in find_suppressed(conn, [(1, company)])] == [(None, "domain")]


def test_of_an_erased_lead_the_company_may_come_again(conn: psycopg.Connection, run_id: int, docs: Path) -> None:
    lead_id, _, _ = someone(conn, run_id)
    company = Company.model_validate(
        one(conn, "SELECT company FROM lead_mining.candidate WHERE lead_id = %s", lead_id)[0]
    )
    erase(conn, Subject.of("lead", str(lead_id)), "the officer", docs)
    named = [index for index, contact in enumerate(company.contacts) if contact.email or contact.full_name]
    assert {s.contact_index for s in find_suppressed(conn, [(1, company)])} == set(named)


def test_a_namesake_elsewhere_stays(conn: psycopg.Connection, run_id: int, docs: Path) -> None:
    lead_id, contact, _ = someone(conn, run_id)
    other = one(
        conn,
        "SELECT id FROM lead_mining.candidate WHERE run_id = %s AND lead_id <> %s"
        " AND jsonb_array_length(company->'contacts') > 0 ORDER BY id",
        run_id, lead_id,
    )[0]  # fmt: skip
    namesake = contact | {"email": "namesake@elsewhere.example", "phone": None}
    conn.execute(
        "UPDATE lead_mining.candidate SET company = jsonb_set(company, '{contacts,0}', %s) WHERE id = %s",
        [Jsonb(namesake), other],
    )
    erase(conn, Subject.of("email", contact["email"]), "the officer", docs)
    kept = one(conn, "SELECT company->'contacts'->0 FROM lead_mining.candidate WHERE id = %s", other)[0]
    assert kept == namesake


def test_a_number_that_colleagues_share_is_not_the_persons(conn: psycopg.Connection, run_id: int, docs: Path) -> None:
    lead_id, contact, _ = someone(conn, run_id)
    switchboard = one(conn, "SELECT company->'phones'->>0 FROM lead_mining.candidate WHERE lead_id = %s", lead_id)[0]
    conn.execute(
        "UPDATE lead_mining.candidate SET company = jsonb_set(company, '{contacts,0,phone}', %s) WHERE lead_id = %s",
        [Jsonb(switchboard), lead_id],
    )
    before = one(conn, "SELECT phone, phone_sanitized FROM crm_lead WHERE id = %s", lead_id)
    erase(conn, Subject.of("email", contact["email"]), "the officer", docs)
    assert one(conn, "SELECT phone, phone_sanitized FROM crm_lead WHERE id = %s", lead_id) == before


def test_who_is_not_known_is_certified_with_nothing(conn: psycopg.Connection, run_id: int, docs: Path) -> None:
    before = snapshot(conn, "public")
    certificate = erase(conn, Subject.of("email", "nobody@nowhere.example"), "the officer", docs)
    assert (certificate.erased, certificate.left) == ({}, {})
    assert snapshot(conn, "public") == before
    with pytest.raises(InvalidRequest, match="the CRM has no such lead"):
        erase(conn, Subject.of("lead", "2000000000"), "the officer", docs)


@pytest.mark.parametrize(
    "hostile",
    [
        "%@%.%",
        "_____@_______.example",
        "a.*+?|{2}^$\\@x.example",
        "o'brien'--@x.example",
        "x'||version||'@x.example",
        "ünï\\u0000@x.example",
        "a" * 250 + "@x.example",
    ],
)
def test_hostile_addresses_erase_themselves_alone(
    conn: psycopg.Connection, run_id: int, docs: Path, hostile: str
) -> None:
    before = snapshot(conn, "public")
    erase(conn, Subject.of("email", hostile), "the officer", docs)
    assert snapshot(conn, "public") == before
    lead_id, _, colleagues = someone(conn, run_id)
    conn.execute(
        "UPDATE lead_mining.candidate SET company = jsonb_set(company, '{contacts,0,email}', %s) WHERE lead_id = %s",
        [Jsonb(hostile.upper()), lead_id],
    )
    erase(conn, Subject.of("email", hostile), "the officer", docs)
    first, *rest = contacts_of(conn, lead_id)
    assert set(first.values()) == {None}
    assert all(colleague in rest for colleague in colleagues)
    assert audit(conn) == []


def test_hostile_names_are_text(conn: psycopg.Connection, run_id: int, docs: Path) -> None:
    lead_id, contact, _ = someone(conn, run_id)
    name = 'Robert\'); DROP TABLE <b>%_ (.*)\\ "Zoë" 李'
    conn.execute(
        "UPDATE lead_mining.candidate SET company = jsonb_set(company, '{contacts,0,full_name}', %s) WHERE lead_id = %s",
        [Jsonb(name), lead_id],
    )
    conn.execute("UPDATE crm_lead SET contact_name = %s WHERE id = %s", [name, lead_id])
    conn.execute(
        "INSERT INTO lead_mining.rejection (run_id, step, rule, value, severity) VALUES (%s, 'extract', 'r', %s, 'warn')",
        [run_id, f"<{name}>"],
    )
    erase(conn, Subject.of("email", contact["email"]), "the officer", docs)
    assert occurrences(conn, [name, name.replace("\\", "\\\\").replace('"', '\\"')]) == []


def test_killed_in_the_middle_all_is_as_it_was(
    conn: psycopg.Connection, run_id: int, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, contact, _ = someone(conn, run_id)
    before = snapshot(conn)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    for module, step in ((erasure, "_scrub_candidates"), (erasing, "scrub_files"), (erasure, "certify")):
        with monkeypatch.context() as patch:
            patch.setattr(module, step, killed)
            with pytest.raises(KeyboardInterrupt):
                erase(conn, Subject.of("email", contact["email"]), "the officer", docs)
        assert snapshot(conn) == before


def test_two_at_once_erase_both(conn: psycopg.Connection, crm_dsn: str, run_id: int, docs: Path) -> None:
    _, contact, colleagues = someone(conn, run_id)
    people = [contact, *colleagues, contact]
    failed: list[BaseException] = []

    def run(email: str) -> None:
        try:
            with psycopg.connect(crm_dsn, autocommit=True) as own:
                erase(own, Subject.of("email", email), "the officer", docs)
        except BaseException as error:  # shown by the assertion below
            failed.append(error)

    threads = [threading.Thread(target=run, args=[each["email"]]) for each in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert failed == []
    assert occurrences(conn, [each["email"] for each in people], docs) == []
    assert one(conn, "SELECT count(*) FROM lead_mining.erasure") == (len(people),)
    assert audit(conn) == []


def test_a_step_that_is_under_way_is_waited_for(
    conn: psycopg.Connection, crm_dsn: str, run_id: int, docs: Path
) -> None:
    _, contact, _ = someone(conn, run_id)
    conn.execute("DELETE FROM lead_mining.run_step WHERE step = 'write_enrichment_notes'")
    with psycopg.connect(crm_dsn, autocommit=True) as own:
        arguments = (own, Subject.of("email", contact["email"]), "the officer", docs)
        eraser = threading.Thread(target=erase, args=arguments)
        with runs.only_once(conn, run_id, "validate"):
            eraser.start()
            eraser.join(timeout=1)
            assert eraser.is_alive()
            assert occurrences(conn, [contact["email"]])
        eraser.join(timeout=60)
    assert occurrences(conn, [contact["email"]]) == []


def test_what_the_database_refuses_is_told_without_the_value(conn: psycopg.Connection, run_id: int, docs: Path) -> None:
    _, contact, _ = someone(conn, run_id)
    conn.execute("ALTER TABLE crm_lead ADD CONSTRAINT our_rule CHECK (email_from IS NOT NULL) NOT VALID")
    before = snapshot(conn)
    with pytest.raises(CrmError, match=r"error 23514 crm_lead\.our_rule. Nothing is changed") as refused:
        erase(conn, Subject.of("email", contact["email"]), "the officer", docs)
    assert contact["email"] not in str(refused.value)
    assert refused.value.__suppress_context__
    assert snapshot(conn) == before
