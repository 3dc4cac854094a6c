"""Erasing persons from the database: from our own tables, from the leads in the CRM, and from these leads' messages.

What was paid for stays true: an erased contact stays in its company's list, with nothing in it. What the CRM holds
elsewhere is a person's to decide, and named in the certificate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from lead_mining.privacy import elsewhere, sweep
from lead_mining.privacy.crm_columns import CHANGED
from lead_mining.privacy.finding import Found, KnownCandidate, is_person
from lead_mining.privacy.leads import clear_leads
from lead_mining.privacy.scrub import Needles
from lead_mining.privacy.subject import Subject
from lead_mining.providers.base import Company, Contact

NoteOf = Callable[[Company, int], str]
"""(company, run id) to the HTML of the enrichment note of its lead."""

_LOCK = 0x6C656578  # one erasure at a time a database: two may want the same raw page


@dataclass(frozen=True)
class Certificate:
    """What an erasure did, without any personal data.

    `erased`: 'table.column' to the rows changed, 'data_docs' to the files. `left`: 'table.column' to the ids of rows
    that still hold something, for a person to decide. `not_looked_at`: tables that could not be read.
    """

    id: int
    subject: Subject
    erased_at: datetime
    erased: dict[str, int]
    left: dict[str, list[Any]] = field(default_factory=dict)
    not_looked_at: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        places = ", ".join(f"{place} {rows}" for place, rows in sorted(self.erased.items()))
        unread = f"; could not be looked at: {', '.join(self.not_looked_at)}" if self.not_looked_at else ""
        return f"erasure {self.id} of {self.subject}: rows changed: {places or 'none'}{unread}"


def lock(conn: Connection) -> None:
    """Until the transaction ends nobody else erases or tidies up."""
    conn.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def erase_found(conn: Connection, found: Found, note_of: NoteOf) -> Counter[str]:
    """Erase what was found; 'table.column' to the rows changed. In the caller's transaction, after `lock`."""
    erased: Counter[str] = Counter()
    after = {c.id: without(c.company, found.needles, whole=c.whole) for c in found.candidates}
    erased += clear_leads(conn, found.leads, found.needles)
    erased += _scrub_messages(conn, found, after, note_of)
    erased += _scrub_candidates(conn, found, after)
    erased += sweep.scrub_everywhere(conn, found)
    return erased


def certify(
    conn: Connection, subject: Subject, found: Found, erased: Counter[str], by: str, reference: str | None
) -> Certificate:
    """Look at what is left, and write the certificate. In the transaction that erased."""
    left = sweep.find_everywhere(conn, found)
    left = {f"lead_mining.{place}": keys for place, keys in left.items()}
    in_crm, not_looked_at = elsewhere.find_in_crm(conn, found)
    left |= {f"public.{place}": ids for place, ids in in_crm.items()}
    content = {"erased": erased, "left": left, "not_looked_at": not_looked_at}
    row = conn.execute(
        "INSERT INTO lead_mining.erasure (subject_kind, subject_digest, requested_by, reference, certificate)"
        " VALUES (%s, %s, %s, %s, %s) RETURNING id, erased_at",
        [
            subject.kind,
            subject.digest,
            found.needles.replaced(by, names=True),
            reference and found.needles.replaced(reference, names=True),
            Jsonb(content),
        ],
    ).fetchone()
    assert row
    return Certificate(row[0], subject, row[1], dict(erased), left, not_looked_at)


def without(company: Company, needles: Needles, *, whole: bool) -> Company:
    """The company without the persons. Its id and its domain stay, so that it is recognised; so do its other people."""
    contacts = tuple(
        Contact() if whole or is_person(contact, needles) else _about_another(contact, needles)
        for contact in company.contacts
    )
    update: dict[str, Any] = {
        name: needles.scrubbed(value, names=True)
        for name, value in company
        if isinstance(value, str) and name not in ("reveal_id", "domain")
    }
    update |= {
        name: tuple(needles.scrubbed(list(value), names=True))
        for name, value in company
        if isinstance(value, tuple) and name not in ("emails", "phones", "contacts")
    }
    update["emails"] = () if whole else tuple(e for e in company.emails if not needles.within(e, names=True))
    update["phones"] = () if whole else tuple(p for p in company.phones if not needles.within(p, names=True))
    return company.model_copy(update=update | {"contacts": contacts})


def _about_another(contact: Contact, needles: Needles) -> Contact:
    title = contact.title and needles.replaced(contact.title, names=True)
    return contact.model_copy(update={"title": title})


def _scrub_candidates(conn: Connection, found: Found, after: dict[int, Company]) -> Counter[str]:
    erased: Counter[str] = Counter()
    changed = [candidate for candidate in found.candidates if after[candidate.id] != candidate.company]
    for candidate in changed:
        company = Jsonb(after[candidate.id].model_dump(mode="json"))
        conn.execute("UPDATE lead_mining.candidate SET company = %s WHERE id = %s", [company, candidate.id])
    whole = [candidate.id for candidate in found.candidates if candidate.whole]
    keys = conn.execute(
        "DELETE FROM lead_mining.candidate_key WHERE kind IN ('email', 'phone') AND (candidate_id = ANY(%s)"
        " OR value = ANY(%s) OR EXISTS (SELECT FROM unnest(%s::text[]) AS domain"
        "  WHERE right('.' || split_part(value, '@', 2), length(domain) + 1) = '.' || domain))",
        [whole, [*found.needles.emails, *found.needles.phones], list(found.needles.domains)],
    ).rowcount
    erased.update({"candidate.company": len(changed), "candidate_key": keys})
    return +erased


def _scrub_messages(conn: Connection, found: Found, after: dict[int, Company], note_of: NoteOf) -> Counter[str]:
    """Our notes are written anew; in all else of the leads' chatter, and in mails of it, mentions are replaced."""
    erased: Counter[str] = Counter()
    notes = {c.note_message_id: _note(c, after, note_of) for c in found.candidates if c.note_message_id}
    rows = conn.execute(
        "SELECT id, subject, email_from, body FROM public.mail_message"
        " WHERE model = 'crm.lead' AND res_id = ANY(%s) OR id = ANY(%s) FOR UPDATE",
        [found.lead_ids, list(notes)],
    ).fetchall()
    for id_, *texts in rows:
        new = [text and found.needles.replaced(text, names=True) for text in texts]
        if notes.get(id_) is not None:
            new[2] = notes[id_]
        if new != texts:
            conn.execute(
                "UPDATE public.mail_message SET subject = %s, email_from = %s, body = %s WHERE id = %s", [*new, id_]
            )
            named = zip(CHANGED["mail_message"], texts, new, strict=True)
            erased.update(f"mail_message.{name}" for name, old, now in named if old != now)
    mails = conn.execute(
        "SELECT id, body_html FROM public.mail_mail"
        " WHERE mail_message_id = ANY(%s) AND body_html IS NOT NULL FOR UPDATE",
        [[row[0] for row in rows]],
    ).fetchall()
    for id_, body in mails:
        if (scrubbed := found.needles.replaced(body, names=True)) != body:
            conn.execute("UPDATE public.mail_mail SET body_html = %s WHERE id = %s", [scrubbed, id_])
            erased["mail_mail.body_html"] += 1
    return erased


def _note(candidate: KnownCandidate, after: dict[int, Company], note_of: NoteOf) -> str | None:
    """None where the company has not changed: then nor has its note."""
    company = after[candidate.id]
    return note_of(company, candidate.run_id) if company != candidate.company else None
