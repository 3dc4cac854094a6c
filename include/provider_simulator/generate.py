"""Makes the catalogue: invented companies and people, the same for the same number and seed.

All domains are under ``.example``, which RFC 2606 keeps out of use. Phone numbers of North America, the United Kingdom,
Australia, France and Germany come from ranges kept for fiction or not given out, while they last; others are valid.
"""

from __future__ import annotations

import json
import unicodedata
from random import Random
from typing import Any
from uuid import UUID

from provider_simulator import reference
from provider_simulator.catalogue import COLUMNS, Row
from provider_simulator.dirt import spoil
from provider_simulator.reference import Industry, Place

VERSION = 2  # raise it when the same number and seed would give other rows
COMPANIES = 6000
SEED = 17

_SPECIAL_LETTERS = str.maketrans({"ß": "ss", "œ": "oe", "ø": "o", "Ø": "O", "ł": "l"})
_REVENUE = [
    (1e6, "$0-$1M"),
    (10e6, "$1M-$10M"),
    (50e6, "$10M-$50M"),
    (100e6, "$50M-$100M"),
    (250e6, "$100M-$250M"),
    (500e6, "$250M-$500M"),
    (1e9, "$500M-$1B"),
    (10e9, "$1B-$10B"),
]
_JSON_COLUMNS = ("phones", "emails", "tags", "technologies", "contacts", "dirt")


def generate(companies: int = COMPANIES, seed: int = SEED) -> list[Row]:
    """``companies`` rows with the columns of the catalogue; 8 in 100 carry dirt of the real world (see dirt.py)."""
    rng = Random(seed)
    maker = _Maker(rng)
    rows = [maker.company() for _ in range(companies)]
    spoil(rows, rng)
    for row in rows:
        for main, all_of_them in (("phone", "phones"), ("email", "emails")):
            row[all_of_them] = [value for value in (row[main], *row[all_of_them]) if value is not None]
        for column in _JSON_COLUMNS:
            row[column] = json.dumps(row[column], ensure_ascii=False)
    return rows


def slug(text: str, joined_by: str = "-") -> str:
    """Lower-case ASCII letters and digits; empty when the text has none."""
    plain = unicodedata.normalize("NFKD", text.translate(_SPECIAL_LETTERS)).encode("ascii", "ignore").decode().lower()
    kept = "".join(letter if letter.isalnum() else " " for letter in plain.replace("'", ""))
    return joined_by.join(kept.split())


class _Maker:
    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.words = reference.names()
        self.countries = reference.countries()
        self.codes = list(self.countries)
        self.country_weights = [country["weight"] for country in self.countries.values()]
        self.places = reference.places()
        self.industries = reference.industries()
        self.industry_weights = [industry.weight for industry in self.industries]
        self.roles = reference.roles()
        self.used_names: set[str] = set()
        self.used_phones: set[str] = set()
        self.used_up: set[str] = set()

    def company(self) -> Row:
        rng = self.rng
        code = rng.choices(self.codes, self.country_weights)[0]
        country, place = self.countries[code], rng.choice(self.places[code])
        industry = rng.choices(self.industries, self.industry_weights)[0]
        head = self._head()
        name = f"{head} {rng.choice(industry.words)}"
        handle, domain = slug(head, ""), f"{slug(head)}.example"
        employees, founded = self._employees(), rng.randint(1890, 2024)
        row: Row = dict.fromkeys(COLUMNS)
        row.update(
            reveal_id=str(UUID(int=rng.getrandbits(128), version=4)),
            name=name,
            legal_name=f"{name} {rng.choice(country['legal'])}",
            domain=domain,
            phone=self._phone(place),  # phones and emails: the others, until all rows are made
            email=f"info@{domain}",
            phones=[self._phone(place) for _ in range(rng.choice((0, 0, 1, 2)))],
            emails=[f"sales@{domain}"] if rng.random() < 0.4 else [],
            founded_year=founded,
            employees=employees,
            sector=industry.sector,
            industry_group=industry.industry_group,
            industry=industry.industry,
            sub_industry=industry.sub_industry,
            industry_id=industry.industry_id,
            odoo_industry=industry.odoo_industry,
            tags=industry.tags,
            technologies=sorted(rng.sample(self.words["technologies"], rng.randint(0, 5))),
            logo=f"https://{domain}/logo.png" if rng.random() < 0.8 else None,
            website_title=f"{name} | Home",
            contacts=self._contacts(country["people"], place, domain),
            dirt=[],
        )
        row.update(self._address(place, country))
        row.update(self._money(employees))
        row.update(self._social(handle, name, place))
        row["description"] = self._description(row, industry, country["name"])
        return row

    def _head(self) -> str:
        rng, words = self.rng, self.words["company"]

        def coined() -> str:
            return "".join(rng.choice(words[part]) for part in ("heads", "middles", "tails"))

        for attempt in range(1000):
            two_words = rng.random() < 0.15
            head = f"{rng.choice(words['adjectives'])} {rng.choice(words['nouns'])}" if two_words else coined()
            if attempt > 20:  # a big catalogue has used up the short names
                head = f"{coined()} {coined()}"
            if head not in self.used_names:
                self.used_names.add(head)
                return head
        raise ValueError("The word lists give no more new company names: ask for fewer companies")

    def _employees(self) -> int:
        kind = self.rng.random()
        if kind < 0.02:
            return self.rng.randint(1, 2)
        if kind < 0.04:
            return int(10 ** self.rng.uniform(4.0, 5.3))
        return int(10 ** self.rng.uniform(0.3, 3.7))

    def _phone(self, place: Place) -> str:
        """A new number of the place in international format. When its ranges are used up: any valid one."""
        dial = self.countries[place.country_code]["dial"]
        for attempt in range(10_000):
            pattern = self.rng.choice(place.phones)
            if place.city in self.used_up:
                pattern = pattern[:4] + "".join("#" if sign.isdigit() else sign for sign in pattern[4:])
            number = f"+{dial} {self._filled(pattern).removeprefix('0')}"
            if number not in self.used_phones and (place.city not in self.used_up or _is_valid(number)):
                self.used_phones.add(number)
                return number
            if attempt == 30:
                self.used_up.add(place.city)
        raise ValueError(f"No phone number is left for {place.city}: ask for fewer companies")

    def _filled(self, pattern: str) -> str:
        signs = {"#": "0123456789", "?": "ABDEFGHJLNPRSTUW"}
        return "".join(self.rng.choice(signs[sign]) if sign in signs else sign for sign in pattern)

    def _address(self, place: Place, country: dict[str, Any]) -> Row:
        number, street = str(self.rng.randint(1, 9999)), self.rng.choice(country["streets"])
        postal = self._filled(place.postal) or None
        last = " ".join(part for part in (place.state_code, postal) if part)
        return {
            "street_number": number,
            "street_name": street,
            "sub_premise": f"Suite {self.rng.randint(1, 900)}" if self.rng.random() < 0.1 else None,
            "street": f"{number} {street}, {place.city}, {last}, {country['name']}",
            "city": place.city,
            "zip": postal,
            "state_code": place.state_code,
            "state_name": place.state_name,
            "country_code": place.country_code,
            "country_name": country["name"],
            "timezone": place.timezone,
        }

    def _money(self, employees: int) -> Row:
        rng = self.rng
        revenue = employees * rng.randint(60, 400) * 1000
        kind = rng.choice(["private"] * 8 + ["education", "government", "nonprofit"])
        if employees == 1:
            kind = "personal"
        elif employees > 2000 and rng.random() < 0.6:
            kind = "public"
        return {
            "company_type": kind,
            "annual_revenue": revenue if rng.random() < 0.4 else None,
            "estimated_annual_revenue": next((text for limit, text in _REVENUE if revenue < limit), "$10B+"),
            "market_cap": revenue * rng.randint(1, 6) if kind == "public" else None,
            "raised": rng.randint(1, 900) * 100_000 if rng.random() < 0.2 else None,
        }

    def _social(self, handle: str, name: str, place: Place) -> Row:
        rng = self.rng
        on_twitter = rng.random() < 0.5
        return {
            "facebook": handle if rng.random() < 0.5 else None,
            "linkedin": f"company/{handle}" if rng.random() < 0.7 else None,
            "crunchbase": f"organization/{handle}" if rng.random() < 0.3 else None,
            "twitter": handle[:15] if on_twitter else None,
            "twitter_bio": f"News & updates from {name}" if on_twitter else None,
            "twitter_followers": rng.randint(0, 90_000) if on_twitter else None,
            "twitter_location": place.city if on_twitter else None,
        }

    def _description(self, row: Row, industry: Industry, country: str) -> str:
        size = "small" if row["employees"] < 50 else "mid-sized" if row["employees"] < 1000 else "large"
        sentence: str = self.rng.choice(self.words["descriptions"])
        return sentence.format(
            name=row["name"],
            thing=industry.sub_industry.lower(),
            country=country,
            city=row["city"],
            year=row["founded_year"],
            size=size,
        )

    def _contacts(self, people: str, place: Place, domain: str) -> list[Row]:
        rng, names = self.rng, self.words["people"][people]
        contacts: dict[str, Row] = {}
        for _ in range(rng.choices(range(9), [8, 10, 14, 18, 16, 12, 10, 7, 5])[0]):
            full_name = f"{rng.choice(names['first'])} {rng.choice(names['last'])}"
            role = rng.choice(list(self.roles))
            seniority = rng.choice(reference.SENIORITIES)
            local = slug(full_name, ".") or f"contact{len(contacts) + 1}"
            contacts.setdefault(  # the same name twice in a company is one person
                local,
                {
                    "full_name": full_name,
                    "email": f"{local}@{domain}" if rng.random() < 0.93 else None,
                    "phone": self._phone(place) if rng.random() < 0.5 else None,
                    "seniority": seniority,
                    "title": rng.choice(self.roles[role][seniority]),
                    "role": role,
                },
            )
        return list(contacts.values())


def _is_valid(number: str) -> bool:
    import phonenumbers

    return phonenumbers.is_valid_number(phonenumbers.parse(number))
