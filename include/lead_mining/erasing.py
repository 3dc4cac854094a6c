"""Erasing a person everywhere: database, Data Docs, and the suppression list so that nobody buys the person again.

It stands above the rooms: `privacy` erases, `notes` writes the enrichment notes anew, `crm` knows what a role may do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

from psycopg import Connection, DataError, IntegrityError

from lead_mining import kept_answers, runs
from lead_mining.crm import privileges
from lead_mining.crm.access import Access
from lead_mining.crm.values import clean
from lead_mining.exceptions import CrmError, FieldProblem, InvalidRequest
from lead_mining.identifiers import mailboxes, registered_domain
from lead_mining.matching import crm_index
from lead_mining.migrations import check_migrated
from lead_mining.notes.render import render_note
from lead_mining.plain import logger
from lead_mining.privacy import erasure, suppression
from lead_mining.privacy.crm_columns import CHANGED, NEEDED
from lead_mining.privacy.erasure import Certificate
from lead_mining.privacy.files import scrub_files
from lead_mining.privacy.finding import Found, find
from lead_mining.privacy.subject import Subject
from lead_mining.providers.base import Company

log = logger(__name__)

_STEP = "erase"
_LAST_STEP = "write_enrichment_notes"


def check_rights(conn: Connection) -> None:
    """Raises CrmError, naming what the connected role lacks for erasing, exporting and tidying up: what grants it."""
    check_migrated(conn)
    tables = {table: Access(columns, (), CHANGED.get(table, ()), False) for table, columns in NEEDED.items()}
    lacks = privileges.lacking(conn, tables)
    ours = conn.execute(
        "SELECT table_name || '.' || column_name FROM lead_mining.text_column WHERE changeable"
        " AND NOT has_column_privilege('lead_mining.' || quote_ident(table_name), column_name, 'UPDATE') ORDER BY 1"
    ).fetchall()
    if not lacks and not ours:
        return
    role = privileges.current_role(conn)
    absent = sorted({f"{lack.table}.{lack.column}" for lack in lacks if not lack.exists})
    grants = privileges.column_grants((lack for lack in lacks if lack.exists), role)
    missing = [f"the CRM has no {name}" for name in absent] + grants
    missing += [f"GRANT UPDATE on the column lead_mining.{name}" for (name,) in ours]
    raise CrmError(
        f"The role {role} may not erase. Let a superuser run include/sql/role.sql, and use a connection with the role"
        " lead_mining_privacy that it makes. Missing is:" + "".join(f"\n  - {line}" for line in missing)
    )


def erase(conn: Connection, subject: Subject, by: str, data_docs: Path, reference: str | None = None) -> Certificate:
    """Erase the subject in one transaction, and keep it from coming back.

    `by`: who had it done; `reference`: a ticket's or letter's. Steps of runs that are under way with the same person
    are waited for. Erasing again changes nothing and gives another certificate. `conn` must be in autocommit mode.
    Raises InvalidRequest where there is no such lead, and CrmError; their texts hold nobody's data.
    """
    try:
        locked: set[int] = set()
        while True:
            with ExitStack() as stack:
                for run_id in sorted(locked):
                    stack.enter_context(runs.only_once(conn, run_id, _STEP))
                with conn.transaction():
                    erasure.lock(conn)
                    found = find(conn, subject, lock=True)
                    if (under_way := _under_way(conn, found.run_ids)) <= locked:
                        return _erase(conn, subject, found, by, data_docs, reference)
            locked |= under_way
    except (DataError, IntegrityError) as error:  # whose texts repeat values
        where = ".".join(filter(None, (error.diag.table_name, error.diag.constraint_name)))
        raise CrmError(
            f"The database refused to erase {subject}: error {error.sqlstate} {where}. Nothing is changed"
        ) from None


def erase_all(
    conn: Connection, subjects: Iterable[Subject], by: str, data_docs: Path, reference: str | None = None
) -> list[Certificate]:
    """Erase each in a transaction of its own. All are tried; then InvalidRequest names the leads that there are not."""
    certificates: list[Certificate] = []
    problems: list[FieldProblem] = []
    for subject in subjects:
        try:
            certificate = erase(conn, subject, by, data_docs, reference)
        except InvalidRequest as error:
            problems += error.problems
            continue
        certificates.append(certificate)
        log.info("%s", certificate)
        for place, ids in certificate.left.items():
            log.warning("erasure %s: a person decides on what is left in %s: %s", certificate.id, place, ids)
    with runs.indexing_alone(conn):
        crm_index.refresh(conn)  # it holds digests of addresses
    if problems:
        raise InvalidRequest(problems)
    return certificates


def _erase(
    conn: Connection, subject: Subject, found: Found, by: str, data_docs: Path, reference: str | None
) -> Certificate:
    erased = erasure.erase_found(conn, found, _note_writer(conn))
    for name, folder in (("data_docs", data_docs), ("kept_answers", kept_answers.folder())):
        if files := scrub_files(folder, found.needles):
            erased[name] = files
    certificate = erasure.certify(conn, subject, found, erased, by, reference)
    suppression.add(conn, _suppressions(subject, found, certificate.id))
    return certificate


def _under_way(conn: Connection, run_ids: list[int]) -> set[int]:
    """The runs whose steps may still read or write candidates."""
    rows = conn.execute(
        "SELECT id FROM lead_mining.run AS r WHERE id = ANY(%s) AND NOT EXISTS"
        " (SELECT FROM lead_mining.run_step AS s WHERE s.run_id = r.id AND s.step = %s)",
        [run_ids, _LAST_STEP],
    )
    return {row[0] for row in rows}


def _note_writer(conn: Connection) -> Callable[[Company, int], str]:
    def note_of(company: Company, run_id: int) -> str:
        run = runs.get(conn, run_id)
        note = render_note(company, lead_type=run.crm_context.lead_type, request_number=run.request_number or "")
        return clean(note) or ""

    return note_of


def _suppressions(subject: Subject, found: Found, erasure_id: int) -> Iterator[suppression.Entry]:
    """The persons by all that each is known by; the company, where it was asked for: a lead's may come again."""
    values = {(subject.kind, subject.value)} if subject.kind != "lead" else set[tuple[str, str]]()
    for contact, domain in found.persons:
        addresses = mailboxes(contact.email)
        hosts = {domain, *(registered_domain(address.rpartition("@")[2]) for address in addresses)} - {None}
        values |= {("email", address) for address in addresses}
        values |= {("person", f"{contact.full_name} @ {host}") for host in hosts if contact.full_name}
    if subject.kind == "email":
        values |= {("phone", phone) for phone in found.needles.phones}
    for kind, value in sorted(values):
        with suppress(InvalidRequest):  # what cannot be on the list is nobody's own, such as a number that is none
            yield suppression.Entry.of(kind, value, "erased", f"erasure {erasure_id}")
