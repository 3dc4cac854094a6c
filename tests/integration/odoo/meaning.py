"""What one side wrote, with all that depends on the database or the moment replaced by what it means.

An id is the name of what it points to; a row of the run itself has a name too ("note of lead 3"), by which the rows of
both sides are paired.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any

from database_diff import Row

from .schema import Names, Schema
from .times import Times

REQUEST, LEAD, MESSAGE = "crm_iap_lead_mining_request", "crm_lead", "mail_message"

NAMED_BY = {
    "bus_bus": ("channel",),
    "iap_account": ("service_name",),
    "ir_cron_trigger": ("cron_id",),
    "mail_followers": ("res_id", "partner_id"),
    "mail_mail": ("mail_message_id",),
    "mail_notification": ("mail_message_id", "res_partner_id"),
}
"""Columns that say which row it is. A relation's rows are all that they hold."""

NOTE = "note"
MESSAGE_KINDS = {"Note": NOTE, "crm.lead: Opportunity Created": "creation message"}

_MESSAGE_ID = re.compile(r"<\d{15}\.\d{10}\.\d{15}-openerp-(message-notify|(\d+)-crm\.lead)@[^@<>\s]+>")
_NUMBER = re.compile(r"LMR\d{3,}")
_LEAD_IN_TEXT = re.compile(r"\bcrm\.lead-(\d+)")


class Side:
    """`written`: the inserted rows by table. `places`: crm_lead.id to the company's place in the answer, from 1."""

    def __init__(
        self,
        written: Mapping[str, list[Row]],
        places: Mapping[int, int],
        schema: Schema,
        names: Names,
        times: Times,
    ) -> None:
        self.written, self.places, self.schema, self.names, self.times = written, places, schema, names, times
        self._own = {(table, row["id"]): row for table, rows in written.items() for row in rows if "id" in row}

    def rows(self, table: str) -> dict[str, Row]:
        """Name to meaning, in the order of ids where there are any."""
        found: dict[str, Row] = {}
        seen: Counter[str] = Counter()
        rows = self.written.get(table, [])
        for row in sorted(rows, key=lambda row: row["id"]) if has_ids(rows) else rows:
            meaning = self._meaning(table, row)
            name = self._name(table, row, meaning)
            seen[name] += 1
            found[name if seen[name] == 1 else f"{name} #{seen[name]}"] = meaning
        return found

    def _meaning(self, table: str, row: Row) -> Row:
        """All columns but the id: the order of ids is compared instead. An enrichment note keeps its markup."""
        meaning = {column: self._value(table, column, value) for column, value in row.items() if column != "id"}
        if table == MESSAGE and _kind(row, meaning) != NOTE:
            meaning["body"] = text_of(row["body"])
        return meaning

    def _value(self, table: str, column: str, value: Any) -> Any:
        if value is None:
            return None
        if target := self.schema.references.get((table, column)):
            return self._pointed_to(table, column, target, value)
        if (table, column) in self.schema.times:
            return self.times.meaning(value if isinstance(value, datetime) else datetime.fromisoformat(value))
        if isinstance(value, Decimal):
            return float(value)
        if isinstance(value, str):
            return self._text(table, column, value)
        return value

    def _pointed_to(self, table: str, column: str, target: str, id_: int) -> str:
        if row := self._own.get((target, id_)):
            return self._name(target, row, None)
        if target not in self.names:
            return f"{target} {id_}, which was not written here"
        try:
            return self.names[target][id_]
        except KeyError:
            raise LookupError(f"{table}.{column} = {id_}: no such row of {target} is known by a name") from None

    def _name(self, table: str, row: Row, meaning: Row | None) -> str:
        if table == REQUEST:
            return "the request"
        if table == LEAD:
            return f"lead {self.places.get(row['id'], '?')}"
        meaning = meaning or self._meaning(table, row)
        if table == MESSAGE:
            return f"{_kind(row, meaning)} of {meaning['res_id']}"
        columns = NAMED_BY.get(table) or (("id",) if "id" in row else sorted(meaning))
        return ", ".join(str(meaning.get(column, "row")) for column in columns)

    def _text(self, table: str, column: str, value: str) -> str:
        if column in ("message_id", "references"):
            return _MESSAGE_ID.sub(lambda m: f"<Message-Id, {self._lead(m[2]) if m[2] else m[1]}>", value)
        if (table, column) == (REQUEST, "name"):
            return _NUMBER.sub("LMR and a number", value)
        if column == "headers":
            return _LEAD_IN_TEXT.sub(lambda m: f"crm.lead-{self._lead(m[1])}", value)
        if column == "body_html":
            return text_of(value)
        return value

    def _lead(self, id_: str) -> str:
        return f"lead {self.places.get(int(id_), '?')}"


def _kind(row: Row, meaning: Row) -> str:
    if row["message_type"] == "user_notification":
        return "assignment"
    return MESSAGE_KINDS.get(meaning["subtype_id"], meaning["subtype_id"])


def has_ids(rows: list[Row]) -> bool:
    return bool(rows) and "id" in rows[0]


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag in ("br", "p", "div", "tr", "td", "th", "li"):
            self.text += " "

    def handle_data(self, data: str) -> None:
        self.text += data


def text_of(html: str) -> str:
    """What a reader sees, with white space as a browser shows it."""
    parser = _Text()
    parser.feed(html)
    parser.close()
    return " ".join(parser.text.split())
