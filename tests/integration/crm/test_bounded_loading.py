"""Loading goes through its leads a chunk at a time: what is held, rendered, copied and sent follows from that."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import psycopg
import pytest
from statement_counter import counted_statements

from lead_mining import candidates, pipeline
from lead_mining.matching import crm_index
from lead_mining.notes.render import render_note
from lead_mining.providers.base import Company

from .test_statement_count import ready_to_load

pytestmark = pytest.mark.parametrize("crm_kind", ["embedded"], indirect=True)

LEADS = 12
A_CHUNK = 45
"""Statements for one more chunk of leads of another salesperson and their notes."""


@pytest.fixture
def ready(
    conn: psycopg.Connection, tmp_path: Path, users: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> tuple[psycopg.Connection, int]:
    """A run of so many leads, more than fit into a chunk."""
    run_id = ready_to_load(conn, tmp_path, "bounded", LEADS, users[0])
    monkeypatch.setattr(crm_index, "refresh", lambda conn: 0)
    return conn, run_id


def load(conn: psycopg.Connection, run_id: int) -> None:
    assert pipeline.load_leads(conn, run_id)["leads"] == LEADS
    assert pipeline.write_enrichment_notes(conn, run_id)["notes"] == LEADS


def written(conn: psycopg.Connection) -> dict[str, Any]:
    """What was loaded, in order, without ids and times."""
    return {
        "leads": conn.execute(
            "SELECT c.position, l.name, l.phone_sanitized, l.probability, count(DISTINCT f.id), count(DISTINCT t.tag_id)"
            " FROM lead_mining.candidate c JOIN crm_lead l ON l.id = c.lead_id"
            " LEFT JOIN mail_followers f ON f.res_model = 'crm.lead' AND f.res_id = l.id"
            " LEFT JOIN crm_tag_rel t ON t.lead_id = l.id GROUP BY c.position, l.id ORDER BY l.id"
        ).fetchall(),
        "messages": conn.execute(
            "SELECT c.position, m.message_type, m.subject, m.body, m.id = c.note_message_id, count(n.id)"
            " FROM lead_mining.candidate c JOIN mail_message m ON m.model = 'crm.lead' AND m.res_id = c.lead_id"
            " LEFT JOIN mail_notification n ON n.mail_message_id = m.id"
            " GROUP BY c.id, m.id ORDER BY c.position, m.id"
        ).fetchall(),
        "run": conn.execute("SELECT step, result FROM lead_mining.run_step ORDER BY step").fetchall(),
        "credits": conn.execute("SELECT bucket, balance FROM lead_mining.ledger_account ORDER BY bucket").fetchall(),
    }


@pytest.mark.parametrize("chunk", [LEADS, 5])
def test_chunks_come_to_the_same(
    ready: tuple[psycopg.Connection, int], monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    conn, run_id = ready
    monkeypatch.setattr(candidates, "CHUNK", chunk)
    load(conn, run_id)
    found = written(conn)
    assert [(position, *rest) for position, _, _, _, *rest in found["leads"]] == [
        (position, 2, 2) for position in range(1, LEADS + 1)
    ]
    assert Counter(position for position, *_ in found["messages"]) == dict.fromkeys(range(1, LEADS + 1), 3)
    assert sum(is_note for *_, is_note, _ in found["messages"]) == LEADS
    assert dict(found["credits"])["spent"] == LEADS


def test_no_more_than_a_chunk_of_companies_is_held_at_once(
    ready: tuple[psycopg.Connection, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    conn, run_id = ready
    monkeypatch.setattr(candidates, "CHUNK", 3)
    alive: list[int] = []
    held = most = 0

    class Counted(Company):
        def model_post_init(self, context: Any, /) -> None:
            nonlocal held, most
            held += 1
            most = max(most, held)
            alive.append(held)

        def __del__(self) -> None:
            nonlocal held
            held -= 1

    monkeypatch.setattr(candidates, "Company", Counted)
    load(conn, run_id)
    assert len(alive) == 2 * LEADS, "each is read once to be loaded and once for its note"
    assert most <= 2 * 3, "the one before is let go when the next has come"


def test_a_note_is_rendered_once_a_lead(ready: tuple[psycopg.Connection, int], monkeypatch: pytest.MonkeyPatch) -> None:
    conn, run_id = ready
    render = Mock(wraps=render_note)
    monkeypatch.setattr(pipeline, "render_note", render)
    load(conn, run_id)
    pipeline.write_enrichment_notes(conn, run_id)
    assert Counter(call.args[0].name for call in render.call_args_list) == Counter(
        f"Works {LEADS}/{n}" for n in range(LEADS)
    )


def test_statements_grow_by_a_fixed_number_a_chunk(
    conn: psycopg.Connection, tmp_path: Path, users: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crm_index, "refresh", lambda conn: 0)
    monkeypatch.setattr(candidates, "CHUNK", 10)
    sent: dict[int, int] = {}
    for leads in (9, 19, 29):
        run_id = ready_to_load(conn, tmp_path, f"chunks/{leads}", leads, users[0])
        with counted_statements(conn) as statements:
            pipeline.load_leads(conn, run_id)
            pipeline.write_enrichment_notes(conn, run_id)
        sent[leads] = len(statements)
    assert sent[29] - sent[19] == sent[19] - sent[9] <= A_CHUNK


def test_each_row_is_copied_once(ready: tuple[psycopg.Connection, int], monkeypatch: pytest.MonkeyPatch) -> None:
    from lead_mining.crm import messages

    conn, run_id = ready
    monkeypatch.setattr(candidates, "CHUNK", 5)
    copied: Counter[str] = Counter()
    copy_rows = messages.copy_rows

    def counting(conn: psycopg.Connection, table: str, columns: Any, rows: Any) -> None:
        listed = list(rows)
        copied[table] += len(listed)
        copy_rows(conn, table, columns, listed)

    for module in ("leads", "messages", "notifications", "mails"):
        monkeypatch.setattr(f"lead_mining.crm.{module}.copy_rows", counting)
    load(conn, run_id)
    assert copied == {
        "crm_lead": LEADS,
        "mail_message": 3 * LEADS,  # assigned, created, noted
        "mail_message_res_partner_rel": LEADS,
        "mail_mail": LEADS,
        "mail_mail_res_partner_rel": LEADS,
        "mail_notification": LEADS,
    }
