"""Reading one raw record field by field, collecting every problem instead of stopping at the first."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from lead_mining.exceptions import MalformedRecord
from lead_mining.providers.text import bare_domain, profile_path, shorten, storable_text

_MAX_INT4 = 2**31 - 1
_MAX_BIGINT = 2**63 - 1
_MOST_PROBLEMS = 50  # of one record; a hostile one could have millions
_WHOLE = re.compile(r"[+-]?\d{1,12}(\.0{1,6})?", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d{1,30}(\.\d{1,30})?([eE][+-]?\d{1,3})?", re.ASCII)


class RecordReader:
    """Typed access to a raw record. null, an absent key and "" all mean "not known".

    Coercions, the only ones: text is trimmed and freed of what PostgreSQL cannot store; whole numbers may come as
    `1990.0` or `"1990"`; amounts may come as text of digits. Everything else of a wrong type is a problem, and the
    value reads as None. `prefix` stands before the field's name in problems. Call `check` before using what was read.
    """

    def __init__(self, record: object, prefix: str = "") -> None:
        self._prefix = prefix
        self.problems: list[tuple[str, str, str]] = []
        self._record: Mapping[str, Any] = {}
        if isinstance(record, Mapping):
            self._record = record
        else:
            self.problem(None, record, "must be an object")

    def problem(self, key: str | None, value: object, message: str) -> None:
        if len(self.problems) >= _MOST_PROBLEMS:
            return
        name = ".".join(part for part in (self._prefix, key) if part) or "record"
        self.problems.append((name, shorten(value), message))

    def check(self) -> None:
        """Raise MalformedRecord if anything read so far was wrong."""
        if self.problems:
            raise MalformedRecord(self.problems)

    def section(self, key: str) -> RecordReader:
        """A reader of a required object in the record; it reports to this reader's problems."""
        inner = RecordReader({}, prefix=key)
        inner.problems = self.problems
        value = self._record.get(key)
        if isinstance(value, Mapping):
            inner._record = value
        else:
            self.problem(key, value, "must be an object")
        return inner

    def sections(self, key: str) -> list[RecordReader]:
        """Readers of a list of objects; they report to this reader's problems."""
        readers = []
        for index, item in enumerate(self._items(key)):
            inner = RecordReader(item, prefix=f"{key}[{index}]")
            self.problems += inner.problems
            inner.problems = self.problems
            readers.append(inner)
        return readers

    def text(self, key: str) -> str | None:
        value = self._record.get(key)
        return self._text(key, value)

    def domain(self, key: str) -> str | None:
        text = self.text(key)
        return (bare_domain(text) or None) if text else None

    def handle(self, key: str) -> str | None:
        """The path of a profile's web address: `https://www.linkedin.com/company/acme/` is `company/acme`."""
        text = self.text(key)
        return (profile_path(text) or None) if text else None

    def texts(self, *keys: str) -> tuple[str, ...]:
        """All texts under the keys, in order, without repeats; a key may hold one text or a list."""
        found: dict[str, None] = {}
        for key in keys:
            value = self._record.get(key)
            for item in value if isinstance(value, list) else [value]:
                if text := self._text(key, item):
                    found[text] = None
        return tuple(found)

    def whole(self, key: str) -> int | None:
        """A whole number that fits PostgreSQL's integer."""
        value = self._record.get(key)
        if value is None or value == "":
            return None
        number = whole_number(value)
        if number is None:
            self.problem(key, value, f"must be a whole number between {-_MAX_INT4} and {_MAX_INT4}")
        return number

    def headcount(self, key: str) -> int | None:
        """A number of people, rounded: providers give averages such as 7.5, and Odoo shows that as 8."""
        value = self._record.get(key)
        if isinstance(value, float) and abs(value) <= _MAX_INT4:
            return round(value)
        return self.whole(key)

    def amount(self, key: str) -> float | None:
        """A finite number no larger than PostgreSQL's bigint."""
        value = self._record.get(key)
        if value is None or value == "":
            return None
        if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
            value = float(value)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        # the comparison is also false for NaN; an int is compared before it becomes a float, which may overflow
        if is_number and -_MAX_BIGINT <= value <= _MAX_BIGINT:
            return float(value)
        self.problem(key, value, f"must be a number between {-_MAX_BIGINT} and {_MAX_BIGINT}")
        return None

    def _text(self, key: str, value: object) -> str | None:
        if value is None:
            return None
        if isinstance(value, str):
            return storable_text(value).strip() or None
        self.problem(key, value, "must be text")
        return None

    def _items(self, key: str) -> list[Any]:
        value = self._record.get(key)
        if value is None or value == "":
            return []
        if isinstance(value, list):
            return value
        self.problem(key, value, "must be a list")
        return []


def whole_number(value: object) -> int | None:
    """`12`, `12.0`, `"12"` and `"12.0"` as an int4; None for everything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        text = value.strip()
        value = int(text.partition(".")[0]) if _WHOLE.fullmatch(text) else None
    if isinstance(value, float):
        value = int(value) if math.isfinite(value) and value.is_integer() else None
    return value if isinstance(value, int) and -_MAX_INT4 <= value <= _MAX_INT4 else None
