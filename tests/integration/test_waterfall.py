"""Several providers in order: each is asked for what those before did not find, killed in between or not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from crm_role import apply_role, logged_in
from fake_sellers import Finder, Killed, Seller, company, person

from lead_mining import buying, pipeline, provider_calls, retrying, runs
from lead_mining.audit import audit
from lead_mining.exceptions import (
    FieldProblem,
    InvalidRequest,
    ProviderCreditsExhausted,
    ProviderOutcomeUnknown,
    ProviderUnavailable,
)
from lead_mining.judging import Known
from lead_mining.providers.base import Exclusions, Identity, Misfit, Page, Preview, Query
from lead_mining.request import MiningRequest
from lead_mining.sources import Source, offer
from lead_mining.summary import summary

pytestmark = pytest.mark.parametrize("crm_kind", ["embedded"], indirect=True)
PEOPLE = {
    "countries": ["DE"],
    "lead_number": 6,
    "search_type": "people",
    "preferred_role": "CEO",
    "contact_number": 2,
    "provider_conn_id": "cheap",
    "then_provider_conn_ids": ["dear"],
}
COMPANIES = {key: PEOPLE[key] for key in ("countries", "lead_number", "provider_conn_id", "then_provider_conn_ids")}


def finder(name: str, firms: list[str], *, without: tuple[str, ...] = ()) -> Finder:
    """With a CEO at each firm, and at the first a second one on a page of its own; but for those `without` people."""
    people = {
        f"{firm.lower()}.example": [[person(f"Ann {firm}", f"{firm.lower()}.example")]]
        for firm in ("Alpha", "Beta", "Gamma", "Delta", "Eps", "Zeta")
        if firm not in without
    }
    for pages in list(people.values())[:1]:
        pages.append([person("Bo Second", "alpha.example")])
    return Finder(name, [company(firm, name) for firm in firms], people)


def two() -> list[Source]:
    """Who sells three companies and no contacts, and who sells all, and contacts of all but Beta."""
    cheap = Seller("cheap", [company(firm, "cheap") for firm in ("Alpha", "Beta", "Gamma")])
    dear = finder("dear", ["Gamma", "Delta", "Eps", "Zeta", "Eta"], without=("Beta",))
    return [Source("cheap", cheap), Source("dear", dear)]


def prepared(conn: psycopg.Connection, key: str = "x", **params: Any) -> int:
    return int(pipeline.prepare_request(conn, f"lead_mining/{key}", PEOPLE | params)["run_id"])


def bought(conn: psycopg.Connection, run_id: int) -> dict[str, list[str]]:
    """Company to its contacts, in the order of positions."""
    rows = conn.execute(
        "SELECT company->>'name', jsonb_path_query_array(company, '$.contacts[*].full_name')"
        " FROM lead_mining.candidate WHERE run_id = %s ORDER BY position",
        [run_id],
    )
    return dict(rows.fetchall())


ALL = {
    "Alpha": ["Ann Alpha", "Bo Second"],
    "Beta": [],
    "Gamma": ["Ann Gamma"],
    "Delta": ["Ann Delta"],
    "Eps": ["Ann Eps"],
    "Zeta": ["Ann Zeta"],
}


def load(conn: psycopg.Connection, run_id: int, docs: Path) -> dict[str, Any]:
    pipeline.validate(conn, run_id, docs)
    pipeline.deduplicate(conn, run_id)
    pipeline.debit_credits(conn, run_id)
    loaded = pipeline.load_leads(conn, run_id)
    pipeline.write_enrichment_notes(conn, run_id)
    return loaded


def test_contacts_that_come_after_their_company(conn: psycopg.Connection) -> None:
    """Of one provider, on several pages: what was bought is made whole though there are companies enough."""
    only = finder("cheap", ["Alpha", "Beta", "Gamma"], without=("Beta",))
    run_id = prepared(conn, lead_number=2, then_provider_conn_ids=[])
    result = pipeline.extract(conn, run_id, only)
    assert (result["stopped"], result["provider_charged"]) == ("enough", 4)
    assert bought(conn, run_id) == {name: ALL[name] for name in ("Alpha", "Beta")}
    assert conn.execute("SELECT field, page_number FROM lead_mining.value_source ORDER BY 2").fetchall() == [
        ("contacts", 2),
        ("contacts", 3),
    ]


def test_the_next_is_asked_only_for_what_those_before_did_not_find(conn: psycopg.Connection, tmp_path: Path) -> None:
    cheap, dear = sources = two()
    run_id = prepared(conn)
    result = pipeline.extract(conn, run_id, sources)
    assert bought(conn, run_id) == ALL
    assert result["stopped"] == "enough"
    assert (cheap.provider.charged, dear.provider.charged) == (3, 3 + 6)  # type: ignore[attr-defined]
    loaded = load(conn, run_id, tmp_path)
    assert (loaded["leads"], loaded["contacts"]) == (6, 6)
    assert conn.execute(
        "SELECT field, provider, count(*) FROM lead_mining.provenance WHERE field IN ('name', 'email')"
        " GROUP BY 1, 2 ORDER BY 1, 2"
    ).fetchall() == [("email", "dear", 6), ("name", "cheap", 3), ("name", "dear", 3)]
    assert (
        conn.execute(
            "SELECT count(*) FROM lead_mining.provenance v JOIN lead_mining.raw_page p ON p.page_number = v.page_number"
            " WHERE v.provider = p.provider AND v.asked_at < v.received_at AND v.received_at = p.received_at"
        ).fetchone()
        == conn.execute("SELECT count(*) FROM lead_mining.provenance").fetchone()
    )
    pipeline.release(conn, "lead_mining/x")
    assert audit(conn) == []
    told = summary(conn, "lead_mining/x")
    assert told
    assert dict(told.lines()) | {
        "from cheap": "3 companies and 0 contacts in 2 pages, for 3 credits",
        "from dear": "3 companies and 6 contacts in 9 pages, for 9 credits",
    } == dict(told.lines())


def test_contacts_are_looked_for_though_the_first_has_companies_enough(conn: psycopg.Connection) -> None:
    sources = two()
    run_id = prepared(conn, lead_number=3)
    assert pipeline.extract(conn, run_id, sources)["stopped"] == "enough"
    assert bought(conn, run_id) == {name: ALL[name] for name in ("Alpha", "Beta", "Gamma")}


def test_known_companies_are_asked_no_contacts_for(conn: psycopg.Connection) -> None:
    cheap, dear = sources = two()
    cheap.provider.excludes_known = False  # type: ignore[misc]
    earlier = prepared(conn, "earlier", lead_number=1, then_provider_conn_ids=[])
    pipeline.extract(conn, earlier, Seller("cheap", [company("Alpha", "cheap")]))
    conn.execute("UPDATE lead_mining.candidate SET state = 'accepted'")
    run_id = prepared(conn)
    pipeline.extract(conn, run_id, sources)
    assert bought(conn, run_id)["Alpha"] == []
    assert not any("alpha" in str(cursor) for cursor in dear.provider.calls)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("who", "call"), [(0, 1), (0, 2), *((1, call) for call in range(1, 10))])
def test_killed_before_any_call_it_comes_to_the_same(conn: psycopg.Connection, who: int, call: int) -> None:
    sources = two()
    sources[who].provider.kill_at = {call}  # type: ignore[attr-defined]
    run_id = prepared(conn)
    with pytest.raises(Killed):
        pipeline.extract(conn, run_id, sources)
    result = pipeline.extract(conn, run_id, sources)
    assert bought(conn, run_id) == ALL
    assert [source.provider.charged for source in sources] == [3, 9]  # type: ignore[attr-defined]
    assert result["provider_charged"] == 12
    assert [len(source.provider.calls) for source in sources] == [2 + (who == 0), 9 + (who == 1)]  # type: ignore[attr-defined]


@pytest.mark.parametrize("number", [1, 2, 4, 9])
def test_killed_after_a_call_was_charged_a_person_decides(conn: psycopg.Connection, number: int) -> None:
    """The lost call is settled by the account of whom it was made to."""
    _, dear = sources = two()
    dear.provider.kill_after = {number}  # type: ignore[attr-defined]
    run_id = prepared(conn, max_credits=40)
    with pytest.raises(Killed):
        pipeline.extract(conn, run_id, sources)
    charged = dear.provider.charged  # type: ignore[attr-defined]
    (call,) = provider_calls.unsettled(conn, run_id)
    assert call.provider == "dear"
    cost = call.balance_before - (1000 - charged)
    assert cost == 1
    for _ in range(2):
        with pytest.raises(ProviderOutcomeUnknown, match="'dear' may have charged"):
            pipeline.extract(conn, run_id, sources)
    buying.settle_call(conn, call.id, "lost", cost, by="ada")
    pipeline.extract(conn, run_id, sources)
    assert bought(conn, run_id) == ALL
    assert dear.provider.charged == 9 + cost  # type: ignore[attr-defined]


def test_what_is_unfinished_is_not_paid_above_the_most(conn: psycopg.Connection) -> None:
    """After a lost call the credits for its companies' contacts may be gone: the companies are loaded without."""
    only = finder("cheap", ["Alpha"])
    only.kill_after = {2}
    run_id = prepared(conn, lead_number=1, then_provider_conn_ids=[])
    with pytest.raises(Killed):
        pipeline.extract(conn, run_id, only)
    (call,) = provider_calls.unsettled(conn, run_id)
    assert call.most == 2, "what is owed, no more"
    conn.execute("UPDATE lead_mining.provider_call SET pending_until = now()")
    buying.settle_call(conn, call.id, "lost", 1, by="ada")
    assert pipeline.extract(conn, run_id, only)["stopped"] == "the most it may cost is charged"
    assert bought(conn, run_id) == {"Alpha": []}
    assert only.charged == 2 <= runs.get(conn, run_id).max_cost


def test_a_company_that_two_sell_fills_the_first_ones_gaps(conn: psycopg.Connection, tmp_path: Path) -> None:
    """The second cannot leave out what is known. It is one candidate, and what was paid twice is told."""
    _, dear = sources = two()
    dear.provider.excludes_known = False  # type: ignore[misc]
    dear.provider.contacts_of = lambda query, companies: None  # type: ignore[method-assign]
    dear.provider.companies[0] |= {"city": "Berlin", "employees": 9, "name": "Gamma Inc"}  # type: ignore[attr-defined]
    run_id = prepared(conn)
    pipeline.extract(conn, run_id, sources)
    found = bought(conn, run_id)
    assert found == ALL | {"Alpha": []}, "Gamma has contacts: they came for what the second calls it"
    gamma = conn.execute(
        "SELECT id, company->>'city', company->'employees', company->>'name', company->>'reveal_id'"
        " FROM lead_mining.candidate WHERE company->>'domain' = 'gamma.example'"
    ).fetchall()
    ((gamma_id, *values),) = gamma
    assert values == ["Berlin", 9, "Gamma", "cheap-gamma"]
    assert conn.execute(
        "SELECT candidate_id, severity, value, duplicate_of FROM lead_mining.rejection WHERE rule = 'sold_twice'"
    ).fetchall() == [(gamma_id, "warn", "dear-gamma", "dear")]
    assert load(conn, run_id, tmp_path)["leads"] == 6
    assert conn.execute(
        "SELECT DISTINCT field, provider FROM lead_mining.provenance WHERE candidate_id = %s"
        " AND field IN ('name', 'city', 'employees', 'full_name') ORDER BY 1",
        [gamma_id],
    ).fetchall() == [("city", "dear"), ("employees", "dear"), ("full_name", "dear"), ("name", "cheap")]
    assert [row for row in audit(conn) if "for information" not in str(row)] == []


def test_a_place_is_never_put_together_of_two(conn: psycopg.Connection) -> None:
    cheap = Seller("cheap", [company("Alpha", "cheap", city="Bonn")])
    dear = Seller("dear", [company("Alpha", "dear", city="Berlin", zip="10115", phones=["+49 30 1"])])
    dear.excludes_known = False
    run_id = int(pipeline.prepare_request(conn, "lead_mining/x", COMPANIES)["run_id"])
    pipeline.extract(conn, run_id, [Source("cheap", cheap), Source("dear", dear)])
    assert conn.execute(
        "SELECT company->>'city', company->>'zip', company->'phones' FROM lead_mining.candidate"
    ).fetchall() == [("Bonn", None, ["+49 30 1"])]


def test_one_whose_account_is_empty_is_gone_past(conn: psycopg.Connection) -> None:
    cheap, dear = sources = two()
    cheap.provider.credits = 2  # type: ignore[attr-defined]
    run_id = prepared(conn)
    pipeline.extract(conn, run_id, sources)
    assert list(bought(conn, run_id)) == ["Alpha", "Beta", "Gamma", "Delta", "Eps", "Zeta"]
    poor = prepared(conn, "poor")
    cheap.provider.companies, dear.provider.companies = [company("New", "cheap")], [company("Newer", "dear")]  # type: ignore[attr-defined]
    for source in sources:
        source.provider.credits = 0  # type: ignore[attr-defined]
    with pytest.raises(ProviderCreditsExhausted, match="cheap"):
        pipeline.extract(conn, poor, sources)


def test_one_that_is_down_is_not_gone_past(conn: psycopg.Connection) -> None:
    class Down(Seller):
        def fetch(self, query: Query, limit: int, cursor: str | None, exclude: Exclusions) -> Page:
            raise ProviderUnavailable("it is down", charge="none")

    _, dear = two()
    run_id = prepared(conn)
    with pytest.raises(ProviderUnavailable):
        pipeline.extract(conn, run_id, [Source("cheap", Down("cheap", [])), dear])
    assert dear.provider.calls == []  # type: ignore[attr-defined]


def test_contacts_of_no_company_of_the_run_are_turned_down(conn: psycopg.Connection) -> None:
    only = finder("cheap", ["Alpha"])
    page = only._page

    def hostile(query: Query, limit: int, cursor: str | None, exclude: Exclusions) -> Page:
        found = page(query, limit, cursor, exclude)
        if not found.contacts:
            return found
        strangers = {"'; DROP TABLE crm_lead; --": [person("Eve Else", "else.example")], "r-none": []}
        return Page(found.raw, found.records, found.charged, None, strangers)

    only._page = hostile  # type: ignore[method-assign]
    run_id = prepared(conn, lead_number=1, then_provider_conn_ids=[])
    pipeline.extract(conn, run_id, only)
    assert bought(conn, run_id) == {"Alpha": []}
    assert conn.execute("SELECT rule, value, record FROM lead_mining.rejection").fetchall() == [
        ("no_such_company", "'; DROP TABLE crm_lead; --", None)
    ]


def test_an_unfinished_page_that_goes_on_where_it_began_ends_it(conn: psycopg.Connection) -> None:
    class Stuck(Seller):
        def _page(self, query: Query, limit: int, cursor: str | None, exclude: Exclusions) -> Page:
            return Page({}, [], 0, "again", unfinished=True)

    stuck = Stuck("cheap", [])
    run_id = prepared(conn, then_provider_conn_ids=[])
    assert pipeline.extract(conn, run_id, stuck)["stopped"] == "the provider has no more"
    assert len(stuck.calls) == 2


def test_who_gave_what_is_known_of_companies_that_are_tried_again(conn: psycopg.Connection, tmp_path: Path) -> None:
    sources = two()
    run_id = prepared(conn)
    pipeline.extract(conn, run_id, sources)
    conn.execute(
        'UPDATE lead_mining.candidate SET company = company || \'{"country_code": "FR"}\' WHERE position IN (1, 4)'
    )
    pipeline.validate(conn, run_id, tmp_path)
    ids = [id_ for (id_,) in conn.execute("SELECT id FROM lead_mining.candidate WHERE state = 'rejected' ORDER BY id")]
    plan = retrying.prepare_retry(conn, "retry/x", ids, (), {id_: {"country_code": "DE"} for id_ in ids})
    assert load(conn, plan["run_id"], tmp_path)["leads"] == 2
    assert conn.execute(
        "SELECT field, provider, count(*) FROM lead_mining.provenance WHERE field IN ('name', 'email')"
        " GROUP BY 1, 2 ORDER BY 1, 2"
    ).fetchall() == [("email", "dear", 3), ("name", "cheap", 1), ("name", "dear", 1)]


def test_the_role_that_mines_may_do_all_of_it(conn: psycopg.Connection) -> None:
    apply_role(conn)
    _, dear = sources = two()
    dear.provider.excludes_known = False  # type: ignore[misc]
    with logged_in(conn) as role:
        run_id = prepared(role)
        pipeline.extract(role, run_id, sources)
        assert bought(role, run_id) == ALL
        assert len(Known(role, run_id).listed(["DE"], 4)) == 4


def test_with_a_mirrored_account_only_its_own_provider_is_asked(conn: psycopg.Connection) -> None:
    conn.execute("INSERT INTO lead_mining.credit_account (name, provider_conn_id) VALUES ('mirror', 'cheap')")
    with pytest.raises(InvalidRequest, match=r"then_provider_conn_ids.*mirrors that of 'cheap'"):
        prepared(conn, credit_account="mirror")


@pytest.mark.parametrize(
    ("told", "line"),
    [
        ({"preview": Preview(None, [], people=7)}, "7 people; companies are not counted free"),
        ({"preview_costs": 1}, "not asked, as to count costs 1 credit"),
    ],
)
def test_a_trial_run_tells_what_is_told_free(conn: psycopg.Connection, told: dict[str, Any], line: str) -> None:
    teller = Seller("cheap", [])
    for name, answer in told.items():
        setattr(teller, name, lambda *_, answer=answer: answer)
    run_id = prepared(conn, dry_run=True)
    pipeline.extract(conn, run_id, teller)
    found = summary(conn, "lead_mining/x")
    assert found
    assert ("would find", line) in found.lines()
    assert teller.calls == []


class Choosy(Seller):
    """Cannot do what it is told that it cannot."""

    def __init__(self, *cannot: Misfit, most: int = 1, finds: bool = False) -> None:
        super().__init__("choosy", [])
        self._cannot, self._most, self._finds = cannot, most, finds

    def contacts_of(self, query: Query, companies: Sequence[Identity]) -> str | None:
        return "people" if self._finds else None

    def misfits(self, query: Query) -> list[Misfit]:
        return list(self._cannot)

    def most(self, query: Query, limit: int, cursor: str | None) -> int:
        return limit + self._most


def test_what_providers_cannot_do_is_told_before_anything_is_held(conn: psycopg.Connection) -> None:
    no_contacts = Misfit("search_type", "people", "sells no contacts")
    rough = Misfit("industries", "Banks", "searched as finance", roughly=True)
    cannot = Misfit("states", "US-CA", "leave it out")
    request = MiningRequest.parse(PEOPLE)

    def prepare(key: str, *choosy: Choosy) -> Any:
        sources = [Source(f"p{place}", each) for place, each in enumerate(choosy)]
        return pipeline.prepare_request(conn, f"lead_mining/{key}", PEOPLE, lambda given: offer(sources, given))

    impossible = (
        [Choosy(cannot)],
        [Choosy(), Choosy(cannot, rough)],
        [Choosy(no_contacts)] * 2,
        [Choosy(no_contacts), Choosy()],  # which sells contacts of its own companies alone
    )
    for number, choosy in enumerate(impossible):
        with pytest.raises(InvalidRequest) as raised:
            prepare(f"wrong{number}", *choosy)
        assert all(isinstance(each, FieldProblem) and "cannot do it" in each.allowed for each in raised.value.problems)
    assert conn.execute("SELECT count(*) FROM lead_mining.run").fetchone() == (0,)
    plan = prepare("right", Choosy(no_contacts, rough), Choosy(), Choosy(most=20, finds=True))
    assert [notice for notice in plan["notices"] if "p0" in notice] == [
        "search_type 'people' at 'p0': the contacts of its companies are asked of 'p2'",
        "industries 'Banks' at 'p0': searched as finance",
    ]
    own = request.cost_of(6).total
    assert plan["max_cost"] == max(own, 26) == 26
    plan = prepare("after", Choosy(), Choosy(no_contacts))
    assert (
        "search_type 'people' at 'p1': what it adds to the companies of those before it comes without contacts"
        in (plan["notices"])
    )


def test_a_provider_that_takes_more_is_not_paid_above_the_budget_of_the_run(conn: psycopg.Connection) -> None:
    sources = [Source("cheap", Choosy(most=50))]
    plan = pipeline.prepare_request(
        conn, "lead_mining/x", PEOPLE | {"max_credits": 30}, lambda request: offer(sources, request)
    )
    assert plan["max_cost"] == 30
