"""The dirt of real providers' data, in a known share of the catalogue. Each kind is a function that spoils one row."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any

Row = dict[str, Any]

SHARE = 0.08

# Gmail gives out no address with a hyphen, so these belong to nobody.
_FREE_MAIL = "gmail.com"


def spoil(rows: list[Row], rng: Random) -> None:
    """Spoils ``SHARE`` of the rows in place, one kind a row, every kind as often; names the kind in ``row['dirt']``."""
    spoilt = set(rng.sample(range(len(rows)), round(SHARE * len(rows))))
    clean = [row for position, row in enumerate(rows) if position not in spoilt]
    for turn, position in enumerate(sorted(spoilt)):
        kind = list(KINDS)[turn % len(KINDS)]
        row = rows[position]
        KINDS[kind](row, rng, clean)
        row["dirt"] = [kind]


def _blank(column: str) -> Callable[[Row, Random, list[Row]], None]:
    def blank(row: Row, _rng: Random, _clean: list[Row]) -> None:
        row[column] = None

    return blank


def _missing_phone(row: Row, _rng: Random, _clean: list[Row]) -> None:
    row["phone"], row["phones"] = None, []


def _upper_case_domain(row: Row, _rng: Random, _clean: list[Row]) -> None:
    row["domain"] = row["domain"].upper()


def _www_domain(row: Row, rng: Random, _clean: list[Row]) -> None:
    row["domain"] = rng.choice(["www.{}", "https://www.{}/", "http://{}/en/home?ref=1"]).format(row["domain"])


def _malformed_domain(row: Row, rng: Random, _clean: list[Row]) -> None:
    name = row["domain"].removesuffix(".example")
    row["domain"] = rng.choice([f"{name} example", f"{name}..example", f"-{name}-.example", "n/a", "http://"])


def _free_mail_domain(row: Row, _rng: Random, _clean: list[Row]) -> None:
    row["domain"] = _FREE_MAIL


def _national_phone(row: Row, _rng: Random, _clean: list[Row]) -> None:
    national = row["phone"].split(" ", 1)[1]
    trunk = "" if row["country_code"] in ("US", "CA", "BR", "MX") else "0"
    row["phone"] = trunk + national


def _unparseable_phone(row: Row, rng: Random, _clean: list[Row]) -> None:
    row["phone"] = rng.choice(["call us!", "+00 0000", "12", "see website", "+1 415-555-01200000000000", "-"])


def _malformed_email(row: Row, rng: Random, _clean: list[Row]) -> None:
    domain = row["domain"]
    row["email"] = rng.choice([f"info@@{domain}", f"info {domain}", "info@", f"@{domain}", "n/a", f"a b@{domain}"])
    for contact in row["contacts"][:1]:
        contact["email"] = f"{contact['full_name']} at {domain}"


def _free_mail_email(row: Row, _rng: Random, _clean: list[Row]) -> None:
    row["email"], row["emails"] = f"{row['domain'].removesuffix('.example')}-office@{_FREE_MAIL}", []


def _html_name(row: Row, rng: Random, _clean: list[Row]) -> None:
    shapes = ["<b>{}</b>", "{} <script>alert('x')</script>", '{}"><img src=x onerror=alert(1)>', "{} &amp; Sons"]
    shape = rng.choice(shapes)
    row["name"] = shape.format(row["name"])
    row["legal_name"] = shape.format(row["legal_name"])


def _html_description(row: Row, _rng: Random, _clean: list[Row]) -> None:
    row["description"] = (
        f"<p onclick=\"alert(1)\">{row['description']}</p><script src='//{row['domain']}/x.js'></script>"
        "<a href='javascript:alert(2)'>more</a><iframe srcdoc='<script>alert(3)</script>'></iframe>"
    )


def _sql_name(row: Row, rng: Random, _clean: list[Row]) -> None:
    ends = ["'; DROP TABLE crm_lead; --", "' OR '1'='1", "%s %(name)s {0} $1", "\\'; SELECT pg_sleep(9)"]
    row["name"] += rng.choice(ends)


def _unicode_name(row: Row, rng: Random, _clean: list[Row]) -> None:
    shapes = ["Zoë & {}", "Müller-{} Söhne", "{} 株式会社", "Ωmega {} 🚀", "شركة {}", "Ångström {}"]
    row["name"] = rng.choice(shapes).format(row["name"])


def _trailing_blanks(row: Row, _rng: Random, _clean: list[Row]) -> None:
    for column in ("name", "legal_name", "domain", "phone", "email", "city"):
        row[column] = f" {row[column]} \t"


def _long_description(row: Row, rng: Random, _clean: list[Row]) -> None:
    row["description"] = " ".join([row["description"]] * rng.randint(300, 600))


def _wrong_state(row: Row, rng: Random, clean: list[Row]) -> None:
    other = next(found for found in _some(rng, clean) if found["country_code"] != row["country_code"])
    row["state_code"], row["state_name"] = other["state_code"], other["state_name"]


def _duplicate_domain(row: Row, rng: Random, clean: list[Row]) -> None:
    """The same company under a second id: same domain, name written otherwise, no phone."""
    kept = row["reveal_id"]
    original = rng.choice(clean)
    row.update(deepcopy(original))
    row.update(reveal_id=kept, name=original["name"].upper(), phone=None, phones=[])
    row["duplicate_of"] = original["reveal_id"]


def _duplicate_phone(row: Row, rng: Random, clean: list[Row]) -> None:
    """The same company under a second id and domain: same phone and address."""
    own = ("reveal_id", "domain", "email", "emails", "website_title", "contacts")
    kept = {column: row[column] for column in own}
    original = rng.choice(clean)
    row.update(deepcopy(original))
    row.update(kept, name=f"The {original['name']} Group", duplicate_of=original["reveal_id"])


def _shared_contact_email(row: Row, rng: Random, clean: list[Row]) -> None:
    """A person who is sold with two companies, of one country where it can be."""
    known = [found for found in _some(rng, clean) if found["contacts"] and found["contacts"][0]["email"]]
    near = [found for found in known if found["country_code"] == row["country_code"]]
    other = (near or known)[0]
    row["contacts"] = [dict(other["contacts"][0]), *row["contacts"]][:8]


def _some(rng: Random, clean: list[Row]) -> list[Row]:
    """Enough rows to find what is looked for, however big the catalogue is."""
    return rng.sample(clean, min(len(clean), 500))


KINDS: dict[str, Callable[[Row, Random, list[Row]], None]] = {
    "missing_name": _blank("name"),
    "missing_legal_name": _blank("legal_name"),
    "missing_domain": _blank("domain"),
    "missing_employees": _blank("employees"),
    "missing_phone": _missing_phone,
    "upper_case_domain": _upper_case_domain,
    "www_domain": _www_domain,
    "malformed_domain": _malformed_domain,
    "free_mail_domain": _free_mail_domain,
    "national_phone": _national_phone,
    "unparseable_phone": _unparseable_phone,
    "malformed_email": _malformed_email,
    "free_mail_email": _free_mail_email,
    "html_name": _html_name,
    "html_description": _html_description,
    "sql_name": _sql_name,
    "unicode_name": _unicode_name,
    "trailing_blanks": _trailing_blanks,
    "long_description": _long_description,
    "wrong_state": _wrong_state,
    "duplicate_domain": _duplicate_domain,
    "duplicate_phone": _duplicate_phone,
    "shared_contact_email": _shared_contact_email,
}
