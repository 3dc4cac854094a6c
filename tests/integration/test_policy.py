"""The installation's policy: what it does not allow is refused before anything is held, whoever asks in whatever way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from paid_catalogue import PaidCatalogue, write_catalogue

from lead_mining import pipeline, policy, retrying, runs
from lead_mining.credits import ledger
from lead_mining.exceptions import CostNotApproved, InvalidRequest, PolicyError
from local_stack.policy import print_policy

REQUEST = {"countries": ["DE"], "lead_number": 3}
POLICY: dict[str, Any] = {
    "crms": {
        "lead_mining_crm": {
            "providers": ["lead_mining_provider"],
            "credit_accounts": ["default"],
            "approval_threshold": 5,
            "max_credits": 20,
        }
    },
    "acting_user": {"by": "login", "others": {"boss": ["admin"], policy.SCHEDULED: ["admin"]}},
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LEAD_MINING_POLICY", str(tmp_path))
    (tmp_path / "policy.yaml").write_text(yaml.safe_dump(POLICY))
    return tmp_path


def refused(conn: psycopg.Connection, asked_by: str | None = "boss", **params: Any) -> dict[str, str]:
    before = ledger.balance(conn, "default")
    with pytest.raises(InvalidRequest) as wrong:
        pipeline.prepare_request(conn, "lead_mining/refused", REQUEST | params, asked_by=asked_by)
    assert runs.find(conn, "lead_mining/refused") is None
    assert ledger.balance(conn, "default") == before
    return {problem.field: str(problem) for problem in wrong.value.problems}


@pytest.mark.parametrize(
    ("field", "params"),
    [
        ("crm_conn_id", {"crm_conn_id": "payroll"}),
        ("provider_conn_id", {"provider_conn_id": "another"}),
        ("then_provider_conn_ids", {"then_provider_conn_ids": ["another"]}),
        ("credit_account", {"credit_account": "marketing"}),
        ("lead_number", {"lead_number": 21}),
        ("max_credits", {"max_credits": 21}),
    ],
)
def test_what_is_not_allowed_is_refused(conn: psycopg.Connection, field: str, params: dict[str, Any]) -> None:
    assert "policy" in refused(conn, **params)[field]


def test_limits_can_only_be_tightened(conn: psycopg.Connection) -> None:
    for number, (asked, held) in enumerate(
        [({}, 5), ({"approval_threshold": 1000}, 5), ({"approval_threshold": 2}, 2)]
    ):
        plan = pipeline.prepare_request(conn, f"lead_mining/{number}", REQUEST | asked, asked_by="boss")
        assert runs.get(conn, plan["run_id"]).mining_request.approval_threshold == held
        assert plan["needs_approval"] == (held < 3)


def test_who_asks_works_as_their_own_user_of_the_crm(conn: psycopg.Connection, folder: Path) -> None:
    logins = dict(conn.execute("SELECT login, id FROM res_users").fetchall())
    for key, asked_by, user in (("own", "admin", "admin"), ("boss", "boss", "admin"), ("night", None, "admin")):
        plan = pipeline.prepare_request(conn, f"lead_mining/{key}", REQUEST, asked_by=asked_by)
        run = runs.get(conn, plan["run_id"])
        assert run.crm_context.acting_user_id == run.crm_context.salesperson_id == logins[user]
        assert run.asked_by == asked_by
    assert "finds no user of the CRM" in refused(conn, asked_by="nobody")["acting_user"]
    assert "allows admin" in refused(conn, asked_by="admin", acting_user="somebody")["acting_user"]
    by_mail = POLICY | {"acting_user": {"by": "email"}}
    (folder / "policy.yaml").write_text(yaml.safe_dump(by_mail))
    (mail,) = conn.execute(
        "SELECT p.email FROM res_users u JOIN res_partner p ON p.id = u.partner_id WHERE u.login = 'admin'"
    ).fetchone() or ("",)
    conn.execute("UPDATE res_partner SET email_normalized = lower(email)")
    plan = pipeline.prepare_request(conn, "lead_mining/mail", REQUEST, asked_by=mail.upper())
    assert runs.get(conn, plan["run_id"]).mining_request.acting_user == "admin"
    assert "finds no user" in refused(conn, asked_by=None)["acting_user"]


def test_who_asked_cannot_approve_and_a_colleague_can(conn: psycopg.Connection, tmp_path: Path) -> None:
    plan = pipeline.prepare_request(conn, "lead_mining/four", REQUEST | {"approval_threshold": 0}, asked_by="boss")
    provider = PaidCatalogue(write_catalogue(tmp_path / "c.csv", 3), excludes_known=False)
    with pytest.raises(CostNotApproved, match="approved by who asked for it"):
        pipeline.approve(conn, "lead_mining/four", "boss")
    with pytest.raises(CostNotApproved, match="nobody approved"):
        pipeline.extract(conn, plan["run_id"], provider)
    assert conn.execute("SELECT count(*) FROM lead_mining.provider_call").fetchone() == (0,)
    pipeline.approve(conn, "lead_mining/four", "colleague")
    pipeline.extract(conn, plan["run_id"], provider)
    assert runs.get(conn, plan["run_id"]).approved_by == "colleague"


def test_a_run_is_cleared_as_it_was_prepared_whatever_the_policy_says_by_then(
    conn: psycopg.Connection, folder: Path
) -> None:
    first = pipeline.prepare_request(conn, "lead_mining/a", REQUEST, asked_by="boss")
    stricter = {"crms": {"another": {"providers": ["x"], "credit_accounts": ["x"]}}}
    (folder / "policy.yaml").write_text(yaml.safe_dump(stricter))
    assert pipeline.prepare_request(conn, "lead_mining/a", REQUEST, asked_by="boss") == first


def test_a_retry_keeps_the_threshold_of_the_request(conn: psycopg.Connection, tmp_path: Path) -> None:
    run_id = pipeline.prepare_request(conn, "lead_mining/first", REQUEST | {"lead_number": 4}, asked_by="boss")[
        "run_id"
    ]
    pipeline.extract(
        conn, run_id, PaidCatalogue(write_catalogue(tmp_path / "c.csv", 4, bad_every=1), excludes_known=False)
    )
    pipeline.validate(conn, run_id, tmp_path)
    bad = [row[0] for row in conn.execute("SELECT id FROM lead_mining.candidate WHERE state = 'rejected'")]
    assert len(bad) >= 2
    conn.execute("UPDATE lead_mining.run SET request = jsonb_set(request, '{approval_threshold}', '1')")
    with pytest.raises(InvalidRequest, match="above 1 a person approves: try fewer at once"):
        retrying.prepare_retry(conn, "retry_rejections/x", bad, [], {}, "boss")
    plan = retrying.prepare_retry(conn, "retry_rejections/x", bad[:1], [], {}, "boss")
    assert runs.get(conn, plan["run_id"]).mining_request.approval_threshold == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "policy.yaml"),
        ("crms: [", "policy.yaml, line 1: this is not YAML"),
        ("crms: {}", "crms"),
        ("crms: {a: {providers: [x], credit_accounts: [y], max_credit: 3}}", "there is no such field"),
        ("four_eyes: true", "it is required"),
    ],
)
def test_a_wrong_policy_refuses_all_and_says_why(
    conn: psycopg.Connection, folder: Path, text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "policy.yaml").write_text(text)
    with pytest.raises(PolicyError, match=said):
        pipeline.prepare_request(conn, "lead_mining/x", REQUEST, asked_by="boss")
    assert print_policy() == 1
    assert said in capsys.readouterr().out


def test_a_policy_that_cannot_be_read_refuses_all(conn: psycopg.Connection, folder: Path) -> None:
    (folder / "policy.yaml").unlink()
    (folder / "policy.yaml").symlink_to("nothing")
    with pytest.raises(PolicyError, match="cannot be read"):
        pipeline.prepare_request(conn, "lead_mining/x", REQUEST, asked_by="boss")


def test_without_a_policy_all_is_as_it_was(
    conn: psycopg.Connection, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "policy.yaml").unlink()
    plan = pipeline.prepare_request(conn, "lead_mining/x", REQUEST | {"lead_number": 100}, asked_by="nobody")
    run = runs.get(conn, plan["run_id"])
    assert (run.needs_approval, run.mining_request.acting_user, run.asked_by) == (False, "admin", "nobody")
    assert print_policy() == 0
    assert "chooses freely" in capsys.readouterr().out


def test_the_readmes_example_is_a_policy(folder: Path) -> None:
    readme = (Path(__file__).parents[2] / "include" / "policy" / "README.md").read_text()
    (folder / "policy.yaml").write_text(readme.partition("```yaml\n")[2].partition("```")[0])
    found = policy.read()
    assert found
    assert found.acting_user
    assert found.acting_user.others[policy.SCHEDULED] == ["admin"]
    assert print_policy() == 0
