"""Scenarios of which Odoo's behaviour is described, whether or not their recordings are at hand: rows and what is in them.

The descriptions, and the numbers of rows, are those of GOLDEN.md; the companies are the simulator's, or made up here.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from crm_people import set_alias_domain
from database_diff import Changes, changes, read_tables
from psycopg.rows import dict_row

from lead_mining import pipeline
from lead_mining.exceptions import ProviderError
from lead_mining.providers.odoo_iap import OdooIap
from provider_simulator.testing import Simulator

from .starting_state import add_history, complete, follow_team, read_in_inbox

pytestmark = pytest.mark.usefixtures("load_all_that_odoo_loads")

REQUEST = "crm_iap_lead_mining_request"
THREE = {"countries": ["US"], "lead_number": 3, "lead_type": "opportunity"}
FOR_MIA = THREE | {"lead_type": "lead", "team": "West Coast", "salesperson": "mia"}

Mine = Callable[..., dict[str, Changes]]


@pytest.fixture
def mine(conn: psycopg.Connection, simulator: Simulator, tmp_path: Path, request: pytest.FixtureRequest) -> Mine:
    """Mines a request; what that changed in the CRM. `answer`: records of the provider, else the simulator's own."""
    complete(conn)
    provider = OdooIap(simulator.url, f"trial-{request.node.name}", "2a8a5d34-0000-4000-8000-000000000003")

    def run(params: dict[str, Any], answer: Any = None, key: str = "lead_mining/described") -> dict[str, Changes]:
        simulator.clear_faults()
        if answer is not None:
            body = answer if isinstance(answer, str) else {"jsonrpc": "2.0", "id": 1, **answer}
            simulator.replay({"http": 200, "body": body})
        run_id = pipeline.prepare_request(conn, key, params)["run_id"]
        before = read_tables(conn)
        pipeline.extract(conn, run_id, provider)
        pipeline.validate(conn, run_id, tmp_path)
        for step in ("deduplicate", "debit_credits", "load_leads", "write_enrichment_notes"):
            getattr(pipeline, step)(conn, run_id)
        return changes(before, read_tables(conn))

    return run


def records(*companies: dict[str, Any], **result: Any) -> dict[str, Any]:
    """An answer with these companies, each with people where it has `people_data`."""
    data = [
        {"company_data": {k: v for k, v in c.items() if k != "people_data"}}
        | ({"people_data": c["people_data"]} if "people_data" in c else {})
        for c in companies
    ]
    return {"result": {"data": data, "credit_error": False} | result}


def company(n: int, **values: Any) -> dict[str, Any]:
    return {
        "name": f"Company {n}", "legal_name": f"Company {n} Inc.", "domain": f"company{n}.com", "clearbit_id": f"id-{n}",
        "phone": None, "phone_numbers": [], "email": [f"info@company{n}.com"], "city": "Austin", "postal_code": "78701",
        "location": "1 Main Street", "country_code": "US", "state_code": "TX",
    } | values  # fmt: skip


def written(found: dict[str, Changes]) -> dict[str, int]:
    """Rows inserted by table. No row that was there is changed, but for the request's; none is deleted."""
    assert [c for c in found.values() if c.deleted] == []
    assert [table for table, change in found.items() if change.updated] == [REQUEST]
    assert len(found[REQUEST].updated) == 1
    return {table: len(change.inserted) for table, change in found.items() if change.inserted}


def rows_of(leads: int, *, tags: int = 0, followers: int, told: int = 0, mailed: int = 0) -> dict[str, int]:
    """What Odoo writes for so many leads; each with this many of the rest. `mailed`: of the notifications.

    Ours beside: the mails that Odoo has sent by then wait in its queue, which is woken.
    """
    rows = {
        "crm_lead": leads,
        "crm_tag_rel": leads * tags,
        "ir_cron_trigger": 1 + bool(mailed),
        "mail_followers": leads * followers,
        "mail_message": leads * (2 + bool(told)),
        "mail_message_res_partner_rel": leads * bool(told),
        "mail_notification": leads * told,
        "mail_mail": leads * mailed,
        "mail_mail_res_partner_rel": leads * mailed,
        "mail_followers_mail_message_subtype_rel": leads * followers,
    }
    return {table: number for table, number in rows.items() if number}


def all_rows(conn: psycopg.Connection, query: str) -> list[dict[str, Any]]:
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query).fetchall()  # type: ignore[arg-type]


LEADS = """
    SELECT l.*, t.name->>'en_US' AS team, u.login FROM crm_lead l
    LEFT JOIN crm_team t ON t.id = l.team_id LEFT JOIN res_users u ON u.id = l.user_id
    WHERE lead_mining_request_id IS NOT NULL ORDER BY l.id
"""


def test_c_people_by_seniority_for_another_salesperson(mine: Mine, conn: psycopg.Connection) -> None:
    params = {
        "countries": ["US"], "search_type": "people", "lead_number": 5, "lead_type": "lead", "contact_number": 3,
        "contact_filter_type": "seniority", "seniority": "director", "salesperson": "sam", "team": "East Coast",
        "tags": ["Lead mining"],
    }  # fmt: skip
    assert written(mine(params)) == rows_of(5, tags=1, followers=2, told=1, mailed=1)
    contacts = all_rows(
        conn, "SELECT company->'contacts'->0->>'full_name' AS name FROM lead_mining.candidate ORDER BY lead_id"
    )
    assert [lead["contact_name"] for lead in all_rows(conn, LEADS)] == [contact["name"] for contact in contacts]


def test_f2_a_team_without_a_salesperson(mine: Mine, conn: psycopg.Connection) -> None:
    assert written(mine(THREE | {"salesperson": "none", "team": "West Coast"})) == rows_of(3, followers=1)
    for lead in all_rows(conn, LEADS):
        assert (lead["team"], lead["login"], lead["company_id"], lead["date_open"]) == ("West Coast", None, 1, None)


def test_f4_a_salesperson_without_a_team(mine: Mine, conn: psycopg.Connection) -> None:
    rows = rows_of(3, followers=2, told=1, mailed=1)
    assert written(mine(THREE | {"salesperson": "mia", "team": "none"})) == rows
    for lead in all_rows(conn, LEADS):
        assert (lead["team"], lead["login"], lead["company_id"]) == (None, "mia", 1)
        assert lead["date_open"] == lead["create_date"]


def test_h_the_same_companies_again_are_not_bought_again(mine: Mine, conn: psycopg.Connection) -> None:
    answer = records(company(1), company(2), company(3))
    mine(THREE, answer)
    assert written(mine(THREE, answer, key="lead_mining/again")) == {}
    assert [(r["state"], r["error_type"]) for r in all_rows(conn, f"SELECT * FROM {REQUEST} ORDER BY id")] == [
        ("done", None), ("draft", "no_result"),
    ]  # fmt: skip


def test_i_sparse_records(mine: Mine, conn: psycopg.Connection) -> None:
    sparse = [{"name": f"Sparse {n}", "clearbit_id": f"s-{n}", "phone": None, "country_code": "US"} for n in range(3)]
    assert written(mine(THREE, records(*sparse))) == rows_of(3, followers=1)
    for lead in all_rows(conn, LEADS):
        assert (lead["email_from"], lead["phone"], lead["website"]) == ("", "", None)
        assert (lead["email_state"], lead["phone_state"], lead["phone_sanitized"]) == (None, None, None)
        assert (lead["email_normalized"], lead["email_domain_criterion"], lead["street"]) == (None, None, None)


def test_j_fewer_than_asked_for(mine: Mine) -> None:
    answer = records(*(company(n) for n in range(3)))
    assert written(mine(THREE | {"lead_number": 10}, answer)) == rows_of(3, followers=1)


def test_k_a_history_of_won_and_lost_leads(mine: Mine, conn: psycopg.Connection) -> None:
    add_history(conn)
    assert written(mine(THREE | {"lead_number": 6})) == rows_of(6, followers=1)
    for lead in all_rows(conn, LEADS):
        assert (lead["probability"], lead["automated_probability"]) == (66.13, 66.13)


def test_l_an_alias_domain_and_a_team_without_an_alias(mine: Mine, conn: psycopg.Connection) -> None:
    set_alias_domain(conn)
    assert written(mine(FOR_MIA)) == rows_of(3, followers=2, told=1, mailed=1)
    messages = all_rows(
        conn,
        "SELECT m.reply_to, d.name FROM mail_message m LEFT JOIN mail_alias_domain d ON d.id = record_alias_domain_id"
        " WHERE model = 'crm.lead'",
    )
    assert messages == [{"reply_to": '"My Company West Coast" <catchall@acme.test>', "name": "acme.test"}] * 9


def test_o_a_partner_follows_the_team(mine: Mine, conn: psycopg.Connection) -> None:
    follow_team(conn, "Sam O'Neil", "West Coast")
    rows = rows_of(3, followers=3, told=2, mailed=2) | {"mail_followers_mail_message_subtype_rel": 18}
    assert written(mine(FOR_MIA)) == rows


def test_p_a_salesperson_who_reads_in_the_inbox(mine: Mine, conn: psycopg.Connection) -> None:
    read_in_inbox(conn, "mia")
    assert written(mine(FOR_MIA)) == rows_of(3, followers=2, told=1)
    for notice in all_rows(conn, "SELECT * FROM mail_notification"):
        assert (notice["notification_type"], notice["notification_status"]) == ("inbox", "sent")
        assert (notice["is_read"], notice["read_date"], notice["mail_mail_id"]) == (None, None, None)


def test_r_no_mail_server_stands_in_the_way(mine: Mine, conn: psycopg.Connection) -> None:
    assert written(mine(FOR_MIA)) == rows_of(3, followers=2, told=1, mailed=1)
    mails = all_rows(
        conn,
        "SELECT m.state, m.auto_delete, m.is_notification, n.notification_status, n.is_read FROM mail_mail m"
        " JOIN mail_notification n ON n.mail_mail_id = m.id AND n.mail_message_id = m.mail_message_id",
    )
    waiting = {"state": "outgoing", "auto_delete": True, "is_notification": True}
    assert mails == [waiting | {"notification_status": "ready", "is_read": True}] * 3


def test_s_without_an_id(mine: Mine, conn: psycopg.Connection) -> None:
    answer = records(*(company(n, clearbit_id=None) for n in range(3)))
    assert written(mine(THREE, answer)) == rows_of(3, followers=1)
    assert [lead["reveal_id"] for lead in all_rows(conn, LEADS)] == [None] * 3


def test_s_the_same_company_thrice_is_one_lead(mine: Mine) -> None:
    assert written(mine(THREE, records(*(company(0) for _ in range(3))))) == rows_of(1, followers=1)


def test_s_the_same_id_on_three_companies_is_three_leads(mine: Mine) -> None:
    """Odoo loads the first and loses the others, which were paid for."""
    answer = records(*(company(n, clearbit_id="same") for n in range(3)))
    assert written(mine(THREE, answer)) == rows_of(3, followers=1)


def test_s_empty_names(mine: Mine, conn: psycopg.Connection) -> None:
    answer = records(*(company(n, name="", legal_name="") for n in range(3)))
    assert written(mine(THREE, answer)) == rows_of(3, followers=1)
    assert [lead["name"] for lead in all_rows(conn, LEADS)] == [f"company{n}.com" for n in range(3)]


def test_s_people_of_whom_there_are_none(mine: Mine, conn: psycopg.Connection) -> None:
    asked = THREE | {"search_type": "people", "contact_number": 2, "preferred_role": "CEO"}
    answer = records(*(company(n, people_data=[]) for n in range(3)))
    assert written(mine(asked, answer)) == rows_of(3, followers=1)
    for n, lead in enumerate(all_rows(conn, LEADS)):
        assert (lead["contact_name"], lead["function"], lead["email_from"]) == (None, None, f"info@company{n}.com")


def test_e_no_data(mine: Mine, conn: psycopg.Connection) -> None:
    assert written(mine(THREE, {"result": {}})) == {}
    assert [(r["state"], r["error_type"]) for r in all_rows(conn, f"SELECT * FROM {REQUEST}")] == [
        ("draft", "no_result")
    ]


@pytest.mark.parametrize("answer", ["<html>Bad gateway", {"error": {"message": "invalid industry", "data": {}}}])
def test_g_a_failing_provider_leaves_the_request_alone(mine: Mine, conn: psycopg.Connection, answer: Any) -> None:
    with pytest.raises(ProviderError):
        mine(THREE, answer)
    assert all_rows(conn, "SELECT id FROM crm_lead WHERE lead_mining_request_id IS NOT NULL") == []
    assert [(r["state"], r["error_type"]) for r in all_rows(conn, f"SELECT * FROM {REQUEST}")] == [("draft", None)]
