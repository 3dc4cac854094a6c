"""Predictive lead scoring: against counts by hand, and against the definition in exact fractions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from math import prod

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lead_mining.crm import scoring
from lead_mining.crm.context import CrmContext
from lead_mining.crm.leads import load_leads
from lead_mining.providers.base import Company

Row = tuple[int | None, str | None, str | None, Decimal | float | str | None, Decimal | float | str | None]
"""Team, field, value, won, lost."""

NEW, QUALIFIED, WON = 1, 2, 4
STAGE = ("stage_id", str(NEW))


def store(conn: psycopg.Connection, rows: Iterable[Row], fields: str | None = "phone_state,email_state") -> None:
    conn.execute("DELETE FROM ir_config_parameter WHERE key = 'crm.pls_fields'")
    if fields is not None:
        conn.execute("INSERT INTO ir_config_parameter (key, value) VALUES ('crm.pls_fields', %s)", [fields])
    conn.execute("DELETE FROM crm_lead_scoring_frequency")
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO crm_lead_scoring_frequency (team_id, variable, value, won_count, lost_count)"
            " VALUES (%s, %s, %s, %s, %s)",
            list(rows),
        )


def score(conn: psycopg.Connection, team: int | None = None, **lead: object) -> float:
    [probability] = scoring.probabilities(conn, team, [{"stage_id": NEW} | lead])
    return probability


@pytest.fixture
def team_ids(crm: psycopg.Connection) -> list[int]:
    return [row[0] for row in crm.execute("SELECT id FROM crm_team WHERE active ORDER BY id LIMIT 2")]


# --- by hand ---


def test_without_history_every_lead_has_an_even_chance(crm: psycopg.Connection) -> None:
    store(crm, [])
    leads = [{"stage_id": NEW, "email_state": state} for state in ("correct", "incorrect", None)]
    assert scoring.probabilities(crm, None, leads) == [50.0, 50.0, 50.0]


def test_no_leads(crm: psycopg.Connection) -> None:
    assert scoring.probabilities(crm, None, []) == []


def test_by_the_stage_alone_it_is_the_share_of_won_leads(crm: psycopg.Connection) -> None:
    store(crm, [(None, "stage_id", "1", 30.1, 10.1)])
    assert score(crm) == 74.88  # 30.1 / 40.2


def test_a_later_stage_that_fewer_lost_leads_have_reached_is_better(crm: psycopg.Connection) -> None:
    store(crm, [(None, "stage_id", "1", 10, 40), (None, "stage_id", "2", 10, 5)])
    assert score(crm) == 20.0
    assert score(crm, stage_id=QUALIFIED) == 66.67  # 1/5 * 10/10 = 0.2 against 4/5 * 5/40 = 0.1


def test_each_field_tells_more(crm: psycopg.Connection) -> None:
    store(
        crm,
        [
            (None, "stage_id", "1", 20, 20),
            (None, "email_state", "correct", 15, 5),
            (None, "email_state", "False", 5, 15),
            (None, "phone_state", "correct", 8, 2),
            (None, "phone_state", "incorrect", 12, 18),
        ],
    )
    # 1/2 * 15/20 * 8/20 = 0.15 against 1/2 * 5/20 * 2/20 = 0.0125
    assert score(crm, email_state="correct", phone_state="correct") == 92.31
    # no e-mail counts as a value too: 1/2 * 5/20 * 12/20 = 0.075 against 1/2 * 15/20 * 18/20 = 0.3375
    assert score(crm, email_state=None, phone_state="incorrect") == 18.18
    # a value that no closed lead had tells nothing: 1/2 * 15/20 against 1/2 * 5/20; phone_state is NULL
    assert score(crm, email_state="correct") == 75.0


@pytest.mark.parametrize(("won", "lost"), [(10, 0), (0, 10), (0, 0), (None, 5)])
def test_where_none_was_won_or_none_lost_the_other_fields_speak(
    crm: psycopg.Connection, won: float | None, lost: float
) -> None:
    rows: list[Row] = [(None, "stage_id", "1", won, lost), (None, "email_state", "correct", 30, 10)]
    store(crm, rows)
    assert score(crm, email_state="correct") == 50.0  # all that is counted has this value
    store(crm, [*rows, (None, "email_state", "False", 10, 30)])
    assert score(crm, email_state="correct") == 75.0
    assert score(crm, email_state=None) == 25.0


def test_a_team_goes_by_its_own_history_and_by_everybodys_without(crm: psycopg.Connection, team_ids: list[int]) -> None:
    own, other = team_ids
    store(crm, [(own, "stage_id", "1", 9, 1), (None, "stage_id", "1", 1, 9)])
    assert score(crm, own) == 90.0
    assert score(crm, other) == 50.0  # 10 of 20 among all
    assert score(crm, None) == 50.0


def test_a_team_with_history_of_fields_that_are_not_asked_for_has_none(
    crm: psycopg.Connection, team_ids: list[int]
) -> None:
    own, other = team_ids
    store(crm, [(own, "country_id", "233", 5, 5), (other, "stage_id", "1", 8, 2)])
    assert score(crm, own) == 80.0


def test_a_team_with_history_but_not_of_the_first_stage_goes_by_it(
    crm: psycopg.Connection, team_ids: list[int]
) -> None:
    own, other = team_ids
    store(crm, [(own, "stage_id", "2", 5, 5), (other, "stage_id", "1", 8, 2)])
    assert score(crm, own) == 50.0


def test_the_first_stage_is_the_first_of_all_teams(crm: psycopg.Connection, team_ids: list[int]) -> None:
    crm.execute('INSERT INTO crm_stage (name, sequence, team_id) VALUES (\'{"en_US": "Own"}\', -1, %s)', team_ids[:1])
    store(crm, [(None, "stage_id", "1", 8, 2)])
    assert score(crm, team_ids[0]) == 80.0
    crm.execute("UPDATE crm_stage SET sequence = -2, fold = true WHERE id = %s", [QUALIFIED])
    assert score(crm, team_ids[0]) == 50.0  # of the folded one nothing is known


def test_tags_count_once_fifty_leads_had_them(crm: psycopg.Connection, team_ids: list[int]) -> None:
    own, other = team_ids
    rows: list[Row] = [
        (None, "stage_id", "1", 100, 100),
        (None, "tag_id", "7", 40, 10),
        (None, "tag_id", "8", 20, 80),
        (None, "tag_id", "9", 48, 1),  # too few
    ]
    store(crm, rows, "tag_ids")
    assert score(crm) == 50.0
    assert score(crm, tag_ids=[7]) == 85.71  # 40/60 against 10/90
    assert score(crm, tag_ids=(7, 8)) == 69.23  # 40/60 * 20/60 against 10/90 * 80/90, of the tags that count
    assert score(crm, tag_ids=[9]) == 50.0
    store(crm, [*rows, (own, "tag_id", "9", 48, 1), (other, "tag_id", "9", 48, 1)], "tag_ids")
    assert score(crm, tag_ids=[9]) == 50.0  # 147 together, but fewer than 50 each
    assert score(crm, own, tag_ids=[7]) == 50.0  # the team has a history, of nothing that counts
    store(crm, rows, "phone_state")
    assert score(crm, tag_ids=[7]) == 50.0  # not asked for


def test_in_a_won_stage_it_is_won_and_without_a_stage_it_is_nothing(crm: psycopg.Connection) -> None:
    store(crm, [(None, "stage_id", "1", 8, 2)])
    leads: list[dict[str, object]] = [{"stage_id": WON}, {"stage_id": None}, {}, {"stage_id": NEW}]
    assert scoring.probabilities(crm, None, leads) == [100.0, 0.0, 0.0, 80.0]


def test_nothing_is_certain(crm: psycopg.Connection) -> None:
    rows: list[Row] = [(None, "stage_id", "1", 500, 500), (None, "email_state", "correct", 1000, 0)]
    store(crm, [*rows, (None, "email_state", "False", 0, 1000)])
    assert score(crm, email_state="correct") == 99.99
    assert score(crm, email_state=None) == 0.01


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("country_id", 80.0),
        ("country_id,country_id", 94.12),  # Odoo counts it twice
        (" country_id", 50.0),  # Odoo does not trim
        ("country", 50.0),  # renamed
        ("x_country,country_id,does_not_exist", 80.0),
        ("team_id,stage_id,country_id", 80.0),
        ("", 50.0),
        (None, 50.0),
        ("country_id'; DROP TABLE crm_lead; --", 50.0),
        (",,country_id,,", 80.0),
    ],
)
def test_the_fields_are_those_of_the_setting(crm: psycopg.Connection, setting: str | None, expected: float) -> None:
    store(
        crm,
        [
            (None, "stage_id", "1", 50, 50),
            (None, "country_id", "233", 40, 10),
            (None, "country_id", "75", 10, 40),
        ],
        setting,
    )
    assert score(crm, country_id=233) == expected


def test_counts_that_are_none_do_no_harm(crm: psycopg.Connection) -> None:
    store(
        crm,
        [
            (None, "stage_id", "1", 30, 10),
            (None, "stage_id", None, 5, 5),
            (None, None, "1", 5, 5),
            (None, "email_state", "correct", "NaN", "Infinity"),
            (None, "email_state", "False", -5, Decimal(10) ** 400),
            (None, "phone_state", "correct", 0, 0),
            (None, "phone_state", "False", 5, 5),
        ],
    )
    assert score(crm, email_state="correct") == 75.0
    assert score(crm, phone_state="correct") == 50.0  # neither won nor lost: Odoo would divide by zero
    assert score(crm, phone_state=None) == 75.0


def test_of_two_rows_for_one_value_of_a_team_the_last_counts(crm: psycopg.Connection, team_ids: list[int]) -> None:
    own = team_ids[0]
    store(crm, [(own, "stage_id", "1", 1, 9), (own, "stage_id", "1", 9, 1)])
    assert score(crm, own) == 90.0
    assert score(crm, None) == 50.0


def test_a_lead_is_loaded_with_its_score(
    crm: psycopg.Connection, requested: Callable[..., tuple[CrmContext, int]]
) -> None:
    store(
        crm,
        [
            (None, "stage_id", "1", 20, 20),
            (None, "email_state", "correct", 15, 5),
            (None, "email_state", "False", 5, 15),
            (None, "phone_state", "correct", 8, 2),
            (None, "phone_state", "False", 2, 8),
            (None, "city", "Reno", 9, 1),
            (None, "city", "Bonn", 1, 9),
        ],
        "phone_state,email_state,city",
    )
    context, request_id = requested()
    companies = [
        Company(name="Both", country_code="US", emails=("a@b.example",), phones=("+1 415-555-0120",)),
        Company(name="Phone", country_code="US", phones=("+1 415-555-0121",)),
        Company(name="None"),
        Company(name="In Reno", city="Reno"),
    ]
    load_leads(crm, context, request_id, list(enumerate(companies)))
    loaded = crm.execute(
        "SELECT name, probability, automated_probability FROM crm_lead WHERE lead_mining_request_id = %s ORDER BY id",
        [request_id],
    ).fetchall()
    # odds of winning: e-mail 3 or 1/3, phone 4 or 1/4, Reno 9
    assert loaded == [("Both", 92.31, 92.31), ("Phone", 57.14, 57.14), ("None", 7.69, 7.69), ("In Reno", 42.86, 42.86)]


def test_a_million_leads_are_scored_in_seconds(crm: psycopg.Connection) -> None:
    store(crm, [(None, "stage_id", "1", 30, 10), (None, "email_state", "correct", 9, 1)], "email_state,tag_ids")
    leads = [{"stage_id": NEW, "email_state": "correct" if i % 3 else None, "tag_ids": [1, 2]} for i in range(1000)]
    start = time.monotonic()
    assert len(scoring.probabilities(crm, None, leads * 1000)) == 1_000_000
    assert time.monotonic() - start < 30


# --- against the definition ---


def defined(rows: Sequence[Row], fields: Sequence[str], team: int | None, lead: Mapping[str, object]) -> Fraction:
    """P(won) = S(won) / (S(won) + S(lost)), where S(outcome) = P(outcome) * product of P(value | outcome)."""
    exact = [(t, f, v, Fraction(str(won)), Fraction(str(lost))) for t, f, v, won, lost in rows]
    pairs = [("stage_id", str(lead["stage_id"]))]
    pairs += [(f, str(lead.get(f) or False)) for f in fields if f != "tag_ids"]
    pairs = [(f, v) for f, v in pairs if v != "False" or f in ("email_state", "phone_state")]
    pairs += [("tag_id", str(t)) for t in lead.get("tag_ids", ()) if "tag_ids" in fields]  # type: ignore[attr-defined]
    relevant = [r for r in exact if r[1] in {f for f, _ in pairs}]
    if any(r[0] == team for r in relevant):
        relevant = [r for r in relevant if team is None or r[0] == team]
    relevant = [r for r in relevant if r[1] != "tag_id" or r[3] + r[4] >= 50]

    def likelihoods(outcome: int) -> Iterable[Fraction]:
        base = [sum(r[i] for r in relevant if r[1:3] == STAGE) for i in (3, 4)]
        if all(base):
            yield Fraction(base[outcome], sum(base))
        for pair in pairs:
            matching = [r for r in relevant if r[1:3] == pair]
            totals = base if pair[0] == "stage_id" else [sum(r[i] for r in relevant if r[1] == pair[0]) for i in (3, 4)]
            if matching and all(totals):
                yield Fraction(sum(r[3 + outcome] for r in matching), totals[outcome])

    won, lost = prod(likelihoods(0)), prod(likelihoods(1))
    return Fraction(won, won + lost) if won + lost else Fraction(1, 2)


count = st.one_of(st.integers(0, 3), st.integers(0, 500)).map(Decimal) | st.integers(1, 5000).map(
    lambda n: Decimal(n) / 10
)
STATES = ("correct", "incorrect", "False")
KNOWN = {
    "stage_id": ("1", "2"),
    "email_state": STATES,
    "phone_state": STATES,
    "country_id": ("233", "75"),
    "tag_id": ("1", "2"),
}
value = st.sampled_from([(name, known) for name, values in KNOWN.items() for known in values])
table = st.dictionaries(st.tuples(st.sampled_from([0, 1, 2]), value), st.tuples(count, count), max_size=25)
lead = st.fixed_dictionaries(
    {"stage_id": st.sampled_from([NEW, QUALIFIED])},
    optional={
        "email_state": st.sampled_from([None, "correct", "incorrect"]),
        "phone_state": st.sampled_from([None, "correct", "incorrect"]),
        "country_id": st.sampled_from([None, 233, 75, 1]),
        "tag_ids": st.lists(st.sampled_from([1, 2, 3]), unique=True),
    },
)
scored_fields = st.lists(st.sampled_from(["email_state", "phone_state", "country_id", "tag_ids"]), unique=True)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(counts=table, lead=lead, fields=scored_fields, team=st.sampled_from([0, 1, 2]))
@example(counts={(1, STAGE): (Decimal(0), Decimal(5))}, lead={"stage_id": NEW}, fields=[], team=1)
def test_it_is_what_naive_bayes_says(
    crm: psycopg.Connection,
    team_ids: list[int],
    counts: dict[tuple[int, tuple[str, str]], tuple[Decimal, Decimal]],
    lead: dict[str, object],
    fields: list[str],
    team: int,
) -> None:
    teams = [None, *team_ids]
    rows: list[Row] = [(teams[t], *pair, *numbers) for (t, pair), numbers in counts.items()]
    with crm.transaction(force_rollback=True):
        store(crm, rows, ",".join(fields))
        [computed] = scoring.probabilities(crm, teams[team], [lead])
    exact = min(max(100 * defined(rows, fields, teams[team], lead), Fraction(1, 100)), Fraction(9999, 100))
    assert abs(Fraction(computed) - exact) <= Fraction(1, 200) + Fraction(1, 10**9)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(counts=table, leads=st.lists(lead, min_size=1, max_size=8))
def test_a_lead_is_scored_the_same_wherever_it_stands(
    crm: psycopg.Connection,
    counts: dict[tuple[int, tuple[str, str]], tuple[Decimal, Decimal]],
    leads: list[dict[str, object]],
) -> None:
    with crm.transaction(force_rollback=True):
        store(crm, [(None, *pair, *numbers) for (_, pair), numbers in counts.items()], "email_state,country_id,tag_ids")
        forwards = scoring.probabilities(crm, None, leads)
        assert scoring.probabilities(crm, None, leads[::-1]) == forwards[::-1]
        assert [scoring.probabilities(crm, None, [one])[0] for one in leads] == forwards
