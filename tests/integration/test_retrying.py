"""Rejections tried again: corrected or overruled, by a run of their own, paid when they are loaded and only then."""

from __future__ import annotations

import csv
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest
from crm_records import add_lead
from fake_sellers import Seller, company
from mined_runs import set_aside
from paid_catalogue import PaidCatalogue, write_catalogue

from lead_mining import pipeline, retrying
from lead_mining.audit import audit
from lead_mining.credits import ledger
from lead_mining.erasing import erase
from lead_mining.exceptions import InsufficientCredits, InvalidRequest
from lead_mining.privacy import retention, suppression
from lead_mining.privacy.subject import Subject

pytestmark = pytest.mark.parametrize("crm_kind", ["embedded"], indirect=True)
REQUEST = {"countries": ["DE"], "lead_number": 6, "saved_search": "Berlin"}


@pytest.fixture
def rejected(conn: psycopg.Connection, tmp_path: Path) -> dict[str, int]:
    """A run with 6 companies: 3 and 6 have a mail service's domain, 1 is in the CRM. Name of the rule to a candidate."""
    add_lead(conn, website="https://firm-1.example")
    provider = PaidCatalogue(write_catalogue(tmp_path / "c.csv", 6, bad_every=3), excludes_known=False)
    run_id = pipeline.prepare_request(conn, "lead_mining/first", REQUEST)["run_id"]
    pipeline.extract(conn, run_id, provider)
    finish(conn, run_id, "lead_mining/first", tmp_path)
    rows = conn.execute("SELECT rules[1], min(candidate_id) FROM lead_mining.rejected_company GROUP BY 1").fetchall()
    return dict(rows)


def finish(conn: psycopg.Connection, run_id: int, key: str, docs: Path) -> dict[str, Any]:
    pipeline.validate(conn, run_id, docs)
    pipeline.deduplicate(conn, run_id)
    pipeline.debit_credits(conn, run_id)
    loaded = pipeline.load_leads(conn, run_id)
    pipeline.write_enrichment_notes(conn, run_id)
    pipeline.release(conn, key)
    return loaded


def retry(
    conn: psycopg.Connection,
    docs: Path,
    candidate_ids: list[int],
    overrule: Collection[str] = (),
    corrections: Mapping[int, Mapping[str, Any]] | None = None,
    key: str = "retry_rejections/one",
) -> dict[str, Any]:
    plan = retrying.prepare_retry(conn, key, candidate_ids, overrule, corrections or {})
    return finish(conn, plan["run_id"], key, docs)


def test_the_rejected_are_listed_with_all_their_reasons(conn: psycopg.Connection, rejected: dict[str, int]) -> None:
    rows = conn.execute(
        "SELECT request_number, saved_search, domain, cost, rules, reasons FROM lead_mining.rejected_company ORDER BY domain"
    ).fetchall()
    (lead,) = conn.execute("SELECT min(id) FROM crm_lead").fetchone()
    assert rows == [
        ("LMR001", "Berlin", "firm-1.example", 1, ["duplicate_domain"], [f"duplicate_domain: firm-1.example = crm.lead {lead}"]),
        *[("LMR001", "Berlin", "gmail.com", 1, ["domain_is_not_free_mail"], ["domain_is_not_free_mail: gmail.com"])] * 2,
    ]  # fmt: skip


def test_a_corrected_company_is_loaded_and_paid_and_belongs_to_its_request(
    conn: psycopg.Connection, rejected: dict[str, int], tmp_path: Path
) -> None:
    candidate = rejected["domain_is_not_free_mail"]
    spent = ledger.balance(conn, "default").spent
    loaded = retry(conn, tmp_path, [candidate], corrections={candidate: {"domain": "neu.example", "city": "Köln"}})
    assert (loaded["leads"], loaded["captured"]) == (1, 1)
    lead = conn.execute(
        "SELECT l.website, l.city, r.name, r.state FROM crm_lead l JOIN lead_mining.candidate c ON c.lead_id = l.id"
        " JOIN crm_iap_lead_mining_request r ON r.id = l.lead_mining_request_id WHERE c.retry_of = %s",
        [candidate],
    ).fetchone()
    assert lead == ("https://www.neu.example", "Köln", "LMR001", "done")
    assert ledger.balance(conn, "default").spent == spent + 1
    assert ledger.balance(conn, "default").held == 0
    assert conn.execute("SELECT count(*) FROM lead_mining.provider_call").fetchone() == (1,)
    assert candidate not in {row[0] for row in conn.execute("SELECT candidate_id FROM lead_mining.rejected_company")}
    assert audit(conn) == []


@pytest.mark.parametrize("rule", ["duplicate_domain", "domain_is_not_free_mail"])
def test_an_overruled_rule_warns_and_does_not_reject(
    conn: psycopg.Connection, rejected: dict[str, int], tmp_path: Path, rule: str
) -> None:
    assert retry(conn, tmp_path, [rejected[rule]], [rule])["leads"] == 1
    severities = conn.execute(
        "SELECT DISTINCT j.severity FROM lead_mining.rejection j JOIN lead_mining.candidate c ON c.id = j.candidate_id"
        " WHERE c.retry_of IS NOT NULL AND j.rule = %s",
        [rule],
    ).fetchall()
    assert severities == [("warn",)]
    assert audit(conn) == []


def test_what_is_still_wrong_is_rejected_again_and_costs_nothing(
    conn: psycopg.Connection, rejected: dict[str, int], tmp_path: Path
) -> None:
    before = ledger.balance(conn, "default")
    loaded = retry(conn, tmp_path, list(rejected.values()))
    assert loaded["leads"] == 0
    assert ledger.balance(conn, "default") == before
    assert conn.execute("SELECT state FROM crm_iap_lead_mining_request").fetchall() == [("done",)]
    assert audit(conn) == []


def test_once_loaded_it_is_not_loaded_again(conn: psycopg.Connection, rejected: dict[str, int], tmp_path: Path) -> None:
    candidate = rejected["duplicate_domain"]
    first = retrying.prepare_retry(conn, "retry_rejections/a", [candidate], ["duplicate_domain"], {})
    second = retrying.prepare_retry(conn, "retry_rejections/b", [candidate], ["duplicate_domain"], {})
    assert finish(conn, first["run_id"], "retry_rejections/a", tmp_path)["leads"] == 1
    assert finish(conn, second["run_id"], "retry_rejections/b", tmp_path)["leads"] == 0
    with pytest.raises(InvalidRequest, match=r"it was tried again, and is lead \d+"):
        retrying.prepare_retry(conn, "retry_rejections/c", [candidate], ["duplicate_domain"], {})
    assert conn.execute("SELECT count(*) FROM crm_lead WHERE website LIKE '%firm-1.example'").fetchone() == (2,)


def test_the_same_run_prepared_again_is_the_same_run(conn: psycopg.Connection, rejected: dict[str, int]) -> None:
    arguments = ([rejected["duplicate_domain"]], ["duplicate_domain"], {})
    first = retrying.prepare_retry(conn, "retry_rejections/one", *arguments)
    assert retrying.prepare_retry(conn, "retry_rejections/one", *arguments) == first
    assert ledger.balance(conn, "default").held == 1


def test_the_same_run_with_another_retry_is_refused(conn: psycopg.Connection, rejected: dict[str, int]) -> None:
    id_, other = rejected["domain_is_not_free_mail"], rejected["duplicate_domain"]
    key, rule, domain = "retry_rejections/one", "domain_is_not_free_mail", {id_: {"domain": "right.example"}}
    first = retrying.prepare_retry(conn, key, [id_], [rule], domain)
    for asked in (
        ([id_, other], [rule], domain),
        ([other], ["duplicate_domain"], {}),
        ([id_], [], domain),
        ([id_], [rule], {}),
        ([id_], [rule], {id_: {"domain": "other.example"}}),
        ([id_], [rule], {id_: {"domain": "right.example", "city": "Bonn"}}),
    ):
        with pytest.raises(InvalidRequest, match="is in this CRM already, as LMR001, and asked for"):
            retrying.prepare_retry(conn, key, *asked)
    assert retrying.prepare_retry(conn, key, [id_], [rule], domain) == first
    assert ledger.balance(conn, "default").held == 1


@pytest.mark.parametrize(
    ("overrule", "corrections", "said"),
    [
        (["no_such_rule"], {}, "they were rejected by domain_is_not_free_mail"),
        ([], {0: {"name": "x"}}, "it is not among the candidates"),
        ([], {None: {"emails": ["a@b.example"]}}, "fields that can be corrected are name"),
        ([], {None: {"employees": "many"}}, "corrections"),
        ([], {None: {"name": ["x"]}}, "corrections"),
    ],
)
def test_a_wrong_form_is_refused_and_nothing_is_held(
    conn: psycopg.Connection, rejected: dict[str, int], overrule: list[str], corrections: dict[Any, Any], said: str
) -> None:
    candidate = rejected["domain_is_not_free_mail"]
    given = {candidate if id_ is None else id_: fields for id_, fields in corrections.items()}
    with pytest.raises(InvalidRequest, match=said):
        retrying.prepare_retry(conn, "retry_rejections/one", [candidate], overrule, given)
    assert ledger.balance(conn, "default").held == 0


def test_loaded_and_unknown_candidates_are_refused(conn: psycopg.Connection, rejected: dict[str, int]) -> None:
    (loaded,) = conn.execute("SELECT min(id) FROM lead_mining.candidate WHERE state = 'loaded'").fetchone()
    with pytest.raises(InvalidRequest) as caught:
        retrying.prepare_retry(conn, "retry_rejections/one", [loaded, 10**15, rejected["duplicate_domain"]], [], {})
    assert str(caught.value).count("no rejected candidate that was bought") == 2
    with pytest.raises(InvalidRequest, match="name at least one"):
        retrying.prepare_retry(conn, "retry_rejections/one", [], [], {})


def test_suppressed_ones_are_never_overruled(
    conn: psycopg.Connection, rejected: dict[str, int], tmp_path: Path
) -> None:
    candidate = rejected["duplicate_domain"]
    suppression.add(conn, [suppression.Entry.of("domain", "firm-1.example", "asked", "test")])
    assert retry(conn, tmp_path, [candidate], ["duplicate_domain"])["leads"] == 0
    (again,) = conn.execute("SELECT id FROM lead_mining.candidate WHERE retry_of = %s", [candidate]).fetchone()
    with pytest.raises(InvalidRequest, match="privacy_suppress"):
        retrying.prepare_retry(conn, "retry_rejections/two", [again], ["suppressed_domain"], {})


def test_what_retention_removed_cannot_be_loaded(conn: psycopg.Connection, rejected: dict[str, int]) -> None:
    conn.execute("UPDATE lead_mining.raw_page SET received_at = now() - interval '400 days'")
    retention.apply(conn, 365)
    with pytest.raises(InvalidRequest, match="its data was removed"):
        retrying.prepare_retry(conn, "retry_rejections/one", [rejected["duplicate_domain"]], [], {})


CONTACTS = [
    {"full_name": "Ada Example", "email": "ada@firm-9.example", "role": "ceo"},
    {"full_name": "Bob Example", "email": "bob(at)firm-9.example", "role": "ceo"},
    {"full_name": "Cay Example", "email": "cay@firm-9.example", "role": "ceo"},
]


@pytest.fixture
def company_with_contacts(conn: psycopg.Connection, tmp_path: Path) -> int:
    """A rejected company, in the CRM by its domain, whose second of three contacts was turned down too."""
    add_lead(conn, website="https://firm-9.example")
    path = tmp_path / "people.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "domain", "country_code", "reveal_id", "contacts"])
        writer.writerow(["Firm 9", "firm-9.example", "DE", "r9", json.dumps(CONTACTS)])
    request = {"countries": ["DE"], "search_type": "people", "lead_number": 1, "preferred_role": "CEO"}
    run_id = pipeline.prepare_request(conn, "lead_mining/people", request)["run_id"]
    pipeline.extract(conn, run_id, PaidCatalogue(path, excludes_known=False))
    finish(conn, run_id, "lead_mining/people", tmp_path)
    (candidate,) = conn.execute("SELECT candidate_id FROM lead_mining.rejected_company").fetchone()
    return int(candidate)


@pytest.mark.parametrize(
    ("overrule", "loaded"),
    [
        (["duplicate_domain"], ["Ada Example", "Cay Example"]),
        (["duplicate_domain", "contact_email_is_well_formed"], ["Ada Example", "Bob Example", "Cay Example"]),
    ],
)
def test_contacts_that_were_turned_down_are_judged_again_with_their_company(
    conn: psycopg.Connection, company_with_contacts: int, tmp_path: Path, overrule: list[str], loaded: list[str]
) -> None:
    result = retry(conn, tmp_path, [company_with_contacts], overrule)
    assert (result["leads"], result["contacts"], result["captured"]) == (1, len(loaded), 1 + len(loaded))
    (contacts,) = conn.execute(
        "SELECT company->'contacts' FROM lead_mining.candidate WHERE retry_of = %s", [company_with_contacts]
    ).fetchone()
    assert [contact["full_name"] for contact in contacts] == loaded
    assert audit(conn) == []


def test_a_contact_that_was_erased_does_not_come_back(
    conn: psycopg.Connection, company_with_contacts: int, tmp_path: Path
) -> None:
    erase(conn, Subject.of("email", CONTACTS[0]["email"]), "the test", tmp_path)
    conn.execute("UPDATE lead_mining.rejection SET record = '{}' WHERE record IS NOT NULL")  # as if Bob was, too
    overrule = ["duplicate_domain", "contact_email_is_well_formed"]
    result = retry(conn, tmp_path, [company_with_contacts], overrule)
    assert (result["leads"], result["contacts"]) == (1, 1)
    (contacts,) = conn.execute(
        "SELECT company->'contacts' FROM lead_mining.candidate WHERE retry_of = %s", [company_with_contacts]
    ).fetchone()
    assert [contact["full_name"] for contact in contacts] == ["Cay Example"]


@pytest.mark.parametrize("reveal_id", [None, "", "0"])
@pytest.mark.parametrize("at_once", [3, 1])
def test_an_id_that_the_provider_gives_to_all_loses_none_of_them(
    conn: psycopg.Connection, tmp_path: Path, reveal_id: str | None, at_once: int
) -> None:
    """Within an answer it proves nothing; where each came in an answer of its own, a person may say so."""
    seller = Seller("any", [company(name, "any", reveal_id=reveal_id) for name in ("Aalborg", "Tübingen", "Porto")])
    seller.page_size, seller.excludes_known = at_once, False
    run_id = pipeline.prepare_request(conn, "lead_mining/same", {"countries": ["DE"], "lead_number": 3})["run_id"]
    pipeline.extract(conn, run_id, seller)
    leads = finish(conn, run_id, "lead_mining/same", tmp_path)["leads"]
    if reveal_id and at_once == 1:
        rows = conn.execute("SELECT candidate_id, rules FROM lead_mining.rejected_company").fetchall()
        assert {tuple(rules) for _, rules in rows} == {("duplicate_reveal_id",)}
        leads += retry(conn, tmp_path, [id_ for id_, _ in rows], ["duplicate_reveal_id"])["leads"]
    assert leads == seller.charged == (2 if reveal_id and at_once == 1 else 3), "nothing new seems to come: it ends"
    assert conn.execute("SELECT count(DISTINCT website) FROM crm_lead").fetchone() == (leads,)
    assert audit(conn) == []


def test_an_account_that_cannot_pay_loads_nothing(conn: psycopg.Connection, rejected: dict[str, int]) -> None:
    with conn.transaction():
        set_aside(conn, "default", ledger.balance(conn, "default").available, "all")
    with pytest.raises(InsufficientCredits):
        retrying.prepare_retry(conn, "retry_rejections/one", [rejected["duplicate_domain"]], [], {})
    assert conn.execute("SELECT state FROM crm_iap_lead_mining_request").fetchall() == [("done",)]
