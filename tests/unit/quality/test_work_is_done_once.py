"""What a check costs, counted and not timed: nothing is compiled, parsed or judged twice."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import jinja2
import phonenumbers
import pytest
from great_expectations.execution_engine import PandasExecutionEngine
from quality_checks import check_candidates

from lead_mining import identifiers
from lead_mining.judging import lead_of
from lead_mining.providers.base import Company, Contact
from lead_mining.quality import validation
from lead_mining.quality.checks import Checks
from lead_mining.request import MiningRequest

PEOPLE = MiningRequest.parse({"countries": ["US"], "search_type": "people", "preferred_role": "CEO"})


def company(number: int) -> Company:
    person = Contact(full_name="Ada", email=f"ada@c{number}.example", phone="+1 650 253 0000")
    return Company(name=f"C {number}", domain=f"c{number}.example", country_code="US", contacts=(person,))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each was called: templates compiled, tables read by Great Expectations, suites run, numbers parsed."""
    counted: Counter[str] = Counter()

    def count(owner: Any, name: str) -> None:
        real = getattr(owner, name)

        def counting(*args: Any, **kwargs: Any) -> Any:
            counted[name] += 1
            return real(*args, **kwargs)

        monkeypatch.setattr(owner, name, counting)

    count(jinja2.Environment, "compile")
    count(PandasExecutionEngine, "get_batch_data_and_markers")
    count(validation, "run")
    count(phonenumbers, "parse")
    identifiers._e164.cache_clear()
    validation._page_view.cache_clear()
    return counted


def test_templates_are_compiled_once_for_all_suites_and_chunks(tmp_path: Path, calls: Counter[str]) -> None:
    check_candidates([(1, company(1))], PEOPLE, tmp_path, "first")
    compiled = calls["compile"]
    assert 0 < compiled < 60
    check_candidates([(1, company(1))], PEOPLE, tmp_path, "second")
    assert calls["compile"] == compiled


def test_each_suite_reads_its_table_once_a_chunk(tmp_path: Path, calls: Counter[str]) -> None:
    quality = Checks(PEOPLE, lead_of, tmp_path)
    for chunk in range(4):
        quality.judge([(number, company(number)) for number in range(chunk * 10, chunk * 10 + 10)])
        assert calls["run"] == calls["get_batch_data_and_markers"] == 3 * (chunk + 1)


def test_a_number_is_parsed_once_however_often_it_comes(tmp_path: Path, calls: Counter[str]) -> None:
    check_candidates([(number, company(number)) for number in range(30)], PEOPLE, tmp_path, "run-1")
    assert calls["parse"] == 1


def test_values_are_in_no_store_of_great_expectations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lead_mining.quality import checks

    contexts: list[Any] = []
    real = checks.new_context
    monkeypatch.setattr(checks, "new_context", lambda: contexts.append(real()) or contexts[-1])
    bad = company(1).model_copy(update={"domain": "not a domain of mine"})
    report = check_candidates([(1, bad)], PEOPLE, tmp_path, "run-1")
    assert "domain_is_well_formed" in {failure.rule for failure in report.failures}
    assert contexts[0].validation_results_store.list_keys() == []
    assert contexts[0].suites.all() == []


def test_a_page_that_cannot_be_rendered_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> None:
        raise ValueError("ada@acme.example")

    monkeypatch.setattr(validation.ValidationResultsPageRenderer, "render", fail)
    report = check_candidates([(1, company(1))], PEOPLE, tmp_path, "run-1")
    assert [(one.suite, one.checked) for one in report.results] == [("company", 1), ("contact", 1), ("lead", 1)]
    assert report.docs_index.is_file()
    assert not list((tmp_path / "run-1").glob("*/validations/**/*.html"))
    assert "company.html of the Data Docs cannot be rendered: ValueError" in caplog.text
    assert "ada@acme" not in caplog.text
