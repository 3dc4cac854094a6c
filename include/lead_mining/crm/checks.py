"""Whether a database is a CRM that can be mined into: an Odoo 17 with the apps it takes, or the embedded CRM."""

from __future__ import annotations

from psycopg import Connection

from lead_mining.exceptions import CrmError

MODULES = {"crm": "CRM", "crm_iap_mine": "Lead Generation"}
"""Odoo's technical names to what to look for in its Apps."""

TABLES = (
    "res_users", "res_partner", "res_company", "res_company_users_rel", "res_groups_users_rel", "res_country",
    "res_country_state", "ir_model", "ir_model_data", "ir_sequence", "mail_alias", "mail_alias_domain", "mail_message",
    "mail_message_subtype", "mail_followers", "mail_followers_mail_message_subtype_rel", "crm_team", "crm_team_member",
    "crm_stage", "crm_tag", "crm_lead", "crm_tag_rel", "crm_iap_lead_industry", "crm_iap_lead_role",
    "crm_iap_lead_seniority", "crm_iap_lead_mining_request", "crm_iap_lead_industry_crm_iap_lead_mining_request_rel",
    "crm_iap_lead_mining_request_crm_iap_lead_role_rel", "crm_iap_lead_mining_request_crm_tag_rel",
    "crm_iap_lead_mining_request_res_country_rel", "crm_iap_lead_mining_request_res_country_state_rel",
)  # fmt: skip
"""What we read and write."""


def check_crm(conn: Connection) -> None:
    """Raises CrmError that says what the database lacks and what to install."""
    if missing_tables(conn, ["ir_module_module"]):
        raise CrmError(
            "The database is not a CRM: it has no table ir_module_module. Point the connection at an Odoo 17 database,"
            " or at one with the embedded CRM"
        )
    rows = conn.execute("SELECT name, latest_version FROM ir_module_module WHERE state = 'installed'")
    installed: dict[str, str | None] = {row[0]: row[1] for row in rows}
    version = installed.get("base") or ""
    if version and not version.startswith("17.0."):
        raise CrmError(f"The CRM is Odoo {version}; only Odoo 17.0 is supported")
    if absent := [f"{name} ({title})" for name, title in MODULES.items() if name not in installed]:
        raise CrmError(f"{' and '.join(absent)} not installed in the CRM: install it in Odoo, under Apps")
    if missing := missing_tables(conn, TABLES):
        raise CrmError(
            f"The CRM lacks tables of an Odoo 17: {', '.join(missing)}. Update the apps crm and crm_iap_mine"
        )


def missing_tables(conn: Connection, tables: list[str] | tuple[str, ...]) -> list[str]:
    """Those of the tables that the schema `public` does not have."""
    query = "SELECT name FROM unnest(%s::text[]) AS name WHERE to_regclass('public.' || quote_ident(name)) IS NULL"
    return [row[0] for row in conn.execute(query, [list(tables)])]


def xml_id(conn: Connection, module: str, name: str) -> int:
    """The id that an XML id of Odoo stands for. Raises CrmError where there is none."""
    row = conn.execute("SELECT res_id FROM ir_model_data WHERE module = %s AND name = %s", [module, name]).fetchone()
    if row is None or row[0] is None:
        raise CrmError(f"The CRM has no record {module}.{name} (table ir_model_data): update Odoo's app {module}")
    return int(row[0])
