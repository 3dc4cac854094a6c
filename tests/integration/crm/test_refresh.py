"""What people deleted or archived in the CRM between the look-up of a request and its loading, on both kinds of CRM."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from crm_people import CREATED, add_company, add_partner, add_user, scalar, set_alias_domain
from crm_records import request_with_id
from psycopg.errors import ForeignKeyViolation
from statement_counter import counted_statements

from lead_mining.crm.access import TABLES
from lead_mining.crm.context import CrmContext
from lead_mining.crm.leads import load_leads
from lead_mining.crm.notes import write_notes
from lead_mining.crm.privileges import column_grants, lacking
from lead_mining.crm.refresh import Refreshed, refresh
from lead_mining.crm.requests import set_state
from lead_mining.exceptions import CrmError
from lead_mining.providers.base import Company
from lead_mining.request import MiningRequest

Rows = Callable[..., list[dict[str, Any]]]
Requested = Callable[..., tuple[CrmContext, int]]

ADMIN, ADMIN_PARTNER, SALES = 2, 3, 1
NO_SALESPERSON = "the salesperson is no longer active in the CRM: the leads were loaded without one"
NO_TEAM = "the sales team {!r} was deleted in the CRM: the leads were loaded without one"
NO_REQUEST = "the mining request was deleted in the CRM: its leads were loaded without a link to it"


def refreshed(
    conn: psycopg.Connection, context: CrmContext, crm_request_id: int | None = None, **params: Any
) -> Refreshed:
    known = None if crm_request_id is None else request_with_id(conn, crm_request_id)
    return refresh(conn, MiningRequest.parse({"countries": ["US"]} | params), context, known)


def loaded(conn: psycopg.Connection, rows: Rows, fresh: Refreshed) -> dict[str, Any]:
    """A lead that was loaded by it, and given a note; its columns."""
    (lead_id,) = load_leads(conn, fresh.context, fresh.crm_request_id, [(7, Company(name="Acme"))]).values()
    assert list(write_notes(conn, fresh.context, [(lead_id, "<p>Note</p>")])) == [lead_id]
    (lead,) = rows("SELECT * FROM crm_lead WHERE id = %s", lead_id)
    return lead


def delete_user(conn: psycopg.Connection, user_id: int | None) -> None:
    """With the partner, as Odoo's users often go."""
    partner = scalar(conn, "DELETE FROM res_users WHERE id = %s RETURNING partner_id", user_id)
    conn.execute("DELETE FROM res_partner WHERE id = %s", [partner])


def delete_stage(conn: psycopg.Connection, stage_id: int | None) -> None:
    """Odoo lets nobody delete a stage that has leads."""
    conn.execute("UPDATE crm_lead SET stage_id = NULL WHERE stage_id = %s", [stage_id])
    conn.execute("DELETE FROM crm_stage WHERE id = %s", [stage_id])


def delete_team(conn: psycopg.Connection, team_id: int | None) -> None:
    conn.execute("DELETE FROM crm_team WHERE id = %s", [team_id])


def delete_request(conn: psycopg.Connection, request_id: int) -> None:
    conn.execute("DELETE FROM crm_iap_lead_mining_request WHERE id = %s", [request_id])


def miner(conn: psycopg.Connection, login: str) -> tuple[int, int]:
    """A user of its own who may mine; its ids as user and as partner."""
    partner = add_partner(conn, "Robin", share=False)
    user = add_user(conn, partner)
    conn.execute("UPDATE res_users SET login = %s WHERE id = %s", [login, user])
    conn.execute("INSERT INTO res_company_users_rel (cid, user_id) VALUES (1, %s)", [user])
    conn.execute(
        "INSERT INTO res_groups_users_rel (gid, uid) SELECT res_id, %s FROM ir_model_data"
        " WHERE module = 'sales_team' AND name = 'group_sale_manager'",
        [user],
    )
    return user, partner


def admins_company(conn: psycopg.Connection) -> int:
    """Another company that the acting user may work for."""
    company = add_company(conn)
    conn.execute("INSERT INTO res_company_users_rel (cid, user_id) VALUES (%s, %s)", [company, ADMIN])
    return company


# -- nothing is gone


def test_all_is_there_says_one_statement(requested: Requested, crm: psycopg.Connection, users: tuple[str, str]) -> None:
    set_alias_domain(crm)
    context, request_id = requested(salesperson=users[0], tags=["A"])
    request, known = MiningRequest.parse({"countries": ["US"]}), request_with_id(crm, request_id)
    with counted_statements(crm) as statements:
        assert refresh(crm, request, context, known) == (context, request_id, ())
    assert len(statements) == 1


def test_nobody_and_nothing_is_not_gone(requested: Requested, crm: psycopg.Connection) -> None:
    crm.execute("UPDATE crm_stage SET fold = true")
    context, _ = requested(salesperson="none", team="none")
    assert context.stage_id is None
    assert refreshed(crm, context, None, salesperson="none", team="none") == (context, None, ())


def test_an_archived_team_keeps_its_leads_as_in_odoo(requested: Requested, crm: psycopg.Connection, rows: Rows) -> None:
    context, request_id = requested()
    crm.execute("UPDATE crm_team SET active = false WHERE id = %s", [context.team_id])
    fresh = refreshed(crm, context, request_id)
    assert fresh == Refreshed(context, request_id, ())
    assert loaded(crm, rows, fresh)["team_id"] == SALES


def test_an_archived_acting_user_still_has_made_the_request(
    requested: Requested, crm: psycopg.Connection, rows: Rows
) -> None:
    context, request_id = requested(salesperson="none")
    crm.execute("UPDATE res_users SET active = false WHERE id = %s", [ADMIN])
    fresh = refreshed(crm, context, request_id, salesperson="none")
    assert fresh == Refreshed(context, request_id, ())
    assert loaded(crm, rows, fresh)["create_uid"] == ADMIN


# -- the salesperson


@pytest.mark.parametrize("how", ["archived", "deleted", "with no word on active"])
def test_a_salesperson_who_is_gone(
    requested: Requested,
    crm: psycopg.Connection,
    rows: Rows,
    users: tuple[str, str],
    teams: tuple[str, str],
    how: str,
) -> None:
    context, request_id = requested(salesperson=users[0])
    active = {"archived": False, "with no word on active": None}
    if how in active:
        crm.execute("UPDATE res_users SET active = %s WHERE id = %s", [active[how], context.salesperson_id])
    else:
        delete_user(crm, context.salesperson_id)
    fresh = refreshed(crm, context, request_id, salesperson=users[0])
    assert fresh.notices == (NO_SALESPERSON,)
    without = {"salesperson_id": None, "salesperson_partner_id": None}
    assert fresh.context == context.model_copy(update=without | {"lead_company_id": fresh.context.lead_company_id})
    lead = loaded(crm, rows, fresh)
    assert (lead["user_id"], lead["date_open"], lead["team_id"]) == (None, None, context.team_id)
    assert lead["lead_mining_request_id"] == request_id
    messages = rows("SELECT message_type FROM mail_message WHERE model = 'crm.lead' AND res_id = %s", lead["id"])
    assert [message["message_type"] for message in messages] == ["notification"] * 2
    followers = rows("SELECT partner_id FROM mail_followers WHERE res_model = 'crm.lead' AND res_id = %s", lead["id"])
    assert followers == [{"partner_id": ADMIN_PARTNER}]


def test_an_archived_acting_user_is_no_salesperson_any_more(
    requested: Requested, crm: psycopg.Connection, rows: Rows
) -> None:
    context, request_id = requested()
    crm.execute("UPDATE res_users SET active = false WHERE id = %s", [ADMIN])
    fresh = refreshed(crm, context, request_id)
    assert fresh.notices == (NO_SALESPERSON,)
    lead = loaded(crm, rows, fresh)
    assert (lead["user_id"], lead["create_uid"]) == (None, ADMIN)


def test_the_company_goes_with_the_salesperson_who_brought_it(
    requested: Requested, crm: psycopg.Connection, rows: Rows, users: tuple[str, str]
) -> None:
    other = admins_company(crm)
    crm.execute("UPDATE res_company_users_rel SET cid = %s WHERE user_id = (SELECT id FROM res_users WHERE login = %s)",
                [other, users[0]])  # fmt: skip
    crm.execute("UPDATE res_users SET company_id = %s WHERE login = %s", [other, users[0]])
    context, request_id = requested(salesperson=users[0], team="none")
    assert (context.lead_company_id, context.record_company_name) == (other, "Other")
    crm.execute("UPDATE res_users SET active = false WHERE login = %s", [users[0]])
    fresh = refreshed(crm, context, request_id, salesperson=users[0], team="none").context
    assert (fresh.lead_company_id, fresh.record_company_id, fresh.record_company_name) == (None, 1, "My Company")


# -- the team and the stage


def test_a_team_that_was_deleted(
    requested: Requested, crm: psycopg.Connection, rows: Rows, users: tuple[str, str]
) -> None:
    set_alias_domain(crm)
    crm.execute("UPDATE crm_stage SET team_id = %s WHERE id = 1", [SALES])
    context, request_id = requested(team="Sales", salesperson=users[0])
    assert (context.stage_id, context.reply_to("Acme")) == (1, '"My Company Sales" <info@acme.test>')
    delete_stage(crm, 1)
    delete_team(crm, SALES)
    fresh = refreshed(crm, context, request_id, team="Sales", salesperson=users[0])
    assert fresh.notices == (NO_TEAM.format("Sales"),)
    assert fresh.context.salesperson_id == context.salesperson_id
    assert fresh.context.reply_name is None
    lead = loaded(crm, rows, fresh)
    assert (lead["team_id"], lead["stage_id"], lead["user_id"]) == (None, 2, context.salesperson_id)


def test_a_deleted_teams_leads_are_answered_at_the_companys_address(
    requested: Requested, crm: psycopg.Connection
) -> None:
    set_alias_domain(crm)
    context, request_id = requested(team="Sales")
    delete_team(crm, SALES)
    crm.execute("DELETE FROM mail_alias WHERE alias_parent_thread_id = %s", [SALES])  # as Odoo does
    fresh = refreshed(crm, context, request_id, team="Sales").context
    assert fresh.reply_to("Acme") == '"My Company Acme" <catchall@acme.test>'


@pytest.mark.parametrize(("left", "stage"), [("the others", 2), ("none", None)])
def test_a_stage_that_was_deleted(
    requested: Requested, crm: psycopg.Connection, rows: Rows, left: str, stage: int | None
) -> None:
    context, request_id = requested()
    for stage_id in (1, 2, 3, 4) if left == "none" else (1,):
        delete_stage(crm, stage_id)
    fresh = refreshed(crm, context, request_id)
    assert fresh == Refreshed(context.model_copy(update={"stage_id": stage}), request_id, ())
    lead = loaded(crm, rows, fresh)
    assert (lead["stage_id"], lead["team_id"], lead["user_id"]) == (stage, SALES, ADMIN)


# -- the acting user


def test_an_acting_user_who_was_deleted(requested: Requested, crm: psycopg.Connection, rows: Rows) -> None:
    user, _ = miner(crm, "robin")
    context, request_id = requested(acting_user="robin", salesperson="none", team="Sales")
    delete_user(crm, user)
    params = {"acting_user": "robin", "salesperson": "none", "team": "Sales"}
    with pytest.raises(CrmError, match=r"acting user 'robin', in whose name .* was deleted in the CRM") as raised:
        refreshed(crm, context, request_id, **params)
    assert raised.value.permanent
    assert "Make a user with this login" in str(raised.value)

    user = add_user(crm, add_partner(crm, "Robin", share=False))
    crm.execute("UPDATE res_users SET login = 'robin' WHERE id = %s", [user])
    with pytest.raises(CrmError, match="access right Sales / Administrator in the CRM"):
        refreshed(crm, context, request_id, **params)
    delete_user(crm, user)

    user, partner = miner(crm, "robin")
    crm.execute("UPDATE res_partner SET name = 'Robin II', email = 'robin@example.com' WHERE id = %s", [partner])
    fresh = refreshed(crm, context, request_id, **params)
    (notice,) = fresh.notices
    assert notice.startswith("the acting user was deleted in the CRM: the leads were loaded in the name of")
    lead = loaded(crm, rows, fresh)
    assert (lead["create_uid"], lead["write_uid"], lead["team_id"]) == (user, user, SALES)
    authors = rows(
        "SELECT author_id, email_from FROM mail_message WHERE res_id = %s AND model = 'crm.lead'", lead["id"]
    )
    assert authors == [{"author_id": partner, "email_from": '"Robin II" <robin@example.com>'}] * 2


def test_an_acting_users_partner_that_was_merged_into_another(
    requested: Requested, crm: psycopg.Connection, rows: Rows
) -> None:
    user, partner = miner(crm, "robin")
    context, request_id = requested(acting_user="robin", salesperson="none")
    other = add_partner(crm, "Robin", share=False)
    crm.execute("UPDATE res_users SET partner_id = %s WHERE id = %s", [other, user])
    crm.execute("DELETE FROM res_partner WHERE id = %s", [partner])
    fresh = refreshed(crm, context, request_id, acting_user="robin", salesperson="none")
    assert fresh == Refreshed(context.model_copy(update={"acting_partner_id": other}), request_id, ())
    lead = loaded(crm, rows, fresh)
    authors = rows("SELECT author_id FROM mail_message WHERE res_id = %s AND model = 'crm.lead'", lead["id"])
    assert authors == [{"author_id": other}] * 2


# -- the request


def test_a_request_that_was_deleted(requested: Requested, crm: psycopg.Connection, rows: Rows) -> None:
    context, request_id = requested(tags=["Kept", "Deleted too"])
    kept = scalar(crm, "SELECT id FROM crm_tag WHERE name->>'en_US' = 'Kept'")
    delete_request(crm, request_id)
    crm.execute("DELETE FROM crm_tag WHERE name->>'en_US' = 'Deleted too'")
    fresh = refreshed(crm, context, request_id, tags=["Kept", "Deleted too"])
    assert fresh == Refreshed(context, None, (NO_REQUEST,))
    lead = loaded(crm, rows, fresh)
    assert (lead["lead_mining_request_id"], lead["team_id"]) == (None, SALES)
    tags = rows(
        "SELECT t.id, t.name->>'en_US' AS name FROM crm_tag_rel r JOIN crm_tag t ON t.id = r.tag_id"
        " WHERE r.lead_id = %s ORDER BY t.id",
        lead["id"],
    )
    assert [tag["name"] for tag in tags] == ["Kept", "Deleted too"]
    assert tags[0]["id"] == kept


@pytest.mark.parametrize("differs", ["id", "number", "made_at"])
def test_another_request_with_the_same_id_number_or_time_is_not_the_runs(
    requested: Requested, crm: psycopg.Connection, rows: Rows, differs: str
) -> None:
    context, request_id = requested(tags=["A"])
    other = requested(tags=["Others"])[1]
    ours = request_with_id(crm, request_id)
    like_it: dict[str, Any] = {
        "id": ours._replace(id=other),
        "number": ours._replace(number="LMR999"),
        "made_at": ours._replace(made_at=ours.made_at and ours.made_at - timedelta(seconds=1)),
    }
    request = MiningRequest.parse({"countries": ["US"]})
    assert refresh(crm, request, context, ours) == (context, request_id, ())
    fresh = refresh(crm, request, context, like_it[differs])
    assert fresh == (context, None, (NO_REQUEST,))
    assert loaded(crm, rows, fresh)["lead_mining_request_id"] is None
    set_state(crm, like_it[differs], ADMIN, "done")
    assert {row["state"] for row in rows("SELECT state FROM crm_iap_lead_mining_request")} == {"draft"}


def test_odoo_keeps_the_leads_of_a_deleted_request_too(requested: Requested, crm: psycopg.Connection) -> None:
    context, request_id = requested()
    (lead_id,) = load_leads(crm, context, request_id, [(7, Company(name="Acme"))]).values()
    delete_request(crm, request_id)
    assert scalar(crm, "SELECT lead_mining_request_id FROM crm_lead WHERE id = %s", lead_id) is None


# -- what the CRM keeps behind


def test_an_alias_domain_that_was_deleted(requested: Requested, crm: psycopg.Connection, rows: Rows) -> None:
    domain = set_alias_domain(crm)
    context, request_id = requested()
    assert context.alias_domain_id == domain
    crm.execute("UPDATE mail_alias SET alias_domain_id = NULL, alias_full_name = alias_name")
    crm.execute("UPDATE res_company SET alias_domain_id = NULL")
    crm.execute("DELETE FROM mail_alias_domain WHERE id = %s", [domain])
    fresh = refreshed(crm, context, request_id)
    assert fresh.notices == ()
    assert (fresh.context.alias_domain_id, fresh.context.reply_to("x")) == (None, context.email_from)
    lead = loaded(crm, rows, fresh)
    messages = rows("SELECT reply_to FROM mail_message WHERE res_id = %s AND model = 'crm.lead'", lead["id"])
    assert messages == [{"reply_to": context.email_from}] * 2


def test_a_company_that_was_deleted(
    requested: Requested, crm: psycopg.Connection, rows: Rows, teams: tuple[str, str]
) -> None:
    other = admins_company(crm)
    crm.execute("UPDATE crm_team SET company_id = %s WHERE name->>'en_US' = %s", [other, teams[0]])
    context, request_id = requested(salesperson="none", team=teams[0])
    assert context.lead_company_id == other
    crm.execute("DELETE FROM res_company WHERE id = %s", [other])
    fresh = refreshed(crm, context, request_id, salesperson="none", team=teams[0])
    assert fresh.context.record_company_name == "My Company"
    lead = loaded(crm, rows, fresh)
    assert (lead["company_id"], lead["team_id"]) == (None, context.team_id)


def test_a_subtype_that_was_deleted(requested: Requested, crm: psycopg.Connection, rows: Rows) -> None:
    context, request_id = requested()
    crm.execute("DELETE FROM mail_message_subtype WHERE id = %s", [CREATED])
    crm.execute("DELETE FROM ir_model_data WHERE module = 'crm' AND name = 'mt_lead_create'")
    with pytest.raises(CrmError, match=r"no record crm\.mt_lead_create .* update Odoo's app crm"):
        refreshed(crm, context, request_id)
    anew = scalar(
        crm, "INSERT INTO mail_message_subtype (name, res_model) VALUES ('{\"en_US\": \"x\"}', 'crm.lead') RETURNING id"
    )
    crm.execute(
        "INSERT INTO ir_model_data (module, name, model, res_id)"
        " VALUES ('crm', 'mt_lead_create', 'mail.message.subtype', %s)",
        [anew],
    )
    fresh = refreshed(crm, context, request_id)
    assert fresh.context.created_subtype_id == anew
    loaded(crm, rows, fresh)


# -- together


def delete_all(conn: psycopg.Connection, context: CrmContext, request_id: int) -> None:
    delete_request(conn, request_id)
    delete_user(conn, context.salesperson_id)
    delete_team(conn, context.team_id)
    delete_stage(conn, context.stage_id)


def test_all_that_can_go_at_once(
    requested: Requested, crm: psycopg.Connection, rows: Rows, users: tuple[str, str]
) -> None:
    context, request_id = requested(salesperson=users[0], team="Sales")
    delete_all(crm, context, request_id)
    fresh = refreshed(crm, context, request_id, salesperson=users[0], team="Sales")
    assert fresh.notices == (NO_REQUEST, NO_SALESPERSON, NO_TEAM.format("Sales"))
    lead = loaded(crm, rows, fresh)
    assert (lead["lead_mining_request_id"], lead["user_id"], lead["team_id"], lead["stage_id"]) == (None, None, None, 2)
    assert refreshed(crm, fresh.context, fresh.crm_request_id) == (fresh.context, None, ())


def test_what_is_deleted_after_the_look_is_seen_in_the_next(
    requested: Requested, crm: psycopg.Connection, rows: Rows, users: tuple[str, str]
) -> None:
    context, request_id = requested(salesperson=users[0], team="Sales")
    fresh = refreshed(crm, context, request_id, salesperson=users[0])
    delete_all(crm, context, request_id)
    with pytest.raises(ForeignKeyViolation), crm.transaction():
        loaded(crm, rows, fresh)
    loaded(crm, rows, refreshed(crm, context, request_id, salesperson=users[0]))


def test_the_one_list_of_what_is_read_is_enough(
    requested: Requested, crm: psycopg.Connection, users: tuple[str, str]
) -> None:
    miner(crm, "robin")
    context, request_id = requested(acting_user="robin", salesperson=users[0], team="Sales")
    delete_all(crm, context, request_id)
    delete_user(crm, context.acting_user_id)
    miner(crm, "robin")
    crm.execute("CREATE ROLE reader")
    crm.execute("SET LOCAL ROLE reader")
    grants = [statement for statement in column_grants(lacking(crm, TABLES), "reader") if "SELECT" in statement]
    crm.execute("RESET ROLE")
    for statement in grants:
        crm.execute(statement)
    crm.execute("SET LOCAL ROLE reader")
    fresh = refreshed(crm, context, request_id, acting_user="robin", salesperson=users[0], team="Sales")
    assert len(fresh.notices) == 4
