"""The commands in the documents, as a reader would type them."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

PROJECT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "benchmarks/*.md", "include/*/README.md")
    for path in PROJECT.glob(pattern)
)


@dataclass(frozen=True)
class Block:
    """A `console` block: commands that are typed one after the other, in one shell."""

    where: str
    commands: tuple[str, ...]


def blocks() -> list[Block]:
    found = []
    for path in DOCUMENTS:
        for token in MarkdownIt().parse(path.read_text(encoding="utf-8")):
            if token.type == "fence" and token.info == "console":
                assert token.map
                where = f"{path.relative_to(PROJECT)}:{token.map[0] + 1}"
                found.append(Block(where, tuple(_commands(token.content.splitlines()))))
    return found


def _commands(lines: list[str]) -> list[str]:
    """After `$ `, with the lines that go on until all quotes are closed; what is printed is left out."""
    found: list[str] = []
    for line in lines:
        if line.startswith("$ "):
            found.append(line[2:])
        elif found and not _is_whole(found[-1]):
            found[-1] += f"\n{line}"
    return found


def _is_whole(command: str) -> bool:
    try:
        shlex.split(command, comments=True)
    except ValueError:
        return False
    return True


def make_targets_named() -> dict[str, str]:
    """Target to a document that names it, in code: `make target`."""
    return {
        target: path.name
        for path in DOCUMENTS
        for target in re.findall(r"(?:`|\$ )make ([a-z.]+)", path.read_text(encoding="utf-8"))
    }
