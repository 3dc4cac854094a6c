"""The same request, mined by us: the recorded answer comes over HTTP, the real steps run, all that changed is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
from database_diff import Tables, changes, read_tables
from odoo_recordings import Recording

from lead_mining import pipeline, vocabulary
from lead_mining.exceptions import ProviderError
from lead_mining.providers.odoo_iap import OdooIap
from lead_mining.providers.transport import new_client
from provider_simulator.odoo_iap import BALANCE_ENDPOINT
from provider_simulator.testing import Simulator

from .comparison import Comparison, TableComparison, compare_calls, compare_outcomes
from .meaning import Side
from .schema import Names, Schema, read_names
from .starting_state import MADE_LATER
from .times import OurTimes, RecordedTimes, Step

KEY = "lead_mining/parity"

AS_THEY_ARE = ("search_type", "lead_number", "lead_type", "contact_number", "contact_filter_type")
SIZES = ("filter_on_size", "company_size_min", "company_size_max")

ASKED_INSTEAD = {"countries": ["BE"], "preferred_role": "CEO", "seniority": "director"}
"""Odoo's `create` takes a request that its own form refuses: without countries, or people of no role or seniority."""


@dataclass
class Mined:
    """A recording, mined here. `sent`: the paid calls the provider got; `error`: what the provider's answer made us raise."""

    recording: Recording
    conn: psycopg.Connection
    dump_names: Names
    before: Tables
    steps: list[Step] = field(default_factory=list)
    sent: list[dict[str, Any]] = field(default_factory=list)
    error: ProviderError | None = None

    def compare(self, schema: Schema) -> list[TableComparison]:
        """Reads what the database holds now."""
        found = changes(self.before, read_tables(self.conn))
        places = dict(
            self.conn.execute(
                "SELECT lead_id, position FROM lead_mining.candidate WHERE lead_id IS NOT NULL"
            ).fetchall()
        )
        rejections = dict(
            self.conn.execute(
                "SELECT c.position, r.rule FROM lead_mining.rejection r JOIN lead_mining.candidate c"
                " ON c.id = r.candidate_id WHERE r.severity = 'reject' AND r.contact_index IS NULL"
            ).fetchall()
        )
        written = self.recording.written
        leads = sorted(row["id"] for row in written.get("crm_lead", []))
        comparison = Comparison(
            self.recording,
            Side(
                written,
                {id_: place for place, id_ in enumerate(leads, start=1)},
                schema,
                {**self.dump_names, **MADE_LATER},
                RecordedTimes(self.recording),
            ),
            Side(
                {table: change.inserted for table, change in found.items() if change.inserted},
                places,
                schema,
                read_names(self.conn),
                OurTimes(self.steps),
            ),
            found,
            rejections,
        )
        return [
            compare_outcomes(self.recording, self.error),
            compare_calls(self.recording, self.sent),
            *comparison.tables(),
        ]


def mine(
    conn: psycopg.Connection, recording: Recording, dump_names: Names, simulator: Simulator, folder: Path
) -> Mined:
    """Run all steps, up to the one that the provider's answer makes fail. `dump_names`: those of the recorded ids."""
    mined = Mined(recording, conn, dump_names, read_tables(conn))
    provider = _provider(recording, simulator, mined.sent)
    run_id: int | None = None

    def step(name: str, do: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        start = _now(conn)
        try:
            return do()
        finally:
            mined.steps.append(Step(name, start, _now(conn)))

    try:
        plan = step("prepare_request", lambda: pipeline.prepare_request(conn, KEY, params(recording, dump_names)))
        run_id = int(plan["run_id"])
        step("extract", lambda: pipeline.extract(conn, run_id, provider))
        step("validate", lambda: pipeline.validate(conn, run_id, folder))
        for name in ("deduplicate", "debit_credits", "load_leads", "write_enrichment_notes"):
            step(name, lambda name=name: getattr(pipeline, name)(conn, run_id))
    except ProviderError as error:
        mined.error = error
    step("release", lambda: pipeline.release(conn, KEY))
    return mined


def _now(conn: psycopg.Connection) -> datetime:
    (at,) = conn.execute("SELECT clock_timestamp() AT TIME ZONE 'utc'").fetchall()[0]
    assert isinstance(at, datetime)
    return at


def _provider(recording: Recording, simulator: Simulator, sent: list[dict[str, Any]]) -> OdooIap:
    """The real adapter, with a simulator behind it that gives the recorded answer, or none."""
    simulator.clear_faults()
    client, url = new_client(), simulator.url
    if recording.answer:
        simulator.replay({"http": recording.answer["http"], "body": recording.answer["body"]})
    elif recording.content["endpoint"].startswith("timeout"):
        simulator.add_fault("timeout", seconds=30)
        client.timeout = 0.5
    else:
        url = "http://127.0.0.1:9"  # nobody listens: the connection is refused

    def note(request: httpx.Request) -> None:
        if request.url.path != BALANCE_ENDPOINT:
            sent.append(json.loads(request.read()))

    client.event_hooks["request"] = [note]
    known = recording.sent["params"] if recording.sent else {"account_token": "token", "dbuuid": "database"}
    return OdooIap(url, known["account_token"], known["dbuuid"], client)


def params(recording: Recording, names: Names) -> dict[str, Any]:
    """The recorded request in our words."""
    asked = dict(recording.create_vals)
    found: dict[str, Any] = {key: asked.pop(key) for key in AS_THEY_ARE if key in asked}
    sizes = {key: asked.pop(key) for key in SIZES if key in asked}
    if sizes.get("filter_on_size"):
        found |= sizes
    iso = {f"{code.split('-')[0]}-{vocabulary.crm_state_code(code)}": code for code in vocabulary.states()}

    def words(key: str, table: str) -> list[str]:
        return [names[table][id_] for id_ in _ids(asked.pop(key, None) or [])]

    def word(key: str, table: str) -> str | None:
        id_ = asked.pop(key, None)
        return names[table][id_] if id_ else None

    found |= {
        "countries": words("country_ids", "res_country"),
        "states": [iso[code] for code in words("state_ids", "res_country_state")],
        "industries": words("industry_ids", "crm_iap_lead_industry"),
        "tags": words("tag_ids", "crm_tag"),
        "other_roles": words("role_ids", "crm_iap_lead_role"),
        "preferred_role": word("preferred_role_id", "crm_iap_lead_role"),
        "seniority": word("seniority_id", "crm_iap_lead_seniority"),
    }
    for key, name, table in (("user_id", "salesperson", "res_users"), ("team_id", "team", "crm_team")):
        if key in asked:
            found[name] = word(key, table) or "none"
    assert not asked, f"{recording}: the harness does not know how to ask for {asked}"
    if found.get("search_type") == "people":
        needed = "seniority" if found.get("contact_filter_type") == "seniority" else "preferred_role"
        found[needed] = found[needed] or ASKED_INSTEAD[needed]
    found["countries"] = found["countries"] or ASKED_INSTEAD["countries"]
    return found


def _ids(commands: list[list[Any]]) -> list[int]:
    """The ids that Odoo's commands for a relation name: [6, 0, ids] sets them, [4, id] adds one."""
    return [id_ for command in commands for id_ in (command[2] if command[0] == 6 else [command[1]])]
