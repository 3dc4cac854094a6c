"""The columns of the CRM that erasure reads and writes: what its preflight asks for and role.sql grants.

One list, held true by `tests/integration/test_privacy_role.py`.
"""

from __future__ import annotations

OF_THE_PERSON = ("contact_name", "function")
OF_THE_EMAIL = ("email_from", "email_normalized", "email_domain_criterion", "email_state")
OF_THE_PHONE = ("phone", "phone_state")
OF_A_LEAD = (*OF_THE_PERSON, *OF_THE_EMAIL, *OF_THE_PHONE, "phone_sanitized", "mobile", "email_cc")
"""The columns of `crm_lead` that are a person's."""

CHANGED: dict[str, tuple[str, ...]] = {
    "crm_lead": OF_A_LEAD,
    "mail_message": ("subject", "email_from", "body"),
    "mail_mail": ("body_html",),
}
"""Table to the columns that are emptied, or freed of mentions, in what belongs to the person's leads."""

LOOKED_AT: dict[str, tuple[str, ...]] = {
    "crm_lead": (*OF_A_LEAD, "name", "partner_name", "description", "referred"),
    "mail_message": (*CHANGED["mail_message"], "record_name", "reply_to"),
    "mail_mail": ("body_html", "email_to", "email_cc"),
    "res_partner": ("name", "email", "email_normalized", "phone", "mobile", "phone_sanitized"),
}
"""Where else in the CRM a person may be: a person decides on what is found, and the certificate names it."""

LOOKED_AT_IF_THERE: dict[str, tuple[str, ...]] = {
    "mail_tracking_value": ("old_value_char", "new_value_char", "old_value_text", "new_value_text"),
    "mail_activity": ("summary", "note"),
    "calendar_event": ("name", "description"),
}
"""The same, in tables that only some CRMs have."""

NEEDED: dict[str, tuple[str, ...]] = {
    "crm_lead": ("id", "website", "partner_id", *LOOKED_AT["crm_lead"]),
    "mail_message": ("id", "model", "res_id", *LOOKED_AT["mail_message"]),
    "mail_mail": ("id", "mail_message_id", *LOOKED_AT["mail_mail"]),
    "res_partner": ("id", *LOOKED_AT["res_partner"]),
    "mail_followers": ("id", "partner_id"),
}
"""Table to the columns that are read."""
