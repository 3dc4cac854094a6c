"""Connections to providers with an API key: what is made of them, and what is refused before anything is asked."""

from __future__ import annotations

from typing import Any

import pytest

from lead_mining.exceptions import InvalidRequest, ProviderRejected
from lead_mining.providers.base import Rate
from lead_mining.providers.connections import apollo, odoo_iap, people_data_labs
from lead_mining.providers.connections.base import ConnectionValues, ProviderType

KEY = "s3cret-api-key-of-ours"
TYPES = [people_data_labs.PROVIDER, apollo.PROVIDER]
BUCKETS = {id(people_data_labs.PROVIDER): "search", id(apollo.PROVIDER): "enrich"}
each_type = pytest.mark.parametrize("provider_type", TYPES, ids=["people_data_labs", "apollo"])


def connection(**values: Any) -> ConnectionValues:
    return ConnectionValues("my_account", **{"password": KEY, **values})


@each_type
def test_a_key_is_enough(provider_type: ProviderType) -> None:
    provider = provider_type.make(connection())
    assert KEY not in repr(provider)
    assert all(rate.calls > 0 for rates in provider.rates.values() for rate in rates)


@pytest.mark.parametrize(
    ("provider_type", "uri"),
    [
        (people_data_labs.PROVIDER, "people-data-labs://api.peopledatalabs.com/search"),
        (apollo.PROVIDER, "apollo://api.apollo.io/mixed_companies"),
    ],
)
def test_what_is_read_is_named_without_a_secret(provider_type: ProviderType, uri: str) -> None:
    assert provider_type.asset(connection()) == uri
    own = provider_type.asset(connection(host="http://user:pass@localhost", port=8000))
    assert "user" not in own and "pass" not in own and "localhost" in own


@each_type
@pytest.mark.parametrize("password", [None, "", "  ", "schlüssel", "key\nX-Other: 1"])
def test_a_key_must_be_one(provider_type: ProviderType, password: str | None) -> None:
    with pytest.raises(InvalidRequest, match="my_account") as caught:
        provider_type.make(connection(password=password))
    assert "key\n" not in str(caught.value)


@each_type
def test_the_address_must_be_one(provider_type: ProviderType) -> None:
    with pytest.raises(ProviderRejected, match="base URL"):
        provider_type.make(connection(host="ftp://a.test"))


@each_type
@pytest.mark.parametrize("as_text", [False, True])
def test_the_limits_of_an_account_replace_the_usual_ones(provider_type: ProviderType, as_text: bool) -> None:
    bucket = BUCKETS[id(provider_type)]
    rates: Any = f'{{"{bucket}": [[7, 1.5], [70, 60]]}}' if as_text else {bucket: [[7, 1.5], [70, 60]]}
    usual = provider_type.make(connection()).rates
    made = provider_type.make(connection(extra={"rates": rates})).rates
    assert made == {**usual, bucket: (Rate(7, 1.5), Rate(70, 60.0))}
    assert provider_type.make(connection(extra={"rates": ""})).rates == usual


@each_type
@pytest.mark.parametrize(
    "rates",
    ["{", "7", [[1, 2]], {"unheard_of": [[1, 2]]}, "none", "empty", "zero", "part", "text", "long", "inverse", "bool"],
    ids=str,
)
def test_limits_that_are_none_are_refused(provider_type: ProviderType, rates: Any) -> None:
    bad = {
        "none": None,
        "empty": [],
        "zero": [[0, 60]],
        "part": [[1.5, 60]],
        "text": [["a", 60]],
        "long": [[1, 2, 3]],
        "inverse": [[1, -60]],
        "bool": [[True, 60]],
    }
    value = {BUCKETS[id(provider_type)]: bad[rates]} if isinstance(rates, str) and rates in bad else rates
    with pytest.raises(InvalidRequest, match=r"extra\.rates"):
        provider_type.make(connection(extra={"rates": value}))


def test_companies_a_call() -> None:
    make = people_data_labs.PROVIDER.make
    assert make(connection()).page_size == 50
    assert make(connection(extra={"page_size": "20"})).page_size == 20
    assert make(connection(extra={"page_size": 100})).page_size == 100
    for size in (0, 101, "many", 2.5, True):
        with pytest.raises(InvalidRequest, match=r"extra\.page_size"):
            make(connection(extra={"page_size": size}))


@pytest.mark.parametrize("contract", [17, 19])
def test_limits_may_be_given_where_none_are_usual(contract: int) -> None:
    extra = {"dbuuid": "of-a-database", "contract": contract}
    found = odoo_iap.PROVIDER.make(connection(host="https://iap.test", extra=extra | {"rates": {"search": [[10, 60]]}}))
    assert found.rates == {"search": (Rate(10, 60.0),), "balance": ()}
    assert not any(odoo_iap.PROVIDER.make(connection(host="https://iap.test", extra=extra)).rates.values())
    with pytest.raises(InvalidRequest, match="search or balance"):
        odoo_iap.PROVIDER.make(connection(host="https://iap.test", extra=extra | {"rates": {"enrich": [[1, 1]]}}))
