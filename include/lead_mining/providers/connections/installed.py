"""The types of providers that are installed, by the entry points of all packages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from lead_mining.providers.connections.base import ProviderType

GROUP = "lead_mining.provider"


@cache
def announced() -> Mapping[str, Sequence[EntryPoint]]:
    """By connection type, in the order of names, the entry points that name it: one, unless packages are at odds."""
    found = defaultdict(list)
    for entry in entry_points(group=GROUP):
        found[entry.name].append(entry)
    return dict(sorted(found.items()))


@cache
def provider_type(name: str) -> ProviderType:
    """The provider type of that name. Raises LookupError, which says why, where there is none that can be used."""
    entries = announced().get(name, ())
    if not entries:
        raise LookupError(f"its type is {name!r}, and the types of lead providers are {', '.join(announced())}")
    if len(entries) > 1:
        packages = " and ".join(sorted(map(_package, entries)))
        raise LookupError(f"its type {name!r} is announced by {packages}: uninstall all but one of them")
    try:
        found = entries[0].load()
    except Exception as error:  # whatever goes wrong in a package of somebody else's
        why = f"{type(error).__name__}: {error}"
        raise LookupError(f"its type {name!r} cannot be loaded from {_package(entries[0])} ({why})") from error
    if not isinstance(found, ProviderType):
        raise LookupError(
            f"its type {name!r} of {_package(entries[0])} is a {type(found).__name__}: {entries[0].value} must name a"
            " lead_mining.providers.connections.base.ProviderType"
        )
    return found


def _package(entry: EntryPoint) -> str:
    return f"the package {entry.dist.name}" if entry.dist else f"the module {entry.module}"
