"""A provider that costs nothing: a file of companies, bought, exported or public, mined with the same filters."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cached_property, reduce
from itertools import chain, islice
from operator import and_, or_
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from lead_mining import vocabulary
from lead_mining.exceptions import CatalogueError, ProviderRejected
from lead_mining.providers.base import (
    Company,
    Contact,
    Exclusions,
    Identity,
    JsonObject,
    Page,
    Preview,
    Provider,
    Query,
)
from lead_mining.providers.catalogue_file import CatalogueFile, Filter, Row, plain
from lead_mining.providers.country_names import country_code
from lead_mining.providers.reading import RecordReader, whole_number
from lead_mining.providers.text import bare_domain, storable

_HASH_NAMESPACE = UUID("5d3f8a0e-0c1b-4f0e-9a53-6c1d2b7e4f90")  # ours; changing it makes every known company new
_HUGE = 2**63
_LOOKED_UP_AT_ONCE = 1000  # rows of which it is asked which are known
_INDUSTRY_FIELDS = ("sector_primary", "sector", "industry_group", "industry", "sub_industry")
_SEVERAL = ("phones", "emails", "tags", "technologies")
_WHOLE = ("founded_year", "employees", "twitter_followers")
_AMOUNTS = ("annual_revenue", "market_cap")
_TEXTS = tuple(f for f in Company.model_fields if f not in (*_SEVERAL, *_WHOLE, *_AMOUNTS, "domain", "contacts"))


class LeadCatalog(Provider):
    """Companies of a local .parquet, .csv or .csv.gz file; free of charge, counted exactly, known companies left out.

    `columns` maps fields of Company to columns of the file; empty: the columns that are named like fields. Formats:
    `country_code` an ISO code or an English name; `state_code` as `CA` or `US-CA`; `domain` a domain or a web address;
    `phones`, `emails`, `tags`, `technologies` a list, or text with `;` between; `contacts` a list of Contact objects,
    or that as JSON text. A row without `reveal_id` gets a hash of name, domain and country, the same on every reading.

    A search for people returns companies without a matching contact too, as Odoo's provider does.
    Every method raises CatalogueError if the file cannot be read.
    """

    page_size = 1000
    excludes_known = True
    charges = False
    answer_within = 0.0
    calls_at_once = 1

    def __init__(self, path: str | Path, columns: Mapping[str, str] | None = None, name: str = "lead_catalog") -> None:
        self.name = name
        self._file = CatalogueFile(str(path))
        self._columns = _mapping(self._file, columns or {})
        self._open: tuple[tuple[Query, str, Exclusions], Iterator[tuple[int, Row]]] | None = None

    def __repr__(self) -> str:
        return f"LeadCatalog({self._file.path!r})"

    def balance(self, fresh: bool = True) -> int | None:
        """None: a file has no account."""
        return None

    def check(self) -> str:
        """How many companies there are."""
        return f"The catalogue holds {self._file.count()} companies"

    def preview(self, query: Query, limit: int, exclude: Exclusions) -> Preview:
        """Exactly how many new companies there are, and the first `limit` (at most a page) of them."""
        fields = ("reveal_id", "name", "domain", "country_code")
        columns = list(dict.fromkeys(self._columns[field] for field in fields if field in self._columns))
        count = sum(1 for _ in self._new(enumerate(self._file.rows(columns, self._where(query))), exclude))
        sample = self.fetch(query, min(limit, self.page_size), None, exclude).records if limit > 0 else []
        return Preview(count=count, records=sample)

    def fetch(self, query: Query, limit: int, cursor: str | None, exclude: Exclusions) -> Page:
        """The next companies. `cursor`: how many matching rows of the file come before, known companies included."""
        if not 1 <= limit <= self.page_size:
            raise ValueError(f"limit must be between 1 and {self.page_size}, not {limit}")
        records: list[JsonObject] = []
        next_cursor = None
        rows = self._rows_from(query, cursor, exclude)
        for position, row in rows:
            if len(records) == limit:
                next_cursor = str(position)
                self._open = ((query, next_cursor, exclude), chain([(position, row)], rows))
                break
            records.append(self._record(row, query))
        raw = {"catalogue": Path(self._file.path).name, "position": cursor or "0", "records": records}
        return Page(raw=raw, records=records, charged=0, next_cursor=next_cursor)

    def parse(self, record: JsonObject) -> Company:
        """Read one row, keyed by the file's columns. Numbers are read as text where the field is text."""
        RecordReader(record).check()
        values = {field: record.get(column) for field, column in self._columns.items()}
        values |= {field: _as_text(values[field]) for field in (*_TEXTS, "domain") if field in values}
        values |= {field: _as_list(values[field]) for field in _SEVERAL if field in values}
        values["contacts"] = _from_json(values.get("contacts"))
        reader = RecordReader(values)
        company: dict[str, Any] = {field: reader.text(field) for field in _TEXTS}
        company |= {field: reader.whole(field) for field in _WHOLE}
        company |= {field: reader.amount(field) for field in _AMOUNTS}
        company |= {field: reader.texts(field) for field in _SEVERAL}
        company["domain"] = reader.domain("domain")
        company["contacts"] = tuple(
            Contact(**{field: person.text(field) for field in Contact.model_fields})
            for person in reader.sections("contacts")
        )
        reader.check()
        country = _country(company["country_code"])
        company["country_code"] = country
        company["state_code"] = _state(company["state_code"], country)
        company["reveal_id"] = company["reveal_id"] or _hash(company["name"], company["domain"], country)
        return Company(**company)

    # -- rows ----------------------------------------------------------------------------------------------------

    def _rows_from(self, query: Query, cursor: str | None, exclude: Exclusions) -> Iterator[tuple[int, Row]]:
        """New rows with their positions. The page that follows the last one goes on where that stopped."""
        if self._open and self._open[0] == (query, cursor, exclude):
            rows = self._open[1]
            self._open = None
            return rows
        if cursor is not None and not (cursor.isascii() and cursor.isdecimal()):
            raise ProviderRejected(f"{cursor!r} is not a position in the catalogue {self._file.path}")
        start = int(cursor or 0)
        columns = [c for field, c in self._columns.items() if field != "contacts" or query.contact_number]
        matching = self._file.rows(list(dict.fromkeys(columns)), self._where(query), start)
        return self._new(enumerate(matching, start), exclude)

    def _new(self, rows: Iterator[tuple[int, Row]], exclude: Exclusions) -> Iterator[tuple[int, Row]]:
        """Those of the rows that are not known, looked up so many at a time."""
        while some := list(islice(rows, _LOOKED_UP_AT_ONCE)):
            known = exclude.known([self._identity(row) for _, row in some])
            yield from (row for row, is_known in zip(some, known, strict=True) if not is_known)

    def _identity(self, row: Row) -> Identity:
        domain = bare_domain(self._text(row, "domain")) or None
        country = _country(self._text(row, "country_code"))
        return self._text(row, "reveal_id") or _hash(self._text(row, "name"), domain, country), domain

    def _text(self, row: Row, field: str) -> str:
        value = _as_text(row.get(self._columns.get(field, "")))
        return str(storable(value)).strip() if isinstance(value, str) else ""

    def _record(self, row: Row, query: Query) -> JsonObject:
        if query.contact_number:
            column = self._columns["contacts"]
            row = row | {column: select_contacts(_from_json(row[column]), query)}
        record: JsonObject = storable(row)
        return record

    # -- filter --------------------------------------------------------------------------------------------------

    def _where(self, query: Query) -> Filter | None:
        """The query as a filter over stored values: which of a column's distinct values match is decided here, once."""
        conditions = []
        if query.countries:
            conditions.append(reduce(or_, (self._in_country(code, query) for code in query.countries)))
        if query.industries:
            conditions.append(self._in_industries(set(query.industries)))
        if query.company_size_min is not None or query.company_size_max is not None:
            conditions.append(self._of_size(query.company_size_min, query.company_size_max))
        if query.contact_number:
            self._column("contacts", "contacts, so it cannot be searched for people")
        return reduce(and_, conditions) if conditions else None

    def _in_country(self, code: str, query: Query) -> Filter:
        column = self._column("country_code", "country, so it cannot be filtered by country")
        found = [stored for stored, value in self._values[column].items() if _country(_as_text(value)) == code]
        condition = self._file.is_in(column, found)
        asked = [state for state in query.states if state.startswith(f"{code}-")]
        if not asked:
            return condition
        column = self._column("state_code", "state, so it cannot be filtered by state")
        codes = {c.casefold() for s in asked for c in (s, s.split("-", 1)[1], vocabulary.crm_state_code(s))}
        found = [s for s, value in self._values[column].items() if str(_as_text(value)).strip().casefold() in codes]
        return condition & self._file.is_in(column, found)

    def _in_industries(self, wanted: set[str]) -> Filter:
        columns = [self._columns[field] for field in _INDUSTRY_FIELDS if field in self._columns]
        if not columns:
            raise ProviderRejected(
                f"The catalogue {self._file.path} has no column for {' or '.join(_INDUSTRY_FIELDS)}, "
                "so it cannot be filtered by industry"
            )
        return reduce(or_, (self._file.is_in(column, self._meaning(column, wanted)) for column in columns))

    def _meaning(self, column: str, wanted: set[str]) -> list[Any]:
        """The stored texts of a column that mean one of the wanted industries."""
        values = self._values[column].items()
        return [stored for stored, text in values if vocabulary.industries_named([str(text)]) & wanted]

    def _of_size(self, at_least: int | None, at_most: int | None) -> Filter:
        column = self._column("employees", "company size, so it cannot be filtered by size")
        found = []
        for stored, value in self._file.distinct([column])[column].items():
            employees = whole_number(value)
            if employees is not None and (at_least or 0) <= employees and (at_most is None or employees <= at_most):
                found.append(stored)
        return self._file.is_in(column, found)

    def _column(self, field: str, what: str) -> str:
        if field not in self._columns:
            raise ProviderRejected(f"The catalogue {self._file.path} has no {what} (no column is mapped to {field})")
        return self._columns[field]

    @cached_property
    def _values(self) -> dict[str, dict[Any, Any]]:
        """Distinct values of the filter columns, from one reading of the file."""
        fields = [f for f in ("country_code", "state_code", *_INDUSTRY_FIELDS) if f in self._columns]
        return self._file.distinct(list(dict.fromkeys(self._columns[field] for field in fields)))


def select_contacts(contacts: Any, query: Query) -> Any:
    """At most `contact_number` contacts: those of the preferred role, then of the other roles; or of the seniority.

    Roles and seniorities match by name and by provider's id. Without a role or seniority asked: the first contacts.
    What is no list of objects is left as it is, for `parse` to refuse.
    """
    if not isinstance(contacts, list) or not all(isinstance(contact, dict) for contact in contacts):
        return contacts
    if query.contact_filter_type == "role":
        key, ids = "role", vocabulary.roles()
        asked = list(dict.fromkeys((*filter(None, [query.preferred_role]), *query.other_roles)))
    else:
        key, ids = "seniority", vocabulary.seniorities()
        asked = [query.seniority] if query.seniority else []
    if asked:
        by_name = [{name.casefold(), ids.get(name, name).casefold()} for name in asked]
        contacts = [c for names in by_name for c in contacts if str(c.get(key) or "").strip().casefold() in names]
    return contacts[: query.contact_number]


def _mapping(file: CatalogueFile, columns: Mapping[str, str]) -> dict[str, str]:
    fields = set(Company.model_fields)
    existing = file.columns
    mapping = dict(columns) or {column: column for column in existing if column in fields}
    if unknown := sorted(set(mapping) - fields):
        raise CatalogueError(f"{file.path}: {', '.join(unknown)}: no such field; there are {', '.join(sorted(fields))}")
    if missing := sorted(f"{column} (for {field})" for field, column in mapping.items() if column not in existing):
        raise CatalogueError(f"{file.path} has no column {', '.join(missing)}; it has {', '.join(existing)}")
    if "name" not in mapping and "domain" not in mapping:
        raise CatalogueError(f"{file.path}: no column is mapped to name or domain; it has {', '.join(existing)}")
    return mapping


def _as_text(value: Any) -> Any:
    """Codes and numbers that a file stores as numbers: 94107 and 94107.0 are `94107`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _HUGE:
        return value
    return str(int(value)) if value == int(value) else value


def _as_list(value: Any) -> Any:
    parsed = _from_json(value)
    if isinstance(parsed, str):
        return parsed.split(";")
    return [_as_text(item) for item in parsed] if isinstance(parsed, list) else _as_text(parsed)


def _from_json(value: Any) -> Any:
    """A list that stands as JSON text in the file; anything else as it is."""
    if not isinstance(value, str) or not value.strip().startswith("["):
        return value
    try:
        return plain(storable(json.loads(value)))
    except (ValueError, RecursionError):
        return value


def _country(text: object) -> str | None:
    """The ISO code; a name that is none stays as it is, for the quality checks to show."""
    if not isinstance(text, str) or not text.strip():
        return None
    return country_code(text) or text.strip()


def _state(code: str | None, country: str | None) -> str | None:
    """`US-CA` as the CRM knows it: `CA`."""
    if code and country and code.upper().startswith(f"{country}-"):
        return vocabulary.crm_state_code(code.upper())
    return code


def _hash(name: str | None, domain: str | None, country: str | None) -> str | None:
    if not name and not domain:
        return None
    return str(uuid5(_HASH_NAMESPACE, "\x1f".join((part or "").strip().casefold() for part in (name, domain, country))))
