"""Great Expectations' context and its Data Docs: one static site a run, without anybody's data in it."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lead_mining.quality.rules import Rule

if TYPE_CHECKING:
    from great_expectations.data_context.data_context.ephemeral_data_context import EphemeralDataContext

_SITE = "data_docs"
_SHOWN_CODE = 3  # characters: a country or state code; too short for a name, an address or markup
_KEPT_ASSETS = {"favicon.ico"}  # of 4 MB of images and fonts, the only one that the pages use


def site_name(run_name: str) -> str:
    """The folder of a run's site: `run_name` with whatever a file name or a URL could stumble over replaced."""
    return re.sub(r"[^A-Za-z0-9_.+-]", "_", run_name).lstrip(".")[:200] or "_"


def new_context(site: Path | None = None) -> EphemeralDataContext:
    """A context that lives in memory, phones nobody, draws no progress bars, and writes Data Docs to `site` alone."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # some versions of the library read this, others their configuration
    import great_expectations as gx
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        analytics_enabled=False,
        progress_bars=ProgressBarsConfig(globally=False),
    )
    context = gx.get_context(mode="ephemeral", project_config=config)
    if site:
        config_of_site: Any = {  # the library's own type lacks show_how_to_buttons
            "class_name": "SiteBuilder",
            "show_how_to_buttons": False,
            "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(site)},
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        }
        context.add_data_docs_site(_SITE, config_of_site)
    return context


class Site:
    """Builds a run's site beside its place and moves it there whole, so that a reader never finds half of one."""

    def __init__(self, docs: Path, run_name: str) -> None:
        docs.mkdir(parents=True, exist_ok=True)
        self.name = site_name(run_name)
        self._docs = docs
        self._new = Path(tempfile.mkdtemp(prefix=".new-", dir=docs))
        self._new.chmod(0o755)  # mkdtemp's 0700 would lock out a web server of another user
        self.context = new_context(self._new)

    def publish(self, rules: Mapping[str, Rule]) -> Path:
        """Write the site for all that the context has validated by `rules`, and return its index page."""
        store = self.context.validation_results_store
        results = [redacted(store.get(key)) for key in store.list_keys()]
        for key, result in zip(store.list_keys(), results, strict=True):
            store.set(key, result)
        self.context.build_data_docs(site_names=[_SITE])
        for asset in [path for path in (self._new / "static").rglob("*") if path.is_file()]:
            if asset.name not in _KEPT_ASSETS:
                asset.unlink()
        (self._new / "index.html").write_text(self._index(results, rules), encoding="utf-8")
        return self._swap_in() / "index.html"

    def _index(self, results: list[Any], rules: Mapping[str, Rule]) -> str:
        """An index page that needs no network, where Great Expectations' own shows nothing without one."""
        from jinja2 import Environment

        suites = []
        for result in results:
            failed = {name_of(one): one.result["unexpected_count"] for one in result.results}
            suites.append(
                {
                    "name": result.suite_name,
                    "checked": max((one.result["element_count"] for one in result.results), default=0),
                    "page": next((self._new / "validations" / result.suite_name).rglob("*.html"))
                    .relative_to(self._new)
                    .as_posix(),
                    "rules": [
                        {"name": name, "reason": rule.reason, "severity": rule.severity, "failed": failed[name]}
                        for name, rule in rules.items()
                        if name in failed
                    ],
                }
            )
        template = files(__package__).joinpath("index.html.j2").read_text(encoding="utf-8")
        return Environment(autoescape=True).from_string(template).render(run_name=self.name, suites=suites)

    def _swap_in(self) -> Path:
        """Put the new site in the place of an earlier one of the same run."""
        place, old = self._docs / self.name, self._new.with_name(self._new.name + "-old")
        with suppress(FileNotFoundError):
            place.rename(old)
        with suppress(OSError):  # the same run, at the same moment, has put its own there: it says the same
            self._new.rename(place)
        shutil.rmtree(old, ignore_errors=True)
        return place

    def discard(self) -> None:
        """Remove what was not published."""
        shutil.rmtree(self._new, ignore_errors=True)


def name_of(result: Any) -> str:
    """The name of the rule that a result of Great Expectations is of."""
    return str(result.expectation_config.meta["name"])


def redacted(results: Any) -> Any:
    """The results of a suite without the values that failed: counts and percentages stay.

    Numbers and codes of companies are shown; everything else may be somebody's, and Great Expectations' pages do not
    escape it. The rejected values stand in the table lead_mining.rejection.
    """
    show = results.suite_name == "company"
    for result in results.results:
        counts = result.result.get("partial_unexpected_counts") or []
        shown = [c for c in counts if show and isinstance(c, dict) and _is_shown(c.get("value"))]
        for name in [n for n in result.result if n.startswith(("partial_", "unexpected_index", "unexpected_list"))]:
            del result.result[name]
        if shown:
            result.result["partial_unexpected_counts"] = shown
            result.result["partial_unexpected_list"] = [c["value"] for c in shown]
    return results


def _is_shown(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= _SHOWN_CODE and value.isascii() and value.isalnum()
    return isinstance(value, (int, float))
