"""What the form offers from the CRM, on both kinds of CRM."""

from __future__ import annotations

import psycopg

from lead_mining.crm.choices import find_choices
from lead_mining.crm.people import Team, find_team, find_user
from lead_mining.exceptions import FieldProblem


def test_every_team_and_login_that_is_offered_is_found(crm: psycopg.Connection) -> None:
    choices = find_choices(crm)
    assert choices.teams
    assert "admin" in choices.logins
    assert all(isinstance(find_team(crm, team, None), Team) for team in choices.teams)
    assert not any(isinstance(find_user(crm, "salesperson", login), FieldProblem) for login in choices.logins)


def test_what_is_archived_is_not_offered(crm: psycopg.Connection) -> None:
    crm.execute("UPDATE crm_team SET active = false")
    crm.execute("UPDATE res_users SET active = false WHERE login = 'admin'")
    choices = find_choices(crm)
    assert choices.teams == ()
    assert "admin" not in choices.logins


def test_tags_come_by_name_in_whatever_language_they_have_one(crm: psycopg.Connection) -> None:
    crm.execute("DELETE FROM crm_tag")
    crm.execute("""INSERT INTO crm_tag (name) VALUES ('{"en_US": "Spring", "fr_FR": "Printemps"}'), ('{"fr_FR": "Été"}'),
                   ('{"en_US": "<b>Autumn"}')""")
    assert set(find_choices(crm).tags) == {"<b>Autumn", "Spring", "Été"}


def test_no_more_is_read_than_a_form_can_show(crm: psycopg.Connection) -> None:
    crm.execute(
        "INSERT INTO crm_tag (name) SELECT jsonb_build_object('en_US', 'tag ' || n) FROM generate_series(1, 400) n"
    )
    assert len(find_choices(crm).tags) == 300
