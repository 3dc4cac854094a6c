"""Text that others wrote, made safe for a line of a log, a terminal, a message or a mail's header: it stays text.

It begins no line of its own, moves no cursor, sets no colour or title of a terminal, is shown in the order it is stored
in, and is no command of what shows logs, such as Airflow's `::group::`.
"""

from __future__ import annotations

import logging
import re

HIDDEN = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066-\u2069]")
"""C0 and C1 controls that are no white space, surrogates, non-characters, bidirectional embeddings and overrides."""

_COMMAND = re.compile(r"::(?=(?:end)?group)|##(?=\[)")


class Lines(str):
    """Text of several lines, each of which was made safe: a log shows it as it is."""

    __slots__ = ()


def one_line(text: str) -> str:
    """The text on one line: spaces for line breaks and tabs, without what is not seen, and no command."""
    if text.isprintable() and "::" not in text and "##" not in text:
        return text  # as almost all are
    seen = HIDDEN.sub("", " ".join(text.splitlines()).replace("\t", " ").replace("\x1f", " "))
    return _COMMAND.sub(lambda found: " ".join(found[0]), seen)


def safe_lines(text: str) -> Lines:
    """The text with its line feeds, each line made safe."""
    return Lines("\n".join(map(one_line, text.split("\n"))))


def logger(name: str) -> logging.Logger:
    """The logger of a module of ours: what is filled into its lines stays on them."""
    log = logging.getLogger(name)
    if _on_one_line not in log.filters:
        log.addFilter(_on_one_line)
    return log


def _on_one_line(record: logging.LogRecord) -> bool:
    if isinstance(record.args, tuple):
        record.args = tuple(map(_safe, record.args))
    return True


def _safe(value: object) -> object:
    if isinstance(value, Lines | int | float) or value is None:
        return value
    return one_line(str(value))
