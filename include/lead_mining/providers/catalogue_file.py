"""A Parquet or CSV file read as a stream of rows: only the columns and rows that are asked for, never the whole file.

Columns and filter are pushed down: other columns are not read, nor Parquet row groups that cannot match. Batches are
read one by one, in the order of the file; pyarrow.dataset's own scan reads ahead without bound where the reader is slow
(measured: all of a 350 MB CSV file), so only its pruning of row groups is used.
"""

from __future__ import annotations

import csv
import gzip
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from lead_mining.exceptions import CatalogueError
from lead_mining.foreign_errors import told
from lead_mining.plain import logger

log = logger(__name__)

_BATCH_ROWS = 8192
_MOST_WARNINGS = 20  # of one file
_BLOCK_BYTES = 2 * 2**20  # a row of a CSV file must fit; Arrow reads 33 blocks ahead of who is slow

Row = dict[str, Any]


@dataclass(frozen=True)
class Filter:
    """A pyarrow.compute.Expression and the columns it looks at; `&` and `|` combine filters."""

    expression: Any
    columns: frozenset[str]

    def __and__(self, other: Filter) -> Filter:
        return Filter(self.expression & other.expression, self.columns | other.columns)

    def __or__(self, other: Filter) -> Filter:
        return Filter(self.expression | other.expression, self.columns | other.columns)


class CatalogueFile:
    """Rows of a local .parquet, .csv or .csv.gz file, with plain JSON values. CSV values are always text.

    Raises CatalogueError, naming the file, wherever the file turns out to be absent or unreadable.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._skipped: set[int] = set()
        self._is_csv = path.lower().endswith((".csv", ".csv.gz"))
        if "://" in path:
            raise CatalogueError(f"{path}: a catalogue must be a local file, as every worker sees it")
        if not self._is_csv and not path.lower().endswith((".parquet", ".pq")):
            raise CatalogueError(f"{path}: a catalogue must be a .parquet, .csv or .csv.gz file")
        if not Path(path).is_file():
            raise CatalogueError(f"{path}: there is no such file, or this worker cannot see it")

    @property
    def columns(self) -> list[str]:
        return list(self._schema.names)

    def count(self, where: Filter | None = None) -> int:
        """How many rows there are that match."""
        columns = sorted(where.columns) if where else self.columns[:1]
        with self._errors():
            return sum(batch.num_rows for batch in self._batches(columns, where))

    def rows(self, columns: Sequence[str], where: Filter | None = None, start: int = 0) -> Iterator[Row]:
        """The matching rows in the order of the file, leaving out the first `start` of them."""
        with self._errors():
            for batch in self._batches(columns, where):
                if start >= batch.num_rows:
                    start -= batch.num_rows
                    continue
                for row in batch.slice(start).to_pylist():
                    yield {column: plain(value) for column, value in row.items()}
                start = 0

    def distinct(self, columns: Sequence[str]) -> dict[str, dict[Any, Any]]:
        """Per column its distinct values but null: the value as stored, for `is_in`, to the plain value."""
        import pyarrow.compute as pc

        found: dict[str, dict[Any, Any]] = {column: {} for column in columns}
        with self._errors():
            for batch in self._batches(columns, None):
                for column in columns:
                    for value in pc.unique(batch[column]).to_pylist():
                        if value is not None:
                            found[column][value] = plain(value)
        return found

    def is_in(self, column: str, stored: Iterable[Any]) -> Filter:
        """A filter: the column holds one of the values, as `distinct` gave them."""
        import pyarrow as pa
        import pyarrow.compute as pc

        with self._errors():
            kind = self._schema.field(column).type
            if pa.types.is_dictionary(kind):
                kind = kind.value_type
            return Filter(pc.field(column).isin(pa.array(list(stored), type=kind)), frozenset({column}))

    @cached_property
    def _schema(self) -> Any:
        import pyarrow.parquet as pq

        with self._errors():
            return self._open_csv(None).schema if self._is_csv else pq.read_schema(self.path)

    def _batches(self, columns: Sequence[str], where: Filter | None) -> Iterator[Any]:
        """Tables of `columns`, matching rows only, in the order of the file; some may be empty."""
        import pyarrow as pa

        needed = sorted({*columns, *(where.columns if where else ())})
        for batch in self._open_csv(needed) if self._is_csv else self._parquet_batches(needed, where):
            table = pa.Table.from_batches([batch])
            yield (table.filter(where.expression) if where else table).select(list(columns))

    def _parquet_batches(self, columns: list[str], where: Filter | None) -> Iterator[Any]:
        import pyarrow.dataset as ds
        import pyarrow.parquet as pq

        groups = None
        if where:
            (fragment,) = ds.dataset(self.path, format="parquet").get_fragments()
            pieces = fragment.split_by_row_group(where.expression)
            groups = [group.id for piece in pieces for group in piece.row_groups]
        with pq.ParquetFile(self.path, pre_buffer=False, buffer_size=_BLOCK_BYTES) as file:
            yield from file.iter_batches(_BATCH_ROWS, row_groups=groups, columns=columns)

    def _open_csv(self, columns: list[str] | None) -> Any:
        """Every column as bytes: a value of a wrong type or encoding is its row's problem, not the file's."""
        import pyarrow as pa
        import pyarrow.csv as pcsv

        opened = gzip.open if self.path.lower().endswith(".gz") else open
        with opened(self.path, mode="rt", encoding="utf-8-sig", errors="replace", newline="") as file:
            header = next(csv.reader(iter(partial(file.readline, _BLOCK_BYTES), "")), [])
        return pcsv.open_csv(
            self.path,
            read_options=pcsv.ReadOptions(block_size=_BLOCK_BYTES, use_threads=False),
            parse_options=pcsv.ParseOptions(newlines_in_values=True, invalid_row_handler=self._skip),
            convert_options=pcsv.ConvertOptions(
                column_types={name: pa.binary() for name in header}, include_columns=columns
            ),
        )

    def _skip(self, row: Any) -> str:
        if row.number in self._skipped or len(self._skipped) >= _MOST_WARNINGS:
            return "skip"
        self._skipped.add(row.number)
        log.warning(
            "%s: row %s has %s values instead of %s and is left out",
            self.path,
            row.number,
            row.actual_columns,
            row.expected_columns,
        )
        return "skip"

    @contextmanager
    def _errors(self) -> Iterator[None]:
        import pyarrow as pa

        try:
            yield
        except (pa.ArrowException, OSError, EOFError, UnicodeError, csv.Error) as error:
            raise CatalogueError(f"{self.path} cannot be read: {told(error)}") from None


def plain(value: Any) -> Any:
    """A value of the file as JSON has it. NaN is how pandas writes "missing"."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return str(value)
