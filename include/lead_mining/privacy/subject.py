"""Whose data it is about: a person by an e-mail address, a company with its people, or the persons of a lead."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from io import StringIO
from typing import Literal, get_args

from lead_mining.exceptions import FieldProblem, InvalidRequest
from lead_mining.identifiers import one_mailbox, registered_domain
from lead_mining.input_files import read_bytes

SubjectKind = Literal["email", "domain", "lead"]

_MOST = 1_000  # subjects of a file
_MOST_BYTES = 1_000_000
_MOST_NAMED = 20
_NOT_SHOWN = "(not shown, as logs are kept)"
_MAX_LEAD = 2**31 - 1
_ALLOWED = {
    "email": "an e-mail address such as ann@acme.example",
    "domain": "a company's own domain such as acme.example; for a free mail provider's, give the person's address",
    "lead": f"the number of a lead in the CRM, 1 to {_MAX_LEAD}",
}


@dataclass(frozen=True)
class Subject:
    """`value` is normalised by `of`: the address without a display name in lower case, the registered domain, the
    number. Its text shows the number of a lead alone: nobody's data."""

    kind: SubjectKind
    value: str

    @classmethod
    def of(cls, kind: str, value: str) -> Subject:
        """Raises InvalidRequest, which does not repeat an address or a domain."""
        normalised = _normalised(kind, value)
        if kind not in get_args(SubjectKind) or normalised is None:
            raise InvalidRequest([_problem(kind, value)])
        return cls(kind, normalised)  # type: ignore[arg-type]

    @property
    def digest(self) -> str:
        """sha256 of the normalised value, in hex."""
        return hashlib.sha256(self.value.encode()).hexdigest()

    def __str__(self) -> str:
        return f"lead {self.value}" if self.kind == "lead" else f"{self.kind} with digest {self.digest[:12]}"

    __repr__ = __str__


def _normalised(kind: str, value: str) -> str | None:
    text = value.strip()
    if kind == "email":
        return one_mailbox(text)
    if kind == "domain":
        return registered_domain(text) if "@" not in text else None
    if kind == "lead" and text.isascii() and text.isdigit() and len(text) <= 10 and 0 < int(text) <= _MAX_LEAD:
        return str(int(text))
    return None


def _problem(kind: str, value: str, where: str = "") -> FieldProblem:
    if kind not in _ALLOWED:
        return FieldProblem(f"{where}kind", _NOT_SHOWN, f"it must be one of {', '.join(_ALLOWED)}")
    shown = value[:20] if kind == "lead" and "@" not in value else _NOT_SHOWN
    return FieldProblem(f"{where}value", shown, f"it must be {_ALLOWED[kind]}")


def asked_for(file: str | None, lead_ids: Iterable[int]) -> list[Subject]:
    """The subjects of a CSV file, and the leads. Raises InvalidRequest: nobody is named, or the file is not usable."""
    leads = [Subject.of("lead", str(lead_id)) for lead_id in lead_ids]
    if file is None:
        if not leads:
            raise InvalidRequest([FieldProblem("subjects_file", None, "name a file or leads: whom is it about?")])
        return leads
    try:
        content = read_bytes(file, _MOST_BYTES)
    except OSError as error:
        why = f"the worker cannot read it ({error.strerror}): is it there, and may the worker's user read it?"
        raise InvalidRequest([FieldProblem("subjects_file", file, why)]) from None
    if b"\x00" in content:
        raise InvalidRequest([FieldProblem("subjects_file", file, "it is a CSV, whose text is UTF-8")])
    try:
        return [*read_subjects(content.decode("utf-8")), *leads]
    except UnicodeDecodeError:
        raise InvalidRequest([FieldProblem("subjects_file", file, "its text is UTF-8")]) from None


def read_subjects(text: str) -> list[Subject]:
    """The subjects of a CSV text with the columns kind and value, each once, in order.

    Raises InvalidRequest, which names each wrong line, at most 20, and repeats none of its values.
    """
    rows = csv.reader(StringIO(text.removeprefix("\ufeff"), newline=""))
    problems: list[FieldProblem] = []
    found: dict[Subject, None] = {}
    try:
        header = [name.strip().lower() for name in next(rows, [])]
        if sorted(header) != ["kind", "value"]:
            raise InvalidRequest([FieldProblem("line 1", _NOT_SHOWN, "the columns are named in it: kind,value")])
        for row in rows:
            where = f"line {rows.line_num}, "
            if not any(cell.strip() for cell in row):
                continue
            if len(row) != 2:
                problems.append(FieldProblem(f"line {rows.line_num}", _NOT_SHOWN, "it has two cells, kind and value"))
                continue
            cells = dict(zip(header, row, strict=True))
            kind = cells["kind"].strip().lower()
            try:
                found[Subject.of(kind, cells["value"])] = None
            except InvalidRequest:
                problems.append(_problem(kind, cells["value"], where))
            if len(problems) >= _MOST_NAMED:
                break
    except csv.Error:
        problems.append(FieldProblem(f"line {rows.line_num}", _NOT_SHOWN, "it is not CSV: kind,value on each line"))
    if not problems and not found:
        problems.append(FieldProblem("file", _NOT_SHOWN, "it names nobody: a line each, below the line kind,value"))
    if len(found) > _MOST:
        problems.append(FieldProblem("file", f"{len(found)} subjects", f"it has at most {_MOST}: split it"))
    if problems:
        raise InvalidRequest(problems)
    return list(found)
