"""What an error that is not ours may say in a log or a table: its kind and the position, never what stood there.

Texts of other libraries repeat what they could not read, and that may be a person's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from traceback import walk_tb

from lead_mining.exceptions import LeadMiningError

_POSITION = re.compile(r"\b(?:row|line|column|block|byte|position)s? ?#?(?:=|: )? ?[0-9]{1,12}", re.IGNORECASE)
_MOST_POSITIONS = 3
_PLACES = ("table", "column", "constraint")


def told(error: BaseException) -> str:
    """The kind of an error, and the position where it tells one: `ArrowInvalid, row 17`. Our own say all they do."""
    kind = type(error).__name__
    if isinstance(error, LeadMiningError):
        return f"{kind}: {error}"
    if isinstance(error, json.JSONDecodeError):
        return f"{kind}, line {error.lineno} column {error.colno}"
    if isinstance(error, UnicodeError):
        start = getattr(error, "start", None)
        return kind if start is None else f"{kind}, byte {start}"
    if diagnosis := getattr(error, "diag", None):  # psycopg's: its details and contexts repeat values
        places = (f"{what} {name}" for what in _PLACES if (name := getattr(diagnosis, f"{what}_name", None)))
        return ", ".join([kind, *places])
    if refused := getattr(error, "recipients", None):  # smtplib's: address to code and words
        return ", ".join([kind, *sorted({str(code) for code, _ in refused.values()})])
    if code := getattr(error, "smtp_code", None):
        return f"{kind}, {code}"
    if isinstance(error, OSError):
        return f"{kind}: {error.strerror}" if error.strerror and error.errno else kind
    positions: Sequence[str] = list(dict.fromkeys(found[0].lower() for found in _POSITION.finditer(str(error))))
    return ", ".join([kind, *positions[:_MOST_POSITIONS]])


def fault(error: BaseException) -> str:
    """The kind of an error and where in the code it was raised, for who mends it: `KeyError at adapter.py:42`."""
    frames = list(walk_tb(error.__traceback__))
    if not frames:
        return told(error)
    frame, line = frames[-1]
    return f"{told(error)} at {Path(frame.f_code.co_filename).name}:{line}"


def kind_of(value: object) -> str:
    """What a value of a foreign answer is, in place of the value: its type, and how much of it there is."""
    if value is None or isinstance(value, bool):
        return str(value).lower() if value is not None else "null"
    if isinstance(value, str):
        return f"a text of {len(value):,} characters"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, list | tuple):
        return f"a list of {len(value):,}"
    if isinstance(value, dict):
        return f"an object of {len(value):,} keys"
    return f"of type {type(value).__name__}"
