"""The run: its row, and what makes each of its steps happen once however often it is called."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from lead_mining.crm.context import CrmContext
from lead_mining.crm.requests import CrmRequest
from lead_mining.exceptions import AnotherRun, FieldProblem, InvalidRequest
from lead_mining.prices import CONTACT_CREDITS, LEAD_CREDITS, Prices, prices_now
from lead_mining.privacy.scrub import ERASED
from lead_mining.request import Cost, MiningRequest

StepResult = dict[str, Any]
"""What a step leaves for the next and for people: ids, counts and short texts, never personal data."""

_LOCK_SPACE = 0x6C6D << 48  # keeps our advisory locks apart from others' in the CRM database; then a run's id,
_INDEXING = (1 << 48) - 1  # or this


@dataclass(frozen=True)
class Run:
    """A row of lead_mining.run. `request` and `context` are read on use."""

    id: int
    run_key: str
    request: dict[str, Any]
    context: dict[str, Any]
    credit_account: str
    dry_run: bool
    lead_number: int
    max_cost: int
    needs_approval: bool
    approved_by: str | None
    crm_request_id: int | None
    request_number: str | None
    retry_of: int | None = None
    overruled: Sequence[str] = ()
    judged_as_of: str | None = None
    crm_request_made_at: datetime | None = None
    lead_credits: int = LEAD_CREDITS
    contact_credits: int = CONTACT_CREDITS
    asked_by: str | None = None

    @property
    def mining_request(self) -> MiningRequest:
        return read_request(self.request)

    @property
    def prices(self) -> Prices:
        return Prices(self.lead_credits, self.contact_credits)

    def cost_of(self, leads: int) -> Cost:
        """Return the most that so many of its leads can cost, at the prices that it was prepared with."""
        return self.mining_request.cost_of(leads, self.prices)

    @property
    def has_several_providers(self) -> bool:
        return bool(self.request.get("then_provider_conn_ids"))  # a run that an older version made has none

    @property
    def crm_request(self) -> CrmRequest | None:
        """The request in the CRM that the run was prepared with; it may be gone there."""
        if self.crm_request_id is None:
            return None
        return CrmRequest(self.crm_request_id, self.request_number or "", self.crm_request_made_at)

    @property
    def crm_context(self) -> CrmContext:
        return CrmContext.model_validate(self.context)


def read_request(kept: Mapping[str, Any], **changes: Any) -> MiningRequest:
    """The request as a run keeps it, with changes. Who was erased since is none to be told. Raises InvalidRequest."""
    to_tell = [each for each in kept.get("notify", ()) if each != ERASED]
    return MiningRequest.parse({**kept, "notify": to_tell, **changes})


_COLUMNS = (
    "id, run_key, request, context, credit_account, dry_run, lead_number, max_cost, needs_approval,"
    " approved_by, crm_request_id, request_number, retry_of, overruled, judged_as_of,"
    " crm_request_made_at, lead_credits, contact_credits, asked_by"
)


def find(conn: Connection, run_key: str) -> Run | None:
    """The run of that key, or None where it was never prepared."""
    with conn.cursor(row_factory=class_row(Run)) as cur:
        return cur.execute(f"SELECT {_COLUMNS} FROM lead_mining.run WHERE run_key = %s", [run_key]).fetchone()


def get(conn: Connection, run_id: int) -> Run:
    """The run of that id. Raises LookupError where there is none."""
    with conn.cursor(row_factory=class_row(Run)) as cur:
        run = cur.execute(f"SELECT {_COLUMNS} FROM lead_mining.run WHERE id = %s", [run_id]).fetchone()
    if run is None:
        raise LookupError(f"there is no lead mining run {run_id} in this database")
    return run


def check_key(conn: Connection, run_key: str, run_id: int) -> None:
    """Raises AnotherRun where the id that a task was given is not that of its own run in this database."""
    if (known := keys(conn, [run_id]).get(run_id)) != run_key:
        raise AnotherRun(run_key, run_id, known)


def check_same_request(run: Run, asked: MiningRequest, leave_out: Collection[str] = ()) -> None:
    """Raises InvalidRequest where the run of that key was prepared for another request, in what is not left out.

    Whom to tell may differ, and so does what was erased since. What an older version did not ask for had its default.
    """
    problems = []
    for name, value in asked.model_dump(mode="json", exclude={"notify", *leave_out}).items():
        default = MiningRequest.model_fields[name].get_default(call_default_factory=True)
        kept = run.request.get(name, default)
        if kept != value and ERASED not in str(kept):
            problems.append(FieldProblem(name, value, another_request(run, repr(kept))))
    if problems:
        raise InvalidRequest(problems)


def another_request(run: Run, asked: str) -> str:
    """What is allowed where a run that is there already is prepared with other values."""
    return (
        f"the run {run.run_key!r} is in this CRM already, as {run.request_number or 'a trial run'}, and asked for"
        f" {asked}: trigger the new request as a run with another id"
    )


def keys(conn: Connection, run_ids: Sequence[int]) -> dict[int, str]:
    """The keys of runs, by id."""
    return dict(conn.execute("SELECT id, run_key FROM lead_mining.run WHERE id = ANY(%s)", [list(run_ids)]).fetchall())


def create(
    conn: Connection,
    run_key: str,
    request: MiningRequest,
    context: CrmContext,
    crm_request: CrmRequest | None,
    *,
    retry_of: int | None = None,
    overruled: Collection[str] = (),
    asked_by: str | None = None,
) -> Run:
    """Insert the run. `crm_request`: None for a dry run.

    `retry_of`: the run whose rejections it tries again; `overruled`: rules that are to warn and not to reject;
    `asked_by`: the log-in at Airflow, None where nobody triggered it.
    """
    prices = prices_now()
    cost = request.cost_of(request.lead_number, prices).total
    crm_request_id, number, made_at = crm_request or (None, None, None)
    conn.execute(
        "INSERT INTO lead_mining.run (run_key, request, context, provider, credit_account, dry_run, lead_number,"
        " max_cost, needs_approval, crm_request_id, request_number, crm_request_made_at, saved_search,"
        " search_budget, retry_of, overruled, lead_credits, contact_credits, asked_by)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, false, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        [
            run_key,
            Jsonb(request.model_dump(mode="json")),
            Jsonb(context.model_dump(mode="json")),
            request.provider_conn_id,
            request.credit_account,
            request.dry_run,
            request.lead_number,
            cost,
            crm_request_id,
            number,
            made_at,
            request.saved_search,
            request.search_budget,
            retry_of,
            sorted(overruled),
            prices.lead,
            prices.contact,
            asked_by,
        ],
    )
    run = find(conn, run_key)
    assert run is not None
    return run


def set_plan(conn: Connection, run_id: int, lead_number: int, max_cost: int, needs_approval: bool) -> None:
    """What was decided before anything is paid: how many leads, at most how many credits, whether a person is asked."""
    conn.execute(
        "UPDATE lead_mining.run SET lead_number = %s, max_cost = %s, needs_approval = %s WHERE id = %s",
        [lead_number, max_cost, needs_approval, run_id],
    )


def set_approved_by(conn: Connection, run_key: str, approved_by: str) -> None:
    """Write down who approved the cost of a run; whoever was first stays. For who may keep accounts."""
    conn.execute(
        "UPDATE lead_mining.run SET approved_by = %s WHERE run_key = %s AND approved_by IS NULL",
        [approved_by, run_key],
    )


def set_judged_as_of(conn: Connection, run_id: int, known: str) -> None:
    """What was known when the run's candidates were told from it: see `judging.known_now`."""
    conn.execute("UPDATE lead_mining.run SET judged_as_of = %s WHERE id = %s", [known, run_id])


def results(conn: Connection, run_id: int) -> dict[str, StepResult]:
    """Result of each finished step, by the step's name."""
    rows = conn.execute(
        "SELECT step, result FROM lead_mining.run_step WHERE run_id = %s ORDER BY finished_at", [run_id]
    )
    return dict(rows.fetchall())


class Step:
    """One step of one run, locked. `result` is None until the step was finished, now or earlier."""

    def __init__(self, conn: Connection, run_id: int, name: str, *, part_of: str | None = None) -> None:
        self._conn, self._run_id, self._name = conn, run_id, name
        self.result: StepResult = {}
        # A run that an older version worked on may have the whole step, and no parts.
        row = conn.execute(
            "SELECT result FROM lead_mining.run_step WHERE run_id = %s AND step IN (%s, %s) ORDER BY step = %s DESC",
            [run_id, name, part_of, name],
        ).fetchone()
        self.done = row is not None
        if row:
            self.result = row[0]

    def finish(self, result: StepResult) -> None:
        """Record the result; to be called in the transaction that does the step's work."""
        self._conn.execute(
            "INSERT INTO lead_mining.run_step (run_id, step, result) VALUES (%s, %s, %s)",
            [self._run_id, self._name, Jsonb(result)],
        )
        self.result = result


@contextmanager
def only_once(conn: Connection, run_id: int, name: str, first: int | None = None) -> Iterator[Step]:
    """A step of a run, one caller at a time; a second caller waits and then finds it done.

    `first`: of the step's parts only the one that begins at this candidate. Other parts may be worked on at the same
    time; who wants the step itself waits for all of them.
    The lock is the session's, so it ends with the process however that ends. `conn` must be in autocommit mode: the
    step opens its own transactions.
    """
    if not conn.autocommit:
        raise ValueError("steps open their own transactions: give a connection in autocommit mode")
    with _session_lock(conn, _LOCK_SPACE + run_id, shared=first is not None):
        if first is None:
            yield Step(conn, run_id, name)
            return
        part = f"{name} {first}"
        with _session_lock(conn, _key_of(run_id, part)):
            yield Step(conn, run_id, part, part_of=name)


def _key_of(run_id: int, what: str) -> int:
    digest = hashlib.blake2b(f"{run_id} {what}".encode(), digest_size=6).digest()
    return _LOCK_SPACE + int.from_bytes(digest)


@contextmanager
def once_all_parts_are_done(conn: Connection, run_id: int, name: str, of: int) -> Iterator[Step | None]:
    """The step itself, for who has ended the last of its `of` parts; its result is their sum until it is finished.

    None where parts are left.
    """
    parts = _parts(conn, run_id, name)
    if len(parts) < of:
        yield None
        return
    # Under a lock of its own: whoever waits for a part holds the run's, shared, meanwhile.
    with _session_lock(conn, _key_of(run_id, name)):
        step = Step(conn, run_id, name)
        if not step.done:
            total: Counter[str] = Counter()
            for part in parts:
                total.update(part)
            step.result = dict(total)
        yield step


def _parts(conn: Connection, run_id: int, name: str) -> list[dict[str, int]]:
    """What the parts of a step that are done came to."""
    rows = conn.execute(
        "SELECT result FROM lead_mining.run_step WHERE run_id = %s AND starts_with(step, %s)", [run_id, f"{name} "]
    )
    return [row[0] for row in rows]


@contextmanager
def loading_alone(conn: Connection) -> Iterator[None]:
    """Nobody else loads into this CRM: what is new stays new until it is in.

    The session's lock, taken before the transaction that loads: who waits here holds no lock on anything of Odoo's, and
    the leads' dates, which are the transaction's, are not older than they are.
    """
    with _session_lock(conn, _LOCK_SPACE):
        yield


@contextmanager
def indexing_alone(conn: Connection) -> Iterator[None]:
    """Nobody else brings our index of this CRM up to date; who waited finds little left to do."""
    with _session_lock(conn, _LOCK_SPACE + _INDEXING):
        yield


@contextmanager
def _session_lock(conn: Connection, key: int, *, shared: bool = False) -> Iterator[None]:
    """Waits however long it takes: who holds the lock may rightly work for long."""
    # In one round trip. The lock outlives the transaction; the limits, which are there for Odoo's sake, hold again.
    with conn.pipeline(), conn.transaction():
        conn.execute(_NO_LIMITS)
        conn.execute("SELECT pg_advisory_lock_shared(%s)" if shared else "SELECT pg_advisory_lock(%s)", [key])
    try:
        yield
    finally:
        if not conn.closed:
            unlock = "SELECT pg_advisory_unlock_shared(%s)" if shared else "SELECT pg_advisory_unlock(%s)"
            conn.execute(unlock, [key])


def lock_key(conn: Connection, run_key: str) -> None:
    """Until the transaction ends, nobody else prepares the run of that key. To be called first in it.

    Waits however long it takes: who holds the lock may rightly work for long.
    """
    limits = conn.execute("SELECT current_setting('lock_timeout'), current_setting('statement_timeout')").fetchone()
    conn.execute(_NO_LIMITS)
    conn.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, %s))", [run_key, _LOCK_SPACE])
    conn.execute("SELECT set_config('lock_timeout', %s, true), set_config('statement_timeout', %s, true)", limits)


_NO_LIMITS: LiteralString = "SELECT set_config('lock_timeout', '0', true), set_config('statement_timeout', '0', true)"
