"""Who follows a loaded lead, and what of it, on both kinds of CRM; the rules are Odoo 17's."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
from crm_people import (
    CREATED,
    TEAM_DEFAULT,
    add_leads,
    add_partner,
    add_user,
    follow,
    scalar,
)
from statement_counter import counted_statements

from lead_mining.crm.context import CrmContext
from lead_mining.crm.followers import add_followers

Requested = Callable[..., tuple[CrmContext, int]]

COMMENTS, NOTES, ACTIVITIES, STAGE, WON = 1, 2, 3, 6, 7
ON_LEADS = [COMMENTS, CREATED, STAGE, WON]
"""What the default of a team's followers stands for on leads."""


def followers(conn: psycopg.Connection, context: CrmContext, number: int = 1) -> list[tuple[int, int, list[int]]]:
    """(Number of the lead, partner, subtypes) of new leads' followers, in the order of their ids."""
    ids = [id_ for id_, _ in add_leads(conn, *(f"Lead {n}" for n in range(number)))]
    add_followers(conn, context, ids)
    rows = conn.execute(
        """
        SELECT f.res_id, f.partner_id, array_remove(array_agg(r.mail_message_subtype_id ORDER BY 1), NULL)
        FROM mail_followers f
        LEFT JOIN mail_followers_mail_message_subtype_rel r ON r.mail_followers_id = f.id
        WHERE f.res_model = 'crm.lead' AND f.res_id = ANY(%s) GROUP BY f.id ORDER BY f.id
        """,
        [ids],
    )
    return [(ids.index(lead), partner, sorted(subtypes)) for lead, partner, subtypes in rows]


def of_one(conn: psycopg.Connection, context: CrmContext) -> dict[int, list[int]]:
    return {partner: subtypes for _, partner, subtypes in followers(conn, context)}


def test_the_acting_user_and_the_salesperson(crm: psycopg.Connection, context: CrmContext) -> None:
    acting, salesperson = context.acting_partner_id, context.salesperson_partner_id
    assert acting != salesperson
    assert followers(crm, context) == [(0, acting, [COMMENTS]), (0, salesperson, [COMMENTS])]


def test_the_acting_user_as_salesperson_follows_once(crm: psycopg.Connection, requested: Requested) -> None:
    context, _ = requested()
    assert followers(crm, context, 2) == [(n, context.acting_partner_id, [COMMENTS]) for n in (0, 1)]


def test_nobody_as_salesperson(crm: psycopg.Connection, requested: Requested) -> None:
    context, _ = requested(salesperson="none")
    assert (context.salesperson_id, context.team_id) == (None, None)
    assert of_one(crm, context) == {context.acting_partner_id: [COMMENTS]}


def test_no_leads(crm: psycopg.Connection, context: CrmContext) -> None:
    before = scalar(crm, "SELECT count(*) FROM mail_followers")
    add_followers(crm, context, [])
    assert scalar(crm, "SELECT count(*) FROM mail_followers") == before


def test_the_teams_followers_come_before_the_salesperson_lead_by_lead(
    crm: psycopg.Connection, context: CrmContext
) -> None:
    first, second = (add_partner(crm, name, share=False) for name in ("A", "B"))
    for partner in (second, first):
        follow(crm, "crm.team", context.team_id, partner, TEAM_DEFAULT)
    acting, salesperson = context.acting_partner_id, context.salesperson_partner_id
    assert [(lead, partner) for lead, partner, _ in followers(crm, context, 3)] == [
        *((lead, acting) for lead in range(3)),
        *((lead, partner) for lead in range(3) for partner in (second, first, salesperson)),
    ]


def test_a_follower_of_the_team_follows_what_its_subtypes_stand_for(
    crm: psycopg.Connection, context: CrmContext
) -> None:
    partner = add_partner(crm, "A", share=False)
    follow(crm, "crm.team", context.team_id, partner, [*TEAM_DEFAULT, NOTES, ACTIVITIES])
    assert of_one(crm, context)[partner] == sorted([*ON_LEADS, NOTES, ACTIVITIES])


def test_internal_subtypes_are_not_for_outsiders(crm: psycopg.Connection, context: CrmContext) -> None:
    portal = add_partner(crm, "Portal", share=True)
    add_user(crm, portal, share=True)
    follow(crm, "crm.team", context.team_id, portal, [*TEAM_DEFAULT, NOTES, ACTIVITIES])
    assert of_one(crm, context)[portal] == ON_LEADS


def test_no_default_for_those_who_follow_the_team(crm: psycopg.Connection, context: CrmContext) -> None:
    partner = add_partner(crm, "A", share=False)
    follow(crm, "crm.team", context.team_id, partner, [])
    assert of_one(crm, context)[partner] == []


def test_the_salesperson_who_follows_the_team_follows_no_more_than_that(
    crm: psycopg.Connection, context: CrmContext
) -> None:
    assert context.salesperson_partner_id
    follow(crm, "crm.team", context.team_id, context.salesperson_partner_id, [10])
    assert of_one(crm, context)[context.salesperson_partner_id] == [CREATED]


def test_the_acting_user_who_follows_the_team_follows_both(crm: psycopg.Connection, context: CrmContext) -> None:
    other = add_partner(crm, "A", share=False)
    follow(crm, "crm.team", context.team_id, other, TEAM_DEFAULT)
    follow(crm, "crm.team", context.team_id, context.acting_partner_id, [10, NOTES])
    found = of_one(crm, context)
    assert list(found) == [context.acting_partner_id, other, context.salesperson_partner_id]
    assert found[context.acting_partner_id] == [COMMENTS, NOTES, CREATED]


def test_archived_people_do_not_follow(crm: psycopg.Connection, context: CrmContext) -> None:
    follow(crm, "crm.team", context.team_id, add_partner(crm, "Gone", active=False), TEAM_DEFAULT)
    crm.execute("UPDATE res_users SET active = false WHERE id = %s", [context.salesperson_id])
    assert list(of_one(crm, context)) == [context.acting_partner_id]


def test_other_teams_and_other_models_do_not_count(
    crm: psycopg.Connection, context: CrmContext, requested: Requested, teams: tuple[str, str]
) -> None:
    other_team = requested(team=teams[1])[0].team_id
    partner = add_partner(crm, "A", share=False)
    follow(crm, "crm.team", other_team, partner, TEAM_DEFAULT)
    follow(crm, "res.partner", context.team_id, partner, TEAM_DEFAULT)
    assert partner not in of_one(crm, context)


def test_a_subtype_of_another_model_stands_for_nothing_on_leads(crm: psycopg.Connection, context: CrmContext) -> None:
    own_only = scalar(
        crm,
        "INSERT INTO mail_message_subtype (name, res_model, \"default\") VALUES ('{}', 'crm.team', true) RETURNING id",
    )
    meeting = scalar(
        crm,
        "INSERT INTO mail_message_subtype (name, res_model, \"default\") VALUES ('{}', 'calendar.event', true)"
        " RETURNING id",
    )
    partner = add_partner(crm, "A", share=False)
    follow(crm, "crm.team", context.team_id, partner, [own_only, meeting, 10])
    found = of_one(crm, context)
    assert found[partner] == [CREATED]
    assert found[context.acting_partner_id] == [COMMENTS]


def test_a_subtype_of_leads_that_is_followed_by_default(crm: psycopg.Connection, context: CrmContext) -> None:
    crm.execute('UPDATE mail_message_subtype SET "default" = true WHERE id = %s', [WON])
    assert set(map(tuple, of_one(crm, context).values())) == {(COMMENTS, WON)}


def test_statements_do_not_grow_with_leads_or_followers(crm: psycopg.Connection, context: CrmContext) -> None:
    def statements(number: int) -> int:
        ids = [id_ for id_, _ in add_leads(crm, *map(str, range(number)))]
        with counted_statements(crm) as sent:
            add_followers(crm, context, ids)
            return len(sent)

    few = statements(1)
    for n in range(3):
        follow(crm, "crm.team", context.team_id, add_partner(crm, f"P{n}", share=False), TEAM_DEFAULT)
    assert statements(500) == few <= 4
    assert scalar(crm, "SELECT count(*) FROM mail_followers WHERE res_model = 'crm.lead'") == 2 + 500 * 5
