"""Odoo's lead mining service as Odoo 19 speaks to it: data of Dun & Bradstreet, companies alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from lead_mining.providers.base import Company, Exclusions, JsonObject, Misfit, Page, Query
from lead_mining.providers.mapping import Words
from lead_mining.providers.odoo_iap import OdooIap, request_data
from lead_mining.providers.reading import RecordReader

_MOST_EXCLUDED = 50_000  # known companies that a call is told of
_LONGEST_ID = 50
_DB_VERSION, _DB_LANG = "19.0", "en_US"
_WORDS = Words.of("odoo_dnb")


class OdooDnb(OdooIap):
    """Lead mining by Odoo IAP, as Odoo 19 calls it (`/api/dnb/1/search_by_criteria`).

    Each call is told which companies are known, and these are left out before they are paid for: the newest 50,000, and
    those that came on the pages before, which the cursor holds. A company costs a credit, as the documentation says;
    the answer does not tell. That industries are asked for as `sic_groups` is read from Odoo's sources, not tried.
    """

    endpoint = "/api/dnb/1/search_by_criteria"
    excludes_known = True

    def misfits(self, query: Query) -> Sequence[Misfit]:
        """Contacts, which it does not sell; and the industries that SIC counts otherwise."""
        found = _WORDS.misfits(query)
        if query.contact_number:
            why = "it sells no contacts; ask for companies, or name one after it that finds those of others' companies"
            found.append(Misfit("search_type", "people", why))
        return found

    def most(self, query: Query, limit: int, cursor: str | None) -> int:
        """A credit a company."""
        return limit

    def fetch(self, query: Query, limit: int, cursor: str | None, exclude: Exclusions) -> Page:
        """Buy up to `limit` companies that neither `exclude` nor the cursor knows."""
        if not 1 <= limit <= self.page_size:
            raise ValueError(f"limit must be between 1 and {self.page_size}, not {limit}")
        bought: list[str] = json.loads(cursor) if cursor else []
        known = (reveal_id for reveal_id, _ in exclude.listed(query.countries, _MOST_EXCLUDED))
        params = {
            "account_token": self._token,
            "db_uuid": self._dbuuid,
            "query": _criteria(query, limit),
            "db_version": _DB_VERSION,
            "db_lang": _DB_LANG,
            "country_code": query.countries[0] if query.countries else None,
            "reveal_ids": list(dict.fromkeys((*bought, *filter(None, known)))),
        }
        answer, records = self._buy(params)
        return Page(
            raw=answer,
            records=[_asked(record, query.industries) for record in records],
            charged=len(records),
            next_cursor=json.dumps(bought + _ids(records)) if len(records) >= limit else None,
        )

    def parse(self, record: JsonObject) -> Company:
        """Read one element of the answer's `data`, with the industries that were `asked` for."""
        reader = RecordReader(record)
        reader.check()
        code = reader.text("industry_code")
        revenue_is_figure = isinstance(record.get("estimated_annual_revenue"), int | float)
        values: dict[str, Any] = {field: reader.text(key) for field, key in _TEXTS.items()}
        values |= {
            "domain": reader.domain("domain"),
            "employees": reader.headcount("employees"),
            "phones": reader.texts("phone"),
            "street": ", ".join(filter(None, (reader.text("street"), reader.text("street2")))) or None,
            "tags": _labels(reader, record.get("unspsc_codes")),
            "industry": f"SIC {code}" if code else None,
            "industry_group": _industry(code, reader.texts("asked")) if code else None,
        }
        if revenue_is_figure:
            values["annual_revenue"] = reader.amount("estimated_annual_revenue")
        else:
            values["estimated_annual_revenue"] = reader.text("estimated_annual_revenue")
        reader.check()
        return Company(**values)


_TEXTS = {field: field for field in ("name", "city", "zip", "state_code", "country_code")} | {
    "reveal_id": "duns",
    "company_type": "entity_type",
}


def _criteria(query: Query, limit: int) -> JsonObject:
    """As Odoo 17 sends them, but for the industries: SIC major groups of two digits."""
    data = request_data(replace(query, contact_number=0, industries=()), limit)
    if query.industries:
        groups = {group for name in query.industries for group in _WORDS.theirs("industry", name)}
        data["sic_groups"] = sorted(groups)
    return data


def _industry(code: str, asked: Sequence[str]) -> str | None:
    """Our industry that a SIC code means. A group may mean several: then that which was asked for."""
    group = code[:2]
    meant = (name for name in asked if group in _WORDS.theirs("industry", name))
    return next(meant, None) or _WORDS.ours("industry", group)


def _asked(record: JsonObject, industries: Sequence[str]) -> JsonObject:
    return {**record, "asked": list(industries)} if isinstance(record, dict) else record


def _ids(records: Sequence[JsonObject]) -> list[str]:
    ids = (record.get("duns") for record in records if isinstance(record, dict))
    return [one for one in ids if isinstance(one, str) and 0 < len(one) <= _LONGEST_ID]


def _labels(reader: RecordReader, codes: object) -> tuple[str, ...]:
    """Of pairs of code and label."""
    if codes is None:
        return ()
    if not isinstance(codes, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in codes):
        reader.problem("unspsc_codes", codes, "must be a list of pairs of code and label")
        return ()
    labels = RecordReader({"unspsc_codes": [label for _, label in codes]})
    found = labels.texts("unspsc_codes")
    reader.problems += labels.problems
    return found
