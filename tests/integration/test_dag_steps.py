"""Steps as tasks do them: counted once however often they are cleared; and whoever is named is told of the end, once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowRescheduleException
from airflow.sdk.observability import stats
from credit_dags import airflow_connection
from mail_server import MailServer, SlackServer, running_mail_server, running_slack
from mined_runs import lose_call
from paid_catalogue import PaidCatalogue, write_catalogue
from steps import STEPS

from lead_mining import dag_steps, lineage, metrics, pipeline
from lead_mining.candidates import WHOLE
from lead_mining.exceptions import ProviderAccessDenied, ProviderBusy
from lead_mining.providers.base import Exclusions, Page, Provider, Query
from lead_mining.rate_limits import SharedGate

PARAMS: dict[str, Any] = {"crm_conn_id": "lead_mining_crm"}
REQUEST: dict[str, Any] = {"countries": ["DE"], "lead_number": 4, "notify": ["boss@example.com", "#sales"]}
DAG_RUN = SimpleNamespace(dag_id="lead_mining", run_id="r 1")
ALL_DONE = dict.fromkeys(("prepare_request", "extract", "load_leads"), "success")


@pytest.fixture
def crm_kind() -> str:
    return "embedded"


@pytest.fixture(autouse=True)
def _airflow(crm_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_LEAD_MINING_CRM", airflow_connection(crm_dsn))
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.com/")


@pytest.fixture
def provider(tmp_path: Path) -> PaidCatalogue:
    return PaidCatalogue(write_catalogue(tmp_path / "companies.csv", 4, bad_every=4), excludes_known=True)


@pytest.fixture
def plan(conn: psycopg.Connection) -> dict[str, Any]:
    return pipeline.prepare_request(conn, "lead_mining/r 1", REQUEST)


@pytest.fixture
def mails(monkeypatch: pytest.MonkeyPatch) -> Iterator[MailServer]:
    with running_mail_server() as server:
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", server.airflow_connection)
        yield server


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlackServer]:
    with running_slack() as server:
        monkeypatch.setenv("AIRFLOW_CONN_SLACK_API_DEFAULT", server.airflow_connection)
        yield server


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, dict[str, str] | None]]:
    found: list[tuple[str, int, dict[str, str] | None]] = []
    monkeypatch.setattr(stats, "incr", lambda name, count=1, *, tags=None: found.append((name, count, tags)))
    return found


def run_steps(plan: dict[str, Any], provider: Provider, docs: Path) -> None:
    run_id = plan["run_id"]
    dag_steps.do("extract", plan, DAG_RUN, PARAMS, lambda conn: pipeline.extract(conn, run_id, provider))
    dag_steps.do("validate", plan, DAG_RUN, PARAMS, lambda conn: pipeline.validate(conn, run_id, docs))
    for step in ("deduplicate", "debit_credits", "load_leads", "write_enrichment_notes"):
        dag_steps.do(step, plan, DAG_RUN, PARAMS, lambda conn, step=step: getattr(pipeline, step)(conn, run_id))  # type: ignore[misc]


def release(states: dict[str, str] = ALL_DONE, run_id: str = "r 1", params: dict[str, Any] = PARAMS) -> dict[str, Any]:
    ti = SimpleNamespace(get_task_states=lambda dag_id, run_ids: {run_ids[0]: states})
    return dag_steps.released(params, SimpleNamespace(dag_id="lead_mining", run_id=run_id), ti)


# -- the right run


def test_no_step_works_on_the_run_that_another_key_has_after_the_crm_was_restored(
    conn: psycopg.Connection, plan: dict[str, Any], provider: PaidCatalogue, tmp_path: Path
) -> None:
    run_steps(plan, provider, tmp_path)
    before, (restored,) = provider.paid, conn.execute("SELECT max(id) FROM lead_mining.run").fetchall()[0]
    tasks: list[tuple[Any, dict[str, Any]]] = [
        (dag_steps._validate, {"part": asdict(WHOLE)}),
        (dag_steps.deduplicate.function, {}),
        (dag_steps.debit_credits.function, {}),
        (lambda **given: list(dag_steps.load_leads.function(**given)), {}),
        (dag_steps.write_enrichment_notes.function, {"part": asdict(WHOLE)}),
        (lambda dag_run, **_: dag_steps.do("extract", plan, dag_run, PARAMS, lambda conn: {}), {}),
    ]
    assert len(tasks) + 3 == len(STEPS), "prepare_request and release go by the key alone; approve_cost reads nothing"
    for key, known in (("r 2", "is that of 'lead_mining/r 1': the CRM was restored"), ("r 1", "is not there")):
        run_id = restored if key == "r 2" else restored + 1
        for task, more in tasks:
            plan["run_id"] = run_id
            with pytest.raises(AirflowFailException, match=f"in the CRM's database run {run_id} {known}"):
                task(plan=plan, params=PARAMS, dag_run=SimpleNamespace(dag_id="lead_mining", run_id=key), **more)
    assert release(run_id="r 2") == {"released": 0}
    assert provider.paid == before


# -- counting


def test_a_step_is_counted_once_however_often_its_task_is_cleared(
    plan: dict[str, Any],
    provider: PaidCatalogue,
    tmp_path: Path,
    counted: list[Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "lead_mining.dag_steps")
    tags = {"provider": "lead_mining_provider"}
    run_steps(plan, metrics.measured(provider, "lead_mining_provider"), tmp_path)
    assert counted == [
        ("lead_mining.provider_calls", 1, tags),
        ("lead_mining.rejections.domain_is_not_free_mail", 1, tags),
        ("lead_mining.leads", 3, tags),
        ("lead_mining.credits_captured", 3, tags),
    ]
    assert not [message for message in caplog.messages if "done before" in message]
    counted.clear()
    caplog.clear()
    run_steps(plan, metrics.measured(provider, "lead_mining_provider"), tmp_path)
    assert counted == []
    assert len([message for message in caplog.messages if ": done before: " in message]) == 6
    assert provider.paid == 4


def test_an_error_of_the_provider_is_counted_by_its_kind_and_raised(
    plan: dict[str, Any], provider: PaidCatalogue, counted: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object) -> Page:
        raise ProviderAccessDenied("the token is wrong")

    monkeypatch.setattr(provider, "fetch", denied)
    with pytest.raises(Exception, match="the token is wrong"):
        dag_steps.do(
            "extract",
            plan,
            DAG_RUN,
            PARAMS,
            lambda conn: pipeline.extract(conn, plan["run_id"], metrics.measured(provider, "a_provider")),
        )
    tags = {"provider": "a_provider"}
    assert counted == [
        ("lead_mining.provider_calls", 1, tags),
        ("lead_mining.provider_errors.ProviderAccessDenied", 1, tags),
    ]


def test_the_providers_of_a_run_are_those_of_its_params_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, counted: list[Any]
) -> None:
    write_catalogue(tmp_path / "companies.csv", 4)
    for name in ("A", "B"):
        extra = {"path": str(tmp_path / "companies.csv")}
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps({"conn_type": "lead_catalog", "extra": extra}))
    assert [source.conn_id for source in dag_steps.sources_of(PARAMS | {"provider_conn_id": "b"})] == ["b"]
    found = dag_steps.sources_of(PARAMS | {"provider_conn_id": "b", "then_provider_conn_ids": ["a"]})
    assert [source.conn_id for source in found] == ["b", "a"]
    assert {type(source.provider.gate) for source in found} == {SharedGate}
    assert len(found[1].provider.fetch(Query(countries=("DE",)), 4, None, Exclusions()).records) == 4
    assert counted == [("lead_mining.provider_calls", 1, {"provider": "a"})]


# -- putting off


def extract_busy(
    plan: dict[str, Any],
    provider: PaidCatalogue,
    monkeypatch: pytest.MonkeyPatch,
    until: datetime,
    since: datetime | None = None,
) -> None:
    """The step, when the provider may not be called until then. `since`: when the task was first put off."""

    def busy(*_: object) -> Page:
        raise ProviderBusy("a_provider is not called before then: its limit of calls is used up", until)

    monkeypatch.setattr(provider, "fetch", busy)
    ti = SimpleNamespace(get_first_reschedule_date=lambda context: since)
    monkeypatch.setattr(dag_steps, "get_current_context", lambda: {"ti": ti})
    measured = metrics.measured(provider, "a_provider")
    dag_steps.do("extract", plan, DAG_RUN, PARAMS, lambda conn: pipeline.extract(conn, plan["run_id"], measured))


def test_a_call_that_is_put_off_frees_its_worker_uses_no_try_and_is_no_error(
    conn: psycopg.Connection,
    plan: dict[str, Any],
    provider: PaidCatalogue,
    counted: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    until = datetime.now(UTC) + timedelta(hours=1)
    with pytest.raises(AirflowRescheduleException) as put_off:
        extract_busy(plan, provider, monkeypatch, until)
    assert put_off.value.reschedule_date == until
    assert counted == [("lead_mining.provider_waits", 1, {"provider": "a_provider"})]
    states = conn.execute("SELECT state, charged FROM lead_mining.provider_call").fetchall()
    assert states == [("not_charged", 0)]
    monkeypatch.undo()
    assert pipeline.extract(conn, plan["run_id"], provider)["candidates"] == 4


def test_a_task_is_not_put_off_for_ever(
    plan: dict[str, Any], provider: PaidCatalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    since = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)
    with pytest.raises(AirflowRescheduleException):
        extract_busy(plan, provider, monkeypatch, since + timedelta(hours=23), since)
    with pytest.raises(AirflowFailException, match=r"used up, and this task has been put off since 2026-03-01 08:30"):
        extract_busy(plan, provider, monkeypatch, since + timedelta(hours=25), since)


def test_lineage_that_cannot_be_reported_fails_nothing(
    plan: dict[str, Any], provider: PaidCatalogue, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(lineage.plugins_manager, "get_hook_lineage_readers_plugins", lambda: ["a reader"])
    params, run_id = PARAMS | {"provider_conn_id": "nowhere"}, plan["run_id"]
    done = dag_steps.do("extract", plan, DAG_RUN, params, lambda conn: pipeline.extract(conn, run_id, provider))
    assert done["candidates"] == 4
    assert "what extract read and wrote could not be reported (InvalidRequest: " in caplog.text


# -- telling


def test_the_end_is_told_once(
    plan: dict[str, Any], provider: PaidCatalogue, tmp_path: Path, mails: MailServer, slack: SlackServer
) -> None:
    run_steps(plan, provider, tmp_path)
    assert [release()["released"], release()["released"]] == [0, 0]
    ((to, mail),) = mails.mails
    assert to == ("boss@example.com",)
    html = mail.get_body(("html",)).get_content()  # type: ignore[union-attr]
    assert mail["Subject"] == "Lead mining: 3 leads from request LMR001"
    assert "That cost 3 credits; 997 credits are left in the account default." in html
    assert "1 because this does not hold: The domain is the company&#x27;s own" in html
    assert 'href="https://airflow.example.com/lead-mining/requests/lead_mining/r%201"' in html
    assert [post["channel"] for post in slack.posts] == ["#sales"]


def test_a_failure_is_told_and_the_good_end_afterwards(
    plan: dict[str, Any], provider: PaidCatalogue, tmp_path: Path, mails: MailServer, slack: SlackServer
) -> None:
    failed = {"prepare_request": "success", "extract": "failed", "validate": "upstream_failed"}
    assert [release(failed)["released"], release(failed)["released"]] == [4, 0]
    run_steps(plan, provider, tmp_path)
    release()
    assert [mail["Subject"] for _, mail in mails.mails] == [
        "Lead mining: request LMR001 has failed",
        "Lead mining: 3 leads from request LMR001",
    ]
    assert "No credits are lost" in slack.posts[0]["text"]


def test_a_lost_answer_is_told_with_its_call(
    conn: psycopg.Connection, plan: dict[str, Any], mails: MailServer, slack: SlackServer
) -> None:
    call = lose_call(conn, plan["run_id"])
    release({"extract": "failed"})
    assert f"credits_settle, call {call};" in slack.posts[0]["text"]
    assert "No credits are lost" not in slack.posts[0]["text"]


def test_a_request_that_was_not_begun_is_told_to_who_can_be(
    conn: psycopg.Connection, mails: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    params = PARAMS | {"notify": ["boss@example.com", "no address", 7, None]}
    assert release({"prepare_request": "failed"}, "unknown", params) == {"released": 0}
    ((to, mail),) = mails.mails
    assert (to, mail["Subject"]) == (("boss@example.com",), "Lead mining: a request could not be begun")


def test_who_cannot_be_told_is_a_warning_and_is_told_when_the_task_is_cleared(
    plan: dict[str, Any],
    mails: MailServer,
    slack: SlackServer,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mails.refuses, slack.refuses = ("boss",), ("#sales",)
    assert release()["released"] == 4
    for way in ("mail, connection smtp_default", "Slack, connection slack_api_default"):
        assert f"The run is not affected; look at {way}" in caplog.text
    assert "boss@example.com" not in caplog.text
    mails.refuses = ()
    release()
    assert len(mails.mails) == 1


def test_telling_that_breaks_does_not_fail_the_release(
    plan: dict[str, Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(dag_steps, "_tell_of_the_end", broken)
    assert release()["released"] == 4
    assert "Nobody was told that the run has ended (ZeroDivisionError" in caplog.text
