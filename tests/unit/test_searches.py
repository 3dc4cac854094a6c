"""Saved searches: what a file may hold, and that an error names file, line and field."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from lead_mining import searches
from lead_mining.exceptions import SearchFileError
from lead_mining.searches import BrokenSearch, SavedSearch, Schedule

GOOD = """\
name: German software
owner: Sales DACH
schedule:
  cron: 0 3 * * 1-5
  timezone: Europe/Berlin
budget: 500
params:
  search_type: people
  countries: [DE, AT]
  preferred_role: CEO
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LEAD_MINING_SEARCHES", str(tmp_path))
    return tmp_path


def read(folder: Path, text: str | bytes, name: str = "german.yaml") -> SavedSearch:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return searches.read(path)


def problems_of(folder: Path, text: str | bytes, name: str = "german.yaml") -> tuple[str, ...]:
    with pytest.raises(SearchFileError) as caught:
        read(folder, text, name)
    return caught.value.problems


def test_a_search_becomes_params_of_lead_mining(folder: Path) -> None:
    search = read(folder, GOOD)
    assert (search.key, search.name, search.owner) == ("german", "German software", "Sales DACH")
    assert search.conf == {
        "search_type": "people",
        "countries": ["DE", "AT"],
        "preferred_role": "CEO",
        "saved_search": "German software",
        "search_budget": 500,
    }
    assert search.request.search_budget == 500
    told = read(folder, GOOD + 'notify: [boss@example.com, "#sales"]\n')
    assert told.request.notify == ["boss@example.com", "#sales"]
    assert search.run_id(dt.date(2026, 11, 25)) == "saved_search__german__2026-11-25"


def test_without_a_budget_only_the_accounts_holds(folder: Path) -> None:
    assert read(folder, GOOD.replace("budget: 500\n", "")).request.search_budget is None
    assert read(folder, GOOD.replace("budget: 500", "budget: 0")).request.search_budget == 0


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("name: German software\n", "", "line 1, name: None is not allowed; it is required"),
        ("owner: Sales DACH", "owner: 7", "line 2, owner: 7 is not allowed; input should be a valid string"),
        ("owner: Sales DACH", "owners: x\nowner: y", "line 2, owners: 'x' is not allowed; there is no such field: did you mean 'owner'?"),
        ("budget: 500", "budget: -1", "line 6, budget: -1 is not allowed; input should be greater than or equal to 0"),
        ("budget: 500", "notify: [sales]", "line 6, notify.0: 'sales' is not allowed; use an e-mail address, such as sales@example.com, or a Slack channel, such as #sales"),
        ("budget: 500", "notify: a@b.example", "line 6, notify: 'a@b.example' is not allowed; input should be a valid list"),
        ("budget: 500", "budget: many", "line 6, budget: 'many' is not allowed; input should be a valid integer"),
        ("budget: 500", "budget: 99999999999", "line 6, budget: 99999999999 is not allowed; input should be less than or equal to 2147483647"),
        ("DE, AT", "DE, XX", "line 9, params.countries.1: 'XX' is not allowed; use an ISO 3166-1 code, such as AD or ZW"),
        ("DE, AT", "DE, NO", "line 9, params.countries.1: False is not allowed; write \"NO\" in quotes: YAML reads a bare NO as false"),
        ("  countries: [DE, AT]\n", "", "line 7, params.countries: None is not allowed; it is required"),
        ("CEO", "CEOO", "line 10, params.preferred_role: 'CEOO' is not allowed; did you mean 'CEO'?"),
        ("  preferred", "  budget: 3\n  preferred", "line 10, params.budget: 3 is not allowed; there is no such field: did you mean 'search_budget'?"),
        ("  preferred", "  saved_search: x\n  preferred", "line 10, params.saved_search: 'x' is not allowed; write it as name, above"),
        ("  preferred", "  search_budget: 3\n  preferred", "line 10, params.search_budget: 3 is not allowed; write it as budget, above"),
        ("0 3 * * 1-5", "0 25 * * *", "line 4, schedule.cron: '0 25 * * *' is not allowed; use five fields, as in 0 3 * * 1-5: [0 25 * * *] is not acceptable, out of range"),
        ("0 3 * * 1-5", "0 3 31 2 *", "line 4, schedule.cron: '0 3 31 2 *' is not allowed; use five fields, as in 0 3 * * 1-5: failed to find next date"),
        ("0 3 * * 1-5", "0 */6 * * *", "line 4, schedule.cron: '0 */6 * * *' is not allowed; once a day is the most: give one minute and one hour, as in 0 3 * * *"),
        ("0 3 * * 1-5", "0 3 * * 1 0", "line 4, schedule.cron: '0 3 * * 1 0' is not allowed; use five fields, as in 0 3 * * 1-5"),
        ("0 3 * * 1-5", "'@hourly'", "line 4, schedule.cron: '@hourly' is not allowed; once a day is the most: give one minute and one hour, as in 0 3 * * *"),
        ("Europe/Berlin", "Mars/Base", "line 5, schedule.timezone: 'Mars/Base' is not allowed; use a name of the tz database, such as Europe/Berlin"),
        ("Europe/Berlin", "../../etc/passwd", "line 5, schedule.timezone: '../../etc/passwd' is not allowed; use a name of the tz database, such as Europe/Berlin"),
        ("Europe/Berlin", "Europe", "line 5, schedule.timezone: 'Europe' is not allowed; use a name of the tz database, such as Europe/Berlin"),
    ],
)  # fmt: skip
def test_an_error_names_file_line_and_field(folder: Path, old: str, new: str, problem: str) -> None:
    assert old in GOOD
    assert problems_of(folder, GOOD.replace(old, new)) == (f"german.yaml, {problem}",)


def test_all_that_is_wrong_is_said_at_once_in_the_order_of_the_lines(folder: Path) -> None:
    found = problems_of(folder, GOOD.replace("Sales DACH", "''").replace("500", "x").replace("CEO", "king"))
    assert [problem.split(", ")[1] for problem in found] == ["line 2", "line 6", "line 10"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "german.yaml, line 1: write `name: value` lines; README.md beside it shows how"),
        ("- a", "german.yaml, line 1: write `name: value` lines; README.md beside it shows how"),
        ("a: [1", "german.yaml, line 1: this is not YAML: expected ',' or ']', but got '<stream end>'"),
        ("name: a\nname: b", "german.yaml, line 2: this is not YAML: name stands twice"),
        ("a: !!python/object/apply:os.getcwd []", "german.yaml, line 1: this is not YAML: could not determine a constructor"),
        (b"\xff\xfe\x00", "german.yaml cannot be read: UnicodeDecodeError"),
        ("[" * 5000, "german.yaml cannot be read: RecursionError"),
    ],
)  # fmt: skip
def test_what_is_no_search_is_named(folder: Path, text: str | bytes, problem: str) -> None:
    (found,) = problems_of(folder, text)
    assert found.startswith(problem)


def test_text_that_means_something_elsewhere_is_kept_as_it_is(folder: Path) -> None:
    hostile = "{{ var.value.x }}'; DROP TABLE run; --<b>"
    search = read(folder, GOOD.replace("German software", f'"{hostile}"'))
    assert search.name == search.conf["saved_search"] == hostile


@pytest.mark.parametrize("name", ["German.yaml", "a b.yaml", "a-b.yaml", "ä.yaml", f"{'x' * 101}.yaml"])
def test_the_file_is_named_as_a_task_can_be(folder: Path, name: str) -> None:
    assert problems_of(folder, GOOD, name) == (
        f"{name}: name the file with a to z, 0 to 9 and _, as in german_software.yaml",
    )


def test_a_broken_file_and_a_name_used_twice_stop_no_other(folder: Path) -> None:
    for name, text in {"a": GOOD, "b": "name: [", "c": GOOD, "d": GOOD.replace("German software", "Other")}.items():
        (folder / f"{name}.yaml").write_text(text)
    (folder / "README.md").write_text("no search")
    found = searches.read_all()
    assert [type(search) for search in found] == [SavedSearch, BrokenSearch, BrokenSearch, SavedSearch]
    assert str(found[2]) == "c.yaml: a.yaml has the name 'German software' too; give each its own"


def test_an_empty_or_absent_folder_holds_none(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert searches.read_all() == []
    monkeypatch.setenv("LEAD_MINING_SEARCHES", str(folder / "absent"))
    assert searches.read_all() == []


def test_the_next_time_is_in_the_searchs_own_zone() -> None:
    schedule = Schedule(cron="30 2 * * *", timezone="Europe/Berlin")
    before = dt.datetime(2026, 7, 1, 0, 29, tzinfo=dt.UTC)
    assert schedule.next_after(before).isoformat() == "2026-07-01T02:30:00+02:00"
    assert schedule.next_after(before + dt.timedelta(minutes=2)).isoformat() == "2026-07-02T02:30:00+02:00"


def test_the_example_in_the_folders_readme_is_right(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LEAD_MINING_SEARCHES")
    readme = (searches.folder() / "README.md").read_text(encoding="utf-8")
    example = readme.partition("```yaml\n")[2].partition("```")[0]
    assert read(folder, example).request.countries == ["DE"]
    said = problems_of(folder, example.replace("& Services", "& Service"), "german_software.yaml")
    assert said[0] in readme


def test_what_ships_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LEAD_MINING_SEARCHES", raising=False)
    assert searches.folder().name == "searches"
    assert [str(search) for search in searches.read_all() if isinstance(search, BrokenSearch)] == []
