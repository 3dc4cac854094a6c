"""Great Expectations' context and its Data Docs: one static site a run, without anybody's data in it."""

from __future__ import annotations

import logging
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lead_mining.pages import data_docs
from lead_mining.quality.results import SuiteResult

if TYPE_CHECKING:
    from great_expectations.data_context.data_context.ephemeral_data_context import EphemeralDataContext

SITE = "data_docs"
"""The name by which the context knows the site."""

_KEPT_ASSETS = {"favicon.ico"}  # of 4 MB of images and fonts, the only one that the pages use


def site_name(run_name: str) -> str:
    """The folder of a run's site: `run_name` with whatever a file name or a URL could stumble over replaced."""
    return re.sub(r"[^A-Za-z0-9_.+-]", "_", run_name).lstrip(".")[:200] or "_"


def new_context(site: Path | None = None) -> EphemeralDataContext:
    """A context that lives in memory, phones nobody, draws no progress bars, and writes Data Docs to `site` alone."""
    logging.getLogger("great_expectations").setLevel(logging.WARNING)  # it tells of its own objects, in two lines each
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
        context.add_data_docs_site(SITE, config_of_site)
    return context


class Site:
    """Builds a run's site beside its place and moves it there whole, so that a reader never finds half of one."""

    def __init__(self, docs: Path, run_name: str) -> None:
        docs.mkdir(parents=True, exist_ok=True)
        self.name = site_name(run_name)
        self._docs = docs
        self._new = Path(tempfile.mkdtemp(prefix=".new-", dir=docs))
        self._new.chmod(0o755)  # mkdtemp's 0700 would lock out a web server of another user

    def new_context(self) -> EphemeralDataContext:
        """One that publishes to the site, for one chunk."""
        return new_context(self._new)

    def publish(self, results: Sequence[SuiteResult], rejected_rows: str | None = None) -> Path:
        """Put the site in its place, and return its index page.

        `rejected_rows`: where the rows that a rule turned down can be looked at, as a link from that page which ends
        where the rule's name belongs; None: nowhere but in the database.
        """
        for asset in [path for path in (self._new / "static").rglob("*") if path.is_file()]:
            if asset.name not in _KEPT_ASSETS:
                asset.unlink()
        pages = {
            result.suite: sorted(
                page.relative_to(self._new).as_posix()
                for page in (self._new / "validations" / result.suite).rglob("*.html")
            )
            for result in results
        }
        index = data_docs.run_page(self.name, results, pages, rejected_rows)
        (self._new / "index.html").write_text(index, encoding="utf-8")
        return self._swap_in() / "index.html"

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
