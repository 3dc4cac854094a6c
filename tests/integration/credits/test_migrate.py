"""The migration runner against a real server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg import errors

from lead_mining import migrations
from lead_mining.exceptions import CrmError
from lead_mining.migrations import migrate


@pytest.fixture
def empty(conn: psycopg.Connection[Any]) -> Iterator[psycopg.Connection[Any]]:
    """A connection whose transaction sees a database without our schema; nothing of it is kept."""
    conn.execute("DROP SCHEMA lead_mining CASCADE")
    yield conn
    conn.rollback()


def test_a_second_time_does_nothing(empty: psycopg.Connection[Any]) -> None:
    names = [name for name, _ in migrations.migrations().values()]
    assert migrate(empty) == names
    assert migrate(empty) == []
    assert empty.execute("SELECT name FROM lead_mining.migration ORDER BY number").fetchall() == [(n,) for n in names]


def test_nothing_is_made_outside_our_schema(empty: psycopg.Connection[Any]) -> None:
    elsewhere = (
        "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname NOT IN ('lead_mining', 'pg_toast') AND n.nspname NOT LIKE 'pg_temp%' ORDER BY 1, 2"
    )
    before = empty.execute(elsewhere).fetchall()
    migrate(empty)
    assert empty.execute(elsewhere).fetchall() == before


def test_a_migration_that_fails_leaves_nothing(empty: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    good = migrations.migrations()
    bad = {max(good) + 1: ("9999_bad.sql", "CREATE TABLE lead_mining.half (); SELECT 1/0")}
    monkeypatch.setattr(migrations, "migrations", lambda: good | bad)
    with pytest.raises(errors.DivisionByZero):
        migrate(empty)
    assert empty.execute("SELECT to_regnamespace('lead_mining')").fetchone() == (None,)
    monkeypatch.undo()
    assert migrate(empty) == [name for name, _ in good.values()]


def test_many_at_once_apply_each_migration_once(ledger_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    extra = "CREATE TABLE lead_mining.made_once (id integer)"
    number = max(migrations.migrations()) + 1
    monkeypatch.setattr(migrations, "migrations", lambda: {number: ("9999_extra.sql", extra)})

    def one(_: int) -> list[str]:
        with psycopg.connect(ledger_dsn) as conn:
            return migrate(conn)

    with ThreadPoolExecutor(8) as pool:
        applied = list(pool.map(one, range(8)))
    with psycopg.connect(ledger_dsn) as conn:
        conn.execute("DROP TABLE lead_mining.made_once")
        conn.execute("DELETE FROM lead_mining.migration WHERE number = %s", [number])
    assert sorted(applied) == [[]] * 7 + [["9999_extra.sql"]]


def test_mining_asks_for_a_schema_that_is_there_and_new_enough(empty: psycopg.Connection[Any]) -> None:
    with pytest.raises(CrmError, match=r"no schema lead_mining .*prepare-crm"):
        migrations.check_migrated(empty)
    names = migrate(empty)
    migrations.check_migrated(empty)
    empty.execute("DELETE FROM lead_mining.migration WHERE number = (SELECT max(number) FROM lead_mining.migration)")
    with pytest.raises(CrmError, match=rf"older version, without {names[-1]}: .*prepare-crm"):
        migrations.check_migrated(empty)


@pytest.mark.parametrize("grant", ["SELECT 1", "GRANT USAGE ON SCHEMA lead_mining TO stranger"])
@pytest.mark.parametrize("do", [migrations.migrate, migrations.check_migrated])
def test_a_role_that_may_not_use_the_schema_is_told(
    empty: psycopg.Connection[Any], grant: LiteralString, do: Callable[[psycopg.Connection[Any]], object]
) -> None:
    migrate(empty)
    empty.execute("CREATE ROLE stranger")
    empty.execute(grant)
    empty.execute("SET LOCAL ROLE stranger")
    with pytest.raises(CrmError, match=r"'stranger' may not use the schema lead_mining: .*role\.sql"):
        do(empty)


@pytest.fixture
def miner(empty: psycopg.Connection[Any]) -> psycopg.Connection[Any]:
    """A role that may read our schema and is not its owner."""
    migrate(empty)
    empty.execute("CREATE ROLE miner")
    empty.execute("GRANT USAGE ON SCHEMA lead_mining TO miner")
    empty.execute("GRANT SELECT ON ALL TABLES IN SCHEMA lead_mining TO miner")
    empty.execute("SET LOCAL ROLE miner")
    return empty


def test_a_role_that_is_not_the_owner_needs_nothing_where_nothing_is_pending(miner: psycopg.Connection[Any]) -> None:
    assert migrate(miner) == []
    migrations.check_migrated(miner)


def test_a_role_that_is_not_the_owner_is_told_who_can(
    miner: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    good = migrations.migrations()
    later = {max(good) + 1: ("9998_later.sql", "SELECT 1"), max(good) + 2: ("9999_last.sql", "SELECT 1")}
    monkeypatch.setattr(migrations, "migrations", lambda: good | later)
    wanted = (
        r"without 9998_later\.sql, 9999_last\.sql: it is postgres's, so let a superuser run include/sql/role\.sql again"
    )
    for do in (migrate, migrations.check_migrated):
        with pytest.raises(CrmError, match=wanted):
            do(miner)


def test_a_plain_role_that_owns_the_ledger_is_warned_of(
    empty: psycopg.Connection[Any], caplog: pytest.LogCaptureFixture
) -> None:
    migrate(empty)
    migrations.check_migrated(empty)
    assert caplog.messages == []
    empty.execute("CREATE ROLE former")
    empty.execute("ALTER SCHEMA lead_mining OWNER TO former")
    for table in ("migration", "ledger_entry"):
        empty.execute(f"ALTER TABLE lead_mining.{table} OWNER TO former")
    empty.execute("SET LOCAL ROLE former")
    migrations.check_migrated(empty)
    (message,) = caplog.messages
    assert message.startswith("The role 'former' owns the credit ledger, and so could switch off")
