"""What a company's data become in the columns of `crm_lead`, by the rules of Odoo 17's lead mining.

Plain values in, plain values out: no database. phonenumbers does the phones, as in Odoo.
"""

from __future__ import annotations

from typing import NamedTuple

from lead_mining.crm import addresses
from lead_mining.identifiers import e164, email_address
from lead_mining.providers.base import Company


class LeadValues(NamedTuple):
    """The columns of `crm_lead` that depend on the company alone, by name; country and state still as codes."""

    name: str
    partner_name: str | None
    contact_name: str | None
    function: str | None
    email_from: str | None
    email_normalized: str | None
    email_domain_criterion: str | None
    email_state: str | None
    phone: str
    website: str | None
    street: str | None
    city: str | None
    zip: str | None
    reveal_id: str | None
    country_code: str | None
    state_code: str | None


def clean(text: str | None) -> str | None:
    """A text that PostgreSQL can store: without NUL, and with `?` for lone surrogates (halves of characters)."""
    if text is None or (text.isascii() and "\x00" not in text):
        return text
    return text.replace("\x00", "").encode("utf-8", errors="replace").decode("utf-8")


def lead_values(company: Company) -> LeadValues:
    """Column values of a lead. `name` is empty where the company has neither name nor domain.

    E-mail: the company's first, '' where it has none; with contacts the first contact's, NULL where that has none.
    Phone: the company's first, '' where it has none; '' too where it is too long for the CRM's index.
    """
    name, domain = clean(company.name), clean(company.domain)
    contact = company.contacts[0] if company.contacts else None
    email = clean(contact.email) if contact else clean(company.emails[0]) if company.emails else ""
    normalized = email_address(email)
    if normalized and len(normalized.encode()) > addresses.MAX_INDEXED_BYTES:
        normalized = None
    phone = clean(company.phones[0]) if company.phones else ""
    return LeadValues(
        name=name or domain or "",
        partner_name=clean(company.legal_name) or name,
        contact_name=clean(contact.full_name) if contact else None,
        function=clean(contact.title) if contact else None,
        email_from=email,
        email_normalized=normalized,
        email_domain_criterion=addresses.email_domain_criterion(normalized),
        email_state=("correct" if normalized else "incorrect") if email else None,
        phone=phone if phone and len(phone.encode()) <= addresses.MAX_INDEXED_BYTES else "",
        website=f"https://www.{domain}" if domain else None,
        street=clean(company.street),
        city=clean(company.city),
        zip=clean(company.zip),
        reveal_id=clean(company.reveal_id),
        country_code=(clean(company.country_code) or "").upper() or None,
        state_code=clean(company.state_code),
    )


class Phone(NamedTuple):
    """The columns `phone_sanitized` and `phone_state` of `crm_lead`."""

    sanitized: str | None
    state: str | None


def phone_columns(phone: str, country: str | None, company_country: str | None) -> Phone:
    """E.164 by the lead's country, else by the CRM company's; the raw phone where neither has one.

    The state goes by the lead's country alone. `country`: a code that the CRM knows, or None.
    """
    if not phone:
        return Phone(None, None)
    own = e164(phone, country)
    sanitized = own if country else e164(phone, company_country) if company_country else phone
    return Phone(sanitized, "correct" if own else "incorrect")
