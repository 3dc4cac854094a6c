"""The query language, held against plain Python over the same documents."""

from __future__ import annotations

from typing import Any

import pytest

from provider_simulator.elasticsearch import compile_query
from provider_simulator.errors import UserError

FIELDS = ("name", "levels", "size")
DOCUMENTS: list[dict[str, Any]] = [
    {"name": "acme widgets", "levels": ["cxo", "owner"], "size": 5},
    {"name": "beta bank", "levels": [], "size": None},
    {"name": None, "levels": ["vp"], "size": 50},
]
ACME, BETA, NAMELESS = ({"term": {"size": 5}}, {"term": {"name": "beta bank"}}, {"term": {"levels": "vp"}})


def found(query: Any) -> list[int]:
    matches = compile_query(query, FIELDS)
    return [place for place, document in enumerate(DOCUMENTS) if matches(document)]


@pytest.mark.parametrize(
    ("query", "places"),
    [
        ({"match_all": {}}, [0, 1, 2]),
        ({"term": {"name": {"value": "beta bank"}}}, [1]),
        ({"terms": {"levels": ["owner", "vp"]}}, [0, 2]),
        ({"terms": {"name": []}}, []),
        ({"range": {"size": {"gte": 5, "lt": 50}}}, [0]),
        ({"range": {"size": {"gt": 5, "lte": 50}}}, [2]),
        ({"match": {"name": "BANK widgets"}}, [0, 1]),
        ({"match_phrase": {"name": "acme widgets"}}, [0]),
        ({"match_phrase": {"name": {"query": "widgets acme"}}}, []),
        ({"exists": {"field": "name"}}, [0, 1]),
        ({"exists": {"field": "levels"}}, [0, 2]),
        ({"bool": {}}, [0, 1, 2]),
        ({"bool": {"filter": ACME, "must": [{"exists": {"field": "name"}}]}}, [0]),
        ({"bool": {"must_not": [ACME, BETA]}}, [2]),
        ({"bool": {"should": [ACME, NAMELESS]}}, [0, 2]),
        ({"bool": {"should": [ACME], "filter": [{"match_all": {}}]}}, [0, 1, 2]),  # only ranks, where a filter chooses
        ({"bool": {"filter": [{"bool": {"should": [ACME, BETA]}}], "must_not": {"term": {"levels": "cxo"}}}}, [1]),
    ],
)
def test_queries(query: Any, places: list[int]) -> None:
    assert found(query) == places


@pytest.mark.parametrize(
    "query",
    [
        None,
        [],
        {},
        {"term": {"name": "a"}, "range": {}},
        {"term": {"name": "a", "size": 1}},
        {"term": {"name": 1.5}},
        {"fuzzy": {"name": "a"}},
        {"bool": []},
        {"bool": {"minimum_should_match": 1}},
        {"range": {"size": {}}},
        {"range": {"size": {"gte": True}}},
        {"match": {"name": " "}},
        {"exists": {}},
        {"exists": "name"},
    ],
)
def test_what_is_not_understood_is_refused(query: Any) -> None:
    with pytest.raises(UserError):
        compile_query(query, FIELDS)
