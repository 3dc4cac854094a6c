"""Names of companies, normalised and compared word by word. Nothing here asks the network or writes to disk."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from typing import Final, NamedTuple

_MAX_NAME = 500  # characters of a name that are compared
_MAX_WORDS = 12
MOST_AGREED: Final = 3.0
_NOT_A_WORD = re.compile(r"[^a-z0-9]+")
LEGAL_FORM, COMMON, DISTINCTIVE = 0.1, 0.45, 1.0
_PREFIX, _SHORT_PREFIX, _ABBREVIATION, _MISSPELT = 0.9, 0.7, 0.7, 0.92

Words = tuple[str, ...]


class Likeness(NamedTuple):
    """How two names compare, each figure from 0 to 1 but `agreed`.

    `lesser`, `greater`: the share of each name's weight that the other has, by which is less; `strange`, `stranger`:
    the heaviest word without a counterpart, of the name where it is lighter, and of the other; `agreed`: weight of the
    words in common, at most 3; `first`: likeness of the first words; `same`: whether all words are; `exact`: the
    heaviest word that both have letter by letter.
    """

    lesser: float
    greater: float
    strange: float
    stranger: float
    agreed: float
    first: float
    same: float
    exact: float


NOTHING_ALIKE: Final = Likeness(0, 0, 1, 1, 0, 0, 0, 0)


def words(name: str) -> Words:
    """`Müller & Söhne A.G.` is (muller, and, sohne, ag): Latin letters of any script, in lower case; at most 12."""
    from anyascii import anyascii

    text = name[:_MAX_NAME]
    text = (text if text.isascii() else anyascii(text)).lower().replace("&", " and ").replace("'", "")
    found: list[str] = []
    letters = ""
    for word in _NOT_A_WORD.sub(" ", text).split():
        if len(word) == 1:
            letters += word
            continue
        if letters:
            found.append(letters)
            letters = ""
        found.append(word)
    return tuple([*found, letters][:_MAX_WORDS] if letters else found[:_MAX_WORDS])


@cache
def _legal_forms() -> frozenset[str]:
    """Legal forms of more than 60 countries, each as one word: `sarl`, `gmbh`."""
    from cleanco.termdata import terms_by_type

    forms = [words(term) for terms in terms_by_type.values() for term in terms]
    return frozenset(form[0] for form in forms if len(form) == 1)


@cache
def _common_words() -> frozenset[str]:
    text = files(__package__).joinpath("common_words.txt").read_text(encoding="utf-8")
    return frozenset(word for line in text.splitlines() if not line.startswith("#") for word in line.split())


@lru_cache(maxsize=30_000)
def weight(word: str) -> float:
    """How much a word says about which company it is."""
    if word in _legal_forms():
        return LEGAL_FORM
    return COMMON if len(word) <= 2 or word in _common_words() else DISTINCTIVE


def _says_nothing(word: str) -> bool:
    """A legal form, or a small word such as `the`."""
    return word in _legal_forms() or (len(word) <= 3 and word in _common_words())


def blocks(name: Words) -> tuple[str, ...]:
    """Two short texts, of which names of the same company mostly share one: the first distinctive word's beginning,
    and the beginnings of the first two words. Only names that share one are compared."""
    telling = [word for word in name if not _says_nothing(word)] or list(name)
    if not telling:
        return ()
    distinctive = next((word for word in telling if weight(word) == DISTINCTIVE), None)
    first = distinctive[:6] if distinctive else " ".join(telling[:2])
    return f"1 {first}", f"2 {telling[0][:3]} {telling[1][:3] if len(telling) > 1 else ''}"


@lru_cache(maxsize=100_000)
def _alike(one: str, other: str) -> float:
    """Likeness of two words: equal, one the other's beginning or abbreviation (`intl`), or misspelt; else 0."""
    if one == other:
        return 1.0
    short, long = (one, other) if len(one) <= len(other) else (other, one)
    if len(short) >= 2 and long.startswith(short):
        return _PREFIX if len(short) >= 3 else _SHORT_PREFIX
    if short[0] != long[0]:
        return 0.0
    if 3 <= len(short) <= 5 and _is_spread_over(short, long):
        return _ABBREVIATION
    from rapidfuzz.distance import JaroWinkler

    return JaroWinkler.similarity(short, long, score_cutoff=_MISSPELT)


def _is_spread_over(letters: Iterable[str], text: str) -> bool:
    rest = iter(text)
    return all(letter in rest for letter in letters)


def compare(one: Words, other: Words) -> Likeness:
    """Pair each word, the heaviest first, with the most alike of the other name, and weigh what is paired."""
    if not one or not other:
        return NOTHING_ALIKE
    weights, weights_of_other = [weight(w) for w in one], [weight(w) for w in other]
    paired, paired_of_other = [0.0] * len(one), [0.0] * len(other)
    for i in sorted(range(len(one)), key=lambda place: -weights[place]):
        best, partner = 0.0, -1
        for j, word in enumerate(other):
            if not paired_of_other[j] and (alike := _alike(one[i], word)) > best:
                best, partner = alike, j
        if partner >= 0:
            paired[i] = paired_of_other[partner] = best
    shares = _share(weights, paired), _share(weights_of_other, paired_of_other)
    left_over = _heaviest(weights, paired, 0.0), _heaviest(weights_of_other, paired_of_other, 0.0)
    return Likeness(
        lesser=min(shares),
        greater=max(shares),
        strange=min(left_over),
        stranger=max(left_over),
        agreed=min(sum(w for w, alike in zip(weights, paired, strict=True) if alike), MOST_AGREED),
        first=_alike(one[0], other[0]),
        same=float(one == other),
        exact=_heaviest(weights, paired, 1.0),
    )


def _share(weights: Sequence[float], paired: Sequence[float]) -> float:
    return sum(w * alike for w, alike in zip(weights, paired, strict=True)) / sum(weights)


def _heaviest(weights: Sequence[float], paired: Sequence[float], alike: float) -> float:
    return max((w for w, each in zip(weights, paired, strict=True) if each == alike), default=0.0)
