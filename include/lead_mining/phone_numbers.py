"""Phone numbers as Odoo compares them. One place: what is loaded and what is recognised must never differ."""

from __future__ import annotations


def e164(text: str, country: str | None) -> str | None:
    """The number in E.164, or None where it is not a valid number. `country`: ISO code that a national number is of."""
    import phonenumbers

    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
