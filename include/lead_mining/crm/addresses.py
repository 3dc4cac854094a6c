"""E-mail addresses as Odoo 17 writes them into columns: as a domain to search by, with a name."""

from __future__ import annotations

import re

from lead_mining import vocabulary

MAX_INDEXED_BYTES = 2000
"""PostgreSQL's b-tree indexes (Odoo has them on phones and e-mail domains) refuse keys above 2,704 bytes."""

_MAX_REPLY_TO = 68  # Odoo: a longer Reply-To header breaks in Python's folding


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
