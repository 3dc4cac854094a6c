"""What an enrichment note says, held against the provider's answer and against the note that Odoo wrote for it.

Notes are compared by their facts: each fact of the answer is one text of our note, there once, and nothing else is.
The answer is read here as it came over the wire, by other code than the product's.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from note_reader import Note

LABELS = {
    "Company type", "Founded", "Sectors", "Employees", "Estimated revenue", "Market cap", "Phone", "E-mail", "Time zone",
    "Technologies", "Contacts", "Name", "·",
}  # fmt: skip
TWITTER = "Twitter"  # a row's label, and the name of a network that is linked to
ODOO_LABELS = LABELS | {TWITTER, "Email", "Timezone", "Technologies Used", "•", "per year"}

NETWORKS = {"facebook": "Facebook", "linkedin": "LinkedIn", "crunchbase": "Crunchbase", "twitter": "Twitter"}


def opening_line(html: str) -> str:
    """The text of the first paragraph, the request's number left out."""
    line = re.match(r"\s*<p>(.*?)</p>", html, re.DOTALL)
    return re.sub(r"LMR\d{3,}", "LMR and a number", line[1]) if line else ""


def pictures(html: str) -> int:
    """How many pictures a reader's browser loads from elsewhere."""
    return len(re.findall(r"<img\b", html))


def body_problems(answer: dict[str, Any], odoo: str | None, ours: str) -> list[str]:
    """What our note has too little, too much or twice. `answer`: the provider's record; `odoo`: Odoo's note, if any."""
    try:
        note = Note(ours)
    except AssertionError as error:
        return [f"markup that is not ours, so something is not escaped: {error}"]
    company = answer["company_data"]
    expected = Counter(map(_plain, facts(answer)))
    said = Counter(_plain(text) for text in note.texts[1:] if text not in LABELS)
    said[_plain(TWITTER)] -= bool(_twitter_row(company))
    problems = [f"missing: {fact}" for fact, times in expected.items() if said[fact] < times]
    problems += [f"too much: {fact}" for fact, times in said.items() if expected[fact] < times]
    handles = [path for network in NETWORKS if (path := company.get(network))]
    problems += [f"no link to {path}" for path in handles if not any(link.endswith(f"/{path}") for link in note.links)]
    if odoo is not None:
        ours_whole = " ".join([*said, *map(_plain, note.links)])
        problems += [f"Odoo says it, we do not: {text}" for text in odoo_texts(odoo) if text not in ours_whole]
    return problems


def facts(answer: dict[str, Any]) -> Iterator[str]:
    """The facts of one record of the answer, as the note words them."""
    company = answer["company_data"]
    for key in ("name", "description", "company_type", "founded_year"):
        if company.get(key):
            yield str(company[key])
    if company.get("employees"):
        yield f"{company['employees']:.0f}"
    yield from _distinct(
        company.get(key) for key in ("sector_primary", "sector", "industry_group", "industry", "sub_industry")
    )
    if revenue := company.get("estimated_annual_revenue") or _dollars(company.get("annual_revenue")):
        yield f"{revenue} per year"
    if company.get("market_cap"):
        yield _dollars(company["market_cap"])
    yield from _distinct([company.get("phone"), *(company.get("phone_numbers") or [])])
    yield from _distinct(company.get("email") or [])
    if company.get("timezone"):
        yield company["timezone"]
    yield from _distinct(company.get("tech") or [])
    yield from _twitter_row(company)
    yield from (name for key, name in NETWORKS.items() if company.get(key))
    for person in answer.get("people_data") or []:
        yield from (person[key] for key in ("full_name", "title", "email", "phone") if person.get(key))


def _twitter_row(company: dict[str, Any]) -> list[str]:
    followers = company.get("twitter_followers")
    return [text for text in (company.get("twitter_bio"), followers and f"{followers} followers") if text]


def _dollars(amount: float | None) -> str:
    return f"${amount:.0f}" if amount else ""


def _distinct(texts: Iterable[str | None]) -> list[str]:
    return list({_plain(text): text for text in texts if text}.values())


def _plain(text: str) -> str:
    """One spelling: case, white space, underscores and the commas in numbers say nothing."""
    text = re.sub(r"(?<=\d),(?=\d{3})", "", text.casefold().replace("_", " "))
    return " ".join(text.split())


def odoo_texts(html: str) -> list[str]:
    """The texts of a note as Odoo words them, labels left out."""
    text = re.sub(r"<[^>]*>", "\n", html.partition("</p>")[2])
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&#39;", "'"), ("&amp;", "&")):
        text = text.replace(entity, character)
    said = (" ".join(line.split()) for line in text.split("\n"))
    plain = (_plain(line).rstrip(",") for line in said if line and line not in ODOO_LABELS)
    return [text.removeprefix("http://www.") for text in plain]
