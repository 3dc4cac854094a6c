"""Running the suites: nothing is truncated, nothing personal is shown, nothing is left elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from quality_checks import Report, check_candidates

from lead_mining.exceptions import QualityError
from lead_mining.judging import lead_of
from lead_mining.providers.base import Company, Contact
from lead_mining.quality import checks, rules
from lead_mining.quality.checks import Checks, check_survivors
from lead_mining.quality.data_docs import Site, site_name
from lead_mining.request import MiningRequest

HELPERS = Path(__file__).parents[2] / "helpers"
REQUEST = MiningRequest.parse({"countries": ["US"]})
PEOPLE = MiningRequest.parse(
    {"countries": ["US"], "search_type": "people", "preferred_role": "CEO", "filter_on_size": True}
)


def company(**fields: Any) -> Company:
    good = {"reveal_id": "1", "name": "Acme", "domain": "acme.example", "country_code": "US", "employees": 5}
    return Company(**good | fields)


def failed(report: Report) -> dict[str, int]:
    """How many rows broke each rule, of those that some did."""
    return {one.rule.name: one.failed for result in report.results for one in result.rules if one.failed}


def test_all_of_5000_failing_rows_are_known(tmp_path: Path) -> None:
    candidates = [(i, company(country_code="FR", name=f"C {i}")) for i in range(1, 5001)]
    report = check_candidates(candidates, REQUEST, tmp_path, "run-1")
    assert [f.candidate_id for f in report.failures] == list(range(1, 5001))
    assert failed(report) == {"country_was_asked_for": 5000}
    assert [(one.suite, one.checked, one.passed) for one in report.results] == [
        ("company", 5000, 0),
        ("lead", 5000, 5000),
    ]


def test_failures_come_in_the_order_of_the_candidates(tmp_path: Path) -> None:
    bad = Contact(full_name=None, email="x")
    candidates = [(9, company(name="<b>")), (3, company(domain=None, contacts=(bad, bad))), (7, company(domain="x"))]
    found = [(f.candidate_id, f.contact_index) for f in check_candidates(candidates, PEOPLE, tmp_path, "r").failures]
    assert [place for i, place in enumerate(found) if place not in found[:i]] == [(9, None), (3, None), (3, 0), (3, 1), (7, None)]  # fmt: skip


def test_nothing_to_check_is_no_failure(tmp_path: Path) -> None:
    report = check_candidates([], REQUEST, tmp_path, "run-1")
    assert (report.failures, report.results) == ([], [])
    assert "There was nothing to check" in report.docs_index.read_text()


def test_a_company_of_nothing_but_nulls_is_judged(tmp_path: Path) -> None:
    report = check_candidates([(1, Company())], PEOPLE, tmp_path, "run-1")
    assert {f.rule for f in report.failures if f.severity == "reject"} == {
        "company_has_a_name",
        "country_is_known",
        "lead_has_a_name",
    }


PERSONAL = [
    "ada.lovelace@broken",
    "Ada Lovelace",
    "+99 123 secret",
    "Evil <script>alert(1)</script>",
    "bad host.com",
    "boss!",
]


def test_data_docs_show_counts_but_nobodys_data(tmp_path: Path) -> None:
    email, name, phone, markup, host, role = PERSONAL
    twice = Contact(full_name=name, phone=phone, role=role)
    bad = company(name=markup, domain=host, emails=(email,), phones=(phone,), employees=9_999, contacts=(twice, twice))
    report = check_candidates([(1, bad), (2, company(country_code="FR"))], PEOPLE, tmp_path, "run-1")
    assert {f.value for f in report.failures} >= {email, name, phone, markup, host, role}  # so they were found
    pages = list(report.docs_index.parent.rglob("*.html"))
    assert len(pages) == 7
    text = "".join(page.read_text(encoding="utf-8") for page in pages)
    for value in PERSONAL:
        assert value not in text
        assert value.replace("<", "&lt;").replace(">", "&gt;") not in text
    assert "1 unexpected values found. 50% of 2 total rows" in re.sub(r"<[^>]+>|\s+", " ", text).replace("  ", " ")
    assert "9999" in text  # numbers and codes may be shown
    assert str(tmp_path) not in text


def test_data_docs_open_without_a_network_and_link_to_the_pages(tmp_path: Path) -> None:
    report = check_candidates(
        [(1, company(domain=None, contacts=(Contact(full_name="A"),)))], PEOPLE, tmp_path, "run-1"
    )
    assert report.docs_index == tmp_path / "run-1" / "index.html"
    text = report.docs_index.read_text()
    assert "http" not in text
    assert "domain_is_known" in text
    links = re.findall(r'href="([^"]+)"', text)
    assert [link.split("/")[:3] for link in links] == [
        ["1", "validations", "company"],
        ["1", "validations", "contact"],
        ["1", "validations", "lead"],
    ]
    assert all((tmp_path / "run-1" / link).is_file() for link in links)
    assert (tmp_path / "run-1" / "1" / "static" / "images" / "favicon.ico").is_file()
    assert sum(f.stat().st_size for f in tmp_path.rglob("*") if f.is_file()) < 500_000


@pytest.mark.parametrize(
    ("run_name", "folder"),
    [
        ("LMR001", "LMR001"),
        ("manual__2026-11-01T00:00:00+00:00", "manual__2026-11-01T00_00_00+00_00"),
        ("../../etc", "_.._etc"),
        ("..", "_"),
        ("", "_"),
        ("<script>", "_script_"),
        ("x" * 5000, "x" * 200),
    ],
)
def test_run_names_are_made_safe_for_folders_and_urls(run_name: str, folder: str) -> None:
    assert site_name(run_name) == folder


def test_an_expectation_that_cannot_run_is_an_error_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = checks.companies_frame
    monkeypatch.setattr(checks, "companies_frame", lambda *args: real(*args).assign(employees="many"))
    with pytest.raises(QualityError, match=r"\(size_was_asked_for\): the rule could not be evaluated"):
        check_candidates([(1, company())], PEOPLE, tmp_path, "run-1")
    assert list(tmp_path.iterdir()) == []


def test_only_the_docs_are_written_and_nothing_is_printed(tmp_path: Path) -> None:
    """In a fresh process, with a home, a temporary folder and a working folder of its own, and no network."""
    code = f"""
import socket, sys
def refuse(*args): raise AssertionError("a connection was opened")
socket.socket.connect = refuse
socket.getaddrinfo = refuse
from pathlib import Path
sys.path.insert(0, {str(HELPERS)!r})
from quality_checks import check_candidates
from lead_mining.providers.base import Company
from lead_mining.request import MiningRequest
company = Company(name="Acme", domain="müller.de", emails=("a@acme.com",), phones=("+44 20 7946 0018",))
check_candidates([(1, company)], MiningRequest.parse({{"countries": ["US"]}}), Path({str(tmp_path / "docs")!r}), "run-1")
"""
    folders = {name: tmp_path / name for name in ("home", "tmp", "work", "docs")}
    for folder in folders.values():
        folder.mkdir()
    env = os.environ | {"HOME": str(folders["home"]), "TMPDIR": str(folders["tmp"])}
    done = subprocess.run([sys.executable, "-c", code], env=env, cwd=folders["work"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert {name for name, folder in folders.items() if any(folder.iterdir())} == {"docs"}


def test_survivors_with_keys_of_their_own_pass() -> None:
    check_survivors([(1, "domain", "a.com"), (2, "email", "a.com"), (3, "domain", "b.com"), (3, "domain", "b.com")])
    check_survivors([])


def test_survivors_that_share_a_key_are_named_but_not_their_addresses() -> None:
    rows = [(1, "domain", "a.com"), (2, "domain", "a.com"), (3, "email", "ada@x.com"), (4, "email", "ada@x.com")]
    with pytest.raises(QualityError) as error:
        check_survivors([*rows, (5, "phone", "+1")])
    assert "domain 'a.com' (candidates 1, 2); email (candidates 3, 4)" in str(error.value)
    assert "ada" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"severity": "fatal"}, "severity 'fatal'; use one of critical, warning, info"),
        ({"meta": {"name": "n", "only_if": "raining"}}, "only_if 'raining'; use one of filter_on_size"),
        ({"meta": {}}, "'name' is missing"),
        ({"meta": None}, "is missing or no such thing"),
        ({"meta": {"name": "two words"}}, "meta.name is made of at most 100 letters, digits and _"),
        ({"meta": {"name": "x" * 101}}, "meta.name is made of at most 100 letters, digits and _"),
        ({"kwargs": {}}, "kwargs.column is missing"),
        ({"kwargs": []}, "is missing or no such thing"),
    ],
)
def test_a_wrong_suite_file_says_where_and_what(change: dict[str, Any], message: str) -> None:
    config = {"type": "expect_column_values_to_be_null", "kwargs": {"column": "c"}, "severity": "info"}
    config |= {"description": "d", "meta": {"name": "n"}} | change
    with pytest.raises(QualityError, match=re.escape(message)) as error:
        rules._rule(config, "company.yaml, expectation 7")
    assert "company.yaml, expectation 7" in str(error.value)


def test_chunks_and_parts_are_one_site(tmp_path: Path) -> None:
    site = Site(tmp_path, "run-1")
    with site.part(1) as pages:
        quality = Checks(REQUEST, lead_of, pages)
        first = quality.judge([(1, company()), (2, company(country_code="FR"))])
        second = quality.judge([(3, company(country_code="FR", domain=None)), (4, company(domain="x"))])
    with site.part(20_001) as pages:
        Checks(REQUEST, lead_of, pages).judge([(5, company())])
    assert not site.index.exists()
    site.publish(quality.results, "../../rows?rule=")
    assert [f.candidate_id for f in first] == [2]
    assert [(f.candidate_id, f.rule) for f in second] == [
        (3, "domain_is_known"),
        (3, "country_was_asked_for"),
        (3, "lead_can_be_reached"),
        (4, "domain_is_well_formed"),
    ]
    assert [(one.suite, one.checked, one.passed) for one in quality.results] == [("company", 4, 1), ("lead", 4, 4)]
    assert failed(Report([], quality.results, site.index)) == {
        "domain_is_well_formed": 1,
        "domain_is_known": 1,
        "country_was_asked_for": 2,
        "lead_can_be_reached": 1,
    }
    text = site.index.read_text()
    assert '<a href="../../rows?rule=country_was_asked_for">2</a> of 4' in text
    pages_of_companies = list(dict.fromkeys(re.findall(r'href="(\d+)/(validations/company/[^"]+)"', text)))
    assert [part for part, _ in pages_of_companies] == ["1", "1", "20001"]
    assert all((site.index.parent / part / page).is_file() for part, page in pages_of_companies)


def test_a_site_that_is_published_again_stays_as_it_is(tmp_path: Path) -> None:
    report = check_candidates([(1, company())], REQUEST, tmp_path, "run-1")
    before = report.docs_index.read_text()
    Site(tmp_path, "run-1").publish(report.results)
    assert report.docs_index.read_text() == before
    assert [path.name for path in tmp_path.iterdir()] == ["run-1"]


def test_another_check_of_the_run_takes_the_place_of_the_first(tmp_path: Path) -> None:
    check_candidates([(1, company())], REQUEST, tmp_path, "run-1")
    report = check_candidates([(1, company(country_code="FR"))], REQUEST, tmp_path, "run-1")
    assert "1 of 1" in report.docs_index.read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["run-1"]


def test_a_part_that_fails_leaves_nothing(tmp_path: Path) -> None:
    site = Site(tmp_path, "run-1")
    with pytest.raises(FileNotFoundError), site.part(1) as pages:
        (pages / "absent").unlink()
    assert list(tmp_path.iterdir()) == []
    with site.part(1):
        pass
    with pytest.raises(FileNotFoundError), site.part(20_001) as pages:
        (pages / "absent").unlink()
    assert [path.name for path in (tmp_path / ".new-run-1").iterdir()] == ["1"]
