"""Suppression lists as CSV: what a CRM, a mailing tool or a lawyer hands over."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from io import StringIO
from pathlib import Path

from lead_mining.exceptions import FieldProblem, InvalidRequest
from lead_mining.foreign_errors import told
from lead_mining.input_files import read_bytes
from lead_mining.privacy.suppression import Entry

_MOST_LINES = 100_000
_MOST_BYTES = 50_000_000
_MOST_NAMED = 20
_COLUMNS = {"kind", "value", "reason"}


def asked_for(
    file: str | None, domains: Iterable[str] | None, countries: Iterable[str] | None, reason: str
) -> list[Entry]:
    """The entries of a CSV file, domains and countries. Raises InvalidRequest: there are none, or some are wrong."""
    given: list[tuple[str, str]] = [("domain", each) for each in domains or ()]
    given += [("country", each) for each in countries or ()]
    entries = [Entry.of(kind, value, reason, "form") for kind, value in given]
    if file is not None:
        try:
            content = read_bytes(file, _MOST_BYTES)
        except OSError as error:
            why = f"the worker cannot read it ({error.strerror}): is it there, and may the worker's user read it?"
            raise InvalidRequest([FieldProblem("entries_file", file, why)]) from None
        try:
            entries += read_csv(content.decode("utf-8"), f"file {Path(file).name}"[:200], reason)
        except UnicodeDecodeError:
            raise InvalidRequest([FieldProblem("entries_file", file, "its text is UTF-8")]) from None
    if not entries:
        raise InvalidRequest([FieldProblem("entries_file", None, "give domains, countries or a file")])
    return entries


def read_csv(text: str, source: str, reason: str) -> list[Entry]:
    """Entries of a text with the columns kind, value and, if it has one, reason; `,` or `;` between.

    `reason`: of lines without one. Raises InvalidRequest, which names each wrong line (20 at most), and repeats nothing
    that may be somebody's data.
    """
    lines = text.removeprefix("\ufeff").replace("\x00", " ").splitlines()
    if len(lines) > _MOST_LINES + 1:
        why = f"at most {_MOST_LINES:,} lines are read at once: split the file"
        raise InvalidRequest([FieldProblem("entries", f"{len(lines):,} lines", why)])
    header = lines[0].lower() if lines else ""
    reader = csv.DictReader(StringIO("\n".join([header, *lines[1:]])), delimiter=";" if ";" in header else ",")
    columns = {(name or "").strip() for name in reader.fieldnames or ()}
    if not {"kind", "value"} <= columns <= _COLUMNS:
        why = "the first line names the columns: kind,value or kind,value,reason"
        raise InvalidRequest([FieldProblem("entries", header[:50] if columns & _COLUMNS else "(no header)", why)])
    reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
    problems: list[FieldProblem] = []
    entries = list(_entries(reader, source, reason, problems))
    if not entries and not problems:
        problems = [FieldProblem("entries", "nothing but a header", "give at least one line")]
    if problems:
        more = len(problems) - _MOST_NAMED
        if more > 0:
            problems = [*problems[:_MOST_NAMED], FieldProblem("entries", f"{more} more lines", "they are wrong too")]
        raise InvalidRequest(problems)
    return entries


def _entries(reader: csv.DictReader[str], source: str, reason: str, problems: list[FieldProblem]) -> Iterator[Entry]:
    try:
        for row in reader:
            try:
                if None in row:
                    raise InvalidRequest([FieldProblem("line", "(not shown)", "it has more fields than the header")])
                kind, value = (row["kind"] or "").strip().lower(), row["value"] or ""
                yield Entry.of(kind, value, (row.get("reason") or "").strip()[:200] or reason, source)
            except InvalidRequest as error:
                problems += [
                    FieldProblem(f"line {reader.line_num}, {each.field}", each.value, each.allowed)
                    for each in error.problems
                ]
    except csv.Error as error:
        problems.append(FieldProblem(f"line {reader.line_num}", "(not shown)", f"it is no CSV: {told(error)}"))
