"""The catalogue: what the provider has to sell. One Parquet file, one row a company."""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from provider_simulator.search import Search

Row = dict[str, Any]

# Column and Arrow type. Lists and contacts are JSON text, so that the file is flat and any reader can use it.
COLUMNS = {
    "reveal_id": "string",
    "name": "string",
    "legal_name": "string",
    "domain": "string",
    "phone": "string",  # the main one
    "phones": "string",  # JSON list, the main one first
    "email": "string",
    "emails": "string",  # JSON list, the main one first
    "description": "string",
    "company_type": "string",
    "founded_year": "int64",
    "employees": "int64",
    "annual_revenue": "int64",
    "estimated_annual_revenue": "string",
    "market_cap": "int64",
    "raised": "int64",
    "sector": "string",
    "industry_group": "string",
    "industry": "string",
    "sub_industry": "string",
    "industry_id": "string",  # the provider's id, Odoo's reveal_ids
    "odoo_industry": "string",  # the name in Odoo's industry list
    "tags": "string",  # JSON list
    "technologies": "string",  # JSON list
    "street": "string",
    "street_number": "string",
    "street_name": "string",
    "sub_premise": "string",
    "city": "string",
    "zip": "string",
    "state_code": "string",  # Odoo's code: the part of ISO 3166-2 after the dash, but for Malaysia
    "state_name": "string",
    "country_code": "string",
    "country_name": "string",
    "timezone": "string",
    "logo": "string",
    "facebook": "string",
    "linkedin": "string",
    "crunchbase": "string",
    "twitter": "string",
    "twitter_bio": "string",
    "twitter_followers": "int64",
    "twitter_location": "string",
    "website_title": "string",
    "contacts": "string",  # JSON list of {full_name, email, phone, seniority, title, role}
    "dirt": "string",  # what was spoilt, JSON list; known truth for tests, never sent
    "duplicate_of": "string",  # reveal_id of the company that this one repeats; never sent
}


def write_catalogue(path: Path, rows: list[Row]) -> None:
    """Writes the rows as Parquet; whole or not at all."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema(list(COLUMNS.items()))
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.unfinished")
    try:
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), unfinished)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


class Catalogue:
    """A catalogue in memory, as Arrow columns: a search over 6,000 companies takes milliseconds."""

    def __init__(self, table: pa.Table) -> None:
        missing = [name for name in COLUMNS if name not in table.column_names]
        if missing:
            raise ValueError(
                f"The catalogue has no column {', '.join(missing)}. "
                "Write one with: python -m provider_simulator catalogue --out FILE"
            )
        self.table = table
        self.matching = lru_cache(maxsize=256)(self._matching)

    @classmethod
    def read(cls, path: Path) -> Catalogue:
        """Reads a Parquet file. Raises ``ValueError`` when columns are missing, ``OSError`` when it cannot be read."""
        import pyarrow.parquet as pq

        # not pq.read_table: it imports pandas, which costs a third of a second at every start
        return cls(pq.ParquetFile(path).read())

    @classmethod
    def of(cls, rows: list[Row]) -> Catalogue:
        import pyarrow as pa

        return cls(pa.Table.from_pylist(rows, schema=pa.schema(list(COLUMNS.items()))))

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def rows(self, positions: list[int]) -> list[Row]:
        """The rows at these positions, in this order."""
        import pyarrow as pa

        return list(self.table.take(pa.array(positions, pa.int64())).to_pylist())

    def _matching(self, search: Search) -> list[int]:
        """Positions of the companies that match, in the order in which they are sold: shuffled, the same every time."""
        import pyarrow as pa
        import pyarrow.compute as pc

        where = []
        if search.countries:
            by_country = []
            for code, states in search.countries:
                in_country = pc.equal(self.table["country_code"], code)
                if states:
                    in_state = pc.is_in(self.table["state_code"], value_set=pa.array(states, pa.string()))
                    in_country = pc.and_(in_country, in_state)
                by_country.append(in_country)
            anywhere = by_country[0]
            for one in by_country[1:]:
                anywhere = pc.or_(anywhere, one)
            where.append(anywhere)
        if search.industry_ids:
            wanted = pa.array(search.industry_ids, pa.string())
            where.append(pc.is_in(self.table["industry_id"], value_set=wanted))
        if search.size_min is not None:
            where.append(pc.greater_equal(self.table["employees"], search.size_min))
        if search.size_max is not None:
            where.append(pc.less_equal(self.table["employees"], search.size_max))
        positions = list(range(len(self)))
        for mask in where:
            kept = pc.fill_null(mask, False).to_pylist()
            positions = [position for position in positions if kept[position]]
        seed = hashlib.sha256(search.key.encode()).hexdigest()
        Random(seed).shuffle(positions)
        return positions
