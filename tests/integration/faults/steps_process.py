"""Runs steps in forks of itself: importing pandas and Great Expectations costs seconds, and a fork can be killed.

Started as a program by `runner.py`, as a plain process with one thread (multiprocessing's forkserver would have to
import its target by name, and modules of this folder have none outside pytest). Each line of the input is a list of
orders, one for each process; the lines of the output are told in `runner.py`.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import psycopg
import tqdm

from lead_mining import judging, patience, pipeline
from lead_mining.providers.base import Company, Contact
from lead_mining.providers.odoo_iap import OdooIap
from lead_mining.quality.checks import Checks
from lead_mining.request import MiningRequest

PAGE_SIZE = 2  # more than one page for few leads
LOCK_WAIT = "100ms"
ANSWER_WITHIN = 0.1  # seconds; the proxy hands a call on or does not: nothing is at work on it for minutes


def say(**line: Any) -> None:
    os.write(sys.stdout.fileno(), json.dumps(line).encode() + b"\n")  # at once, so that lines of several do not mix


def run(place: int, order: dict[str, Any]) -> None:
    OdooIap.page_size = PAGE_SIZE
    OdooIap.answer_within = ANSWER_WITHIN
    patience.LOCK_WAIT = LOCK_WAIT
    os.environ["LEAD_MINING_KEPT_ANSWERS"] = f"{order['data_docs']}/kept_answers"
    for step in order["steps"]:
        try:
            with psycopg.connect(order["dsn"], autocommit=True, application_name=step) as conn:
                result = call(conn, step, order)
        except Exception as error:
            permanent = bool(getattr(error, "permanent", False))
            say(place=place, step=step, error=type(error).__name__, text=str(error), permanent=permanent)
            return
        if step == "prepare_request":
            order["run_id"] = result["run_id"]
        say(place=place, step=step, result=result)


def call(conn: psycopg.Connection, step: str, order: dict[str, Any]) -> dict[str, Any]:
    """As dags/lead_mining.py calls it."""
    if step == "prepare_request":
        return pipeline.prepare_request(conn, order["key"], order["request"])
    if step == "release":
        return pipeline.release(conn, order["key"])
    if step == "extract":
        at_once = order["calls_at_once"]
        dbuuid = "2a8a5d34-0000-4000-8000-000000000003"
        provider = OdooIap(order["url"], order["token"], dbuuid, calls_at_once=at_once)

        def reconnect() -> psycopg.Connection:
            return psycopg.connect(order["dsn"], autocommit=True, application_name=step)

        return pipeline.extract(conn, order["run_id"], provider, reconnect=reconnect)
    if step == "validate":
        return pipeline.validate(conn, order["run_id"], Path(order["data_docs"]))
    result: dict[str, Any] = getattr(pipeline, step)(conn, order["run_id"])
    return result


def warm_up() -> None:
    """Import and fill all that the first validation of a process would, without starting a thread."""
    tqdm.tqdm.monitor_interval = 0  # else Great Expectations' progress bars start one
    company = Company(name="Example", domain="company.example", contacts=(Contact(full_name="Someone"),))
    request = MiningRequest.parse({"countries": ["US"]})
    with tempfile.TemporaryDirectory() as folder:
        Checks(request, judging.lead_of, Path(folder)).judge([(1, company)])
    threads = Path("/proc/self/task")
    assert not threads.exists() or len(list(threads.iterdir())) == 1, "a fork has one thread: locks of others stay shut"


def serve() -> None:
    warm_up()
    say(ready=True)
    for line in sys.stdin:
        gc.freeze()
        places = {}
        for place, order in enumerate(json.loads(line)):
            pid = os.fork()
            if pid == 0:
                try:
                    run(place, order)
                finally:
                    os._exit(0)
            places[pid] = place
        say(pids=list(places))
        while places:
            pid, status = os.wait()
            say(place=places.pop(pid), exit=os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    serve()
