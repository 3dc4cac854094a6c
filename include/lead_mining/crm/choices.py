"""What the form of a mining request offers from the CRM: its teams, tags and users, as a request names them."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import Connection

_MOST = 300


@dataclass(frozen=True)
class Choices:
    """The first 300 of each. `logins`: of the active internal users; they may be people's addresses."""

    teams: tuple[str, ...]
    tags: tuple[str, ...]
    logins: tuple[str, ...]


def find_choices(conn: Connection) -> Choices:
    """Teams in Odoo's order, tags and logins by name."""
    name = "coalesce(name->>'en_US', (SELECT min(value) FROM jsonb_each_text(name)))"
    teams = conn.execute(f"SELECT {name} FROM crm_team WHERE active ORDER BY sequence, id LIMIT %s", [_MOST])
    tags = conn.execute(f"SELECT {name} AS tag FROM crm_tag ORDER BY tag LIMIT %s", [_MOST])
    logins = conn.execute(
        "SELECT login FROM res_users WHERE active AND NOT coalesce(share, false) ORDER BY login LIMIT %s", [_MOST]
    )
    return Choices(*(tuple(row[0] for row in rows) for rows in (teams, tags, logins)))
