"""The CRM's rows for the vocabulary's words: countries, states, industries, roles, seniorities."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from psycopg import Connection, sql

from lead_mining import vocabulary
from lead_mining.exceptions import FieldProblem
from lead_mining.request import MiningRequest


@dataclass(frozen=True)
class Words:
    """Ids of the CRM's rows, in the request's order."""

    country_ids: tuple[int, ...]
    state_ids: tuple[int, ...]
    industry_ids: tuple[int, ...]
    preferred_role_id: int | None
    role_ids: tuple[int, ...]
    seniority_id: int | None


def find_words(conn: Connection, request: MiningRequest, problems: list[FieldProblem]) -> Words:
    """Look up the request's words; each that the CRM has no row for is added to `problems`."""

    def found(field: str, words: Iterable[str | None], find: Callable[[str], int | None]) -> tuple[int, ...]:
        ids = {word: find(word) for word in words if word is not None}
        problems.extend(
            FieldProblem(field, word, "the CRM has no row for it: leave it out, or update the CRM's data")
            for word, id_ in ids.items()
            if id_ is None
        )
        return tuple(id_ for id_ in ids.values() if id_ is not None)

    roles, seniorities = _by_reveal_id(conn, "crm_iap_lead_role"), _by_reveal_id(conn, "crm_iap_lead_seniority")

    def role(name: str) -> int | None:
        return roles.get(vocabulary.roles()[name])

    preferred = found("preferred_role", [request.preferred_role], role)
    seniority = found("seniority", [request.seniority], lambda name: seniorities.get(vocabulary.seniorities()[name]))
    return Words(
        country_ids=found("countries", request.countries, _countries(conn).get),
        state_ids=found("states", request.states, _states(conn)),
        industry_ids=found("industries", request.industries, _industries(conn)),
        preferred_role_id=preferred[0] if preferred else None,
        role_ids=found("other_roles", request.other_roles, role),
        seniority_id=seniority[0] if seniority else None,
    )


def _countries(conn: Connection) -> dict[str, int]:
    return dict(conn.execute("SELECT code, id FROM res_country").fetchall())


def _states(conn: Connection) -> Callable[[str], int | None]:
    rows = conn.execute(
        "SELECT c.code, s.code, s.id FROM res_country_state s JOIN res_country c ON c.id = s.country_id"
    )
    ids = {(country, state): id_ for country, state, id_ in rows}
    return lambda iso: ids.get((iso.split("-")[0], vocabulary.crm_state_code(iso)))


def _industries(conn: Connection) -> Callable[[str], int | None]:
    """By the provider's ids, all of them or one, so that a renamed or translated industry is found; else by name."""
    rows = conn.execute("SELECT id, reveal_ids, coalesce(name->>'en_US', '') FROM crm_iap_lead_industry ORDER BY id")
    known = [(id_, frozenset(ids.replace(" ", "").split(",")), name.strip().casefold()) for id_, ids, name in rows]

    def find(name: str) -> int | None:
        wanted = frozenset(vocabulary.industries()[name].reveal_ids)
        matches = (
            [id_ for id_, ids, _ in known if ids == wanted]
            or [id_ for id_, ids, _ in known if ids & wanted]
            or [id_ for id_, _, title in known if title == name.casefold()]
        )
        return matches[0] if matches else None

    return find


def _by_reveal_id(conn: Connection, table: str) -> dict[str, int]:
    return dict(conn.execute(sql.SQL("SELECT reveal_id, id FROM {}").format(sql.Identifier(table))).fetchall())
