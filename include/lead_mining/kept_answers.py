"""The answers to paid calls, kept as they came before anything is read of them, until their pages are stored.

In `lead_mining.provider_answer`, a table that nothing else refers to. While the database does not take an answer, it
lies in a file of its own (LEAD_MINING_KEPT_ANSWERS, by default `kept_answers` in AIRFLOW_HOME, which several workers
have to share); whoever settles its call takes it from there.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import blake2b
from pathlib import Path

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from lead_mining.patience import Reconnect, patiently
from lead_mining.plain import logger
from lead_mining.provider_calls import Call
from lead_mining.providers.base import JsonObject
from lead_mining.runs import Run

log = logger(__name__)


@dataclass(frozen=True)
class KeptAnswer:
    """An answer, and where in its run the companies that it brings belong.

    `first_position`: of the companies that were asked for; `contacts_through`: as `candidates.store_page` has it.
    """

    first_position: int
    contacts_through: int | None
    answer: JsonObject


def keep(
    conn: Connection, reconnect: Reconnect | None, run: Run, call_id: int, asked_at: datetime, kept: KeptAnswer
) -> None:
    """Keep the answer to a call, whatever it is: in the table, and in a file from the first failure until then.

    Raises the database's last error where it takes nothing for as long as `patiently` tries.
    """
    file = _file(run, call_id, asked_at)

    def insert(session: Connection) -> None:
        _insert(session, run.id, call_id, kept)

    patiently(conn, reconnect, insert, when_it_fails=lambda: _write(file, kept))
    file.unlink(missing_ok=True)


def find(conn: Connection, run: Run, call: Call) -> KeptAnswer | None:
    """The kept answer to a call; None where there is none. One that lies in a file is put into the table."""
    file = _file(run, call.id, call.asked_at)
    if file.exists():
        _insert(conn, run.id, call.id, KeptAnswer(**json.loads(file.read_text(encoding="utf-8"))))
        file.unlink(missing_ok=True)
    with conn.cursor(row_factory=class_row(KeptAnswer)) as cur:
        return cur.execute(
            "SELECT first_position, contacts_through, answer FROM lead_mining.provider_answer WHERE call_id = %s",
            [call.id],
        ).fetchone()


def forget(conn: Connection, call_id: int) -> None:
    """To be called in the transaction that stores the page."""
    conn.execute("DELETE FROM lead_mining.provider_answer WHERE call_id = %s", [call_id])


def remove_old_files(days: int) -> int:
    """Remove files older than so many days; returns how many."""
    before = time.time() - days * 86_400
    old = [file for file in folder().glob("call-*") if file.stat().st_mtime < before]
    for file in old:
        file.unlink(missing_ok=True)
    return len(old)


def folder() -> Path:
    """Where answers lie that the database does not take."""
    airflow_home = Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser()
    return Path(os.environ.get("LEAD_MINING_KEPT_ANSWERS") or airflow_home / "kept_answers")


def _insert(conn: Connection, run_id: int, call_id: int, kept: KeptAnswer) -> None:
    conn.execute(
        "INSERT INTO lead_mining.provider_answer (call_id, run_id, first_position, contacts_through, answer)"
        " VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        [call_id, run_id, kept.first_position, kept.contacts_through, Jsonb(kept.answer)],
    )


def _file(run: Run, call_id: int, asked_at: datetime) -> Path:
    """The call's own: call 7 of another CRM, or of one that was restored, is another call."""
    whose = blake2b(f"{run.run_key} {asked_at.timestamp()}".encode(), digest_size=8).hexdigest()
    return folder() / f"call-{call_id}-{whose}.json"


def _write(file: Path, kept: KeptAnswer) -> None:
    """Whole or not at all, for its owner alone; where that fails too, only the database is left to try."""
    unfinished = file.with_suffix(".part")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
            json.dump(asdict(kept), out, ensure_ascii=False)  # erasing looks for names in it
            out.flush()
            os.fsync(out.fileno())
        unfinished.rename(file)
        parent = os.open(file.parent, os.O_RDONLY)
        try:
            os.fsync(parent)
        finally:
            os.close(parent)
        log.warning("an answer that was paid for is kept in %s until the database takes it", file)
    except OSError as error:
        log.error("an answer that was paid for cannot be kept in %s: %s", file, error)
