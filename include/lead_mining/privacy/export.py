"""All that is held on a subject, as JSON: what a person may ask for. Other people's data are left out."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row

from lead_mining.privacy.crm_columns import CHANGED, OF_A_LEAD
from lead_mining.privacy.elsewhere import find_in_crm
from lead_mining.privacy.finding import Found, find, is_person
from lead_mining.privacy.leads import KnownLead, left_of
from lead_mining.privacy.scrub import Needles
from lead_mining.privacy.subject import Subject
from lead_mining.privacy.suppression import find_suppressed
from lead_mining.providers.base import Company, Contact

_LINES = {"p", "div", "tr", "li", "br", "table", "h1", "h2", "h3", "h4", "blockquote", "pre", "caption"}


def export(conn: Connection, subject: Subject) -> dict[str, Any]:
    """All that is held on the subject, in one look at the database. Raises InvalidRequest: there is no such lead.

    `leads`: columns of crm_lead. `messages`: of their chatter, the lines that mention the persons. `candidates`: what
    the provider sold. `provenance`: where each of these values came from. `raw_pages`, `rejections`: what stands there
    of the persons alone. `suppressed`: by which entries they are. `erasures`: of before. `elsewhere`: 'table.column'
    to ids of the CRM's rows.
    """
    with conn.transaction():
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        found = find(conn, subject)
        elsewhere, not_looked_at = find_in_crm(conn, found)
        messages = list(_messages(conn, found))
        return {
            "subject": {"kind": subject.kind, "value": subject.value},
            "exported_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "leads": [{"id": lead.id} | _of_the_persons(lead, found.needles) for lead in found.leads],
            "messages": messages,
            "candidates": list(_candidates(found)),
            "provenance": _provenance(conn, found),
            "raw_pages": list(_raw_pages(conn, found)),
            "rejections": list(_rejections(conn, found)),
            "suppressed": _suppressed(conn, subject, found),
            "erasures": _erasures(conn, subject),
            "elsewhere": _not_told_above(elsewhere, found, messages),
            "not_looked_at": not_looked_at,
        }


def write(held: dict[str, Any], folder: Path) -> Path:
    """Write an export into a new file of the folder, which its owner alone can read; returns its path.

    The name tells the kind and the time, and nobody's data. Where the folder is made, it is its owner's alone too.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    at = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    path = folder / f"export_{held['subject']['kind']}_{at}.json"
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(held, file, ensure_ascii=False, indent=2, default=str)
    return path


def _of_the_persons(lead: KnownLead, needles: Needles) -> dict[str, Any]:
    """What erasing would empty: nothing where the lead's contact is a colleague."""
    left = left_of(lead, needles)
    return {name: value for name, value in lead.values.items() if value and value != left[name]}


def _without_nulls(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, "", [])}


def _messages(conn: Connection, found: Found) -> Iterator[dict[str, Any]]:
    rows = conn.execute(
        "SELECT id, res_id, subject, email_from, body FROM public.mail_message"
        " WHERE model = 'crm.lead' AND res_id = ANY(%s) ORDER BY id",
        [found.lead_ids],
    )
    for id_, lead_id, title, sender, body in rows:
        texts = [title or "", sender or "", *_lines(body or "")]
        if mentions := [text for text in texts if found.needles.within(text, names=True)]:
            yield {"id": id_, "lead_id": lead_id, "text": mentions}


def _not_told_above(
    elsewhere: dict[str, list[Any]], found: Found, messages: list[dict[str, Any]]
) -> dict[str, list[Any]]:
    told = {f"crm_lead.{name}": found.lead_ids for name in OF_A_LEAD}
    told |= {f"mail_message.{name}": [m["id"] for m in messages] for name in CHANGED["mail_message"]}
    left = {place: [id_ for id_ in ids if id_ not in told.get(place, ())] for place, ids in elsewhere.items()}
    return {place: ids for place, ids in left.items() if ids}


class _Text(HTMLParser):
    """HTML as lines of text, a row of a table in one."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.lines = [""]
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _LINES:
            self.lines.append("")

    def handle_data(self, data: str) -> None:
        self.lines[-1] += f" {data}"


def _lines(html: str) -> list[str]:
    return [" ".join(line.split()) for line in _Text(html).lines]


def _candidates(found: Found) -> Iterator[dict[str, Any]]:
    for candidate in found.candidates:
        company = candidate.company
        contacts = [
            {"contact_index": index} | _without_nulls(contact.model_dump(mode="json"))
            for index, contact in enumerate(company.contacts)
            if candidate.whole or is_person(contact, found.needles)
        ]
        of_company = company.model_dump(mode="json", exclude={"contacts"})
        if not candidate.whole:
            of_company = {name: of_company[name] for name in ("name", "domain")} | dict(
                _excerpts(found.needles, of_company)
            )
        yield {
            "candidate_id": candidate.id,
            "lead_id": candidate.lead_id,
            "company": _without_nulls(of_company),
            "contacts": contacts,
        }


def _excerpts(needles: Needles, value: Any) -> list[tuple[str, Any]]:
    return list(needles.excerpts(value, names=True))


def _provenance(conn: Connection, found: Found) -> list[dict[str, Any]]:
    """Of the persons' contacts; of whole candidates all."""
    indexes = {
        candidate.id: [i for i, one in enumerate(candidate.company.contacts) if is_person(one, found.needles)]
        for candidate in found.candidates
    }
    whole = {candidate.id for candidate in found.candidates if candidate.whole}
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            "SELECT * FROM lead_mining.provenance WHERE candidate_id = ANY(%s)"
            " ORDER BY candidate_id, contact_index NULLS FIRST, field",
            [list(indexes)],
        ).fetchall()
    return [row for row in rows if row["candidate_id"] in whole or row["contact_index"] in indexes[row["candidate_id"]]]


def _raw_pages(conn: Connection, found: Found) -> Iterator[dict[str, Any]]:
    rows = conn.execute(
        "SELECT run_id, page_number, received_at, body FROM lead_mining.raw_page"
        " WHERE lower(body::text) LIKE ANY(%s) OR run_id = ANY(%s) AND lower(body::text) LIKE ANY(%s) ORDER BY 1, 2",
        [found.needles.patterns(names=False), found.run_ids, found.needles.patterns(names=True)],
    )
    for run_id, page_number, received_at, body in rows:
        is_late = (run_id, page_number) in found.late_pages
        needles = found.needles.on_their_pages if is_late else found.needles
        names = run_id in found.run_ids and needles.may_be_about(body)
        for path, value in needles.excerpts(body, names=names):
            yield {
                "run_id": run_id,
                "page_number": page_number,
                "received_at": received_at,
                "where": path,
                "what": value,
            }


def _rejections(conn: Connection, found: Found) -> Iterator[dict[str, Any]]:
    """Those of the persons' candidates, and those of records that could not be read and mention one."""
    rows = conn.execute(
        "SELECT id, candidate_id, step, rule, field, value, record, created_at FROM lead_mining.rejection"
        " WHERE candidate_id = ANY(%s) OR lower(concat(value, ' ', record::text)) LIKE ANY(%s) ORDER BY id",
        [[candidate.id for candidate in found.candidates], found.needles.patterns(names=False)],
    )
    known = {candidate.id for candidate in found.candidates}
    for id_, candidate_id, step, rule, field, value, record, created_at in rows:
        names = candidate_id in known
        records = [what for _, what in found.needles.excerpts(record, names=names)]
        mentioned = value if value and (records or found.needles.within(value, names=names)) else None
        if records or mentioned:
            yield {
                "rejection_id": id_,
                "step": step,
                "rule": rule,
                "field": field,
                "value": mentioned,
                "record": records,
                "created_at": created_at,
            }


def _suppressed(conn: Connection, subject: Subject, found: Found) -> list[dict[str, str]]:
    """By which entries of the suppression lists the persons, and the company asked for, are left out."""
    asked = {
        "email": Company(contacts=(Contact(email=subject.value),)),
        "domain": Company(domain=subject.value),
    }
    companies = [(-1, asked[subject.kind])] if subject.kind in asked else []
    for index, candidate in enumerate(found.candidates):
        contacts = [c for c in candidate.company.contacts if candidate.whole or is_person(c, found.needles)]
        companies.append((index, candidate.company.model_copy(update={"contacts": tuple(contacts)})))
    entries = {(s.kind, s.source, s.reason) for s in find_suppressed(conn, companies)}
    return [{"kind": kind, "source": source, "reason": reason} for kind, source, reason in sorted(entries)]


def _erasures(conn: Connection, subject: Subject) -> list[dict[str, Any]]:
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            "SELECT id, erased_at, reference, certificate FROM lead_mining.erasure"
            " WHERE (subject_kind, subject_digest) = (%s, %s) ORDER BY id",
            [subject.kind, subject.digest],
        ).fetchall()
