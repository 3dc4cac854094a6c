"""Data Docs without a person. They should never have had one: their values are redacted before they are written."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path

from lead_mining.privacy.scrub import Needles

_TEXTS = {".html", ".json", ".txt", ".csv", ".js"}


def scrub_files(folder: Path, needles: Needles) -> int:
    """Replace addresses and names in all files below the folder; how many files were changed.

    Each file is replaced whole. Numbers are left alone: pages are full of digits.
    """
    sought = replace(needles, phones=frozenset())
    changed = 0
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in _TEXTS and path.is_file() and not path.is_symlink():
            old = path.read_bytes()
            new = sought.replaced(old.decode("utf-8", errors="surrogateescape"), names=True)
            if new.encode("utf-8", errors="surrogateescape") != old:
                _replace(path, new)
                changed += 1
    return changed


def _replace(path: Path, text: str) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        file.write(text)
    Path(temporary).chmod(path.stat().st_mode)
    Path(temporary).replace(path)
