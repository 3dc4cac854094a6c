"""Great Expectations' context and its Data Docs: one static site a run, without anybody's data in it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lead_mining.pages import data_docs
from lead_mining.quality.results import SuiteResult

if TYPE_CHECKING:
    from great_expectations.data_context.data_context.ephemeral_data_context import EphemeralDataContext


def site_name(run_name: str) -> str:
    """The folder of a run's site: `run_name` with whatever a file name or a URL could stumble over replaced."""
    return re.sub(r"[^A-Za-z0-9_.+-]", "_", run_name).lstrip(".")[:200] or "_"


def new_context() -> EphemeralDataContext:
    """A context that lives in memory, phones nobody, draws no progress bars, and writes no Data Docs by itself."""
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
    return gx.get_context(mode="ephemeral", project_config=config)


class Site:
    """A run's site, built part by part beside its place and moved there whole: a reader never finds half of one.

    Whoever works on the parts, on whichever machine, sees the same folder `docs`.
    """

    def __init__(self, docs: Path, run_name: str) -> None:
        self.name = site_name(run_name)
        self._docs, self._place, self._new = docs, docs / self.name, docs / f".new-{self.name}"

    @property
    def index(self) -> Path:
        """The page to begin with."""
        return self._place / "index.html"

    @contextmanager
    def part(self, first: int) -> Iterator[Path]:
        """A folder for the pages of the part that begins there. Where the part fails, nothing is left of it."""
        folder = self._new / str(first)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            yield folder
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):  # other parts are in it
                self._new.rmdir()
            raise

    def publish(self, results: Sequence[SuiteResult], rejected_rows: str | None = None) -> None:
        """Put the site in its place, instead of what an earlier check of the run left there.

        `rejected_rows`: where the rows that a rule turned down can be looked at, as a link from its index which ends
        where the rule's name belongs; None: nowhere but in the database. Once more, it changes nothing.
        """
        site = self._new if self._new.exists() else self._place
        site.mkdir(parents=True, exist_ok=True)
        pages = {
            result.suite: [
                page.relative_to(site).as_posix()
                for part in sorted(site.iterdir(), key=lambda path: (len(path.name), path.name))
                for page in sorted((part / "validations" / result.suite).rglob("*.html"))
            ]
            for result in results
        }
        index = data_docs.run_page(self.name, results, pages, rejected_rows)
        (site / "index.html").write_text(index, encoding="utf-8")
        if site == self._new:
            self._swap_in()

    def _swap_in(self) -> None:
        old = self._docs / f".old-{self.name}"
        shutil.rmtree(old, ignore_errors=True)
        with suppress(FileNotFoundError):
            self._place.rename(old)
        self._new.rename(self._place)
        shutil.rmtree(old, ignore_errors=True)
