"""The stages of buying from Apollo: a search finds companies, enrichment buys them, then people are matched."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import httpx

from lead_mining import vocabulary
from lead_mining.plain import logger
from lead_mining.providers.apollo import query as wanted
from lead_mining.providers.apollo import records
from lead_mining.providers.apollo.calls import FOUND_A_PAGE, MOST_AT_ONCE, Calls
from lead_mining.providers.asking import asked_for, id_of, people_steps
from lead_mining.providers.base import (
    Company,
    Contact,
    Exclusions,
    Gate,
    Identity,
    JsonObject,
    Misfit,
    Page,
    Preview,
    Provider,
    Query,
    Rate,
)
from lead_mining.providers.reading import whole_number
from lead_mining.providers.text import bare_domain
from lead_mining.providers.transport import READ_TIMEOUT

_BALANCE_IS_LATE = 10.0  # seconds
_LAST_PAGE = 500  # of a search; more is not shown
_MOST_PAGES_OF_PEOPLE = 3
_SEARCH_RATES = (Rate(200, 60.0), Rate(6000, 3600.0), Rate(50_000, 86_400.0))

log = logger(__name__)

Found = tuple[str, str]
"""A company that a search found: Apollo's id, and the domain."""
Owed = tuple[str, str | None]
"""A company whose people come next: reveal id, and the domain where another provider sold it."""


@dataclass(frozen=True)
class _Cursor:
    """`page`: of the search that comes next, None after the last; `first`: the id with which the page before began."""

    page: int | None = 1
    first: str | None = None
    found: tuple[Found, ...] = ()
    owed: tuple[Owed, ...] = ()

    @classmethod
    def read(cls, text: str | None) -> _Cursor:
        values = json.loads(text) if text else {}
        return cls(**values | {key: tuple(map(tuple, values.get(key, ()))) for key in ("found", "owed")})

    def written(self) -> str | None:
        """None where nothing comes after it."""
        return json.dumps(asdict(self)) if self.page or self.found or self.owed else None


class Apollo(Provider):
    """Companies and people of Apollo. A credit a page of a hundred companies found, a company and a person.

    Companies that are known are left out after they are found and before they are bought; one without a domain of its
    own cannot be bought. People are looked for free of charge, by company; those who have no e-mail are left out.
    """

    page_size = MOST_AT_ONCE
    excludes_known = True
    charges = True
    answer_within = READ_TIMEOUT + _BALANCE_IS_LATE
    calls_at_once = 1
    rates: Mapping[str, tuple[Rate, ...]] = {
        "companies": _SEARCH_RATES,
        "people": _SEARCH_RATES,
        "enrich": (Rate(1000, 60.0),),
    }

    def __init__(
        self,
        base_url: str,
        key: str,
        *,
        rates: Mapping[str, tuple[Rate, ...]] = rates,
        client: httpx.Client | None = None,
    ) -> None:
        self.name = "apollo"
        self.rates = rates
        self._calls = Calls(base_url, key, client)

    def __repr__(self) -> str:
        return f"Apollo({self._calls.url!r})"

    @property
    def gate(self) -> Gate:
        return self._calls.gate

    @gate.setter
    def gate(self, gate: Gate) -> None:
        self._calls.gate = gate

    def misfits(self, query: Query) -> Sequence[Misfit]:
        """Of the query's words, those of the table that have none, or only about the same, at the provider."""
        return wanted.WORDS.misfits(query)

    def most(self, query: Query, limit: int, cursor: str | None) -> int:
        """A credit a company, person and page of the search; where people are owed at `cursor`, what these cost."""
        at = _Cursor.read(cursor)
        if at.owed:
            return query.contact_number * len(at.owed)
        searches = max(0, -(-(limit - len(at.found)) // FOUND_A_PAGE))
        return searches + limit * (1 + query.contact_number)

    def balance(self, fresh: bool = True) -> int | None:
        """Credits left, as the account's statistics tell some seconds later."""
        return self._calls.credits_left()

    def preview_costs(self, query: Query) -> int:
        """People are counted free, companies for a credit."""
        return 0 if query.contact_number else 1

    def preview(self, query: Query, limit: int, exclude: Exclusions) -> Preview:
        """How many people there are, known or not; of companies alone, nothing."""
        if not query.contact_number:
            return Preview(count=None, records=[])
        names = [name for step in people_steps(query) for name in step]
        arguments = wanted.companies(query) + wanted.people(query, names)
        return Preview(None, [], people=whole_number(self._calls.find_people(arguments, 1, 1).get("total_entries")))

    def fetch(self, query: Query, limit: int, cursor: str | None, exclude: Exclusions) -> Page:
        """Find companies; or buy those that are found; or people of those that are bought."""
        if not 1 <= limit <= self.page_size:
            raise ValueError(f"limit must be between 1 and {self.page_size}, not {limit}")
        at = _Cursor.read(cursor)
        if at.owed:
            return self._people(query, at)
        return self._companies(query, limit, at) if at.found else self._found(query, at, exclude)

    def parse(self, record: JsonObject) -> Company:
        """Read one record of `Page.records`. Raises MalformedRecord."""
        return records.company(record)

    def contacts_of(self, query: Query, companies: Sequence[Identity]) -> str | None:
        """People are found by the domain of their company."""
        owed = {reveal_id or domain: domain for reveal_id, domain in companies if domain}
        return _Cursor(page=None, owed=tuple(owed.items())).written() if query.contact_number else None

    def parse_contact(self, record: JsonObject) -> Contact:
        """Read one record of `Page.contacts`. Raises MalformedRecord."""
        return records.contact(record)

    def _found(self, query: Query, at: _Cursor, exclude: Exclusions) -> Page:
        """A page of the search: none of it is a record yet, and those that are known never become one."""
        assert at.page is not None
        answer = self._calls.find_companies(wanted.companies(query), at.page)
        if answer.get("disable_eu_prospecting") is True:
            log.warning("%s leaves out people in the EU: the account is set so (disable_eu_prospecting)", self.name)
        listed = [*(answer.get("accounts") or []), *(answer.get("organizations") or [])]
        by_domain: dict[str, Found] = {}
        for one in filter(None, map(_identity, listed)):
            by_domain.setdefault(one[1], one)
        found = list(by_domain.values())
        known = exclude.known(found)
        new = tuple(one for one, is_known in zip(found, known, strict=True) if not is_known)
        first = found[0][0] if found else None
        repeated = first is not None and first == at.first
        more = bool(listed) and not repeated and self._goes_on(answer, at.page)
        after = _Cursor(at.page + 1 if more else None, first, () if repeated else new)
        charged = 1 if listed else 0
        return Page(answer, [], charged, after.written(), unfinished=bool(after.found))

    def _goes_on(self, answer: JsonObject, page: int) -> bool:
        if page >= _LAST_PAGE or answer.get("partial_results_only") is True:
            log.warning("%s shows no more of this search; narrow it to find others", self.name)
            return False
        pages = answer.get("pagination")
        last = whole_number(pages.get("total_pages")) if isinstance(pages, dict) else None
        return last is None or page < last

    def _companies(self, query: Query, limit: int, at: _Cursor) -> Page:
        bought, left = at.found[:limit], at.found[limit:]
        answer, found, charged = self._calls.enrich_companies([domain for _, domain in bought])
        ids = dict.fromkeys(filter(None, map(id_of, found))) if query.contact_number else {}
        after = replace(at, found=left, owed=tuple((one, None) for one in ids))
        asked = [asked_for(one, query.industries) for one in found]
        return Page(answer, asked, charged, after.written(), unfinished=bool(after.owed))

    def _people(self, query: Query, at: _Cursor) -> Page:
        """Of as many whole companies as fit into a call: the contacts of one never come on two pages."""
        chosen: dict[str, tuple[Owed, Sequence[str]]] = {}  # by person: at which company, and asked for as what
        contacts: dict[str, list[JsonObject]] = {}
        for owed in at.owed[:MOST_AT_ONCE]:
            people = self._choose(query, *owed)
            if len(chosen) + len(people) > MOST_AT_ONCE:
                break
            contacts[owed[0]] = []
            chosen |= {person: (owed, names) for person, names in people.items() if person not in chosen}
        answer, matches, charged = self._calls.match_people(list(chosen)) if chosen else ({}, [], 0)
        for asked, match in zip(list(chosen), matches, strict=False):  # they come in the order of the question
            (company, domain), names = chosen.get(id_of(match) or asked, chosen[asked])
            employer = records.domain_of_employer(match)
            if match is not None and (not domain or not employer or employer == domain):
                contacts[company].append(asked_for(match, names))
        after = replace(at, owed=at.owed[len(contacts) :])
        return Page(answer, [], charged, after.written(), contacts=contacts, unfinished=bool(after.owed))

    def _choose(self, query: Query, company: str, domain: str | None) -> dict[str, Sequence[str]]:
        """Ids of people to buy, those of the preferred role first, each with the roles that it was asked for by."""
        at_company = [("q_organization_domains_list[]", domain)] if domain else [("organization_ids[]", company)]
        chosen: dict[str, Sequence[str]] = {}
        for names in people_steps(query):
            for page in range(1, _MOST_PAGES_OF_PEOPLE + 1):
                arguments = at_company + wanted.people(query, names)
                people = self._calls.find_people(arguments, page, FOUND_A_PAGE)["people"]
                for person in people:
                    id_ = id_of(person)
                    if id_ and len(chosen) < query.contact_number and _is_wanted(person, query, names):
                        chosen.setdefault(id_, names)
                if len(chosen) == query.contact_number:
                    return chosen
                if len(people) < FOUND_A_PAGE:
                    break
        return chosen


def _is_wanted(person: JsonObject, query: Query, names: Sequence[str]) -> bool:
    """Whether a person is worth a credit: can be written to, and has one of the roles by the title itself."""
    if person.get("has_email") is False:
        return False
    if query.contact_filter_type == "seniority" or not names:
        return True
    title = person.get("title")
    return isinstance(title, str) and wanted.WORDS.meant("role", wanted.phrases(title), names) is not None


def _identity(organization: object) -> Found | None:
    """None where there is no domain of its own, by which it is bought. An account has an id of its own besides."""
    if not isinstance(organization, dict):
        return None
    id_ = organization.get("organization_id") or organization.get("id")
    address = organization.get("primary_domain") or organization.get("website_url")
    domain = bare_domain(address) if isinstance(address, str) else ""
    owned = domain and domain not in vocabulary.free_mail_domains()
    return (id_, domain) if isinstance(id_, str) and owned else None
