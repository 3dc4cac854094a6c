"""The documents are true: what they quote is said by the code, and what they link to is there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from documented import DOCUMENTS, PROJECT
from markdown_it import MarkdownIt

OPERATING = (PROJECT / "docs" / "operating.md").read_text(encoding="utf-8")


@cache
def texts() -> str:
    """All texts of the code; where a value is put in, three dots."""
    found: list[str] = []
    for folder in ("include/lead_mining", "dags"):
        for path in (PROJECT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.append(node.value)
                elif isinstance(node, ast.JoinedStr):
                    found.append(
                        "".join(str(part.value) if isinstance(part, ast.Constant) else "..." for part in node.values)
                    )
    return "\n".join(found)


def quoted() -> list[str]:
    table = OPERATING.partition("| the log says |")[2].partition("\n\n")[0]
    return re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)


def test_there_are_errors_to_look_up() -> None:
    assert len(quoted()) > 15


OF_AIRFLOW = {"Dag lead_mining is paused"}


@pytest.mark.parametrize("text", quoted())
def test_each_error_in_the_triage_table_is_one_that_the_code_says(text: str) -> None:
    assert text in texts() or text in OF_AIRFLOW


def links(path: Path) -> Iterator[str]:
    for block in MarkdownIt("gfm-like", {"linkify": False}).parse(path.read_text(encoding="utf-8")):
        for token in block.children or ():
            if token.type in ("link_open", "image"):
                yield str(token.attrs.get("href") or token.attrs.get("src"))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_what_is_there(path: Path) -> None:
    inside = [link.partition("#")[0] for link in links(path) if not re.match(r"https?://|#|mailto:", link)]
    assert [link for link in inside if not (path.parent / link).exists()] == []
