"""What lead mining reads and writes in the CRM, column by column: what preflight asks for and role.sql grants.

One list, held true by `tests/integration/test_least_privilege.py`: the role of `include/sql/role.sql` has exactly this,
and the whole pipeline runs as that role.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

REQUEST_SEQUENCE = "crm.iap.lead.mining.request"
"""The code of Odoo's sequence of mining requests (table `ir_sequence`), behind which is a sequence of PostgreSQL."""

DATABASE_UUID = "database.uuid"
"""What tells an Odoo database from its copies."""

NEUTRALIZED = "database.is_neutralized"
"""Set in a copy that is to do nothing outside of itself."""

SETTINGS = ("crm.iap.lead.enrich.setting", "crm.pls_fields", DATABASE_UUID, NEUTRALIZED, "web.base.url")
"""The system parameters (table `ir_config_parameter`) that we read; the others there may be secret."""

SETTINGS_VIEW = "lead_mining.crm_setting"
"""The view, made by role.sql, that shows only these."""


class Access(NamedTuple):
    """Columns of one table. `ids`: new rows take their id from the table's own sequence."""

    read: tuple[str, ...]
    insert: tuple[str, ...]
    update: tuple[str, ...]
    ids: bool


class Need(NamedTuple):
    """One column and what we do with it: SELECT, INSERT or UPDATE."""

    table: str
    column: str
    privilege: str


def needs(tables: Mapping[str, Access]) -> Iterator[Need]:
    """The needs of these tables, one by one."""
    for table, access in tables.items():
        for privilege, columns in (("SELECT", access.read), ("INSERT", access.insert), ("UPDATE", access.update)):
            yield from (Need(table, column, privilege) for column in columns)


def _access(read: str = "", insert: str = "", update: str = "", *, ids: bool = False) -> Access:
    return Access(tuple(read.split()), tuple(insert.split()), tuple(update.split()), ids)


_AUDIT = "create_uid write_uid create_date write_date"
_REQUEST_ID = "crm_iap_lead_mining_request_id"

TABLES = {
    "ir_module_module": _access("name state latest_version"),
    "ir_model": _access("id model"),
    "ir_model_data": _access("module name model res_id"),
    "ir_sequence": _access(
        "id code company_id active implementation prefix suffix padding use_date_range number_next number_increment"
    ),
    "ir_cron_trigger": _access("cron_id create_date", f"cron_id call_at {_AUDIT}", ids=True),
    "res_users": _access("id login partner_id company_id active share notification_type"),
    "res_partner": _access(
        "id name email country_id active partner_share website email_normalized phone_sanitized is_company company_name"
        " city zip xmin"
    ),
    "res_company": _access("id name partner_id active alias_domain_id"),
    "res_company_users_rel": _access("cid user_id"),
    "res_groups_users_rel": _access("gid uid"),
    "res_country": _access("id code"),
    "res_country_state": _access("id country_id code"),
    "mail_alias": _access(
        "alias_domain_id alias_model_id alias_parent_model_id alias_parent_thread_id alias_name alias_full_name"
    ),
    "mail_alias_domain": _access("id name sequence catchall_alias bounce_alias"),
    "mail_message_subtype": _access("id parent_id res_model relation_field default internal"),
    "mail_message": _access(
        "id model res_id message_type message_id",
        "id parent_id res_id record_alias_domain_id record_company_id subtype_id author_id subject model record_name"
        " message_type email_from message_id reply_to email_layout_xmlid body is_internal email_add_signature date"
        f" {_AUDIT}",
        ids=True,
    ),
    "mail_message_res_partner_rel": _access(insert="mail_message_id res_partner_id"),
    "mail_followers": _access("id res_model res_id partner_id", "res_model res_id partner_id", ids=True),
    "mail_followers_mail_message_subtype_rel": _access(
        "mail_followers_id mail_message_subtype_id", "mail_followers_id mail_message_subtype_id"
    ),
    "mail_notification": _access(
        insert="author_id mail_message_id res_partner_id mail_mail_id notification_type notification_status is_read"
        " read_date",
        ids=True,
    ),
    "mail_mail": _access(
        insert=f"id mail_message_id state is_notification auto_delete body_html references headers {_AUDIT}", ids=True
    ),
    "mail_mail_res_partner_rel": _access(insert="mail_mail_id res_partner_id"),
    "crm_team": _access(
        "id name company_id user_id active sequence create_date use_leads use_opportunities lead_properties_definition"
    ),
    "crm_team_member": _access("crm_team_id user_id active"),
    "crm_stage": _access("id sequence team_id fold is_won"),
    "crm_lead_scoring_frequency": _access("id team_id variable value won_count lost_count"),
    "crm_tag": _access("id name", f"name color {_AUDIT}", ids=True),
    "crm_iap_lead_industry": _access("id reveal_ids name"),
    "crm_iap_lead_role": _access("id reveal_id"),
    "crm_iap_lead_seniority": _access("id reveal_id"),
    "crm_iap_lead_mining_request": _access(
        "id name create_date state error_type",
        "name state search_type lead_number lead_type team_id user_id filter_on_size company_size_min"
        f" company_size_max contact_number contact_filter_type preferred_role_id seniority_id {_AUDIT}",
        "state error_type write_uid write_date",
        ids=True,
    ),
    "crm_iap_lead_industry_crm_iap_lead_mining_request_rel": _access(insert=f"{_REQUEST_ID} crm_iap_lead_industry_id"),
    "crm_iap_lead_mining_request_crm_iap_lead_role_rel": _access(insert=f"{_REQUEST_ID} crm_iap_lead_role_id"),
    "crm_iap_lead_mining_request_crm_tag_rel": _access(f"{_REQUEST_ID} crm_tag_id", f"{_REQUEST_ID} crm_tag_id"),
    "crm_iap_lead_mining_request_res_country_rel": _access(insert=f"{_REQUEST_ID} res_country_id"),
    "crm_iap_lead_mining_request_res_country_state_rel": _access(insert=f"{_REQUEST_ID} res_country_state_id"),
    "crm_lead": _access(
        "id name reveal_id email_normalized phone_sanitized website partner_name city zip country_id active"
        " probability lead_mining_request_id xmin",
        "id name type user_id team_id company_id stage_id lead_mining_request_id reveal_id partner_name contact_name"
        " function email_from email_normalized email_domain_criterion email_state phone phone_sanitized phone_state"
        " website street city zip country_id state_id priority color active message_bounce probability"
        " automated_probability prorated_revenue recurring_revenue_monthly recurring_revenue_monthly_prorated"
        f" recurring_revenue_prorated day_open day_close date_open date_last_stage_update {_AUDIT}",
        ids=True,
    ),
    "crm_tag_rel": _access(insert="lead_id tag_id"),
}
"""What must be there."""

TABLES_OF_ODOO = {
    "ir_cron": _access("id active"),
    "mail_blacklist": _access("email active"),
    "phone_blacklist": _access("number active"),
}
"""What the embedded CRM does without: needed where it is."""

TABLES_FOR_NOTICES = {
    "base_automation": _access("name model_id trigger active"),
    "ir_default": _access("field_id user_id condition"),
    "ir_model_fields": _access("id model name"),
}
"""Read, where they are, to say what Odoo would do with new leads and we do not."""
