"""Leads of the CRM that hold something on persons: finding them, and emptying what is the persons'."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from psycopg import Connection, sql
from psycopg.rows import dict_row

from lead_mining.identifiers import mailboxes, registered_domain
from lead_mining.privacy.crm_columns import OF_A_LEAD, OF_THE_EMAIL, OF_THE_PERSON, OF_THE_PHONE
from lead_mining.privacy.scrub import Needles
from lead_mining.privacy.subject import Subject

FOR_UPDATE = "FOR UPDATE"


@dataclass(frozen=True)
class KnownLead:
    """A row of `crm_lead` that holds something on the persons. `values`: of the columns OF_A_LEAD."""

    id: int
    values: dict[str, str | None]
    whole: bool
    is_about: bool
    """Whether a person is its contact."""


def find_leads(
    conn: Connection, subject: Subject, needles: Needles, lead_ids: set[int], named: frozenset[int], lock: bool
) -> list[KnownLead]:
    """The leads with these ids, those that are of the subject's company, and those that have a person's address.

    `named`: those that the subject itself names. `lock`: nobody changes them until the transaction ends.
    """
    patterns = replace(needles, names=frozenset(), phones=frozenset()).patterns(names=False)
    websites = patterns if subject.kind == "domain" else []
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            f"SELECT id, website, {', '.join(OF_A_LEAD)} FROM public.crm_lead WHERE id = ANY(%s)"
            " OR lower(email_from) LIKE ANY(%s) OR lower(email_normalized) LIKE ANY(%s) OR lower(email_cc) LIKE ANY(%s)"
            f" OR lower(website) LIKE ANY(%s) ORDER BY id {FOR_UPDATE if lock else ''}",
            [list(lead_ids), patterns, patterns, patterns, websites],
        ).fetchall()
    return [lead for row in rows if (lead := _lead(subject, needles, row, lead_ids, named))]


def _lead(
    subject: Subject, needles: Needles, row: dict[str, Any], lead_ids: set[int], named: frozenset[int]
) -> KnownLead | None:
    id_, website = row.pop("id"), row.pop("website")
    at_domain = subject.kind == "domain" and bool(website) and registered_domain(website) == subject.value
    emails = [email for email in (row["email_normalized"], row["email_from"]) if email]
    by_email = any(map(needles.is_email, emails))
    by_name = id_ in lead_ids and bool(row["contact_name"] and needles.is_name(row["contact_name"]))
    another = any(map(mailboxes, emails)) and not by_email
    if not (id_ in lead_ids or at_domain or by_email or needles.within(row["email_cc"] or "", names=False)):
        return None
    return KnownLead(id_, row, id_ in named or at_domain, by_email or (by_name and not another))


def clear_leads(conn: Connection, leads: Iterable[KnownLead], needles: Needles) -> Counter[str]:
    """Empty the persons' columns; 'crm_lead.column' to the rows changed."""
    erased: Counter[str] = Counter()
    for lead in leads:
        left = left_of(lead, needles)
        changed = [name for name in OF_A_LEAD if left[name] != lead.values[name]]
        if changed:
            assignments = sql.SQL(", ").join(
                sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in changed
            )
            statement = sql.SQL("UPDATE public.crm_lead SET {} WHERE id = {}").format(
                assignments, sql.Placeholder("id")
            )
            conn.execute(statement, left | {"id": lead.id})
            # Hashes of the address and the number: the next run makes the row anew, as the lead has changed.
            conn.execute("DELETE FROM lead_mining.known_company WHERE (model, record_id) = ('crm.lead', %s)", [lead.id])
            erased.update(f"crm_lead.{name}" for name in changed)
    return erased


def left_of(lead: KnownLead, needles: Needles) -> dict[str, str | None]:
    """The columns of a lead without the persons."""
    left = dict(lead.values)
    name, email, phone, mobile = (left[key] or "" for key in ("contact_name", "email_from", "phone", "mobile"))
    gone: set[str] = set()
    if lead.whole or lead.is_about:
        gone |= {*OF_THE_PERSON, "mobile"}
    elif name and needles.is_name(name) and not email:
        gone |= set(OF_THE_PERSON)
    if lead.whole or needles.is_email(email) or needles.is_email(left["email_normalized"] or ""):
        gone |= set(OF_THE_EMAIL)
    if lead.whole or needles.is_phone(phone):
        gone |= set(OF_THE_PHONE)
    if needles.is_phone(mobile):
        gone.add("mobile")
    if lead.whole or needles.is_phone(left["phone_sanitized"] or ""):
        gone.add("phone_sanitized")
    left |= dict.fromkeys(gone)
    cc = (left["email_cc"] or "").split(",") if not lead.whole else []
    if any(needles.within(address, names=True) for address in cc) or lead.whole:
        left["email_cc"] = ",".join(a for a in cc if not needles.within(a, names=True)).strip() or None
    return left
