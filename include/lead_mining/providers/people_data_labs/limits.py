"""For how long People Data Labs wants no call, by its headers: docs.peopledatalabs.com/docs/usage-limits."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from lead_mining.providers.transport import retry_after_of

_LONGEST_WAIT = 24 * 3600.0
_LONGEST_HEADER = 200  # of one that is read as Python


def wait_of(status: int, headers: Mapping[str, str]) -> float | None:
    """Seconds until the limit begins anew, where no call is left in it. Their `Date` is the clock, where it is told."""
    if status != HTTPStatus.TOO_MANY_REQUESTS and _calls_left(headers.get("x-ratelimit-remaining", "")) != 0:
        return None
    reset, now = _moment(headers.get("x-ratelimit-reset", "")), _moment(headers.get("date", "")) or datetime.now(UTC)
    if reset is None:
        return retry_after_of(status, headers)
    return min(max((reset - now + timedelta(seconds=1)).total_seconds(), 1.0), _LONGEST_WAIT)


def _calls_left(header: str) -> object:
    """The `minute` of `{'minute': 9, 'day': None}`, which is no JSON; None for all else."""
    with suppress(ValueError, SyntaxError, MemoryError, RecursionError):
        read = ast.literal_eval(header) if len(header) <= _LONGEST_HEADER else None
        return read.get("minute") if isinstance(read, dict) else None
    return None


def _moment(text: str) -> datetime | None:
    """A time as seconds since 1970, in ISO 8601 or as HTTP writes it; without a zone it is UTC."""
    with suppress(ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(float(text), UTC) if math.isfinite(float(text)) else None
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        with suppress(ValueError):
            moment = read(text)
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None
