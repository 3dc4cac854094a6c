"""What must hold in the database and at the provider after a run has ended, whatever happened on the way.

Found by queries of our own, not by the product's audit: what checks it must not share its faults.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg import sql

# Sentence, and the query whose rows break it.
CHECKS: list[tuple[str, LiteralString]] = [
    (
        "the entries of ledger transaction {} sum to {}, not to zero",
        "SELECT transaction_id, sum(amount) FROM lead_mining.ledger_entry GROUP BY 1 HAVING sum(amount) <> 0",
    ),
    (
        "the balance {} of account {} is {}, and its entries sum to {}",
        "SELECT a.bucket, a.owner, a.balance, coalesce(sum(e.amount), 0) FROM lead_mining.ledger_account a"
        " LEFT JOIN lead_mining.ledger_entry e ON e.account_id = a.id GROUP BY a.id"
        " HAVING a.balance <> coalesce(sum(e.amount), 0)",
    ),
    (
        "account {} still has {} credits held",
        "SELECT owner, balance FROM lead_mining.ledger_account WHERE bucket = 'held' AND balance <> 0",
    ),
    (
        "hold {} of run {} still has {} credits",
        "SELECT id, run_id, remaining FROM lead_mining.hold WHERE remaining <> 0",
    ),
    (
        "run {} captured {} credits, and its loaded candidates cost {}",
        "SELECT r.id, h.captured, c.cost FROM lead_mining.run r,"
        " LATERAL (SELECT coalesce(sum(captured), 0) AS captured FROM lead_mining.hold WHERE run_id = r.id) h,"
        " LATERAL (SELECT coalesce(sum(r.lead_credits + r.contact_credits * contacts), 0) AS cost"
        "          FROM lead_mining.candidate WHERE run_id = r.id AND state = 'loaded') c"
        " WHERE h.captured <> c.cost",
    ),
    (
        "account {} has {} credits spent, and the holds captured {}",
        "SELECT a.owner, a.balance, h.captured FROM lead_mining.ledger_account a, LATERAL (SELECT"
        " coalesce(sum(captured), 0) AS captured FROM lead_mining.hold WHERE owner = a.owner) h"
        " WHERE a.bucket = 'spent' AND a.balance <> h.captured",
    ),
    (
        "run {} captured {} credits for {} leads in the CRM with {} contacts",
        "SELECT r.id, h.captured, l.leads, c.contacts FROM lead_mining.run r,"
        " LATERAL (SELECT coalesce(sum(captured), 0) AS captured FROM lead_mining.hold WHERE run_id = r.id) h,"
        " LATERAL (SELECT count(*) AS leads FROM crm_lead WHERE lead_mining_request_id = r.crm_request_id) l,"
        " LATERAL (SELECT coalesce(sum(contacts), 0) AS contacts FROM lead_mining.candidate"
        "          WHERE run_id = r.id AND state = 'loaded') c"
        " WHERE h.captured <> l.leads + c.contacts",
    ),
    (
        "candidate {} ended neither loaded nor rejected, but {}",
        "SELECT id, state FROM lead_mining.candidate WHERE state NOT IN ('loaded', 'rejected')",
    ),
    (
        "candidate {} is rejected without a reason",
        "SELECT id FROM lead_mining.candidate c WHERE state = 'rejected' AND NOT EXISTS"
        " (SELECT FROM lead_mining.rejection j WHERE j.candidate_id = c.id AND j.severity = 'reject')",
    ),
    (
        "candidate {} is loaded, and the leads of its request that are its company are {}",
        "SELECT c.id, array_agg(l.id) FROM lead_mining.candidate c JOIN lead_mining.run r ON r.id = c.run_id"
        " LEFT JOIN crm_lead l ON l.lead_mining_request_id = r.crm_request_id AND l.reveal_id = c.company->>'reveal_id'"
        " WHERE c.state = 'loaded' GROUP BY c.id HAVING array_agg(l.id) <> ARRAY[c.lead_id]"
        " OR count(l.id) <> 1",
    ),
    (
        "lead {} of the request is no candidate's",
        "SELECT l.id FROM crm_lead l JOIN lead_mining.run r ON r.crm_request_id = l.lead_mining_request_id"
        " WHERE NOT EXISTS (SELECT FROM lead_mining.candidate c WHERE c.run_id = r.id AND c.lead_id = l.id)",
    ),
    (
        "candidate {} is loaded, its note is {}, and the notes of its lead are {}",
        "SELECT c.id, c.note_message_id, array_agg(m.id) FROM lead_mining.candidate c"
        " LEFT JOIN mail_message m ON m.model = 'crm.lead' AND m.res_id = c.lead_id"
        " AND m.message_type = 'notification' AND m.subtype_id = (SELECT res_id FROM ir_model_data"
        "     WHERE module = 'mail' AND name = 'mt_note')"
        " WHERE c.state = 'loaded' GROUP BY c.id HAVING array_agg(m.id) <> ARRAY[c.note_message_id]"
        " OR c.note_message_id IS NULL",
    ),
    (
        "company {} is {} times in the CRM",
        "SELECT reveal_id, count(*) FROM crm_lead WHERE reveal_id IS NOT NULL GROUP BY 1 HAVING count(*) > 1",
    ),
    (
        "the CRM has {} mining requests for {} run(s)",
        "SELECT q.n, r.n FROM (SELECT count(*) AS n FROM crm_iap_lead_mining_request) q,"
        " (SELECT count(*) AS n FROM lead_mining.run) r WHERE q.n <> r.n OR r.n <> 1",
    ),
    (
        "mining request {} is in state {} with error {}",
        "SELECT q.name, q.state, q.error_type FROM lead_mining.run r"
        " JOIN crm_iap_lead_mining_request q ON q.id = r.crm_request_id"
        " WHERE q.state <> 'done' OR q.error_type IS NOT NULL",
    ),
]

# What belongs to a lead, as (what, query that gives its reveal_id once a row).
_OF_A_LEAD: list[tuple[str, LiteralString]] = [
    (
        "messages",
        "SELECT l.reveal_id FROM crm_lead l JOIN mail_message m ON m.model = 'crm.lead' AND m.res_id = l.id",
    ),
    (
        "mails",
        "SELECT l.reveal_id FROM crm_lead l JOIN mail_message m ON m.model = 'crm.lead' AND m.res_id = l.id"
        " JOIN mail_mail w ON w.mail_message_id = m.id",
    ),
    (
        "notifications",
        "SELECT l.reveal_id FROM crm_lead l JOIN mail_message m ON m.model = 'crm.lead' AND m.res_id = l.id"
        " JOIN mail_notification n ON n.mail_message_id = m.id",
    ),
    (
        "followers",
        "SELECT l.reveal_id FROM crm_lead l JOIN mail_followers f ON f.res_model = 'crm.lead' AND f.res_id = l.id",
    ),
    ("tags", "SELECT l.reveal_id FROM crm_lead l JOIN crm_tag_rel t ON t.lead_id = l.id"),
]


@dataclass(frozen=True)
class Footprint:
    """What a run leaves in the CRM, ids and times aside.

    `tables`: rows of each table; `leads`: reveal_id to the lead's columns; `belongings`: reveal_id to what belongs to
    the lead, counted.
    """

    tables: dict[str, int]
    leads: dict[str, dict[str, Any]]
    belongings: dict[str, dict[str, int]]


def footprint(conn: psycopg.Connection) -> Footprint:
    """The CRM as it is now: only leads with a reveal_id, which all that were mined have."""
    names = conn.execute(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
    ).fetchall()
    counts = sql.SQL(" UNION ALL ").join(
        sql.SQL("SELECT {}, count(*) FROM {}").format(sql.Literal(name), sql.Identifier("public", name))
        for (name,) in names
    )
    ids_and_times = conn.execute(
        "SELECT array_agg(column_name::text) FROM information_schema.columns WHERE (table_schema, table_name) ="
        " ('public', 'crm_lead') AND (column_name IN ('id', 'lead_mining_request_id') OR data_type LIKE 'timestamp%')"
    ).fetchall()[0]
    leads = conn.execute(
        "SELECT reveal_id, to_jsonb(l) - %s::text[] FROM crm_lead l WHERE reveal_id IS NOT NULL", ids_and_times
    ).fetchall()
    belongings: dict[str, dict[str, int]] = {reveal_id: {} for reveal_id, _ in leads}
    for what, query in _OF_A_LEAD:
        of_lead = Counter(reveal_id for (reveal_id,) in conn.execute(query))
        for reveal_id in belongings:
            belongings[reveal_id][what] = of_lead[reveal_id]
    return Footprint(dict(conn.execute(counts).fetchall()), dict(leads), belongings)


def broken(conn: psycopg.Connection, charged: int, clean: Footprint | None) -> list[str]:
    """A sentence for each invariant that does not hold.

    `charged`: credits that the provider took, by its own books. `clean`: what a run leaves that nothing happened to;
    None: the provider's answers were others.
    """
    found = [sentence.format(*row) for sentence, query in CHECKS for row in conn.execute(query).fetchall()]
    found += _unlike_the_provider(conn, charged)
    return found + _unlike_a_clean_run(footprint(conn), clean) if clean else found


def _unlike_the_provider(conn: psycopg.Connection, charged: int) -> list[str]:
    stored, lost = conn.execute(
        "SELECT (SELECT coalesce(sum(charged), 0) FROM lead_mining.raw_page),"
        " (SELECT coalesce(sum(charged), 0) FROM lead_mining.provider_call WHERE state = 'lost')"
    ).fetchall()[0]
    if charged == stored + lost:
        return []
    return [f"the provider charged {charged} credits, and pages of {stored} are stored, {lost} are settled as lost"]


def _unlike_a_clean_run(ours: Footprint, clean: Footprint) -> list[str]:
    """A run that lost an answer it paid for has other leads: then only what belongs to each lead is compared."""
    known = list(clean.belongings.values())
    found = [
        f"lead {reveal_id} has {has}, and those of a clean run have {known}"
        for reveal_id, has in ours.belongings.items()
        if has not in known
    ]
    for reveal_id, lead in ours.leads.items():
        for column, value in clean.leads.get(reveal_id, {}).items():
            if lead[column] != value:
                found.append(f"{column} of lead {reveal_id} is {lead[column]!r}, and {value!r} after a clean run")
    if ours.leads.keys() == clean.leads.keys():
        found += [
            f"table {table} has {ours.tables[table]} rows, and {rows} after a clean run"
            for table, rows in clean.tables.items()
            if ours.tables[table] != rows
        ]
    return found
