"""Who mines adds to the ledger, and cannot change it, unguard it or write it in another way: the database refuses."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from crm_role import apply_role, is_refused, logged_in
from mined_runs import set_aside
from psycopg import errors

from lead_mining import provider_calls
from lead_mining.credits import accounts, ledger
from lead_mining.credits.accounts import Account
from lead_mining.credits.ledger import Balance

KEPT = ("ledger_entry", "ledger_transaction", "ledger_account", "hold", "monthly_use", "credit_account_change")
POSTED = ("ledger_entry", "ledger_account", "hold", "monthly_use", "credit_account_change")
GUARDS = ("ledger_post", "ledger_balanced", "append_only")
FORGERY = "INSERT INTO lead_mining.ledger_entry SELECT id, 1, 5, 5 FROM lead_mining.ledger_transaction"
TOP_UP = "INSERT INTO lead_mining.ledger_transaction (key, kind, owner, credits, reference) VALUES"


@pytest.fixture
def superuser(crm_dsn: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(crm_dsn, autocommit=True) as conn:
        conn.execute("DROP SCHEMA lead_mining CASCADE")
        apply_role(conn)
        yield conn


@pytest.fixture
def keeper(superuser: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """The role that keeps accounts."""
    with logged_in(superuser, "lead_mining_credits") as conn:
        yield conn


@pytest.fixture
def role(superuser: psycopg.Connection, keeper: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """The role that mines, with 100 credits, 40 of them held."""
    with keeper.transaction():
        ledger.top_up(keeper, "default", 100, key="t", reference="invoice 7")
    with logged_in(superuser) as conn:
        with conn.transaction():
            set_aside(conn, "default", 40, key="h")
        yield conn


def columns(conn: psycopg.Connection, table: str) -> list[str]:
    rows = conn.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
        [f"lead_mining.{table}"],
    )
    return [row[0] for row in rows]


def granted(conn: psycopg.Connection) -> dict[tuple[str, str], set[str]]:
    """(table, privilege) to the columns that the role has it on, in our schema, all but SELECT."""
    rows = conn.execute(
        """
        SELECT c.relname, privilege, array_agg(a.attname::text)
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0,
             unnest(ARRAY['INSERT', 'UPDATE', 'REFERENCES']) AS privilege
        WHERE c.relnamespace = 'lead_mining'::regnamespace AND c.relkind IN ('r', 'v')
          AND has_column_privilege('lead_mining', c.oid, a.attnum, privilege)
        GROUP BY 1, 2
        """
    )
    return {(table, privilege): set(of) for table, privilege, of in rows}


def test_the_ledger_works_as_the_roles(role: psycopg.Connection, keeper: psycopg.Connection) -> None:
    with keeper.transaction():
        accounts.set_up(keeper, Account("mirror", provider_conn_id="p"))
        ledger.top_up(keeper, "mirror", 9, key="x opening", reference="opening balance")
        ledger.charge(keeper, "mirror", 1, key="x charged", reference="lost page")
    with role.transaction(force_rollback=True):
        held = set_aside(role, "default", 10, key="x")
        ledger.capture(role, held, 4, key="x captured")
        assert ledger.release(role, held, key="x released") == 6
        role.execute("SET CONSTRAINTS ALL IMMEDIATE")
        assert ledger.balance(role, "default") == Balance(available=56, held=40, spent=4)
        assert ledger.balance(role, "mirror") == Balance(available=8, spent=1)


PAID_LEAD = """
    INSERT INTO lead_mining.run (run_key, request, context, provider, credit_account, dry_run, lead_number, max_cost,
        needs_approval) VALUES ('nightly/1', '{}', '{}', 'p', 'default', false, 1, 1, false);
    INSERT INTO lead_mining.raw_page (run_id, page_number, asked, found, charged, body) SELECT id, 1, 1, 1, 1, '{}'
        FROM lead_mining.run WHERE run_key = 'nightly/1';
    INSERT INTO lead_mining.candidate (run_id, position, page_number, company, contacts) SELECT id, 1, 1, '{}', 0
        FROM lead_mining.run WHERE run_key = 'nightly/1';
    INSERT INTO public.crm_lead (id, name, type) VALUES (7, 'A lead', 'lead');
    UPDATE lead_mining.candidate SET state = 'loaded', lead_id = 7
"""


@pytest.fixture
def run_id(role: psycopg.Connection) -> int:
    """A run that has loaded, and paid, one lead."""
    role.execute(PAID_LEAD)
    found = role.execute("SELECT id FROM lead_mining.run WHERE run_key = 'nightly/1'").fetchone()
    assert found is not None
    with role.transaction():
        ledger.capture(role, ledger.hold(role, "default", 1, key="r", run_id=found[0]), 1, key="r captured")
    return int(found[0])


def test_a_lead_is_refunded_as_the_role_that_keeps_accounts(
    role: psycopg.Connection, keeper: psycopg.Connection, run_id: int
) -> None:
    candidate = role.execute("SELECT id FROM lead_mining.candidate").fetchone()
    assert candidate is not None
    with keeper.transaction():
        assert ledger.refund(keeper, candidate[0], "closed for years") == 1
    assert ledger.balance(role, "default") == Balance(available=60, held=40)


def test_accounts_and_their_notices_are_kept_as_the_roles(role: psycopg.Connection, keeper: psycopg.Connection) -> None:
    wanted = Account("default", monthly_budget=90, low_balance=70, refund_days=3, notify=("sales@example.com",))
    with keeper.transaction():
        accounts.set_up(keeper, wanted)
        accounts.set_up(keeper, Account("mirror", "lead_mining_provider"))
    with role.transaction():
        assert accounts.find(role, "default").monthly_budget == 90
        assert accounts.take_notice(role, "default") == ("low", 60)
        assert accounts.take_notice(role, "default") is None
    role.execute(
        "INSERT INTO lead_mining.balance_report (account, reported, expected, unsettled_calls) VALUES ('mirror', 1, 0, 0)"
    )


@pytest.mark.parametrize("outcome", ["answered", "unknown", "lost"])
def test_paid_calls_are_written_down_and_settled_as_the_role(
    role: psycopg.Connection, keeper: psycopg.Connection, run_id: int, outcome: str
) -> None:
    at = provider_calls.clock(role)
    call = provider_calls.intend(role, run_id, 2, 1, 1, asked_at=at, balance_before=60, answer_within=0)
    if outcome == "answered":
        assert provider_calls.answered(role, call, 1)
    else:
        provider_calls.mark_unknown(role, call, "timed out", pending=False)
        assert provider_calls.get(role, call).state == "unknown"
    if outcome == "lost":
        with pytest.raises(errors.InsufficientPrivilege, match="lead_mining may not settle a call for a person"):
            provider_calls.lost(role, call, 1, by="sales")
        assert provider_calls.lost(keeper, call, 1, by="sales")
    assert provider_calls.get(role, call).state == outcome
    for attempt in ("SET asked_at = now()", "SET most = 0", "SET run_id = 1", "SET id = DEFAULT"):
        assert is_refused(role, f"UPDATE lead_mining.provider_call {attempt}")


def test_ids_times_and_consequences_are_never_the_roles_to_write(superuser: psycopg.Connection) -> None:
    assert {
        (table, privilege): of
        for (table, privilege), of in granted(superuser).items()
        if privilege != "INSERT" or table in KEPT or table == "migration"
    } == {
        ("run", "UPDATE"): {"lead_number", "max_cost", "needs_approval", "judged_as_of"},
        ("candidate", "UPDATE"): {"state", "company", "contacts", "lead_id", "note_message_id"},
        ("provider_call", "UPDATE"): {"state", "charged", "pending_until", "error", "settled_by", "ended_at"},
        ("provider_gate", "UPDATE"): {"blocked_until", "failures", "open_until"},
        ("credit_account", "UPDATE"): {"notice_sent"},
        ("ledger_transaction", "INSERT"): {"key", "kind", "owner", "credits", "hold_id", "run_id", "call_id"},
        ("quality_suite_result", "UPDATE"): {"version", "checked", "passed"},  # parts of a run add up
        ("quality_rule_result", "UPDATE"): {"checked", "failed"},
        ("known_company", "UPDATE"): set(columns(superuser, "known_company")),
        ("known_company_state", "UPDATE"): set(columns(superuser, "known_company_state")),
    }
    inserted = {name for (_, privilege), of in granted(superuser).items() if privilege == "INSERT" for name in of}
    assert inserted.isdisjoint({"id", "created_at", "opened_at", "reported_at", "received_at", "finished_at"})


def test_nothing_of_ours_can_be_deleted_but_what_can_be_made_anew(
    role: psycopg.Connection, superuser: psycopg.Connection
) -> None:
    rows = superuser.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'lead_mining'::regnamespace AND relkind = 'r'"
    )
    tables = [row[0] for row in rows]
    assert set(KEPT) < set(tables)
    how = ("DELETE FROM", "TRUNCATE", "DROP TABLE")
    allowed = [(do, table) for table in tables for do in how if not is_refused(role, f"{do} lead_mining.{table}")]
    assert sorted(allowed) == [
        ("DELETE FROM", table)
        for table in (
            *("candidate_key", "known_company", "known_company_state", "provider_answer", "provider_slot"),
            "suppression",
        )
    ]


def test_the_ledgers_tables_are_closed(role: psycopg.Connection) -> None:
    attempts = [
        *(f"UPDATE lead_mining.{table} SET {column} = DEFAULT" for table in KEPT for column in columns(role, table)),
        *(f"SELECT FROM lead_mining.{table} FOR UPDATE" for table in KEPT),
        *(f"TRUNCATE lead_mining.{table} CASCADE" for table in KEPT),
        *(f"INSERT INTO lead_mining.{table} DEFAULT VALUES" for table in POSTED),
        FORGERY,
        *(f"COPY lead_mining.{table} FROM STDIN" for table in POSTED),
        "TRUNCATE lead_mining.run CASCADE",
        f"{TOP_UP} ('t', 'top_up', 'default', 9, 'x') ON CONFLICT (key) DO UPDATE SET credits = 9",
        "INSERT INTO lead_mining.ledger_transaction (key, kind, owner, credits, reference, created_at)"
        " VALUES ('x', 'top_up', 'default', 9, 'x', '2001-01-01')",
        "INSERT INTO lead_mining.ledger_transaction (id, key, kind, owner, credits, reference)"
        " OVERRIDING SYSTEM VALUE VALUES (-1, 'x', 'top_up', 'default', 9, 'x')",
        "SELECT setval('lead_mining.ledger_transaction_id_seq', 1)",
        "SELECT nextval('lead_mining.ledger_transaction_id_seq')",
        "INSERT INTO lead_mining.migration (number, name) VALUES (9, 'x')",
    ]
    assert [attempt for attempt in attempts if not is_refused(role, attempt)] == []


def test_its_guards_are_out_of_reach(role: psycopg.Connection) -> None:
    attempts = [
        *(f"ALTER TABLE lead_mining.{table} DISABLE TRIGGER ALL" for table in KEPT),
        *(f"ALTER TABLE lead_mining.ledger_transaction DISABLE TRIGGER {guard}" for guard in GUARDS),
        *(f"DROP TRIGGER {guard} ON lead_mining.ledger_transaction" for guard in GUARDS),
        *(f"ALTER TABLE lead_mining.{table} OWNER TO lead_mining" for table in KEPT),
        *(f"CREATE RULE x AS ON INSERT TO lead_mining.{table} DO INSTEAD NOTHING" for table in KEPT),
        "ALTER TABLE lead_mining.ledger_account DROP CONSTRAINT ledger_account_check",
        "ALTER TABLE lead_mining.ledger_transaction ALTER created_at SET DEFAULT '2001-01-01'",
        "ALTER TABLE lead_mining.ledger_transaction ENABLE ROW LEVEL SECURITY",
        "CREATE TRIGGER x BEFORE INSERT ON lead_mining.ledger_entry FOR EACH ROW"
        " EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "DROP FUNCTION lead_mining.ledger_post() CASCADE",
        "CREATE OR REPLACE FUNCTION lead_mining.ledger_post() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "ALTER FUNCTION lead_mining.ledger_post() SECURITY INVOKER",
        "ALTER FUNCTION lead_mining.ledger_post() RESET search_path",
        "ALTER FUNCTION lead_mining.ledger_refuse() RENAME TO x",
        "CREATE OR REPLACE FUNCTION lead_mining.ledger_lock(account text) RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint'",
        "CREATE OR REPLACE VIEW lead_mining.account_statement AS SELECT 1 AS id",
        "CREATE TABLE lead_mining.x (id integer)",
        "CREATE FUNCTION lead_mining.x() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "ALTER SCHEMA lead_mining RENAME TO x",
        "DROP SCHEMA lead_mining CASCADE",
        "SET session_replication_role = replica",
        "SELECT set_config('session_replication_role', 'replica', true)",
        "SET ROLE lead_mining_owner",
        "SET SESSION AUTHORIZATION lead_mining_owner",
        "GRANT lead_mining_owner TO lead_mining",
        "ALTER ROLE lead_mining_owner LOGIN",
        "ALTER DEFAULT PRIVILEGES FOR ROLE lead_mining_owner GRANT ALL ON TABLES TO lead_mining",
    ]
    assert [attempt for attempt in attempts if not is_refused(role, attempt)] == []


def test_it_cannot_give_itself_more(role: psycopg.Connection, superuser: psycopg.Connection) -> None:
    before = granted(superuser)
    for table in KEPT:  # PostgreSQL warns, and gives nothing
        role.execute(f"GRANT ALL ON lead_mining.{table} TO lead_mining")
    assert granted(superuser) == before
    assert is_refused(role, "DELETE FROM lead_mining.ledger_entry")


@pytest.mark.parametrize(
    "forgery",
    [
        FORGERY,
        "INSERT INTO lead_mining.ledger_account (owner, bucket, balance) VALUES (''default'', ''x'', 1000)",
        "UPDATE lead_mining.ledger_account SET balance = 1000",
        "UPDATE lead_mining.hold SET captured = 0",
        "UPDATE lead_mining.monthly_use SET credits = 0",
    ],
)
def test_a_trigger_of_its_own_is_as_powerless_as_itself(role: psycopg.Connection, forgery: str) -> None:
    """Inside any trigger pg_trigger_depth() is above 0, which is what lets ledger_post pass the guards."""
    assert is_refused(
        role,
        f"""
        CREATE TEMPORARY TABLE bait (id integer);
        CREATE FUNCTION pg_temp.forge() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN {forgery}; RETURN NULL; END';
        CREATE TRIGGER forge AFTER INSERT ON bait FOR EACH ROW EXECUTE FUNCTION pg_temp.forge();
        INSERT INTO bait VALUES (1)
        """,
    )


@pytest.mark.parametrize("function", ["ledger_post", "ledger_balanced", "ledger_refuse"])
def test_what_posts_cannot_be_put_behind_another_table(role: psycopg.Connection, function: str) -> None:
    """Its rows would be posted as if they were transactions, with the owner's rights."""
    assert is_refused(
        role,
        f"""
        CREATE TEMPORARY TABLE forged (LIKE lead_mining.ledger_transaction);
        CREATE TRIGGER forge AFTER INSERT ON forged FOR EACH ROW EXECUTE FUNCTION lead_mining.{function}()
        """,
    )


SHADOWS = """
    CREATE FUNCTION {schema}.equals(text, text) RETURNS boolean LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'shadowed as %', current_user; END $$;
    CREATE FUNCTION {schema}.add(bigint, integer) RETURNS bigint LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'shadowed as %', current_user; END $$;
    CREATE FUNCTION {schema}.date_trunc(text, timestamp) RETURNS timestamp LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'shadowed as %', current_user; END $$;
    CREATE FUNCTION {schema}.now() RETURNS timestamptz LANGUAGE sql AS $$ SELECT '2001-01-01'::timestamptz $$;
    CREATE FUNCTION {schema}.pg_trigger_depth() RETURNS integer LANGUAGE sql AS $$ SELECT 1 $$;
    CREATE OPERATOR {schema}.= (LEFTARG = text, RIGHTARG = text, FUNCTION = {schema}.equals);
    CREATE OPERATOR {schema}.+ (LEFTARG = bigint, RIGHTARG = integer, FUNCTION = {schema}.add);
    CREATE TABLE {schema}.ledger_account (LIKE lead_mining.ledger_account);
    CREATE TABLE {schema}.ledger_entry (LIKE lead_mining.ledger_entry);
    CREATE TABLE {schema}.hold (LIKE lead_mining.hold);
    CREATE TABLE {schema}.credit_account (LIKE lead_mining.credit_account);
    SET search_path = {schema}, pg_temp, lead_mining, pg_catalog
"""


POSTS = (
    ("top_up", "'x'", "NULL"),
    ("hold", "NULL", "NULL"),  # for the run of the first hold
    ("release", "NULL", "(SELECT max(id) FROM lead_mining.hold)"),
    ("charge", "'x'", "NULL"),
)


@pytest.mark.parametrize("schema", ["pg_temp", "shadow"])
def test_names_that_shadow_built_in_ones_change_nothing(
    superuser: psycopg.Connection, keeper: psycopg.Connection, role: psycopg.Connection, schema: str
) -> None:
    role = keeper  # who may do all that there is to do
    superuser.execute("CREATE SCHEMA shadow AUTHORIZATION lead_mining_credits")
    superuser.execute("UPDATE lead_mining.credit_account SET provider_conn_id = 'p'")  # charged are mirrored ones alone
    role.execute(SHADOWS.format(schema=schema))
    if schema == "shadow":  # pg_temp is never looked into for functions and operators
        with pytest.raises(errors.RaiseException, match="shadowed as lead_mining_credits"):
            role.execute("SELECT 'a'::text = 'b'::text")
    for kind, reference, hold in POSTS:
        role.execute(
            "INSERT INTO lead_mining.ledger_transaction (key, kind, owner, credits, reference, hold_id, run_id)"
            f" VALUES ('shadow {kind}', '{kind}', 'default', 1, {reference}, {hold},"
            f" {'(SELECT max(id) FROM lead_mining.run)' if kind == 'hold' else 'NULL'})"
        )
    assert role.execute("SELECT lead_mining.ledger_lock('default')").fetchone() == (60,)
    assert role.execute(f"SELECT count(*) FROM {schema}.ledger_entry").fetchone() == (0,)
    for attempt in (
        FORGERY,
        "DELETE FROM lead_mining.ledger_entry",
        "UPDATE lead_mining.ledger_account SET balance = 9",
    ):
        assert is_refused(role, attempt)
    role.execute("RESET search_path")
    assert ledger.balance(role, "default") == Balance(available=60, held=40, spent=1)
    recent = "SELECT count(*) FROM lead_mining.ledger_transaction WHERE created_at > now() - interval '1 hour'"
    assert role.execute(recent).fetchone() == (6,)


def test_every_routine_looks_names_up_in_one_place(superuser: psycopg.Connection) -> None:
    rows = superuser.execute(
        "SELECT proname FROM pg_proc WHERE pronamespace = 'lead_mining'::regnamespace"
        " AND proconfig IS DISTINCT FROM ARRAY['search_path=pg_catalog, pg_temp']"
    )
    assert rows.fetchall() == []
