"""The role lead_mining_privacy of role.sql: it suffices for erasing, and has exactly what the one list says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from crm_role import PASSWORD, apply_role, dsn_of, is_refused, logged_in, run_role_sql
from personal_data import mine_people, occurrences

from lead_mining.audit import audit
from lead_mining.credits import ledger
from lead_mining.erasing import check_rights, erase
from lead_mining.exceptions import CrmError
from lead_mining.privacy import retention
from lead_mining.privacy.crm_columns import CHANGED, LOOKED_AT_IF_THERE, NEEDED
from lead_mining.privacy.export import export
from lead_mining.privacy.subject import Subject
from provider_simulator.testing import Simulator, running_simulator


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with running_simulator() as running:
        yield running


@pytest.fixture
def superuser(crm_dsn: str) -> Iterator[psycopg.Connection]:
    """In a CRM that role.sql was run in."""
    with psycopg.connect(crm_dsn, autocommit=True) as conn:
        conn.execute("DROP SCHEMA lead_mining CASCADE")
        apply_role(conn)
        conn.execute(f"ALTER ROLE lead_mining_privacy PASSWORD '{PASSWORD}'")
        yield conn


@pytest.fixture
def role(superuser: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """The role that erases, logged in."""
    dsn = dsn_of(superuser, user="lead_mining_privacy", password=PASSWORD)
    with psycopg.connect(dsn, autocommit=True) as conn:
        yield conn


@pytest.fixture
def miner(superuser: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """The role that mines, logged in."""
    with logged_in(superuser) as conn:
        yield conn


def test_it_suffices_for_the_whole_way(
    role: psycopg.Connection, superuser: psycopg.Connection, simulator: Simulator, tmp_path: Path
) -> None:
    with superuser.transaction():
        ledger.top_up(superuser, "default", 1000, key="trial", reference="trial")
    mine_people(superuser, simulator.url, tmp_path)
    check_rights(role)
    row = role.execute(
        "SELECT lead_id, company->'contacts'->0->>'email', company->>'domain' FROM lead_mining.candidate"
        " WHERE state = 'loaded' AND company->'contacts'->0->>'email' IS NOT NULL ORDER BY id LIMIT 1"
    ).fetchone()
    assert row
    lead_id, email, domain = row
    for kind, value in (("email", email), ("domain", domain), ("lead", str(lead_id))):
        subject = Subject.of(kind, value)
        assert export(role, subject)["not_looked_at"] == []
        assert erase(role, subject, "the officer", tmp_path).not_looked_at == []
    assert occurrences(superuser, [email], tmp_path) == []
    superuser.execute("UPDATE lead_mining.raw_page SET received_at = received_at - interval '2 days'")
    assert retention.apply(role, 1).raw_pages > 0
    assert audit(role) == []


def granted(conn: psycopg.Connection, schema: str) -> set[tuple[str, str, str]]:
    """(table, column, privilege) of all that the role was granted itself on columns."""
    rows = conn.execute(
        """
        SELECT c.relname, a.attname, acl.privilege_type
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid, aclexplode(a.attacl) AS acl
        WHERE c.relnamespace = %s::regnamespace AND acl.grantee = 'lead_mining_privacy'::regrole
        """,
        [schema],
    )
    return set(rows.fetchall())


@pytest.mark.parametrize("times", [1, 2])
def test_in_the_crm_it_has_exactly_what_the_list_says(superuser: psycopg.Connection, times: int) -> None:
    for _ in range(times):
        superuser.execute("GRANT ALL ON crm_lead TO lead_mining_privacy")  # is taken back
        superuser.execute("GRANT UPDATE (name) ON crm_lead TO lead_mining_privacy")
        apply_role(superuser)
    rows = superuser.execute("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace")
    there = {row[0] for row in rows}
    read = NEEDED | {table: ("id", *columns) for table, columns in LOOKED_AT_IF_THERE.items() if table in there}
    assert granted(superuser, "public") == {
        *((table, column, "SELECT") for table, columns in read.items() for column in columns),
        *((table, column, "UPDATE") for table, columns in CHANGED.items() for column in columns),
    }


def test_of_ours_it_writes_where_persons_stand_and_nowhere_else(superuser: psycopg.Connection) -> None:
    swept = superuser.execute("SELECT table_name, column_name FROM lead_mining.text_column WHERE changeable").fetchall()
    assert ("raw_page", "body") in swept
    assert granted(superuser, "lead_mining") == {
        ("raw_page", "removed_at", "UPDATE"),
        *((table, column, "UPDATE") for table, column in swept),
        *(
            ("erasure", column, "INSERT")
            for column in ("subject_kind", "subject_digest", "requested_by", "reference", "certificate")
        ),
    }
    whole = superuser.execute(
        "SELECT c.oid::regclass::text, acl.privilege_type FROM pg_class c, aclexplode(c.relacl) AS acl"
        " WHERE acl.grantee = 'lead_mining_privacy'::regrole"
    ).fetchall()
    assert set(whole) == {("lead_mining.candidate_key", "DELETE"), ("lead_mining.provider_answer", "DELETE")}


def test_it_is_the_miner_and_more_but_not_the_owner(superuser: psycopg.Connection) -> None:
    member_of = superuser.execute(
        "SELECT roleid::regrole::text FROM pg_auth_members WHERE member = 'lead_mining_privacy'::regrole"
    ).fetchall()
    assert member_of == [("lead_mining",)]
    plain = superuser.execute(
        "SELECT rolcanlogin, rolinherit, rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls"
        " FROM pg_roles WHERE rolname = 'lead_mining_privacy'"
    ).fetchone()
    assert plain == (True, True, False)


FORBIDDEN = (
    "UPDATE crm_lead SET name = 'x'",
    "UPDATE crm_lead SET user_id = 1",
    "DELETE FROM crm_lead",
    "DELETE FROM mail_message",
    "UPDATE mail_message SET author_id = 1",
    "UPDATE res_partner SET name = 'x'",
    "SELECT password FROM res_users",
    "SELECT value FROM ir_config_parameter",
    "UPDATE lead_mining.erasure SET certificate = '{}'",
    "DELETE FROM lead_mining.erasure",
    "INSERT INTO lead_mining.erasure (id) OVERRIDING SYSTEM VALUE VALUES (1)",
    "UPDATE lead_mining.ledger_transaction SET reference = 'x'",
    "DELETE FROM lead_mining.ledger_entry",
    "UPDATE lead_mining.raw_page SET charged = 0",
    "UPDATE lead_mining.run SET credit_account = 'x'",
    "DELETE FROM lead_mining.rejection",
    "DELETE FROM lead_mining.candidate",
    "DELETE FROM lead_mining.raw_page",
    "CREATE TABLE lead_mining.x (id integer)",
    "SET ROLE lead_mining_owner",
)


def test_all_else_is_refused(role: psycopg.Connection) -> None:
    assert [statement for statement in FORBIDDEN if not is_refused(role, statement)] == []


def test_who_mines_may_not_erase_and_is_told_what_is_missing(miner: psycopg.Connection) -> None:
    with pytest.raises(CrmError) as refused:
        check_rights(miner)
    told = str(refused.value)
    assert "The role lead_mining may not erase. Let a superuser run include/sql/role.sql" in told
    assert "GRANT UPDATE (contact_name, function, email_from" in told
    assert "ON public.crm_lead TO lead_mining;" in told
    assert "GRANT UPDATE on the column lead_mining.raw_page.body" in told


def test_a_right_that_was_taken_is_named(role: psycopg.Connection, superuser: psycopg.Connection) -> None:
    superuser.execute("REVOKE UPDATE (mobile) ON crm_lead FROM lead_mining_privacy")
    with pytest.raises(CrmError, match=r"GRANT UPDATE \(mobile\) ON public.crm_lead TO lead_mining_privacy;$"):
        check_rights(role)


def test_a_table_that_cannot_be_read_is_named_in_the_certificate(
    role: psycopg.Connection, superuser: psycopg.Connection, tmp_path: Path
) -> None:
    superuser.execute("CREATE TABLE IF NOT EXISTS calendar_event (id serial, name varchar, description text)")
    superuser.execute("REVOKE ALL ON calendar_event FROM lead_mining_privacy")
    superuser.execute("REVOKE SELECT (name) ON calendar_event FROM lead_mining_privacy")
    certificate = erase(role, Subject.of("email", "a@b.example"), "the officer", tmp_path)
    assert certificate.not_looked_at == ["public.calendar_event"]
    assert "could not be looked at: public.calendar_event" in str(certificate)


@pytest.mark.parametrize(
    ("give", "take"),
    [
        ("ALTER ROLE lead_mining_privacy CREATEROLE", "ALTER ROLE lead_mining_privacy NOCREATEROLE"),
        ("GRANT lead_mining_owner TO lead_mining_privacy", "REVOKE lead_mining_owner FROM lead_mining_privacy"),
    ],
)
def test_a_role_that_could_become_the_owner_is_refused(superuser: psycopg.Connection, give: str, take: str) -> None:
    superuser.execute(give)
    refused = run_role_sql(superuser)
    superuser.execute(take)
    assert refused.returncode == 3
    assert "the role lead_mining_privacy could become lead_mining_owner" in refused.stderr
