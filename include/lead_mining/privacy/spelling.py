"""How an address, a name or a number may be written in plain text, HTML, JSON and web addresses, as expressions.

What is given is text: no character of it is special.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable

_LEAST_LETTERS = 4  # of ASCII, to look for a name by these alone
_SPACE = r"(?:\s|\\[nrt]|&nbsp;|&\#160;|%20|\+)+"
_LOCAL_PART = r"[^\s@<>()\[\],;:\"'&/=?\\]{1,64}"
_NUMBER_SPACE = r"(?:[\s().\-/]|&nbsp;|%20)*"


def of_email(email: str) -> str:
    """An expression for an address, not in the middle of a longer one."""
    return rf"(?<![\w.+-]){_written(email)}(?![\w-]|\.\w)"


def of_domain(domain: str) -> str:
    """An expression for every address of a domain, and of those below it."""
    return rf"{_LOCAL_PART}(?:@|%40|&\#64;)(?:[\w-]+\.)*{_written(domain)}(?![\w-]|\.\w)"


def of_number(digits: str) -> str:
    """An expression for a phone number, however its digits are set apart."""
    return rf"(?<!\d)(?:\+|%2B)?{_NUMBER_SPACE.join(digits)}(?!\d)"


def any_of(expressions: Iterable[str]) -> re.Pattern[str]:
    """One expression for all of these, longer ones first; without any, one that matches nothing."""
    found = sorted(expressions, key=len, reverse=True)
    return re.compile("|".join(found) if found else r"(?!)", re.IGNORECASE)


def _written(text: str) -> str:
    """An expression for the text as it stands in plain text, HTML, JSON or an address, with any white space in it."""
    return _SPACE.join("".join(map(_character, word)) for word in text.split())


def _character(character: str) -> str:
    if character.isascii() and character.isalnum():
        return character
    forms = {form for case in (character, character.lower(), character.upper()) for form in _forms(case)}
    return f"(?:{'|'.join(re.escape(form) for form in sorted(forms, key=len, reverse=True))})"


def _forms(text: str) -> set[str]:
    codes = [ord(character) for character in text]
    return {
        text,
        html.escape(text),
        "".join(f"&#{code};" for code in codes),
        "".join(f"&#x{code:x};" for code in codes),
        json.dumps(text)[1:-1],
        "".join(f"%{byte:02X}" for byte in text.encode("utf-8", "replace")),
        *(["&apos;"] if text == "'" else []),
    }


def of_name(name: str) -> str:
    """An expression for a name, not in the middle of longer words in scripts that have spaces between words."""
    words = " ".join(name.split())
    before, after = (r"(?<!\w)" if is_cased(words[0]) else ""), (r"(?!\w)" if is_cased(words[-1]) else "")
    return before + _written(words) + after


def is_cased(character: str) -> bool:
    """Whether it is of a script with upper and lower case, or a digit."""
    return character.isdigit() or character.lower() != character.upper()


def loose(text: str) -> str:
    """A pattern for LIKE: the letters and digits that every spelling keeps, in order, and anything between."""
    lower = "".join(c.lower() if c.isascii() else c for c in text)
    runs = re.findall("[a-z0-9]+", lower)
    if sum(map(len, runs)) < _LEAST_LETTERS:
        runs = re.findall(r"[^\W_]+", lower)
    return f"%{'%'.join(runs)}%"


def grouped(phone: str) -> str:
    """A pattern for LIKE: the number in its usual groups, and anything between."""
    import phonenumbers

    try:
        number = phonenumbers.parse(phone, None)
        phone = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    except phonenumbers.NumberParseException:
        pass  # a national number: in the groups that it was given in
    return f"%{'%'.join(re.findall('[0-9]+', phone))}%"
