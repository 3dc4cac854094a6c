"""Mining a file: the same filters as Odoo's provider, exact counts, pages that fit together."""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path
from typing import Any

import pytest
from known_ones import KnownOnes

from lead_mining.exceptions import CatalogueError, MalformedRecord, ProviderRejected
from lead_mining.providers.base import Company, Exclusions, Query
from lead_mining.providers.lead_catalog import LeadCatalog, select_contacts

ROWS: list[dict[str, Any]] = [
    {"name": "Alpha", "domain": "http://www.alpha.com/en", "country_code": "United States", "state_code": "CA",
     "industry": "Software & Services", "employees": 5},
    {"name": "Beta", "domain": "beta.com", "country_code": "US", "state_code": "US-NY", "industry": "Banks",
     "employees": 50},
    {"name": "Gamma", "domain": "gamma.in", "country_code": "India", "state_code": "CA",
     "industry": "Software & Services", "employees": None},
    {"name": "Delta", "domain": None, "country_code": "South Korea", "state_code": None, "industry": "Insurance",
     "employees": 500},
    {"name": "Epsilon", "domain": "epsilon.de", "country_code": "Germany", "state_code": "BE", "industry": None,
     "employees": 5000},
    {"name": "Zeta", "domain": "zeta.aq", "country_code": None, "state_code": None, "industry": "banks",
     "employees": 7},
]  # fmt: skip
# Loaded companies are recognised by it: it must never change
HASH_OF_A = "efe0105c-4523-57dd-85fa-7c3035c39d34"


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    import pandas as pd

    frame = pd.DataFrame(rows)
    if path.suffix == ".parquet":
        frame.to_parquet(path, row_group_size=2)
    else:
        frame.to_csv(path, index=False)  # gzip by its name
    return path


@pytest.fixture(params=["rows.parquet", "rows.csv", "rows.csv.gz"])
def catalogue(request: pytest.FixtureRequest, tmp_path: Path) -> LeadCatalog:
    return LeadCatalog(write(tmp_path / request.param, ROWS))


def mined(provider: LeadCatalog, query: Query, size: int = 1000, exclude: Exclusions | None = None) -> list[Company]:
    """Everything the query finds, page by page."""
    found, cursor = [], None
    while True:
        page = provider.fetch(query, size, cursor, exclude or Exclusions())
        assert page.charged == 0
        assert len(page.records) <= size
        json.dumps(page.raw, allow_nan=False)
        found += [provider.parse(record) for record in page.records]
        cursor = page.next_cursor
        if cursor is None:
            return found


def names(companies: list[Company]) -> list[str]:
    return [str(company.name) for company in companies]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (Query(()), "Alpha Beta Gamma Delta Epsilon Zeta"),
        (Query(("US",)), "Alpha Beta"),
        (Query(("US", "KR")), "Alpha Beta Delta"),
        (Query(("FR",)), ""),
        (Query(("US",), states=("US-CA",)), "Alpha"),
        (Query(("US", "DE"), states=("US-NY",)), "Beta Epsilon"),
        (Query(("IN",), states=("IN-KA",)), ""),
        (Query((), industries=("Software & Services",)), "Alpha Gamma"),
        (Query((), industries=("Banks & Insurance",)), "Beta Delta Zeta"),
        (Query(("US",), industries=("Banks & Insurance", "Real Estate")), "Beta"),
        (Query((), company_size_min=6, company_size_max=500), "Beta Delta Zeta"),
        (Query((), company_size_min=5, company_size_max=5), "Alpha"),
    ],
)
def test_filters(catalogue: LeadCatalog, query: Query, expected: str) -> None:
    assert names(mined(catalogue, query)) == expected.split()
    assert catalogue.preview(query, 10, Exclusions()).count == len(expected.split())


@pytest.mark.parametrize("size", [1, 2, 3, 6])
def test_pages_fit_together_and_the_last_says_so(catalogue: LeadCatalog, size: int) -> None:
    assert names(mined(catalogue, Query(()), size)) == [row["name"] for row in ROWS]


def test_a_cursor_means_the_same_to_another_reader(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv", ROWS)
    first = LeadCatalog(path).fetch(Query(()), 2, None, Exclusions())
    second = [LeadCatalog(path).fetch(Query(()), 2, first.next_cursor, Exclusions()) for _ in range(2)]
    assert second[0] == second[1]
    assert [record["name"] for record in second[0].records] == ["Gamma", "Delta"]


def test_going_back_and_mixing_queries_does_not_disturb_paging(catalogue: LeadCatalog) -> None:
    first = catalogue.fetch(Query(()), 2, None, Exclusions())
    catalogue.fetch(Query(("US",)), 1, None, Exclusions())
    again = [catalogue.fetch(Query(()), 2, first.next_cursor, Exclusions()).records for _ in range(3)]
    assert again[0] == again[1] == again[2]


def test_known_companies_are_left_out_and_not_counted(catalogue: LeadCatalog) -> None:
    known = mined(catalogue, Query(()))
    exclude = KnownOnes(reveal_ids=[str(known[1].reveal_id)], domains=["alpha.com"])
    assert names(mined(catalogue, Query(()), 2, exclude)) == ["Gamma", "Delta", "Epsilon", "Zeta"]
    preview = catalogue.preview(Query(()), 1, exclude)
    assert (preview.count, len(preview.records)) == (4, 1)
    everything = KnownOnes(reveal_ids=[str(company.reveal_id) for company in known])
    assert catalogue.preview(Query(()), 5, everything) == type(preview)(count=0, records=[])


def test_what_is_known_is_asked_a_thousand_rows_at_a_time(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv", [{"name": f"Firm {n}", "domain": f"firm-{n}.com"} for n in range(2500)])
    known = KnownOnes(domains=[f"firm-{n}.com" for n in range(0, 2500, 2)])
    provider = LeadCatalog(path)
    page = provider.fetch(Query(()), 600, None, known)
    rest = provider.fetch(Query(()), 1000, page.next_cursor, known)
    assert [record["name"] for record in page.records + rest.records] == [f"Firm {n}" for n in range(1, 2500, 2)]
    assert known.asked == [1000, 1000, 500], "each row once, though it is on the second page"


def test_parse_normalises_country_state_and_domain(catalogue: LeadCatalog) -> None:
    alpha, beta, *_ = mined(catalogue, Query(("US",)))
    assert (alpha.country_code, alpha.state_code, alpha.domain, alpha.employees) == ("US", "CA", "alpha.com", 5)
    assert (beta.state_code, beta.industry) == ("NY", "Banks")


def test_a_hash_stands_in_for_a_missing_reveal_id_and_is_stable(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"id": "F1", "name": "A", "web": "a.com", "land": "US"},
        {"id": None, "name": "A", "web": "https://www.a.com", "land": "United States"},
        {"id": None, "name": "A", "web": "A.com", "land": "USA"},
        {"id": None, "name": "A", "web": "a.com", "land": "FR"},
        {"id": None, "name": None, "web": None, "land": "FR"},
    ]
    columns = {"reveal_id": "id", "name": "name", "domain": "web", "country_code": "land"}
    ids = [c.reveal_id for c in mined(LeadCatalog(write(tmp_path / "x.parquet", rows), columns), Query(()))]
    assert ids[0] == "F1"
    assert ids[1] == ids[2] == HASH_OF_A
    assert len({ids[0], ids[1], ids[3]}) == 3
    assert ids[4] is None


def test_numbers_and_lists_as_files_have_them(tmp_path: Path) -> None:
    row = {"name": "A", "zip": 94107.0, "phones": "+1 2; +1 3", "tags": '["B2B", "SaaS"]', "employees": "12.0",
           "annual_revenue": "1.5e6", "reveal_id": 77}  # fmt: skip
    (company,) = mined(LeadCatalog(write(tmp_path / "x.parquet", [row])), Query(()))
    assert (company.zip, company.reveal_id, company.employees, company.annual_revenue) == ("94107", "77", 12, 1.5e6)
    assert (company.phones, company.tags) == (("+1 2", "+1 3"), ("B2B", "SaaS"))


def test_parquet_lists_and_categories(tmp_path: Path) -> None:
    import pandas as pd

    frame = pd.DataFrame({"name": ["A", "B"], "emails": [["a@a.com", "b@a.com"], None]})
    frame["country_code"] = pd.Categorical(["France", "Spain"])
    frame.to_parquet(tmp_path / "x.parquet")
    (company,) = mined(LeadCatalog(tmp_path / "x.parquet"), Query(("FR",)))
    assert company.emails == ("a@a.com", "b@a.com")


# -- people ----------------------------------------------------------------------------------------------------------

PEOPLE = [
    {"full_name": "A", "role": "marketing", "seniority": "manager"},
    {"full_name": "B", "role": "CEO", "seniority": "executive"},
    {"full_name": "C", "role": "Human Resources", "seniority": "manager"},
    {"full_name": "D", "role": "human_resources", "seniority": "director"},
    {"full_name": "E", "role": None, "seniority": None},
]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (Query((), contact_number=5, preferred_role="CEO", other_roles=("Human Resources", "Marketing")), "BCDA"),
        (Query((), contact_number=2, preferred_role="Human Resources", other_roles=("CEO",)), "CD"),
        (Query((), contact_number=5, preferred_role="Legal"), ""),
        (Query((), contact_number=3), "ABC"),
        (Query((), contact_number=5, contact_filter_type="seniority", seniority="manager"), "AC"),
        (Query((), contact_number=1, contact_filter_type="seniority", seniority="manager"), "A"),
    ],
)
def test_contacts_are_chosen_by_role_or_seniority(query: Query, expected: str) -> None:
    assert "".join(person["full_name"] for person in select_contacts(PEOPLE, query)) == expected


def test_contacts_come_with_people_only(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", [{"name": "A", "contacts": json.dumps(PEOPLE)}, {"name": "B", "contacts": "[]"}])
    provider = LeadCatalog(path)
    query = Query((), contact_number=2, preferred_role="CEO", other_roles=("Marketing",))
    with_people, without_match = mined(provider, query)
    assert [person.full_name for person in with_people.contacts] == ["B", "A"]
    assert without_match.contacts == ()
    assert all(company.contacts == () for company in mined(provider, Query(())))


@pytest.mark.parametrize("contacts", ["[{", "nobody", '["a"]', '[{"full_name": 5}]', '{"a": 1}', "[" * 300 + "]" * 300])
def test_contacts_that_cannot_be_read_refuse_their_row_only(tmp_path: Path, contacts: str) -> None:
    path = write(tmp_path / "x.csv", [{"name": "A", "contacts": contacts}, {"name": "B", "contacts": "[]"}])
    provider = LeadCatalog(path)
    bad, good = provider.fetch(Query((), contact_number=2), 10, None, Exclusions()).records
    with pytest.raises(MalformedRecord, match="contacts"):
        provider.parse(bad)
    assert provider.parse(good).name == "B"


# -- what the file lacks ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "lacks"),
    [
        (Query(("US",)), "has no country"),
        (Query((), industries=("Real Estate",)), "cannot be filtered by industry"),
        (Query((), company_size_min=1, company_size_max=10), "has no company size"),
        (Query((), contact_number=1), "has no contacts"),
    ],
)
def test_a_filter_that_the_file_cannot_serve_is_refused_not_ignored(tmp_path: Path, query: Query, lacks: str) -> None:
    provider = LeadCatalog(write(tmp_path / "x.csv", [{"name": "A"}]))
    with pytest.raises(ProviderRejected, match=lacks):
        provider.fetch(query, 10, None, Exclusions())
    with pytest.raises(ProviderRejected, match=lacks):
        provider.preview(query, 10, Exclusions())


def test_states_need_a_state_column(tmp_path: Path) -> None:
    provider = LeadCatalog(write(tmp_path / "x.csv", [{"name": "A", "country_code": "US"}]))
    with pytest.raises(ProviderRejected, match="has no state"):
        provider.preview(Query(("US",), states=("US-CA",)), 10, Exclusions())


@pytest.mark.parametrize("cursor", ["", "x", "-1", "1.5", "²"])
def test_a_cursor_that_is_no_position_is_refused(catalogue: LeadCatalog, cursor: str) -> None:
    with pytest.raises(ProviderRejected, match="not a position"):
        catalogue.fetch(Query(()), 1, cursor, Exclusions())


def test_a_cursor_beyond_the_end_finds_nothing(catalogue: LeadCatalog) -> None:
    page = catalogue.fetch(Query(()), 1, "99", Exclusions())
    assert (page.records, page.next_cursor) == ([], None)


@pytest.mark.parametrize("limit", [0, 1001])
def test_a_limit_outside_the_page_is_an_error(catalogue: LeadCatalog, limit: int) -> None:
    with pytest.raises(ValueError, match="between 1 and 1000"):
        catalogue.fetch(Query(()), limit, None, Exclusions())


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"name": "firm"}, "firm (for name); it has name, domain, country_code"),
        ({"name": "name", "colour": "name"}, "colour: no such field"),
        ({"city": "name"}, "no column is mapped to name or domain"),
    ],
)
def test_a_wrong_mapping_says_what_there_is(tmp_path: Path, columns: dict[str, str], message: str) -> None:
    path = write(tmp_path / "x.csv", ROWS)
    with pytest.raises(CatalogueError) as caught:
        LeadCatalog(path, columns)
    assert message in str(caught.value)
    assert "x.csv" in str(caught.value)


# -- files that are not what they seem -------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["missing.csv", "rows.xlsx", "https://host/rows.csv", "s3://bucket/rows.parquet", "."])
def test_a_path_that_cannot_be_read_is_refused(path: str) -> None:
    with pytest.raises(CatalogueError, match=r"catalogue must be|no such file"):
        LeadCatalog(path)


@pytest.mark.parametrize("name", ["x.parquet", "x.csv", "x.csv.gz"])
@pytest.mark.parametrize("content", [b"", b"\x00\x01\x02 not a table", b"PAR1"])
def test_a_file_of_junk_is_a_catalogue_error(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(CatalogueError, match="x\\."):
        LeadCatalog(path).check()


def test_a_truncated_gzip_is_a_catalogue_error(tmp_path: Path) -> None:
    path = tmp_path / "x.csv.gz"
    text = "name,domain\n" + "".join(f"Name {n},{n * 7919 % 99991}.com\n" for n in range(20_000))
    path.write_bytes(gzip.compress(text.encode())[:-5000])
    with pytest.raises(CatalogueError, match="cannot be read"):
        LeadCatalog(path).preview(Query(()), 1, KnownOnes(domains=["x.com"]))


def test_dirty_csv_rows_cost_only_themselves(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(
        b"\xef\xbb\xbfname,country_code,employees\n"
        b'"Two\nlines",NA,many\n'
        b"Short,FR\n"
        b"Long,FR,1,2\n"
        b"Latin \xe9,FR,12\n"
        b"Zero\x00byte,FR,99999999999\n"
        b"Good,FR,12\n"
    )
    provider = LeadCatalog(path)
    records = provider.fetch(Query(("FR", "NA")), 10, None, Exclusions()).records
    outcomes: dict[str, Any] = {}
    for record in records:
        try:
            outcomes[record["name"]] = provider.parse(record).employees
        except MalformedRecord as error:
            outcomes[record["name"]] = error.problems[0][0]
    assert outcomes == {"Two\nlines": "employees", "Latin \ufffd": 12, "Zerobyte": "employees", "Good": 12}
    assert "row 3 has 2 values instead of 3" in caplog.text
    assert "row 4 has 4 values instead of 3" in caplog.text
    assert len(caplog.records) == 2


def test_columns_of_odd_types_do_not_crash(tmp_path: Path) -> None:
    import pandas as pd

    frame = pd.DataFrame(
        {
            "name": ["A", None],
            "founded_year": pd.to_datetime(pd.Series(["1990-01-01", None])),
            "country_code": [1, 2],
            "industry": [["x"], None],
            "employees": [float("nan"), 2.5],
        }
    )
    frame.to_parquet(tmp_path / "x.parquet")
    provider = LeadCatalog(tmp_path / "x.parquet")
    first, second = provider.fetch(Query(()), 10, None, Exclusions()).records
    with pytest.raises(MalformedRecord, match="founded_year"):
        provider.parse(first)
    with pytest.raises(MalformedRecord, match="employees"):
        provider.parse(second)
    with pytest.raises(CatalogueError, match="cannot be read"):
        provider.preview(Query((), industries=("Media",)), 1, Exclusions())


def test_hostile_values_in_the_request_find_nothing(catalogue: LeadCatalog) -> None:
    for value in ("'; DROP TABLE x; --", "\x00", "US' OR '1'='1"):
        assert catalogue.preview(Query((value,)), 1, Exclusions()).count == 0


@pytest.mark.parametrize("name", ["x.parquet", "x.csv"])
def test_a_large_file_is_never_in_memory_as_a_whole(tmp_path: Path, name: str) -> None:
    import pyarrow as pa
    import pyarrow.csv as pcsv
    import pyarrow.parquet as pq

    schema = pa.schema({"name": pa.string(), "description": pa.string()})
    path = str(tmp_path / name)
    rows = pa.table({"name": ["n"] * 10_000, "description": ["d" * 1500] * 10_000}, schema=schema)
    with pq.ParquetWriter(path, schema) if name == "x.parquet" else pcsv.CSVWriter(path, schema) as writer:
        for _ in range(20):
            writer.write_table(rows)  # 300 MB in all
    del rows
    pool = pa.default_memory_pool()
    before, peak, cursor, provider = pool.bytes_allocated(), 0, None, LeadCatalog(path)
    for _ in range(30):
        cursor = provider.fetch(Query(()), 1000, cursor, Exclusions()).next_cursor
        time.sleep(0.05)  # who stores the rows is slower than who reads them
        peak = max(peak, pool.bytes_allocated() - before)
    assert peak < 200 * 2**20
