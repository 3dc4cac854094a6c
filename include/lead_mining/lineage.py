"""Where leads come from, for Airflow's hook lineage: provider, our tables, the CRM's tables, as assets.

Whoever reads hook lineage, such as Airflow's OpenLineage provider, has them with the task's own events. Where nobody
does, nothing is done.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from airflow.sdk import plugins_manager

from lead_mining.foreign_errors import told
from lead_mining.hooks import provider_asset_uri, provider_conn_ids
from lead_mining.plain import logger

if TYPE_CHECKING:
    from airflow.providers.common.compat.openlineage.facet import Dataset
    from airflow.sdk import Asset
    from psycopg import Connection, ConnectionInfo

log = logger(__name__)

_ADDRESS = re.compile(r"\S@\S")

_RAW, _CANDIDATES, _REJECTIONS = "lead_mining/raw_page", "lead_mining/candidate", "lead_mining/rejection"
_LEDGER, _LEADS = "lead_mining/ledger_transaction", "public/crm_lead"

_TABLES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "extract": ((), (_RAW, _CANDIDATES, _REJECTIONS)),
    "validate": ((_CANDIDATES,), (_CANDIDATES, _REJECTIONS)),
    "deduplicate": ((_CANDIDATES, _LEADS, "public/res_partner"), (_CANDIDATES, _REJECTIONS)),
    "debit_credits": ((_CANDIDATES,), (_CANDIDATES, _REJECTIONS, _LEDGER)),
    "load_leads": ((_CANDIDATES,), (_LEADS, "public/mail_message", "lead_mining/provenance", _LEDGER)),
    "write_enrichment_notes": ((_CANDIDATES, _LEADS), ("public/mail_message",)),
}
"""By step, which tables it reads and writes, as schema/table; `extract` reads from providers, too."""


def report(step: str, conn: Connection, params: Mapping[str, Any]) -> None:
    """Report what a step of a run with these params reads and writes."""
    if not plugins_manager.get_hook_lineage_readers_plugins():  # a collector would take a tenth of a second to be made
        return
    try:
        _collect(step, conn.info, params)
    except Exception as error:  # the step's work is done
        log.warning("what %s read and wrote could not be reported (%s)", step, told(error))


def _collect(step: str, info: ConnectionInfo, params: Mapping[str, Any]) -> None:
    from airflow.providers.postgres.hooks.postgres import PostgresHook
    from airflow.sdk.lineage import get_hook_lineage_collector

    collector, hook = get_hook_lineage_collector(), PostgresHook(postgres_conn_id=params["crm_conn_id"])
    host = "localhost" if info.host.startswith("/") or not info.host else info.host
    database = f"postgres://{host}:{info.port}/{quote(info.dbname, safe='')}"
    providers = map(provider_asset_uri, provider_conn_ids(params)) if step == "extract" else ()
    reads, writes = _TABLES[step]
    for uri in (*providers, *(f"{database}/{table}" for table in reads)):
        collector.add_input_asset(hook, uri=uri)
    for table in writes:
        collector.add_output_asset(hook, uri=f"{database}/{table}")


def provider_dataset(asset: Asset, _context: Any) -> Dataset:
    """The OpenLineage dataset of a provider's asset, `odoo-iap://host/service`: the host as namespace, the service."""
    from airflow.providers.common.compat.openlineage.facet import Dataset

    parts = urlsplit(asset.uri)
    return Dataset(namespace=f"{parts.scheme}://{parts.netloc}", name=parts.path.strip("/"))


def keep_addresses_out() -> None:
    """Mask e-mail addresses in the params of runs, which OpenLineage's provider puts into each of its events.

    It has no setting for that, and what it redacts by name does not reach them (2.20.3).
    """
    from airflow.providers.openlineage import conf

    if conf.is_disabled():
        return
    from airflow.providers.openlineage.utils.utils import DagRunInfo, TaskInfoComplete

    DagRunInfo.casts |= {field: partial(_masked, field=field) for field in ("conf", "triggering_user_name")}
    TaskInfoComplete.casts = TaskInfoComplete.casts | {
        field: partial(_masked, field=field) for field in ("op_args", "op_kwargs")
    }


def _masked(owner: object, field: str) -> Any:
    return _without_addresses(getattr(owner, field, None))


def _without_addresses(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_addresses(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_addresses(each) for each in value]
    return "***" if isinstance(value, str) and _ADDRESS.search(value) else value
