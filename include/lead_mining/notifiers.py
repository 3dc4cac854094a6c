"""The low-balance and no-credit notice that Odoo mails, an Airflow notifier; and messages to whom a run names.

DAG files import it, so it imports nothing heavy at its top. Mails go through Airflow's connection `smtp_default`, from
its `from_email`; the notice to the addresses that the account was set up with (DAG credits_account), once until it is
topped up. Messages for Slack go through `slack_api_default`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from airflow.sdk import BaseNotifier
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowException, AirflowNotFoundException

from lead_mining.foreign_errors import told
from lead_mining.hooks import crm_session
from lead_mining.plain import logger

if TYPE_CHECKING:
    from airflow.sdk import Context

    from lead_mining.credits.accounts import Account, Notice
    from lead_mining.messages import Message

log = logger(__name__)

_SMTP = "smtp_default"
_SLACK = "slack_api_default"
_LOCKED_AT_MOST = "30s"  # by a mail server that is slow; runs wait for an account for a minute


class LowCreditsNotifier(BaseNotifier):
    """Tells when the account of a run is low or empty. A callback of tasks with params `crm_conn_id`, `credit_account`.

    What goes wrong is logged and never raised: the notice stays due, and the next task or `credits_reconcile` sends it.
    """

    def notify(self, context: Context) -> None:
        params = context["params"]
        try:
            send_due_notice(params["crm_conn_id"], params["credit_account"], _asked_in_vain(context.get("exception")))
        except Exception as error:
            log.warning(
                "Whether credit account %r is low could not be told (%s); it is tried again after the next task",
                params.get("credit_account"),
                told(error),
            )


def _asked_in_vain(failure: object) -> int:
    """Credits that the account could not pay, if that is why the task has failed; else 1: has it any left?"""
    from lead_mining.exceptions import InsufficientCredits

    reason = getattr(failure, "__cause__", None)  # of the AirflowFailException that crm_session makes of it
    return reason.needed if isinstance(reason, InsufficientCredits) and reason.budget is None else 1


def send_due_notices(crm_conn_id: str) -> int:
    """Send the notice of each account that has one due; how many were sent.

    All accounts are tried; then AirflowException is raised, which names those whose notice could not be sent and why.
    """
    from lead_mining.credits import accounts

    with crm_session(crm_conn_id) as conn:
        names = accounts.names(conn)
    sent, failed = 0, []
    for name in names:
        try:
            sent += send_due_notice(crm_conn_id, name)
        except Exception as error:
            failed.append(f"\n  - {name}: {told(error)}")
    if failed:
        raise AirflowException(f"These credit accounts have a notice due that could not be sent:{''.join(failed)}")
    return sent


def send_due_notice(crm_conn_id: str, account: str, needed: int = 1) -> bool:
    """Send the notice that is due on the account, if any; whether one was sent. `needed`: what it could not pay.

    Noted as sent when the mail server has taken it, so it may come twice where the database is lost in between, never
    not at all. Without addresses it is logged, once; without a mail server it is logged and stays due.
    Raises what the mail server and the database raise.
    """
    from lead_mining.credits import accounts

    with crm_session(crm_conn_id) as conn:
        with conn.transaction(force_rollback=True):  # asked first, so that the account is not locked during the log-in
            due = accounts.take_notice(conn, account, needed)
        if due is None:
            return False
        settings = accounts.find(conn, account)
        with _way_to_tell(settings) as tell:
            if tell is None:
                log.warning(
                    "%s. The notice stays due, as nothing can send it: set up the Airflow connection %s (type smtp,"
                    " with from_email in its extra)",
                    _written(settings, *due, needed).subject,
                    _SMTP,
                )
                return False
            with conn.transaction():
                conn.execute("SELECT set_config('idle_in_transaction_session_timeout', %s, true)", [_LOCKED_AT_MOST])
                due = accounts.take_notice(conn, account, needed)
                if due is not None:
                    tell(_written(settings, *due, needed))
    return due is not None and bool(settings.notify)


def _written(account: Account, notice: Notice, available: int, needed: int) -> Message:
    from lead_mining.messages import Message

    left = f"{available:,} credit{'' if available == 1 else 's'}" if available else "no credits"
    bought = f"at the provider ({account.provider_conn_id})" if account.provider_conn_id else "as you always do"
    if notice == "low":
        subject = f"Lead mining: credit account {account.name} is low, {left} left"
        state = f"The credit account {account.name} has {left} left, fewer than {account.low_balance:,}."
        stops = "Lead mining goes on until they are used up: 1 credit for each lead, 1 for each contact."
        again = "You are told again when no credits are left."
    else:
        subject = f"Lead mining: credit account {account.name} has {left} left"
        state = f"The credit account {account.name} has {left} left."
        if available:
            stops = f"A run that can cost {needed:,} was not begun: no leads come from it until credits are bought."
        else:
            stops = "Lead mining with this account has stopped: no new leads come until credits are bought."
        again = "You are not told again until the account is topped up."
    todo = f"What to do: buy credits {bought}, then book them in Airflow with the DAG credits_top_up (Buy credits)."
    return Message(subject, (state, stops, todo, again))


@contextmanager
def _way_to_tell(account: Account) -> Iterator[Callable[[Message], None] | None]:
    """What tells a notice: a mail server, logged in to; the log, where the account has no addresses; None: nothing."""
    from airflow.providers.smtp.hooks.smtp import SmtpHook

    if not account.notify:
        yield lambda text: log.warning("%s. To have it mailed, set addresses: DAG credits_account", text.subject)
        return
    try:
        SmtpHook.get_connection(_SMTP)
    except AirflowNotFoundException:
        yield None
        return
    with SmtpHook(smtp_conn_id=_SMTP) as smtp:
        yield lambda text: smtp.send_email_smtp(to=account.notify, subject=text.subject, html_content=text.html)


def recipients(values: Iterable[str]) -> list[str]:
    """Those that are an e-mail address or a Slack channel, each once."""
    from lead_mining.request_words import recipient

    found = []
    for value in values:
        with suppress(ValueError, TypeError):
            found.append(recipient(value))
    return list(dict.fromkeys(found))


def page_url(page: str) -> str | None:
    """The address of a page (see `links`) in the Airflow UI; None where `[api] base_url` is not set."""
    base = conf.get("api", "base_url", fallback="")
    return f"{base.rstrip('/')}/{page}" if base else None


def tell(to: Sequence[str], message: Message) -> list[str]:
    """Mail a message to the addresses among `to`, and post it to the Slack channels (`#sales`); by which ways it went.

    What goes wrong is logged, with what to do, and never raised.
    """
    channels = [each for each in to if each.startswith("#")]
    addresses = [each for each in to if each not in channels]
    ways = {
        f"mail, connection {_SMTP} (type smtp, with from_email in its extra)": (addresses, _mail),
        f"Slack, connection {_SLACK} (type slack)": (channels, _post),
    }
    return [way.partition(",")[0] for way, (who, send) in ways.items() if who and _sent(way, who, message, send)]


def _sent(way: str, to: Sequence[str], message: Message, send: Callable[[Sequence[str], Message], None]) -> bool:
    try:
        send(to, message)
    except Exception as error:  # its text may have the addresses in it
        kind = type(error).__name__
        log.warning("%s: not told (%s). The run is not affected; look at %s", message.subject, kind, way)
        return False
    log.info("%s: told to %s by %s", message.subject, len(to), way.partition(",")[0])
    return True


def _mail(addresses: Sequence[str], message: Message) -> None:
    from airflow.providers.smtp.hooks.smtp import SmtpHook

    with SmtpHook(smtp_conn_id=_SMTP) as smtp:
        smtp.send_email_smtp(to=list(addresses), subject=message.subject, html_content=message.html)


def _post(channels: Sequence[str], message: Message) -> None:
    from airflow.providers.slack.hooks.slack import SlackHook

    slack = SlackHook(slack_conn_id=_SLACK)
    for channel in channels:
        slack.call("chat.postMessage", json={"channel": channel, "text": message.slack, "unfurl_links": False})
