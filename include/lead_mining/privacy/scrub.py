"""Finding a person in text and JSON, however it is written there, and taking the person out. Plain values, no database.

What is looked for is never taken for a pattern, and others stay: `ann@acme.example` is not in `joann@acme.example`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from lead_mining.identifiers import mailboxes
from lead_mining.privacy import spelling

ERASED = "[erased]"

_LEAST_DIGITS = 6  # shorter numbers stand everywhere
_OF_A_COMPANY = re.compile(r"domain|website|reveal|clearbit|employee|company_|contacts|people", re.IGNORECASE)
_OF_A_PERSON = {"full_name", "first_name", "last_name"}  # whatever else it tells of where the person works
_LONGEST_FIELD = 500  # characters; more is a text that mentions addresses
_LONGEST_NAME = 300  # characters; more is no name, and would make slow expressions


@dataclass(frozen=True)
class Needles:
    """What identifies persons. `emails`: in lower case; `names`: full names; `phones`: as given, or in E.164;
    `domains`: whose every address is meant; `companies`: ids and domains of the companies that they are known at.

    Addresses and numbers are looked for everywhere. A name is not one person's alone: it counts in what is known to be
    about the person (`names=True`), not in another company's record, and never beside somebody else's address. A name
    of one word is not looked for in texts: it may be any word.
    """

    emails: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    phones: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()
    companies: frozenset[str] = frozenset()

    def is_email(self, text: str) -> bool:
        """Whether one of the addresses is in the text, which is a field of addresses, however it is written."""
        return any(address in self.emails or self._in_domain(address) for address in _mailboxes(text))

    def is_name(self, text: str) -> bool:
        return _folded(text) in self._folded_names

    def is_phone(self, text: str) -> bool:
        digits = _digits(text)
        return len(digits) >= _LEAST_DIGITS and digits in self._all_digits

    def within(self, text: str, *, names: bool) -> bool:
        """Whether the text mentions one of the persons."""
        return self._certain.search(text) is not None or (names and self._named.search(text) is not None)

    def replaced(self, text: str, *, names: bool) -> str:
        """The text with `[erased]` in the place of each mention. JSON that is kept as text stays JSON."""
        if not self.within(text, names=names):
            return text
        if text.lstrip()[:1] in ("[", "{"):
            try:
                return json.dumps(self.scrubbed(json.loads(text), names=names), ensure_ascii=False)
            except (ValueError, RecursionError):
                pass  # it only looks like JSON
        text = self._certain.sub(ERASED, text)
        return self._named.sub(ERASED, text) if names else text

    def scrubbed(self, value: Any, *, names: bool) -> Any:
        """JSON without the persons: a record of one of them loses all its texts, other texts lose the mentions."""
        if isinstance(value, str):
            return self.replaced(value, names=names)
        if isinstance(value, list):
            return [self.scrubbed(item, names=names and self.may_be_about(item)) for item in value]
        if not isinstance(value, dict):
            return None if self._is_number_of(value) else value
        if self.is_record(value, names=names):
            return {key: emptied(item) for key, item in value.items()}
        names = names and not self._is_anothers(value)
        scrubbed: dict[str, Any] = {}
        for key, item in value.items():
            kept = new = self.replaced(key, names=names)
            while new in scrubbed:
                new = f"{kept} {len(scrubbed)}"
            scrubbed[new] = self.scrubbed(item, names=names)
        return scrubbed

    def excerpts(self, value: Any, *, names: bool, path: str = "") -> Iterator[tuple[str, Any]]:
        """(where in the JSON, what stands there) of each record of the persons and each other mention of them."""
        if isinstance(value, str):
            if self.within(value, names=names):
                yield path, value
        elif isinstance(value, list):
            for index, item in enumerate(value):
                names_here = names and self.may_be_about(item)
                yield from self.excerpts(item, names=names_here, path=f"{path}[{index}]")
        elif isinstance(value, dict):
            if self.is_record(value, names=names):
                yield path, value
                return
            names = names and not self._is_anothers(value)
            for key, item in value.items():
                yield from self.excerpts(item, names=names, path=f"{path}.{key}" if path else key)
        elif self._is_number_of(value):
            yield path, value

    def is_record(self, value: dict[str, Any], *, names: bool) -> bool:
        """Whether an object is about one of the persons: it has the address, or the name and no other address."""
        texts = [item for item in value.values() if isinstance(item, str)]
        if _is_a_companys(value):
            return False
        if any(self.is_email(text) for text in texts):
            return True
        return names and any(self.is_name(text) for text in texts) and not self._is_anothers(value)

    def may_be_about(self, value: Any) -> bool:
        """False for the record of a company that is none of theirs and mentions none of them for certain."""
        if not isinstance(value, dict) or not _is_a_companys(value):
            return True
        return any(
            self.within(text, names=False) or any(company in text.lower() for company in self.companies)
            for text in _texts(value)
        )

    @cached_property
    def on_their_pages(self) -> Needles:
        """The same for what is known to be about their companies alone: whichever company a record seems to be of."""
        return replace(self, companies=frozenset([""]))

    def patterns(self, *, names: bool) -> list[str]:
        """Patterns for LIKE on lower-cased text: what mentions a person matches one, numbers in their usual groups.

        More than that does, so what they find is looked at again. No character in them is special but `%`.
        """
        words: list[str] = [*self.emails, *self.domains, *(self._needed_names if names else ())]
        loose = {
            spelling.loose(variant) for word in words for variant in (word, word.lower(), word.upper(), word.title())
        }
        return sorted(loose | {spelling.grouped(phone) for phone in self.phones if self.is_phone(phone)})

    def _is_number_of(self, value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and self.is_phone(str(value))

    def _is_anothers(self, value: dict[str, Any]) -> bool:
        """Whether an object is about a person with another address."""
        if _is_a_companys(value):
            return False
        fields = [item for item in value.values() if isinstance(item, str) and _mailboxes(item)]
        return bool(fields) and not any(map(self.is_email, fields))

    def _in_domain(self, address: str) -> bool:
        host = address.rpartition("@")[2]
        return any(host == domain or host.endswith(f".{domain}") for domain in self.domains)

    @cached_property
    def _folded_names(self) -> frozenset[str]:
        return frozenset(map(_folded, self.names)) - {""}

    @cached_property
    def _needed_names(self) -> list[str]:
        names = {" ".join(name.split()) for name in self.names if len(name) <= _LONGEST_NAME}
        return [name for name in names if " " in name or (len(name) > 2 and not spelling.is_cased(name[0]))]

    @cached_property
    def _all_digits(self) -> frozenset[str]:
        return frozenset(digits for phone in self.phones if len(digits := _digits(phone)) >= _LEAST_DIGITS)

    @cached_property
    def _certain(self) -> re.Pattern[str]:
        emails, domains = map(spelling.of_email, self.emails), map(spelling.of_domain, self.domains)
        return spelling.any_of([*emails, *domains, *map(spelling.of_number, self._all_digits)])

    @cached_property
    def _named(self) -> re.Pattern[str]:
        return spelling.any_of(map(spelling.of_name, self._needed_names))


def _is_a_companys(value: dict[str, Any]) -> bool:
    return _OF_A_PERSON.isdisjoint(value) and any(_OF_A_COMPANY.search(key) for key in value)


def _mailboxes(text: str) -> frozenset[str]:
    return mailboxes(text) if len(text) <= _LONGEST_FIELD else frozenset()


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)


def emptied(value: Any) -> Any:
    """JSON without its texts and numbers."""
    if isinstance(value, str):
        return None
    if isinstance(value, list):
        return [item for item in map(emptied, value) if item is not None]
    if isinstance(value, dict):
        return {key: emptied(item) for key, item in value.items()}
    return value if value is None or isinstance(value, bool) else None


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()


def _digits(text: str) -> str:
    return re.sub(r"[^0-9]", "", text) if re.fullmatch(r"[\s0-9+().\-/]*", text) else ""
