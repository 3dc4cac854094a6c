"""The part of Elasticsearch's query language that People Data Labs' callers need, over documents in memory."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from provider_simulator.errors import UserError
from provider_simulator.search import is_text

Document = dict[str, Any]
Matches = Callable[[Document], bool]

_DEEPEST = 10
_BOUNDS: dict[str, Callable[[Any, Any], bool]] = {
    "gte": lambda value, bound: value >= bound,
    "gt": lambda value, bound: value > bound,
    "lte": lambda value, bound: value <= bound,
    "lt": lambda value, bound: value < bound,
}


def compile_query(query: Any, fields: Collection[str], depth: int = 0) -> Matches:
    """Whether a document matches. Raises ``UserError`` for what it does not know, a field outside ``fields`` too."""
    if depth > _DEEPEST:
        raise UserError(f"query: nested deeper than {_DEEPEST}")
    kind, body = _only_pair(query, "query")
    match kind:
        case "match_all":
            return lambda document: True
        case "bool":
            return _bool(body, fields, depth)
        case "term" | "terms":
            return _terms(kind, body, fields)
        case "range":
            return _range(body, fields)
        case "match" | "match_phrase":
            return _match(kind, body, fields)
        case "exists":
            field = _known(body.get("field") if isinstance(body, dict) else None, fields)
            return lambda document: document[field] not in (None, "", [])
    raise UserError(f"query: {kind!r} is not supported")


def _bool(body: Any, fields: Collection[str], depth: int) -> Matches:
    if not isinstance(body, dict) or not body.keys() <= {"filter", "must", "must_not", "should"}:
        raise UserError("bool: filter, must, must_not and should are supported")

    def clauses(*kinds: str) -> list[Matches]:
        found: list[Matches] = []
        for kind in kinds:
            inner = body.get(kind, [])
            found += [compile_query(one, fields, depth + 1) for one in (inner if isinstance(inner, list) else [inner])]
        return found

    needed, refused, one_of = clauses("filter", "must"), clauses("must_not"), clauses("should")
    optional = bool(needed) or not one_of

    def matches(document: Document) -> bool:
        return (
            all(one(document) for one in needed)
            and not any(one(document) for one in refused)
            and (optional or any(one(document) for one in one_of))
        )

    return matches


def _terms(kind: str, body: Any, fields: Collection[str]) -> Matches:
    name, wanted = _only_pair(body, kind)
    field = _known(name, fields)
    if kind == "term":
        wanted = [wanted.get("value") if isinstance(wanted, dict) else wanted]
    if not isinstance(wanted, list) or not all(is_text(one) or isinstance(one, int) for one in wanted):
        raise UserError(f"{kind} {field}: texts or numbers are needed")
    values = frozenset(wanted)

    def matches(document: Document) -> bool:
        value = document[field]
        return not values.isdisjoint(value) if isinstance(value, list) else value in values

    return matches


def _range(body: Any, fields: Collection[str]) -> Matches:
    name, bounds = _only_pair(body, "range")
    field = _known(name, fields)
    if not isinstance(bounds, dict) or not bounds or not bounds.keys() <= _BOUNDS.keys():
        raise UserError(f"range {field}: {', '.join(_BOUNDS)} are supported")
    if not all(isinstance(bound, int | float) and not isinstance(bound, bool) for bound in bounds.values()):
        raise UserError(f"range {field}: numbers are needed")

    def matches(document: Document) -> bool:
        value = document[field]
        return isinstance(value, int) and all(_BOUNDS[name](value, bound) for name, bound in bounds.items())

    return matches


def _match(kind: str, body: Any, fields: Collection[str]) -> Matches:
    """``match``: any of the words; ``match_phrase``: all of them, one after another."""
    name, text = _only_pair(body, kind)
    field = _known(name, fields)
    if isinstance(text, dict):
        text = text.get("query")
    if not is_text(text) or not text.split():
        raise UserError(f"{kind} {field}: a text is needed")
    words = text.casefold().split()

    def matches(document: Document) -> bool:
        said = str(document[field] or "").casefold().split()
        if kind == "match":
            return not set(words).isdisjoint(said)
        return any(said[start : start + len(words)] == words for start in range(len(said)))

    return matches


def _only_pair(value: Any, where: str) -> tuple[str, Any]:
    if not isinstance(value, dict) or len(value) != 1:
        raise UserError(f"{where}: an object with one key is needed, got {repr(value)[:60]}")
    return next(iter(value.items()))


def _known(field: Any, fields: Collection[str]) -> str:
    if not isinstance(field, str) or field not in fields:
        raise UserError(f"query: there is no field {repr(field)[:60]}")
    return field
