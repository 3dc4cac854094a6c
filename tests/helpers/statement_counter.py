"""Counts what a connection sends to PostgreSQL: each statement, each set of parameters of an executemany, each COPY.

Odoo's own figures count the same way. BEGIN, COMMIT and savepoints are not counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psycopg
from psycopg import Copy


@contextmanager
def counted_statements(conn: psycopg.Connection[Any]) -> Iterator[list[str]]:
    """The statements, in order, that the connection's cursors send from here to the end of the block."""
    statements: list[str] = []

    class CountingCursor(psycopg.Cursor[Any]):
        def execute(self, query: Any, *args: Any, **kwargs: Any) -> CountingCursor:
            statements.append(_text(query, conn))
            return super().execute(query, *args, **kwargs)

        def executemany(self, query: Any, params_seq: Iterable[Any], **kwargs: Any) -> None:
            all_params = list(params_seq)
            statements.extend([_text(query, conn)] * len(all_params))
            super().executemany(query, all_params, **kwargs)

        def copy(self, statement: Any, *args: Any, **kwargs: Any) -> AbstractContextManager[Copy]:
            statements.append(_text(statement, conn))
            return super().copy(statement, *args, **kwargs)

    before = conn.cursor_factory
    conn.cursor_factory = CountingCursor
    try:
        yield statements
    finally:
        conn.cursor_factory = before


def _text(query: Any, conn: psycopg.Connection[Any]) -> str:
    text = query.decode() if isinstance(query, bytes) else query if isinstance(query, str) else query.as_string(conn)
    return " ".join(text.split())
