"""The whole stack, once for all end-to-end tests: PostgreSQL, Airflow and the simulator, in a folder of their own.

And a browser. Screenshots go to the folder of LEAD_MINING_SCREENSHOTS, where it is set.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from axe_playwright_python.sync_playwright import Axe
from nights import write_searches
from playwright.sync_api import Browser, Page, expect, sync_playwright

from local_stack import crm
from local_stack.mine import wait_for_dag
from local_stack.stack import Stack

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# Without these Chromium asks its maker's servers for updates, and as root it needs to run without its sandbox.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    folder = Path(tempfile.mkdtemp(prefix="lead-mining-e2e-"))
    write_searches(folder / "searches")
    stack = Stack(folder / "local", {**os.environ, "LEAD_MINING_SEARCHES": str(folder / "searches")})
    try:
        stack.up()
        crm.prepare(stack.crm_conninfo, embedded=True)
        wait_for_dag(stack.api, "lead_mining")
        yield stack
    finally:
        stack.clean()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def conn(stack: Stack) -> Iterator[psycopg.Connection]:
    with psycopg.connect(stack.crm_conninfo, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=60_000)  # the machine may be busy
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed: on Debian, `apt-get install chromium`")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, stack: Stack) -> Iterator[Page]:
    """A page that is logged in."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000}, base_url=stack.url)
    context.set_default_timeout(60_000)
    page = context.new_page()
    page.goto("/")
    page.fill("input[name=username]", stack.user)
    page.fill("input[name=password]", stack.password)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/auth/login" not in url)
    yield page
    context.close()


@pytest.fixture
def picture(page: Page, tmp_path: Path) -> Callable[[str], None]:
    folder = Path(os.environ.get("LEAD_MINING_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)

    def take(name: str, of: Page = page) -> None:
        of.wait_for_timeout(500)  # let animations end
        of.screenshot(path=folder / f"{name}.png")

    return take


@pytest.fixture
def laptop(page: Page) -> Iterator[Page]:
    """A laptop's screen, on which no script may fail and nothing may be tried that the page's policy refuses."""
    said: list[str] = []
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("console", lambda message: said.append(message.text) if "Content Security Policy" in message.text else None)
    page.set_viewport_size({"width": 1366, "height": 768})
    yield page
    assert said == []


@pytest.fixture
def good(laptop: Page, picture: Callable[[str], None]) -> Callable[[str], None]:
    """Takes pictures of the page in light and in dark, and lets axe look at both."""

    def look(name: str) -> None:
        for scheme in ("dark", "light"):
            laptop.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            picture(f"{name}-{scheme}")
            violations = Axe().run(laptop).response["violations"]
            found = [(v["id"], v["nodes"][0]["html"]) for v in violations if v["impact"] in ("serious", "critical")]
            assert found == [], f"{name}, {scheme}"
            assert laptop.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it is wider than the window"

    return look
