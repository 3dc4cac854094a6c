"""Names to ids, by Odoo 17's rules, on both kinds of CRM."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from crm_people import add_company, set_alias_domain
from psycopg.types.json import Jsonb
from scheduled_actions import add_cron

from lead_mining import vocabulary
from lead_mining.crm import crons
from lead_mining.crm.context import CrmContext, resolve
from lead_mining.exceptions import CrmError, FieldProblem, InvalidRequest
from lead_mining.request import MiningRequest

ADMIN, ADMIN_PARTNER, SALES = 2, 3, 1


def resolved(conn: psycopg.Connection, **params: Any) -> CrmContext:
    return resolve(conn, MiningRequest.parse({"countries": ["US"]} | params))


def problems(conn: psycopg.Connection, **params: Any) -> dict[str, FieldProblem]:
    with pytest.raises(InvalidRequest) as raised:
        resolved(conn, **params)
    return {problem.field: problem for problem in raised.value.problems}


def scalar(conn: psycopg.Connection, query: str, *arguments: object) -> Any:
    row = conn.execute(query, list(arguments)).fetchone()  # type: ignore[arg-type]
    assert row
    return row[0]


def user_id(conn: psycopg.Connection, login: str) -> int:
    return int(scalar(conn, "SELECT id FROM res_users WHERE login = %s", login))


def team_id(conn: psycopg.Connection, name: str) -> int:
    return int(scalar(conn, "SELECT id FROM crm_team WHERE name->>'en_US' = %s", name))


def test_every_default(crm: psycopg.Connection) -> None:
    add_cron(crm, *crons.MAIL_QUEUE)
    us = scalar(crm, "SELECT id FROM res_country WHERE code = 'US'")
    assert resolved(crm) == CrmContext(
        acting_user_id=ADMIN,
        acting_partner_id=ADMIN_PARTNER,
        email_from='"Administrator" <admin@example.com>',
        company_id=1,
        company_country_code=None,
        lead_type="lead",
        salesperson_id=ADMIN,
        salesperson_partner_id=ADMIN_PARTNER,
        team_id=SALES,
        stage_id=1,
        lead_company_id=1,
        record_company_id=1,
        record_company_name="My Company",
        alias_domain_id=None,
        reply_address=None,
        reply_name="Sales",
        created_subtype_id=5,
        note_subtype_id=2,
        country_ids=(us,),
        state_ids=(),
        industry_ids=(),
        preferred_role_id=None,
        role_ids=(),
        seniority_id=None,
        tag_names=(),
    )


def test_it_survives_json(crm: psycopg.Connection, users: tuple[str, str]) -> None:
    context = resolved(crm, salesperson=users[0], tags=["A", "é"], states=["US-CA"])
    assert CrmContext.model_validate(context.model_dump(mode="json")) == context


def test_resolving_writes_nothing(crm: psycopg.Connection) -> None:
    resolved(crm, tags=["not there yet"])
    assert scalar(crm, "SELECT txid_current_if_assigned()") is None


def test_without_the_leads_feature_opportunities_are_made(crm: psycopg.Connection) -> None:
    crm.execute("DELETE FROM res_groups_users_rel WHERE gid = 17 AND uid = %s", [ADMIN])
    assert resolved(crm).lead_type == "opportunity"
    assert resolved(crm, lead_type="lead").lead_type == "lead"


# -- the team, as Odoo proposes it


def test_a_salesperson_brings_their_own_team(
    crm: psycopg.Connection, users: tuple[str, str], teams: tuple[str, str]
) -> None:
    for login, team in zip(users, teams, strict=True):
        context = resolved(crm, salesperson=login)
        assert (context.salesperson_id, context.team_id) == (user_id(crm, login), team_id(crm, team))


def test_nobody_brings_no_team_and_no_company(crm: psycopg.Connection) -> None:
    context = resolved(crm, salesperson="none")
    assert (context.salesperson_id, context.salesperson_partner_id) == (None, None)
    assert (context.team_id, context.lead_company_id, context.record_company_id) == (None, None, 1)


def test_nobody_with_a_team_has_the_teams_company(crm: psycopg.Connection, teams: tuple[str, str]) -> None:
    context = resolved(crm, salesperson="none", team=teams[0])
    assert (context.salesperson_id, context.team_id, context.lead_company_id) == (None, team_id(crm, teams[0]), 1)


def test_no_team_for_a_salesperson(crm: psycopg.Connection, users: tuple[str, str]) -> None:
    context = resolved(crm, salesperson=users[0], team="none")
    assert (context.team_id, context.reply_name, context.lead_company_id) == (None, None, 1)


def test_a_salesperson_without_a_team_gets_the_first(crm: psycopg.Connection, users: tuple[str, str]) -> None:
    crm.execute("UPDATE crm_team_member SET active = false WHERE user_id = %s", [user_id(crm, users[0])])
    crm.execute("UPDATE crm_team SET user_id = NULL")
    assert resolved(crm, salesperson=users[0]).team_id == SALES


def test_a_team_given_stays_though_the_salesperson_has_another(
    crm: psycopg.Connection, users: tuple[str, str], teams: tuple[str, str]
) -> None:
    assert resolved(crm, salesperson=users[0], team=teams[1]).team_id == team_id(crm, teams[1])


def test_ones_own_team_that_does_not_use_leads_comes_before_anothers(crm: psycopg.Connection) -> None:
    crm.execute("UPDATE crm_team SET use_leads = false WHERE id = %s", [SALES])
    assert resolved(crm, lead_type="lead").team_id == SALES


def test_of_two_own_teams_the_one_that_uses_leads_comes_first(crm: psycopg.Connection, teams: tuple[str, str]) -> None:
    crm.execute("UPDATE crm_team SET use_leads = NULL WHERE id = %s", [SALES])
    crm.execute("UPDATE crm_team SET user_id = %s WHERE id = %s", [ADMIN, team_id(crm, teams[1])])
    assert resolved(crm, lead_type="lead").team_id == team_id(crm, teams[1])
    assert resolved(crm, lead_type="opportunity").team_id == SALES


def test_teams_of_companies_the_salesperson_may_not_work_for_do_not_count(
    crm: psycopg.Connection, users: tuple[str, str], teams: tuple[str, str]
) -> None:
    other = add_company(crm)
    crm.execute("UPDATE crm_team SET company_id = %s WHERE id = %s", [other, team_id(crm, teams[0])])
    assert resolved(crm, salesperson=users[0]).team_id == SALES
    assert f"'{teams[0]}'" not in problems(crm, team=teams[0])["team"].allowed
    crm.execute("INSERT INTO res_company_users_rel (cid, user_id) VALUES (%s, %s)", [other, ADMIN])
    context = resolved(crm, team=teams[0])
    assert (context.lead_company_id, context.record_company_name, context.company_id) == (other, "Other", 1)


def test_a_salesperson_must_be_able_to_work_for_the_teams_company(
    crm: psycopg.Connection, users: tuple[str, str], teams: tuple[str, str]
) -> None:
    other = add_company(crm)
    crm.execute("UPDATE crm_team SET company_id = %s WHERE id = %s", [other, team_id(crm, teams[0])])
    crm.execute("INSERT INTO res_company_users_rel (cid, user_id) VALUES (%s, %s)", [other, ADMIN])
    problem = problems(crm, salesperson=users[0], team=teams[0])["salesperson"]
    assert f"may not work for the company of the team '{teams[0]}'" in problem.allowed
    crm.execute("INSERT INTO res_company_users_rel (cid, user_id) VALUES (%s, %s)", [other, user_id(crm, users[0])])
    assert resolved(crm, salesperson=users[0], team=teams[0]).lead_company_id == other


def test_a_salesperson_of_another_company_brings_that_company_where_the_acting_user_may_work_for_it(
    crm: psycopg.Connection, users: tuple[str, str]
) -> None:
    other = add_company(crm)
    salesperson = user_id(crm, users[0])
    crm.execute("UPDATE res_company_users_rel SET cid = %s WHERE user_id = %s", [other, salesperson])
    crm.execute("UPDATE res_users SET company_id = %s WHERE id = %s", [other, salesperson])
    context = resolved(crm, salesperson=users[0], team="none")
    assert (context.lead_company_id, context.record_company_id) == (None, 1)
    crm.execute("INSERT INTO res_company_users_rel (cid, user_id) VALUES (%s, %s)", [other, ADMIN])
    context = resolved(crm, salesperson=users[0], team="none")
    assert (context.lead_company_id, context.record_company_id) == (other, other)


def test_no_team_at_all(crm: psycopg.Connection) -> None:
    crm.execute("UPDATE crm_team SET active = false")
    context = resolved(crm)
    assert (context.team_id, context.lead_company_id) == (None, 1)
    assert "the CRM has no team" in problems(crm, team="Sales")["team"].allowed


def test_a_team_by_a_translated_name(crm: psycopg.Connection) -> None:
    crm.execute("UPDATE crm_team SET name = name || %s WHERE id = %s", [Jsonb({"fr_FR": "Équipe de vente"}), SALES])
    assert resolved(crm, team="Équipe de vente").team_id == SALES


# -- the stage


def test_the_first_stage_that_is_not_folded(crm: psycopg.Connection) -> None:
    crm.execute("UPDATE crm_stage SET fold = true WHERE id = 1")
    assert resolved(crm).stage_id == 2


def test_a_stage_of_another_team_is_left_out(crm: psycopg.Connection, teams: tuple[str, str]) -> None:
    team = team_id(crm, teams[0])
    crm.execute("UPDATE crm_stage SET team_id = %s WHERE id = 1", [team])
    assert [resolved(crm, team=name).stage_id for name in ("Sales", teams[0], "none")] == [2, 1, 2]


def test_no_stage_at_all(crm: psycopg.Connection) -> None:
    crm.execute("UPDATE crm_stage SET fold = true")
    assert resolved(crm).stage_id is None


# -- reply-to


def test_with_an_alias_domain_answers_go_to_the_team_or_the_catchall(
    crm: psycopg.Connection, teams: tuple[str, str]
) -> None:
    domain = set_alias_domain(crm)
    sales, other, nobody = (resolved(crm, team=team) for team in ("Sales", teams[0], "none"))
    assert sales.alias_domain_id == domain
    assert sales.reply_to("Lead") == '"My Company Sales" <info@acme.test>'
    assert other.reply_to("Lead") == f'"My Company {teams[0]}" <catchall@acme.test>'
    assert nobody.reply_to("Lead") == '"My Company Lead" <catchall@acme.test>'
    assert nobody.reply_to("Lead" * 30) == "catchall@acme.test"


def test_without_an_alias_domain_of_its_own_a_company_uses_another(crm: psycopg.Connection) -> None:
    domain = set_alias_domain(crm)
    crm.execute("UPDATE res_company SET alias_domain_id = NULL")
    crm.execute("UPDATE mail_alias SET alias_domain_id = NULL, alias_full_name = alias_name")
    crm.execute(
        "INSERT INTO mail_alias_domain (name, bounce_alias, catchall_alias, sequence) VALUES ('z', 'b', 'c', 99)"
    )
    context = resolved(crm)
    assert (context.alias_domain_id, context.reply_address) == (domain, None)


# -- words


def test_every_word_of_the_vocabulary_is_found(crm: psycopg.Connection, crm_kind: str) -> None:
    newer = {"IN-DH", "IN-LA", "NZ-CIT", "US-UM"} if crm_kind == "odoo17" else set()  # not in Odoo 17's list of states
    states = [state for state in vocabulary.states() if state not in newer]
    context = resolved(
        crm,
        search_type="people",
        countries=list(vocabulary.countries()),
        states=states,
        industries=list(vocabulary.industries()),
        preferred_role="CEO",
        other_roles=list(vocabulary.roles()),
    )
    found = [context.country_ids, context.state_ids, context.industry_ids, context.role_ids]
    assert [len(set(ids)) for ids in found] == [len(vocabulary.countries()), len(states), 23, 22]
    names = "SELECT btrim(name->>'en_US') FROM crm_iap_lead_industry WHERE id = %s"
    assert [scalar(crm, names, id_) for id_ in context.industry_ids] == list(vocabulary.industries())
    assert context.preferred_role_id == scalar(crm, "SELECT id FROM crm_iap_lead_role WHERE reveal_id = 'CEO'")


def test_a_seniority(crm: psycopg.Connection) -> None:
    context = resolved(crm, search_type="people", contact_filter_type="seniority", seniority="manager")
    assert context.seniority_id == scalar(crm, "SELECT id FROM crm_iap_lead_seniority WHERE reveal_id = 'manager'")


def test_malaysian_states_go_by_odoos_codes(crm: psycopg.Connection) -> None:
    (state,) = resolved(crm, countries=["MY"], states=["MY-14"]).state_ids
    assert scalar(crm, "SELECT code FROM res_country_state WHERE id = %s", state) == "KUL"


def test_an_industry_is_found_by_its_ids_whatever_its_name(crm: psycopg.Connection) -> None:
    query = "SELECT id FROM crm_iap_lead_industry WHERE reveal_ids = '69,157'"
    crm.execute("UPDATE crm_iap_lead_industry SET name = '{\"en_US\": \"Finance\"}' WHERE reveal_ids = '69,157'")
    assert resolved(crm, industries=["Banks & Insurance"]).industry_ids == (scalar(crm, query),)
    crm.execute("UPDATE crm_iap_lead_industry SET reveal_ids = '157, 900' WHERE reveal_ids = '69,157'")
    query = "SELECT id FROM crm_iap_lead_industry WHERE reveal_ids = '157, 900'"
    assert resolved(crm, industries=["Banks & Insurance"]).industry_ids == (scalar(crm, query),)


# -- what is wrong with a request


def test_all_problems_come_at_once(crm: psycopg.Connection) -> None:
    crm.execute("DELETE FROM res_country_state WHERE code = 'CA'")
    found = problems(crm, acting_user="nobody", salesperson="x" * 200, team="Salez", states=["US-CA", "US-NY"])
    assert set(found) == {"acting_user", "salesperson", "team", "states"}
    assert found["states"].value == "US-CA"
    assert found["team"].allowed == "did you mean 'Sales'? (the word 'none' means no team)"


def test_an_unknown_team_lists_the_teams(crm: psycopg.Connection, teams: tuple[str, str]) -> None:
    problem = problems(crm, team="'; DROP TABLE crm_team; --")["team"]
    assert problem.value == "'; DROP TABLE crm_team; --"
    for name in ("Sales", *teams):
        assert repr(name) in problem.allowed
    assert "Website" not in problem.allowed  # archived


def test_many_teams_are_not_all_listed(crm: psycopg.Connection) -> None:
    crm.execute(
        "INSERT INTO crm_team (name, active, alias_id, sequence)"
        " SELECT jsonb_build_object('en_US', 'Zz ' || n), true, 1, 99 FROM generate_series(1, 30) n"
    )
    allowed = problems(crm, team="?")["team"].allowed
    assert allowed.count("'Zz ") < 10
    assert "..." in allowed


@pytest.mark.parametrize(("login", "meant"), [("Admin", "'admin'"), ("admim", "'admin'")])
def test_a_login_that_is_nearly_right(crm: psycopg.Connection, login: str, meant: str) -> None:
    assert meant in problems(crm, acting_user=login)["acting_user"].allowed


def test_a_team_name_twice(crm: psycopg.Connection, teams: tuple[str, str]) -> None:
    crm.execute('UPDATE crm_team SET name = name || \'{"de_DE": "Sales"}\' WHERE id = %s', [team_id(crm, teams[0])])
    assert "2 teams have this name" in problems(crm, team="Sales")["team"].allowed


def test_archived_and_portal_users(crm: psycopg.Connection, users: tuple[str, str]) -> None:
    crm.execute("UPDATE res_users SET active = false WHERE login = %s", [users[0]])
    crm.execute("UPDATE res_users SET share = true WHERE login = %s", [users[1]])
    assert "archived" in problems(crm, salesperson=users[0])["salesperson"].allowed
    assert "portal user" in problems(crm, salesperson=users[1])["salesperson"].allowed
    assert "archived" in problems(crm, acting_user="__system__")["acting_user"].allowed


def test_a_salesperson_may_not_mine(crm: psycopg.Connection, users: tuple[str, str]) -> None:
    assert "Sales / Administrator" in problems(crm, acting_user=users[0])["acting_user"].allowed


@pytest.mark.parametrize("email", [None, "", "nobody", "@"])
def test_the_acting_user_needs_an_address(crm: psycopg.Connection, email: str | None) -> None:
    crm.execute("UPDATE res_partner SET email = %s WHERE id = %s", [email, ADMIN_PARTNER])
    assert "needs an e-mail address" in problems(crm, acting_user="admin")["acting_user"].allowed


# -- what is wrong with a database


def test_missing_subtype(crm: psycopg.Connection) -> None:
    crm.execute("DELETE FROM ir_model_data WHERE module = 'crm' AND name = 'mt_lead_create'")
    with pytest.raises(CrmError, match=r"no record crm\.mt_lead_create"):
        resolved(crm)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("DELETE FROM ir_sequence WHERE code = 'crm.iap.lead.mining.request'", "no sequence with code crm.iap.lead"),
        ("UPDATE ir_sequence SET active = false", "no sequence with code crm.iap.lead"),
        ("UPDATE ir_sequence SET use_date_range = true", "date ranges"),
        ("DROP SEQUENCE ir_sequence_001", "lacks the PostgreSQL sequence ir_sequence_001"),
    ],
)
def test_a_broken_sequence(crm: psycopg.Connection, change: str, message: str) -> None:
    crm.execute(change)  # type: ignore[arg-type]
    with pytest.raises(CrmError, match=message):
        resolved(crm)
