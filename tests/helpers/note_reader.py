"""An enrichment note as a browser reads it; fails on any markup that is not our own."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from lead_mining.notes.render import render_note
from lead_mining.providers.base import Company

TAGS = {"p", "div", "h4", "a", "table", "tr", "th", "td", "span", "caption"}
ATTRIBUTES = {"class", "style", "href", "target", "rel", "scope"}
LINKS = (
    "mailto:", "tel:", "https://www.facebook.com/", "https://www.linkedin.com/", "https://www.crunchbase.com/",
    "https://twitter.com/", "https://time.is/",
)  # fmt: skip
"""And no other: a reader who is logged in to the CRM would be taken where the provider wants."""


@dataclass
class Note(HTMLParser):
    """A note as a browser reads it: its texts and links; fails on markup that is not ours, or that loads anything."""

    html: str
    texts: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    open_tags: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    headers: list[str | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.feed(self.html)
        self.close()
        assert self.open_tags == [], "every tag is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS, tag
        assert {name for name, _ in attrs} <= ATTRIBUTES, attrs
        found = dict(attrs)
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.open_tags.append(tag)
        assert "url" not in (found.get("style") or ""), found
        if tag == "a":
            href = found["href"] or ""
            assert href.startswith(LINKS), href
            assert not re.search(r"[\s\x00-\x20\x7f\"'<>\\]", href.replace("'", "")), href
            assert (found.get("rel") == "noopener noreferrer") == href.startswith("http")
            self.links.append(href)
        if tag == "th":
            assert found.get("scope") in ("row", "col")

    def handle_endtag(self, tag: str) -> None:
        assert self.open_tags.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(data.strip())

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(f"a declaration: {decl}")

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(f"a declaration: {data}")

    def handle_pi(self, data: str) -> None:
        raise AssertionError(f"a processing instruction: {data}")


def note(company: Company, lead_type: Any = "lead", request_number: str = "LMR001") -> Note:
    return Note(render_note(company, lead_type=lead_type, request_number=request_number))
