"""A query in People Data Labs' words: Elasticsearch as far as its search takes it, text in lower case."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lead_mining.providers.base import Identity, JsonObject, Query
from lead_mining.providers.mapping import Words
from lead_mining.providers.places import state_names

WORDS = Words.of("people_data_labs")


def companies(query: Query, known: Sequence[Identity]) -> JsonObject:
    """Companies that fit, but for the known ones."""
    must: list[JsonObject] = [_places(query)]
    if query.industries:
        must.append({"terms": {"industry": [w for name in query.industries for w in WORDS.theirs("industry", name)]}})
    size = {"gte": query.company_size_min, "lte": query.company_size_max}
    if limits := {name: limit for name, limit in size.items() if limit is not None}:
        must.append({"range": {"employee_count": limits}})
    listed = {
        "id": sorted({reveal_id for reveal_id, _ in known if reveal_id}),
        "website": sorted({domain for _, domain in known if domain}),
    }
    return _bool(must, [{"terms": {field: values}} for field, values in listed.items() if values])


def people(query: Query, company: JsonObject, steps: Sequence[Sequence[str]]) -> JsonObject:
    """People of one company (a `term`) with a role or seniority of the last step, and none of those before."""
    *before, now = (_words(query, names) for names in steps)
    return _bool([company, *([_either(now)] if now else [])], [clause for clauses in before for clause in clauses])


def nothing() -> JsonObject:
    """What no company fits: an answer to it costs nothing."""
    return _bool([{"term": {"id": "none"}}], [])


def _places(query: Query) -> JsonObject:
    """The countries; one of which states are asked for, in these alone."""
    by_country = {code: [s for s in query.states if s.startswith(f"{code}-")] for code in query.countries}
    narrowed = [_bool([_countries([code]), _regions(asked)], []) for code, asked in by_country.items() if asked]
    if whole := [code for code, asked in by_country.items() if not asked]:
        narrowed.append(_countries(whole))
    return _either(narrowed)


def _countries(codes: Iterable[str]) -> JsonObject:
    return {"terms": {"location.country": [name for code in codes for name in WORDS.theirs("country", code)]}}


def _regions(states: Iterable[str]) -> JsonObject:
    return {"terms": {"location.region": [name.lower() for state in states for name in state_names(state)]}}


def _words(query: Query, names: Sequence[str]) -> list[JsonObject]:
    """What means these roles or seniorities, a clause a field. The table has a field's name before each word."""
    by_field: dict[str, list[str]] = {}
    for name in names:
        for word in WORDS.theirs(query.contact_filter_type, name):
            field, value = word.split(":", 1)
            by_field.setdefault(field, []).append(value)
    return [{"terms": {field: list(dict.fromkeys(values))}} for field, values in by_field.items()]


def _either(clauses: Sequence[JsonObject]) -> JsonObject:
    return clauses[0] if len(clauses) == 1 else {"bool": {"should": list(clauses)}}


def _bool(must: Sequence[JsonObject], must_not: Sequence[JsonObject]) -> JsonObject:
    return {"bool": {"filter": list(must)} | ({"must_not": list(must_not)} if must_not else {})}
