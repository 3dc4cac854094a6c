"""E-mail addresses as Odoo 17 writes them into columns: normalised, as a domain to search by, with a name."""

from __future__ import annotations

import re
from email.utils import getaddresses

from lead_mining import vocabulary

MAX_INDEXED_BYTES = 2000
"""PostgreSQL's b-tree indexes (Odoo has them on phones and e-mail domains) refuse keys above 2,704 bytes."""

_MAX_REPLY_TO = 68  # Odoo: a longer Reply-To header breaks in Python's folding
_PLAIN = re.compile(r"[^\s@,;:<>()\[\]\\\"]+@[^\s@,;:<>()\[\]\\\"]+")


def normalized_email(text: str | None) -> str | None:
    """The first address in a text, lower-cased (a local part that is not ASCII keeps its case), or None.

    Texts longer than `MAX_INDEXED_BYTES` hold no address: Odoo's index on the domain could not take it.
    """
    if not text or len(text.encode()) > MAX_INDEXED_BYTES:
        return None
    address = text if _PLAIN.fullmatch(text) else _first_address(text)
    if address is None:
        return None
    local, _, domain = address.rpartition("@")
    return f"{local.lower() if local.isascii() else local}@{domain.lower()}"


def _first_address(text: str) -> str | None:
    for _, found in getaddresses([text]):
        for word in found.split():
            if "@" in word and not word.startswith("@"):
                return word
    return None


def email_domain_criterion(normalized: str | None) -> str | None:
    """By what Odoo finds similar leads: `@domain`; the whole address where many unrelated people share the domain."""
    if normalized is None:
        return None
    domain = normalized.rpartition("@")[2]
    return normalized if domain in vocabulary.free_mail_domains() else f"@{domain}"


def formatted(name: str, address: str) -> str:
    """`"Name" <address>`, the name always quoted, as Odoo does; the bare address where there is no name."""
    if not name:
        return address
    escaped = re.sub(r'([\\"])', r"\\\1", name)
    return f'"{escaped}" <{address}>'


def reply_to(company: str, record: str, address: str) -> str:
    """`"Company Record" <address>`, shortened to the record's name and then to the address where it is too long."""
    for name in (f"{company} {record}" if record else company, record or company):
        if len(text := formatted(name, address)) <= _MAX_REPLY_TO:
            return text
    return address
