from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from lead_mining import vocabulary
from lead_mining.crm import embedded
from lead_mining.crm.checks import TABLES
from lead_mining.exceptions import CrmError

COLUMNS = """
    SELECT attname, format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid)
    FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
"""
CONSTRAINTS = """
    SELECT contype, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE conrelid = %s::regclass AND contype IN ('p', 'u', 'c', 'f')
      AND (confrelid = 0 OR confrelid::regclass::text = ANY(%s))
"""
INDEXES = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename = %s"


@pytest.fixture
def embedded_and_odoo(
    postgres_server: str, crm_template: Callable[[str], str]
) -> tuple[psycopg.Connection, psycopg.Connection]:
    ours, theirs = (
        psycopg.connect(make_conninfo(postgres_server, dbname=crm_template(kind))) for kind in ("embedded", "odoo17")
    )
    return ours, theirs


def test_every_table_is_as_in_a_real_odoo(
    embedded_and_odoo: tuple[psycopg.Connection, psycopg.Connection],
) -> None:
    tables = embedded.table_names()
    assert set(TABLES) <= set(tables)
    with embedded_and_odoo[0] as ours, embedded_and_odoo[1] as theirs:
        for table in tables:
            for query, arguments in [(COLUMNS, [table]), (CONSTRAINTS, [table, tables]), (INDEXES, [table])]:
                found, expected = (set(conn.execute(query, arguments).fetchall()) for conn in (ours, theirs))
                assert found == expected, table


def test_words_are_as_in_a_real_odoo(embedded_and_odoo: tuple[psycopg.Connection, psycopg.Connection]) -> None:
    queries = [
        "SELECT code FROM res_country WHERE code <> 'XK'",  # Kosovo is not in ISO 3166
        "SELECT string_to_array(reveal_ids, ','), btrim(name->>'en_US'), sequence FROM crm_iap_lead_industry",
        "SELECT reveal_id, name->>'en_US' FROM crm_iap_lead_role",
        "SELECT reveal_id, name->>'en_US' FROM crm_iap_lead_seniority",
        "SELECT code, prefix, padding, implementation FROM ir_sequence WHERE code LIKE 'crm%'",
        "SELECT name->>'en_US', sequence, coalesce(fold, false), is_won FROM crm_stage",
        'SELECT id, parent_id, res_model, name, internal, "default", hidden FROM mail_message_subtype'
        " WHERE id < 15 AND id <> 4",  # 4 belongs to calendar
    ]
    with embedded_and_odoo[0] as ours, embedded_and_odoo[1] as theirs:
        for query in queries:
            found, expected = (sorted(map(repr, conn.execute(query).fetchall())) for conn in (ours, theirs))
            assert found == expected


def test_xml_ids_lead_to_the_same_things_as_in_a_real_odoo(
    embedded_and_odoo: tuple[psycopg.Connection, psycopg.Connection],
) -> None:
    query = "SELECT module, name, model, res_id FROM ir_model_data"
    with embedded_and_odoo[0] as ours, embedded_and_odoo[1] as theirs:
        assert set(ours.execute(query).fetchall()) <= set(theirs.execute(query).fetchall())


def test_created_once_and_never_again(empty_dsn: str) -> None:
    with psycopg.connect(empty_dsn) as conn:
        assert embedded.create(conn)
        assert not embedded.create(conn)
        row = conn.execute("SELECT count(*) FROM res_country").fetchone()
        assert row == (len(vocabulary.countries()),)


def test_at_once_only_one_creates(empty_dsn: str) -> None:
    def create(_: int) -> bool:
        with psycopg.connect(empty_dsn) as conn:
            return embedded.create(conn)

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(create, range(4))) == [False, False, False, True]


def test_a_database_with_a_crm_is_left_alone(empty_dsn: str) -> None:
    with psycopg.connect(empty_dsn) as conn:
        conn.execute("CREATE TABLE crm_lead (x int)")
        conn.execute("CREATE TABLE ir_ui_view (x int)")
        assert not embedded.create(conn)
        tables = conn.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1").fetchall()
        assert tables == [("crm_lead",), ("ir_ui_view",)]


def test_an_embedded_crm_of_an_older_version_is_told_from_an_odoo(empty_dsn: str) -> None:
    with psycopg.connect(empty_dsn) as conn:
        assert embedded.create(conn)
        conn.execute("DROP TABLE mail_mail CASCADE")
        with pytest.raises(CrmError, match=r"older version and lacks mail_mail: .*make clean"):
            embedded.create(conn)


def test_an_odoo_without_its_crm_is_left_alone(empty_dsn: str) -> None:
    with psycopg.connect(empty_dsn) as conn:
        conn.execute("CREATE TABLE res_users (x int)")
        with pytest.raises(CrmError, match=r"res_users.*install its app CRM"):
            embedded.create(conn)


def test_a_failure_leaves_nothing(empty_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(conn: psycopg.Connection) -> None:
        raise RuntimeError

    monkeypatch.setattr(embedded, "_insert_vocabulary", fail)
    with psycopg.connect(empty_dsn, autocommit=True) as conn:
        with pytest.raises(RuntimeError):
            embedded.create(conn)
        assert conn.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)


@pytest.mark.parametrize("crm_kind", ["embedded"], indirect=True)
def test_new_rows_get_free_ids(crm: psycopg.Connection) -> None:
    for table in embedded.table_names():
        if crm.execute("SELECT pg_get_serial_sequence(t, 'id') FROM (SELECT %s::text AS t WHERE EXISTS ("
                       "SELECT FROM pg_attribute WHERE attrelid = %s::regclass AND attname = 'id')) x",
                       [table, table]).fetchone():  # fmt: skip
            query = sql.SQL("SELECT coalesce(max(id), 0) < nextval(pg_get_serial_sequence(%s, 'id')) FROM {}")
            assert crm.execute(query.format(sql.Identifier(table)), [table]).fetchone() == (True,), table
