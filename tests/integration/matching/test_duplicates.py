"""Exact duplicates against the CRM, against what was bought, and within a batch, on real PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

import psycopg
import pytest
from crm_records import add_lead, add_partner

from lead_mining.credits import ledger, run_holds
from lead_mining.matching import crm_index
from lead_mining.matching.duplicates import Duplicate, find_duplicates, store_keys
from lead_mining.matching.keys import Key, match_keys
from lead_mining.providers.base import Company, Contact

_numbers = count(1)


def add_run(crm: psycopg.Connection, request_number: str | None = None) -> int:
    (run_id,) = crm.execute(
        "INSERT INTO lead_mining.run (run_key, request, context, provider, credit_account, dry_run, lead_number,"
        " max_cost, needs_approval, request_number) VALUES (%s, '{}', '{}', 'p', 'a', false, 10, 10, false, %s)"
        " RETURNING id",
        [f"matching/{next(_numbers)}", request_number],
    ).fetchone()
    crm.execute(
        "INSERT INTO lead_mining.raw_page (run_id, page_number, asked, found, charged, body)"
        " VALUES (%s, 1, 1, 1, 1, '{}')",
        [run_id],
    )
    return int(run_id)


def add(
    crm: psycopg.Connection, run_id: int, *keys: Key, position: int | None = None, lead_id: int | None = None
) -> int:
    """A candidate with these keys: valid, or loaded as a lead."""
    (candidate_id,) = crm.execute(
        "INSERT INTO lead_mining.candidate (run_id, position, page_number, state, company, contacts, lead_id)"
        " VALUES (%s, %s, 1, %s, '{}', 0, %s) RETURNING id",
        [run_id, position or next(_numbers), "valid" if lead_id is None else "loaded", lead_id],
    ).fetchone()
    store_keys(crm, [(candidate_id, key) for key in keys])
    return int(candidate_id)


def duplicates_in(crm: psycopg.Connection, run_id: int, state: str) -> list[Duplicate]:
    crm_index.refresh(crm)
    return find_duplicates(crm, run_id, state)


def test_a_candidate_that_nothing_recognises_is_new(crm: psycopg.Connection) -> None:
    run = add_run(crm)
    add_lead(crm, reveal_id="2", website="https://www.other.com", email_normalized="a@other.com", phone_sanitized="+2")
    add_lead(crm)
    add(crm, run, ("reveal_id", "1"), ("domain", "acme.com"), ("email", "a@acme.com"), ("phone", "+1"))
    add(crm, run)
    assert duplicates_in(crm, run, "valid") == []


@pytest.mark.parametrize(
    ("key", "column"),
    [
        (("reveal_id", "r-1"), "reveal_id"),
        (("email", "info@acme.com"), "email_normalized"),
        (("phone", "+14155550120"), "phone_sanitized"),
        (("domain", "acme.com"), "website"),
    ],
)
@pytest.mark.parametrize(
    ("active", "probability", "said"),
    [(True, 10, ""), (True, 0, ""), (False, 0, " (lost)"), (False, 20, " (archived)")],
)
def test_a_lead_of_the_crm_is_found_by_each_key_archived_and_lost_ones_too(
    crm: psycopg.Connection, key: Key, column: str, active: bool, probability: float, said: str
) -> None:
    run = add_run(crm)
    lead = add_lead(crm, active=active, probability=probability, **{column: key[1]})
    candidate = add(crm, run, key)
    assert duplicates_in(crm, run, "valid") == [Duplicate(candidate, *key, f"crm.lead {lead}{said}")]


@pytest.mark.parametrize(
    ("website", "domain"),
    [
        ("https://www.acme.com", "acme.com"),
        ("HTTP://WWW.ACME.COM/", "acme.com"),
        ("acme.com/about?x=1#y", "acme.com"),
        ("http://acme.com:8080", "acme.com"),
        ("http://acme.com?x", "acme.com"),
        (" https://shop.acme.com. ", "acme.com"),
        ("https://a.b.c.acme.co.uk/x", "acme.co.uk"),
        ("https://www.müller.de", "xn--mller-kva.de"),
        ("https://xn--mller-kva.de", "xn--mller-kva.de"),
        ("https://north.MÜLLER.de/", "xn--mller-kva.de"),
    ],
)
def test_websites_of_a_domain(crm: psycopg.Connection, website: str, domain: str) -> None:
    run = add_run(crm)
    lead = add_lead(crm, website=website)
    candidate = add(crm, run, ("domain", domain))
    assert duplicates_in(crm, run, "valid") == [Duplicate(candidate, "domain", domain, f"crm.lead {lead}")]


@pytest.mark.parametrize(
    "website",
    ["", "https://", "https://notacme.com", "https://acme.com.evil.org", "https://other.org/acme.com", "https://other.org?acme.com",
     "com", "acme", "https://acme.co", "www.", "://", "'; DROP TABLE crm_lead; --"]
)  # fmt: skip
def test_websites_that_only_look_alike(crm: psycopg.Connection, website: str) -> None:
    run = add_run(crm)
    add_lead(crm, website=website)
    add(crm, run, ("domain", "acme.com"), ("domain", "a.b.acme.co.uk"))
    assert duplicates_in(crm, run, "valid") == []


def test_the_most_certain_key_and_the_oldest_lead_are_named(crm: psycopg.Connection) -> None:
    run = add_run(crm)
    add_lead(crm, email_normalized="a@acme.com")
    oldest = add_lead(crm, website="https://acme.com")
    add_lead(crm, website="https://acme.com")
    candidate = add(crm, run, ("phone", "+1"), ("email", "a@acme.com"), ("domain", "acme.com"))
    assert duplicates_in(crm, run, "valid") == [Duplicate(candidate, "domain", "acme.com", f"crm.lead {oldest}")]


def test_a_partner_of_the_crm_is_found_and_a_lead_named_before_it(crm: psycopg.Connection) -> None:
    run = add_run(crm)
    partner = add_partner(crm, website="acme.com", active=False)
    candidate = add(crm, run, ("domain", "acme.com"))
    assert duplicates_in(crm, run, "valid") == [
        Duplicate(candidate, "domain", "acme.com", f"res.partner {partner} (archived)")
    ]
    lead = add_lead(crm, website="acme.com")
    assert duplicates_in(crm, run, "valid") == [Duplicate(candidate, "domain", "acme.com", f"crm.lead {lead}")]


def test_a_lead_that_was_deleted_is_no_longer_in_the_way(crm: psycopg.Connection) -> None:
    run = add_run(crm)
    lead, partner = add_lead(crm, website="acme.com"), add_partner(crm, email_normalized="info@acme.com")
    add(crm, run, ("domain", "acme.com"), ("email", "info@acme.com"))
    assert len(duplicates_in(crm, run, "valid")) == 1
    crm.execute("DELETE FROM crm_lead WHERE id = %s", [lead])
    crm.execute("DELETE FROM res_partner WHERE id = %s", [partner])
    assert find_duplicates(crm, run, "valid") == []


def test_what_another_open_run_holds_credits_for_is_held_by_it(crm: psycopg.Connection) -> None:
    other, run = add_run(crm, "LMR008"), add_run(crm)
    theirs, mine = add(crm, other, ("domain", "acme.com")), add(crm, run, ("domain", "acme.com"))
    crm.execute("UPDATE lead_mining.candidate SET state = 'accepted' WHERE id = %s", [theirs])
    assert duplicates_in(crm, run, "valid") == []  # it holds nothing: it has failed, or is over
    ledger.top_up(crm, "a", 10, "top-up", "test")
    hold = run_holds.hold_for_run(crm, "a", 3, other)
    assert duplicates_in(crm, run, "valid") == [Duplicate(mine, "domain", "acme.com", "held by LMR008")]
    crm.execute("UPDATE lead_mining.candidate SET state = 'accepted' WHERE id = %s", [mine])
    assert duplicates_in(crm, run, "accepted") == []  # who loads first has it
    assert hold
    run_holds.release_for_run(crm, other)
    crm.execute("UPDATE lead_mining.candidate SET state = 'valid' WHERE id = %s", [mine])
    assert duplicates_in(crm, run, "valid") == []


def test_leads_that_this_run_has_loaded_are_not_its_duplicates(crm: psycopg.Connection) -> None:
    run = add_run(crm)
    own = add_lead(crm, website="https://acme.com", reveal_id="1")
    add(crm, run, ("domain", "acme.com"), lead_id=own)
    late = add(crm, run, ("reveal_id", "1"))
    assert duplicates_in(crm, run, "valid") == []
    other = add_run(crm)
    again = add(crm, other, ("reveal_id", "1"))
    assert duplicates_in(crm, other, "valid") == [Duplicate(again, "reveal_id", "1", f"crm.lead {own}")]
    assert late != again


def test_what_was_bought_before_is_known_though_its_lead_is_gone(crm: psycopg.Connection) -> None:
    before, run = add_run(crm, "LMR007"), add_run(crm)
    add(crm, before, ("domain", "acme.com"), ("email", "a@acme.com"), lead_id=2_000_000_000)
    add(crm, before, ("domain", "never-loaded.com"))
    candidate = add(crm, run, ("email", "a@acme.com"))
    add(crm, run, ("domain", "never-loaded.com"))
    assert duplicates_in(crm, run, "valid") == [Duplicate(candidate, "email", "a@acme.com", "bought in LMR007")]


def test_the_crm_is_named_before_the_purchase(crm: psycopg.Connection) -> None:
    before, run = add_run(crm, "LMR007"), add_run(crm)
    lead = add_lead(crm, phone_sanitized="+1")
    add(crm, before, ("domain", "acme.com"), lead_id=lead)
    candidate = add(crm, run, ("domain", "acme.com"), ("phone", "+1"))
    assert duplicates_in(crm, run, "valid") == [Duplicate(candidate, "phone", "+1", f"crm.lead {lead}")]


def test_within_a_batch_the_first_of_the_provider_survives(crm: psycopg.Connection) -> None:
    run = add_run(crm)
    third = add(crm, run, ("domain", "acme.com"), position=3_000_003)
    first = add(crm, run, ("domain", "acme.com"), ("email", "a@acme.com"), position=3_000_001)
    second = add(crm, run, ("email", "a@acme.com"), position=3_000_002)
    assert duplicates_in(crm, run, "valid") == [
        Duplicate(third, "domain", "acme.com", f"candidate {first}"),
        Duplicate(second, "email", "a@acme.com", f"candidate {first}"),
    ]


def test_a_duplicate_knocks_nobody_out(crm: psycopg.Connection) -> None:
    """b is a duplicate of a, and c shares a key with b alone: c survives. So with a duplicate of the CRM."""
    run = add_run(crm)
    a = add(crm, run, ("domain", "a.com"))
    b = add(crm, run, ("domain", "a.com"), ("phone", "+1"))
    add(crm, run, ("phone", "+1"), ("email", "c@c.com"))
    lead = add_lead(crm, reveal_id="9")
    known = add(crm, run, ("reveal_id", "9"), ("email", "d@d.com"))
    add(crm, run, ("email", "d@d.com"))
    assert duplicates_in(crm, run, "valid") == [
        Duplicate(b, "domain", "a.com", f"candidate {a}"),
        Duplicate(known, "reveal_id", "9", f"crm.lead {lead}"),
    ]


def test_keys_of_one_kind_do_not_match_another(crm: psycopg.Connection) -> None:
    run = add_run(crm)
    add(crm, run, ("reveal_id", "acme.com"))
    add(crm, run, ("domain", "acme.com"))
    assert duplicates_in(crm, run, "valid") == []


def test_only_candidates_in_the_state_asked_for_are_judged(crm: psycopg.Connection) -> None:
    run = add_run(crm)
    add_lead(crm, reveal_id="1")
    candidate = add(crm, run, ("reveal_id", "1"))
    crm.execute("UPDATE lead_mining.candidate SET state = 'rejected' WHERE id = %s", [candidate])
    assert duplicates_in(crm, run, "valid") == []
    assert len(duplicates_in(crm, run, "rejected")) == 1


def test_keys_are_stored_once_however_often_they_come(crm: psycopg.Connection) -> None:
    candidate = add(crm, add_run(crm))
    hostile: Sequence[Key] = [("email", "a\tb\\N\n'@x.com"), ("domain", "ü.de"), ("reveal_id", "\\.")]
    for _ in range(2):
        store_keys(crm, [(candidate, key) for key in [*hostile, *hostile]])
    rows = crm.execute("SELECT kind, value FROM lead_mining.candidate_key WHERE candidate_id = %s", [candidate])
    assert set(rows) == set(hostile)
    store_keys(crm, [])


def test_longest_keys_fit_into_the_index(crm: psycopg.Connection) -> None:
    company = Company(
        reveal_id="𝄞" * 500,
        domain="ü" * 50 + ".de",
        emails=("é" * 300 + "@acme.com",),
        contacts=(Contact(email="a@b.co"),),
    )
    keys = match_keys(company)
    assert len(keys) == 4
    add(crm, add_run(crm), *keys)


def test_the_same_answer_twice_and_nothing_changed(crm: psycopg.Connection) -> None:
    run = add_run(crm)
    for number in range(40):
        add(crm, run, ("domain", f"{number % 7}.com"), ("email", f"{number % 5}@x.com"), ("phone", f"+{number}"))
        add_lead(crm, phone_sanitized=f"+{number * 3}", website=f"https://{number * 5}.com")
    first = duplicates_in(crm, run, "valid")
    assert len(first) > 20
    assert duplicates_in(crm, run, "valid") == first
    assert crm.execute("SHOW enable_mergejoin").fetchone() == ("on",)


def test_survivors_share_no_key(crm: psycopg.Connection) -> None:
    run = add_run(crm)
    keys = {add(crm, run, k, m): {k, m} for n in range(60) for k in [("domain", f"{n % 11}.com")] for m in [("phone", f"+{n % 13}")]}  # fmt: skip
    duplicates = {d.candidate_id for d in duplicates_in(crm, run, "valid")}
    surviving = [key for candidate, own in keys.items() if candidate not in duplicates for key in own]
    assert len(surviving) == len(set(surviving)) > 0
