"""Companies and contacts as the two tables that the suites judge.

A column stands for a field, or, where its name begins with `bad_`, for what is wrong with a field: it holds the
offending value itself, and None where all is well, so that a failed rule shows what it found. Every column is of
dtype object: a provider's numbers may be larger than any fixed-size integer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from lead_mining import vocabulary
from lead_mining.identifiers import is_role_address
from lead_mining.providers.base import Company, Contact, Query
from lead_mining.quality.syntax import is_domain, is_email, is_phone

if TYPE_CHECKING:
    import pandas as pd

MAX_TEXT = 1000
"""Characters that a field may have which is not meant for prose. Odoo's columns have no bound; a form has."""

_NOT_PLAIN = re.compile(r"<[A-Za-z/!]|[\x00-\x1f]")  # markup, control characters

_industry_texts = attrgetter("sector_primary", "sector", "industry_group", "industry", "sub_industry")
_PROSE = frozenset({"description", "twitter_bio", "name", "contacts"})  # `name` has a rule of its own

# Industries of the vocabulary that contain others (GICS sectors and groups): "Materials" does not contradict a search
# for "Construction Materials", and a retailer is found by a search for "Consumer Discretionary".
_PARTS: Mapping[str, frozenset[str]] = {
    "Consumer Discretionary": frozenset(
        {"Automobiles & Components", "Consumer Durables & Apparel", "Consumer Services", "Retailing"}
    ),
    "Consumer Staples": frozenset({"Food, Beverage & Tobacco"}),
    "Materials": frozenset({"Construction Materials"}),
    "Energy & Utilities": frozenset({"Independent Power and Renewable Electricity Producers"}),
}


def companies_frame(
    candidates: Sequence[tuple[int, Company]], query: Query, columns: Iterable[str] = ()
) -> pd.DataFrame:
    """One row a candidate. Columns: candidate_id, those that suites/company.yaml names, and all fields of a company.

    `columns`: those that are judged; fields of which none is judged are left empty.
    """
    import pandas as pd

    asked_states = _asked_states(query.states)
    rows = [_company_row(number, company, query, asked_states) for number, company in candidates]
    return _with_fields(pd.DataFrame(rows, dtype=object), [company for _, company in candidates], Company, columns)


def _with_fields(
    frame: pd.DataFrame, records: Sequence[Company | Contact], kind: type[Company | Contact], judged: Iterable[str]
) -> pd.DataFrame:
    """The frame with a column for each field that it does not have, of values where that is judged."""
    wanted = set(judged)
    for field in kind.model_fields:
        if field not in frame.columns:
            frame[field] = [_plain(getattr(record, field)) for record in records] if field in wanted else None
    return frame


def _plain(value: Any) -> Any:
    return _joined(str(each) for each in value) if isinstance(value, tuple) else value


def _company_row(
    candidate_id: int, company: Company, query: Query, asked_states: Mapping[str, frozenset[str]]
) -> dict[str, Any]:
    domain, free_mail = _domain(company.domain), vocabulary.free_mail_domains()
    country, state = _upper(company.country_code), _upper(company.state_code)
    wanted = asked_states.get(country or "")
    known_states = _state_codes(country) if country else frozenset()
    bad_emails = [email for email in company.emails if not is_email(email)]
    outside, unclear = _industry_problem(_industry_texts(company), query.industries)
    return {
        "candidate_id": candidate_id,
        "display_name": company.name or company.legal_name or company.domain or None,
        "name": company.name or None,
        "bad_length": _overlong(company),
        "domain": domain,
        "bad_domain": company.domain if domain and not is_domain(domain) else None,
        "bad_owner_of_domain": domain if domain in free_mail else None,
        "country_code": country,
        "bad_asked_country": country if country and country not in query.countries else None,
        "bad_asked_state": company.state_code if wanted and state and state not in wanted else None,
        "bad_unknown_state": "" if wanted and not state else None,
        "bad_state": company.state_code if state and known_states and state not in known_states else None,
        "bad_asked_industry": outside,
        "bad_unknown_industry": unclear,
        "employees": company.employees,
        "bad_emails": _joined(bad_emails),
        "personal_emails": _joined(e for e in company.emails if not is_role_address(e) and e not in bad_emails),
        "bad_phones": _joined(phone for phone in company.phones if not is_phone(phone, country)),
        "founded_year": company.founded_year,
        "reveal_id": company.reveal_id or None,
        "contacts": len(company.contacts),
    }


def contacts_frame(candidates: Sequence[tuple[int, Company]], columns: Iterable[str] = ()) -> pd.DataFrame:
    """One row a contact. Columns: candidate_id, contact_index (from 0), those that suites/contact.yaml names, all
    fields of a contact, and the company's country_code and domain. `columns` as for companies.
    """
    import pandas as pd

    roles, seniorities = _ids(vocabulary.roles()), _ids(vocabulary.seniorities())
    rows = [
        _contact_row(contact, roles, seniorities)
        | {
            "candidate_id": candidate_id,
            "contact_index": index,
            "position": index + 1,
            "same_as": same_as,
            "bad_phone": _bad_phone(contact, company),
            "country_code": _upper(company.country_code),
            "domain": _domain(company.domain),
        }
        for candidate_id, company in candidates
        for index, (contact, same_as) in enumerate(zip(company.contacts, _repeated(company.contacts), strict=True))
    ]
    contacts = [contact for _, company in candidates for contact in company.contacts]
    return _with_fields(pd.DataFrame(rows, dtype=object), contacts, Contact, columns)


def leads_frame(leads: Iterable[tuple[int, Mapping[str, Any]]]) -> pd.DataFrame:
    """One row a lead, given as (candidate id, columns of the CRM). Columns: candidate_id, the CRM's, and those that
    suites/lead.yaml names. What is empty is None.
    """
    import pandas as pd

    rows = (
        {"candidate_id": id_} | _lead_row({name: value or None for name, value in lead.items()}) for id_, lead in leads
    )
    return pd.DataFrame(rows, dtype=object)


def _lead_row(lead: dict[str, Any]) -> dict[str, Any]:
    return lead | {
        "reachable": lead["email_normalized"] or lead["phone"] or lead["website"],
        "bad_text": _bad_text(lead),
    }


def _bad_text(lead: Mapping[str, Any]) -> str | None:
    """The first column with markup or a control character, and its text. The name has a rule of its own."""
    texts = {name: value for name, value in lead.items() if isinstance(value, str) and value != lead["name"]}
    if not _NOT_PLAIN.search(" ".join(texts.values())):  # one look at all of them: most are plain
        return None
    return next(f"{name}: {value}" for name, value in texts.items() if _NOT_PLAIN.search(value))


def _contact_row(contact: Contact, roles: Mapping[str, str], seniorities: Mapping[str, str]) -> dict[str, Any]:
    role = roles.get((contact.role or "").casefold())
    seniority = seniorities.get((contact.seniority or "").casefold())
    return {
        "full_name": contact.full_name or None,
        "bad_length": _overlong(contact),
        "bad_email": contact.email if contact.email and not is_email(contact.email) else None,
        "role_email": contact.email if contact.email and is_role_address(contact.email) else None,
        "reachable": contact.email or contact.phone or None,
        "role": role,
        "bad_role": (contact.role or "") if role is None else None,
        "seniority": seniority,
        "bad_seniority": (contact.seniority or "") if seniority is None else None,
    }


def _bad_phone(contact: Contact, company: Company) -> str | None:
    return contact.phone if contact.phone and not is_phone(contact.phone, _upper(company.country_code)) else None


def _ids(words: Mapping[str, str]) -> dict[str, str]:
    """The provider's id by name and by id, whatever the case."""
    return {text.casefold(): number for name, number in words.items() for text in (name, number)}


def _repeated(contacts: Sequence[Contact]) -> Iterator[str | None]:
    """For each contact its name, if it is an earlier one again: same e-mail, or same name and no other e-mail.

    A function's address (info@) is nobody's own: two people may share it.
    """
    emails: set[str] = set()
    names: set[str] = set()
    for contact in contacts:
        email, name = (contact.email or "").casefold(), (contact.full_name or "").casefold()
        email = "" if name and is_role_address(email) else email
        again = email in emails if email else name in names
        yield (contact.full_name or contact.email) if again else None
        emails |= {email} - {""}
        names |= {name} - {""}


def _asked_states(states: Iterable[str]) -> dict[str, frozenset[str]]:
    """By country, every code by which a state that was asked for may come."""
    found: dict[str, frozenset[str]] = {}
    for iso in states:
        country, code = iso.split("-", 1)
        codes = {text.upper() for text in (iso, code, vocabulary.crm_state_code(iso))}
        found[country] = found.get(country, frozenset()) | codes
    return found


def _state_codes(country: str) -> frozenset[str]:
    return vocabulary.state_codes(country) if len(country) == 2 else frozenset()


@lru_cache(maxsize=10_000)  # a provider has some hundred industries
def _industry_problem(texts: Sequence[str | None], asked: Sequence[str]) -> tuple[str | None, str | None]:
    """A company's industry texts if they contradict what was asked; and if they neither contradict nor confirm it."""
    if not asked:
        return None, None
    named = vocabulary.industries_named(texts)
    wanted = frozenset(asked).union(*(_PARTS.get(name, frozenset()) for name in asked))
    if named & wanted:
        return None, None
    said = _joined(dict.fromkeys(text for text in texts if text)) or ""
    finest = {name for name in named if not _PARTS.get(name, frozenset()) & named}
    could_be = frozenset().union(*(_PARTS.get(name, frozenset()) for name in finest)) & wanted
    return (said, None) if finest and not could_be else (None, said)


def _overlong(record: Company | Contact) -> str | None:
    """The first field that is too long, with its name and how long it is."""
    for field, value in vars(record).items():
        if not value or field in _PROSE:
            continue
        for text in value if isinstance(value, tuple) else (value,):
            if isinstance(text, str) and len(text) > MAX_TEXT:
                return f"{field} ({len(text):,} characters): {text[:MAX_TEXT]}"
    return None


def _domain(text: str | None) -> str | None:
    return text.lower().removesuffix(".").removeprefix("www.") or None if text else None


def _upper(text: str | None) -> str | None:
    return text.upper() if text else None


def _joined(texts: Iterable[str]) -> str | None:
    return ", ".join(texts) or None
