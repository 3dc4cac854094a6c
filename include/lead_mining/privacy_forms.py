"""The forms of the privacy DAGs, as keyword arguments of Airflow's `Param`; none takes an address or a phone number.

DAG files import it, so it imports nothing heavy at its top.
"""

from __future__ import annotations

from typing import Any

from lead_mining.form_fields import CRM_CONNECTION, text

CONNECTION = "lead_mining_privacy"

_ID = r"^[A-Za-z0-9_.:\-]+$"
_NO_NUMBER = r"(?!.*(?:\+|(?:^|\s)0)[0-9](?:[ \(\)\.\/\-]*[0-9]){5})"  # of a phone
_FILE = r"^/[^@\x00]+$"


def _plain_text(title: str, description: str, **more: Any) -> dict[str, Any]:
    """One line without an `@` or a phone number, so that nobody's gets into what Airflow keeps."""
    return text(title, description, pattern=rf"^{_NO_NUMBER}[^\s@]([^@\r\n]*[^\s@])?$", **more)


def _lines(title: str, description: str, most: int, **item: Any) -> dict[str, Any]:
    """A text field, a value a line."""
    return {
        "default": None,
        "type": ["null", "array"],
        "title": title,
        "description": description,
        "maxItems": most,
        # In allOf: with `items`, the form would ask for JSON.
        "allOf": [{"items": item}],
    }


_PRIVACY_CONNECTION: dict[str, Any] = CRM_CONNECTION | {
    "default": CONNECTION,
    "title": "CRM connection with the role lead_mining_privacy",
    "description": "The Airflow connection to the CRM's database whose role may empty what people stand in.",
    "pattern": _ID,
}
_SUBJECTS_FILE: dict[str, Any] = {
    "default": None,
    "type": ["null", "string"],
    "title": "File with people and companies",
    "description": "The path, on the worker, of a CSV file with the columns kind (email, domain or lead) and value. No"
    " addresses here: Airflow keeps what is typed into this form.",
    "pattern": _FILE,
    "maxLength": 1000,
}
_LEAD_IDS = _lines(
    "Leads",
    "The number of each lead whose people are meant, one a line: 1234 for .../web#id=1234&model=crm.lead"
    " in Odoo. No addresses: these go into the file.",
    most=1000,
    type=["integer", "string"],
    minimum=1,
    maximum=999_999_999,
    pattern="^[1-9][0-9]{0,8}$",
)

FORMS: dict[str, dict[str, dict[str, Any]]] = {
    "privacy_erase": {
        "subjects_file": _SUBJECTS_FILE,
        "lead_ids": _LEAD_IDS,
        "requested_by": _plain_text(
            "Who has it done", "It is kept in the certificate: your name or office, not the person's."
        ),
        "reference": _plain_text(
            "Reference",
            "Of the request: a ticket or a letter. It is kept in the certificate.",
            default=None,
            type=["null", "string"],
        ),
        "crm_conn_id": _PRIVACY_CONNECTION,
    },
    "privacy_export": {
        "subjects_file": _SUBJECTS_FILE,
        "lead_ids": _LEAD_IDS,
        "crm_conn_id": _PRIVACY_CONNECTION,
    },
    "privacy_retention": {
        "days": {
            "default": 180,
            "type": "integer",
            "minimum": 1,
            "maximum": 36500,
            "title": "Days",
            "description": "What is older loses its personal data. Give time for complaints to a provider.",
        },
        "crm_conn_id": _PRIVACY_CONNECTION,
    },
    "privacy_suppress": {
        "action": {
            "default": "add",
            "type": "string",
            "enum": ["add", "lift"],
            "title": "What to do",
            "description": "On the list: never loaded from now on. Off it: they may be loaded again.",
            "values_display": {"add": "Put on the list", "lift": "Take off the list"},
        },
        "domains": _lines(
            "Domains",
            "Of companies, one a line: acme.example. No e-mail addresses.",
            most=1000,
            type="string",
            maxLength=253,
            pattern=r"^[^\s@+]+\.[^\s@+]*[^\s@+0-9][^\s@+]*$",
        ),
        "countries": _lines(
            "Countries", "ISO 3166-1 codes, one a line: DE.", most=1000, type="string", pattern=r"^[A-Za-z]{2}$"
        ),
        "entries_file": {
            "default": None,
            "type": ["null", "string"],
            "title": "File with people",
            "description": "The path, on the worker, of a CSV file with the columns kind (email, phone, person, domain"
            " or country), value and, if you like, reason.",
            "pattern": _FILE,
            "maxLength": 1000,
        },
        "reason": _plain_text(
            "Reason", "Where a line of the file has none. No names of people.", default="asked not to be contacted"
        ),
        "crm_conn_id": CRM_CONNECTION | {"pattern": _ID},
    },
}
"""By the DAG's id, its fields. `ui/privacy_guard.py` lets nothing else near these DAGs."""
