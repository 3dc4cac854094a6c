"""What a database says about itself: which column points where, and what the rows pointed to are called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import psycopg

NAMED = {
    "res_company": "SELECT id, name FROM res_company",
    "res_country": "SELECT id, code FROM res_country",
    "res_country_state": (
        "SELECT s.id, c.code || '-' || s.code FROM res_country_state s JOIN res_country c ON c.id = s.country_id"
    ),
    "res_partner": "SELECT id, name FROM res_partner",
    "res_users": "SELECT id, login FROM res_users",
    "crm_iap_lead_industry": "SELECT id, name->>'en_US' FROM crm_iap_lead_industry",
    "crm_iap_lead_role": "SELECT id, name->>'en_US' FROM crm_iap_lead_role",
    "crm_iap_lead_seniority": "SELECT id, name->>'en_US' FROM crm_iap_lead_seniority",
    "crm_stage": "SELECT id, name->>'en_US' FROM crm_stage",
    "crm_tag": "SELECT id, name->>'en_US' FROM crm_tag",
    "crm_team": "SELECT id, name->>'en_US' FROM crm_team",
    "ir_cron": "SELECT res_id, module || '.' || name FROM ir_model_data WHERE model = 'ir.cron'",
    "mail_alias_domain": "SELECT id, name FROM mail_alias_domain",
    "mail_message_subtype": (
        "SELECT id, coalesce(res_model || ': ', '') || (name->>'en_US') FROM mail_message_subtype"
    ),
}
"""By table: ids, and what the row is called in every CRM."""

SOFT_REFERENCES = {("mail_message", "res_id"): "crm_lead", ("mail_followers", "res_id"): "crm_lead"}
"""Columns that Odoo keeps no foreign key for. All that lead mining writes there is about leads."""

Names = Mapping[str, Mapping[int, str]]


class Schema(NamedTuple):
    """`references`: (table, column) to the table that is pointed to. `times`: (table, column) of timestamps."""

    references: Mapping[tuple[str, str], str]
    times: frozenset[tuple[str, str]]


def read_schema(conn: psycopg.Connection) -> Schema:
    keys = conn.execute(
        "SELECT c.conrelid::regclass::text, a.attname, c.confrelid::regclass::text"
        " FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]"
        " WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace"
    )
    times = conn.execute(
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND data_type LIKE 'timestamp%'"
    )
    references = {(table, column): target for table, column, target in keys}
    return Schema(references | SOFT_REFERENCES, frozenset((table, column) for table, column in times))


def read_names(conn: psycopg.Connection) -> dict[str, dict[int, str]]:
    """Table to id to name."""
    return {table: dict(conn.execute(query).fetchall()) for table, query in NAMED.items()}
