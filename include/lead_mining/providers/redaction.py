"""Secrets taken out of what comes back from a provider: as they are, percent-encoded, in base64, in hex, escaped."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from urllib.parse import unquote

HIDDEN = "***"
_LONG = 8  # characters; a shorter secret is looked for as a word of its own, or it would blank out ordinary words
_CHARS_OF_ALL = "+/_-"


@lru_cache(maxsize=32)
def without(secrets: tuple[str, ...]) -> Callable[[str], str]:
    """A function that takes these secrets out of a text: each mention, and whatever base64 text one is in."""
    known = sorted({secret for secret in secrets if secret.strip()}, key=len, reverse=True)
    if not known:
        return lambda text: text
    long = [secret for secret in known if len(secret) >= _LONG]
    short = [secret for secret in known if len(secret) < _LONG]
    mention = re.compile("|".join(_spellings(known)))
    cores = [core for secret in long for core in _cores(secret.encode("utf-8", "replace"))]
    words = [re.compile(_alone(re.escape(secret))) for secret in short]
    least = min([len(core) for core in cores] + [len(base64.b64encode(s.encode())) - 2 for s in short])
    run = re.compile(rf"[A-Za-z0-9{re.escape(_CHARS_OF_ALL)}]{{{max(least, 2)},}}={{0,2}}")

    def clean_run(found: re.Match[str]) -> str:
        text = found[0].replace("-", "+").replace("_", "/")
        is_secret = any(core in text for core in cores) or (words and _holds(text, words))
        return HIDDEN if is_secret else found[0]

    def clean(text: str) -> str:
        cleaned = run.sub(clean_run, mention.sub(HIDDEN, text))
        if "%" in cleaned:  # base64 that is percent-encoded, or what is encoded twice
            decoded = unquote(unquote(cleaned))
            if decoded != cleaned and clean(decoded) != decoded:
                return HIDDEN
        return cleaned

    return clean


def _spellings(secrets: Iterable[str]) -> list[str]:
    spellings = []
    for secret in secrets:
        text = "".join(map(_character, secret))
        hexadecimal = re.escape(secret.encode("utf-8", "replace").hex())
        spellings += [f"(?i:{text}|{hexadecimal})"] if len(secret) >= _LONG else [_alone(text)]
        if re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", secret):
            spellings.append(f"(?i:{secret.replace('-', '')})")
    return spellings


def _character(character: str) -> str:
    percent = "".join(f"%(?:25)*{byte:02x}" for byte in character.encode("utf-8", "replace"))
    code = ord(character)
    in_json = "" if character.isalnum() else r"\\?"
    forms = [
        in_json + re.escape(character),
        f"(?i:{percent})",
        rf"(?i:\\u{code:04x})",
        f"&#0*{code};",
        f"(?i:&#x0*{code:x};)",
    ]
    return f"(?:{'|'.join(forms)})"


def _alone(expression: str) -> str:
    """Not in the middle of a word; what is percent-encoded before it is no part of one."""
    return rf"(?:(?<![^\W_])|(?<=%[0-9A-Fa-f]{{2}})){expression}(?![^\W_])"


def _cores(secret: bytes) -> list[str]:
    """The characters that base64 has for the secret whatever stands before and after it, by where it begins."""
    cores = []
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + secret).decode()
        first = -(-before * 8 // 6)
        cores.append(encoded[first : (before + len(secret)) * 8 // 6])
    return cores


def _holds(run: str, words: Iterable[re.Pattern[str]]) -> bool:
    """Whether it is base64 for a text, such as `user:token`, that has one of the words."""
    bare = run.rstrip("=")
    try:
        text = base64.b64decode(bare + "=" * (-len(bare) % 4)).decode("utf-8")
    except ValueError:
        return False
    return text.isprintable() and any(word.search(text) for word in words)
