"""Rules of an installation's own: added, in the place of one of ours, and each way in which a file can be wrong."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from quality_checks import check_candidates

from lead_mining.exceptions import QualityError
from lead_mining.judging import lead_of
from lead_mining.providers.base import Company, Contact
from lead_mining.quality.checks import Checks, check_own_rules, find_failures
from lead_mining.quality.rules import own_files, suites_that_hold
from lead_mining.request import MiningRequest

REQUEST = MiningRequest.parse({"countries": ["US", "DE"], "search_type": "people", "preferred_role": "CEO"})
IN_GERMANY = {"type": "comparison", "column": {"name": "country_code"}, "operator": "==", "parameter": "DE"}
POSTCODE: dict[str, Any] = {
    "type": "expect_column_values_to_match_regex",
    "kwargs": {
        "column": "zip",
        "regex": r"^\d{5}$",
        "row_condition": 'country_code == "DE"',
        "condition_parser": "pandas",
    },
    "severity": "critical",
    "description": "German postcodes have five digits.",
    "meta": {"name": "german_postcode_has_five_digits"},
}
README = Path(__file__).parents[3] / "include" / "expectations" / "README.md"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    found = tmp_path / "expectations"
    found.mkdir()
    monkeypatch.setenv("LEAD_MINING_EXPECTATIONS", str(found))
    return found


def write(folder: Path, *rules: Any, suite: str = "company", name: str = "own.yaml") -> None:
    (folder / name).write_text(yaml.safe_dump({"suite": suite, "expectations": list(rules)}))


def company(country: str, zip_code: str | None, **fields: Any) -> Company:
    return Company(name="Acme", domain="acme.example", country_code=country, zip=zip_code, **fields)


def broken(folder: Path, rule: str, *companies: Company) -> list[tuple[int, int | None, str | None, str]]:
    failures = find_failures(list(enumerate(companies)), REQUEST, lead_of)
    return [(f.candidate_id, f.contact_index, f.value, f.severity) for f in failures if f.rule == rule]


def test_a_rule_for_one_market_names_the_rows_that_break_it(folder: Path) -> None:
    write(folder, POSTCODE)
    rows = company("US", "AB"), company("DE", "10115"), company("DE", None), company("DE", "D-1"), company("de", "2")
    assert broken(folder, "german_postcode_has_five_digits", *rows) == [
        (3, None, "D-1", "reject"),
        (4, None, "2", "reject"),
    ]


def test_it_counts_in_the_figures_and_in_the_version(folder: Path, tmp_path: Path) -> None:
    plain = suites_that_hold()["company"].version
    write(folder, POSTCODE)
    rows = list(enumerate([company("US", "AB"), company("DE", "10115"), company("DE", "x")]))
    report = check_candidates(rows, REQUEST, tmp_path / "docs", "run-1")
    (of_companies, _) = report.results
    assert re.fullmatch(rf"{plain}\+[0-9a-f]{{6}}", of_companies.version)
    (own,) = [one for one in of_companies.rules if one.rule.name == "german_postcode_has_five_digits"]
    assert (own.checked, own.failed, of_companies.checked, of_companies.passed) == (2, 1, 3, 2)
    page = report.docs_index.read_text()
    assert "German postcodes have five digits." in page
    version = of_companies.version
    write(folder, POSTCODE | {"severity": "warning"})
    assert suites_that_hold()["company"].version not in (plain, version)


def test_one_with_the_name_of_ours_takes_its_place(folder: Path) -> None:
    ours = suites_that_hold()["contact"].rules["contact_is_reachable"]
    assert ours.severity == "warn"
    write(folder, dict(ours.config) | {"severity": "critical"}, suite="contact")
    nobody = company("DE", None, contacts=(Contact(full_name="Ada", role="CEO"),))
    assert broken(folder, "contact_is_reachable", nobody) == [(0, 0, None, "reject")]
    assert list(suites_that_hold()["contact"].rules).count("contact_is_reachable") == 1


@pytest.mark.parametrize(
    ("suite", "column", "bad", "value"),
    [
        ("company", "technologies", {"technologies": ("php", "cobol")}, "php, cobol"),
        ("company", "estimated_annual_revenue", {"estimated_annual_revenue": "cobol"}, "cobol"),
        ("contact", "title", {"contacts": (Contact(full_name="Ada", title="cobol", role="CEO"),)}, "cobol"),
        ("contact", "domain", {"domain": "cobol.example", "contacts": (Contact(full_name="A", role="CEO"),)}, "cobol.example"),
        ("lead", "street", {"street": "cobol"}, "cobol"),
        ("lead", "function", {"contacts": (Contact(full_name="Ada", title="cobol", role="CEO"),)}, "cobol"),
    ],
)  # fmt: skip
def test_every_field_can_be_judged(folder: Path, suite: str, column: str, bad: dict[str, Any], value: str) -> None:
    rule = POSTCODE | {
        "type": "expect_column_values_to_not_match_regex",
        "kwargs": {"column": column, "regex": "cobol"},
    }
    write(folder, rule, suite=suite)
    good = {"name": "Acme", "country_code": "DE", "contacts": (Contact(full_name="Bob", role="CEO"),)}
    found = broken(folder, "german_postcode_has_five_digits", Company(**good), Company(**good | bad))
    assert [(row, shown) for row, _, shown, _ in found] == [(1, value)]


def test_rules_over_two_columns_work(folder: Path) -> None:
    kwargs = {"column_A": "name", "column_B": "legal_name"}
    write(folder, POSTCODE | {"type": "expect_column_pair_values_to_be_equal", "kwargs": kwargs})
    rows = company("DE", None, legal_name="Acme"), company("DE", None, legal_name="Acme GmbH")
    assert broken(folder, "german_postcode_has_five_digits", *rows) == [(1, None, "Acme", "reject")]


def changed(**changes: Any) -> dict[str, Any]:
    return POSTCODE | changes


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (changed(type="expect_the_unexpected"), "has no expectation 'expect_the_unexpected'"),
        (changed(type="expect_table_row_count_to_equal"), "ExpectTableRowCountToEqual value field required"),
        (changed(type="expect_column_mean_to_be_between", kwargs={"column": "employees", "min_value": 1}), "judges a column or a table as a whole"),
        (changed(kwargs={"column": "zipp", "regex": "x"}), "there is no column 'zipp'; did you mean 'zip'? Columns are "),
        (changed(kwargs={"column": "zip", "regex": "("}), "could not be evaluated"),
        (changed(kwargs={"column": "zip", "regex": "(", "row_condition": IN_GERMANY}), "could not be evaluated"),
        (changed(kwargs={"column": "zip", "row_condition": IN_GERMANY | {"column": {"name": "cuntry"}}}), "could not be evaluated"),
        (changed(kwargs={"column": "zip", "row_condition": IN_GERMANY | {"operator": "~"}}), "operator"),
        (changed(severty="critical"), "severty"),
        (changed(severity="fatal"), "severity 'fatal'; use one of critical, warning, info"),
        ("expect nothing", "is missing or no such thing"),
    ],
)  # fmt: skip
def test_a_wrong_rule_is_found_before_anything_is_paid_and_named(folder: Path, rule: Any, message: str) -> None:
    write(folder, POSTCODE | {"meta": {"name": "good"}}, rule)
    with pytest.raises(QualityError, match=re.escape(message)) as caught:
        check_own_rules(lead_of)
    assert "own.yaml, expectation 2" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("suite: [", "own.yaml is not YAML: "),
        ("", "own.yaml: `suite` must be one of company, contact, lead"),
        ("suite: leads\nexpectations: []", "own.yaml: `suite` must be one of company, contact, lead"),
        ("suite: lead", "own.yaml: `expectations` must be a list"),
        ("suite: lead\nexpectation: []\nexpectations: []", "own.yaml: 'expectation' is unknown"),
    ],
)
def test_a_wrong_file_is_named(folder: Path, text: str, message: str) -> None:
    (folder / "own.yaml").write_text(text)
    with pytest.raises(QualityError, match=re.escape(message)):
        check_own_rules(lead_of)


def test_a_file_that_is_no_text_is_named(folder: Path) -> None:
    (folder / "own.yml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(QualityError, match=re.escape("own.yml cannot be read")):
        suites_that_hold()


def test_two_files_cannot_name_a_rule_alike(folder: Path) -> None:
    write(folder, POSTCODE, name="a.yaml")
    write(folder, POSTCODE, name="b.yaml")
    with pytest.raises(
        QualityError, match=r"b\.yaml, expectation 1 .*: a\.yaml, expectation 1 .* names its rule so too"
    ):
        suites_that_hold()


def test_without_own_rules_ours_hold(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "notes.txt").write_text("no rules")
    assert own_files() == []
    check_own_rules(lead_of)
    monkeypatch.setenv("LEAD_MINING_EXPECTATIONS", str(folder / "nowhere"))
    assert [suite.version for suite in suites_that_hold().values()] == ["2", "2", "1"]


def test_the_example_of_the_documentation_holds(folder: Path) -> None:
    examples = re.findall(r"```yaml\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(examples) >= 2
    for number, example in enumerate(examples):
        (folder / f"example_{number}.yaml").write_text(example)
    check_own_rules(lead_of)
    assert sum("+" in suite.version for suite in suites_that_hold().values()) >= 2


def test_own_rules_of_this_checkout_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LEAD_MINING_EXPECTATIONS", raising=False)
    check_own_rules(lead_of)
    assert README.is_file()


def test_a_file_that_is_changed_meanwhile_counts_from_the_next_check_on(folder: Path, tmp_path: Path) -> None:
    write(folder, POSTCODE)
    wrong = [(1, company("DE", "D-1"))]
    quality = Checks(REQUEST, lead_of, tmp_path / "1")
    before = quality.judge(wrong)
    write(folder)
    assert quality.judge(wrong) == before
    after = Checks(REQUEST, lead_of, tmp_path / "2").judge(wrong)
    assert [f.rule for f in before if f not in after] == ["german_postcode_has_five_digits"]
