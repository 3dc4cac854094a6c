"""Recordings of what Odoo 17's own lead mining wrote, and what is needed to mine the same answers here.

Ids in a recording belong to its database; `meaning` tells what they stand for, so that rows of two databases compare.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg

from lead_mining.providers.base import Company, Contact

FOLDER = Path(__file__).parents[3] / "shared" / "odoo17" / "golden"

_CONTACT = ("full_name", "email", "phone", "title", "role", "seniority")
_COMPANY = ("name", "legal_name", "domain", "city", "state_code", "country_code")

# what the ids stand for in all recordings
_USERS = {1: "__system__", 2: "admin", 6: "salesperson 1", 7: "salesperson 2"}
_PARTNERS = {3: "admin", 7: "salesperson 1", 8: "salesperson 2"}
_TEAMS = {1: "Sales", 5: "team 1", 6: "team 2"}
_SUBTYPES = {1: "mail.mt_comment", 2: "mail.mt_note", 5: "crm.mt_lead_create"}
_STAGES = {1: "New"}
_COMPANIES = {1: "My Company"}
_ALIAS_DOMAINS = {1: "acme.test"}
_COUNTRIES = {20: "BE", 31: "BR", 57: "DE", 113: "JP", 233: "US"}
_STATES = {13: "US-CA", 35: "US-NY"}
_INDUSTRIES = {3: "Banks & Insurance", 18: "Software & Services"}
_ROLES = {1: "CEO", 13: "Marketing", 22: "Sale"}
_TAGS = {1: "Lead mining", 2: "US & Canada"}


class Recording:
    """One recorded request: its params in our words, the companies of the answer, the rows that Odoo wrote."""

    def __init__(self, name: str) -> None:
        (file,) = FOLDER.glob(f"{name}_*.json")
        recorded = json.loads(file.read_text(encoding="utf-8"))
        self.create_vals: dict[str, Any] = recorded["create_vals"]
        self.request_row: dict[str, Any] = recorded["request_row_after"]
        self.related: dict[str, Any] = recorded["created_by_create_call"]["tables"]
        self._written: dict[str, Any] = recorded["changed_by_action_submit"]["tables"]
        self.answer: list[dict[str, Any]] = recorded["iap_response"]["body"]["result"]["data"]
        self.companies = [_company(record) for record in self.answer]

    def inserted(self, table: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._written[table]["inserted"] if table in self._written else []
        return rows

    def params(self, users: tuple[str, str], teams: tuple[str, str]) -> dict[str, Any]:
        """The same request in our words, for a CRM with these salespeople and teams."""
        vals = self.create_vals
        logins = {"admin": "admin", "salesperson 1": users[0], "salesperson 2": users[1]}
        names = {"Sales": "Sales", "team 1": teams[0], "team 2": teams[1]}
        unchanged = ("lead_number", "lead_type", "filter_on_size", "company_size_min", "company_size_max")
        params: dict[str, Any] = {name: vals[name] for name in unchanged if name in vals}
        params["countries"] = _named(_COUNTRIES, vals.get("country_ids")) or ["BE"]  # Odoo asks for none
        params["states"] = _named(_STATES, vals.get("state_ids"))
        params["industries"] = _named(_INDUSTRIES, vals.get("industry_ids"))
        params["tags"] = _named(_TAGS, vals.get("tag_ids"))
        if "user_id" in vals:
            params["salesperson"] = logins[_USERS[vals["user_id"]]] if vals["user_id"] else "none"
        if "team_id" in vals:
            params["team"] = names[_TEAMS[vals["team_id"]]] if vals["team_id"] else "none"
        if vals.get("search_type") == "people":
            params |= {"search_type": "people", "contact_number": vals["contact_number"]}
            params["preferred_role"] = _ROLES[vals["preferred_role_id"]]
            params["other_roles"] = _named(_ROLES, vals.get("role_ids"))
        return params

    def meaning(self, row: dict[str, Any], company: Company) -> dict[str, Any]:
        """A recorded row with meanings for ids; its company tells what country and state can be meant."""
        maps = {
            "country_id": {row.get("country_id"): company.country_code},
            "state_id": {row.get("state_id"): company.state_code},
        }
        return _meant(row, maps | _FIXED)


_FIXED: dict[str, dict[Any, Any]] = {
    "user_id": _USERS,
    "create_uid": _USERS,
    "write_uid": _USERS,
    "author_id": _PARTNERS,
    "partner_id": _PARTNERS,
    "team_id": _TEAMS,
    "subtype_id": _SUBTYPES,
    "stage_id": _STAGES,
    "company_id": _COMPANIES,
    "record_company_id": _COMPANIES,
    "record_alias_domain_id": _ALIAS_DOMAINS,
    "preferred_role_id": _ROLES,
}


def _named(words: dict[int, str], commands: list[Any] | None) -> list[str]:
    """Words for the ids of Odoo's command [(6, 0, ids)]."""
    return [words[id_] for id_ in commands[0][2]] if commands else []


def meaning_here(
    conn: psycopg.Connection, row: dict[str, Any], users: tuple[str, str], teams: tuple[str, str]
) -> dict[str, Any]:
    """A row of this database with the same meanings for its ids."""
    salespeople = {users[0]: "salesperson 1", users[1]: "salesperson 2"}
    own_teams = {teams[0]: "team 1", teams[1]: "team 2"}
    logins = _map(conn, "SELECT id, login FROM res_users")
    partners = _map(conn, "SELECT partner_id, login FROM res_users")
    here = {
        "user_id": {k: salespeople.get(v, v) for k, v in logins.items()},
        "author_id": {k: salespeople.get(v, v) for k, v in partners.items()},
        "team_id": {k: own_teams.get(v, v) for k, v in _map(conn, "SELECT id, name->>'en_US' FROM crm_team").items()},
        "subtype_id": _map(
            conn, "SELECT res_id, module || '.' || name FROM ir_model_data WHERE model = 'mail.message.subtype'"
        ),
        "stage_id": _map(conn, "SELECT id, name->>'en_US' FROM crm_stage"),
        "company_id": _map(conn, "SELECT id, name FROM res_company"),
        "country_id": _map(conn, "SELECT id, code FROM res_country"),
        "state_id": _map(conn, "SELECT id, code FROM res_country_state"),
    }
    here["record_alias_domain_id"] = _map(conn, "SELECT id, name FROM mail_alias_domain")
    here["preferred_role_id"] = _map(conn, "SELECT id, name->>'en_US' FROM crm_iap_lead_role")
    here |= {"create_uid": here["user_id"], "write_uid": here["user_id"], "partner_id": here["author_id"]}
    meant = _meant(row, here | {"record_company_id": here["company_id"]})
    if meant.get("reply_to"):  # it names the team
        meant["reply_to"] = meant["reply_to"].replace(teams[0], "West Coast")
    return meant


def _meant(row: dict[str, Any], maps: dict[str, dict[Any, Any]]) -> dict[str, Any]:
    return {key: maps[key][value] if key in maps and value is not None else value for key, value in row.items()}


def _map(conn: psycopg.Connection, query: str) -> dict[Any, Any]:
    return dict(conn.execute(query).fetchall())  # type: ignore[arg-type]


def _company(record: dict[str, Any]) -> Company:
    """A record of the wire as a Company: just what leads are made from."""
    data = record["company_data"]
    phones = [data.get("phone"), *(data.get("phone_numbers") or [])]
    return Company(
        reveal_id=data["clearbit_id"],
        street=data["location"],
        zip=data["postal_code"],
        phones=tuple(dict.fromkeys(phone for phone in phones if phone)),
        emails=tuple(data["email"] or ()),
        contacts=tuple(Contact(**{key: p[key] for key in _CONTACT}) for p in record.get("people_data") or ()),
        **{key: data[key] for key in _COMPANY},
    )
