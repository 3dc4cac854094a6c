"""The HTML of a queued mail as its reader sees it; fails on any markup that is not our own."""

from __future__ import annotations

from html.parser import HTMLParser

_VOID = {"meta", "br"}
_TAGS = {"html", "head", "meta", "title", "body", "h1", "p", "a", "div", "br", "span"}
_ATTRIBUTES = {"lang", "charset", "name", "content", "style", "href", "id"}


class Mail(HTMLParser):
    """`title`; `text`: what is seen, a line a block; `links`: text to address; `lang`."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.title, self.text, self.lang = "", "", None
        self.links: dict[str, str] = {}
        self._open: list[str] = []
        self._href = ""
        self.feed(html)
        self.close()
        assert self._open == [], "every tag is closed"
        self.text = "\n".join(line for line in map(str.strip, self.text.split("\n")) if line)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        assert tag in _TAGS, tag
        assert found.keys() <= _ATTRIBUTES, attrs
        self.lang = self.lang or found.get("lang")
        self._href = found.get("href") or ""
        if tag == "br":
            self.text += "\n"
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "title" in self._open:
            self.title += data
        elif "body" in self._open:
            self.text += data
            if self._open[-1] == "a":
                self.links[data] = self._href

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")
