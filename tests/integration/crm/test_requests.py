from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from crm_records import request_with_id

from lead_mining.crm.context import CrmContext, resolve
from lead_mining.crm.requests import create_request, set_state
from lead_mining.exceptions import CrmError
from lead_mining.request import MiningRequest

Rows = Callable[..., list[dict[str, Any]]]
Requested = Callable[..., tuple[CrmContext, int]]
REQUEST = "SELECT * FROM crm_iap_lead_mining_request WHERE id = %s"


def test_defaults_are_stored_as_odoos_form_does(requested: Requested, rows: Rows) -> None:
    _, id_ = requested()
    (row,) = rows(REQUEST + " AND create_date = now() AT TIME ZONE 'utc' AND write_date = create_date", id_)
    assert re.fullmatch(r"LMR\d{3}", row.pop("name"))
    assert {key: value for key, value in row.items() if not key.endswith("_date")} == {
        "id": id_,
        "state": "draft",
        "error_type": None,
        "search_type": "companies",
        "lead_number": 3,
        "lead_type": "lead",
        "team_id": 1,
        "user_id": 2,
        "filter_on_size": False,
        "company_size_min": 1,
        "company_size_max": 1000,
        "contact_number": 10,
        "contact_filter_type": "role",
        "preferred_role_id": None,
        "seniority_id": None,
        "create_uid": 2,
        "write_uid": 2,
    }


def test_everything_asked_for_is_stored(requested: Requested, rows: Rows, users: tuple[str, str]) -> None:
    context, id_ = requested(
        search_type="people",
        lead_number=5000,
        countries=["US", "BR"],
        states=["US-CA", "BR-SP"],
        industries=["Media", "Banks & Insurance"],
        filter_on_size=True,
        company_size_min=50,
        company_size_max=500,
        contact_number=2,
        preferred_role="CEO",
        other_roles=["Legal", "Finance"],
        lead_type="opportunity",
        team="none",
        salesperson=users[0],
        tags=["A", "B"],
    )
    (row,) = rows(REQUEST, id_)
    assert (row["lead_number"], row["company_size_min"], row["company_size_max"], row["contact_number"]) == (
        5000,
        50,
        500,
        2,
    )
    assert (row["lead_type"], row["team_id"], row["user_id"]) == ("opportunity", None, context.salesperson_id)
    assert row["preferred_role_id"] == context.preferred_role_id
    for table, column, ids in [
        ("crm_iap_lead_mining_request_res_country_rel", "res_country_id", context.country_ids),
        ("crm_iap_lead_mining_request_res_country_state_rel", "res_country_state_id", context.state_ids),
        ("crm_iap_lead_industry_crm_iap_lead_mining_request_rel", "crm_iap_lead_industry_id", context.industry_ids),
        ("crm_iap_lead_mining_request_crm_iap_lead_role_rel", "crm_iap_lead_role_id", context.role_ids),
    ]:
        found = rows(f"SELECT {column} AS id FROM {table} WHERE crm_iap_lead_mining_request_id = %s", id_)
        assert sorted(r["id"] for r in found) == sorted(ids), table
        assert len(ids) == 2


def tag_names(rows: Rows, request_id: int) -> list[str]:
    found = rows(
        "SELECT t.name->>'en_US' AS name FROM crm_iap_lead_mining_request_crm_tag_rel r"
        " JOIN crm_tag t ON t.id = r.crm_tag_id WHERE crm_iap_lead_mining_request_id = %s ORDER BY t.id",
        request_id,
    )
    return [row["name"] for row in found]


def test_tags_are_found_by_any_name_or_made(requested: Requested, rows: Rows, crm: psycopg.Connection) -> None:
    crm.execute('INSERT INTO crm_tag (name) VALUES (\'{"en_US": "Old", "fr_FR": "Vieux"}\')')
    names = ["Vieux", "Old", "New", "<b>'; DROP TABLE crm_tag; --", '🦊 \\ " é']
    _, id_ = requested(tags=names)
    assert sorted(tag_names(rows, id_)) == sorted(["Old", *names[2:]])
    made = rows("SELECT * FROM crm_tag WHERE name->>'en_US' = 'New'")
    assert [(tag["name"], tag["create_uid"]) for tag in made] == [({"en_US": "New"}, 2)]
    assert 1 <= made[0]["color"] <= 11
    _, again = requested(tags=names)
    assert tag_names(rows, again) == tag_names(rows, id_)
    assert len(rows("SELECT FROM crm_tag WHERE name->>'en_US' = 'New'")) == 1


def test_new_colours_are_of_all_kinds(requested: Requested, rows: Rows) -> None:
    requested(tags=[f"Tag {n}" for n in range(300)])
    colours = {row["color"] for row in rows("SELECT color FROM crm_tag WHERE name->>'en_US' LIKE 'Tag %%'")}
    assert colours == set(range(1, 12))


def test_two_runs_at_once_share_a_new_tag(crm_dsn: str) -> None:
    request = MiningRequest.parse({"countries": ["US"], "tags": ["Zebra", "Ant", "Moth"]})
    numbers = []

    def create() -> None:
        with psycopg.connect(crm_dsn) as conn:
            numbers.append(create_request(conn, request, resolve(conn, request))[1])

    with psycopg.connect(crm_dsn) as conn:
        first = create_request(conn, request, resolve(conn, request))[1]
        others = [threading.Thread(target=create) for _ in range(3)]
        for thread in others:
            thread.start()
        others[0].join(0.3)
        assert others[0].is_alive(), "the second must wait for the first's tag"
    for thread in others:
        thread.join()
    with psycopg.connect(crm_dsn) as conn:
        made = conn.execute("SELECT count(*) FROM crm_tag WHERE name->>'en_US' IN ('Zebra', 'Ant', 'Moth')").fetchone()
        related = conn.execute("SELECT count(*) FROM crm_iap_lead_mining_request_crm_tag_rel").fetchone()
    assert (made, related) == ((3,), (12,))
    assert len({first, *numbers}) == 4


def test_a_gapless_sequence(requested: Requested, rows: Rows, crm: psycopg.Connection) -> None:
    crm.execute(
        "UPDATE ir_sequence SET implementation = 'no_gap', number_next = 41, number_increment = 2, padding = 5,"
        " prefix = 'M/%%(year)s/%%(range_month)s/', suffix = '!' WHERE code LIKE 'crm.iap%%'".replace("%%", "%")
    )
    (today,) = rows("SELECT to_char(now() AT TIME ZONE 'utc', 'YYYY/MM') AS text")
    names = [rows(REQUEST, requested()[1])[0]["name"] for _ in range(2)]
    assert names == [f"M/{today['text']}/00041!", f"M/{today['text']}/00043!"]


def test_the_companys_own_sequence_comes_first(requested: Requested, rows: Rows, crm: psycopg.Connection) -> None:
    crm.execute(
        "INSERT INTO ir_sequence (name, code, implementation, prefix, padding, number_next, number_increment, active,"
        " company_id) VALUES ('Own', 'crm.iap.lead.mining.request', 'no_gap', 'OWN', 0, 7, 1, true, 1)"
    )
    assert rows(REQUEST, requested()[1])[0]["name"] == "OWN7"


@pytest.mark.parametrize("prefix", ["%(nope)s", "100%", "%s%s", "%(year)d"])
def test_a_prefix_that_cannot_be_filled_in(requested: Requested, crm: psycopg.Connection, prefix: str) -> None:
    crm.execute("UPDATE ir_sequence SET prefix = %s", [prefix])
    with pytest.raises(CrmError, match="prefix or suffix that cannot be filled in"):
        requested()


def test_set_state(requested: Requested, rows: Rows, crm: psycopg.Connection) -> None:
    _, id_ = requested()
    set_state(crm, request_with_id(crm, id_), 1, "error", "credits")
    (row,) = rows(REQUEST, id_)
    assert (row["state"], row["error_type"], row["write_uid"], row["create_uid"]) == ("error", "credits", 1, 2)
    set_state(crm, request_with_id(crm, id_), 2, "done")
    (row,) = rows(REQUEST, id_)
    assert (row["state"], row["error_type"], row["write_uid"]) == ("done", None, 2)


def test_a_request_that_was_deleted_has_no_state(requested: Requested, rows: Rows, crm: psycopg.Connection) -> None:
    _, gone = requested()
    _, other = requested()
    known = request_with_id(crm, gone)
    crm.execute("DELETE FROM crm_iap_lead_mining_request WHERE id = %s", [gone])
    set_state(crm, known, 2, "done")
    assert rows(REQUEST, gone) == []
    assert [row["state"] for row in rows(REQUEST, other)] == ["draft"]
