"""All that may differ between what Odoo 17 wrote and what we write, each with the reason. Anything else is a failure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from database_diff import Row

from .comparison import OPENING, OUTCOME, PICTURES, ROW, WIRE, Difference
from .starting_state import MAIL_CRON
from .times import LATER, MINED, SAVED, TO_THE_SECOND

Condition = Callable[[Difference], bool]


@dataclass(frozen=True)
class Allowed:
    """`scenarios`, `table` and `columns` are shell patterns. `when` narrows it to what the reason is about."""

    scenarios: str
    table: str
    columns: tuple[str, ...]
    reason: str
    when: Condition

    def covers(self, d: Difference) -> bool:
        return (
            fnmatchcase(d.scenario, self.scenarios)
            and fnmatchcase(d.table, self.table)
            and any(fnmatchcase(d.column, column) for column in self.columns)
            and self.when(d)
        )


def values(recorded: Any, ours: Any) -> Condition:
    return lambda d: (d.recorded, d.ours) == (recorded, ours)


def only_odoo(d: Difference) -> bool:
    return d.column == ROW and d.ours is None


def only_ours(d: Difference) -> bool:
    return d.column == ROW and d.recorded is None


WRITTEN_BY_US = {"create_uid": "admin", "write_uid": "admin", "create_date": MINED, "write_date": MINED}
QUEUED = {
    "state": "outgoing",
    "auto_delete": True,
    "is_notification": True,
    "failure_type": None,
    "scheduled_date": None,
}


def holds(row: Row, expected: Row) -> bool:
    return expected.items() <= row.items()


def queued_mail(d: Difference) -> bool:
    """The one mail of a message, that waits to be sent."""
    return (
        only_ours(d)
        and d.row == d.ours["mail_message_id"]
        and holds(d.ours, QUEUED | WRITTEN_BY_US)
        and d.ours["references"].startswith("<Message-Id, ")
        and "'X-Odoo-Objects': 'crm.lead-lead " in d.ours["headers"]
    )


def waits_for_mail(d: Difference) -> bool:
    """Our notification names the mail of its own message, which was written with it."""
    row = d.rows[d.row][1]
    return bool(row["mail_mail_id"] == row["mail_message_id"])


def scored_alike(d: Difference) -> bool:
    """On both sides, leads that look the same to the scoring have the same score, and Odoo's first may have none."""

    def scores(side: int) -> dict[tuple[Any, ...], set[Any]]:
        found: dict[tuple[Any, ...], set[Any]] = {}
        for pair in d.rows.values():
            row = pair[side]
            found.setdefault((row["team_id"], row["phone_state"], row["email_state"]), set()).add(row[d.column])
        return found

    return all(len(found - {None}) <= 1 for side in (0, 1) for found in scores(side).values())


REQUEST = "crm_iap_lead_mining_request"

ALLOWED = (
    # How it is asked
    Allowed(
        "*", WIRE, ("id",), "every call of the provider has an id of its own", lambda d: bool(d.recorded and d.ours)
    ),
    Allowed(
        "*", WIRE, ("params.data.countries",),
        "countries are required here: without them Odoo buys companies of anywhere; the harness asks for BE",
        values([], [{"code": "BE", "states": []}]),
    ),
    Allowed(
        "*", f"{REQUEST}_res_country_rel", (ROW,),
        "countries are required here: without them Odoo buys companies of anywhere; the harness asks for BE",
        lambda d: only_ours(d) and d.ours["res_country_id"] == "BE",
    ),
    Allowed(
        "*", WIRE, ("params.data.preferred_role", "params.data.seniority"),
        "a role or a seniority is required for people, as in Odoo's own form; the harness asks for CEO, director",
        lambda d: d.recorded is False and d.ours in ("CEO", "director"),
    ),
    Allowed(
        "*", REQUEST, ("preferred_role_id", "seniority_id"),
        "a role or a seniority is required for people, as in Odoo's own form; the harness asks for CEO, director",
        lambda d: d.recorded is None and d.ours in ("CEO", "director"),
    ),
    # What is loaded
    Allowed(
        "*", "*", (ROW,),
        "not loaded, not charged: we do not buy the same company twice; it is in lead_mining.rejection as a duplicate",
        lambda d: only_odoo(d) and (d.rejection or "").startswith("duplicate_"),
    ),
    Allowed(
        "s_same_clearbit_id", "mail_message", ("body",),
        "Odoo finds notes by reveal_id: of companies that share one, all get the last one's; ours is the company's own",
        lambda d: all(problem.startswith("Odoo says it, we do not") for problem in d.ours),
    ),
    Allowed(
        "s_*", "crm_lead", ("partner_name", "contact_name", "function", "street", "city", "zip"),
        "an empty text of the provider is nothing known: NULL here; Odoo's searches take both for not set",
        values("", None),
    ),
    Allowed(
        "*", "crm_lead", ("probability", "automated_probability"),
        "without won and lost leads Odoo, by a slip, scores all leads of a batch but the first; ours is scored as they are",
        lambda d: d.row == "lead 1" and d.recorded is None and d.ours == 50,
    ),
    Allowed(
        "k_pls_history", "crm_lead", ("probability", "automated_probability"),
        "the history that it was scored by is not recorded; equal team, phone state and e-mail state give equal scores",
        scored_alike,
    ),
    Allowed(
        "*", "mail_message", (OPENING,),
        "who reads the note learns that our request made the lead, not Odoo's",
        lambda d: d.recorded == "Opportunity created by Odoo Lead Generation"
        and d.ours.endswith(" created by lead mining request LMR and a number"),
    ),
    Allowed(
        "*", "mail_message", (PICTURES,),
        "no logo: a reader's browser would ask, as the reader, whatever address the provider names, such as the CRM's own",
        lambda d: d.ours == 0,
    ),
    Allowed(
        "s_null_clearbit_id", "mail_message", (ROW,),
        "Odoo finds notes by reveal_id, so a company without one gets none; what was paid for is shown",
        lambda d: only_ours(d) and d.row.startswith("note of "),
    ),
    # Mails: Odoo sends them while it mines; we leave them in its queue
    Allowed(
        "*", "mail_mail", (ROW,),
        "the mail waits in Odoo's outgoing queue; Odoo sends it and deletes it, as it did in the recording",
        queued_mail,
    ),
    Allowed(
        "*", "mail_mail_res_partner_rel", (ROW,), "the recipients of a mail that waits in Odoo's queue", only_ours
    ),
    Allowed(
        "*", "ir_cron_trigger", (ROW,),
        "wakes Odoo's scheduled action that sends the mails, so that they go out at once",
        lambda d: only_ours(d)
        and holds(d.ours, WRITTEN_BY_US | {"cron_id": ".".join(MAIL_CRON), "call_at": TO_THE_SECOND}),
    ),
    Allowed(
        "*", "mail_notification", ("notification_status", "failure_reason"),
        "Odoo has yet to send the mail; it will then write sent, and an empty reason of failure",
        lambda d: (d.recorded, d.ours) in (("sent", "ready"), ("", None)) and waits_for_mail(d),
    ),
    Allowed(
        "*", "mail_notification", ("mail_mail_id",),
        "the mail that waits to be sent; it is gone after sending",
        lambda d: d.recorded is None and waits_for_mail(d),
    ),
    Allowed(
        "*", "mail_message", ("write_uid", "write_date"),
        "OdooBot touches the message when it sends the mail, which is still to come",
        lambda d: (d.recorded, d.ours) in (("__system__", "admin"), (LATER, MINED)),
    ),
    Allowed(
        "r_smtp_down", "mail_mail", ("state", "failure_type", "failure_reason", "write_uid", "write_date"),
        "Odoo could not reach its mail server when it mined; our mail is still to be sent, by the same server",
        lambda d: d.column != "state" or (d.recorded, d.ours) == ("exception", "outgoing"),
    ),
    Allowed(
        "r_smtp_down", "mail_mail", ("body_html",),
        "the mail's layout is in Odoo's files, not in its database; ours says the same: who, what, and where to look",
        lambda d: "You have been assigned to the Lead/Opportunity" in d.recorded
        and "You have been assigned to the Lead/Opportunity" in d.ours,
    ),
    Allowed(
        "r_smtp_down", "mail_notification", ("notification_status", "failure_type", "failure_reason"),
        "Odoo could not reach its mail server when it mined; our mail is still to be sent, by the same server",
        lambda d: waits_for_mail(d)
        and (d.column != "notification_status" or (d.recorded, d.ours) == ("exception", "ready")),
    ),
    Allowed(
        "p_salesperson_inbox", "bus_bus", (ROW,),
        "a push to browsers that are open at that second, not data: the inbox is read from mail_notification", only_odoo,
    ),
    # Who asks
    Allowed(
        "*", "iap_account", (ROW,),
        "the key by which Odoo itself buys; ours is in an Airflow connection, out of the CRM's users' sight",
        lambda d: only_odoo(d) and d.recorded["service_name"] == "reveal",
    ),
    # Failures
    Allowed(
        "d_credits", OUTCOME, ("error",),
        "the task fails, so that who runs it sees it; the CRM's request shows what Odoo's shows", values(None, "error"),
    ),
    Allowed(
        "e_creditflag", OUTCOME, ("error",),
        "the task fails, so that who runs it sees it; the CRM's request shows what it is", values(None, "error"),
    ),
    Allowed(
        "e_creditflag", REQUEST, ("state", "error_type"),
        "the provider says that credits are short; Odoo 17 calls it no result, which a later Odoo corrects",
        lambda d: (d.recorded, d.ours) in (("draft", "error"), ("no_result", "credits")),
    ),
    Allowed(
        "g_*", REQUEST, ("name",),
        "Odoo rolls the request's number back, and loses it; here the request keeps it, and a retry goes on with it",
        values("New", "LMR and a number"),
    ),
    Allowed(
        "g_nophonekey", OUTCOME, ("error",),
        "Odoo fails on an answer it has paid for, and loses it; we load what was bought", values("error", None),
    ),
    Allowed(
        "g_nophonekey", REQUEST, ("state", "write_date"),
        "Odoo fails on an answer it has paid for, and loses it; we load what was bought",
        lambda d: (d.recorded, d.ours) in (("draft", "done"), (SAVED, MINED)),
    ),
    Allowed(
        "g_nophonekey", "*", (ROW,),
        "Odoo fails on an answer it has paid for, and loses it; we load what was bought", only_ours,
    ),
)  # fmt: skip


def allowed(difference: Difference) -> Allowed | None:
    """The entry that allows it, if one does."""
    return next((entry for entry in ALLOWED if entry.covers(difference)), None)
